"""Counters that database triggers raise when configuration changes; long-lived roles poll them and reload."""

from django.db import models


class Change(models.Model):
    name = models.CharField(max_length=30, primary_key=True)
    number = models.BigIntegerField(default=0)

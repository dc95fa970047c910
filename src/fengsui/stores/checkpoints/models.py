"""How far each partition of the readings stream is processed, committed with everything that processing wrote."""

from django.db import models


class Checkpoint(models.Model):
    """``stream_seq``: history, ledger and quarantine hold every message up to it.  ``state_seq`` (never later): the
    state in ``state_file`` has seen every message up to it.  Messages between the two only teach the state again.
    """

    partition = models.PositiveIntegerField(primary_key=True)
    stream_seq = models.BigIntegerField()
    state_seq = models.BigIntegerField(default=0)
    state_file = models.CharField(max_length=200)
    owner = models.CharField(max_length=40, default="")  # the one pipeline instance that may commit
    epoch = models.BigIntegerField(default=0)  # counts commits and claims
    committed_at = models.DateTimeField(auto_now=True)


class Writer(models.Model):
    """The last message number seen of each gateway instance: a gap is a loss, a repeat is a redelivery."""

    gateway = models.CharField(max_length=40)
    partition = models.PositiveIntegerField()
    number = models.BigIntegerField()
    missing = models.BigIntegerField(default=0)
    seen_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["gateway", "partition"], name="one_writer_row")]

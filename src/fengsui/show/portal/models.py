"""What the portal keeps for itself: nothing that cannot be worked out again from the rows of others."""

from django.db import models

from fengsui.sense.devices.models import Site


class SitePeriod(models.Model):
    """The shortest period of a site's active datastreams, and how many there are.

    Kept by triggers on ``devices_datastream``, so that the map of 50,000 sites need not read 150,000 datastreams to
    know what is late.  A site without active datastreams has no row.
    """

    site = models.OneToOneField(Site, primary_key=True, on_delete=models.CASCADE, related_name="period")
    period_ms = models.PositiveIntegerField()
    datastreams = models.PositiveIntegerField()

"""Who asks, and the rows of each entity that they see."""

from dataclasses import dataclass
from typing import Any

from django.db.models import Exists, OuterRef, Q, QuerySet

from fengsui.people.orgs import access
from fengsui.sense.devices.models import (
    Datastream,
    Device,
    FeatureOfInterest,
    HistoricalLocation,
    Location,
    MultiDatastream,
    ObservedProperty,
    Sensor,
    Thing,
)


@dataclass(frozen=True, slots=True)
class Viewer:
    """A person, or a device: a device sees its own site and may only add observations there."""

    user: Any = None
    device: Device | None = None

    def sees(self, site: str) -> Q:
        """Rows whose site, at the path ``site`` ("" for sites, "site__", "thing__site__"), is in sight."""
        if self.device is not None:
            return Q(**{f"{site}id": self.device.site_id})
        return access.rows_where(self.user, "device.view", f"{site}org_path")

    @property
    def source(self) -> str:
        """Who sends, as the ledger has it."""
        return self.device.code if self.device is not None else f"sta:{self.user.get_username()}"

    @property
    def keeps_codes(self) -> bool:
        """Whether all sensors and observed properties are theirs to keep, used or not."""
        return self.device is None and access.may(self.user, "code.edit")


def visible(name: str, viewer: Viewer) -> QuerySet[Any]:
    """The rows of an entity that ``viewer`` sees.  Observation has no rows here."""
    return _SETS[name](viewer)


def _things(viewer: Viewer) -> QuerySet[Any]:
    return Thing.objects.filter(viewer.sees("site__"), is_active=True)


def _locations(viewer: Viewer) -> QuerySet[Any]:
    """Those of sites in sight, and where things in sight are though it is elsewhere."""
    sees = viewer.sees("site__")
    if sees == Q():
        return Location.objects.all()
    guests = Thing.locations.through.objects.filter(viewer.sees("thing__site__")).values("location_id")
    return Location.objects.filter(sees | Q(pk__in=guests))


def _historical_locations(viewer: Viewer) -> QuerySet[Any]:
    return HistoricalLocation.objects.filter(viewer.sees("thing__site__"), thing__is_active=True)


def _datastreams(viewer: Viewer) -> QuerySet[Any]:
    return Datastream.objects.filter(viewer.sees("site__"), is_active=True, thing__is_active=True)


def _multi_datastreams(viewer: Viewer) -> QuerySet[Any]:
    return MultiDatastream.objects.filter(viewer.sees("site__"), is_active=True, thing__is_active=True)


def _sensors(viewer: Viewer) -> QuerySet[Any]:
    rows = Sensor.objects.filter(is_active=True)
    return rows if viewer.keeps_codes else rows.filter(_used(viewer, "sensor"))


def _observed_properties(viewer: Viewer) -> QuerySet[Any]:
    rows = ObservedProperty.objects.filter(is_active=True)
    return rows if viewer.keeps_codes else rows.filter(_used(viewer, "observed_property"))


def _used(viewer: Viewer, by: str) -> Exists:
    return Exists(_datastreams(viewer).filter(**{by: OuterRef("pk")}))


def _features(viewer: Viewer) -> QuerySet[Any]:
    return FeatureOfInterest.objects.filter(viewer.sees("site__"))


_SETS = {
    "Thing": _things,
    "Location": _locations,
    "HistoricalLocation": _historical_locations,
    "Datastream": _datastreams,
    "MultiDatastream": _multi_datastreams,
    "Sensor": _sensors,
    "ObservedProperty": _observed_properties,
    "FeatureOfInterest": _features,
}

"""What can be done with things, places, sensors and datastreams one at a time: add, change, take out of use.

The import of tables (``services``) does the same for many.  Rights, checks and audit are the same; a thing or a
datastream that is taken out of use stays with its readings.
"""

import re
import secrets
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Avg
from django.utils import timezone
from django.utils.translation import gettext as _

from fengsui.base.errors import BadInput
from fengsui.people import audit
from fengsui.people.orgs import access
from fengsui.people.orgs.models import Org
from fengsui.sense.devices.models import (
    Datastream,
    FeatureOfInterest,
    HistoricalLocation,
    Location,
    MultiDatastream,
    MultiDatastreamMember,
    ObservedProperty,
    Sensor,
    Site,
    Thing,
)
from fengsui.sense.devices.tables import CODE, CONTROL

SHARED = (Sensor, ObservedProperty)
WORDS = {
    Site: "site", Thing: "thing", Location: "location", HistoricalLocation: "former_location", Sensor: "sensor",
    ObservedProperty: "property", Datastream: "datastream", FeatureOfInterest: "feature",
    MultiDatastream: "multi_datastream",
}  # fmt: skip
GROUP_MOST = 64  # datastreams of a MultiDatastream
PERIOD_MS = 3_600_000  # of a datastream of which nobody said how often it is heard


class StillUsed(BadInput):
    """Something else needs this row: say first what becomes of that."""

    code = "sense.still_used"


# ---- rights ---------------------------------------------------------------------------------------------------


def require(actor: Any, row: Any) -> None:
    """Raise NotAllowed unless ``actor`` may change ``row``: shared tables are kept by whoever keeps the codes."""
    if isinstance(row, SHARED):
        roots = list(Org.objects.filter(depth=0).order_by("pk"))
        if not any(access.may(actor, "code.edit", root) for root in roots):
            access.require(actor, "code.edit", roots[0] if roots else None, row)
    elif isinstance(row, Site):
        access.require(actor, "site.edit", row.org_path or row.org.path, row)
    else:
        access.require(actor, "device.edit", site_of(row).org_path, row)


def site_of(row: Any) -> Site:
    """The site that a row belongs to."""
    return row.thing.site if isinstance(row, HistoricalLocation) else row.site


# ---- where new things belong ----------------------------------------------------------------------------------


def org_for(actor: Any, code: str = "") -> Org:
    """The organisation for which ``actor`` adds something: the named one, or the only one there is for them.

    Raises NotAllowed, BadInput.
    """
    if code:
        org = access.orgs_where(actor, "device.edit").filter(code=code).first()
        if org is None:
            raise BadInput(_("There is no organisation %(code)s that you may edit.") % {"code": code[:64]})
        return org
    paths = access.paths_where(actor, "device.edit")
    if not paths:
        access.require(actor, "device.edit")
    found = list(Org.objects.filter(depth=0) if paths == [""] else Org.objects.filter(path__in=paths))
    if len(found) != 1:
        raise BadInput(_("You work for several organisations: name one by its code, properties.org."))
    return found[0]


def site_for(actor: Any, code: str) -> Site:
    """The site with this code that ``actor`` may edit.  Raises BadInput."""
    site = Site.objects.filter(access.rows_where(actor, "device.edit"), code=code).first()
    if site is None:
        raise BadInput(_("There is no site %(code)s that you may edit.") % {"code": code[:64]})
    return site


@transaction.atomic
def gathering_site(actor: Any, org: Org) -> Site:
    """The site of ``org`` for things of which nobody says where they are; made when first needed."""
    code = f"sta-{org.code}"[:64]
    site = Site.objects.filter(code=code, org=org).first()
    if site is not None:
        return site
    above = Org.objects.filter(
        pk__in=[int(pk) for pk in org.path.strip("/").split("/")], longitude__isnull=False
    )
    placed = above.order_by("-depth").values_list("longitude", "latitude").first()
    if placed is None:
        mean = Site.objects.filter(org_path__startswith=org.path).aggregate(
            x=Avg("longitude"), y=Avg("latitude")
        )
        placed = (mean["x"], mean["y"])
    if placed[0] is None:
        raise BadInput(_("Say where it is: nothing of this organisation has a place yet."))
    return add_site(actor, org, code=code, name=org.name[:120], longitude=placed[0], latitude=placed[1])


def add_site(actor: Any, org: Org, *, name: str, longitude: float, latitude: float, code: str = "") -> Site:
    """A new site of ``org``.  Raises NotAllowed, BadInput."""
    site = Site(
        code=code or f"sta-{secrets.token_hex(5)}", name=name[:120], org=org, org_path=org.path, longitude=longitude,
        latitude=latitude,
    )  # fmt: skip
    return add(actor, site)


def code_from(name: str, taken: Iterable[str]) -> str:
    """A code for something that has only a name: the name itself where it is one and free."""
    if CODE.fullmatch(name) and name not in taken:
        return name
    return f"sta-{secrets.token_hex(5)}"


# ---- rows -----------------------------------------------------------------------------------------------------


@transaction.atomic
def add(actor: Any, row: Any) -> Any:
    """Keep a new row.  Raises NotAllowed, BadInput."""
    require(actor, row)
    _check(row)
    row.save(force_insert=True)
    audit.record(actor, f"{WORDS[type(row)]}.added", row)
    return row


@transaction.atomic
def change(actor: Any, row: Any, values: dict[str, Any]) -> Any:
    """Give columns of a row other values.  Raises NotAllowed, BadInput."""
    row = type(row).objects.select_for_update(of=("self",)).get(pk=row.pk)
    require(actor, row)
    if isinstance(row, Datastream):
        _stays_with_its_group(row, values)
    changed = [name for name, value in values.items() if getattr(row, name) != value]
    if not changed:
        return row
    for name in changed:
        setattr(row, name, values[name])
    require(actor, row)  # where it belongs now
    _check(row)
    row.save(update_fields=sorted({row._meta.get_field(name).name for name in changed}))
    audit.record(actor, f"{WORDS[type(row)]}.changed", row, columns=sorted(changed))
    return row


@transaction.atomic
def take_out(actor: Any, row: Any) -> None:
    """Take a row out of use, and what cannot be without it.  Raises NotAllowed, StillUsed.

    Places, features and former locations are deleted; things, datastreams, sensors and observed properties stay for
    the readings that speak of them, and are no longer shown.
    """
    require(actor, row)
    audit.record(actor, f"{WORDS[type(row)]}.removed", row)
    if isinstance(row, Thing):
        row.historical_locations.all().delete()
        row.locations.clear()
        row.multi_datastreams.filter(is_active=True).update(is_active=False)
        row.datastreams.filter(is_active=True).update(is_active=False)
        Thing.objects.filter(pk=row.pk).update(is_active=False)
    elif isinstance(row, SHARED):
        of = {"sensor" if isinstance(row, Sensor) else "members__datastream__observed_property": row}
        for multi in MultiDatastream.objects.filter(is_active=True, **of).distinct():
            _take_out_multi(multi)
        row.datastream_set.filter(is_active=True).update(is_active=False)
        type(row).objects.filter(pk=row.pk).update(is_active=False)
    elif isinstance(row, MultiDatastream):
        _take_out_multi(row)
    elif isinstance(row, Datastream):
        _is_in_no_group(row)
        Datastream.objects.filter(pk=row.pk).update(is_active=False)
    elif isinstance(row, Location) and row.is_site:
        raise StillUsed(_("This is where the site itself is: change it, or take the site out of use."))
    else:
        if isinstance(row, Location):
            HistoricalLocation.objects.filter(locations=row).delete()
        row.delete()


def _take_out_multi(row: MultiDatastream) -> None:
    """The group, and those datastreams that were made with it and are in no other."""
    MultiDatastream.objects.filter(pk=row.pk).update(is_active=False)
    elsewhere = MultiDatastreamMember.objects.filter(multi_datastream__is_active=True).values("datastream_id")
    own = row.members.filter(is_own=True).exclude(datastream__in=elsewhere).values("datastream_id")
    Datastream.objects.filter(pk__in=own).update(is_active=False)


def _is_in_no_group(row: Datastream) -> None:
    """Raise StillUsed when a MultiDatastream that is shown is made of this datastream."""
    group = MultiDatastream.objects.filter(is_active=True, members__datastream=row).first()
    if group is not None:
        raise StillUsed(
            _("MultiDatastream %(id)s (%(name)s) is made of this datastream: delete that first.")
            % {"id": group.pk, "name": group.name}
        )


def _stays_with_its_group(row: Datastream, values: dict[str, Any]) -> None:
    """A group is of one thing and one sensor: a member does not change to another one by itself.  Raises StillUsed."""
    for name in ("thing", "sensor"):
        if name in values and values[name] != getattr(row, name):
            _is_in_no_group(row)


@transaction.atomic
def group(
    actor: Any, row: MultiDatastream, members: Sequence[Datastream], *, own: bool = False
) -> MultiDatastream:
    """Keep a new MultiDatastream of ``members``, in their order; ``own``: they were made for it.

    Raises NotAllowed, BadInput: it has from 1 to GROUP_MOST members, each once, all of its thing and its sensor.
    """
    if not 1 <= len(members) <= GROUP_MOST:
        raise BadInput(_("A MultiDatastream has 1 to %(most)s datastreams.") % {"most": GROUP_MOST})
    if len({one.pk for one in members}) != len(members):
        raise BadInput(_("A MultiDatastream has each of its datastreams once."))
    for one in members:
        if one.thing_id != row.thing_id or one.sensor_id != row.sensor_id:
            raise BadInput(
                _("Datastream %(id)s is of another Thing or Sensor than its MultiDatastream.")
                % {"id": one.pk}
            )
    add(actor, row)
    MultiDatastreamMember.objects.bulk_create(
        MultiDatastreamMember(multi_datastream=row, datastream=one, position=i, is_own=own)
        for i, one in enumerate(members)
    )
    return row


@transaction.atomic
def change_group(actor: Any, row: MultiDatastream, values: dict[str, Any]) -> MultiDatastream:
    """Give a MultiDatastream other values; its members go with it to another thing or sensor.

    Raises NotAllowed, StillUsed (a member is in another group, too), BadInput.
    """
    moved = {name: values[name] for name in ("thing", "sensor") if name in values}
    moved = {name: value for name, value in moved.items() if getattr(row, name) != value}
    if moved:
        for one in Datastream.objects.filter(memberships__multi_datastream=row).select_for_update(
            of=("self",)
        ):
            others = one.memberships.filter(multi_datastream__is_active=True).exclude(multi_datastream=row)
            if others.exists():
                _is_in_no_group(one)
            for name, value in moved.items():
                setattr(one, name, value)
            one.save(update_fields=list(moved))
    return change(actor, row, values)


@transaction.atomic
def move(actor: Any, thing: Thing, locations: Sequence[Location], at: datetime | None = None) -> None:
    """A thing is at ``locations`` (one place, perhaps said in several ways) since ``at``: now, unless given.

    Raises NotAllowed.
    """
    require(actor, thing)
    Thing.objects.select_for_update().get(pk=thing.pk)
    thing.locations.set(locations)
    former = HistoricalLocation.objects.create(thing=thing, time=at or timezone.now())
    former.locations.set(locations)
    audit.record(actor, "thing.moved", thing, locations=[row.pk for row in locations])


@transaction.atomic
def begin_at(actor: Any, thing: Thing, locations: Sequence[Location]) -> None:
    """A new thing is, and always was, at ``locations`` instead of where its site is."""
    thing.historical_locations.all().delete()
    move(actor, thing, locations)


@transaction.atomic
def add_former_location(
    actor: Any, thing: Thing, at: datetime, locations: Sequence[Location]
) -> HistoricalLocation:
    """Where a thing was since ``at``.  Later than all others it says where the thing is.  Raises NotAllowed."""
    require(actor, thing)
    latest = thing.historical_locations.order_by("-time").first()
    former = HistoricalLocation.objects.create(thing=thing, time=at)
    former.locations.set(locations)
    if latest is None or at > latest.time:
        thing.locations.set(locations)
    audit.record(
        actor, "former_location.added", thing, at=at.isoformat(), locations=[row.pk for row in locations]
    )
    return former


def _check(row: Any) -> None:
    """Names that a person can read, and what the columns allow.  Raises BadInput."""
    for name in ("name", "description", "definition"):
        value = getattr(row, name, "")
        if not isinstance(value, str):
            raise BadInput(_("%(column)s is a text.") % {"column": name})
        said = re.sub(r"[\r\n\t]", " ", value) if name == "description" else value
        if CONTROL.search(said):
            raise BadInput(_("%(column)s has a character that cannot be shown.") % {"column": name})
    try:
        row.clean_fields(exclude=[f.name for f in row._meta.fields if f.is_relation])
        row.validate_constraints()
    except ValidationError as error:
        said = "; ".join(f"{name}: {' '.join(texts)}" for name, texts in error.message_dict.items())
        raise BadInput(said) from None

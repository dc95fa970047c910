"""What can be done with units: make them, import a table of them, share a phone's place and stop sharing it.

Events left in the outbox: ``unit.changed`` with ``units`` (their ids), for who watches them.
"""

from collections.abc import Iterable
from typing import IO, Any, NamedTuple

from django.contrib.auth import get_user_model
from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from fengsui.base import units as measures
from fengsui.base.errors import BadInput, NotAllowed, UnknownUnit
from fengsui.people import audit
from fengsui.people.orgs import access
from fengsui.people.orgs.models import Org
from fengsui.sense.devices import files
from fengsui.sense.devices.models import Datastream, ObservedProperty, Site, Thing
from fengsui.sense.devices.services import Report
from fengsui.sense.devices.tables import BadCell, code, words, yes
from fengsui.sense.moving.models import Unit, UnitKind
from fengsui.stores import outbox

# field of Unit: code after the unit's own · observed property · zh · en · unit · range · decimals
STREAMS: dict[str, tuple[str, str, str, str, str, float, float, int]] = {
    "longitude": ("position.longitude", "longitude", "经度", "Longitude", "°", -180, 180, 6),
    "latitude": ("position.latitude", "latitude", "纬度", "Latitude", "°", -90, 90, 6),
    "speed": ("position.speed", "speed", "速度", "Speed", "km/h", 0, 2000, 1),
    "course": ("position.direction", "direction", "方向", "Direction", "°", 0, 360, 0),
}
PERIOD_MS = 10_000
MOST_ROWS = 100_000
BATCH = 2_000  # rows a statement
COLUMNS = (
    "site", "code", "name", "name_en", "kind", "terminal", "user", "longitude", "latitude", "speed", "course",
    "period_s", "is_active",
)  # fmt: skip
NEEDED = ("site", "code", "name")


class BadUnit(BadInput):
    """A moving unit cannot be kept as it is written."""

    code = "sense.bad_unit"


@transaction.atomic
def keep_unit(
    actor: Any,
    *,
    site: Site,
    code: str,
    name: str,
    name_en: str = "",
    kind: str = "vehicle",
    terminal: str = "",
    user: Any = None,
    streams: dict[str, str] | None = None,
    period_ms: int = PERIOD_MS,
    is_active: bool = True,
) -> tuple[Unit, bool]:
    """Make the unit ``code`` of ``site``, or bring it to these values; says whether it is new.

    ``streams`` names datastreams of the site that are there already (by field of Unit); the others are made as
    ``<code>.position.longitude`` and so on, which is also how cameras and vehicles of the field protocols name theirs.
    Raises NotAllowed, BadUnit.
    """
    if actor is not None:
        access.require(actor, "unit.edit", site.org_path, site)
    unit, made = _keep(site, code, name, name_en, kind, terminal, user, streams or {}, period_ms, is_active)
    outbox.add("unit.changed", units=[unit.pk])
    audit.record(
        actor, "unit.added" if made else "unit.edited", unit, org_path=site.org_path, code=code, terminal=terminal,
        kind=kind,
    )  # fmt: skip
    return unit, made


@transaction.atomic
def import_units(actor: Any, org: Org, file: IO[bytes], dry_run: bool = False) -> Report:
    """Units from a CSV or xlsx file with the columns COLUMNS, for sites of ``org`` and below; a bad row: none of them.

    Raises NotAllowed, and BadFile when the file as a whole cannot be read.
    """
    if actor is not None:
        access.require(actor, "unit.edit", org)
    report = Report("unit", dry_run)
    rows = files.rows(file)
    heading = next(rows, None)
    if heading is None:
        raise files.BadFile(_("The file is empty."))
    names = [cell.lower().strip(" *") for cell in heading[1]]
    for name in names:
        if name and name not in COLUMNS:
            advice = _("Known columns: %(names)s.") % {"names": ", ".join(COLUMNS)}
            report.refuse(heading[0], name, name, _("is not a known column"), advice)
    for name in NEEDED:
        if name not in names:
            report.refuse(heading[0], name, "", _("is missing in the heading"), _("Add the column."))
    changed: list[int] = []
    if not report.bad_count:
        sites = {site.code: site for site in Site.objects.filter(org_path__startswith=org.path)}
        wanted: list[_Wanted] = []
        with transaction.atomic():
            for number, cells in rows:
                report.rows += 1
                if report.rows > MOST_ROWS:
                    raise files.BadFile(
                        _("More than %(most)s rows: split the file.") % {"most": f"{MOST_ROWS:,}"}
                    )
                row = dict(zip(names, cells, strict=False))
                if (one := _wanted(report, number, row, sites)) is not None:
                    wanted.append(one)
            _keep_all(report, wanted, changed)
            if dry_run or report.bad:
                transaction.set_rollback(True)
    if changed and not (dry_run or report.bad):
        report.applied = True
        outbox.add("unit.changed", units=changed)
        audit.record(actor, "unit.imported", org, rows=report.rows, created=report.created)
    return report


@transaction.atomic
def share(actor: Any) -> Unit:
    """``actor`` agrees that the place of their phone is shown, until ``stop_sharing``.  Raises BadUnit."""
    unit = _own(actor)
    if unit.shared_at is None:
        unit.shared_at = timezone.now()
        unit.save(update_fields=["shared_at"])
        audit.record(actor, "unit.sharing_began", unit, org_path=unit.site.org_path)
    return unit


@transaction.atomic
def stop_sharing(actor: Any) -> Unit:
    """Nothing that the phone sends is taken from now on.  A second time changes nothing.  Raises BadUnit."""
    unit = _own(actor)
    if unit.shared_at is not None:
        unit.shared_at = None
        unit.save(update_fields=["shared_at"])
        audit.record(actor, "unit.sharing_ended", unit, org_path=unit.site.org_path)
    return unit


def sharing(actor: Any) -> Unit:
    """The unit whose place ``actor`` shares now.  Raises BadUnit, and NotAllowed when they do not agree."""
    unit = Unit.objects.select_related("site", "thing").filter(user=actor, is_active=True).first()
    if unit is None:
        raise BadUnit(no_unit())
    if unit.shared_at is None:
        raise NotAllowed(_("You do not share your place: agree to it first."))
    return unit


def _own(actor: Any) -> Unit:
    unit = (
        Unit.objects.select_for_update(of=("self",)).select_related("site", "thing")
        .filter(user=actor, is_active=True).first()
    )  # fmt: skip
    if unit is None:
        raise BadUnit(no_unit())
    return unit


class _Wanted(NamedTuple):
    """A row that can be read: the arguments of ``_keep``."""

    number: int
    site: Site
    user: Any
    values: dict[str, Any]


def _wanted(report: Report, number: int, row: dict[str, str], sites: dict[str, Site]) -> _Wanted | None:
    bad = report.bad_count

    def read(name: str, how: Any, default: Any = "") -> Any:
        text = row.get(name, "")
        if not text:
            if name in NEEDED:
                report.refuse(number, name, "", _("is empty"), _("A value is needed here."))
            return default
        try:
            return how(text)
        except BadCell as error:
            report.refuse(number, name, text, error.problem, error.advice)
            return default

    values: dict[str, Any] = {
        "code": read("code", code),
        "name": read("name", words(120)),
        "name_en": read("name_en", words(160)),
        "kind": read("kind", _kind, "vehicle"),
        "terminal": read("terminal", words(64)),
        "period_ms": int(1000 * read("period_s", _seconds, PERIOD_MS / 1000)),
        "is_active": read("is_active", yes, True),
        "streams": {field: row[field] for field in STREAMS if row.get(field)},
    }
    site = sites.get(row.get("site", ""))
    if site is None and row.get("site"):
        advice = _("Correct the code, or import the site first.")
        report.refuse(number, "site", row["site"], _("is not a site of this organisation"), advice)
    user = None
    if row.get("user"):
        user = get_user_model().objects.filter(username=row["user"]).first()
        if user is None:
            report.refuse(
                number, "user", row["user"], _("is nobody who logs in here"), _("Correct the name.")
            )
    return None if report.bad_count > bad or site is None else _Wanted(number, site, user, values)


def _keep_all(report: Report, wanted: list[_Wanted], changed: list[int]) -> None:
    """What is new and touches nothing that is there is made in one go, everything else row by row."""
    new = _untouched(wanted)
    try:
        with transaction.atomic():
            units = _make([wanted[place] for place in sorted(new)])
    except IntegrityError:  # somebody else makes the same at this moment
        new, units = set(), []
    changed += [unit.pk for unit in units]
    report.created += len(units)
    for place, one in enumerate(wanted):
        if place in new:
            continue
        try:
            with transaction.atomic():
                unit, made = _keep(site=one.site, user=one.user, **one.values)
        except BadUnit as error:
            report.refuse(one.number, "code", one.values["code"], str(error), "")
            continue
        changed.append(unit.pk)
        if made:
            report.created += 1
        else:
            report.updated += 1
    report.bad.sort(key=lambda bad: bad.row)


def _untouched(wanted: list[_Wanted]) -> set[int]:
    """Places of rows of nobody's phone, whose thing, datastreams and terminal are in no other row and not here."""
    sites = {one.site.pk for one in wanted}
    codes: dict[tuple[int, str], int] = {}  # (site, code): how often the file has it
    terminals: dict[str, int] = {}
    for one in wanted:
        for own in (one.values["code"], *_codes(one.values["code"])):
            codes[one.site.pk, own] = codes.get((one.site.pk, own), 0) + 1
        terminals[one.values["terminal"]] = terminals.get(one.values["terminal"], 0) + 1
    names = list({name for _site, name in codes})
    there: set[tuple[int, str]] = set()
    for rows in (Thing.objects, Datastream.objects):
        for begin in range(0, len(names), BATCH):
            part = rows.filter(site__in=sites, code__in=names[begin : begin + BATCH])
            there.update(part.values_list("site_id", "code"))
    held = set(Unit.objects.exclude(terminal="").values_list("terminal", flat=True))
    return {
        place
        for place, one in enumerate(wanted)
        if one.user is None
        and not one.values["streams"]
        and (not (terminal := one.values["terminal"]) or (terminals[terminal] == 1 and terminal not in held))
        and all(
            codes[one.site.pk, own] == 1 and (one.site.pk, own) not in there
            for own in (one.values["code"], *_codes(one.values["code"]))
        )
    }


def _make(wanted: list[_Wanted]) -> list[Unit]:
    things = Thing.objects.bulk_create(
        [
            Thing(
                site=one.site, code=one.values["code"], name=one.values["name"], name_en=one.values["name_en"]
            )
            for one in wanted
        ],
        batch_size=BATCH,
    )
    found: dict[str, list[Datastream]] = {}
    for field, own in zip(
        STREAMS, zip(*(_codes(one.values["code"]) for one in wanted), strict=True), strict=False
    ):
        prop = _property(field)
        found[field] = Datastream.objects.bulk_create(
            [
                Datastream(site=one.site, code=code, **_made(thing, prop, field, one.values["period_ms"]))
                for one, thing, code in zip(wanted, things, own, strict=True)
            ],
            batch_size=BATCH,
        )
    return Unit.objects.bulk_create(
        [
            Unit(
                thing=thing, site=one.site, kind=one.values["kind"], terminal=one.values["terminal"],
                is_active=one.values["is_active"], **{field: found[field][place] for field in STREAMS},
            )
            for place, (one, thing) in enumerate(zip(wanted, things, strict=True))
        ],
        batch_size=BATCH,
    )  # fmt: skip


def _kind(text: str) -> str:
    for value, label in UnitKind.choices:
        if text in (value, str(label)):
            return str(value)
    raise BadCell(
        _("is not a kind of unit"), _("Choose one of: %(kinds)s.") % {"kinds": ", ".join(UnitKind.values)}
    )


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0.1 <= value <= 86_400:
        raise BadCell(_("is not a number of seconds"), _("Write 0.1 to 86,400."))
    return value


def _keep(
    site: Site, code: str, name: str, name_en: str, kind: str, terminal: str, user: Any, streams: dict[str, str],
    period_ms: int, is_active: bool,
) -> tuple[Unit, bool]:  # fmt: skip
    if kind not in UnitKind.values:
        raise BadUnit(_("“%(kind)s” is no kind of unit.") % {"kind": kind[:20]})
    thing, _made = Thing.objects.get_or_create(
        site=site, code=code, defaults={"name": name, "name_en": name_en}
    )
    if (thing.name, thing.name_en) != (name, name_en):
        thing.name, thing.name_en = name, name_en
        thing.save(update_fields=["name", "name_en"])
    unit = Unit.objects.select_for_update().filter(thing=thing).first()
    taken = Unit.objects.filter(terminal=terminal).exclude(thing=thing).first() if terminal else None
    if taken is not None:
        raise BadUnit(
            _("The terminal %(terminal)s is that of another unit already.") % {"terminal": terminal}
        )
    other = Unit.objects.filter(user=user).exclude(thing=thing).first() if user is not None else None
    if other is not None:
        raise BadUnit(_("%(user)s has another unit already.") % {"user": user})
    found = {field: _stream(site, thing, code, field, streams.get(field, ""), period_ms) for field in STREAMS}
    values = {"site": site, "kind": kind, "terminal": terminal, "user": user, "is_active": is_active, **found}
    if unit is None:
        return Unit.objects.create(thing=thing, **values), True
    if unit.user_id != (user.pk if user else None):
        unit.shared_at = None  # somebody else's word is nobody's
    for field, value in values.items():
        setattr(unit, field, value)
    unit.save()
    return unit, False


def _stream(site: Site, thing: Thing, code: str, field: str, named: str, period_ms: int) -> Datastream:
    if named:
        unit = STREAMS[field][4]
        stream = Datastream.objects.filter(site=site, code=named).first()
        if stream is None:
            raise BadUnit(_("The site has no datastream “%(code)s”.") % {"code": named[:64]})
        try:
            measures.factor_offset(stream.unit, unit)
        except UnknownUnit as error:
            raise BadUnit(str(error)) from error
        holder = Unit.objects.filter(**{field: stream}).exclude(thing=thing).first()
        if holder is not None:
            raise BadUnit(_("The datastream %(code)s is that of another unit.") % {"code": named[:64]})
        return stream
    own = _codes(code)[list(STREAMS).index(field)]
    stream, _new = Datastream.objects.get_or_create(
        site=site, code=own, defaults=_made(thing, _property(field), field, period_ms)
    )
    return stream


def _codes(code: str) -> list[str]:
    """The datastreams of a unit, in the order of STREAMS."""
    return [f"{code}.{suffix}"[:64] for suffix, *_ in STREAMS.values()]


def _property(field: str) -> ObservedProperty:
    _suffix, observed, zh, en, *_ = STREAMS[field]
    return ObservedProperty.objects.get_or_create(code=observed, defaults={"name": zh, "name_en": en})[0]


def _made(thing: Thing, prop: ObservedProperty, field: str, period_ms: int) -> dict[str, Any]:
    """A new datastream of a unit, but for its site and code."""
    _suffix, _observed, zh, en, unit, low, high, decimals = STREAMS[field]
    return {
        "thing": thing, "observed_property": prop, "name": f"{thing.name} {zh}"[:120],
        "name_en": f"{thing.name_en or thing.name} {en}"[:160], "unit": unit, "range_min": low, "range_max": high,
        "period_ms": period_ms, "decimals": decimals,
    }  # fmt: skip


def no_unit() -> str:
    """What is said to somebody who has no unit."""
    return _("No unit is yours: ask the data steward of your organisation to make one for you.")


def changed(units: Iterable[int]) -> None:
    """Tell who watches units that something about them is different."""
    outbox.add("unit.changed", units=list(units))

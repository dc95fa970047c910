"""Reading a region pack: a folder of tables in, typed rows and a list of everything wrong with it out.

Nothing here touches the database.  Every bad cell is reported with its file and line, not only the first;
docs/regions.md shows the tables to people.
"""

import csv
import datetime
import hashlib
import json
import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from fengsui.base import units
from fengsui.base.errors import BadInput, UnknownUnit
from fengsui.base.relations import NEIGHBOUR, RELATIONS
from fengsui.people.orgs.models import OrgKind, Role
from fengsui.sense.devices.models import SiteKind
from fengsui.sense.gateways import replay
from fengsui.show.reports.models import Period
from fengsui.warn import rules
from fengsui.warn.alarms.models import Kind, Priority
from fengsui.warn.detectors.methods import METHODS
from fengsui.warn.rules import level
from fengsui.warn.rules.kind import PARAMETERS

Row = dict[str, Any]  # the typed cells, and "line"


class BadPack(BadInput):
    """A region pack with rows that cannot be used; ``problems`` lists all of them."""

    code = "run.bad_pack"

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


@dataclass(slots=True)
class Pack:
    """A region pack as read.  ``tables`` maps the name of a CSV file to its rows."""

    folder: Path
    code: str
    about: dict[str, Any] = field(default_factory=dict)
    tables: dict[str, list[Row]] = field(default_factory=dict)
    tracks: list[dict[str, Any]] = field(default_factory=list)
    detectors: list[dict[str, Any]] = field(default_factory=list)
    digest: str = ""
    keys: dict[str, dict[tuple[str, ...], int]] = field(default_factory=dict)  # → line; of bad lines too

    def __getitem__(self, table: str) -> list[Row]:
        return self.tables.get(table, [])


def find(name: str, regions: Path) -> Path:
    """The folder of a pack given by path or by name below ``regions``.  Raises BadPack."""
    for folder in (Path(name), regions / name):
        if (folder / "region.yml").is_file():
            return folder.absolute()
    raise BadPack(
        [f"no region pack {name!r}: neither {name}/region.yml nor {regions / name}/region.yml exists"]
    )


# ---- cells ----------------------------------------------------------------------------------------------------

Cell = Callable[[str], Any]


def text(longest: int) -> Cell:
    def read(value: str) -> str:
        if len(value) > longest:
            raise ValueError(f"is longer than {longest} characters")
        return value

    return read


def code(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,64}", value):
        raise ValueError("may hold letters, digits, _ and - only, at most 64")
    return value


def number(value: str) -> float:
    try:
        read = float(value)
    except ValueError:
        raise ValueError("is not a number") from None
    if not math.isfinite(read):
        raise ValueError("is not a finite number")
    return read


def whole(value: str) -> int:
    if not re.fullmatch(r"\d{1,9}", value):
        raise ValueError("is not a whole number from 0 to 999999999")
    return int(value)


def flag(value: str) -> bool:
    if value not in ("0", "1"):
        raise ValueError("is neither 0 nor 1")
    return value == "1"


def one_of(values: list[Any]) -> Cell:
    known = {str(v): v for v in values}

    def read(value: str) -> Any:
        if value not in known:
            raise ValueError(f"is not one of {', '.join(known)}")
        return known[value]

    return read


def between(low: float, high: float) -> Cell:
    def read(value: str) -> float:
        got = number(value)
        if not low <= got <= high:
            raise ValueError(f"is not between {low:g} and {high:g}")
        return got

    return read


def issuer_code(value: str) -> str:
    if not re.fullmatch(r"\d{14}", value, re.ASCII):
        raise ValueError("is not 14 digits: division, sector, unit, extension")
    return value


def clock_time(value: str) -> datetime.time:
    try:
        return datetime.time.fromisoformat(value)
    except ValueError:
        raise ValueError("is not a time like 10:00") from None


def some_of(values: list[Any]) -> Cell:
    one = one_of(values)
    return lambda value: [one(part.strip()) for part in value.split(";") if part.strip()]


def unit(value: str) -> str:
    try:
        return units.unit(value).code
    except UnknownUnit as error:
        raise ValueError(str(error)) from None


@dataclass(frozen=True, slots=True)
class Table:
    """The columns of one CSV file.  A column that is not ``needed`` may be empty and then has its default."""

    key: tuple[str, ...]
    columns: dict[str, Cell]
    needed: frozenset[str]
    defaults: dict[str, Any] = field(default_factory=dict)
    optional: bool = False


def table(key: str, optional: bool = False, defaults: dict[str, Any] | None = None, **columns: Cell) -> Table:
    """``key`` and needed columns are written with names ending in ``_`` where they may not be empty."""
    needed = frozenset(name.removesuffix("__") for name in columns if name.endswith("__"))
    plain = {name.removesuffix("__"): cell for name, cell in columns.items()}
    return Table(tuple(key.split()), plain, needed, defaults or {}, optional)


LONGITUDE, LATITUDE = between(-180, 180), between(-90, 90)
TABLES: dict[str, Table] = {
    "orgs": table(
        "code",
        code__=code, parent=code, kind__=one_of(OrgKind.values), name__=text(120), name_en=text(160),
        division_code=text(12), uscc=text(18), longitude=LONGITUDE, latitude=LATITUDE, is_demo=flag,
        defaults={"is_demo": False},
    ),
    "sites": table(
        "code",
        code__=code, org__=code, kind__=one_of(SiteKind.values), name__=text(120), name_en=text(160),
        longitude__=LONGITUDE, latitude__=LATITUDE, address=text(200), is_demo=flag,
        defaults={"is_demo": False},
    ),
    "things": table(
        "site code", site__=code, code__=code, name__=text(120), name_en=text(160), description=text(2000)
    ),
    "sensors": table(
        "code", code__=code, name__=text(120), description=text(2000), encoding_type=text(80),
        metadata=text(2000), defaults={"encoding_type": "text/plain"},
    ),
    "observed_properties": table(
        "code", code__=code, name__=text(120), name_en=text(160), definition=text(200), description=text(2000)
    ),
    "datastreams": table(
        "site code",
        site__=code, thing__=code, code__=text(64), name__=text(120), name_en=text(160),
        observed_property__=code, sensor=code, unit=unit, range_min=number, range_max=number, period_ms=whole,
        frozen_after_ms=whole, decimals=whole, is_active=flag,
        defaults={"period_ms": 1000, "decimals": 2, "is_active": True},
    ),
    "relations": table(
        "relation upstream_site upstream_thing site thing", optional=True,
        relation__=one_of(list(RELATIONS)), upstream_site__=code, upstream_thing=code, site__=code, thing=code,
        note=text(200),
    ),
    "devices": table("code", site__=code, code__=code, name=text(120)),
    "users": table(
        "username org role", optional=True,
        username__=text(150), display_name=text(60), org__=code, role__=one_of(Role.values), password=text(128),
    ),
    "contacts": table(
        "org name", optional=True,
        org__=code, name__=text(60), order=whole, post=text(80), phone=text(30), email=text(120), user=text(150),
        defaults={"order": 1},
    ),
    "issuers": table(
        "code", optional=True,
        org__=code, code__=issuer_code, name__=text(80), name_en=text(120), contact=text(200), web=text(200),
    ),
    "run_signals": table(
        "site thing", optional=True, site__=code, thing__=code, datastream__=text(64), above__=number
    ),
    "obligations": table(
        "org", optional=True,
        org__=code, deadline__=clock_time, kinds=some_of(SiteKind.values), with_hazards=flag, is_public=flag,
        reason__=text(200), defaults={"kinds": [], "with_hazards": True, "is_public": False},
    ),
    "commitments": table(
        "site days_ago", optional=True,
        site__=code, days_ago__=whole, hour__=whole, units__=whole, running__=whole, stopped_units=whole,
        risk_grade__=one_of([1, 2, 3, 4]), fire_1=whole, confined_space=whole, permits=text(300), trial=flag,
        principal__=text(60),
        defaults={"stopped_units": 0, "fire_1": 0, "confined_space": 0, "trial": False},
    ),
    "patrols": table(
        "site days_ago", optional=True, site__=code, days_ago__=whole, problem=text(300), note=text(1000)
    ),
    "report_orders": table(
        "org period", optional=True, org__=code, period__=one_of(Period.values), recipients=text(1000)
    ),
    "rules": table(
        "site datastream kind",
        site__=code, datastream__=text(64), kind__=one_of(Kind.values), setpoint=number, deadband=number,
        on_delay_ms=whole, off_delay_ms=whole, window_ms=whole, priority__=one_of(Priority.values),
        basis=text(200),
        defaults={"deadband": 0.0, "on_delay_ms": 0, "off_delay_ms": 0, "window_ms": 0},
    ),
}  # fmt: skip


# ---- reading --------------------------------------------------------------------------------------------------


def read_about(folder: Path) -> dict[str, Any]:
    """``region.yml`` of a pack.  Raises BadPack."""
    try:
        about = yaml.safe_load((folder / "region.yml").read_text(encoding="utf-8"))
        about["code"], about["name"] = code(str(about["code"])), text(120)(str(about["name"]))
    except (OSError, yaml.YAMLError, KeyError, TypeError, ValueError) as error:
        raise BadPack([f"region.yml: cannot be read: {error!r}"]) from error
    return dict(about)


def read(folder: Path, shared: Path) -> Pack:
    """The pack in ``folder``.  ``shared`` is where data sets that may not be shipped are.  Raises BadPack."""
    problems: list[str] = []
    about = read_about(folder)
    pack = Pack(folder, about["code"], about)
    for name, spec in TABLES.items():
        pack.tables[name] = list(
            _rows(folder / f"{name}.csv", spec, problems, pack.keys.setdefault(name, {}))
        )
    problems += _references(pack)
    problems += _numbers(pack)
    problems += _layers(pack)
    problems += _schedule(pack, shared)
    problems += _detectors(pack, shared)
    problems += _notices(folder)
    if problems:
        raise BadPack(problems)
    pack.digest = digest(folder)
    return pack


def digest(folder: Path) -> str:
    """SHA-256 over every table, layer and mapping of a pack; the series themselves are left out."""
    found = hashlib.sha256()
    for path in sorted(p for p in folder.rglob("*") if p.suffix in (".csv", ".yml", ".geojson")):
        found.update(path.relative_to(folder).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return found.hexdigest()


def _rows(path: Path, spec: Table, problems: list[str], seen: dict[tuple[str, ...], int]) -> Iterator[Row]:
    if not path.exists():
        if not spec.optional:
            problems.append(f"{path.name}: is missing")
        return
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines(keepends=True)
    except UnicodeDecodeError as error:
        problems.append(f"{path.name}: is not UTF-8: {error}")
        return
    reader = csv.DictReader(lines)
    head = reader.fieldnames or []
    for lost in sorted((spec.needed | set(spec.key)) - set(head)):
        problems.append(f"{path.name}:1: column {lost} is missing")
    for strange in sorted(set(head) - set(spec.columns)):
        problems.append(f"{path.name}:1: column {strange} is not known; there are {', '.join(spec.columns)}")
    if (spec.needed | set(spec.key)) - set(head):
        return
    for raw in reader:
        row: Row = {"line": reader.line_num}
        bad = False
        if None in raw or None in raw.values():
            problems.append(f"{path.name}:{reader.line_num}: has not as many cells as the heading")
            continue
        for name, cell in spec.columns.items():
            written = (raw.get(name) or "").strip()
            if not written:
                if name in spec.needed:
                    problems.append(f"{path.name}:{reader.line_num}: {name} is empty")
                    bad = True
                row[name] = spec.defaults.get(name, "" if cell is code or _is_text(cell) else None)
                continue
            try:
                row[name] = cell(written)
            except ValueError as error:
                problems.append(f"{path.name}:{reader.line_num}: {name} {written[:40]!r} {error}")
                bad = True
        key = tuple(str(raw[k]).strip() for k in spec.key)
        if key in seen:
            problems.append(f"{path.name}:{reader.line_num}: {'/'.join(key)} is already on line {seen[key]}")
            bad = True
        else:
            seen[key] = reader.line_num
        if not bad:
            yield row


def _is_text(cell: Cell) -> bool:
    return cell is unit or getattr(cell, "__qualname__", "").startswith("text.")


def _references(pack: Pack) -> Iterator[str]:
    orgs, sites, things, streams = (pack.keys[t] for t in ("orgs", "sites", "things", "datastreams"))
    sensors, properties = pack.keys["sensors"], pack.keys["observed_properties"]
    for row in pack["orgs"]:
        if row["parent"] and (row["parent"],) not in orgs:
            yield f"orgs.csv:{row['line']}: parent {row['parent']} is not in orgs.csv"
        elif row["parent"] and orgs[(row["parent"],)] >= row["line"]:
            yield f"orgs.csv:{row['line']}: parent {row['parent']} must be on a line above"
    for name, column, there, what in (
        ("sites", "org", orgs, "orgs.csv"),
        ("things", "site", sites, "sites.csv"),
        ("devices", "site", sites, "sites.csv"),
        ("relations", "upstream_site", sites, "sites.csv"),
        ("relations", "site", sites, "sites.csv"),
        ("users", "org", orgs, "orgs.csv"),
        ("issuers", "org", orgs, "orgs.csv"),
        ("contacts", "org", orgs, "orgs.csv"),
        ("obligations", "org", orgs, "orgs.csv"),
        ("commitments", "site", sites, "sites.csv"),
        ("patrols", "site", sites, "sites.csv"),
        ("report_orders", "org", orgs, "orgs.csv"),
        ("datastreams", "site", sites, "sites.csv"),
        ("datastreams", "observed_property", properties, "observed_properties.csv"),
        ("datastreams", "sensor", sensors, "sensors.csv"),
    ):
        for row in pack[name]:
            if row[column] and (row[column],) not in there:
                yield f"{name}.csv:{row['line']}: {column} {row[column]} is not in {what}"
    for row in pack["datastreams"]:
        if (row["site"], row["thing"]) not in things:
            yield f"datastreams.csv:{row['line']}: thing {row['thing']} of {row['site']} is not in things.csv"
    for row in pack["relations"]:
        for site, thing in ((row["upstream_site"], row["upstream_thing"]), (row["site"], row["thing"])):
            if thing and (site, thing) not in things:
                yield f"relations.csv:{row['line']}: thing {thing} of {site} is not in things.csv"
        if row["relation"] != NEIGHBOUR and not row["upstream_thing"]:
            yield f"relations.csv:{row['line']}: {row['relation']} needs an upstream_thing"
        if row["relation"] == NEIGHBOUR and bool(row["upstream_thing"]) != bool(row["thing"]):
            yield f"relations.csv:{row['line']}: neighbours are two things or two sites"
    for row in pack["run_signals"]:
        if (row["site"], row["thing"]) not in things or (row["site"], row["datastream"]) not in streams:
            yield f"run_signals.csv:{row['line']}: {row['site']} has no {row['thing']} or no {row['datastream']}"
    for row in pack["rules"]:
        if (row["site"], row["datastream"]) not in streams:
            yield f"rules.csv:{row['line']}: {row['site']}/{row['datastream']} is not in datastreams.csv"
    passwords: dict[str, str] = {}
    for row in pack["users"]:
        first = passwords.setdefault(row["username"], row["password"])
        if not first:
            yield f"users.csv:{row['line']}: {row['username']} has no password"
        elif row["password"] not in ("", first):
            yield f"users.csv:{row['line']}: {row['username']} has another password above"


def _numbers(pack: Pack) -> Iterator[str]:
    ranges: dict[tuple[str, str], tuple[float, float]] = {}
    for row in pack["datastreams"]:
        low = -math.inf if row["range_min"] is None else row["range_min"]
        high = math.inf if row["range_max"] is None else row["range_max"]
        if low >= high:
            yield f"datastreams.csv:{row['line']}: range_min {low:g} is not below range_max {high:g}"
        ranges[row["site"], row["code"]] = low, high
        if row["period_ms"] == 0:
            yield f"datastreams.csv:{row['line']}: period_ms is 0"
    levels: dict[tuple[str, str], dict[str, Row]] = {}
    for row in pack["rules"]:
        given = {name: row[name] for name in PARAMETERS if row[name] not in (None, 0)}
        if row["setpoint"] is not None:
            given["setpoint"] = row["setpoint"]
        try:
            rules.check(row["kind"], given)
        except rules.BadRule as error:
            yield from (f"rules.csv:{row['line']}: {problem}" for problem in error.problems)
            continue
        if row["kind"] in level.OUTWARDS:
            levels.setdefault((row["site"], row["datastream"]), {})[row["kind"]] = row
    for where, found in levels.items():
        low, high = ranges.get(where, (-math.inf, math.inf))
        ends = (None if math.isinf(low) else low, None if math.isinf(high) else high)
        line = max(row["line"] for row in found.values())
        for problem in level.check_order({kind: row["setpoint"] for kind, row in found.items()}, *ends):
            yield f"rules.csv:{line}: {'/'.join(where)}: {problem}"


def _layers(pack: Pack) -> Iterator[str]:
    for layer in pack.about.get("layers", []):
        try:
            found = json.loads((pack.folder / layer["file"]).read_text(encoding="utf-8"))
            if found["type"] != "FeatureCollection":
                raise ValueError("is not a FeatureCollection")
        except (OSError, ValueError, KeyError, TypeError) as error:
            yield f"region.yml: layer {layer}: {error}"


def _schedule(pack: Pack, shared: Path) -> Iterator[str]:
    path = pack.folder / "replay.yml"
    if not path.exists():
        return
    try:
        pack.tracks = list(yaml.safe_load(path.read_text(encoding="utf-8"))["tracks"])
    except (OSError, yaml.YAMLError, KeyError, TypeError) as error:
        yield f"replay.yml: cannot be read: {error!r}"
        return
    streams = {(row["site"], row["code"]): row["unit"] for row in pack["datastreams"]}
    for track in pack.tracks:
        try:
            where = f"replay.yml: track {track['site']}"
            dataset = replay.read_dataset(pack.folder / "data" / track["dataset"], shared)
            runs = [str(run["run"]) for run in track["runs"]]
            speed = float(track["speed"])
        except (KeyError, TypeError, ValueError) as error:
            yield f"replay.yml: {track}: {error!r}"
            continue
        except replay.BadDataset as error:
            yield f"replay.yml: track {track['site']}: {error}"
            continue
        if (track["site"],) not in pack.keys["sites"]:
            yield f"{where}: the site is not in sites.csv"
            continue
        if not speed > 0:
            yield f"{where}: speed {speed:g} is not above 0"
        for column in dataset.columns:
            if (track["site"], column.code) not in streams:
                if (track["site"], column.code) not in pack.keys["datastreams"]:
                    yield f"{where}: column {column.name} has no datastream {column.code}"
                continue
            try:
                units.factor_offset(column.unit, streams[track["site"], column.code])
            except UnknownUnit as error:
                yield f"{where}: column {column.name}: {error}"
        if dataset.folder.is_relative_to(pack.folder):
            for run in runs:
                if not replay.file_of(dataset, run).exists():
                    yield f"{where}: run {run}: {replay.file_of(dataset, run).relative_to(pack.folder)} is missing"


def _detectors(pack: Pack, shared: Path) -> Iterator[str]:
    """``detectors.yml``: what is learnt from which series of normal operation when the pack is loaded."""
    path = pack.folder / "detectors.yml"
    if not path.exists():
        return
    try:
        pack.detectors = list(yaml.safe_load(path.read_text(encoding="utf-8"))["detectors"])
    except (OSError, yaml.YAMLError, KeyError, TypeError) as error:
        yield f"detectors.yml: cannot be read: {error!r}"
        return
    for row in pack.detectors:
        try:
            where = f"detectors.yml: {row['site']} {row['name']}"
            lesson = row["learns_from"]
            dataset = replay.read_dataset(pack.folder / "data" / lesson["dataset"], shared)
            runs, speed = [str(run["run"]) for run in lesson["runs"]], float(lesson["speed"])
        except (KeyError, TypeError, ValueError) as error:
            yield f"detectors.yml: {row}: {error!r}"
            continue
        except replay.BadDataset as error:
            yield f"detectors.yml: {row['site']}: {error}"
            continue
        if (row["site"],) not in pack.keys["sites"]:
            yield f"{where}: the site is not in sites.csv"
        if row.get("method") not in METHODS:
            yield f"{where}: method {row.get('method')} is none of {', '.join(METHODS)}"
        if not speed > 0:
            yield f"{where}: speed {speed:g} is not above 0"
        for column in dataset.columns:
            if (row["site"], column.code) not in pack.keys["datastreams"]:
                yield f"{where}: column {column.name} has no datastream {column.code}"
        if dataset.folder.is_relative_to(pack.folder):
            for run in runs:
                if not replay.file_of(dataset, run).exists():
                    yield f"{where}: run {run}: {replay.file_of(dataset, run).relative_to(pack.folder)} is missing"


def _notices(folder: Path) -> Iterator[str]:
    """Every data set and the layers say where they are from and under which licence."""
    places = [p for p in (folder / "data").glob("*") if p.is_dir()] + [
        p for p in (folder / "layers",) if p.is_dir()
    ]
    for place in places:
        notice = place / "NOTICE.md"
        where = place.relative_to(folder)
        if not notice.exists():
            yield f"{where}: has no NOTICE.md with source and licence"
            continue
        said = notice.read_text(encoding="utf-8")
        for file in sorted(place.iterdir()):
            if file.suffix in (".gz", ".geojson") and file.name not in said:
                yield f"{where}/NOTICE.md: does not name {file.name}"

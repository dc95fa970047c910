"""The command ``fengsui region``: put a region pack into the database, as often as you like.

Rows are matched by code: what is missing is added, what differs is changed, what the pack does not mention is left
alone.  What people changed in the portal stays: a password, a rule that somebody edited or withdrew.  Everything
happens in one transaction; a dry run does the same and rolls back.
"""

import argparse
import csv
import hashlib
import json
import os
import secrets
import sys
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from fengsui.base.errors import FengsuiError
from fengsui.run import settings
from fengsui.stores.durable import sync_folder

HELP = "list and load region packs: organisations, sites, rules, users and series of a place"
MARK = "region:"  # rows of stores.changes that hold the digest of a loaded pack
# what a pack says nothing of: whoever said it another way is not overruled
NOT_IN_PACKS = {
    "Thing": ("properties",),
    "Sensor": ("properties", "document"),
    "ObservedProperty": ("properties",),
    "Datastream": ("properties", "description", "observation_type", "unit_as_said", "observed_area"),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parts = parser.add_subparsers(dest="deed", required=True, metavar="list | load")
    parts.add_parser("list", help="the packs below FENGSUI_REGIONS")
    load = parts.add_parser("load", help="put a pack into the database; twice does no harm")
    load.add_argument("pack", help="name of a pack, or the path of its folder")
    load.add_argument(
        "--dry-run", action="store_true", help="change nothing; list what would change, or every bad row"
    )
    load.add_argument(
        "--force", action="store_true", help="also overwrite rules that people edited or withdrew"
    )


def run(args: argparse.Namespace) -> int:
    from fengsui.run import django_setup

    django_setup.setup()
    if args.deed == "list":
        return _list()
    return _load(args.pack, dry_run=args.dry_run, force=args.force)


def load_once(name: str) -> int:
    """Load the pack unless this very content is loaded already.  Django is set up.  Returns an exit code."""
    from fengsui.run import packs

    try:
        folder = packs.find(name, _regions())
        about = packs.read_about(folder)
        if loaded().get(about["code"]) == _number(packs.digest(folder)):
            if not layers_shown(about):
                show_layers(folder, about)  # the database is elsewhere and this FENGSUI_HOME is new
            return 0
    except packs.BadPack as error:
        return _bad(name, error.problems)
    return _load(name)


def loaded() -> dict[str, int]:
    """Code of every loaded pack → number of its content."""
    from fengsui.stores.changes.models import Change

    rows = Change.objects.filter(name__startswith=MARK).values_list("name", "number")
    return {name.removeprefix(MARK): number for name, number in rows}


def _regions() -> Path:
    return Path(settings.value("FENGSUI_REGIONS"))


def _number(digest: str) -> int:
    return int(digest[:15], 16)


def _list() -> int:
    from fengsui.run import packs

    known = loaded()
    found = sorted(_regions().glob("*/region.yml"))
    if not found:
        print(f"no region pack below {_regions()} (FENGSUI_REGIONS)", file=sys.stderr)
        return 1
    for path in found:
        about = packs.read_about(path.parent)
        state = "loaded" if about["code"] in known else "-"
        print(f"{about['code']:<16} {state:<8} {about['name']}  {about.get('name_en', '')}")
    return 0


def _load(name: str, *, dry_run: bool = False, force: bool = False) -> int:
    from fengsui.run import packs

    try:
        pack = packs.read(packs.find(name, _regions()), Path(settings.value("FENGSUI_DATA")))
        counts = load(pack, dry_run=dry_run, force=force)
        if not dry_run:
            show_layers(pack.folder, pack.about)
    except packs.BadPack as error:
        return _bad(name, error.problems)
    except FengsuiError as error:
        return _bad(name, [str(error)])
    changed = {what: n for what, n in counts.items() if n}
    said = ", ".join(f"{n} {what}" for what, n in sorted(changed.items())) or "nothing to change"
    print(f"region {pack.code}{' (dry run)' if dry_run else ''}: {said}", file=sys.stderr)
    return 0


def _bad(name: str, problems: Iterable[str]) -> int:
    problems = list(problems)
    for line in problems:
        print(line)
    print(f"fengsui region: {name}: {len(problems)} problems, nothing was loaded", file=sys.stderr)
    return 1


class _RolledBack(Exception):
    """Ends a dry run."""


def load(pack: Any, *, dry_run: bool = False, force: bool = False) -> Counter[str]:
    """Put ``pack`` (packs.Pack) into the database in one transaction; what was added, changed or kept, by kind.

    Raises packs.BadPack, people.orgs.services.BadOrg.
    """
    from django.db import transaction

    from fengsui.people import audit
    from fengsui.stores.changes.models import Change

    loader = _Loader(pack, force)
    try:
        with transaction.atomic():
            loader.check_passwords()
            loader.orgs()
            loader.sites()
            loader.inventories()
            loader.what_is_observed()
            loader.relations()
            loader.rules()
            loader.detectors()
            loader.scenario_rules()
            loader.users()
            loader.issuers()
            loader.contacts()
            loader.commitments()
            loader.patrols()
            loader.report_orders()
            loader.devices(dry_run)
            changed = {k: n for k, n in loader.counts.items() if n}
            Change.objects.update_or_create(name=MARK + pack.code, defaults={"number": _number(pack.digest)})
            if dry_run:
                raise _RolledBack
            if changed:
                detail: dict[str, Any] = {what.replace(" ", "_"): n for what, n in changed.items()}
                audit.record("fengsui region", "region.loaded", pack.code, **detail)
    except _RolledBack:
        pass
    return loader.counts


class _Loader:
    """One load: tables in the order of their references, ids remembered for the next."""

    def __init__(self, pack: Any, force: bool) -> None:
        self.pack, self.force = pack, force
        self.counts: Counter[str] = Counter()
        self.org: dict[str, Any] = {}
        self.site: dict[str, int] = {}
        self.thing: dict[tuple[Any, ...], int] = {}
        self.stream: dict[tuple[str, str], int] = {}

    def check_passwords(self) -> None:
        from django.contrib.auth import get_user_model
        from django.contrib.auth.password_validation import validate_password
        from django.core.exceptions import ValidationError

        from fengsui.run import packs

        problems = []
        for row in self._people():
            user = get_user_model()(username=row["username"], display_name=row["display_name"])
            try:
                validate_password(row["password"], user)
            except ValidationError as error:
                problems.append(
                    f"users.csv:{row['line']}: password of {row['username']}: {' '.join(error.messages)}"
                )
        if problems:
            raise packs.BadPack(problems)

    def _people(self) -> list[dict[str, Any]]:
        first: dict[str, dict[str, Any]] = {}
        for row in self.pack["users"]:
            first.setdefault(row["username"], row)
        return list(first.values())

    def orgs(self) -> None:
        from fengsui.people.orgs import services
        from fengsui.people.orgs.models import Org

        rows = self.pack["orgs"]
        self.org = {o.code: o for o in Org.objects.filter(code__in=[r["code"] for r in rows])}
        for row in rows:
            parent = self.org[row["parent"]] if row["parent"] else None
            values = {name: row[name] for name in services.EDITABLE}
            org = self.org.get(row["code"])
            if org is None:
                self.org[row["code"]] = services.create_org(
                    actor=None,
                    parent=parent,
                    kind=row["kind"],
                    code=row["code"],
                    is_demo=row["is_demo"],
                    **values,
                )
                self.counts["organisations added"] += 1
                continue
            if org.parent_id != (parent.pk if parent else None):
                org = services.move_org(actor=None, org=org, parent=parent)
                self.counts["organisations moved"] += 1
            if any(getattr(org, name) != value for name, value in values.items()):
                org = services.edit_org(actor=None, org=org, **values)
                self.counts["organisations changed"] += 1
            self.org[row["code"]] = org

    def sites(self) -> None:
        from fengsui.sense.devices.models import Site

        wanted = []
        for row in self.pack["sites"]:
            org = self.org[row["org"]]
            named = {
                k: row[k]
                for k in ("code", "kind", "name", "name_en", "longitude", "latitude", "address", "is_demo")
            }
            wanted.append(Site(org_id=org.pk, org_path=org.path, **named))
        made = self._upsert("sites", Site, wanted, ("code",), {"code__in": [s.code for s in wanted]})
        self.site = {key[0]: pk for key, pk in made.items()}

    def inventories(self) -> None:
        """``inventories/<site>.csv`` is the inventory of a site, unless people have imported another one since."""
        from fengsui.sense.devices.models import Site
        from fengsui.warn.inventories import services
        from fengsui.warn.inventories.errors import BadInventory

        actor = f"region pack {self.pack.code}"
        for path in sorted(self.pack.folder.glob("inventories/*.csv")):
            site = Site.objects.filter(pk=self.site.get(path.stem)).first()
            if site is None:
                raise BadInventory(f"inventories/{path.name}: the pack has no site {path.stem}")
            newest = site.inventories.order_by("-number").first()
            if newest is not None and newest.actor_name != actor and not self.force:
                self.counts["inventories kept as people left them"] += 1
                continue
            kept = services.keep(actor, site, path.read_bytes(), path.name)
            self.counts["inventories added"] += int(kept != newest)

    def issuers(self) -> None:
        """Who may speak to the public; one that is there already stays as people left it."""
        from fengsui.warn.warnings.models import Issuer

        there = set(Issuer.objects.values_list("code", flat=True))
        for row in self.pack["issuers"]:
            if row["code"] in there:
                continue
            words = {name: row[name] for name in ("code", "name", "name_en", "contact", "web")}
            Issuer.objects.create(org=self.org[row["org"]], **words)
            self.counts["issuers added"] += 1

    def contacts(self) -> None:
        """Who is called; one that is there already stays as people left it."""
        from fengsui.run import packs
        from fengsui.warn.calls import importing
        from fengsui.warn.calls.models import Contact

        there = set(Contact.objects.filter(org__in=self.org.values()).values_list("org__code", "name"))
        rows = [row for row in self.pack["contacts"] if (row["org"], row["name"]) not in there]
        given = [(row["line"], {k: str(v) for k, v in row.items() if k != "line"}) for row in rows]
        report = importing.import_rows(None, given)
        if report.bad:
            raise packs.BadPack([f"contacts.csv:{line}: {why}" for line, why in report.bad])
        self.counts["contacts added"] += report.added

    def commitments(self) -> None:
        """Who commits by when, what tells that a unit runs, and for a demonstration what was promised lately."""
        from fengsui.sense.devices.models import Thing
        from fengsui.warn.commitments import demo, services
        from fengsui.warn.commitments.models import Obligation, RunSignal

        for row in self.pack["run_signals"]:
            thing = Thing.objects.get(site_id=self.site[row["site"]], code=row["thing"])
            stream = self.stream[row["site"], row["datastream"]]
            values = {"datastream_id": stream, "above": row["above"]}
            _row, made = RunSignal.objects.get_or_create(thing=thing, defaults=values)
            self.counts["run signals added"] += int(made)
        for row in self.pack["obligations"]:
            org = self.org[row["org"]]
            if not Obligation.objects.filter(org=org).exists():
                names = ("deadline", "with_hazards", "is_public", "reason")
                values = {name: row[name] for name in names}
                services.oblige(f"region pack {self.pack.code}", org, kinds_of_sites=row["kinds"], **values)
                self.counts["obligations added"] += 1
        for code in sorted({row["site"] for row in self.pack["commitments"]}):
            rows = [row for row in self.pack["commitments"] if row["site"] == code]
            self.counts["commitments added"] += demo.remember(self.site[code], rows)

    def patrols(self) -> None:
        """Looks of the days before, for a demonstration, only where a site has none yet."""
        from fengsui.warn.patrols import demo

        for code in sorted({row["site"] for row in self.pack["patrols"]}):
            rows = [row for row in self.pack["patrols"] if row["site"] == code]
            self.counts["patrols added"] += demo.remember(self.site[code], rows)

    def report_orders(self) -> None:
        """Reports that make themselves; where somebody ordered or stopped one, nothing is changed."""
        from fengsui.show.reports import services
        from fengsui.show.reports.models import ReportOrder

        actor = f"region pack {self.pack.code}"
        for row in self.pack["report_orders"]:
            org = self.org[row["org"]]
            if not ReportOrder.objects.filter(org=org, period=row["period"]).exists():
                services.order(actor, org, row["period"], row["recipients"])
                self.counts["report orders added"] += 1

    def what_is_observed(self) -> None:
        from fengsui.sense.devices.models import Datastream, ObservedProperty, Sensor, Thing

        made = {}
        for name, model in (("sensors", Sensor), ("observed_properties", ObservedProperty)):
            wanted = [model(**{k: v for k, v in row.items() if k != "line"}) for row in self.pack[name]]
            codes = {"code__in": [w.code for w in wanted]}
            made[name] = self._upsert(name.replace("_", " "), model, wanted, ("code",), codes)
        here = {"site_id__in": list(self.site.values())}
        named = ("code", "name", "name_en", "description")
        things = [
            Thing(site_id=self.site[r["site"]], **{k: r[k] for k in named}) for r in self.pack["things"]
        ]
        thing = self.thing = self._upsert("things", Thing, things, ("site_id", "code"), here)
        plain = (
            "code", "name", "name_en", "unit", "range_min", "range_max", "period_ms", "frozen_after_ms", "decimals",
            "is_active",
        )  # fmt: skip
        streams = [
            Datastream(
                site_id=self.site[r["site"]],
                thing_id=thing[self.site[r["site"]], r["thing"]],
                sensor_id=made["sensors"][(r["sensor"],)] if r["sensor"] else None,
                observed_property_id=made["observed_properties"][(r["observed_property"],)],
                **{k: r[k] for k in plain},
            )
            for r in self.pack["datastreams"]
        ]
        ids = self._upsert("datastreams", Datastream, streams, ("site_id", "code"), here)
        self.stream = {
            (r["site"], r["code"]): ids[self.site[r["site"]], r["code"]] for r in self.pack["datastreams"]
        }

    def relations(self) -> None:
        """How assets hang together; one that people took out of force stays so, unless forced."""
        from django.db import connection

        from fengsui.run import packs
        from fengsui.sense.devices import relations
        from fengsui.sense.devices.models import AssetRelation

        relations.change_as(f"region pack {self.pack.code}")
        key = ("kind", "upstream_site_id", "upstream_thing_id", "site_id", "thing_id")
        within = {"site_id__in": list(self.site.values())}
        there = {tuple(getattr(r, k) for k in key): r for r in AssetRelation.objects.filter(**within)}
        for row in self.pack["relations"]:
            ends = []
            for site, thing in (("upstream_site", "upstream_thing"), ("site", "thing")):
                pk = self.site[row[site]]
                ends += [pk, self.thing[pk, row[thing]] if row[thing] else None]
            values = dict(zip(key, (row["relation"], *ends), strict=True))
            old = there.get(tuple(values.values()))
            if old is None:
                AssetRelation.objects.create(**values, note=row["note"])
                self.counts["relations added"] += 1
            elif not old.is_active and not self.force:
                self.counts["relations kept as people left them"] += 1
            elif not old.is_active or old.note != row["note"]:
                old.is_active, old.note = True, row["note"]
                old.save(update_fields=["is_active", "note"])
                self.counts["relations changed"] += 1
        with connection.cursor() as cursor:
            if way := relations.find_way_back(cursor):
                raise packs.BadPack([f"relations.csv: {' → '.join(way)} comes back to where it began"])

    def rules(self) -> None:
        from django.utils import timezone

        from fengsui.warn.alarms.models import Rule, RuleChange

        plain = ("setpoint", "deadband", "on_delay_ms", "off_delay_ms", "window_ms", "priority", "basis")
        actor, now = f"region pack {self.pack.code}", timezone.now()
        latest: dict[tuple[int, str], Rule] = {}
        for rule in Rule.objects.filter(datastream_id__in=list(self.stream.values())).order_by("pk"):
            latest[rule.datastream_id, rule.kind] = rule
        last_actor = dict(
            RuleChange.objects.filter(rule__in=[r.pk for r in latest.values()])
            .order_by("rule_id", "version")
            .values_list("rule_id", "actor_name")
        )
        new, changed = [], []
        for row in self.pack["rules"]:
            stream, values = self.stream[row["site"], row["datastream"]], {k: row[k] for k in plain}
            rule = latest.get((stream, row["kind"]))
            if rule is None:
                new.append(Rule(datastream_id=stream, kind=row["kind"], **values))
                continue
            same = rule.withdrawn_at is None and all(getattr(rule, k) == v for k, v in values.items())
            if same:
                continue
            by_hand = rule.withdrawn_at is not None or last_actor.get(rule.pk, actor) != actor
            if by_hand and not self.force:
                self.counts["rules kept as people left them"] += 1
                continue
            for k, v in values.items():
                setattr(rule, k, v)
            rule.withdrawn_at, rule.is_enabled, rule.version = None, True, rule.version + 1
            changed.append(rule)
        Rule.objects.bulk_create(new, batch_size=2000)
        Rule.objects.bulk_update(changed, [*plain, "withdrawn_at", "is_enabled", "version"], batch_size=2000)
        RuleChange.objects.bulk_create(
            [
                RuleChange(
                    rule_id=rule.pk, version=rule.version, at=now, actor_name=actor,
                    reason="loaded from the region pack",
                    values={"kind": rule.kind, "is_enabled": rule.is_enabled, **{k: getattr(rule, k) for k in plain}},
                )
                for rule in [*new, *changed]
            ],
            batch_size=2000,
        )  # fmt: skip
        self.counts["rules added"] += len(new)
        self.counts["rules changed"] += len(changed)

    def detectors(self) -> None:
        """``detectors.yml``: made here, learnt and put in force by a job; one that is there already is left alone."""
        from procrastinate.contrib.django import app

        from fengsui.run import lessons
        from fengsui.sense.devices.models import Site
        from fengsui.warn.detecting import services
        from fengsui.warn.detecting.models import Detector

        actor = f"region pack {self.pack.code}"
        for row in self.pack.detectors:
            site = Site.objects.get(pk=self.site[row["site"]])
            if Detector.objects.filter(site=site, name=row["name"]).exists():
                continue
            values = {name: row[name] for name in services.SETTINGS if name in row}
            made = services.create(
                actor, site, row["name"], row["method"], str(row.get("name_en", "")), **values
            )
            app.configure_task(lessons.TASK).defer(  # a row of this transaction
                detector=made.pk, folder=str(self.pack.folder), lesson=row["learns_from"],
                note=str(row.get("note", "")), actor=actor,
            )  # fmt: skip
            self.counts["detectors added"] += 1

    def scenario_rules(self) -> None:
        """``scenarios.yml`` has rules over several datastreams, unless people changed one since."""
        import yaml

        from fengsui.run import packs
        from fengsui.warn.scenarios import importing

        path = self.pack.folder / "scenarios.yml"
        if not path.exists():
            return
        try:
            rows = yaml.safe_load(path.read_text(encoding="utf-8"))
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            raise packs.BadPack([f"scenarios.yml: cannot be read: {error}"]) from error
        done = importing.bring(f"region pack {self.pack.code}", rows, list(self.site), force=self.force)
        done.pop("scenario rules as before", None)
        self.counts.update(done)

    def users(self) -> None:
        from django.contrib.auth import get_user_model

        from fengsui.people.accounts.services import create_user
        from fengsui.people.orgs import services
        from fengsui.people.orgs.models import Membership

        people = self._people()
        there = {
            user.username: user
            for user in get_user_model().objects.filter(username__in=[row["username"] for row in people])
        }
        for row in people:
            if row["username"] not in there:
                there[row["username"]], _ = create_user(
                    actor=None,
                    username=row["username"],
                    password=row["password"],
                    display_name=row["display_name"],
                    must_change_password=False,
                )
                self.counts["users added"] += 1
        held = set(
            Membership.objects.filter(user__in=there.values()).values_list("user__username", "org_id", "role")
        )
        for row in self.pack["users"]:
            org = self.org[row["org"]]
            if (row["username"], org.pk, row["role"]) not in held:
                services.grant(actor=None, user=there[row["username"]], org=org, role=row["role"])
                self.counts["roles granted"] += 1

    def devices(self, dry_run: bool) -> None:
        from fengsui.sense.devices.models import Device

        rows = self.pack["devices"]
        there = {d.code: d for d in Device.objects.filter(code__in=[r["code"] for r in rows])}
        made: dict[str, str] = {}
        new, changed = [], []
        for row in rows:
            site, device = self.site[row["site"]], there.get(row["code"])
            if device is None:
                made[row["code"]] = secrets.token_urlsafe(24)
                sha256 = hashlib.sha256(made[row["code"]].encode()).hexdigest()
                new.append(Device(site_id=site, code=row["code"], name=row["name"], secret_sha256=sha256))
            elif (device.site_id, device.name) != (site, row["name"]):
                device.site_id, device.name = site, row["name"]
                changed.append(device)
        Device.objects.bulk_create(new, batch_size=2000)
        Device.objects.bulk_update(changed, ["site", "name"], batch_size=2000)
        self.counts["devices added"] += len(new)
        self.counts["devices changed"] += len(changed)
        if made and not dry_run:
            # Before the commit: a secret in the file that no device has is harmless, the other way round it is lost.
            keep_secrets(
                {row["code"]: (row["site"], made[row["code"]]) for row in rows if row["code"] in made}
            )

    def _upsert(
        self, what: str, model: Any, wanted: list[Any], key: tuple[str, ...], where: dict[str, Any]
    ) -> dict[tuple[Any, ...], int]:
        """Add what is missing and change what differs; key → id of all of ``wanted``."""
        fields = [
            f.attname
            for f in model._meta.concrete_fields
            if not f.primary_key
            and f.attname not in key
            and f.name not in NOT_IN_PACKS.get(model.__name__, ())
        ]
        there = {tuple(getattr(row, k) for k in key): row for row in model.objects.filter(**where)}
        new, changed = [], []
        for row in wanted:
            old = there.get(tuple(getattr(row, k) for k in key))
            if old is None:
                new.append(row)
            elif any(getattr(old, f) != getattr(row, f) for f in fields):
                for f in fields:
                    setattr(old, f, getattr(row, f))
                changed.append(old)
        model.objects.bulk_create(new, batch_size=2000)
        model.objects.bulk_update(changed, fields, batch_size=2000)
        self.counts[f"{what} added"] += len(new)
        self.counts[f"{what} changed"] += len(changed)
        ids = {k: row.pk for k, row in there.items()}
        ids.update({tuple(getattr(row, k) for k in key): row.pk for row in new})
        return ids


def _layer_files(about: dict[str, Any]) -> dict[str, str]:
    """Name under FENGSUI_HOME/layers → file in the pack."""
    return {f"{layer['name']}.geojson": layer["file"] for layer in about.get("layers", [])}


def layers_shown(about: dict[str, Any]) -> bool:
    """Are the layers of this pack where the portal looks for them?"""
    folder = settings.home() / "layers"
    return all((folder / name).exists() for name in ["layers.json", *_layer_files(about)])


def show_layers(pack: Path, about: dict[str, Any]) -> None:
    """Copy the map layers to where the portal reads them; those of a pack loaded before go."""
    folder = settings.home() / "layers"
    folder.mkdir(parents=True, exist_ok=True)
    words = {
        layer["name"]: {key: layer.get(key, "") for key in ("title", "title_en", "source", "kind")}
        for layer in about.get("layers", [])
    }
    files = {name: (pack / file).read_bytes() for name, file in _layer_files(about).items()}
    files["layers.json"] = json.dumps(words, ensure_ascii=False, indent=1).encode()
    for name, content in files.items():
        draft = folder / f".{name}.{os.getpid()}"
        draft.write_bytes(content)
        draft.replace(folder / name)
    for path in folder.glob("*.geojson"):
        if path.name not in files:
            path.unlink()


def secrets_file() -> Path:
    """Where the secrets of demonstration devices are kept, readable by their owner only."""
    return settings.home() / "secrets" / "devices.csv"


def read_secrets() -> dict[str, tuple[str, str]]:
    """Device → (site, secret), as far as they are kept here."""
    try:
        with secrets_file().open(encoding="utf-8", newline="") as file:
            return {row["device"]: (row["site"], row["secret"]) for row in csv.DictReader(file)}
    except FileNotFoundError:
        return {}


def keep_secrets(made: dict[str, tuple[str, str]]) -> None:
    """Add device → (site, secret) to the file; it is written whole or not at all."""
    path = secrets_file()
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.touch(mode=0o600)
    with draft.open("w", encoding="utf-8", newline="") as file:
        out = csv.writer(file, lineterminator="\n")
        out.writerow(["device", "site", "secret"])
        out.writerows(
            [device, site, secret] for device, (site, secret) in sorted({**read_secrets(), **made}.items())
        )
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
    sync_folder(path.parent)

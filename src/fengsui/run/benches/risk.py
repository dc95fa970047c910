"""7,000 enterprises: how long until a change of one of them is in the risk of all, and in the tree above them.

The rows are in a PostgreSQL of its own.  "Arrays" is the reckoning alone; "a change" is what the worker does: read
every input, reckon, write what changed, commit.  "Through the worker" counts everything in: from the commit of the
change over the outbox and the wake-up to the row of the last site, for one change and for a flood of 1,000.
"""

import json
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from fengsui.run.benches.figure import Figure, figure
from fengsui.run.benches.lists import _until
from fengsui.run.scratch import Scratch

ABOUT = "7,000 enterprises: from a change of one to the risk of all, and the tree above them (goal: 1 s)"
SITES = 7_000
COUNTIES = 13
ALARMS = 3_000
RUNS = 7
FLOOD = 1_000
PATIENCE_S = 60


def bench(seconds: float) -> list[Figure]:
    with tempfile.TemporaryDirectory() as folder:
        made = Scratch(Path(folder) / "var")
        db = subprocess.Popen(made.command("db"), env=made.env, stderr=subprocess.DEVNULL)
        try:
            _until(lambda: made.run("migrate", seconds=600).returncode == 0)
            set_up = [*made.command()[:-1], "fengsui.run.benches.risk"]
            done = subprocess.run(set_up, env=made.env, capture_output=True, text=True)
            if done.returncode:
                raise RuntimeError(done.stderr[-2000:])
            told: dict[str, list[float]] = json.loads(done.stdout.splitlines()[-1])
            roles = [
                subprocess.Popen(made.command(role), env=made.env, stderr=subprocess.DEVNULL)
                for role in ("bus", "worker")
            ]
            done = subprocess.run([*set_up, "flood"], env=made.env, capture_output=True, text=True)
            for process in reversed(roles):
                process.send_signal(signal.SIGTERM)
                process.wait(30)
            if done.returncode:
                raise RuntimeError(done.stderr[-2000:])
            told |= json.loads(done.stdout.splitlines()[-1])
        finally:
            db.terminate()
            db.wait(30)
    note = f"{SITES:,} sites, {ALARMS:,} active alarms, {COUNTIES} counties"
    return [figure(f"risk: {name}", "ms", values, note) for name, values in told.items()]


def main() -> int:
    """Fill the database and measure, in a process that has Django; prints milliseconds by name."""
    from fengsui.run import django_setup

    django_setup.setup()
    from fengsui.sense.devices.models import Site
    from fengsui.warn.risk import arrays, weights
    from fengsui.warn.risks import inputs, services

    _fill()
    services.reckon()
    used = weights.shipped()
    told: dict[str, list[float]] = {
        "arrays": [],
        "neighbours": [],
        "a change of one site": [],
        "tree of counties": [],
    }
    sites = list(Site.objects.order_by("pk")[:RUNS])
    for site in sites:
        services.declare(None, site, "fire_special", _now(), None, "bench")
        _took(told["a change of one site"], services.reckon)
        gathered = inputs.gather(_now(), used)
        near = arrays.near(gathered.longitude, gathered.latitude, used.radius_m)
        _took(told["neighbours"], lambda g=gathered: arrays.near(g.longitude, g.latitude, used.radius_m))
        _took(told["arrays"], lambda g=gathered, n=near: arrays.index(g.counts, n, used))
        _took(told["tree of counties"], _tree)
    print(json.dumps(told))
    return 0


def flood() -> int:
    """Changes while a worker runs: from their commit to the last row that follows; prints milliseconds by name."""
    from fengsui.run import django_setup

    django_setup.setup()
    from fengsui.sense.devices.models import Site

    sites = list(Site.objects.order_by("pk").values_list("pk", flat=True))
    _change(sites[:1], "confined_space")  # the worker starts, and reckons what its start brings
    told: dict[str, list[float]] = {
        "one change through the worker": [],
        "1,000 changes through the worker": [],
    }
    for i in range(RUNS):
        told["one change through the worker"].append(_change(sites[10 + i : 11 + i], "tank_cleaning"))
    for kind in ("trial", "fire_1", "fire_2"):
        told["1,000 changes through the worker"].append(_change(sites[:FLOOD], kind))
    print(json.dumps(told))
    return 0


def _change(sites: list[int], kind: str) -> float:
    """Declare ``kind`` at each of ``sites`` with an event each, all in one commit; until the risk of all has it."""
    from django.db import transaction

    from fengsui.stores import outbox
    from fengsui.warn.risks.models import Fact, SiteRisk
    from fengsui.warn.risks.services import STALE

    now = _now()
    with transaction.atomic():
        Fact.objects.bulk_create(
            Fact(site_id=pk, kind=kind, begins_at=now, source="bench", declared_at=now, actor_name="bench")
            for pk in sites
        )
        outbox.add_many(STALE, [{} for _ in sites])
    began = time.perf_counter()
    until = time.monotonic() + PATIENCE_S
    while SiteRisk.objects.filter(site__in=sites, counts__has_key=kind).count() < len(sites):
        if time.monotonic() > until:
            raise TimeoutError(f"{kind}: the risk does not follow")
        time.sleep(0.005)
    return 1000 * (time.perf_counter() - began)


def _tree() -> Any:
    from fengsui.people.accounts.models import User
    from fengsui.show.lists import risk

    return risk.tree(User(pk=1, is_superuser=True), "county")


def _took(into: list[float], deed: Any) -> None:
    start = time.perf_counter()
    deed()
    into.append(1000 * (time.perf_counter() - start))


def _now() -> Any:
    from fengsui.stores import clock

    return clock.now()


def _fill() -> None:
    from fengsui.people.orgs.models import Org
    from fengsui.sense.devices.models import Datastream, ObservedProperty, Site, Thing
    from fengsui.warn.alarms.models import Alarm

    def org(code: str, kind: str, parent: Any) -> Any:
        made = Org.objects.create(code=code, name=code, kind=kind, parent=parent, path=f"/{code}/")
        made.path, made.depth = (
            f"{parent.path if parent else '/'}{made.pk}/",
            parent.depth + 1 if parent else 0,
        )
        made.save()
        return made

    rng = np.random.default_rng(1)
    province = org("p", "province", None)
    city = org("c", "city", province)
    counties = [org(f"k{i}", "county", city) for i in range(COUNTIES)]
    prop = ObservedProperty.objects.create(code="x", name="x")
    lon, lat = 111 + rng.normal(0, 0.4, SITES), 30.7 + rng.normal(0, 0.3, SITES)
    sites = Site.objects.bulk_create(
        Site(
            code=f"s{i}", name=f"s{i}", org=counties[i % COUNTIES], org_path=counties[i % COUNTIES].path,
            kind="chemical_plant", longitude=float(lon[i]), latitude=float(lat[i]),
        )
        for i in range(SITES)
    )  # fmt: skip
    things = Thing.objects.bulk_create(Thing(site=site, code="t", name="t") for site in sites)
    streams = Datastream.objects.bulk_create(
        Datastream(site=site, thing=thing, observed_property=prop, code="x", name="x")
        for site, thing in zip(sites, things, strict=True)
    )
    Alarm.objects.bulk_create(
        Alarm(
            key=f"0:{i}", datastream=streams[i], site=sites[i], org=sites[i].org, org_path=sites[i].org_path,
            kind="h", priority=1 + i % 4, raised_at=_now(),
        )
        for i in rng.permutation(SITES)[:ALARMS].tolist()
    )  # fmt: skip


if __name__ == "__main__":
    sys.exit(flood() if sys.argv[1:] == ["flood"] else main())

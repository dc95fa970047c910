"""10,000 alarms of one power failure, through the path that records alarms, on a PostgreSQL of its own.

One supply feeds twenty gateways, each carries a site of a hundred things with five datastreams that fall silent, all in
one connected part of the relations: the worst case.  Among them are causes of their own (measured alarms, silent
detectors of a higher priority): none may be hidden.  The same flood without relations is what folding is compared with.
"""

import json
import random
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from fengsui.run.benches.figure import Figure, figure
from fengsui.run.benches.lists import _until
from fengsui.run.scratch import Scratch

ABOUT = "a flood of 10,000 alarms: recorded with and without folding, how many are shown, causes hidden (must be 0)"
ALARMS, SITES, THINGS, STREAMS, CAUSES = 10_000, 20, 100, 5, 40
BATCH = 500
RUNS = 3


def bench(seconds: float) -> list[Figure]:
    with tempfile.TemporaryDirectory() as folder:
        made = Scratch(Path(folder) / "var")
        db = subprocess.Popen(made.command("db"), env=made.env, stderr=subprocess.DEVNULL)
        try:
            _until(lambda: made.run("migrate", seconds=900).returncode == 0)
            command = [*made.command()[:-1], "fengsui.run.benches.flood"]
            done = subprocess.run(command, env=made.env, capture_output=True, text=True)
            if done.returncode:
                raise RuntimeError(done.stderr[-2000:])
            told: dict[str, dict[str, Any]] = json.loads(done.stdout.splitlines()[-1])
        finally:
            db.terminate()
            db.wait(30)
    note = f"batches of {BATCH}"
    notes = {"shown": f"of {ALARMS:,}, {CAUSES} of them causes of their own", "hidden causes": "must be 0"}
    return [
        figure(f"flood: {name}", entry["unit"], entry["values"], notes.get(name, note))
        for name, entry in told.items()
    ]


def main() -> int:
    """Fill the database and measure, in a process that has Django; prints figures by name."""
    from fengsui.run import django_setup

    django_setup.setup()
    from django.db import connection

    from fengsui.sense.devices.models import AssetRelation
    from fengsui.show.lists.folding import storms
    from fengsui.warn.alarms.models import Alarm

    effects, causes, roots = _fill()
    told: dict[str, dict[str, Any]] = {}
    forests = []

    def say(name: str, unit: str, value: float) -> None:
        told.setdefault(name, {"unit": unit, "values": []})["values"].append(round(value, 3))

    for folds in (False, True):
        AssetRelation.objects.update(is_active=folds)
        for run in range(RUNS):
            with connection.cursor() as cursor:
                cursor.execute("TRUNCATE alarms_alarm, alarms_storm, outbox_event CASCADE")
            took = _record(effects, causes, roots, random.Random(run))
            how = "with folding" if folds else "without"
            say(f"recorded {how}", "s", sum(took))
            say(f"a batch {how}", "ms", 1000 * statistics.median(took))
            say(f"the slowest batch {how}", "ms", 1000 * max(took))
        if not folds:
            continue
        shown = set(Alarm.objects.standing().unfolded().values_list("rule", flat=True))
        say("shown", "alarms", len(shown))
        say("hidden causes", "alarms", len({rule for rule, _, _ in causes} - shown))
        forests.append(sorted(Alarm.objects.exclude(parent=None).values_list("rule", "parent__rule")))
        assert forests[-1] == forests[0], "another order gave another forest"
        began = time.perf_counter()
        _queue()
        say("the queue read", "ms", 1000 * (time.perf_counter() - began))
    assert storms(_everybody()), "a flood is a storm"
    print(json.dumps(told))
    return 0


def _everybody() -> Any:
    from fengsui.people.accounts.models import User

    return User(pk=1, is_superuser=True)


def _queue() -> None:
    from fengsui.show.lists import alarms

    alarms.alarm_page(_everybody(), alarms.Filters(standing=True, folded=False), size=500)


def _record(effects: Any, causes: Any, roots: Any, dice: random.Random) -> list[float]:
    """Seconds of each batch: what happened in order of time, jittered, as partitions and gateways deliver it."""
    from fengsui.warn.alarms.episodes import EventRow, record_events
    from fengsui.warn.engine import RAISED

    start = int(time.time() * 1000) - 120_000
    events = []
    for rule, at_ms, value in (*effects, *causes, *roots):
        t = start + at_ms
        events.append((at_ms + dice.uniform(0, 10_000), EventRow(rule, RAISED, t, value, t, value, t, t)))
    ordered = [event for _, event in sorted(events)]
    took = []
    for first in range(0, len(ordered), BATCH):
        began = time.perf_counter()
        record_events(ordered[first : first + BATCH])
        took.append(time.perf_counter() - began)
    return took


def _fill() -> tuple[list[tuple[int, int, float | None]], ...]:
    """Sites, rules and relations; (rule, raised after ms, value) of effects, of causes of their own, of the roots."""
    from fengsui.people.orgs.models import Org
    from fengsui.sense.devices.models import AssetRelation, Datastream, ObservedProperty, Site, Thing
    from fengsui.warn.alarms.models import Rule

    dice = random.Random(1)
    org = Org.objects.create(code="c", name="c", kind="city", path="/c/")
    Org.objects.filter(pk=org.pk).update(path=f"/{org.pk}/")
    prop = {p: ObservedProperty.objects.create(code=p, name=p) for p in ("voltage", "online", "level", "gas")}
    sites = [
        Site.objects.create(
            code=f"s{i}", name=f"s{i}", org=org, org_path=f"/{org.pk}/", longitude=111, latitude=30
        )
        for i in range(SITES)
    ]

    def rules(streams: list[Any], kind: str, priorities: list[int]) -> list[int]:
        made = Rule.objects.bulk_create(
            Rule(
                datastream=s, kind=kind, setpoint=None if kind == "silent" else 1.0, priority=p,
                window_ms=60_000 if kind == "silent" else 0,
            )
            for s, p in zip(streams, priorities, strict=True)
        )  # fmt: skip
        return [rule.pk for rule in made]

    def stream(site: Any, code: str, what: str) -> Any:
        thing = Thing.objects.create(site=site, code=code, name=code)
        return Datastream.objects.create(
            site=site, thing=thing, observed_property=prop[what], code=code, name=code
        )

    supply = stream(sites[0], "supply", "voltage")
    gateways = [stream(site, f"gw{i}", "online") for i, site in enumerate(sites)]
    for site, gateway in zip(sites, gateways, strict=True):
        end = {"site": site, "upstream_site": site}
        AssetRelation.objects.create(kind="carries", upstream_thing=gateway.thing, **end)
        feeds = {"upstream_site": sites[0], "upstream_thing": supply.thing}
        AssetRelation.objects.create(kind="feeds", site=site, thing=gateway.thing, **feeds)
    things = Thing.objects.bulk_create(
        Thing(site=site, code=f"t{i}", name=f"t{i}") for site in sites for i in range(THINGS)
    )
    streams = Datastream.objects.bulk_create(
        Datastream(
            site=thing.site, thing=thing, observed_property=prop["level"], code=f"{thing.code}-{i}", name="x"
        )
        for thing in things
        for i in range(STREAMS)
    )
    own = [s for s in dice.sample(streams, CAUSES)]
    at_root = [*rules([supply], "ll", [2]), *rules(gateways, "silent", [2] * SITES)]
    of_own = [
        *rules(own[: CAUSES // 2], "hh", [1 + i % 4 for i in range(CAUSES // 2)]),
        *rules(own[CAUSES // 2 :], "silent", [1] * (CAUSES - CAUSES // 2)),
    ]
    silent = dice.sample([s for s in streams if s not in own], ALARMS - len(at_root) - len(of_own))
    of_effects = rules(silent, "silent", [3] * len(silent))
    return (
        [(rule, dice.randint(4_000, 40_000), None) for rule in of_effects],
        [(rule, dice.randint(4_000, 40_000), None) for rule in of_own],
        [(at_root[0], 0, 0.0), *((rule, dice.randint(1_000, 5_000), None) for rule in at_root[1:])],
    )


if __name__ == "__main__":
    sys.exit(main())

"""A quarter with a million alarms: how long the scorecard takes, by county, site and rule, and its page.

The rows are in a PostgreSQL of its own, made by one statement: 500 sites, ten rules each, every alarm with an end, two
of three acknowledged, one in fifty judged by a closed loop.  The page is measured with its days packed, once more after
CHANGED alarms all over the quarter were acknowledged since, and with nothing packed.
"""

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from fengsui.run.benches.figure import Figure, figure
from fengsui.run.benches.lists import _until
from fengsui.run.scratch import Scratch

ABOUT = "the scorecard of a quarter with 1,000,000 alarms (goal: the page within 1 s)"
ALARMS = 1_000_000
SITES, RULES = 500, 10
CHANGED = 1_000
RUNS = 3


def bench(seconds: float) -> list[Figure]:
    with tempfile.TemporaryDirectory() as folder:
        made = Scratch(Path(folder) / "var")
        db = subprocess.Popen(made.command("db"), env=made.env, stderr=subprocess.DEVNULL)
        try:
            _until(lambda: made.run("migrate", seconds=600).returncode == 0)
            set_up = [*made.command()[:-1], "fengsui.run.benches.scorecard"]
            done = subprocess.run(set_up, env=made.env, capture_output=True, text=True)
            if done.returncode:
                raise RuntimeError(done.stderr[-2000:])
            told: dict[str, list[float]] = json.loads(done.stdout.splitlines()[-1])
        finally:
            db.terminate()
            db.wait(30)
    note = f"{ALARMS:,} alarms of a quarter, {SITES * RULES:,} rules at {SITES} sites"
    return [figure(f"scorecard: {name}", "ms", values, note) for name, values in told.items()]


def main() -> int:
    """Fill the database and measure, in a process that has Django; prints milliseconds by name."""
    from fengsui.run import django_setup

    django_setup.setup()
    from django.test import Client

    from fengsui.people.accounts.models import User
    from fengsui.sense.devices.models import Site
    from fengsui.show.lists.scorecard import Card
    from fengsui.stores import clock
    from fengsui.warn.alarms import packed
    from fengsui.warn.alarms.models import Alarm, Occurrence, PackedDay

    name, from_ms, to_ms = _quarter()
    told: dict[str, list[float]] = {}
    _took(told, "(filling the database)", lambda: _fill(from_ms, to_ms))
    _took(told, "(packing every day)", lambda: packed.pack(clock.now()))

    def card(by: str) -> None:
        made = Card.of(Site.objects.all(), from_ms, to_ms, by, Occurrence.objects.all())
        made.scores(500), made.whole(), made.priorities(), made.contributors()

    client = Client()
    root = User.objects.create(username="root", is_superuser=True)
    client.force_login(root, backend="fengsui.people.accounts.backend.Backend")

    def page(by: str) -> None:
        answer = client.get(f"/scorecards/?by={by}&quarter={name}", HTTP_HOST="127.0.0.1")
        if answer.status_code != 200:
            raise RuntimeError(f"the page answers {answer.status_code}")

    for _ in range(RUNS):
        _took(told, "reading the alarms as columns", lambda: packed.stood(from_ms, to_ms))
        for by in ("county", "site", "rule"):
            _took(told, f"by {by}", lambda by=by: card(by))
            _took(told, f"the page by {by}", lambda by=by: page(by))
    some = Alarm.objects.filter(acked_at=None).order_by("key")[:CHANGED]  # keys begin with the rule: all days
    Alarm.objects.filter(pk__in=some.values("pk")).update(acked_at=clock.now())
    for _ in range(RUNS):
        _took(told, f"the page by county, {CHANGED:,} changed since", lambda: page("county"))
    PackedDay.objects.all().delete()
    _took(told, "the page by county, nothing packed", lambda: page("county"))
    print(json.dumps(told))
    return 0


def _quarter() -> tuple[str, int, int]:
    """The last quarter that is over: as the page calls it, and its span in ms."""
    from datetime import datetime

    from django.utils import timezone

    now = timezone.localtime()
    end = timezone.make_aware(datetime(now.year, (now.month - 1) // 3 * 3 + 1, 1))
    year, n = (end.year, (end.month - 1) // 3) if end.month > 1 else (end.year - 1, 4)
    begin = timezone.make_aware(datetime(year, 3 * n - 2, 1))
    return f"{year}-Q{n}", round(begin.timestamp() * 1000), round(end.timestamp() * 1000)


def _took(told: dict[str, list[float]], name: str, deed: Any) -> None:
    start = time.perf_counter()
    deed()
    told.setdefault(name, []).append(1000 * (time.perf_counter() - start))


def _fill(from_ms: int, to_ms: int) -> None:
    """In order of time, and without asking for every alarm whether its site is there: indexes and keys are the cost."""
    from django.db import connection

    from fengsui.loops import kinds
    from fengsui.people.orgs.models import Org
    from fengsui.sense.devices.models import Datastream, ObservedProperty, Site, Thing
    from fengsui.warn.alarms.models import Rule

    root = Org.objects.create(code="c", name="c", kind="city", path="/0/")
    Org.objects.filter(pk=root.pk).update(path=f"/{root.pk}/")
    counties = []
    for i in range(13):
        one = Org.objects.create(
            code=f"k{i}", name=f"k{i}", kind="county", parent=root, path=f"/0/{i}/", depth=1
        )
        one.path = f"/{root.pk}/{one.pk}/"
        one.save()
        counties.append(one)
    prop = ObservedProperty.objects.create(code="x", name="x")
    sites = Site.objects.bulk_create(
        Site(
            code=f"s{i}", name=f"s{i}", org=counties[i % 13], org_path=counties[i % 13].path, kind="other",
            longitude=111, latitude=30,
        )
        for i in range(SITES)
    )  # fmt: skip
    things = Thing.objects.bulk_create(Thing(site=site, code="t", name="t") for site in sites)
    streams = Datastream.objects.bulk_create(
        Datastream(site=thing.site, thing=thing, observed_property=prop, code=f"x{k}", name="x")
        for thing in things
        for k in range(RULES)
    )
    Rule.objects.bulk_create(
        Rule(datastream=s, kind="h", setpoint=1, priority=1 + i % 4) for i, s in enumerate(streams)
    )
    kinds.current("alarm_disposal")
    with connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")
        cursor.execute(
            """
            INSERT INTO alarms_alarm (key, rule_id, rule_version, datastream_id, site_id, org_id, org_path, kind,
                priority, raised_at, raised_value, cleared_at, acked_at, is_suppressed, ack_note, created_at)
            SELECT r.id || ':' || n, r.id, 1, d.id, s.id, s.org_id, s.org_path, r.kind, r.priority, at, 1,
                at + interval '5 minutes' * random(),
                CASE WHEN n %% 3 > 0 THEN at + interval '4 minutes' * random() END, false, '', at
            FROM (SELECT n, timestamptz 'epoch' + interval '1 millisecond' * floor(%s + %s * random()) AS at,
                    (SELECT min(id) FROM alarms_rule) + (n::bigint * 7919) %% (SELECT count(*) FROM alarms_rule) AS rule
                  FROM generate_series(1, %s) n) g
            JOIN alarms_rule r ON r.id = g.rule JOIN devices_datastream d ON d.id = r.datastream_id
            JOIN devices_site s ON s.id = d.site_id ORDER BY at""",
            [from_ms, to_ms - from_ms - 600_000, ALARMS],
        )
        cursor.execute(
            """
            INSERT INTO loops_loop (kind_id, kind_version, key, title, title_en, org_id, org_path, level, step,
                step_since, opened_at, closed_at, outcome, about, facts, escalation, roles, escalated_roles, version)
            SELECT 'alarm_disposal', 1, 'alarm:' || key, 't', '', org_id, org_path, priority, 'closed', raised_at,
                raised_at, raised_at, CASE WHEN id % 2 = 0 THEN 'false_alarm' ELSE 'closed' END, '{}', '{}', 0,
                '{}', '{}', 1
            FROM alarms_alarm WHERE id % 50 = 0"""
        )
        cursor.execute("SET session_replication_role = origin")
        cursor.execute("ANALYZE")


if __name__ == "__main__":
    sys.exit(main())

"""50,000 sites: how long "who is under what" takes, now and for the next 24 hours, and a page of the list.

The rows are in a PostgreSQL of its own: a typhoon, three earthquakes, forty gauges and forty warnings are in force.
"""

import json
import subprocess
import sys
import tempfile
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np

from fengsui.run.benches.figure import Figure, figure
from fengsui.run.benches.lists import _until
from fengsui.run.scratch import Scratch

ABOUT = "50,000 sites: who is under what now and in 24 h, by hazard, county and site"
SITES = 50_000
COUNTIES = 13
RUNS = 5


def bench(seconds: float) -> list[Figure]:
    with tempfile.TemporaryDirectory() as folder:
        made = Scratch(Path(folder) / "var")
        db = subprocess.Popen(made.command("db"), env=made.env, stderr=subprocess.DEVNULL)
        try:
            _until(lambda: made.run("migrate").returncode == 0)
            set_up = [*made.command()[:-1], "fengsui.run.benches.natural"]
            done = subprocess.run(set_up, env=made.env, capture_output=True, text=True)
            if done.returncode:
                raise RuntimeError(done.stderr[-2000:])
            told: dict[str, list[float]] = json.loads(done.stdout.splitlines()[-1])
        finally:
            db.terminate()
            db.wait(30)
    note = f"{SITES:,} sites, 84 hazards, {COUNTIES} counties, 9 instants of 24 h"
    return [figure(f"natural: {name}", "ms", values, note) for name, values in told.items()]


def main() -> int:
    """Fill the database and measure, in a process that has Django; prints milliseconds by name."""
    from fengsui.run import django_setup

    django_setup.setup()
    from fengsui.people.accounts.models import User
    from fengsui.sense.devices.models import Site
    from fengsui.show.lists import naturals
    from fengsui.stores import clock
    from fengsui.warn.naturals import exposure, judging

    _fill()
    user, every = User(pk=1, is_superuser=True), naturals.Filters()
    now = clock.now()
    judging.evaluate(now)
    where, listed = exposure.places(Site.objects.all()), naturals.hazards(user, now)
    deeds: dict[str, Any] = {
        "arrays": lambda: exposure.matrix(where, listed, exposure.steps(now)),
        "list of sites": lambda: naturals.site_page(user, now, every),
        "list of counties": lambda: naturals.parts(user, now, "county", every),
        "one site": lambda: naturals.of_site(user, Site.objects.order_by("pk")[7], now),
        "judging": lambda: judging.evaluate(now),
    }
    told: dict[str, list[float]] = {name: [] for name in deeds}
    for _run in range(RUNS):
        for name, deed in deeds.items():
            start = time.perf_counter()
            deed()
            told[name].append(1000 * (time.perf_counter() - start))
    print(json.dumps(told))
    return 0


def _fill() -> None:
    from fengsui.people.orgs.models import Org
    from fengsui.sense.devices.models import Site
    from fengsui.stores import clock
    from fengsui.warn.natural import thresholds, zones
    from fengsui.warn.naturals.models import Quake, Source, Statement, Storm, StormFix
    from fengsui.warn.warnings.models import Feed, Message

    def org(code: str, kind: str, parent: Any) -> Any:
        made = Org.objects.create(code=code, name=code, kind=kind, parent=parent, path=f"/{code}/")
        made.path, made.depth = (
            f"{parent.path if parent else '/'}{made.pk}/",
            parent.depth + 1 if parent else 0,
        )
        made.save()
        return made

    rng, now = np.random.default_rng(1), clock.now()
    province = org("p", "province", None)
    city = org("c", "city", province)
    counties = [org(f"k{i}", "county", city) for i in range(COUNTIES)]
    lon, lat = 111 + rng.normal(0, 0.8, SITES), 30.7 + rng.normal(0, 0.6, SITES)
    Site.objects.bulk_create(
        (
            Site(
                code=f"s{i}", name=f"s{i}", org=counties[i % COUNTIES], org_path=counties[i % COUNTIES].path,
                kind="other", longitude=float(lon[i]), latitude=float(lat[i]),
            )
            for i in range(SITES)
        ),
        batch_size=5000,
    )  # fmt: skip
    storms = Source.objects.create(org=province, kind="storms", name="storms")
    storm = Storm.objects.create(source=storms, key="1", name_en="BENCH")
    for hours, x, y in ((-7, 114.5, 28.5), (-1, 113.6, 29.1)):
        StormFix.objects.create(
            storm=storm, at=now + timedelta(hours=hours), longitude=x, latitude=y, wind_m_s=40
        )
    quakes = Source.objects.create(org=province, kind="quakes", name="quakes")
    Quake.objects.bulk_create(
        Quake(
            source=quakes, key=str(i), revision=1, origin_at=now - timedelta(hours=i + 1), longitude=111 + i / 2,
            latitude=30.5, magnitude=4.5 + i / 2, status="reviewed", received_at=now,
        )
        for i in range(3)
    )  # fmt: skip
    sha = thresholds.shipped().sha256
    Statement.objects.bulk_create(
        Statement(
            key=f"stage:{i}:0", subject=f"stage:{i}", kind="stage", org_path=counties[i % COUNTIES].path, name=f"g{i}",
            source_name="bench", level=1 + i % 4, level_since=now, raised_at=now - timedelta(hours=1), judged_at=now,
            zone=zones.bands(float(lon[i]), float(lat[i]), [(1 + i % 4, 8.0)]), why={}, thresholds_sha256=sha,
        )
        for i in range(40)
    )  # fmt: skip
    feed = Feed.objects.create(org=province, name="bench", url="https://example.org/bench")
    Message.objects.bulk_create(
        Message(
            feed=feed, org=province, org_path=province.path, identifier=str(i), sender="s",
            sent_at=now - timedelta(hours=1), received_at=now, status="Actual", msg_type="Alert", scope="Public",
            level=1 + i % 4, event="rain", headline=f"w{i}", expires_at=now + timedelta(hours=6 + i), document=b"",
            sha256="", shapes=[zones.ring(float(lon[i]), float(lat[i]), 30 + 2 * i, 200)],
        )
        for i in range(40)
    )  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())

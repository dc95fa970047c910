"""A small region with two days of history in real segments, and one Spark for all tests of this folder."""

from types import SimpleNamespace

import numpy as np
import pytest

DAY = 86_400_000
T0 = 1_790_000_000_000 // DAY * DAY  # midnight, UTC
TO = T0 + 2 * DAY
PERIOD_MS = 60_000


@pytest.fixture(scope="session")
def spark():
    from fengsui.run.spark.engines import Spark

    engine = Spark("local[1]", {"spark.driver.memory": "1g"})
    yield engine
    engine.close()


@pytest.fixture
def region(db, tmp_path):
    """Two plants in one county and one beside it; tanks T0 … T2 each; the last tank of the third never spoke."""
    from datetime import UTC, datetime

    from fengsui.people.orgs.models import Org
    from fengsui.sense.devices.models import Datastream, ObservedProperty, Site, Thing
    from fengsui.stores.history.catalogue import Catalogue
    from fengsui.warn.alarms.models import Alarm

    def org(code, parent, kind, division):
        made = Org.objects.create(
            parent=parent, path=f"/{code}/", kind=kind, code=code, name=code, division_code=division
        )
        made.path = f"{parent.path if parent else '/'}{made.pk}/"
        made.save()
        return made

    city = org("city", None, "city", "420500")
    counties = [org("one", city, "county", "420502"), org("two", city, "county", "420503")]
    properties = [ObservedProperty.objects.create(code=c, name=c) for c in ("level", "pressure")]
    streams = []
    for n, county in enumerate((counties[0], counties[0], counties[1])):
        works = org(f"works-{n}", county, "enterprise", "")
        site = Site.objects.create(
            code=f"plant-{n}", name="厂", org=works, org_path=works.path, longitude=111, latitude=30
        )
        tank = Thing.objects.create(site=site, code="tank", name="罐")
        for t in range(3):
            streams.append(
                Datastream.objects.create(
                    site=site,
                    thing=tank,
                    observed_property=properties[t % 2],
                    code=f"T{t}",
                    name="罐",
                    period_ms=PERIOD_MS,
                )
            )
    for priority in (1, 3, 3):
        Alarm.objects.create(
            key=f"{priority}:{Alarm.objects.count()}", datastream=streams[0], site=streams[0].site,
            org=streams[0].site.org, org_path=streams[0].site.org_path, kind="h", priority=priority,
            raised_at=datetime.fromtimestamp((T0 + 5) / 1000, UTC),
        )  # fmt: skip
    catalogue = Catalogue(tmp_path / "history")
    ids = [s.pk for s in streams]
    write_history(catalogue, ids)
    return SimpleNamespace(catalogue=catalogue, ids=ids, streams=streams)


def write_history(catalogue, ids):
    """A reading a minute of all but the last, in segments of a partition a site, some bad, some without a value."""
    from fengsui.stores.history.rows import Rows
    from fengsui.stores.history.segments import write_segments

    rng = np.random.default_rng(7)
    instants = np.arange(T0, TO, PERIOD_MS)
    for number, pk in enumerate(ids[:-1]):
        for part in np.array_split(instants, 3):
            n = len(part)
            value = np.round(rng.normal(50, 15, n), 2)
            value[rng.random(n) < 0.02] = np.nan
            quality = rng.choice(np.array([0, 0, 0, 1, 2], np.uint8), n)
            rows = Rows(
                np.full(n, pk, np.int32),
                part,
                value,
                quality,
                np.zeros(n, np.uint8),
                np.zeros(n, np.int32),
                part + 50,
            )
            catalogue.add(write_segments(catalogue.folder, number // 3, rows, ["dev"]))

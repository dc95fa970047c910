"""A city with a river gauge, a rain gauge, a pond and a weather station, and readings at rest in its history."""

from datetime import UTC, datetime, timedelta

import numpy as np

from fengsui.people.accounts.models import User
from fengsui.people.orgs.models import Membership, Org
from fengsui.sense.devices.models import Datastream, ObservedProperty, Site, Thing
from fengsui.stores.history import Catalogue, write_segments
from fengsui.stores.history.rows import Rows
from fengsui.warn.naturals.models import Gauge

NOON = datetime(2026, 8, 1, 4, tzinfo=UTC)  # 12:00 in Beijing
H = timedelta(hours=1)


class Place:
    def __init__(self) -> None:
        self.province = self._org("gd", None, "province", "440000", "广东省")
        self.city = self._org("zhuhai", self.province, "city", "440400", "珠海市")
        self.county = self._org("doumen", self.city, "county", "440403", "斗门区")
        self.other = self._org("jingzhou", self.province, "city", "421000", "荆州市")
        self.property = ObservedProperty.objects.create(code="x", name="x")
        self.site = self.add_site("river", "白蕉水文站", self.county, 113.35, 22.25)
        self.far = self.add_site("jz-1", "荆州泵站", self.other, 112.24, 30.33)
        self.stage = self.stream("Z", "m")
        self.rain = self.stream("P", "mm")
        self.officer = self._person("officer", self.county)
        self.chief = self._person("chief", self.city, "commander")
        self.stranger = self._person("stranger", self.other)

    def _org(self, code: str, parent: Org | None, kind: str, division: str, name: str) -> Org:
        org = Org.objects.create(
            code=code, name=name, kind=kind, parent=parent, path=f"/{code}/", division_code=division
        )
        org.path = f"{parent.path if parent else '/'}{org.pk}/"
        org.depth = parent.depth + 1 if parent else 0
        org.save()
        return org

    def _person(self, name: str, org: Org, role: str = "duty_officer") -> User:
        user = User.objects.create(username=name)
        Membership.objects.create(user=user, org=org, role=role)
        return user

    def add_site(self, code: str, name: str, org: Org, lon: float, lat: float) -> Site:
        site = Site.objects.create(
            code=code, name=name, org=org, org_path=org.path, longitude=lon, latitude=lat, kind="other"
        )
        Thing.objects.create(site=site, code="t", name="t")
        return site

    def stream(self, code: str, unit: str, site: Site | None = None) -> Datastream:
        site = site or self.site
        return Datastream.objects.create(
            site=site,
            thing=site.things.get(),
            observed_property=self.property,
            code=code,
            name=code,
            unit=unit,
        )

    def gauges(self) -> None:
        Gauge.objects.create(datastream=self.stage, kind="stage", warning_m=2.0, guarantee_m=3.0, reach_km=10)
        Gauge.objects.create(datastream=self.rain, kind="rain", reach_km=10)

    def read(self, *series: tuple[Datastream, list[tuple[datetime, float]]]) -> None:
        """Readings into history, as the pipeline would have put them there."""
        times, values, ids = [], [], []
        for stream, points in series:
            for at, value in points:
                ids.append(stream.pk)
                times.append(round(at.timestamp() * 1000))
                values.append(value)
        days = np.array(times, np.int64) // 86_400_000
        catalogue = Catalogue.default()
        for day in np.unique(days).tolist():
            mine = np.flatnonzero(days == day)
            order = mine[np.lexsort((np.array(times)[mine], np.array(ids)[mine]))]
            n = len(order)
            zero = np.zeros(n, np.uint8)
            time_ms = np.array(times, np.int64)[order]
            rows = Rows(
                np.array(ids, np.int32)[order], time_ms, np.array(values, float)[order], zero, zero,
                np.zeros(n, np.int32), time_ms,
            )  # fmt: skip
            catalogue.add(write_segments(catalogue.folder, 0, rows, ["test"]))

"""Levels in force from rows and readings: raised and cleared as the thresholds say, the same at every replay."""

import json
from datetime import timedelta

import pytest

from fengsui.people.audit.models import Entry
from fengsui.stores.outbox.models import Event
from fengsui.warn.alarms.models import Rule
from fengsui.warn.natural.thresholds import CALM
from fengsui.warn.naturals import importing, judging, taking
from fengsui.warn.naturals.models import (
    FireDay,
    FireStation,
    Gauge,
    Quake,
    Refusal,
    Source,
    Statement,
    StatementChange,
    StormFix,
)
from fengsui.warn.warnings.models import Message
from tests.warn.natural.world import NOON, H

HATO = """66666 1713    6 0014 1713 0 6 HATO                               20180501
2017082218 4 211 1160  965      35
2017082221 4 213 1152  955      40
2017082300 5 215 1145  950      45
2017082303 6 218 1138  935      52
2017082306 5 221 1129  955      42
2017082312 3 226 1109  985      25
"""
NOTICE = json.dumps(
    {
        "PROVINCE": "广东省", "CITY": "珠海市", "STATIONNAME": "斗门区", "SIGNALTYPE": "暴雨", "SIGNALLEVEL": "橙色",
        "ISSUETIME": "2026-08-01 11:00:00", "RELIEVETIME": "2026-08-01 17:00:00",
        "ISSUECONTENT": "斗门区气象台2026年8月1日11时00分发布暴雨橙色预警信号：请注意防范。",
    },
    ensure_ascii=False,
)  # fmt: skip


def at(hours):
    return NOON + hours * H


def levels(kind=""):
    """(hours since noon, level) of every change, in order."""
    rows = StatementChange.objects.order_by("at", "pk")
    if kind:
        rows = rows.filter(statement__kind=kind)
    return [(round((row.at - NOON) / H, 2), row.level) for row in rows]


def quake(magnitude, hours=0.0, key="a", updated=1, lon=113.4, lat=22.3, status="reviewed"):
    origin = round(at(hours).timestamp() * 1000)
    return {
        "type": "Feature", "id": key,
        "properties": {"mag": magnitude, "time": origin, "updated": origin + updated, "place": "珠江口",
                       "status": status},
        "geometry": {"type": "Point", "coordinates": [lon, lat, 10]},
    }  # fmt: skip


def feed(place, *features, name="usgs", when=NOON):
    source, _new = Source.objects.get_or_create(org=place.city, kind="quakes", name=name)
    raw = json.dumps({"type": "FeatureCollection", "features": list(features)}).encode()
    return taking.take(source, raw, when)


def river(place):
    """A flood wave: over the warning stage at 2 h, over the guarantee stage at 4 h, back under both at 8 h."""
    marks = {-3: 0.8, -2: 0.8, -1: 0.8, 0: 1.0, 1: 1.4, 2: 2.0, 3: 2.6, 4: 3.0, 5: 2.9, 6: 2.2, 7: 1.6, 8: 1.2, 9: 0.9,
             10: 0.8, 11: 0.8, 12: 0.8, 13: 0.8}  # fmt: skip
    place.read(
        (place.stage, [(at(h), v) for h, v in marks.items()]),
        (place.rain, [(at(h), mm) for h, mm in ((0, 5), (1, 30), (2, 30), (3, 45), (4, 2), (8, 0), (13, 0))]),
    )


# ---- gauges ------------------------------------------------------------------------------------------------------


def test_a_flood_wave_raises_in_steps_and_is_cleared_when_it_is_gone(place):
    place.gauges()
    river(place)
    for n in range(27):
        judging.evaluate(at(n / 2))
    stage = levels("stage")
    assert stage[:4] == [(1.0, 4), (2.0, 2), (4.0, 1), (6.5, 3)], (
        "near the guarantee at 2 h: it rises 0.5 m an hour"
    )
    assert stage[-1][1] == CALM
    assert levels("rain")[:4] == [(2.0, 2), (3.0, 1), (4.5, 2), (6.5, 3)]
    row = Statement.objects.get(kind="stage")
    assert (row.cleared_at is not None, row.key.startswith(f"stage:{place.stage.pk}:")) == (True, True)
    assert row.zone["bands"][0][1] == 10
    assert Event.objects.filter(topic="risk.stale").exists()


def test_silence_holds_a_level_for_a_day(place):
    place.gauges()
    place.read((place.stage, [(at(0), 3.1)]))
    judging.evaluate(at(0))
    judging.evaluate(at(23))
    assert Statement.objects.get().level == 1
    judging.evaluate(at(25))
    assert Statement.objects.get().level == 1, "last judged at 23 h"
    judging.evaluate(at(48))
    assert Statement.objects.get().cleared_at == at(48)


def test_a_pond_with_two_items_at_one_level_is_one_worse(place):
    line, beach = place.stream("line", "m"), place.stream("beach", "m")
    Gauge.objects.create(datastream=line, kind="pond", blue=5, yellow=4, orange=3, red=2)
    Gauge.objects.create(datastream=beach, kind="pond", blue=120, yellow=100, orange=80, red=60)
    place.read((line, [(at(0), 3.5)]), (beach, [(at(0), 90.0)]))
    judging.evaluate(at(0))
    row = Statement.objects.get()
    assert (row.kind, row.level, [one["level"] for one in row.why["parts"]]) == ("tailings", 2, [3, 3])


def test_fire_weather_is_reckoned_once_a_day_from_noon(place):
    named = {name: place.stream(name, unit) for name, unit in
             (("temperature", "°C"), ("humidity", "%"), ("wind", "m/s"), ("rain", "mm"))}  # fmt: skip
    station = FireStation.objects.create(site=place.site, **named)
    judging.evaluate(at(2))
    station.refresh_from_db()
    assert "temperature" in station.error
    hot = {"temperature": 36.0, "humidity": 15.0, "wind": 15.0, "rain": 0.0}
    place.read(*((named[name], [(at(0.1), value)]) for name, value in hot.items()))
    place.read((named["rain"], [(at(-5), 0.0)]))
    for minutes in (120, 121):
        judging.evaluate(NOON + timedelta(minutes=minutes))
    day = FireDay.objects.get()
    assert day.wind_km_h == pytest.approx(54)
    assert (Statement.objects.get().kind, Statement.objects.get().level) == ("fire", 1)
    station.refresh_from_db()
    assert station.error == ""


def test_a_stage_gets_ordinary_rules_at_its_marks(place):
    rows = (
        "site,datastream,kind,warning_m,guarantee_m,datum,basis\nriver,Z,stage,2,3,珠江基面,防洪预案 2025\n"
    )
    report = importing.bring(None, "gauges", rows.encode(), place.city, NOON)
    assert (report.taken.new, report.why) == (1, [])
    assert list(Rule.objects.order_by("kind").values_list("kind", "setpoint", "priority")) == [
        ("h", 2, 3),
        ("hh", 3, 1),
    ]
    again = importing.bring(None, "gauges", rows.encode(), place.city, NOON)
    assert (again.taken.known, Rule.objects.count()) == (1, 2)
    bad = rows + "river,Q,stage,2,3,,\njz-1,Z,stage,2,3,,\nriver,P,stage,3,2,,\n"
    report = importing.bring(None, "gauges", bad.encode(), place.city, NOON)
    assert ([number for number, _why in report.why], report.kept) == ([3, 4, 5], False)


# ---- earthquakes and storms --------------------------------------------------------------------------------------


def test_an_earthquake_is_judged_by_who_is_near_and_follows_its_revisions(place):
    assert feed(place, quake(6.5), quake(7.9, key="far", lon=-70, lat=-30)).new == 2
    judging.evaluate(at(1))
    row = Statement.objects.get()
    assert (row.kind, row.level) == ("quake", 1), "the one at the other end of the world says nothing here"
    taken = feed(place, quake(6.5), quake(4.0, updated=2))
    assert (taken.new, taken.known) == (1, 1)
    judging.evaluate(at(2))
    row.refresh_from_db()
    assert row.level == 3
    feed(place, quake(4.0, updated=3, status="deleted"))
    judging.evaluate(at(3))
    row.refresh_from_db()
    assert row.cleared_at == at(3)
    feed(place, quake(5.0, updated=1))
    assert Quake.objects.get(key="a", is_current=True).status == "deleted", "an older report changes nothing"


def test_two_feeds_speak_of_one_earthquake_once(place):
    feed(place, quake(5.5))
    feed(place, quake(5.6, hours=0.01, key="b", lon=113.6), name="cenc")
    judging.evaluate(at(1))
    assert Statement.objects.count() == 1


def test_a_typhoon_comes_and_goes(place):
    report = importing.bring(None, "storms", HATO.encode(), place.city, NOON)
    assert (report.taken.new, StormFix.objects.count()) == (1, 6)
    assert importing.bring(None, "storms", HATO.encode(), place.city, NOON).taken.known == 1
    start = StormFix.objects.order_by("at").first().at
    for hours in range(0, 60, 3):
        judging.evaluate(start + hours * H)
    found = [row.level for row in StatementChange.objects.order_by("at", "pk")]
    assert found[0] <= 3 and min(found) == 1 and found[-1] == CALM
    why = Statement.objects.get().why
    assert why["estimated"] is True
    assert Statement.objects.get().name_en == "Typhoon HATO"


def test_what_cannot_be_read_is_kept_once_and_counted_each_time(place):
    bad = {"type": "Feature", "id": "x", "properties": {"time": 1}, "geometry": {"coordinates": [1, 2]}}
    for n in range(2):
        taken = feed(place, quake(4.0), bad, when=at(n))
        assert taken.entries == taken.new + taken.known + taken.refused + taken.beats == 2
    source = Source.objects.get()
    assert (source.taken, source.known, source.refused) == (1, 1, 2)
    row = Refusal.objects.get()
    assert (row.reason, row.times, row.last_at) == ("magnitude", 2, at(1))


def test_a_notice_goes_to_the_warnings_of_others_with_the_division_its_words_name(place):
    report = importing.bring(None, "notices", NOTICE.encode(), place.city, NOON)
    assert (report.taken.new, report.taken.refused) == (1, 0)
    row = Message.objects.get()
    assert (row.level, row.event, row.divisions) == (2, "暴雨", ["440403"])
    assert list(Message.objects.in_force(at(1))) == [row]
    assert importing.bring(None, "notices", NOTICE.encode(), place.city, at(1)).taken.known == 1
    assert importing.bring(None, "notices", b"not a notice", place.city, at(1)).why


def test_a_dry_run_keeps_nothing(place):
    report = importing.bring(None, "storms", HATO.encode(), place.city, NOON, dry_run=True)
    assert (report.taken.new, report.kept) == (1, False)
    assert StormFix.objects.count() == Source.objects.count() == 0
    assert not Entry.objects.filter(action="natural.imported").exists()


# ---- replay ------------------------------------------------------------------------------------------------------


def _day(place):
    """Everything at once, every half hour of a day."""
    feed(place, quake(5.2, hours=3), quake(6.0, hours=9, key="b"))
    importing.bring(None, "storms", HATO.replace("20170822", "20260801").replace("20170823", "20260802").encode(),
                    place.city, NOON)  # fmt: skip
    for n in range(2 * 24):
        judging.evaluate(NOON + n * timedelta(minutes=30))
    return list(StatementChange.objects.order_by("statement__key", "at", "pk").values_list(
        "statement__key", "at", "level", "why", "statement__zone", "statement__cleared_at"))  # fmt: skip


@pytest.mark.slow
def test_a_replayed_day_gives_the_same_levels(place):
    place.gauges()
    river(place)
    first = _day(place)
    kinds = {row[0].partition(":")[0] for row in first}
    assert kinds == {"stage", "rain", "quake", "typhoon"}
    Statement.objects.all().delete()
    Source.objects.all().delete()
    second = _day(place)
    rename = {
        row[0]: row[0].split(":")[0] + row[0].rpartition(":")[2] for row in (*first, *second)
    }  # feeds have other numbers the second time
    assert [(rename[row[0]], *row[1:]) for row in first] == [(rename[row[0]], *row[1:]) for row in second]
    Statement.objects.all().delete()
    again = [
        judging.evaluate(NOON + n * timedelta(minutes=10)) for n in range(2) for _twice in range(2)
    ]  # the same moment twice changes nothing
    assert again[1].raised == again[1].changed == again[1].cleared == 0

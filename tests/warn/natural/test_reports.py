"""Feeds of earthquakes and storms as they are met: every entry is taken or refused with its reason, none lost."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fengsui.warn.natural import reports

USGS = {
    "type": "FeatureCollection",
    "features": [
        {
            "type": "Feature", "id": "us1000abcd",
            "properties": {"mag": 6.1, "place": "Hualien", "time": 1517948543000, "updated": 1517950000000,
                           "status": "reviewed", "magType": "mww", "mmi": None},
            "geometry": {"type": "Point", "coordinates": [121.7, 24.1, 10.6]},
        },
        {"type": "Feature", "id": "x", "properties": {"mag": None, "time": 1}, "geometry": {"coordinates": [1, 2, 3]}},
        {"type": "Feature", "id": "y", "properties": {"mag": 2, "time": 1}, "geometry": {"coordinates": [1, 99, 3]}},
    ],
}  # fmt: skip
EQLIST = {
    "type": "cenc_eqlist", "md5": "b",
    "No1": {"type": "reviewed", "time": "2026-08-09 12:34:56", "location": "四川", "magnitude": "5.2", "depth": "10",
            "latitude": "30.1", "longitude": "103.2", "intensity": "6"},
}  # fmt: skip
EEW = {
    "type": "sc_eew", "OriginTime": "2024-02-28 21:23:30", "ReportNum": "2", "Latitude": "29.3", "Longitude": "102.82",
    "HypoCenter": "四川雅安", "Magunitude": "3.3", "Depth": "10", "MaxIntensity": "5",
}  # fmt: skip
JMA = {
    "type": "jma_eqlist",
    "No1": {"time_full": "2024/01/01 16:10:08", "location": "能登半島沖", "magnitude": "7.4", "depth": "10km",
            "latitude": "37.6", "longitude": "137.2", "shindo": "7"},
}  # fmt: skip
HATO = """66666 1713    3 0014 1713 0 6 HATO                               20180501
2017082221 4 213 1152  955      40
2017082300 5 215 1145  950      45
2017082303 6 218 1138  935      52
"""


def test_every_shape_of_earthquakes_is_read():
    lines = "\n".join(
        json.dumps(one, ensure_ascii=False) for one in (USGS, EQLIST, EEW, JMA, {"type": "heartbeat"})
    )
    found = reports.quakes(lines.encode())
    assert [(one.key, one.magnitude, one.status) for one in found.quakes] == [
        ("us1000abcd", 6.1, "reviewed"), ("cenc-1786250096", 5.2, "reviewed"), ("sc_eew-1709126610", 3.3, "eew"),
        ("jma-1704093008", 7.4, "reviewed"),
    ]  # fmt: skip
    assert found.quakes[1].origin_ms == 1786250096000, "Beijing time, which the message does not say"
    assert found.quakes[3].origin_ms == 1704093008000, "Japan time"
    assert (found.quakes[3].depth_km, found.quakes[2].revision) == (10, 2)
    assert [(one.number, one.reason) for one in found.refused] == [(2, "magnitude"), (3, "place")]
    assert (found.beats, found.entries) == (1, 7)


def test_best_track_is_read_in_utc_and_a_torn_one_is_refused():
    found = reports.tracks(
        (HATO + HATO.replace("    3 ", "    4 ") + HATO.replace(" 218 ", " 918 ")).encode()
    )
    track = found.tracks[0]
    assert (track.key, track.name_en, len(track.observed)) == ("201713", "HATO", 3)
    last = track.observed[-1]
    assert (last.at_ms, last.lon, last.lat, last.wind_m_s, last.pressure_hpa) == (
        1503457200000,
        113.8,
        21.8,
        52,
        935,
    )
    assert [(one.number, one.reason) for one in found.refused] == [(2, "count"), (3, "place")]


def test_a_typhoon_page_gives_circles_and_the_forecast():
    point = {
        "time": "2026-09-21 17:00:00", "lat": 24.5, "lng": "125.5", "speed": 33, "pressure": 970,
        "radius7_quad": {"ne": 300, "se": 200, "sw": 100, "nw": 250}, "radius10": "80|60|60|80",
        "forecast": [
            {"sets": "日本", "points": [{"time": "2026-09-22 17:00", "lat": 30, "lng": 120, "speed": 30}]},
            {"sets": "中国", "points": [{"time": "2026-09-21 17:00", "lat": 24.5, "lng": 125.5},
                                     {"time": "2026-09-22 17:00", "lat": 27, "lng": 121, "speed": 30}]},
        ],
    }  # fmt: skip
    found = reports.tracks(
        json.dumps([{"tfbh": "202625", "name": "样本", "ename": "test", "points": [point]}]).encode()
    )
    track = found.tracks[0]
    assert track.observed[0].circles == ((300, 200, 100, 250), (80, 60, 60, 80), (0, 0, 0, 0))
    assert [(one.lon, one.wind_m_s) for one in track.forecast] == [(121, 30)]
    assert (track.forecast_by, track.name_en) == ("中国", "TEST")


@pytest.mark.parametrize("read", [reports.quakes, reports.tracks])
@given(data=st.one_of(st.binary(max_size=300), st.text(max_size=300).map(str.encode)))
def test_noise_never_raises(read, data):
    found = read(data)
    assert all(one.reason in reports.REASONS for one in found.refused)


KEYS = "type No1 features points tfid geometry coordinates properties time lat lng forecast list"


def _deeper(inner):
    return st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(KEYS.split()), inner, max_size=5)


@given(st.recursive(st.none() | st.booleans() | st.floats() | st.text(max_size=8), _deeper, max_leaves=20))
def test_any_json_is_taken_or_refused(value):
    raw = json.dumps(value).encode()
    assert reports.quakes(raw).entries >= 0
    assert reports.tracks(raw).entries >= 0

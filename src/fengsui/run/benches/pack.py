"""A region pack of any size, for tests and measurements: equal sites with equal datastreams and one rule each."""

import csv
from collections.abc import Iterable
from pathlib import Path

SETPOINT = 50.0  # of the high alarm on the first datastream of each site

REGION = """\
code: {name}
name: 测试区域
name_en: Region for measurements
division_code: "420500"
demonstration: true
about: 仅供测试
about_en: for tests and measurements only
map: {{centre: [111.114, 30.738], zoom: 7.6, bounds: [110.25, 29.93, 112.08, 31.58]}}
layers: []
licence: Apache-2.0
sources: []
"""


def write(folder: Path, sites: int, datastreams: int, period_ms: int = 1000) -> None:
    """Sites "s0000" … under one enterprise, datastreams "T0000" …, device "s0000-gw" each, a duty officer "duty"."""
    folder.mkdir(parents=True)
    (folder / "region.yml").write_text(REGION.format(name=folder.name))
    (folder / "replay.yml").write_text("tracks: []\n")
    codes = [f"s{number:04d}" for number in range(sites)]
    streams = [f"T{number:04d}" for number in range(datastreams)]
    table = Tables(folder)
    table.write(
        "orgs",
        "code,parent,kind,name,name_en,division_code,longitude,latitude,is_demo",
        [
            ("420000", "", "province", "湖北省", "Hubei Province", "420000", 112.469, 31.035, 0),
            ("420500", "420000", "city", "宜昌市", "Yichang City", "420500", 111.114, 30.738, 0),
            ("works", "420500", "enterprise", "测试企业", "Works", "", 111.3, 30.6, 1),
        ],
    )
    table.write(
        "sites",
        "code,org,kind,name,name_en,longitude,latitude,address,is_demo",
        (
            (
                code,
                "works",
                "chemical_plant",
                f"测试厂 {code}",
                f"Works {code}",
                _spread(i, 110.4, 112.0),
                _spread(i * 7, 30.0, 31.5),
                "",
                1,
            )
            for i, code in enumerate(codes)
        ),
    )
    table.write(
        "things", "site,code,name,name_en,description", ((code, "tank", "储罐", "Tank", "") for code in codes)
    )
    table.write(
        "sensors",
        "code,name,description,encoding_type,metadata",
        [("test", "测试传感器", "", "text/plain", "")],
    )
    table.write(
        "observed_properties",
        "code,name,name_en,definition,description",
        [("level", "液位", "Level", "", "")],
    )
    table.write(
        "datastreams",
        "site,thing,code,name,name_en,observed_property,sensor,unit,range_min,range_max,period_ms,frozen_after_ms,decimals,is_active",
        (
            (
                code,
                "tank",
                name,
                f"液位 {name}",
                f"Level {name}",
                "level",
                "test",
                "m",
                0,
                1000,
                period_ms,
                "",
                3,
                1,
            )
            for code in codes
            for name in streams
        ),
    )
    table.write("devices", "site,code,name", ((code, f"{code}-gw", "网关") for code in codes))
    table.write(
        "rules",
        "site,datastream,kind,setpoint,deadband,on_delay_ms,off_delay_ms,window_ms,priority,basis",
        ((code, streams[0], "h", SETPOINT, 1, 0, 0, 0, 2, "测试") for code in codes),
    )
    table.write(
        "users",
        "username,display_name,org,role,password",
        [("duty", "测试值班员", "420500", "duty_officer", "Fengsui-demo-1")],
    )


class Tables:
    """Writes the CSV files of a pack."""

    def __init__(self, folder: Path):
        self.folder = folder

    def write(self, name: str, head: str, rows: Iterable[tuple[object, ...]]) -> None:
        with (self.folder / f"{name}.csv").open("w", newline="") as file:
            out = csv.writer(file)
            out.writerow(head.split(","))
            out.writerows(rows)


def _spread(number: int, low: float, high: float) -> float:
    return round(low + (high - low) * (number * 0.618034 % 1), 5)

"""A small town of its own on the shared platform: two plants, their devices and people, apart from the demonstration.

Nothing of the demonstration is in sight of its people and nothing of it in theirs, so what happens there disturbs no
test here.
"""

import contextlib
import csv
import json
import re
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import paho.mqtt.client as mqtt
import psycopg

from fengsui.run.benches.pack import Tables
from fengsui.run.scratch import Scratch
from tests.conftest import wait_until

REGION = Path(__file__).parents[2] / "regions" / "yichang"
PASSWORD = "Guard-the-Dongting-7"
COUNTIES = {  # GB/T 2260: city, county
    "changde": (
        ("430700", "常德市", "Changde City", 111.698, 29.032),
        ("430702", "武陵区", "Wuling District"),
    ),
    "yueyang": (
        ("430600", "岳阳市", "Yueyang City", 113.129, 29.357),
        ("430602", "岳阳楼区", "Yueyanglou District"),
    ),
}
ROLES = {  # who → role, and where: of the city, of the county, or of a plant by its number
    "duty": ("duty_officer", "city"),
    "commander": ("commander", "city"),
    "steward": ("data_steward", "city"),
    "regulator": ("regulator", "county"),
    "safety": ("safety_officer", 1),
    "safety-2": ("safety_officer", 2),
    "steward-2": ("data_steward", 2),
    "stranger": ("duty_officer", 3),  # an enterprise without a site
}
STREAMS = 10
RULES = (("T0", "h", 50, 2), ("T0", "hh", 80, 1), ("T1", "h", 50, 1))  # datastream, kind, setpoint, priority


@dataclass
class Town:
    """``sites`` are codes of the plants; each has the datastreams T0 … T9, in m, and the device ``<site>-gw``."""

    platform: Scratch
    name: str
    sites: list[str]
    secrets: dict[str, str]
    devices: dict[str, "Device"] = field(default_factory=dict)

    def device(self, number: int = 1) -> "Device":
        """The device of plant 1 or 2."""
        site = self.sites[number - 1]
        return self.devices.setdefault(site, Device(self.platform, site, self.secrets[f"{site}-gw"]))

    def account(self, who: str) -> str:
        return f"{self.name}-{who}"

    @contextlib.contextmanager
    def log_in(self, who: str) -> Iterator["Person"]:
        """Somebody logged in over HTTP, without a browser."""
        person = Person(self.platform.url, self.account(who))
        try:
            yield person
        finally:
            person.close()

    def sql(self, text: str, *parameters: Any) -> list[tuple]:
        """What the database holds, asked without any code of ours."""
        secret = (self.platform.home / "secrets" / "database").read_text().strip()
        url = f"postgresql://fengsui:{secret}@127.0.0.1:{self.platform.env['FENGSUI_DATABASE_PORT']}/fengsui"
        with psycopg.connect(url) as connection:
            cursor = connection.execute(text, parameters)
            return cursor.fetchall() if cursor.description else []


def build(platform: Scratch, folder: Path, name: str) -> Town:
    """Load the town ``name`` of COUNTIES into the platform; ``folder`` is empty and becomes its region pack."""
    sites = [f"{name}-1", f"{name}-2"]
    _write(folder, name, sites)
    done = platform.run("region", "load", str(folder))
    assert done.returncode == 0, done.stdout + done.stderr
    with (platform.home / "secrets" / "devices.csv").open() as file:
        secrets = {row["device"]: row["secret"] for row in csv.DictReader(file)}
    town = Town(platform, name, sites, secrets)
    for number in (1, 2):
        device = town.device(number)
        wait_until(lambda device=device: device.post_value("T9", 1.0).status_code == 200, 20, "devices known")
    return town


def _write(folder: Path, name: str, sites: list[str]) -> None:
    (code, zh, en, longitude, latitude), (county, county_zh, county_en) = COUNTIES[name]
    about = (REGION / "region.yml").read_text()  # with its layers: the map keeps showing those
    (folder / "region.yml").write_text(re.sub(r"(?m)^code: .*", f"code: {name}", about))
    (folder / "replay.yml").write_text("tracks: []\n")
    shutil.copytree(REGION / "layers", folder / "layers")
    plants = [f"{name}-works-{n}" for n in (1, 2, 3)]
    table = Tables(folder)
    table.write(
        "orgs",
        "code,parent,kind,name,name_en,division_code,longitude,latitude,is_demo",
        [
            ("430000", "", "province", "湖南省", "Hunan Province", "430000", 112.982, 28.194, 0),
            (code, "430000", "city", zh, en, code, longitude, latitude, 0),
            (county, code, "county", county_zh, county_en, county, longitude, latitude, 0),
            *(
                (
                    plant,
                    county,
                    "enterprise",
                    f"测试企业 {n}",
                    f"Works {n} of {en}",
                    "",
                    longitude,
                    latitude,
                    1,
                )
                for n, plant in enumerate(plants, 1)
            ),
        ],
    )
    table.write(
        "sites",
        "code,org,kind,name,name_en,longitude,latitude,address,is_demo",
        [
            (
                site,
                plants[n],
                "chemical_plant",
                f"测试厂 {site}",
                f"Plant {site}",
                longitude + n / 20,
                latitude,
                "",
                1,
            )
            for n, site in enumerate(sites)
        ],
    )
    table.write(
        "things", "site,code,name,name_en,description", [(s, "tank", "储罐", "Tank", "") for s in sites]
    )
    table.write("sensors", "code,name,description,encoding_type,metadata", [])
    table.write(
        "observed_properties",
        "code,name,name_en,definition,description",
        [("level", "液位", "Level", "", "")],
    )
    table.write(
        "datastreams",
        "site,thing,code,name,name_en,observed_property,unit,range_min,range_max,period_ms,decimals",
        [
            (site, "tank", f"T{n}", f"液位 T{n}", f"Level T{n}", "level", "m", 0, 1000, 1000, 2)
            for site in sites
            for n in range(STREAMS)
        ],
    )
    table.write("devices", "site,code,name", [(site, f"{site}-gw", "网关") for site in sites])
    table.write(
        "rules",
        "site,datastream,kind,setpoint,deadband,priority,basis",
        [(site, stream, kind, at, 1, level, "测试") for site in sites for stream, kind, at, level in RULES],
    )
    places = {"city": code, "county": county, **{n: plant for n, plant in enumerate(plants, 1)}}
    table.write(
        "users",
        "username,display_name,org,role,password",
        [
            (f"{name}-{who}", f"测试·{who}", places[place], role, PASSWORD)
            for who, (role, place) in ROLES.items()
        ],
    )


def now_ms() -> int:
    return time.time_ns() // 1_000_000


class Device:
    """The device of one plant, over HTTP and MQTT."""

    def __init__(self, platform: Scratch, site: str, secret: str):
        self.platform, self.site, self.code, self.secret = platform, site, f"{site}-gw", secret

    def post(self, body: Any, url: str = "", seconds: float = 60, **headers: str) -> httpx.Response:
        """POST ``body`` (bytes as they are, else JSON) to the gateway, or to ``url``."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        return httpx.post(
            f"{url or self.platform.gateway_url}/api/v1/readings",
            content=data,
            headers={
                "Content-Type": "application/json",
                **{k.replace("_", "-"): v for k, v in headers.items()},
            },
            auth=(self.code, self.secret),
            timeout=seconds,
            trust_env=False,
        )

    def post_value(self, stream: str, value: float, time_ms: int = 0) -> httpx.Response:
        return self.post({"site": self.site, "time": time_ms or now_ms(), "datastreams": {stream: value}})

    def connect(self, secret: str = "") -> "Session":
        """A session over MQTT 3.1.1; close it."""
        return Session(self, secret or self.secret)


class Session:
    """One MQTT connection of a device, with its own network thread; what happens to it is kept."""

    def __init__(self, device: Device, secret: str):
        self.device = device
        self.answers: list[str] = []
        self.ends: list[str] = []
        self.confirmed: set[int] = set()
        self.client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, device.code, reconnect_on_failure=False)
        self.client.username_pw_set(device.code, secret)
        self.client.on_connect = lambda c, u, flags, reason, p: self.answers.append(str(reason))
        self.client.on_disconnect = lambda c, u, flags, reason, p: self.ends.append(str(reason))
        self.client.on_publish = lambda c, u, mid, reason, p: self.confirmed.add(mid)
        self.client.connect("127.0.0.1", device.platform.mqtt_port)
        self.client.loop_start()
        wait_until(lambda: self.answers or self.ends, 20, "an answer to CONNECT")

    def publish(self, body: Any, site: str = "") -> int:
        """With QoS 1, to the topic of the device's own site or of another.  Returns the message id."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self.client.publish(f"v1/{site or self.device.site}/readings", data, qos=1).mid

    def publish_and_wait(self, body: Any) -> None:
        number = self.publish(body)
        wait_until(lambda: number in self.confirmed, 20, "PUBACK")

    def close(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()


class Person(httpx.Client):
    """A session of the portal.  ``do`` writes, with the token that the portal wants for it."""

    def __init__(self, url: str, account: str):
        super().__init__(base_url=url, timeout=30, trust_env=False, headers={"Accept-Language": "en"})
        page = self.get("/accounts/login/")
        token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page.text)
        assert token, page.text
        done = self.post(
            "/accounts/login/",
            data={"login": account, "password": PASSWORD, "csrfmiddlewaretoken": token[1]},
            headers={"Referer": url},
        )
        assert done.status_code == 302, f"{account} cannot log in: {done.status_code}"

    def do(self, path: str, **given: Any) -> httpx.Response:
        """POST, as a page of ours would."""
        token = {"X-CSRFToken": self.cookies["csrftoken"], "Referer": str(self.base_url)}
        return self.post(path, headers=token, **given)

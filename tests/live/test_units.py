"""A vehicle by JT/T 808, from its socket to its alarms: it drives into a fence, too fast, and out again."""

import json
import socket
import time
from datetime import UTC, datetime

import pytest

from fengsui.base.place import M_PER_DEG
from fengsui.run.scratch import free_ports
from fengsui.sense.codecs import jt808
from fengsui.sense.codecs.jt808.message import decode, encode
from tests.conftest import wait_until
from tests.live.plant import Plant
from tests.live.test_field_gateway import answers

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("pipeline")]
PHONE = "013912345678"
LON, LAT = 111.29, 30.69
UNITS = "site,code,name,name_en,kind,period_s\ns1,truck-1,鄂E12345,Truck 1,vehicle,1\n"
DEVICE = """
INSERT INTO devices_device (site_id, code, name, secret_sha256, is_active, created_at)
    SELECT id, 'truck-1', '', '', true, now() FROM devices_site WHERE code = 's1';
INSERT INTO devices_protocolidentity (device_id, protocol, identity, secret, model, thing_id, is_active)
    SELECT d.id, 'jt808', '13912345678', '', '', t.id, true FROM devices_device d, devices_thing t
    WHERE t.code = 'truck-1';
INSERT INTO devices_codemapping (protocol, code, model, datastream, observed_property, unit, factor, shift)
    SELECT 'jt808', 'position.' || p, '', '', p, '', 1, 0
    FROM unnest(ARRAY['longitude', 'latitude', 'speed', 'direction']) p;
"""
FENCE = {
    "type": "Feature",
    "geometry": {"type": "Point", "coordinates": [LON, LAT]},
    "properties": {"code": "park", "name": "园区", "name_en": "Park", "radius_m": 300},
}


@pytest.fixture(scope="module")
def plant(tmp_path_factory):
    (port,) = free_ports(1)
    folder = tmp_path_factory.mktemp("plant")
    made = Plant(folder / "var", FENGSUI_EPOCH_MS="300", FENGSUI_JT808_PORT=str(port))
    roles = []
    try:
        made.register(1, 1, 0)
        for name, text in (("units.csv", UNITS), ("park.geojson", json.dumps(FENCE))):
            (folder / name).write_text(text)
        assert made.made.run("units", "import", str(folder / "units.csv")).returncode == 0
        assert made.made.run("units", "fences", str(folder / "park.geojson")).returncode == 0
        made.sql(DEVICE)
        done = made.made.run("units", "rule", "park", "enter", "--on-delay", "2", "--level", "1")
        assert done.returncode == 0, done.stderr
        done = made.made.run("units", "rule", "park", "speed", "--limit", "40", "--on-delay", "0")
        assert done.returncode == 0, done.stderr
        made.start_pipeline()
        roles = [made._start("gateway"), made._start("worker")]
        made.port = port
        wait_until(lambda: answers(port), 60, "the gateway listens")
        yield made
    finally:
        for role in reversed(roles):
            role.terminate()
            role.wait(20)
        made.close()


class Truck:
    """A terminal of 2013 that registers, logs in and says where it is."""

    def __init__(self, port: int):
        self.line = socket.create_connection(("127.0.0.1", port), 20)
        self.serial, self.rest = 0, b""
        about = {
            "province": 42, "city": 5, "maker": "M", "model": "X", "terminal_id": "T1", "plate_colour": 2,
            "plate": "鄂E12345",
        }  # fmt: skip
        code = self.say(0x0100, about).fields["code"]
        assert self.say(0x0102, {"code": code}).fields["result"] == 0

    def say(self, message_id: int, fields: dict):
        self.serial += 1
        self.line.sendall(
            b"".join(encode(message_id, fields, phone=PHONE, serial=self.serial, is_2019=False))
        )
        while True:
            cut = jt808.frame.feed(self.rest)
            self.rest = cut.rest
            if cut.frames:
                return decode(cut.frames[0])
            self.rest += self.line.recv(4096)

    def is_at(self, at_s: int, metres: float, km_h: float) -> None:
        fields = {
            "alarm": 0, "status": 3, "latitude": LAT + metres / M_PER_DEG, "longitude": LON, "altitude_m": 60,
            "speed_km_h": km_h, "direction_deg": 0, "time": datetime.fromtimestamp(at_s, UTC), "additional": {},
        }  # fmt: skip
        assert self.say(0x0200, fields).fields["result"] == 0


def alarms(plant) -> list[tuple[str, bool]]:
    """(what is watched, still active) of each, in the order in which they began."""
    return plant.sql(
        "SELECT d.name, a.cleared_at IS NULL FROM alarms_alarm a JOIN devices_datastream d ON d.id = a.datastream_id"
        " ORDER BY a.raised_at, d.name"
    )


ENTERS, TOO_FAST = "鄂E12345 · 园区 · 进入", "鄂E12345 · 园区 · 超速"


def test_a_vehicle_drives_into_a_fence_too_fast_and_out_again(plant):
    truck = Truck(plant.port)
    begin = int(time.time()) - 120  # two minutes ago, in order: positions are judged by their own time
    for second in range(30):
        truck.is_at(begin + second, -600 + 20 * second, 72.0)
    wait_until(
        lambda: alarms(plant) == [(TOO_FAST, True), (ENTERS, True)],
        60,
        lambda: f"{alarms(plant)}\n{plant.tail()}",
    )
    plant.kill_pipeline()  # in the middle of it: what was judged is not judged again
    plant.start_pipeline()
    for second in range(30, 60):
        truck.is_at(begin + second, 20.0 * (second - 30), 20.0)
    wait_until(
        lambda: alarms(plant) == [(TOO_FAST, False), (ENTERS, False)],
        60,
        lambda: f"{alarms(plant)}\n{plant.tail()}",
    )
    [(raised, cleared)] = plant.sql(
        "SELECT extract(epoch FROM a.raised_at)::bigint, extract(epoch FROM a.cleared_at)::bigint FROM alarms_alarm a"
        " JOIN devices_datastream d ON d.id = a.datastream_id WHERE d.name = %s",
        [ENTERS],
    )
    assert (raised - begin, cleared - begin) == (17, 47)  # at the edge from second 15, and 20 m beyond it
    wait_until(lambda: plant.one("SELECT count(*) FROM loops_loop") == 2, 60, "each alarm has its loop")
    code, ledger = plant.ledger("--deep", "--source", "fences")
    assert (code, [line["problems"] for line in ledger["lines"] if line["problems"]]) == (0, [])
    assert ledger["totals"]["history"]["stored"] == 2 * 60


def test_rows_of_a_satellite_terminal_are_readings(plant, tmp_path):
    plant.sql("UPDATE moving_unit SET terminal = '17400000001'")
    rows = [["terminal", "time", "lon", "lat", "speed"]]
    now = int(time.time()) * 1000
    rows += [["17400000001", now - 5000 + 1000 * i, LON, LAT, 36] for i in range(3)]
    rows += [["17400000002", now, LON, LAT, 36], ["17400000001", now, 200, LAT, 36]]
    file = tmp_path / "rows.csv"
    file.write_text("\n".join(",".join(map(str, row)) for row in rows))
    done = plant.made.run("units", "positions", str(file))
    assert done.returncode == 1
    assert "5 rows, 3 taken, 2 refused" in done.stdout
    assert "row 4:" in done.stdout
    wait_until(
        lambda: (
            plant.ledger("--source", "positions:import")[1]["totals"].get("pipeline", {}).get("stored") == 9
        ),
        60,
        "booked",
    )

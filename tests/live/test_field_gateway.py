"""From the socket of a field device to history, with every role a process: what is sent twice is there once."""

import socket
import time
from datetime import datetime

import duckdb
import pytest

from fengsui.run.scratch import free_ports
from fengsui.sense.codecs import hj212
from tests.conftest import wait_until
from tests.live.plant import Plant

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("pipeline")]
DEVICE = """
INSERT INTO devices_device (site_id, code, name, secret_sha256, is_active, created_at)
    SELECT id, 'logger', '', '', true, now() FROM devices_site WHERE code = 's1';
INSERT INTO devices_protocolidentity (device_id, protocol, identity, secret, model, is_active)
    SELECT id, 'hj212', 'MN1', '', '', true FROM devices_device;
INSERT INTO devices_codemapping (protocol, code, model, datastream, observed_property, unit, factor, shift)
    VALUES ('hj212', 'w01018-Rtd', '', 'T1', '', 'cm', 1, 0);
"""


@pytest.fixture
def plant(tmp_path):
    (port,) = free_ports(1)
    made = Plant(tmp_path / "var", FENGSUI_EPOCH_MS="300", FENGSUI_HJ212_PORT=str(port))
    gateway = None
    try:
        made.register(1, 2)
        made.sql(DEVICE)
        made.start_pipeline()
        gateway = made._start("gateway")
        made.port = port
        wait_until(lambda: answers(port), 60, "the gateway listens")
        yield made
    finally:
        if gateway is not None:
            gateway.terminate()
            gateway.wait(20)
        made.close()


def answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True


def say(port: int, data: bytes) -> hj212.Frame:
    """One connection, one upload, its answer."""
    with socket.create_connection(("127.0.0.1", port), 20) as device:
        device.sendall(data)
        heard = b""
        while not heard.endswith(b"\r\n"):
            heard += device.recv(4096)
    (frame,) = hj212.feed(heard).frames
    return frame


def test_an_upload_that_is_repeated_is_confirmed_twice_and_stored_once(plant):
    at = int(time.time())
    text = datetime.fromtimestamp(at, hj212.CHINA).strftime("%Y%m%d%H%M%S")
    data = hj212.message(
        qn=f"{text}000", st="32", cn="2011", pw="123456", mn="MN1", flag=5,
        cp=f"&&DataTime={text};w01018-Rtd=250,w01018-Flag=N;w01001-Rtd=7&&",
    )  # fmt: skip
    for _ in range(2):
        assert say(plant.port, data).get("CN") == "9014"
    source = "hj212:logger"

    def booked() -> dict:
        return plant.ledger("--source", source)[1]["totals"].get("pipeline", {})

    wait_until(lambda: booked().get("received") == 2, 60, "both uploads are booked")
    assert {k: booked()[k] for k in ("stored", "duplicate", "quarantined")} == {
        "stored": 1, "duplicate": 1, "quarantined": 0,
    }  # fmt: skip
    code, ledger = plant.ledger("--deep", "--source", source)
    assert (code, [line["problems"] for line in ledger["lines"] if line["problems"]]) == (0, [])
    found = duckdb.sql(
        f"SELECT epoch_ms(time), coalesce(value, digits / divisor) FROM read_parquet({plant.segments()})"
    ).fetchall()
    assert found == [(1000 * at, 2.5)]
    wait_until(
        lambda: plant.sql("SELECT code, count FROM devices_unmappedcode") == [("w01001-Rtd", 2)],
        20,
        "it is counted",
    )
    assert plant.sql("SELECT DISTINCT reason, sent_code FROM quarantine_held") == [(10, "w01001-Rtd")]

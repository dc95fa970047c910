"""``fengsui replay --via http`` and ``--via mqtt``: the recorded rows arrive as a device's own readings."""

import asyncio
import os
import socket
import subprocess
import sys
from pathlib import Path

import nats
import pytest
from django.db import connection

from fengsui.base.batch import decode
from fengsui.run import packs, region
from fengsui.sense.devices.models import Datastream
from fengsui.stores.bus import read_roles
from tests.conftest import wait_until

ROOT = Path(__file__).parents[2]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.django_db(transaction=True),
    pytest.mark.xdist_group("replay-gateway"),
]


@pytest.fixture
def gateway(fengsui_home):
    """The pack loaded, the roles bus and gateway as processes: their environment, and a reader of READINGS."""
    region.load(packs.read(ROOT / "regions/yichang", fengsui_home))
    ports = []
    for _ in range(3):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            ports.append(str(probe.getsockname()[1]))
    db = connection.settings_dict
    env = {
        **{k: v for k, v in os.environ.items() if k != "FENGSUI_NATS_URL"},
        "FENGSUI_HOME": str(fengsui_home),
        "FENGSUI_REGIONS": str(ROOT / "regions"),
        "FENGSUI_DATABASE_URL": f"postgresql://{db['USER']}:{db['PASSWORD']}@{db['HOST']}:{db['PORT']}/{db['NAME']}",
        "FENGSUI_NATS_PORT": ports[0],
        "FENGSUI_MQTT_PORT": ports[1],
        "FENGSUI_GATEWAY_PORT": ports[2],
        "FENGSUI_BUS_MAX_BYTES": str(256 << 20),
    }

    async def quiet(error):
        """Not there yet; ``ready`` asks again."""

    async def on_bus(deed):
        secret = (fengsui_home / "secrets/nats").read_text().strip()
        nc = await nats.connect(
            f"nats://fengsui:{secret}@127.0.0.1:{ports[0]}", allow_reconnect=False, error_cb=quiet
        )
        try:
            return await deed(nc)
        finally:
            await nc.close()

    def ready():
        try:
            roles = asyncio.run(on_bus(read_roles))
        except (OSError, nats.errors.Error):
            return False
        return {r["role"] for r in roles if r["ready"]} >= {"bus", "gateway"}

    async def read(nc):
        js, found = nc.jetstream(), []
        state = (await js.stream_info("READINGS")).state
        for seq in range(state.first_seq, state.last_seq + 1):
            found += decode((await js.get_msg("READINGS", seq)).data).batches
        return found

    processes = [
        subprocess.Popen([sys.executable, "-m", "fengsui.run", role], env=env, stderr=subprocess.DEVNULL)
        for role in ("bus", "gateway")
    ]
    try:
        wait_until(ready, 40, "bus and gateway are ready")
        yield env, lambda: asyncio.run(on_bus(read))
    finally:
        for process in reversed(processes):
            process.terminate()
            process.wait(20)


@pytest.mark.parametrize("via", ["http", "mqtt"])
def test_rows_arrive_as_the_readings_of_the_sites_device(gateway, via):
    env, read = gateway
    done = subprocess.run(
        [sys.executable, "-m", "fengsui.run", "replay", "beijing-air", "--run", "Wanliu", "--site", "yc-air-2",
         "--speed", "72000", "--stop", "30", "--via", via],
        env=env, capture_output=True, text=True, timeout=90,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    wanted = 30 * Datastream.objects.filter(site__code="yc-air-2").count()
    wait_until(lambda: sum(len(b) for b in read()) >= wanted, 20, "every reading is on the bus")
    batches = read()
    assert {b.source for b in batches} == {{"http": "yc-air-2-gw", "mqtt": "mqtt:yc-air-2"}[via]}
    assert sum(len(b) for b in batches) == wanted == len({
        (d, t) for b in batches for d, t in zip(b.datastream.tolist(), b.time_ms.tolist(), strict=True)
    })  # fmt: skip
    assert not any(b.refused for b in batches)
    co = Datastream.objects.get(site__code="yc-air-2", code="CO").pk
    values = [
        v for b in batches for d, v in zip(b.datastream.tolist(), b.value.tolist(), strict=True) if d == co
    ]
    assert max(v for v in values if v == v) < 20, "µg/m³ in the file became mg/m³"

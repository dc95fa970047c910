"""Works under load, with devices that remember every yes they were given, and what must be true after any crash.

What is checked reads Parquet files and tables as they are: no code of ours says what is stored.
"""

import asyncio
import csv
import itertools
import json
import os
import signal
import threading
import time
from pathlib import Path
from typing import Any

import duckdb
import paho.mqtt.client as mqtt
import psycopg

from fengsui.run.benches import pack
from fengsui.run.benches.load import Load, Sender
from fengsui.run.scratch import Scratch
from tests import prepared
from tests.conftest import wait_until

SITES, DATASTREAMS, PERIOD_S = 5, 25, 0.1
CODES = [f"T{number:04d}" for number in range(DATASTREAMS)]
NAMES = [f"s{number:04d}" for number in range(SITES)]  # the last one speaks MQTT


def start(regions: Path, home: Path, **settings: str) -> Scratch:
    """A platform of its own with the works; ``regions`` is an empty folder that stays there."""
    made = Scratch(home, FENGSUI_REGIONS=str(regions), **settings)
    prepared.put(home)
    load(made)
    return made


def load(made: Scratch) -> None:
    """Start it, with five sites and an alarm rule on the first datastream of each."""
    pack.write(Path(made.env["FENGSUI_REGIONS"]) / "crash", SITES, DATASTREAMS, period_ms=100)
    made.up()
    done = made.run("region", "load", "crash")
    assert done.returncode == 0, done.stderr


def secrets(made: Scratch) -> dict[str, str]:
    with (made.home / "secrets" / "devices.csv").open() as file:
        return {row["device"]: row["secret"] for row in csv.DictReader(file)}


class Posting(threading.Thread):
    """HTTP devices that post until told to stop."""

    def __init__(self, url: str, senders: list[Sender]):
        super().__init__()
        self.load = Load(url, senders, PERIOD_S)
        self.loop = asyncio.new_event_loop()
        self.ending = asyncio.Event()
        self.start()

    def run(self) -> None:
        self.loop.run_until_complete(self.load.run(self.ending))

    def stop(self) -> None:
        self.loop.call_soon_threadsafe(self.ending.set)
        self.join(90)
        assert not self.is_alive()


class MqttDevice(threading.Thread):
    """A device on MQTT 3.1.1 with QoS 1 that keeps what has no PUBACK and sends it again."""

    def __init__(self, made: Scratch, sender: Sender):
        super().__init__()
        self.sender = sender
        self.waiting: dict[int, int] = {}  # message id → time of the message
        self.client = mqtt.Client(
            mqtt.CallbackAPIVersion.VERSION2, f"{sender.site}-crash", clean_session=False
        )
        self.client.username_pw_set(sender.device, sender.secret)
        self.client.on_publish = self._acknowledged
        self.client.reconnect_delay_set(0.2, 1)
        self.client.max_queued_messages_set(0)
        self.client.connect_async("127.0.0.1", made.mqtt_port)
        self.client.loop_start()
        self.ending = threading.Event()
        self.start()

    def run(self) -> None:
        while not self.ending.wait(PERIOD_S):
            time_ms = time.time_ns() // 1_000_000
            info = self.client.publish(f"v1/{self.sender.site}/readings", self.sender.message(time_ms), qos=1)
            self.waiting[info.mid] = time_ms

    def _acknowledged(self, client, userdata, mid, reason, properties) -> None:
        if mid in self.waiting:
            self.sender.accepted.append(self.waiting.pop(mid))

    def stop(self) -> None:
        self.ending.set()
        self.join(10)
        wait_until(lambda: not self.waiting, 60, "every MQTT message has its PUBACK")
        self.client.disconnect()
        self.client.loop_stop()


class Devices:
    """All devices of the works: two sites post to the gateway, two to the portal, one publishes over MQTT."""

    def __init__(self, made: Scratch):
        known = secrets(made)
        self.senders = [
            Sender(site, f"{site}-gw", known[f"{site}-gw"], CODES, swing=90, swing_s=1) for site in NAMES
        ]
        self.posting = [
            Posting(made.gateway_url, self.senders[:2]),
            Posting(made.url, self.senders[2:-1]),
        ]
        self.mqtt = MqttDevice(made, self.senders[-1])

    def accepted(self) -> int:
        """Messages with a yes so far."""
        return sum(len(sender.accepted) for sender in self.senders)

    def marks(self) -> list[int]:
        """How many each sender has now."""
        return [len(sender.accepted) for sender in self.senders]

    def forget_since(self, marks: list[int]) -> None:
        """What was confirmed by a world that the power cut had ended already was confirmed by nobody."""
        for sender, mark in zip(self.senders, marks, strict=True):
            del sender.accepted[mark:]

    def wait_for_more(self, messages: int = SITES, seconds: float = 60) -> None:
        """Every sender gets ``messages`` more."""
        before = self.marks()
        wait_until(
            lambda: all(now - was >= messages for now, was in zip(self.marks(), before, strict=True)),
            seconds,
            f"every device gets a yes again: {before} → {self.marks()}",
        )

    def stop(self) -> None:
        for thread in [*self.posting, self.mqtt]:
            thread.stop()


def kill_all(made: Scratch) -> None:
    """SIGKILL to every process of the platform, none of which gets to see that another one is gone."""
    for how in (signal.SIGSTOP, signal.SIGKILL):
        for pid in made.processes():
            try:
                os.kill(pid, how)
            except ProcessLookupError:
                continue
    wait_until(lambda: not made.processes(), 20, "every process is gone")
    if made.process is not None:
        made.process.wait(5)
    made.output.unlink(missing_ok=True)  # what it said: the next start is waited for there


def database(made: Scratch) -> psycopg.Connection[Any]:
    secret = (made.home / "secrets" / "database").read_text()
    return psycopg.connect(
        f"postgresql://fengsui:{secret}@127.0.0.1:{made.env['FENGSUI_DATABASE_PORT']}/fengsui"
    )


def drained(made: Scratch) -> bool:
    roles = {role["role"]: role for role in made.roles()}
    bus = roles.get("bus", {})
    return (
        bool(bus.get("ready")) and bus["lag"].get("messages") == 0 and all(r["ready"] for r in roles.values())
    )


def told(made: Scratch) -> bool:
    with database(made) as connection:
        waiting = "SELECT NOT EXISTS (SELECT 1 FROM outbox_event WHERE handled_at IS NULL)"
        return bool(connection.execute(waiting).fetchone()[0])


def lost(made: Scratch, devices: Devices) -> dict[str, int]:
    """By site, how many messages with a yes are not in history."""
    in_history = stored(made)
    missing = {s.site: len(set(s.accepted) - in_history[s.site]) for s in devices.senders}
    return {site: number for site, number in missing.items() if number}


def check(made: Scratch, devices: Devices, least: int = 50) -> None:
    """After devices have stopped: nothing with a yes is lost, nothing is doubled, the ledger balances."""
    wait_until(lambda: drained(made), 90, f"the bus is empty and every role is up: {made.roles()}")
    for sender in devices.senders:
        assert len(sender.accepted) >= least, f"{sender.site} was hardly heard"
    # an MQTT publish that was confirmed may still wait for the gateway, where the bus role does not count it
    wait_until(
        lambda: not lost(made, devices), 60, lambda: f"acknowledged messages lost: {lost(made, devices)}"
    )
    wait_until(lambda: told(made), 90, "the worker has handled every event")
    check_alarms(made)
    wait_until(lambda: balances(made), 60, "the ledger balances")


def balances(made: Scratch) -> bool:
    done = made.run("ledger", "--deep", "--json")
    return done.returncode == 0 and bool(json.loads(done.stdout)["lines"])


def stored(made: Scratch) -> dict[str, set[int]]:
    """Times in the Parquet files, per site; fails on a reading that is there twice.  No code of ours reads them."""
    with database(made) as connection:
        sites = dict(
            connection.execute(
                "SELECT d.id, s.code FROM devices_datastream d JOIN devices_site s ON s.id = d.site_id"
            ).fetchall()
        )
        paths = [row[0] for row in connection.execute("SELECT path FROM history_segment").fetchall()]
    files = [str(made.home / "history" / path) for path in paths]
    rows = duckdb.sql(
        f"SELECT datastream, epoch_ms(time), count(*) FROM read_parquet({files}) GROUP BY ALL"
    ).fetchall()
    found: dict[str, dict[int, int]] = {}
    for datastream, time_ms, count in rows:
        assert count == 1, f"{sites[datastream]} has a reading of {time_ms} {count} times"
        times = found.setdefault(sites[datastream], {})
        times[time_ms] = times.get(time_ms, 0) + 1
    for site, times in found.items():
        assert set(times.values()) == {DATASTREAMS}, f"{site}: part of a message is missing"
    return {site: set(times) for site, times in found.items()}


def check_alarms(made: Scratch) -> None:
    """Episodes of a rule follow each other, each with its one loop, and each was told once."""
    with database(made) as connection:
        alarms = connection.execute(
            "SELECT s.code, a.raised_at, a.cleared_at FROM alarms_alarm a JOIN devices_site s ON s.id = a.site_id"
            " ORDER BY s.code, a.raised_at"
        ).fetchall()
        loops = connection.execute(
            "SELECT count(*), count(DISTINCT key) FROM loops_loop WHERE key LIKE 'alarm:%'"
        ).fetchone()
    assert {code for code, _raised, _cleared in alarms} == set(NAMES)
    for (site, _r, cleared), (next_site, raised, _c) in itertools.pairwise(alarms):
        if site == next_site:
            assert cleared is not None, f"{site} raised again while active"
            assert cleared <= raised, f"{site} has two episodes at once"
    assert loops is not None
    assert loops[0] == loops[1] == len(alarms), "each alarm has its one loop"

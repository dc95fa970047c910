"""The command and role ``replay``: recorded data sets played as if they were measured now.

It remembers, per track, which rows are on the bus.  After a crash the rows that may be half sent are sent again
under their old times, so that the pipeline sees duplicates, not new readings; then it goes on from now.
"""

import argparse
import asyncio
import fcntl
import random
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Protocol

import numpy as np
import structlog

from fengsui.base import units
from fengsui.base.errors import FengsuiError, UnknownUnit
from fengsui.run import settings
from fengsui.stores import clock

HELP = "play a recorded data set, or the schedule of a region pack, as if it were measured now"
BEHIND_MS = 30_000  # further behind than this, go on from now instead of sending a burst of old readings
LOOK_AGAIN_S = 10.0  # how often sites and datastreams are looked up again
REPORT_S = 10.0
log = structlog.get_logger()


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("dataset", nargs="?", help="name of a data set of a pack, or the path of its folder")
    parser.add_argument("--region", help="play the whole schedule (replay.yml) of this region pack")
    parser.add_argument("--site", help="code of the site that the readings are for")
    parser.add_argument(
        "--run", dest="recording", help="which recording of the data set; not needed if it has one"
    )
    parser.add_argument(
        "--speed", type=float, default=1.0, help="how many times faster than recorded (default 1)"
    )
    parser.add_argument("--start", type=int, default=0, metavar="ROW", help="first row, counted from 0")
    parser.add_argument("--stop", type=int, metavar="ROW", help="row before which to stop")
    parser.add_argument("--loop", action="store_true", help="begin again at the end, until stopped")
    parser.add_argument("--again", action="store_true", help="forget the position and begin at the first row")
    parser.add_argument(
        "--via", choices=["bus", "http", "mqtt"], default="bus",
        help="straight onto the bus, or as the site's device through the gateway",
    )  # fmt: skip


class CannotPlay(FengsuiError):
    """The data set, its site or the way in is not there; the message says what to do."""

    code = "run.cannot_play"


def run(args: argparse.Namespace) -> int:
    if bool(args.dataset) == bool(args.region):
        print("fengsui replay: give a data set with --site, or --region", file=sys.stderr)
        return 2
    if args.dataset and not args.site:
        print("fengsui replay: --site says for which site the readings are", file=sys.stderr)
        return 2
    from fengsui.run import django_setup

    django_setup.setup()
    try:
        with ExitStack() as held:
            plans = _region_plans(args.region) if args.region else [_plan(args)]
            for plan in plans:
                _hold(plan.state, held)
                if args.again:
                    plan.state.unlink(missing_ok=True)
            return asyncio.run(_Player(plans, args.via, follow=bool(args.region)).run())
    except FengsuiError as error:
        print(f"fengsui replay: {error}", file=sys.stderr)
        return 1


# ---- what to play ---------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Plan:
    """One track: which site, which programme, where its position is kept."""

    site: str
    dataset: Any  # replay.Dataset
    make: Callable[[], Any]  # () -> replay.Program; reads the files
    state: Path


def _shared() -> Path:
    return Path(settings.value("FENGSUI_DATA"))


def _state(name: str) -> Path:
    folder = settings.home() / "replay"
    folder.mkdir(parents=True, exist_ok=True)
    return folder / f"{name}.json"


def _region_plans(name: str) -> list[Plan]:
    """The tracks of a pack whose files are here; one clear line for each that is not."""
    from fengsui.run import packs
    from fengsui.sense.gateways import replay

    folder = packs.find(name, Path(settings.value("FENGSUI_REGIONS")))
    pack = packs.read(folder, _shared())
    plans = []
    for track in pack.tracks:
        dataset = replay.read_dataset(folder / "data" / track["dataset"], _shared())
        absent = [r["run"] for r in track["runs"] if not replay.file_of(dataset, str(r["run"])).exists()]
        if absent:
            print(
                f"replay: {track['site']} stays silent: {dataset.name} is not shipped and not in {dataset.folder}"
                f" (set FENGSUI_DATA); see {folder.name}/data/{track['dataset']}/NOTICE.md",
                file=sys.stderr,
                flush=True,
            )
            continue
        plans.append(
            Plan(track["site"], dataset, _maker(dataset, track), _state(f"{pack.code}.{track['site']}"))
        )
    return plans


def _maker(dataset: Any, track: dict[str, Any]) -> Callable[[], Any]:
    from fengsui.sense.gateways import replay

    def make() -> Any:
        parts: dict[str, Any] = {}
        series = []
        for run in track["runs"]:
            whole = parts.get(run["run"])
            if whole is None:
                whole = parts[run["run"]] = replay.read_series(dataset, str(run["run"]))
            series.append(replay.cut(whole, *(run.get("rows") or (0, None))))
        return replay.join(series, float(track["speed"]), loop=bool(track.get("loop", True)))

    return make


def _plan(args: argparse.Namespace) -> Plan:
    from fengsui.sense.gateways import replay

    dataset = replay.read_dataset(_find(args.dataset), _shared())
    there = replay.runs_of(dataset)
    if not there:
        raise CannotPlay(
            f"no files of {dataset.name} in {dataset.folder} (FENGSUI_DATA says where such sets are)"
        )
    recording = args.recording or (there[0] if len(there) == 1 else "")
    if recording not in there:
        said = f"no recording {recording!r}" if recording else "--run is needed"
        raise CannotPlay(f"{said}: {dataset.name} has {', '.join(there)}")

    def make() -> Any:
        series = replay.read_series(dataset, recording, args.start, args.stop)
        return replay.join([series], args.speed, loop=args.loop)

    return Plan(args.site, dataset, make, _state(f"{dataset.name}.{recording}.{args.site}"))


def _find(name: str) -> Path:
    if (Path(name) / "mapping.yml").is_file():
        return Path(name)
    found = sorted(Path(settings.value("FENGSUI_REGIONS")).glob(f"*/data/{name}/mapping.yml"))
    if not found:
        raise CannotPlay(f"no data set {name!r} in a region pack, and no folder {name}/ with a mapping.yml")
    return found[0].parent


def _hold(state: Path, held: ExitStack) -> None:
    """Nobody else plays this track; the kernel lets go when we die."""
    file: IO[str] = held.enter_context(state.with_suffix(".lock").open("a"))
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise CannotPlay(f"{state.stem} is being played already by another process") from None


# ---- where it goes --------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Place:
    """The site in the database and what its datastreams are for the columns of a data set."""

    site_id: int
    datastream: np.ndarray  # int32 [columns], -1 where the site has none
    factor: np.ndarray
    offset: np.ndarray


def _place(site: str, columns: tuple[Any, ...]) -> Place:
    """Raises CannotPlay, UnknownUnit."""
    from django.db import connection

    from fengsui.sense.devices.models import Datastream, Site

    try:
        found = Site.objects.filter(code=site).values_list("pk", flat=True).first()
        if found is None:
            raise CannotPlay(f"there is no site {site!r}: load its region first (fengsui region load)")
        rows = {
            code: (pk, unit)
            for pk, code, unit in Datastream.objects.filter(site_id=found, is_active=True).values_list(
                "pk", "code", "unit"
            )
        }
    finally:
        if not connection.in_atomic_block:
            connection.close()
    ids = np.array([rows.get(c.code, (-1, ""))[0] for c in columns], np.int32)
    if not (ids >= 0).any():
        raise CannotPlay(
            f"site {site} has none of the datastreams {', '.join(c.code for c in columns[:5])} …"
        )
    try:
        pairs = [
            units.factor_offset(c.unit, rows[c.code][1]) if c.code in rows else (1.0, 0.0) for c in columns
        ]
    except UnknownUnit as error:
        raise CannotPlay(f"site {site}: {error}") from error
    return Place(found, ids, np.array([p[0] for p in pairs]), np.array([p[1] for p in pairs]))


class Way(Protocol):
    """How rows leave: ``send`` returns when they are durable, True, or False to try again later."""

    async def send(self, plan: Plan, place: Place, time_ms: np.ndarray, value: np.ndarray) -> bool: ...

    async def close(self) -> None: ...


class _Bus:
    def __init__(self, nc: Any) -> None:
        from fengsui.sense.gateways.publisher import Publisher

        partitions, group_ms = settings.number("FENGSUI_PARTITIONS"), settings.number("FENGSUI_GROUP_MS")
        self.publisher = Publisher(nc, partitions, group_ms)
        self._nc, self._hears = nc, False

    async def send(self, plan: Plan, place: Place, time_ms: np.ndarray, value: np.ndarray) -> bool:
        from fengsui.sense.gateways import replay
        from fengsui.sense.gateways.publisher import Busy

        if not self._hears:
            self._hears = True
            await self.publisher.room.start(self._nc)
        own = (
            value * place.factor + place.offset if (place.factor != 1).any() or place.offset.any() else value
        )
        batch = replay.batch_of(
            place.site_id,
            f"replay:{plan.dataset.name}@{plan.site}",
            place.datastream,
            time_ms,
            own,
            _now_ms(),
        )
        try:
            await self.publisher.publish(batch)
        except Busy:
            return False
        return True

    async def close(self) -> None:
        await self.publisher.room.close()
        await self.publisher.close()


def _device_of(site: str) -> tuple[str, str]:
    """Code and secret of a device of ``site``.  Raises CannotPlay."""
    from fengsui.run import region

    for device, (own, secret) in sorted(region.read_secrets().items()):
        if own == site:
            return device, secret
    raise CannotPlay(f"no device of site {site} in {region.secrets_file()}: --via bus needs none")


def _message(plan: Plan, place: Place, time_ms: np.ndarray, value: np.ndarray) -> bytes:
    import msgspec

    from fengsui.sense.gateways import replay

    known = np.flatnonzero(place.datastream >= 0).tolist()
    columns = [plan.dataset.columns[j] for j in known]
    return msgspec.json.encode(
        replay.message_of(
            plan.site, [c.code for c in columns], [c.unit for c in columns], time_ms, value[:, known]
        )
    )


class _Http:
    """As the site's device, to the gateway's own port; nothing but the standard library."""

    def __init__(self) -> None:
        self.url = f"http://{_reach()}:{settings.number('FENGSUI_GATEWAY_PORT')}/api/v1/readings"

    async def send(self, plan: Plan, place: Place, time_ms: np.ndarray, value: np.ndarray) -> bool:
        return await asyncio.to_thread(
            self._post, _device_of(plan.site), _message(plan, place, time_ms, value)
        )

    def _post(self, device: tuple[str, str], body: bytes) -> bool:
        import base64
        import urllib.error
        import urllib.request

        token = base64.b64encode(f"{device[0]}:{device[1]}".encode()).decode()
        headers = {"Content-Type": "application/json", "Authorization": f"Basic {token}"}
        request = urllib.request.Request(self.url, body, headers)
        try:
            with urllib.request.urlopen(request, timeout=30):
                return True
        except urllib.error.HTTPError as error:
            said = error.read(2000).decode("utf-8", "replace")
            if error.code == 422:  # taken; the refused ones are in quarantine
                log.warning("replay.refused", answer=said[:300])
                return True
            if error.code in (429, 503):
                return False
            raise CannotPlay(f"the gateway answered {error.code}: {said[:300]}") from None
        except OSError as error:
            log.warning("replay.no_gateway", url=self.url, error=repr(error))
            return False

    async def close(self) -> None:
        pass


class _Mqtt:
    """As the site's device, over MQTT 3.1.1 with QoS 1; returns after the PUBACK."""

    def __init__(self) -> None:
        self.clients: dict[str, Any] = {}

    async def send(self, plan: Plan, place: Place, time_ms: np.ndarray, value: np.ndarray) -> bool:
        return await asyncio.to_thread(self._publish, plan.site, _message(plan, place, time_ms, value))

    def _publish(self, site: str, body: bytes) -> bool:
        client = self.clients.get(site) or self._connect(site)
        sent = client.publish(f"v1/{site}/readings", body, qos=1)
        try:
            sent.wait_for_publish(15)
        except (RuntimeError, ValueError):
            return False
        return bool(sent.is_published())

    def _connect(self, site: str) -> Any:
        from paho.mqtt import client as mqtt

        device, secret = _device_of(site)
        client = mqtt.Client(
            mqtt.CallbackAPIVersion.VERSION2, client_id=f"replay-{site}-{random.randrange(1 << 32):x}"
        )
        client.username_pw_set(device, secret)
        try:
            client.connect(_reach(), settings.number("FENGSUI_MQTT_PORT"), keepalive=30)
        except OSError as error:
            raise CannotPlay(f"no MQTT at FENGSUI_MQTT_PORT: {error}") from error
        client.loop_start()
        self.clients[site] = client
        return client

    async def close(self) -> None:
        for client in self.clients.values():
            client.disconnect()
            client.loop_stop()


def _reach() -> str:
    bind = settings.value("FENGSUI_BIND")
    return "127.0.0.1" if bind == "0.0.0.0" else bind  # noqa: S104


def _now_ms() -> int:
    return clock.now_ms()


# ---- playing --------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Count:
    rows: int = 0
    readings: int = 0
    behind_ms: int = 0
    at: int = 0
    length: int = 0


@dataclass
class _Player:
    """All tracks of one process.  ``follow``: a role that waits for its sites instead of giving up."""

    plans: list[Plan]
    via: str
    follow: bool
    counts: dict[str, _Count] = field(default_factory=dict)

    async def run(self) -> int:
        from fengsui.run import child
        from fengsui.run.metrics import exchange, roles
        from fengsui.stores.bus import Heartbeat, connect

        stopping = asyncio.Event()
        child.on_stop_signals(stopping)
        try:
            nc = await connect(settings.nats_url(), "replay", wait_s=60 if self.follow else 5)
        except Exception as error:
            raise CannotPlay(f"no bus at {_without_password(settings.nats_url())}: {error}") from error
        heart = Heartbeat(nc, "replay")
        await heart.start()
        way: Way = _Bus(nc) if self.via == "bus" else _Http() if self.via == "http" else _Mqtt()
        publisher = way.publisher if isinstance(way, _Bus) else None
        await exchange.answer(nc, heart, lambda: roles.publisher(publisher) if publisher else ())
        tasks = [asyncio.create_task(self._play(plan, way, stopping)) for plan in self.plans]
        reporter = asyncio.create_task(self._report(heart))
        stop = asyncio.create_task(stopping.wait())
        try:
            pending: set[asyncio.Task[Any]] = set(tasks)
            if not tasks and self.follow:
                await stop
            while pending and not stopping.is_set():
                done, pending = await asyncio.wait({*pending, stop}, return_when=asyncio.FIRST_COMPLETED)
                pending.discard(stop)
                for task in done - {stop}:
                    task.result()  # an error of one track ends the command
            stopping.set()
            await asyncio.gather(*tasks)
        finally:
            stopping.set()
            for task in (reporter, stop, *tasks):
                task.cancel()
            await asyncio.gather(reporter, stop, *tasks, return_exceptions=True)
            await way.close()
            await heart.stop()
            await nc.close()
        if not self.follow:
            self._say()
        return 0

    async def _play(self, plan: Plan, way: Way, stopping: asyncio.Event) -> None:
        from fengsui.sense.gateways import replay

        program = await asyncio.to_thread(plan.make)
        place = await self._find_place(plan, stopping)
        if place is None:
            return
        looked = time.monotonic()
        track = replay.Track(program, plan.state, _now_ms())
        count = self.counts[plan.site] = _Count(length=len(program.offset_ms))
        try:
            while not stopping.is_set() and not track.finished:
                now = _now_ms()
                if now - track.next_ms() > BEHIND_MS:
                    track.shift(now)
                if time.monotonic() - looked > LOOK_AGAIN_S:
                    looked = time.monotonic()
                    place = await self._look_again(plan, place)
                first, stop = track.due(now)
                if first == stop:
                    await _pause(stopping, (track.next_ms() - now) / 1000)
                    continue
                track.begin(stop)
                time_ms, value = track.rows(first, stop)
                while not await way.send(plan, place, time_ms, value):
                    if await _pause(stopping, 1):
                        return
                track.end(stop, _now_ms())
                count.rows += stop - first
                count.readings += (stop - first) * int((place.datastream >= 0).sum())
                count.at, count.behind_ms = track.done, max(0, _now_ms() - int(time_ms[-1]))
        finally:
            track.keep()

    async def _find_place(self, plan: Plan, stopping: asyncio.Event) -> Place | None:
        said = False
        while not stopping.is_set():
            try:
                return await asyncio.to_thread(_place, plan.site, plan.dataset.columns)
            except CannotPlay as error:
                if not self.follow:
                    raise
                if not said:
                    said = True
                    log.warning("replay.waiting", site=plan.site, error=str(error))
            await _pause(stopping, 2)
        return None

    async def _look_again(self, plan: Plan, place: Place) -> Place:
        """Datastreams may be added, renamed or switched off while we play."""
        from django.db import DatabaseError

        try:
            return await asyncio.to_thread(_place, plan.site, plan.dataset.columns)
        except (CannotPlay, DatabaseError, OSError) as error:
            log.warning("replay.place_unknown", site=plan.site, error=str(error))
            return place

    async def _report(self, heart: Any) -> None:
        said = time.monotonic()
        while True:
            await asyncio.sleep(0.2)
            heart.ready = len(self.counts) == len(self.plans)
            heart.lag = {
                "behind_ms": max((c.behind_ms for c in self.counts.values()), default=0),
                "readings": sum(c.readings for c in self.counts.values()),
                "tracks": len(self.counts),
            }
            if not self.follow and time.monotonic() - said > REPORT_S:
                said = time.monotonic()
                self._say()

    def _say(self) -> None:
        for site, c in self.counts.items():
            lap, row = divmod(c.at, c.length) if c.length else (0, 0)
            whole = c.length if c.at == c.length else row
            laps = f", lap {lap + 1}" if lap and c.at != c.length else ""
            print(
                f"replay: {site} row {whole} of {c.length}{laps}; {c.readings} readings sent",
                file=sys.stderr,
                flush=True,
            )


async def _pause(stopping: asyncio.Event, seconds: float) -> bool:
    """Wait, at most a minute; True when it is time to stop."""
    try:
        await asyncio.wait_for(stopping.wait(), min(max(seconds, 0.0), 60.0))
    except TimeoutError:
        pass
    return stopping.is_set()


def _without_password(url: str) -> str:
    head, at, tail = url.rpartition("@")
    return f"{head.split('//')[0]}//{tail}" if at else url

"""Three NATS servers with three copies of everything, and 1, 2 and 4 pipelines that share four partitions.

Servers and pipelines are killed in turn while readings come in: nothing that the bus accepted is lost or doubled, and
whoever is left takes over.
"""

import asyncio
import signal
import subprocess
import time
from pathlib import Path

import nats as client
import pytest

from fengsui.run import nats
from fengsui.run.scratch import free_ports
from fengsui.stores.bus import partition_of, read_roles
from fengsui.stores.bus.seats import WORKERS
from tests.conftest import wait_until
from tests.live.plant import Plant, Writer, batch, now_ms, run
from tests.live.test_pipeline_crash import PERIOD_S, SITES, STREAMS, Load, check

PARTITIONS, SERVERS = 4, 3

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("cluster")]


class Cluster:
    """NATS servers on loopback that know each other."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.ports = free_ports(2 * SERVERS)
        self.servers = [self._start(n) for n in range(SERVERS)]
        self.url = ",".join(f"nats://fengsui:test@127.0.0.1:{port}" for port in self.ports[:SERVERS])

    def _start(self, number: int) -> subprocess.Popen:
        routes = self.ports[SERVERS:]
        member = nats.Member(f"bus-{number}", routes[number], tuple(routes[:number] + routes[number + 1 :]))
        conf = self.home / f"bus-{number}.conf"
        store = self.home / f"bus-{number}"
        conf.write_text(nats.configuration(store, self.ports[number], "test", sync=False, member=member))
        with (self.home / f"bus-{number}.log").open("ab") as log:
            return subprocess.Popen([str(nats.binary()), "-c", str(conf)], stdout=log, stderr=log)

    def kill(self, number: int) -> None:
        self.servers[number].kill()
        self.servers[number].wait(10)

    def restart(self, number: int) -> None:
        self.servers[number] = self._start(number)

    def close(self) -> None:
        for server in self.servers:
            server.kill()
            server.wait(10)

    def ask(self, question):
        """The answer of ``question(connection)``, or None while nobody can answer."""

        async def go():
            nc = await client.connect(self.url.split(","), connect_timeout=1, max_reconnect_attempts=1)
            try:
                return await question(nc)
            finally:
                await nc.close()

        try:
            return run(asyncio.wait_for(go(), 5))
        except (client.errors.Error, client.js.errors.Error, OSError, TimeoutError):
            return None

    def is_whole(self) -> bool:
        """Every server has every message of READINGS."""

        async def peers(nc):
            return (await nc.jetstream().stream_info("READINGS")).cluster

        found = self.ask(peers)
        return bool(
            found
            and found.leader
            and len(found.replicas or []) == SERVERS - 1
            and all(r.current and not r.offline for r in found.replicas)
        )

    def seats(self) -> dict[int, list[int]]:
        """pid of a pipeline → the partitions it serves."""
        found = self.ask(lambda nc: read_roles(nc, seconds=1, subject=WORKERS)) or []
        return {r["pid"]: r["lag"].get("seats", []) for r in found}


class SharedPlant(Plant):
    """A plant on a cluster; ``workers`` are its pipelines."""

    def __init__(self, home: Path, cluster: Cluster) -> None:
        self.cluster = cluster
        self.workers: list[subprocess.Popen] = []
        super().__init__(
            home,
            FENGSUI_NATS_URL=cluster.url,
            FENGSUI_REPLICAS=str(SERVERS),
            FENGSUI_PARTITIONS=str(PARTITIONS),
            FENGSUI_EPOCH_MS="400",
        )

    def start_worker(self) -> subprocess.Popen:
        self.workers.append(self._start("pipeline"))
        return self.workers[-1]

    def lose(self, worker: subprocess.Popen, how: int = signal.SIGKILL) -> None:
        self.workers.remove(worker)
        worker.send_signal(how)
        assert worker.wait(30) == (0 if how == signal.SIGTERM else -how)

    def wait_shared(self, what: str) -> float:
        """Until the workers hold all partitions in equal shares; how long that took, in seconds."""
        began = time.monotonic()
        low, more = divmod(PARTITIONS, len(self.workers))
        wanted = sorted([low + 1] * more + [low] * (len(self.workers) - more))
        pids = {w.pid for w in self.workers}

        def shared() -> bool:
            found = self.cluster.seats()
            return (
                set(found) == pids
                and sorted(map(len, found.values())) == wanted
                and len({p for held in found.values() for p in held}) == PARTITIONS
            )

        wait_until(shared, 120, lambda: f"{what}: {self.cluster.seats()}\n{self.tail()}")
        return time.monotonic() - began

    def progress(self) -> dict[int, int]:
        return dict(self.sql("SELECT partition, stream_seq FROM checkpoints_checkpoint"))

    def wait_going_on(self, what: str) -> float:
        """Until every partition has committed something that the bus took after now; how long, in seconds."""
        began, before = time.monotonic(), self.progress()
        top = max(before.values(), default=0)
        wait_until(
            lambda: all(self.progress().get(p, 0) > top for p in range(PARTITIONS)),
            120,
            lambda: f"{what}: {before} {self.progress()} {self.cluster.seats()}\n{self.tail()}",
        )
        return time.monotonic() - began

    def wait_committed(self, seq: dict[int, int], seconds: float = 60) -> None:
        wait_until(
            lambda: all(self.progress().get(p, 0) >= s for p, s in seq.items()),
            seconds,
            lambda: f"all of {seq} is committed: {self.progress()} {self.cluster.seats()}\n{self.tail()}",
        )

    def close(self) -> None:
        for worker in self.workers:
            worker.kill()
            worker.wait(10)
        super().close()


class SpreadLoad(Load):
    """The same load, each site's readings in its own partition."""

    async def _write(self) -> None:
        writers = [Writer(self.plant, self.name_, p) for p in range(PARTITIONS)]
        for writer in writers:
            await writer.__aenter__()
        await asyncio.gather(*(self._write_partition(writer) for writer in writers))
        self.seq = {writer.partition: writer.seq for writer in writers}
        for writer in writers:
            await writer.__aexit__()

    async def _write_partition(self, writer: Writer) -> None:
        mine = [site for site in self.sent if partition_of(site, PARTITIONS) == writer.partition]
        time_ms = now_ms()
        ended = False
        while not ended:
            ended = self.ending.is_set()
            time_ms = max(time_ms + 1, now_ms())
            value = 10.0 if ended else float(self.random.choice((10, 20, 48.5, 60)))
            batches = [batch(site, self.ids(site), time_ms, value, source=self.name_) for site in mine]
            await writer.write(*batches)
            self.messages += 1
            self.rows += len(mine) * STREAMS
            for site in mine:
                self.sent[site].append((time_ms, value))
            await asyncio.sleep(6 * PERIOD_S)  # four of us, three copies of everything: it is no measurement

    def stop(self) -> None:
        self.ending.set()
        self.join(60)
        assert not self.is_alive()


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    made = Cluster(tmp_path_factory.mktemp("cluster"))
    try:
        yield made
    finally:
        made.close()


@pytest.fixture(scope="module")
def plant(tmp_path_factory, cluster):
    made = SharedPlant(tmp_path_factory.mktemp("plant") / "var", cluster)
    try:
        made.register(SITES, STREAMS)
        yield made
    finally:
        made.close()


def test_pipelines_and_servers_come_and_go_and_every_reading_is_there_once(plant, cluster):
    told: dict[str, float] = {}
    plant.start_worker()
    plant.wait_shared("one worker has it all")
    load = SpreadLoad(plant, "cluster")
    try:
        told["one worker: going"] = plant.wait_going_on("one worker works")
        plant.start_worker()
        told["a second one takes its share"] = plant.wait_shared("two share")
        wait_until(cluster.is_whole, 60, "three copies")
        cluster.kill(0)
        told["server 0 killed: going on"] = plant.wait_going_on("two servers are enough")
        cluster.restart(0)
        for _ in range(2):
            plant.start_worker()
        told["four share"] = plant.wait_shared("four share")
        plant.lose(plant.workers[0])
        told["a worker killed: going on"] = plant.wait_going_on("the others take over")
        wait_until(cluster.is_whole, 60, "three copies again")
        cluster.kill(1)
        plant.lose(plant.workers[0])
        told["server 1 and a worker killed: going on"] = plant.wait_going_on("both are replaced")
        cluster.restart(1)
        wait_until(cluster.is_whole, 60, "three copies once more")
        cluster.kill(2)
        cluster.restart(2)
        plant.lose(plant.workers[0], signal.SIGTERM)
        told["server 2 killed, a worker stopped: going on"] = plant.wait_going_on(
            "one worker has it all again"
        )
        plant.wait_shared("the last worker has it all")
    finally:
        load.stop()
    print(f"{load.messages} messages, {load.rows} readings")
    for what, seconds in told.items():
        print(f"{what}: {seconds:.1f} s")
    check(plant, load)


def test_a_pipeline_that_hangs_is_replaced_and_can_commit_nothing_more(plant, cluster):
    hung = plant.workers[0] if plant.workers else plant.start_worker()
    plant.wait_shared("one worker has it all")
    load = SpreadLoad(plant, "hanging")
    try:
        plant.wait_going_on("it works")
        hung.send_signal(signal.SIGSTOP)
        plant.start_worker()
        seconds = plant.wait_going_on("another one takes over")
        hung.send_signal(signal.SIGCONT)
        plant.wait_shared("the one that hung is a worker like any other again, or has ended")
    finally:
        hung.send_signal(signal.SIGCONT)
        load.stop()
    print(f"replaced after {seconds:.1f} s")
    check(plant, load)

"""Room on disks: who looks, who hears, and when a full disk is called full."""

import asyncio
import time

import nats
import pytest

from fengsui.stores.bus import Disk, Looker, Room, room
from tests.conftest import wait_until

MIB = 1 << 20


@pytest.fixture
def free(monkeypatch):
    """Sets what every disk has free, in MiB."""
    now = {"bytes": 0}
    monkeypatch.setattr(room, "free_bytes", lambda _folder: now["bytes"])

    def set_free(mib: int) -> None:
        now["bytes"] = mib * MIB

    return set_free


def test_what_is_free_is_what_an_ordinary_user_may_write(tmp_path):
    import shutil

    found = Looker([tmp_path], 1).look()[0]
    assert found.free == pytest.approx(shutil.disk_usage(tmp_path).free, rel=0.05)
    assert not found.is_full


def test_folders_on_one_disk_are_one_disk_and_need_not_be_there_yet(tmp_path, free):
    free(10)
    looker = Looker([tmp_path / "not" / "yet", tmp_path], 8 * MIB)
    [disk] = looker.look()
    assert (disk.free, disk.least, disk.is_full) == (10 * MIB, 8 * MIB, False)
    assert looker.lag == {"disk_free": 10 * MIB, "disk_least": 8 * MIB}


def test_a_full_disk_needs_more_than_the_least_to_have_room_again(tmp_path, free):
    looker = Looker([tmp_path], 80 * MIB)
    said = []
    for mib in (80, 79, 80, 89, 90, 80, 79, 19):
        free(mib)
        looker.look()
        said.append((looker.is_full, looker.is_spent))
    assert said == [
        (False, False), (True, False), (True, False), (True, False), (False, False), (False, False), (True, False),
        (True, True),
    ]  # fmt: skip


def disk(free: int, *, full: bool, device: int = 1, host: str = "a") -> Disk:
    return Disk(host, device, "/x", free * MIB, 100 * MIB, full)


def test_any_full_disk_counts_until_it_says_otherwise_or_is_not_heard_of(monkeypatch):
    heard = Room()
    assert heard.full is None
    heard.hear(disk(50, full=True))
    heard.hear(disk(500, full=False, device=2))
    heard.hear(disk(20, full=True, host="b"))
    assert heard.full is not None
    assert heard.full.host == "b"
    heard.hear(disk(400, full=False, host="b"))
    assert heard.full is not None
    assert heard.full.host == "a"
    later = time.monotonic() + room.FORGET_S + 1
    monkeypatch.setattr(room.time, "monotonic", lambda: later)
    assert heard.full is None


def test_who_looks_is_heard_over_the_bus(nats_url, tmp_path, free):
    async def over_the_bus() -> None:
        nc, heard = await nats.connect(nats_url), Room()
        await heard.start(nc)
        free(10)
        telling = asyncio.create_task(Looker([tmp_path], 20 * MIB).tell(nc))
        await asyncio.to_thread(wait_until, lambda: heard.full is not None)
        assert heard.full is not None
        assert heard.full.free == 10 * MIB
        free(30)
        await asyncio.to_thread(wait_until, lambda: heard.full is None)
        telling.cancel()
        await heard.close()
        await nc.close()

    asyncio.run(over_the_bus())

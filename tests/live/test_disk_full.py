"""The disk fills up under load: first so far that nothing new is taken, then, with nobody watching, to the last byte.
Nothing that was confirmed is lost, nothing is doubled, and when there is room again everything goes on by itself.
"""

import contextlib
import errno
import json
import os
import shutil
import subprocess
import time
import urllib.error
import urllib.request

import pytest

from fengsui.run.scratch import Scratch
from tests import prepared
from tests.conftest import wait_until
from tests.live import works

SIZE_MIB, LEAST_MIB = 500, 100

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("disk-full")]


class SmallDisk:
    """A file system of a fixed size, and a ballast file on it."""

    def __init__(self, point):
        self.point, self.ballast = point, point / "ballast"
        point.mkdir()
        subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={SIZE_MIB}m,mode=700", "tmpfs", point], check=True
        )

    def free(self) -> int:
        return shutil.disk_usage(self.point).free

    def leave(self, free: int) -> None:
        """Fill the disk so that ``free`` bytes are left; 0 takes whatever is released meanwhile, too."""
        with self.ballast.open("ab") as file:
            while (more := self.free() - free) > 0:
                with contextlib.suppress(OSError):
                    os.posix_fallocate(file.fileno(), file.seek(0, os.SEEK_END), more)

    def release(self) -> None:
        self.ballast.unlink()

    def close(self) -> None:
        subprocess.run(["umount", "-l", self.point], check=False)


def missing() -> str:
    if os.geteuid() != 0 or not shutil.which("mount"):
        return "only root may mount a small disk"
    return ""


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    if why := missing():
        assert not os.environ.get("CI"), why
        pytest.skip(why)
    folder = tmp_path_factory.mktemp("full")
    disk = SmallDisk(folder / "disk")
    (folder / "regions").mkdir()
    made = Scratch(
        disk.point / "home",
        FENGSUI_REGIONS=str(folder / "regions"),
        FENGSUI_MIN_FREE_BYTES=str(LEAST_MIB << 20),
    )
    made.output = folder / "out"
    prepared.put(made.home, durable=True)
    try:
        works.load(made)
        yield made, disk
    finally:
        disk.ballast.unlink(missing_ok=True)
        if made.process is not None and made.process.poll() is None:
            made.stop()
        works.kill_all(made)
        disk.close()


def answer(made: Scratch, path: str, data: bytes | None = None, device: str = "s0000-gw"):
    """Status, headers and JSON of the gateway's answer."""
    request = urllib.request.Request(made.gateway_url + path, data, {"Content-Type": "application/json"})
    request.add_header("Authorization", f"Bearer {device}.{works.secrets(made)[device]}")
    try:
        with urllib.request.urlopen(request, timeout=20) as found:
            return found.status, found.headers, json.loads(found.read())
    except urllib.error.HTTPError as error:
        return error.code, error.headers, json.loads(error.read())


def is_turned_away(made: Scratch) -> bool:
    status, headers, body = answer(made, "/api/v1/readings", b"{}")
    return (status, body["code"]) == (503, "sense.disk_full") and int(headers["Retry-After"]) > 0


def test_before_the_disk_is_full_nothing_new_is_taken_and_it_goes_on_by_itself(site):
    made, disk = site
    devices = works.Devices(made)
    try:
        devices.wait_for_more(10)
        disk.leave((LEAST_MIB - 20) << 20)
        wait_until(lambda: is_turned_away(made), 30, "the gateway turns readings away")
        assert answer(made, "/healthz")[0] == 503
        wait_until(lambda: stands_still(devices), 60, "nobody is told yes any more, over HTTP or MQTT")
        done = made.run("status")
        assert "disk_full 1" in done.stdout, done.stdout
        assert all("up" in line.split()[1] for line in done.stdout.splitlines()), (
            f"every role lives on\n{done.stdout}"
        )
        disk.release()
        devices.wait_for_more(10)
        wait_until(lambda: answer(made, "/healthz")[0] == 200, 30, "the gateway is well")
    finally:
        devices.stop()
    works.check(made, devices, least=20)


def stands_still(devices: works.Devices) -> bool:
    before = devices.marks()
    time.sleep(1.5)
    return devices.marks() == before


def test_a_disk_full_to_the_last_byte_loses_and_doubles_nothing(site):
    made, disk = site
    made.stop()
    made.output.unlink()
    made.env["FENGSUI_MIN_FREE_BYTES"] = "0"  # readings are taken until a write fails
    made.up()
    devices = works.Devices(made)
    try:
        devices.wait_for_more(10)
        disk.leave(0)
        for _ in range(8):
            time.sleep(1)
            disk.leave(0)
        with pytest.raises(OSError, match="No space") as refused, (disk.point / "more").open("wb") as file:
            file.write(b"x" * (1 << 20))
        assert refused.value.errno == errno.ENOSPC
        (disk.point / "more").unlink()
        disk.leave(0)
        print(f"full: {sum(devices.marks())} messages have a yes, {disk.free()} bytes are free")
        disk.release()
        began = time.monotonic()
        devices.wait_for_more(5, seconds=120)
        print(f"recovery: every device confirmed {time.monotonic() - began:.1f} s after there was room")
        devices.wait_for_more(10)
    finally:
        devices.stop()
    works.check(made, devices, least=20)

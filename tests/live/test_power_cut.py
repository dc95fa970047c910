"""The power goes under load: what the disk had not flushed is lost or torn, and nothing that was confirmed is.

The platform lies on ext4 on a disk of ours (``fengsui.run.benches.disk``).  The last test shows that the others can
fail: a disk that confirms flushes it does not do loses readings that had a yes.
"""

import os
import time

import pytest

from fengsui.run.benches.disk import Disk, missing
from fengsui.run.scratch import Scratch
from tests import prepared
from tests.live import works

CUTS = 2

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("power-cut")]


class Site:
    """A platform on a disk whose power can be cut."""

    def __init__(self, folder):
        self.folder = folder
        self.disk = Disk(folder / "disk", folder / "home")
        (folder / "regions").mkdir()
        self.made = Scratch(folder / "home", FENGSUI_REGIONS=str(folder / "regions"))
        try:
            prepared.put(folder / "home", durable=True)
            works.load(self.made)
        except BaseException:
            self.close()
            raise

    def cut(self, devices: works.Devices, seed: int) -> None:
        """Cut, kill what saw nothing of it, and mount what was left on the disk."""
        marks, image = devices.marks(), self.folder / "cut.img"
        said = self.disk.cut(image, seed)  # what was confirmed before counts; it was before this instant
        works.kill_all(self.made)
        time.sleep(0.5)  # answers that are in the sockets already
        devices.forget_since(marks)
        self.disk.close()
        self.disk = Disk(self.folder / "disk", self.folder / "home", image=image)
        print("cut:", said)

    def close(self) -> None:
        if self.made.process is not None and self.made.process.poll() is None:
            self.made.stop()
        works.kill_all(self.made)
        self.disk.close()


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    if why := missing():
        assert not os.environ.get("CI"), f"a power cut cannot be simulated: {why}"
        pytest.skip(f"a power cut cannot be simulated: {why}")
    made = Site(tmp_path_factory.mktemp("power"))
    yield made
    made.close()


def test_nothing_confirmed_is_lost_when_the_power_goes(site):
    devices = works.Devices(site.made)
    try:
        for turn in range(CUTS):
            devices.wait_for_more(20 + 7 * turn)
            site.cut(devices, seed=turn)
            began = time.monotonic()
            site.made.up()
            up_s = time.monotonic() - began
            devices.wait_for_more(1)
            print(
                f"recovery: up after {up_s:.1f} s, every device confirmed after {time.monotonic() - began:.1f} s"
            )
        devices.wait_for_more(10)
    finally:
        devices.stop()
    works.check(site.made, devices, least=30)


def test_a_disk_that_lies_about_flushes_loses_what_was_confirmed(site):
    """The test of the test."""
    devices = works.Devices(site.made)
    try:
        devices.wait_for_more(10)
        before = devices.marks()
        site.disk.lie()
        devices.wait_for_more(20)
        site.cut(devices, seed=9)
        site.made.up()
        devices.wait_for_more(1)
    finally:
        devices.stop()
    works.wait_until(lambda: works.drained(site.made), 90, "the bus is empty")
    found = works.stored(site.made)
    lost = sum(
        t not in found[s.site] for s, n in zip(devices.senders, before, strict=True) for t in s.accepted[n:]
    )
    print(f"lost: {lost} messages with a yes")
    assert lost

"""A disk that can lose its power: an ext4 file system on a device of ours that knows what was flushed and what was not.

The device is one file of a small FUSE file system, attached to a loop device; ext4 on it has its defaults, as in the
field.  Whatever the kernel keeps in its page cache never reached the device.  What reached it and was not flushed may
be there after a cut, or not, or in part: each write since the last flush is kept, lost or torn at sectors by chance,
and the kept ones are not the first ones.  ``cut`` takes the image of one instant between two requests.

Not simulated: a drive that loses what it said was flushed (``lie`` does it on purpose), bits that rot, a sector of
512 bytes that is written by half.  Needs root, /dev/fuse and loop devices: ``missing`` says what is not there.
"""

import ctypes
import errno
import json
import mmap
import os
import random
import select
import shutil
import struct
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import IO

SECTOR = 512
MAX_WRITE = 1 << 20
MOST_WAITING = 6  # writes: a cut is somewhere in the first so many of them after a flush
PATIENCE_S = 1.0
NAME = b"disk"
ROOT, FILE = 1, 2  # nodes of our file system

# Linux, include/uapi/linux/fuse.h (7.31)
LOOKUP, FORGET, GETATTR, SETATTR, OPEN, READ, WRITE, STATFS, RELEASE, FSYNC = (
    1,
    2,
    3,
    4,
    14,
    15,
    16,
    17,
    18,
    20,
)
FLUSH, INIT, OPENDIR, RELEASEDIR, ACCESS, INTERRUPT, DESTROY, BATCH_FORGET = 25, 26, 27, 29, 34, 36, 38, 42
BIG_WRITES, MAX_PAGES, DIRECT_IO = 1 << 5, 1 << 22, 1
HEAD, ANSWER = struct.Struct("<IIQQIIII"), struct.Struct("<IiQ")
ATTRIBUTES = struct.Struct("<6Q10I")
TRANSFER = struct.Struct("<QQIIQII")


def missing() -> str:
    """Why there can be no such disk here; empty when there can."""
    if os.geteuid() != 0:
        return "only root may mount"
    if not all(Path(p).exists() for p in ("/dev/fuse", "/dev/loop-control")):
        return "/dev/fuse or /dev/loop-control is not there"
    if not all(map(shutil.which, ("mkfs.ext4", "mount", "umount"))):
        return "mkfs.ext4, mount or umount is not installed"
    return ""


class Disk:
    """The disk mounted on ``point``; its files lie in ``folder``.  ``image``: what an earlier disk was left with."""

    def __init__(self, folder: Path, point: Path, mib: int = 1024, image: Path | None = None) -> None:
        self.folder, self.point = folder, point
        folder.mkdir(parents=True, exist_ok=True)
        point.mkdir(parents=True, exist_ok=True)
        now = folder / "now.img"
        if image is None:
            with now.open("wb") as file:
                file.truncate(mib << 20)
            _run("mkfs.ext4", "-q", "-F", "-E", "nodiscard,lazy_itable_init=0,lazy_journal_init=0", now)
        else:
            image.rename(now)
        inner = folder / "device"
        inner.mkdir(exist_ok=True)
        self._server = subprocess.Popen(
            [sys.executable, "-m", __spec__.name, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        try:
            self._hear()
            _run("mount", "-o", "loop", inner / NAME.decode(), point)
        except BaseException:
            self.close()
            raise

    def cut(self, image: Path, seed: int) -> dict[str, int]:
        """The power goes in the middle of writes: ``image`` is what will be read when it is back.

        The instant is as soon as a number of writes (by ``seed``) wait to be flushed, or ``PATIENCE_S`` later.
        Returns how many waited, and how many of them were kept, torn and lost.  The disk goes on afterwards, so that
        what runs on it can be killed; nothing that happens then is in ``image``.
        """
        return self._ask(cut=str(image), seed=seed)

    def lie(self) -> None:
        """From now on a flush is confirmed and not done, as a drive with a volatile cache and no manners does it."""
        self._ask(lie=True)

    def close(self) -> None:
        """Unmount.  Whatever has files open on it must be gone."""
        if self.point.is_mount():
            subprocess.run(["umount", self.point], check=False) if self._alive else None
            if self.point.is_mount():
                subprocess.run(["umount", "-l", self.point], check=False)
        if self._server.stdin is not None:
            self._server.stdin.close()
        try:
            self._server.wait(20)
        except subprocess.TimeoutExpired:
            self._server.kill()
            self._server.wait(5)
        for name in ("now.img", "flushed.img"):
            (self.folder / name).unlink(missing_ok=True)

    @property
    def _alive(self) -> bool:
        return self._server.poll() is None

    def _ask(self, **words: object) -> dict[str, int]:
        assert self._server.stdin is not None
        self._server.stdin.write(json.dumps(words).encode() + b"\n")
        self._server.stdin.flush()
        return self._hear()

    def _hear(self) -> dict[str, int]:
        assert self._server.stdout is not None
        line = self._server.stdout.readline()
        if not line:
            raise OSError(f"the disk ended with code {self._server.wait(5)}")
        return dict(json.loads(line))


class _Device:
    """What the device holds: ``now`` as it is read, ``flushed`` as it is certain, and the writes between them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        _copy(folder / "now.img", folder / "flushed.img")
        self._files = [(folder / name).open("r+b") for name in ("now.img", "flushed.img")]
        self.now, self.flushed = (mmap.mmap(file.fileno(), 0) for file in self._files)
        self.waiting: list[tuple[int, bytes]] = []
        self.lies = False
        self._cut: tuple[Path, random.Random] | None = None
        self._cut_at = 0

    def write(self, offset: int, data: bytes) -> None:
        self.now[offset : offset + len(data)] = data
        self.waiting.append((offset, data))
        if self._cut is not None and len(self.waiting) >= self._cut_at:
            self.cut_now()

    def cut_soon(self, image: Path, seed: int) -> None:
        chance = random.Random(seed)
        self._cut, self._cut_at = (image, chance), chance.randint(1, MOST_WAITING)

    def flush(self) -> None:
        if self.lies:
            return
        for offset, data in self.waiting:
            self.flushed[offset : offset + len(data)] = data
        self.waiting.clear()

    def cut_now(self) -> None:
        """Unless it was done already."""
        if self._cut is None:
            return
        (image, chance), self._cut = self._cut, None
        said = {"unflushed": len(self.waiting), "kept": 0, "torn": 0, "lost": 0}
        self.flushed.flush()
        _copy(self.folder / "flushed.img", image)
        with image.open("r+b") as file:
            for offset, data in [] if self.lies else self.waiting:
                fate = chance.choice(("kept", "torn", "lost"))
                said[fate] += 1
                if fate == "lost":
                    continue
                for at in range(0, len(data), SECTOR):
                    if fate == "kept" or chance.random() < 0.5:
                        file.seek(offset + at)
                        file.write(data[at : at + SECTOR])
        _say(said)


class _Server:
    """Answers the kernel: one folder with one file."""

    def __init__(self, device: _Device, fuse: int) -> None:
        self.device, self.fuse, self.ended = device, fuse, False
        self.answers: dict[int, Callable[[int, bytes], bytes]] = {
            INIT: self._init, LOOKUP: self._lookup, GETATTR: self._getattr, SETATTR: self._getattr,
            OPEN: self._open, OPENDIR: self._open, READ: self._read, WRITE: self._write, FSYNC: self._fsync,
            STATFS: self._statfs, FLUSH: self._nothing, RELEASE: self._nothing, RELEASEDIR: self._nothing,
            ACCESS: self._nothing, DESTROY: self._destroy,
        }  # fmt: skip

    def serve_one(self) -> None:
        """Take one request and answer it."""
        try:
            request = os.read(self.fuse, MAX_WRITE + 4096)
        except OSError as error:
            if error.errno in (errno.EINTR, errno.EAGAIN, errno.ENOENT):
                return
            self.ended = True  # unmounted
            return
        _size, opcode, unique, node, *_ = HEAD.unpack_from(request)
        if opcode in (FORGET, BATCH_FORGET, INTERRUPT):
            return
        code, body = 0, b""
        answer = self.answers.get(opcode)
        if answer is None:
            code = -errno.ENOSYS
        else:
            try:
                body = answer(node, request[HEAD.size :])
            except OSError as error:
                code = -(error.errno or errno.EIO)
        with suppress(FileNotFoundError):  # the request was interrupted
            os.write(self.fuse, ANSWER.pack(ANSWER.size + len(body), code, unique) + body)

    def _init(self, _node: int, body: bytes) -> bytes:
        flags = struct.unpack_from("<I", body, 12)[0] & (BIG_WRITES | MAX_PAGES)
        return struct.pack(
            "<4I2H2I2H2I6I",
            7,
            31,
            MAX_WRITE,
            flags,
            16,
            12,
            MAX_WRITE,
            1,
            MAX_WRITE // 4096,
            0,
            0,
            0,
            *[0] * 6,
        )

    def _attributes(self, node: int) -> bytes:
        size, mode = (0, 0o040700) if node == ROOT else (len(self.device.now), 0o100600)
        return ATTRIBUTES.pack(node, size, size // 512, 0, 0, 0, 0, 0, 0, mode, 1, 0, 0, 0, 4096, 0)

    def _lookup(self, _node: int, body: bytes) -> bytes:
        if body.rstrip(b"\0") != NAME:
            raise OSError(errno.ENOENT, "")
        return struct.pack("<4Q2I", FILE, 0, 3600, 3600, 0, 0) + self._attributes(FILE)

    def _getattr(self, node: int, _body: bytes) -> bytes:
        return struct.pack("<Q2I", 3600, 0, 0) + self._attributes(node)

    def _open(self, _node: int, _body: bytes) -> bytes:
        return struct.pack("<Q2I", 0, DIRECT_IO, 0)

    def _read(self, _node: int, body: bytes) -> bytes:
        _handle, offset, size, *_ = TRANSFER.unpack_from(body)
        return self.device.now[offset : offset + size]

    def _write(self, _node: int, body: bytes) -> bytes:
        _handle, offset, size, *_ = TRANSFER.unpack_from(body)
        self.device.write(offset, body[TRANSFER.size : TRANSFER.size + size])
        return struct.pack("<2I", size, 0)

    def _fsync(self, _node: int, _body: bytes) -> bytes:
        self.device.flush()
        return b""

    def _statfs(self, _node: int, _body: bytes) -> bytes:
        return struct.pack("<5Q4I6I", 0, 0, 0, 0, 0, 4096, 255, 4096, 0, *[0] * 6)

    def _nothing(self, _node: int, _body: bytes) -> bytes:
        return b""

    def _destroy(self, _node: int, _body: bytes) -> bytes:
        self.ended = True
        return b""


def main() -> None:
    """The device's own process: requests of the kernel, and words of ``Disk`` on standard input until that ends."""
    folder = Path(sys.argv[1])
    inner = folder / "device"
    fuse = os.open("/dev/fuse", os.O_RDWR)
    _mount(fuse, inner)
    device = _Device(folder)
    server = _Server(device, fuse)
    poll = select.poll()
    poll.register(fuse, select.POLLIN)
    poll.register(sys.stdin.fileno(), select.POLLIN)
    _say({})
    words, leaving, deadline = b"", False, float("inf")
    while not server.ended:
        ready = poll.poll(PATIENCE_S * 1000)
        if time.monotonic() > deadline:
            device.cut_now()
        for handle, _what in ready:
            if handle == fuse:
                server.serve_one()
                continue
            words += (piece := os.read(handle, 65536))
            while b"\n" in words:
                line, words = words.split(b"\n", 1)
                _obey(device, json.loads(line))
                deadline = time.monotonic() + PATIENCE_S
            if not piece and not leaving:  # whoever used the disk has left it, or died
                leaving = True
                poll.unregister(handle)
                subprocess.Popen(["umount", "-l", inner])


def _obey(device: _Device, words: dict[str, object]) -> None:
    if "cut" in words:
        device.cut_soon(Path(str(words["cut"])), int(str(words["seed"])))
    else:
        device.lies = True
        _say({})


def _say(answer: dict[str, int], out: IO[str] = sys.stdout) -> None:
    print(json.dumps(answer), file=out, flush=True)


def _mount(fuse: int, point: Path) -> None:
    options = f"fd={fuse},rootmode=40000,user_id=0,group_id=0".encode()
    libc = ctypes.CDLL(None, use_errno=True)
    nosuid_nodev = 2 | 4
    if libc.mount(b"fengsui-disk", os.fsencode(point), b"fuse", nosuid_nodev, options):
        raise OSError(ctypes.get_errno(), f"{point} cannot be mounted")


def _copy(source: Path, target: Path) -> None:
    """With its holes."""
    _run("cp", "--sparse=always", source, target)


def _run(*command: str | Path) -> None:
    subprocess.run([str(word) for word in command], check=True, capture_output=True, stdin=subprocess.DEVNULL)


if __name__ == "__main__":
    main()

"""Frames of a real encoder, made once a process by the program that makes the test picture."""

import functools
import subprocess
import sys

from fengsui.sense.gateways.gb28181.picture import ANSWERED


@functools.cache
def encoded(
    codec: str, count: int = 60, width: int = 192, height: int = 144
) -> tuple[tuple[bool, bytes], ...]:
    """``count`` frames in Annex B, 25 a second, a key frame each second: (is key, bytes)."""
    command = [
        sys.executable,
        "-m",
        "fengsui.sense.gateways.gb28181.picture",
        "encode",
        codec,
        str(width),
        str(height),
        "25",
    ]
    process = subprocess.Popen(command, stdout=subprocess.PIPE)
    try:
        out = []
        for _ in range(count):
            is_key, length = ANSWERED.unpack(process.stdout.read(ANSWERED.size))
            out.append((bool(is_key), process.stdout.read(length)))
        return tuple(out)
    finally:
        process.kill()
        process.wait()
        process.stdout.close()

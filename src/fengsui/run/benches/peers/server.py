"""A peer's server as a child of the measurement: found, started on a free port, asked its version, stopped."""

import json
import shutil
import signal
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fengsui.run import settings
from fengsui.run.benches.peers.result import Missing
from fengsui.run.child import die_with_parent


def folder() -> Path:
    """Where ``tools/peers.sh`` puts the peers."""
    return settings.home() / "peers"


def binary(name: str) -> str:
    """A program of a peer: from ``folder()``, else from the path.  Raises Missing."""
    there = folder() / "usr" / "bin" / name
    found = str(there) if there.is_file() else shutil.which(name)
    if not found:
        raise Missing(f"{name} is not here; tools/peers.sh fetches it")
    return found


def version(*command: str) -> str:
    """The first number with dots in what the program says about itself."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=20)
    words = (done.stdout + " " + done.stderr).replace("-", " ").replace("_", " ").split()
    return next(
        (w.strip(",()v") for w in words if w.lstrip("v")[:1].isdigit() and "." in w), "of unknown version"
    )


@contextmanager
def running(command: list[str], log: Path, ready: str, seconds: float = 60) -> Iterator[None]:
    """Run ``command`` until the block ends; begins when ``ready`` answers 2xx.  Raises RuntimeError."""
    with log.open("wb") as out:
        process = subprocess.Popen(
            command, stdout=out, stderr=out, stdin=subprocess.DEVNULL, preexec_fn=die_with_parent()
        )
        try:
            deadline = time.monotonic() + seconds
            while not _answers(ready):
                if process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(f"{Path(command[0]).name}: {log.read_text(errors='replace')[-300:]}")
                time.sleep(0.1)
            yield
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def text(url: str) -> str:
    """The body of a GET."""
    with urllib.request.urlopen(url, timeout=60) as answer:
        return str(answer.read().decode())


def answer(url: str, **query: str) -> Any:
    """The JSON that a GET with ``query`` gives."""
    return json.loads(text(f"{url}?{urllib.parse.urlencode(query)}"))


def post(url: str, **query: str) -> str:
    """The answer to a form."""
    with urllib.request.urlopen(url, urllib.parse.urlencode(query).encode(), timeout=60) as said:
        return str(said.read().decode())


def metric(url: str, name: str) -> float:
    """The sum of a metric over its labels, from a page of Prometheus text."""
    lines = (line.split() for line in text(url).splitlines() if line.startswith((name + " ", name + "{")))
    return sum(float(words[-1]) for words in lines)


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2):
            return True
    except (OSError, urllib.error.URLError):
        return False

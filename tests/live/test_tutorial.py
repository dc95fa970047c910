"""The tutorial's commands, run as they stand on the page against a platform of their own."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from fengsui.run.scratch import Scratch
from tests import prepared

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "tutorial.md"
MARK = "@@ end of block"

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("tutorial")]


def blocks() -> list[tuple[str, str]]:
    """Every ``sh`` block with the ``text`` block that follows it, if one does."""
    found: list[tuple[str, str]] = []
    for kind, body in re.findall(r"^```(\w+)\n(.*?)^```$", PAGE.read_text(), re.S | re.M):
        if kind == "sh":
            found.append((body, ""))
        elif kind == "text":
            found[-1] = (found[-1][0], body)
    return found


def here(script: str, platform: Scratch) -> str:
    """The same commands with the ports and folders of the platform under test."""
    for said, real in (
        (".venv/bin/fengsui", str(Path(sys.executable).with_name("fengsui"))),
        (".venv/bin/python", sys.executable),
        ("http://127.0.0.1:8000", platform.url),
        ("port=1883", f"port={platform.mqtt_port}"),
        ("var/", f"{platform.home}/"),
    ):
        script = script.replace(said, real)
    return script


def matches(line: str, output: list[str]) -> bool:
    pattern = ".*".join(re.escape(part.strip()) for part in line.strip().split("…"))
    return any(re.search(pattern, said) for said in output)


@pytest.fixture(scope="module")
def platform(tmp_path_factory):
    made = Scratch(tmp_path_factory.mktemp("tutorial") / "var", FENGSUI_REGIONS=str(ROOT / "regions"))
    prepared.put(made.home)
    made.up("--demo")
    yield made
    assert made.stop() == 0, made.said()


def test_every_command_of_the_tutorial_does_what_the_page_says(platform):
    steps = blocks()
    script = "set -eu\n" + f"\necho '{MARK}'\n".join(here(body, platform) for body, _ in steps)
    done = subprocess.run(
        ["bash", "-c", script], cwd=ROOT, env=platform.env, capture_output=True, text=True, timeout=240
    )
    parts = done.stdout.split(f"{MARK}\n")
    for number, (said, (body, expected)) in enumerate(zip(parts, steps, strict=False), 1):
        for line in filter(str.strip, expected.splitlines()):
            assert matches(line, said.splitlines()), (
                f"block {number}\n{body}\nprinted\n{said}\nnot\n{line}\n{done.stderr[-2000:]}"
            )
    assert done.returncode == 0, f"block {len(parts)} failed\n{parts[-1]}\n{done.stderr[-3000:]}"
    assert len(parts) == len(steps)

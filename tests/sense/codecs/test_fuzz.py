"""Coverage-guided fuzzing of every codec for a bounded number of inputs: FUZZ_RUNS=1000000 for a night."""

import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from fengsui.run.benches import frames as made
from fengsui.sense.codecs import chem_json, fire_water_pressure
from fengsui.sense.codecs.registry import CODECS
from fengsui.sense.codecs.sparkplug.payload import Metric, Payload
from fengsui.sense.codecs.sparkplug.payload import encode as sparkplug

FRAMES = Path(__file__).parent / "frames"
TARGET = Path(__file__).with_name("fuzz_target.py")
RUNS = os.environ.get("FUZZ_RUNS", "4000")


def _of(name: str) -> list[bytes]:
    """A few good frames of a protocol, for the fuzzer to begin with."""
    if name == "jt808" or name.startswith("modbus"):
        lines = (FRAMES / name.split("-")[0] / "frames.jsonl").read_text().splitlines()
        return [bytes.fromhex(json.loads(line)["hex"]) for line in lines]
    now = datetime(2026, 1, 1, tzinfo=UTC)
    return {
        "hj212": lambda: made._hj212()[:3],
        "sl651": lambda: made._sl651()[:3],
        "gb26875": lambda: made._gb26875()[:3],
        "sparkplug": lambda: [sparkplug(Payload(1_767_225_600_000, 0, [Metric("T", 1, None, 10, 21.5)]))],
        "fire-water-pressure": lambda: [fire_water_pressure.encode("TEST26010007", [0.537, 0.538], now)],
    }.get(name, lambda: [])()


@pytest.mark.parametrize("name", CODECS)
def test_no_input_that_a_fuzzer_finds_breaks_a_promise_of_the_codec(name, tmp_path):
    begin, found = tmp_path / "begin", tmp_path / "found"
    begin.mkdir()
    found.mkdir()
    for number, frame in enumerate(_of(name)):
        (begin / str(number)).write_bytes(frame)
    command = [sys.executable, str(TARGET), name, f"-runs={RUNS}", "-max_len=512", "-rss_limit_mb=2048",
               f"-artifact_prefix={tmp_path}/", "-seed=1", "-print_final_stats=1", str(found), str(begin)]  # fmt: skip
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    assert f"Done {RUNS} runs" in done.stderr

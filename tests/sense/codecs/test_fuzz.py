"""Coverage-guided fuzzing of every codec for a bounded number of inputs: FUZZ_RUNS=1000000 for a night."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from fengsui.sense.codecs.registry import CODECS
from tests.sense.codecs.seeds import frames_of

TARGET = Path(__file__).with_name("fuzz_target.py")
RUNS = os.environ.get("FUZZ_RUNS", "1000")


JSON = {  # what comes by HTTP and MQTT and is no frame
    "readings-json": [
        b'{"site":"p","time":1790000000000,"datastreams":{"PT-1":1.5,"PT-2":null},"quality":{"PT-1":"bad"}}',
        b'{"readings":[{"datastream":"PT-1","time":"2026-03-01T08:00:00+08:00","value":-1e3,"unit":"kPa"}]}',
    ],
    "data-array": [
        b'[{"Datastream":{"@iot.id":1},"components":["phenomenonTime","result"],"dataArray@iot.count":1,'
        b'"dataArray":[["2026-01-01T00:00:00.000Z",1.5]]}]',
        b'[{"MultiDatastream":{"@iot.id":2},"components":["result"],"dataArray":[[[1,2]],[7]]}]',
    ],
}


@pytest.mark.parametrize("name", [*CODECS, *JSON])
def test_no_input_that_a_fuzzer_finds_breaks_a_promise_of_the_codec(name, tmp_path):
    begin, found = tmp_path / "begin", tmp_path / "found"
    begin.mkdir()
    found.mkdir()
    for number, frame in enumerate(JSON.get(name) or frames_of(name)):
        (begin / str(number)).write_bytes(frame)
    command = [sys.executable, str(TARGET), name, f"-runs={RUNS}", "-max_len=512", "-rss_limit_mb=2048",
               f"-artifact_prefix={tmp_path}/", "-seed=1", "-print_final_stats=1", str(found), str(begin)]  # fmt: skip
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    assert f"Done {RUNS} runs" in done.stderr

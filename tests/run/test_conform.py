"""``fengsui conform`` and ``fengsui simulate`` as a supplier runs them: two processes, a socket, a signed report."""

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from fengsui.sense.codecs import sl651
from fengsui.sense.conform import report


@pytest.fixture
def ran(tmp_path):
    """Start a command in a folder of its own; everything started is stopped at the end."""
    started = []

    def start(*arguments: str) -> subprocess.Popen:
        env = os.environ | {"FENGSUI_HOME": str(tmp_path / "home"), "PYTHONUNBUFFERED": "1"}
        process = subprocess.Popen(
            [sys.executable, "-m", "fengsui.run", *arguments],
            cwd=tmp_path,
            env=env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate(timeout=20)


def port_of(process: subprocess.Popen) -> str:
    line = process.stdout.readline()
    found = re.search(r"listening on 127\.0\.0\.1:(\d+)", line)
    assert found, line
    return found[1]


def test_a_good_device_gets_a_signed_pass_that_verifies(ran, tmp_path):
    kit = ran(
        "conform", "hj212", "--listen", "127.0.0.1:0", "--data-wait", "30", "--wait", "5", "--note", "验收 A"
    )
    ran("simulate", "hj212", "--dial", f"127.0.0.1:{port_of(kit)}", "--period", "1", "--resend", "3")
    said, _ = kit.communicate(timeout=120)
    assert kit.returncode == 0, said
    held, _, _ = report.verify((tmp_path / "hj212-report.json").read_bytes())
    assert held["passed"] and held["complete"] and held["note"] == "验收 A"
    assert held["device"]["identity"].startswith("53494D")
    assert all(one["wire"] for one in held["cases"] if one["id"].startswith("hj212.bad."))
    paper = tmp_path / "hj212-report.pdf"
    assert paper.read_bytes().startswith(b"%PDF-") if paper.exists() else "no PDF" in said
    check = ran("conform", "verify", "hj212-report.json")
    assert "this installation" in check.communicate(timeout=60)[0] and check.returncode == 0


def test_ctrl_c_writes_what_was_done_and_says_that_it_is_not_all(ran, tmp_path):
    kit = ran(
        "conform", "hj212", "--listen", "127.0.0.1:0", "--data-wait", "600", "--no-pdf", "--out", "r.json"
    )
    port = port_of(kit)
    ran("simulate", "hj212", "--dial", f"127.0.0.1:{port}", "--fault", "bad-crc")
    ran("simulate", "hj212", "--dial", f"127.0.0.1:{port}")
    kit.stdout.readline()
    kit.send_signal(signal.SIGINT)
    said, _ = kit.communicate(timeout=60)
    assert kit.returncode == 1, said
    held = json.loads((tmp_path / "r.json").read_text())["report"]
    assert not held["complete"] and not held["passed"] and held["counts"]["not_run"]


def test_a_report_of_another_key_is_not_taken_for_a_pass(ran, tmp_path):
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    from fengsui.sense.conform.case import Waits
    from fengsui.sense.conform.scripts import SCRIPTS
    from fengsui.sense.conform.session import Result

    script, key = SCRIPTS["hj212"], Ed25519PrivateKey.generate()
    results = [Result(case, "pass") for case in script.cases]
    told = report.build(
        script,
        results,
        version="0",
        identity="A",
        peer="",
        note="",
        waits=Waits(),
        started_ms=0,
        ended_ms=0,
        complete=True,
    )
    (tmp_path / "r.json").write_bytes(report.sign(told, key))
    (tmp_path / "key.pem").write_text(report.public_pem(key.public_key()))
    strange = ran("conform", "verify", "r.json")
    assert "anybody can sign" in strange.communicate(timeout=60)[0] and strange.returncode == 1
    trusted = ran("conform", "verify", "r.json", "--key", "key.pem")
    assert "key.pem" in trusted.communicate(timeout=60)[0] and trusted.returncode == 0


def test_several_devices_with_values_of_a_file_call_at_once(tmp_path):
    with ThreadPoolExecutor(1) as apart:  # a worker that had a browser has a loop of its own already
        levels = apart.submit(asyncio.run, _levels_of_three(tmp_path)).result(120)
    assert levels == {f"00999{n:05d}": 15.125 for n in (1, 2, 3)}


async def _levels_of_three(tmp_path) -> dict[str, float]:
    """What three simulated stations, started by the command, say of their level."""
    (tmp_path / "levels.csv").write_text("39,38\n15.125,12.5\n")
    levels: dict[str, float] = {}
    done = asyncio.Event()

    async def hear(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        rest = b""
        while data := await reader.read(65536):
            cut = sl651.feed(rest + data)
            rest = cut.rest
            for one in (one for frame in cut.frames for one in sl651.measured(frame) if one.code == "39"):
                levels[one.device] = one.value
            if len(levels) == 3:
                done.set()

    server = await asyncio.start_server(hear, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    devices = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "fengsui.run", "simulate", "sl651", "--dial", f"127.0.0.1:{port}", "--count", "3",
        "--values", str(tmp_path / "levels.csv"), "--period", "0.2",
    )  # fmt: skip
    try:
        await asyncio.wait_for(done.wait(), 60)
    finally:
        devices.kill()
        await devices.wait()
        server.close()
    return levels


@pytest.mark.parametrize(
    ("arguments", "wrong"),
    [
        (["--count", "0"], "--count is 1 to"),
        (["--count", "2", "--identity", "0012345678"], "--count is 1 to"),
        (["--values", "none.csv"], "none.csv"),
    ],
)
def test_options_that_cannot_be_are_refused(capsys, arguments, wrong):
    from fengsui.run import cli

    assert cli.run(["simulate", "sl651", "--dial", "127.0.0.1:1", *arguments]) == 2
    assert wrong in capsys.readouterr().err

"""History's housekeeping in a running pipeline: deletion by policy, and repair that keeps out of its way."""

import json
import signal
import time
from datetime import date
from pathlib import Path

import pytest

from tests.conftest import wait_until
from tests.live.plant import Plant, Writer, batch, now_ms, run

DAY = 86_400_000
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("history-command")]

POLICY = """INSERT INTO retention_policy
    (org_id, site_kind, observed_property_id, raw_days, minute_days, hour_days, reason, made_at, made_by,
     ended_by, end_reason) VALUES (NULL, '', NULL, 40, 400, NULL, 'decided', now(), 'tester', '', '')"""
HOLD = """INSERT INTO retention_hold (site_id, from_at, to_at, reason, made_at, made_by, ended_by, end_reason)
    SELECT id, now() - interval '70 days', now() - interval '50 days', 'dispute', now(), 'tester', '', ''
    FROM devices_site WHERE code = 's2'"""


@pytest.fixture
def plant(tmp_path):
    made = Plant(tmp_path / "var", FENGSUI_EPOCH_MS="200")
    try:
        made.register(2, 3)
        made.start_pipeline()
        wait_until(lambda: any(r["ready"] for r in made.roles()), 60, f"ready\n{made.tail()}")
        yield made
    finally:
        made.close()


def history(plant: Plant, *words: str) -> tuple[int, dict]:
    done = plant.made.run("history", *words, "--json")
    assert not done.stdout or done.returncode in (0, 1), done.stderr
    return done.returncode, json.loads(done.stdout or "{}")


def write(plant: Plant, *batches) -> None:
    async def go():
        async with Writer(plant, f"gw-{time.monotonic_ns()}") as writer:
            return await writer.write(*batches)

    plant.wait_committed(run(go()))


def test_the_pipeline_deletes_by_policy_what_is_not_held_and_the_ledger_still_balances(plant):
    now = now_ms()
    old = now - 60 * DAY
    write(
        plant,
        batch(1, [1, 2, 3], old, 1.0, source="steward:a"),
        batch(1, [1, 2, 3], old + 1000, 2.0, source="steward:a"),
        batch(2, [4, 5], old, 3.0, source="steward:b"),
        batch(1, [1], now, 9.0, source="dev"),
    )
    plant.pipeline.send_signal(signal.SIGSTOP)  # it would have deleted before we have asked
    plant.sql(POLICY)
    plant.sql(HOLD)
    _, said = history(plant, "retention", "--dry-run")
    plant.pipeline.send_signal(signal.SIGCONT)
    assert [(row["kind"], row["rows"]) for row in said["due"]] == [("raw", 6)]
    assert (said["policy"][0]["raw_days"], said["holds"][0]["site"]) == (40, "s2")
    wait_until(
        lambda: plant.one("SELECT coalesce(sum(rows), 0) FROM history_deletion") == 6,
        30,
        f"six readings are deleted\n{plant.tail()}",
    )
    day = date.fromtimestamp(old / 1000)
    kept = plant.sql("SELECT rows FROM history_segment WHERE day < %s", [day.replace(year=day.year + 1)])
    assert sorted(kept) == [(1,), (2,)]
    code, ledger = plant.ledger("--deep", "--minutes", "10")
    assert code == 0, ledger["lines"]
    lines = {line["source"]: line for line in ledger["lines"] if line["boundary"] == "history"}
    assert (lines["steward:a"]["found"], lines["steward:a"]["deleted"]) == (0, 6)
    assert (lines["steward:b"]["found"], lines["steward:b"]["deleted"]) == (2, 0)
    code, said = history(plant, "retention", "--dry-run")
    assert said["due"] == []
    assert said["deleted"]["raw"]["rows"] == 6
    ((actor, detail),) = plant.sql(
        "SELECT actor_name, detail FROM audit_entry WHERE action = 'history.deleted'"
    )
    assert (actor, detail["rows"], detail["kind"]) == ("pipeline", 6, "raw")
    assert history(plant, "verify")[0] == 0


def test_repair_waits_for_no_pipeline_and_disturbs_none(plant):
    write(plant, batch(1, [1, 2, 3], now_ms(), 1.0, source="dev"))
    (path,) = plant.segments()
    whole = Path(path).read_bytes()
    Path(path).write_bytes(whole[:-40] + bytes(8) + whole[-32:])
    assert history(plant, "verify")[0] == 1
    done = plant.made.run("history", "repair")
    assert done.returncode == 2
    assert "partition 0" in done.stderr
    assert plant.segments() == [path]
    assert plant.stop_pipeline() == 0
    code, said = history(plant, "repair")
    (repaired,) = said["repaired"]
    assert repaired["kept"] + repaired["lost"] == 3
    assert code == (1 if repaired["lost"] else 0)
    plant.start_pipeline()
    write(plant, batch(1, [1, 2, 3], now_ms(), 2.0, source="dev"))
    assert history(plant, "verify")[0] == 0

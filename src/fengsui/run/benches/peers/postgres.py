"""PostgreSQL 18 (the embedded one): binary COPY of rows, a rule table, and a trigger in SQL that judges each COPY.

One transaction a request with synchronous commit, so a yes means synced.  The trigger sees the rows of its statement
as a table and joins them with one rule a datastream: every reading is judged, as ours are.  No index on the readings:
queries would want one, and it would cost half of this figure.
"""

import math
import signal
import subprocess
import threading
import time
from pathlib import Path

import numpy as np
import psycopg

from fengsui.run import postgres as server
from fengsui.run.benches.peers.result import Result
from fengsui.run.benches.peers.work import SETPOINT, Work
from fengsui.run.child import die_with_parent
from fengsui.run.scratch import free_ports

NAME = "PostgreSQL"
CONNECTIONS = 4
TABLES = """
CREATE TABLE reading (datastream int NOT NULL, at timestamptz NOT NULL, value float8 NOT NULL);
CREATE TABLE rule (datastream int PRIMARY KEY, setpoint float8 NOT NULL);
CREATE TABLE alarm (datastream int NOT NULL, at timestamptz NOT NULL, value float8 NOT NULL,
                    PRIMARY KEY (datastream, at));
CREATE FUNCTION judge() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO alarm SELECT f.datastream, f.at, f.value FROM fresh f JOIN rule r USING (datastream)
        WHERE f.value >= r.setpoint ON CONFLICT DO NOTHING;
    RETURN NULL;
END $$;
CREATE TRIGGER judged AFTER INSERT ON reading REFERENCING NEW TABLE AS fresh
    FOR EACH STATEMENT EXECUTE FUNCTION judge();
"""
ROW = np.dtype(
    [
        ("fields", ">i2"),
        ("a", ">i4"),
        ("datastream", ">i4"),
        ("b", ">i4"),
        ("at", ">i8"),
        ("c", ">i4"),
        ("value", ">f8"),
    ]
)
HEADER, TRAILER = b"PGCOPY\n\xff\r\n\0" + bytes(8), b"\xff\xff"
EPOCH_2000_MS = 946_684_800_000


def measure(work: Work, seconds: float, folder: Path) -> list[Result]:
    work = work.again()
    (port,) = free_ports(1)
    server.initialise(folder / "data", "peers")
    command = server.command(folder / "data", port, max_wal_size="4GB", shared_buffers="1GB")
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, preexec_fn=die_with_parent(signal.SIGINT))
        try:
            return [_run(work, seconds, f"postgresql://fengsui:peers@127.0.0.1:{port}/fengsui")]
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(60)


def _run(work: Work, seconds: float, url: str) -> Result:
    deadline = time.monotonic() + 30
    while True:
        try:
            server.create_database(url)
            break
        except psycopg.OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(TABLES)
        connection.execute(
            "INSERT INTO rule SELECT g, %s FROM generate_series(0, %s) g",
            [SETPOINT, work.sites * work.tags - 1],
        )
        connection.execute("ANALYZE rule")
    first, _took = _copy(work, url, math.inf, range(1))
    requests, took = _copy(work, url, seconds, range(1, 1 << 40))
    readings = requests * work.readings
    with psycopg.connect(url) as connection:
        stored, version = connection.execute("SELECT count(*), version() FROM reading").fetchone() or (0, "")
        (alarms,) = connection.execute("SELECT count(*) FROM alarm").fetchone() or (0,)
    if stored != readings + first * work.readings or not alarms:
        raise RuntimeError(f"{readings} readings sent, {stored} stored, {alarms} above their limit")
    note = f"{version.split()[1]}; binary COPY, {work.readings:,} readings a transaction, synchronous commit, no index"
    note += f"; {alarms:,} readings above their limit"
    return Result(NAME, "COPY with SQL rules", readings / took, "", note)


def _copy(work: Work, url: str, seconds: float, turns: range) -> tuple[int, float]:
    """Requests committed and how long it took."""
    done = [0] * CONNECTIONS
    errors: list[Exception] = []
    began = time.monotonic()

    def send(first: int) -> None:
        try:
            with psycopg.connect(url) as connection:
                for turn in turns:
                    for site in range(first, work.sites, CONNECTIONS):
                        if time.monotonic() > began + seconds or errors:
                            return
                        with connection.cursor().copy("COPY reading FROM STDIN (FORMAT binary)") as copy:
                            copy.write(rows(work, site, turn))
                        connection.commit()
                        done[first] += 1
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=send, args=(n,)) for n in range(CONNECTIONS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
    return sum(done), time.monotonic() - began


def rows(work: Work, site: int, turn: int) -> bytes:
    """A request as binary COPY: https://www.postgresql.org/docs/current/sql-copy.html, "Binary Format"."""
    table = np.empty((work.instants, work.tags), ROW)
    table["fields"], table["a"], table["b"], table["c"] = 3, 4, 8, 8
    table["datastream"] = site * work.tags + np.arange(work.tags)
    table["at"] = (np.array(work.times_ms(turn))[:, None] - EPOCH_2000_MS) * 1000
    table["value"] = work.values(site, turn)
    return HEADER + table.tobytes() + TRAILER

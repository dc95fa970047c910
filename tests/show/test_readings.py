"""Readings over the API, from a history on disk: curves of one and of many, downloads, and who may see them."""

import asyncio
import contextlib
import io
import threading
import time

import nats
import numpy as np
import pyarrow.parquet as pq
import pytest
from django.conf import settings

from fengsui.stores.history import Catalogue, recent, write_segments
from tests.show.test_api import API, get
from tests.stores.history.conftest import DAY, NAMES, T0, make_rows

# One of these tests at a time: some answer for a pipeline, on the one bus of the run, what others would hear.
pytestmark = pytest.mark.xdist_group("asks-pipelines")

HOUR = 3_600_000
PARTITIONS = settings.PARTITIONS
COUNT = 3_600


@pytest.fixture
def streams(world, settings, tmp_path):
    """Three datastreams of the plant, an hour of readings each second; the second has none; one of another city."""
    settings.HISTORY_ROOT = tmp_path / "history"
    made = [world.stream, *(world.add_stream(world.site, code, code) for code in ("P8", "P9"))]
    made.append(world.other_stream)
    at = T0 + np.arange(COUNT) * 1_000
    value = np.sin(np.arange(COUNT) / 50)
    value[777] = 99.5
    ids = [made[0].pk, made[2].pk, made[3].pk]
    rows = make_rows(np.repeat(ids, COUNT), np.tile(at, 3), np.concatenate((value, -value, value)))
    catalogue = Catalogue.default()
    catalogue.add(write_segments(catalogue.folder, 0, rows, NAMES))
    return made


def curves(client, site, ids, **query):
    query = {"from": T0, "to": T0 + HOUR, "points": 400} | query
    return get(client, f"sites/{site.code}/readings", ids=",".join(map(str, ids)), **query)


def test_one_curve_keeps_its_extremes_and_says_how_many_rows_there_are(world, open_as, streams):
    status, body = get(
        open_as(world.officer), f"datastreams/{streams[0].pk}/readings", **{"from": T0, "to": T0 + HOUR, "points": 400}
    )  # fmt: skip
    assert status == 200
    assert (body["rows"], body["sampled"]) == (COUNT, True)
    assert len(body["time_ms"]) <= 400
    assert max(body["v"]) == 99.5
    assert (body["time_ms"][0], body["time_ms"][-1]) == (T0, T0 + (COUNT - 1) * 1_000)


def test_many_curves_are_what_each_would_be_alone_in_the_order_asked(world, open_as, streams):
    client = open_as(world.officer)
    ids = [streams[2].pk, streams[1].pk, streams[0].pk]
    status, body = curves(client, world.site, ids)
    assert status == 200
    assert [curve["id"] for curve in body["curves"]] == ids
    for curve in body["curves"]:
        alone = get(
            client, f"datastreams/{curve['id']}/readings", **{"from": T0, "to": T0 + HOUR, "points": 400}
        )[1]
        assert {k: v for k, v in curve.items() if k != "id"} == {k: alone[k] for k in curve if k != "id"}
    assert [curve["rows"] for curve in body["curves"]] == [COUNT, 0, COUNT]


def test_a_span_is_half_open(world, open_as, streams):
    _, body = curves(
        open_as(world.officer), world.site, [streams[0].pk], **{"from": T0 + 5_000, "to": T0 + 8_000}
    )
    assert body["curves"][0]["time_ms"] == [T0 + 5_000, T0 + 6_000, T0 + 7_000]


@pytest.mark.parametrize(
    ("query", "what"),
    [
        ({"ids": "1; DROP TABLE x"}, "ids are the numbers"),
        ({"ids": ""}, "ids are the numbers"),
        ({"ids": ",".join(map(str, range(1, 202)))}, "1 to 200"),
        ({"ids": "99999999999"}, "ids are the numbers"),
        ({"from": "yesterday"}, "from is an instant"),
        ({"from": "2026-01-01T00:00:00"}, "with its offset"),
        ({"from": str(T0 + DAY), "to": str(T0)}, "from must be before to"),
        ({"from": str(T0), "to": str(T0 + 500 * DAY)}, "at most 400 days"),
    ],
)
def test_what_cannot_be_drawn_is_refused_with_the_reason(world, open_as, streams, query, what):
    query = {"ids": str(streams[0].pk), "from": str(T0), "to": str(T0 + HOUR)} | query
    status, body = get(open_as(world.officer), f"sites/{world.site.code}/readings", **query)
    assert status == 422, body
    assert what in body["message"]


def test_a_datastream_of_another_site_is_not_served_through_this_one(world, open_as, streams):
    status, body = curves(open_as(world.root), world.site, [streams[0].pk, streams[3].pk])
    assert status == 422
    assert str(streams[3].pk) in body["message"]


def test_downloads_hold_every_row(world, open_as, streams):
    client = open_as(world.officer)
    path = f"{API}datastreams/{streams[0].pk}/readings?from={T0}&to={T0 + HOUR}&format="
    csv = b"".join(client.get(path + "csv").streaming_content).decode("utf-8-sig").splitlines()
    assert len(csv) == COUNT + 1
    answer = client.get(path + "parquet")
    assert answer["Content-Disposition"].startswith(f'attachment; filename="{world.site.code}-P7-')
    table = pq.read_table(io.BytesIO(b"".join(answer.streaming_content)))
    assert table.num_rows == COUNT
    assert max(table["value"].to_pylist()) == 99.5


def test_a_stranger_gets_no_reading_in_any_form(world, open_as, streams):
    for who in (world.stranger, world.nobody):
        client = open_as(who)
        assert curves(client, world.site, [streams[0].pk])[0] == 404
        for form in ("json", "csv", "parquet"):
            path = f"{API}datastreams/{streams[0].pk}/readings?from={T0}&to={T0 + HOUR}&format={form}"
            assert client.get(path).status_code == 404


@contextlib.contextmanager
def pipeline_holds(url, site, rows, as_of_ms):
    """Somebody who answers for the partition of ``site`` as a pipeline does that took ``rows`` and committed none."""
    ready, over = threading.Event(), threading.Event()

    async def serve():
        nc = await nats.connect(url)

        async def say(message):
            await message.respond(recent.answer(message.data, [([rows], [], NAMES)], as_of_ms, 1 << 20))

        await nc.subscribe(recent.SUBJECT.format(site.pk % PARTITIONS), cb=say)
        await nc.flush()
        ready.set()
        await asyncio.to_thread(over.wait)
        await nc.close()

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    assert ready.wait(10)
    try:
        yield
    finally:
        over.set()
        thread.join(10)


def test_what_the_pipeline_has_not_committed_is_in_curves_and_downloads_once(
    world, open_as, streams, nats_url
):
    client, (one, two) = open_as(world.officer), (streams[0], streams[1])
    at = [T0 + HOUR - 1000, T0 + HOUR, T0 + HOUR + 1]  # the first is stored already
    hot = make_rows([one.pk] * 3 + [two.pk], [*at, at[1]], [7.0, 8.0, 9.0, 10.0])
    asked = {"to": T0 + HOUR + 5000, "points": 2000}
    path = f"{API}datastreams/{one.pk}/readings?from={T0}&to={T0 + HOUR + 5000}&format="
    now = time.time_ns() // 1_000_000
    with pipeline_holds(nats_url, world.site, hot, now):
        _, body = curves(client, world.site, [one.pk, two.pk], **asked)
        csv = client.get(path + "csv")
        lines = b"".join(csv.streaming_content).decode("utf-8-sig").splitlines()
        parquet = client.get(path + "parquet")
        table = pq.read_table(io.BytesIO(b"".join(parquet.streaming_content)))
    assert (body["fresh"], body["as_of_ms"], body["only_aggregates"]) == (True, now, None)
    assert [curve["rows"] for curve in body["curves"]] == [COUNT + 2, 1]
    assert body["curves"][0]["v"][-1] == 9.0
    assert len(lines) == 1 + COUNT + 2
    assert csv["X-Fengsui-Fresh"] == parquet["X-Fengsui-Fresh"] == "yes"
    assert table["value"].to_pylist()[-2:] == [8.0, 9.0]


def test_a_pipeline_that_is_behind_the_bus_is_not_fresh(world, open_as, streams, nats_url):
    long_ago = time.time_ns() // 1_000_000 - 60_000
    with pipeline_holds(nats_url, world.site, make_rows([], []), long_ago):
        _, body = curves(open_as(world.officer), world.site, [streams[0].pk])
    assert (body["fresh"], body["as_of_ms"]) == (False, long_ago)


def test_without_a_pipeline_the_files_answer_and_say_that_they_are_not_fresh(world, open_as, streams):
    client = open_as(world.officer)
    _, body = curves(client, world.site, [streams[0].pk])
    assert (body["fresh"], body["as_of_ms"]) == (False, None)
    assert body["curves"][0]["rows"] == COUNT
    path = f"{API}datastreams/{streams[0].pk}/readings?from={T0}&to={T0 + HOUR}&format=csv"
    assert client.get(path)["X-Fengsui-Fresh"] == "no"

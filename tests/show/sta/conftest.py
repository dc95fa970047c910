"""A plant with readings at rest, and clients that speak to the service as other programs do."""

import json
from urllib.parse import quote

import numpy as np
import pytest

from tests.stores.history.conftest import NAMES, T0, make_rows

ROOT = "/sta/v1.1"
COUNT = 3_600


class Sta:
    """A client of one person: addresses behind ROOT, options as keywords without their $."""

    def __init__(self, client):
        self.client = client

    def ask(self, path="", /, **options):
        query = "&".join(f"${name}={quote(str(value))}" for name, value in options.items())
        answer = self.client.get(f"{ROOT}/{path}" + (f"?{query}" if query else ""))
        kind = answer.headers.get("Content-Type", "")
        return answer.status_code, json.loads(answer.content) if "json" in kind else answer.content.decode()

    def get(self, path="", /, **options):
        status, body = self.ask(path, **options)
        assert status == 200, body
        return body

    def names(self, path, /, **options):
        return [item["name"] for item in self.get(path, **options)["value"]]

    def follow(self, path, /, **options):
        """Every item of a list, page after page."""
        body = self.get(path, **options)
        items = list(body["value"])
        while "@iot.nextLink" in body:
            answer = self.client.get(body["@iot.nextLink"].removeprefix("http://testserver"))
            assert answer.status_code == 200, answer.content
            body = json.loads(answer.content)
            items += body["value"]
        return items


@pytest.fixture
def sta(world, open_as):
    """``sta(user)`` speaks for a user; without one for the duty officer of Yichang."""
    return lambda user=None: Sta(open_as(user or world.officer))


@pytest.fixture
def readings(world, settings, tmp_path):
    """An hour of readings each second: of the plant's P7 0 to 3599, of P8 minus that; of the other city's F1 as P7."""
    from fengsui.stores.history import Catalogue, write_segments

    settings.HISTORY_ROOT = tmp_path / "history"
    p8 = world.add_stream(world.site, "P8", "P8", "kPa")
    ids = [world.stream.pk, world.other_stream.pk, p8.pk]
    at = T0 + np.arange(COUNT) * 1_000
    value = np.arange(COUNT, dtype=float)
    rows = make_rows(np.repeat(ids, COUNT), np.tile(at, 3), np.concatenate((value, value, -value)))
    order = np.lexsort((rows.time_ms, rows.datastream))
    catalogue = Catalogue.default()
    catalogue.add(write_segments(catalogue.folder, 0, rows.take(order), NAMES))
    return world.stream, p8, world.other_stream

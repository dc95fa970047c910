"""Readings by condition and order: what is found is what a plain look at all rows would find, page after page."""

import numpy as np
import pytest
from django.utils import timezone

from fengsui.base.quality import Reason
from fengsui.stores.history.rows import to_table
from tests.stores.history.conftest import DAY, NAMES, T0, make_rows

pytestmark = pytest.mark.django_db
IDS = np.array([3, 5, 9], np.int32)


@pytest.fixture
def rows(settings, tmp_path):
    """Three datastreams, 400 readings each, over 40 days, at instants that they partly share."""
    from fengsui.stores.history import Catalogue, write_segments

    settings.HISTORY_ROOT = tmp_path / "history"
    random = np.random.default_rng(7)
    parts = [np.sort(random.choice(4000, 400, replace=False)) for _ in IDS]
    time_ms = T0 + np.concatenate(parts) * (DAY // 100)
    value = random.integers(-50, 50, 1200).astype(float)
    value[::37] = np.nan
    made = make_rows(np.repeat(IDS, 400), time_ms, value)
    order = np.lexsort((made.time_ms, made.datastream))
    catalogue = Catalogue.default()
    catalogue.add(write_segments(catalogue.folder, 0, made.take(order), NAMES))
    return made


def plain(rows, keep, falls=False):
    """(datastream, time) of the rows at ``keep`` by time, then datastream."""
    at = np.flatnonzero(keep)
    sign = -1 if falls else 1
    order = at[np.lexsort((rows.datastream[at], sign * rows.time_ms[at]))]
    return list(zip(rows.datastream[order].tolist(), rows.time_ms[order].tolist(), strict=True))


def keys(table):
    return list(zip(table["datastream"].to_pylist(), table["time"].cast("int64").to_pylist(), strict=True))


@pytest.mark.parametrize("falls", [False, True])
def test_pages_by_time_are_all_of_it_in_order(rows, falls):
    from fengsui.stores.history import search

    asked = search.Asked(IDS[:2], T0 + DAY, T0 + 35 * DAY, "value > $p", {"p": 0.0}, falls=falls)
    inside = (rows.time_ms >= T0 + DAY) & (rows.time_ms < T0 + 35 * DAY) & np.isin(rows.datastream, IDS[:2])
    wanted = plain(rows, inside & (rows.value > 0), falls)
    found: list = []
    while True:
        after = (found[-1][1], found[-1][0]) if found else None
        page = keys(search.page(search.replace(asked, after=after), 37))
        found += page
        if len(page) < 37:
            break
    assert found == wanted
    assert search.count(asked) == len(wanted)
    assert keys(search.page(asked, 10, skip=30)) == wanted[30:40]


def test_the_first_of_each_and_the_span_of_each(rows):
    from fengsui.stores.history import search

    newest = search.each(search.Asked(IDS, *search_all(), falls=True), 3)
    wanted = [key for pk in IDS for key in plain(rows, rows.datastream == pk, True)[:3]]
    assert keys(newest) == wanted
    spans = search.spans(np.append(IDS, np.int32(11)))
    assert spans == {
        int(pk): (int(rows.time_ms[rows.datastream == pk].min()), int(rows.time_ms[rows.datastream == pk].max()))
        for pk in IDS
    }  # fmt: skip


def search_all():
    return -(1 << 62), 1 << 62


def test_a_corrected_reading_is_judged_as_corrected(rows):
    from fengsui.stores.history import search
    from fengsui.stores.history.models import Correction

    pk, at = 3, int(rows.time_ms[rows.datastream == 3][5])
    for shift in (500.0, 777.0):
        Correction.objects.create(
            datastream=pk, from_ms=at, to_ms=at + 1, factor=0, shift=shift, quality=2, reason="r", made_by="x"
        )  # fmt: skip
    asked = search.Asked(IDS, *search_all(), "value > $p", {"p": 400.0}, (("value", True),))
    (found,) = search.page(asked, 10).to_pylist()
    assert (found["datastream"], found["value"], found["quality"], found["reason"]) == (
        pk,
        777.0,
        2,
        Reason.CORRECTED,
    )
    assert search.count(asked) == 1
    Correction.objects.update(withdrawn_at=timezone.now())
    assert search.count(asked) == 0


def test_what_is_not_committed_yet_is_there_once(rows):
    from fengsui.stores.history import search

    old = int(rows.time_ms[rows.datastream == 5][0])
    new = T0 + 50 * DAY
    recent = to_table(make_rows([5, 5, 9, 12], [old, new, new, new], [1.0, 2.0, 3.0, 4.0]), NAMES)
    asked = search.Asked(IDS, *search_all(), falls=True)
    assert keys(search.page(asked, 3, recent=recent))[:2] == [(5, new), (9, new)]
    assert search.count(asked, recent) == 1202
    assert keys(search.page(search.replace(asked, falls=False), 2000, recent=recent)).count((5, old)) == 1


def test_what_would_look_through_too_much_is_refused(rows, monkeypatch):
    from fengsui.stores.history import search

    monkeypatch.setattr(search, "MOST", 100)
    monkeypatch.setattr(search, "FEW", 2)
    with pytest.raises(search.TooMuch):
        search.count(search.Asked(IDS, *search_all()))
    assert search.count(search.Asked(IDS[:2], *search_all())) == 800


def test_what_is_left_out_and_what_alone_is_wanted(rows):
    from fengsui.stores.history import search

    some = plain(rows, rows.datastream == 3)[:4]
    asked = search.Asked(IDS, *search_all())
    assert search.count(search.replace(asked, without=some)) == 1196
    assert keys(search.page(search.replace(asked, only=some), 10)) == some
    assert search.count(search.replace(asked, only=[])) == 0

"""Runs of flagged readings."""

import numpy as np
import pytest

from fengsui.base.quality import Reason
from fengsui.govern.quarantine import spans
from fengsui.govern.quarantine.models import FlagSpan

FROZEN, LATE = int(Reason.FROZEN), int(Reason.LATE)


def fold(is_open, rows):
    columns = [np.array(c) for c in zip(*rows, strict=True)] if rows else [np.zeros(0)] * 4
    datastream, time_ms, reason, is_new = columns
    return spans.fold(
        is_open,
        datastream.astype(np.int32),
        time_ms.astype(np.int64),
        reason.astype(np.uint8),
        is_new.astype(bool),
    )


def as_lists(is_open):
    return {reason: list(found) for reason, found in is_open.items()}


def test_a_run_opens_goes_on_and_closes_with_the_first_newer_reading_without_the_flag():
    turn, is_open = fold({}, [(7, 10, 0, True), (7, 20, FROZEN, True), (7, 30, FROZEN, True)])
    assert turn.extended == [(7, FROZEN, 20, 30, 2)]
    assert turn.closed == []
    assert as_lists(is_open) == {FROZEN: [7]}
    turn, is_open = fold(is_open, [(7, 40, FROZEN, True), (8, 40, 0, True)])
    assert turn.extended == [(7, FROZEN, 40, 40, 1)]
    assert as_lists(is_open) == {FROZEN: [7]}
    turn, is_open = fold(is_open, [(7, 50, 0, True)])
    assert (turn.extended, turn.closed, is_open) == ([], [(7, FROZEN)], {})


def test_a_run_may_open_and_close_within_one_epoch():
    turn, is_open = fold({}, [(7, 10, FROZEN, True), (7, 20, 0, True)])
    assert (turn.extended, turn.closed, is_open) == ([(7, FROZEN, 10, 10, 1)], [(7, FROZEN)], {})


def test_a_late_row_does_not_end_a_run_and_another_flag_does():
    _turn, is_open = fold({}, [(7, 10, FROZEN, True)])
    turn, is_open = fold(is_open, [(7, 5, LATE, False)])
    assert as_lists(is_open) == {LATE: [7], FROZEN: [7]}
    turn, is_open = fold(is_open, [(7, 20, FROZEN, True)])
    assert turn.closed == [(7, LATE)]
    assert as_lists(is_open) == {FROZEN: [7]}


def test_nothing_flagged_and_nothing_open_is_nothing_to_do():
    turn, is_open = fold({}, [(7, 10, 0, True)])
    assert (turn.extended, turn.closed, is_open) == ([], [], {})


@pytest.mark.django_db
def test_spans_are_kept_and_read_again(plant):
    stream, site = plant.level_e, plant.site_e
    spans.write(spans.Turn([(stream.pk, FROZEN, 1000, 2000, 2), (999_999, FROZEN, 1, 2, 1)], []))
    spans.write(spans.Turn([(stream.pk, FROZEN, 3000, 4000, 5)], []))
    span = FlagSpan.objects.get()
    assert (span.count, span.is_open, span.org_path) == (7, True, site.org_path)
    assert (span.first_at.timestamp(), span.last_at.timestamp()) == (1, 4)
    assert as_lists(spans.read_open(0, 1)) == {FROZEN: [stream.pk]}
    assert spans.read_open(site.pk % 2 + 1, 2) == {} or spans.read_open((site.pk + 1) % 2, 2) == {}
    spans.write(spans.Turn([], [(stream.pk, FROZEN)]))
    assert spans.read_open(0, 1) == {}

"""A scorecard as a file: CSV of its lines, or a workbook with lines, the whole, contributors and definitions."""

import csv
import io
from collections.abc import Iterator
from typing import Any

from fengsui.show.lists.scorecard import Card
from fengsui.warn.alarms.figures import VALUES, Figures

HEAD = (
    "of", "alarms", "per_day", "per_10_min", "peak_10_min", "flood_share", "chattering", "stale", "standing",
    "top_share", "real", "false", "test", "warned", "missed", "hit_rate", "false_alarm_ratio", "lead_s",
    "median_ack_s", "p90_ack_s",
)  # fmt: skip
TYPES = {
    "csv": "text/csv; charset=utf-8",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}


def lines(card: Card) -> Iterator[tuple[Any, ...]]:
    """A row for each line of the card, in the order of HEAD."""
    for score in card.scores():
        b, v = score.burden, score.verdicts
        yield (
            _text(" ".join(score.of)), b.alarms, b.per_day, b.per_10_min, b.peak_10_min, b.flood_share,
            b.chattering, b.stale, b.standing, b.top_share, v.real, v.false, v.test, v.warned, v.missed, v.hit_rate,
            v.false_alarm_ratio, v.lead_s, score.median_ack_s, score.p90_ack_s,
        )  # fmt: skip


def as_csv(card: Card) -> bytes:
    """Lines only; opens in spreadsheets as UTF-8."""
    out = io.StringIO()
    rows = csv.writer(out)
    rows.writerow(HEAD)
    rows.writerows(lines(card))
    return ("\ufeff" + out.getvalue()).encode()


def as_xlsx(card: Card, figures: Figures) -> bytes:
    """Four sheets: lines, whole, contributors, definitions."""
    import openpyxl

    book = openpyxl.Workbook(write_only=True)

    def sheet(name: str, head: tuple[str, ...], rows: Any) -> None:
        made = book.create_sheet(name)
        made.freeze_panes = "A2"
        made.append(head)
        for row in rows:
            made.append(row)

    sheet("lines", HEAD, lines(card))
    whole: list[tuple[str, float | None]] = []
    if len(card):
        b = card.whole()
        names = (
            "alarms", "per_day", "per_10_min", "peak_10_min", "over_10_share", "flood_share", "chattering", "stale",
            "standing", "top_share",
        )  # fmt: skip
        whole = [(name, getattr(b, name)) for name in names]
        whole += [(f"priority_{level}_alarms", n) for level, n, _share in card.priorities()]
        whole += [(f"priority_{level}_share", share) for level, _n, share in card.priorities()]
    sheet("whole", ("figure", "value"), whole)
    top = [(c.site, c.datastream, c.kind, c.rule, c.alarms, c.share) for c in card.contributors()]
    sheet("contributors", ("site", "datastream", "kind", "rule", "alarms", "share"), top)
    defined = [(name, figures.values[name], str(VALUES[name][3])) for name in VALUES]
    sheet("definitions", ("name", "value", "words"), defined)
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def _text(words: str) -> str:
    """As a cell that no spreadsheet takes for a formula."""
    return "'" + words if words[:1] in ("=", "+", "-", "@") else words

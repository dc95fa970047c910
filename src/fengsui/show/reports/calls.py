"""Call-and-confirm of one warning on paper: figures, counties, every place with who confirmed and when."""

import json
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import typst
from django.utils import timezone

from fengsui.sense.conform.pdf import chinese_font
from fengsui.show.lists import calls as lists
from fengsui.warn.calls.models import How
from fengsui.warn.warnings.models import Message

TEMPLATE = Path(__file__).with_name("calls.typ")
MOST = 5000  # places on paper


def make(user: Any, message: Message, at: datetime, folders: Sequence[Path] = ()) -> bytes:
    """The PDF of what ``user`` sees.  Raises NoFont."""
    rows = lists.board(user, message).prefetch_related("calls").order_by("org_path")[:MOST]
    shown = {
        "font": chinese_font(folders),
        "title": message.headline or message.event,
        "number": message.identifier,
        "made": _time(at),
        "sent": _time(message.sent_at),
        "is_exercise": message.status == "Exercise",
        "summary": _figures(lists.summary(user, message)),
        "counties": [
            {"name": name or "—", **_figures(figures)}
            for _pk, name, _en, figures in lists.by_county(user, message)
        ],
        "places": [_place(row) for row in rows],
    }
    return bytes(
        typst.compile(
            TEMPLATE.read_bytes(),
            format="pdf",
            font_paths=typst.Fonts(font_paths=[str(one) for one in folders]),
            sys_inputs={"report": json.dumps(shown, ensure_ascii=False)},
        )
    )


STATES = {"confirmed": "已叫应", "calling": "叫应中", "nobody": "无人应答", "ended": "已终止"}
HOWS = {How.PORTAL: "门户", How.CODE: "确认码", How.PHONE: "电话"}


def _place(row: Any) -> dict[str, str]:
    took = (row.confirmed_at - row.opened_at).total_seconds() if row.confirmed_at else None
    return {
        "county": row.county.name if row.county else "—",
        "name": row.org.name,
        "state": STATES[row.state],
        "called": "、".join(f"{call} {_time(call.at)[11:]}" for call in row.calls.all()) or "—",
        "by": row.confirmed_by or "—",
        "how": HOWS.get(row.how, "—") + (f"（{row.recorded_by} 登记）" if row.recorded_by else ""),
        "at": _time(row.confirmed_at) if row.confirmed_at else "—",
        "took": "—" if took is None else f"{took:.0f} s",
    }


def _figures(one: lists.Summary) -> dict[str, str]:
    return {
        "places": str(one.places),
        "confirmed": str(one.confirmed),
        "call_rate": _share(one.call_rate),
        "confirm_rate": _share(one.confirm_rate),
        "in_time_rate": _share(one.in_time_rate),
        "above": str(one.above),
        "nobody": str(one.nobody),
        "median": "—" if one.median_s is None else f"{one.median_s:.0f} s",
    }


def _share(part: float | None) -> str:
    return "—" if part is None else f"{part:.1%}"


def _time(at: datetime) -> str:
    return f"{timezone.localtime(at):%Y-%m-%d %H:%M:%S}"

"""What was typed in the form of a commitment, as the service takes it, and back into the form."""

from collections.abc import Mapping
from typing import Any

from django.http import QueryDict

from fengsui.warn.commitments.said import NEEDS_PERMIT, WORKS, label

NUMBERS = ("units", "running", "stopped_units", "overhaul")
MORE_NUMBERS = ("contractors", "changes")
FLAGS = ("start_up", "trial", "pilot", "major_danger", "responsibility")


def typed(post: QueryDict) -> dict[str, Any]:
    """The values of the service from a request."""
    values: dict[str, Any] = {
        name: post.get(name, "") for name in (*NUMBERS, *MORE_NUMBERS, "risk_grade", "principal")
    }
    values |= {name: bool(post.get(name)) for name in (*FLAGS, "promise")}
    values["stopped"] = post.getlist("stopped")
    values["works"] = {
        kind: {"count": post.get(f"n-{kind}", ""), "permits": post.get(f"p-{kind}", "")} for kind in WORKS
    }
    return values


def explained(post: QueryDict) -> dict[str, str]:
    """Key of a doubt → what was said about it."""
    return {name.removeprefix("why-"): post[name] for name in post if name.startswith("why-")}


def fields(values: Mapping[str, Any], problems: Mapping[str, str]) -> dict[str, Any]:
    """Rows for the template: numbers, works, flags; ``problems`` field → words."""

    def number(name: str) -> dict[str, Any]:
        return {
            "name": name,
            "label": label(name),
            "value": values.get(name, ""),
            "problem": problems.get(name, ""),
        }

    works = []
    given = values.get("works") or {}
    for kind in WORKS:
        row = given.get(kind) or {}
        permits = row.get("permits") or ""
        works.append(
            {
                "kind": kind,
                "label": label(kind),
                "count": row.get("count", ""),
                "permits": permits if isinstance(permits, str) else "; ".join(permits),
                "needs": kind in NEEDS_PERMIT,
                "problem": problems.get(kind, ""),
            }
        )
    flags = [{"name": name, "label": label(name), "on": bool(values.get(name))} for name in FLAGS]
    return {
        "units": [number(name) for name in NUMBERS],
        "others": [number(name) for name in MORE_NUMBERS],
        "works": works,
        "has_others": any(not one["needs"] and (one["count"] or one["permits"]) for one in works),
        "flags": flags,
    }

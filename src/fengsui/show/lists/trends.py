"""The figures of a trend report: one part of the tree, one span, beside the span before; plain data, as JSON keeps it.

Every figure comes from where its page takes it (``scorecard``, ``commitments``, ``patrols``, ``risk``), so that paper
and page cannot differ.
"""

import datetime
from collections import Counter
from types import SimpleNamespace
from typing import Any

import numpy as np
from django.db.models import Count, Q
from django.utils import timezone, translation

from fengsui.people.orgs.models import Org
from fengsui.sense.devices.models import Datastream, Site
from fengsui.show.lists import commitments, patrols
from fengsui.show.lists.scorecard import scorecard
from fengsui.warn.alarms.models import Alarm
from fengsui.warn.commitments.models import Commitment, Missing
from fengsui.warn.risk import plain
from fengsui.warn.risk.weights import Weights
from fengsui.warn.risks import services as risks
from fengsui.warn.risks.models import RiskChange

PERIODS = ("day", "week", "month")
WORST, WHY = 10, 5
# What a report is made from: everything below its organisation, whoever asked for it.
READER: Any = SimpleNamespace(is_active=True, is_superuser=True, pk=0)


def span(period: str, day: datetime.date) -> tuple[datetime.datetime, datetime.datetime]:
    """The day, week (from Monday) or month that holds ``day``, in the zone of the platform."""
    first, last = day, day + datetime.timedelta(days=1)
    if period == "week":
        first = day - datetime.timedelta(days=day.weekday())
        last = first + datetime.timedelta(days=7)
    elif period == "month":
        first = day.replace(day=1)
        last = (first + datetime.timedelta(days=32)).replace(day=1)
    elif period != "day":
        raise ValueError(period)
    midnight = datetime.time()
    begin, end = (timezone.make_aware(datetime.datetime.combine(one, midnight)) for one in (first, last))
    return begin, end


def before(period: str, begin: datetime.datetime) -> tuple[datetime.datetime, datetime.datetime]:
    """The span before the one that begins at ``begin``."""
    return span(period, timezone.localdate(begin) - datetime.timedelta(days=1))


def figures(org: Org, period: str, day: datetime.date, now: datetime.datetime) -> dict[str, Any]:
    """Everything of a report.  A span that is not over ends now."""
    begin, end = span(period, day)
    end = min(end, now)
    earlier = before(period, begin)
    weights = risks.in_force()
    sites = list(Site.objects.filter(is_active=True, org_path__startswith=org.path).order_by("code"))
    now_at, then_at = _levels(sites, end), _levels(sites, begin)
    return {
        "org": {"code": org.code, "name": org.name, "name_en": org.name_en or org.name},
        "period": period,
        "from": begin.isoformat(),
        "to": end.isoformat(),
        "made": now.isoformat(),
        "weights": f"{weights.name} {weights.version}",
        "sites": len(sites),
        "now": _part(org, sites, begin, end, now),
        "before": _part(org, sites, *earlier, now),
        "days": _days(org, begin, end),
        "counties": _counties(org, begin, end),
        "risk": {
            "levels": [sum(level == n for _i, level, _c in now_at.values()) for n in (1, 2, 3, 4)],
            "levels_before": [sum(level == n for _i, level, _c in then_at.values()) for n in (1, 2, 3, 4)],
            "up": _moved(sites, begin, end, up=True),
            "down": _moved(sites, begin, end, up=False),
        },
        "worst": _worst(sites, now_at, begin, end, weights),
        "changed": _changed(sites, now_at, then_at, weights),
        "map": [
            [
                site.longitude,
                site.latitude,
                now_at.get(site.pk, (0, 4, {}))[1],
                site.name,
                site.name_en or site.name,
            ]
            for site in sites
        ],
    }


def _part(
    org: Org, sites: list[Site], begin: datetime.datetime, end: datetime.datetime, now: datetime.datetime
) -> dict[str, Any]:
    """The figures that are set beside those of the span before."""
    alarms = Alarm.objects.filter(org_path__startswith=org.path, raised_at__gte=begin, raised_at__lt=end)
    by = dict(alarms.order_by().values_list("priority").annotate(n=Count("pk")))
    acked = alarms.filter(acked_at__isnull=False).values_list("raised_at", "acked_at")
    waited = [(at - raised).total_seconds() for raised, at in acked.iterator(chunk_size=10_000)]
    looked = patrols.figures(READER, begin, end, min(now, end), org.path)
    return {
        "alarms": [by.get(n, 0) for n in (1, 2, 3, 4)],
        "alarms_all": sum(by.values()),
        "acked": len(waited),
        "median_ack_s": float(np.median(waited)) if waited else None,
        "p90_ack_s": float(np.percentile(waited, 90)) if waited else None,
        "online": _online(sites, begin, end),
        "commitments": _committed(org, begin, end, now),
        "patrols": {
            "done": looked.done, "covered": looked.covered, "findings": looked.findings, "closed": looked.closed,
            "overdue": looked.overdue,
        },
    }  # fmt: skip


def _online(sites: list[Site], begin: datetime.datetime, end: datetime.datetime) -> float | None:
    """1 less the time in which measurements in use were silent, of all their time; None without any."""
    used = Datastream.objects.filter(site__in=sites, is_active=True, stopped_at=None)
    n = used.count()
    length = (end - begin).total_seconds()
    if not n or length <= 0:
        return None
    silent = Alarm.objects.filter(datastream__in=used, kind="silent", raised_at__lt=end)
    silent = silent.filter(Q(cleared_at=None) | Q(cleared_at__gt=begin))
    lost: Counter[int] = Counter()
    for stream, raised, cleared in silent.values_list("datastream_id", "raised_at", "cleared_at"):
        lost[stream] += int((min(cleared or end, end) - max(raised, begin)).total_seconds())
    return 1 - sum(min(s, length) for s in lost.values()) / (n * length)


def _committed(
    org: Org, begin: datetime.datetime, end: datetime.datetime, now: datetime.datetime
) -> dict[str, Any]:
    """Site-days by state, and their rate, as the page of each day tells them."""
    total: Counter[str] = Counter()
    due: Counter[str] = Counter()  # of days on which nobody has time any more: what a rate is of
    day, last = timezone.localdate(begin), timezone.localdate(end - datetime.timedelta(microseconds=1))
    while day <= last:
        states = Counter(line.state for line in commitments.day_of(READER, day, now, path=org.path))
        total.update(states)
        if not states[commitments.WAITING]:
            due.update(states)
        day += datetime.timedelta(days=1)
    given = due[commitments.GIVEN] + due[commitments.LATE]
    return {
        **{state: total[state] for state in commitments.STATES},
        "obliged": sum(total.values()),
        "rate": given / sum(due.values()) if due else None,
    }


def _days(org: Org, begin: datetime.datetime, end: datetime.datetime) -> list[list[Any]]:
    """Alarms raised by day (by hour within a single day): [label, red, orange, yellow, blue]."""
    by_hour = end - begin <= datetime.timedelta(days=1)
    step = datetime.timedelta(hours=1) if by_hour else datetime.timedelta(days=1)
    slots: dict[str, list[int]] = {}
    at = begin
    while at < end:
        slots[_slot(at, by_hour)] = [0, 0, 0, 0]
        at += step
    rows = Alarm.objects.filter(org_path__startswith=org.path, raised_at__gte=begin, raised_at__lt=end)
    for raised, priority in rows.values_list("raised_at", "priority").iterator(chunk_size=10_000):
        slots[_slot(raised, by_hour)][priority - 1] += 1
    return [[label, *counts] for label, counts in slots.items()]


def _slot(at: datetime.datetime, by_hour: bool) -> str:
    return timezone.localtime(at).strftime("%H" if by_hour else "%m-%d")


def _counties(org: Org, begin: datetime.datetime, end: datetime.datetime) -> list[dict[str, Any]]:
    """A line a county, as the scorecards of the span tell it."""
    sites = Site.objects.filter(org_path__startswith=org.path)
    ms = [round(at.timestamp() * 1000) for at in (begin, end)]
    if ms[0] >= ms[1]:
        return []
    with translation.override("zh-hans"):
        lines = scorecard(sites, ms[0], ms[1], "county")
    names = dict(Org.objects.filter(kind="county").values_list("code", "name_en"))
    return [
        {
            "code": line.county, "name": line.of[0], "name_en": names.get(line.county) or line.of[0],
            "alarms": line.burden.alarms, "acked": line.acked, "median_ack_s": line.median_ack_s,
            "flood": line.burden.flood_share, "stale": line.burden.stale, "real": line.verdicts.real,
            "false": line.verdicts.false,
        }
        for line in lines
    ]  # fmt: skip


Levels = dict[int, tuple[int, int, dict[str, int]]]


def _levels(sites: list[Site], at: datetime.datetime) -> Levels:
    """Site → (index, level, counts) as it was at ``at``."""
    rows = (
        RiskChange.objects.filter(site__in=sites, at__lte=at)
        .order_by("site_id", "-at", "-pk")
        .distinct("site_id")
    )
    return {row.site_id: (row.index, row.level, row.counts) for row in rows}


def _moved(sites: list[Site], begin: datetime.datetime, end: datetime.datetime, *, up: bool) -> int:
    """Changes of colour for the worse (up) or the better in the span."""
    rows = RiskChange.objects.filter(site__in=sites, at__gt=begin, at__lte=end, level_before__isnull=False)
    pairs = rows.values_list("level_before", "level")
    return sum(level < old if up else level > old for old, level in pairs.iterator(chunk_size=10_000))


def _worst(
    sites: list[Site], levels: Levels, begin: datetime.datetime, end: datetime.datetime, weights: Weights
) -> list[dict[str, Any]]:
    """The sites with the highest index at the end: what it is made of, their alarms, missed commitments, findings."""
    top = sorted((s for s in sites if s.pk in levels), key=lambda s: (-levels[s.pk][0], s.code))[:WORST]
    alarms = dict(
        Alarm.objects.filter(site__in=top, raised_at__gte=begin, raised_at__lt=end)
        .order_by().values_list("site_id").annotate(n=Count("pk"))
    )  # fmt: skip
    first, last = timezone.localdate(begin), timezone.localdate(end - datetime.timedelta(microseconds=1))
    missed = dict(
        Missing.objects.filter(site__in=top, day__range=(first, last), given_at=None)
        .order_by().values_list("site_id").annotate(n=Count("pk"))
    )  # fmt: skip
    special = Counter(
        dict(
            Commitment.objects.filter(site__in=top, day__range=(first, last), number=1)
            .order_by().values_list("site_id").annotate(n=Count("pk", filter=Q(special__gt=0)))
        )
    )  # fmt: skip
    found = []
    for site in top:
        index, level, counts = levels[site.pk]
        terms = sorted(_terms(counts, weights).items(), key=lambda one: -one[1])[:3]
        found.append(
            {
                "code": site.code, "name": site.name, "name_en": site.name_en or site.name, "index": index,
                "level": level, "alarms": alarms.get(site.pk, 0), "missed": missed.get(site.pk, 0),
                "special": special[site.pk], "why": [_term(key, milli, weights) for key, milli in terms],
            }
        )  # fmt: skip
    return found


def _changed(sites: list[Site], now_at: Levels, then_at: Levels, weights: Weights) -> list[dict[str, Any]]:
    """The sites whose index moved most between begin and end, and by which terms, the largest first."""
    rows = []
    for site in sites:
        if site.pk not in now_at:
            continue
        index, level, counts = now_at[site.pk]
        old_index, old_level, old_counts = then_at.get(site.pk, (0, 4, {}))
        if index == old_index:
            continue
        new, old = _terms(counts, weights), _terms(old_counts, weights)
        deltas = {key: new.get(key, 0) - old.get(key, 0) for key in new.keys() | old.keys()}
        terms = sorted(((k, d) for k, d in deltas.items() if d), key=lambda one: (-abs(one[1]), one[0]))
        rows.append(
            {
                "code": site.code, "name": site.name, "name_en": site.name_en or site.name, "index": index,
                "level": level, "index_before": old_index, "level_before": old_level,
                "why": [_term(key, milli, weights) for key, milli in terms[:WHY]],
            }
        )  # fmt: skip
    return sorted(rows, key=lambda one: (-abs(one["index"] - one["index_before"]), one["code"]))[:WORST]


def _terms(counts: dict[str, int], weights: Weights) -> dict[str, int]:
    """Thousandths of a point by item; what was cut off by a limit is an item of its own, so that they add up."""
    terms: Counter[str] = Counter()
    near = {key: n for key, n in counts.items() if key != "neighbour"}
    for point in plain.explain(near, [], weights).points:
        terms[point.item if point.item != "most" else f"most:{point.group}"] += point.milli
    if counts.get("neighbour"):
        terms["neighbour"] += counts["neighbour"]
    return dict(terms)


def _term(key: str, milli: int, weights: Weights) -> dict[str, Any]:
    if key.startswith("most:"):
        group = next((one for one in weights.groups if one.key == key[5:]), None)
        zh, en = (f"{group.zh}封顶", f"limit of {group.en}") if group else ("合计封顶", "limit of the whole")
    else:
        item = next((one for one in weights.items if one.key == key), None)
        zh, en = (item.zh, item.en) if item else (key, key)
    return {"zh": zh, "en": en, "milli": milli}

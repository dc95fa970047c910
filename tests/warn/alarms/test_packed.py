"""Alarms of long spans: what is packed and what the rows say are the same, whatever happened in between."""

import random
from datetime import UTC, datetime, timedelta

import numpy as np
import psycopg
import pytest
from django.db import connection

from fengsui.warn.alarms import packed
from fengsui.warn.alarms.columns import TYPES, rows
from fengsui.warn.alarms.models import ALARM_KINDS, Alarm, PackedDay, PackedTouch
from fengsui.warn.alarms.verdicts import FALSE, NONE, REAL, TEST
from fengsui.warn.engine import NEVER

DAY = 86_400_000
T0 = 1_790_000_000_000 // DAY * DAY
NOW = datetime.fromtimestamp((T0 + 6 * DAY) / 1000, UTC)


def at(ms: int) -> datetime:
    return datetime.fromtimestamp((T0 + ms) / 1000, UTC)


def ms(instant: datetime | None) -> int:
    return NEVER if instant is None else round(instant.timestamp() * 1000)


def raise_alarm(stream, raised_ms, lasts_ms=None, rule=None, kind="h", n=0):
    site = stream.site
    return Alarm.objects.create(
        key=f"{stream.pk}:{raised_ms}:{n}", rule=rule, datastream=stream, site=site, org=site.org,
        org_path=site.org_path, kind=kind, priority=1 + n % 4, raised_at=at(raised_ms),
        cleared_at=None if lasts_ms is None else at(raised_ms + lasts_ms),
    )  # fmt: skip


def close(alarm, outcome, *causes):
    from fengsui.loops.models import Deed, Kind, Loop

    loop, _ = Loop.objects.get_or_create(
        key=f"alarm:{alarm.key}",
        defaults=dict(
            kind=Kind.objects.get(code="alarm_disposal"), kind_version=1, title="t", org=alarm.org,
            org_path=alarm.org_path, step="handling", step_since=alarm.raised_at, opened_at=alarm.raised_at,
        ),
    )  # fmt: skip
    for cause in causes:
        Deed.objects.create(
            loop=loop, step="handling", action="submit", at=alarm.raised_at, data={"cause": cause}
        )
    Loop.objects.filter(pk=loop.pk).update(outcome=outcome, closed_at=alarm.raised_at if outcome else None)


def plainly(from_ms, to_ms, sites):
    """One alarm after the other, as objects; the verdict from the rows of its loop."""
    from fengsui.loops.models import Loop

    counts = {"real": REAL, "process": REAL, "instrument": FALSE, "maintenance": TEST}
    found = []
    for a in Alarm.objects.filter(site__in=sites):
        begun, over = ms(a.raised_at), ms(a.cleared_at)
        if begun >= to_ms or (over != NEVER and over < from_ms):
            continue
        kind = [k for k, _ in ALARM_KINDS].index(a.kind)
        verdict = NONE
        loop = Loop.objects.filter(key=f"alarm:{a.key}").exclude(closed_at=None).first()
        if loop is not None:
            said = [d.data["cause"] for d in loop.deeds.order_by("pk") if d.data.get("cause")]
            verdict = FALSE if loop.outcome == "false_alarm" else counts.get(said[-1], NONE) if said else NONE
        rule = a.rule_id or -(a.datastream_id * 100 + kind)
        found.append((a.pk, rule, begun, over, ms(a.acked_at), a.site_id, kind, a.priority, verdict))
    return sorted(found)


def as_rows(columns):
    return sorted(zip(*(getattr(columns, name).tolist() for name in TYPES), strict=True))


@pytest.mark.parametrize("seed", range(4))
def test_what_is_packed_and_what_changed_since_is_what_the_rows_say(region, seed):
    from fengsui.sense.devices.models import Site
    from fengsui.warn.alarms.models import Rule

    dice = random.Random(seed)
    streams = [region.tank, region.other_tank]
    rule = Rule.objects.create(datastream=region.tank, kind="h", setpoint=1)
    count = 0

    def happen():
        nonlocal count
        count += 1
        alarm = Alarm.objects.order_by("?").first()
        deed = dice.randrange(12)
        if alarm is None or deed < 5:
            stream = dice.choice(streams)
            lasts = dice.choice([None, dice.randrange(DAY // 4), DAY, DAY + 1, dice.randrange(4 * DAY)])
            own = rule if stream == region.tank and dice.random() < 0.5 else None
            kind = "h" if own else dice.choice(["h", "silent", "truth"])
            raise_alarm(stream, dice.randrange(7 * DAY), lasts, own, kind, count)
        elif deed == 5:
            Alarm.objects.filter(pk=alarm.pk).update(acked_at=alarm.raised_at + timedelta(seconds=count))
        elif deed == 6:
            Alarm.objects.filter(pk=alarm.pk).update(
                cleared_at=alarm.raised_at + timedelta(milliseconds=dice.randrange(3 * DAY))
            )
        elif deed == 7:
            Alarm.objects.filter(pk=alarm.pk).delete()
        elif deed == 8:
            close(alarm, dice.choice(["closed", "false_alarm", ""]), dice.choice(["process", "instrument"]))
        elif deed == 9:
            close(alarm, "closed", "other", "maintenance")
        elif deed == 10:
            Alarm.objects.filter(kind="h").update(priority=dice.choice([1, 4]), fold_lag_ms=count)
        elif deed == 11:
            Alarm.objects.filter(pk=alarm.pk).update(  # nobody does so today
                raised_at=at(dice.randrange(7 * DAY)), cleared_at=None
            )

    for _ in range(12):
        for _ in range(dice.randrange(1, 8)):
            happen()
        if dice.random() < 0.5:
            packed.pack(NOW)
        begin = T0 + dice.randrange(6 * DAY)
        end = begin + 1 + dice.randrange(4 * DAY)
        few = np.array([dice.choice(streams).site_id])
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(packed, "FEW", dice.choice([0, 50]))
            assert as_rows(packed.stood(begin, end)) == plainly(begin, end, Site.objects.all())
            assert as_rows(packed.stood(begin, end, few)) == plainly(begin, end, few.tolist())
    packed.pack(NOW)
    assert not PackedTouch.objects.filter(day__lt=NOW.date()).exists()
    rule.delete()  # its alarms stay, without it
    assert as_rows(packed.stood(T0, T0 + 7 * DAY)) == plainly(T0, T0 + 7 * DAY, Site.objects.all())


def test_only_what_was_packed_is_noted_when_it_changes(region):
    old, today = raise_alarm(region.tank, 0, 5), raise_alarm(region.tank, 6 * DAY, 5)
    assert packed.pack(NOW) == 6 and packed.pack(NOW) == 0
    assert dict(PackedDay.objects.values_list("day", "alarms"))[at(0).date()] == 1
    Alarm.objects.update(ack_note="told by phone", folded_count=2)  # nothing that is packed
    assert not PackedTouch.objects.exists()
    Alarm.objects.filter(pk__in=[old.pk, today.pk]).update(acked_at=NOW)
    assert list(PackedTouch.objects.values_list("alarm_id", flat=True)) == [old.pk]
    assert packed.pack(NOW) == 1 and not PackedTouch.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_a_day_that_somebody_is_changing_is_packed_when_they_are_through(region):
    raise_alarm(region.tank, 0, 5), raise_alarm(region.tank, DAY, 5)
    given = connection.get_connection_params()
    to = {name: given[name] for name in ("host", "port", "user", "password", "dbname") if given.get(name)}
    with psycopg.connect(**to) as other:
        other.execute("UPDATE alarms_alarm SET acked_at = now() WHERE raised_at = %s", [at(0)])
        packed.pack(NOW)
        assert not PackedDay.objects.filter(day=at(0).date()).exists()
        assert PackedDay.objects.filter(day=at(DAY).date()).exists()
        other.commit()
    packed.pack(NOW)
    found = packed.stood(T0, T0 + DAY)
    assert PackedDay.objects.filter(day=at(0).date()).exists() and (found.acked_ms != NEVER).tolist() == [
        True
    ]


def test_nothing_is_packed_where_there_is_no_alarm(region):
    assert packed.pack(NOW) == 0 and not len(packed.stood(T0, T0 + DAY)) and not len(rows("true", []))

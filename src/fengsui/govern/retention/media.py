"""Let go of pictures and recordings of devices when the data policy says so; the rows stay, with their hashes."""

from datetime import datetime, timedelta
from pathlib import Path

from django.conf import settings
from django.db import transaction

from fengsui.govern.retention.models import Hold, Policy
from fengsui.people import audit
from fengsui.sense.media.models import Medium

AT_ONCE = 500


def let_go(now: datetime) -> int:
    """Delete the files whose days are over and that nobody holds; returns how many."""
    rules = list(Policy.objects.in_force().filter(observed_property=None).select_related("org"))
    days = [row.media_days for row in rules if row.media_days is not None]
    if not days:
        return 0
    holds = list(Hold.objects.in_force())
    count, after = 0, 0
    while True:
        old = Medium.objects.here().filter(received_at__lt=now - timedelta(days=min(days)), pk__gt=after)
        page = list(old.select_related("site").order_by("pk")[:AT_ONCE])
        if not page:
            return count
        after = page[-1].pk
        gone = [row for row in page if _is_over(row, rules, now) and not _is_held(row, holds)]
        count += sum(_remove(row, now) for row in gone)


def _is_over(row: Medium, rules: list[Policy], now: datetime) -> bool:
    """Of several rules that fit the longest time counts; one for everything only where no other fits."""
    fit = [rule for rule in rules if not rule.is_default and _fits(rule, row)]
    fit = fit or [rule for rule in rules if rule.is_default]
    days = [rule.media_days for rule in fit]
    longest = None if None in days else max((d for d in days if d is not None), default=None)
    assert row.received_at is not None, "only files that are here are asked about"
    return longest is not None and row.received_at < now - timedelta(days=longest)


def _fits(rule: Policy, row: Medium) -> bool:
    in_org = rule.org is None or row.site.org_path.startswith(rule.org.path)
    return in_org and rule.site_kind in ("", row.site.kind)


def _is_held(row: Medium, holds: list[Hold]) -> bool:
    at = row.taken_at or row.received_at
    return any(
        hold.site_id in (None, row.site_id) and at is not None and hold.from_at <= at <= hold.to_at
        for hold in holds
    )


@transaction.atomic
def _remove(row: Medium, now: datetime) -> int:
    locked = Medium.objects.here().select_for_update().filter(pk=row.pk).first()
    if locked is None:
        return 0
    locked.removed_at = now
    locked.save(update_fields=["removed_at"])
    audit.record(
        None, "media.removed", locked, org_path=row.site.org_path, by="data policy", bytes=locked.size,
        sha256=locked.sha256,
    )  # fmt: skip
    path = Path(settings.MEDIA_ROOT) / locked.file.name
    transaction.on_commit(lambda: path.unlink(missing_ok=True))
    return 1

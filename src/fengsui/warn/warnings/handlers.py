"""What the outbox leads to here: an approved warning is signed and published, once; screens hear of every message."""

from typing import Any

from fengsui.stores import outbox
from fengsui.stores.outbox.services import Context
from fengsui.warn.warnings import services
from fengsui.warn.warnings.models import Message


def warning_approved(_context: Context, payload: dict[str, Any]) -> None:
    """Sign and publish it.  A key that cannot be used is a failure, tried again and shown on the operations page."""
    services.publish(int(payload["warning_id"]))


def warning_message(_context: Context, payload: dict[str, Any]) -> None:
    """A message of ours went out, or one of others came in: the screens follow."""
    message = Message.objects.filter(pk=payload["message_id"]).first()
    if message is None:
        return
    outbox.add(
        "live",
        subject="live.warning",
        payload={
            "type": "warning",
            "id": message.pk,
            "org_path": message.org_path,
            "ours": message.feed_id is None,
            "level": message.level,
            "headline": message.headline,
            "headline_en": message.headline_en,
            "msg_type": message.msg_type,
            "status": message.status,
        },
        msg_id=f"warning:{message.pk}",
    )
    outbox.add("risk.stale")  # whose sites it covers has to be reckoned

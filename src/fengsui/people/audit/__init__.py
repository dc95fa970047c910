"""The audit trail.  ``from fengsui.people import audit`` then ``audit.record(actor, "alarm.acked", alarm, note=…)``.

The functions load their module when called, so that this package can be an installed app.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fengsui.people.audit.models import Entry


def record(
    actor: Any,
    action: str,
    obj: Any = None,
    *,
    ok: bool = True,
    org_path: str = "",
    source_ip: str | None = None,
    **detail: Any,
) -> "Entry":
    """Add one entry in the caller's transaction; see ``services.record``."""
    from fengsui.people.audit import services

    return services.record(actor, action, obj, ok=ok, org_path=org_path, source_ip=source_ip, **detail)


def refuse(actor: Any, action: str, obj: Any = None, *, org_path: str = "", **detail: Any) -> None:
    """Add an entry that outlives the caller's rollback; see ``services.refuse``."""
    from fengsui.people.audit import services

    services.refuse(actor, action, obj, org_path=org_path, **detail)

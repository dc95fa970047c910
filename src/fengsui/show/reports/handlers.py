"""What the outbox leads to here: a report goes to one address, tried again until the server takes it."""

from typing import Any

from fengsui.show.reports import services
from fengsui.show.reports.models import ReportMail
from fengsui.stores.outbox.services import Context


def send(_context: Context, payload: dict[str, Any]) -> None:
    mail = ReportMail.objects.select_related("report__org").filter(pk=payload["mail_id"]).first()
    if mail is not None:
        services.deliver(mail)

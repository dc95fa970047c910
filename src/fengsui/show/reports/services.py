"""What can be done with trend reports: make one, order them, make what is due, send them."""

import hashlib
import json
import uuid
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import structlog
from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.files.base import ContentFile
from django.core.mail import EmailMessage
from django.core.validators import validate_email
from django.db import transaction
from django.db.models.functions import Length
from django.utils import timezone, translation
from django.utils.translation import gettext as _

from fengsui.loops.evidence import safe_name
from fengsui.people import audit
from fengsui.people.orgs import access
from fengsui.people.orgs.models import Org
from fengsui.show.lists import trends
from fengsui.show.reports import papers
from fengsui.show.reports.errors import BadReport, BadTemplate, NoMail
from fengsui.show.reports.models import Period, ReportMail, ReportOrder, TrendReport, WordTemplate
from fengsui.stores import clock, files, outbox

log = structlog.get_logger()
SEND = "report.send"  # topic of the outbox
MOST_RECIPIENTS = 30
MOST_TEMPLATE_BYTES = 5 << 20
LANGUAGES = ("zh-hans", "en")
DOCX = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"


def make(
    actor: Any,
    org: Org,
    period: str,
    day: date,
    language: str = "zh-hans",
    *,
    order: ReportOrder | None = None,
) -> TrendReport:
    """The report of the day, week or month that holds ``day``, as rows and two files.

    ``actor`` None: the platform itself.  Raises NotAllowed, BadReport, NoFont.
    """
    if actor is not None:
        access.require(actor, "report.make", org)
    if period not in Period.values or language not in LANGUAGES:
        raise BadReport(_("A report is daily, weekly or monthly, in Chinese or English."))
    now = clock.now()
    if day > timezone.localdate(now):
        raise BadReport(_("This span has not begun yet."))
    figures = trends.figures(org, period, day, now)
    rings = outlines(org)
    pdf = papers.pdf(figures, language, rings)
    word, template, fault = _word(org, figures, language, rings)
    begin = timezone.localdate(trends.span(period, day)[0])
    row = TrendReport(
        org=org, period=period, begin=begin, made_at=now, actor_name=str(actor)[:150] if actor is not None else "",
        language=language, figures=figures, by_order=order is not None, word_template=template, word_fault=fault,
        pdf_sha256=hashlib.sha256(pdf).hexdigest(), docx_sha256=hashlib.sha256(word).hexdigest(),
    )  # fmt: skip
    row.pdf.save(f"{uuid.uuid4().hex}.pdf", ContentFile(pdf), save=False)
    row.docx.save(f"{uuid.uuid4().hex}.docx", ContentFile(word), save=False)
    for path in (row.pdf.path, row.docx.path):
        files.sync(path)
    with transaction.atomic():
        row.save()
        audit.record(
            actor if actor is not None else "platform", "report.made", row, org_path=org.path, period=period,
            begin=begin.isoformat(), sha256=row.pdf_sha256,
        )  # fmt: skip
        if order is not None:
            _ask(row, order.recipients, "platform")
    return row


def file_name(row: TrendReport, ending: str) -> str:
    return f"{row.org.code}-{row.period}-{row.begin.isoformat()}.{ending}"


def outlines(org: Org) -> list[list[list[float]]]:
    """Rings of the counties on the map layers of the platform, those near the sites of ``org``; none without layers."""
    path = Path(settings.LAYERS_ROOT) / "county.geojson"
    try:
        features = json.loads(path.read_text("utf-8"))["features"]
    except (OSError, ValueError, KeyError, TypeError):
        return []
    codes = set(
        Org.objects.filter(kind="county", path__startswith=org.path).values_list("division_code", flat=True)
    )
    if not codes:  # below a county: its own outline
        above = [int(part) for part in org.path.split("/") if part]
        codes = set(Org.objects.filter(kind="county", pk__in=above).values_list("division_code", flat=True))
    rings = []
    for feature in features:
        properties = {str(value) for value in (feature.get("properties") or {}).values()}
        if properties & (codes - {""}):
            shape = feature.get("geometry") or {}
            parts: list[Any] = list(shape.get("coordinates") or [])
            if shape.get("type") == "Polygon":
                parts = [parts]
            rings += [polygon[0] for polygon in parts if polygon]
    return rings


# ---- Word templates ----------------------------------------------------------------------------------------------


def template_for(org: Org, language: str) -> WordTemplate | None:
    """The template in force of ``org``, else of the nearest organisation above that has one; None: the standard one."""
    above = [int(part) for part in org.path.split("/") if part]
    rows = WordTemplate.objects.filter(org__in=above, language=language, withdrawn_at=None)
    return rows.select_related("org").order_by(Length("org__path").desc()).first()


def put_template(actor: Any, org: Org, language: str, name: str, content: bytes) -> WordTemplate:
    """Put a Word template in force for the reports of ``org`` and below, once it was filled without a fault.

    It is tried with the figures of ``org`` for yesterday, and with the same without a single alarm, site or change.
    Raises NotAllowed, BadTemplate, BadReport, NoFont.
    """
    access.require(actor, "report.template", org)
    if language not in LANGUAGES:
        raise BadReport(_("A report is daily, weekly or monthly, in Chinese or English."))
    if len(content) > MOST_TEMPLATE_BYTES:
        raise BadTemplate(_("The template is larger than %(mb)s MB.") % {"mb": MOST_TEMPLATE_BYTES >> 20})
    now = clock.now()
    figures = trends.figures(org, "day", timezone.localdate(now) - timedelta(days=1), now)
    for shown in (figures, figures | {"days": [], "counties": [], "worst": [], "changed": [], "map": []}):
        papers.word(shown, language, [], template=content)
    row = WordTemplate(
        org=org, language=language, name=safe_name(name), sha256=hashlib.sha256(content).hexdigest(), since=now,
        actor_name=str(actor)[:150],
    )  # fmt: skip
    row.file.save(f"{uuid.uuid4().hex}.docx", ContentFile(content), save=False)
    files.sync(row.file.path)
    with transaction.atomic():
        Org.objects.select_for_update().get(pk=org.pk)
        old = WordTemplate.objects.filter(org=org, language=language, withdrawn_at=None)
        old.update(withdrawn_at=now, withdrawn_by=row.actor_name)
        row.save()
        audit.record(
            actor, "report.template_put", row, org_path=org.path, language=language, name=row.name, sha256=row.sha256
        )  # fmt: skip
    return row


@transaction.atomic
def withdraw_template(actor: Any, row: WordTemplate) -> None:
    """From now on the next one above, or the standard one.  Raises NotAllowed."""
    access.require(actor, "report.template", row.org)
    in_force = WordTemplate.objects.filter(pk=row.pk, withdrawn_at=None)
    if in_force.update(withdrawn_at=clock.now(), withdrawn_by=str(actor)[:150]):
        audit.record(actor, "report.template_withdrawn", row, org_path=row.org.path, sha256=row.sha256)


def _word(
    org: Org, figures: dict[str, Any], language: str, rings: list[Any]
) -> tuple[bytes, WordTemplate | None, str]:
    """The Word file, from which template, and why not from the organisation's own: a report is never held up by it."""
    row, fault = template_for(org, language), ""
    if row is not None:
        try:
            with row.file.open("rb") as opened:
                content = opened.read()
            if hashlib.sha256(content).hexdigest() != row.sha256:
                raise BadTemplate(_("The file of the template is not the one that was put in force."))
            return papers.word(figures, language, rings, template=content), row, ""
        except FileNotFoundError:
            fault = _("The file of the template is not on this machine.")
        except BadTemplate as error:
            fault = str(error)
        log.warning("report.template_fault", org=org.code, template=row.pk, fault=fault)
        fault = f"{row.name}: {fault}"
    return papers.word(figures, language, rings), None, fault


# ---- orders -------------------------------------------------------------------------------------------------------


@transaction.atomic
def order(actor: Any, org: Org, period: str, recipients: str, language: str = "zh-hans") -> ReportOrder:
    """From now on this report is made when its period is over, and sent.  Takes the place of an older order.

    ``recipients`` are addresses with blanks, commas or lines between.  Raises NotAllowed, BadReport.
    """
    if actor is not None and not isinstance(actor, str):
        access.require(actor, "report.order", org)
    if period not in Period.values or language not in LANGUAGES:
        raise BadReport(_("A report is daily, weekly or monthly, in Chinese or English."))
    to = addresses(recipients)
    Org.objects.select_for_update().get(pk=org.pk)
    _stop(actor, ReportOrder.objects.filter(org=org, period=period, stopped_at=None))
    made = ReportOrder.objects.create(
        org=org, period=period, recipients=to, language=language, since=clock.now(),
        actor_name="platform" if actor is None else str(actor)[:150],
    )  # fmt: skip
    audit.record(actor or "platform", "report.ordered", made, org_path=org.path, period=period, recipients=to)
    return made


@transaction.atomic
def stop(actor: Any, row: ReportOrder) -> None:
    """No more of these.  Raises NotAllowed."""
    access.require(actor, "report.order", row.org)
    _stop(actor, ReportOrder.objects.filter(pk=row.pk, stopped_at=None))
    audit.record(actor, "report.order_stopped", row, org_path=row.org.path, period=row.period)


def _stop(actor: Any, rows: Any) -> None:
    rows.update(stopped_at=clock.now(), stopped_by="platform" if actor is None else str(actor)[:150])


def addresses(text: str) -> list[str]:
    """Addresses in a text, each once.  Raises BadReport that names a bad one."""
    found = list(dict.fromkeys(part for part in text.replace(",", " ").replace(";", " ").split() if part))
    for one in found:
        try:
            validate_email(one)
        except ValidationError:
            raise BadReport(_("“%(one)s” is no mail address.") % {"one": one[:80]}) from None
    if len(found) > MOST_RECIPIENTS:
        raise BadReport(_("At most %(most)s recipients.") % {"most": MOST_RECIPIENTS})
    return found


def make_due(now: datetime) -> int:
    """Make what was ordered and whose period is over; returns how many.  What was made is not made again."""
    made = 0
    for row in (
        ReportOrder.objects.filter(stopped_at=None, org__isnull=False).select_related("org").order_by("pk")
    ):
        begin, end = trends.before(row.period, trends.span(row.period, timezone.localdate(now))[0])
        if end <= row.since - timedelta(days=1):  # ordered after it: begins with the span that was just over
            continue
        first = timezone.localdate(begin)
        if TrendReport.objects.filter(org=row.org, period=row.period, begin=first, by_order=True).exists():
            continue
        make(None, row.org, row.period, first, row.language, order=row)
        made += 1
    return made


# ---- sending ------------------------------------------------------------------------------------------------------


@transaction.atomic
def send(actor: Any, row: TrendReport, recipients: str) -> int:
    """Send a report to addresses; returns to how many.  Raises NotAllowed, BadReport, NoMail."""
    access.require(actor, "report.make", row.org)
    to = addresses(recipients)
    if not to:
        raise BadReport(_("To whom? Give a mail address."))
    if not settings.EMAIL_HOST:
        raise NoMail
    _ask(row, to, str(actor)[:150])
    audit.record(actor, "report.sent", row, org_path=row.org.path, to=to)
    return len(to)


def _ask(row: TrendReport, to: list[str], by: str) -> None:
    for address in to:
        mail = ReportMail.objects.create(report=row, to=address, asked_at=clock.now(), asked_by=by)
        if settings.EMAIL_HOST:
            outbox.add(SEND, mail_id=mail.pk)


def deliver(mail: ReportMail) -> bool:
    """Hand one mail to the server; False when it went already.  Raises what ``smtplib`` raises."""
    row = mail.report
    if mail.sent_at is not None:
        return False
    with translation.override(row.language):
        name = papers.title(row.figures, row.language)
        said = "\n".join(b["text"] for b in papers.blocks(row.figures, row.language) if b["kind"] == "text")
        body = _("The report is attached as PDF and Word.") + "\n\n" + said + "\n"
    message = EmailMessage(name, body, to=[mail.to])
    for file, ending, kind in ((row.pdf, "pdf", "application/pdf"), (row.docx, "docx", DOCX)):
        with file.open("rb") as opened:
            message.attach(file_name(row, ending), opened.read(), kind)
    message.send()
    mail.sent_at = clock.now()
    mail.save(update_fields=["sent_at"])
    return True

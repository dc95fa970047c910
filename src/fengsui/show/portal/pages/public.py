"""What everybody may read without logging in: the feed of our warnings, each warning as CAP, and our certificate.

Only real public messages are here, never a draft, an exercise or a test.  Pages of the feed stay under 100 kB and
carry an ETag: a reader that asks every few seconds costs one query and no body.
"""

import hashlib
from datetime import datetime

from cryptography.hazmat.primitives.serialization import Encoding
from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.utils.http import parse_etags
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from fengsui.base.errors import FengsuiError
from fengsui.show.lists import warnings as lists
from fengsui.show.lists.keyset import BadCursor
from fengsui.stores import clock
from fengsui.warn.cap import feeds
from fengsui.warn.cap.signature import BadKey
from fengsui.warn.warnings import keys
from fengsui.warn.warnings.models import Message

SIZE = 25  # even of the longest texts a page stays under feeds.MOST_BYTES


@require_safe
def feed(request: HttpRequest) -> HttpResponse:
    """One page of the Atom feed; ``?cursor=`` goes on."""
    now = clock.now()
    try:
        found = lists.public_page(now, cursor=request.GET.get("cursor"), size=SIZE)
    except BadCursor as error:
        raise Http404 from error
    base = _base(request)
    address = f"{base}/cap/feed.atom"
    updated = max((row.sent_at for row in found.items), default=datetime.fromtimestamp(0, now.tzinfo))
    here = f"{address}?cursor={request.GET['cursor']}" if request.GET.get("cursor") else address
    page = feeds.Page(
        id=address,
        title=_("Fengsui: public warnings"),
        author=found.items[0].sender_name if found.items else "Fengsui",
        updated=updated,
        self_url=here,
        first_url=address,
        next_url=f"{address}?cursor={found.next}" if found.next else "",
    )
    return _answer(
        request, feeds.write_atom(page, [_item(row, base) for row in found.items]), "application/atom+xml"
    )


@require_safe
def message(request: HttpRequest, identifier: str) -> HttpResponse:
    """One message, byte for byte as it was signed."""
    row = lists.public_message(identifier)
    if row is None:
        raise Http404
    return _answer(request, bytes(row.document), feeds.CAP_TYPE)


@require_safe
def certificate(request: HttpRequest) -> HttpResponse:
    """The certificate by which our signatures are verified, in PEM."""
    try:
        pem = keys.certificate().public_bytes(Encoding.PEM)
    except (BadKey, FengsuiError) as error:
        raise Http404 from error
    return _answer(request, pem, "application/x-pem-file")


def _item(row: Message, base: str) -> feeds.Item:
    description = (row.warning.content.get("description") or "") if row.warning else ""
    return feeds.Item(
        url=f"{base}/cap/{row.identifier}.xml",
        title=row.headline or row.event,
        summary=description,
        updated=row.sent_at,
        author=row.sender_name or row.sender,
        category=row.event,
    )


def _base(request: HttpRequest) -> str:
    return settings.PUBLIC_URL or request.build_absolute_uri("/").rstrip("/")


def _answer(request: HttpRequest, data: bytes, content_type: str) -> HttpResponse:
    """``data``, or 304 for who has it: held by anybody, asked about every time, so that nothing is old."""
    etag = f'"{hashlib.sha256(data).hexdigest()[:32]}"'
    if etag in parse_etags(request.headers.get("If-None-Match", "")):
        response = HttpResponse(status=304)
    else:
        response = HttpResponse(data, content_type=f"{content_type}; charset=utf-8")
    response["ETag"] = etag
    response["Cache-Control"] = "public, no-cache"
    response["Access-Control-Allow-Origin"] = "*"
    return response

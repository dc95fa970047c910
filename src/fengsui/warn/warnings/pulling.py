"""Feeds of others: fetched by the worker, checked, kept with everything that is wrong with them.

What a feed links to is fetched only from its own host and those its row names, over http or https, bounded in bytes,
time and number.  A redirect is followed within the same bounds.  Nothing else that a message names is ever fetched.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import urljoin

import structlog
from cryptography import x509
from django.db import transaction
from django.db.models import Q

from fengsui.base.errors import BadInput
from fengsui.stores import clock
from fengsui.warn.cap import signature
from fengsui.warn.cap.checks import Checked, Document, check
from fengsui.warn.warnings import arrivals
from fengsui.warn.warnings.errors import CannotFetch
from fengsui.warn.warnings.fetching import fetch
from fengsui.warn.warnings.models import Feed, Message

log = structlog.get_logger()

LOOK_S = 120.0  # for one look at a feed with all its links: the others wait meanwhile
MOST_LINKS = 200  # files fetched in one look at a feed
MOST_PAGES = 10
ACCEPT = "application/cap+xml, application/atom+xml, application/rss+xml, application/xml;q=0.9, */*;q=0.1"


@dataclass(slots=True)
class Pulled:
    """What one look at a feed brought."""

    new: int = 0
    known: int = 0
    unreadable: int = 0
    unchanged: bool = False
    left: int = (
        0  # linked messages that could not be fetched, or not in this look: asked for again in the next
    )
    why: str = ""  # of the first of them


def pull_due() -> dict[str, Pulled]:
    """Look at every feed whose time has come; what one of them does wrong does not keep the others waiting."""
    found = {}
    now = clock.now()
    for feed in Feed.objects.filter(is_active=True).select_related("org").order_by("pk"):
        if feed.asked_at is not None and feed.asked_at + timedelta(seconds=feed.period_s) > now:
            continue
        found[feed.name] = pull(feed)
    return found


def pull(feed: Feed) -> Pulled:
    """Look at one feed now.  Never raises for what the other side does: the row says what was wrong."""
    feed.asked_at = clock.now()
    until = time.monotonic() + LOOK_S
    pulled, problems = Pulled(), []
    try:
        trusted = signature.read_certificates(feed.certificates.encode()) if feed.certificates.strip() else []
        for url, document, data in _pages(feed, pulled):
            problems += [arrivals.plain(one) for one in document.problems]
            _take(feed, url, document, data, trusted, pulled, until)
        feed.heard_at, feed.error = clock.now(), ""
        if pulled.left:  # "nothing has changed" must not be the answer while some of it is missing here
            feed.etag = feed.modified = ""
            feed.error = (
                f"{pulled.left} linked messages were not fetched and are asked for again: {pulled.why}"[:300]
            )
        if not pulled.unchanged:
            feed.problems = problems[:100]
    except (CannotFetch, BadInput) as error:
        feed.error = str(error)[:300]
        feed.etag = feed.modified = ""
        log.warning("cap.feed", feed=feed.pk, error=feed.error)
    feed.save(update_fields=["asked_at", "heard_at", "error", "problems", "etag", "modified"])
    if pulled.new or pulled.unreadable or pulled.left:
        counts = {
            "new": pulled.new,
            "known": pulled.known,
            "unreadable": pulled.unreadable,
            "left": pulled.left,
        }
        log.info("cap.pulled", feed=feed.pk, **counts)
    return pulled


def _pages(feed: Feed, pulled: Pulled) -> Iterator[tuple[str, Document, bytes]]:
    """The pages of a feed that is paged, the first alone of one that is not."""
    url = feed.url
    seen: set[str] = set()
    while url and url not in seen and len(seen) < MOST_PAGES:
        first = not seen
        seen.add(url)
        answer = fetch(feed, url, ACCEPT, conditional=first)
        if answer is None:
            pulled.unchanged = True
            return
        document = check(answer, now=clock.now())
        if document.kind == "unknown":
            words = document.problems[0].what().en if document.problems else "nothing"
            raise CannotFetch(f"{url}: {words}")
        yield url, document, answer
        url = urljoin(url, document.next) if document.next else ""


def _take(
    feed: Feed,
    url: str,
    document: Document,
    data: bytes,
    trusted: list[x509.Certificate],
    pulled: Pulled,
    until: float,
) -> None:
    links = []
    if document.entries:
        for entry in document.entries:
            if entry.link and not entry.alerts:
                links.append(urljoin(url, entry.link))
    if document.alerts:
        for one in check(data, now=clock.now(), trusted=trusted).alerts:
            _keep(feed, one, data, url, pulled)
    known = set(Message.objects.filter(feed=feed, source_url__in=links).values_list("source_url", flat=True))
    pulled.known += len(known)
    wanted = [one for one in dict.fromkeys(links) if one not in known]
    for number, link in enumerate(wanted):
        if number >= MOST_LINKS or time.monotonic() > until:
            pulled.left += len(wanted) - number
            pulled.why = pulled.why or "there are more than one look may take"
            break
        try:
            answer = fetch(feed, link, ACCEPT)
        except CannotFetch as error:
            pulled.unreadable += 1
            pulled.left += 1
            pulled.why = pulled.why or str(error)
            log.warning("cap.link", feed=feed.pk, error=str(error))
            continue
        found = check(answer or b"", now=clock.now(), trusted=trusted)
        if not found.alerts:
            pulled.unreadable += 1
            rule = found.problems[0].rule if found.problems else "xml.not_cap"
            log.warning("cap.link", feed=feed.pk, url=link, rule=rule)
        for one in found.alerts:
            _keep(feed, one, answer or b"", link, pulled, found)


def _keep(
    feed: Feed, one: Checked, data: bytes, url: str, pulled: Pulled, found: Document | None = None
) -> None:
    if one.alert is None:
        pulled.unreadable += 1
        return
    with transaction.atomic():
        twice = Message.objects.filter(
            Q(feed=feed, sender=one.alert.sender, identifier=one.alert.identifier)
            & ~Q(sent_at=one.alert.sent)
        ).exists()
        _row, is_new = arrivals.keep(
            one,
            data,
            org=feed.org,
            feed=feed,
            received_at=clock.now(),
            source_url=url,
            problems=[*(found.problems if found else ()), *(_twice(one) if twice else ())],
        )
    if is_new:
        pulled.new += 1
    else:
        pulled.known += 1


def _twice(one: Checked) -> list[Any]:
    from fengsui.warn.cap.rules import Problem

    assert one.alert is not None
    return [Problem("id.twice", "/alert/identifier", 0, 0, {"value": one.alert.identifier})]

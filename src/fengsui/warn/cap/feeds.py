"""Feeds of alerts: Atom (RFC 4287, paged as RFC 5005 says) written and read, RSS 2.0 read.

Reading gives entries with their links and the alerts they carry; nothing that a link names is fetched here.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from fengsui.warn.cap.message import VERSIONS
from fengsui.warn.cap.reading import Found, Problems, read_alert
from fengsui.warn.cap.tree import Element
from fengsui.warn.cap.writing import escaped

ATOM = "http://www.w3.org/2005/Atom"
CAP_TYPE = "application/cap+xml"
MOST_BYTES = 100_000  # of one page of ours
SUMMARY, TITLE = 240, 160  # characters
MOST_ENTRIES = 5_000  # of somebody else's feed

_INDEX = re.compile(r"cap(?:\.xml)?(?:$|[/?#._-])|\.cap(?:$|[?#])|\.xml(?:$|[?#])", re.I)


# ---- reading ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry.  ``link`` is the address of a CAP file, "" where it names none; ``alerts`` are those it carries."""

    id: str
    title: str
    updated: datetime | None
    link: str
    alerts: tuple[Found, ...]


@dataclass(frozen=True, slots=True)
class Feed:
    entries: tuple[Entry, ...]
    problems: tuple[Any, ...]
    next: str  # the address of the next page, "" at the end


def is_alert(element: Element) -> bool:
    return element.local == "alert" and (element.space in VERSIONS)


def read_atom(feed: Element) -> Feed:
    problems = Problems()
    for name in ("id", "title", "updated"):
        if not feed.words(name):
            problems.add("feed.missing", feed, element="feed", missing=name)
    entries: list[Entry] = []
    seen: set[str] = set()
    for one in feed.elements:
        if one.local == "entry" and len(entries) < MOST_ENTRIES:
            entries.append(_entry(one, problems, seen))
        elif is_alert(one):
            problems.add("feed.outside", one)
    if not entries:
        problems.add("feed.empty", feed)
    following = next((e.attribute("href") for e in feed.all("link") if e.attribute("rel") == "next"), "")
    return Feed(tuple(entries), problems.sorted(), following)


def _entry(entry: Element, problems: Problems, seen: set[str]) -> Entry:
    for name in ("id", "title", "updated"):
        if not entry.words(name):
            problems.add("feed.missing", entry, element="entry", missing=name)
    identity = entry.words("id")
    if identity in seen and identity:
        problems.add("feed.same_id", entry.first("id") or entry, value=identity)
    seen.add(identity)
    content = entry.first("content")
    alerts = tuple(
        read_alert(one) for one in (content.walk() if content is not None else ()) if is_alert(one)
    )
    links = [
        (one.attribute("type"), one.attribute("rel") or "alternate", one.attribute("href"))
        for one in entry.all("link")
    ]
    if content is not None and content.attribute("src"):
        links.append((content.attribute("type"), "content", content.attribute("src")))
    typed = [href for kind, _rel, href in links if kind.split(";")[0].strip().lower() == CAP_TYPE and href]
    plain = [href for kind, rel, href in links if not kind and rel == "alternate" and href]
    link = (typed or plain or [""])[0]
    if not alerts and not link:
        problems.add("feed.no_alert", entry)
    return Entry(identity, entry.words("title"), _updated(entry, "updated", problems), link, alerts)


def read_rss(rss: Element) -> Feed:
    problems = Problems()
    channel = rss.first("channel")
    if channel is None:
        problems.add("feed.missing", rss, element="rss", missing="channel")
        return Feed((), problems.sorted(), "")
    for name in ("title", "link", "description"):
        if channel.first(name) is None:
            problems.add("feed.missing", channel, element="channel", missing=name)
    entries: list[Entry] = []
    seen: set[str] = set()
    for item in channel.all("item")[:MOST_ENTRIES]:
        link = item.words("link")
        identity = item.words("guid") or link
        if identity in seen and identity:
            problems.add("feed.same_id", item.first("guid") or item, value=identity)
        seen.add(identity)
        alerts = tuple(read_alert(one) for one in item.walk() if is_alert(one))
        if not link and not alerts:
            problems.add("feed.no_alert", item)
        if not item.words("title") and not item.words("description"):
            problems.add("feed.missing", item, element="item", missing="title")
        entries.append(
            Entry(identity, item.words("title"), _updated(item, "pubDate", problems), link, alerts)
        )
    if not entries:
        problems.add("feed.empty", channel)
    return Feed(tuple(entries), problems.sorted(), "")


def _updated(entry: Element, name: str, problems: Problems) -> datetime | None:
    found = entry.first(name)
    text = "" if found is None else found.text.strip()
    if found is None or not text:
        return None
    try:
        at = parsedate_to_datetime(text) if name == "pubDate" else datetime.fromisoformat(text)
    except (ValueError, TypeError, OverflowError):
        problems.add("feed.time", found, value=text)
        return None
    return at if at.tzinfo else at.replace(tzinfo=UTC)


# ---- writing ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Item:
    """What one entry of our feed says.  ``url`` is where the message lies, and its id."""

    url: str
    title: str
    summary: str
    updated: datetime
    author: str
    category: str  # the event, in words


@dataclass(frozen=True, slots=True)
class Page:
    """The frame of one page: its own address, those beside it ("" where there is none), and who speaks."""

    id: str
    title: str
    author: str
    updated: datetime
    self_url: str
    first_url: str
    next_url: str = ""
    previous_url: str = ""


def write_atom(page: Page, items: Sequence[Item]) -> bytes:
    """One page.  Its entries are cut to ``TITLE`` and ``SUMMARY`` characters: the message has the rest."""
    out = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        f'<feed xmlns="{ATOM}" xml:lang="zh-CN">',
        f"<id>{escaped(page.id)}</id><title>{escaped(page.title)}</title><updated>{_stamp(page.updated)}</updated>",
        f"<author><name>{escaped(page.author)}</name></author>",
    ]
    links = {
        "self": page.self_url,
        "first": page.first_url,
        "next": page.next_url,
        "previous": page.previous_url,
    }
    out += [
        f'<link rel="{rel}" type="application/atom+xml" href="{_quoted(url)}"/>'
        for rel, url in links.items()
        if url
    ]
    for one in items:
        out.append(
            f"<entry><id>{escaped(one.url)}</id><title>{escaped(_cut(one.title, TITLE))}</title>"
            f"<updated>{_stamp(one.updated)}</updated><author><name>{escaped(_cut(one.author, 60))}</name></author>"
            f'<category term="{_quoted(_cut(one.category, 40))}"/>'
            f'<link rel="alternate" type="{CAP_TYPE}" href="{_quoted(one.url)}"/>'
            f"<summary>{escaped(_cut(one.summary, SUMMARY))}</summary></entry>"
        )
    out.append("</feed>\n")
    return "\n".join(out).encode()


def _stamp(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"


def _quoted(text: str) -> str:
    return escaped(text).replace('"', "&quot;")

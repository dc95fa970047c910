"""The whole check of a file: what it is, every alert in it, and everything that is wrong, rule by rule.

The one entry for the command line, the pages, the reader of feeds and the linter of drafts.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from cryptography import x509

from fengsui.warn.cap import china, feeds, notices, signature, times
from fengsui.warn.cap import message as m
from fengsui.warn.cap.reading import Found, of_tree, read_alert
from fengsui.warn.cap.rules import ERROR, Problem
from fengsui.warn.cap.tree import Element, Refused, Tree, parse

AHEAD = timedelta(minutes=5)  # how far a sender's clock may be ahead before it is named
KINDS = ("cap", "atom", "rss", "edxl", "cn_xml", "notices", "unknown")


@dataclass(frozen=True, slots=True)
class Checked:
    """One alert.  ``alert`` is None where it has no identity; ``verdict`` is of its signature."""

    alert: m.Alert | None
    version: str  # 1.0, 1.1, 1.2, cn or notice
    problems: tuple[Problem, ...]
    verdict: signature.Verdict


@dataclass(frozen=True, slots=True)
class Document:
    """A file.  ``problems`` are those of the file itself; each alert has its own."""

    kind: str
    alerts: tuple[Checked, ...]
    problems: tuple[Problem, ...]
    entries: tuple[feeds.Entry, ...] = ()
    next: str = ""

    def all_problems(self) -> tuple[Problem, ...]:
        return (*self.problems, *(p for one in self.alerts for p in one.problems))

    @property
    def is_valid(self) -> bool:
        """Nothing in it breaks a standard, and there is something in it."""
        return self.kind != "unknown" and all(one.severity != ERROR for one in self.all_problems())


NO_SIGNATURE = signature.Verdict("none")


def check(data: bytes, *, now: datetime | None = None, trusted: Sequence[x509.Certificate] = ()) -> Document:
    """Everything that can be said of ``data``.  With ``now`` also what the clock says of it.  Never raises."""
    if notices.is_notices(data):
        found = notices.read(data)
        if not any(one.alert for one in found) and not any(
            problem.rule != "cn.not_a_notice" for one in found for problem in one.problems
        ):
            return _not_notices(data)
        alerts = [
            Checked(one.alert, "notice", _timed(one.alert, one.problems, now, one.line), NO_SIGNATURE)
            for one in found
        ]
        return Document("notices", tuple(alerts), ())
    tree = parse(data)
    problems = of_tree(tree)
    if isinstance(tree, Refused):
        return Document("unknown", (), tuple(problems))
    root = tree.root
    if root.local.lower() == "alert":
        if china.is_china(root):
            return Document("cn_xml", (_chinese(root, now),), tuple(problems))
        return Document("cap", (_alert(read_alert(root), tree, now, trusted),), tuple(problems))
    if root.local == "feed" and root.space == feeds.ATOM:
        return _feed("atom", feeds.read_atom(root), problems, now, trusted)
    if root.local == "rss":
        return _feed("rss", feeds.read_rss(root), problems, now, trusted)
    if root.local == "EDXLDistribution":
        inner = [one for one in root.walk() if feeds.is_alert(one)]
        alerts = [_alert(read_alert(one), _alone(one), now, trusted) for one in inner]
        if not alerts:
            problems.append(_not_cap(root))
        return Document("edxl", tuple(alerts), tuple(problems))
    problems.append(_not_cap(root))
    return Document("unknown", (), tuple(problems))


def across(documents: Iterable[tuple[str, Document]]) -> dict[str, list[Problem]]:
    """What is wrong with several files together, by the file's name: the same identity twice, references in circles."""
    held: dict[tuple[str, str], tuple[str, m.Alert]] = {}
    told: dict[str, list[Problem]] = {}
    for name, document in documents:
        for one in document.alerts:
            if one.alert is None:
                continue
            key = (one.alert.sender, one.alert.identifier)
            before = held.get(key)
            if before is None:
                held[key] = (name, one.alert)
            elif before[1] != one.alert:
                value = f"{one.alert.identifier} ({before[0]})"
                told.setdefault(name, []).append(
                    Problem("id.twice", "/alert/identifier", 0, 0, {"value": value})
                )
    for key, (name, alert) in held.items():
        if _leads_back(key, alert, held):
            facts = {"value": alert.identifier}
            told.setdefault(name, []).append(Problem("reference.circular", "/alert/references", 0, 0, facts))
    return told


def _leads_back(
    key: tuple[str, str], alert: m.Alert, held: dict[tuple[str, str], tuple[str, m.Alert]]
) -> bool:
    waiting = [(r.sender, r.identifier) for r in alert.references if (r.sender, r.identifier) != key]
    seen = set()
    while waiting:
        one = waiting.pop()
        if one == key:
            return True
        if one in held and one not in seen:
            seen.add(one)
            waiting += [(r.sender, r.identifier) for r in held[one][1].references]
    return False


def _not_notices(data: bytes) -> Document:
    """Neither XML nor a notice: say so as the XML that it should have been."""
    tree = parse(data)
    problems = of_tree(tree)
    why = problems[0].facts.get("message", "") if problems else ""
    head = data[:40].decode("utf-8", "replace")
    if isinstance(tree, Refused) and tree.reason == "too_large":
        return Document("unknown", (), tuple(problems))
    problem = Problem("xml.not_well_formed", "", 1, 1, {"message": why or head})
    return Document("unknown", (), (problem,))


def _not_cap(root: Element) -> Problem:
    return Problem("xml.not_cap", root.path(), root.line, root.column, {"root": root.name})


def _alone(alert: Element) -> Tree:
    """The alert as if it were a document: what its signature is over, wherever it is carried."""
    return Tree(alert, [], [], "", False)


def _alert(found: Found, tree: Tree, now: datetime | None, trusted: Sequence[x509.Certificate]) -> Checked:
    sent = found.alert.sent if found.alert else None
    verdict = signature.verify(tree, trusted, sent)
    problems = list(found.problems)
    at = next(iter(signature.signatures(found.element)), found.element)

    def add(rule: str, why: str) -> None:
        problems.append(Problem(rule, at.path(), at.line, at.column, {"why": why}))

    if verdict.state in ("invalid", "unsupported", "untrusted"):
        add(f"signature.{verdict.state}", verdict.why)
    for why in verdict.weak:
        add("signature.weak", why)
    if verdict.outside:
        add("signature.certificate_time", verdict.outside)
    if found.alert is not None:
        _profile(found.alert, found.element, problems)
    return Checked(
        found.alert, found.version, _timed(found.alert, tuple(problems), now, found.element.line), verdict
    )


def _profile(alert: m.Alert, element: Element, problems: list[Problem]) -> None:
    """What the Chinese profile asks of an alert that says it follows it."""
    infos = element.all("info")
    is_chinese = False
    for info, at in zip(alert.infos, infos, strict=False):
        kinds = [pair.value for pair in info.event_codes if pair.name == china.EVENT_TYPE]
        colours = [pair.value for pair in info.parameters if pair.name == china.COLOUR]
        is_chinese = is_chinese or bool(kinds or colours)
        for kind in kinds:
            if kind not in china.EVENT_TYPES:
                problems.append(Problem("cn.event_type", at.path(), at.line, at.column, {"value": kind}))
        by_severity = {severity: colour for colour, severity in china.SEVERITY_OF.items()}
        severity = colours[0] if colours else by_severity.get(info.severity, "")
        if kinds or colours:
            said = china.colour_problem(info.headline, severity)
            agrees = not colours or china.SEVERITY_OF.get(colours[0]) == info.severity
            if said or not agrees:
                facts = {"said": said or colours[0], "severity": info.severity}
                problems.append(Problem("cn.colour", at.path(), at.line, at.column, facts))
    if is_chinese and not china.is_identifier(alert.identifier):
        at = element.first("identifier") or element
        problems.append(Problem("cn.identifier", at.path(), at.line, at.column, {"value": alert.identifier}))


def _chinese(root: Element, now: datetime | None) -> Checked:
    message, problems = china.read(root)
    alert = None if message is None else china.to_cap(message)
    return Checked(alert, "cn", _timed(alert, problems, now, root.line), NO_SIGNATURE)


def _feed(
    kind: str,
    feed: feeds.Feed,
    problems: list[Problem],
    now: datetime | None,
    trusted: Sequence[x509.Certificate],
) -> Document:
    found = [one for entry in feed.entries for one in entry.alerts]
    alerts = tuple(_alert(one, _alone(one.element), now, trusted) for one in found)
    return Document(kind, alerts, (*problems, *feed.problems), feed.entries, feed.next)


def _timed(
    alert: m.Alert | None, problems: tuple[Problem, ...], now: datetime | None, line: int
) -> tuple[Problem, ...]:
    if alert is None or now is None or alert.sent <= now + AHEAD:
        return problems
    facts = {"value": times.write(alert.sent)}
    return (*problems, Problem("time.future", "/alert/sent", line, 1, facts))


__all__ = ["Checked", "Document", "across", "check", "replace"]

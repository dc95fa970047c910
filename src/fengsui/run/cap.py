"""``fengsui cap``: say what is wrong with alerts, by rule, and turn them from one form into another."""

import argparse
import json
import sys
from collections import Counter
from datetime import UTC
from pathlib import Path
from typing import Any

from fengsui.base.errors import BadInput
from fengsui.stores import clock
from fengsui.warn.cap import china, signature, times, writing
from fengsui.warn.cap.checks import Document, across, check
from fengsui.warn.cap.rules import ERROR, NOTE, RULES, SEVERITY_WORDS, WARNING, Problem
from fengsui.warn.cap.tree import MAX_BYTES

HELP = "check alerts in CAP, feeds of them and Chinese notices by rule; convert them"
LANGUAGES = ("en", "zh")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    verbs = parser.add_subparsers(dest="verb", required=True)
    checking = verbs.add_parser(
        "check", help="say what is wrong with files, by rule; exit 1 if anything is an error"
    )
    checking.add_argument(
        "files", nargs="+", metavar="FILE", help="CAP, Atom, RSS, EDXL-DE, notices; - is standard input"
    )
    checking.add_argument("--json", action="store_true", help="one JSON object a file")
    checking.add_argument("--language", choices=LANGUAGES, default="en", help="of the words; JSON has both")
    checking.add_argument(
        "--trust", metavar="PEM", action="append", default=[], help="certificates that are trusted"
    )
    checking.add_argument("--strict", action="store_true", help="exit 1 for warnings too")
    listing = verbs.add_parser("rules", help="list every rule")
    listing.add_argument("--json", action="store_true", help="as JSON")
    listing.add_argument("--language", choices=LANGUAGES, default="en", help="of the words")
    converting = verbs.add_parser(
        "convert", help="write a file as CAP 1.2, or in the form of the national system"
    )
    converting.add_argument("file", metavar="FILE")
    converting.add_argument("--to", choices=("cap", "china"), default="cap")


def run(args: argparse.Namespace) -> int:
    return {"check": _check, "rules": _rules, "convert": _convert}[args.verb](args)


# ---- check --------------------------------------------------------------------------------------------------


def _check(args: argparse.Namespace) -> int:
    try:
        trusted = [one for path in args.trust for one in signature.read_certificates(Path(path).read_bytes())]
    except (OSError, BadInput) as error:
        return _wrong(str(error))
    documents = []
    for name in args.files:
        try:
            documents.append((name, check(_read(name), now=clock.now(), trusted=trusted)))
        except OSError as error:
            return _wrong(f"{name}: {error.strerror or error}")
    together = across(documents)
    is_bad = False
    for name, document in documents:
        problems = [*document.all_problems(), *together.get(name, ())]
        if args.json:
            print(json.dumps(as_json(name, document, problems), ensure_ascii=False))
        else:
            _print(name, document, problems, args.language)
        bad = (ERROR, WARNING) if args.strict else (ERROR,)
        is_bad = is_bad or document.kind == "unknown" or any(one.severity in bad for one in problems)
    return 1 if is_bad else 0


def _read(name: str) -> bytes:
    """At most a byte more than is read anyway: the check then says that it is too much."""
    if name == "-":
        return sys.stdin.buffer.read(MAX_BYTES + 1)
    with Path(name).open("rb") as file:
        return file.read(MAX_BYTES + 1)


def as_json(name: str, document: Document, problems: list[Problem]) -> dict[str, Any]:
    """Everything that was found, for programs."""
    return {
        "file": name,
        "kind": document.kind,
        "ok": document.kind != "unknown" and all(one.severity != ERROR for one in problems),
        "counts": {
            severity: sum(1 for p in problems if p.severity == severity) for severity in SEVERITY_WORDS
        },
        "alerts": [_alert(one) for one in document.alerts],
        "problems": [
            {
                "rule": one.rule,
                "severity": one.severity,
                "path": one.path,
                "line": one.line,
                "column": one.column,
                "what": one.what()._asdict(),
                "todo": one.todo()._asdict(),
                "clause": RULES[one.rule].clause,
            }
            for one in problems
        ],
    }


def _alert(one: Any) -> dict[str, Any]:
    told: dict[str, Any] = {"version": one.version, "signature": one.verdict.state}
    if one.verdict.fingerprint:
        told |= {"certificate": one.verdict.subject, "certificate_sha256": one.verdict.fingerprint}
    if (alert := one.alert) is None:
        return told | {"identifier": None}
    return told | {
        "identifier": alert.identifier,
        "sender": alert.sender,
        "sent": times.write(alert.sent),
        "sent_utc": f"{alert.sent.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}",
        "status": alert.status,
        "msgType": alert.msg_type,
        "scope": alert.scope,
        "references": [f"{r.sender},{r.identifier},{r.sent}" for r in alert.references],
        "infos": [
            {
                "language": info.language,
                "event": info.event,
                "category": list(info.categories),
                "urgency": info.urgency,
                "severity": info.severity,
                "certainty": info.certainty,
                "expires": None if info.expires is None else times.write(info.expires),
                "senderName": info.sender_name,
                "headline": info.headline,
                "areas": [area.desc for area in info.areas],
            }
            for info in alert.infos
        ],
    }


KIND_WORDS = {
    "cap": ("CAP 消息", "CAP message"),
    "atom": ("Atom 订阅源", "Atom feed"),
    "rss": ("RSS 订阅源", "RSS feed"),
    "edxl": ("EDXL-DE 信封", "EDXL-DE envelope"),
    "cn_xml": ("国家预警发布系统消息", "message of the national warning system"),
    "notices": ("预警信号通报", "Chinese warning notices"),
    "unknown": ("读不出", "cannot be read"),
}


def _print(name: str, document: Document, problems: list[Problem], language: str) -> None:
    chinese = language == "zh"

    def words(term: Any) -> str:
        return str(term[0] if chinese else term[1])

    counts = Counter(one.severity for one in problems)
    said = [
        f"{counts[severity]} {words(SEVERITY_WORDS[severity])}"
        for severity in SEVERITY_WORDS
        if counts[severity]
    ]
    verdict = ", ".join(said) or ("没有问题" if chinese else "nothing wrong")
    print(f"{name}: {words(KIND_WORDS[document.kind])}: {verdict}")
    for one in document.alerts:
        if one.alert is not None:
            info = one.alert.info(language)
            headline = (info.headline or info.event) if info else ""
            print(
                f"  {one.version:<6} {one.alert.status} {one.alert.msg_type} {one.alert.identifier}  {headline}"
            )
    for problem in sorted(problems, key=lambda p: (p.severity == NOTE, p.severity == WARNING, p.line)):
        place = f"{problem.line}:{problem.column} {problem.path}".strip() if problem.line else problem.path
        print(f"  {words(SEVERITY_WORDS[problem.severity])} {problem.rule}  {place}")
        print(f"      {words(problem.what())}")
        print(f"      → {words(problem.todo())}  [{RULES[problem.rule].clause}]")


# ---- the rest -----------------------------------------------------------------------------------------------


def _rules(args: argparse.Namespace) -> int:
    for name, rule in RULES.items():
        if args.json:
            told = {"rule": name, "severity": rule.severity, "clause": rule.clause}
            told |= {"what": rule.what._asdict(), "todo": rule.todo._asdict()}  # type: ignore[dict-item]
            print(json.dumps(told, ensure_ascii=False))
        else:
            words = rule.what.zh if args.language == "zh" else rule.what.en
            print(f"{name:<28} {rule.severity:<8} {words}")
    return 0


def _convert(args: argparse.Namespace) -> int:
    try:
        document = check(_read(args.file))
    except OSError as error:
        return _wrong(f"{args.file}: {error.strerror or error}")
    alerts = [one.alert for one in document.alerts if one.alert is not None]
    if len(alerts) != 1:
        return _wrong(
            f"{args.file} holds {len(alerts)} alerts that can be read; one is converted at a time", 1
        )
    if args.to == "china":
        message = china.to_china(alerts[0])
        if message is None:
            return _wrong(
                f"{args.file} has no eventCode {china.EVENT_TYPE}: it is not of the Chinese profile", 1
            )
        data = china.write(message)
    else:
        try:
            data = writing.write(alerts[0])
        except writing.CannotWrite as error:
            return _wrong(f"{args.file} cannot be written as CAP 1.2: {error}", 1)
    sys.stdout.write(data.decode())
    return 0


def _wrong(message: str, code: int = 2) -> int:
    print(f"fengsui cap: {message}", file=sys.stderr)
    return code

"""``fengsui conform``: play the platform's side to a supplier's device and write a signed report."""

import argparse
import asyncio
import os
import signal
import sys
from dataclasses import replace
from importlib import metadata
from pathlib import Path
from typing import Any

from fengsui.run import settings
from fengsui.sense.conform import report as reports
from fengsui.sense.conform.case import Scene, Script, Waits
from fengsui.sense.conform.scripts import SCRIPTS
from fengsui.sense.conform.session import Result, Session, now_ms
from fengsui.sense.gateways.field.registry import UDP

HELP = "the supplier conformance kit: play the platform to a device and write a signed report"
KEY = "conformance-key"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="PROTOCOL")
    for name, script in SCRIPTS.items():
        one = verbs.add_parser(name, help=f"test a device of {script.codec.standard}")
        where = one.add_mutually_exclusive_group(required=True)
        where.add_argument("--listen", metavar="HOST:PORT", help="wait for the device to call")
        where.add_argument("--dial", metavar="HOST:PORT", help="call the device")
        if name in UDP:
            one.add_argument(
                "--transport", choices=("tcp", "udp"), default="tcp", help="(default %(default)s)"
            )
        one.add_argument(
            "--out", type=Path, metavar="FILE", help="the report (default: PROTOCOL-report.json)"
        )
        one.add_argument("--no-pdf", action="store_true", help="only the JSON")
        one.add_argument(
            "--fonts", type=Path, action="append", default=[], metavar="FOLDER", help="for the PDF"
        )
        one.add_argument("--note", default="", help="the operator's note, kept in the report")
        one.add_argument(
            "--identity", default="", help="the device's identity (default: what it calls itself)"
        )
        one.add_argument("--password", default="", help="the device's password (default: the one it uses)")
        one.add_argument(
            "--set", action="append", default=[], metavar="NAME=VALUE", help="a setting of the script"
        )
        one.add_argument(
            "--only", metavar="TEXT", help="only cases whose id holds TEXT; the report is not complete"
        )
        one.add_argument(
            "--wait", type=float, default=10, metavar="S", help="for an answer (default %(default)s)"
        )
        one.add_argument(
            "--data-wait",
            type=float,
            default=90,
            metavar="S",
            help="for what comes by itself (default %(default)s)",
        )
        one.add_argument(
            "--limit", type=float, default=3600, metavar="S", help="of the whole (default %(default)s)"
        )
    verbs.add_parser("list", help="name the cases").add_argument("protocol", choices=sorted(SCRIPTS))
    check = verbs.add_parser("verify", help="check the signature of a report")
    check.add_argument("report", type=Path)
    check.add_argument("--key", type=Path, metavar="PEM", help="the public key that must have signed")
    paper = verbs.add_parser("pdf", help="make the PDF of a report, beside it")
    paper.add_argument("report", type=Path)
    paper.add_argument(
        "--fonts", type=Path, action="append", default=[], metavar="FOLDER", help="with a Chinese font"
    )
    verbs.add_parser("key", help="print this installation's public key, in PEM form")


def run(args: argparse.Namespace) -> int:
    if args.verb == "list":
        for case in SCRIPTS[args.protocol].cases:
            memory = "  [from memory]" if case.clause.from_memory else ""
            print(f"{case.id:<32} {case.kind:<8} {case.need:<13} {case.title}  {case.clause.text}{memory}")
        return 0
    try:
        if args.verb == "verify":
            return _verify(args)
        if args.verb == "pdf":
            return 0 if _paper(args.report, args.report.read_bytes(), args.fonts) else 1
        key = reports.own_key(settings.home() / "secrets" / KEY)
        if args.verb == "key":
            print(reports.public_pem(key.public_key()), end="")
            return 0
    except (reports.BadReport, OSError) as error:
        print(f"fengsui conform: {error}", file=sys.stderr)
        return 1
    try:
        host, port = address(args.listen or args.dial)
        scene = Scene(settings=_settings(args), identity=args.identity)
    except ValueError as error:
        print(f"fengsui conform: {error}", file=sys.stderr)
        return 2
    script = SCRIPTS[args.verb]
    if args.only:
        script = replace(script, cases=tuple(one for one in script.cases if args.only in one.id))
        if not script.cases:
            print(
                f"fengsui conform: no case holds {args.only!r}; see: fengsui conform list {args.verb}",
                file=sys.stderr,
            )
            return 2
    return asyncio.run(_test(args, script, scene, host, port, key))


def address(text: str) -> tuple[str, int]:
    """``HOST:PORT``, the host in brackets where it holds colons.  Raises ValueError."""
    host, colon, port = text.rpartition(":")
    if not colon or not port.isascii() or not port.isdigit() or int(port) > 65535:
        raise ValueError(f"{text!r} is no HOST:PORT")
    return host.strip("[]") or "0.0.0.0", int(port)  # noqa: S104  an empty host is asked for


def _settings(args: argparse.Namespace) -> dict[str, str]:
    found = {"password": args.password} if args.password else {}
    for text in args.set:
        name, equals, value = text.partition("=")
        if not equals:
            raise ValueError(f"--set {text}: write NAME=VALUE")
        found[name] = value
    return found


async def _test(
    args: argparse.Namespace, script: Script, scene: Scene, host: str, port: int, key: Any
) -> int:
    waits = Waits(args.wait, args.data_wait)
    udp = getattr(args, "transport", "tcp") == "udp"
    session = Session(script, scene, waits, total_s=args.limit, udp=udp, told=_tell)
    started_ms = now_ms()
    walk = asyncio.create_task(session.listen(host, port) if args.listen else session.dial(host, port))
    loop = asyncio.get_running_loop()
    for name in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(name, walk.cancel)
    if args.listen:
        ready = asyncio.create_task(session.listening.wait())
        await asyncio.wait({walk, ready}, return_when=asyncio.FIRST_COMPLETED)
        ready.cancel()
        if session.address:
            print(f"listening on {session.address[0]}:{session.address[1]}", flush=True)
    stopped = False
    try:
        await walk
    except asyncio.CancelledError:
        stopped = True
    except OSError as error:
        print(f"fengsui conform: {error}", file=sys.stderr)
        return 3
    complete = not stopped and not args.only and all(one.verdict != "not_run" for one in session.results)
    report = reports.build(
        script,
        session.results,
        version=metadata.version("fengsui"),
        identity=scene.identity,
        peer=session.peer,
        note=args.note,
        waits=waits,
        started_ms=started_ms,
        ended_ms=now_ms(),
        complete=complete,
        transport="udp" if udp else "tcp",
    )
    path = args.out or Path(f"{script.codec.name}-report.json")
    try:
        data = reports.sign(report, key)
        _write(path, data)
        if not args.no_pdf:
            _paper(path, data, args.fonts)
    except OSError as error:
        print(f"fengsui conform: the report cannot be written: {error}", file=sys.stderr)
        return 3
    counts = "  ".join(f"{term} {report['counts'][name]}" for name, term in reports.VERDICTS.items())
    print(f"{counts}\n{path}{'' if complete else '  不完整 incomplete'}")
    return 0 if reports.passed(session.results) and not stopped else 1


def _tell(result: Result) -> None:
    reasons = "; ".join(str(one) for one in result.reasons)
    print(f"{result.verdict:<15} {result.case.id:<32} {result.case.title}  {reasons}".rstrip(), flush=True)


def _paper(path: Path, data: bytes, fonts: list[Path]) -> bool:
    """The PDF beside the JSON.  Raises BadReport, OSError; says what is missing when it cannot be made."""
    from fengsui.sense.conform import pdf

    report, signature, _ = reports.verify(data)
    try:
        _write(path.with_suffix(".pdf"), pdf.make(report, signature, fonts))
    except pdf.NoFont as error:
        print(f"fengsui conform: no PDF: {error}; then: fengsui conform pdf {path}", file=sys.stderr)
        return False
    print(path.with_suffix(".pdf"))
    return True


def _write(path: Path, data: bytes) -> None:
    """The file is whole or not there."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.write_bytes(data)
    draft.replace(path)


def _verify(args: argparse.Namespace) -> int:
    report, signature, key = reports.verify(args.report.read_bytes())
    print(f"signature fits  {signature['report_sha256']}")
    print(f"signed by key   {signature['key_fingerprint']}")
    device = report["device"]["identity"] or "?"
    verdict = "passed" if report["passed"] else "not passed" if report["complete"] else "incomplete"
    print(f"{report['protocol']['name']}  {device}  {verdict}  {report['counts']}")
    if args.key:
        known, whose = reports.read_public(args.key.read_bytes()), str(args.key)
    else:
        known, whose = reports.own_key(settings.home() / "secrets" / KEY).public_key(), "this installation"
    if known.public_bytes_raw() == key.public_bytes_raw():
        print(f"the key is that of {whose}")
        return 0
    print(
        f"fengsui conform: the key is not that of {whose}; anybody can sign with a key of their own: "
        "give the one you trust with --key",
        file=sys.stderr,
    )
    return 1

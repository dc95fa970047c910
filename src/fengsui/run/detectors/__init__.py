"""The command ``fengsui detectors``: train detectors on history, ask what they say, score them on public benchmarks."""

import argparse
import json
import sys
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fengsui.base.errors import FengsuiError

if TYPE_CHECKING:
    import numpy as np

HELP = "detectors of abnormal conditions: train them on history, score them on public benchmarks"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    sub = parser.add_subparsers(dest="action", required=True)
    one = sub.add_parser(
        "evaluate",
        help="score a folder laid out like TEP, SKAB, NAB or BATADAL by that benchmark's own metric",
    )
    one.add_argument("folder", type=Path)
    one.add_argument(
        "--train",
        type=Path,
        metavar="FOLDER",
        help="where normal operation is, if not in FOLDER (TEP, BATADAL)",
    )
    one.add_argument("--json", action="store_true", help="print JSON")
    one = sub.add_parser(
        "train", help="learn from a stretch of normal operation in history; kept as a new version"
    )
    _span(one)
    one.add_argument(
        "--method", choices=("unit", "charts", "course"), default="unit", help="of a detector that is new"
    )
    one.add_argument(
        "--datastream", action="append", default=[], metavar="CODE", help="only these (default: all active)"
    )
    one.add_argument(
        "--every", type=float, metavar="S", help="interval of the rows (default: as most readings come)"
    )
    one.add_argument("--note", default="", help="kept with the model: why this stretch was normal")
    one = sub.add_parser("list", help="the versions that are kept, and which are in force")
    one.add_argument("--site", default="", metavar="CODE")
    one.add_argument("--json", action="store_true", help="print JSON")
    one = sub.add_parser(
        "show", help="what a model was learnt from, and its limits; its checksum is compared"
    )
    _which(one)
    one = sub.add_parser("judge", help="what a model says about a stretch of history: nothing is raised")
    _span(one)
    one.add_argument("--version", type=int, default=0, help="default: the newest")
    one.add_argument("--json", action="store_true", help="print JSON")
    for action, words in (
        ("shadow", "let a version run beside what is in force; nobody is told what it finds"),
        ("activate", "put a version in force: it raises alarms"),
        ("promote", "put in force what runs in shadow"),
        ("deactivate", "take a detector out of force; its standing alarms are cleared"),
    ):
        one = sub.add_parser(action, help=words)
        _which(one, version=action in ("shadow", "activate"))
        one.add_argument("--reason", required=True, help="kept in its history")


def run(args: argparse.Namespace) -> int:
    """0 done, 1 refused or cannot be read, 2 wrong use, 3 no database."""
    try:
        if args.action == "evaluate":
            return _evaluate(args)
        return _with_database(args)
    except FengsuiError as error:
        print(f"fengsui detectors: {error}", file=sys.stderr)
        return 1


def _evaluate(args: argparse.Namespace) -> int:
    from fengsui.run.detectors.evaluate import evaluate

    found = evaluate(args.folder, args.train)
    print(json.dumps(found, ensure_ascii=False, indent=1) if args.json else "\n".join(report(found)))
    return 0


def _with_database(args: argparse.Namespace) -> int:
    from fengsui.run import django_setup

    django_setup.setup()
    from django.db import OperationalError
    from psycopg_pool import PoolTimeout

    deeds = {"list": _list, "show": _show, "train": _train, "judge": _judge}
    try:
        return deeds.get(args.action, _put)(args)
    except (OperationalError, PoolTimeout):
        print("fengsui detectors: the database does not answer; is `fengsui db` running?", file=sys.stderr)
        return 3


def _list(args: argparse.Namespace) -> int:
    from fengsui.warn.detecting.models import Trained

    rows = Trained.objects.light().select_related("detector__site")
    if args.site:
        rows = rows.filter(detector__site__code=args.site)
    found = [
        {
            "site": r.detector.site.code, "detector": r.detector.name, "method": r.detector.method,
            "version": r.version, "sha256": r.sha256, "trained_at": r.trained_at.isoformat(), "note": r.note,
            "state": "in force" if r.pk == r.detector.in_force_id
            else "in shadow" if r.pk == r.detector.in_shadow_id else "",
            **r.about,
        }
        for r in rows.order_by("detector__site__code", "detector__name", "version")
    ]  # fmt: skip
    if args.json:
        print(json.dumps(found, ensure_ascii=False, indent=1))
        return 0
    for a in found:
        print(
            f"{a['site']:<16} {a['detector']} {a['version']:>3}  {a['method']}, {len(a['datastreams'])} datastreams, "
            f"{a['rows']} rows, {a['from']} to {a['to']}  {a['state']}  {a['note']}".rstrip()
        )
    return 0


def _show(args: argparse.Namespace) -> int:
    from fengsui.warn.detecting import training

    row = _version(args)
    training.load(row)
    used = row.about["used"]
    said = {
        "site": row.detector.site.code, "detector": row.detector.name, "method": row.detector.method,
        "version": row.version, "sha256": row.sha256, "trained_at": row.trained_at.isoformat(), "note": row.note,
        **{k: v for k, v in row.about.items() if k not in ("used", "hold")},
        "not_judged": [c for c, u in zip(row.about["codes"], used, strict=True) if not u],
    }  # fmt: skip
    print(json.dumps(said, ensure_ascii=False, indent=1))
    return 0


def _train(args: argparse.Namespace) -> int:
    if (span := _times(args)) is None:
        return 2
    from fengsui.warn.detecting import services, training
    from fengsui.warn.detecting.errors import BadModel
    from fengsui.warn.detecting.models import Detector

    site = _site(args)
    actor = "fengsui detectors"
    every_ms = round(args.every * 1000) if args.every is not None else 0
    if args.every is not None and every_ms < 1:
        raise BadModel(f"--every {args.every}: the interval must be a millisecond or more")
    detector = Detector.objects.filter(site=site, name=args.detector).select_related("site").first()
    draft = detector or Detector(site=site, name=args.detector, method=args.method)
    learnt, about = training.from_history(draft, *span, args.datastream, every_ms)
    detector = detector or services.create(actor, site, args.detector, args.method)
    kept = training.keep(actor, detector, learnt, about, args.note)
    rows = f"{about['rows']} rows of {about['every_ms']} ms"
    print(f"{args.site} version {kept.version}: {len(about['datastreams'])} datastreams, {rows}")
    return 0


def _judge(args: argparse.Namespace) -> int:
    if (span := _times(args)) is None:
        return 2
    from fengsui.stores.history.queries import query
    from fengsui.warn.detecting import training

    row = _version(args)
    one = training.load(row)
    from_ms, to_ms = (round(t.timestamp() * 1000) for t in span)
    ids, every_ms = one.ids, one.about["every_ms"]
    code_of = dict(zip(ids, one.about["codes"], strict=True))
    cells = training.grid(query(ids, from_ms, to_ms), ids, from_ms, to_ms, every_ms)
    findings: list[dict[str, Any]] = [
        {
            "begins": training.said(f.begins_ms), "ends": training.said(f.ends_ms), "rows": f.rows,
            "worst": round(f.worst, 3), "worst_at": training.said(f.worst_ms),
            "contributing": [{"datastream": code_of[i], "share": round(part, 4)} for i, part in f.shares],
        }
        for f in training.judge(one, cells, from_ms, every_ms)
    ]  # fmt: skip
    scores: list[dict[str, Any]] = [
        {
            "datastream": code, "score": t.score,
            "reasons": [
                {"what": r.what, "severity": round(r.severity, 3), "rows": r.rows}
                | ({"of": one.about["codes"][r.of]} if r.of >= 0 else {})
                for r in t.reasons
            ],
        }
        for code, t in zip(one.about["codes"], training.truths(one, cells), strict=True)
    ]  # fmt: skip
    judged = _judged(cells, one.about["used"])
    if args.json:
        said = {
            "site": args.site, "version": row.version, "rows": len(cells), "rows_judged": judged,
            "findings": findings, "truth": scores,
        }  # fmt: skip
        print(json.dumps(said, ensure_ascii=False, indent=1))
        return 0
    for f in findings:
        who = "  ".join(f"{c['datastream']} {c['share']:.0%}" for c in f["contributing"])
        print(f"{f['begins']}  {f['ends']}  {f['worst']:.1f} times the limit  {who}")
    for s in scores:
        if s["reasons"]:
            why = "  ".join(f"{r['what']} ({r['rows']} rows)" for r in s["reasons"])
            print(f"{s['datastream']}: truth {s['score']}  {why}")
    print(f"{len(findings)} abnormal stretches; {judged} of {len(cells)} rows could be judged")
    return 0


def _put(args: argparse.Namespace) -> int:
    """Shadow, activate, promote, deactivate."""
    from fengsui.warn.detecting import services

    detector, actor = _detector(args), "fengsui detectors"
    if args.action in ("shadow", "activate"):
        version = _version(args).version
        done = getattr(services, args.action)(actor, detector, version, args.reason)
    else:
        done = getattr(services, args.action)(actor, detector, args.reason)
    force, beside = (v.version if v else "–" for v in (done.in_force, done.in_shadow))
    print(f"{args.site} {done.name}: version in force {force}, in shadow {beside}")
    return 0


def _site(args: argparse.Namespace) -> Any:
    from fengsui.sense.devices.models import Site
    from fengsui.warn.detecting.errors import BadModel

    if (site := Site.objects.filter(code=args.site).first()) is None:
        raise BadModel(f"there is no site {args.site!r}")
    return site


def _detector(args: argparse.Namespace) -> Any:
    from fengsui.warn.detecting.errors import BadModel
    from fengsui.warn.detecting.models import Detector

    rows = Detector.objects.filter(site=_site(args)).select_related("site", "in_force", "in_shadow")
    if (found := rows.filter(name=args.detector).first()) is None:
        known = ", ".join(rows.values_list("name", flat=True)) or "none"
        raise BadModel(
            f"{args.site} has no detector {args.detector!r}, no model is kept; it has: {known} "
            "(fengsui detectors train makes one)"
        )
    return found


def _version(args: argparse.Namespace) -> Any:
    from fengsui.warn.detecting.errors import BadModel

    rows = _detector(args).versions.light().select_related("detector__site").order_by("-version")
    found = rows.filter(version=args.version).first() if args.version else rows.first()
    if found is None:
        raise BadModel(f"{args.site}: version {args.version or ''} is not kept; see: fengsui detectors list")
    return found


def report(found: dict[str, Any]) -> list[str]:
    """The figures of an evaluation in lines, for people."""
    lines = [f"{found['dataset']}: {found['detector']['name']}, {len(found['files'])} files"]
    flat = found["figures"]
    if found["dataset"] == "nab":
        flat = {"course": flat}
    for name, figures in flat.items():
        lines.append(f"  {name:<16} " + "  ".join(f"{key} {_text(value)}" for key, value in figures.items()))
    apart = ("t2", "q", "t2_or_q", "combined", "contributing")
    for row in found["table"]:
        words = [f"{key} {_text(row[key])}" for key in row if key not in apart]
        words += [f"{key} {_text(value)}" for key, value in row.get("combined", {}).items()]
        words += [f"{c['datastream']} {c['share']:.0%}" for c in row.get("contributing", [])]
        lines.append("    " + "  ".join(words))
    if "truth" in found:
        lines.append(
            "  truth            " + "  ".join(f"{k} {_text(v)}" for k, v in found["truth"]["found"].items())
        )
        lines.append(f"                   accused of good {_text(found['truth']['accused_good'])}")
    if found.get("not_scored"):
        lines.append(f"  not scored: {', '.join(found['not_scored'])}")
    return lines


def _which(parser: argparse.ArgumentParser, version: bool = True) -> None:
    parser.add_argument("--site", required=True, metavar="CODE")
    parser.add_argument("--detector", default="unit", metavar="NAME", help="name at its site (default: unit)")
    if version:
        parser.add_argument("--version", type=int, default=0, help="default: the newest")


def _span(parser: argparse.ArgumentParser) -> None:
    _which(parser, version=False)
    parser.add_argument("--from", dest="from_at", required=True, metavar="TIME", help="ISO 8601")
    parser.add_argument("--to", dest="to_at", required=True, metavar="TIME", help="ISO 8601, not included")


def _times(args: argparse.Namespace) -> tuple[datetime, datetime] | None:
    """The span; None when it was said what is wrong with it."""
    try:
        begins, ends = (
            at if at.tzinfo else at.astimezone()
            for at in (datetime.fromisoformat(args.from_at), datetime.fromisoformat(args.to_at))
        )
    except ValueError as error:
        print(f"fengsui detectors: {error}; write times like 2026-01-31T08:00+08:00", file=sys.stderr)
        return None
    if begins >= ends:
        print("fengsui detectors: --to must be later than --from", file=sys.stderr)
        return None
    return begins, ends


def _judged(cells: "np.ndarray", used: list[bool]) -> int:
    import numpy as np

    known = np.isfinite(cells[:, used])
    return int((2 * known.sum(axis=1) >= known.shape[1]).sum())


def _text(value: Any) -> str:
    return "–" if value is None else f"{value:g}" if isinstance(value, float) else str(value)

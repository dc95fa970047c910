"""The command ``fengsui detectors``: train detectors on history, ask what they say, score them on public benchmarks."""

import argparse
import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fengsui.base.errors import BadInput
from fengsui.run import settings
from fengsui.stores import clock

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
        "--datastream", action="append", default=[], metavar="CODE", help="only these (default: all active)"
    )
    one.add_argument(
        "--every", type=float, metavar="S", help="interval of the rows (default: as most readings come)"
    )
    one.add_argument("--note", default="", help="kept with the model: why this stretch was normal")
    one = sub.add_parser("list", help="the models that are kept")
    one.add_argument("--site", default="", metavar="CODE")
    one.add_argument("--json", action="store_true", help="print JSON")
    one = sub.add_parser("show", help="what a model was learnt from, and its limits; its file is checked")
    one.add_argument("--site", required=True, metavar="CODE")
    one.add_argument("--version", type=int, default=0, help="default: the newest")
    one = sub.add_parser("judge", help="what a model says about a stretch of history: nothing is raised")
    _span(one)
    one.add_argument("--version", type=int, default=0, help="default: the newest")
    one.add_argument("--json", action="store_true", help="print JSON")


def run(args: argparse.Namespace) -> int:
    """0 done, 1 refused or cannot be read, 2 wrong use, 3 no database."""
    try:
        if args.action == "evaluate":
            return _evaluate(args)
        if args.action in ("list", "show"):
            return {"list": _list, "show": _show}[args.action](args)
        return _with_history(args)
    except BadInput as error:
        print(f"fengsui detectors: {error}", file=sys.stderr)
        return 1


def _evaluate(args: argparse.Namespace) -> int:
    from fengsui.run.detectors.evaluate import evaluate

    found = evaluate(args.folder, args.train)
    print(json.dumps(found, ensure_ascii=False, indent=1) if args.json else "\n".join(report(found)))
    return 0


def _list(args: argparse.Namespace) -> int:
    from fengsui.run.detectors import trained

    found = trained.listed(folder(), args.site)
    if args.json:
        print(json.dumps(found, ensure_ascii=False, indent=1))
        return 0
    for a in found:
        if "damaged" in a:
            print(f"{a['site']:<20} {a['version']:>4}  DAMAGED: {a['damaged']}")
        else:
            print(
                f"{a['site']:<20} {a['version']:>4}  {len(a['datastreams'])} datastreams, {a['rows']} rows, "
                f"{a['from']} to {a['to']}  {a['note']}".rstrip()
            )
    return 0


def _show(args: argparse.Namespace) -> int:
    from fengsui.run.detectors import trained
    from fengsui.warn.detectors.monitor import STATISTICS

    one = trained.load(folder(), args.site, args.version)
    model = one.monitor.model
    said = {
        **one.about,
        "alpha": one.monitor.alpha,
        "components": len(model.eigen),
        "lags": model.lags,
        "follow": one.monitor.follow,
        "limits": {k: round(float(v), 4) for k, v in zip(STATISTICS, one.monitor.limit, strict=True)},
        "not_judged": [c for c, u in zip(one.about["codes"], model.used, strict=True) if not u],
    }
    print(json.dumps(said, ensure_ascii=False, indent=1))
    return 0


def _with_history(args: argparse.Namespace) -> int:
    try:
        from_ms, to_ms = _ms(args.from_at), _ms(args.to_at)
    except ValueError as error:
        print(f"fengsui detectors: {error}; write times like 2026-01-31T08:00+08:00", file=sys.stderr)
        return 2
    if from_ms >= to_ms:
        print("fengsui detectors: --to must be later than --from", file=sys.stderr)
        return 2
    from fengsui.run import django_setup

    django_setup.setup()
    from django.db import OperationalError
    from psycopg_pool import PoolTimeout

    try:
        return {"train": _train, "judge": _judge}[args.action](args, from_ms, to_ms)
    except (OperationalError, PoolTimeout):
        print("fengsui detectors: the database does not answer; is `fengsui db` running?", file=sys.stderr)
        return 3


def _train(args: argparse.Namespace, from_ms: int, to_ms: int) -> int:
    from fengsui.people.audit import services as audit
    from fengsui.run.detectors import trained
    from fengsui.sense.devices.models import Datastream, Site
    from fengsui.stores.history.queries import query

    if (site := Site.objects.filter(code=args.site).first()) is None:
        raise trained.BadModel(f"there is no site {args.site!r}")
    streams = dict(
        Datastream.objects.filter(site=site, is_active=True).order_by("pk").values_list("code", "pk")
    )
    if unknown := [c for c in args.datastream if c not in streams]:
        raise trained.BadModel(f"{args.site} has no active datastream {', '.join(unknown)}")
    if args.datastream:
        streams = {c: pk for c, pk in streams.items() if c in args.datastream}
    if not 2 <= len(streams) <= trained.MOST_DATASTREAMS:
        raise trained.BadModel(
            f"{len(streams)} datastreams: a unit has 2 to {trained.MOST_DATASTREAMS}; choose them with --datastream"
        )
    ids = list(streams.values())
    table = query(ids, from_ms, to_ms)
    every_ms = round(args.every * 1000) if args.every else trained.interval_ms(table)
    if every_ms < 1:
        raise trained.BadModel(f"--every {args.every}: the interval must be a millisecond or more")
    one = trained.train(
        trained.grid(table, ids, from_ms, to_ms, every_ms),
        {
            "site": args.site, "datastreams": ids, "codes": list(streams),
            "from": _text_of(from_ms), "to": _text_of(to_ms), "every_ms": every_ms,
            "readings": table.num_rows, "trained_at": clock.now().isoformat(), "note": args.note,
        },
    )  # fmt: skip
    kept = trained.save(folder(), one)
    said = {k: kept.about[k] for k in ("version", "from", "to", "every_ms", "rows", "sha256", "note")}
    audit.record("fengsui detectors", "detector.trained", site, **said)
    rows = f"{kept.about['rows']} rows of {every_ms} ms"
    print(f"{args.site} version {kept.about['version']}: {len(ids)} datastreams, {rows}")
    return 0


def _judge(args: argparse.Namespace, from_ms: int, to_ms: int) -> int:
    from fengsui.run.detectors import trained
    from fengsui.stores.history.queries import query

    one = trained.load(folder(), args.site, args.version)
    ids, every_ms = one.about["datastreams"], one.about["every_ms"]
    code_of = dict(zip(ids, one.about["codes"], strict=True))
    cells = trained.grid(query(ids, from_ms, to_ms), ids, from_ms, to_ms, every_ms)
    findings: list[dict[str, Any]] = [
        {
            "begins": _text_of(f.begins_ms), "ends": _text_of(f.ends_ms), "rows": f.rows, "worst": round(f.worst, 3),
            "worst_at": _text_of(f.worst_ms),
            "contributing": [{"datastream": code_of[i], "share": round(part, 4)} for i, part in f.shares],
        }
        for f in trained.judge(one, cells, from_ms, every_ms)
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
        for code, t in zip(one.about["codes"], trained.truths(one, cells), strict=True)
    ]  # fmt: skip
    judged = _judged(cells, one.monitor)
    if args.json:
        said = {
            "site": args.site, "version": one.about["version"], "rows": len(cells), "rows_judged": judged,
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


def folder() -> Path:
    """Where models are kept."""
    return settings.home() / "detectors"


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


def _span(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--site", required=True, metavar="CODE")
    parser.add_argument("--from", dest="from_at", required=True, metavar="TIME", help="ISO 8601")
    parser.add_argument("--to", dest="to_at", required=True, metavar="TIME", help="ISO 8601, not included")


def _judged(cells: "np.ndarray", watch: Any) -> int:
    import numpy as np

    known = np.isfinite(cells[:, watch.model.used])
    return int((2 * known.sum(axis=1) >= known.shape[1]).sum())


def _ms(text: str) -> int:
    at = datetime.fromisoformat(text)
    return round((at if at.tzinfo else at.astimezone()).timestamp() * 1000)


def _text_of(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat().replace("+00:00", "Z")


def _text(value: Any) -> str:
    return "–" if value is None else f"{value:g}" if isinstance(value, float) else str(value)

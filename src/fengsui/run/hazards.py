"""``fengsui hazards``: identify and grade major hazards of an inventory by GB 18218, with every step."""

import argparse
import hashlib
import io
import json
import sys
from pathlib import Path
from typing import Any

from fengsui.base.errors import BadInput
from fengsui.run import settings
from fengsui.sense.codecs.frame import Term
from fengsui.stores import clock
from fengsui.warn.hazards import answer, inventory, tables
from fengsui.warn.inventories import folder

HELP = "identify and grade major hazards (GB 18218) of an inventory, step by step; list what is regulated"
LANGUAGES = ("zh", "en")
WORDS = {
    "row": Term("第 %s 行", "row %s"),
    "unit": Term("单元", "unit"),
    "todo": Term("处理", "to do"),
    "no_process": Term("按名称不是重点监管的危险化工工艺", "none of the regulated processes by its name"),
    "not_loaded": Term("未查,没有载入名录", "not looked at, no list is loaded"),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    verbs = parser.add_subparsers(dest="verb", required=True)
    grading = verbs.add_parser(
        "grade", help="S, R and grade of each unit; exit 1 where a row is bad or an answer is missing"
    )
    grading.add_argument("inventory", type=Path, metavar="FILE", help="CSV or xlsx")
    grading.add_argument("--pdf", type=Path, metavar="FILE", help="write a report too")
    grading.add_argument(
        "--fonts", type=Path, action="append", default=[], metavar="FOLDER", help="for the PDF"
    )
    listing = verbs.add_parser("tables", help="name the tables that are used: edition, tag, source")
    for one in (grading, listing):
        one.add_argument("--json", action="store_true", help="for programs")
        one.add_argument("--language", choices=LANGUAGES, default="en", help="of the words; JSON has both")


def run(args: argparse.Namespace) -> int:
    try:
        used = load()
        return _grade(args, used) if args.verb == "grade" else _tables(args, used)
    except BadInput as error:
        print(f"fengsui hazards: {error.code}: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"fengsui hazards: {error.filename}: {error.strerror}", file=sys.stderr)
        return 2


def load() -> tables.Tables:
    """The shipped tables, with those of FENGSUI_HAZARD_TABLES in their place.  Raises BadHazardTable."""
    return folder.load(settings.value("FENGSUI_HAZARD_TABLES"))


def _grade(args: argparse.Namespace, used: tables.Tables) -> int:
    from fengsui.run import django_setup

    django_setup.setup()
    from fengsui.sense.devices import files

    with args.inventory.open("rb") as file:
        raw = file.read(files.MAX_BYTES + 1)
    found = answer.answer(inventory.read(files.rows(io.BytesIO(raw))), used)
    if args.pdf:
        from fengsui.show.reports import hazards as paper

        sha256 = hashlib.sha256(raw).hexdigest()
        args.pdf.write_bytes(paper.make(found, args.inventory.name, sha256, clock.now(), args.fonts))
    if args.json:
        print(json.dumps(found, ensure_ascii=False, indent=1))
    else:
        _print(found, args.language)
    return 0 if found["complete"] else 1


def _tables(args: argparse.Namespace, used: tables.Tables) -> int:
    if args.json:
        print(json.dumps([_origin(one) for one in used.origins.values()], ensure_ascii=False, indent=1))
        return 0
    for one in sorted(used.origins.values(), key=lambda origin: origin.table):
        print(f"{one.table:<24} {one.by:<8} {one.tag:<12} {one.standard} {one.clause}")
        print(f"{'':<24} {one.source}")
    return 0


def _origin(one: tables.Origin) -> dict[str, str]:
    names = ("table", "standard", "edition", "clause", "tag", "source", "by")
    return {name: getattr(one, name) for name in names}


def _print(found: dict[str, Any], language: str) -> None:
    say = {name: getattr(term, language) for name, term in WORDS.items()}
    for one in found["problems"]:
        where = say["row"] % one["row"] if one["row"] else f"{say['unit']} {one['unit']}".strip()
        print(f"{where}: {one['what'][language]}; {say['todo']}: {one['todo'][language]}")
    for unit in found["units"]:
        grade = unit["grade_words"][language] if unit["grade_words"] else "–"
        print(f"\n{unit['unit']}  {unit['kind_words'][language]}: {unit['verdict'][language]}")
        print(f"  S = {unit['s'] or '–'}   R = {unit['r'] or '–'}   {grade}")
        for step in unit["steps"]:
            print(f"  [{step['clause']}] {step['says'][language]}")
            print(f"      {step['numbers']}  →  {step['result']}")
    for one in (*found["processes"], *found["listed"]):
        print(
            f"{say['row'] % one['row']}: {one['name']} = {one['list_words'][language]} {one['no']} {one['listed_as']}"
            f" ({one['by']}; {one['cited']}; {one['tag']})"
        )
    for one in found["processes_not_listed"]:
        print(f"{say['row'] % one['row']}: {one['name']}: {say['no_process']}")
    for one in found["lists_not_loaded"]:
        print(f"{say['not_loaded']} (FENGSUI_HAZARD_TABLES): {one[language]}")
    print(found["notice"][language])

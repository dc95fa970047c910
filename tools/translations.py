"""Translations without the gettext programs: what people see is English in the source, zh-Hans in ``locale/``.

    tools/translations.py extract   bring django.po up to date with the source; new texts come out empty
    tools/translations.py check     fail when a text is missing, empty, fuzzy, no longer used, or loses a placeholder
    tools/translations.py compile   write django.mo (git-ignored; made by make setup and carried by the wheel)

Texts are found in Python by ``_()``, ``gettext…()``, ``ngettext…()`` and ``pgettext…()``, in templates by Django's own
reading of them.  JavaScript has its texts in ``web/src/locales``.
"""

import io
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from babel.messages import mofile, pofile
from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract_python

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "src" / "fengsui"
PO = SOURCE / "locale" / "zh_Hans" / "LC_MESSAGES" / "django.po"
HEADER = "Chinese texts of Fengsui.  tools/translations.py keeps this file; translate what is empty."
FUNCTIONS: dict[str, tuple[int | tuple[int, str], ...] | None] = {
    "_": None,
    "gettext": None,
    "gettext_lazy": None,
    "gettext_noop": None,
    "ngettext": (1, 2),
    "ngettext_lazy": (1, 2),
    "pgettext": ((1, "c"), 2),
    "pgettext_lazy": ((1, "c"), 2),
    "npgettext": ((1, "c"), 2, 3),
}
PLACEHOLDER = re.compile(r"%(?:\((\w+)\))?[#0\- +]*\d*(?:\.\d+)?([sdfgreoxX%])")
OURS = re.compile(r"[a-zA-Z]")  # a text without letters needs no translation


def main() -> int:
    deeds = {"extract": extract, "check": check, "compile": compile_mo}
    if len(sys.argv) != 2 or sys.argv[1] not in deeds:
        print(__doc__, file=sys.stderr)
        return 2
    return deeds[sys.argv[1]]()


def extract() -> int:
    """Rewrite django.po: texts in order of the files, what is gone dropped, what is there kept."""
    old = read_po()
    new = Catalog(locale="zh_Hans", header_comment=f"# {HEADER}", fuzzy=False, charset="utf-8")
    for place, line, ids, context in texts():
        known = old.get(ids if isinstance(ids, str) else ids[0], context)
        string = (
            known.string if known is not None and bool(known.pluralizable) == isinstance(ids, tuple) else ""
        )
        if isinstance(ids, tuple) and not isinstance(string, tuple):
            string = (string or "",)
        new.add(ids, string or ("" if isinstance(ids, str) else ("",)), [(place, line)], context=context)
    write_po(new)
    empty = [m for m in new if m.id and not _full(m)]
    print(f"{PO.relative_to(ROOT)}: {len(new)} texts, {len(empty)} without translation")
    return 0


def check() -> int:
    """Every problem, one a line; 0 when there is none."""
    known = {_key(m.id, m.context): m for m in read_po() if m.id}
    used: dict[tuple[str, str | None], str] = {}
    for place, line, ids, context in texts():
        used.setdefault(_key(ids, context), f"{place}:{line}")
    said = []
    for key, where in used.items():
        message = known.get(key)
        if message is None or not _full(message):
            said.append(f"{where}: no translation of {key[0]!r}")
        elif message.fuzzy:
            said.append(f"{where}: the translation of {key[0]!r} is marked fuzzy")
        elif problem := _placeholders(message):
            said.append(f"{where}: {key[0]!r}: {problem}")
    said += [f"{PO.name}: {key[0]!r} is no longer used" for key in known.keys() - used.keys()]
    for line in sorted(said):
        print(line)
    if said:
        print(f"translations: {len(said)} problems; tools/translations.py extract, then fill in {PO.name}")
    return 1 if said else 0


def compile_mo() -> int:
    """Write django.mo beside django.po, unless it is there and newer."""
    mo = PO.with_suffix(".mo")
    if not mo.exists() or mo.stat().st_mtime < PO.stat().st_mtime:
        draft = mo.with_suffix(f".{os.getpid()}")
        with draft.open("wb") as file:
            mofile.write_mo(file, read_po())
        draft.replace(mo)
    return 0


def read_po() -> Catalog:
    if not PO.exists():
        return Catalog(locale="zh_Hans")
    with PO.open("rb") as file:
        return pofile.read_po(file, locale="zh_Hans")


def write_po(catalog: Catalog) -> None:
    """Without what changes by itself (dates, tool versions, line numbers), so that a diff shows texts only."""
    out = io.BytesIO()
    pofile.write_po(out, catalog, width=110, include_lineno=False, sort_by_file=True)
    PO.parent.mkdir(parents=True, exist_ok=True)
    PO.write_bytes(
        re.sub(rb'^"(?!Language:|Plural|MIME|Content).*: .*\\n"\n', b"", out.getvalue(), flags=re.M)
    )


Text = tuple[str, int, str | tuple[str, str], str | None]


def texts() -> Iterator[Text]:
    """Every text to translate: file, line, id (or singular and plural), context.  Sorted by file and line."""
    from django.conf import settings

    if not settings.configured:
        settings.configure(USE_I18N=False)
    from django.utils.translation.template import templatize

    for path in sorted(SOURCE.rglob("*")):
        if (
            path.suffix not in (".py", ".html", ".txt")
            or "static" in path.parts
            or "migrations" in path.parts
        ):
            continue
        if path.suffix == ".txt" and "templates" not in path.parts:
            continue
        source = path.read_text(encoding="utf-8")
        place = path.relative_to(SOURCE).as_posix()
        if path.suffix == ".py":
            found = _calls(source, 0)
        else:  # what templatize gives is Python only line by line
            lines = templatize(source, origin=place).splitlines()
            found = [
                call
                for number, line in enumerate(lines)
                if "(" in line
                for call in _calls(line.strip(), number)
            ]
        for line, ids, context in found:
            yield place, line, ids, context


def _calls(source: str, above: int) -> list[tuple[int, str | tuple[str, str], str | None]]:
    calls = extract_python(io.BytesIO(source.encode()), list(FUNCTIONS), [], {"encoding": "utf-8"})
    read = [(above + line, _text(function, found)) for line, function, found, _comments in calls]
    return [(line, *text) for line, text in read if text is not None]


def _text(
    function: str, found: str | tuple[str | None, ...]
) -> tuple[str | tuple[str, str], str | None] | None:
    given = list(found) if isinstance(found, tuple) else [found]
    shape = FUNCTIONS.get(function)
    context = None
    if shape and isinstance(shape[0], tuple):
        context = given.pop(0)
    if function in ("ngettext", "ngettext_lazy", "npgettext"):
        if len(given) < 2 or given[0] is None or given[1] is None:
            return None
        return (given[0], given[1]), context
    if not given or given[0] is None or not OURS.search(given[0]):
        return None
    return given[0], context


def _key(ids: object, context: str | None) -> tuple[str, str | None]:
    return (str(ids[0]) if isinstance(ids, tuple | list) else str(ids)), context


def _full(message: Message) -> bool:
    strings = message.string if isinstance(message.string, tuple | list) else [message.string]
    return all(strings) and bool(strings)


def _placeholders(message: Message) -> str:
    ids = list(message.id) if isinstance(message.id, tuple | list) else [message.id]
    strings = list(message.string) if isinstance(message.string, tuple | list) else [message.string]
    wanted = _names(ids[-1])
    for string in strings:
        if _names(string) != wanted:
            return f"placeholders are {sorted(_names(string))}, should be {sorted(wanted)}"
    return ""


def _names(text: str) -> set[str]:
    return {match[1] or match[2] for match in PLACEHOLDER.finditer(text) if match[2] != "%"}


if __name__ == "__main__":
    raise SystemExit(main())

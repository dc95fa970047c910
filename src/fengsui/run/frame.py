"""``fengsui frame``: explain frames of the field protocols, one for a person or many for a program."""

import argparse
import io
import json
import sys
import unicodedata
from collections.abc import Iterable, Iterator
from typing import Any, TextIO

from fengsui.base.errors import BadFrame
from fengsui.sense.codecs.explained import cut_pasted, explain, is_text, unhex, untext
from fengsui.sense.codecs.frame import Codec, Row, describe_refusal
from fengsui.sense.codecs.parts import Joiner
from fengsui.sense.codecs.registry import CODECS

HELP = "explain frames of field protocols: HJ 212, SL 651, GB/T 26875.3, JT/T 808, Modbus …"
BYTES_SHOWN = 16  # of one field, for a person
MEANING_SHOWN = 200  # characters


def add_arguments(parser: argparse.ArgumentParser) -> None:
    verbs = parser.add_subparsers(dest="verb", required=True)
    verbs.add_parser("list", help="name the protocols")
    decode = verbs.add_parser("decode", help="explain a frame field by field, or decode many lines")
    decode.add_argument("protocol", choices=sorted(CODECS))
    decode.add_argument(
        "hex",
        nargs="*",
        metavar="HEX",
        help="the bytes of one or more frames in hex digits; blanks do no harm",
    )
    decode.add_argument("--text", help="the frame as text, for protocols of text; \\r and \\n as such")
    decode.add_argument("--json", nargs="*", metavar="HEX", help="one JSON object a frame instead of rows")
    decode.add_argument(
        "--jsonl", action="store_true", help="read JSON lines with a key hex or text; write one object a line"
    )


def run(args: argparse.Namespace) -> int:
    if args.verb == "list":
        for codec in CODECS.values():
            print(f"{codec.name:<20} {codec.standard:<20} {codec.title}")
        return 0
    codec = CODECS[args.protocol]
    if args.jsonl:
        if args.hex or args.text is not None:
            print("fengsui frame: --jsonl reads its frames from standard input", file=sys.stderr)
            return 2
        for stream in (sys.stdin, sys.stdout):
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(encoding="utf-8", errors="replace")
        return decode_lines(codec, sys.stdin, sys.stdout)
    if args.text is not None:
        data = untext(args.text)
    else:
        read = unhex(
            "".join([*args.hex, *(args.json or [])])
        )  # argparse leaves what stands behind an option to it
        if not read:
            print("fengsui frame: give the frame in hex digits, or --text, or --jsonl", file=sys.stderr)
            return 2
        data = read
    return _one(codec, data, args.json is not None)


# -- one frame, for a person ------------------------------------------------------------------------------------


def _one(codec: Codec, data: bytes, as_json: bool) -> int:
    found = list(explain(codec, data))
    for one in found:
        if as_json:
            print(_json({"protocol": codec.name, "ok": one.refused is None, **one.fields}))
            continue
        if one.refused is not None:
            facts = "".join(f", {name} {value}" for name, value in one.refused.facts.items())
            print(f"refused: {one.refused.reason}: {one.refused}{facts}")
        _print(one.rows)
        if one.departures:
            print(f"departs from {codec.standard}: {', '.join(one.departures)}")
    return 1 if not found or any(one.refused for one in found) else 0


def _print(rows: list[Row]) -> None:
    as_text = is_text(rows)
    for row in rows:
        if as_text:
            shown = row.data.decode().replace("\r", "\\r").replace("\n", "\\n")
        else:
            shown = row.data[:BYTES_SHOWN].hex(" ").upper()
            if len(row.data) > BYTES_SHOWN:
                shown += f" … {len(row.data)}"
        meaning = str(row.meaning)
        if len(meaning) > MEANING_SHOWN:
            meaning = meaning[:MEANING_SHOWN] + " …"
        meaning = "".join(one if one.isprintable() else "·" for one in meaning)
        print(f"{row.offset:5}  {_wide(shown, 3 * BYTES_SHOWN + 6)}  {_wide(str(row.name), 36)}  {meaning}")


def _wide(text: str, columns: int) -> str:
    """``text`` filled up with blanks; a Chinese character is two columns wide."""
    width = sum(2 if unicodedata.east_asian_width(one) in "WF" else 1 for one in text)
    return text + " " * max(0, columns - width)


# -- many, for a program ----------------------------------------------------------------------------------------


def decode_lines(codec: Codec, lines: Iterable[str], out: TextIO) -> int:
    """One object a line of input, also for a line that cannot be read.  0 when no line was refused.

    The frame is in ``hex`` or ``text`` (``frame`` too), or a part of one in a key that the codec names.  The object
    holds the frame's fields; ``ok`` and, where it is false, ``refused`` with the reason; ``more`` where a line holds
    several frames; ``joined`` where it brings the last packet of a message; ``input`` the other keys of the line.
    """
    joiner, all_ok = Joiner(codec), True
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        told = _line(codec, joiner, line, number)
        all_ok = all_ok and told["ok"]
        out.write(_json(told) + "\n")
        out.flush()
    return 0 if all_ok else 1


def _json(told: dict[str, Any]) -> str:
    """Chinese as such; a line with half a character from outside in escapes."""
    text = json.dumps(told, ensure_ascii=False)
    try:
        text.encode()
    except UnicodeEncodeError:
        return json.dumps(told)
    return text


def _line(codec: Codec, joiner: Joiner, line: str, number: int) -> dict[str, Any]:
    try:
        given = json.loads(
            line, parse_constant=str
        )  # NaN and its like are no JSON, and are not written again
    except (ValueError, RecursionError):
        return _refused(codec, "not_json", f"line {number} is no JSON", {})
    if not isinstance(given, dict):
        return _refused(codec, "not_json", f"line {number} is no JSON object", {})
    key = next(
        (
            name
            for name in ("hex", "text", "frame", "message", *codec.pieces)
            if isinstance(given.get(name), str)
        ),
        None,
    )
    rest = {name: value for name, value in given.items() if name != key}
    if key is None:
        return _refused(codec, "no_frame", f"line {number} has neither hex nor text", rest)
    if key in ("text", "frame", "message"):
        data: bytes | None = given[key].encode("utf-8", "surrogatepass")
    else:
        data = unhex(given[key])
    if data is None:
        return _refused(codec, "not_hex", f"line {number}: {key} is not in hex digits", rest)
    if key in codec.pieces:
        return {"protocol": codec.name, "ok": True, **codec.pieces[key](data), "input": rest}
    cut = cut_pasted(codec, data)
    if not cut.frames and not cut.refused:
        return _refused(codec, "no_frame", f"line {number} holds no frame", rest)
    first, *more = _told(codec, cut.frames, cut.refused)
    if more:
        first["more"] = more
    for frame in cut.frames:
        whole = joiner.add(frame, 0).frame
        if whole is not None and whole is not frame:
            first["joined"] = codec.describe(whole)
    return {**first, "input": rest}


def _refused(codec: Codec, reason: str, message: str, rest: dict[str, Any]) -> dict[str, Any]:
    refused = {"reason": reason, "message": message}
    return {"protocol": codec.name, "ok": False, "refused": refused, "input": rest}


def _told(codec: Codec, frames: list[Any], refused: list[BadFrame]) -> Iterator[dict[str, Any]]:
    """The frames, then the refusals, each as one object."""
    for frame in frames:
        yield {"protocol": codec.name, "ok": True, **codec.describe(frame)}
    for one in refused:
        yield {"protocol": codec.name, "ok": False, **describe_refusal(codec, one)}

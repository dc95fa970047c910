"""A scenario rule as it is typed: rows of names and parameters, times as text, and what is wrong with them.

What is allowed is decided by the service; here only what cannot be read at all is refused, and everything typed is kept
so that the page can show it again.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from django.utils.translation import gettext as _

from fengsui.sense.devices.models import Site
from fengsui.show.lists.scenarios import in_words, labels_of
from fengsui.warn.alarms.models import Priority
from fengsui.warn.rules.durations import BadDuration, parse_ms, words
from fengsui.warn.scenarios import library, services
from fengsui.warn.scenarios.errors import Fault
from fengsui.warn.scenarios.library import Template
from fengsui.warn.scenarios.models import ScenarioRule
from fengsui.warn.scenarios.services import Bound

MOST_ROWS = 40
SPARE_ROWS = 2
TEXTS = ("name", "name_en", "expression", "clear", "cause", "cause_en", "basis")
TIMES = {"for": "for_ms", "clear_for": "clear_for_ms"}


@dataclass(slots=True)
class Written:
    """``names`` are rows of (name, code of a datastream, max age), ``parameters`` of (name, quantity): as typed."""

    typed: dict[str, str] = field(default_factory=dict)
    names: list[tuple[str, str, str]] = field(default_factory=list)
    parameters: list[tuple[str, str]] = field(default_factory=list)
    values: dict[str, Any] = field(default_factory=dict)
    bound: list[Bound] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    version: int = 0

    @property
    def code(self) -> str:
        return self.typed.get("code", "").strip()

    @property
    def reason(self) -> str:
        return self.typed.get("reason", "")

    @property
    def name_rows(self) -> list[tuple[str, str, str]]:
        return self.names + [("", "", "")] * SPARE_ROWS

    @property
    def parameter_rows(self) -> list[tuple[str, str]]:
        return self.parameters + [("", "")] * SPARE_ROWS

    @property
    def sentence(self) -> str:
        """The expression in words, for people who do not read expressions."""
        return in_words(self.values["expression"], labels_of(self.bound), self.values["parameters"])

    @property
    def over(self) -> str:
        """The clearing expression in words; empty where there is none."""
        text = self.values["clear"]
        return in_words(text, labels_of(self.bound), self.values["parameters"]) if text.strip() else ""

    @property
    def named_faults(self) -> list[dict[str, Any]]:
        """Each fault with the name of its field, its line of text, and where in it a mark belongs."""
        out = []
        for fault in self.faults:
            text = self.typed.get(fault.field, "") if fault.line else ""
            lines = text.splitlines()
            line = lines[fault.line - 1] if 0 < fault.line <= len(lines) else ""
            out.append({
                "fault": fault, "place": _named(fault.field), "line": line,
                "mark": " " * (fault.column - 1) + "^" if line or fault.line else "",
            })  # fmt: skip
        return out

    @classmethod
    def empty(cls) -> "Written":
        """A new rule of which nothing is said yet."""
        return cls({"priority": str(Priority.ORANGE), "for": "30s", "clear_for": "60s"})

    @classmethod
    def of_rule(cls, rule: ScenarioRule) -> "Written":
        """A stored rule."""
        made = cls._of(services.values_of(rule), services.bound_of(rule))
        made.version = rule.version
        return made

    @classmethod
    def of_template(cls, site: Site, template: Template) -> "Written":
        """A rule of the library, with what the site has for its names."""
        bound, missing = library.propose(template, site)
        made = cls._of({**template.values, "is_enabled": False}, bound)
        found = {row[0]: row for row in made.names}
        made.names = [found.get(wanted.name, (wanted.name, "", "")) for wanted in template.inputs]
        made.typed["code"] = template.code
        made.faults = [
            Fault("names", _(
                "“%(name)s”: this site has no datastream for “%(what)s” in a unit like %(unit)s; name one."
            ) % {"name": wanted.name, "what": wanted.label, "unit": wanted.unit})
            for wanted in missing
        ]  # fmt: skip
        return made

    @classmethod
    def of_post(cls, site: Site, post: Mapping[str, str]) -> "Written":
        """What was sent by the form."""
        keys = (*TEXTS, *TIMES, "priority", "code", "reason", "is_enabled")
        made = cls({key: str(post.get(key, "")).replace("\r\n", "\n")[:4000] for key in keys})
        version = str(post.get("version", ""))
        made.version = int(version) if version.isascii() and version.isdecimal() and len(version) < 9 else 0
        for i in range(MOST_ROWS):
            row = tuple(str(post.get(f"{part}-{i}", "")).strip()[:80] for part in ("n", "d", "a"))
            if any(row):
                made.names.append((row[0], row[1], row[2]))
            name, said = (str(post.get(f"{part}-{i}", "")).strip()[:80] for part in ("p", "q"))
            if name or said:
                made.parameters.append((name, said))
        made._read(site)
        return made

    @classmethod
    def _of(cls, values: dict[str, Any], bound: list[Bound]) -> "Written":
        typed = {name: str(values[name]) for name in (*TEXTS, "priority")}
        typed |= {short: words(values[name]) for short, name in TIMES.items()}
        typed["is_enabled"] = "on" if values["is_enabled"] else ""
        names = [(b.name, b.datastream.code, words(b.age_ms)) for b in bound]
        return cls(typed, names, list(values["parameters"].items()), values, bound)

    def _read(self, site: Site) -> None:
        values: dict[str, Any] = {name: self.typed[name].strip() for name in TEXTS}
        for short, name in TIMES.items():
            values[name] = self._time(short, self.typed[short])
        priority = self.typed["priority"]
        values["priority"] = int(priority) if priority in map(str, Priority.values) else 0
        values["is_enabled"] = bool(self.typed["is_enabled"])
        values["parameters"] = {}
        for name, said in self.parameters:
            if name in values["parameters"]:
                self.faults.append(
                    Fault("parameters", _("The name “%(name)s” stands twice.") % {"name": name})
                )
            values["parameters"][name] = said
        codes = {code for _name, code, _age in self.names}
        there = {row.code: row for row in site.datastreams.filter(code__in=codes).select_related("thing")}
        for name, code, age in self.names:
            if not code:
                said = _("“%(name)s” stands for nothing yet: give the code of a datastream.")
                self.faults.append(Fault("names", said % {"name": name}))
                continue
            if code not in there:
                said = _("“%(name)s”: this site has no datastream with the code “%(code)s”.")
                self.faults.append(Fault("names", said % {"name": name, "code": code}))
                continue
            self.bound.append(Bound(name, there[code], self._time("names", age) if age else 0))
        self.values = values

    def _time(self, place: str, text: str) -> int:
        try:
            return parse_ms(text.strip() or "0")
        except BadDuration:
            said = _("“%(said)s” is not a time such as 30s, 10m or 1h30m.") % {"said": text[:40]}
            self.faults.append(Fault(place, said))
            return 0


def _named(name: str) -> str:
    return {
        "expression": _("Expression"), "clear": _("Over when"), "names": _("Names"), "parameters": _("Parameters"),
        "cause": _("Cause in Chinese"), "cause_en": _("Cause in English"), "for": _("Must hold for"),
        "for_ms": _("Must hold for"), "clear_for": _("Must be over for"), "clear_for_ms": _("Must be over for"),
        "reason": _("Reason for the change"), "name": _("Name"), "name_en": _("Name in English"), "code": _("Code"),
        "priority": _("Level"), "basis": _("Basis"),
    }.get(name, name)  # fmt: skip

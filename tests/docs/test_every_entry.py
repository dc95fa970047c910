"""Docs that cannot lie: every setting, command, rule kind and error code has its entry."""

import importlib
import pkgutil
import re
from pathlib import Path

import pytest

import fengsui
from fengsui.base.errors import FengsuiError
from fengsui.run.cli import COMMANDS
from fengsui.run.settings import SETTINGS

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"


def rows(page: str) -> dict[str, list[str]]:
    """The table rows of a page whose first cell is code: name → the other cells."""
    found = {}
    for line in (DOCS / page).read_text().splitlines():
        if match := re.match(r"\| `([^`]+)` \|(.*)\|$", line):
            found[match[1]] = [cell.strip() for cell in match[2].split("|")]
    return found


def test_every_setting_has_its_entry_and_its_real_default():
    entries = rows("settings.md")
    assert set(entries) == set(SETTINGS)
    for name, setting in SETTINGS.items():
        assert entries[name][0].strip("`") == setting.default, name
        assert entries[name][1], name


def test_every_setting_that_is_read_is_in_the_list():
    for path in (ROOT / "src").rglob("*.py"):
        for name in re.findall(r"FENGSUI_[A-Z0-9_]+[A-Z0-9]", path.read_text()):
            assert name in SETTINGS, f"{name} in {path.relative_to(ROOT)} is not in run/settings.py"


def test_every_command_has_its_entry():
    text = (DOCS / "commands.md").read_text()
    for name, module in COMMANDS.items():
        assert f"## `fengsui {name}`" in text, name
        assert importlib.import_module(module).HELP, name


def test_every_error_code_has_its_entry():
    for module in pkgutil.walk_packages(fengsui.__path__, "fengsui."):
        if (
            ".migrations" not in module.name
            and "__main__" not in module.name
            and not module.name.endswith(".asgi")
        ):
            importlib.import_module(module.name)
    entries = rows("errors.md")
    codes = {kind.code for kind in _below(FengsuiError)}
    assert codes - set(entries) == set()


def test_every_rule_kind_has_its_entry():
    from fengsui.warn.alarms.models import Kind

    text = (DOCS / "rules.md").read_text()
    for kind in Kind.values:
        assert re.search(rf"^#+ .*`{kind}`", text, re.M), kind


def test_every_codec_has_its_page_with_a_scorecard():
    from fengsui.sense.codecs.registry import CODECS

    table = (DOCS / "protocols/README.md").read_text().splitlines()
    for name in CODECS:
        row = next(line for line in table if line.startswith("|") and f"`{name}`" in line)
        lines = (DOCS / "protocols" / re.findall(r"\]\(([^)]+)\)", row)[0]).read_text().splitlines()
        assert lines[0] == "---", name
        card = dict(line.split(": ", 1) for line in lines[1 : lines.index("---", 1)])
        assert set(card) == {"standard", "golden data", "property tests", "limits", "bench", "owner"}, name
        for key in ("golden data", "property tests", "limits", "bench"):
            assert card[key].startswith(("done", "exempt, ")), (name, key)


@pytest.mark.parametrize(
    "page", [*sorted(p.relative_to(ROOT).as_posix() for p in ROOT.glob("docs/**/*.md")), "README.md"]
)
def test_links_lead_somewhere(page):
    path = ROOT / page
    for target in re.findall(r"\]\(([^)#]+)", path.read_text()):
        if "://" not in target:
            assert (path.parent / target).exists(), f"{page} links to {target}"


def _below(kind):
    yield kind
    for child in kind.__subclasses__():
        yield from _below(child)

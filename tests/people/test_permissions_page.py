"""docs/permissions.md says what the code does."""

from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "permissions.md"


def test_the_page_shows_the_table_of_the_code():
    from fengsui.people.orgs.access import MAY
    from fengsui.people.orgs.models import Role

    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in PAGE.read_text().splitlines()
        if "|" in line
    ]
    roles = [cell.strip("`") for cell in rows[0][2:]]
    shown = {
        row[0].strip("`"): {role for role, mark in zip(roles, row[2:], strict=True) if mark == "●"}
        for row in rows[2:]
        if row[0].strip("`") in MAY
    }
    assert roles == Role.values
    assert shown == MAY
    assert all(f"| `{role}` |" in PAGE.read_text() for role in Role.values)

"""Codes of the field: administrative divisions (GB/T 2260, GB/T 10114) and unified social credit codes (GB 32100).

A division code is read in groups: two digits of province, two of city, two of county, three of township, three of
village (the last as in the statistical division codes).  A trailing group of zeros says "not further": 420500 is a
city, 420581 a county, 420581100 a township.  A few cities have townships and no counties (441900003 in Dongguan).
Structure only; names are data.
"""

from enum import IntEnum

from fengsui.base.errors import BadInput

PROVINCES = frozenset(
    "11 12 13 14 15 21 22 23 31 32 33 34 35 36 37 41 42 43 44 45 46 50 51 52 53 54 61 62 63 64 65 71 81 82".split()  # noqa: SIM905
)  # GB/T 2260-2007, table 1

USCC_ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"  # GB 32100-2015, 4.2: no I, O, S, V, Z


class BadCode(BadInput):
    """A code that its standard does not allow."""

    code = "base.bad_code"


class Level(IntEnum):
    """How deep a division lies; also the number of digits that mean something, by ``DIGITS``."""

    PROVINCE = 1
    CITY = 2
    COUNTY = 3
    TOWNSHIP = 4
    VILLAGE = 5


DIGITS = {Level.PROVINCE: 2, Level.CITY: 4, Level.COUNTY: 6, Level.TOWNSHIP: 9, Level.VILLAGE: 12}
LENGTHS = (6, 9, 12)


def level(code: str) -> Level:
    """The level of a division code of 6, 9 or 12 digits.  Raises BadCode."""
    return _read(code)[1]


def significant(code: str) -> str:
    """The digits that mean something: "420500" → "4205".  Raises BadCode."""
    return _read(code)[0]


def parent(code: str) -> str | None:
    """The code one level up, in its usual length; None above a province.  Raises BadCode.

    A county without a city between (a municipality's district, a directly governed county) still has a city code here:
    the place holder of the standard, such as 110100 or 429000.
    """
    digits, depth = _read(code)
    if depth is Level.PROVINCE:
        return None
    above = digits[: DIGITS[Level(depth - 1)]]
    if depth is Level.TOWNSHIP and above.endswith("00"):
        above = above[:4]
    return above.ljust(6, "0")


def lies_under(code: str, above: str) -> bool:
    """Is ``code`` the division ``above`` or a part of it?  Raises BadCode."""
    return significant(code).startswith(significant(above))


def check_uscc(code: str) -> str:
    """A unified social credit code, upper case, if its check digit fits (GB 32100-2015, 4.3).  Raises BadCode."""
    text = code.strip().upper()
    if len(text) != 18 or any(c not in USCC_ALPHABET for c in text):
        raise BadCode(
            f"a unified social credit code has 18 digits and letters without I, O, S, V, Z: {code!r}"
        )
    total = sum(USCC_ALPHABET.index(c) * pow(3, place, 31) for place, c in enumerate(text[:17]))
    if USCC_ALPHABET[-total % 31] != text[17]:
        raise BadCode(f"the check digit of the unified social credit code does not fit: {code!r}")
    return text


def _read(code: str) -> tuple[str, Level]:
    if len(code) not in LENGTHS or not (code.isascii() and code.isdigit()):
        raise BadCode(f"a division code has 6, 9 or 12 digits: {code!r}")
    if code[:2] not in PROVINCES:
        raise BadCode(f"no province has the code {code[:2]}: {code!r}")
    deepest = Level.PROVINCE
    for depth in (Level.CITY, Level.COUNTY, Level.TOWNSHIP, Level.VILLAGE):
        if code[DIGITS[Level(depth - 1)] : DIGITS[depth]].strip("0"):
            if deepest != depth - 1 and (deepest, depth) != (Level.CITY, Level.TOWNSHIP):
                raise BadCode(f"a division below one that is not given: {code!r}")
            deepest = depth
    return code[: DIGITS[deepest]], deepest

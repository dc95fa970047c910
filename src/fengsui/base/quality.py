"""Can a reading be trusted, and why not.

``Quality`` follows the three severities of OPC UA status codes (OPC 10000-8, good / uncertain / bad).
``Reason`` is our own list; a reason either *refuses* a reading (it goes to quarantine) or *flags* it (it is
stored, with the reason beside it).  The numbers are stored in history files: never renumber, only append.
"""

from enum import IntEnum


class Quality(IntEnum):
    """Severity of a status code, as stored (uint8)."""

    GOOD = 0
    UNCERTAIN = 1
    BAD = 2


class Reason(IntEnum):
    """Why a reading was refused or flagged, as stored (uint8).  0 means nothing is wrong."""

    NONE = 0
    UNPARSABLE = 1  # the value, time or message could not be read
    UNKNOWN_DATASTREAM = 2  # no such datastream at this site
    WRONG_SITE = 3  # the device belongs to another site
    UNIT = 4  # unknown unit, or one of another dimension
    RANGE = 5  # outside the range the instrument can measure
    TOO_LATE = 6  # older than the policy accepts
    FUTURE = 7  # stamped later than it was received, beyond the tolerance
    CONFLICT = 8  # same datastream and time as a stored reading, another value
    STOPPED = 9  # the datastream is declared out of service
    UNMAPPED = 10  # a code of a field protocol that no mapping knows
    LATE = 20  # accepted, but older than it should be, or out of order
    FROZEN = 21  # has not changed for longer than a live instrument would
    CORRECTED = 22  # a data steward corrected it and replayed it
    NO_VALUE = 23  # the device said that it has no value


REFUSED = frozenset(r for r in Reason if 0 < r < 20)
FLAGGED = frozenset(r for r in Reason if r >= 20)

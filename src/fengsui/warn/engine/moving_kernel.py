"""The part of ``moving`` that must look at positions one after the other, compiled."""

import math

from numba import njit

EARTH_M = 6_371_008.8  # as in base/place.py, as a plain number for the compiler


@njit(cache=True, nogil=True)
def _distance_m(lon1, lat1, lon2, lat2):  # type: ignore[no-untyped-def]  # the compiler finds the types
    a, b = math.radians(lat1), math.radians(lat2)
    half = (
        math.sin((b - a) / 2) ** 2 + math.cos(a) * math.cos(b) * math.sin(math.radians(lon2 - lon1) / 2) ** 2
    )
    return 2 * EARTH_M * math.asin(min(1.0, math.sqrt(half)))


@njit(cache=True, nogil=True)
def follow(  # type: ignore[no-untyped-def]
    unit, time_ms, lon, lat, told_kmh, tells, last_ms, last_lon, last_lat, since_ms, still_lon, still_lat, kmh, stood_s,
    still_m, least_ms, gap_ms,
):  # fmt: skip
    """Fill ``kmh`` (as told; else, where the unit never tells, from the position before) and ``stood_s``; the memory of
    units is brought up to date.  A position that is not newer than the last changes nothing.
    """
    never = -9223372036854775808
    for i in range(len(unit)):
        u = unit[i]
        kmh[i] = told_kmh[i]
        known = last_ms[u] != never
        if known and time_ms[i] <= last_ms[u]:
            stood_s[i] = math.nan
            kmh[i] = math.nan
            continue
        if not tells[u] and known:
            passed = time_ms[i] - last_ms[u]
            if least_ms <= passed <= gap_ms:
                kmh[i] = _distance_m(last_lon[u], last_lat[u], lon[i], lat[i]) * 3600.0 / passed
        if not known or _distance_m(still_lon[u], still_lat[u], lon[i], lat[i]) > still_m:
            since_ms[u], still_lon[u], still_lat[u] = time_ms[i], lon[i], lat[i]
        stood_s[i] = (time_ms[i] - since_ms[u]) / 1000.0
        last_ms[u], last_lon[u], last_lat[u] = time_ms[i], lon[i], lat[i]

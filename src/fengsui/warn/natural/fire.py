"""Canadian Forest Fire Weather Index: three moisture codes that remember, three indices that follow.

Source: Van Wagner, C.E. (1987), Forestry Technical Report 35; equation numbers below are its own.  Inputs are of noon,
local standard time: °C, % relative humidity, km/h of wind at 10 m, mm of rain in the 24 h before.
"""

import math
from dataclasses import dataclass

from fengsui.warn.natural.thresholds import CALM, Thresholds

# Effective day length (DMC) and its addition (DC), January to December; by latitude as usual since 1987.
_DAY_N = (6.5, 7.5, 9.0, 12.8, 13.9, 13.9, 12.4, 10.9, 9.4, 8.0, 7.0, 6.0)  # above 30° N
_DAY_20N = (7.9, 8.4, 8.9, 9.5, 9.9, 10.2, 10.1, 9.7, 9.1, 8.6, 8.1, 7.8)  # 10° to 30° N
_DAY_EQUATOR = 9.0
_DRY_N = (-1.6, -1.6, -1.6, 0.9, 3.8, 5.8, 6.4, 5.0, 2.4, 0.4, -1.6, -1.6)  # above 20° N
_DRY_EQUATOR = 1.4


@dataclass(frozen=True, slots=True)
class Codes:
    """Fine fuel, duff and drought code: what tomorrow begins with."""

    ffmc: float
    dmc: float
    dc: float


@dataclass(frozen=True, slots=True)
class Day:
    """Codes and indices of one day: initial spread, build-up, fire weather."""

    codes: Codes
    isi: float
    bui: float
    fwi: float


def day(
    before: Codes,
    temp_c: float,
    humidity: float,
    wind_km_h: float,
    rain_mm: float,
    month: int,
    latitude: float,
) -> Day:
    """The day after ``before``.  Raises ValueError outside −50…60 °C, 0…100 %, wind or rain below 0, month 1…12,
    or south of 10° S, for which no day lengths are kept here."""
    values = (temp_c, humidity, wind_km_h, rain_mm)
    if not all(map(math.isfinite, values)) or not -50 <= temp_c <= 60 or not 0 <= humidity <= 100:
        raise ValueError(f"no weather: {temp_c} °C, {humidity} %")
    if wind_km_h < 0 or rain_mm < 0 or month not in range(1, 13) or not -10 <= latitude <= 90:
        raise ValueError(
            f"no weather: wind {wind_km_h} km/h, rain {rain_mm} mm, month {month}, latitude {latitude}"
        )
    codes = Codes(
        ffmc(before.ffmc, temp_c, humidity, wind_km_h, rain_mm),
        dmc(before.dmc, temp_c, humidity, rain_mm, month, latitude),
        dc(before.dc, temp_c, rain_mm, month, latitude),
    )
    spread, build = isi(codes.ffmc, wind_km_h), bui(codes.dmc, codes.dc)
    return Day(codes, spread, build, fwi(spread, build))


def ffmc(before: float, temp: float, humidity: float, wind: float, rain: float) -> float:
    """Fine fuel moisture code, 0…101 (equations 1 to 10)."""
    m = 147.2 * (101 - before) / (59.5 + before)
    if rain > 0.5:
        net = rain - 0.5
        wet = 42.5 * net * math.exp(-100 / (251 - m)) * (1 - math.exp(-6.93 / net))
        if m > 150:
            wet += 0.0015 * (m - 150) ** 2 * math.sqrt(net)
        m = min(m + wet, 250.0)
    warm = 0.18 * (21.1 - temp) * (1 - math.exp(-0.115 * humidity))
    damp = math.exp((humidity - 100) / 10)
    dry_to = 0.942 * humidity**0.679 + 11 * damp + warm
    wet_to = 0.618 * humidity**0.753 + 10 * damp + warm
    if m > dry_to:
        m = dry_to + (m - dry_to) * 10 ** -_rate(humidity / 100, temp, wind)
    elif m < wet_to:
        m = wet_to - (wet_to - m) * 10 ** -_rate((100 - humidity) / 100, temp, wind)
    return min(max(59.5 * (250 - m) / (147.2 + m), 0.0), 101.0)


def _rate(h: float, temp: float, wind: float) -> float:
    return (0.424 * (1 - h**1.7) + 0.0694 * math.sqrt(wind) * (1 - h**8)) * 0.581 * math.exp(0.0365 * temp)


def dmc(before: float, temp: float, humidity: float, rain: float, month: int, latitude: float) -> float:
    """Duff moisture code, from 0 up (equations 11 to 17)."""
    length = _DAY_N[month - 1] if latitude > 30 else _DAY_20N[month - 1] if latitude > 10 else _DAY_EQUATOR
    drying = 1.894e-4 * (max(temp, -1.1) + 1.1) * (100 - humidity) * length
    after = before
    if rain > 1.5:
        net = 0.92 * rain - 1.27
        m = 20 + math.exp(5.6348 - before / 43.43)
        if before <= 33:
            b = 100 / (0.5 + 0.3 * before)
        elif before <= 65:
            b = 14 - 1.3 * math.log(before)
        else:
            b = 6.2 * math.log(before) - 17.2
        after = max(244.72 - 43.43 * math.log(m + 1000 * net / (48.77 + b * net) - 20), 0.0)
    return after + drying


def dc(before: float, temp: float, rain: float, month: int, latitude: float) -> float:
    """Drought code, from 0 up (equations 18 to 23)."""
    extra = _DRY_N[month - 1] if latitude > 20 else _DRY_EQUATOR
    drying = max(0.36 * (max(temp, -2.8) + 2.8) + extra, 0.0) / 2
    after = before
    if rain > 2.8:
        net = 0.83 * rain - 1.27
        after = max(before - 400 * math.log(1 + 3.937 * net / (800 * math.exp(-before / 400))), 0.0)
    return after + drying


def isi(fine: float, wind: float) -> float:
    """Initial spread index (equations 24 to 26)."""
    m = 147.2 * (101 - fine) / (59.5 + fine)
    return 0.208 * math.exp(0.05039 * wind) * 91.9 * math.exp(-0.1386 * m) * (1 + m**5.31 / 4.93e7)


def bui(duff: float, drought: float) -> float:
    """Build-up index (equation 27)."""
    if duff == 0 and drought == 0:
        return 0.0
    if duff <= 0.4 * drought:
        return 0.8 * duff * drought / (duff + 0.4 * drought)
    return max(duff - (1 - 0.8 * drought / (duff + 0.4 * drought)) * (0.92 + (0.0114 * duff) ** 1.7), 0.0)


def fwi(spread: float, build: float) -> float:
    """Fire weather index (equations 28 to 30)."""
    heat = 0.626 * build**0.809 + 2 if build <= 80 else 1000 / (25 + 108.64 * math.exp(-0.023 * build))
    b = 0.1 * spread * heat
    return math.exp(2.72 * (0.434 * math.log(b)) ** 0.647) if b > 1 else b


def level(index: float, by: Thresholds, deadband: float = 0.0) -> int:
    """1 red … 4 blue by the fire weather index; every limit lowered by ``deadband``."""
    if not math.isfinite(index):
        return CALM
    return next((n for n, limit in enumerate(by.fire, 1) if index >= limit - deadband), CALM)

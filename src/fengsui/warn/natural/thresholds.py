"""Thresholds of natural hazards: data with a version, checked so that a worse input never gives a milder level."""

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

from fengsui.base.errors import BadInput

CALM = 5  # no level; 1 red … 4 blue, as the priorities of alarms, so that the least is the worst
LEVELS = {"red": 1, "orange": 2, "yellow": 3, "blue": 4}
KINDS = ("rain", "stage", "fire", "tailings", "quake", "typhoon")
HOURS = (1, 3, 6, 12, 24)
GRADES = (7, 10, 12)


class BadThresholds(BadInput):
    """Thresholds cannot be used as they are written."""

    code = "warn.bad_thresholds"


@dataclass(frozen=True, slots=True)
class RainSignal:
    """``mm`` within ``hours`` gives ``level``."""

    level: int
    hours: int
    mm: float


@dataclass(frozen=True, slots=True)
class WindSignal:
    """Inside the circle of wind ``grade`` within ``within_h`` hours gives ``level``."""

    grade: int
    within_h: float
    level: int


@dataclass(frozen=True, slots=True)
class Axis:
    """I = a + b·M − c·lg(R + d), R in km: one axis of an attenuation relation."""

    a: float
    b: float
    c: float
    d: float


@dataclass(frozen=True, slots=True)
class Thresholds:
    """All that a level depends on, besides its inputs.  ``basis`` names the source by kind of hazard;
    ``from_memory`` holds the kinds whose source was not read."""

    name: str
    version: str
    origin: Mapping[str, str]
    sha256: str
    basis: Mapping[str, str]
    from_memory: frozenset[str]
    after_s: int
    rain: tuple[RainSignal, ...]
    rain_lower: float
    near_m: float
    stage_deadband_m: float
    lead_h: float
    rise_window_h: float
    fire: tuple[float, float, float, float]  # red, orange, yellow, blue: at or above
    fire_deadband: float
    fire_start: tuple[float, float, float]
    together: int
    tailings_lower: float
    least_magnitude: float
    quake_hours: float
    east_of_deg: float
    axes: Mapping[str, Mapping[str, Axis]]
    intensity: tuple[float, float, float, float]
    wind: tuple[WindSignal, ...]
    winds_m_s: Mapping[int, float]
    rmax_km: tuple[float, float, float]
    exponent: float
    error_km_h: float
    silent_h: float
    extrapolate_h: float


@cache
def shipped() -> Thresholds:
    """The thresholds that come with the platform."""
    return read(shipped_text())


def shipped_text() -> str:
    """The file that they come in."""
    return resources.files("fengsui.warn.natural").joinpath("shipped/thresholds.json").read_text("utf-8")


def read(raw: bytes | str) -> Thresholds:
    """Thresholds from JSON.  Raises BadThresholds that names what is wrong."""
    try:
        document = json.loads(raw)
    except ValueError as error:
        raise BadThresholds(f"this is no JSON: {error}") from None
    if not isinstance(document, dict):
        raise BadThresholds("this is no JSON object")
    try:
        made = _thresholds(document)
    except KeyError as error:
        raise BadThresholds(f"{error.args[0]} is missing") from None
    except (TypeError, AttributeError, ValueError) as error:
        raise BadThresholds(f"not of the expected form: {error}") from None
    _check(made)
    return made


def _thresholds(given: Mapping[str, Any]) -> Thresholds:
    text = json.dumps(given, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    rain, stage, fire, pond = given["rain"], given["stage"], given["fire"], given["tailings"]
    quake, storm = given["quake"], given["typhoon"]
    return Thresholds(
        name=str(given["thresholds"]),
        version=str(given["version"]),
        origin={language: str(given["origin"][language]) for language in ("zh", "en")},
        sha256=hashlib.sha256(text.encode()).hexdigest(),
        basis={kind: str(given[kind]["basis"]) for kind in KINDS},
        from_memory=frozenset(kind for kind in KINDS if given[kind]["from_memory"]),
        after_s=int(_number(given["hold"]["after_s"], "after_s")),
        rain=tuple(
            RainSignal(_level(one["level"]), int(one["hours"]), _number(one["mm"], "mm"))
            for one in rain["signals"]
        ),
        rain_lower=_number(rain["lower_share"], "lower_share"),
        near_m=_number(stage["near_m"], "near_m"),
        stage_deadband_m=_number(stage["deadband_m"], "deadband_m"),
        lead_h=_number(stage["lead_h"], "lead_h"),
        rise_window_h=_number(stage["rise_window_h"], "rise_window_h"),
        fire=_four(fire["limits"], "fire"),
        fire_deadband=_number(fire["deadband"], "deadband"),
        fire_start=(
            _number(fire["start"]["ffmc"], "ffmc"),
            _number(fire["start"]["dmc"], "dmc"),
            _number(fire["start"]["dc"], "dc"),
        ),
        together=int(_number(pond["together"], "together")),
        tailings_lower=_number(pond["lower_share"], "lower_share"),
        least_magnitude=_number(quake["least_magnitude"], "least_magnitude"),
        quake_hours=_number(quake["hours"], "hours"),
        east_of_deg=float(quake["east_of_deg"]),
        axes={
            side: {name: Axis(*(float(one) for one in quake[side][name])) for name in ("long", "short")}
            for side in ("east", "west")
        },
        intensity=_four(quake["levels"], "quake"),
        wind=tuple(
            WindSignal(int(one["grade"]), _number(one["within_h"], "within_h"), _level(one["level"]))
            for one in storm["signals"]
        ),
        winds_m_s={grade: _number(storm["winds_m_s"][str(grade)], f"grade {grade}") for grade in GRADES},
        rmax_km=(float(storm["rmax_km"][0]), float(storm["rmax_km"][1]), float(storm["rmax_km"][2])),
        exponent=_number(storm["exponent"], "exponent"),
        error_km_h=_number(storm["error_km_h"], "error_km_h"),
        silent_h=_number(storm["silent_h"], "silent_h"),
        extrapolate_h=_number(storm["extrapolate_h"], "extrapolate_h"),
    )


def _check(made: Thresholds) -> None:
    for one in made.rain:
        if one.hours not in HOURS:
            raise BadThresholds(f"rain: {one.hours} h is none of {', '.join(map(str, HOURS))}")
        for other in made.rain:
            if other.hours == one.hours and other.level < one.level and other.mm < one.mm:
                raise BadThresholds(f"rain in {one.hours} h: a worse level needs at least as much rain")
    for kind, limits in (("fire", made.fire), ("quake", made.intensity)):
        if not limits[0] > limits[1] > limits[2] > limits[3] >= 0:
            raise BadThresholds(f"{kind}: red > orange > yellow > blue ≥ 0")
    if unknown := [one.grade for one in made.wind if one.grade not in GRADES]:
        raise BadThresholds(f"typhoon: {unknown[0]} is none of {', '.join(map(str, GRADES))}")
    if not 0 < made.rain_lower <= 1 or not 0 <= made.tailings_lower < 1:
        raise BadThresholds("lower_share lies between 0 and 1")
    if not 0.1 <= made.exponent <= 1:
        raise BadThresholds("exponent lies between 0.1 and 1")
    if made.together < 2:
        raise BadThresholds("together is at least 2")


def _four(given: Mapping[str, Any], where: str) -> tuple[float, float, float, float]:
    values = [_number(given[name], where) for name in LEVELS]
    return values[0], values[1], values[2], values[3]


def _level(value: Any) -> int:
    if value not in LEVELS.values():
        raise ValueError(f"{value!r} is no level: 1 red, 2 orange, 3 yellow, 4 blue")
    return int(value)


def _number(value: Any, where: str) -> float:
    number = float(value)
    if isinstance(value, bool) or not math.isfinite(number) or number < 0:
        raise ValueError(f"{where}: {value!r} is not a number of at least 0")
    return number

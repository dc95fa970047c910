"""Pictures of a report as SVG text: stacked bars of alarms, and sites on the outline of the counties.

A level is shape and colour, as on the screens.  No files, no fonts of ours: texts name a family that typst has.
"""

import math
from collections.abc import Sequence
from html import escape
from typing import Any

FILL = {1: "#c8102e", 2: "#f57c00", 3: "#ffd100", 4: "#0057b8"}
EDGE = {1: "#c8102e", 2: "#a34300", 3: "#735600", 4: "#0057b8"}
WIDTH, HEIGHT, LEFT, FOOT, TOP = 720, 220, 44, 28, 10
MAP_WIDTH, MAP_HEIGHT, PAD = 720, 420, 16
LABELS = 24  # under more bars not each has its label


def bars(days: Sequence[Sequence[Any]], font: str) -> str:
    """[label, red, orange, yellow, blue] from left to right, red at the foot."""
    most = max((sum(day[1:]) for day in days), default=0)
    top = _round_up(most)
    inner, step = HEIGHT - FOOT - TOP, (WIDTH - LEFT) / max(len(days), 1)
    parts = [_open(WIDTH, HEIGHT)]
    for n in range(5):
        value = top * n / 4
        y = TOP + inner * (1 - n / 4)
        parts.append(
            f'<line x1="{LEFT}" y1="{y:.1f}" x2="{WIDTH}" y2="{y:.1f}" stroke="#c3ccd6" stroke-width="0.7"/>'
        )
        parts.append(_text(LEFT - 6, y + 4, f"{value:g}", font, "end"))
    every = math.ceil(len(days) / LABELS) if days else 1
    for n, (label, *counts) in enumerate(days):
        x, y = LEFT + n * step + step * 0.12, float(TOP + inner)
        for level, count in enumerate(counts, 1):
            if count:
                high = inner * count / top
                y -= high
                parts.append(
                    f'<rect x="{x:.1f}" y="{y:.1f}" width="{step * 0.76:.1f}" height="{high:.1f}"'
                    f' fill="{FILL[level]}" stroke="{EDGE[level]}" stroke-width="0.5"/>'
                )
        if n % every == 0:
            parts.append(_text(x + step * 0.38, HEIGHT - 8, str(label), font, "middle"))
    return "".join([*parts, "</svg>"])


def site_map(
    sites: Sequence[Sequence[Any]], outlines: Sequence[Sequence[Sequence[float]]], font: str, names: int = 12
) -> str:
    """[longitude, latitude, level, name …] over rings of [longitude, latitude]; the worst on top, with their names."""
    frame = _frame(sites, outlines)
    parts = [
        _open(MAP_WIDTH, MAP_HEIGHT),
        f'<rect width="{MAP_WIDTH}" height="{MAP_HEIGHT}" fill="#eef1f4"/>',
    ]
    for ring in outlines:
        path = "L".join(f"{x:.1f} {y:.1f}" for x, y in (frame(lon, lat) for lon, lat, *_ in ring))
        parts.append(f'<path d="M{path}Z" fill="#ffffff" stroke="#74828f" stroke-width="0.8"/>')
    worst = sorted(range(len(sites)), key=lambda n: -sites[n][2])
    for n in worst:
        x, y = frame(sites[n][0], sites[n][1])
        parts.append(_mark(sites[n][2], x, y))
    for n in worst[::-1][:names]:
        x, y = frame(sites[n][0], sites[n][1])
        end = x > MAP_WIDTH * 0.75
        parts.append(
            _text(x - 11 if end else x + 11, y + 4, str(sites[n][3]), font, "end" if end else "start")
        )
    return "".join([*parts, "</svg>"])


def _frame(sites: Sequence[Sequence[Any]], outlines: Sequence[Any]) -> Any:
    points = [(s[0], s[1]) for s in sites] + [(p[0], p[1]) for ring in outlines for p in ring]
    if not points:
        points = [(0.0, 0.0)]
    west, east = min(p[0] for p in points), max(p[0] for p in points)
    south, north = min(p[1] for p in points), max(p[1] for p in points)
    squeeze = math.cos(math.radians((south + north) / 2))  # a degree of longitude is shorter
    wide, high = max((east - west) * squeeze, 0.02), max(north - south, 0.02)
    scale = min((MAP_WIDTH - 2 * PAD) / wide, (MAP_HEIGHT - 2 * PAD) / high)
    middle = ((west + east) / 2, (south + north) / 2)

    def frame(lon: float, lat: float) -> tuple[float, float]:
        x = MAP_WIDTH / 2 + (lon - middle[0]) * squeeze * scale
        return x, MAP_HEIGHT / 2 - (lat - middle[1]) * scale

    return frame


def _mark(level: int, x: float, y: float) -> str:
    shape = {
        1: "M-3 -7h6l4 4v6l-4 4h-6l-4 -4v-6z",
        2: "M0 -8L8 0L0 8L-8 0z",
        3: "M-6 -6h12v12h-12z",
        4: "M0 -5a5 5 0 1 0 0.01 0z",
    }[level]
    return (
        f'<path transform="translate({x:.1f} {y:.1f})" d="{shape}" fill="{FILL[level]}" stroke="{EDGE[level]}"'
        ' stroke-width="1"/>'
    )


def _round_up(most: int) -> int:
    """The least of 4, 8, 20, 40, 80, 200 … that is not below ``most``: quarters of it are whole."""
    size = 4
    while size < most:
        for factor in (2, 5, 10):
            if size * factor >= most:
                return size * factor
        size *= 10
    return size


def _open(width: int, height: int) -> str:
    return f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}">'


def _text(x: float, y: float, words: str, font: str, anchor: str) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-family="{escape(font, quote=True)}" font-size="12" fill="#15202b"'
        f' text-anchor="{anchor}">{escape(words)}</text>'
    )

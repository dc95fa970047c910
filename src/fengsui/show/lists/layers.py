"""The GeoJSON layers that ``fengsui region load`` put under LAYERS_ROOT: one ``<name>.geojson`` each.

``layers.json`` beside them, when there is one, gives title, English title and source by name.
"""

import hashlib
import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from django.conf import settings


@dataclass(frozen=True, slots=True)
class Layer:
    name: str
    title: str
    title_en: str
    source: str
    path: Path
    bytes: int
    etag: str


def layers() -> list[Layer]:
    """Every loaded layer, by name; none before a region is loaded."""
    root = Path(settings.LAYERS_ROOT)
    words = _words(root / "layers.json")
    found = []
    for path in sorted(root.glob("*.geojson")):
        about, stat = words.get(path.stem, {}), path.stat()
        title = about.get("title", path.stem)
        etag = _etag(path, stat.st_mtime_ns, stat.st_size)
        layer = (path.stem, title, about.get("title_en", title), about.get("source", ""))
        found.append(Layer(*layer, path, stat.st_size, etag))
    return found


def read(layer: Layer) -> bytes:
    return layer.path.read_bytes()


@lru_cache(maxsize=64)
def _etag(path: Path, mtime_ns: int, size: int) -> str:
    return f'"{hashlib.sha256(path.read_bytes()).hexdigest()[:32]}"'


def _words(path: Path) -> dict[str, dict[str, str]]:
    try:
        found = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def divisions() -> dict[str, list[list[list[list[float]]]]]:
    """Division code → its polygons (rings of lon, lat), out of the layers of counties, cities and provinces."""
    found: dict[str, list[list[list[list[float]]]]] = {}
    for layer in layers():
        if layer.name in ("county", "city", "province"):
            found |= _outlines(layer.path, layer.etag)
    return found


@lru_cache(maxsize=8)
def _outlines(path: Path, _etag: str) -> dict[str, list[list[list[list[float]]]]]:
    found: dict[str, list[list[list[list[float]]]]] = {}
    try:
        features = json.loads(path.read_text())["features"]
    except (OSError, ValueError, KeyError):
        return found
    for feature in features:
        code, geometry = str(feature.get("properties", {}).get("code", "")), feature.get("geometry") or {}
        if code and geometry.get("type") == "MultiPolygon":
            found.setdefault(code, []).extend(geometry["coordinates"])
        elif code and geometry.get("type") == "Polygon":
            found.setdefault(code, []).append(geometry["coordinates"])
    return found

"""Where things lie: GeoJSON and WKT as shapes, and the geospatial functions of OGC 18-088, table 25, over rows.

Coordinates are WGS 84 degrees, longitude first; functions are those of the plane over degrees, as the standard's
reference implementation has them: a distance is in degrees too.  PostgreSQL finds candidates by their bounds, the
exact answer is shapely's.
"""

import operator
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import shapely
from django.db.models import Q, QuerySet

from fengsui.show.sta.odata.errors import BadQuery, NotAnswered

CANDIDATES = 100_000
MAX_VERTICES = 20_000
COMPARE: dict[str, Callable[[Any, Any], Any]] = {
    "eq": operator.eq, "ne": operator.ne, "gt": operator.gt, "ge": operator.ge, "lt": operator.lt, "le": operator.le,
}  # fmt: skip
RELATIONS = {
    "geo.intersects": shapely.intersects, "st_equals": shapely.equals, "st_disjoint": shapely.disjoint,
    "st_touches": shapely.touches, "st_within": shapely.within, "st_overlaps": shapely.overlaps,
    "st_crosses": shapely.crosses, "st_intersects": shapely.intersects, "st_contains": shapely.contains,
}  # fmt: skip
MIRRORED = {"st_within": "st_contains", "st_contains": "st_within"}
GEOMETRY_COLUMN = {
    "Location": "location",
    "FeatureOfInterest": "feature",
    "Datastream": "observed_area",
    "MultiDatastream": "observed_area",
}
AREAS = ("Datastream", "MultiDatastream")  # observed areas have no bounds beside them


def of_wkt(text: str) -> Any:
    """A geometry literal as a shape.  Raises BadQuery."""
    try:
        shape = shapely.from_wkt(text)
    except shapely.errors.ShapelyError as error:
        raise BadQuery(f"this is no geometry: {text[:60]} ({error})") from None
    if shapely.get_num_coordinates(shape) > MAX_VERTICES:
        raise BadQuery(f"a geometry may have {MAX_VERTICES} points at most")
    return shape


def of_geojson(value: Any) -> Any:
    """A GeoJSON geometry or Feature as a shape; None when it is none."""
    import msgspec

    if isinstance(value, dict) and value.get("type") == "Feature":
        value = value.get("geometry")
    if not isinstance(value, dict):
        return None
    try:
        shape = shapely.from_geojson(msgspec.json.encode(value))
    except (shapely.errors.ShapelyError, TypeError, ValueError):
        return None
    return None if shape is None or shapely.is_empty(shape) else shape


def bounds(value: Any) -> tuple[float, float, float, float] | None:
    """west, south, east, north of a GeoJSON value; None when it is no geometry, or not on the globe."""
    shape = of_geojson(value)
    if shape is None:
        return None
    west, south, east, north = (float(side) for side in shape.bounds)
    if not (-180 <= west <= east <= 180 and -90 <= south <= north <= 90):
        return None
    return west, south, east, north


def related(
    entity: str, rows: QuerySet[Any], function: str, shape: Any, mirrored: bool, pattern: str = ""
) -> list[int]:
    """Keys of ``rows`` for which the function holds of their geometry and ``shape``.  Raises NotAnswered."""
    if mirrored:
        function = MIRRORED.get(function, function)
    if function == "st_relate":
        if not (len(pattern) == 9 and set(pattern.upper()) <= set("TF*012")):
            raise BadQuery("the pattern of st_relate has nine letters of T, F, *, 0, 1, 2")
        keys, shapes = _read(entity, rows)
        if mirrored:
            pattern = "".join(pattern[i] for i in (0, 3, 6, 1, 4, 7, 2, 5, 8))
        return _kept(keys, shapely.relate_pattern(shapes, shape, pattern.upper()))
    if function != "st_disjoint":
        rows = _near(entity, rows, shape, 0.0)
    keys, shapes = _read(entity, rows)
    return _kept(keys, RELATIONS[function](shapes, shape))


def measured(entity: str, rows: QuerySet[Any], shape: Any, compare: str, than: float) -> list[int]:
    """Keys of ``rows`` whose distance from ``shape`` (degrees), or length without one, compares so to ``than``."""
    if shape is not None and compare in ("lt", "le", "eq"):
        rows = _near(entity, rows, shape, max(than, 0.0))
    keys, shapes = _read(entity, rows)
    value = shapely.length(shapes) if shape is None else shapely.distance(shapes, shape)
    return _kept(keys, COMPARE[compare](value, than))


def _near(entity: str, rows: QuerySet[Any], shape: Any, margin: float) -> QuerySet[Any]:
    if entity in AREAS:
        return rows
    west, south, east, north = shape.bounds
    return rows.filter(
        Q(
            west__lte=east + margin,
            east__gte=west - margin,
            south__lte=north + margin,
            north__gte=south - margin,
        )
    )


def _read(entity: str, rows: QuerySet[Any]) -> tuple[list[int], np.ndarray]:
    column = GEOMETRY_COLUMN[entity]
    there = (
        rows.filter(west__isnull=False) if entity not in AREAS else rows.filter(observed_area__isnull=False)
    )
    found = list(there.order_by("pk").values_list("pk", column)[: CANDIDATES + 1])
    if len(found) > CANDIDATES:
        raise NotAnswered(f"more than {CANDIDATES} places would have to be looked at: ask for a smaller area")
    shapes = [(pk, of_geojson(value)) for pk, value in found]
    keys = [pk for pk, shape in shapes if shape is not None]
    return keys, np.array([shape for _pk, shape in shapes if shape is not None], dtype=object)


def _kept(keys: list[int], holds: Iterable[Any]) -> list[int]:
    return [pk for pk, yes in zip(keys, holds, strict=True) if yes]

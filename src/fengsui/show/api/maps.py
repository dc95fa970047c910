"""The map: sites by state, and the layers of the loaded region."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.utils.cache import patch_cache_control
from django.utils.http import parse_etags
from ninja import Query, Router, Schema

from fengsui.base.errors import BadInput
from fengsui.show.api.errors import NotFound
from fengsui.show.api.schemas import FeatureCollection, LayerOut, WarningCollection
from fengsui.show.lists import layers, warnings
from fengsui.show.lists import map as lists
from fengsui.show.live.hub import now_ms
from fengsui.stores import clock

router = Router(tags=["map"])


class ViewIn(Schema):
    bbox: str = "-180,-90,180,90"
    zoom: float = 0


@router.get("map/sites", response=FeatureCollection)
def map_sites(request: HttpRequest, view: Query[ViewIn]) -> dict[str, Any]:
    """Sites in ``bbox`` (west,south,east,north) with level and freshness; cells of a grid when they are many.

    The level is that of the worst alarm; ``standing`` alarms are shown for themselves, ``folded`` ones into others.
    """
    at = now_ms()
    found = lists.features(request.user, _view(view.bbox, view.zoom), at)
    clustered = bool(found) and found[0]["properties"]["cluster"]
    return {"type": "FeatureCollection", "at_ms": at, "clustered": clustered, "features": found}


@router.get("map/warnings", response=WarningCollection)
def map_warnings(request: HttpRequest) -> dict[str, Any]:
    """Public warnings in force, ours and others', as areas with level, headline and origin."""
    return {
        "type": "FeatureCollection",
        "at_ms": now_ms(),
        "features": warnings.features(request.user, clock.now()),
    }


@router.get("map/layers", response=list[LayerOut])
def map_layers(request: HttpRequest) -> list[dict[str, Any]]:
    """The layers of the loaded region pack."""
    return [
        {
            "name": layer.name,
            "title": layer.title,
            "title_en": layer.title_en,
            "source": layer.source,
            "url": f"/api/v1/map/layers/{layer.name}",
            "bytes": layer.bytes,
        }
        for layer in layers.layers()
    ]


@router.get("map/layers/{name}", response=dict[str, Any])
def map_layer(request: HttpRequest, name: str) -> HttpResponse:
    """One layer as GeoJSON, with an ETag."""
    layer = next((layer for layer in layers.layers() if layer.name == name), None)
    if layer is None:
        raise NotFound
    if layer.etag in parse_etags(request.headers.get("If-None-Match", "")):
        response = HttpResponse(status=304)
    else:
        response = HttpResponse(layers.read(layer), content_type="application/geo+json")
    response["ETag"] = layer.etag
    patch_cache_control(response, private=True, no_cache=True)
    return response


def _view(bbox: str, zoom: float) -> lists.View:
    try:
        west, south, east, north = (float(part) for part in bbox.split(","))
    except ValueError:
        raise BadInput("bbox is west,south,east,north in degrees") from None
    if not (-180 <= west < east <= 180 and -90 <= south < north <= 90):
        raise BadInput("bbox is west,south,east,north in degrees, west < east and south < north")
    return lists.View(west, south, east, north, zoom)

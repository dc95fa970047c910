"""Depths in shapes: against shapely on the same plane, and against what geometry promises."""

import math

import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from fengsui.base import place
from fengsui.base.place import FAR_M, M_PER_DEG, BadShape

LON, LAT = 111.29, 30.69
near = st.floats(-0.02, 0.02)
SQUARE = [
    [LON - 0.01, LAT - 0.01],
    [LON + 0.01, LAT - 0.01],
    [LON + 0.01, LAT + 0.01],
    [LON - 0.01, LAT + 0.01],
]


def flat(shape, points):
    scale = np.array([M_PER_DEG * math.cos(math.radians(shape.lat0)), M_PER_DEG])
    return (np.array(points) - (shape.lon0, shape.lat0)) * scale


@given(
    st.lists(st.tuples(near, near), min_size=3, max_size=9, unique=True),
    st.lists(st.tuples(near, near), min_size=1),
)
def test_a_polygon_is_as_deep_as_shapely_says(corners, asked):
    ring = [[LON + x, LAT + y] for x, y in corners]
    try:
        shape = place.polygon([ring])
    except BadShape:
        return
    drawn = shapely.Polygon(flat(shape, ring))
    if not drawn.is_valid:  # crossing edges: even-odd is ours, shapely has no answer
        return
    at = np.array([[LON + x, LAT + y] for x, y in asked])
    depth = shape.depth_m(at[:, 0], at[:, 1])
    for point, got in zip(flat(shape, at), depth, strict=True):
        away = drawn.exterior.distance(shapely.Point(point))
        inside = drawn.contains(shapely.Point(point))
        expected = max(-FAR_M, min(FAR_M, away if inside else -away))
        assert got == pytest.approx(expected, abs=1e-3)


@given(st.lists(st.tuples(near, near), min_size=2, max_size=40), st.integers(1, 39))
def test_a_depth_does_not_depend_on_what_else_is_asked(asked, cut):
    shape = place.corridor([[LON - 0.01, LAT], [LON, LAT + 0.004], [LON + 0.01, LAT]], 60)
    lon, lat = (np.array(c) for c in zip(*((LON + x, LAT + y) for x, y in asked), strict=True))
    whole = shape.depth_m(lon, lat)
    parts = np.concatenate([shape.depth_m(lon[:cut], lat[:cut]), shape.depth_m(lon[cut:], lat[cut:])])
    assert (whole == parts).all()


def test_a_circle_and_a_corridor_are_metres_around_their_middle():
    circle = place.circle([LON, LAT], 500)
    north = LAT + 400 / M_PER_DEG
    assert circle.depth_m(np.array([LON, LON]), np.array([LAT, north])) == pytest.approx([500, 100], abs=0.01)
    road = place.corridor([[LON, LAT], [LON + 0.01, LAT]], 30)
    assert road.depth_m(np.array([LON + 0.005]), np.array([LAT + 50 / M_PER_DEG])) == pytest.approx(
        [-20], abs=0.01
    )


def test_a_hole_is_outside_and_so_is_what_is_between_two_parts():
    hole = [
        [LON + x, LAT + y] for x, y in ((-0.002, -0.002), (0.002, -0.002), (0.002, 0.002), (-0.002, 0.002))
    ]
    shape = place.polygon([SQUARE, hole])
    depth = shape.depth_m(np.array([LON, LON + 0.005]), np.array([LAT, LAT]))
    assert depth[0] < 0 < depth[1]


def test_what_is_no_place_has_no_depth_and_what_is_far_is_far():
    shape = place.polygon([SQUARE])
    depth = shape.depth_m(np.array([np.nan, LON + 1, LON]), np.array([LAT, LAT, np.inf]))
    assert np.isnan(depth[0])
    assert depth[1] == -FAR_M
    assert np.isnan(depth[2])


@pytest.mark.parametrize(
    "draw",
    [
        lambda: place.polygon([SQUARE[:2]]),
        lambda: place.polygon([[[LON, LAT], [LON + 0.01, LAT], [LON + 0.02, LAT]]]),  # no area
        lambda: place.polygon([[[0, 0], [5, 0], [5, 5]]]),
        lambda: place.polygon([]),
        lambda: place.polygon([[["a", 1], [2, 3], [4, 5]]]),
        lambda: place.circle([200, 10], 10),
        lambda: place.circle([LON, LAT], 0),
        lambda: place.circle([LON, LAT], float("nan")),
        lambda: place.corridor([[LON, LAT], [LON, LAT]], 10),
    ],
)
def test_what_encloses_nothing_is_refused(draw):
    with pytest.raises(BadShape):
        draw()


def test_distances_are_those_of_the_sphere():
    assert place.distance_m(0, 0, 0, 1) == pytest.approx(111_195, abs=1)
    assert place.distance_m(179.5, 0, -179.5, 0) == pytest.approx(111_195, abs=1)

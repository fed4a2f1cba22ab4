"""Rays against solids, with distances worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_mm_ros.pipelines.simulation.ray_casting import (
    GROUND,
    NOTHING,
    Solid,
    cast,
    nearby_in_view,
)

EYE = np.array([0.0, 0.0, 1.0])
AHEAD = np.array([[1.0, 0.0, 0.0]])


def box(x: float, y: float = 0.0, size: float = 2.0, yaw: float = 0.0) -> Solid:
    return Solid(np.array([x, y, 1.0]), np.array([size, size, 2.0]), yaw)


def cylinder(x: float, y: float = 0.0, diameter: float = 0.5) -> Solid:
    return Solid(np.array([x, y, 1.0]), np.array([diameter, diameter, 2.0]), 0.0, round=True)


def test_a_box_is_hit_on_its_near_face() -> None:
    hits = cast(EYE, AHEAD, [box(5.0)])
    assert hits.distance_m == pytest.approx([4.0])
    assert hits.owner.tolist() == [0]


def test_a_turned_box_is_hit_on_its_edge() -> None:
    hits = cast(EYE, AHEAD, [box(5.0, yaw=math.pi / 4.0)])
    assert hits.distance_m == pytest.approx([5.0 - math.sqrt(2.0)])


def test_a_cylinder_is_hit_on_its_round_side() -> None:
    assert cast(EYE, AHEAD, [cylinder(3.0)]).distance_m == pytest.approx([2.75])
    # 0.15 m off its axis of radius 0.25 m: the side lies 0.2 m before the axis.
    assert cast(EYE, AHEAD, [cylinder(3.0, 0.15)]).distance_m == pytest.approx([2.8])
    assert cast(EYE, AHEAD, [cylinder(3.0, 0.26)]).owner.tolist() == [NOTHING]


def test_a_cylinder_is_hit_on_its_top() -> None:
    down = np.array([[0.0, 0.0, -1.0], [0.6, 0.0, -0.8]])
    hits = cast(np.array([0.0, 0.0, 4.0]), down, [cylinder(0.1)])
    assert hits.distance_m == pytest.approx([2.0, 5.0])
    assert hits.owner.tolist() == [0, GROUND]


def test_the_ground_is_hit_from_above_only_and_only_where_it_is_asked_for() -> None:
    slanted = np.array([[0.8, 0.0, -0.6], [0.8, 0.0, 0.6]])
    hits = cast(EYE, slanted, [])
    assert hits.distance_m[0] == pytest.approx(1.0 / 0.6)
    assert hits.owner.tolist() == [GROUND, NOTHING]
    assert cast(EYE, slanted, [], ground=False).owner.tolist() == [NOTHING, NOTHING]


def test_the_nearer_one_hides_the_further() -> None:
    hits = cast(EYE, AHEAD, [box(9.0), cylinder(4.0), box(20.0)])
    assert hits.owner.tolist() == [1]


def test_what_lies_behind_is_not_hit() -> None:
    assert cast(EYE, AHEAD, [box(-5.0), cylinder(-2.0)]).owner.tolist() == [NOTHING]


@given(
    st.floats(-20, 20),
    st.floats(-20, 20),
    st.floats(0.2, 6.0),
    st.floats(0.2, 6.0),
    st.floats(-math.pi, math.pi),
    st.booleans(),
    st.floats(-math.pi, math.pi),
    st.floats(-0.5, 0.5),
)
def test_a_hit_lies_on_the_surface_and_nothing_of_the_solid_before_it(
    x: float,
    y: float,
    length: float,
    width: float,
    yaw: float,
    is_round: bool,
    azimuth: float,
    elevation: float,
) -> None:
    solid = Solid(np.array([x, y, 1.0]), np.array([length, width, 2.0]), yaw, round=is_round)
    flat = math.cos(elevation)
    ray = np.array([flat * math.cos(azimuth), flat * math.sin(azimuth), math.sin(elevation)])

    def inside(distance: float) -> bool:
        own = solid.own_axes((EYE + distance * ray - solid.centre_m)[None])[0] / (solid.size_m / 2)
        if is_round:
            return bool(math.hypot(own[0], own[1]) <= 1.0 and abs(own[2]) <= 1.0)
        return bool(np.all(np.abs(own) <= 1.0))

    distance = float(cast(EYE, ray[None], [solid], ground=False).distance_m[0])
    probes = np.linspace(0.0, 40.0, 801)
    entered = [d for d in probes if inside(d)]
    if inside(0.0):  # a ray that begins inside passes out of it
        assert math.isinf(distance)
    elif math.isinf(distance):
        assert len(entered) <= 1  # it may graze
    else:
        assert not any(inside(d) for d in probes if d < distance - 1e-6)
        assert entered == [] or distance <= entered[0] + 1e-6


@given(st.lists(st.tuples(st.floats(1, 20), st.floats(-8, 8)), min_size=2, max_size=6))
def test_what_is_left_out_of_a_view_hides_nothing(places: list[tuple[float, float]]) -> None:
    solids = [cylinder(x, y, 0.6) for x, y in places]
    rays = solids[0].world_points(
        np.array([[0.0, side, up] for side in (-0.2, 0.0, 0.2) for up in (-0.5, 0.0, 0.5)])
    )
    rays = (rays - EYE) / np.linalg.norm(rays - EYE, axis=1, keepdims=True)
    whole = cast(EYE, rays, solids).owner == 0
    few = cast(EYE, rays, nearby_in_view(EYE, 0, solids)).owner == 0
    assert few.tolist() == whole.tolist()

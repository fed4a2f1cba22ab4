"""The robot's own motion: paths as it sees them, and the zone that it needs to brake."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_mm_ros.datatypes import Object3D, SafetyLevel
from edge_mm_ros.params.safety_zones import BrakingZone, Level, fault_of_polygon
from edge_mm_ros.pipelines.monitoring.motion import (
    OwnMotion,
    braking_outline,
    reach_m,
    relative_path,
    relative_speed_mps,
)

ZONE = BrakingZone(
    name="brake",
    level=Level.DANGER,
    front_m=0.5,
    rear_m=0.3,
    width_m=1.0,
    margin_m=0.2,
    reaction_s=0.5,
    deceleration_mps2=2.0,
)


def thing(place: tuple[float, float], velocity: tuple[float, float]) -> Object3D:
    return Object3D(
        "1",
        "person",
        0.9,
        np.array([*place, 0.9]),
        np.ones(3),
        np.eye(3) * 0.01,
        ("camera:a",),
        np.array([*velocity, 0.0]),
    )


def integrated(
    place: tuple[float, float], velocity: tuple[float, float], own: OwnMotion, until_s: float
) -> tuple[float, float]:
    """Where a thing is as the robot sees it, by many small steps of the robot's pose."""
    x, y, heading, steps = 0.0, 0.0, 0.0, 20_000
    dt = until_s / steps
    for _ in range(steps):
        middle = heading + own.turn_radps * dt / 2.0
        x += dt * (own.forward_mps * math.cos(middle) - own.left_mps * math.sin(middle))
        y += dt * (own.forward_mps * math.sin(middle) + own.left_mps * math.cos(middle))
        heading += own.turn_radps * dt
    dx = place[0] + velocity[0] * until_s - x
    dy = place[1] + velocity[1] * until_s - y
    cosine, sine = math.cos(heading), math.sin(heading)
    return cosine * dx + sine * dy, cosine * dy - sine * dx


@pytest.mark.parametrize(
    "own",
    [
        OwnMotion(),
        OwnMotion(forward_mps=1.5),
        OwnMotion(forward_mps=1.0, left_mps=-0.4, turn_radps=0.8),
        OwnMotion(turn_radps=-0.5),
    ],
)
def test_a_path_is_what_small_steps_give(own: OwnMotion) -> None:
    item = thing((4.0, -1.0), (-0.5, 0.7))
    path = relative_path(item, own, 2.0)
    expected = integrated((4.0, -1.0), (-0.5, 0.7), own, 2.0)
    assert path.times_s[-1] == 2.0
    assert tuple(path.places_m[-1]) == pytest.approx(expected, abs=1e-6)
    assert tuple(path.places_m[0]) == (4.0, -1.0)
    farthest = np.hypot(*(path.places_m - path.places_m[0]).T).max()
    assert farthest <= reach_m(item, own, 2.0) + 1e-9
    gone = np.hypot(*(path.places_m[1] - path.places_m[0])) / path.times_s[1]
    assert relative_speed_mps(item, own) == pytest.approx(gone, rel=0.1)


def test_what_stands_comes_as_fast_as_the_robot_drives() -> None:
    own = OwnMotion(forward_mps=2.0)
    assert relative_speed_mps(thing((5.0, 0.0), (0.0, 0.0)), own) == 2.0
    assert relative_speed_mps(thing((5.0, 0.0), (2.0, 0.0)), own) == 0.0
    # Turning on the spot by 0.5 rad/s, what is 4 m away passes sideways at 2 m/s.
    assert relative_speed_mps(thing((0.0, 4.0), (0.0, 0.0)), OwnMotion(turn_radps=0.5)) == 2.0


@pytest.mark.parametrize(
    ("speed_mps", "near_m", "far_m"),
    [
        # Reaction 0.5 s and deceleration 2 m/s2: 0 m, 0.5 + 0.25 m, 1 + 1 m, and 0.2 m of margin.
        (0.0, 0.5, 0.7),
        (1.0, 0.5, 1.45),
        (2.0, 0.5, 2.7),
        (-1.0, -1.25, -0.3),
    ],
)
def test_the_braking_zone_grows_with_the_speed(
    speed_mps: float, near_m: float, far_m: float
) -> None:
    corners = braking_outline(ZONE, OwnMotion(forward_mps=speed_mps))
    assert corners[:, 0].min() == pytest.approx(near_m)
    assert corners[:, 0].max() == pytest.approx(far_m)
    assert sorted({round(float(y), 9) for y in corners[:, 1]}) == [-0.5, 0.5]


def test_in_a_turn_the_braking_zone_follows_the_arc() -> None:
    corners = braking_outline(ZONE, OwnMotion(forward_mps=2.0, turn_radps=1.0))
    # A circle of 2 m radius about (0.5, 2): after 2.2 m of way the heading is 1.1 rad.
    middle = 0.5 * (corners[8] + corners[9])
    assert middle == pytest.approx([0.5 + 2 * math.sin(1.1), 2 - 2 * math.cos(1.1)])


@given(
    speed=st.floats(-30.0, 30.0),
    turn=st.floats(-3.0, 3.0),
    width=st.floats(0.1, 5.0),
)
def test_a_braking_zone_is_a_simple_polygon_at_any_speed(
    speed: float, turn: float, width: float
) -> None:
    zone = ZONE.model_copy(update={"width_m": width})
    corners = braking_outline(zone, OwnMotion(forward_mps=speed, turn_radps=turn))
    assert np.isfinite(corners).all()
    assert fault_of_polygon(tuple((float(x), float(y)) for x, y in corners)) == ""


def test_the_level_of_a_braking_zone_is_one_of_the_state() -> None:
    assert ZONE.level.safety is SafetyLevel.DANGER

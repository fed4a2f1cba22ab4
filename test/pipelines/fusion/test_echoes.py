"""Ultrasonic echoes as measurements."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from edge_mm_ros.datatypes import InvalidInput, RangeReading, RigidTransform
from edge_mm_ros.params.fusion_sensors import ObstacleParams
from edge_mm_ros.pipelines.fusion.echoes import echo_of
from edge_mm_ros.pipelines.fusion.finding import Finding
from edge_mm_ros.pipelines.tracking import Birth

LEFT = RigidTransform.from_xyz_rpy((0.0, 0.3, 0.4), (0.0, 0.0, math.pi / 2))


def measured(
    range_m: float, place: RigidTransform = LEFT, opening_rad: float = 0.8, **way: Any
) -> tuple[Finding, ...]:
    return echo_of(
        RangeReading(range_m, 0.2, 4.0, opening_rad, 0, "u"),
        place,
        ObstacleParams(**way),
        source="ultrasonic:u",
        range_sigma_m=0.02,
        ground_z_m=0.0,
    )


def test_an_echo_is_something_on_the_arc() -> None:
    (thing,) = measured(2.0)
    # The arc's centre of gravity lies at r sin(h) / h; the middle of the thing 0.15 m behind.
    assert thing.position_m[:2] == pytest.approx([0.0, 0.3 + 2.0 * math.sin(0.4) / 0.4 + 0.15])
    assert (thing.label, thing.sources, thing.sized) == ("unknown", ("ultrasonic:u",), False)
    assert thing.birth is Birth.CONFIRMED


def test_its_covariance_is_as_wide_as_the_arc() -> None:
    rng = np.random.default_rng(0)
    angles = rng.uniform(-0.4, 0.4, 200_000)
    for distance in (0.5, 3.0):
        (thing,) = measured(distance)
        covariance = thing.covariance_m2
        across = float(np.var(distance * np.sin(angles))) + 0.15**2
        along = float(np.var(distance * np.cos(angles))) + 0.02**2 + 0.15**2
        assert covariance[0, 0] == pytest.approx(across, rel=0.02)  # the robot's x lies across
        assert covariance[1, 1] == pytest.approx(along, rel=0.02)
        assert covariance[2, 2] > 0.2


@pytest.mark.parametrize("opening_rad", [0.0, 1e-9, math.pi, 6.0])
def test_any_cone_gives_a_usable_covariance(opening_rad: float) -> None:
    (thing,) = measured(1.0, opening_rad=opening_rad)
    assert np.linalg.eigvalsh(thing.covariance_m2)[0] > 0.0


def test_no_echo_is_no_measurement_and_one_too_near_lies_before_the_least_range() -> None:
    assert measured(math.inf) == ()
    (thing,) = measured(-math.inf)
    assert thing.position_m[1] == pytest.approx(0.3 + 0.1 + 0.15, abs=0.01)


@pytest.mark.parametrize("range_m", [0.1, 4.1, math.nan])
def test_a_reading_beyond_its_own_limits_is_refused_by_name(range_m: float) -> None:
    with pytest.raises(InvalidInput) as raised:
        measured(range_m)
    assert raised.value.kind in {"out_of_range", "not_a_number"}


def test_the_robot_s_own_bumper_is_no_obstacle() -> None:
    around = {"footprint_front_m": 1.0, "footprint_rear_m": 1.0, "footprint_side_m": 1.0}
    assert measured(0.3, **around) == ()

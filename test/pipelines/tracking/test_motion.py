"""The motion models against circles, differences and the algebra of noise."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose

from edge_mm_ros.params.tracking import TrackingParams
from edge_mm_ros.pipelines.tracking.motion import (
    STATES,
    STRAIGHT,
    TURNING,
    move,
    process_noise,
    switching,
)

PARAMS = TrackingParams()
LASTING = TrackingParams(turn_memory_s=100.0)


def state(x: float, y: float, speed_x: float, speed_y: float, turn: float) -> np.ndarray:
    return np.tile([x, y, 0.9, speed_x, speed_y, turn], (1, 2, 1))


def test_a_turn_is_an_arc_and_a_straight_line_is_straight() -> None:
    # A quarter of a circle of radius 2 m about (0, 2), from the origin: 0.5 rad/s at 1 m/s.
    moved, _ = move(state(0.0, 0.0, 1.0, 0.0, 0.5), LASTING, np.pi)
    assert_allclose(moved[0, TURNING, :5], [2.0, 2.0, 0.9, 0.0, 1.0], atol=1e-12)
    assert_allclose(moved[0, STRAIGHT, :5], [np.pi, 0.0, 0.9, 1.0, 0.0], atol=1e-12)


@pytest.mark.parametrize("turn", [0.0, 1e-6, 0.009, 0.011, -0.7, 2.0])
def test_the_derivatives_are_those_of_the_motion(turn: float) -> None:
    begin = state(1.0, -2.0, 1.2, -0.7, turn)
    _, jacobian = move(begin, PARAMS, 0.1)
    for column in range(STATES):
        step = np.zeros(STATES)
        step[column] = 1e-4
        ahead, _ = move(begin + step, PARAMS, 0.1)
        behind, _ = move(begin - step, PARAMS, 0.1)
        assert_allclose(jacobian[0, :, :, column], (ahead - behind)[0] / 2e-4, atol=1e-8)


def test_two_short_steps_disturb_as_much_as_a_long_one() -> None:
    half, whole = process_noise(PARAMS, 0.15), process_noise(PARAMS, 0.3)
    _, jacobian = move(np.zeros((1, 2, STATES)), PARAMS, 0.15)
    twice = jacobian[0] @ half @ jacobian[0].swapaxes(-1, -2) + half
    assert_allclose(twice, whole, atol=1e-12)
    assert_allclose(switching(PARAMS, 0.15) @ switching(PARAMS, 0.15), switching(PARAMS, 0.3))


def test_noise_has_the_meaning_that_the_parameters_say() -> None:
    noise = process_noise(PARAMS, 1.0)
    assert noise[STRAIGHT, 3, 3] == pytest.approx(0.3**2)
    assert noise[TURNING, 4, 4] == pytest.approx(0.6**2)
    assert noise[TURNING, 2, 2] == pytest.approx(0.3**2)
    # Long after the last hint a turn rate is as uncertain as before the first one.
    assert process_noise(PARAMS, 60.0)[TURNING, 5, 5] == pytest.approx(0.6**2)


def test_models_change_as_seldom_as_the_parameters_say() -> None:
    soon = switching(PARAMS, 0.001)
    assert soon[STRAIGHT, TURNING] == pytest.approx(0.001 / 5.0, rel=1e-3)
    assert soon[TURNING, STRAIGHT] == pytest.approx(0.001 / 2.0, rel=1e-3)
    assert_allclose(switching(PARAMS, 1e4), [[5 / 7, 2 / 7]] * 2)
    assert_allclose(switching(PARAMS, 0.0), np.eye(2))

"""The estimator against Kalman's formulas worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
from fakes.measured import measured
from numpy.testing import assert_allclose

from edge_mm_ros.params.tracking import TrackingParams
from edge_mm_ros.pipelines.tracking import RadialVelocity
from edge_mm_ros.pipelines.tracking.imm import Estimates, inverse_of_symmetric, radial_velocity

PARAMS = TrackingParams()


def begun(sigma_m: float = 2.0) -> Estimates:
    return Estimates.begin([measured((4.0, 0.0), sigma_m=sigma_m)], PARAMS, 3.0)


def test_a_second_measurement_as_good_as_the_first_halves_the_variance() -> None:
    after = begun().updated(np.array([[6.0, 0.0, 0.9]]), np.eye(3)[None] * 4.0, [None])
    mean, covariance = after.overall
    assert_allclose(mean[0, :3], [5.0, 0.0, 0.9])
    assert_allclose(covariance[0, :3, :3], np.eye(3) * 2.0, atol=1e-12)


def test_the_whole_is_the_mixture_of_the_models() -> None:
    rng = np.random.default_rng(3)
    roots = rng.normal(size=(1, 2, 6, 6))
    parts = Estimates.of(
        rng.normal(size=(1, 2, 6)), roots @ roots.swapaxes(-1, -2), np.array([[0.3, 0.7]])
    )
    mean, covariance = parts.overall
    expected = 0.3 * parts.means[0, 0] + 0.7 * parts.means[0, 1]
    assert_allclose(mean[0], expected)
    second_moment = sum(
        weight * (parts.covariances[0, i] + np.outer(parts.means[0, i], parts.means[0, i]))
        for i, weight in enumerate((0.3, 0.7))
    )
    assert_allclose(covariance[0], second_moment - np.outer(expected, expected), atol=1e-12)
    assert_allclose(parts.mean, mean)
    assert_allclose(parts.place_m2, covariance[:, :3, :3])


def test_without_measurements_places_grow_uncertain() -> None:
    motion = begun(0.1).predicted(PARAMS, 0.1)
    traces = []
    for _ in range(20):
        traces.append(float(np.trace(motion.overall[1][0, :2, :2])))
        motion = motion.predicted(PARAMS, 0.1)
    assert np.all(np.diff(traces) > 0.0)


@pytest.mark.parametrize(("turn", "turns"), [(0.0, False), (0.9, True)])
def test_the_likelier_model_wins(turn: float, turns: bool) -> None:
    motion = Estimates.begin([measured((0.0, 0.0), sigma_m=0.02)], PARAMS, 3.0)
    for index in range(1, 40):
        angle = turn * index * 0.1
        place = (
            [1.5 / turn * np.sin(angle), 1.5 / turn * (1.0 - np.cos(angle)), 0.9]
            if turn
            else [0.15 * index, 0.0, 0.9]
        )
        motion = motion.predicted(PARAMS, 0.1)
        motion = motion.updated(np.array([place]), np.eye(3)[None] * 0.02**2, [None])
    assert bool(motion.models[0, 1] > 0.5) is turns


def test_a_radial_velocity_is_the_change_of_the_distance() -> None:
    sensor = RadialVelocity(0.0, 0.1, np.array([1.0, 1.0, 1.0]), np.array([0.5, 0.0, 0.0]))
    states = np.array([[4.0, 5.0, 1.0, 1.0, -2.0, 0.0]])
    speed, slope = radial_velocity(states, sensor)
    # (3, 4, 0) m away, so the ray is (0.6, 0.8, 0); relative velocity (0.5, -2, 0) m/s.
    assert speed[0] == pytest.approx(0.6 * 0.5 - 0.8 * 2.0)
    for column in range(6):
        step = np.zeros(6)
        step[column] = 1e-6
        ahead, _ = radial_velocity(states + step, sensor)
        assert slope[0, column] == pytest.approx((ahead - speed)[0] / 1e-6, abs=1e-5)


def test_a_radial_velocity_tells_the_speed_at_once() -> None:
    radial = RadialVelocity(-1.4, 0.05, np.zeros(3))
    after = begun(0.1).updated(np.array([[4.0, 0.0, 0.9]]), np.eye(3)[None] * 0.01, [radial])
    mean, covariance = after.overall
    assert mean[0, 3] == pytest.approx(-1.4, abs=0.1)
    assert np.sqrt(covariance[0, 3, 3]) < 0.15
    assert np.sqrt(covariance[0, 4, 4]) == pytest.approx(1.5, abs=0.01)  # across, nothing is known


def test_an_update_is_that_of_the_textbook() -> None:
    """K = P H' S^-1, x + K (z - H x), (I - K H) P, model by model; with a radial velocity too."""
    rng = np.random.default_rng(5)
    roots = rng.normal(size=(2, 2, 6, 6))
    before = Estimates.of(
        rng.normal(size=(2, 2, 6)) + 4.0, roots @ roots.swapaxes(-1, -2), np.full((2, 2), 0.5)
    )
    radial = RadialVelocity(0.3, 0.2, np.array([0.5, -1.0, 0.2]))
    places, noise = rng.normal(size=(2, 3)) + 4.0, np.eye(3) * 0.25
    after = before.updated(places, np.stack([noise, noise]), [None, radial])
    for model in range(2):
        states = before.means[1, model][None]
        expected, slope = radial_velocity(states, radial)
        for track, observe, gap, spread in (
            (0, np.eye(3, 6), places[0] - before.means[0, model, :3], noise),
            (
                1,
                np.vstack([np.eye(3, 6), slope]),
                np.append(places[1] - before.means[1, model, :3], 0.3 - expected),
                np.diag([0.25, 0.25, 0.25, 0.04]),
            ),
        ):
            covariance = before.covariances[track, model]
            gain = covariance @ observe.T @ np.linalg.inv(observe @ covariance @ observe.T + spread)
            assert_allclose(after.means[track, model], before.means[track, model] + gain @ gap)
            assert_allclose(
                after.covariances[track, model],
                (np.eye(6) - gain @ observe) @ covariance,
                atol=1e-9,
            )


def test_inverses_of_many_small_matrices() -> None:
    roots = np.random.default_rng(1).normal(size=(7, 3, 3))
    matrices = roots @ roots.swapaxes(-1, -2) + np.eye(3)
    inverses, determinants = inverse_of_symmetric(matrices)
    assert_allclose(inverses @ matrices, np.tile(np.eye(3), (7, 1, 1)), atol=1e-12)
    assert_allclose(determinants, np.linalg.det(matrices))

"""Are the covariances honest? Truth is simulated, seeded; each run is a track of its own."""

from __future__ import annotations

import numpy as np
import pytest
from fakes.measured import measured, scan
from numpy.typing import NDArray
from scipy.stats import chi2

from edge_mm_ros.params.tracking import TrackingParams
from edge_mm_ros.pipelines.tracking import Tracker, TrackerSettings

PARAMS = TrackingParams()
RUNS, STEPS, BEGIN = 60, 45, 10  # BEGIN: the first second
APART_M = 1000.0  # runs never meet
FINE = 10  # steps of the simulation between measurements


def simulated(rng: np.random.Generator, kind: str) -> NDArray[np.float64]:
    """Truth drawn from the models: (steps, runs, 4) of x, y and the velocities.

    Args:
        rng: the source of chance.
        kind: ``straight``, ``turning`` or ``both``, where objects change from one to the other.
    """
    h = 0.1 / FINE
    place = np.column_stack([APART_M * np.arange(RUNS), np.zeros(RUNS)])
    speed = rng.normal(0.0, 1.5, (RUNS, 2))
    turn = rng.normal(0.0, PARAMS.turn_rate_radps, RUNS)
    chance = {"straight": 0.0, "turning": 1.0, "both": 2.0 / 7.0}[kind]
    turning = rng.random(RUNS) < chance
    fade = np.exp(-h / PARAMS.turn_memory_s)
    steps = []
    for index in range(STEPS * FINE):
        if index % FINE == 0:
            steps.append(np.hstack([place, speed]))
        if kind == "both":
            lasts_s = np.where(turning, PARAMS.turning_for_s, PARAMS.straight_for_s)
            turning ^= rng.random(RUNS) < h / lasts_s
        angle = np.where(turning, turn, 0.0) * h
        place = place + h * speed
        speed = np.column_stack(
            [
                np.cos(angle) * speed[:, 0] - np.sin(angle) * speed[:, 1],
                np.sin(angle) * speed[:, 0] + np.cos(angle) * speed[:, 1],
            ]
        )
        walk = np.where(turning, PARAMS.turning_walk_mps, PARAMS.straight_walk_mps)
        speed += walk[:, None] * np.sqrt(h) * rng.normal(size=(RUNS, 2))
        turn = fade * turn + PARAMS.turn_rate_radps * np.sqrt(1 - fade**2) * rng.normal(size=RUNS)
    return np.array(steps)


def circles(speed_mps: float, turn_radps: float) -> NDArray[np.float64]:
    """Steady motion, (steps, runs, 4); a turn rate of 0 gives straight lines."""
    time = 0.1 * np.arange(STEPS)[:, None]
    phase = np.linspace(0.0, 2.0 * np.pi, RUNS)[None]
    angle = phase + turn_radps * time
    if turn_radps:
        x = speed_mps / turn_radps * (np.sin(angle) - np.sin(phase))
        y = speed_mps / turn_radps * (np.cos(phase) - np.cos(angle))
    else:
        x, y = speed_mps * time * np.cos(phase), speed_mps * time * np.sin(phase)
    x = x + APART_M * np.arange(RUNS)
    return np.stack([x, y, speed_mps * np.cos(angle), speed_mps * np.sin(angle)], axis=-1)


def followed(
    truth: NDArray[np.float64], sigma_m: float, seed: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Errors (steps, runs, 4) after the first second, and covariances (steps, runs, 4, 4)."""
    rng = np.random.default_rng(seed)
    tracker = Tracker(TrackerSettings(PARAMS))
    errors, spreads = [], []
    begun: list[object] = []
    rows = [0, 1, 3, 4]
    for index, states in enumerate(truth):
        items = [
            measured(np.array([x, y, 0.9]) + rng.normal(0.0, sigma_m, 3), sigma_m=sigma_m)
            for x, y in states[:, :2]
        ]
        tracker.update(scan(0.1 * index, *items))
        begun = begun or list(tracker.tracks.born)
        assert list(tracker.tracks.born[:RUNS]) == begun  # nobody is lost
        # One in some thousand measurements errs so far that a new object is likelier.
        assert len(tracker.tracks) <= RUNS + 2
        if index >= BEGIN:
            means, covariances = tracker.tracks.motion.overall
            errors.append(means[:RUNS, rows] - states)
            spreads.append(covariances[:RUNS, rows][:, :, rows])
    return np.array(errors), np.array(spreads)


def nees(errors: NDArray[np.float64], spreads: NDArray[np.float64]) -> float:
    """Mean squared error under the covariance (Bar-Shalom, Li, Kirubarajan 2001, 5.4.2)."""
    solved = np.linalg.solve(spreads, errors[..., None])[..., 0]
    return float(np.mean(np.einsum("...i,...i", errors, solved)))


def bounds(states: int) -> tuple[float, float]:
    """95 % of the means of independent runs lie between; the steps of a run are not independent."""
    low, high = chi2.ppf([0.025, 0.975], states * RUNS) / RUNS
    return float(low), float(high)


@pytest.mark.parametrize(("kind", "sigma_m"), [("straight", 0.05), ("both", 0.05), ("both", 0.3)])
def test_places_and_velocities_err_as_much_as_they_say(kind: str, sigma_m: float) -> None:
    truth = simulated(np.random.default_rng(11), kind)
    errors, spreads = followed(truth, sigma_m, 12)
    low, high = bounds(4)
    assert low < nees(errors, spreads) < high


@pytest.mark.parametrize("kind", ["straight", "turning"])
def test_places_err_as_much_as_they_say_in_lasting_turns_too(kind: str) -> None:
    errors, spreads = followed(simulated(np.random.default_rng(13), kind), 0.05, 14)
    low, high = bounds(2)
    assert low < nees(errors[..., :2], spreads[..., :2, :2]) < high


@pytest.mark.parametrize("turn_radps", [0.0, 0.5])
def test_a_steady_walk_is_known_within_a_second(turn_radps: float) -> None:
    """Velocity within 0.25 m/s (RMS) from the first second on, at 0.05 m and 10 Hz."""
    errors, spreads = followed(circles(1.3, turn_radps), 0.05, 15)
    assert np.sqrt(np.mean(np.sum(errors[..., 2:] ** 2, axis=-1))) < 0.25
    assert np.sqrt(np.mean(np.sum(errors[..., :2] ** 2, axis=-1))) < 0.07
    solved = np.linalg.solve(spreads[..., :2, :2], errors[..., :2, None])[..., 0]
    inside = np.einsum("...i,...i", errors[..., :2], solved) < chi2.ppf(0.95, 2)
    assert 0.90 <= float(np.mean(inside)) <= 0.99

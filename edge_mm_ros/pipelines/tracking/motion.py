"""How objects move: in a straight line, or in a turn.

Both models share one state: x, y, z [m], the velocities along x and y [m/s], and the turn rate
[rad/s]. White acceleration disturbs the velocity, as is usual (Bar-Shalom, Li, Kirubarajan:
Estimation with Applications to Tracking and Navigation, 2001, 6.2.2 and 11.7.1); z is a random
walk; the turn rate fades towards 0 (a Gauss-Markov process), so that what has not been seen for
long is not taken to turn for ever.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from edge_mm_ros.params.tracking import TrackingParams

STATES = 6
X, Y, Z, VX, VY, TURN = range(STATES)
STRAIGHT, TURNING = 0, 1
MODELS = 2

# The elements of the models' flat covariances that noise adds to, row by row.
_DISTURBED = [
    (model * STATES + row) * STATES + column
    for model in range(MODELS)
    for row, columns in enumerate(((X, VX), (Y, VY), (Z,), (X, VX), (Y, VY), (TURN,)))
    for column in columns
]
_SMALL_TURN_RAD = 1e-3  # below, a series stands in for a quotient that loses its digits


def switching(params: TrackingParams, elapsed_s: float) -> NDArray[np.float64]:
    """Probabilities (from, to) that an object's model changes within a time.

    A Markov chain in continuous time, so that two short steps are as good as a long one.
    """
    begin, end = 1.0 / params.straight_for_s, 1.0 / params.turning_for_s
    mixed = (1.0 - math.exp(-(begin + end) * elapsed_s)) / (begin + end)
    return np.array([[1.0 - begin * mixed, begin * mixed], [end * mixed, 1.0 - end * mixed]])


def turn_fade(params: TrackingParams, elapsed_s: float) -> float:
    """What share of a turn rate is left after a time."""
    return math.exp(-elapsed_s / params.turn_memory_s)


def process_noise(params: TrackingParams, elapsed_s: float) -> NDArray[np.float64]:
    """What the models' disturbances add to the covariance within a time, (2, 6, 6)."""
    turn = params.turn_rate_radps**2 * (1.0 - math.exp(-2.0 * elapsed_s / params.turn_memory_s))
    height = params.height_walk_m**2 * elapsed_s
    added: list[float] = []
    for walk_mps in (params.straight_walk_mps, params.turning_walk_mps):
        speed = walk_mps**2 * elapsed_s  # walk_mps^2 is a density, m^2/s^3
        both, place = speed * elapsed_s / 2.0, speed * elapsed_s**2 / 3.0
        added += (place, both, place, both, height, both, speed, both, speed, turn)
    noise = np.zeros(MODELS * STATES * STATES)
    noise[_DISTURBED] = added
    return noise.reshape(MODELS, STATES, STATES)


def move(
    means: NDArray[np.float64], params: TrackingParams, elapsed_s: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Means after a time, and the derivatives by the means before.

    Args:
        means: float64 (n, 2, 6), by track and model.
        params: how long turns last.
        elapsed_s: not negative.

    Returns:
        float64 (n, 2, 6) and float64 (n, 2, 6, 6).
    """
    fade = turn_fade(params, elapsed_s)
    alike = np.eye(STATES)
    alike[TURN, TURN] = fade
    alike[X, VX] = alike[Y, VY] = elapsed_s
    jacobian = np.empty((len(means), MODELS, STATES, STATES))
    jacobian[:] = alike

    turn = means[:, TURNING, TURN]
    speed_x, speed_y = means[:, TURNING, VX], means[:, TURNING, VY]
    angle = turn * elapsed_s
    cosine, sine = np.cos(angle), np.sin(angle)
    along, aside, along_slope, aside_slope = _arc(turn, elapsed_s, cosine, sine)
    jacobian[:, TURNING, X, VX] = jacobian[:, TURNING, Y, VY] = along
    jacobian[:, TURNING, Y, VX] = aside
    jacobian[:, TURNING, X, VY] = -aside
    jacobian[:, TURNING, VX, VX] = jacobian[:, TURNING, VY, VY] = cosine
    jacobian[:, TURNING, VY, VX] = sine
    jacobian[:, TURNING, VX, VY] = -sine
    # All but the derivatives by the turn rate is the motion itself, at the mean's turn rate.
    moved = (jacobian @ means[..., None])[..., 0]
    jacobian[:, TURNING, X, TURN] = along_slope * speed_x - aside_slope * speed_y
    jacobian[:, TURNING, Y, TURN] = aside_slope * speed_x + along_slope * speed_y
    jacobian[:, TURNING, VX, TURN] = -elapsed_s * (sine * speed_x + cosine * speed_y)
    jacobian[:, TURNING, VY, TURN] = elapsed_s * (cosine * speed_x - sine * speed_y)
    return moved, jacobian


def _arc(
    turn: NDArray[np.float64],
    elapsed_s: float,
    cosine: NDArray[np.float64],
    sine: NDArray[np.float64],
) -> tuple[NDArray[np.float64], ...]:
    """``sin(wt)/w``, ``(1 - cos(wt))/w``, and the derivatives of both by ``w``."""
    angle = turn * elapsed_s
    small = np.abs(angle) < _SMALL_TURN_RAD
    safe = np.where(small, 1.0, turn)
    along, aside = sine / safe, (1.0 - cosine) / safe
    along_slope = (elapsed_s * cosine - along) / safe
    aside_slope = (elapsed_s * sine - aside) / safe
    if small.any():
        slight = angle[small]
        along[small] = elapsed_s * (1.0 - slight**2 / 6.0)
        aside[small] = elapsed_s * slight / 2.0
        along_slope[small] = -(elapsed_s**2) * slight / 3.0
        aside_slope[small] = elapsed_s**2 / 2.0
    return along, aside, along_slope, aside_slope

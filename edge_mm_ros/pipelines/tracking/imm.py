"""The interacting multiple model estimator, for all tracks at once.

Blom, Bar-Shalom: The interacting multiple model algorithm for systems with Markovian switching
coefficients, IEEE Transactions on Automatic Control 33(8), 1988. The filters are extended Kalman
filters with the models of `motion`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from edge_mm_ros.params.tracking import TrackingParams
from edge_mm_ros.pipelines import native
from edge_mm_ros.pipelines.tracking.measurement import Measurement, RadialVelocity
from edge_mm_ros.pipelines.tracking.motion import (
    MODELS,
    STATES,
    STRAIGHT,
    TURN,
    TURNING,
    VX,
    VY,
    move,
    process_noise,
    switching,
    turn_fade,
)

_PLACE = slice(0, 3)
_LEAST_PROBABILITY = 1e-6  # of a model: from 0 it could never come back
_NEAREST_M = 1e-3  # a radial velocity says nothing about what is at the sensor


@dataclass(frozen=True, eq=False)
class Estimates:
    """What is believed of the motion of n tracks.

    Attributes:
        values: float64 (n, 2, 42), by track and model: the mean, then the covariance row by row;
            in one array, so that both are mixed, chosen and copied at once.
        models: float64 (n, 2), probabilities of the models.
    """

    values: NDArray[np.float64]
    models: NDArray[np.float64]

    @classmethod
    def of(
        cls,
        means: NDArray[np.float64],
        covariances: NDArray[np.float64],
        models: NDArray[np.float64],
    ) -> Estimates:
        """From means (n, 2, 6), covariances (n, 2, 6, 6) and the models' probabilities (n, 2)."""
        flat = covariances.reshape(*means.shape[:2], STATES * STATES)
        return cls(np.concatenate([means, flat], axis=2), models)

    @classmethod
    def empty(cls) -> Estimates:
        """Of no tracks."""
        return cls(np.zeros((0, MODELS, STATES * (1 + STATES))), np.zeros((0, MODELS)))

    @classmethod
    def begin(
        cls, measurements: Sequence[Measurement], params: TrackingParams, max_speed_mps: float
    ) -> Estimates:
        """Of tracks of which one measurement is known: their speeds are unknown, up to a limit."""
        count = len(measurements)
        means = np.zeros((count, MODELS, STATES))
        covariances = np.zeros((count, MODELS, STATES, STATES))
        for index, item in enumerate(measurements):
            means[index, :, _PLACE] = item.position_m
            covariances[index, :, _PLACE, _PLACE] = item.noise_m2
        covariances[..., [VX, VY], [VX, VY]] = (max_speed_mps / 2.0) ** 2
        covariances[..., TURN, TURN] = params.turn_rate_radps**2
        models = np.zeros((count, MODELS))
        total = params.straight_for_s + params.turning_for_s
        models[:, STRAIGHT] = params.straight_for_s / total
        models[:, TURNING] = params.turning_for_s / total
        return cls.of(means, covariances, models)

    @property
    def means(self) -> NDArray[np.float64]:
        """By track and model, float64 (n, 2, 6)."""
        return self.values[..., :STATES]

    @property
    def covariances(self) -> NDArray[np.float64]:
        """By track and model, float64 (n, 2, 6, 6)."""
        return self.values[..., STATES:].reshape(-1, MODELS, STATES, STATES)

    def take(self, chosen: NDArray[np.intp] | slice) -> Estimates:
        """Of some tracks only."""
        return Estimates(self.values[chosen], self.models[chosen])

    def joined(self, other: Estimates) -> Estimates:
        """Of these tracks, then of the others."""
        return Estimates(
            np.concatenate([self.values, other.values]),
            np.concatenate([self.models, other.models]),
        )

    def replaced(self, chosen: NDArray[np.intp] | slice, other: Estimates) -> Estimates:
        """With the estimates of some tracks exchanged."""
        if len(other.models) == len(self.models) and isinstance(chosen, slice):
            return other
        values, models = self.values.copy(), self.models.copy()
        values[chosen], models[chosen] = other.values, other.models
        return Estimates(values, models)

    @cached_property
    def overall(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Mean (n, 6) and covariance (n, 6, 6) of each track over its models."""
        if native.compiled is None:
            mixed = _blend(self.values, self.models[:, :, None])[:, 0]
        else:
            mixed = np.empty((len(self.models), STATES * (1 + STATES)))
            native.compiled.tracks_overall(self.values, self.models, mixed)
        return mixed[:, :STATES], mixed[:, STATES:].reshape(-1, STATES, STATES)

    @property
    def mean(self) -> NDArray[np.float64]:
        """Mean of each track over its models, float64 (n, 6)."""
        return self.overall[0]

    @property
    def place_m2(self) -> NDArray[np.float64]:
        """Covariance of each track's place over its models, float64 (n, 3, 3)."""
        return self.overall[1][:, _PLACE, _PLACE]

    def predicted(self, params: TrackingParams, elapsed_s: float) -> Estimates:
        """After a time without measurements."""
        if not len(self.values) or elapsed_s <= 0.0:
            return self
        switch, noise = switching(params, elapsed_s), process_noise(params, elapsed_s)
        if native.compiled is not None:
            done = Estimates(np.empty(self.values.shape), np.empty(self.models.shape))
            fade = turn_fade(params, elapsed_s)
            native.compiled.tracks_predict(
                *(self.values, self.models, switch, noise, elapsed_s, fade),
                *(done.values, done.models),
            )
            return done
        models = self.models @ switch
        mixing = self.models[:, :, None] * switch / models[:, None]
        after = _blend(self.values, mixing)
        means, covariances = after[..., :STATES], after[..., STATES:]
        moved, jacobian = move(means, params, elapsed_s)
        means[...] = moved
        spread = covariances.reshape(-1, MODELS, STATES, STATES)
        spread[...] = jacobian @ spread @ jacobian.swapaxes(-1, -2)
        covariances += noise.reshape(MODELS, -1)
        return Estimates(after, models)

    def updated(
        self,
        positions_m: NDArray[np.float64],
        noises_m2: NDArray[np.float64],
        radial: Sequence[RadialVelocity | None],
    ) -> Estimates:
        """After one measurement of each track.

        Args:
            positions_m: float64 (n, 3).
            noises_m2: float64 (n, 3, 3).
            radial: radial velocities, None for tracks without.
        """
        if not len(self.models):
            return self
        measured = [index for index, item in enumerate(radial) if item is not None]
        if native.compiled is not None and not measured:
            done = Estimates(np.empty(self.values.shape), np.empty(self.models.shape))
            native.compiled.tracks_correct(
                *(self.values, self.models, positions_m, noises_m2, _LEAST_PROBABILITY),
                *(done.values, done.models),
            )
            return done
        rows = 4 if measured else 3
        # What is observed: the place, which is picked out of the state, and a radial velocity.
        # Below the covariance of the state with it stands the gap to what was measured.
        crossed = np.empty((*self.means.shape[:2], STATES + 1, rows))
        crossed[..., :STATES, :3] = self.covariances[..., _PLACE]
        gap = crossed[..., STATES, :]
        gap[..., :3] = positions_m[:, None] - self.means[..., _PLACE]
        if not measured:
            spread = crossed[..., _PLACE, :] + noises_m2[:, None]
            return self._corrected(crossed, spread, *inverse_of_symmetric(spread))
        # Without one, the row observes nothing, and its noise is of no account.
        spread = np.zeros((*self.means.shape[:2], rows, rows))
        spread[..., :3, :3] = noises_m2[:, None]
        spread[..., 3, 3] = 1.0
        gap[..., 3] = 0.0
        slopes = np.zeros((*self.means.shape[:2], 1, STATES))
        for index in measured:
            item = radial[index]
            assert item is not None
            spread[index, :, 3, 3] = item.sigma_mps**2
            expected, slope = radial_velocity(self.means[index], item)
            slopes[index, :, 0] = slope
            gap[index, :, 3] = item.speed_mps - expected
        crossed[..., :STATES, 3:] = self.covariances @ slopes.swapaxes(-1, -2)
        spread[..., :3, :] += crossed[..., _PLACE, :]
        spread[..., 3:, :] += slopes @ crossed[..., :STATES, :]
        inverse, determinant = np.linalg.inv(spread), np.linalg.det(spread)
        return self._corrected(crossed, spread, np.asarray(inverse), np.asarray(determinant))

    def _corrected(
        self,
        crossed: NDArray[np.float64],
        spread: NDArray[np.float64],
        inverse: NDArray[np.float64],
        determinant: NDArray[np.float64],
    ) -> Estimates:
        """By Kalman's gain, and the models by how well each had foreseen it.

        Args:
            crossed: float64 (n, 2, 7, r), ``P H'``, and below it the gap: what was measured minus
                what was expected.
            spread: float64 (n, 2, r, r), ``S = H P H' + R``.
            inverse: float64 (n, 2, r, r), of the spread.
            determinant: float64 (n, 2), of the spread.
        """
        # Joseph's form stays symmetric and positive definite: with K the gain, the covariance is
        # P - (2 P H' - K S) K'. With the gap as one more row, the same products give the means'
        # correction in their last column, and in its end the squared distance.
        gain = crossed @ inverse
        change = (2.0 * crossed - gain @ spread) @ gain.swapaxes(-1, -2)
        values = np.empty(self.values.shape)
        values[..., :STATES] = self.means + change[..., :STATES, STATES]
        covariances = self.covariances - change[..., :STATES, :STATES]
        covariances += covariances.swapaxes(-1, -2).copy()
        values[..., STATES:] = (0.5 * covariances).reshape(-1, MODELS, STATES * STATES)

        misfit = change[..., STATES, STATES] + np.log(determinant)
        models = self.models * np.exp(0.5 * (misfit.min(axis=1, keepdims=True) - misfit))
        models = np.maximum(_normed(models), _LEAST_PROBABILITY)
        return Estimates(values, _normed(models))


def _normed(models: NDArray[np.float64]) -> NDArray[np.float64]:
    """Probabilities of the two models, so that their sum is 1."""
    total = models[:, STRAIGHT] + models[:, TURNING]
    return np.asarray(models / total[:, None])


def inverse_of_symmetric(
    matrices: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Inverses (..., 3, 3) and determinants (...) of symmetric (..., 3, 3) matrices.

    By cofactors: for many small matrices much faster than a solver.
    """
    a, b, c = matrices[..., 0, 0], matrices[..., 0, 1], matrices[..., 0, 2]
    d, e, f = matrices[..., 1, 1], matrices[..., 1, 2], matrices[..., 2, 2]
    inverse = np.empty(matrices.shape)
    inverse[..., 0, 0] = d * f - e * e
    inverse[..., 0, 1] = inverse[..., 1, 0] = c * e - b * f
    inverse[..., 0, 2] = inverse[..., 2, 0] = b * e - c * d
    inverse[..., 1, 1] = a * f - c * c
    inverse[..., 1, 2] = inverse[..., 2, 1] = b * c - a * e
    inverse[..., 2, 2] = a * d - b * b
    determinant = a * inverse[..., 0, 0] + b * inverse[..., 0, 1] + c * inverse[..., 0, 2]
    inverse /= determinant[..., None, None]
    return inverse, determinant


def radial_velocity(
    states: NDArray[np.float64], radial: RadialVelocity
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The radial velocities that a sensor should measure, and their derivatives by the states.

    Args:
        states: float64 (n, 6).
        radial: says where the sensor is and how it moves.

    Returns:
        float64 (n,) and float64 (n, 6).
    """
    gap = states[:, _PLACE] - radial.sensor_position_m
    distance = np.maximum(np.linalg.norm(gap, axis=1), _NEAREST_M)
    ray = gap / distance[:, None]
    velocity = np.zeros((len(states), 3))
    velocity[:, :2] = states[:, [VX, VY]]
    velocity -= radial.sensor_velocity_mps
    speed = np.einsum("ij,ij->i", ray, velocity)
    slope = np.zeros((len(states), STATES))
    slope[:, _PLACE] = (velocity - speed[:, None] * ray) / distance[:, None]
    slope[:, [VX, VY]] = ray[:, :2]
    return speed, slope


def _blend(values: NDArray[np.float64], shares: NDArray[np.float64]) -> NDArray[np.float64]:
    """Means and covariances of mixtures of the two models.

    Args:
        values: float64 (n, 2, 42), as in `Estimates`.
        shares: float64 (n, 2, m), of each model in each mixture; the sum over models is 1.

    Returns:
        float64 (n, m, 42).
    """
    mixed = shares.swapaxes(1, 2) @ values
    apart = values[:, STRAIGHT, :STATES] - values[:, TURNING, :STATES]
    between = (apart[:, :, None] * apart[:, None]).reshape(-1, 1, STATES * STATES)
    product = shares[:, STRAIGHT] * shares[:, TURNING]
    mixed[..., STATES:] += product[:, :, None] * between
    return np.asarray(mixed)

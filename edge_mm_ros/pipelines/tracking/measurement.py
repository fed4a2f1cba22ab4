"""What a sensor measured of objects at one time, checked before it reaches a filter."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from enum import Enum
from functools import cached_property
from itertools import repeat
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from edge_mm_ros.datatypes import InvalidInput

UNKNOWN_LABEL = "unknown"
"""Of what was measured without a camera: something is there, and its class is not known."""
_LARGEST_M = 1e6  # further away, squares of distances lose their digits
_NEAREST_M = 1e-3
_ROUNDING = 1e-6  # of a covariance's elements, as a share of the largest
_LEAST_MINOR = 1e-14  # likewise; what is smaller is singular but for rounding

_Value = TypeVar("_Value")


class Birth(Enum):
    """When a measurement that no track explains makes an object of its own known."""

    AT_ONCE = "at once"
    CONFIRMED = "confirmed"
    """Only once its track is confirmed, or measured by what counts at once."""
    NEVER = "never"


@dataclass(frozen=True, eq=False)
class RadialVelocity:
    """How fast an object's distance from a sensor grows.

    Attributes:
        speed_mps: positive where the object goes away.
        sigma_mps: its standard deviation, above 0.
        sensor_position_m: float64 (3,), in the tracking frame.
        sensor_velocity_mps: float64 (3,), in the axes of the tracking frame.
    """

    speed_mps: float
    sigma_mps: float
    sensor_position_m: NDArray[np.float64]
    sensor_velocity_mps: NDArray[np.float64] = field(default_factory=lambda: np.zeros(3))

    def __post_init__(self) -> None:
        if not math.isfinite(self.speed_mps) or not 0.0 < self.sigma_mps < math.inf:
            raise InvalidInput(
                "radial_velocity",
                f"radial velocity {self.speed_mps:g} m/s with a standard deviation of "
                f"{self.sigma_mps:g} m/s: expected a finite one with one above 0",
            )
        for name in ("sensor_position_m", "sensor_velocity_mps"):
            _check_vector(getattr(self, name), f"radial velocity: {name}")


@dataclass(frozen=True, eq=False)
class Measurement:
    """One object as one sensor, or a camera with a LiDAR, measured it.

    Attributes:
        position_m: float64 (3,), the object's centre in the tracking frame.
        noise_m2: float64 (3, 3), covariance of the error that is new in each measurement.
        label: class name.
        score: 0 to 1.
        size_m: float64 (3,), extent along x, y, z.
        sources: the sensors that it rests on.
        bias_m2: float64 (3, 3), covariance of the error that successive measurements of the same
            sensors share, so that no averaging takes it away.
        radial: how fast it goes away from the sensor, where that is measured.
        origin_m: float64 (3,), where it was seen from, where its direction is surer than its
            distance (a camera's box): the distance may then be that of something else on the ray.
        birth: when it makes a new object known.
        sized: whether `size_m` was measured; else it only counts while nothing better is known.
        seen_from_m: float64 (3,), where the sensor was, where the place is that of the sides which
            are turned to it: of a larger object, the middle lies behind.
        lead_s: how long after the scan's stamp the object was there, as the points that place a
            box; below 0: before.
        moved_m: standard deviation of how far an object moves in that time of which no speed is
            known, along x and y; part of `noise_m2`.
    """

    position_m: NDArray[np.float64]
    noise_m2: NDArray[np.float64]
    label: str
    score: float
    size_m: NDArray[np.float64]
    sources: tuple[str, ...]
    bias_m2: NDArray[np.float64] = field(default_factory=lambda: np.zeros((3, 3)))
    radial: RadialVelocity | None = None
    origin_m: NDArray[np.float64] | None = None
    birth: Birth = Birth.AT_ONCE
    sized: bool = True
    seen_from_m: NDArray[np.float64] | None = None
    lead_s: float = 0.0
    moved_m: float = 0.0

    def __post_init__(self) -> None:
        where = f"object '{self.label}'"
        _check_vector(self.position_m, f"{where}: its position")
        _check_vector(self.size_m, f"{where}: its size")
        if self.origin_m is not None:
            _check_vector(self.origin_m, f"{where}: where it was seen from")
        if self.seen_from_m is not None:
            _check_vector(self.seen_from_m, f"{where}: where its sensor was")
        if not 0.0 <= self.score <= 1.0:
            raise InvalidInput("score", f"{where}: its score is {self.score:g}, expected 0 to 1")
        _check_covariance(self.noise_m2, f"{where}: its covariance", definite=True)
        _check_covariance(self.bias_m2, f"{where}: the covariance of its bias", definite=False)


def _check_vector(values: NDArray[np.float64], what: str) -> None:
    if values.shape != (3,):
        raise InvalidInput("shape", f"{what} has the shape {values.shape}, expected (3,)")
    numbers = values.tolist()
    if not all(map(math.isfinite, numbers)):
        raise InvalidInput("not_finite", f"{what} is not finite")
    if max(map(abs, numbers)) > _LARGEST_M:
        raise InvalidInput("range", f"{what} is beyond {_LARGEST_M:g} m")


def _check_covariance(matrix: NDArray[np.float64], what: str, *, definite: bool) -> None:
    """Check by principal minors (Sylvester), in plain floats: many small matrices come."""
    if matrix.shape != (3, 3):
        raise InvalidInput("shape", f"{what} has the shape {matrix.shape}, expected (3, 3)")
    flat = matrix.reshape(-1).tolist()
    if not all(map(math.isfinite, flat)):
        raise InvalidInput("not_finite", f"{what} is not finite")
    scale = max(map(abs, flat))
    if scale > _LARGEST_M**2:
        raise InvalidInput("covariance", f"{what} is beyond ({_LARGEST_M:g} m)^2")
    a, b, c, below_b, d, e, below_c, below_e, f = (value / (scale or 1.0) for value in flat)
    if max(abs(b - below_b), abs(c - below_c), abs(e - below_e)) > _ROUNDING:
        raise InvalidInput("covariance", f"{what} is not symmetric")
    determinant = a * (d * f - e * e) - b * (b * f - c * e) + c * (b * e - c * d)
    if definite:
        if min(a, a * d - b * b, determinant) <= _LEAST_MINOR:
            raise InvalidInput("covariance", f"{what} is not positive definite")
    elif min(a, d, f, a * d - b * b, a * f - c * c, d * f - e * e, determinant) < -_ROUNDING:
        raise InvalidInput("covariance", f"{what} is not positive semidefinite")


@dataclass(frozen=True, eq=False)
class Scan:
    """All that one sensor measured at one time; nothing measured is a measurement too.

    Attributes:
        sensor: its name.
        stamp_ns: capture time.
        measurements: one for each object.
        content: what tells it from another scan of the same sensor and time; where it is empty,
            the measurements do.
        labels: their class names, each once.
        label: intp (n,), which of `labels` each measurement has.
        sources: the combinations of sensors that they rest on, each once.
        source: intp (n,), which of `sources` each rests on.
        scores: float64 (n,).
        classless: bool (n,), which have no class.
        at_once: bool (n,), which make a new object known at once.
        may_begin: bool (n,), which begin a track where none explains them.
        sized: bool (n,), of which the size was measured.
        radial: bool (n,), which have a radial velocity.
        from_afar: indices of those of which is told from where they were seen.
        partly: indices of those that show a side of something.
        leading: indices of those that were measured some time from the stamp.
        positions_m: float64 (n, 3).
        sizes_m: float64 (n, 3), extents.
        noises_m2: float64 (n, 3, 3), covariances of the new errors.
        biases_m2: float64 (n, 3, 3), covariances of the shared errors.
        errors_m2: float64 (n, 3, 3), the sum of both.
    """

    sensor: str
    stamp_ns: int
    measurements: tuple[Measurement, ...]
    content: bytes = b""
    labels: tuple[str, ...] = field(init=False)
    label: NDArray[np.intp] = field(init=False)
    sources: tuple[tuple[str, ...], ...] = field(init=False)
    source: NDArray[np.intp] = field(init=False)
    scores: NDArray[np.float64] = field(init=False)
    classless: NDArray[np.bool_] = field(init=False)
    at_once: NDArray[np.bool_] = field(init=False)
    may_begin: NDArray[np.bool_] = field(init=False)
    sized: NDArray[np.bool_] = field(init=False)
    radial: NDArray[np.bool_] = field(init=False)
    from_afar: list[int] = field(init=False)
    partly: list[int] = field(init=False)
    leading: list[int] = field(init=False)
    positions_m: NDArray[np.float64] = field(init=False)
    sizes_m: NDArray[np.float64] = field(init=False)
    noises_m2: NDArray[np.float64] = field(init=False)
    biases_m2: NDArray[np.float64] = field(init=False)
    errors_m2: NDArray[np.float64] = field(init=False)

    def __post_init__(self) -> None:
        if self.stamp_ns < 0:
            raise InvalidInput("stamp", f"'{self.sensor}': stamp {self.stamp_ns} ns is before 1970")
        items = self.measurements
        labels, label = _coded([item.label for item in items])
        sources, source = _coded([item.sources for item in items])
        at_once, never = Birth.AT_ONCE, Birth.NEVER  # members of an enumeration are found slowly
        flags = np.array(
            [
                [item.label == UNKNOWN_LABEL for item in items],
                [item.birth is at_once for item in items],
                [item.birth is not never for item in items],
                [item.sized for item in items],
                [item.radial is not None for item in items],
            ],
            dtype=np.bool_,
        )
        noises_m2 = _stacked([item.noise_m2 for item in items], 3, 3)
        biases_m2 = _stacked([item.bias_m2 for item in items], 3, 3)
        # Every scan is asked for all of these, so they are made at once.
        self.__dict__.update(
            labels=labels,
            label=label,
            sources=sources,
            source=source,
            scores=np.array([item.score for item in items], dtype=np.float64),
            classless=flags[0],
            at_once=flags[1],
            may_begin=flags[2],
            sized=flags[3],
            radial=flags[4],
            from_afar=[row for row, item in enumerate(items) if item.origin_m is not None],
            partly=[row for row, item in enumerate(items) if item.seen_from_m is not None],
            leading=[row for row, item in enumerate(items) if item.lead_s != 0.0],
            positions_m=_stacked([item.position_m for item in items], 3),
            sizes_m=_stacked([item.size_m for item in items], 3),
            noises_m2=noises_m2,
            biases_m2=biases_m2,
            errors_m2=noises_m2 + biases_m2,
        )

    @cached_property
    def order(self) -> tuple[int, str, bytes]:
        """What scans are sorted by, whenever each arrived: stamp, sensor, content."""
        content = self.content or b"".join(
            [
                self.positions_m.tobytes(),
                self.noises_m2.tobytes(),
                "".join([item.label for item in self.measurements]).encode(),
            ]
        )
        return self.stamp_ns, self.sensor, content

    @cached_property
    def keys(self) -> NDArray[np.object_]:
        """The scan's order, and each one's place in it: tells it from all others; object (n,)."""
        count = len(self.measurements)
        stamp_ns, sensor, content = self.order
        whole = (repeat(part, count) for part in (stamp_ns, sensor, content))
        return np.fromiter(zip(*whole, range(count), strict=True), dtype=object, count=count)

    @property
    def incomplete(self) -> bool:
        """Whether any of them shows a side only, or was measured some time from the stamp."""
        return bool(self.partly or self.leading)

    @cached_property
    def rays(self) -> NDArray[np.float64]:
        """Unit directions in which they were seen, float64 (n, 3); zeros where not told."""
        rays = np.zeros((len(self.measurements), 3))
        for index in self.from_afar:
            ray = self._ray_m(index)
            rays[index] = ray / max(float(np.linalg.norm(ray)), _NEAREST_M)
        return rays

    def _ray_m(self, index: int) -> NDArray[np.float64]:
        """From where it was seen to where it was seen."""
        item = self.measurements[index]
        assert item.origin_m is not None
        return np.asarray(item.position_m - item.origin_m)

    @cached_property
    def distance_shares(self) -> NDArray[np.float64]:
        """Standard deviations of the distances from where they were seen, as shares of them.

        float64 (n,); 0 where not told. Sizes in a picture are as wrong as the distance is.
        """
        shares = np.zeros(len(self.measurements))
        for index in self.from_afar:
            along = float(self.rays[index] @ self.noises_m2[index] @ self.rays[index])
            distance = float(np.linalg.norm(self._ray_m(index)))
            shares[index] = math.sqrt(max(along, 0.0)) / max(distance, _NEAREST_M)
        return shares

    @cached_property
    def directed(self) -> NDArray[np.bool_]:
        """Whose direction is surer than their distance, of those with a class; bool (n,)."""
        directed = np.zeros(len(self.measurements), dtype=np.bool_)
        if self.from_afar:
            directed = (self.rays != 0.0).any(axis=1) & ~self.classless
        return directed

    @cached_property
    def rough(self) -> NDArray[np.bool_]:
        """Which tell a place and no more: neither a class nor a size nor a speed; bool (n,)."""
        return np.asarray(self.classless & ~self.sized & ~self.radial)


def _stacked(values: list[NDArray[np.float64]], *shape: int) -> NDArray[np.float64]:
    """Small arrays of one shape in one, (n, *shape); for many faster than `np.array`."""
    if not values:
        return np.zeros((0, *shape))
    return np.concatenate(values, dtype=np.float64).reshape(-1, *shape)


def _coded(values: list[_Value]) -> tuple[tuple[_Value, ...], NDArray[np.intp]]:
    """Each value once, and which of them stands in each place, intp (n,)."""
    codes: dict[_Value, int] = {}
    places = [codes.setdefault(value, len(codes)) for value in values]
    return tuple(codes), np.array(places, dtype=np.intp)

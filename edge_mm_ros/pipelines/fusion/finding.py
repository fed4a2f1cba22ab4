"""What a measurement shows, in the robot's frame, before it becomes the tracker's."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge_mm_ros.datatypes import InvalidInput, RigidTransform
from edge_mm_ros.pipelines.tracking import UNKNOWN_LABEL, Birth, Measurement, RadialVelocity

_ON_THE_GROUND = np.diag([1.0, 1.0, 0.0])
_LASTING = 0.5  # of what is hidden: which part of an object shows changes, too


@dataclass(frozen=True, eq=False)
class Finding:
    """One thing that a sensor shows.

    Attributes:
        position_m: float64 (3,), its centre in the robot's frame.
        covariance_m2: float64 (3, 3), of all errors of the position.
        size_m: float64 (3,), along the robot's axes.
        score: 0 to 1.
        sources: the sensors that it rests on.
        label: its class, where that is known.
        radial: its radial velocity, with place and motion of the sensor in the robot's frame.
        origin_m: float64 (3,), see `Measurement`.
        birth: see `Measurement`.
        sized: see `Measurement`.
        shared_m2: float64 (3, 3), the part of the covariance that hardly changes from one
            measurement to the next, as what of the object is hidden.
        seen_from_m: float64 (3,), see `Measurement`.
        lead_s: see `Measurement`.
        moved_m: see `Measurement`; part of the covariance.
    """

    position_m: NDArray[np.float64]
    covariance_m2: NDArray[np.float64]
    size_m: NDArray[np.float64]
    score: float
    sources: tuple[str, ...]
    label: str = UNKNOWN_LABEL
    radial: RadialVelocity | None = None
    origin_m: NDArray[np.float64] | None = None
    birth: Birth = Birth.CONFIRMED
    sized: bool = True
    shared_m2: NDArray[np.float64] | None = None
    seen_from_m: NDArray[np.float64] | None = None
    lead_s: float = 0.0
    moved_m: float = 0.0

    def measurement(
        self, fixed_from_robot: RigidTransform | None, bias_share: float
    ) -> Measurement:
        """As the tracker takes it.

        Args:
            fixed_from_robot: the frame in which objects are followed, from the robot's; None where
                it is the robot's.
            bias_share: share of the rest of the covariance that successive measurements have in
                common.

        Raises:
            InvalidInput: a value is not finite, or the covariance is none.
        """
        pose = fixed_from_robot
        position, covariance, radial = self.position_m, self.covariance_m2, self.radial
        shared, origin, seen_from = self.shared_m2, self.origin_m, self.seen_from_m
        if pose is not None:
            turn = pose.rotation
            position, covariance = pose.apply(position), turn @ covariance @ turn.T
            shared = None if shared is None else turn @ shared @ turn.T
            origin = None if origin is None else pose.apply(origin)
            seen_from = None if seen_from is None else pose.apply(seen_from)
            if radial is not None:
                radial = RadialVelocity(
                    radial.speed_mps,
                    radial.sigma_mps,
                    pose.apply(radial.sensor_position_m),
                    turn @ radial.sensor_velocity_mps,
                )
        fresh: NDArray[np.float64] | float = 0.0
        lasting: NDArray[np.float64] | float = 0.0
        if shared is not None:
            covariance = covariance - shared
            fresh, lasting = (1.0 - _LASTING) * shared, _LASTING * shared
        if self.moved_m:
            moved = self.moved_m**2 * _ON_THE_GROUND
            covariance, fresh = covariance - moved, fresh + moved
        return Measurement(
            position,
            (1.0 - bias_share) * covariance + fresh,
            self.label,
            self.score,
            self.size_m,
            self.sources,
            bias_share * covariance + lasting,
            radial,
            origin,
            self.birth,
            self.sized,
            seen_from,
            self.lead_s,
            self.moved_m,
        )


@dataclass(frozen=True, eq=False)
class Found:
    """What one measurement shows without a camera.

    Attributes:
        things: nearest first.
        complete_m: up to this distance from the sensor, on the plan, nothing that may begin an
            object was left out.
        limit: what was left out, and the mend; None where nothing was.
    """

    things: tuple[Finding, ...]
    complete_m: float = math.inf
    limit: InvalidInput | None = None

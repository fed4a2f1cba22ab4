"""Parameters of the multi-object tracker."""

from __future__ import annotations

from pydantic import model_validator

from edge_mm_ros.params.base import StrictModel, parameter


class TrackingParams(StrictModel):
    """How objects move, when a track counts, and how long evidence lasts."""

    straight_walk_mps: float = parameter(
        0.3,
        "Standard deviation of the change of velocity along an axis within a second, of what goes "
        "straight.",
        unit="m/s",
        live=True,
        gt=0,
        le=100,
    )
    turning_walk_mps: float = parameter(
        0.6, "The same, of what turns, stops or starts.", unit="m/s", live=True, gt=0, le=100
    )
    turn_rate_radps: float = parameter(
        0.6, "Standard deviation of the turn rate in turns.", unit="rad/s", live=True, gt=0, le=10
    )
    turn_memory_s: float = parameter(
        2.0, "How long a turn rate lasts (time constant).", unit="s", live=True, gt=0, le=100
    )
    straight_for_s: float = parameter(
        5.0, "How long objects go straight on average.", unit="s", live=True, gt=0, le=1000
    )
    turning_for_s: float = parameter(
        2.0, "How long a turn, stop or start takes on average.", unit="s", live=True, gt=0, le=1000
    )
    height_walk_m: float = parameter(
        0.3,
        "Standard deviation of the change of the centre's height within a second.",
        unit="m",
        live=True,
        gt=0,
        le=100,
    )
    bias_share: float = parameter(
        0.5,
        "Share of a place's variance that successive pictures have in common (mounting, ground, "
        "habits of the detector), which no averaging takes away.",
        live=True,
        ge=0,
        lt=1,
    )
    bias_share_by_ranging: float = parameter(
        0.05,
        "The same of a place that a ranging sensor measured: neither the ground nor the picture's "
        "tilt matter to it.",
        live=True,
        ge=0,
        lt=1,
    )
    confirm_hits: int = parameter(
        3, "A track is confirmed, and may coast, with so many hits ...", live=True, ge=1, le=100
    )
    confirm_of: int = parameter(
        5, "... among so many measurements of the sensors that see it.", live=True, ge=1, le=60
    )
    predicted_sigma_m: float = parameter(
        1.0,
        "An object that is not seen is told only while the standard deviation of its predicted "
        "place is no larger.",
        unit="m",
        live=True,
        gt=0,
        le=100,
    )
    remember_s: float = parameter(
        10.0,
        "How long a confirmed object that is not seen, and no longer told, may come back under "
        "its id.",
        unit="s",
        live=True,
        ge=0,
        le=600,
    )
    label_memory_s: float = parameter(
        0.5, "How long evidence of a label lasts (time constant).", unit="s", live=True, gt=0, le=60
    )
    urgent_labels: tuple[str, ...] = parameter(
        ("Fall",),
        "Labels that an object has from a third of the evidence on, others from the most of it.",
        live=True,
    )
    horizon_s: float = parameter(
        0.5,
        "How much older than the newest a measurement may be; older ones are dropped and counted.",
        unit="s",
        live=True,
        ge=0,
        le=10,
    )

    @model_validator(mode="after")
    def _check_confirmation(self) -> TrackingParams:
        if self.confirm_hits > self.confirm_of:
            raise ValueError(
                f"confirm_hits is {self.confirm_hits}, more than confirm_of, {self.confirm_of}"
            )
        return self

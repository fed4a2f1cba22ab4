"""Parameters of free space and of the coverage of zones."""

from __future__ import annotations

from edge_mm_ros.params.base import StrictModel, parameter


class FreeSpaceParams(StrictModel):
    """What counts as seen, and how much of a zone must be."""

    minimum_share: float = parameter(
        0.8, "Share of a zone that must be seen for it to be covered.", live=True, gt=0, le=1
    )
    hysteresis_share: float = parameter(
        0.05,
        "A covered zone stays covered until its share is lower by this.",
        live=True,
        ge=0,
        le=0.5,
    )
    regain_s: float = parameter(
        0.5,
        "How long enough must have been seen before a zone is covered again.",
        unit="s",
        live=True,
        ge=0,
        le=60,
    )
    object_height_m: float = parameter(
        0.5,
        "Lowest object that must be noticed: ground is seen where a beam passes lower than this.",
        unit="m",
        live=True,
        gt=0,
        le=5,
    )
    person_height_px: float = parameter(
        40.0,
        "Least height in the picture at which a camera's detector finds a person.",
        unit="px",
        live=True,
        gt=0,
        le=10000,
    )


class RadarView(StrictModel):
    """Where a radar that hears nothing tells that nothing is there; all zero: nowhere."""

    field_of_view_rad: float = parameter(
        0.0, "Opening angle from side to side.", unit="rad", ge=0, le=6.3
    )
    max_range_m: float = parameter(
        0.0, "Range within which it surely finds what matters.", unit="m", ge=0, le=1000
    )

"""Parameters of the object detector."""

from __future__ import annotations

from typing import Literal

from pydantic import field_validator

from edge_mm_ros.params.base import NodeParams, TopicPrefix, parameter


class ObjectDetectorParams(NodeParams):
    """What the node ``object_detector`` can be told."""

    cameras: tuple[TopicPrefix, ...] = parameter(
        ("camera",), "Prefixes of the cameras' topics.", min_length=1
    )
    transport: Literal["raw", "compressed"] = parameter(
        "raw", "Listen to <camera>/image_raw or to <camera>/image_raw/compressed."
    )
    model: str = parameter(
        "person_fall_detector", "Name of a model, or path of its manifest.", min_length=1
    )
    confidence_threshold: float = parameter(
        0.35, "Boxes with a lower score are left out.", live=True, ge=0.0, le=1.0
    )
    iou_threshold: float = parameter(
        0.45,
        "Of two boxes of one class that overlap more (intersection over union), the less certain "
        "is left out.",
        live=True,
        ge=0.0,
        le=1.0,
    )
    class_filter: tuple[str, ...] = parameter(
        (), "Names of the classes to report; empty: all.", live=True
    )
    max_detections: int = parameter(
        300, "Boxes in one picture at most; the most certain stay.", live=True, ge=1, le=10_000
    )
    max_image_pixels: int = parameter(
        50_000_000,
        "Pictures with more pixels are refused before they are decoded.",
        unit="px",
        ge=1,
        le=1_000_000_000,
    )
    annotated_jpeg_quality: int = parameter(
        80, "JPEG quality of the annotated pictures.", unit="%", live=True, ge=1, le=100
    )

    @field_validator("cameras")
    @classmethod
    def _cameras_differ(cls, cameras: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(cameras)) != len(cameras):
            raise ValueError("a camera is named twice")
        return cameras

"""Parameters of the object detector."""

from __future__ import annotations

from typing import Literal

from pydantic import field_validator, model_validator

from edge_mm_ros.params.base import NodeParams, TopicPrefix, parameter
from edge_mm_ros.params.degradation import DetectorDegradation


class ObjectDetectorParams(NodeParams):
    """What the node ``object_detector`` can be told."""

    cameras: tuple[TopicPrefix, ...] = parameter(
        ("camera",), "Prefixes of the cameras' topics.", min_length=1
    )
    transport: Literal["raw", "compressed"] = parameter(
        "raw", "Listen to <camera>/image_raw or to <camera>/image_raw/compressed."
    )
    model: str = parameter(
        "person_fall_detector",
        "Name of a model, or path of its manifest; a change while it is active swaps the model.",
        live=True,
        min_length=1,
    )
    max_batch: int = parameter(
        0,
        "Pictures of several cameras that the model gets together at most, where it takes several; "
        "0: one on a processor, one of each camera on an accelerator.",
        live=True,
        ge=0,
        le=64,
    )
    max_delay_s: float = parameter(
        0.0,
        "How long a picture may wait for those of other cameras, while such a one is expected.",
        unit="s",
        ge=0,
        le=1,
    )
    max_age_s: float = parameter(
        1.0,
        "A picture that waited longer for its turn is dropped and counted; 0: none is.",
        unit="s",
        ge=0,
        le=60,
    )
    max_rate_hz: float = parameter(
        0.0, "Pictures of each camera at most; 0: all.", unit="Hz", live=True, ge=0, le=1000
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
    follow: bool = parameter(
        False,
        "Give boxes ids that stay from picture to picture, for consumers of a camera alone; needs "
        "the extra 'following'. Objects of sensor_fusion have ids of their own.",
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

    degradation: DetectorDegradation = parameter(
        DetectorDegradation(), "What is given up under pressure, and when."
    )

    @property
    def models(self) -> tuple[str, ...]:
        """The models that it names: its own, and the one that its ladder steps down to."""
        smaller = self.degradation.model if "model" in self.degradation.steps else ""
        return tuple(dict.fromkeys(name for name in (self.model, smaller) if name))

    @field_validator("cameras")
    @classmethod
    def _cameras_differ(cls, cameras: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(cameras)) != len(cameras):
            raise ValueError("a camera is named twice")
        return cameras

    @model_validator(mode="after")
    def _pictures_do_not_expire_by_waiting(self) -> ObjectDetectorParams:
        if 0 < self.max_age_s <= self.max_delay_s:
            raise ValueError(
                "'max_delay_s' must be less than 'max_age_s', or pictures would expire by waiting"
            )
        return self

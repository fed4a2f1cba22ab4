"""Detections of a picture to places in the robot's frame."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from edge_mm_ros.datatypes import CameraCalibration, Detections, InvalidInput
from edge_mm_ros.params.sensor_fusion import SensorFusionParams
from edge_mm_ros.pipelines.fusion.arrivals import Arrival
from edge_mm_ros.pipelines.fusion.finding import Finding
from edge_mm_ros.pipelines.fusion.frustum import PlacedCloud, look_at
from edge_mm_ros.pipelines.fusion.picture_log import PlacedPicture
from edge_mm_ros.pipelines.fusion.placing import place_all
from edge_mm_ros.pipelines.fusion.projection import CameraProjection
from edge_mm_ros.pipelines.fusion.viewpoint import Viewpoint
from edge_mm_ros.pipelines.tracking import Birth


class PicturePlacing:
    """Places each detection by the points in its box where there are some, else by the ground."""

    def __init__(self) -> None:
        self._projections: dict[str, CameraProjection] = {}

    def set_calibration(self, camera: str, calibration: CameraCalibration) -> None:
        """Use a camera's calibration from now on.

        Raises:
            InvalidInput: its distortion model is not supported.
        """
        known = self._projections.get(camera)
        if known is None or not _same(known.calibration, calibration):
            self._projections[camera] = CameraProjection(calibration)

    def projection(self, camera: str) -> CameraProjection:
        """A camera's lens.

        Raises:
            InvalidInput: of the kind ``no_calibration``: it is not known yet.
        """
        projection = self._projections.get(camera)
        if projection is None:
            raise InvalidInput(
                "no_calibration",
                f"no calibration of camera '{camera}' has come yet; its detections have no place",
            )
        return projection

    def place(
        self,
        arrival: Arrival,
        detections: Detections,
        clouds: Mapping[str, PlacedCloud | None],
        params: SensorFusionParams,
    ) -> tuple[PlacedPicture, list[Finding], list[InvalidInput]]:
        """Place each detection of a picture.

        Args:
            arrival: the picture.
            detections: what was found in it.
            clouds: by sensor, its points of about the picture's time.
            params: limits and uncertainties.

        Returns:
            the picture with what placed it, the detections that have a place, and why the others
            have none.

        Raises:
            InvalidInput: of the kind ``no_calibration``.
        """
        assert arrival.place is not None
        camera, place = arrival.sensor, arrival.place
        viewpoint = Viewpoint(self.projection(camera), place)
        seen = look_at(viewpoint, [cloud for cloud in clouds.values() if cloud is not None])
        shown: list[int] = []
        findings: list[Finding] = []
        refused: list[InvalidInput] = []
        for index, spot in enumerate(place_all(camera, viewpoint, detections, seen, params)):
            if isinstance(spot, InvalidInput):
                refused.append(spot)
                continue
            shown.append(index)
            findings.append(
                Finding(
                    spot.position_m,
                    spot.covariance_m2,
                    spot.size_m,
                    float(detections.scores[index]),
                    spot.sensors,
                    detections.labels[index],
                    origin_m=place.translation_m,
                    birth=Birth.AT_ONCE,
                    sized=spot.sized,
                    shared_m2=spot.shared_m2,
                    lead_s=spot.lead_s,
                    moved_m=spot.moved_m,
                )
            )
        offsets = {
            source: None if cloud is None else cloud.offset_s for source, cloud in clouds.items()
        }
        return PlacedPicture(arrival, detections, offsets, tuple(shown)), findings, refused


def _same(one: CameraCalibration, other: CameraCalibration) -> bool:
    return (
        (one.width, one.height, one.distortion_model, one.frame_id)
        == (other.width, other.height, other.distortion_model, other.frame_id)
        and np.array_equal(one.k, other.k)
        and np.array_equal(one.distortion, other.distortion)
    )

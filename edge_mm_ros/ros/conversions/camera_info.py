"""Calibrations from ``sensor_msgs/CameraInfo``, and back."""

from __future__ import annotations

import numpy as np
from sensor_msgs.msg import CameraInfo

from edge_mm_ros.datatypes import CameraCalibration, InvalidInput
from edge_mm_ros.ros.conversions.stamps import to_stamp


def calibration_from_msg(message: CameraInfo) -> CameraCalibration:
    """The calibration of the picture as it is sent: binning and region of interest applied.

    Raises:
        InvalidInput: of the kinds ``zero_size``, ``camera_matrix`` (not calibrated: zeros) and
            ``distortion``.
    """
    frame_id = message.header.frame_id
    where = f"camera info of '{frame_id}'"
    if message.width == 0 or message.height == 0:
        raise InvalidInput(
            "zero_size", f"{where}: the picture is {message.width}x{message.height} pixels"
        )
    k = np.asarray(message.k, dtype=np.float64).reshape(3, 3)
    if not np.any(k):
        raise InvalidInput(
            "camera_matrix", f"{where}: k is all zeros; the camera is not calibrated"
        )
    if not np.array_equal(k[[1, 2, 2, 2], [0, 0, 1, 2]], [0.0, 0.0, 0.0, 1.0]):
        raise InvalidInput(
            "camera_matrix",
            f"{where}: k must be upper triangular with a last row 0 0 1, got {k.tolist()}",
        )
    roi = message.roi
    whole = roi.width == 0 or roi.height == 0
    left, top = (0, 0) if whole else (roi.x_offset, roi.y_offset)
    width, height = (message.width, message.height) if whole else (roi.width, roi.height)
    bin_x, bin_y = max(message.binning_x, 1), max(message.binning_y, 1)
    k[0, 2] -= left
    k[1, 2] -= top
    k[0] /= bin_x
    k[1] /= bin_y
    return CameraCalibration(
        width // bin_x,
        height // bin_y,
        k,
        message.distortion_model,
        np.asarray(message.d, dtype=np.float64),
        frame_id,
    )


def calibration_to_msg(calibration: CameraCalibration, stamp_ns: int) -> CameraInfo:
    """A message of a rectified, whole picture."""
    k = calibration.k
    message = CameraInfo(
        width=calibration.width,
        height=calibration.height,
        distortion_model=calibration.distortion_model,
        d=calibration.distortion.tolist(),
        k=k.reshape(-1),
        r=np.eye(3).reshape(-1),
        p=np.column_stack([k, np.zeros(3)]).reshape(-1),
    )
    message.header.frame_id = calibration.frame_id
    message.header.stamp = to_stamp(stamp_ns)
    return message

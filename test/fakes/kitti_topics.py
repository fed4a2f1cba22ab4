"""KITTI frames as the parameters and messages of the fusion node."""

from __future__ import annotations

from typing import Any

from fakes.kitti import KittiFrame
from sensor_msgs.msg import CameraInfo, PointCloud2, PointField

from edge_mm_ros.ros.conversions.stamps import to_stamp

WIDTH, HEIGHT = 1224, 370


def fusion_parameters(frame: KittiFrame) -> dict[str, Any]:
    """Parameters of the node that place both sensors."""
    return {
        "cameras": ["front"],
        "lidars": ["top"],
        "camera_mounting.front.xyz_m": frame.camera_xyz_m,
        "camera_mounting.front.rpy_rad": [0.0, 0.0, 0.0],
        "lidar_mounting.top.xyz_m": frame.lidar_xyz_m,
        "lidar_mounting.top.quaternion_xyzw": frame.lidar_quaternion_xyzw,
    }


def camera_info(frame: KittiFrame, stamp_ns: int) -> CameraInfo:
    """The calibration; the pictures are rectified."""
    message = CameraInfo(width=WIDTH, height=HEIGHT, k=frame.k.reshape(-1))
    message.header.frame_id = "front_optical"
    message.header.stamp = to_stamp(stamp_ns)
    return message


def point_cloud(frame: KittiFrame, stamp_ns: int) -> PointCloud2:
    """The cloud, x y z as float32."""
    names = enumerate(("x", "y", "z"))
    message = PointCloud2(
        height=1,
        width=len(frame.points_m),
        fields=[
            PointField(name=name, offset=4 * index, datatype=PointField.FLOAT32, count=1)
            for index, name in names
        ],
        point_step=12,
        row_step=12 * len(frame.points_m),
        data=frame.points_m.astype("<f4").tobytes(),
        is_dense=True,
    )
    message.header.frame_id = "velodyne"
    message.header.stamp = to_stamp(stamp_ns)
    return message

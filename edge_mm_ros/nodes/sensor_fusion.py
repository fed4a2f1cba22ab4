"""The node ``sensor_fusion``: detections and clouds in, objects in the robot's frame out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray
from nav_msgs.msg import Odometry as OdometryMsg
from sensor_msgs.msg import CameraInfo, PointCloud2
from vision_msgs.msg import Detection2DArray, Detection3DArray
from visualization_msgs.msg import MarkerArray

from edge_mm_ros.datatypes import Health, HealthLevel, InvalidInput
from edge_mm_ros.nodes.running import run_node
from edge_mm_ros.params.sensor_fusion import CameraMounting, Mounting, SensorFusionParams
from edge_mm_ros.pipelines.fusion import FusionResult, SensorFusion
from edge_mm_ros.pipelines.stamps import NS_PER_S
from edge_mm_ros.ros.conversions.camera_info import calibration_from_msg
from edge_mm_ros.ros.conversions.detections import detections_from_msg
from edge_mm_ros.ros.conversions.object_markers import markers_to_msg
from edge_mm_ros.ros.conversions.objects import objects_to_msg, sources_to_msg
from edge_mm_ros.ros.conversions.odometry import odometry_from_msg
from edge_mm_ros.ros.conversions.point_clouds import cloud_from_msg
from edge_mm_ros.ros.conversions.stamps import to_ns
from edge_mm_ros.ros.conversions.transforms import TransformSource
from edge_mm_ros.ros.node import EdgeNode
from edge_mm_ros.ros.qos import RELIABLE, SENSOR
from edge_mm_ros.ros.work_queue import drop_oldest, latest_only

_MAX_WAITING_DETECTIONS = 10
_MAX_WAITING_ODOMETRY = 200


@dataclass
class _Tally:
    """What became of one camera's detections since activation."""

    placed: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    last_refusal: str = ""
    without_cloud: tuple[str, ...] = ()
    too_steep: bool = False


class SensorFusionNode(EdgeNode):
    """Publishes ``objects``, their sources and their markers, for each message of detections.

    A measurement whose sensor has no known place is left out with a reason, never put at the
    robot's origin.
    """

    params_type = SensorFusionParams

    def __init__(self, host: object = None, name: str = "sensor_fusion", **options: Any) -> None:
        self._fusion: SensorFusion | None = None
        self._transforms: TransformSource | None = None
        self._tallies: dict[str, _Tally] = {}
        self._not_finite: dict[str, int] = {}
        super().__init__(name, **options)

    def on_configured(self) -> None:
        """Make the publishers."""
        self._objects = self.advertise(Detection3DArray, "objects", RELIABLE)
        self._sources = self.advertise(DiagnosticArray, "objects/sources", RELIABLE)
        self._markers = self.advertise(MarkerArray, "objects/markers", RELIABLE)

    def on_activated(self) -> None:
        """Begin anew and listen."""
        params: SensorFusionParams = self.params
        self._fusion = SensorFusion(params, self._on_notice)
        self._transforms = TransformSource(self, params.robot_frame)
        self._tallies = {camera: _Tally() for camera in params.cameras}
        self._not_finite.clear()
        if params.odometry:
            self.listen(
                OdometryMsg,
                params.odometry,
                self._on_odometry,
                qos=SENSOR,
                queue=drop_oldest(_MAX_WAITING_ODOMETRY),
            )
        for lidar in params.lidars:
            self.listen(
                PointCloud2,
                f"{lidar}/points",
                partial(self._on_cloud, lidar),
                qos=SENSOR,
                queue=latest_only(),
            )
        for camera in params.cameras:
            self.listen(
                CameraInfo,
                f"{camera}/camera_info",
                partial(self._on_camera_info, camera),
                qos=SENSOR,
                queue=latest_only(),
            )
            self.listen(
                Detection2DArray,
                f"{camera}/detections",
                partial(self._on_detections, camera),
                qos=RELIABLE,
                queue=drop_oldest(_MAX_WAITING_DETECTIONS),
            )

    def on_deactivated(self) -> None:
        """Stop to follow tf."""
        self._release_transforms()

    def on_cleaned_up(self) -> None:
        """Forget clouds and tracks."""
        self._release_transforms()
        self._fusion = None
        self._tallies.clear()

    def on_params_changed(self) -> None:
        """Use new limits from the next measurement on."""
        if self._fusion is not None:
            self._fusion.params = self.params

    def health(self) -> Iterable[Health]:
        """What became of each camera's detections and of each LiDAR's points."""
        for lidar, count in tuple(self._not_finite.items()):
            values = {"points left out": str(count)}
            message = (
                "all points are finite" if not count else "points that are not finite left out"
            )
            yield Health(f"lidar {lidar}", HealthLevel.OK, message, values)
        for camera, tally in tuple(self._tallies.items()):
            values = {f"placed by {by}": str(count) for by, count in sorted(tally.placed.items())}
            values.update({f"left out, {why}": str(n) for why, n in sorted(tally.refused.items())})
            if tally.last_refusal:
                values["last left out"] = tally.last_refusal
            if tally.without_cloud:
                lidars = ", ".join(tally.without_cloud)
                message = f"no cloud of {lidars} is near the pictures in time: camera alone"
                yield Health(f"camera {camera}", HealthLevel.WARN, message, values)
            elif tally.too_steep:
                message = "a detection near the camera's foot has no place"
                yield Health(f"camera {camera}", HealthLevel.WARN, message, values)
            else:
                yield Health(f"camera {camera}", HealthLevel.OK, "places detections", values)

    def _on_camera_info(self, camera: str, message: CameraInfo) -> None:
        assert self._fusion is not None
        stamp_ns = to_ns(message.header.stamp)
        self._fusion.set_calibration(camera, calibration_from_msg(message), stamp_ns)

    def _on_odometry(self, message: OdometryMsg) -> None:
        assert self._fusion is not None
        odometry = odometry_from_msg(message)
        self._check_stamp(odometry.stamp_ns)
        self._fusion.add_odometry(odometry)

    def _on_cloud(self, lidar: str, message: PointCloud2) -> None:
        assert self._fusion is not None and self._transforms is not None
        cloud = cloud_from_msg(message)
        self._check_stamp(cloud.stamp_ns)
        pose = self.params.lidar_mounting.get(lidar, Mounting()).pose()
        place = self._transforms.place(lidar, cloud.frame_id, cloud.stamp_ns, pose)
        self._fusion.add_cloud(lidar, cloud, place)
        self._not_finite[lidar] = cloud.dropped
        if cloud.dropped and message.is_dense:
            self.bad_input(
                self.resolve_topic_name(f"{lidar}/points"),
                InvalidInput(
                    "not_finite",
                    f"{cloud.dropped} of {cloud.dropped + len(cloud.points_m)} points are not "
                    "finite, although the cloud says that all are; they are left out",
                ),
            )

    def _on_detections(self, camera: str, message: Detection2DArray) -> None:
        assert self._fusion is not None and self._transforms is not None
        detections = detections_from_msg(message)
        self._check_stamp(detections.stamp_ns)
        pose = self.params.camera_mounting.get(camera, CameraMounting()).robot_from_optical()
        place = self._transforms.place(camera, detections.frame_id, detections.stamp_ns, pose)
        result = self._fusion.fuse(camera, detections, place)
        self._count(camera, result)
        self._objects.publish(objects_to_msg(result.objects))
        self._sources.publish(sources_to_msg(result.objects))
        if self._markers.subscribers:
            self._markers.publish(markers_to_msg(result.objects))

    def _check_stamp(self, stamp_ns: int) -> None:
        """Refuse a stamp that says nothing, and one against which all that follow would be late."""
        if stamp_ns == 0:
            raise InvalidInput(
                "stamp_zero",
                "the stamp is 0: its driver gives none, and nothing can be placed in time",
            )
        ahead_s = (stamp_ns - self.now_ns()) / NS_PER_S
        if ahead_s > self.params.clock_tolerance_s:
            raise InvalidInput(
                "stamp_ahead",
                f"the stamp lies {ahead_s:.1f} s ahead of the clock; the measurement is left out; "
                "is its clock right?",
            )

    def _count(self, camera: str, result: FusionResult) -> None:
        tally = self._tallies[camera]
        for sources in result.placed:
            with_lidar = any(source.startswith("lidar:") for source in sources)
            tally.placed["LiDAR" if with_lidar else "camera"] += 1
        tally.too_steep = any(error.kind == "steep" for error in result.refused)
        for error in result.refused:
            tally.refused[error.kind] += 1
            tally.last_refusal = str(error)
        tally.without_cloud = tuple(name for name, at in result.clouds.items() if at is None)

    def _on_notice(self, topic: str, notice: InvalidInput) -> None:
        self.bad_input(self.resolve_topic_name(topic), notice)

    def _release_transforms(self) -> None:
        if self._transforms is not None:
            self._transforms.close()
            self._transforms = None


def main() -> None:
    """Run the node as a program."""
    run_node(SensorFusionNode)

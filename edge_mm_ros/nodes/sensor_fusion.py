"""The node ``sensor_fusion``: measurements of all sensors in, objects in the robot's frame out."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray
from nav_msgs.msg import OccupancyGrid
from nav_msgs.msg import Odometry as OdometryMsg
from radar_msgs.msg import RadarScan
from sensor_msgs.msg import CameraInfo, Imu, LaserScan, PointCloud2, Range
from vision_msgs.msg import Detection2DArray, Detection3DArray
from visualization_msgs.msg import MarkerArray

from edge_mm_ros.datatypes import (
    Coverage,
    Health,
    InvalidInput,
    Objects,
    RigidTransform,
    SensorState,
)
from edge_mm_ros.nodes.fusion_tally import FusionTally
from edge_mm_ros.nodes.running import run_node
from edge_mm_ros.params.base import ParameterError, load_yaml
from edge_mm_ros.params.safety_rules import SafetyRules
from edge_mm_ros.params.sensor_fusion import SensorFusionParams
from edge_mm_ros.params.share import find_config
from edge_mm_ros.pipelines import native
from edge_mm_ros.pipelines.fusion import SensorFusion, topic_of
from edge_mm_ros.pipelines.fusion.watched_fusion import BEAT_S, WatchedFusion
from edge_mm_ros.ros.conversions.camera_info import calibration_from_msg
from edge_mm_ros.ros.conversions.coverage import coverage_to_msg, free_space_to_msg
from edge_mm_ros.ros.conversions.detections import detections_from_msg
from edge_mm_ros.ros.conversions.imu import imu_from_msg
from edge_mm_ros.ros.conversions.laser_scans import laser_scan_from_msg
from edge_mm_ros.ros.conversions.object_markers import markers_to_msg
from edge_mm_ros.ros.conversions.objects import objects_to_msg, sources_to_msg
from edge_mm_ros.ros.conversions.odometry import odometry_from_msg
from edge_mm_ros.ros.conversions.point_clouds import cloud_from_msg
from edge_mm_ros.ros.conversions.radar_scans import radar_scan_from_msg
from edge_mm_ros.ros.conversions.ranges import reading_from_msg
from edge_mm_ros.ros.conversions.sensor_states import sensor_state_to_health
from edge_mm_ros.ros.conversions.stamps import to_ns
from edge_mm_ros.ros.conversions.transforms import TransformSource
from edge_mm_ros.ros.node import EdgeNode
from edge_mm_ros.ros.qos import RELIABLE, SENSOR, TopicQos
from edge_mm_ros.ros.work_queue import QueuePolicy, drop_oldest, latest_only


@dataclass(frozen=True)
class _Input:
    """How one kind of sensor is listened to.

    Attributes:
        msg_type: of its topic.
        convert: makes a value of a message.
        qos: of the topic.
        queue: what waits while others are handled.
    """

    msg_type: type
    convert: Callable[[Any], Any]
    qos: TopicQos
    queue: QueuePolicy


_INPUTS = {
    "lidar": _Input(PointCloud2, cloud_from_msg, SENSOR, latest_only()),
    "laser": _Input(LaserScan, laser_scan_from_msg, SENSOR, latest_only()),
    "radar": _Input(RadarScan, radar_scan_from_msg, SENSOR, drop_oldest(5)),
    "ultrasonic": _Input(Range, reading_from_msg, SENSOR, drop_oldest(5)),
    "camera": _Input(Detection2DArray, detections_from_msg, RELIABLE, drop_oldest(10)),
}
_OWN_MOTION_QUEUE = drop_oldest(200)


class SensorFusionNode(EdgeNode):
    """Publishes ``objects``, their sources and their markers, ``coverage`` and ``free_space``.

    Every picture brings a message of objects at once, other sensors at most one each
    `objects_period_s`; coverage goes on where all sensors are silent. A measurement whose sensor
    has no known place is left out with a reason, never put at the robot's origin.
    """

    params_type = SensorFusionParams

    def __init__(self, host: object = None, name: str = "sensor_fusion", **options: Any) -> None:
        self._fusion: SensorFusion | None = None
        self._watched: WatchedFusion | None = None
        self._zones: dict[str, tuple[tuple[float, float], ...]] = {}
        self._transforms: TransformSource | None = None
        self._tally = FusionTally()
        super().__init__(name, **options)

    def on_configured(self) -> None:
        """Read the zones and make the publishers."""
        if native.compiled is None:
            self.get_logger().warning(
                "the compiled loops were not built: numpy does the same, more slowly; "
                "edge-mm doctor tells how to build them"
            )
        self._check_topics()
        self._zones = self._read_zones()
        self._objects = self.advertise(Detection3DArray, "objects", RELIABLE)
        self._sources = self.advertise(DiagnosticArray, "objects/sources", RELIABLE)
        self._markers = self.advertise(MarkerArray, "objects/markers", RELIABLE)
        self._coverage = self.advertise(DiagnosticArray, "coverage", RELIABLE)
        self._free_space = self.advertise(OccupancyGrid, "free_space", RELIABLE)

    def on_activated(self) -> None:
        """Begin anew and listen."""
        params: SensorFusionParams = self.params
        self._watched = WatchedFusion(
            params,
            self._zones,
            self.arrived_ns,
            self._on_notice,
            self._tell_sensor,
            self._publish,
            self._tell_coverage,
        )
        self._fusion = self._watched.fusion
        self._transforms = TransformSource(self, params.robot_frame)
        self._tally = FusionTally(params.cameras)
        own_motion = (
            (params.odometry, OdometryMsg, self._on_odometry),
            (params.imu, Imu, self._on_imu),
        )
        for topic, msg_type, handler in own_motion:
            if topic:
                self.listen(msg_type, topic, handler, qos=SENSOR, queue=_OWN_MOTION_QUEUE)
        for kind, source in _INPUTS.items():
            for sensor in getattr(params, f"{kind}s"):
                self.listen(
                    source.msg_type,
                    topic_of(kind, sensor),
                    partial(self._on_measurement, kind, sensor),
                    qos=source.qos,
                    queue=source.queue,
                )
        for camera in params.cameras:
            self.listen(
                CameraInfo,
                f"{camera}/camera_info",
                partial(self._on_camera_info, camera),
                qos=SENSOR,
                queue=latest_only(),
            )
        self._watched.tick()  # silence counts from now on
        self.every(BEAT_S, self._look_after)

    def on_deactivated(self) -> None:
        """Stop to follow tf."""
        self._release_transforms()

    def on_cleaned_up(self) -> None:
        """Forget clouds and tracks."""
        self._release_transforms()
        self._fusion = self._watched = None
        self._tally = FusionTally()

    def on_params_changed(self) -> None:
        """Use new limits from the next measurement on."""
        if self._watched is not None:
            self._watched.params = self.params

    def health(self) -> Iterable[Health]:
        """What became of each sensor's measurements, and how the sensors are."""
        yield from self._tally.health()
        if self._watched is not None and self.active:
            yield from map(sensor_state_to_health, self._watched.states())

    def _on_camera_info(self, camera: str, message: CameraInfo) -> None:
        assert self._fusion is not None
        stamp_ns = to_ns(message.header.stamp)
        self._fusion.set_calibration(camera, calibration_from_msg(message), stamp_ns)

    def _on_odometry(self, message: OdometryMsg) -> None:
        assert self._fusion is not None
        self._fusion.add_odometry(odometry_from_msg(message))

    def _on_imu(self, message: Imu) -> None:
        assert self._fusion is not None
        reading = imu_from_msg(message)
        place = self._place("imu", reading, self.params.imu_mounting.pose())
        self._fusion.add_imu(reading, place)

    def _on_measurement(self, kind: str, sensor: str, message: Any) -> None:
        assert self._watched is not None
        try:
            value, place = self._read(kind, sensor, message)
            result = self._watched.take(kind, sensor, value, place)
        except InvalidInput as error:
            self._tally.left_out(kind, sensor, error)
            raise
        self._tally.count(kind, sensor, result)
        if kind == "lidar":
            self._tell_not_finite(sensor, message, value)

    def _read(self, kind: str, sensor: str, message: Any) -> tuple[Any, RigidTransform]:
        """A measurement's value and place."""
        assert self._watched is not None
        try:
            value = _INPUTS[kind].convert(message)
            return value, self._place(sensor, value, self.params.mounting(kind, sensor))
        except InvalidInput as error:
            self._watched.note_refused(kind, sensor, error)
            raise

    def _place(self, sensor: str, value: Any, configured: RigidTransform | None) -> RigidTransform:
        assert self._transforms is not None
        return self._transforms.place(sensor, value.frame_id, value.stamp_ns, configured)

    def _publish(self, objects: Objects) -> None:
        """Tell all objects; the only place that does."""
        self._objects.publish(objects_to_msg(objects))
        self._sources.publish(sources_to_msg(objects))
        if self._markers.subscribers:
            self._markers.publish(markers_to_msg(objects))

    # The sensors themselves ----------------------------------------------------------------------

    def _check_topics(self) -> None:
        """Refuse two inputs of one topic, however they write it.

        Raises:
            ParameterError: names both.
        """
        params: SensorFusionParams = self.params
        inputs = [(name, getattr(params, name)) for name in ("odometry", "imu")]
        for kind in _INPUTS:
            for sensor in getattr(params, f"{kind}s"):
                inputs.append((f"{kind}s: {sensor}", topic_of(kind, sensor)))
        owners: dict[str, str] = {}
        for name, topic in inputs:
            other = owners.setdefault(self.resolve_topic_name(topic), name) if topic else name
            if other != name:
                raise ParameterError(f"'{other}' and '{name}' are one topic, '{topic}'; leave one")

    def _read_zones(self) -> dict[str, tuple[tuple[float, float], ...]]:
        """The zones that are watched.

        Raises:
            ParameterError: the file of rules cannot be used, or is of another frame.
        """
        params: SensorFusionParams = self.params
        if not params.zones_file:
            return {}
        rules = load_yaml(SafetyRules, find_config("rules", params.zones_file))
        if rules.robot_frame != params.robot_frame:
            raise ParameterError(
                f"zones_file '{params.zones_file}': its zones lie in '{rules.robot_frame}', but "
                f"robot_frame is '{params.robot_frame}'"
            )
        return {zone.name: zone.polygon_m for zone in rules.zones}

    def _look_after(self) -> None:
        assert self._watched is not None
        self._watched.looks = bool(self._zones) or self._free_space.subscribers > 0
        self._watched.tick()

    def _tell_coverage(self, coverage: Coverage) -> None:
        self._coverage.publish(coverage_to_msg(coverage))
        if self._watched is not None and self._free_space.subscribers:
            self._free_space.publish(free_space_to_msg(self._watched.free_space(coverage.stamp_ns)))

    def _tell_sensor(self, state: SensorState) -> None:
        self.tell(sensor_state_to_health(state))

    def _tell_not_finite(self, lidar: str, message: PointCloud2, cloud: Any) -> None:
        self._tally.note_points("lidar", lidar, cloud.dropped)
        if cloud.dropped and message.is_dense:
            self._on_notice(
                topic_of("lidar", lidar),
                InvalidInput(
                    "not_finite",
                    f"{cloud.dropped} of {cloud.dropped + len(cloud.points_m)} points are not "
                    "finite, although the cloud says that all are; they are left out",
                ),
            )

    def _on_notice(self, topic: str, notice: InvalidInput) -> None:
        self.bad_input(self.resolve_topic_name(topic), notice)

    def _release_transforms(self) -> None:
        if self._transforms is not None:
            self._transforms.close()
            self._transforms = None


def main() -> None:
    """Run the node as a program."""
    run_node(SensorFusionNode)

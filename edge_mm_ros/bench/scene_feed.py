"""Simulated records handed to the watched fusion as its node hands messages over."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from edge_mm_ros.datatypes import (
    CameraCalibration,
    Coverage,
    Detections,
    InvalidInput,
    LaserScan,
    Objects,
    Odometry,
    PointCloud,
    RadarScan,
    RangeReading,
    SensorState,
)
from edge_mm_ros.params.sensor_fusion import SensorFusionParams
from edge_mm_ros.pipelines.fusion.watched_fusion import BEAT_S, WatchedFusion
from edge_mm_ros.pipelines.simulation import Record
from edge_mm_ros.pipelines.stamps import to_ns

_KINDS: dict[type, str] = {
    PointCloud: "lidar",
    LaserScan: "laser",
    RadarScan: "radar",
    RangeReading: "ultrasonic",
    Detections: "camera",
}


class SceneFeed:
    """A watched fusion, fed with records in the order of their arrival.

    Attributes:
        now_ns: the clock.
        watched: the fusion.

    Args:
        params: of the fusion; what comes of sensors that it does not list is not heard.
        zones: polygons in the robot's frame, by name.
        on_sensor, on_objects, on_coverage: as of `WatchedFusion`.
        on_refused: told of each record that is left out, and why.
        on_beat: told when time has gone on by `BEAT_S`; the clock tells to when.
    """

    def __init__(
        self,
        params: SensorFusionParams,
        zones: Mapping[str, Sequence[tuple[float, float]]],
        *,
        on_sensor: Callable[[SensorState], None] = lambda state: None,
        on_objects: Callable[[Objects], None] = lambda objects: None,
        on_coverage: Callable[[Coverage], None] = lambda coverage: None,
        on_refused: Callable[[Record, InvalidInput], None] = lambda record, error: None,
        on_beat: Callable[[], None] = lambda: None,
    ) -> None:
        self.now_ns = 0
        self._on_refused = on_refused
        self._on_beat = on_beat
        self.watched = WatchedFusion(
            params,
            zones,
            lambda: self.now_ns,
            on_sensor=on_sensor,
            on_objects=on_objects,
            on_coverage=on_coverage,
        )

    def run_to(self, until_ns: int) -> None:
        """Let the clock go on, if it does, with a tick at each beat."""
        beat_ns = to_ns(BEAT_S)
        first = self.now_ns // beat_ns + 1 if self.now_ns else until_ns // beat_ns
        for beat in range(first, until_ns // beat_ns + 1):
            self.now_ns = beat * beat_ns
            self.watched.tick()
            self._on_beat()
        self.now_ns = max(self.now_ns, until_ns)

    def take(self, record: Record) -> None:
        """Let the clock go on to a record's arrival, and use the record where it is a sensor's."""
        self.run_to(record.arrival_ns)
        value, fusion = record.value, self.watched.fusion
        name = record.topic.rpartition("/")[0]
        kind = _KINDS.get(type(value), "")
        try:
            if isinstance(value, Odometry):
                if record.topic == fusion.params.odometry:
                    fusion.add_odometry(value)
            elif isinstance(value, CameraCalibration):
                if name in fusion.params.cameras:
                    fusion.set_calibration(name, value, record.stamp_ns)
            elif kind and name in getattr(fusion.params, f"{kind}s"):
                self._measure(kind, name, value)
        except InvalidInput as error:
            self._on_refused(record, error)

    def _measure(self, kind: str, name: str, value: object) -> None:
        place = self.watched.params.mounting(kind, name)
        if place is None:
            error = InvalidInput("no_place", f"'{name}' has no mounting in the parameters")
            self.watched.note_refused(kind, name, error)
            raise error
        self.watched.take(kind, name, value, place)

"""A simulated scene played through fusion and safety monitor in one process, as the nodes do it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from edge_mm_ros.datatypes import (
    CameraCalibration,
    Detections,
    GroundTruth,
    Health,
    HealthLevel,
    InvalidInput,
    LaserScan,
    Objects,
    Odometry,
    PointCloud,
    RadarScan,
    RangeReading,
    SafetyEvent,
    SafetyStatus,
    SensorFault,
    SensorState,
)
from edge_mm_ros.params import load_yaml
from edge_mm_ros.params.mounting import CameraMounting, Mounting
from edge_mm_ros.params.safety_monitor import SafetyMonitorParams
from edge_mm_ros.params.safety_rules import SafetyRules, Zone
from edge_mm_ros.params.sensor_fusion import SensorFusionParams
from edge_mm_ros.params.share import find_config
from edge_mm_ros.params.system import load_system
from edge_mm_ros.pipelines.fusion.watched_fusion import WatchedFusion
from edge_mm_ros.pipelines.monitoring import SafetyMonitor
from edge_mm_ros.pipelines.simulation import Record
from edge_mm_ros.pipelines.stamps import to_ns

_TICK_NS = to_ns(0.05)  # how often the fusion looks for silent sensors
_REPEAT_NS = to_ns(1.0)  # how often every sensor's state is told


@dataclass
class Told:
    """What the monitor told, and what was true.

    Attributes:
        events: the safety events.
        states: the state of safety after every message and tick.
        truths: what really was.
        expected: the events that the scenario expects.
        uncovered: for each state, the zones that were not covered then.
    """

    events: list[SafetyEvent] = field(default_factory=list)
    states: list[SafetyStatus] = field(default_factory=list)
    truths: list[GroundTruth] = field(default_factory=list)
    expected: list[SafetyEvent] = field(default_factory=list)
    uncovered: list[tuple[str, ...]] = field(default_factory=list)


class MonitoredScene:
    """Fusion and monitor of a system, fed with records.

    Args:
        system: the system's name; its parameters and rules are used.
    """

    def __init__(self, system: str) -> None:
        nodes = {node.node: node.parameters for node in load_system(system).nodes}
        self.params = SensorFusionParams.model_validate(nodes["sensor_fusion"])
        monitor = SafetyMonitorParams.model_validate(nodes["safety_monitor"])
        self.rules = load_yaml(SafetyRules, find_config("rules", monitor.rules_file))
        self.now_ns = 0
        self.told = Told()
        self._changed: list[SensorState] = []
        zones: dict[str, Zone] = {zone.name: zone for zone in self.rules.zones}
        self.fusion = WatchedFusion(
            self.params,
            {name: zone.polygon_m for name, zone in zones.items()},
            lambda: self.now_ns,
            on_sensor=self._changed.append,
        )
        self.monitor = SafetyMonitor(
            self.rules, monitor.cameras, monitor.ultrasonics, odometry=monitor.odometry
        )
        self._tick_ns = 0
        self._repeated_ns = 0
        self._uncovered = tuple(zones)

    def play(self, records: Iterable[Record]) -> Told:
        """Feed all records in the order of their arrival, with time going on between them."""
        for record in records:
            self._run_to(record.arrival_ns)
            if isinstance(record.value, GroundTruth):
                self.told.truths.append(record.value)
            elif isinstance(record.value, tuple):
                self.told.expected += record.value
            else:
                self._take(record)
            self._after()
        return self.told

    def _run_to(self, until_ns: int) -> None:
        self._tick_ns = self._tick_ns or until_ns
        while self._tick_ns <= until_ns:
            self.now_ns = self._tick_ns
            self._tick_ns += _TICK_NS
            self.fusion.tick()
            if self.now_ns - self._repeated_ns >= _REPEAT_NS:
                self._repeated_ns = self.now_ns
                self._changed.extend(self.fusion.states())
            self.told.events += self.monitor.tick(self.now_ns)
            self._after()
        self.now_ns = until_ns

    def _take(self, record: Record) -> None:
        name = record.topic.rpartition("/")[0]
        try:
            result = self._fuse(name, record)
        except InvalidInput:
            result = None
        if result is not None:
            self.fusion.note_objects(result)
            self.told.events += self.monitor.hear_objects(result, self.now_ns)
        value = record.value
        if isinstance(value, Detections):
            self.told.events += self.monitor.hear_detections(name, value, self.now_ns)
        elif isinstance(value, RangeReading):
            self.told.events += self.monitor.hear_range(name, value, self.now_ns)
        elif isinstance(value, Odometry):
            self.told.events += self.monitor.hear_odometry(value, self.now_ns)

    def _fuse(self, name: str, record: Record) -> Objects | None:
        fusion, value = self.fusion.fusion, record.value
        if isinstance(value, CameraCalibration):
            fusion.set_calibration(name, value, record.stamp_ns)
            return None
        if isinstance(value, Odometry):
            fusion.add_odometry(value)
            return None
        if isinstance(value, Detections):
            mounting = self.params.camera_mounting.get(name, CameraMounting())
            place = mounting.robot_from_optical()
            return None if place is None else fusion.fuse(name, value, place).objects
        groups: dict[type, tuple[dict[str, Mounting], object]] = {
            PointCloud: (self.params.lidar_mounting, fusion.add_cloud),
            RadarScan: (self.params.radar_mounting, fusion.add_radar),
            LaserScan: (self.params.laser_mounting, fusion.add_scan),
            RangeReading: (self.params.ultrasonic_mounting, fusion.add_range),
        }
        mountings, add = groups[type(value)]
        place = mountings[name].pose()
        result = add(name, value, place)  # type: ignore[operator]
        return None if result is None else result.objects

    def _after(self) -> None:
        """What the fusion tells besides, and the state that follows."""
        changed, self._changed[:] = list(self._changed), []
        for state in changed:
            self.monitor.hear_sensor(state)
            self.told.events += self.monitor.hear_health(
                [health_of(state)], self.now_ns, self.now_ns
            )
        if self.fusion.coverage_due():
            coverage = self.fusion.coverage()
            self._uncovered = tuple(zone.zone for zone in coverage.zones if not zone.covered)
            self.told.events += self.monitor.hear_coverage(coverage, self.now_ns)
        self.told.states.append(self.monitor.status(self.now_ns))
        self.told.uncovered.append(self._uncovered)


def health_of(state: SensorState) -> Health:
    """The diagnostic entry of a sensor's state."""
    level = HealthLevel.ERROR
    if state.usable:
        level = HealthLevel.OK if state.fault is SensorFault.NONE else HealthLevel.WARN
    return Health(f"sensor_fusion: sensor {state.sensor}", level, state.message)

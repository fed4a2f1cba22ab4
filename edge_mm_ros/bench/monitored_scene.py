"""A simulated scene played through fusion and safety monitor in one process, as the nodes do it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from edge_mm_ros.bench.scene_feed import SceneFeed
from edge_mm_ros.datatypes import (
    Coverage,
    Detections,
    GroundTruth,
    Health,
    HealthLevel,
    Objects,
    Odometry,
    RangeReading,
    SafetyEvent,
    SafetyStatus,
    SensorFault,
    SensorState,
)
from edge_mm_ros.params import load_yaml
from edge_mm_ros.params.base import validate
from edge_mm_ros.params.safety_monitor import SafetyMonitorParams
from edge_mm_ros.params.safety_rules import SafetyRules, Zone
from edge_mm_ros.params.sensor_fusion import SensorFusionParams
from edge_mm_ros.params.share import find_config
from edge_mm_ros.params.system import load_system
from edge_mm_ros.pipelines.monitoring import SafetyMonitor
from edge_mm_ros.pipelines.simulation import Record
from edge_mm_ros.pipelines.stamps import to_ns

_REPEAT_NS = to_ns(1.0)  # how often every sensor's state is told


@dataclass
class Told:
    """What the monitor told, and what was true.

    Attributes:
        events: the safety events.
        states: the state of safety after every message and tick.
        truths: what really was.
        expected: the events that the scenario expects.
        needed: for each state, the zones that the rules want covered at the robot's speed then.
        uncovered: for each state, those of them that were not covered.
        objects: what the fusion told.
    """

    events: list[SafetyEvent] = field(default_factory=list)
    states: list[SafetyStatus] = field(default_factory=list)
    truths: list[GroundTruth] = field(default_factory=list)
    expected: list[SafetyEvent] = field(default_factory=list)
    needed: list[tuple[str, ...]] = field(default_factory=list)
    uncovered: list[tuple[str, ...]] = field(default_factory=list)
    objects: list[Objects] = field(default_factory=list)


class MonitoredScene:
    """Fusion and monitor of a system, fed with records.

    Args:
        system: the system's name; its parameters and rules are used.

    Raises:
        ParameterError: the system cannot be used.
    """

    def __init__(self, system: str) -> None:
        nodes = {node.node: node.parameters for node in load_system(system).nodes}
        self.params = validate(SensorFusionParams, nodes["sensor_fusion"], system)
        monitor = validate(SafetyMonitorParams, nodes["safety_monitor"], system)
        self.rules = load_yaml(SafetyRules, find_config("rules", monitor.rules_file))
        self.told = Told()
        self._changed: list[SensorState] = []
        zones: dict[str, Zone] = {zone.name: zone for zone in self.rules.zones}
        self._feed = SceneFeed(
            self.params,
            {name: zone.polygon_m for name, zone in zones.items()},
            on_sensor=self._changed.append,
            on_objects=self._hear_objects,
            on_coverage=self._hear_coverage,
            on_beat=self._on_beat,
        )
        self.monitor = SafetyMonitor(
            self.rules, monitor.cameras, monitor.ultrasonics, odometry=monitor.odometry
        )
        self._repeated_ns = 0
        self._uncovered = tuple(zones)
        self._forward_mps: float | None = None

    def play(self, records: Iterable[Record]) -> Told:
        """Feed all records in the order of their arrival, with time going on between them."""
        for record in records:
            self._feed.take(record)
            self._hear(record)
            self._after()
        return self.told

    @property
    def _now_ns(self) -> int:
        return self._feed.now_ns

    def _on_beat(self) -> None:
        if self._now_ns - self._repeated_ns >= _REPEAT_NS:
            self._repeated_ns = self._now_ns
            self._changed.extend(self._feed.watched.states())
        self.told.events += self.monitor.tick(self._now_ns)
        self._after()

    def _hear_objects(self, objects: Objects) -> None:
        self.told.objects.append(objects)
        self.told.events += self.monitor.hear_objects(objects, self._now_ns)

    def _hear_coverage(self, coverage: Coverage) -> None:
        self._uncovered = tuple(zone.zone for zone in coverage.zones if not zone.covered)
        self.told.events += self.monitor.hear_coverage(coverage, self._now_ns)

    def _hear(self, record: Record) -> None:
        """What the monitor hears besides the fusion."""
        value, now_ns = record.value, self._now_ns
        name = record.topic.rpartition("/")[0]
        if isinstance(value, GroundTruth):
            self.told.truths.append(value)
        elif isinstance(value, tuple):
            self.told.expected += value
        elif isinstance(value, Detections):
            self.told.events += self.monitor.hear_detections(name, value, now_ns)
        elif isinstance(value, RangeReading):
            self.told.events += self.monitor.hear_range(name, value, now_ns)
        elif isinstance(value, Odometry):
            self._forward_mps = float(value.velocity_mps[0])
            self.told.events += self.monitor.hear_odometry(value, now_ns)

    def _after(self) -> None:
        """What the fusion tells of its sensors, and the state that follows."""
        changed, self._changed[:] = list(self._changed), []
        for state in changed:
            self.monitor.hear_sensor(state)
            entries = [health_of(state)]
            self.told.events += self.monitor.hear_health(entries, self._now_ns, self._now_ns)
        self.told.states.append(self.monitor.status(self._now_ns))
        needed = self.rules.zones_to_cover(self._forward_mps)
        self.told.needed.append(needed)
        self.told.uncovered.append(tuple(name for name in self._uncovered if name in needed))


def health_of(state: SensorState) -> Health:
    """The diagnostic entry of a sensor's state."""
    level = HealthLevel.ERROR
    if state.usable:
        level = HealthLevel.OK if state.fault is SensorFault.NONE else HealthLevel.WARN
    return Health(f"sensor_fusion: sensor {state.sensor}", level, state.message)

"""A scenario played through: every message with the time at which it arrives."""

from __future__ import annotations

import heapq
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from edge_mm_ros.datatypes import CameraCalibration, GroundTruth, SafetyEvent
from edge_mm_ros.params.scenario import Scenario
from edge_mm_ros.params.scenario_sensors import (
    CameraSensor,
    LaserSensor,
    LidarSensor,
    RadarSensor,
    Sensor,
    UltrasonicSensor,
)
from edge_mm_ros.pipelines.simulation.camera import CameraModel
from edge_mm_ros.pipelines.simulation.measurement import Measurement, SensorModel, SensorValue
from edge_mm_ros.pipelines.simulation.odometry import OdometryModel
from edge_mm_ros.pipelines.simulation.radar import RadarModel
from edge_mm_ros.pipelines.simulation.ranging import LaserModel, LidarModel, UltrasonicModel
from edge_mm_ros.pipelines.simulation.scene import Scene
from edge_mm_ros.pipelines.simulation.truth import ExpectedEvents, truth_of
from edge_mm_ros.pipelines.stamps import to_ns

START_NS = 1_700_000_000 * 10**9
"""Stamp of the begin of every simulated recording."""
TRUTH_TOPIC = "ground_truth/objects"
EVENTS_TOPIC = "ground_truth/events"


@dataclass(frozen=True, eq=False)
class Record:
    """One message.

    Attributes:
        topic: its topic, relative.
        arrival_ns: when it arrives.
        stamp_ns: the stamp of its header.
        value: what it holds; safety events come as a tuple.
    """

    topic: str
    arrival_ns: int
    stamp_ns: int
    value: SensorValue | GroundTruth | tuple[SafetyEvent, ...]


class Simulator:
    """Plays a scenario.

    Each sensor has a random generator of its own, made of the seed and its name, so that another
    sensor changes nothing of what it measures.

    Args:
        scenario: the script.
        seed: of all noise; the same seed gives the same records.
    """

    def __init__(self, scenario: Scenario, seed: int = 0) -> None:
        self._scenario = scenario
        self._seed = seed

    def records(self) -> Iterator[Record]:
        """All messages in the order of their arrival, sensor data and ground truth."""
        scene = Scene(self._scenario)
        channels = [
            _Channel(sensor, self._scenario, self._seed) for sensor in self._scenario.sensors
        ]
        expected = ExpectedEvents(self._scenario)
        waiting: list[tuple[int, int, Record]] = []
        count = 0
        for t_s, index in self._instants():
            snapshot = scene.at(t_s)
            now_ns = START_NS + to_ns(t_s)
            while waiting and waiting[0][0] <= now_ns:
                yield heapq.heappop(waiting)[2]
            if index < len(channels):
                found = channels[index].take(t_s, scene)
            else:
                seen_by = {channel.sensor.name: channel.seen for channel in channels}
                truth = truth_of(snapshot, now_ns, seen_by)
                found = [Record(TRUTH_TOPIC, now_ns, now_ns, truth)]
                if events := expected.update(truth, t_s):
                    found.append(Record(EVENTS_TOPIC, now_ns, now_ns, events))
            for record in found:
                count += 1
                heapq.heappush(waiting, (record.arrival_ns, count, record))
        while waiting:
            yield heapq.heappop(waiting)[2]

    def _instants(self) -> Iterator[tuple[float, int]]:
        """Times and who acts then: the sensors in their order, then the truth."""
        sensors = self._scenario.sensors
        clocks = [(sensor.phase_s, sensor.rate_hz) for sensor in sensors]
        clocks.append((0.0, self._scenario.truth_rate_hz))
        series = [
            _ticks(phase_s, rate_hz, self._scenario.duration_s, index)
            for index, (phase_s, rate_hz) in enumerate(clocks)
        ]
        return heapq.merge(*series)


def _ticks(
    phase_s: float, rate_hz: float, duration_s: float, index: int
) -> Iterator[tuple[float, int]]:
    step = 0
    while (t_s := round(phase_s + step / rate_hz, 9)) < duration_s:
        yield t_s, index
        step += 1


class _Channel:
    """One sensor and the way of its messages: outages, stamps, delays, losses."""

    def __init__(self, sensor: Sensor, scenario: Scenario, seed: int) -> None:
        self.sensor = sensor
        self.seen: tuple[str, ...] = ()
        self._model = model_of(sensor)
        self._outages = [outage for outage in scenario.outages if outage.sensor == sensor.name]
        entropy = [seed, zlib.crc32(sensor.name.encode())]
        noise, way = np.random.SeedSequence(entropy).spawn(2)
        self._noise, self._way = np.random.default_rng(noise), np.random.default_rng(way)
        self._last: Measurement | None = None
        self._newest_ns = 0

    def take(self, t_s: float, scene: Scene) -> list[Record]:
        """Measure once and send what comes of it."""
        sensor = self.sensor
        stamp_ns = START_NS + to_ns(t_s + sensor.clock_offset_s)
        state = next((o.kind for o in self._outages if o.from_s <= t_s < o.to_s), "")
        measured = self._model.measure(scene.at(t_s), stamp_ns, self._noise, blind=state == "blind")
        delay_s = sensor.delay_s + sensor.delay_jitter_s * self._way.random()
        lost = self._way.random() < sensor.drop_share
        if state == "frozen" and self._last is not None:
            measured = Measurement(
                tuple((topic, _restamped(value, stamp_ns)) for topic, value in self._last.outputs)
            )
        elif state != "silent":
            self._last = measured
        self.seen = () if state == "silent" else measured.seen
        # Of one sensor, nothing overtakes.
        self._newest_ns = max(self._newest_ns, START_NS + to_ns(t_s + delay_s))
        if lost or state == "silent":
            return []
        return [
            Record(topic, self._newest_ns, stamp_ns, value) for topic, value in measured.outputs
        ]


def _restamped(value: SensorValue, stamp_ns: int) -> SensorValue:
    if isinstance(value, CameraCalibration):
        return value
    return replace(value, stamp_ns=stamp_ns)


def model_of(sensor: Sensor) -> SensorModel:
    """The model of a sensor's kind."""
    if isinstance(sensor, CameraSensor):
        return CameraModel(sensor)
    if isinstance(sensor, LidarSensor):
        return LidarModel(sensor)
    if isinstance(sensor, RadarSensor):
        return RadarModel(sensor)
    if isinstance(sensor, UltrasonicSensor):
        return UltrasonicModel(sensor)
    if isinstance(sensor, LaserSensor):
        return LaserModel(sensor)
    return OdometryModel(sensor)

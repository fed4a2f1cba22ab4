"""The fusion with a watch over its sensors, and with what they see of the zones."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from edge_mm_ros.datatypes import (
    Coverage,
    FreeSpace,
    InvalidInput,
    LaserScan,
    Objects,
    PointCloud,
    RadarScan,
    RangeReading,
    RigidTransform,
    SensorState,
)
from edge_mm_ros.params.free_space import RadarView
from edge_mm_ros.params.fusion_sensors import SensorTiming
from edge_mm_ros.params.sensor_fusion import SENSOR_KINDS, SensorFusionParams
from edge_mm_ros.pipelines.free_space import (
    CameraGround,
    CoverageMap,
    Heights,
    PolarView,
    view_of_cloud,
    view_of_radar,
    view_of_range,
    view_of_scan,
)
from edge_mm_ros.pipelines.fusion.arrivals import Arrival, Measured
from edge_mm_ros.pipelines.fusion.comparison import expected_in_view, gaps_to_others
from edge_mm_ros.pipelines.fusion.expected_echoes import ExpectedEchoes
from edge_mm_ros.pipelines.fusion.obstacles import way_with_zones
from edge_mm_ros.pipelines.fusion.sensor_fusion import FusionResult, SensorFusion
from edge_mm_ros.pipelines.sensor_watch import SensorWatch, WatchedSensor, content_of
from edge_mm_ros.pipelines.stamps import Beat, to_ns

COVERAGE_PERIOD_S = 0.1
"""Coverage is told so often, and where it changes."""
BEAT_S = 0.05
"""Silence is found, and coverage told, at multiples of this on the clock."""
_METHODS = {
    "lidar": "add_cloud",
    "laser": "add_scan",
    "radar": "add_radar",
    "ultrasonic": "add_range",
    "camera": "fuse",
}
_COMPARED = ("camera", "lidar", "radar", "laser")  # an echo's place on its arc is not known


class WatchedFusion:
    """Feeds a `SensorFusion`, leaves out sensors that are at fault, and follows what they see.

    What it tells depends on the measurements and their times of arrival alone, not on when `tick`
    is called between them: silence and coverage are judged at fixed instants of the clock, each
    before what arrives after it.

    Attributes:
        fusion: follows the objects; odometry, IMU and calibrations are given to it directly.
        looks: whether what the sensors see is worked out; false saves the time where nobody asks.

    Args:
        params: sensors and limits.
        zones: polygons in the robot's frame, by name.
        now_ns: the clock: while a measurement is handed over, when it arrived.
        on_notice: as of `SensorFusion`.
        on_sensor: told each sensor's state when it changes.
        on_objects: told all objects with every picture, and with other measurements where the last
            time lies `objects_period_s` back.
        on_coverage: told how much of each zone is seen, while `looks`.
    """

    def __init__(
        self,
        params: SensorFusionParams,
        zones: Mapping[str, Sequence[tuple[float, float]]],
        now_ns: Callable[[], int],
        on_notice: Callable[[str, InvalidInput], None] = lambda topic, notice: None,
        on_sensor: Callable[[SensorState], None] = lambda state: None,
        on_objects: Callable[[Objects], None] = lambda objects: None,
        on_coverage: Callable[[Coverage], None] = lambda coverage: None,
    ) -> None:
        self._now_ns = now_ns
        self._on_notice = on_notice
        self._on_sensor = on_sensor
        self._on_objects = on_objects
        self._on_coverage = on_coverage
        self._zones = dict(zones)
        params = self._with_zones(params)
        watched = _watched(params)
        self._watch = SensorWatch(
            watched, params.watch, params.clock_tolerance_s, self._note_change
        )
        self._names = {item.key: item.name for item in watched}
        self._map = CoverageMap(
            zones,
            params.free_space,
            params.robot_frame,
            params.free_space_reach_m,
            params.free_space_cell_m,
        )
        self._cameras: dict[str, CameraGround] = {}
        self._echoes = ExpectedEchoes()
        self._objects = Objects((), 0, params.robot_frame)
        self._beat = Beat(to_ns(BEAT_S))
        self._told_ns: int | None = None
        self._arrived: Arrival | None = None
        self.looks = bool(zones)
        self.fusion = SensorFusion(
            params,
            self._notice,
            on_arrival=self._on_arrival,
            on_measured=self._on_measured,
            usable=self._usable,
        )

    @property
    def params(self) -> SensorFusionParams:
        """Sensors and limits, the way widened to hold the zones.

        New ones count from the next measurement on.
        """
        return self.fusion.params

    @params.setter
    def params(self, params: SensorFusionParams) -> None:
        params, before = self._with_zones(params), self.params
        if _ground_of(params) != _ground_of(before):
            self._cameras.clear()
        self.fusion.params = params
        self._watch.params = params.watch
        self._watch.clock_tolerance_s = params.clock_tolerance_s
        self._watch.set_timeouts({item.key: item.timeout_s for item in _watched(params)})
        self._map.params = params.free_space

    def states(self) -> tuple[SensorState, ...]:
        """How all sensors are."""
        return self._watch.states()

    def take(self, kind: str, sensor: str, value: Any, place: RigidTransform) -> FusionResult:
        """Use one sensor's measurement, and tell the objects where they are due.

        Args:
            kind: one of `SENSOR_KINDS`.
            sensor: its name.
            value: the measurement: `PointCloud`, `LaserScan`, `RadarScan`, `RangeReading` or
                `Detections`.
            place: the robot's frame from the measurement's.

        Raises:
            InvalidInput: it is left out.
        """
        result: FusionResult = getattr(self.fusion, _METHODS[kind])(sensor, value, place)
        if self.looks and self._arrived is not None:  # what was refused has shown nothing
            self._look(self._arrived, self._now_ns(), result.complete_m)
        since_ns = result.objects.stamp_ns - self._objects.stamp_ns
        if kind == "camera" or not 0 <= since_ns < to_ns(self.params.objects_period_s):
            self._objects = result.objects
            self._on_objects(result.objects)
        return result

    def note_refused(self, kind: str, sensor: str, error: InvalidInput) -> None:
        """A measurement came that could not be read or placed; `take` was not asked.

        What `take` refuses is known already, and must not hide the fault that was found.
        """
        self.tick()
        self._watch.note_refused(f"{kind}:{sensor}", self._now_ns(), str(error))

    def tick(self) -> None:
        """Find who is silent, and tell the coverage; to be called some times a second."""
        now_ns = self._now_ns()
        if not now_ns:  # a simulated clock that has not begun says nothing
            return
        for beat_ns in self._beat.until(now_ns):
            self._watch.tick(beat_ns)
            if self.looks and self._coverage_due(beat_ns):
                self._told_ns = beat_ns
                self._on_coverage(self._coverage(beat_ns))

    # Coverage ------------------------------------------------------------------------------------

    def free_space(self, stamp_ns: int) -> FreeSpace:
        """What is free, occupied and unseen around the robot, at the time of a coverage told."""
        return self._map.free_space(stamp_ns, self.fusion.pose_at(stamp_ns), self._watch.usable)

    def _coverage_due(self, now_ns: int) -> bool:
        if self._told_ns is None or now_ns < self._told_ns:
            return True
        lasted = now_ns - self._told_ns >= to_ns(COVERAGE_PERIOD_S)
        return lasted or self._map.expired_since(self._told_ns, now_ns)

    def _coverage(self, now_ns: int) -> Coverage:
        missing = [key for key in self._names if _sees(key) and not self._watch.heard(key)]
        return self._map.coverage(
            now_ns,
            self.fusion.pose_at(now_ns),
            self._watch.usable,
            missing,
            self._names.__getitem__,
        )

    def _with_zones(self, params: SensorFusionParams) -> SensorFusionParams:
        way = way_with_zones(params.obstacles, self._zones.values())
        return params.model_copy(update={"obstacles": way})

    # Hooks of the fusion -------------------------------------------------------------------------

    def _notice(self, topic: str, notice: InvalidInput) -> None:
        if notice.kind in ("stamp_jump", "odometry_jump"):
            self._map.clear()  # what was seen before cannot be moved to where the robot is now
        self._on_notice(topic, notice)

    def _note_change(self, state: SensorState) -> None:
        self._told_ns = None  # what it sees counts from now on, or no longer
        self._on_sensor(state)

    def _usable(self, kind: str, sensor: str) -> bool:
        return self._watch.trusted(f"{kind}:{sensor}")

    def _on_arrival(self, arrival: Arrival) -> None:
        self.tick()
        now_ns = self._now_ns()
        timing = self.params.sensor_timing.get(arrival.sensor, SensorTiming())
        unset = arrival.stamp_ns + to_ns(timing.time_offset_s) == 0
        stamp_ns = 0 if unset else arrival.stamp_ns
        late = _sees(arrival.source) and self.fusion.too_late(arrival.stamp_ns)
        content = content_of(arrival.content)
        self._watch.arrive(arrival.source, stamp_ns, now_ns, content, late=late)
        if _sees(arrival.source):
            self._arrived = arrival

    def _on_measured(self, measured: Measured) -> None:
        arrival, now_ns = measured.arrival, self._now_ns()
        params = self.params
        if arrival.kind in _COMPARED:
            reach_m = params.watch.disagreement_reach_m
            gaps = gaps_to_others(measured, self.fusion.pose_at, params.camera_timeout_s, reach_m)
            self._watch.note_agreement(arrival.source, arrival.stamp_ns, now_ns, gaps)
        view = self._found_and_expected(measured)
        if view is not None:
            self._watch.note_view(arrival.source, now_ns, *view)
        if not self._watch.trusted(arrival.source):
            self._map.forget(arrival.source)
            raise InvalidInput(
                "sensor_disagrees",
                f"'{arrival.sensor}' disagrees with the others; it is left out until it agrees",
            )

    def _found_and_expected(self, measured: Measured) -> tuple[int, int] | None:
        """How much a measurement shows, and how many objects it should show at least."""
        arrival, source_s = measured.arrival, self.params.camera_timeout_s
        if arrival.kind == "ultrasonic":
            return self._echoes.of_range(measured, source_s)
        if arrival.kind == "radar":
            view = self.params.radar_view.get(arrival.sensor, RadarView())
            return self._echoes.of_radar(measured, view, source_s)
        ground = self._ground(arrival) if arrival.kind == "camera" else None
        if ground is None:
            return None
        found = len(arrival.content)  # type: ignore[arg-type]
        return found, 0 if found else expected_in_view(measured, ground.shows, source_s)

    def _look(self, arrival: Arrival, now_ns: int, complete_m: float) -> None:
        """Keep what a measurement sees, up to where all that it shows could begin objects."""
        view = self._view(arrival, now_ns)
        if view is None:
            return
        if complete_m < math.inf:
            known = np.arange(view.seen.shape[1]) < int(complete_m / view.step_m)
            # What is occupied beyond still hides from the cameras what is behind it.
            view = replace(view, seen=view.seen & known)
        pose = self.fusion.pose_at(arrival.stamp_ns)
        timeout_s = self.params.timeout_of(arrival.kind, arrival.sensor)
        # A clock that runs ahead does not make a look last longer.
        seen_ns = min(arrival.stamp_ns, now_ns)
        self._map.note(arrival.source, view, seen_ns, timeout_s, pose)

    def _view(self, arrival: Arrival, now_ns: int) -> PolarView | None:
        """What a measurement shows of the ground."""
        content, place = arrival.content, arrival.place
        if place is None:
            return None
        params = self.params
        heights = Heights(
            params.ground_z_m,
            params.ground_clearance_m,
            params.free_space.object_height_m,
            params.max_height_m,
        )
        step_m, reach_m = self._map.step_m, self._map.view_reach_m
        if isinstance(content, PointCloud):
            return view_of_cloud(content, place, heights, step_m, self._placed_reach_m(place))
        if isinstance(content, LaserScan):
            return view_of_scan(content, place, heights, step_m, self._placed_reach_m(place))
        if isinstance(content, RangeReading):
            return view_of_range(content, place, heights, step_m, reach_m)
        if isinstance(content, RadarScan):
            given = params.radar_view.get(arrival.sensor, RadarView())
            return view_of_radar(
                content,
                place,
                heights,
                step_m,
                reach_m,
                given.field_of_view_rad,
                given.max_range_m,
            )
        ground = self._ground(arrival)
        if ground is None:
            return None
        echoes = self._map.echoes_m(now_ns, self.fusion.pose_at(arrival.stamp_ns))
        return ground.view(self._objects.objects, echoes)

    def _ground(self, arrival: Arrival) -> CameraGround | None:
        """The ground that a camera shows; None while its lens is not known."""
        assert arrival.place is not None
        try:
            projection = self.fusion.projection(arrival.sensor)
        except InvalidInput:
            return None
        known = self._cameras.get(arrival.sensor)
        if known is None or not known.fits(projection, arrival.place):
            known = self._cameras[arrival.sensor] = CameraGround(
                projection,
                arrival.place,
                ground_z_m=self.params.ground_z_m,
                person_height_px=self.params.free_space.person_height_px,
                step_m=self._map.step_m,
                reach_m=self._placed_reach_m(arrival.place),
            )
        return known

    def _placed_reach_m(self, place: RigidTransform) -> float:
        """How far about a sensor its views reach; what is not placed has not been looked for."""
        placed_m = self.params.max_range_m - float(np.hypot(*place.translation_m[:2]))
        return min(self._map.view_reach_m, max(placed_m, 0.0))


def _ground_of(params: SensorFusionParams) -> tuple[object, ...]:
    """What the ground that a camera shows depends on."""
    return params.free_space, params.ground_z_m, params.max_range_m


def _sees(source: str) -> bool:
    return source.partition(":")[0] in SENSOR_KINDS


def _watched(params: SensorFusionParams) -> list[WatchedSensor]:
    """All sensors of the parameters; one name of two sensors is told with its kind."""
    found = [(kind, name) for kind in SENSOR_KINDS for name in getattr(params, f"{kind}s")]
    found += [
        (kind, getattr(params, kind)) for kind in ("odometry", "imu") if getattr(params, kind)
    ]
    names = [name for _, name in found]
    return [
        WatchedSensor(
            f"{kind}:{name}",
            name if names.count(name) == 1 else f"{kind}:{name}",
            kind,
            params.timeout_of(kind, name),
        )
        for kind, name in found
    ]

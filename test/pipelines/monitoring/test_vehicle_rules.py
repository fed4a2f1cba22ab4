"""The shipped rules for a car: forward collision, cross traffic and near field in its frame."""

from __future__ import annotations

import numpy as np

from edge_mm_ros.datatypes import (
    Coverage,
    Health,
    HealthLevel,
    Object3D,
    Objects,
    Odometry,
    RangeReading,
    RigidTransform,
    SafetyLevel,
    ZoneCoverage,
)
from edge_mm_ros.params import load_yaml
from edge_mm_ros.params.safety_rules import SafetyRules
from edge_mm_ros.params.share import find_config
from edge_mm_ros.pipelines.monitoring import SafetyMonitor

S = 1_000_000_000
STEP_S = 0.05
ZONES = ("lane_ahead", "behind")


def thing(
    x: float,
    y: float,
    velocity: tuple[float, float],
    *,
    label: str = "car",
    size: tuple[float, float] = (4.5, 1.8),
) -> Object3D:
    return Object3D(
        "1",
        label,
        0.9,
        np.array([x, y, 0.8]),
        np.array([*size, 1.5]),
        np.eye(3) * 0.04,
        ("camera:front/camera", "radar:front/radar"),
        np.array([*velocity, 0.0]),
    )


class Car:
    """A monitor with the shipped rules, driving at a steady speed, and one thing beside it."""

    def __init__(self, speed_mps: float) -> None:
        rules = load_yaml(SafetyRules, find_config("rules", "vehicle"))
        self.monitor = SafetyMonitor(rules, ("front/camera",), ("rear_1",), odometry="odom")
        self.speed_mps = speed_mps
        self.now_s = 0.0
        self.begun: set[str] = set()

    def watch(self, item: Object3D, for_s: float) -> None:
        """Let a thing keep its velocity for a while; well covered, all sensors well."""
        assert item.velocity_mps is not None
        place = item.position_m.copy()
        for _ in range(round(for_s / STEP_S)):
            self.now_s += STEP_S
            now_ns = round(self.now_s * S)
            place = place + STEP_S * (item.velocity_mps - [self.speed_mps, 0.0, 0.0])
            moved = Object3D(
                item.track_id,
                item.label,
                item.score,
                place,
                item.size_m,
                item.covariance_m2,
                item.sources,
                item.velocity_mps,
            )
            self.feed(now_ns, moved)

    def feed(self, now_ns: int, item: Object3D) -> None:
        monitor = self.monitor
        odometry = Odometry(
            RigidTransform.identity(),
            np.array([self.speed_mps, 0.0, 0.0]),
            np.zeros(3),
            np.zeros((6, 6)),
            np.zeros((6, 6)),
            now_ns,
            "odom",
            "base_link",
        )
        zones = tuple(ZoneCoverage(zone, 1.0, 0.0, {"top": 1.0}, 0, True) for zone in ZONES)
        well = Health("sensor_fusion: sensor top/lidar", HealthLevel.OK, "well")
        events = monitor.hear_odometry(odometry, now_ns)
        events += monitor.hear_coverage(Coverage(zones, now_ns, "base_link"), now_ns)
        events += monitor.hear_health([well], now_ns, now_ns)
        echo = RangeReading(float("inf"), 0.1, 5.0, 0.5, now_ns, "rear_1")
        events += monitor.hear_range("rear_1", echo, now_ns)
        events += monitor.hear_objects(Objects((item,), now_ns, "base_link"), now_ns)
        self.begun |= {event.rule for event in events}

    @property
    def level(self) -> SafetyLevel:
        return self.monitor.status(round(self.now_s * S)).level


def test_behind_a_car_of_the_same_speed_there_is_no_collision() -> None:
    car = Car(15.0)
    car.watch(thing(25.0, 0.0, (15.0, 0.0)), 2.0)
    assert car.begun == {"vehicle_in_lane", "within_stopping_distance"}


def test_a_car_ahead_that_is_slower_is_a_forward_collision() -> None:
    car = Car(15.0)
    # 10 m/s of difference: 0.6 s + 10 / 12 s = 1.43 s, so 1.8 s hold: 18 m between the bumpers.
    car.watch(thing(3.7 + 2.25 + 22.0, 0.0, (5.0, 0.0)), 0.3)
    assert "forward_collision" not in car.begun
    car.watch(thing(3.7 + 2.25 + 18.0, 0.0, (5.0, 0.0)), 0.5)
    assert "forward_collision" in car.begun
    assert car.level is SafetyLevel.DANGER


def test_oncoming_traffic_on_its_own_lane_is_clear() -> None:
    car = Car(15.0)
    car.watch(thing(60.0, 3.8, (-15.0, 0.0)), 2.5)
    assert car.begun == set()
    assert car.level is SafetyLevel.CLEAR


def test_who_crosses_behind_while_the_car_backs_is_cross_traffic() -> None:
    for speed_mps, told in ((-0.8, True), (0.0, True), (8.0, False)):
        car = Car(speed_mps)
        car.watch(thing(-3.0, 4.5, (speed_mps, -2.0), label="bicycle", size=(1.8, 0.6)), 0.6)
        assert ("cross_traffic_behind" in car.begun) is told
        assert ("cross_traffic_ahead" in car.begun) is False


def test_who_crosses_before_a_slow_car_is_cross_traffic() -> None:
    car = Car(3.0)
    car.watch(thing(11.0, 4.0, (0.0, -1.5), label="person", size=(0.5, 0.5)), 0.6)
    assert "cross_traffic_ahead" in car.begun


def test_what_stands_behind_a_backing_car_does_not_cross() -> None:
    for speed_mps in (-0.5, -1.5):
        for aside_mps, told in ((0.0, False), (0.02, False), (-0.9, True)):
            car = Car(speed_mps)
            post = thing(-4.5, 1.0, (0.0, aside_mps), label="unknown", size=(0.3, 0.3))
            car.watch(post, 0.8)
            assert ("cross_traffic_behind" in car.begun) is told


def test_what_stands_behind_a_backing_car_is_a_danger() -> None:
    car = Car(-0.5)
    car.watch(thing(-2.6, 0.0, (0.0, 0.0), label="unknown", size=(0.4, 0.4)), 1.0)
    assert "object_behind" in car.begun
    assert car.level is SafetyLevel.DANGER


def test_a_near_echo_is_a_danger() -> None:
    car = Car(0.0)
    car.watch(thing(20.0, 8.0, (0.0, 0.0)), 0.2)
    for step in range(3):
        now_ns = round((car.now_s + 0.1 * step) * S)
        reading = RangeReading(0.35, 0.1, 5.0, 0.5, now_ns, "rear_1")
        car.begun |= {e.rule for e in car.monitor.hear_range("rear_1", reading, now_ns)}
    assert "near_field" in car.begun

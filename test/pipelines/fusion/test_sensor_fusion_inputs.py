"""All sensors into one fusion: own clocks and places, order of arrival, bad input."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import numpy as np
import pytest

from edge_mm_ros.datatypes import (
    CameraCalibration,
    Detections,
    ImuReading,
    InvalidInput,
    LaserScan,
    Object3D,
    Objects,
    Odometry,
    PointCloud,
    RadarScan,
    RangeReading,
    RigidTransform,
)
from edge_mm_ros.params.mounting import BODY_FROM_OPTICAL
from edge_mm_ros.params.sensor_fusion import SensorFusionParams
from edge_mm_ros.pipelines.fusion import Arrival, Measured, SensorFusion

MS = 1_000_000
HERE = RigidTransform.from_xyz_rpy((0.0, 0.0, 1.0), (0.0, 0.0, 0.0))
LOW = RigidTransform.from_xyz_rpy((0.0, 0.0, 0.3), (0.0, 0.0, 0.0))
OPTICAL = HERE @ BODY_FROM_OPTICAL
CALIBRATION = CameraCalibration(
    640, 480, np.array([[500.0, 0, 320], [0, 500.0, 240], [0, 0, 1]]), "", np.zeros(0), "optical"
)
Step = Callable[[SensorFusion], Any]


def fusion(**changes: Any) -> tuple[SensorFusion, list[tuple[str, str]]]:
    values: dict[str, Any] = {
        "cameras": ("camera",),
        "lidars": ("lidar",),
        "radars": ("radar",),
        "lasers": ("laser",),
        "ultrasonics": ("sonar",),
        **changes,
    }
    notices: list[tuple[str, str]] = []
    made = SensorFusion(
        SensorFusionParams(**values), lambda topic, error: notices.append((topic, error.kind))
    )
    made.set_calibration("camera", CALIBRATION, 0)
    return made, notices


def post(x: float, y: float = 0.0) -> Any:
    """A post 0.4 m wide and 1.6 m tall, as a LiDAR 1 m above the ground sees its front."""
    grid = np.mgrid[-0.2:0.21:0.1, -0.8:0.61:0.1].reshape(2, -1).T
    return np.column_stack([np.full(len(grid), x), grid[:, 0] + y, grid[:, 1]]).astype(np.float32)


def cloud(points: Any, stamp_ms: float) -> PointCloud:
    return PointCloud(np.asarray(points, np.float32).reshape(-1, 3), round(stamp_ms * MS), "lidar")


def echo(range_m: float, stamp_ms: float) -> RangeReading:
    return RangeReading(range_m, 0.2, 4.0, 0.6, round(stamp_ms * MS), "sonar")


def radar(x: float, doppler: float, stamp_ms: float) -> RadarScan:
    one = np.array([x]), np.zeros(1), np.zeros(1), np.array([doppler]), np.array([-20.0])
    return RadarScan(*one, round(stamp_ms * MS), "radar")


def laser(x: float, stamp_ms: float) -> LaserScan:
    """A thing 0.6 m wide at x."""
    angles = np.linspace(-0.5, 0.5, 101)
    hit = np.abs(x * np.tan(angles)) <= 0.3
    ranges = np.where(hit, x / np.cos(angles), np.inf).astype(np.float32)
    return LaserScan(ranges, -0.5, 0.01, 0.1, 20.0, round(stamp_ms * MS), "laser")


def picture(ahead_m: float | None, stamp_ms: float, label: str = "person") -> Detections:
    """A person 1.6 m tall and 0.5 m wide, or nobody."""
    boxes = np.zeros((0, 4), np.float32)
    if ahead_m is not None:
        side, up, down = 125 / ahead_m, 300 / ahead_m, 500 / ahead_m
        boxes = np.array([[320 - side, 240 - up, 320 + side, 240 + down]], np.float32)
    scores = np.full(len(boxes), 0.9, np.float32)
    return Detections(boxes, scores, (label,) * len(boxes), round(stamp_ms * MS), "optical")


def odometry(stamp_ms: float, x: float, speed: float = 1.0, yaw: float = 0.0) -> Odometry:
    return Odometry(
        RigidTransform.from_xyz_rpy((x, 0.0, 0.0), (0.0, 0.0, yaw)),
        np.array([speed, 0.0, 0.0]),
        np.zeros(3),
        np.eye(6),
        np.eye(6),
        round(stamp_ms * MS),
        "odom",
        "base_link",
    )


def told(objects: Objects) -> list[tuple[Any, ...]]:
    return [
        (item.track_id, item.label, item.position_m.tobytes(), item.covariance_m2.tobytes())
        for item in objects.objects
    ]


def only(objects: Objects) -> Object3D:
    (item,) = objects.objects
    return item


@pytest.mark.parametrize(
    ("measure", "source", "ahead_m"),
    [
        (lambda f, ms: f.add_cloud("lidar", cloud(post(5.0), ms), HERE), "lidar:lidar", 5.2),
        (lambda f, ms: f.add_scan("laser", laser(5.0, ms), LOW), "laser:laser", 5.25),
        (lambda f, ms: f.add_radar("radar", radar(5.0, 0.0, ms), HERE), "radar:radar", 5.2),
        (lambda f, ms: f.add_range("sonar", echo(2.0, ms), LOW), "ultrasonic:sonar", 2.1),
    ],
)
def test_what_no_camera_names_becomes_an_unknown_object_after_three_measurements(
    measure: Callable[[SensorFusion, float], Any], source: str, ahead_m: float
) -> None:
    fused, _ = fusion()
    assert len(measure(fused, 0).objects) == 0  # once may be a false echo
    measure(fused, 100)
    thing = only(measure(fused, 200).objects)
    assert (thing.label, thing.sources) == ("unknown", (source,))
    assert thing.position_m[:2] == pytest.approx([ahead_m, 0.0], abs=0.15)
    sigma = np.sqrt(np.diag(thing.covariance_m2))
    assert np.all((sigma > 0.02) & (sigma < 1.0))


def test_a_single_echo_is_never_told() -> None:
    fused, _ = fusion()
    fused.add_radar("radar", radar(5.0, 2.0, 0), HERE)
    for step in range(1, 20):
        empty = radar(95.0, 0.0, 66 * step)
        assert len(fused.add_radar("radar", empty, HERE).objects) == 0


def test_the_camera_gives_the_class_and_no_other_sensor_takes_it_away() -> None:
    fused, _ = fusion(lidars=(), lasers=())
    for step in range(5):
        fused.fuse("camera", picture(6.0, 100 * step), OPTICAL)
        found = fused.add_radar("radar", radar(6.0, 0.0, 100 * step + 50), HERE).objects
    assert set(only(found).sources) == {"camera:camera", "radar:radar"}
    for step in range(5, 30):  # the camera is gone, the radar goes on
        found = fused.add_radar("radar", radar(6.0, 0.0, 100 * step), HERE).objects
    assert (only(found).label, only(found).sources) == ("person", ("radar:radar",))


def test_what_the_others_found_takes_the_camera_s_class_and_keeps_its_id() -> None:
    fused, _ = fusion()
    for step in range(5):
        before = fused.add_cloud("lidar", cloud(post(6.0), 100 * step), HERE).objects
    found = fused.fuse("camera", picture(6.0, 420), OPTICAL).objects
    assert only(before).label == "unknown"
    assert (only(found).label, only(found).track_id) == ("person", only(before).track_id)


def test_the_radar_s_doppler_is_known_at_once_as_a_velocity() -> None:
    fused, _ = fusion()
    for step in range(4):
        found = fused.add_radar("radar", radar(8.0 - 0.2 * step, -2.0, 100 * step), HERE).objects
    velocity = only(found).velocity_mps
    assert velocity is not None
    assert velocity[0] == pytest.approx(-2.0, abs=0.25)


def test_from_a_moving_robot_a_standing_thing_stands() -> None:
    fused, _ = fusion(odometry="odom", obstacles={"ahead_m": 20.0})
    for step in range(10):
        fused.add_odometry(odometry(100 * step, 0.5 * step, speed=5.0))
        found = fused.add_radar("radar", radar(12.0 - 0.5 * step, -5.0, 100 * step), HERE).objects
    thing = only(found)
    assert thing.velocity_mps == pytest.approx(np.zeros(3), abs=0.15)
    assert thing.position_m[0] == pytest.approx(12.2 - 4.5, abs=0.2)


def test_an_imu_alone_keeps_objects_in_place_while_the_robot_turns() -> None:
    def run(imu: str) -> float:
        fused, _ = fusion(imu=imu)
        for step in range(41):
            yaw = 1.0 * 0.05 * step  # 1 rad/s
            reading = ImuReading(np.array([0.0, 0.0, 1.0]), 50 * step * MS, "imu")
            if imu:
                fused.add_imu(reading, HERE)
            at = RigidTransform.from_xyz_rpy((0.0, 0.0, 0.0), (0.0, 0.0, -yaw))
            points = at.apply(post(3.0, 0.0))
            found = fused.add_cloud("lidar", cloud(points, 50 * step), HERE).objects
        thing = max(found.objects, key=lambda item: len(item.sources))
        assert thing.velocity_mps is not None
        return float(np.hypot(*thing.velocity_mps[:2]))

    # Without it the post seems to circle around the robot at 3 m/s.
    assert run("imu") < 0.3
    assert run("") > 1.5


def test_a_sensor_s_clock_offset_is_taken_away() -> None:
    late, _ = fusion(sensor_timing={"radar": {"time_offset_s": 0.25}})
    exact, _ = fusion()
    for step in range(4):
        one = late.add_radar("radar", radar(8.0, 0.0, 1000 + 100 * step + 250), HERE).objects
        other = exact.add_radar("radar", radar(8.0, 0.0, 1000 + 100 * step), HERE).objects
    assert one.stamp_ns == other.stamp_ns == 1300 * MS
    assert told(one) == told(other)


def scene() -> list[tuple[float, Step]]:
    """A second of all sensors around a robot that drives: capture time in ms and the call."""
    steps: list[tuple[float, Step]] = []

    def add(stamp_ms: float, call: Step) -> None:
        steps.append((stamp_ms, call))

    for step in range(10):
        t, gone = 1000.0 + 100 * step, 0.05 * step
        ahead = 7.0 - gone
        add(t, lambda f, t=t, g=gone: f.add_odometry(odometry(t, g, 0.5)))
        add(t + 50, lambda f, t=t, g=gone: f.add_odometry(odometry(t + 50, g + 0.025, 0.5)))
        add(t, lambda f, t=t, a=ahead: f.fuse("camera", picture(a, t), OPTICAL))
        side = post(4.0 - gone, 2.0)
        add(t + 20, lambda f, t=t, s=side: f.add_cloud("lidar", cloud(s, t + 20), HERE))
        add(t + 40, lambda f, t=t, a=ahead: f.add_radar("radar", radar(a, -0.5, t + 40), HERE))
        add(t + 60, lambda f, t=t: f.add_range("sonar", echo(2.0, t + 60), LOW))
    return steps


def is_of(method: str, step: tuple[float, Step]) -> bool:
    return method in step[1].__code__.co_names


def play(order: Sequence[tuple[float, Step]]) -> Objects:
    fused, _ = fusion(odometry="odom")
    # The own motion first: how far it must be extrapolated is a matter of what has come by then.
    motion = sorted((one for one in order if is_of("add_odometry", one)), key=lambda one: one[0])
    for _, call in motion:
        call(fused)
    for _, call in [one for one in order if not is_of("add_odometry", one)]:
        found = call(fused)
    return found.objects


@pytest.mark.parametrize("seed", range(3))
def test_the_order_of_arrival_within_the_horizon_changes_nothing(seed: int) -> None:
    """Must show 6: nothing depends on when a measurement comes, only on its stamp."""
    steps = sorted(scene(), key=lambda one: one[0])
    delays_ms = np.random.default_rng(seed).uniform(0.0, 400.0, len(steps))
    arrivals = [stamp + delay for (stamp, _), delay in zip(steps, delays_ms, strict=True)]
    shuffled = [steps[index] for index in np.argsort(arrivals)]
    ordered, mixed = play(steps), play(shuffled)
    assert len(ordered) == 3
    places = sorted(item.position_m.tobytes() for item in ordered.objects)
    assert places == sorted(item.position_m.tobytes() for item in mixed.objects)


def test_a_delay_of_200_ms_of_one_sensor_changes_the_tracks_by_less_than_their_noise() -> None:
    """Must show 5, for every sensor in turn."""
    steps = sorted(scene(), key=lambda one: one[0])
    on_time = play(steps)
    for sensor in ("fuse", "add_cloud", "add_radar", "add_range"):
        late = [
            (stamp + (200.0 if is_of(sensor, (stamp, call)) else 0.0), call)
            for stamp, call in steps
        ]
        delayed = play(sorted(late, key=lambda one: one[0]))
        assert len(delayed) == len(on_time)
        for item in on_time.objects:
            other = min(
                delayed.objects,
                key=lambda one: float(np.linalg.norm(one.position_m - item.position_m)),
            )
            gap = float(np.hypot(*(other.position_m - item.position_m)[:2]))
            assert gap <= math.sqrt(float(item.covariance_m2[:2, :2].trace()))


def test_what_is_too_late_is_named_and_changes_nothing() -> None:
    fused, _ = fusion()
    for step in range(3):
        before = fused.add_range("sonar", echo(2.0, 5000 + 100 * step), LOW).objects
    with pytest.raises(InvalidInput) as raised:
        fused.add_radar("radar", radar(5.0, 0.0, 4500), HERE)
    assert raised.value.kind == "late"
    assert told(fused.add_range("sonar", echo(2.0, 5200), LOW).objects) == told(before)


def test_one_sensor_whose_stamps_jump_back_does_not_forget_what_the_others_follow() -> None:
    fused, notices = fusion()
    for step in range(5):
        fused.add_range("sonar", echo(2.0, 9_000 + 100 * step), LOW)
        fused.add_cloud("lidar", cloud(post(5.0), 9_000 + 100 * step), HERE)
        fused.add_radar("radar", radar(7.0, 0.0, 9_000 + 100 * step), HERE)
    with pytest.raises(InvalidInput, match="before the newest ones"):
        fused.add_radar("radar", radar(7.0, 0.0, 1_000), HERE)
    assert notices == [("radar/scan", "stamp_jump")]
    assert len(fused.add_cloud("lidar", cloud(post(5.0), 9_500), HERE).objects) == 3


def test_a_recording_that_begins_again_begins_anew() -> None:
    fused, _ = fusion()
    for begin in (9_000, 1_000):
        for step in range(5):
            for call in (
                lambda t: fused.add_range("sonar", echo(2.0, t), LOW),
                lambda t: fused.add_radar("radar", radar(7.0, 0.0, t), HERE),
            ):
                with suppress(InvalidInput):  # the first to begin again is late
                    found = call(begin + 100 * step).objects
    assert found.stamp_ns == 1_400 * MS
    assert len(found) == 2


def test_empty_and_giant_clouds(monkeypatch: pytest.MonkeyPatch) -> None:
    fused, notices = fusion(max_cloud_points=1000)
    assert len(fused.add_cloud("lidar", cloud([], 0), HERE).objects) == 0
    rng = np.random.default_rng(0)
    giant = np.vstack([post(5.0)] * 400 + [rng.uniform(-60, 60, (20_000, 3))])
    for step in range(3):
        found = fused.add_cloud("lidar", cloud(giant, 100 * step), HERE).objects
    assert set(notices) == {("lidar/points", "giant_cloud")}
    assert any(abs(item.position_m[0] - 5.2) < 0.3 for item in found.objects)


def test_points_and_echoes_beyond_all_measure_make_no_object_at_the_origin() -> None:
    fused, _ = fusion()
    wild = np.array([[1e30, 0, 0], [-1e30, 1e30, 0], [0, 0, 3e38]] * 10, np.float32)
    for step in range(5):
        assert len(fused.add_cloud("lidar", cloud(wild, 100 * step), HERE).objects) == 0
        far = radar(1e5, 1e3, 100 * step + 50)
        assert len(fused.add_radar("radar", far, HERE).objects) == 0


@pytest.mark.parametrize(
    "box",
    [
        (700.0, 10.0, 800.0, 90.0),
        (10.0, 10.0, 10.0, 90.0),
        (10.0, 90.0, 50.0, 90.0),
        (math.nan, 0.0, 50.0, 90.0),
        (0.0, 0.0, math.inf, 90.0),
        (50.0, 90.0, 10.0, 10.0),
    ],
)
def test_a_box_that_is_none_is_named_and_gives_no_object(box: tuple[float, ...]) -> None:
    fused, _ = fusion()
    spoilt = Detections(
        np.array([box], np.float32), np.array([0.9], np.float32), ("person",), MS, "optical"
    )
    result = fused.fuse("camera", spoilt, OPTICAL)
    assert [error.kind for error in result.refused] == ["box"]
    assert len(result.objects) == 0


def test_every_arrival_is_shown_and_may_be_refused_before_it_is_used() -> None:
    arrivals: list[tuple[str, str, int]] = []
    measured: list[Measured] = []

    def arrive(arrival: Arrival) -> None:
        arrivals.append((arrival.kind, arrival.sensor, arrival.stamp_ns))
        if arrival.kind == "radar":
            raise InvalidInput("frozen", "no")

    params = SensorFusionParams(
        cameras=("camera",), lidars=("lidar",), radars=("radar",), odometry="odom", imu="imu"
    )
    fused = SensorFusion(params, on_arrival=arrive, on_measured=measured.append)
    fused.set_calibration("camera", CALIBRATION, 0)
    fused.add_odometry(odometry(0, 3.0))
    fused.add_imu(ImuReading(np.zeros(3), 1 * MS, "imu"), HERE)
    fused.add_cloud("lidar", cloud(post(5.0), 2), HERE)
    with pytest.raises(InvalidInput, match="no"):
        fused.add_radar("radar", radar(5.0, 0.0, 3), HERE)
    fused.fuse("camera", picture(5.0, 4), OPTICAL)
    assert arrivals == [
        ("odometry", "odom", 0),
        ("imu", "imu", 1 * MS),
        ("lidar", "lidar", 2 * MS),
        ("radar", "radar", 3 * MS),
        ("camera", "camera", 4 * MS),
    ]
    assert [one.scan.sensor for one in measured] == ["lidar:lidar", "camera:camera"]
    pose = measured[0].fixed_from_robot
    assert pose is not None
    assert pose.translation_m[0] == pytest.approx(3.002, abs=1e-6)
    assert measured[0].scan.measurements[0].position_m[0] == pytest.approx(8.2, abs=0.1)


def test_a_sensor_that_is_not_usable_places_nothing() -> None:
    params = SensorFusionParams(cameras=("camera",), lidars=("lidar",))
    fused = SensorFusion(params, usable=lambda kind, sensor: (kind, sensor) != ("lidar", "lidar"))
    fused.set_calibration("camera", CALIBRATION, 0)
    fused.add_cloud("lidar", cloud(post(5.0), 0), HERE)
    result = fused.fuse("camera", picture(5.0, 0), OPTICAL)
    assert result.clouds == {"lidar": None}
    assert result.placed == (("camera:camera",),)


def test_a_laser_scan_places_what_the_camera_sees() -> None:
    fused, _ = fusion(lidars=())
    fused.add_scan("laser", laser(5.0, 0), LOW)
    found = fused.fuse("camera", picture(5.0, 20), OPTICAL)
    assert found.placed == (("camera:camera", "laser:laser"),)
    assert only(found.objects).position_m[0] == pytest.approx(5.25, abs=0.15)


@pytest.mark.parametrize("late_ms", [5.0, 150.0])
def test_a_cloud_that_comes_after_its_picture_places_it_as_if_it_had_come_before(
    late_ms: float,
) -> None:
    def run(delay_ms: float) -> Objects:
        fused, _ = fusion()
        steps: list[tuple[float, Step]] = []
        for step in range(6):
            t = 1000.0 + 100 * step
            seen = picture(5.0, t)
            near = cloud(post(5.0), t + 20)
            steps.append((t + 90, lambda f, s=seen: f.fuse("camera", s, OPTICAL)))
            steps.append((t + 25 + delay_ms, lambda f, c=near: f.add_cloud("lidar", c, HERE)))
        for _, call in sorted(steps, key=lambda one: one[0]):
            call(fused)
        return fused.add_range("sonar", echo(math.inf, 1_900), LOW).objects

    before, after = run(0.0), run(65.0 + late_ms)
    assert told(after) == told(before)

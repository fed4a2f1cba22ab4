"""The figures of the fusion: their bars, what they are compared with, and a short scene."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from edge_mm_ros.bench import fusion
from edge_mm_ros.bench.scene_play import delayed, fusion_params, play
from edge_mm_ros.bench.sort_baseline import ProjectAndSort, Projected, SortTracker, project
from edge_mm_ros.datatypes import CameraCalibration, Detections, PointCloud, RigidTransform
from edge_mm_ros.params.mounting import BODY_FROM_OPTICAL
from edge_mm_ros.params.scenario import load_scenario
from edge_mm_ros.pipelines.evaluation import EvaluationSettings, Score, frames_of, score
from edge_mm_ros.pipelines.fusion.projection import CameraProjection
from edge_mm_ros.pipelines.simulation import Record, Simulator

START_NS = 1_700_000_000_000_000_000
K = np.array([[500.0, 0.0, 320.0], [0.0, 500.0, 240.0], [0.0, 0.0, 1.0]])
CALIBRATION = CameraCalibration(640, 480, K, "", np.zeros(0), "optical")
PLACE = RigidTransform(np.eye(3), np.array([0.0, 0.0, 1.0])) @ BODY_FROM_OPTICAL


@pytest.fixture(scope="module")
def short() -> fusion.Outcome:
    """One and a half seconds of people who cross the robot's way."""
    scenario = load_scenario("crossing_pedestrians").model_copy(update={"duration_s": 1.5})
    played = play(scenario, Simulator(scenario, 0).records())
    settings = EvaluationSettings()

    def scored(estimates: list) -> Score:  # type: ignore[type-arg]
        return score(frames_of(played.truths, estimates, settings, played.odometry), settings)

    fused, compared = scored(played.estimates), scored(played.baseline)
    return fusion.Outcome("crossing_pedestrians", 0, fused, compared, (), (1.0,))


TIMES = fusion.Times((2.0,) * 10, (10.0,) * 10, (20.0,) * 10)


def missed(outcome: fusion.Outcome, times: fusion.Times = TIMES, **late: object) -> set[str]:
    values = {"apart_m": 0.01, "in_sigmas": 0.1, "fewer": 0} | late
    one = fusion.Late("occlusion", "camera", **values)  # type: ignore[arg-type]
    return {bar.name for bar in fusion.result([outcome], [one], times).bars if not bar.ok}


def good(outcome: fusion.Outcome) -> fusion.Outcome:
    consistency = replace(outcome.fused.consistency, inside_share=0.95)
    fused = replace(outcome.fused, consistency=consistency, velocity_rms_mps=0.2)
    return replace(outcome, fused=fused)


def test_a_short_scene_is_followed(short: fusion.Outcome) -> None:
    assert short.fused.clear.switches == 0
    assert short.fused.position_rms_m < 0.15
    assert not short.fused.never_found


def test_each_promise_can_be_broken(short: fusion.Outcome) -> None:
    fine = good(short)
    assert missed(fine) == set()
    worse = replace(fine.fused.clear, switches=1)
    assert missed(replace(fine, fused=replace(fine.fused, clear=worse))) == {
        "crossing_pedestrians: id switches, all seeds"
    }
    far = replace(fine, fused=replace(fine.fused, position_rms_m=0.16, velocity_rms_mps=0.26))
    assert missed(far) == {
        "crossing_pedestrians: position error, RMS",
        "crossing_pedestrians: velocity error after 1 s, RMS",
    }
    what = "all scenarios: truth inside the 95 % ellipse"
    for share, name in ((0.89, what), (0.995, f"{what}, not too many")):
        told = replace(fine.fused.consistency, inside_share=share)
        assert missed(replace(fine, fused=replace(fine.fused, consistency=told))) == {name}
    late = "occlusion: final tracks with camera 200 ms late"
    assert missed(fine, in_sigmas=1.1) == {f"{late}, apart"}
    for fewer in (1, -1):
        assert missed(fine, fewer=fewer) == {f"{late}, more or fewer"}
    slow = fusion.Times((3.1,) * 10, (15.1,) * 10, (50.0,) * 10)
    assert len(missed(fine, slow)) == 3


def test_a_crowd_may_lose_nobody_and_change_one_id_a_minute(short: fusion.Outcome) -> None:
    clear = replace(short.fused.clear, switches=1)
    crowd = good(replace(short, scenario="crowd"))
    once = replace(crowd, fused=replace(crowd.fused, clear=clear, duration_s=60.0))
    assert missed(once) == set()
    sooner = replace(once, fused=replace(once.fused, duration_s=59.0))
    assert missed(replace(sooner, lost=("person_01",))) == {
        "crowd: id switches",
        "crowd: persons lost, all seeds",
    }


def test_a_late_sensor_alone_is_late() -> None:
    records = [
        Record(topic, START_NS + ns, START_NS + ns, ())
        for ns, topic in enumerate(("camera/detections", "lidar/points", "camera_two/detections"))
    ]
    arrived = delayed(records, "camera", 0.2)
    assert [one.topic for one in arrived] == [
        "lidar/points",
        "camera_two/detections",
        "camera/detections",
    ]


@pytest.mark.parametrize("name", ["crowd", "parking"])
def test_the_shipped_systems_have_the_scenarios_sensors(name: str) -> None:
    scenario = load_scenario(name)
    params = fusion_params(scenario)
    listed = {*params.cameras, *params.lidars, *params.radars, *params.ultrasonics}
    there = {one.name for one in scenario.sensors if one.kind != "odometry"}
    assert listed == there
    for sensor in scenario.sensors:
        if sensor.kind in ("lidar", "radar", "ultrasonic"):
            pose = params.mounting(sensor.kind, sensor.name)
            assert pose is not None
            assert np.allclose(pose.translation_m, sensor.place.xyz_m)
            assert np.allclose(pose.rotation, sensor.place.pose().rotation)


def test_the_same_records_give_the_same_tracks_every_time() -> None:
    scenario = load_scenario("occlusion").model_copy(update={"duration_s": 1.0})
    records = list(Simulator(scenario, 1).records())

    def told() -> list[tuple[str, bytes, bytes]]:
        return [
            (item.track_id, item.position_m.tobytes(), item.covariance_m2.tobytes())
            for estimate in play(scenario, records, baseline=False).estimates
            for item in estimate.objects.objects
        ]

    assert told() == told()


def detections(stamp_ns: int, *boxes: tuple[float, float, float, float]) -> Detections:
    scores = np.full(len(boxes), 0.8, np.float32)
    table = np.array(boxes, np.float32).reshape(-1, 4)
    return Detections(table, scores, ("person",) * len(boxes), stamp_ns, "optical")


def test_the_plain_projection_takes_the_median_depth_or_the_foot() -> None:
    lens = CameraProjection(CALIBRATION)
    box = (300.0, 200.0, 340.0, 340.0)
    (foot,) = project(detections(0, box), lens, PLACE, None)
    # 1 m above the ground, 100 pixels below the horizon at f = 500: 5 m ahead.
    assert foot.place_m[:2] == pytest.approx([5.0, 0.0], abs=1e-6)
    points = np.array([[x, 0.0, 1.0] for x in (3.0, 4.0, 4.0, 4.1, 9.0)], np.float32)
    cloud = PointCloud(points, 0, "lidar")
    (by_points,) = project(detections(0, box), lens, PLACE, (cloud, RigidTransform.identity()))
    assert by_points.place_m[0] == pytest.approx(4.0, abs=1e-6)


def test_the_plain_tracker_tells_from_the_third_hit_and_forgets_after_a_miss() -> None:
    tracker = SortTracker()
    for step in range(4):
        tracker.update([], START_NS + step * 100_000_000, "odom")
    told = []
    for step in range(4, 16):
        there = [] if step in (9, 12, 13) else [Projected(np.array([5.0, 0.0, 0.9]), "person", 0.8)]
        objects = tracker.update(there, START_NS + step * 100_000_000, "odom").objects
        told.append([item.track_id for item in objects])
    assert told == [[], [], ["1"], ["1"], ["1"], [], ["1"], ["1"], [], [], [], []]


def test_the_plain_tracker_follows_in_the_frame_of_the_odometry() -> None:
    follower = ProjectAndSort("base_link")
    follower.set_calibration("front", CALIBRATION)
    objects = follower.track("front", detections(0, (300.0, 200.0, 340.0, 340.0)), PLACE)
    assert objects.frame_id == "base_link"
    assert objects.objects[0].position_m[:2] == pytest.approx([5.0, 0.0], abs=1e-6)

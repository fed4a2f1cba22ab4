"""From detections to the event of a fall: what following the objects costs in time."""

from __future__ import annotations

import numpy as np
import pytest

from edge_mm_ros.datatypes import CameraCalibration, Detections, EventPhase, SafetyEvent
from edge_mm_ros.params.safety_rules import SafetyRules
from edge_mm_ros.params.sensor_fusion import SensorFusionParams
from edge_mm_ros.pipelines.fusion import SensorFusion
from edge_mm_ros.pipelines.monitoring import SafetyMonitor

START_NS = 1_700_000_000_000_000_000
K = np.array([[500.0, 0.0, 320.0], [0.0, 500.0, 240.0], [0.0, 0.0, 1.0]])
STANDING = (295.0, 227.5, 345.0, 357.5)
LYING = (250.0, 320.0, 390.0, 357.5)
PARAMS = SensorFusionParams(
    cameras=("front",),
    camera_mounting={"front": {"xyz_m": (0.0, 0.0, 1.7), "rpy_rad": (0.0, 0.0, 0.0)}},
)
# As in config/rules/safety_monitor.yaml.
RULES = SafetyRules.model_validate(
    {
        "robot_frame": "base_link",
        "rules": [
            {
                "name": "person_fallen",
                "kind": "fallen",
                "labels": ["Fall"],
                "minimum_score": 0.45,
                "window_s": 1.0,
                "minimum_share": 0.5,
                "enter_after_frames": 5,
                "leave_after_s": 2.0,
            }
        ],
    }
)


def events(pictures: str) -> list[tuple[float, SafetyEvent]]:
    """Events, and when, of a person in one picture each 0.1 s.

    Args:
        pictures: of each picture N for standing, F for lying, and - where nobody is detected.
    """
    fusion, monitor = SensorFusion(PARAMS), SafetyMonitor(RULES, ("front",), ())
    fusion.set_calibration("front", CameraCalibration(640, 480, K, "", np.zeros(0), "optical"), 0)
    place = PARAMS.camera_mounting["front"].robot_from_optical()
    assert place is not None
    found = []
    for index, letter in enumerate(pictures):
        stamp_ns = START_NS + index * 100_000_000
        boxes = {"N": [STANDING], "F": [LYING], "-": []}[letter]
        detections = Detections(
            np.array(boxes, np.float32).reshape(-1, 4),
            np.full(len(boxes), 0.7, np.float32),
            ("Fall" if letter == "F" else "Normal",) * len(boxes),
            stamp_ns,
            "optical",
        )
        objects = fusion.fuse("front", detections, place).objects
        found += [(0.1 * index, event) for event in monitor.hear_objects(objects, stamp_ns)]
    return [(at_s, event) for at_s, event in found if event.rule == "person_fallen"]


def test_a_fall_is_an_event_within_the_rule_s_time_and_three_pictures() -> None:
    (at_s, event), *_ = events("N" * 30 + "F" * 20)
    assert event.phase is EventPhase.STARTED
    # The rule alone needs 5 pictures: 3.4 s.
    assert 3.4 <= at_s <= 3.7
    assert event.track_id == "1"


def test_a_fall_that_every_other_picture_shows_is_an_event() -> None:
    (at_s, event), *_ = events("N" * 30 + "FN" * 15)
    assert event.phase is EventPhase.STARTED
    assert at_s <= 4.5


@pytest.mark.parametrize("pictures", ["N" * 30 + "F" + "N" * 20, ("N" * 9 + "F") * 5])
def test_single_wrong_pictures_are_none(pictures: str) -> None:
    assert events(pictures) == []


def test_a_flash_that_is_then_only_predicted_is_none() -> None:
    assert events("N" * 30 + "FF" + "-" * 30) == []

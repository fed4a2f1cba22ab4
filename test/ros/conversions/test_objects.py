"""Objects as messages and back, their sources, and markers."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_array_equal

pytest.importorskip("vision_msgs")

from vision_msgs.msg import Detection3D, ObjectHypothesis, ObjectHypothesisWithPose

from edge_mm_ros.datatypes import InvalidInput, Object3D, Objects
from edge_mm_ros.ros.conversions.objects import (
    objects_from_msg,
    objects_to_msg,
    sources_to_msg,
)
from edge_mm_ros.ros.conversions.velocities import velocities_from_msg

STAMP_NS = 1_700_000_000_000_000_001


def some_objects() -> Objects:
    covariance = np.array([[0.04, 0.01, 0.0], [0.01, 0.09, 0.002], [0.0, 0.002, 0.16]])
    return Objects(
        (
            Object3D(
                "7",
                "Normal",
                0.75,
                np.array([3.0, 4.0, 0.9]),
                np.array([0.4, 0.6, 1.8]),
                covariance,
                ("camera:front", "lidar:top"),
            ),
            Object3D(
                "8",
                "Fall",
                0.5,
                np.array([6.0, -1.0, 0.2]),
                np.ones(3),
                np.eye(3),
                ("camera:front",),
            ),
        ),
        STAMP_NS,
        "base_link",
    )


def test_objects_come_back_but_for_their_sources() -> None:
    objects = some_objects()
    back = objects_from_msg(objects_to_msg(objects))
    assert (back.stamp_ns, back.frame_id) == (STAMP_NS, "base_link")
    for given, found in zip(objects.objects, back.objects, strict=True):
        assert (found.track_id, found.label, found.score) == (
            given.track_id,
            given.label,
            given.score,
        )
        assert_array_equal(found.position_m, given.position_m)
        assert_array_equal(found.size_m, given.size_m)
        assert_array_equal(found.covariance_m2, given.covariance_m2)
        assert found.sources == ()


def test_the_message_says_what_others_expect() -> None:
    message = objects_to_msg(some_objects())
    first = message.detections[0]
    assert first.header == message.header
    assert first.id == "7"
    assert first.bbox.center.position.x == 3.0
    assert first.bbox.center.orientation.w == 1.0
    assert first.bbox.size.z == 1.8
    pose = first.results[0].pose
    assert pose.pose == first.bbox.center
    assert pose.covariance[1] == 0.01
    assert pose.covariance[35] == pytest.approx(math.pi**2)


def test_an_object_without_a_class_or_a_place_is_refused() -> None:
    message = objects_to_msg(some_objects())
    message.detections.append(Detection3D())
    with pytest.raises(InvalidInput, match="object 2 has no class") as raised:
        objects_from_msg(message)
    assert raised.value.kind == "no_hypothesis"
    message.detections[2].results = [
        ObjectHypothesisWithPose(hypothesis=ObjectHypothesis(class_id="a", score=math.nan))
    ]
    with pytest.raises(InvalidInput, match="object 2: its score"):
        objects_from_msg(message)
    message = objects_to_msg(some_objects())
    message.detections[0].bbox.center.position.x = math.nan
    with pytest.raises(InvalidInput, match="its place is not finite"):
        objects_from_msg(message)


def test_the_most_certain_class_counts() -> None:
    message = objects_to_msg(some_objects())
    message.detections[0].results.append(
        ObjectHypothesisWithPose(hypothesis=ObjectHypothesis(class_id="Car", score=0.9))
    )
    assert objects_from_msg(message).objects[0].label == "Car"


def test_sources_are_told_by_track() -> None:
    message = sources_to_msg(some_objects())
    assert message.header == objects_to_msg(some_objects()).header
    first, second = message.status
    assert (first.name, second.name) == ("7", "8")
    values = {pair.key: pair.value for pair in first.values}
    assert values["source"] == "camera+lidar"
    assert values["sensors"] == "camera:front,lidar:top"
    assert float(values["distance_m"]) == 5.0
    assert float(values["bearing_rad"]) == pytest.approx(math.atan2(4.0, 3.0), abs=1e-4)
    assert {pair.key: pair.value for pair in second.values}["source"] == "camera"


def test_velocities_are_told_beside_the_sources() -> None:
    objects = some_objects()
    first, second = objects.objects
    moving = replace(first, velocity_mps=np.array([1.25, -0.5, 0.0]))
    unseen = replace(second, sources=())
    message = sources_to_msg(replace(objects, objects=(moving, unseen)))
    velocities = velocities_from_msg(message)
    assert set(velocities) == {"7"}
    assert_array_equal(velocities["7"], [1.25, -0.5, 0.0])
    assert {p.key: p.value for p in message.status[1].values}["source"] == "prediction"

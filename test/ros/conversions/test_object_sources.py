"""The sensors and velocities of objects come back from the message beside them."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("diagnostic_msgs")
pytest.importorskip("vision_msgs")

from edge_mm_ros.datatypes import Object3D, Objects
from edge_mm_ros.ros.conversions.object_sources import sources_from_msg
from edge_mm_ros.ros.conversions.objects import objects_from_msg, objects_to_msg, sources_to_msg

SEEN, PREDICTED = ("camera:front", "lidar:top"), ()


def some() -> Objects:
    items = tuple(
        Object3D(track, "person", 0.5, np.ones(3), np.ones(3), np.eye(3), sources, velocity)
        for track, sources, velocity in (
            ("7", SEEN, np.array([1.5, -0.25, 0.0])),
            ("8", PREDICTED, None),
            ("", SEEN, np.zeros(3)),
            ("", PREDICTED, None),
        )
    )
    return Objects(items, 1_700_000_000_123_456_789, "base_link")


def test_what_the_message_of_objects_leaves_out_comes_back() -> None:
    bare = objects_from_msg(objects_to_msg(some()))
    sources = sources_from_msg(sources_to_msg(some()))
    assert sources.fits(bare)
    joined = sources.joined(bare)
    assert [item.sources for item in joined.objects] == [SEEN, PREDICTED, SEEN, PREDICTED]
    assert joined.objects[0].velocity_mps == pytest.approx([1.5, -0.25, 0.0])
    assert joined.objects[1].velocity_mps is None


def test_sources_of_other_objects_do_not_fit() -> None:
    bare = objects_from_msg(objects_to_msg(some()))
    message = sources_to_msg(some())
    message.status.reverse()
    assert not sources_from_msg(message).fits(bare)
    later = sources_to_msg(some())
    later.header.stamp.sec += 1
    assert not sources_from_msg(later).fits(bare)


def test_a_velocity_that_is_no_number_is_none() -> None:
    message = sources_to_msg(some())
    next(p for p in message.status[0].values if p.key == "velocity_x_mps").value = "fast"
    assert sources_from_msg(message).entries[0].velocity_mps is None

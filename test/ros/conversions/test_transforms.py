"""Where sensors are: tf where it is installed, the parameters else, never the origin."""

from __future__ import annotations

import importlib.util
import math
import sys
import types
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose

pytest.importorskip("rclpy")

from geometry_msgs.msg import Quaternion, Transform, TransformStamped, Vector3

from edge_mm_ros.datatypes import InvalidInput, RigidTransform
from edge_mm_ros.ros.conversions.transforms import TransformSource, transform_from_msg

CONFIGURED = RigidTransform(np.eye(3), np.array([1.0, 2.0, 3.0]))


def test_a_transform_message() -> None:
    half = math.sqrt(0.5)
    found = transform_from_msg(
        Transform(translation=Vector3(x=1.0), rotation=Quaternion(z=half, w=half))
    )
    assert_allclose(found.apply(np.array([2.0, 0.0, 5.0])), [1.0, 2.0, 5.0], atol=1e-12)


def test_a_transform_message_of_zeros_is_refused() -> None:
    with pytest.raises(InvalidInput, match="norm is 0"):
        transform_from_msg(Transform(rotation=Quaternion(w=0.0)))


class FakeTf2:
    """The part of `tf2_ros` that is used; knows one frame."""

    class TransformException(Exception):
        pass

    class Buffer:
        def __init__(self, node: Any = None) -> None:
            pass

        def lookup_transform(self, target: str, source: str, time: Any) -> TransformStamped:
            if source != "velodyne":
                raise FakeTf2.TransformException(f"'{source}' does not exist")
            assert target == "base_link"
            assert time.nanoseconds == 7
            found = TransformStamped()
            found.transform.translation.z = 9.0
            return found

    class TransformListener:
        stopped = 0

        def __init__(self, buffer: Any, node: Any) -> None:
            pass

        def unregister(self) -> None:
            FakeTf2.TransformListener.stopped += 1


@pytest.fixture
def with_tf(monkeypatch: pytest.MonkeyPatch) -> None:
    module = types.ModuleType("tf2_ros")
    for name in ("Buffer", "TransformListener", "TransformException"):
        setattr(module, name, getattr(FakeTf2, name))
    module.__spec__ = importlib.util.spec_from_loader("tf2_ros", None)
    monkeypatch.setitem(sys.modules, "tf2_ros", module)


@pytest.fixture
def without_tf(monkeypatch: pytest.MonkeyPatch) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "tf2_ros" else find(name)
    )


@pytest.mark.usefixtures("with_tf")
def test_tf_wins_over_the_parameters() -> None:
    source = TransformSource(None, "base_link")
    place = source.place("top", "velodyne", 7, CONFIGURED)
    assert_allclose(place.translation_m, [0.0, 0.0, 9.0])
    before = FakeTf2.TransformListener.stopped
    source.close()
    source.close()
    assert FakeTf2.TransformListener.stopped == before + 1


@pytest.mark.usefixtures("with_tf")
def test_what_tf_does_not_know_the_parameters_may() -> None:
    source = TransformSource(None, "base_link")
    assert source.place("top", "other", 7, CONFIGURED) is CONFIGURED
    with pytest.raises(InvalidInput, match=r"'top' \(frame 'other'\) in 'base_link'") as raised:
        source.place("top", "other", 7, None)
    assert raised.value.kind == "no_transform"
    assert "tf: 'other' does not exist" in str(raised.value)


@pytest.mark.usefixtures("with_tf")
def test_a_stamp_before_1970_is_refused_by_name() -> None:
    source = TransformSource(None, "base_link")
    with pytest.raises(InvalidInput, match="'top': stamp -1000000000 ns is before 1970") as raised:
        source.place("top", "velodyne", -(10**9), CONFIGURED)
    assert raised.value.kind == "stamp"


@pytest.mark.usefixtures("without_tf")
def test_without_tf_the_parameters_hold_and_nothing_is_made_up() -> None:
    source = TransformSource(None, "base_link")
    assert source.place("top", "velodyne", 7, CONFIGURED) is CONFIGURED
    with pytest.raises(InvalidInput, match="tf2_ros is not installed; its measurement is left out"):
        source.place("top", "velodyne", 7, None)

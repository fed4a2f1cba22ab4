"""What the tracker tells, in its own frame and in the robot's."""

from __future__ import annotations

import math

import numpy as np
from fakes.measured import measured, scan
from numpy.testing import assert_allclose

from edge_mm_ros.datatypes import RigidTransform
from edge_mm_ros.pipelines.tracking import Tracker
from edge_mm_ros.pipelines.tracking.tracked_objects import TrackedObjects


def walker() -> TrackedObjects:
    """Somebody who walks along x of the odometry frame."""
    tracker = Tracker()
    for index in range(30):
        found = tracker.update(scan(0.1 * index, measured((4.0 + 0.1 * index, 1.0))))
    return found


def test_it_is_a_sequence_of_objects() -> None:
    found = walker()
    assert len(found) == 1
    assert [item.track_id for item in found] == ["1"]
    assert_allclose(found[0].position_m, found.positions_m[0])
    assert found[0:1] == tuple(found)


def test_a_robot_that_faces_left_sees_along_its_own_axes() -> None:
    found = walker()
    turned = RigidTransform.from_xyz_rpy((1.0, 1.0, 0.0), (0.0, 0.0, math.pi / 2.0))
    (here,), (there,) = found.seen_from(None), found.seen_from(turned)
    # From (1, 1) with x to the left: what lies along x of the odometry is to the right.
    x, y, z = here.position_m
    assert_allclose(there.position_m, [y - 1.0, 1.0 - x, z], atol=1e-12)
    assert here.velocity_mps is not None
    assert there.velocity_mps is not None
    assert_allclose(there.velocity_mps, [0.0, -here.velocity_mps[0], 0.0], atol=0.02)
    variances = np.diag(here.covariance_m2)
    assert_allclose(np.diag(there.covariance_m2), variances[[1, 0, 2]], atol=1e-12)
    assert (there.track_id, there.label, there.sources) == ("1", here.label, here.sources)

"""Which pictures a cloud that comes late places better."""

from __future__ import annotations

import numpy as np

from edge_mm_ros.datatypes import Detections, RigidTransform
from edge_mm_ros.pipelines.fusion.arrivals import Arrival
from edge_mm_ros.pipelines.fusion.picture_log import PictureLog, PlacedPicture

MS = 1_000_000


def picture(stamp_ms: int, **offsets_s: float | None) -> PlacedPicture:
    seen = Detections(
        np.zeros((0, 4), np.float32), np.zeros(0, np.float32), (), stamp_ms * MS, "optical"
    )
    arrival = Arrival("camera", "front", seen.stamp_ns, seen, RigidTransform.identity())
    offsets = {f"lidar:{name}": offset for name, offset in offsets_s.items()}
    return PlacedPicture(arrival, seen, offsets, ())


def test_only_a_cloud_that_is_nearer_than_the_one_used_and_within_the_limit_gains() -> None:
    log = PictureLog()
    log.add(picture(1000, top=-0.05))
    log.add(picture(2000, top=None))

    def gains(source: str, stamp_ms: int) -> list[int]:
        found = log.that_gain_by(source, stamp_ms * MS, 0.1)
        return [one.arrival.stamp_ns // MS for one in found]

    assert gains("lidar:top", 1040) == [1000]
    assert gains("lidar:top", 1060) == []
    assert gains("lidar:top", 1950) == [2000]
    assert gains("lidar:top", 2101) == []
    assert gains("lidar:other", 1000) == []


def test_a_picture_that_was_placed_again_takes_its_own_place() -> None:
    log = PictureLog()
    first = picture(1000, top=None)
    log.add(first)
    log.add(PlacedPicture(first.arrival, first.detections, {"lidar:top": 0.01}, ()))
    assert log.that_gain_by("lidar:top", 1020 * MS, 0.1) == []
    assert len(log.that_gain_by("lidar:top", 1005 * MS, 0.1)) == 1

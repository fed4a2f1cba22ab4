"""One wrong stamp changes nothing; where most sensors begin anew, the tracks do."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from edge_mm_ros.datatypes import InvalidInput, PointCloud, RigidTransform
from edge_mm_ros.params.sensor_fusion import SensorFusionParams
from edge_mm_ros.pipelines.fusion.watched_fusion import WatchedFusion

MS = 1_000_000
S = 1000 * MS
HERE = RigidTransform.from_xyz_rpy((0.0, 0.0, 1.0), (0.0, 0.0, 0.0))


class Rig:
    """LiDARs that each see one post, 10 times a second, one after the other.

    Attributes:
        told: with each cloud the ids of all objects, or the kind of what is refused.
        notices: topic and kind of each.
    """

    def __init__(self, *lidars: str) -> None:
        self.lidars = lidars
        self.now_ns = 1000 * S
        self.told: list[Any] = []
        self.notices: list[tuple[str, str]] = []
        self._count = 0
        self._fusion = WatchedFusion(
            SensorFusionParams(cameras=(), lidars=lidars),
            {},
            lambda: self.now_ns,
            lambda topic, error: self.notices.append((topic, error.kind)),
        )

    def play(
        self, seconds: float, *lidars: str, y_m: float = 0.0, back_s: float = 0.0
    ) -> list[Any]:
        """Some or all LiDARs measure for a while; tells what each cloud brought.

        Args:
            seconds: for how long.
            lidars: those that do; else all.
            y_m: where the post stands.
            back_s: how far their stamps lie before the clock.
        """
        first = len(self.told)
        for _ in range(round(10 * seconds)):
            for lidar in lidars or self.lidars:
                self._take(lidar, y_m, self.now_ns - round(back_s * S))
            self.now_ns += 100 * MS
        return self.told[first:]

    def glitch(self, lidar: str, back_s: float = 2.0) -> Any:
        """One cloud more, with a wrong stamp."""
        self._take(lidar, 0.0, self.now_ns - round(back_s * S))
        self.now_ns += 20 * MS
        return self.told[-1]

    def _take(self, lidar: str, y_m: float, stamp_ns: int) -> None:
        self._count += 1
        grid = np.mgrid[-0.2:0.21:0.1, -0.8:0.61:0.1].reshape(2, -1).T
        x_m = np.full(len(grid), 5.0 + 1e-4 * (self._count % 7))  # no sensor repeats itself
        points = np.column_stack([x_m, grid[:, 0] + y_m, grid[:, 1]]).astype(np.float32)
        try:
            result = self._fusion.take("lidar", lidar, PointCloud(points, stamp_ns, lidar), HERE)
        except InvalidInput as error:
            self.told.append(error.kind)
        else:
            self.told.append([item.track_id for item in result.objects.objects])


@pytest.mark.parametrize("lidars", [("a", "b"), ("a", "b", "c"), ("a", "b", "c", "d")])
def test_one_wrong_stamp_is_late_and_changes_nothing(lidars: tuple[str, ...]) -> None:
    rig = Rig(*lidars)
    rig.play(1.0)
    assert rig.glitch("a") == "late"
    assert rig.notices == [("a/points", "stamp_jump")]
    assert all(told == ["1"] for told in rig.play(1.0))


@pytest.mark.parametrize("apart_s", [0.2, 1.5])
def test_wrong_stamps_of_one_sensor_after_the_other_do_not_add_up(apart_s: float) -> None:
    rig = Rig("a", "b", "c")
    rig.play(1.0)
    for lidar in ("a", "b", "c", "a"):
        assert rig.glitch(lidar) == "late"
        assert all(told == ["1"] for told in rig.play(apart_s))


def test_a_sensor_that_is_silent_after_a_wrong_stamp_counts_no_longer() -> None:
    rig = Rig("a", "b", "c")
    rig.play(1.0)
    rig.glitch("a")
    rig.play(2.0, "b", "c")
    assert rig.glitch("b") == "late"
    assert rig.play(0.2, "b", "c")[-1] == ["1"]


def test_two_sensors_that_both_jump_begin_anew_under_new_ids() -> None:
    rig = Rig("a", "b")
    rig.play(1.0)
    late, *begun = rig.play(0.5, back_s=30.0)
    assert late == "late"  # b might go on
    assert begun[-1] == ["2"]
    assert rig.notices == [("a/points", "stamp_jump"), ("b/points", "stamp_jump")]
    # Who stands elsewhere now is somebody else still.
    assert "3" in rig.play(0.5, y_m=-2.0, back_s=30.0)[-1]


def test_half_of_the_sensors_are_left_out_and_more_begin_anew() -> None:
    rig = Rig("a", "b", "c", "d")
    rig.play(1.0)
    assert set(rig.play(0.1, "a", "b", back_s=30.0)) == {"late"}
    assert rig.play(0.1, "d") == [["1"]]
    assert rig.play(0.1, "c", back_s=30.0) == [[]]
    assert rig.play(0.2, "a", "b", "c", back_s=30.0)[-1] == ["2"]


def test_a_sensor_alone_begins_anew_at_once() -> None:
    rig = Rig("a")
    rig.play(1.0)
    told = rig.play(0.5, back_s=30.0)
    assert "late" not in told
    assert told[-1] == ["2"]


def test_the_last_sensor_that_is_heard_is_not_left_out_for_ever() -> None:
    rig = Rig("a", "b", "c")
    rig.play(1.0)
    # The recording begins again, but for two sensors that are heard no more.
    told = rig.play(6.0, "a", back_s=30.0)
    assert told[0] == "late"
    assert told[-1] == ["2"]


def test_a_recording_that_is_played_again_after_a_pause_begins_anew() -> None:
    rig = Rig("a", "b")
    rig.play(3.0)
    rig.now_ns += 20 * S
    assert rig.play(2.0, back_s=23.0)[-1] == ["2"]


def test_a_slow_sensor_goes_on_where_the_clock_of_the_other_was_set_back() -> None:
    rig = Rig("a", "b")
    rig.play(1.0)
    for _ in range(5):
        told = rig.play(1.5, "a", back_s=30.0)
        assert all(isinstance(one, str) for one in told)  # why it is left out
        assert "1" in rig.play(0.1, "b")[0]

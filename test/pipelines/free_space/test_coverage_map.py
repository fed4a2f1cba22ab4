"""Views of all sensors together: zones, their ages, the robot's motion, and the grid."""

from __future__ import annotations

import math

import numpy as np
import pytest

from edge_mm_ros.datatypes import RangeReading, RigidTransform, ZoneCoverage
from edge_mm_ros.params.free_space import FreeSpaceParams
from edge_mm_ros.pipelines.free_space import CoverageMap, Heights, PolarView, view_of_range
from edge_mm_ros.pipelines.free_space.zone_points import points_in

S = 1_000_000_000
SQUARE = ((1.0, -1.0), (3.0, -1.0), (3.0, 1.0), (1.0, 1.0))
HEIGHTS = Heights(0.0, 0.15, 0.5, 2.5)


def half(left: bool, sees: bool = True) -> PolarView:
    """All that is left (or right) of the robot, up to 8 m."""
    seen = np.zeros((180, 80), dtype=np.bool_)
    seen[90:] = left
    seen[:90] = not left
    return PolarView(np.zeros(2), 0.1, seen & sees, np.zeros_like(seen))


def params(**changes: float) -> FreeSpaceParams:
    return FreeSpaceParams.model_validate({"regain_s": 0.0, **changes})


def all_usable(sensor: str) -> bool:
    return True


def zone(target: CoverageMap, at_s: float, **more: object) -> ZoneCoverage:
    usable = more.pop("usable", all_usable)
    pose = more.pop("pose", None)
    coverage = target.coverage(round(at_s * S), pose, usable, **more)  # type: ignore[arg-type]
    return coverage.zones[0]


def both(target: CoverageMap, at_s: float, timeout_s: float = 0.5) -> None:
    target.note("left", half(True), round(at_s * S), timeout_s, None)
    target.note("right", half(False), round(at_s * S), timeout_s, None)


def test_shares_by_sensor_and_together() -> None:
    target = CoverageMap({"ahead": SQUARE}, params())
    nothing = zone(target, 1.0, missing=("left", "right"))
    assert (nothing.seen_share, nothing.covered) == (0.0, False)
    assert nothing.missing == ("left", "right")
    target.note("left", half(True), 2 * S, 0.5, None)
    one = zone(target, 2.1)
    assert one.seen_share == pytest.approx(0.5, abs=0.05)
    assert dict(one.sensors) == {"left": one.seen_share}
    assert not one.covered
    target.note("right", half(False), 2 * S, 0.5, None)
    two = zone(target, 2.2)
    assert two.seen_share == pytest.approx(1.0)
    assert two.sensors["right"] == pytest.approx(0.5, abs=0.05)
    assert (two.covered, two.since_ns) == (True, round(2.2 * S))


def test_what_was_seen_counts_no_longer_than_the_timeout() -> None:
    target = CoverageMap({"ahead": SQUARE}, params())
    both(target, 1.0, timeout_s=0.5)
    assert zone(target, 1.5).covered
    assert target.expired_since(round(1.45 * S), round(1.55 * S))
    gone = zone(target, 1.51)
    assert (gone.seen_share, gone.covered, gone.since_ns) == (0.0, False, round(1.51 * S))
    assert gone.missing == ("left", "right")  # they have seen it before


def test_what_was_seen_before_the_clock_was_set_back_does_not_count() -> None:
    target = CoverageMap({"ahead": SQUARE}, params(regain_s=0.5))
    for at_s in (100.0, 100.6):
        both(target, at_s)
        zone(target, at_s)
    assert zone(target, 100.7).covered
    assert zone(target, 1.0).seen_share == 0.0
    both(target, 2.0)
    assert not zone(target, 2.0).covered
    both(target, 2.5)
    assert zone(target, 2.5).covered


def test_a_sensor_that_is_not_to_be_relied_on_sees_nothing() -> None:
    target = CoverageMap({"ahead": SQUARE}, params())
    both(target, 1.0)
    assert zone(target, 1.1).covered
    without = zone(target, 1.2, usable=lambda sensor: sensor != "right")
    assert set(without.sensors) == {"left"}
    assert without.missing == ("right",)
    assert not without.covered


def test_a_zone_is_lost_at_once_and_regained_after_a_while() -> None:
    target = CoverageMap({"ahead": SQUARE}, params(regain_s=0.5))
    told = []
    for step in range(40):
        at_s = 1.0 + 0.1 * step
        both(target, at_s)
        if 20 <= step < 25:
            target.forget("right")
        told.append(zone(target, at_s).covered)
    assert told == [False] * 5 + [True] * 15 + [False] * 10 + [True] * 10


def test_small_changes_do_not_flicker_and_hysteresis_has_a_limit() -> None:
    target = CoverageMap({"ahead": SQUARE}, params(minimum_share=0.6, hysteresis_share=0.15))
    both(target, 1.0)
    assert zone(target, 1.0).covered
    target.forget("right")
    kept = zone(target, 1.1)
    assert kept.seen_share == pytest.approx(0.5, abs=0.04)
    assert kept.covered
    tight = CoverageMap({"ahead": SQUARE}, params(minimum_share=0.6, hysteresis_share=0.05))
    both(tight, 1.0)
    assert zone(tight, 1.0).covered
    tight.forget("right")
    assert not zone(tight, 1.1).covered


def test_nothing_seen_is_never_covered() -> None:
    target = CoverageMap({"ahead": SQUARE}, params(minimum_share=0.01, hysteresis_share=0.5))
    both(target, 1.0)
    assert zone(target, 1.0).covered
    assert not zone(target, 9.0).covered


def test_odometry_moves_what_was_seen() -> None:
    # A cone of 2 m ahead was free; then the robot drives on by 1.5 m, and turns by a quarter.
    reading = RangeReading(2.0, 0.0, 4.0, 1.2, 1, "ultrasonic")
    view = view_of_range(reading, RigidTransform.identity(), HEIGHTS, 0.1, 5.0)
    here = RigidTransform.identity()
    far = RigidTransform.from_xyz_rpy((1.5, 0.0, 0.0), (0.0, 0.0, 0.0))
    turned = RigidTransform.from_xyz_rpy((0.0, 0.0, 0.0), (0.0, 0.0, math.pi / 2))
    spot = {"spot": ((0.9, -0.2), (1.3, -0.2), (1.3, 0.2), (0.9, 0.2))}
    target = CoverageMap(spot, params())
    target.note("cone", view, S, 10.0, here)
    assert zone(target, 1.0, pose=here).seen_share == 1.0
    assert zone(target, 1.1, pose=far).seen_share == 0.0  # it lies 2.4 to 2.8 m from there
    assert zone(target, 1.2, pose=turned).seen_share == 0.0
    right = CoverageMap({"right": ((-0.2, -1.3), (0.2, -1.3), (0.2, -0.9), (-0.2, -0.9))}, params())
    right.note("cone", view, S, 10.0, here)
    assert zone(right, 1.0, pose=here).seen_share == 0.0
    assert zone(right, 1.0, pose=turned).seen_share == 1.0  # what was ahead is now to the right


def test_the_grid_tells_free_occupied_and_unseen() -> None:
    reading = RangeReading(2.0, 0.0, 4.0, 1.2, 1, "ultrasonic")
    view = view_of_range(reading, RigidTransform.identity(), HEIGHTS, 0.2, 5.0)
    target = CoverageMap({}, params(), reach_m=5.0, cell_m=0.2)
    target.note("cone", view, S, 0.5, None)
    grid = target.free_space(S, None, all_usable)
    assert grid.cells.shape == (50, 50)
    assert grid.origin_m == (-5.0, -5.0)

    def cell(x: float, y: float) -> int:
        return int(grid.cells[int((y + 5.0) / 0.2), int((x + 5.0) / 0.2)])

    assert cell(1.1, 0.1) == 0
    assert cell(2.1, 0.1) == 100
    assert cell(3.1, 0.1) == -1
    assert cell(0.1, 1.1) == -1
    assert np.all(target.free_space(2 * S, None, all_usable).cells == -1)


def test_the_grid_grows_with_the_zones_but_not_its_number_of_cells() -> None:
    far = ((0.0, -2.0), (60.0, -2.0), (60.0, 2.0), (0.0, 2.0))
    target = CoverageMap({"road": far}, params(), reach_m=10.0, cell_m=0.2)
    assert target.reach_m == 60.0
    grid = target.free_space(S, None, all_usable)
    assert max(grid.cells.shape) <= 200
    assert grid.cell_m == pytest.approx(0.6)


@pytest.mark.parametrize(
    ("polygon", "area"),
    [
        (SQUARE, 4.0),
        (((0.0, 0.0), (4.0, 0.0), (0.0, 4.0)), 8.0),
        (((0.0, 0.0), (4.0, 0.0), (4.0, 4.0), (2.0, 1.0), (0.0, 4.0)), 10.0),
        (((0.0, 0.0), (0.05, 0.0), (0.05, 0.05), (0.0, 0.05)), 0.0025),
        (((0.0, 0.0), (200.0, 0.0), (200.0, 50.0), (0.0, 50.0)), 10_000.0),
    ],
    ids=["square", "triangle", "notched", "tiny", "huge"],
)
def test_points_stand_evenly_for_a_polygons_area(
    polygon: tuple[tuple[float, float], ...], area: float
) -> None:
    found = points_in(polygon, 0.2)
    low, high = found.min(axis=0), found.max(axis=0)
    corners = np.array(polygon)
    assert np.all(low >= corners.min(axis=0))
    assert np.all(high <= corners.max(axis=0))
    box = float(np.prod(corners.max(axis=0) - corners.min(axis=0)))
    assert 25 <= len(found) <= 4500
    # By the share of the box that it fills, told from the lattice that fills it.
    whole = len(points_in([tuple(c) for c in _box(corners)], 0.2))
    if len(found) > 300:
        assert len(found) / whole == pytest.approx(area / box, rel=0.1)


def _box(corners: np.ndarray) -> list[tuple[float, float]]:
    (x0, y0), (x1, y1) = corners.min(axis=0), corners.max(axis=0)
    return [(x0, y0), (x1, y0), (x1, y1), (x0, y1)]


def test_a_sliver_is_told_by_its_corners_at_least() -> None:
    sliver = ((0.0, 0.0), (10.0, 10.0), (10.0, 10.0001))
    assert len(points_in(sliver, 0.2)) >= 3

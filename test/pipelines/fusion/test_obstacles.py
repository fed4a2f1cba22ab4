"""What stands in the way, from points alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from edge_mm_ros.params.fusion_sensors import ObstacleParams
from edge_mm_ros.pipelines.fusion.finding import Finding, Found
from edge_mm_ros.pipelines.fusion.obstacles import in_the_way, obstacles_of, way_with_zones
from edge_mm_ros.pipelines.tracking import Birth


def box(x: float, y: float, size: tuple[float, float, float] = (0.1, 0.5, 1.7)) -> Any:
    """Points of the near sides of a thing that stands on the ground, every 0.1 m."""
    depth, width, height = size
    grid = np.mgrid[0.0 : depth + 1e-6 : 0.1, 0.0 : width + 1e-6 : 0.1, 0.2 : height + 1e-6 : 0.1]
    return grid.reshape(3, -1).T + [x, y - width / 2.0, 0.0]


def found(points: Any, flat: bool = False, **changes: Any) -> tuple[Finding, ...]:
    return looked_at(points, flat, **changes).things


def looked_at(points: Any, flat: bool = False, **changes: Any) -> Found:
    return obstacles_of(
        np.asarray(points, dtype=np.float64),
        ObstacleParams(**changes),
        source="lidar:top",
        sensor_m=np.array([0.0, 0.0, 1.4]),
        range_sigma_m=0.03,
        ground_z_m=0.0,
        plan_from_robot=None,
        flat=flat,
    )


def test_a_post_ahead_is_an_object_without_a_class_that_stands_on_the_ground() -> None:
    (thing,) = found(box(5.0, 1.0))
    assert (thing.label, thing.sources, thing.birth) == (
        "unknown",
        ("lidar:top",),
        Birth.CONFIRMED,
    )
    # Its front is 5.0 m ahead; it is taken to be as deep as it is wide, 0.5 m.
    assert thing.position_m[:2] == pytest.approx([5.25, 1.0], abs=0.12)
    assert thing.position_m[2] - thing.size_m[2] / 2.0 == pytest.approx(0.0, abs=0.01)
    assert thing.size_m[1] == pytest.approx(0.5, abs=0.15)
    assert thing.size_m[2] == pytest.approx(1.7, abs=0.05)
    sigma = np.sqrt(np.diag(thing.covariance_m2))
    assert np.all((sigma > 0.05) & (sigma < 0.6))


def test_what_is_not_in_the_way_corrects_tracks_and_begins_none() -> None:
    births = {round(m.position_m[0]): m.birth for m in found(np.vstack([box(5, 0), box(14, 0)]))}
    assert births == {5: Birth.CONFIRMED, 14: Birth.NEVER}


def test_a_bridge_is_not_in_the_way_and_a_hanging_beam_is() -> None:
    bridge = box(5.0, 0.0) + [0.0, 0.0, 3.0]
    assert found(bridge) == ()
    (beam,) = found(box(5.0, 0.0, (0.1, 1.0, 0.4)) + [0.0, 0.0, 1.2])
    assert beam.position_m[2] - beam.size_m[2] / 2.0 == pytest.approx(1.4, abs=0.05)


def test_the_robot_itself_is_no_obstacle() -> None:
    # So near, a LiDAR's beams lie closer together.
    finer = [[0.0, 0.03 * right, 0.03 * up] for right in range(3) for up in range(3)]
    own = np.vstack([box(0.3, 0.0) + shift for shift in finer])
    footprint = {"footprint_front_m": 0.6, "footprint_rear_m": 0.4, "footprint_side_m": 0.4}
    assert len(found(own)) == 1
    assert found(own, **footprint) == ()


def test_walls_do_not_flood_the_list() -> None:
    around = [box(x, 0.0, (0.1, 60.0, 2.0)) for x in (-2.0, 7.0)]
    around += [box(-30.0, y, (60.0, 0.1, 2.0)) for y in (-2.5, 2.5)]
    walls = found(np.vstack(around), max_objects=12)
    beginning = [m for m in walls if m.birth is Birth.CONFIRMED]
    assert 1 <= len(beginning) <= 12
    # Pieces of what is not in the way say nothing of any object.
    assert walls == tuple(beginning) or all(
        abs(m.position_m[1]) <= 5.0 and -5.0 <= m.position_m[0] <= 10.0 for m in walls
    )


@pytest.mark.parametrize("points", [np.zeros((0, 3)), np.full((4, 3), 1.0)])
def test_too_few_points_are_nothing(points: Any) -> None:
    assert found(points) == ()


def test_the_borders_of_the_way() -> None:
    way = ObstacleParams(ahead_m=8.0, behind_m=3.0, aside_m=2.0, max_height_m=2.0)
    spots = np.array(
        [[7.9, 0, 1], [8.1, 0, 1], [-2.9, 0, 1], [-3.1, 0, 1], [1, 2.1, 1], [1, 0, 2.1]]
    )
    assert in_the_way(spots, way, 0.0).tolist() == [True, False, True, False, False, False]


def ring(radius_m: float, count: int) -> Any:
    """Points all around the sensor, at all heights."""
    rng = np.random.default_rng(0)
    angles = rng.uniform(-np.pi, np.pi, count)
    heights = rng.uniform(0.3, 1.9, count)
    return np.column_stack([radius_m * np.cos(angles), radius_m * np.sin(angles), heights])


def test_what_fog_throws_back_from_all_around_is_no_thing() -> None:
    assert found(ring(0.7, 120)) == ()
    (post,) = found(np.vstack([ring(0.7, 120), box(5.0, 1.0)]))
    assert post.position_m[0] > 4.0


def test_the_walls_of_a_small_room_lie_around_the_robot_and_not_on_it() -> None:
    walls = found(ring(1.5, 6000))
    assert len(walls) == 8
    assert all(np.hypot(*wall.position_m[:2]) > 1.0 for wall in walls)


@pytest.mark.parametrize(("width_m", "distance_m"), [(0.2, 1.0), (0.4, 2.0), (0.5, 4.0)])
def test_one_plane_at_a_step_of_a_degree_shows_what_is_near(
    width_m: float, distance_m: float
) -> None:
    aside = distance_m * np.tan(np.deg2rad(np.arange(-90.0, 91.0)))
    aside = aside[np.abs(aside) <= width_m / 2.0]
    points = np.column_stack([np.full(len(aside), distance_m), aside, np.full(len(aside), 0.2)])
    (thing,) = found(points, flat=True)
    assert thing.birth is Birth.CONFIRMED


def test_one_plane_shows_the_walls_of_a_small_room() -> None:
    room = ring(1.5, 360)
    room[:, 2] = 0.2
    assert len(found(room, flat=True)) == 8


def drops(rng: np.random.Generator, share: float) -> Any:
    """What fog throws back to the sensor: a share of its beams, from anywhere on their way."""
    azimuths, heights = np.radians(np.arange(-60.0, 60.0, 0.5)), np.radians(np.arange(-15, 16, 2))
    azimuth, height = (grid.reshape(-1) for grid in np.meshgrid(azimuths, heights))
    lucky = rng.random(len(azimuth)) < share
    away = 0.5 + rng.exponential(1.0, len(azimuth))
    rays = np.column_stack(
        [np.cos(height) * np.cos(azimuth), np.cos(height) * np.sin(azimuth), np.sin(height)]
    )
    return (rays * away[:, None])[lucky & (away < 2.5)] + [0.0, 0.0, 1.4]


def test_a_cloud_of_drops_is_no_thing_and_what_stands_in_it_is() -> None:
    rng = np.random.default_rng(0)
    for _ in range(10):
        fog = drops(rng, 0.08)
        assert len(fog) > 100
        assert not [thing for thing in found(fog) if thing.birth is Birth.CONFIRMED]
        things = found(np.vstack([fog, box(5.0, 1.0)]))
        assert [round(t.position_m[0]) for t in things if t.birth is Birth.CONFIRMED] == [5]


def test_where_a_thing_reaches_to_behind_its_front_is_told_as_an_error_that_lasts() -> None:
    (thing,) = found(box(5.0, 0.0, (0.1, 1.1, 1.0)))
    # Of a front of 1.1 m, the depth may be anything up to that: 0.5 m are taken.
    assert thing.shared_m2 is not None
    assert thing.shared_m2[0, 0] ** 0.5 >= 0.15
    assert thing.seen_from_m == pytest.approx([0.0, 0.0, 1.4])


def test_who_stands_half_a_metre_from_another_thing_is_told_apart() -> None:
    things = found(np.vstack([box(4.0, 0.0, (0.2, 0.4, 1.2)), box(4.0, 0.9, (0.2, 0.4, 1.7))]))
    assert sorted(round(float(thing.position_m[1]), 1) for thing in things) == [0.0, 0.9]


def test_the_way_holds_all_zones() -> None:
    far = [(7.0, -2.0), (13.0, -2.0), (13.0, 4.0), (7.0, 4.0)]
    behind = [(-5.0, -1.0), (-3.0, -1.0), (-4.0, 1.0)]
    wide = way_with_zones(ObstacleParams(), [far, behind])
    # By half a metre more, for what stands across an edge.
    assert (wide.ahead_m, wide.behind_m, wide.aside_m) == (13.5, 5.5, 4.5)
    for enough in (wide, ObstacleParams(ahead_m=31.0, behind_m=6.0, aside_m=6.0)):
        assert way_with_zones(enough, [far, behind]) == enough
    assert way_with_zones(ObstacleParams(), []) == ObstacleParams()


def test_what_is_left_out_is_told_with_its_distance_and_the_mend() -> None:
    posts = np.vstack([box(3.0, 0.0), box(4.5, 2.0), box(6.0, -2.0), box(14.0, 0.0)])
    few = looked_at(posts, max_objects=2)
    assert few.complete_m == pytest.approx(np.hypot(6.0, 2.0 - 0.25), abs=0.05)
    assert few.limit is not None
    assert few.limit.kind == "too_many"
    assert "3 things are in the way, more than obstacles.max_objects, 2" in str(few.limit)
    assert "raise max_objects" in str(few.limit)
    enough = looked_at(posts, max_objects=3)  # the fourth is not in the way
    assert (enough.complete_m, enough.limit) == (np.inf, None)


def test_more_clusters_than_are_looked_at_are_told_where_they_may_be_in_the_way() -> None:
    posts = np.vstack([box(5.0 + x, y, (0.1, 0.2, 1.7)) for x in range(11) for y in range(-5, 6)])
    seen = looked_at(posts, max_objects=1000, ahead_m=20.0, aside_m=6.0)
    assert seen.limit is not None
    assert "make the way smaller" in str(seen.limit)
    assert 10.0 < seen.complete_m < 16.0
    assert looked_at(posts, max_objects=1000).limit is None

"""Pairs of measurements and tracks."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from fakes.measured import measured, scan

from edge_mm_ros.pipelines.tracking import UNKNOWN_LABEL, Measurement, RadialVelocity
from edge_mm_ros.pipelines.tracking.association import Candidates, assign, cheapest
from edge_mm_ros.pipelines.tracking.imm import Estimates


def pairs(
    items: list[Measurement],
    places_m: list[tuple[float, float]],
    sigma_m: float = 0.2,
    shares: list[list[float]] | None = None,
    unseen_s: list[float] | None = None,
    heights_m: list[float] | None = None,
) -> dict[int, int]:
    count = len(places_m)
    means = np.zeros((count, 6))
    means[:, :2] = np.reshape(places_m, (count, 2))
    means[:, 2] = 0.9
    covariances = np.tile(np.eye(6) * sigma_m**2, (count, 1, 1))
    likeness = np.ones((len(items), count)) if shares is None else np.array(shares)
    unseen = np.zeros(count) if unseen_s is None else np.array(unseen_s)
    sizes = np.tile([0.5, 0.5, 1.8], (count, 1))
    if heights_m is not None:
        sizes[:, 2] = heights_m
    found = assign(
        scan(0.0, *items),
        Candidates(
            # Both models believe the same.
            Estimates.of(
                np.stack([means, means], axis=1),
                np.stack([covariances, covariances], axis=1),
                np.full((count, 2), 0.5),
            ),
            np.zeros((count, 3, 3)),
            likeness,
            np.arange(len(items)),
            unseen,
            sizes,
            np.ones(count, dtype=np.bool_),
            np.zeros(count, dtype=np.bool_),
            1.5,
        ),
    )
    return dict(zip(found.rows.tolist(), found.columns.tolist(), strict=True))


def test_neighbours_are_assigned_as_a_whole() -> None:
    # Greedily, the second one would take the first track and leave the first without.
    assert pairs([measured((4.6, 0.0)), measured((5.4, 0.0))], [(5.0, 0.0), (6.0, 0.0)]) == {
        0: 0,
        1: 1,
    }


def test_too_far_apart_there_is_no_pair() -> None:
    # The gap's standard deviation is 0.28 m; at 4.5 of them a new object is likelier.
    assert pairs([measured((6.2, 0.0))], [(5.0, 0.0)]) == {0: 0}
    assert pairs([measured((6.35, 0.0))], [(5.0, 0.0)]) == {}
    # As vague as here everything is likely, up to the gate at 4.6.
    vague = measured((5.0 + 4.4 * 3.0, 0.0), sigma_m=(3.0, 0.01, 0.01))
    assert pairs([vague], [(5.0, 0.0)], 0.01) == {0: 0}
    beyond = measured((5.0 + 4.7 * 3.0, 0.0), sigma_m=(3.0, 0.01, 0.01))
    assert pairs([beyond], [(5.0, 0.0)], 0.01) == {}


def test_one_good_pair_is_not_given_up_for_two_bad_ones() -> None:
    # The first one lies on the first track; to pair the second one too, both would have to move.
    found = pairs([measured((5.0, 0.0)), measured((4.2, 0.0))], [(5.0, 0.0), (6.1, 0.0)])
    assert found == {0: 0}


def test_a_long_ellipse_reaches_far_along_and_not_across() -> None:
    camera = (2.0, 0.1, 0.1)
    assert pairs([measured((9.0, 0.0), sigma_m=camera)], [(5.0, 0.0)], 0.1) == {0: 0}
    assert pairs([measured((5.0, 1.0), sigma_m=camera)], [(5.0, 0.0)], 0.1) == {}


def test_a_vague_measurement_does_not_take_a_close_one_s_track() -> None:
    vague, close = measured((6.0, 0.0), sigma_m=3.0), measured((5.05, 0.0))
    assert pairs([vague, close], [(5.0, 0.0)]) == {1: 0}


def test_a_label_breaks_a_tie_and_parts_nothing() -> None:
    one = [measured((5.0, 0.0))]
    assert pairs(one, [(5.0, 0.3), (5.0, -0.3)], shares=[[0.0, 1.0]]) == {0: 1}
    assert pairs(one, [(5.0, 0.3)], shares=[[0.0]]) == {0: 0}


@pytest.mark.parametrize(("speed", "expected"), [(0.0, {0: 0}), (9.0, {})])
def test_a_radial_velocity_gates_too(speed: float, expected: dict[int, int]) -> None:
    radial = RadialVelocity(speed, 0.1, np.zeros(3))
    assert pairs([measured((5.0, 0.0), radial=radial)], [(5.0, 0.0)]) == expected


def test_no_measurements_or_no_tracks_give_no_pairs() -> None:
    assert pairs([], [(5.0, 0.0)], shares=[]) == {}
    assert pairs([measured((5.0, 0.0))], []) == {}


def box(place_m: tuple[float, float], height_m: float) -> Measurement:
    """As a camera's box gives it."""
    return replace(
        measured(place_m, sigma_m=0.1),
        origin_m=np.array([0.0, 0.0, 1.2]),
        size_m=np.array([0.5, 0.5, height_m]),
    )


def test_heights_tell_two_people_in_one_place_apart() -> None:
    boxes = [box((5.0, 0.02), 1.8), box((5.0, -0.02), 1.6)]
    # By their places alone the first one would be the first track, which is 1.6 m tall.
    tracks = [(5.0, 0.05), (5.0, -0.05)]
    assert pairs(boxes, tracks, heights_m=[1.6, 1.8]) == {0: 1, 1: 0}
    assert pairs(boxes, tracks, heights_m=[1.8, 1.6]) == {0: 0, 1: 1}
    assert pairs(boxes, tracks, heights_m=[1.7, 1.7]) == {0: 0, 1: 1}


@pytest.mark.parametrize("height_m", [0.4, 1.0, 1.8, 2.5])
def test_another_height_rules_no_pair_out(height_m: float) -> None:
    # Whose feet are hidden, or who falls, is still who they were.
    assert pairs([box((5.0, 0.0), height_m)], [(5.0, 0.2)]) == {0: 0}


def test_a_height_at_a_vague_distance_says_little() -> None:
    camera_alone = replace(box((5.0, 0.02), 1.8), noise_m2=np.diag([1.0, 0.01, 0.01]))
    # At a distance of 5 m +- 1 m, 1.8 m may well be 1.6 m: the nearer one it is.
    tracks = [(5.0, 0.1), (5.0, -0.14)]
    assert pairs([camera_alone], tracks, 0.1, heights_m=[1.6, 1.8]) == {0: 0}


def test_pairs_are_those_of_all_pairs_weighed_one_by_one() -> None:
    """Far pairs are left out early; that must not change who belongs to whom."""
    rng = np.random.default_rng(3)
    places = rng.uniform(-8.0, 8.0, (12, 2))
    items = [box((x, y), 1.8) for x, y in places + rng.normal(0.0, 0.1, places.shape)]
    found = pairs(items, [(float(x), float(y)) for x, y in places])
    for row, column in found.items():
        assert pairs([items[row]], [tuple(places[column])]) == {0: 0}
    assert found == {index: index for index in range(12)}


def test_with_fewer_tracks_than_measurements_the_likeliest_whole_is_chosen() -> None:
    # The cluster lies nearer, but it may well be something new; a person rarely is.
    found = pairs([measured((6.0, 0.0)), measured((5.7, 0.1), label=UNKNOWN_LABEL)], [(5.0, 0.0)])
    assert found == {0: 0}


@pytest.mark.parametrize("seed", range(8))
def test_pairs_without_a_rival_are_those_of_the_whole_assignment(seed: int) -> None:
    """Against every choice there is."""
    rng = np.random.default_rng(seed)
    rows, columns = np.divmod(np.flatnonzero(rng.random(20) < 0.4), 4)
    new_cost = rng.uniform(4.0, 8.0, 5)
    cost = new_cost[rows] - rng.uniform(0.1, 4.0, len(rows))
    spared = {}
    for bits in range(1 << len(rows)):
        choice = [index for index in range(len(rows)) if bits >> index & 1]
        if len({*rows[choice]}) == len({*columns[choice]}) == len(choice):
            spared[tuple(choice)] = float((new_cost[rows[choice]] - cost[choice]).sum())
    best = max(spared, key=lambda choice: spared[choice])
    assert tuple(np.flatnonzero(cheapest(rows, columns, cost, new_cost))) == best

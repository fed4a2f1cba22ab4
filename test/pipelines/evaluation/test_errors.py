"""Errors, consistency and delays on hand-computed cases."""

from __future__ import annotations

import math

import numpy as np
import pytest
from fakes.tracks import STEP_NS, film, on_line

from edge_mm_ros.pipelines.evaluation import EvaluationSettings, Frame, Items, score
from edge_mm_ros.pipelines.evaluation.clear_mot import correspondences
from edge_mm_ros.pipelines.evaluation.errors import (
    consistency,
    position_errors_m,
    rms,
    score_objects,
    velocity_errors_mps,
)


def one_by_one(truth: Items, tracks: Items, count: int = 1) -> list[Frame]:
    return [Frame(index * STEP_NS, truth, tracks) for index in range(count)]


def test_the_root_of_the_mean_square() -> None:
    assert rms([3.0, 4.0]) == pytest.approx(math.sqrt(12.5))
    assert math.isnan(rms([]))


def test_position_errors_are_horizontal_distances() -> None:
    truth, tracks = Items.of(["a"], [(1.0, 1.0)]), Items.of(["1"], [(1.3, 1.4)])
    frames = one_by_one(truth, tracks)
    assert position_errors_m(frames, correspondences(frames, 1.0)) == pytest.approx([0.5])


def test_velocities_count_once_a_track_is_settled_and_tells_one() -> None:
    truth = Items.of(["a", "b"], [(0, 0), (9, 0)], velocities_mps=[(1.0, 0.0), (0.0, 0.0)])
    tracks = Items.of(
        ["1", "2"], [(0, 0), (9, 0)], velocities_mps=[(1.0, 0.5), (math.nan, math.nan)]
    )
    frames = one_by_one(truth, tracks, 13)  # at 0.0 to 1.2 s
    errors = velocity_errors_mps(frames, correspondences(frames, 1.0), settle_s=1.0)
    assert errors == pytest.approx([0.5] * 3)


def test_honest_covariances_hold_95_percent_and_a_mean_of_2() -> None:
    rng = np.random.default_rng(5)
    covariance = np.array([[0.09, 0.03], [0.03, 0.04]])
    errors = rng.multivariate_normal((0.0, 0.0), covariance, 4000)
    frames = [
        Frame(i, Items.of(["a"], [(0, 0)]), Items.of(["1"], [e], covariances_m2=[covariance]))
        for i, e in enumerate(errors)
    ]
    found = consistency(frames, correspondences(frames, 9.0))
    assert found.inside_share == pytest.approx(0.95, abs=0.012)
    assert found.mean_nees == pytest.approx(2.0, abs=0.1)
    assert (found.count, found.not_positive) == (4000, 0)


@pytest.mark.parametrize(("error_m", "inside"), [(0.244, 1.0), (0.246, 0.0)])
def test_the_border_of_the_ellipse(error_m: float, inside: float) -> None:
    # sqrt(5.991) standard deviations of 0.1 m are 0.2448 m.
    tracks = Items.of(["1"], [(error_m, 0.0)], covariances_m2=[0.01 * np.eye(2)])
    frames = one_by_one(on_line({"a": 0.0}), tracks)
    assert consistency(frames, correspondences(frames, 1.0)).inside_share == inside


def test_a_covariance_of_zero_claims_too_much() -> None:
    frames = one_by_one(on_line({"a": 0.0}), on_line({"1": 0.0}), 4)
    found = consistency(frames, correspondences(frames, 1.0))
    assert (found.not_positive, found.inside_share) == (4, 0.0)
    assert math.isnan(found.mean_nees)


def test_how_one_object_fared() -> None:
    gone: dict[str, float] = {}
    frames = film(
        *[({"a": 0.0}, gone)] * 3,  # found after 0.3 s
        *[({"a": 0.0}, {"1": 0.3})] * 2,
        *[({"a": 0.0}, gone)] * 4,  # lost for 0.5 s, from the last track to the next
        ({"a": 0.0}, {"2": 0.3}),
    )
    (item,) = score_objects(frames, correspondences(frames, 1.0), 1.0)
    assert item.name == "a"
    assert item.asked_s == pytest.approx(1.0)
    assert item.found_share == pytest.approx(0.3)
    assert item.delay_s == pytest.approx(0.3)
    assert item.longest_gap_s == pytest.approx(0.4)
    assert item.track_ids == ("1", "2")
    assert item.position_rms_m == pytest.approx(0.3)
    assert math.isnan(item.velocity_rms_mps)


def test_who_is_not_asked_for_is_not_lost_meanwhile() -> None:
    gone: dict[str, float] = {}
    frames = film(
        ({"a": 0.0}, {"1": 0.0}),
        *[(gone, gone)] * 10,
        *[({"a": 0.0}, gone)] * 3,  # asked for again for 0.3 s before it is found
        ({"a": 0.0}, {"1": 0.0}),
    )
    (item,) = score_objects(frames, correspondences(frames, 1.0), 1.0)
    assert item.longest_gap_s == pytest.approx(0.2)


def test_a_whole_score_and_its_json() -> None:
    frames = film(*[({"a": 0.0, "b": 50.0}, {"1": 0.1, "9": 20.0})] * 600)
    result = score(frames, EvaluationSettings())
    assert result.duration_s == pytest.approx(60.0)
    assert result.false_alarms_per_minute == pytest.approx(1.0)
    assert result.never_found == ("b",)
    assert result.longest_delay_s == 0.0
    # Missed and false cost c^2 / 2 = 2 each, the pair 0.01.
    assert result.gospa.distance_m == pytest.approx(math.sqrt(4.01))
    values = result.as_json()
    assert values["clear"]["mota"] == pytest.approx(1 - 1200 / 1200)
    assert values["velocity_rms_mps"] is None
    assert values["never_found"] == ["b"]
    assert values["events"] is None


def test_labels_are_compared_apart_from_places() -> None:
    truth = Items.of(["a"], [(0, 0)], labels=["person"])
    right = Items.of(["1"], [(0, 0)], labels=["person"])
    wrong = Items.of(["1"], [(0, 0)], labels=["unknown"])
    frames = [Frame(0, truth, right), Frame(STEP_NS, truth, wrong)]
    (item,) = score_objects(frames, correspondences(frames, 1.0), 1.0)
    assert (item.found_share, item.right_label_share) == (1.0, 0.5)

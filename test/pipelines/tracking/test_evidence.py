"""What an object is taken to be."""

from __future__ import annotations

import numpy as np
import pytest

from edge_mm_ros.pipelines.tracking import UNKNOWN_LABEL
from edge_mm_ros.pipelines.tracking.evidence import LabelEvidence


def added(
    evidence: LabelEvidence, track: int, label: str, score: float, memory: float
) -> LabelEvidence:
    return evidence.added(
        np.array([track]), evidence.columns([label]), np.array([score]), np.array([memory])
    )


def after(*seen: tuple[str, float], memory: float = 0.2, urgent: tuple[str, ...] = ()) -> str:
    return told(*seen, memory=memory, urgent=urgent)[0]


def told(
    *seen: tuple[str, float], memory: float = 0.2, urgent: tuple[str, ...] = ()
) -> tuple[str, float]:
    evidence = LabelEvidence.empty().with_new(1)
    for label, score in seen:
        evidence = added(evidence.knowing((label,)), 0, label, score, memory)
    labels, scores = evidence.decide(urgent)
    return labels[0], float(scores[0])


def test_one_picture_is_told_as_it_is() -> None:
    assert told(("Normal", 0.7)) == ("Normal", pytest.approx(0.7))
    assert told(("Normal", 0.0)) == ("Normal", 0.0)


def test_one_wrong_picture_changes_nothing() -> None:
    assert after(*[("Normal", 0.8)] * 10, ("Fall", 0.9), urgent=("Fall",)) == "Normal"


def test_a_fall_counts_within_three_pictures_and_something_else_later() -> None:
    # The rules' windows of about a second begin only then, so it must be soon.
    standing = [("Normal", 0.8)] * 30
    assert after(*standing, *[("Fall", 0.7)] * 3, urgent=("Fall",)) == "Fall"
    assert after(*standing, *[("Dog", 0.7)] * 3) == "Normal"
    assert after(*standing, *[("Dog", 0.7)] * 6) == "Dog"


def test_a_fall_that_every_other_picture_shows_is_one() -> None:
    flicker = [("Normal", 0.8), ("Fall", 0.5)] * 10
    assert after(*flicker, urgent=("Fall",)) == "Fall"
    assert after(*flicker, ("Normal", 0.8), urgent=("Fall",)) == "Fall"


def test_slow_pictures_count_one_by_one() -> None:
    assert after(*[("Normal", 0.8)] * 5, ("Fall", 0.6), memory=5.0, urgent=("Fall",)) == "Fall"


def test_an_occlusion_leaves_some_of_what_was_known() -> None:
    seen = [("Normal", 0.8)] * 10
    evidence = LabelEvidence.empty().with_new(1).knowing(("Normal", "Dog"))
    for label, score in seen:
        evidence = added(evidence, 0, label, score, 0.2)
    evidence = added(evidence, 0, "Dog", 0.8, 4.0)
    assert evidence.decide(())[0] == ["Normal"]


def test_the_score_is_that_of_the_label() -> None:
    label, score = told(("Normal", 0.9), ("Fall", 0.5), ("Normal", 0.9))
    assert (label, score) == ("Normal", pytest.approx(0.9))


def test_a_label_goes_with_its_share_and_no_class_goes_with_everything() -> None:
    evidence = LabelEvidence.empty().with_new(2).knowing(("Dog", "Normal", UNKNOWN_LABEL))
    for label, score in (("Dog", 0.2), ("Normal", 0.6)):
        evidence = added(evidence, 0, label, score, 0.0)
    evidence = added(evidence, 1, UNKNOWN_LABEL, 0.5, 0.0)
    assert evidence.classed.tolist() == [True, False]
    rows = evidence.columns(["Normal", UNKNOWN_LABEL, "Dog"])
    expected = [[0.75, 1.0], [1.0, 1.0], [0.25, 1.0]]
    assert evidence.likeness[rows] == pytest.approx(np.array(expected))


def test_names_without_end_are_forgotten_once_they_have_faded() -> None:
    # As by a detector with an open vocabulary: three names a picture, and none of them twice.
    evidence = LabelEvidence.empty().with_new(2)
    evidence = added(evidence.knowing(("Dog",)), 1, "Dog", 0.8, 0.0)
    widths = []
    for picture in range(400):
        names = tuple(f"thing {picture}.{part}" for part in range(3))
        evidence = added(evidence.knowing(names), 0, names[0], 0.8, 0.2)
        widths.append(len(evidence.labels))
    assert max(widths) <= 110
    assert evidence.sums.shape == (2, 2, widths[-1])
    # What is recent, or all that is known of a track, stays.
    assert evidence.decide(())[0] == ["thing 399.0", "Dog"]
    assert evidence.shares.sum(axis=1) == pytest.approx([1.0, 1.0])


def test_a_hundred_names_are_kept_as_they_are() -> None:
    names = tuple(f"thing {index:02d}" for index in range(99))
    evidence = LabelEvidence.empty().with_new(1).knowing(names)
    evidence = added(evidence, 0, "thing 50", 0.8, 0.0).knowing(("Dog",))
    assert evidence.labels == (*names, "Dog")
    assert added(evidence.knowing(("Cat",)), 0, "Cat", 0.8, 0.0).labels == ("thing 50", "Cat")

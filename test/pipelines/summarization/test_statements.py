"""What the monitor's messages state."""

from __future__ import annotations

import pytest

from edge_mm_ros.pipelines.summarization.statements import Statement, begun, statement_of


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("Person 3 is in zone 'bay', 1.8 m away", ("person 3", "was", "in zone 'bay'")),
        (
            "Person 3 is in zone 'bay', 1.8 m away, for 5.0 s now",
            ("person 3", "was", "in zone 'bay'"),
        ),
        ("Car 4 is nearer than 2 m, 1.5 m away", ("car 4", "was", "nearer than 2 m")),
        ("Fallen person 7 is seen, 2.1 m away", ("fallen person 7", "was", "seen")),
        ("Person 7 has fallen, 2.1 m away", ("person 7", "had", "fallen")),
        (
            "'lidar/points' is silent for more than 2 s",
            ("'lidar/points'", "was", "silent for more than 2 s"),
        ),
        (
            "The stamps of 'a' are more than 1 s old",
            ("the stamps of 'a'", "were", "more than 1 s old"),
        ),
        ("LiDAR 3 is here", ("LiDAR 3", "was", "here")),
    ],
)
def test_subject_verb_and_rest(message: str, expected: tuple[str, str, str]) -> None:
    assert statement_of(message) == Statement(*expected)


@pytest.mark.parametrize("message", ["", "is", "Somebody said 'stop'", "Fire"])
def test_what_is_no_clause_has_no_statement(message: str) -> None:
    assert statement_of(message) is None


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("Person 3 is no longer seen in zone 'bay' after 3.5 s", "Person 3 is in zone 'bay'"),
        ("Car 4 is no longer seen nearer than 2 m after 1.0 s", "Car 4 is nearer than 2 m"),
        (
            "Fallen person is no longer seen by camera 'c' after 1.0 s",
            "Fallen person is seen by camera 'c'",
        ),
        ("Fallen person 7 is no longer seen after 1.0 s", "Fallen person 7 is seen"),
        ("'lidar' is heard again after 2.0 s", ""),
    ],
)
def test_the_message_of_an_end_tells_what_has_ended_or_nothing(message: str, expected: str) -> None:
    assert begun(message) == expected

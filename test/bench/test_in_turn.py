"""Two ways to do the same: who begins, and what the difference is."""

from __future__ import annotations

import pytest

from edge_mm_ros.bench.backend import Around, result
from edge_mm_ros.bench.in_turn import Comparison, compare

AROUND = "detection: lease over bare engine around the computing, median of the pairs"


def test_who_begins_a_pair_changes_and_the_first_pair_does_not_count() -> None:
    order: list[str] = []
    comparison = compare(lambda: order.append("ours"), lambda: order.append("bare"), 3)
    pairs = [tuple(order[i : i + 2]) for i in range(0, 8, 2)]
    assert pairs == [("bare", "ours"), ("ours", "bare"), ("bare", "ours"), ("ours", "bare")]
    assert len(comparison.ours_ms) == len(comparison.bare_ms) == 3
    assert len(comparison.ours_cpu_ms) == len(comparison.bare_cpu_ms) == 3


def test_a_machine_that_slows_down_and_one_disturbed_call_leave_the_overhead_as_it_is() -> None:
    # The machine becomes ten times slower half-way, one call is held up by a second.
    comparison = Comparison((12.0, 1012.0, 12.0, 102.0, 102.0), (10.0, 10.0, 10.0, 100.0, 100.0))
    assert comparison.overhead_ms == 2.0
    assert comparison.overhead_percent == 20.0


def test_time_of_the_processor_is_compared_pair_by_pair() -> None:
    comparison = Comparison((1.0,) * 3, (1.0,) * 3, (10.2, 10.1, 19.0), (10.0, 10.0, 10.0))
    assert comparison.cpu_overhead_percent == pytest.approx(2.0)


@pytest.mark.parametrize(
    ("around_ms", "ours_ms", "missed"),
    [
        (0.29, 102.9, []),
        (0.31, 102.9, [AROUND]),
        (0.29, 103.1, ["detection: lease over bare engine, median of the pairs"]),
        (float("nan"), 102.9, [AROUND]),
    ],
)
def test_a_lease_that_costs_too_much_misses_its_bar(
    around_ms: float, ours_ms: float, missed: list[str]
) -> None:
    compared = {"detection": Comparison((ours_ms,), (100.0,), (1.0,), (1.0,))}
    bars = result(Around((around_ms + 0.5,), (0.5,)), compared).bars
    assert [bar.name for bar in bars if not bar.ok] == missed

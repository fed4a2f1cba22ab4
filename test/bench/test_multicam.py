"""The figures of the benchmark with several cameras, from times that are known."""

from __future__ import annotations

import math

import pytest

pytest.importorskip("rclpy")
pytest.importorskip("onnxruntime")

from edge_mm_ros.bench.multicam import (
    CAMERAS,
    Load,
    Result,
    ages_in_rounds,
    ages_s,
    growth_mb,
    result,
    rounds_s,
    share_difference_percent,
)


def steady(
    count: int, round_s: float = 0.5, late_s: float = 0.2, begin_s: float = 0
) -> list[Result]:
    """Results every `round_s`, of pictures taken `late_s` before."""
    ends = [begin_s + index * round_s for index in range(count)]
    return [Result(end - late_s, end) for end in ends]


def load(counts: dict[str, int], late_s: float = 0.2, sizes: list[int] | None = None) -> Load:
    return Load(
        {camera: steady(count, late_s=late_s) for camera, count in counts.items()},
        sizes or [100_000_000] * 60,
        published=2400,
        duration_s=60.0,
    )


def test_a_result_grows_old_until_the_next_one_comes() -> None:
    results = [Result(0.0, 0.2), Result(0.6, 0.8), Result(0.9, 1.3)]
    assert ages_s(results) == pytest.approx([0.8, 0.7])
    assert rounds_s(results) == pytest.approx([0.6, 0.5])
    assert ages_in_rounds(results) == pytest.approx([0.7 / 0.55])


def test_slowness_that_lasts_changes_ages_in_rounds_little() -> None:
    fast, slow = steady(10, 0.5, 0.2), steady(10, 2.0, 0.8)
    assert ages_in_rounds(slow) == pytest.approx(ages_in_rounds(fast))


def test_shares_and_growth() -> None:
    shares = {"a": steady(100), "b": steady(95), "c": steady(98), "d": steady(100)}
    assert share_difference_percent(shares) == pytest.approx(5)
    assert math.isnan(share_difference_percent({"a": [], "b": []}))
    assert growth_mb([100_000_000] * 15 + [150_000_000] * 30 + [103_000_000] * 15) == 3
    assert math.isnan(growth_mb([1, 2, 3]))


def test_a_fair_and_quick_detector_holds_all_bars() -> None:
    fair = dict.fromkeys(CAMERAS, 120)
    found = result(load(fair), load(fair, late_s=1.4))
    assert found.ok
    assert [bar.value for bar in found.bars] == pytest.approx([1.4, 0, 0])
    ages = {m.name: m.median for m in found.measures if "at its oldest" in m.name}
    assert list(ages.values()) == pytest.approx([700, 1900])


@pytest.mark.parametrize(
    ("late_s", "counts", "sizes", "missed"),
    [
        (0.6, (120, 120, 120, 120), None, "largest age of a camera's newest result"),
        (0.2, (120, 120, 120, 100), None, "difference between the cameras' shares"),
        (0.2, (120, 120, 120, 120), [10**8] * 15 + [13 * 10**7] * 45, "growth of memory"),
    ],
)
def test_each_bar_can_be_missed(
    late_s: float, counts: tuple[int, ...], sizes: list[int] | None, missed: str
) -> None:
    found = result(
        load(dict(zip(CAMERAS, counts)), late_s, sizes), load(dict(zip(CAMERAS, counts)))
    )
    assert [bar.name for bar in found.bars if not bar.ok] == [missed]


def test_nothing_measured_holds_no_bar() -> None:
    empty = Load(duration_s=60.0)
    assert not any(bar.ok for bar in result(empty, empty).bars)


def test_a_detector_that_keeps_up_is_told() -> None:
    quick = load(dict.fromkeys(CAMERAS, 600))
    assert any("keeps up with 40 Hz" in note for note in result(quick, quick).notes)

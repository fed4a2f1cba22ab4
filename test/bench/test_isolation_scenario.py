"""The scenario of a detector in company: its arithmetic."""

from __future__ import annotations

from edge_mm_ros.bench.isolation import COMPANY, Round, Run, result


def stretch(p99_ms: float, finished: int = 10) -> Run:
    """A stretch of 10 s whose detections all take the same."""
    return Run([p99_ms] * 20, {name: [0.5] * finished for name in COMPANY}, 10.0)


def one_round(alone_ms: float, measures_ms: float, finished: int = 10) -> Round:
    return Round(
        alone=stretch(alone_ms),
        company_alone=stretch(0.0, 20),
        measures=stretch(measures_ms, finished),
        no_measures=stretch(3 * alone_ms),
    )


def test_the_ratio_is_taken_within_each_round() -> None:
    # The machine is twice as slow in the second round: the ratios are 1.5, 1.5 and 1.9.
    outcome = result([one_round(100, 150), one_round(200, 300), one_round(100, 190)])
    bar = outcome.bars[0]
    assert (bar.value, bar.limit, bar.ok) == (1.5, 1.6, True)
    shown = {measure.name: measure.median for measure in outcome.measures}
    assert shown["the same without measures"] == 3.0
    assert shown[f"{COMPANY[0]} alone"] == 2.0
    assert shown[f"{COMPANY[0]} beside the detector"] == 1.0


def test_a_disturbed_detector_misses_the_bar() -> None:
    assert not result([one_round(100, 161)]).ok


def test_company_that_does_not_get_on_proves_nothing() -> None:
    assert result([one_round(100, 110), one_round(100, 110, finished=0)]).ok
    outcome = result([one_round(100, 110, finished=0)])
    assert [bar.name for bar in outcome.bars if not bar.ok] == [
        f"{name}: finished beside the detector" for name in COMPANY
    ]

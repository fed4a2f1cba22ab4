"""What the report's timeline is made of: stretches of time, lanes, curves, texts that fit."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from edge_mm_ros.cli.report.drawing import CHARACTER, cut, in_lanes, round_step, round_top, thin
from edge_mm_ros.cli.report.spans import event_spans, state_spans
from edge_mm_ros.datatypes import EventPhase, SafetyEvent, SafetyLevel, SafetyStatus


def test_states_join_and_last_to_the_next() -> None:
    levels = [SafetyLevel.CLEAR, SafetyLevel.CLEAR, SafetyLevel.DANGER]
    states = [SafetyStatus(level, 10 * i, (f"r{i}",)) for i, level in enumerate(levels)]
    clear, danger = state_spans(states, 50)
    assert (clear.level, clear.start_ns, clear.end_ns) == (SafetyLevel.CLEAR, 0, 20)
    assert clear.reasons == ("r0", "r1")
    assert (danger.start_ns, danger.end_ns) == (20, 50)


@given(
    st.lists(st.tuples(st.sampled_from(list(SafetyLevel)), st.integers(-100, 100)), max_size=30),
    st.integers(-100, 100),
)
def test_state_spans_never_overlap(told: list[tuple[SafetyLevel, int]], end_ns: int) -> None:
    spans = state_spans([SafetyStatus(level, stamp) for level, stamp in told], end_ns)
    assert all(span.start_ns < span.end_ns for span in spans)
    assert all(a.end_ns <= b.start_ns for a, b in itertools.pairwise(spans))


def test_an_event_without_an_end_stays_open() -> None:
    def told(event_id: str, phase: EventPhase, stamp_ns: int, level: SafetyLevel) -> SafetyEvent:
        started_ns = 10 if event_id == "a" else 30
        return SafetyEvent(event_id, phase, level, "bay", "zone", stamp_ns, started_ns, "Message.")

    spans = event_spans(
        [
            told("b", EventPhase.STARTED, 30, SafetyLevel.DANGER),
            told("a", EventPhase.STARTED, 12, SafetyLevel.CAUTION),
            told("a", EventPhase.ONGOING, 20, SafetyLevel.DANGER),
            told("a", EventPhase.ENDED, 40, SafetyLevel.CAUTION),
        ]
    )
    assert [(s.first.event_id, s.level, s.start_ns, s.told_ns, s.end_ns) for s in spans] == [
        ("a", SafetyLevel.DANGER, 10, 12, 40),
        ("b", SafetyLevel.DANGER, 30, 30, None),
    ]


@given(st.text(max_size=60), st.floats(-50, 400))
def test_cut_texts_fit(text: str, width: float) -> None:
    shown = cut(text, width)
    assert len(shown) * CHARACTER <= max(width, 0.0)
    assert shown in (text, "") or shown.endswith("…")


@given(st.lists(st.tuples(st.floats(0, 50), st.floats(-5, 5)), max_size=200))
def test_thinned_curves_keep_their_extremes(points: list[tuple[float, float]]) -> None:
    kept = thin(points)
    assert len(kept) <= 2 * 51
    if points:
        heights = [p[1] for p in points]
        assert min(heights) == min(p[1] for p in kept)
        assert max(heights) == max(p[1] for p in kept)


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 20)), max_size=40))
def test_spans_in_a_lane_do_not_overlap(spans: list[tuple[int, int]]) -> None:
    extents = sorted((float(begin), float(begin + length)) for begin, length in spans)
    lanes = in_lanes(extents, 3)
    for lane in range(3):
        members = [e for e, other in zip(extents, lanes) if other == lane]
        assert all(a[1] <= b[0] for a, b in itertools.pairwise(members))
    assert all(lane <= 3 for lane in lanes)


@given(st.floats(1e-6, 1e5))
def test_round_numbers_reach_what_is_asked_for(value: float) -> None:
    assert round_step(value) >= value * 0.999
    assert value * 0.999 <= round_top(value) <= value * 2.01

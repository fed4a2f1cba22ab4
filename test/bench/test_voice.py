"""What the benchmark of the voice makes of sound that came, and a tiny run of it."""

from __future__ import annotations

import math

import numpy as np
import pytest

pytest.importorskip("rclpy")
pytest.importorskip("audio_common_msgs")

from fakes.speech_engines import ScriptedEngine, tone

from edge_mm_ros.bench import voice
from edge_mm_ros.bench.voice import Cut, MarkedEngine, Piece, cut_of, first_engine, result
from edge_mm_ros.datatypes import EdgeMmError
from edge_mm_ros.pipelines.synthesis import Voice

MS = 1_000_000
SAMPLES = np.array([-3, -2, 0, 1, 32767, -32768], np.int16)


def piece(kind: str, arrived_ms: int, start_ms: int, length_ms: int = 50) -> Piece:
    """Sound of an "answer" or an "alarm"."""
    times_ns = (arrived_ms * MS, start_ms * MS, (start_ms + length_ms) * MS)
    return Piece(kind == "alarm", *times_ns)


SAID = [piece("answer", 900, 950), piece("answer", 950, 1000), piece("answer", 1000, 1050)]
ALARM = [piece("alarm", 1120, 1120), piece("alarm", 1150, 1170)]


def test_a_cut_counts_to_the_end_of_the_answer_and_to_the_begin_of_the_alarm() -> None:
    cut = cut_of([*SAID, *ALARM], 1000 * MS)
    assert (cut.answer_s, cut.arrived_s, cut.heard_s) == pytest.approx((0.1, 0.12, 0.12))
    again = cut_of([*SAID, *ALARM, piece("answer", 1300, 1320)], 1000 * MS)
    assert again == cut


def test_sound_that_comes_late_is_heard_late() -> None:
    cut = cut_of([*SAID, piece("answer", 1200, 1100), *ALARM], 1000 * MS)
    assert cut.answer_s == pytest.approx(0.25)


def test_an_alarm_waits_for_what_is_to_be_heard_before_it() -> None:
    cut = cut_of([*SAID, piece("alarm", 1020, 1100)], 1000 * MS)
    assert (cut.arrived_s, cut.heard_s) == pytest.approx((0.02, 0.1))
    found = result([cut], [0.01], "x")
    assert found.bars[1].value == pytest.approx(0.1)


def test_an_answer_that_goes_on_below_the_alarm_or_before_it_is_not_cut() -> None:
    below = cut_of([*SAID, ALARM[0], piece("answer", 1130, 1500), ALARM[1]], 1000 * MS)
    assert below.answer_s == pytest.approx(0.55)
    last = cut_of([*SAID, piece("answer", 9000, 9000), piece("alarm", 9050, 9050)], 1000 * MS)
    assert (last.answer_s, last.arrived_s) == pytest.approx((8.05, 8.05))
    assert not any(bar.ok for bar in result([last], [0.01], "x").bars)


@pytest.mark.parametrize("pieces", [[], SAID, ALARM])
def test_what_is_no_alarm_into_an_answer_is_told(pieces: list[Piece]) -> None:
    with pytest.raises(EdgeMmError, match="did not meet an answer"):
        cut_of(pieces, 1000 * MS)


GOOD = [Cut(0.1, 0.1, 0.12)] * 19


@pytest.mark.parametrize(
    ("cuts", "missed"),
    [
        ([Cut(0.1, 0.1, 0.12)], []),
        ([Cut(0.5, 0.1, 0.12)] * 3, ["alarm to the end of the answer, p95"]),
        ([Cut(0.1, 0.1, 0.5)] * 3, ["alarm to its sound, p95"]),
        ([Cut(0.1, 0.5, 0.1)] * 3, ["alarm to its sound, p95"]),
    ],
)
def test_each_bar_can_be_missed(cuts: list[Cut], missed: list[str]) -> None:
    found = result([*GOOD, *cuts], [0.01], "espeak-ng")
    assert [bar.name for bar in found.bars if not bar.ok] == missed
    assert any("espeak-ng" in note for note in found.notes)


def test_nothing_measured_holds_no_bar() -> None:
    found = result([], [], "espeak-ng")
    assert all(math.isnan(bar.value) and not bar.ok for bar in found.bars)


def test_sound_tells_whose_it_is() -> None:
    marked = MarkedEngine(ScriptedEngine(lambda _: [SAMPLES, SAMPLES]), lambda text: text == "a")
    for text, bit in (("a", 1), ("b", 0)):
        pieces = list(marked.begin(text, Voice("en", 165)).pieces())
        assert len(pieces) == 2
        for samples, rate_hz in pieces:
            assert (samples.dtype, rate_hz) == (np.int16, 16_000)
            assert (samples & 1 == bit).all()
            assert np.abs(samples.astype(int) - SAMPLES).max() <= 1


def test_the_first_that_can_speak_is_measured_and_else_it_is_told_why() -> None:
    silent, able = ScriptedEngine(trouble="apt install espeak-ng"), ScriptedEngine()
    assert first_engine([silent, able]) is able
    with pytest.raises(EdgeMmError, match="benchmark: apt install espeak-ng"):
        first_engine([silent])


def test_a_tiny_run_measures_two_alarms_into_one_answer() -> None:
    engine = ScriptedEngine(lambda text: [tone(0.1 if "fallen" in text else 20.0)])
    found = voice.run(2, engine)
    # The last two are the program alone.
    assert ["fallen" in text for text in engine.texts] == [False, True, False, True, True, True]
    assert [measure.count for measure in found.measures] == [2, 2, 2, 2]
    assert all(measure.median >= 0.0 for measure in found.measures)

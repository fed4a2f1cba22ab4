"""Sound and stamps: jitter, gaps, overlaps, jumps and impossible rates."""

from __future__ import annotations

import numpy as np
import pytest

from edge_mm_ros.datatypes import AudioChunk, InvalidInput
from edge_mm_ros.pipelines.transcription.reception import ReceptionStamps
from edge_mm_ros.pipelines.transcription.timeline import StampTimeline, Stretch

MS = 1_000_000
S = 1000 * MS
HOUR = 3600 * S
START = 1_700_000_000 * S


def chunk(
    stamp_ns: int, length_ms: int = 100, rate_hz: int = 16_000, channels: int = 1
) -> AudioChunk:
    samples = np.zeros((rate_hz * length_ms // 1000, channels), np.float32)
    return AudioChunk(samples, rate_hz, stamp_ns, "mic")


def test_chunks_in_a_row_are_one_stretch() -> None:
    timeline = StampTimeline()
    placements = [timeline.place(chunk(START + i * 100 * MS)) for i in range(20)]
    assert len({id(p.stretch) for p in placements}) == 1
    assert all(p.silence_samples == p.skip_samples == 0 and p.fault is None for p in placements)
    assert placements[0].stretch.capture_ns(16_000 * 3 // 2) == START + 1500 * MS


def test_jitter_moves_the_stamps_only_a_little() -> None:
    timeline = StampTimeline()
    stretch = timeline.place(chunk(START)).stretch
    for i in range(1, 50):
        jitter = 20 * MS if i % 2 else -20 * MS
        placement = timeline.place(chunk(START + i * 100 * MS + jitter))
        assert placement.stretch is stretch
        assert placement.silence_samples == placement.skip_samples == 0
    assert abs(stretch.capture_ns(0) - START) < 5 * MS


def test_a_drifting_clock_is_followed() -> None:
    timeline = StampTimeline()
    stretch = timeline.place(chunk(START)).stretch
    for i in range(1, 3000):
        assert timeline.place(chunk(START + i * 100_010_000)).stretch is stretch
    assert abs(stretch.capture_ns(16_000 * 300) - (START + 3000 * 100_010_000)) < 5 * MS


def test_a_short_gap_is_filled_with_silence() -> None:
    timeline = StampTimeline()
    stretch = timeline.place(chunk(START)).stretch
    placement = timeline.place(chunk(START + 300 * MS))
    assert placement.stretch is stretch
    assert placement.silence_samples == 3200
    assert timeline.place(chunk(START + 400 * MS)).silence_samples == 0


def test_a_long_gap_begins_a_new_stretch() -> None:
    timeline = StampTimeline()
    stretch = timeline.place(chunk(START)).stretch
    placement = timeline.place(chunk(START + 2 * S))
    assert placement.stretch is not stretch
    assert placement.fault is None
    assert placement.stretch.capture_ns(0) == START + 2 * S


def test_sound_that_was_heard_is_skipped() -> None:
    timeline = StampTimeline()
    timeline.place(chunk(START, 200))
    assert timeline.place(chunk(START + 100 * MS, 200)).skip_samples == 1600
    assert timeline.place(chunk(START + 300 * MS)).skip_samples == 0


def test_a_repeated_chunk_is_refused_and_the_next_one_fits() -> None:
    timeline = StampTimeline()
    for i in range(3):
        timeline.place(chunk(START + i * 100 * MS))
    with pytest.raises(InvalidInput, match="heard already") as caught:
        timeline.place(chunk(START))
    assert caught.value.kind == "stamp_repeated"
    assert timeline.place(chunk(START + 300 * MS)).skip_samples == 0


def test_a_jump_back_begins_anew_and_is_said_once() -> None:
    timeline = StampTimeline()
    old = timeline.place(chunk(START)).stretch
    placements = [timeline.place(chunk(START - HOUR + i * 100 * MS)) for i in range(5)]
    faults = [p.fault for p in placements if p.fault is not None]
    assert [fault.kind for fault in faults] == ["stamp_jump"]
    assert "3600.100 s" in str(faults[0])
    assert placements[0].stretch is not old
    assert len({id(p.stretch) for p in placements}) == 1


@pytest.mark.parametrize(("rate", "channels"), [(48_000, 1), (16_000, 2)])
def test_another_format_begins_a_new_stretch(rate: int, channels: int) -> None:
    timeline = StampTimeline()
    stretch = timeline.place(chunk(START)).stretch
    assert timeline.place(chunk(START + 100 * MS, 100, rate, channels)).stretch is not stretch


@pytest.mark.parametrize("advance_ms", [0, 33, 50, 200, 300])
def test_a_wrong_rate_or_number_of_channels_is_found_by_the_stamps(advance_ms: int) -> None:
    timeline = StampTimeline()
    kinds = []
    for i in range(30):
        try:
            timeline.place(chunk(START + i * advance_ms * MS))
        except InvalidInput as error:
            kinds.append(error.kind)
    assert kinds[-10:] == ["sample_rate"] * 10


def test_lost_chunks_are_no_wrong_rate() -> None:
    timeline = StampTimeline()
    for i in range(60):
        if i % 4:
            timeline.place(chunk(START + i * 100 * MS))


def test_where_most_chunks_are_dropped_on_arrival_the_rest_is_heard() -> None:
    timeline = StampTimeline()
    for i in range(60):
        timeline.expect_gap()
        timeline.place(chunk(START + i * 450 * MS))


def test_after_a_reset_nothing_is_remembered() -> None:
    timeline = StampTimeline()
    timeline.place(chunk(START))
    timeline.reset()
    placement = timeline.place(chunk(START - HOUR))
    assert placement.fault is None
    assert placement.stretch == Stretch(float(START - HOUR))


def test_reception_stamps_run_on_with_the_sound() -> None:
    stamps = ReceptionStamps()
    late_ms = [3, 60, 5, 4, 80, 2, 3, 3, 40, 3]
    found = [
        stamps.stamp(START + (i + 1) * 100 * MS + late * MS, 100 * MS)
        for i, late in enumerate(late_ms)
    ]
    steps = np.diff(found)
    assert np.all(np.abs(steps - 100 * MS) < 3 * MS)
    assert found[0] == START + 3 * MS


def test_reception_stamps_begin_anew_after_a_break() -> None:
    stamps = ReceptionStamps()
    stamps.stamp(START, 100 * MS)
    assert stamps.stamp(START + 5 * S, 100 * MS) == START + 5 * S - 100 * MS
    assert stamps.stamp(START - HOUR, 100 * MS) == START - HOUR - 100 * MS
    stamps.reset()
    assert stamps.stamp(START, 100 * MS) == START - 100 * MS


def test_doubled_chunks_are_left_out_however_short_they_are() -> None:
    timeline = StampTimeline()
    for index in range(40):
        short = chunk(START + index * S // 50, 20)
        timeline.place(short)
        with pytest.raises(InvalidInput, match="came twice") as caught:
            timeline.place(short)
        assert caught.value.kind == "stamp_repeated"

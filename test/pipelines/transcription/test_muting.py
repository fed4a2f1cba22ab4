"""The robot's own voice is left out, and no more than that."""

from __future__ import annotations

import numpy as np

from edge_mm_ros.datatypes import AudioChunk
from edge_mm_ros.params.speech_transcriber import SpeechTranscriberParams
from edge_mm_ros.pipelines.transcription import OwnVoice

PARAMS = SpeechTranscriberParams(mute_tail_s=0.25, max_mute_s=1.0)


def heard(voice: OwnVoice, count: int) -> list[float]:
    """How much of each of some chunks of 0.1 s is heard."""
    chunk = AudioChunk(np.ones((1600, 1), np.float32), 16_000, 0, "ear")
    return [float(voice.filtered(chunk, PARAMS).samples.mean()) for _ in range(count)]


def test_nothing_is_left_out_while_the_robot_is_silent() -> None:
    assert heard(OwnVoice(), 2) == [1.0, 1.0]


def test_the_robots_voice_and_its_echo_are_left_out() -> None:
    voice = OwnVoice()
    voice.tell(True, PARAMS)
    assert heard(voice, 3) == [0.0, 0.0, 0.0]
    voice.tell(False, PARAMS)
    assert heard(voice, 4) == [0.0, 0.0, 0.5, 1.0]


def test_a_latched_message_of_silence_mutes_nothing() -> None:
    voice = OwnVoice()
    voice.tell(False, PARAMS)
    assert heard(voice, 1) == [1.0]


def test_a_robot_whose_voice_never_ends_does_not_stay_deaf() -> None:
    voice = OwnVoice()
    voice.tell(True, PARAMS)
    assert heard(voice, 12)[-1] == 1.0
    assert voice.disbelieved
    assert not voice.mutes
    voice.tell(False, PARAMS)
    assert not voice.disbelieved
    voice.tell(True, PARAMS)
    assert heard(voice, 1) == [0.0]


def test_it_speaks_again_within_the_echo() -> None:
    voice = OwnVoice()
    for speaking in (True, False, True):
        voice.tell(speaking, PARAMS)
    assert heard(voice, 5) == [0.0] * 5

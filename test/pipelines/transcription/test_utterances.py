"""When a hypothesis is worth its time."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from fakes.scripted_speech import RATE, Ears, Scribe, sound_of, speech_host

from edge_mm_ros.datatypes import AudioChunk
from edge_mm_ros.params.speech_transcriber import SpeechTranscriberParams
from edge_mm_ros.pipelines.transcription import Utterance, UtteranceFinder
from edge_mm_ros.pipelines.transcription.segmentation import Ending

S = 1_000_000_000
FRAME = 512


def test_in_silence_no_hypothesis_is_begun_before_that_of_the_pause(tmp_path: Path) -> None:
    params = SpeechTranscriberParams(voice_activity_model="ear", settle_s=0.2)
    finder = UtteranceFinder(speech_host(tmp_path, Ears(), Scribe([])), params)
    sound = sound_of([("word", 0.0, 1.024)], 2.0)
    shown: list[Utterance] = []
    outdated: list[int] = []
    outdated_once_told: list[int] = []
    for begin in range(0, 40 * FRAME, FRAME):
        stamp_ns = begin * S // RATE
        chunk = AudioChunk(sound[begin : begin + FRAME, None], RATE, stamp_ns, "ear")
        shown += finder.push(chunk)
        if shown and finder.will_outdate(replace(shown[0], ending=Ending.GOES_ON), told=False):
            outdated.append(begin // FRAME)
        if shown and finder.will_outdate(replace(shown[0], ending=Ending.GOES_ON), told=True):
            outdated_once_told.append(begin // FRAME)
        if shown:
            assert not finder.will_outdate(replace(shown[0], ending=Ending.PAUSES), told=True)
    # The last voiced frame is number 31; one silent frame may lie within a word.
    assert outdated[0] == 33
    assert outdated_once_told[0] == 32
    assert shown[-1].ending is Ending.PAUSES

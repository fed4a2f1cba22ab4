"""Speech at its own speed: when is what told."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from edge_mm_ros.bench.speech_material import RATE_HZ, Sound
from edge_mm_ros.datatypes import AudioChunk, Transcript
from edge_mm_ros.params.speech_transcriber import SpeechTranscriberParams
from edge_mm_ros.pipelines.stamps import NS_PER_S
from edge_mm_ros.pipelines.transcription import (
    Recognizer,
    Utterance,
    UtteranceFinder,
    without_outdated,
)
from edge_mm_ros.ros.work_queue import Inbox, Worker, latest_only, lossless
from edge_mm_ros.runtime import ModelHost

_CHUNK = RATE_HZ // 20
_DRAIN_S = 60.0


@dataclass(frozen=True)
class Told:
    """A transcript and when it was told: seconds since the first sample was captured."""

    transcript: Transcript
    at_s: float


def tell_live(host: ModelHost, params: SpeechTranscriberParams, sound: Sound) -> list[Told]:
    """Feed sound as a microphone does, in chunks of 50 ms that come when they are complete.

    One thread listens and one recognises, as in the node ``speech_transcriber``; a hypothesis for
    which there is no time is left out, as there.

    Args:
        host: lends the models.
        params: of the transcriber.
        sound: float32 (n,), 16 kHz.

    Raises:
        EdgeMmError: a model failed.
    """
    told: list[Told] = []
    errors: list[Exception] = []
    recognizer = Recognizer(host, params)
    finder = UtteranceFinder(host, params)
    finder.warm_up()
    recognizer.warm_up()
    overtaken: set[int] = set()

    def recognize(utterance: Utterance) -> None:
        if not utterance.complete and utterance.start_ns in overtaken:
            return
        if finder.will_outdate(utterance, recognizer.has_told(utterance)):
            return
        transcript = recognizer.recognize(utterance).transcript
        if transcript is not None:
            told.append(Told(transcript, time.perf_counter() - begun_s))

    def note(_inbox: Inbox, error: Exception | None) -> None:
        if error is not None:
            errors.append(error)

    worker = Worker("recognition", note)
    waiting = worker.inbox(recognize, lossless())
    hypotheses = worker.inbox(recognize, latest_only())

    def hand_over(utterances: list[Utterance]) -> None:
        for utterance in without_outdated(utterances):
            if utterance.complete:
                overtaken.add(utterance.start_ns)
                waiting.put(utterance)
            else:
                hypotheses.put(utterance)

    worker.start()
    begun_s = time.perf_counter()
    try:
        _play(sound, begun_s, lambda chunk: hand_over(finder.push(chunk)))
        hand_over(finder.flush())
        worker.wait_idle(_DRAIN_S)
    finally:
        worker.close(_DRAIN_S)
    if errors:
        raise errors[0]
    return told


def _play(sound: Sound, begun_s: float, hear: Callable[[AudioChunk], None]) -> None:
    for begin in range(0, len(sound), _CHUNK):
        samples = sound[begin : begin + _CHUNK, None]
        ready_s = begun_s + (begin + len(samples)) / RATE_HZ
        time.sleep(max(0.0, ready_s - time.perf_counter()))
        hear(AudioChunk(samples, RATE_HZ, begin * NS_PER_S // RATE_HZ, "microphone"))


def finals(told: list[Told]) -> list[Told]:
    """The last word on each utterance."""
    return [each for each in told if each.transcript.is_final]


def final_delays_s(told: list[Told]) -> list[float]:
    """From the end of speech to the final text of each utterance."""
    return [each.at_s - each.transcript.end_ns / NS_PER_S for each in finals(told)]


def first_delays_s(told: list[Told]) -> list[float]:
    """From the end of an utterance's first word to its first text, of each utterance."""
    delays = []
    for final in finals(told):
        first = next(t for t in told if t.transcript.start_ns == final.transcript.start_ns)
        delays.append(first.at_s - final.transcript.words[0].end_ns / NS_PER_S)
    return delays


def padded(sound: Sound, before_s: float = 0.5, after_s: float = 1.5) -> Sound:
    """Sound with silence around it."""
    silences = [np.zeros(round(s * RATE_HZ), np.float32) for s in (before_s, after_s)]
    return np.concatenate([silences[0], sound, silences[1]])

"""openai-whisper on whole utterances: what a transcript costs that waits for the end of speech."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from itertools import pairwise

import numpy as np

from edge_mm_ros.bench.bare_engines import BareOpenAiWhisper
from edge_mm_ros.bench.live_speech import Told, finals
from edge_mm_ros.bench.speech_material import RATE_HZ, Sound
from edge_mm_ros.pipelines.stamps import NS_PER_S


@dataclass
class WholeUtterances:
    """What it made of them.

    Attributes:
        texts: of each recording.
        took_s: from the end of each utterance to its text, as if its end were known at once.
        engine: what computed.
    """

    texts: list[str] = field(default_factory=list)
    took_s: list[float] = field(default_factory=list)
    engine: str = ""


def hear_whole_utterances(
    sounds: Sequence[Sound], lives: Sequence[Sequence[Told]]
) -> WholeUtterances:
    """Recognise each utterance that was told live once more, whole.

    Args:
        sounds: recordings, float32 (n,), 16 kHz.
        lives: what was told of each.

    Raises:
        ImportError: PyTorch or openai-whisper is not installed.
    """
    engine = BareOpenAiWhisper()
    engine(np.zeros(RATE_HZ, np.float32))
    heard = WholeUtterances(
        engine=f"openai-whisper {version('openai-whisper')} on torch {version('torch')}, float32"
    )
    for sound, told in zip(sounds, lives):
        texts = []
        for utterance in utterances(sound, told):
            begun_s = time.perf_counter()
            texts.append(engine(utterance))
            heard.took_s.append(time.perf_counter() - begun_s)
        heard.texts.append(" ".join(texts))
    return heard


def utterances(sound: Sound, told: Sequence[Told]) -> list[Sound]:
    """The sound of each utterance that was told, cut in the middle of the pauses between them."""
    spoken = [each.transcript for each in finals(list(told))]
    middles_ns = [(a.end_ns + b.start_ns) // 2 for a, b in pairwise(spoken)]
    return np.split(sound, [ns * RATE_HZ // NS_PER_S for ns in middles_ns])

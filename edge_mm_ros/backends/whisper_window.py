"""One window of sound through a Whisper of ``faster-whisper``, with the time of every word.

The engine's own `transcribe` pads every sound to 30 s, and the encoder takes its time for all of
it. Utterances are much shorter: a window of 15 s gives the same text in a third of the time. Words
get their times by the cross-attention of the decoder (Radford et al. 2022, as in openai-whisper).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_mm_ros.backends.protocol import (
    TranscribedSegment,
    TranscribedWord,
    TranscriptionResult,
)
from edge_mm_ros.backends.speech_samples import SAMPLE_RATE_HZ, compression_ratio

MAX_WINDOW_S = 28.0
_FRAMES_PER_S = 100
_MAX_FRAMES = 3000
# Without silence after it the decoder does not find the end, and says the last words again.
_SILENCE_AFTER_S = 2.0
# Nobody speaks faster; a decoder that loops stops there.
_TOKENS_PER_S = 10
_TOKENS_AT_ONCE = 16


@dataclass(frozen=True)
class Window:
    """How a window is decoded.

    Attributes:
        language: ISO 639-1; None: detect it.
        beam_size: of the search.
        context_s: length that shorter sound is padded to, seconds.
    """

    language: str | None
    beam_size: int
    context_s: float


def transcribe_window(
    engine: Any, model: Any, samples: NDArray[np.float32], window: Window
) -> TranscriptionResult:
    """Text of float32 (n,) mono samples at 16 kHz that last up to `MAX_WINDOW_S`.

    Args:
        engine: the module ``faster_whisper``.
        model: its ``WhisperModel``.
        samples: the sound.
        window: how.
    """
    encoded, frames = _encoded(model, samples, window.context_s)
    language, certainty = window.language, 1.0
    if language is None:
        language, certainty = _detected(model, encoded)
    tokenizer = engine.tokenizer.Tokenizer(
        model.hf_tokenizer, model.model.is_multilingual, task="transcribe", language=language
    )
    prompt = model.get_prompt(tokenizer, [], without_timestamps=True)
    length = _TOKENS_AT_ONCE + math.ceil(_TOKENS_PER_S * len(samples) / SAMPLE_RATE_HZ)
    (answer,) = model.model.generate(
        encoded,
        [prompt],
        beam_size=window.beam_size,
        max_length=min(len(prompt) + length, model.max_length),
        return_scores=True,
        return_no_speech_prob=True,
    )
    tokens = [token for token in answer.sequences_ids[0] if token < tokenizer.eot]
    text = tokenizer.decode(tokens).strip()
    if not text:
        return TranscriptionResult((), language, certainty)
    (aligned,) = model.find_alignment(tokenizer, [tokens], encoded, frames)
    duration_s = len(samples) / SAMPLE_RATE_HZ
    words = _words(aligned, duration_s)
    segment = TranscribedSegment(
        text=text,
        start_s=words[0].start_s if words else 0.0,
        end_s=words[-1].end_s if words else duration_s,
        # As faster-whisper counts: the sum over the tokens, by their number and the end.
        average_log_probability=float(answer.scores[0]) * len(tokens) / (len(tokens) + 1),
        no_speech_probability=float(answer.no_speech_prob),
        compression_ratio=compression_ratio(text),
        words=words,
    )
    return TranscriptionResult((segment,), language, certainty)


def _encoded(model: Any, samples: NDArray[np.float32], context_s: float) -> tuple[Any, int]:
    """What the encoder makes of the sound, and how many feature frames hold sound."""
    frames = min(_MAX_FRAMES, len(samples) * _FRAMES_PER_S // SAMPLE_RATE_HZ)
    features = model.feature_extractor(samples)[:, :frames]
    wanted = max(round(context_s * _FRAMES_PER_S), frames + round(_SILENCE_AFTER_S * _FRAMES_PER_S))
    padding = min(_MAX_FRAMES, wanted) - features.shape[1]
    return model.encode(np.pad(features, ((0, 0), (0, max(0, padding))))), frames


def _detected(model: Any, encoded: Any) -> tuple[str, float]:
    """The likeliest language and its probability."""
    if not model.model.is_multilingual:
        return "en", 1.0
    (ranked,) = model.model.detect_language(encoded)
    code, probability = ranked[0]
    return code.strip("<|>"), float(probability)


def _words(aligned: Sequence[Any], duration_s: float) -> tuple[TranscribedWord, ...]:
    """Words with their punctuation, which does not make them longer."""
    words: list[TranscribedWord] = []
    for part in aligned:
        text = str(part["word"])
        if not text.strip():
            continue
        start_s = min(float(part["start"]), duration_s)
        end_s = min(max(start_s, float(part["end"])), duration_s)
        joined = words and (not any(map(str.isalnum, text)) or not text.startswith(" "))
        if joined and words:
            last = words.pop()
            end_s = end_s if any(map(str.isalnum, text)) else last.end_s
            words.append(
                TranscribedWord(last.text + text.strip(), last.start_s, end_s, last.probability)
            )
        else:
            words.append(TranscribedWord(text.strip(), start_s, end_s, float(part["probability"])))
    return tuple(words)

"""One window of sound through a Whisper of ``faster-whisper``, with the time of every word.

The engine's own `transcribe` pads every sound to 30 s, and the encoder takes its time for all of
it. Utterances are much shorter: a window of 10 s gives the same text in a fraction of the time.
Words get their times by the cross-attention of the decoder (Radford et al. 2022, as in
openai-whisper).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
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
_TOKENS_PER_S = 5
_TOKENS_AT_ONCE = 8


@dataclass(frozen=True)
class Window:
    """How a window is decoded.

    Attributes:
        language: ISO 639-1; None: detect it.
        beam_size: of the search.
        context_s: length that shorter sound is padded to, seconds.
        prefix: what is known to be said first; the decoder is made to begin with it, and goes on.
    """

    language: str | None
    beam_size: int
    context_s: float
    prefix: str = ""


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
    given = tokenizer.encode(f" {window.prefix}") if window.prefix else []
    prompt = [*model.get_prompt(tokenizer, [], without_timestamps=True), *given]
    spoken = _TOKENS_AT_ONCE + math.ceil(_TOKENS_PER_S * len(samples) / SAMPLE_RATE_HZ)
    new = max(_TOKENS_AT_ONCE, spoken - len(given))
    (answer,) = model.model.generate(
        encoded,
        [prompt],
        beam_size=window.beam_size,
        # The engine generates up to half of that, and no more than what is left by the prompt.
        max_length=min(max(2 * new, len(prompt) + new), model.max_length),
        return_scores=True,
        return_no_speech_prob=True,
    )
    tokens = [token for token in answer.sequences_ids[0] if token < tokenizer.eot]
    if given:
        tokens = tokens[len(given) :]  # the engine tells the prefix as well
    text = tokenizer.decode(tokens).strip()
    result = TranscriptionResult((), language, certainty, bool(given))
    if not text:
        return result
    (aligned,) = model.find_alignment(tokenizer, [[*given, *tokens]], encoded, frames)
    duration_s = len(samples) / SAMPLE_RATE_HZ
    words, ending = _words(aligned, len(given), duration_s)
    if not words:
        return replace(result, prefix_ending=ending)
    segment = TranscribedSegment(
        text=" ".join(word.text for word in words) if given else text,
        start_s=words[0].start_s,
        end_s=words[-1].end_s,
        # As faster-whisper counts: the sum over the tokens, by their number and the end.
        average_log_probability=float(answer.scores[0]) * len(tokens) / (len(tokens) + 1),
        no_speech_probability=float(answer.no_speech_prob),
        compression_ratio=compression_ratio(text),
        words=words,
    )
    return replace(result, segments=(segment,), prefix_ending=ending)


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


def _words(
    aligned: Sequence[Any], given: int, duration_s: float
) -> tuple[tuple[TranscribedWord, ...], str]:
    """Words after the given tokens, with their punctuation, which does not make them longer.

    Besides, the punctuation right behind the given tokens.
    """
    words: list[TranscribedWord] = []
    ending = ""
    count = 0
    for part in aligned:
        text = str(part["word"])
        known = count < given
        count += len(part["tokens"])
        if known or not text.strip():
            continue
        start_s = min(float(part["start"]), duration_s)
        end_s = min(max(start_s, float(part["end"])), duration_s)
        spoken = any(map(str.isalnum, text))
        if words and not (spoken and text.startswith(" ")):
            last = words.pop()
            end_s = end_s if spoken else last.end_s
            words.append(
                TranscribedWord(last.text + text.strip(), last.start_s, end_s, last.probability)
            )
        elif given and not spoken:
            ending += text.strip()
        else:
            words.append(TranscribedWord(text.strip(), start_s, end_s, float(part["probability"])))
    return tuple(words), ending

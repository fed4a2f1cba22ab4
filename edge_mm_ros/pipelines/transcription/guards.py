"""Refuses text that a recogniser invents where nothing, or nothing clear, was said.

Whisper was trained on subtitles: from silence and noise it makes the phrases with which videos
end, and loops. Its own measures (Radford et al. 2022, section 4.5) tell most of that apart.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

from edge_mm_ros.backends import TranscribedSegment
from edge_mm_ros.params.speech_transcriber import SpeechTranscriberParams

_WEAK_LOG_PROBABILITY = -1.0
_CLEAR_LOG_PROBABILITY = -0.8
_CLEAR_NO_SPEECH = 0.5
_WORDS_AT_ONCE = 3
_WORDS_PER_S = 7.0
_PHANTOMS = frozenset(
    {
        "you",
        "thank you",
        "thank you very much",
        "thank you so much",
        "thanks",
        "thanks for watching",
        "thank you for watching",
        "thanks for listening",
        "please subscribe",
        "subscribe to my channel",
        "like and subscribe",
        "see you next time",
        "see you in the next video",
        "i will see you in the next video",
        "bye",
        "bye bye",
        "the end",
        "music",
        "applause",
        "silence",
        "blank audio",
    }
)
# Remarks on the sound, such as [BLANK_AUDIO], (music) or a note sign, are nobody's words.
_REMARK = re.compile(r"\[[^\]]*\]|\([^)]*\)|\*[^*]*\*|[\u2669-\u266f]")


def spoken_text(text: str) -> str:
    """The text without remarks on the sound; empty where no letter or digit is left."""
    kept = " ".join(_REMARK.sub(" ", text).split())
    return kept if re.search(r"\w", kept) else ""


def why_refused(
    segment: TranscribedSegment, voiced_s: float, params: SpeechTranscriberParams
) -> str:
    """Why a segment is taken for invented; empty where it is believed.

    Args:
        segment: what the recogniser says.
        voiced_s: how much of the whole utterance was surely speech, seconds.
        params: the limits.
    """
    text = spoken_text(segment.text)
    if not text:
        return "no words"
    if segment.compression_ratio > params.max_compression_ratio:
        return f"a loop (compression ratio {segment.compression_ratio:.1f})"
    log_probability = segment.average_log_probability
    if not log_probability >= params.min_log_probability:
        return f"too uncertain (mean log probability {log_probability:.2f})"
    silent = segment.no_speech_probability > params.max_no_speech
    if silent and log_probability < _WEAK_LOG_PROBABILITY:
        return f"no speech (probability {segment.no_speech_probability:.2f})"
    words = len(text.split())
    if words > _WORDS_AT_ONCE + _WORDS_PER_S * voiced_s:
        return f"{words} words in {voiced_s:.1f} s of speech"
    clear = (
        segment.no_speech_probability < _CLEAR_NO_SPEECH
        and log_probability > _CLEAR_LOG_PROBABILITY
    )
    if _bare(text) in _PHANTOMS and not clear:
        return f"'{text}' is what the recogniser makes of silence"
    return ""


def confidence(segments: Sequence[TranscribedSegment]) -> float:
    """How far a text can be believed, 0 to 1.

    The mean probability of its tokens, ``exp(mean log probability)`` weighted by length, times
    the probability that there is speech at all.
    """
    weights = [max(1e-3, segment.end_s - segment.start_s) for segment in segments]
    total = sum(weights)
    mean = sum(w * s.average_log_probability for w, s in zip(weights, segments)) / total
    no_speech = sum(w * s.no_speech_probability for w, s in zip(weights, segments)) / total
    return min(1.0, max(0.0, math.exp(min(0.0, mean)) * (1.0 - no_speech)))


def _bare(text: str) -> str:
    return " ".join(re.findall(r"[a-z']+", text.lower().replace("-", " ")))

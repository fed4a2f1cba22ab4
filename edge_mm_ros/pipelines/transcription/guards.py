"""Refuses text that a recogniser invents where nothing, or nothing clear, was said.

Whisper was trained on subtitles: from silence and noise it makes the phrases with which videos
end, and loops. Its own measures (Radford et al. 2022, section 4.5) tell most of that apart. Unlike
there, a high no-speech probability counts however probable the text is: loops are very probable.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from edge_mm_ros.backends import TranscribedSegment
from edge_mm_ros.datatypes import SpokenWord
from edge_mm_ros.params.safety_rules import words_of
from edge_mm_ros.params.speech_transcriber import SpeechTranscriberParams

_CLEAR_LOG_PROBABILITY = -0.8
_CLEAR_NO_SPEECH = 0.2
# The recordings, also in noise, stay below the first or above the second, and above the third.
_UNCLEAR_NO_SPEECH = 0.37
_LIKELY_LOG_PROBABILITY = -0.5
_LEAST_MEAN_PROBABILITY = 0.45
# People do say "no no no no" and "help me, help me, help me".
_LOOP_TIMES_SHORT = 7
_LOOP_LONG = 3
_LOOP_TIMES = 3
_LOOP_WORDS = 12
_WORDS_AT_ONCE = 3
_WORDS_PER_S = 7.0
_PHANTOMS = frozenset(
    {
        "you",
        "i love you",
        "i love you so much",
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
_CLOSING = {"[": "]", "(": ")", "*": "*"}


def spoken_text(text: str) -> str:
    """The text without remarks on the sound; empty where no letter or digit is left."""
    kept = " ".join(_REMARK.sub(" ", text).split())
    return kept if re.search(r"\w", kept) else ""


def without_remarks(words: Sequence[SpokenWord]) -> list[SpokenWord]:
    """The words that somebody spoke; a remark may be several words long."""
    kept = []
    closing = ""
    for word in words:
        text = word.text
        if not closing and text[0] in _CLOSING:
            closing, text = _CLOSING[text[0]], text[1:]
        elif not closing and spoken_text(text):
            kept.append(word)
        if closing and closing in text:
            closing = ""
    return kept


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
    words = words_of(text)
    if _repeats(words):
        return f"a loop ('{text[:40]}')"
    if len(words) > _WORDS_AT_ONCE + _WORDS_PER_S * voiced_s:
        return f"{len(words)} words in {voiced_s:.1f} s of speech"
    clear = (
        segment.no_speech_probability < _CLEAR_NO_SPEECH
        and log_probability > _CLEAR_LOG_PROBABILITY
    )
    phantoms = _phantoms_in(text)
    if phantoms > 1 or (phantoms and not clear):
        return f"'{text}' is what the recogniser makes of silence"
    if segment.no_speech_probability > params.max_no_speech:
        return f"no speech (probability {segment.no_speech_probability:.2f})"
    return ""


def why_doubted(segment: TranscribedSegment, words: Sequence[SpokenWord]) -> str:
    """Why what begins an utterance is rather babble than speech; empty where it is believed.

    Voices of which no word can be understood pass for speech in each measure by itself; but not
    with a text that is likely, as that of speech in noise is.

    Args:
        segment: what the recogniser says.
        words: those of its words that are new.
    """
    unclear = segment.no_speech_probability > _UNCLEAR_NO_SPEECH
    if unclear and segment.average_log_probability < _LIKELY_LOG_PROBABILITY:
        return (
            f"unclear (no speech with a probability of {segment.no_speech_probability:.2f}) and "
            f"unlikely (mean log probability {segment.average_log_probability:.2f})"
        )
    mean = sum(word.probability for word in words) / max(1, len(words))
    if mean < _LEAST_MEAN_PROBABILITY:
        return f"its words are doubtful (mean probability {mean:.2f})"
    return ""


def loops(segment: TranscribedSegment, params: SpeechTranscriberParams) -> bool:
    """Whether a segment says the same again and again, as nobody does."""
    text = spoken_text(segment.text)
    repeated = segment.compression_ratio > params.max_compression_ratio
    return bool(text) and (repeated or _repeats(words_of(text)))


def _repeats(words: Sequence[str]) -> bool:
    """Whether words come again and again, one after the other, as nobody says them."""
    for length in range(1, _LOOP_WORDS + 1):
        times = _LOOP_TIMES_SHORT if length < _LOOP_LONG else _LOOP_TIMES
        for begin in range(len(words) - length * times + 1):
            part = tuple(words[begin : begin + length])
            rest = (
                tuple(words[begin + i * length : begin + (i + 1) * length]) for i in range(times)
            )
            if all(other == part for other in rest):
                return True
    return False


def _phantoms_in(text: str) -> int:
    """How many of the known phrases, and nothing else, a text is made of; 0: it says more."""
    if _bare(text) in _PHANTOMS:
        return 1
    parts = [bare for part in re.split(r"[.,;!?]", text) if (bare := _bare(part))]
    return len(parts) if all(part in _PHANTOMS for part in parts) else 0


def _bare(text: str) -> str:
    return " ".join(re.findall(r"[a-z']+", text.lower().replace("-", " ")))

"""Transcripts as ``hri_msgs/LiveSpeech``."""

from __future__ import annotations

import json
import math

from hri_msgs.msg import LiveSpeech
from std_msgs.msg import String

from edge_mm_ros.datatypes import InvalidInput, Transcript
from edge_mm_ros.ros.conversions.stamps import to_ns, to_stamp

# Newer releases of hri_msgs say `locale` (en_US), older ones `language`.
_LANGUAGE_FIELD = "locale" if hasattr(LiveSpeech, "locale") else "language"


def transcript_to_msg(transcript: Transcript) -> LiveSpeech:
    """A transcript as message; its stamp is the start of speech, the end has no field."""
    message = LiveSpeech()
    message.header.stamp = to_stamp(transcript.start_ns)
    message.header.frame_id = transcript.frame_id
    message.confidence = float(transcript.confidence)
    setattr(message, _LANGUAGE_FIELD, transcript.language)
    if transcript.is_final:
        message.final = transcript.text
    else:
        message.incremental = transcript.text
    return message


def words_to_msg(transcript: Transcript) -> String:
    """The times of a transcript's words, for which ``LiveSpeech`` has no field, as JSON.

    ``{"start_ns", "end_ns", "final", "language", "frame_id", "words": [{"word", "start_ns",
    "end_ns", "probability"}]}``; all times are capture times in nanoseconds, and ``start_ns`` is
    the stamp of the ``LiveSpeech`` message that it belongs to.
    """
    told = {
        "start_ns": transcript.start_ns,
        "end_ns": transcript.end_ns,
        "final": transcript.is_final,
        "language": transcript.language,
        "frame_id": transcript.frame_id,
        "words": [
            {
                "word": word.text,
                "start_ns": word.start_ns,
                "end_ns": word.end_ns,
                "probability": round(word.probability, 4),
            }
            for word in transcript.words
        ],
    }
    return String(data=json.dumps(told, ensure_ascii=False))


def transcript_from_msg(message: LiveSpeech) -> Transcript:
    """A message as transcript, the end of which is not known and given as its start.

    Raises:
        InvalidInput: there is no text, or the confidence is not a number.
    """
    text = message.final.strip() or message.incremental.strip()
    if not text:
        raise InvalidInput("empty", "the speech message holds no text")
    if math.isnan(message.confidence):
        raise InvalidInput("not_a_number", "the confidence of the speech is not a number")
    stamp_ns = to_ns(message.header.stamp)
    return Transcript(
        text=text,
        start_ns=stamp_ns,
        end_ns=stamp_ns,
        confidence=min(1.0, max(0.0, float(message.confidence))),
        language=getattr(message, _LANGUAGE_FIELD).replace("-", "_").partition("_")[0].lower(),
        is_final=bool(message.final.strip()),
        frame_id=message.header.frame_id,
    )

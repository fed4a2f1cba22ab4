"""Speech recognisers on a server with OpenAI's API: ``/audio/transcriptions``."""

from __future__ import annotations

import io
import math
import secrets
import time
import wave
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_mm_ros.backends.openai_connection import OpenAIConnection, error_text
from edge_mm_ros.backends.protocol import (
    TranscribedSegment,
    TranscriptionResult,
)
from edge_mm_ros.backends.remote import CHECK_ANSWER
from edge_mm_ros.backends.remote_http import HttpAnswer
from edge_mm_ros.backends.speech_samples import (
    SAMPLE_RATE_HZ,
    check_samples,
    compression_ratio,
    primary_language,
)
from edge_mm_ros.backends.whisper_languages import language_code

_DETAILED = "verbose_json"
_PLAIN = "json"


@dataclass(frozen=True)
class Unknown:
    """What is taken for a measure that a server does not tell.

    Both are chosen by whoever writes the manifest; the defaults are such that text is believed,
    but with little confidence, and what recognisers make of silence is not.
    """

    log_probability: float
    no_speech_probability: float


class RemoteTranscriptionModel:
    """A speech recogniser on a server; its calls may come from any thread."""

    memory_bytes = 0
    device_memory_bytes = 0

    def __init__(self, connection: OpenAIConnection, unknown: Unknown) -> None:
        self._connection = connection
        self._remote = connection.remote
        self._unknown = unknown
        self._format = _DETAILED
        self._round_trip_s = 0.0
        self._untold: tuple[str, ...] = ()

    @property
    def device(self) -> str:
        """The address."""
        return str(self._remote.url)

    @property
    def report(self) -> Mapping[str, str]:
        """Server, address, model, last round trip, and what of the last answer was not told."""
        known = {**self._connection.report, "response_format": self._format}
        if self._round_trip_s:
            known["round_trip_ms"] = f"{self._round_trip_s * 1000:.1f}"
        if self._untold:
            known["not_told_by_the_server"] = ", ".join(self._untold)
        return known

    def warm_up(self) -> None:
        """Ask whether the server still has the model; no sound is sent."""
        self._connection.find_model()

    def close(self) -> None:
        """Close the connections; calls under way fail."""
        self._connection.close()

    def transcribe(
        self, samples: NDArray[np.float32], language: str = "", prefix: str = ""
    ) -> TranscriptionResult:
        """Text of one utterance, which is sent to the server as 16-bit PCM.

        The detailed answer is asked for; a server that has only the plain one gives a segment of
        the whole length. Measures that it does not tell are taken as the manifest says, and the
        probability of the language is 0 where it was detected, since no server tells it.

        Args:
            samples: float32 (n,), mono, 16 kHz, -1 to 1.
            language: ISO 639-1; empty: the server detects it.
            prefix: not used; the whole sound is told.

        Raises:
            InputRefused: the samples are not finite float32 (n,).
            BackendError: the server does not answer in time, fails, or answers no transcript.
        """
        check_samples(self._remote.model, samples)
        wanted = primary_language(language)
        if len(samples) == 0:
            return TranscriptionResult((), wanted, 0.0)
        begin_s = time.perf_counter()
        answer = self._ask(_wav(samples), wanted)
        self._round_trip_s = time.perf_counter() - begin_s
        said = self._connection.client.parsed(answer.body)
        if failure := error_text(said):
            raise self._remote.refusal("an error", failure)
        try:
            return self._result(said, len(samples) / SAMPLE_RATE_HZ, wanted)
        except (ValueError, TypeError, AttributeError, OverflowError) as error:
            reason = self._remote.quote(str(error))
            raise self._remote.failure(
                f"answered no transcript ({reason})", CHECK_ANSWER
            ) from error

    def _ask(self, wav: bytes, language: str) -> HttpAnswer:
        answer = self._post(wav, language)
        if answer.status in {400, 422} and self._format == _DETAILED:
            # Servers without the detailed answer refuse it in words of their own.
            plain = self._post(wav, language, _PLAIN)
            if plain.status == 200:
                self._format = _PLAIN
                answer = plain
        self._connection.client.expect_success(answer)
        return answer

    def _post(self, wav: bytes, language: str, response_format: str = "") -> HttpAnswer:
        fields = {
            "model": self._connection.model,
            "response_format": response_format or self._format,
            "temperature": "0",
            "language": language,
        }
        boundary = secrets.token_hex(16)
        return self._connection.client.request(
            "POST",
            self._connection.path("/audio/transcriptions"),
            [_form(boundary, {k: v for k, v in fields.items() if v}, wav)],
            {"Content-Type": f"multipart/form-data; boundary={boundary}"},
        )

    def _result(
        self, said: Mapping[str, Any], duration_s: float, wanted: str
    ) -> TranscriptionResult:
        text = said.get("text")
        if not isinstance(text, str):
            raise ValueError("there is no 'text'")
        given = said.get("segments")
        untold: set[str] = set()
        if isinstance(given, list) and (given or not text.strip()):
            segments = tuple(self._segment(entry, duration_s, untold) for entry in given)
        elif text.strip():
            whole = {"text": text, "start": 0.0, "end": duration_s}
            segments = (self._segment(whole, duration_s, untold),)
        else:
            segments = ()
        self._untold = tuple(sorted(untold))
        detected = said.get("language")
        language = wanted or (language_code(detected) if isinstance(detected, str) else "")
        return TranscriptionResult(segments, language, 1.0 if wanted else 0.0)

    def _segment(
        self, entry: Mapping[str, Any], duration_s: float, untold: set[str]
    ) -> TranscribedSegment:
        text = entry["text"] if isinstance(entry.get("text"), str) else None
        start_s, end_s = _number(entry.get("start")), _number(entry.get("end"))
        if text is None or start_s is None or end_s is None or end_s < start_s:
            raise ValueError(f"the segment {entry!r}")

        def told(key: str, low: float, high: float, otherwise: float) -> float:
            value = _number(entry.get(key))
            if value is None or not low <= value <= high:
                untold.add(key)
                return otherwise
            return value

        return TranscribedSegment(
            text=text.strip(),
            start_s=min(max(0.0, start_s), duration_s),
            end_s=min(max(0.0, end_s), duration_s),
            average_log_probability=told(
                "avg_logprob", -math.inf, 0.0, self._unknown.log_probability
            ),
            no_speech_probability=told(
                "no_speech_prob", 0.0, 1.0, self._unknown.no_speech_probability
            ),
            compression_ratio=compression_ratio(text),
        )


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return float(value)


def _wav(samples: NDArray[np.float32]) -> bytes:
    pcm = np.rint(np.clip(samples, -1.0, 1.0) * 32767.0).astype("<i2")
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(SAMPLE_RATE_HZ)
        out.writeframes(pcm.tobytes())
    return file.getvalue()


def _form(boundary: str, fields: Mapping[str, str], wav: bytes) -> bytes:
    parts = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in fields.items()
    ]
    parts.append(
        f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="speech.wav"\r\n'
        "Content-Type: audio/wav\r\n\r\n"
    )
    return "".join(parts).encode() + wav + f"\r\n--{boundary}--\r\n".encode()

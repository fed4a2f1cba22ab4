"""A server with OpenAI's API: a language model that counts, a recogniser that measures."""

from __future__ import annotations

import email.parser
import email.policy
import io
import json
import wave
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from fakes.http_server import LocalServer, Reply, Request

CHAT = "/v1/chat/completions"
SPEECH = "/v1/audio/transcriptions"
EVENTS = {"Content-Type": "text/event-stream"}
SEGMENT = {
    "id": 0,
    "start": 0.25,
    "end": 0.75,
    "text": " Stop the robot.",
    "avg_logprob": -0.21,
    "no_speech_prob": 0.02,
    "compression_ratio": 0.9,
}


def event(**said: Any) -> bytes:
    """One server-sent event."""
    return b"data: " + json.dumps(said).encode() + b"\n\n"


def piece(text: str | None, finish: str | None = None) -> bytes:
    """One piece of a streamed answer."""
    delta = {} if text is None else {"content": text}
    return event(choices=[{"index": 0, "delta": delta, "finish_reason": finish}])


def streamed(texts: Sequence[str]) -> list[bytes]:
    """A whole answer, the way servers stream it: role, pieces, reason, end."""
    role = event(choices=[{"index": 0, "delta": {"role": "assistant", "content": None}}])
    return [role, *(piece(text) for text in texts), piece(None, "stop"), b"data: [DONE]\n\n"]


def form_of(request: Request) -> dict[str, bytes]:
    """The fields of a multipart form, read by the standard library's mail parser."""
    head = f"Content-Type: {request.headers['content-type']}\r\n\r\n".encode()
    message = email.parser.BytesParser(policy=email.policy.HTTP).parsebytes(head + request.body)
    return {
        str(part.get_param("name", header="content-disposition")): part.get_payload(decode=True)
        for part in message.iter_parts()
    }


def seconds_of(wav: bytes) -> float:
    """Length of 16 kHz mono 16-bit sound."""
    with wave.open(io.BytesIO(wav)) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, 16_000)
        return file.getnframes() / 16_000


def answer(request: Request) -> Reply:
    """What a good server with the models ``counter`` and ``hearer`` answers."""
    if request.path == "/v1/models":
        models = [{"id": "counter", "object": "model"}, {"id": "hearer", "object": "model"}]
        return Reply(json.dumps({"object": "list", "data": models}).encode(), 200)
    if request.path == CHAT:
        asked = json.loads(request.body)
        assert (asked["stream"], asked["model"]) == (True, "counter")
        return Reply(streamed([f"{n} " for n in range(asked["max_tokens"])]), 200, EVENTS)
    if request.path == SPEECH:
        form = form_of(request)
        said = {
            "task": "transcribe",
            "language": "english",
            "duration": seconds_of(form["file"]),
            "text": SEGMENT["text"],
            "segments": [SEGMENT],
        }
        return Reply(json.dumps(said).encode(), 200, {"Content-Type": "application/json"})
    return Reply(b'{"error": {"message": "no such path"}}', 404)


@contextmanager
def openai_server() -> Iterator[LocalServer]:
    """The server, on a port of its own."""
    server = LocalServer(answer)
    try:
        yield server
    finally:
        server.close()

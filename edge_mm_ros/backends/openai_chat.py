"""Language models on a server with OpenAI's API: ``/chat/completions``, streamed."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from edge_mm_ros.backends.openai_connection import OpenAIConnection, error_text
from edge_mm_ros.backends.protocol import BackendError, InputRefused
from edge_mm_ros.backends.remote import CHECK_ANSWER, parse_json
from edge_mm_ros.backends.remote_http import HttpAnswer, HttpStream

# What the usual chat templates mark roles with. A server reads these in a message's text, too, so
# that text could pose as another role; which others its model has, is not known here.
_CONTROL = re.compile(
    r"<\|[^<>|\n]{1,40}\|>|</?s>|\[/?INST\]|<</?SYS>>|<(?:start|end)_of_turn>|<｜[^<>｜\n]{1,40}｜>"
)
_TOO_LONG = ("context_length_exceeded", "exceed_context_size_error")
_END = "[DONE]"


class RemoteGenerationModel:
    """A language model on a server; answers may be generated at the same time."""

    memory_bytes = 0
    device_memory_bytes = 0

    def __init__(self, connection: OpenAIConnection) -> None:
        self._connection = connection
        self._remote = connection.remote
        self._first_piece_s = 0.0

    @property
    def device(self) -> str:
        """The address."""
        return str(self._remote.url)

    @property
    def report(self) -> Mapping[str, str]:
        """Server, address, model, and the time to the first piece of the last answer."""
        known = dict(self._connection.report)
        if self._first_piece_s:
            known["first_piece_ms"] = f"{self._first_piece_s * 1000:.1f}"
        return known

    def warm_up(self) -> None:
        """Ask whether the server still has the model; nothing is generated."""
        self._connection.find_model()

    def close(self) -> None:
        """Close the connections; answers under way fail."""
        self._connection.close()

    def generate(
        self,
        messages: Sequence[Mapping[str, str]],
        *,
        max_tokens: int,
        temperature: float = 0.0,
        seed: int = 0,
        grammar: str = "",
        keep_prompt: bool = False,
    ) -> Iterator[str]:
        """Pieces of the answer, as the server sends them.

        The protocol knows no GBNF and leaves the prompt's state to the server: `grammar` and
        `keep_prompt` have no effect.

        Control tokens of the usual chat templates are taken out of the messages. Closing the
        iterator closes the connection, upon which servers stop generating.

        Raises:
            InputRefused: on iteration, where the server says that the prompt is too long.
            BackendError: on iteration, where the server does not answer in time, fails, or breaks
                off.
        """
        chat = [
            {"role": message["role"], "content": _CONTROL.sub(" ", message["content"])}
            for message in messages
        ]
        request = {
            "messages": chat,
            "max_tokens": max_tokens,
            "temperature": temperature,
            "seed": seed,
            "stream": True,
        }
        if self._connection.model:
            request["model"] = self._connection.model
        begin_s = time.perf_counter()
        exchange = self._connection.client.stream(
            "POST",
            self._connection.path("/chat/completions"),
            [json.dumps(request).encode()],
            {"Content-Type": "application/json", "Accept": "text/event-stream"},
        )
        first = True
        with exchange as stream:
            for text in self._texts(stream):
                if first:
                    first = False
                    stream.begun()
                    self._first_piece_s = time.perf_counter() - begin_s
                yield text

    def _texts(self, stream: HttpStream) -> Iterator[str]:
        kind = stream.headers.get("content-type", "").partition(";")[0].strip().lower()
        if not 200 <= stream.status < 300 or kind not in {"text/event-stream", ""}:
            yield from self._whole(HttpAnswer(stream.status, stream.headers, stream.read()))
            return
        finished = False
        # Servers send headers, and even empty events, before they have read the prompt.
        for data in _events(stream.pieces(patient=True)):
            if data == _END:
                stream.drain()
                return
            choice = self._choice(self._parsed(data))
            finished = finished or bool(choice.get("finish_reason"))
            text = self._content(choice, "delta")
            if text:
                yield text
        if not finished:
            raise self._remote.failure("broke off in the middle of its answer")

    def _whole(self, answer: HttpAnswer) -> Iterator[str]:
        """An answer in one piece: a failure, or a server that does not stream."""
        if answer.status in {400, 413}:
            said = bytes(answer.body[:4096]).decode("utf-8", "replace")
            if any(code in said for code in _TOO_LONG):
                raise InputRefused(
                    f"model '{self._remote.model}': the prompt is too long for {self._remote.url} "
                    f"('{self._remote.quote(said)}'); shorten it, or give the server more context"
                )
        self._connection.client.expect_success(answer)
        text = self._content(self._choice(self._connection.client.parsed(answer.body)), "message")
        if text:
            yield text

    def _parsed(self, data: str) -> Mapping[str, Any]:
        try:
            value = parse_json(data.encode())
        except ValueError:
            value = None
        if not isinstance(value, dict):
            raise self._nonsense(data)
        return value

    def _choice(self, answer: Mapping[str, Any]) -> Mapping[str, Any]:
        """The first choice; an empty one for events without (usage, for example)."""
        if error := error_text(answer):
            raise self._remote.refusal("an error", error)
        choices = answer.get("choices")
        if not isinstance(choices, list) or not all(isinstance(c, dict) for c in choices):
            raise self._nonsense(str(answer))
        return choices[0] if choices else {}

    def _content(self, choice: Mapping[str, Any], key: str) -> str:
        message = choice.get(key) or {}
        content = message.get("content") if isinstance(message, dict) else 0
        if content is not None and not isinstance(content, str):
            raise self._nonsense(str(choice))
        return content or ""

    def _nonsense(self, said: str) -> BackendError:
        return self._remote.failure(
            f"answered nonsense instead of a piece of text ('{self._remote.quote(said)}')",
            CHECK_ANSWER,
        )


def _events(pieces: Iterator[bytes]) -> Iterator[str]:
    """The data of server-sent events, as the HTML standard parts them."""
    data: list[str] = []
    for line in _lines(pieces):
        if not line:
            if data:
                yield "\n".join(data)
            data = []
        elif line.startswith("data:"):
            data.append(line[5:].removeprefix(" "))
    if data:
        yield "\n".join(data)


def _lines(pieces: Iterator[bytes]) -> Iterator[str]:
    rest = bytearray()
    for piece in pieces:
        *ends, begin = piece.split(b"\n")
        for end in ends:
            yield (rest + end).decode("utf-8", "replace").removesuffix("\r")
            rest.clear()
        rest += begin
    if rest:
        yield rest.decode("utf-8", "replace")

"""What llama.cpp has read of a prompt, kept for the next one that begins alike."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

PART_TOKENS = 8
"""Tokens that are read at a time: reading can be cancelled between two parts only."""


class PromptState:
    """Reads chats so that a common beginning is read once.

    How a prompt is split into batches changes the rounding of what the model computes. A chat is
    therefore always split at the same places, whatever is kept: behind its messages but the last,
    and before its last token. The same chat gives the same answer, kept or not.

    Args:
        engine: the package ``llama_cpp``.
        llama: its loaded model.
    """

    def __init__(self, engine: Any, llama: Any) -> None:
        self._engine = engine
        self._llama = llama
        template = llama.metadata.get("tokenizer.chat_template")
        self._write: Any = None
        self._write_head: Any = None
        if template:
            bos, eos = (self._text_of(token) for token in (llama.token_bos(), llama.token_eos()))
            formatter = engine.llama_chat_format.Jinja2ChatFormatter
            self._write = formatter(template, eos, bos)
            self._write_head = formatter(template, eos, bos, add_generation_prompt=False)

    @property
    def can_keep(self) -> bool:
        """Whether the model brings the chat template that this needs."""
        return self._write is not None

    def read(self, chat: Sequence[Mapping[str, str]]) -> Iterator[None]:
        """Evaluate a chat up to its answer, part by part; what is known of it is not read again.

        Raises:
            ValueError: it is longer than the context.
        """
        llama = self._llama
        tokens = self._tokens(self._write, chat)
        if len(tokens) >= llama.n_ctx():
            raise ValueError(f"{len(tokens)} tokens exceed context window of {llama.n_ctx()}")
        head = _common(tokens, self._tokens(self._write_head, chat[:-1])) if len(chat) > 1 else 0
        body = len(tokens) - 1
        known = _common(tokens, llama.input_ids[: llama.n_tokens].tolist())
        begin = next((place for place in (body, head) if 0 < place <= known), 0)
        if not begin or not self._forget_from(begin):
            llama.reset()
            begin = 0
        llama.n_tokens = begin
        for first, last in ((begin, head), (max(begin, head), body), (body, len(tokens))):
            for at in range(first, last, PART_TOKENS):
                llama.eval(tokens[at : min(last, at + PART_TOKENS)])
                yield

    def _tokens(self, write: Any, chat: Sequence[Mapping[str, str]]) -> list[int]:
        text = write(messages=list(chat)).prompt
        tokens: list[int] = self._llama.tokenize(text.encode(), add_bos=False, special=True)
        return tokens

    def _forget_from(self, place: int) -> bool:
        """Whether the engine could drop everything from a place on; not every kind of model can."""
        memory = self._engine.llama_get_memory(self._llama.ctx)
        return bool(self._engine.llama_memory_seq_rm(memory, -1, place, -1))

    def _text_of(self, token: int) -> str:
        if token < 0:
            return ""
        vocabulary = self._engine.llama_model_get_vocab(self._llama.model)
        return str(self._engine.llama_vocab_get_text(vocabulary, token).decode("utf-8", "replace"))


def _common(one: Sequence[int], other: Sequence[int]) -> int:
    """Length of the common beginning."""
    for index, (a, b) in enumerate(zip(one, other)):
        if a != b:
            return index
    return min(len(one), len(other))

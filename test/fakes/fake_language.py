"""A language model that says what it is told to, for failures that a real one does not order."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from edge_mm_ros.backends import BackendRegistry, ModelArtifact, Probe
from edge_mm_ros.model_repository import ModelRepository
from edge_mm_ros.runtime import ModelHost

NAME = "talker"


class FakeLanguageModel:
    """Speaks pieces; `prompts` keeps what it was asked, `closed_early` counts cancellations."""

    memory_bytes = 1_000
    device_memory_bytes = 0
    device = "cpu"
    report: Mapping[str, str] = {}

    def __init__(self, speak: Callable[[], Iterator[str]]) -> None:
        self.speak = speak
        self.prompts: list[list[Mapping[str, str]]] = []
        self.grammars: list[str] = []
        self.closed_early = 0

    def warm_up(self) -> None: ...

    def close(self) -> None: ...

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
        self.prompts.append(list(messages))
        self.grammars.append(grammar)
        try:
            yield from self.speak()
        except GeneratorExit:
            self.closed_early += 1
            raise


class FakeLanguageBackend:
    """Loads its one `FakeLanguageModel`."""

    name = "fake_language"

    def __init__(self, model: FakeLanguageModel) -> None:
        self.model = model

    def probe(self, device: str) -> Probe:
        return Probe(True)

    def load(
        self, artifact: ModelArtifact, device: str, options: Mapping[str, Any]
    ) -> FakeLanguageModel:
        return self.model


def talking_host(folder: Path, model: FakeLanguageModel) -> ModelHost:
    """A host with a model `talker`, whose manifest and file are written to a folder."""
    (folder / "talker.bin").write_bytes(b"weights")
    (folder / "talker.yaml").write_text(
        "name: talker\ntask: generation\npath: talker.bin\nchain: ['fake_language:cpu']\n"
    )
    backends = BackendRegistry([FakeLanguageBackend(model)])
    return ModelHost(ModelRepository([folder]), backends)

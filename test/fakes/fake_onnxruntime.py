"""The real ONNX Runtime on the processor, which claims to have accelerators that are not here."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import onnxruntime

CPU = "CPUExecutionProvider"


class _Part:
    def __init__(self, provider: str, nodes: int) -> None:
        self.ep_name = provider
        self._nodes = nodes

    def get_nodes(self) -> list[object]:
        return [object()] * self._nodes


class _Session:
    """A session on the processor under another provider's name."""

    def __init__(self, real: Any, providers: list[str], nodes: Mapping[str, int]) -> None:
        self._real = real
        self._providers = providers
        self._nodes = nodes

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    def get_providers(self) -> list[str]:
        return self._providers

    def get_provider_options(self) -> dict[str, dict[str, str]]:
        return {}

    def get_provider_graph_assignment_info(self) -> list[_Part]:
        return [_Part(provider, nodes) for provider, nodes in self._nodes.items()]


class FakeOnnxRuntime:
    """Stands in for the module.

    Attributes:
        accelerators: providers that it was "built with".
        broken: providers that cannot start, with what they say.
        full_disk: whether writing compiled engines fails.
        nodes: nodes of the graph by provider, as a session reports them.
        compiled: cache folders that engines were written to.
        reused: cache folders in which engines were found.
    """

    def __init__(self, *accelerators: str, nodes: Mapping[str, int] | None = None) -> None:
        self.accelerators = accelerators
        self.broken: dict[str, str] = {}
        self.full_disk = False
        self.nodes = nodes
        self.compiled: list[Path] = []
        self.reused: list[Path] = []
        self.options: list[dict[str, str]] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(onnxruntime, name)

    def get_available_providers(self) -> list[str]:
        return [*self.accelerators, CPU]

    def InferenceSession(  # noqa: N802
        self, path: str, options: Any, providers: list[tuple[str, dict[str, str]]], **how: Any
    ) -> Any:
        (first, settings), *_ = providers
        self.options.append(settings)
        if first in self.broken:
            raise RuntimeError(self.broken[first])
        folder = settings.get("trt_engine_cache_path", settings.get("cache_dir"))
        if folder is not None:
            self._compile(Path(folder))
        real = onnxruntime.InferenceSession(path, options, providers=[CPU], **how)
        if first == CPU:
            return real
        return _Session(real, [name for name, _ in providers], self.nodes or {first: 2})

    def _compile(self, folder: Path) -> None:
        engine = folder / "subgraph_0.engine"
        if engine.exists():
            if engine.read_bytes() != b"compiled":
                raise RuntimeError("could not deserialize engine from cache")
            self.reused.append(folder)
            return
        if self.full_disk:
            engine.write_bytes(b"comp")
            raise RuntimeError("could not write engine: No space left on device")
        engine.write_bytes(b"compiled")
        self.compiled.append(folder)

"""What both ways of talking KServe v2 have in common."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from numpy.typing import NDArray

from edge_mm_ros.backends.protocol import TensorSpec


@dataclass(frozen=True)
class Address:
    """A model on a server; an empty version leaves the choice to the server."""

    model: str
    version: str


@dataclass(frozen=True)
class Description:
    """What a server says of itself and of a model."""

    server: str
    server_version: str
    platform: str
    versions: tuple[str, ...]
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]


@dataclass(frozen=True)
class Inference:
    """Outputs by name, and the version of the model that made them."""

    outputs: Mapping[str, NDArray[Any]]
    version: str


class Endpoint(Protocol):
    """One model on one server, over one of the protocol's transports. Thread safe."""

    def ready(self) -> None:
        """Raise where server or model are not ready."""
        ...

    def describe(self) -> Description:
        """Names, shapes and types of the model's tensors."""
        ...

    def infer(self, feeds: Mapping[str, NDArray[Any]]) -> Inference:
        """Run the model."""
        ...

    def close(self) -> None:
        """Close the connections."""
        ...

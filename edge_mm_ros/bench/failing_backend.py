"""A real engine that can be told to fail, and keeps a record of what it was asked for."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar, cast

from numpy.typing import NDArray

from edge_mm_ros.backends import (
    Backend,
    BackendError,
    ModelArtifact,
    Probe,
    TensorModel,
    TensorSpec,
)

Trouble = Literal["raises", "hangs"]
T = TypeVar("T")


@dataclass(frozen=True)
class Deed:
    """Something that an engine did, with the begin and end on the steady clock in seconds."""

    what: Literal["load", "warm_up", "run"]
    begun_s: float
    ended_s: float

    @property
    def duration_s(self) -> float:
        """How long it took."""
        return self.ended_s - self.begun_s


@dataclass
class Orders:
    """What an engine shall do, and what it did.

    Attributes:
        deeds: those that succeeded, in order.
        failed_s: when the first call since `fail` failed or began to hang; None: none has.
    """

    deeds: list[Deed] = field(default_factory=list)
    failed_s: float | None = None
    _trouble: Trouble | None = None
    _mended: threading.Event = field(default_factory=threading.Event)

    def fail(self, trouble: Trouble) -> None:
        """From the next call on, all raise, or do not return, until `mend`."""
        self.failed_s = None
        self._mended.clear()
        self._trouble = trouble

    def mend(self) -> None:
        """All is well again; calls that hang return."""
        self._trouble = None
        self._mended.set()

    def obey(self, what: Literal["load", "warm_up", "run"], operate: Callable[[], T]) -> T:
        """Do something, or fail to.

        Raises:
            BackendError: as ordered.
        """
        begun_s = time.monotonic()
        trouble = self._trouble
        if trouble is not None and self.failed_s is None:
            self.failed_s = begun_s
        if trouble == "raises":
            raise BackendError("the engine raises, as the benchmark ordered")
        if trouble == "hangs":
            self._mended.wait()
        result = operate()
        self.deeds.append(Deed(what, begun_s, time.monotonic()))
        return result


class FailingBackend:
    """A backend around a real one.

    Args:
        name: of the backend.
        engine: the real one, for models with tensors.
        orders: what it shall do.
    """

    def __init__(self, name: str, engine: Backend, orders: Orders) -> None:
        self.name = name
        self._engine = engine
        self._orders = orders

    def probe(self, device: str) -> Probe:
        """As the real one."""
        return self._engine.probe(device)

    def load(self, artifact: ModelArtifact, device: str, options: Mapping[str, Any]) -> TensorModel:
        """As the real one, unless it was told to fail."""
        model = self._orders.obey("load", lambda: self._engine.load(artifact, device, options))
        return _FailingModel(cast(TensorModel, model), self._orders)


class _FailingModel:
    """A loaded model of the real engine."""

    def __init__(self, model: TensorModel, orders: Orders) -> None:
        self._model = model
        self._orders = orders

    @property
    def memory_bytes(self) -> int:
        return self._model.memory_bytes

    @property
    def device_memory_bytes(self) -> int:
        return self._model.device_memory_bytes

    @property
    def device(self) -> str:
        return self._model.device

    @property
    def report(self) -> Mapping[str, str]:
        return self._model.report

    @property
    def inputs(self) -> Sequence[TensorSpec]:
        return self._model.inputs

    @property
    def outputs(self) -> Sequence[TensorSpec]:
        return self._model.outputs

    @property
    def metadata(self) -> Mapping[str, str]:
        return self._model.metadata

    def warm_up(self) -> None:
        self._orders.obey("warm_up", self._model.warm_up)

    def run(self, feeds: Mapping[str, NDArray[Any]]) -> Mapping[str, NDArray[Any]]:
        return self._orders.obey("run", lambda: self._model.run(feeds))

    def close(self) -> None:
        self._model.close()

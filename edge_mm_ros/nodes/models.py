"""How nodes come to their models, and how they report them."""

from __future__ import annotations

from typing import Any

from lifecycle_msgs.msg import State

from edge_mm_ros.backends import BackendRegistry
from edge_mm_ros.datatypes import EdgeMmError, Health, HealthLevel
from edge_mm_ros.model_repository import ModelRepository
from edge_mm_ros.params.runtime import RuntimeParams, runtime_settings
from edge_mm_ros.ros.node import EdgeNode
from edge_mm_ros.ros.trigger_service import TriggerService
from edge_mm_ros.ros.work_queue import Inbox, Worker, lossless
from edge_mm_ros.runtime import ModelChange, ModelHost, ModelStatus

_NEWS_TIMEOUT_S = 2.0
_UNLOAD_PATIENCE_S = 2.0
_CHANGE_LEVELS = {
    "late": HealthLevel.WARN,
    "fallback": HealthLevel.WARN,
    "hung": HealthLevel.WARN,
    "swap_failed": HealthLevel.WARN,
    "failed": HealthLevel.ERROR,
}


def default_model_host(settings: RuntimeParams | None = None) -> ModelHost:
    """A host over all known manifests and installed backends; one per process.

    Args:
        settings: of the process; None: as `runtime_settings` finds them.

    Raises:
        ParameterError: the file of ``EDGE_MM_RUNTIME`` cannot be used.
    """
    if settings is None:
        settings = runtime_settings()
    return ModelHost(ModelRepository(), BackendRegistry.from_entry_points(), settings)


class ModelNode(EdgeNode):
    """A node that works with models of its process.

    It keeps the models that its parameters name (`NodeParams.models`) from configure to cleanup,
    and publishes every change of them at once on ``/diagnostics``. ``~/load`` loads them, and
    ``~/unload`` gives their memory back until they are used again. The subclass sets `_host`.
    """

    _host: ModelHost

    def __init__(self, *args: Any, **options: Any) -> None:
        self._retained: tuple[str, ...] = ()
        self._news: Worker | None = None
        super().__init__(*args, **options)
        self._triggers = (
            TriggerService(self, "~/load", self._load_models),
            TriggerService(self, "~/unload", self._unload_models),
        )

    def model_names(self) -> tuple[str, ...]:
        """The models that the node works with, as the host knows them; empty before configure."""
        return () if self.params is None else self.params.models

    def destroy_node(self) -> None:
        """Destroy the node; nothing of it stays with the host."""
        self._end_news()
        super().destroy_node()

    # Configure and cleanup -----------------------------------------------------------------------

    def _configure(self) -> None:
        self._begin_news()
        super()._configure()
        self._retain()

    def _release(self) -> None:
        super()._release()
        if not self._retained:  # configure has failed half-way, perhaps with a model loaded
            self._retain()
        for name in self._retained:
            self._host.release(name)
        self._retained = ()
        self._end_news()

    def _retain(self) -> None:
        self._retained = self.model_names()
        for name in self._retained:
            self._host.retain(name)

    # Another model in place of one ----------------------------------------------------------------

    def tell_switch(self, level: HealthLevel, message: str, old: str, new: str) -> None:
        """Log and publish that a model took another one's place, or could not."""
        # rclpy ties a severity to the line that logs.
        if level == HealthLevel.OK:
            self.get_logger().info(f"switch of models: {message}")
        else:
            self.get_logger().error(f"switch of models: {message}")
        self.tell(Health("switch of models", level, message, {"from": old, "to": new}))

    def hold_model(self, name: str) -> None:
        """Keep one more model until `let_go_model` or cleanup."""
        self._host.retain(name)
        self._retained = (*self._retained, name)

    def let_go_model(self, name: str) -> None:
        """Give a model back that is held."""
        kept = list(self._retained)
        if name not in kept:  # all were given back meanwhile
            return
        kept.remove(name)
        self._retained = tuple(kept)
        if not self._host.release(name):
            self.get_logger().warning(f"model {name} stays in memory, it is still in use")

    # Changes -------------------------------------------------------------------------------------

    def _begin_news(self) -> None:
        self._news = Worker(f"{self.get_name()} model changes", self._on_told)
        inbox = self._news.inbox(self._tell_change, lossless())
        self._news.start()

        # Called while the host decides who serves: it must not wait, and publishing may.
        def listen(change: ModelChange) -> None:
            if change.name in (*self._retained, *self.model_names()):
                inbox.put(change)

        self._listener = listen
        self._host.add_listener(listen)

    def _end_news(self) -> None:
        news, self._news = self._news, None
        if news is not None:
            self._host.remove_listener(self._listener)
            news.close(_NEWS_TIMEOUT_S)

    def _tell_change(self, change: ModelChange) -> None:
        self.tell(change_health(self._host, change))

    def _on_told(self, _inbox: Inbox, error: Exception | None) -> None:
        if error is not None:
            self.get_logger().error(f"a change of a model could not be published: {error}")

    # Services ------------------------------------------------------------------------------------

    def _load_models(self) -> tuple[bool, str]:
        """Load and warm all; success only where all are loaded."""
        if not self._retained:
            return False, self._why_no_models()
        answers, success = [], True
        for name in self._retained:
            try:
                self._host.preload(name)
            except EdgeMmError as error:
                success = False
                answers.append(str(error))
            else:
                answers.append(f"{name} runs on {_status(self._host, name).device}")
        return success, "; ".join(answers)

    def _unload_models(self) -> tuple[bool, str]:
        """Give the memory of all back; success only where none is in use."""
        if not self._retained:
            return False, self._why_no_models()
        answers, success = [], True
        for name in self._retained:
            held = _status(self._host, name).memory_bytes
            if self._host.unload(name, _UNLOAD_PATIENCE_S):
                answers.append(f"{name} is unloaded ({held / 1e6:.0f} MB)")
            else:
                success = False
                answers.append(
                    f"{name} stays, it is in use; call again, or deactivate the node first"
                )
        return success, "; ".join(answers)

    def _why_no_models(self) -> str:
        configured = (State.PRIMARY_STATE_INACTIVE, State.PRIMARY_STATE_ACTIVE)
        if self.lifecycle_state in configured:
            return f"{self.get_name()} works without a model"
        return f"{self.get_name()} is not configured; configure it first"


def model_health(host: ModelHost, name: str) -> Health:
    """The diagnostic entry of one model.

    A warning where a better candidate of its chain should run here but does not, or a call hangs;
    an error where no candidate is left.
    """
    status = _status(host, name)
    level, message = _judge(status)
    return Health(f"model {name}", level, message, _values(status))


def change_health(host: ModelHost, change: ModelChange) -> Health:
    """The diagnostic entry of something that has just happened to a model."""
    level = _CHANGE_LEVELS.get(change.kind, HealthLevel.OK)
    if change.kind == "loaded" and change.reason:  # not on the best one
        level = HealthLevel.WARN
    return Health(
        f"model {change.name}",
        level,
        str(change).removeprefix(f"model {change.name} "),
        {
            "change": change.kind,
            "from": change.from_candidate,
            "to": change.to_candidate,
            "reason": change.reason,
            **_values(_status(host, change.name)),
            "requests_lost": str(change.requests_lost),
        },
    )


def _status(host: ModelHost, name: str) -> ModelStatus:
    return next((status for status in host.status() if status.name == name), ModelStatus(name))


def _judge(status: ModelStatus) -> tuple[HealthLevel, str]:
    if not status.loaded:
        told = (*status.failed, *status.unavailable)
        gone = [c for c in status.chain if any(line.startswith(f"{c}: ") for line in told)]
        if gone and len(gone) == len(status.chain):
            return HealthLevel.ERROR, f"no candidate is left: {'; '.join(told)}"
    if status.hung_calls:
        where = f"; runs on {status.device}" if status.loaded else ""
        return HealthLevel.WARN, f"{status.hung_calls} calls do not return{where}"
    if not status.loaded:
        return HealthLevel.OK, "not loaded"
    if status.failed:
        return HealthLevel.WARN, f"fell back to {status.device}: {'; '.join(status.failed)}"
    return HealthLevel.OK, f"runs on {status.device}"


def _values(status: ModelStatus) -> dict[str, str]:
    values = {
        "model": status.name,
        "version": status.version,
        "state": _state(status),
        "device": status.device,
        "memory_bytes": str(status.memory_bytes),
        "device_memory_bytes": str(status.device_memory_bytes),
        "priority": str(status.priority),
        "leases": str(status.leases),
        "requests": str(status.requests),
        "requests_lost": str(status.requests_lost),
        "failures": str(status.failures),
        "fallbacks": str(status.fallbacks),
        "hung_calls": str(status.hung_calls),
        "rate_hz": f"{status.rate_hz:.2f}",
        "p50_ms": f"{status.p50_ms:.2f}",
        "p99_ms": f"{status.p99_ms:.2f}",
        "last_change": status.last_change,
        "chain": ", ".join(status.chain),
    }
    for kind, lines in (("unavailable", status.unavailable), ("failed", status.failed)):
        values.update({f"{kind}_{index}": line for index, line in enumerate(lines)})
    values.update({f"report_{key}": str(value) for key, value in status.report.items()})
    return values


def _state(status: ModelStatus) -> str:
    if not status.loaded:
        return "failed" if _judge(status)[0] is HealthLevel.ERROR else "not loaded"
    return "fallback" if status.failed else "loaded"

"""A node's declared ladder: what it gives up under pressure."""

from __future__ import annotations

from collections.abc import Callable

from edge_mm_ros.datatypes import Health, HealthLevel
from edge_mm_ros.params.degradation import DegradationParams
from edge_mm_ros.ros.node import EdgeNode
from edge_mm_ros.runtime.degradation import Degradation
from edge_mm_ros.runtime.pressure import SystemPressure

_PERIOD_S = 1.0


class NodeLadder:
    """Looks once a second while the node is active; to be made when it is activated.

    Without steps it does nothing, and in simulated time it stands still: what a recording gives
    must not depend on the load of the machine.

    Args:
        node: publishes each step on ``/diagnostics``.
        params: the ladder.
        apply: called on `worker` with the steps that are taken, after each step.
        worker: name of the node's worker that looks.
        system: what the system tells; None: the real one.
        latency_window_s: for how long a latency counts.
    """

    def __init__(
        self,
        node: EdgeNode,
        params: DegradationParams,
        apply: Callable[[tuple[str, ...]], None],
        *,
        worker: str,
        system: SystemPressure | None = None,
        latency_window_s: float = 5.0,
    ) -> None:
        self._degradation: Degradation | None = None
        self._declared = bool(params.steps)
        if not self._declared or node.get_parameter("use_sim_time").value:
            return
        self._degradation = Degradation(
            params, apply, node.tell, system=system, latency_window_s=latency_window_s
        )
        node.every(_PERIOD_S, self._degradation.update, worker=worker)

    @property
    def moves(self) -> bool:
        """Whether it is declared and does not stand still."""
        return self._degradation is not None

    @property
    def taken(self) -> tuple[str, ...]:
        """The steps that are taken."""
        return () if self._degradation is None else self._degradation.taken

    def note_latency_s(self, latency_s: float) -> None:
        """Tell how long something took."""
        if self._degradation is not None:
            self._degradation.latency.add_s(latency_s)

    def health(self) -> Health | None:
        """The diagnostic entry; None where no ladder is declared."""
        if self._degradation is not None:
            return self._degradation.health()
        if self._declared:
            message = "stands still in simulated time, where results must not depend on the load"
            return Health("degradation", HealthLevel.OK, message)
        return None

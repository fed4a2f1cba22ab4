"""Which sensors are faulty or silent now."""

from __future__ import annotations

from collections.abc import Iterable

from edge_mm_ros.datatypes import SensorState
from edge_mm_ros.pipelines.monitoring.watch import Watch

_KINDS = {"detections": "camera", "range": "ultrasonic", "odometry": "odometry"}


class SensorRegister:
    """The newest state of each sensor that a fusion tells of."""

    def __init__(self) -> None:
        self._states: dict[str, SensorState] = {}

    def reset(self) -> None:
        """Forget all states."""
        self._states.clear()

    def hear(self, state: SensorState) -> None:
        """Take a sensor's state."""
        self._states[state.sensor] = state

    def silent(self, watches: Iterable[Watch], now_ns: int) -> tuple[str, ...]:
        """The sensors that cannot be relied on, the kind in front, for example ``lidar:top``.

        Args:
            watches: those that the monitor hears itself.
            now_ns: the time.
        """
        names = {f"{s.kind}:{s.sensor}" for s in self._states.values() if not s.usable}
        for watch in watches:
            source = watch.source
            if source.sensor and source.input in _KINDS and watch.fault(now_ns):
                names.add(f"{_KINDS[source.input]}:{source.sensor}")
        return tuple(sorted(names))

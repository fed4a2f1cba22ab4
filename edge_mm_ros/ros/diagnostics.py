"""Health entries as ``diagnostic_msgs``, and the record of bad input behind them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue

from edge_mm_ros.datatypes import Health, HealthLevel
from edge_mm_ros.ros.conversions.stamps import to_stamp

LOG_PERIOD_S = 10.0


def to_status(health: Health, node: str) -> DiagnosticStatus:
    """One entry; its name is ``<node>: <part>``, as ``diagnostic_updater`` writes it.

    All namespaces share ``/diagnostics``: the node's full name is the hardware id.
    """
    return DiagnosticStatus(
        level=bytes([int(health.level)]),
        name=f"{node.rpartition('/')[2]}: {health.name}",
        message=health.message,
        hardware_id=node,
        values=[KeyValue(key=key, value=str(value)) for key, value in health.values.items()],
    )


def to_array(entries: Iterable[Health], node: str, stamp_ns: int) -> DiagnosticArray:
    """All entries of a node, named in full, at one time."""
    message = DiagnosticArray(status=[to_status(entry, node) for entry in entries])
    message.header.stamp = to_stamp(stamp_ns)
    return message


@dataclass(frozen=True)
class NodeHealth:
    """An entry of a node, as it was heard."""

    node: str
    health: Health


def from_array(message: DiagnosticArray) -> list[NodeHealth]:
    """The entries that `to_array` has made; those of others are left out."""
    found = []
    for status in message.status:
        node, level = status.hardware_id, status.level[0] if status.level else 3
        prefix = f"{node.rpartition('/')[2]}: "
        if not node.startswith("/") or not status.name.startswith(prefix) or level > 3:
            continue
        values = {value.key: value.value for value in status.values}
        name = status.name.removeprefix(prefix)
        found.append(NodeHealth(node, Health(name, HealthLevel(level), status.message, values)))
    return found


@dataclass
class FaultRecord:
    """Repeats of one kind of fault from one source, and when to speak of them.

    Attributes:
        message: the newest fault's text.
        count: how often since the node was activated.
        unreported: how often since the last log line.
        last_log_s: when the last line was logged, seconds of a steady clock; None: never.
        last_ns: node time of the newest.
    """

    message: str = ""
    count: int = 0
    unreported: int = 0
    last_log_s: float | None = None
    last_ns: int = 0

    def note(self, message: str, stamp_ns: int, steady_s: float) -> str:
        """Count one; returns the line to log, or an empty text where it is too early again."""
        self.message = message
        self.count += 1
        self.unreported += 1
        self.last_ns = stamp_ns
        if self.last_log_s is not None and steady_s - self.last_log_s < LOG_PERIOD_S:
            return ""
        repeats = f" ({self.unreported} times)" if self.unreported > 1 else ""
        self.unreported = 0
        self.last_log_s = steady_s
        return message + repeats

    def health(self, name: str, now_ns: int) -> Health:
        """The entry: a warning while it is fresh (10 s), then OK with the count kept."""
        fresh = now_ns - self.last_ns < LOG_PERIOD_S * 1e9
        return Health(
            name,
            HealthLevel.WARN if fresh else HealthLevel.OK,
            self.message if fresh else f"good again; last fault: {self.message}",
            {"count": str(self.count)},
        )

"""Watching that every needed sensor is heard, in time and with plausible stamps."""

from __future__ import annotations

from dataclasses import dataclass

from edge_mm_ros.datatypes import Health, HealthLevel, SafetyEvent, SafetyLevel
from edge_mm_ros.params.safety_rules import InputKind
from edge_mm_ros.pipelines.monitoring.condition import Finding, RuleConditions, Timing
from edge_mm_ros.pipelines.stamps import NS_PER_S, StampGuard, to_ns


@dataclass(frozen=True)
class Source:
    """One stream that the monitor hears.

    Attributes:
        input: its kind.
        sensor: topic prefix of a camera or range sensor, or the topic of odometry; empty for the
            other kinds.
    """

    input: InputKind
    sensor: str = ""

    @property
    def topic(self) -> str:
        """The relative topic that carries it."""
        if self.input == "detections":
            return f"{self.sensor}/detections"
        if self.input == "range":
            return f"{self.sensor}/range"
        if self.input == "odometry":
            return self.sensor
        return {"diagnostics": "/diagnostics", "sources": "objects/sources"}.get(
            self.input, self.input
        )


class Watch:
    """Whether one source is heard under one rule; never heard counts as unknown from the start.

    Args:
        rule: the rule's name.
        source: what is watched.
        timeout_s: the longest silence.
        tolerance_s: how far stamps may lie ahead of the clock.
        component: beginning of the names of the diagnostic entries that count.
        accept_warnings: whether an entry that warns is good enough.
    """

    def __init__(
        self,
        rule: str,
        source: Source,
        timeout_s: float,
        tolerance_s: float,
        component: str = "",
        accept_warnings: bool = False,
    ) -> None:
        self.rule = rule
        self.source = source
        self._timeout_ns = to_ns(timeout_s)
        self._tolerance_ns = to_ns(tolerance_s)
        self._component = component
        self._worst_level = HealthLevel.WARN if accept_warnings else HealthLevel.OK
        stem = f"{rule}-{source.sensor}" if source.sensor else rule
        self.conditions = RuleConditions(rule, "stale", SafetyLevel.UNKNOWN, Timing(), stem)
        self._name = f"'{component}'" if component else f"'{source.topic}'"
        self.reset()

    def reset(self) -> None:
        """Forget what was heard."""
        self._since_ns: int | None = None
        self._arrived_ns: int | None = None
        self._was_well = False
        self._stamps = StampGuard()
        self._unwell: dict[str, tuple[int, str]] = {}
        self.conditions.reset()

    def begin(self, now_ns: int) -> None:
        """The time from which silence counts."""
        if self._since_ns is None:
            self._since_ns = now_ns

    def forget(self) -> None:
        """Forget what was heard; silence counts on."""
        self._arrived_ns = None
        self._stamps.reset()
        self._unwell.clear()

    def restart(self, now_ns: int) -> None:
        """Forget what was heard; silence counts from now."""
        self.forget()
        self._since_ns = now_ns
        self._was_well = False

    def hear(self, stamp_ns: int, now_ns: int) -> float:
        """The source was heard; returns by how many seconds its stamps jumped back."""
        self._arrived_ns = now_ns
        return self._stamps.jumped_back_s(stamp_ns)

    def concerns(self, health: Health) -> bool:
        """Whether a diagnostic entry counts: its name begins with the component's."""
        return health.name.startswith(self._component)

    def hear_health(self, health: Health, stamp_ns: int, now_ns: int) -> float:
        """A diagnostic entry that counts was heard; returns as `hear` does."""
        back_s = self.hear(stamp_ns, now_ns)
        self._unwell = {
            name: entry
            for name, entry in self._unwell.items()
            if name != health.name and now_ns - entry[0] <= self._timeout_ns
        }
        if health.level > self._worst_level:
            self._unwell[health.name] = (now_ns, health.message)
        return back_s

    def fault(self, now_ns: int) -> str:
        """Why the source cannot be relied on now; empty where it can.

        The text holds no changing figures, so that it can serve as a reason of the state.
        """
        return next(iter(self.faults(now_ns)), "")

    def faults(self, now_ns: int) -> list[str]:
        """As `fault`, one for each entry that is not well."""
        silence = self._silence(now_ns)
        return [silence] if silence else [_not_well(name) for name in sorted(self._unwell)]

    def _silence(self, now_ns: int) -> str:
        newest_ns = self._stamps.newest_ns
        timeout = f"{self._timeout_ns / NS_PER_S:g} s"
        if self._arrived_ns is None or newest_ns is None:
            return f"{self._name} has not been heard"
        if now_ns - self._arrived_ns > self._timeout_ns:
            return f"{self._name} is silent for more than {timeout}"
        if now_ns - newest_ns > self._timeout_ns:
            return (
                f"the stamps of {self._name} are more than {timeout} old; is its clock right, or "
                "use_sim_time missing?"
            )
        if newest_ns - now_ns > self._tolerance_ns:
            return f"the stamps of {self._name} lie ahead of the clock; is its clock right?"
        return ""

    def update(self, now_ns: int) -> list[SafetyEvent]:
        """Events of the source's silence; none while it may still be starting."""
        silence = self._silence(now_ns)
        since_ns = now_ns if self._since_ns is None else self._since_ns
        if not silence and not self._unwell:
            self._was_well = True
        elif not self._was_well and now_ns - since_ns <= self._timeout_ns:
            return []
        heard_ns = since_ns if self._arrived_ns is None else self._arrived_ns
        age = {"age_s": (now_ns - heard_ns) / NS_PER_S}
        findings = {
            name: Finding(
                True,
                _not_well(name),
                f"'{name}' is well again",
                f": {message}",
                age,
                sensor=self._component,
            )
            for name, (_, message) in self._unwell.items()
        }
        if silence:
            findings[""] = Finding(
                True,
                silence,
                f"{self._name} is heard again",
                "",
                age,
                sensor=self.source.sensor or self._component or self.source.topic,
            )
        return self.conditions.update(findings, now_ns, (self.source.topic,), complete=True)


def _not_well(name: str) -> str:
    return f"'{name}' is not well"

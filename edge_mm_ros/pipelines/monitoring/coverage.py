"""Whether the zones that must be seen are seen."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from edge_mm_ros.datatypes import Coverage, SafetyEvent, SafetyLevel, ZoneCoverage
from edge_mm_ros.pipelines.monitoring.condition import Finding, RuleConditions, Timing

_MOST_NAMES = 4


class CoverageWatch:
    """Holds a condition for each zone that must be seen and is not.

    Args:
        zones: their names.
        start_ns: how long the sensors may take to start; until then, a zone that has not been
            covered yet is a reason of the state, but no event.
    """

    def __init__(self, zones: Sequence[str], start_ns: int) -> None:
        self._start_ns = start_ns
        self._conditions = {
            zone: RuleConditions(f"coverage_{zone}", "coverage", SafetyLevel.UNKNOWN, Timing())
            for zone in zones
        }
        self.forget()

    @property
    def conditions(self) -> list[RuleConditions]:
        """The conditions of all zones."""
        return list(self._conditions.values())

    def forget(self) -> None:
        """Forget what was heard, but not the conditions."""
        self._begun_ns: int | None = None
        self._was_covered: set[str] = set()
        self._reasons: dict[str, str] = {}
        self._unseen: frozenset[str] = frozenset()

    @property
    def uncovered(self) -> frozenset[str]:
        """The zones that are not seen, as told last, also where no rule needs them now."""
        return frozenset(self._reasons) | self._unseen

    def reasons(self) -> list[str]:
        """Why zones are not covered, as told last."""
        return list(self._reasons.values())

    def hear(self, coverage: Coverage, stamp_ns: int, needed: Collection[str]) -> list[SafetyEvent]:
        """Take what the sensors see at a time that never goes back.

        Args:
            coverage: what they see.
            stamp_ns: the time.
            needed: the zones that must be seen now.
        """
        if self._begun_ns is None:
            self._begun_ns = stamp_ns
        starting = stamp_ns - self._begun_ns <= self._start_ns
        self._unseen = frozenset(zone.zone for zone in coverage.zones if not zone.covered)
        events = []
        for zone, conditions in self._conditions.items():
            if zone not in needed:
                self._reasons.pop(zone, None)
                events += conditions.end(stamp_ns, f"zone '{zone}' need not be seen now")
                continue
            finding = _finding_of(zone, coverage.of(zone))
            if finding.held:
                self._reasons[zone] = finding.reason
            else:
                self._reasons.pop(zone, None)
                self._was_covered.add(zone)
            if zone in self._was_covered or not starting:
                events += conditions.update({"": finding}, stamp_ns, ("coverage",))
        return events


def _finding_of(name: str, zone: ZoneCoverage | None) -> Finding:
    if zone is None:
        reason = (
            f"zone '{name}' is not covered: the fusion tells nothing of it; zones_file missing?"
        )
        return Finding(True, reason, f"zone '{name}' is covered")
    seeing = tuple(sorted(sensor for sensor, share in zone.sensors.items() if share > 0.0))
    reason = f"zone '{name}' is not covered: {_share(zone.seen_share)} of it is seen"
    reason += f", by {_listed(seeing)}" if zone.seen_share and seeing else ""
    reason += f"; no view from {_listed(sorted(zone.missing))}" if zone.missing else ""
    return Finding(
        not zone.covered,
        reason,
        f"zone '{name}' is covered again",
        "",
        {"seen_share": zone.seen_share, "occupied_share": zone.occupied_share},
        sensor=",".join(sorted(zone.missing)),
        supporting=seeing,
    )


def _share(share: float) -> str:
    """A share in words that seldom change: these texts are reasons of the state."""
    tens = round(10.0 * share)
    if tens == 0:
        return "none" if share < 0.01 else "hardly any"
    return f"about {10 * tens} %"


def _listed(names: Sequence[str]) -> str:
    """Names in words; of many, only how many they are."""
    if len(names) > _MOST_NAMES:
        return f"{len(names)} sensors"
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"

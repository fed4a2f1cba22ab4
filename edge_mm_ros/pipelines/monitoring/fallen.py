"""Evidence of falls, from objects and from detections."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping

from edge_mm_ros.datatypes import Detections, Object3D, Objects
from edge_mm_ros.params.safety_rules import FallenRule
from edge_mm_ros.pipelines.monitoring.condition import Finding
from edge_mm_ros.pipelines.monitoring.findings import View, measured_of, subject_of
from edge_mm_ros.pipelines.stamps import to_ns

_SLOWEST_WINDOWS = 8


class FallenEvidence:
    """How often the recent measurements of each subject carried the label of a fall."""

    def __init__(self, rule: FallenRule) -> None:
        self._rule = rule
        self._history: dict[str, deque[tuple[int, bool]]] = {}

    def forget(self) -> None:
        """Forget all subjects."""
        self._history.clear()

    def of_objects(self, objects: Objects, view: View) -> dict[str, Finding]:
        """The evidence for each object that is seen; what is only predicted adds none."""
        findings = {}
        seen = [item for item in objects.objects if view.sees(item)]
        for subject, item in self._most_fallen(seen).items():
            fallen = self._is_fallen(item)
            held, values = self._add(subject, fallen, objects.stamp_ns)
            who = view.name(item, self._rule.labels[0])
            findings[subject] = Finding(
                held,
                f"{who} is seen",
                f"{who} is no longer seen",
                f", {item.distance_m:.1f} m away",
                {**measured_of(item), **values},
                label=item.label,
                track_id=item.track_id,
                sensor=",".join(item.sources),
                supporting=item.sources,
                last_seen=f"{who} was seen, but is not now",
            )
        self._forget_unseen(findings, objects.stamp_ns)
        return findings

    def _is_fallen(self, item: Object3D) -> bool:
        return item.label in self._rule.labels and item.score >= self._rule.minimum_score

    def _most_fallen(self, items: Iterable[Object3D]) -> dict[str, Object3D]:
        """One object for each subject: untracked ones share one, and a fallen one speaks for it."""
        chosen: dict[str, Object3D] = {}
        for item in items:
            subject = subject_of(item)
            if subject not in chosen or (
                self._is_fallen(item) and not self._is_fallen(chosen[subject])
            ):
                chosen[subject] = item
        return chosen

    def of_detections(
        self, camera: str, detections: Detections, names: Mapping[str, str]
    ) -> dict[str, Finding]:
        """The evidence for a camera's picture after one more measurement."""
        scores = [
            float(score)
            for label, score in zip(detections.labels, detections.scores, strict=True)
            if label in self._rule.labels and score >= self._rule.minimum_score
        ]
        held, values = self._add(camera, bool(scores), detections.stamp_ns)
        label = self._rule.labels[0]
        if scores:
            values["confidence"] = max(scores)
        who = names.get(label, label)
        return {
            camera: Finding(
                held,
                f"{who} is seen by camera '{camera}'",
                f"{who} is no longer seen by camera '{camera}'",
                "",
                values,
                label=label,
                sensor=camera,
                supporting=(f"camera:{camera}",),
            )
        }

    def _add(
        self, subject: str, fallen: bool, stamp_ns: int
    ) -> tuple[bool, dict[str, float | str]]:
        history = self._history.setdefault(subject, deque())
        history.append((stamp_ns, fallen))
        self._prune(history, stamp_ns, self._rule.enter_after_frames)
        count = sum(1 for _, was in history if was)
        share = count / len(history)
        held = count >= self._rule.enter_after_frames and share >= self._rule.minimum_share
        return held, {"share": share, "frames": float(count)}

    def _prune(self, history: deque[tuple[int, bool]], stamp_ns: int, fewest: int = 0) -> None:
        """Forget what is older than the window.

        A slow detector has few measurements in a window: the newest `fewest` stay while they are
        within several windows, or the rule could never be met.
        """
        window_ns = to_ns(self._rule.window_s)
        while history and stamp_ns - history[0][0] > window_ns:
            recent = stamp_ns - history[0][0] <= _SLOWEST_WINDOWS * window_ns
            if recent and len(history) <= fewest:
                return
            history.popleft()

    def _forget_unseen(self, seen: Iterable[str], stamp_ns: int) -> None:
        for subject in set(self._history) - set(seen):
            self._prune(self._history[subject], stamp_ns)
            if not self._history[subject]:
                del self._history[subject]

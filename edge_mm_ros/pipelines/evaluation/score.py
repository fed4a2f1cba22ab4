"""All measures of one recording."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from edge_mm_ros.pipelines.evaluation.clear_mot import ClearMot, clear_mot, correspondences
from edge_mm_ros.pipelines.evaluation.errors import (
    Consistency,
    ObjectScore,
    consistency,
    false_alarms,
    period_of,
    position_errors_m,
    rms,
    score_objects,
    velocity_errors_mps,
)
from edge_mm_ros.pipelines.evaluation.events import EventScore
from edge_mm_ros.pipelines.evaluation.frames import EvaluationSettings, Frame
from edge_mm_ros.pipelines.evaluation.gospa import Gospa, mean_gospa
from edge_mm_ros.pipelines.evaluation.hota import Hota, hota


@dataclass(frozen=True)
class Score:
    """What a recording is worth.

    Attributes:
        frames: how many were compared.
        duration_s: how long they last.
        clear: the CLEAR MOT counts.
        gospa: mean over the frames.
        hota: higher order tracking accuracy.
        position_rms_m: of all matches.
        velocity_rms_mps: of settled tracks that tell a velocity; NaN where none does.
        false_alarms_per_minute: tracks that began to stand for nothing.
        consistency: of the covariances.
        objects: how each true object fared.
        events: safety events; None where none were recorded or expected.
    """

    frames: int
    duration_s: float
    clear: ClearMot
    gospa: Gospa
    hota: Hota
    position_rms_m: float
    velocity_rms_mps: float
    false_alarms_per_minute: float
    consistency: Consistency
    objects: tuple[ObjectScore, ...]
    events: EventScore | None

    @property
    def never_found(self) -> tuple[str, ...]:
        """The objects that never had a track."""
        return tuple(item.name for item in self.objects if not item.track_ids)

    @property
    def longest_delay_s(self) -> float:
        """Of all objects that were found; NaN where none was."""
        found = [item.delay_s for item in self.objects if not math.isnan(item.delay_s)]
        return max(found, default=math.nan)

    @property
    def longest_gap_s(self) -> float:
        """Longest time in which an object had lost its track; NaN without objects."""
        return max((item.longest_gap_s for item in self.objects), default=math.nan)

    def as_json(self) -> dict[str, Any]:
        """Plain values; what is not a number is None."""
        values = asdict(self)
        values["clear"].update(mota=self.clear.mota, motp_m=self.clear.motp_m)
        values["never_found"] = self.never_found
        values["longest_delay_s"] = self.longest_delay_s
        values["longest_gap_s"] = self.longest_gap_s
        if self.events is not None:
            values["events"].update(missed=self.events.missed, late=self.events.late)
        plain: dict[str, Any] = _without_nan(values)
        return plain


def score(
    frames: Sequence[Frame], settings: EvaluationSettings, events: EventScore | None = None
) -> Score:
    """Measure everything.

    Args:
        frames: at least one.
        settings: what counts.
        events: the score of the safety events, if any.
    """
    limit = settings.match_distance_m
    pairs = correspondences(frames, limit)
    duration_s = (frames[-1].stamp_ns - frames[0].stamp_ns) / 1e9 + period_of(frames)
    alarms = false_alarms(frames, pairs)
    return Score(
        len(frames),
        duration_s,
        clear_mot(frames, pairs),
        mean_gospa(frames, limit),
        hota(frames, limit),
        rms(position_errors_m(frames, pairs)),
        rms(velocity_errors_mps(frames, pairs, settings.settle_s)),
        alarms * 60.0 / duration_s if duration_s else math.nan,
        consistency(frames, pairs),
        score_objects(frames, pairs, settings.settle_s),
        events,
    )


def _without_nan(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nan(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_without_nan(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value

"""What became of each sensor's measurements in the fusion, for ``/diagnostics``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from edge_mm_ros.datatypes import Health, HealthLevel, InvalidInput
from edge_mm_ros.pipelines.fusion import FusionResult


@dataclass
class _Tally:
    """What became of one sensor's measurements since activation."""

    placed: Counter[str] = field(default_factory=Counter)
    points_left_out: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    last_refusal: str = ""
    without_cloud: tuple[str, ...] = ()
    too_steep: bool = False


class FusionTally:
    """Counts by sensor what was used, and what was left out and why.

    Args:
        cameras: told of from the begin on.
    """

    def __init__(self, cameras: Iterable[str] = ()) -> None:
        self._tallies = {("camera", camera): _Tally() for camera in cameras}

    def count(self, kind: str, sensor: str, result: FusionResult) -> None:
        """Count what a measurement brought."""
        tally = self._tallies.setdefault((kind, sensor), _Tally())
        for sources in result.placed:
            by_points = any(not source.startswith("camera:") for source in sources)
            by = "camera" if not by_points else "LiDAR"
            tally.placed[f"placed by {by}" if kind == "camera" else "things measured"] += 1
        tally.too_steep = any(error.kind == "steep" for error in result.refused)
        for error in result.refused:
            self._refuse(tally, error)
        tally.without_cloud = tuple(
            name for name, offset_s in (result.clouds or {}).items() if offset_s is None
        )

    def note_points(self, kind: str, sensor: str, left_out: int) -> None:
        """Note how many points of the newest cloud were not finite."""
        self._tallies.setdefault((kind, sensor), _Tally()).points_left_out = left_out

    def left_out(self, kind: str, sensor: str, error: InvalidInput) -> None:
        """Count a measurement that was not used."""
        self._refuse(self._tallies.setdefault((kind, sensor), _Tally()), error)

    def health(self) -> Iterable[Health]:
        """One entry for each sensor that was heard."""
        for (kind, sensor), tally in tuple(self._tallies.items()):
            values = {what: str(count) for what, count in sorted(tally.placed.items())}
            values.update({f"left out, {why}": str(n) for why, n in sorted(tally.refused.items())})
            if tally.last_refusal:
                values["last left out"] = tally.last_refusal
            level, message = HealthLevel.OK, "measures"
            if kind == "camera":
                level, message = _of_camera(tally)
            elif kind == "lidar":
                values["points left out"] = str(tally.points_left_out)
            yield Health(f"{kind} {sensor}", level, message, values)

    @staticmethod
    def _refuse(tally: _Tally, error: InvalidInput) -> None:
        tally.refused[error.kind] += 1
        tally.last_refusal = str(error)


def _of_camera(tally: _Tally) -> tuple[HealthLevel, str]:
    if tally.without_cloud:
        lidars = ", ".join(tally.without_cloud)
        return (
            HealthLevel.WARN,
            f"no cloud of {lidars} is near the pictures in time: camera alone",
        )
    if tally.too_steep:
        return HealthLevel.WARN, "a detection near the camera's foot has no place"
    return HealthLevel.OK, "places detections"

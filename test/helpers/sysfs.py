"""What a system tells of itself, written where a test says that its root is."""

from __future__ import annotations

from pathlib import Path


def heat(root: Path, degrees: float) -> None:
    """Let the processor be so warm. [°C]"""
    zone = root / "sys/class/thermal/thermal_zone0"
    zone.mkdir(parents=True, exist_ok=True)
    (zone / "type").write_text("cpu-thermal\n")
    (zone / "temp").write_text(f"{round(degrees * 1000)}\n")

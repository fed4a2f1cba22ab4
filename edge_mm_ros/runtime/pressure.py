"""What presses a process, as the system tells it: latency, memory, heat, power.

Every source is optional. What cannot be read is told with its reason, and is never taken for good.
"""

from __future__ import annotations

import re
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edge_mm_ros.runtime.process_memory import group_limits

_LATENCY_PERCENTILE = 90
_PROCESSOR_ZONES = re.compile(r"cpu|pkg|package|soc|tj|core|cluster", re.IGNORECASE)
_PROCESSOR_SENSORS = frozenset({"coretemp", "k10temp", "zenpower", "cpu_thermal"})
_BELIEVABLE_MILLIDEGREES = range(-40_000, 150_001)
_THROTTLED_NOW = 0xF  # the low bits of get_throttled; the high ones tell of the past


@dataclass(frozen=True)
class Reading:
    """One measured value.

    Attributes:
        source: ``latency``, ``memory``, ``memory_stall``, ``temperature``, ``power_cap`` or
            ``throttling``.
        value: in `unit`; None where it is not readable.
        unit: of the value.
        detail: where it was read, or why it could not be.
    """

    source: str
    value: float | None
    unit: str
    detail: str = ""

    def __str__(self) -> str:
        if self.value is None:
            return f"not readable: {self.detail}"
        return f"{self.value:.3g} {self.unit}" + (f" ({self.detail})" if self.detail else "")


class LatencyGauge:
    """The latencies of the last seconds. Thread safe.

    Args:
        window_s: how many seconds.
        clock: monotonic. [s]
    """

    def __init__(self, window_s: float = 5.0, clock: Callable[[], float] = time.monotonic) -> None:
        self._window_s = window_s
        self._clock = clock
        self._lock = threading.Lock()
        self._recent: deque[tuple[float, float]] = deque()

    def add_s(self, latency_s: float) -> None:
        """Note one latency."""
        with self._lock:
            self._recent.append((self._clock(), latency_s))
            self._forget()

    def read(self) -> Reading:
        """Their 90th percentile."""
        with self._lock:
            self._forget()
            latencies = [latency_s for _, latency_s in self._recent]
        if not latencies:
            why = f"nothing was handled in the last {self._window_s:g} s"
            return Reading("latency", None, "s", why)
        value = float(np.percentile(latencies, _LATENCY_PERCENTILE))
        return Reading("latency", value, "s", f"{_LATENCY_PERCENTILE}th percentile")

    def _forget(self) -> None:
        while self._recent and self._clock() - self._recent[0][0] > self._window_s:
            self._recent.popleft()


class SystemPressure:
    """Reads the system's own files.

    Args:
        root: of the file system.
    """

    def __init__(self, root: Path = Path("/")) -> None:
        self._root = root
        self._cpus = root / "sys/devices/system/cpu"
        self._throttle_counts: dict[Path, int] = {}

    def read(self) -> tuple[Reading, ...]:
        """All readings; none raises."""
        return (
            self._memory(),
            self._memory_stall(),
            self._temperature(),
            self._power_cap(),
            self._throttling(),
        )

    def _memory(self) -> Reading:
        """Used share of the machine's memory, or of a control group's where that is higher."""
        used: dict[str, float] = {}
        try:
            lines = (self._root / "proc/meminfo").read_text().splitlines()
            sizes = {line.split(":")[0]: int(line.split()[1]) for line in lines}
            used["the machine"] = 1 - sizes["MemAvailable"] / sizes["MemTotal"]
        except (OSError, ValueError, KeyError, IndexError, ZeroDivisionError):
            pass
        groups = group_limits(self._root / "sys/fs/cgroup", self._root / "proc/self/cgroup")
        if shares := [taken / limit for limit, taken in groups if limit > 0]:
            used["its control group"] = max(shares)
        if not used:
            return Reading("memory", None, "%", "neither /proc/meminfo nor a control group tells")
        where = max(used, key=lambda name: used[name])
        return Reading("memory", 100 * max(0.0, used[where]), "%", f"of {where}")

    def _memory_stall(self) -> Reading:
        """Pressure stall information: share of the last 10 s in which a task waited for memory."""
        try:
            text = (self._root / "proc/pressure/memory").read_text()
            value = float(re.search(r"some avg10=([\d.]+)", text)[1])  # type: ignore[index]
        except (OSError, ValueError, TypeError):
            return Reading("memory_stall", None, "%", "/proc/pressure/memory does not tell")
        return Reading("memory_stall", value, "%", "of the last 10 s")

    def _temperature(self) -> Reading:
        """The hottest sensor of the processor; where none is named as such, of all zones."""
        zones: dict[str, int] = {}
        for zone in self._files("sys/class/thermal/thermal_zone*/temp"):
            zones[_text(zone.parent / "type") or zone.parent.name] = _number(zone)
        found = {name: value for name, value in zones.items() if _PROCESSOR_ZONES.search(name)}
        for sensor in self._files("sys/class/hwmon/hwmon*/temp*_input"):
            name = _text(sensor.parent / "name")
            if name in _PROCESSOR_SENSORS:
                found[f"{name} {sensor.name.removesuffix('_input')}"] = _number(sensor)
        told = {n: v for n, v in (found or zones).items() if v in _BELIEVABLE_MILLIDEGREES}
        if not told:
            return Reading("temperature", None, "°C", "no thermal zone and no sensor tells")
        hottest = max(told, key=lambda name: told[name])
        return Reading("temperature", told[hottest] / 1000, "°C", hottest)

    def _power_cap(self) -> Reading:
        """How far the system holds the processor's highest frequency below what it can do."""
        cuts: dict[str, float] = {}
        for limit in self._files("sys/devices/system/cpu/cpufreq/policy*/scaling_max_freq"):
            allowed, possible = _number(limit), _number(limit.parent / "cpuinfo_max_freq")
            if allowed > 0 and possible > 0:
                cuts[limit.parent.name] = 100 * max(0.0, 1 - allowed / possible)
        if not cuts:
            return Reading("power_cap", None, "%", "cpufreq does not tell")
        lowest = max(cuts, key=lambda name: cuts[name])
        return Reading("power_cap", cuts[lowest], "%", f"cut of {lowest}")

    def _throttling(self) -> Reading:
        """Events since the last reading in which the hardware slowed itself.

        Intel's thermal throttle counters, the over-current counters of NVIDIA Jetson, and the
        state that the Raspberry Pi's firmware tells.
        """
        events, told = 0, False
        for pattern in (
            "sys/devices/system/cpu/cpu[0-9]*/thermal_throttle/*_throttle_count",
            "sys/class/hwmon/hwmon*/oc*_event_cnt",
        ):
            for counter in self._files(pattern):
                if (count := _number(counter)) < 0:
                    continue
                told = True
                events += max(0, count - self._throttle_counts.get(counter, count))
                self._throttle_counts[counter] = count
        for firmware in self._files("sys/devices/platform/soc/soc:firmware/get_throttled"):
            if (flags := _number(firmware, 16)) >= 0:
                told = True
                events += bool(flags & _THROTTLED_NOW)
        if not told:
            return Reading("throttling", None, "events", "no counter of the hardware tells")
        return Reading("throttling", float(events), "events", "since the last look")

    def _files(self, pattern: str) -> Iterator[Path]:
        yield from sorted(self._root.glob(pattern))


def _text(path: Path) -> str:
    try:
        return path.read_text().strip()
    except (OSError, UnicodeDecodeError):
        return ""


def _number(path: Path, base: int = 10) -> int:
    """The whole number in a file; far below everything believable where there is none."""
    try:
        return int(_text(path), base)
    except ValueError:
        return -(2**31)

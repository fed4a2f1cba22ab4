"""Keeps sound and capture stamps together: gaps, overlaps, jumps, and rates that cannot be."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from statistics import median

from edge_mm_ros.datatypes import AudioChunk, InvalidInput
from edge_mm_ros.pipelines.stamps import NS_PER_S
from edge_mm_ros.pipelines.transcription.resampling import SAMPLE_RATE_HZ

_TOLERANCE_NS = 50_000_000
_MAX_FILL_NS = 500_000_000
_MAX_OVERLAP_NS = 1_000_000_000
_DRIFT_CORRECTION = 0.05
_PACE_CHUNKS = 8
_PACE_LIMITS = (0.8, 1.25)


@dataclass
class Stretch:
    """Sound without a break.

    Attributes:
        origin_ns: capture time of its first sample; follows the stamps slowly.
    """

    origin_ns: float

    def capture_ns(self, position: int) -> int:
        """Capture time of a sample at 16 kHz since the stretch began."""
        return round(self.origin_ns + position * NS_PER_S / SAMPLE_RATE_HZ)


@dataclass(frozen=True)
class Placement:
    """Where a chunk belongs.

    Attributes:
        stretch: what it continues; a new one where it continues nothing.
        silence_samples: samples of silence, at the chunk's rate, that belong before it.
        skip_samples: its first samples that were heard already.
        fault: what is wrong with its stamp, although it can be used.
    """

    stretch: Stretch
    silence_samples: int = 0
    skip_samples: int = 0
    fault: InvalidInput | None = None


class StampTimeline:
    """Places each chunk behind the ones before it, by its stamp.

    Deviations of up to 50 ms are jitter, which moves the stamps only slowly (clocks drift). A
    gap of up to 0.5 s is filled with silence; a longer one, a change of rate and a jump back
    begin a new stretch.
    """

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget what came before."""
        self._rate_hz = 0
        self._channels = 0
        self._stretch = Stretch(0.0)
        self._placed = 0
        self._last: tuple[int, int] | None = None
        self._paces: deque[float] = deque(maxlen=_PACE_CHUNKS)
        self._repeats = 0

    def expect_gap(self) -> None:
        """Leave the step to the next chunk out of the pace of the stamps."""
        self._last = None

    def place(self, chunk: AudioChunk) -> Placement:
        """Say where a chunk belongs; it counts as taken.

        Raises:
            InvalidInput: all of it was heard already (``stamp_repeated``), or the stamps of the
                last chunks advance faster or slower than the sound (``sample_rate``).
        """
        self._repeats = self._repeats + 1 if self._is_last_again(chunk) else 0
        if 0 < self._repeats < _PACE_CHUNKS:  # more of them is a clock that stands still
            raise InvalidInput(
                "stamp_repeated",
                f"a chunk of audio came twice with the stamp {chunk.stamp_ns} ns; the second is "
                "left out; do two publishers send the same sound?",
            )
        self._check_pace(chunk)
        if chunk.sample_rate_hz != self._rate_hz or chunk.samples.shape[1] != self._channels:
            return self._restart(chunk)
        expected_ns = self._stretch.origin_ns + self._placed * NS_PER_S / self._rate_hz
        ahead_ns = chunk.stamp_ns - expected_ns
        if abs(ahead_ns) <= _TOLERANCE_NS:
            self._stretch.origin_ns += ahead_ns * _DRIFT_CORRECTION
            self._placed += len(chunk.samples)
            return Placement(self._stretch)
        if ahead_ns > _MAX_FILL_NS:
            return self._restart(chunk)
        samples = round(abs(ahead_ns) * self._rate_hz / NS_PER_S)
        if ahead_ns > 0:
            self._placed += samples + len(chunk.samples)
            return Placement(self._stretch, silence_samples=samples)
        if ahead_ns < -_MAX_OVERLAP_NS:
            fault = InvalidInput(
                "stamp_jump",
                f"the audio's stamps jump back by {-ahead_ns / NS_PER_S:.3f} s; what was heard "
                "is finished and listening begins anew; are two clocks or publishers mixed?",
            )
            return self._restart(chunk, fault)
        if samples >= len(chunk.samples):
            raise InvalidInput(
                "stamp_repeated",
                f"a chunk of audio lies {-ahead_ns / NS_PER_S:.3f} s before what was heard "
                "already; it is left out",
            )
        self._placed += len(chunk.samples) - samples
        return Placement(self._stretch, skip_samples=samples)

    def _is_last_again(self, chunk: AudioChunk) -> bool:
        return self._last == (chunk.stamp_ns, chunk.duration_ns)

    def _restart(self, chunk: AudioChunk, fault: InvalidInput | None = None) -> Placement:
        self._rate_hz, self._channels = chunk.sample_rate_hz, int(chunk.samples.shape[1])
        self._stretch = Stretch(float(chunk.stamp_ns))
        self._placed = len(chunk.samples)
        return Placement(self._stretch, fault=fault)

    def _check_pace(self, chunk: AudioChunk) -> None:
        """Compare how far the stamps advance from chunk to chunk with how long the chunks are.

        A wrong rate or number of channels shows here and nowhere else. The median is blind to
        the few chunks that get lost.
        """
        last, self._last = self._last, (chunk.stamp_ns, chunk.duration_ns)
        if last is None or not 0 <= chunk.stamp_ns - last[0] <= 10 * NS_PER_S:
            self._paces.clear()
            return
        self._paces.append((chunk.stamp_ns - last[0]) / max(1, last[1]))
        if len(self._paces) < _PACE_CHUNKS:
            return
        pace = median(self._paces)
        if not _PACE_LIMITS[0] <= pace <= _PACE_LIMITS[1]:
            raise InvalidInput(
                "sample_rate",
                f"the audio's stamps advance {pace:.2f} s for each second of sound at "
                f"{chunk.sample_rate_hz} Hz with {chunk.samples.shape[1]} channel(s); correct the "
                "sample rate, the channels or the sample format",
            )

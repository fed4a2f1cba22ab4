"""Stamps for sound that comes without any."""

from __future__ import annotations

from collections import deque

from edge_mm_ros.datatypes import InvalidInput
from edge_mm_ros.pipelines.stamps import NS_PER_S

_CORRECTION = 0.02
# Arrival jitters by a chunk or two, which is little over this many.
_PACE_CHUNKS = 20
_PACE_LIMITS = (0.8, 1.25)


class ReceptionStamps:
    """Makes capture stamps from reception times.

    A chunk is complete only after its last sample, so it began its own length before it came.
    Arrival jitters while sound does not: stamps run on with the sound and follow the arrival
    slowly; where both disagree by more than a second, sound was lost and they begin anew.
    """

    def __init__(self, max_error_s: float = 1.0) -> None:
        self._max_error_ns = int(max_error_s * NS_PER_S)
        self._next_ns: int | None = None
        self._arrivals: deque[tuple[int, int]] = deque(maxlen=_PACE_CHUNKS + 1)

    def reset(self) -> None:
        """Forget what came before."""
        self._next_ns = None
        self._arrivals.clear()

    def stamp(self, received_ns: int, duration_ns: int) -> int:
        """Capture time of the first sample of the next chunk, nanoseconds.

        Raises:
            InvalidInput: of the kind ``sample_rate``: the last chunks came faster or slower than
                they sound.
        """
        self._check_pace(received_ns, duration_ns)
        arrived_ns = received_ns - duration_ns
        if self._next_ns is None or abs(arrived_ns - self._next_ns) > self._max_error_ns:
            start_ns = arrived_ns
        else:
            start_ns = self._next_ns + round((arrived_ns - self._next_ns) * _CORRECTION)
        self._next_ns = start_ns + duration_ns
        return start_ns

    def _check_pace(self, received_ns: int, duration_ns: int) -> None:
        if self._arrivals and received_ns < self._arrivals[-1][0]:  # the clock was set back
            self._arrivals.clear()
        self._arrivals.append((received_ns, duration_ns))
        if len(self._arrivals) <= _PACE_CHUNKS:
            return
        sound_ns = sum(length for _, length in self._arrivals) - self._arrivals[0][1]
        pace = (received_ns - self._arrivals[0][0]) / max(1, sound_ns)
        if not _PACE_LIMITS[0] <= pace <= _PACE_LIMITS[1]:
            raise InvalidInput(
                "sample_rate",
                f"unstamped audio takes {pace:.2f} s to come for each second of sound; correct the "
                "sample rate, the channels or the sample format, or look for lost chunks",
            )

"""Stamps for sound that comes without any."""

from __future__ import annotations

_NS_PER_S = 1_000_000_000
_CORRECTION = 0.02


class ReceptionStamps:
    """Makes capture stamps from reception times.

    A chunk is complete only after its last sample, so it began its own length before it came.
    Arrival jitters while sound does not: stamps run on with the sound and follow the arrival
    slowly; where both disagree by more than a second, sound was lost and they begin anew.
    """

    def __init__(self, max_error_s: float = 1.0) -> None:
        self._max_error_ns = int(max_error_s * _NS_PER_S)
        self._next_ns: int | None = None

    def reset(self) -> None:
        """Forget what came before."""
        self._next_ns = None

    def stamp(self, received_ns: int, duration_ns: int) -> int:
        """Capture time of the first sample of the next chunk, nanoseconds."""
        arrived_ns = received_ns - duration_ns
        if self._next_ns is None or abs(arrived_ns - self._next_ns) > self._max_error_ns:
            start_ns = arrived_ns
        else:
            start_ns = self._next_ns + round((arrived_ns - self._next_ns) * _CORRECTION)
        self._next_ns = start_ns + duration_ns
        return start_ns

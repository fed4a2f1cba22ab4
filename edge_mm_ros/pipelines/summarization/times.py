"""How a report tells times."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from typing import Literal

from edge_mm_ros.pipelines.stamps import NS_PER_S


@dataclass(frozen=True)
class Times:
    """Times as text.

    Attributes:
        style: ``relative``: seconds since `origin_ns`; ``clock``: UTC; ``ago``: seconds before
            `origin_ns`.
        origin_ns: what they refer to.
    """

    style: Literal["relative", "clock", "ago"]
    origin_ns: int

    def point(self, stamp_ns: int) -> str:
        """A time after words such as ``from`` and ``to``, for example ``3.2 s``."""
        if self.style == "clock":
            seconds = stamp_ns // NS_PER_S
            try:
                moment = datetime.datetime.fromtimestamp(seconds, tz=datetime.timezone.utc)
            except (OverflowError, OSError, ValueError):  # no calendar has it
                return f"{seconds} s"
            return moment.strftime("%H:%M:%S UTC")
        offset_s = (stamp_ns - self.origin_ns) / NS_PER_S
        if self.style == "ago":
            return f"{max(0.0, -offset_s):.1f} s ago"
        return f"{max(0.0, offset_s):.1f} s"

    def at(self, stamp_ns: int) -> str:
        """A time as an adverbial, for example ``at 3.2 s``."""
        return self.point(stamp_ns) if self.style == "ago" else f"at {self.point(stamp_ns)}"


def duration(length_ns: int) -> str:
    """A length of time, for example ``4.2 s``."""
    return f"{max(0, length_ns) / NS_PER_S:.1f} s"

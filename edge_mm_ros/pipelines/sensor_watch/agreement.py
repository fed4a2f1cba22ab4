"""Whether a sensor measures objects where the others measure them, and how far off it is."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Hashable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge_mm_ros.pipelines.stamps import NS_PER_S, to_ns

_LEAST_PAIRS = 8
_LEAST_OBJECTS = 2
_LEAST_SPAN = 0.5  # of the window that the pairs must span
_EXPLAINED = 0.75  # share of the squared gaps that one steady cause must explain
_LEAST_TURN_RAD = 0.02
_LEAST_SHIFT_S = 0.05
_SIMPLE = 0.1  # where one figure leaves no more than this, two are not asked


@dataclass(frozen=True, eq=False)
class Gaps:
    """How far a sensor's measurements of one time lie from where the others see the same objects.

    All in the robot's frame, x and y.

    Attributes:
        gap_m: float64 (n, 2), measurement minus object.
        covariance_m2: float64 (n, 2, 2), of a gap where both are right.
        place_m: float64 (n, 2), of the objects.
        velocity_mps: float64 (n, 2), of the objects as the moving robot sees them.
        objects: what tells the n objects apart.
    """

    gap_m: NDArray[np.float64]
    covariance_m2: NDArray[np.float64]
    place_m: NDArray[np.float64]
    velocity_mps: NDArray[np.float64]
    objects: tuple[Hashable, ...]

    def __len__(self) -> int:
        return len(self.gap_m)


class AgreementWindow:
    """The gaps of one sensor over the last seconds, and the steady cause that explains them.

    A sensor disagrees where the middle one of its gaps lies far out of what both errors allow, and
    one cause explains most of all gaps: a shift or a turn of its mounting, or a clock that is off
    (each fitted by least squares). Gaps without a common cause are wrong pairs, and say nothing;
    nor does one object alone, of which two sensors may see different sides.
    """

    def __init__(self) -> None:
        self._scans: deque[tuple[int, Gaps]] = deque()

    def clear(self) -> None:
        """Forget all gaps."""
        self._scans.clear()

    def note(self, stamp_ns: int, gaps: Gaps, window_s: float) -> None:
        """Add the gaps of one scan, and forget those before the window."""
        if not len(gaps):
            return
        self._scans.append((stamp_ns, gaps))
        while abs(stamp_ns - self._scans[0][0]) > to_ns(window_s):
            self._scans.popleft()

    def tells(self, window_s: float) -> bool:
        """Whether there are enough pairs to judge."""
        seen = [name for _, gaps in self._scans for name in gaps.objects]
        if len(seen) < _LEAST_PAIRS or len(set(seen)) < _LEAST_OBJECTS:
            return False
        span_s = (self._scans[-1][0] - self._scans[0][0]) / NS_PER_S
        return span_s >= _LEAST_SPAN * window_s

    def offset(self, minimum_m: float, sigmas: float) -> str:
        """What is off, in words with figures; empty where it agrees with the others.

        Args:
            minimum_m: middle gap below which it agrees.
            sigmas: the same in standard deviations.
        """
        scans = [gaps for _, gaps in self._scans]
        gaps = Gaps(
            np.concatenate([one.gap_m for one in scans]),
            np.concatenate([one.covariance_m2 for one in scans]),
            np.concatenate([one.place_m for one in scans]),
            np.concatenate([one.velocity_mps for one in scans]),
            tuple(name for one in scans for name in one.objects),
        )
        solved = np.linalg.solve(gaps.covariance_m2, gaps.gap_m[:, :, None])[:, :, 0]
        squared = np.einsum("ij,ij->i", gaps.gap_m, solved)
        if float(np.median(squared)) <= sigmas**2:
            return ""
        if float(np.median(np.hypot(*gaps.gap_m.T))) < minimum_m:
            return ""
        return _steady_cause(gaps)


def _steady_cause(gaps: Gaps) -> str:
    """The simplest cause that explains the gaps, and how large it is; empty where none does."""
    x, y = gaps.place_m.T
    ones, zeros = np.ones_like(x), np.zeros_like(x)
    # Per cause the columns that its figures act through: (n, 2, figures).
    causes: list[tuple[NDArray[np.float64], Callable[[NDArray[np.float64]], str]]] = [
        (gaps.velocity_mps[:, :, None], _clock_words),
        (np.stack([-y, x], axis=1)[:, :, None], _turn_words),
        (
            np.stack([np.stack([ones, zeros], axis=1), np.stack([zeros, ones], axis=1)], axis=2),
            _shift_words,
        ),
    ]
    weights = 1.0 / np.sqrt(np.trace(gaps.covariance_m2, axis1=1, axis2=2))
    total = float(np.sum((gaps.gap_m * weights[:, None]) ** 2))
    best, words = 1.0 - _EXPLAINED, ""
    for columns, say in causes:
        if columns.shape[2] > 1 and best <= _SIMPLE:
            break
        matrix = (columns * weights[:, None, None]).reshape(-1, columns.shape[2])
        target = (gaps.gap_m * weights[:, None]).reshape(-1)
        figures = np.linalg.lstsq(matrix, target, rcond=None)[0]
        left = float(np.sum((target - matrix @ figures) ** 2)) / total
        said = say(figures)
        if said and left < best:
            best, words = left, said
    return words


def _clock_words(figures: NDArray[np.float64]) -> str:
    """What is seen further along its way than its stamp says has a stamp that is too early."""
    early_s = float(figures[0])
    if abs(early_s) < _LEAST_SHIFT_S:
        return ""
    way = "behind" if early_s > 0.0 else "ahead"
    return f"its clock seems to run {abs(early_s):.2f} s {way}; correct the clock or time_offset_s"


def _turn_words(figures: NDArray[np.float64]) -> str:
    turn_rad = float(figures[0])
    if abs(turn_rad) < _LEAST_TURN_RAD:
        return ""
    side = "left" if turn_rad > 0.0 else "right"
    return (
        f"its measurements lie turned by {abs(turn_rad):.2f} rad to the {side}; correct the yaw "
        "of its mounting"
    )


def _shift_words(figures: NDArray[np.float64]) -> str:
    x_m, y_m = (float(value) for value in figures)
    return (
        f"its measurements lie {math.hypot(x_m, y_m):.2f} m off (x {x_m:+.2f}, y {y_m:+.2f}); "
        "correct its mounting"
    )

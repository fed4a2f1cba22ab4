"""From the side that a sensor shows of an object to the object's middle."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge_mm_ros.pipelines.tracking.measurement import Scan
from edge_mm_ros.pipelines.tracking.motion import VX, VY

_LARGE_M = 1.0  # of what is smaller, enough shows
_HALF_SIGMA_M = 0.25  # of half of an object's length; see `class_sizes` of the fusion
_HIDDEN_SHARE = 0.1  # of what is missing: how far its middle errs besides
_NEAREST_M = 1e-3


@dataclass(frozen=True, eq=False)
class Completion:
    """What n measurements lack, were they of m tracks.

    Attributes:
        shift_m: float64 (n, m, 3), from what shows to the object's middle at the scan's time.
        spread_m2: float64 (n, m, 3), variances along the axes of what that errs by.
        fresh_m2: float64 (n, m, 3), the same of errors that are new in each measurement.
        told: bool (n, m), where it says all that is known of a missing part.
        instead: bool (n, m), where that stands for what the measurement itself has for shared
            errors: what it took to be hidden.
    """

    shift_m: NDArray[np.float64]
    spread_m2: NDArray[np.float64]
    fresh_m2: NDArray[np.float64]
    told: NDArray[np.bool_]
    instead: NDArray[np.bool_]


def completion(
    scan: Scan,
    means: NDArray[np.float64],
    covariances: NDArray[np.float64],
    sizes_m: NDArray[np.float64],
    classed: NDArray[np.bool_],
) -> Completion | None:
    """How far the middles of tracks lie from what a ranging sensor shows of them.

    A cluster of points shows the sides that are turned to the sensor; what is missing along an axis
    lies behind them. A return without a size comes from anywhere on these sides: the moments are
    those of a point that is as likely as the piece of the side looks wide from there, and the
    likelier, the more squarely it is met (by the cosine, as of a diffuse reflector). A side shows
    where the sensor stands beyond it. Only a class vouches for the size of what clusters show in
    part: without one, a track may have been measured together with what stood beside it. Of people
    and other small things enough shows.

    What was measured some time from the scan's stamp has moved since with the track's velocity.

    Args:
        scan: of which those with `Measurement.seen_from_m` or `Measurement.lead_s` are looked at.
        means: float64 (m, 6), of the tracks at the scan's time.
        covariances: float64 (m, 6, 6), of these.
        sizes_m: float64 (m, 3), of the tracks.
        classed: bool (m,), which have a class.

    Returns:
        None where nothing is to be completed.
    """
    items, partly, leading = scan.measurements, scan.partly, scan.leading
    if not scan.incomplete or not len(means):
        return None
    shape = (len(items), len(means))
    whole = Completion(
        np.zeros((*shape, 3)),
        np.zeros((*shape, 3)),
        np.zeros((*shape, 3)),
        np.zeros(shape, dtype=np.bool_),
        np.zeros(shape, dtype=np.bool_),
    )
    if partly:
        _complete_sides(whole, partly, scan, means, sizes_m, classed)
    if leading:
        lead_s = np.array([items[index].lead_s for index in leading])[:, None, None]
        moved_m2 = np.array([items[index].moved_m for index in leading])[:, None, None] ** 2
        variances = covariances[:, [VX, VY], [VX, VY]]
        whole.shift_m[leading, :, :2] -= means[None, :, [VX, VY]] * lead_s
        # A track's speed is known better than that of anything, or as badly.
        known_m2 = np.minimum(variances[None] * lead_s**2, moved_m2)
        whole.fresh_m2[leading, :, :2] += known_m2 - moved_m2
    return whole


def _complete_sides(
    whole: Completion,
    partly: list[int],
    scan: Scan,
    means: NDArray[np.float64],
    sizes_m: NDArray[np.float64],
    classed: NDArray[np.bool_],
) -> None:
    """Add the ways from the sides that show to the middles, for some of the measurements."""
    origins = np.array([scan.measurements[index].seen_from_m for index in partly])
    gap = means[None, :, :2] - origins[:, None, :2]
    half, seen_half = sizes_m[None, :, :2] / 2.0, scan.sizes_m[partly, None, :2] / 2.0
    shows = np.abs(gap) > half
    missing = np.maximum(half - seen_half, 0.0)
    sized = scan.sized[partly][:, None]
    told = (~sized | classed[None]) & (sizes_m[:, :2].max(axis=1) > _LARGE_M)[None]
    point_shift, point_spread = _of_a_point(gap, half, shows, seen_half)
    shift = np.where(sized[..., None], np.sign(gap) * shows * missing, point_shift)
    near = np.minimum(missing, _HALF_SIGMA_M) ** 2 + (_HIDDEN_SHARE * missing) ** 2
    hidden = np.where(shows, near, missing**2)
    whole.shift_m[partly, :, :2] += shift * told[..., None]
    # What is hidden stays so for long; where a single return comes from does not.
    whole.spread_m2[partly, :, :2] += hidden * (told & sized)[..., None]
    whole.fresh_m2[partly, :, :2] += point_spread * (told & ~sized)[..., None]
    # A track without a class may be a part of what is larger, anywhere in it: an echo of a car.
    beyond = np.maximum(seen_half - half, 0.0) ** 2 / 3.0
    whole.fresh_m2[partly, :, :2] += beyond * (sized & ~classed[None])[..., None]
    whole.told[partly], whole.instead[partly] = told, told & sized


def _of_a_point(
    gap: NDArray[np.float64],
    half: NDArray[np.float64],
    shows: NDArray[np.bool_],
    taken: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and variance of the way from a point of the sides that show to the middle, (n, m, 2).

    Args:
        gap: from the sensor to the middles.
        half: half of the extents.
        shows: along which axes a side is turned to the sensor.
        taken: half of the extents that were taken for the return's thing already.
    """
    distance = np.maximum(np.hypot(gap[..., 0], gap[..., 1]), _NEAREST_M)[..., None]
    # How wide each side looks (its length lies along the other axis), and how squarely it is met.
    wide = half[..., ::-1] * (gap / distance) ** 2 * shows
    total = wide.sum(axis=-1, keepdims=True)
    share = np.where(total > 0.0, wide / np.maximum(total, _NEAREST_M**2), 0.0)
    behind = np.maximum(half - taken, 0.0)
    mean = np.sign(gap) * share * behind
    # Along an axis: at its own side for one share, anywhere along the other side for the rest.
    square = share * behind**2 + (1.0 - share) * behind**2 / 3.0
    return mean, np.maximum(square - mean**2, 0.0)

"""How well measurements and tracks agree, of those that may belong together at all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_mm_ros.pipelines import native
from edge_mm_ros.pipelines.tracking.measurement import Scan
from edge_mm_ros.pipelines.tracking.near_side import Completion
from edge_mm_ros.pipelines.tracking.roots import Root, product

_SPACE = [0, 1, 2]


@dataclass(frozen=True, eq=False)
class NearPairs:
    """K pairs of a measurement and a track, and what their gap is under its own covariance ``S``.

    Attributes:
        rows: indices of the measurements.
        columns: those of the tracks.
        squared: float64 (k,), Mahalanobis distance squared, ``g' S^-1 g``.
        log_det: float64 (k,), log of the determinant of ``S``.
        ray_squared: float64 (k,), ``r' S^-1 r`` of the unit ray that was measured along, 0 where
            none is told.
        ray_product: float64 (k,), ``r' S^-1 g``.
        beyond_m: float64 (k,), how far behind the track the measurement lies along the ray.
    """

    rows: NDArray[np.intp]
    columns: NDArray[np.intp]
    squared: NDArray[np.float64]
    log_det: NDArray[np.float64]
    ray_squared: NDArray[np.float64]
    ray_product: NDArray[np.float64]
    beyond_m: NDArray[np.float64]


def near_pairs(
    scan: Scan,
    means_m: NDArray[np.float64],
    known_m2: NDArray[np.float64],
    hidden: Completion | None,
    *,
    gate: float,
    stray_sigma_m: float,
) -> NearPairs:
    """All pairs that are not too far apart along x or along y, row by row.

    Args:
        scan: n measurements.
        means_m: float64 (m, 3), places of the tracks.
        known_m2: float64 (m, 3, 3), covariances of these.
        hidden: what the measurements lack; None: nothing.
        gate: largest squared distance along one axis, in variances.
        stray_sigma_m: standard deviation of a stray distance along the ray.
    """
    if native.compiled is None:
        return _by_numpy(scan, means_m, known_m2, hidden, gate, stray_sigma_m)
    pairs = len(scan.measurements) * len(means_m)
    indices, found = np.empty((2, pairs), dtype=np.int64), np.empty((5, pairs))
    extra: tuple[NDArray[Any] | None, ...] = (None, None, None)
    if hidden is not None:
        extra = (hidden.shift_m, hidden.spread_m2 + hidden.fresh_m2, hidden.instead)
    count = native.compiled.tracks_pair(
        scan.positions_m,
        scan.errors_m2,
        scan.biases_m2,
        scan.rays,
        means_m,
        known_m2,
        *extra,
        gate,
        stray_sigma_m,
        indices,
        found,
    )
    return NearPairs(*indices[:, :count], *found[:, :count])


def _by_numpy(
    scan: Scan,
    means_m: NDArray[np.float64],
    known_m2: NDArray[np.float64],
    hidden: Completion | None,
    gate: float,
    stray_sigma_m: float,
) -> NearPairs:
    offset = scan.positions_m[:, :2].T[:, :, None] - means_m[:, :2].T[:, None]
    vague = on_the_plan(scan.errors_m2) + (stray_sigma_m * scan.rays[:, :2]) ** 2
    widest = vague.T[:, :, None] + on_the_plan(known_m2).T[:, None]
    if hidden is not None:
        offset += np.moveaxis(hidden.shift_m[..., :2], 2, 0)
        widest += np.moveaxis((hidden.spread_m2 + hidden.fresh_m2)[..., :2], 2, 0)
    near = offset**2 <= gate * widest
    rows, columns = np.nonzero(near[0] & near[1])
    gap, spread = _gaps(scan, means_m, known_m2, hidden, rows, columns)
    root, rays = Root.of(spread), scan.rays[rows]
    misfit, ray = root.whitened(gap), root.whitened(rays)
    return NearPairs(
        rows,
        columns,
        product(misfit, misfit),
        root.log_det,
        product(ray, ray),
        product(ray, misfit),
        (gap * rays).sum(axis=1),
    )


def agreement(
    scan: Scan,
    means_m: NDArray[np.float64],
    known_m2: NDArray[np.float64],
    hidden: Completion | None,
    rows: NDArray[np.intp],
    columns: NDArray[np.intp],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Squared distances and logs of the determinants of k pairs, float64 (k,) each.

    Args:
        scan: n measurements.
        means_m: float64 (m, 3), places of the tracks.
        known_m2: float64 (m, 3, 3), covariances of these.
        hidden: what the measurements lack; None: nothing.
        rows: indices of the pairs' measurements.
        columns: those of their tracks.
    """
    gap, spread = _gaps(scan, means_m, known_m2, hidden, rows, columns)
    root = Root.of(spread)
    misfit = root.whitened(gap)
    return product(misfit, misfit), root.log_det


def _gaps(
    scan: Scan,
    means_m: NDArray[np.float64],
    known_m2: NDArray[np.float64],
    hidden: Completion | None,
    rows: NDArray[np.intp],
    columns: NDArray[np.intp],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """From the tracks to the measurements of pairs, and the covariances of that."""
    gap = scan.positions_m[rows] - means_m[columns]
    spread = scan.errors_m2[rows] + known_m2[columns]
    if hidden is not None:
        gap = gap + hidden.shift_m[rows, columns]
        spread -= hidden.instead[rows, columns, None, None] * scan.biases_m2[rows]
        spread[:, _SPACE, _SPACE] += (hidden.spread_m2 + hidden.fresh_m2)[rows, columns]
    return gap, spread


def on_the_plan(covariances_m2: NDArray[np.float64]) -> NDArray[np.float64]:
    """The variances along x and y, a view (k, 2) of contiguous (k, 3, 3) matrices."""
    return covariances_m2.reshape(-1, 9)[:, :5:4]

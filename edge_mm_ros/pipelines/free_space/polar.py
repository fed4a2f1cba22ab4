"""What one measurement sees of the ground, in polar cells about its sensor."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

AZIMUTHS = 180
"""Number of directions of a polar view: 2 degrees each."""
_STEP_RAD = 2.0 * np.pi / AZIMUTHS

Bools = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class PolarView:
    """Ground cells about a sensor; all in the robot's frame at the measurement's time.

    Attributes:
        origin_m: float64 (2,), the sensor's x and y.
        step_m: depth of a cell.
        seen: bool (AZIMUTHS, rings), directions from -pi on about z; whether an object that stands
            there would have been noticed.
        occupied: bool, likewise; where something is. What is occupied is seen.
    """

    origin_m: NDArray[np.float64]
    step_m: float
    seen: Bools
    occupied: Bools

    def at(self, points_m: NDArray[np.float64]) -> tuple[Bools, Bools]:
        """Which points (n, 2) are seen, and which are occupied."""
        x, y = (points_m - self.origin_m).T
        rings = self.seen.shape[1]
        reach_m = rings * self.step_m
        seen = np.zeros(len(points_m), dtype=np.bool_)
        occupied = seen.copy()
        near = np.flatnonzero((np.abs(x) < reach_m) & (np.abs(y) < reach_m))
        ring = (np.hypot(x[near], y[near]) / self.step_m).astype(np.intp)
        within = ring < rings
        near, ring = near[within], ring[within]
        azimuth = azimuth_of(x[near], y[near])
        seen[near] = self.seen[azimuth, ring]
        occupied[near] = self.occupied[azimuth, ring]
        return seen, occupied

    def occupied_points_m(self) -> NDArray[np.float64]:
        """The middles of all occupied cells, float64 (n, 2)."""
        azimuth, ring = np.nonzero(self.occupied)
        return cell_middles_m(self.origin_m, self.step_m, azimuth, ring)


def azimuth_of(x: NDArray[np.floating], y: NDArray[np.floating]) -> NDArray[np.intp]:
    """The cells' direction of offsets from a sensor."""
    turned = (np.arctan2(y, x) + np.pi) / _STEP_RAD
    return np.asarray(turned.astype(np.intp) % AZIMUTHS)


def middle_azimuths_rad() -> NDArray[np.float64]:
    """Direction of the middle of each cell, float64 (AZIMUTHS,)."""
    return np.asarray((np.arange(AZIMUTHS) + 0.5) * _STEP_RAD - np.pi, dtype=np.float64)


def cell_middles_m(
    origin_m: NDArray[np.float64],
    step_m: float,
    azimuth: NDArray[np.intp],
    ring: NDArray[np.intp],
) -> NDArray[np.float64]:
    """Middles of cells, float64 (n, 2)."""
    angle = (azimuth + 0.5) * _STEP_RAD - np.pi
    distance = (ring + 0.5) * step_m
    offset = np.column_stack([distance * np.cos(angle), distance * np.sin(angle)])
    return np.asarray(origin_m + offset)


def nothing(origin_m: NDArray[np.float64], step_m: float, reach_m: float) -> PolarView:
    """A view that sees nothing."""
    rings = max(1, int(np.ceil(reach_m / step_m)))
    seen = np.zeros((AZIMUTHS, rings), dtype=np.bool_)
    return PolarView(np.asarray(origin_m[:2], dtype=np.float64), step_m, seen, seen.copy())


def nearest_rings(
    view: PolarView, points_m: NDArray[np.float64], radii_m: NDArray[np.float64] | None = None
) -> NDArray[np.intp]:
    """The ring of the nearest thing in each direction; the number of rings where there is none.

    Args:
        view: about whose sensor.
        points_m: float64 (n, 2), middles of things.
        radii_m: float64 (n,), half their width; None: none.
    """
    rings = view.seen.shape[1]
    nearest = np.full(AZIMUTHS, rings, dtype=np.intp)
    if not len(points_m):
        return nearest
    offset = points_m - view.origin_m
    distance = np.hypot(offset[:, 0], offset[:, 1])
    ring = np.minimum(distance / view.step_m, rings).astype(np.intp)
    azimuth = azimuth_of(offset[:, 0], offset[:, 1])
    if radii_m is None:
        np.minimum.at(nearest, azimuth, ring)
        return nearest
    half = np.arctan2(radii_m, np.maximum(distance, 1e-3))
    wide = np.ceil(half / _STEP_RAD).astype(np.intp)
    for where, far, spread in zip(azimuth.tolist(), ring.tolist(), wide.tolist(), strict=True):
        around = np.arange(where - spread, where + spread + 1) % AZIMUTHS
        nearest[around] = np.minimum(nearest[around], far)
    return nearest

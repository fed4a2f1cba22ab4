"""Echoes of the top of a thing, which lie behind those of its near side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from edge_mm_ros.pipelines.fusion.clustering import Cluster

_FLAT_M = 0.12  # one beam's ring, and a little slope
_BEHIND_M = 2.5  # a ring lies so far behind the near side at most
_BELOW_M, _ABOVE_M = 0.15, 0.6  # of the near side's highest echo; two rings are so far apart


def with_tops(points_m: NDArray[np.floating], clusters: Sequence[Cluster]) -> list[Cluster]:
    """Clusters, each of which has the echoes of its own top.

    A beam that passes just over the near side of a car meets the roof, at the distance where it
    comes down to the roof's height. That ring keeps its distance from the sensor, however the car
    moves: told as a thing of its own it would be one that goes as fast as the robot does.

    Args:
        points_m: (n, 3) in the robot's frame.
        clusters: of these points, nearest first.

    Returns:
        the clusters without those that are tops, whose points belong to the near sides.
    """
    flat = [cluster.whole and _height(cluster) <= _FLAT_M for cluster in clusters]
    tops = np.flatnonzero(flat).tolist()
    if not tops:
        return list(clusters)
    angles = [_angles(points_m[cluster.members]) for cluster in clusters]
    found = dict(enumerate(clusters))
    for index in tops:
        top = clusters[index]
        for nearer in range(index):
            if nearer in found and _is_top(top, clusters[nearer], angles[nearer]):
                found[nearer] = _joined(found[nearer], top)
                del found[index]
                break
    return list(found.values())


def _joined(near: Cluster, top: Cluster) -> Cluster:
    low = np.minimum(near.centre_m - near.size_m / 2.0, top.centre_m - top.size_m / 2.0)
    high = np.maximum(near.centre_m + near.size_m / 2.0, top.centre_m + top.size_m / 2.0)
    members = np.sort(np.concatenate([near.members, top.members]))
    return replace(near, centre_m=(low + high) / 2.0, size_m=high - low, members=members)


def _height(cluster: Cluster) -> float:
    return float(cluster.size_m[2])


def _angles(points_m: NDArray[np.floating]) -> tuple[float, float, float]:
    """The direction of the middle of points (n, 3), and how far they reach to both sides of it."""
    middle = points_m[:, :2].mean(axis=0)
    turned = np.arctan2(
        middle[0] * points_m[:, 1] - middle[1] * points_m[:, 0], points_m[:, :2] @ middle
    )
    return float(np.arctan2(middle[1], middle[0])), float(turned.min()), float(turned.max())


def _is_top(top: Cluster, near: Cluster, angles: tuple[float, float, float]) -> bool:
    highest = float(near.centre_m[2] + near.size_m[2] / 2.0)
    above = float(top.centre_m[2]) - highest
    gap = float(np.hypot(*top.nearest_m[:2]) - np.hypot(*near.nearest_m[:2]))
    if not (-_BELOW_M <= above <= _ABOVE_M and 0.0 <= gap <= _BEHIND_M) or _height(near) <= _FLAT_M:
        return False
    middle, right, left = angles
    turned = float(np.arctan2(top.centre_m[1], top.centre_m[0])) - middle
    turned = (turned + np.pi) % (2.0 * np.pi) - np.pi
    return right <= turned <= left

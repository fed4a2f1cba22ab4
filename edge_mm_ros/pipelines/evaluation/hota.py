"""Higher order tracking accuracy.

J. Luiten, A. Osep, P. Dendorfer, P. Torr, A. Geiger, L. Leal-Taixe and B. Leibe: "HOTA: A Higher
Order Metric for Evaluating Multi-Object Tracking", International Journal of Computer Vision, 2021.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from edge_mm_ros.pipelines.evaluation.frames import Frame
from edge_mm_ros.pipelines.evaluation.matching import distances

_LEVELS = np.arange(1, 20) * 0.05
_SLACK = 1e-9


@dataclass(frozen=True)
class Hota:
    """The measure and its parts, each the mean over all levels of similarity.

    Attributes:
        hota: geometric mean of the two accuracies at each level.
        detection: share of objects and tracks that are right (DetA).
        association: how well tracks and objects stay together in time (AssA).
        localisation: mean similarity of the matches (LocA).
    """

    hota: float
    detection: float
    association: float
    localisation: float


def hota(frames: Sequence[Frame], zero_distance_m: float) -> Hota:
    """The measure of point objects.

    The similarity of a pair is ``1 - distance / zero_distance_m``, at least 0.

    Args:
        frames: truth and tracks; ids are unique in each frame.
        zero_distance_m: from this distance on, nothing is similar.
    """
    names = _index(name for frame in frames for name in frame.truth.ids)
    ids = _index(name for frame in frames for name in frame.tracks.ids)
    prepared = [
        (
            np.array([names[name] for name in frame.truth.ids], dtype=np.intp),
            np.array([ids[name] for name in frame.tracks.ids], dtype=np.intp),
            _similarity(frame, zero_distance_m),
        )
        for frame in frames
    ]
    name_counts, id_counts = np.zeros((len(names), 1)), np.zeros((1, len(ids)))
    potential = np.zeros((len(names), len(ids)))
    for rows, columns, similar in prepared:
        name_counts[rows, 0] += 1
        id_counts[0, columns] += 1
        union = similar.sum(axis=0, keepdims=True) + similar.sum(axis=1, keepdims=True) - similar
        potential[np.ix_(rows, columns)] += np.divide(
            similar, union, out=np.zeros_like(similar), where=union > _SLACK
        )
    alignment = potential / np.maximum(name_counts + id_counts - potential, _SLACK)
    together = np.zeros((len(_LEVELS), len(names), len(ids)))
    similarity_sum = np.zeros(len(_LEVELS))
    for rows, columns, similar in prepared:
        block = np.ix_(rows, columns)
        chosen_rows, chosen_columns = linear_sum_assignment(-alignment[block] * similar)
        value = similar[chosen_rows, chosen_columns]
        for level, threshold in enumerate(_LEVELS):
            hit = value >= threshold - _SLACK
            together[level, rows[chosen_rows[hit]], columns[chosen_columns[hit]]] += 1
            similarity_sum[level] += value[hit].sum()
    right = together.sum(axis=(1, 2))
    total = name_counts.sum() + id_counts.sum() - right
    detection = right / np.maximum(total, 1.0)
    shared = together / np.maximum(name_counts + id_counts - together, 1.0)
    association = (together * shared).sum(axis=(1, 2)) / np.maximum(right, 1.0)
    localisation = np.where(right > 0, similarity_sum / np.maximum(right, 1.0), 1.0)
    return Hota(
        float(np.sqrt(detection * association).mean()),
        float(detection.mean()),
        float(association.mean()),
        float(localisation.mean()),
    )


def _index(names: Iterable[str]) -> dict[str, int]:
    return {name: index for index, name in enumerate(dict.fromkeys(names))}


def _similarity(frame: Frame, zero_distance_m: float) -> NDArray[np.float64]:
    gap = distances(frame.truth.positions_m, frame.tracks.positions_m)
    return np.maximum(0.0, 1.0 - gap / zero_distance_m)

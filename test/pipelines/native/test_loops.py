"""The compiled loops against numpy, number by number; both are what the modules say."""

from __future__ import annotations

import importlib

import numpy as np
import pytest
from fakes.measured import measured, scan
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from edge_mm_ros.datatypes import PointCloud, RigidTransform
from edge_mm_ros.params.tracking import TrackingParams
from edge_mm_ros.pipelines import native
from edge_mm_ros.pipelines.fusion.clustering import raised_points
from edge_mm_ros.pipelines.tracking import Birth, Measurement, Scan, Tracker
from edge_mm_ros.pipelines.tracking.imm import Estimates
from edge_mm_ros.pipelines.tracking.likelihood import near_pairs
from edge_mm_ros.pipelines.tracking.near_side import completion

PARAMS = TrackingParams()


def test_the_package_was_built_with_them() -> None:
    assert native.compiled is not None


def test_a_library_that_was_built_for_an_older_package_is_left_aside(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(native.compiled, "INTERFACE", 1)
        importlib.reload(native)
        assert native.compiled is None
    importlib.reload(native)
    assert native.compiled is not None


def estimates(rng: np.random.Generator, count: int) -> Estimates:
    roots = rng.normal(size=(count, 2, 6, 6))
    means = rng.normal(size=(count, 2, 6))
    means[: count // 3, :, 5] = rng.choice([0.0, 1e-6, -1e-3], (count // 3, 2))  # hardly a turn
    straight = rng.uniform(0.01, 0.99, count)
    spread = roots @ roots.swapaxes(-1, -2) + 1e-3 * np.eye(6)
    return Estimates.of(means, spread, np.column_stack([straight, 1.0 - straight]))


def covariances(rng: np.random.Generator, count: int) -> np.ndarray:
    roots = rng.normal(size=(count, 3, 3)) * 0.2
    return roots @ roots.swapaxes(-1, -2) + 1e-3 * np.eye(3)


def assert_same(one: Estimates, other: Estimates) -> None:
    assert_allclose(one.values, other.values, rtol=1e-9, atol=1e-10)
    assert_allclose(one.models, other.models, rtol=1e-9)
    for part, same in zip(one.overall, other.overall, strict=True):
        assert_allclose(part, same, rtol=1e-9, atol=1e-10)


@given(seed=st.integers(0, 2**32), count=st.integers(1, 20), elapsed_s=st.floats(1e-4, 2.0))
def test_predictions_and_corrections_are_the_same(seed: int, count: int, elapsed_s: float) -> None:
    rng = np.random.default_rng(seed)
    before = estimates(rng, count)
    positions, noises = rng.normal(size=(count, 3)), covariances(rng, count)
    found = []
    for compiled in (native.compiled, None):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(native, "compiled", compiled)
            predicted = before.predicted(PARAMS, elapsed_s)
            corrected = before.updated(positions, noises, [None] * count)
            _ = predicted.overall, corrected.overall  # both are made while it counts
            found.append((predicted, corrected))
    for one, other in zip(*found, strict=True):
        assert_same(one, other)


def mixed_scan(rng: np.random.Generator, count: int) -> Scan:
    """Boxes with a direction, clusters that show a side of something, and returns."""
    items = []
    for index in range(count):
        position, noise = rng.uniform(-5.0, 5.0, 3), covariances(rng, 1)[0]
        kind = index % 3
        items.append(
            Measurement(
                position,
                noise,
                ("person", "unknown", "unknown")[kind],
                0.8,
                rng.uniform(0.3, 3.0, 3),
                ("front",),
                bias_m2=covariances(rng, 1)[0],
                origin_m=np.zeros(3) if kind == 0 else None,
                birth=Birth.AT_ONCE if kind == 0 else Birth.CONFIRMED,
                sized=kind != 2,
                seen_from_m=np.array([0.5, 0.0, 1.0]) if kind else None,
            )
        )
    return Scan("front", 0, tuple(items))


@given(seed=st.integers(0, 2**32), rows=st.integers(1, 15), columns=st.integers(1, 15))
def test_pairs_are_the_same(seed: int, rows: int, columns: int) -> None:
    rng = np.random.default_rng(seed)
    items = mixed_scan(rng, rows)
    tracks = estimates(rng, columns)
    means = rng.uniform(-5.0, 5.0, (columns, 3))
    sizes = rng.uniform(0.3, 4.0, (columns, 3))
    hidden = completion(items, *tracks.overall, sizes, rng.random(columns) < 0.5)
    known = covariances(rng, columns)
    found = []
    for compiled in (native.compiled, None):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(native, "compiled", compiled)
            found.append(near_pairs(items, means, known, hidden, gate=20.0, stray_sigma_m=3.0))
    for name in ("rows", "columns"):
        assert getattr(found[0], name).tolist() == getattr(found[1], name).tolist()
    for name in ("squared", "log_det", "ray_squared", "ray_product", "beyond_m"):
        one, other = (getattr(each, name) for each in found)
        assert_allclose(one, other, rtol=1e-7, atol=1e-9, equal_nan=True)


@given(seed=st.integers(0, 2**32), count=st.integers(0, 400), hill=st.floats(-1.0, 1.0))
def test_points_above_the_ground_are_the_same(seed: int, count: int, hill: float) -> None:
    rng = np.random.default_rng(seed)
    points = rng.normal(0.0, [15.0, 15.0, 0.6], (count, 3)).astype(np.float32)
    points[:, 2] += np.float32(hill)
    odd = [np.nan, np.inf, -np.inf, 1e30, -3e38, 0.0]
    points[rng.random((count, 3)) < 0.02] = rng.choice(odd)
    place = RigidTransform.from_xyz_rpy(rng.normal(size=3), rng.normal(0.0, 0.3, 3))
    found = []
    for compiled in (native.compiled, None):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(native, "compiled", compiled)
            found.append(
                raised_points(
                    PointCloud(points, 0, "lidar"),
                    place,
                    ground_z_m=0.0,
                    clearance_m=0.2,
                    max_range_m=30.0,
                )
            )
    assert_array_equal(found[0], found[1])
    assert found[0].dtype == found[1].dtype == np.float32


def test_tracks_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    def run() -> list[tuple[str, list[float]]]:
        rng = np.random.default_rng(7)
        tracker = Tracker()
        for step in range(40):
            seen = [
                measured((3.0 + index, -4.0 + 0.12 * step * (1 + index % 2)), sigma_m=0.05)
                for index in range(6)
                if rng.random() < 0.9
            ]
            found = tracker.update(scan(0.1 * step, *seen))
        return [(item.track_id, item.position_m.tolist()) for item in found]

    compiled = run()
    monkeypatch.setattr(native, "compiled", None)
    by_numpy = run()
    assert [name for name, _ in compiled] == [name for name, _ in by_numpy]
    assert_allclose([place for _, place in compiled], [place for _, place in by_numpy], atol=1e-8)


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        (np.zeros((3, 2, 41)), ValueError),  # too short
        (np.zeros((3, 2, 42), dtype=np.float32), TypeError),
        (np.zeros((3, 42, 2)).swapaxes(1, 2), ValueError),  # not contiguous
        ("text", TypeError),
    ],
)
def test_arrays_of_another_kind_are_refused(wrong: object, error: type[Exception]) -> None:
    assert native.compiled is not None
    with pytest.raises((error, BufferError)):
        native.compiled.tracks_overall(wrong, np.full((3, 2), 0.5), np.zeros((3, 42)))
    with pytest.raises(TypeError, match="takes 3 arguments"):
        native.compiled.tracks_overall(wrong)

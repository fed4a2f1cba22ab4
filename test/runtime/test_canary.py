"""A model must show that it is what its manifest says."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.scene import Scene

from edge_mm_ros.runtime import NoCandidate
from edge_mm_ros.runtime.canary import CanaryFailed

MakeScene = Callable[..., Scene]
ONE_X = "[{name: x, shape: [1], dtype: float32}]"


@pytest.mark.parametrize(
    ("inputs", "said"),
    [
        (
            "[{name: images, shape: [1], dtype: float32}]",
            "declares the inputs images float32 (1), but the model has x float32 (1)",
        ),
        ("[{name: x, shape: [2], dtype: float32}]", "inputs x float32 (2), but"),
        ("[{name: x, shape: [1], dtype: uint8}]", "inputs x uint8 (1), but"),
        ("[{name: x, shape: [1, 1], dtype: float32}]", "inputs x float32 (1, 1), but"),
    ],
)
def test_other_inputs_than_declared_are_refused(
    make_scene: MakeScene, inputs: str, said: str
) -> None:
    scene = make_scene({"detector": {"inputs": inputs, "chain": "[fake:cpu]"}})
    with pytest.raises(NoCandidate) as refused:
        scene.ask()
    assert said in str(refused.value)
    assert scene.engine.loaded[0].closed


def test_the_declared_inputs_are_accepted(make_scene: MakeScene) -> None:
    assert make_scene({"detector": {"inputs": ONE_X}}).ask() == 1.0


def test_a_size_left_open_fits_any(make_scene: MakeScene) -> None:
    inputs = "[{name: x, shape: [null], dtype: float32}]"
    assert make_scene({"detector": {"inputs": inputs}}).ask() == 1.0


def golden(make_scene: MakeScene, **arrays: Any) -> Scene:
    scene = make_scene({"detector": {"canary": "{golden: golden.npz, rtol: 0, atol: 0.01}"}})
    np.savez(scene.folder / "golden.npz", **arrays)
    return scene


X = np.zeros(1, np.float32)


def test_the_golden_output_is_accepted(make_scene: MakeScene) -> None:
    scene = golden(make_scene, **{"input:x": X, "output:y": np.array([1.005], np.float32)})
    assert scene.ask() == 1.0


def test_a_candidate_with_another_output_does_not_serve(make_scene: MakeScene) -> None:
    """The processor gives what is expected, the accelerator does not."""
    scene = golden(make_scene, **{"input:x": X, "output:y": np.array([2.0], np.float32)})
    assert scene.ask() == 2.0
    assert "output:y differs from its golden value by up to 1" in scene.host.status()[0].failed[0]


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        ({"input:x": X, "output:z": X}, "got no such output"),
        ({"input:x": X, "output:y": np.zeros((2, 2), np.float32)}, "should have shape (2, 2)"),
    ],
)
def test_an_output_of_another_shape_is_refused(
    make_scene: MakeScene, arrays: dict[str, Any], said: str
) -> None:
    scene = golden(make_scene, **arrays)
    with pytest.raises(NoCandidate) as refused:
        scene.ask()
    assert said in str(refused.value)


class Evil:
    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (Path("/tmp/edge_mm_ros_was_here"),))


def pickled(folder: Path) -> None:
    (folder / "golden.npz").write_bytes(pickle.dumps(Evil()))


def object_array(folder: Path) -> None:
    np.savez(folder / "golden.npz", **{"input:x": np.array([Evil()], object), "output:y": X})


def truncated(folder: Path) -> None:
    np.savez(folder / "golden.npz", **{"input:x": X, "output:y": X})
    whole = (folder / "golden.npz").read_bytes()
    (folder / "golden.npz").write_bytes(whole[: len(whole) // 2])


def other_names(folder: Path) -> None:
    np.savez(folder / "golden.npz", x=X)


def a_single_array(folder: Path) -> None:
    np.save(folder / "golden.npy", X)
    (folder / "golden.npy").rename(folder / "golden.npz")


@pytest.mark.parametrize("write", [pickled, object_array, truncated, other_names, a_single_array])
def test_golden_values_that_are_no_plain_arrays_are_refused(
    make_scene: MakeScene, write: Callable[[Path], None]
) -> None:
    scene = make_scene({"detector": {"canary": "{golden: golden.npz}"}})
    write(scene.folder)
    with pytest.raises(CanaryFailed, match=r"golden\.npz") as refused:
        scene.host.verify("detector")
    assert "numpy.savez" in str(refused.value) or "input:NAME" in str(refused.value)
    assert not Path("/tmp/edge_mm_ros_was_here").exists()

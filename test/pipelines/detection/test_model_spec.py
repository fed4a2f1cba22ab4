"""What a model file says of itself."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_mm_ros.backends import TensorSpec
from edge_mm_ros.pipelines.detection.model_spec import (
    UnsupportedModel,
    check_task,
    read_input,
    read_labels,
)


def tensor(shape: tuple[int | None, ...], dtype: Any = np.float32) -> TensorSpec:
    return TensorSpec("images", shape, np.dtype(dtype))


@pytest.mark.parametrize(
    ("shape", "metadata", "size"),
    [
        ((1, 3, 480, 640), {}, (640, 480)),
        ((None, 3, 480, 640), {"imgsz": "[1, 1]"}, (640, 480)),
        ((None, 3, None, None), {"imgsz": "[320, 416]"}, (416, 320)),
        ((None, 3, None, None), {"imgsz": "320"}, (320, 320)),
        ((None, 3, None, None), {}, (640, 640)),
        ((None, 3, None, None), {"imgsz": "large"}, (640, 640)),
        ((1, 3, 480, None), {"imgsz": "[320, 416]"}, (416, 480)),
    ],
)
def test_the_size_is_declared_or_in_the_metadata(
    shape: tuple[int | None, ...], metadata: dict[str, str], size: tuple[int, int]
) -> None:
    spec = read_input([tensor(shape)], metadata)
    assert (spec.width, spec.height) == size


@pytest.mark.parametrize(
    "inputs",
    [
        [],
        [tensor((1, 3, 64, 64)), tensor((1, 2))],
        [tensor((1, 64, 64, 3))],
        [tensor((0, 3, 64, 64))],
        [tensor((1, 1, 64, 64))],
        [tensor((1, 3, 64, 64), np.uint8)],
        [tensor((1, 512))],
    ],
)
def test_an_input_that_is_no_picture_is_refused(inputs: list[TensorSpec]) -> None:
    with pytest.raises(UnsupportedModel, match="must have one input"):
        read_input(inputs, {})


def test_the_refusal_names_the_shape() -> None:
    with pytest.raises(UnsupportedModel, match=r"images \(any, 64, 64, 3\) of uint8"):
        read_input([tensor((None, 64, 64, 3), np.uint8)], {})


@pytest.mark.parametrize(
    ("names", "manifest", "labels"),
    [
        ("{0: 'cat', 1: 'dog'}", ("x", "y"), ("cat", "dog")),
        ("{1: 'dog', 0: 'cat'}", (), ("cat", "dog")),
        ("['cat', 'dog']", (), ("cat", "dog")),
        ("", ("x", "y"), ("x", "y")),
        ("", (), None),
    ],
)
def test_labels_are_the_metadatas_else_the_manifests(
    names: str, manifest: tuple[str, ...], labels: tuple[str, ...] | None
) -> None:
    metadata = {"names": names} if names else {}
    assert read_labels(metadata, manifest) == labels


@pytest.mark.parametrize("names", ["{0: 'a', 2: 'b'}", "{'a': 'b'}", "nonsense(", "7", "{}", "[]"])
def test_names_that_cannot_be_read_are_refused(names: str) -> None:
    with pytest.raises(UnsupportedModel, match="class names"):
        read_labels({"names": names}, ("x",))


@given(st.text(min_size=1, max_size=60))
def test_no_text_in_the_metadata_does_more_than_be_refused(names: str) -> None:
    try:
        labels = read_labels({"names": names}, ())
    except UnsupportedModel:
        return
    assert labels


@pytest.mark.parametrize("task", ["segment", "pose", "classify", "obb"])
def test_a_model_for_another_task_is_refused(task: str) -> None:
    with pytest.raises(UnsupportedModel, match=f"'{task}'"):
        check_task({"task": task})


def test_a_detector_or_a_silent_model_is_taken() -> None:
    check_task({"task": "detect"})
    check_task({})

"""Reads the outputs of detection models of several families, told apart by their shapes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from edge_mm_ros.pipelines.detection.model_spec import (
    InputSpec,
    UnsupportedModel,
    describe_shapes,
)

_STRIDE_SETS = ((8, 16, 32), (8, 16, 32, 64), (4, 8, 16, 32), (16, 32))
_ANCHORS_PER_CELL = 3
_ROUNDING = 1e-3
_FAR_OUTSIDE = 3.0

Outputs = Mapping[str, NDArray[Any]]


@dataclass(frozen=True)
class Candidates:
    """Boxes of one picture before suppression.

    Attributes:
        boxes: float32 (n, 4), left top right bottom, pixels of the model's input.
        scores: float32 (n,), 0 to 1.
        class_ids: int64 (n,).
    """

    boxes: NDArray[np.float32]
    scores: NDArray[np.float32]
    class_ids: NDArray[np.int64]


class Head(Protocol):
    """How the outputs of one family of models are read."""

    @property
    def classes(self) -> int | None:
        """Number of classes, None where the outputs do not show it."""
        ...

    @property
    def overlapping(self) -> bool:
        """Whether one object gives several boxes, so that suppression is needed."""
        ...

    def decode(self, outputs: Outputs, threshold: float) -> Candidates:
        """The boxes with at least that score.

        Raises:
            UnsupportedModel: the values are not what this family gives.
        """
        ...


@dataclass(frozen=True)
class GridHead:
    """One prediction for each cell of a grid: YOLOv3, v5, v7, v8, v9, v11.

    Centre x, centre y, width, height in input pixels, then, with `objectness`, the probability
    that there is an object, then one score for each class. The older ones with objectness
    (Redmon and Farhadi, "YOLOv3", 2018) multiply both.
    """

    output: str
    classes: int
    channels_first: bool
    objectness: bool
    overlapping: bool = True

    def decode(self, outputs: Outputs, threshold: float) -> Candidates:
        """See `Head`."""
        rows = _without_batch(outputs[self.output])
        if self.channels_first:
            rows = rows.T
        if self.objectness:
            rows = rows[rows[:, 4] >= threshold]  # a product is never above its factor
            scores = rows[:, 5:] * rows[:, 4:5]
        else:
            scores = rows[:, 4:]
        return _best_class(rows[:, :4], scores, threshold)


@dataclass(frozen=True)
class QueryHead:
    """One row for each query, box and class scores together: RT-DETR as Ultralytics exports it.

    Centre x, centre y, width, height as fractions of the input, then one score for each class.
    """

    output: str
    classes: int
    size: tuple[int, int]
    overlapping: bool = False

    def decode(self, outputs: Outputs, threshold: float) -> Candidates:
        """See `Head`."""
        rows = _without_batch(outputs[self.output])
        return _best_class(rows[:, :4], rows[:, 4:], threshold, fractions_of=self.size)


@dataclass(frozen=True)
class PairHead:
    """Logits and boxes apart: DETR, RT-DETR.

    DETR (Carion et al. 2020) takes the softmax over the classes and a last "no object"; its
    followers take a sigmoid for each class. Boxes as fractions of the input.
    """

    logits: str
    boxes: str
    classes: int
    no_object: bool
    size: tuple[int, int]
    overlapping: bool = False

    def decode(self, outputs: Outputs, threshold: float) -> Candidates:
        """See `Head`."""
        logits = _without_batch(outputs[self.logits])
        if self.no_object:
            shares = np.exp(logits - logits.max(axis=1, keepdims=True))
            scores = (shares / shares.sum(axis=1, keepdims=True))[:, :-1]
        else:
            # The even form of the sigmoid, which cannot overflow.
            scores = np.float32(0.5) * (np.tanh(np.float32(0.5) * logits) + np.float32(1))
        boxes = _without_batch(outputs[self.boxes])
        return _best_class(boxes, scores, threshold, fractions_of=self.size)


@dataclass(frozen=True)
class EndToEndHead:
    """Finished boxes: YOLOv10, YOLO26, and exports with the suppression inside.

    Left, top, right, bottom in input pixels, score, class id.
    """

    output: str
    classes: int | None
    overlapping: bool = False

    def decode(self, outputs: Outputs, threshold: float) -> Candidates:
        """See `Head`."""
        rows = _without_batch(outputs[self.output])
        rows = rows[rows[:, 4] >= threshold]
        class_ids = rows[:, 5].astype(np.int64)
        known = len(rows) == 0 or self.classes is None or class_ids.max() < self.classes
        if not known or (class_ids != rows[:, 5]).any() or (class_ids < 0).any():
            raise UnsupportedModel(
                f"output '{self.output}' looks like finished boxes, but its last column holds no "
                f"class ids below {self.classes}"
            )
        return Candidates(rows[:, :4], _as_scores(rows[:, 4]), class_ids)


def choose_head(
    outputs: Outputs, spec: InputSpec, classes: int | None, metadata: Mapping[str, str]
) -> Head:
    """Tell by shapes how a model's outputs are to be read.

    Args:
        outputs: what the model gave for any picture.
        spec: its input.
        classes: number of class names, where they are known.
        metadata: the model file's own metadata.

    Raises:
        UnsupportedModel: the shapes fit no family, or more than one; names them.
    """
    shapes = {name: value.shape for name, value in outputs.items()}
    # YOLOv5 also gives its three raw grids (1, 3, h, w, 5 + classes) beside the joined one.
    tables = {name: value for name, value in outputs.items() if value.ndim != 5}
    head: Head | None = None
    if len(tables) == 1:
        name, value = next(iter(tables.items()))
        if value.ndim == 3 and value.shape[0] == 1 and 0 not in value.shape:
            head = _single(name, _without_batch(value), spec, classes, metadata)
    elif len(tables) > 1:
        head = _pair(tables, spec, classes)
    if head is None:
        named = f"{classes} class names" if classes else "no class names"
        raise UnsupportedModel(
            f"the outputs {describe_shapes(shapes)} of an input of {spec.width} x {spec.height} "
            f"with {named} fit no known detector (YOLO, end-to-end YOLO, RT-DETR, DETR); where "
            "the classes are not in the file, name all of them under 'labels' in its manifest"
        )
    return head


def _single(
    name: str,
    table: NDArray[np.float32],
    spec: InputSpec,
    classes: int | None,
    metadata: Mapping[str, str],
) -> Head | None:
    cells = {
        sum((spec.width // stride) * (spec.height // stride) for stride in strides)
        for strides in _STRIDE_SETS
    }
    anchors = {count * _ANCHORS_PER_CELL for count in cells}
    rows, columns = table.shape
    if 4 < rows < columns and (classes == rows - 4 or (classes is None and columns in cells)):
        return GridHead(name, rows - 4, channels_first=True, objectness=False)
    if rows in cells and classes is not None and classes == columns - 4:
        return GridHead(name, classes, channels_first=False, objectness=False)
    if rows in anchors and columns > 5 and classes in (None, columns - 5):
        return GridHead(name, columns - 5, channels_first=False, objectness=True)
    if rows in cells | anchors:
        return None
    if columns == 6 and (
        metadata.get("end2end", "").lower() == "true"
        or bool((table[:, 5] == np.round(table[:, 5])).all())
    ):
        return EndToEndHead(name, classes)
    if classes is not None and classes == columns - 4:
        return QueryHead(name, classes, (spec.width, spec.height))
    return None


def _pair(tables: Outputs, spec: InputSpec, classes: int | None) -> Head | None:
    sets = {n: v.shape[1:] for n, v in tables.items() if v.ndim == 3 and v.shape[0] == 1}
    boxes = _only({n for n, (_, columns) in sets.items() if columns == 4}, "box")
    if boxes is None or classes is None:
        return None
    queries = sets[boxes][0]
    fitting = {
        n
        for n, (rows, columns) in sets.items()
        if n != boxes and rows == queries and columns in (classes, classes + 1)
    }
    logits = _only(fitting, "logit")
    if logits is None:
        return None
    no_object = sets[logits][1] == classes + 1
    return PairHead(logits, boxes, classes, no_object, (spec.width, spec.height))


def _only(names: set[str], hint: str) -> str | None:
    """The single name, or where there are several the single one with the hint in it."""
    if len(names) > 1:
        names = {name for name in names if hint in name.lower()}
    return names.pop() if len(names) == 1 else None


def _without_batch(output: NDArray[Any]) -> NDArray[np.float32]:
    return np.asarray(output[0], dtype=np.float32)


def _best_class(
    boxes: NDArray[np.float32],
    scores: NDArray[np.float32],
    threshold: float,
    fractions_of: tuple[int, int] = (1, 1),
) -> Candidates:
    """Each row's best class, where its score is high enough; boxes are centre and size."""
    best = scores.max(axis=1)
    kept = np.flatnonzero(best >= threshold)
    centres = boxes[kept, :2]
    halves = boxes[kept, 2:4] * np.float32(0.5)
    corners = np.concatenate([centres - halves, centres + halves], axis=1)
    if fractions_of != (1, 1):
        if len(kept) and np.abs(corners).max() > _FAR_OUTSIDE:
            raise UnsupportedModel(
                "the model's boxes should be fractions of its input, but reach "
                f"{np.abs(corners).max():g}"
            )
        corners *= np.array([*fractions_of, *fractions_of], dtype=np.float32)
    return Candidates(corners, _as_scores(best[kept]), scores[kept].argmax(axis=1))


def _as_scores(scores: NDArray[np.float32]) -> NDArray[np.float32]:
    if len(scores) and scores.max() > 1.0 + _ROUNDING:
        raise UnsupportedModel(
            f"the model's scores reach {scores.max():g}; export it with its sigmoid, so that "
            "they lie within 0 and 1"
        )
    return np.minimum(scores, np.float32(1))

"""From a picture to the objects in it."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from edge_mm_ros.backends import LoadedModel, TensorModel
from edge_mm_ros.datatypes import Detections, Image
from edge_mm_ros.params import ParameterError
from edge_mm_ros.pipelines.detection.heads import Candidates, Head, choose_head
from edge_mm_ros.pipelines.detection.letterbox import Letterbox
from edge_mm_ros.pipelines.detection.model_spec import (
    InputSpec,
    UnsupportedModel,
    check_task,
    read_input,
    read_labels,
)
from edge_mm_ros.pipelines.detection.suppression import canonical_order, suppress
from edge_mm_ros.runtime import ModelHost

# Bounds the work for a threshold near 0, where every cell of the grid is a candidate.
_MOST_CANDIDATES = 2000


@dataclass(frozen=True)
class DetectionSettings:
    """What may change from picture to picture.

    Attributes:
        confidence_threshold: boxes with a lower score are left out, 0 to 1.
        iou_threshold: of two boxes of one class that overlap more, the less certain goes, 0 to 1.
        class_filter: names of the classes to report; empty: all.
        max_detections: boxes in one picture at most.
    """

    confidence_threshold: float = 0.35
    iou_threshold: float = 0.45
    class_filter: tuple[str, ...] = ()
    max_detections: int = 300


@dataclass(frozen=True)
class _Reading:
    """How one loaded model is fed and read."""

    model: TensorModel
    spec: InputSpec
    head: Head
    letterbox: Letterbox
    labels: tuple[str, ...]


class DetectionPipeline:
    """``DetectionPipeline(host, "detector")(image)`` gives the image's `Detections`.

    The model is loaded and tried once on an empty picture when the pipeline is made, so that a
    model that cannot be used is refused then. Equal pictures give equal detections. One caller
    at a time: its buffers are reused.

    Args:
        host: owns the model.
        model_name: as the host knows it.
        settings: the first settings.

    Attributes:
        model_name: as given.
        model_version: of the manifest.

    Raises:
        ModelUnavailable, NoCandidate: the model cannot be loaded.
        UnsupportedModel: it is no detector that can be read.
        ParameterError: the settings name an unknown class.
    """

    def __init__(
        self,
        host: ModelHost,
        model_name: str,
        settings: DetectionSettings | None = None,
    ) -> None:
        self._host = host
        self.model_name = model_name
        manifest = host.verify(model_name)
        self.model_version = manifest.version
        self._manifest_labels = manifest.labels
        # OpenCV's own threads would wait, spinning, on the cores that the engine needs.
        cv2.setNumThreads(1)
        with host.lease(model_name) as model:
            self._reading = self._read(model)
        self.settings = settings or DetectionSettings()

    @property
    def labels(self) -> tuple[str, ...]:
        """Class names by class id; empty where the ids are the names."""
        return self._reading.labels

    @property
    def settings(self) -> DetectionSettings:
        """The settings in force; a new value holds from the next picture on."""
        return self._rule[0]

    @settings.setter
    def settings(self, settings: DetectionSettings) -> None:
        # One value, so that a picture in work on another thread sees all of it or nothing.
        self._rule = (settings, _ids_of(settings.class_filter, self.labels))

    def check(self, settings: DetectionSettings) -> None:
        """Whether these settings fit the model.

        Raises:
            ParameterError: a class is unknown; lists the known ones.
        """
        _ids_of(settings.class_filter, self.labels)

    def __call__(self, image: Image) -> Detections:
        """The objects in a picture, most certain first, in the picture's own pixels.

        Raises:
            BackendError: the engine failed.
            UnsupportedModel: the model gave values that its family does not give.
        """
        with self._host.lease(self.model_name) as model:
            if model is not self._reading.model:  # it was unloaded meanwhile
                self._reading = self._read(model)
                self.settings = self.settings
            reading = self._reading
            settings, allowed = self._rule
            feed, placement = reading.letterbox(image.pixels)
            outputs = reading.model.run({reading.spec.name: feed})
        found = reading.head.decode(outputs, settings.confidence_threshold)
        boxes, scores, class_ids = _select(found, reading.head, settings, allowed)
        boxes = placement.to_picture(boxes)
        # A box in the gray border has nothing of the picture in it.
        inside = (boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1])
        names = tuple(_name_of(int(index), reading.labels) for index in class_ids[inside])
        return Detections(boxes[inside], scores[inside], names, image.stamp_ns, image.frame_id)

    def _read(self, model: LoadedModel) -> _Reading:
        """Learn how the model is fed and read, by running it on an empty picture."""
        try:
            if not isinstance(model, TensorModel):
                raise UnsupportedModel("its backend gives no tensors")
            check_task(model.metadata)
            spec = read_input(model.inputs, model.metadata)
            labels = read_labels(model.metadata, self._manifest_labels)
            letterbox = Letterbox(spec)
            feed, _ = letterbox(np.full((spec.height, spec.width, 3), 114, dtype=np.uint8))
            outputs = model.run({spec.name: feed})
            classes = None if labels is None else len(labels)
            head = choose_head(outputs, spec, classes, model.metadata)
        except UnsupportedModel as error:
            raise UnsupportedModel(f"model '{self.model_name}': {error}") from error
        if labels is None:
            labels = tuple(str(index) for index in range(head.classes or 0))
        return _Reading(model, spec, head, letterbox, labels)


def _select(
    found: Candidates,
    head: Head,
    settings: DetectionSettings,
    allowed: NDArray[np.int64] | None,
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.int64]]:
    """Filter by class, order, suppress, cut."""
    boxes, scores, class_ids = found.boxes, found.scores, found.class_ids
    if allowed is not None:
        kept = np.isin(class_ids, allowed)
        boxes, scores, class_ids = boxes[kept], scores[kept], class_ids[kept]
    order = canonical_order(boxes, scores, class_ids)[:_MOST_CANDIDATES]
    if head.overlapping:
        stay = suppress(
            boxes[order], class_ids[order], settings.iou_threshold, settings.max_detections
        )
        order = order[stay]
    order = order[: settings.max_detections]
    return boxes[order], scores[order], class_ids[order]


def _name_of(class_id: int, labels: tuple[str, ...]) -> str:
    return labels[class_id] if labels else str(class_id)


def _ids_of(names: tuple[str, ...], labels: tuple[str, ...]) -> NDArray[np.int64] | None:
    if not names:
        return None
    if labels:
        unknown = [name for name in names if name not in labels]
        ids = [index for index, label in enumerate(labels) if label in names]
    else:
        unknown = [name for name in names if not name.isdecimal()]
        ids = [int(name) for name in names if name.isdecimal()]
    if unknown:
        raise ParameterError(
            f"'class_filter' names unknown classes: {', '.join(unknown)}; the model knows: "
            f"{', '.join(labels) or 'class ids, as whole numbers'}"
        )
    return np.array(ids, dtype=np.int64)

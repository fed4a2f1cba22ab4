"""From a picture to the objects in it."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from edge_mm_ros.backends import BackendError, InputRefused, TensorModel
from edge_mm_ros.datatypes import Detections, EdgeMmError, Image
from edge_mm_ros.model_repository import ModelManifest
from edge_mm_ros.params import ParameterError
from edge_mm_ros.pipelines.detection.heads import Candidates, Head, choose_head
from edge_mm_ros.pipelines.detection.letterbox import GRAY, BatchLetterbox, Letterbox, Placement
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
# Models may take over while one picture is in work; who changes more often is broken.
_MOST_CHANGES = 5


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

    identity: Hashable
    version: str
    spec: InputSpec
    head: Head
    letterbox: Letterbox
    labels: tuple[str, ...]


class DetectionPipeline:
    """``DetectionPipeline(host, "detector")(image)`` gives the image's `Detections`.

    The model is loaded and tried once on an empty picture when the pipeline is made, so that a
    model that cannot be used is refused then; another one that takes over under its name is tried
    in the same way before it gets a picture. Equal pictures give equal detections. One caller at a
    time: its buffers are reused.

    Args:
        host: owns the model.
        model_name: as the host knows it.
        settings: the first settings.

    Attributes:
        model_name: as given.
        why_in_turn: why the model gets several pictures in turn although it says that it takes
            them together; empty where it does not.

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
        self.why_in_turn = ""
        verify_detector(host, model_name)
        # OpenCV's own threads would wait, spinning, on the cores that the engine needs.
        cv2.setNumThreads(1)
        self._batch_letterboxes: dict[int, BatchLetterbox] = {}
        with host.lease(model_name) as model:
            self._reading = self._read(model)
            self._note_device(model)
        self.settings = settings or DetectionSettings()

    @property
    def model_version(self) -> str:
        """Version of the model that is in use."""
        return self._reading.version

    @property
    def labels(self) -> tuple[str, ...]:
        """Class names by class id; empty where the ids are the names."""
        return self._reading.labels

    @property
    def batch(self) -> int | None:
        """How many pictures the model takes at once; None: any number."""
        return 1 if self.why_in_turn else self._reading.spec.batch

    @property
    def on_processor(self) -> bool:
        """Whether the model runs on the processor, where several pictures at once gain nothing."""
        return self._on_processor

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
            ParameterError: another model took over, which does not know a class of the settings.
        """
        return self.detect((image,))[0]

    def detect(self, images: Sequence[Image]) -> list[Detections]:
        """The objects in each picture; together where the model takes several, else in turn.

        Raises as a call with one picture does.
        """
        with self._host.lease(self.model_name) as model:
            self._note_device(model)
            if model.identity != self._reading.identity:
                self._take_over(model)
            found: list[Detections] = []
            while len(found) < len(images):
                size = self.batch or len(images)
                found += self._detect_part(model, images[len(found) : len(found) + size])
            return found

    def _detect_part(self, model: Any, images: Sequence[Image]) -> list[Detections]:
        """As `detect`, for as many pictures as fit into one call."""
        if len(images) == 1 and self.batch in (1, None):
            return self._run(model, images)
        try:
            return self._run(model, images)
        except InputRefused:
            raise
        except (BackendError, _NoBatch) as error:
            if self._reading.spec.batch is not None:
                raise
            found = [one for image in images for one in self._run(model, (image,))]
            self.why_in_turn = f"it fails on {len(images)} pictures at once: {error}"
            return found

    def _run(self, model: Any, images: Sequence[Image]) -> list[Detections]:
        """One call of the model, or a further one where another model took over meanwhile."""
        for _ in range(_MOST_CHANGES):
            reading = self._reading
            feed, placements = self._feed(reading, images)
            try:
                outputs = model.run({reading.spec.name: feed})
            except InputRefused:  # perhaps one with another input took over
                if model.identity == reading.identity:
                    raise
            else:
                if model.identity == reading.identity:
                    break
            self._take_over(model)
        else:
            raise BackendError(f"model '{self.model_name}' changes without end")
        settings, allowed = self._rule
        return [
            _detections(part, reading, placement, image, settings, allowed)
            for part, placement, image in zip(_parts(outputs, feed, images), placements, images)
        ]

    def _feed(
        self, reading: _Reading, images: Sequence[Image]
    ) -> tuple[NDArray[Any], Sequence[Placement]]:
        size = reading.spec.batch or len(images)
        if size == 1:
            feed, placement = reading.letterbox(images[0].pixels)
            return feed, (placement,)
        if size not in self._batch_letterboxes:
            self._batch_letterboxes[size] = BatchLetterbox(reading.spec, size)
        return self._batch_letterboxes[size]([image.pixels for image in images])

    def _note_device(self, model: Any) -> None:
        self._on_processor = str(model.device).startswith("cpu")

    def _take_over(self, model: Any) -> None:
        """Another candidate or version serves under the name."""
        self._reading = self._read(model)
        self._batch_letterboxes.clear()
        self.settings = self.settings

    def _read(self, model: Any) -> _Reading:
        """Learn how the model is fed and read, by running it on an empty picture."""
        identity, manifest = model.identity, model.manifest
        try:
            if not isinstance(model, TensorModel):
                raise UnsupportedModel("its backend gives no tensors")
            check_task(model.metadata)
            spec = read_input(model.inputs, model.metadata)
            labels = read_labels(model.metadata, manifest.labels)
            size = spec.batch or 1
            feed = np.full((size, 3, spec.height, spec.width), GRAY, dtype=spec.dtype)
            outputs = model.run({spec.name: feed})
            classes = None if labels is None else len(labels)
            single = {name: value[:1] for name, value in outputs.items()} if size > 1 else outputs
            head = choose_head(single, spec, classes, model.metadata)
        except UnsupportedModel as error:
            raise UnsupportedModel(f"model '{self.model_name}': {error}") from error
        if labels is None:
            labels = tuple(str(index) for index in range(head.classes or 0))
        return _Reading(identity, manifest.version, spec, head, Letterbox(spec), labels)


def verify_detector(host: ModelHost, model_name: str) -> ModelManifest:
    """Check, without loading, that a model is for detection and can be loaded here.

    Returns:
        its manifest.

    Raises:
        UnsupportedModel: it is for something else.
        EdgeMmError: as `ModelHost.verify`.
    """
    manifest = host.verify(model_name)
    if manifest.task != "detection":
        raise UnsupportedModel(f"model '{model_name}' is for {manifest.task}, not for detection")
    return manifest


class _NoBatch(EdgeMmError):
    """The outputs for several pictures are not one for each."""


def _parts(
    outputs: Mapping[str, NDArray[Any]], feed: NDArray[Any], images: Sequence[Image]
) -> list[Mapping[str, NDArray[Any]]]:
    """The outputs of each picture, as if it had been alone."""
    if len(feed) == 1:
        return [outputs]
    for name, value in outputs.items():
        if value.ndim == 0 or len(value) != len(feed):
            raise _NoBatch(f"output '{name}' is {value.shape} for {len(feed)} pictures")
    return [
        {name: value[index : index + 1] for name, value in outputs.items()}
        for index in range(len(images))
    ]


def _detections(
    outputs: Mapping[str, NDArray[Any]],
    reading: _Reading,
    placement: Placement,
    image: Image,
    settings: DetectionSettings,
    allowed: NDArray[np.int64] | None,
) -> Detections:
    """What a model's outputs say of a picture."""
    found = reading.head.decode(outputs, settings.confidence_threshold)
    boxes, scores, class_ids = _select(found, reading.head, settings, allowed)
    boxes = placement.to_picture(boxes)
    # A box in the gray border has nothing of the picture in it.
    inside = (boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1])
    names = tuple(_name_of(int(index), reading.labels) for index in class_ids[inside])
    return Detections(boxes[inside], scores[inside], names, image.stamp_ns, image.frame_id)


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

"""The node ``object_detector``: pictures in, the objects in them out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from sensor_msgs.msg import CompressedImage
from sensor_msgs.msg import Image as RawImage
from vision_msgs.msg import Detection2DArray, VisionInfo

from edge_mm_ros.datatypes import Detections, Health, Image, InvalidInput
from edge_mm_ros.nodes.models import default_model_host, model_health
from edge_mm_ros.nodes.running import run_node
from edge_mm_ros.params import ParameterError
from edge_mm_ros.params.object_detector import ObjectDetectorParams
from edge_mm_ros.pipelines.detection import DetectionPipeline, DetectionSettings
from edge_mm_ros.pipelines.detection.annotation import annotate
from edge_mm_ros.pipelines.stamps import StampGuard
from edge_mm_ros.ros.conversions.compressed_images import image_from_compressed, image_to_jpeg
from edge_mm_ros.ros.conversions.detections import detections_to_msg, vision_info_to_msg
from edge_mm_ros.ros.conversions.images import image_from_msg
from edge_mm_ros.ros.node import EdgeNode
from edge_mm_ros.ros.qos import LATCHED, RELIABLE, SENSOR
from edge_mm_ros.ros.topics import CountingPublisher
from edge_mm_ros.ros.work_queue import latest_only
from edge_mm_ros.runtime import ModelHost

_INFERENCE = "inference"
_MADE_AT_CONFIGURE = ("cameras", "transport", "model")


@dataclass
class _Camera:
    """One camera's topics."""

    topic: str
    detections: CountingPublisher
    annotated: CountingPublisher
    stamps: StampGuard = field(default_factory=StampGuard)


class ObjectDetectorNode(EdgeNode):
    """Publishes the objects in each camera's pictures, with the pictures' stamps and frames.

    All cameras share one worker and one model; of each camera only the newest picture waits.
    """

    params_type = ObjectDetectorParams

    def __init__(
        self, host: ModelHost | None = None, name: str = "object_detector", **options: Any
    ) -> None:
        self._host = host or default_model_host()
        self._pipeline: DetectionPipeline | None = None
        self._cameras: list[_Camera] = []
        super().__init__(name, **options)

    def on_configured(self) -> None:
        """Load the model, try it once, and make the publishers."""
        params = self.params
        self._pipeline = DetectionPipeline(self._host, params.model, _settings(params))
        suffix = "/compressed" if params.transport == "compressed" else ""
        self._cameras = [
            _Camera(
                f"{camera}/image_raw{suffix}",
                self.advertise(Detection2DArray, f"{camera}/detections", RELIABLE),
                self.advertise(CompressedImage, f"{camera}/detections_image/compressed", SENSOR),
            )
            for camera in params.cameras
        ]
        self._vision_info = self.advertise(VisionInfo, "vision_info", LATCHED)

    def on_activated(self) -> None:
        """Warm the model, say what it knows, and listen."""
        params, pipeline = self.params, self._pipeline
        assert pipeline is not None
        pipeline.settings = _settings(params)
        self._host.preload(pipeline.model_name)
        self._vision_info.publish(
            vision_info_to_msg(
                pipeline.model_name, pipeline.model_version, pipeline.labels, self.now_ns()
            )
        )
        for camera in self._cameras:
            camera.stamps.reset()
            self.listen(
                CompressedImage if params.transport == "compressed" else RawImage,
                camera.topic,
                partial(self._on_picture, camera),
                qos=SENSOR,
                queue=latest_only(),
                worker=_INFERENCE,
            )

    def on_cleaned_up(self) -> None:
        """Give the model back."""
        if self._pipeline is not None:
            self._host.unload(self._pipeline.model_name)
        self._pipeline = None
        self._cameras.clear()

    def check_params(self, new: ObjectDetectorParams) -> None:
        """Refuse classes that the model does not know, and what only configure can change."""
        if self._pipeline is None:
            return
        for name in _MADE_AT_CONFIGURE:
            if getattr(new, name) != getattr(self.params, name):
                raise ParameterError(
                    f"parameter '{name}' cannot change while the node is configured; clean up first"
                )
        self._pipeline.check(_settings(new))

    def on_params_changed(self) -> None:
        """Use new thresholds and classes from the next picture on."""
        if self._pipeline is not None:
            self._pipeline.settings = _settings(self.params)

    def health(self) -> Iterable[Health]:
        """The model."""
        if self._pipeline is not None:
            yield model_health(self._host, self._pipeline.model_name)

    def _on_picture(self, camera: _Camera, message: RawImage | CompressedImage) -> None:
        assert self._pipeline is not None
        params: ObjectDetectorParams = self.params
        convert = image_from_msg if isinstance(message, RawImage) else image_from_compressed
        image = convert(message, params.max_image_pixels)
        self._watch_stamp(camera, image)
        detections = self._pipeline(image)
        camera.detections.publish(detections_to_msg(detections))
        if camera.annotated.subscribers:
            camera.annotated.publish(self._annotated(image, detections))

    def _annotated(self, image: Image, detections: Detections) -> CompressedImage:
        drawn = Image(annotate(image.pixels, detections), image.stamp_ns, image.frame_id)
        return image_to_jpeg(drawn, self.params.annotated_jpeg_quality)

    def _watch_stamp(self, camera: _Camera, image: Image) -> None:
        """Report a clock set back; the picture is as good as any other, and is used."""
        if back_s := camera.stamps.jumped_back_s(image.stamp_ns):
            self.bad_input(
                self.resolve_topic_name(camera.topic),
                InvalidInput(
                    "stamp_jump",
                    f"the stamp lies {back_s:.1f} s before the last one; was a clock set back?",
                ),
            )


def _settings(params: ObjectDetectorParams) -> DetectionSettings:
    return DetectionSettings(
        params.confidence_threshold,
        params.iou_threshold,
        params.class_filter,
        params.max_detections,
    )


def main() -> None:
    """Run the node as a program."""
    run_node(ObjectDetectorNode)

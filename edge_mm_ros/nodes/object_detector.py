"""The node ``object_detector``: pictures in, the objects in them out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from sensor_msgs.msg import CompressedImage
from sensor_msgs.msg import Image as RawImage
from vision_msgs.msg import Detection2DArray

from edge_mm_ros.datatypes import Detections, Health, HealthLevel, Image, InvalidInput
from edge_mm_ros.nodes.detector_switch import (
    INFERENCE,
    LOADING,
    DetectorSwitchNode,
    settings_of,
)
from edge_mm_ros.nodes.ladder import NodeLadder
from edge_mm_ros.nodes.models import default_model_host, model_health
from edge_mm_ros.nodes.running import run_node
from edge_mm_ros.params import ParameterError
from edge_mm_ros.params.object_detector import ObjectDetectorParams
from edge_mm_ros.pipelines.detection.annotation import annotate
from edge_mm_ros.pipelines.following import BoxFollower
from edge_mm_ros.pipelines.stamps import NS_PER_S, StampGuard
from edge_mm_ros.ros.conversions.compressed_images import image_from_compressed, image_to_jpeg
from edge_mm_ros.ros.conversions.detections import detections_to_msg
from edge_mm_ros.ros.conversions.images import image_from_msg
from edge_mm_ros.ros.qos import RELIABLE, SENSOR
from edge_mm_ros.ros.topics import CountingPublisher
from edge_mm_ros.runtime import ModelHost
from edge_mm_ros.runtime.batcher import Batcher, Frame
from edge_mm_ros.runtime.pressure import SystemPressure

_MADE_AT_CONFIGURE = ("cameras", "transport", "follow")
_LATENCY_WINDOW_S = 5.0
_RETRY_S = 10.0


@dataclass
class _Camera:
    """One camera's topics.

    Attributes:
        follower: gives its boxes ids, where that is asked for.
        expired_told: pictures that had waited too long when its health was told last.
    """

    name: str
    topic: str
    detections: CountingPublisher
    annotated: CountingPublisher
    follower: BoxFollower | None = None
    stamps: StampGuard = field(default_factory=StampGuard)
    expired_told: int = 0


class ObjectDetectorNode(DetectorSwitchNode):
    """Publishes the objects in each camera's pictures, with the pictures' stamps and frames.

    All cameras share one worker and one model; of each camera only the newest picture waits, and
    the camera that has waited longest is next. Under pressure the node steps down its ladder.
    """

    params_type = ObjectDetectorParams

    def __init__(
        self,
        host: ModelHost | None = None,
        name: str = "object_detector",
        *,
        pressure: SystemPressure | None = None,
        **options: Any,
    ) -> None:
        self._host = host or default_model_host()
        self._pressure = pressure
        self._cameras: dict[str, _Camera] = {}
        self._batcher: Batcher[RawImage | CompressedImage] | None = None
        self._ladder: NodeLadder | None = None
        super().__init__(name, **options)

    def on_configured(self) -> None:
        """Load the model, try it once, and make the publishers."""
        params = self.params
        self.make_pipeline()
        suffix = "/compressed" if params.transport == "compressed" else ""
        self._cameras = {
            camera: _Camera(
                camera,
                f"{camera}/image_raw{suffix}",
                self.advertise(Detection2DArray, f"{camera}/detections", RELIABLE),
                self.advertise(CompressedImage, f"{camera}/detections_image/compressed", SENSOR),
                BoxFollower() if params.follow else None,
            )
            for camera in params.cameras
        }

    def on_activated(self) -> None:
        """Warm the model, say what it knows, and listen."""
        params = self.params
        self.begin_switching()
        self._batcher = Batcher(
            params.cameras,
            max_batch=self._batch_size(),
            max_delay_s=params.max_delay_s,
            max_age_s=params.max_age_s,
            max_rate_hz=params.max_rate_hz,
            # Time of the node: what a replay drops does not depend on the machine.
            data_clock=lambda: self.now_ns() / NS_PER_S,
        )
        for camera in self._cameras.values():
            camera.stamps.reset()
            if camera.follower is not None:
                camera.follower.reset()
            camera.expired_told = 0
        self.listen_to_cameras(self._batcher)
        self._begin_ladder()

    def listen_to_cameras(self, batcher: Batcher[RawImage | CompressedImage]) -> None:
        """Let the pictures of all cameras go through a batcher."""
        self.listen_together(
            CompressedImage if self.params.transport == "compressed" else RawImage,
            {camera.name: camera.topic for camera in self._cameras.values()},
            self.on_pictures,
            qos=SENSOR,
            selection=batcher,
            worker=INFERENCE,
        )

    def on_cleaned_up(self) -> None:
        """Forget the model, which is given back with the node's others."""
        self.forget_pipeline()
        self._cameras.clear()
        self._batcher = None
        self._ladder = None

    def check_params(self, new: ObjectDetectorParams) -> None:
        """Refuse a model that cannot be used, unknown classes, and what only configure changes."""
        if self._pipeline is None:
            return
        for name in _MADE_AT_CONFIGURE:
            if getattr(new, name) != getattr(self.params, name):
                raise ParameterError(
                    f"parameter '{name}' cannot change while the node is configured; clean up first"
                )
        self.check_model(new)

    def on_params_changed(self) -> None:
        """Limit the rate and load another model; the rest holds from the next picture on."""
        if self._batcher is not None:
            self._batcher.max_rate_hz = self._rate_hz()
        self.switch_if_wanted()

    def health(self) -> Iterable[Health]:
        """The model, the cameras, and the ladder."""
        if self._pipeline is None:
            return
        yield model_health(self._host, self.pipeline.model_name)
        if failed := self.switch_health():
            yield failed
        if why := self.pipeline.why_in_turn:
            message = f"the model gets pictures in turn: {why}"
            yield Health("batching", HealthLevel.WARN, message)
        if self._batcher is not None:
            yield from [self._camera_health(self._batcher, c) for c in self._cameras.values()]
        if self._ladder is not None and (entry := self._ladder.health()):
            yield entry

    # Pictures ------------------------------------------------------------------------------------

    def on_pictures(self, frames: Sequence[Frame[RawImage | CompressedImage]]) -> None:
        """Detect in the newest pictures of some cameras, and publish."""
        pipeline, settings = self.pipeline, settings_of(self.params)
        if pipeline.settings != settings:
            pipeline.settings = settings
        pictures = []
        for frame in frames:
            camera = self._cameras[frame.source]
            try:
                pictures.append((camera, frame, self._picture(camera, frame.item)))
            except InvalidInput as error:  # those of other cameras are good
                self.bad_input(self.resolve_topic_name(camera.topic), error)
        found = pipeline.detect([image for _, _, image in pictures]) if pictures else []
        self.tell_classes()  # another version may have taken over under the name
        for (camera, frame, image), boxes in zip(pictures, found):
            detections = boxes if camera.follower is None else camera.follower.follow(boxes)
            camera.detections.publish(detections_to_msg(detections))
            if self._batcher is not None and self._ladder is not None:
                self._ladder.note_latency_s(self._batcher.clock() - frame.arrived_s)
            if camera.annotated.subscribers:
                camera.annotated.publish(self._annotated(image, detections))
        if self._batcher is not None:
            self._batcher.max_batch = self._batch_size()

    def _picture(self, camera: _Camera, message: RawImage | CompressedImage) -> Image:
        convert = image_from_msg if isinstance(message, RawImage) else image_from_compressed
        image = convert(message, self.params.max_image_pixels)
        if back_s := camera.stamps.jumped_back_s(image.stamp_ns):
            # The picture is as good as any other, and is used.
            self.bad_input(
                self.resolve_topic_name(camera.topic),
                InvalidInput(
                    "stamp_jump",
                    f"the stamp lies {back_s:.1f} s before the last one; was a clock set back?",
                ),
            )
        return image

    def _annotated(self, image: Image, detections: Detections) -> CompressedImage:
        drawn = Image(annotate(image.pixels, detections), image.stamp_ns, image.frame_id)
        return image_to_jpeg(drawn, self.params.annotated_jpeg_quality)

    def _batch_size(self) -> int:
        """How many pictures the model gets together; what it cannot take, waits for its turn."""
        pipeline, asked = self.pipeline, self.params.max_batch
        wanted = asked or (1 if pipeline.on_processor else len(self.params.cameras))
        return min(wanted, pipeline.batch or wanted)

    def _camera_health(self, batcher: Batcher[Any], camera: _Camera) -> Health:
        counts = batcher.counts(camera.name)
        values = {
            "received": str(counts.received),
            "served": str(counts.served),
            "replaced": str(counts.replaced),
            "expired": str(counts.expired),
            "skipped": str(counts.skipped),
        }
        message = f"{counts.served} of {counts.received} pictures served"
        expired = counts.expired - camera.expired_told
        camera.expired_told = counts.expired
        if expired > 0:
            message += f"; {expired} waited longer than max_age_s"
            return Health(f"camera {camera.name}", HealthLevel.WARN, message, values)
        return Health(f"camera {camera.name}", HealthLevel.OK, message, values)

    # Ladder --------------------------------------------------------------------------------------

    def _begin_ladder(self) -> None:
        ladder = self.params.degradation
        self._ladder = NodeLadder(
            self,
            ladder,
            self._apply_steps,
            worker=LOADING,
            system=self._pressure,
            latency_window_s=max(_LATENCY_WINDOW_S, 3 / ladder.rate_hz),
        )
        if self._ladder.moves:
            self.every(_RETRY_S, self.retry_switch, worker=LOADING)

    def _apply_steps(self, taken: tuple[str, ...]) -> None:
        if self._batcher is not None:
            self._batcher.max_rate_hz = self._rate_hz()
        self.want_smaller_model("model" in taken)

    def _rate_hz(self) -> float:
        """The rate that the parameter allows, or the ladder, where that is lower."""
        rates = [self.params.max_rate_hz]
        if self._ladder is not None and "rate" in self._ladder.taken:
            rates.append(self.params.degradation.rate_hz)
        return min((rate for rate in rates if rate > 0), default=0.0)


def main() -> None:
    """Run the node as a program."""
    run_node(ObjectDetectorNode)

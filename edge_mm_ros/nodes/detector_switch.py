"""A node with a detector that another one can replace while pictures flow."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

from rclpy.parameter import Parameter
from vision_msgs.msg import VisionInfo

from edge_mm_ros.datatypes import EdgeMmError, Health, HealthLevel
from edge_mm_ros.nodes.models import ModelNode
from edge_mm_ros.params import ParameterError
from edge_mm_ros.params.object_detector import ObjectDetectorParams
from edge_mm_ros.pipelines.detection import DetectionPipeline, DetectionSettings, verify_detector
from edge_mm_ros.ros.conversions.detections import vision_info_to_msg
from edge_mm_ros.ros.qos import LATCHED
from edge_mm_ros.ros.work_queue import latest_only, lossless

INFERENCE = "inference"
LOADING = "loading"
_RETRY_S = 30.0


class DetectorSwitchNode(ModelNode):
    """Keeps the pipeline of the model that is wanted, and says what it detects.

    Another model is loaded and tried on the worker `LOADING` while the present one serves; it
    takes over on the worker `INFERENCE`, so between two pictures, and the old one is given back.
    Where it cannot be used, the old one goes on and the parameter ``model`` is set back.
    """

    params: ObjectDetectorParams

    def __init__(self, name: str, **options: object) -> None:
        self._pipeline: DetectionPipeline | None = None
        self._smaller_wanted = False
        self._loading = ""
        self._why_not_switched = ""
        self._retry_at_s = 0.0
        self._classes_told: tuple[str, str, tuple[str, ...]] | None = None
        super().__init__(name, **options)

    @property
    def pipeline(self) -> DetectionPipeline:
        """The one that serves; there is one while the node is configured."""
        assert self._pipeline is not None
        return self._pipeline

    def model_names(self) -> tuple[str, ...]:
        """The model that serves, and the one that is being loaded."""
        if self._pipeline is None:
            return () if self.params is None else (self.params.model,)
        return tuple(filter(None, (self._pipeline.model_name, self._loading)))

    # For the lifecycle ---------------------------------------------------------------------------

    def make_pipeline(self) -> None:
        """Load the model and try it; verify the smaller one of the ladder."""
        ladder = self.params.degradation
        if "model" in ladder.steps:
            verify_detector(self._host, ladder.model)
        self._pipeline = self._made(self.params.model)
        self._vision_info = self.advertise(VisionInfo, "vision_info", LATCHED)

    def begin_switching(self) -> None:
        """Warm the model that the parameter names, say what it knows, and be ready to switch."""
        self._loading, self._why_not_switched, self._smaller_wanted = "", "", False
        old, wanted = self.pipeline.model_name, self.params.model
        if wanted == old:
            self.pipeline.settings = settings_of(self.params)
            self._host.preload(wanted)
        else:  # it was set while the node was not active
            self.hold_model(wanted)
            try:
                self._pipeline = self._made(wanted)
            except EdgeMmError:
                self.let_go_model(wanted)
                raise
            self.let_go_model(old)
        self._classes_told = None
        self.tell_classes()
        self._tasks = self.inbox(_call, queue=lossless(), worker=LOADING)
        self._ready = self.inbox(self._take_over, queue=latest_only(), worker=INFERENCE)

    def forget_pipeline(self) -> None:
        """Drop the pipeline; its model is given back with the node's others."""
        self._pipeline = None

    # For parameters and the ladder ---------------------------------------------------------------

    def check_model(self, new: ObjectDetectorParams) -> None:
        """Refuse a model that cannot be used here or not now, and classes that it does not know."""
        switches = new.model != self.params.model and new.model != self.pipeline.model_name
        if switches:
            self._refuse_switch_now(new)
            verify_detector(self._host, new.model)
        if self.active or new.model == self.pipeline.model_name:
            self.pipeline.check(settings_of(new))

    def want_smaller_model(self, smaller: bool) -> None:
        """Whether the ladder's smaller model should serve."""
        self._smaller_wanted = smaller
        self.switch_if_wanted()

    def switch_if_wanted(self) -> None:
        """Begin to load the model that should serve, where another one does."""
        if self._loading or self._wanted in ("", self.pipeline.model_name):
            return
        self._loading = self._wanted
        self.get_logger().info(f"loading model {self._loading} beside {self.pipeline.model_name}")
        self._tasks.put(partial(self._load, self._loading))

    def retry_switch(self) -> None:
        """Try again, after a while, a switch that failed and is still wanted."""
        if self._why_not_switched and time.monotonic() >= self._retry_at_s:
            self.switch_if_wanted()

    def tell_classes(self) -> None:
        """Publish ``vision_info`` where it has changed."""
        if (pipeline := self._pipeline) is None:  # cleaned up while an engine hung
            return
        classes = (pipeline.model_name, pipeline.model_version, pipeline.labels)
        if classes != self._classes_told:
            self._classes_told = classes
            self._vision_info.publish(vision_info_to_msg(*classes, self.now_ns()))

    def switch_health(self) -> Health | None:
        """The switch that failed: while it is still wanted, and for a while after."""
        settled = self._pipeline is None or self._wanted == self._pipeline.model_name
        if settled and time.monotonic() >= self._retry_at_s:
            self._why_not_switched = ""
        if not self._why_not_switched:
            return None
        return Health("switch of models", HealthLevel.WARN, self._why_not_switched)

    # Inside --------------------------------------------------------------------------------------

    @property
    def _wanted(self) -> str:
        return self.params.degradation.model if self._smaller_wanted else self.params.model

    def _made(self, name: str) -> DetectionPipeline:
        return DetectionPipeline(self._host, name, settings_of(self.params))

    def _refuse_switch_now(self, new: ObjectDetectorParams) -> None:
        if not self.active:
            return
        if self._loading:
            raise ParameterError(
                f"parameter 'model': {self._loading} is being loaded; wait until it serves"
            )
        if self._smaller_wanted:
            raise ParameterError(
                "parameter 'model' cannot change while the smaller model of 'degradation' serves"
            )
        if new.class_filter != self.params.class_filter:
            raise ParameterError(
                "parameters 'model' and 'class_filter' cannot change together; empty "
                "'class_filter' first"
            )

    def _load(self, name: str) -> None:
        self.hold_model(name)
        try:
            pipeline = self._made(name)
        except Exception as error:  # whatever it is, the old one goes on
            known = isinstance(error, EdgeMmError)
            self._give_up(name, str(error) if known else f"{type(error).__name__}: {error}")
        else:
            self._ready.put(pipeline)
            if self._pipeline is None:  # cleaned up meanwhile: it took longer than the drain
                self._host.unload(name)

    def _take_over(self, pipeline: DetectionPipeline) -> None:
        name, old = pipeline.model_name, self.pipeline.model_name
        if name != self._wanted:  # the wish has changed meanwhile
            self._loading = ""
            self._tasks.put(partial(self.let_go_model, name))
            self.switch_if_wanted()
            return
        try:
            pipeline.settings = settings_of(self.params)
        except ParameterError as error:
            self._tasks.put(partial(self._give_up, name, str(error)))
            return
        self._pipeline, self._loading, self._why_not_switched = pipeline, "", ""
        self.tell_classes()
        self.tell_switch(HealthLevel.OK, f"{name} serves in place of {old}", old, name)
        self._tasks.put(partial(self.let_go_model, old))

    def _give_up(self, name: str, reason: str) -> None:
        self.let_go_model(name)
        if self._pipeline is None:
            return
        serving = self._pipeline.model_name
        self._loading = ""
        self._retry_at_s = time.monotonic() + _RETRY_S
        self._why_not_switched = f"{name} cannot take over: {reason}; {serving} goes on"
        self.tell_switch(HealthLevel.WARN, self._why_not_switched, serving, name)
        self.in_executor(partial(self._set_back, name))

    def _set_back(self, refused: str) -> None:
        """Let the parameter name the model that serves, where it names one that was refused."""
        if self.params is None or self._pipeline is None or self.params.model != refused:
            return
        (result,) = self.set_parameters([Parameter("model", value=self._pipeline.model_name)])
        if not result.successful:
            self.get_logger().error(f"parameter 'model' cannot be set back: {result.reason}")


def settings_of(params: ObjectDetectorParams) -> DetectionSettings:
    """What of the parameters may change from picture to picture."""
    return DetectionSettings(
        params.confidence_threshold,
        params.iou_threshold,
        params.class_filter,
        params.max_detections,
    )


def _call(task: Callable[[], None]) -> None:
    task()

"""A node with a speech recogniser that another one can replace while somebody speaks."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from rclpy.parameter import Parameter

from edge_mm_ros.datatypes import EdgeMmError, HealthLevel
from edge_mm_ros.nodes.models import ModelNode
from edge_mm_ros.params import ParameterError
from edge_mm_ros.params.speech_transcriber import SpeechTranscriberParams
from edge_mm_ros.pipelines.transcription import Recognizer
from edge_mm_ros.ros.work_queue import latest_only, lossless

RECOGNITION = "recognition"
LOADING = "loading"


@dataclass(frozen=True)
class _Choice:
    """A model, and the language that it is told."""

    model: str
    language: str

    @classmethod
    def of(cls, params: SpeechTranscriberParams) -> _Choice:
        return cls(params.transcription_model, params.language)

    def __str__(self) -> str:
        return f"{self.model} ({self.language or 'any language'})"


class RecognizerSwitchNode(ModelNode):
    """Keeps the recogniser that is wanted.

    Another model, or another language, is loaded and tried on the worker `LOADING` while the
    present one serves; it takes over on the worker `RECOGNITION`, so between two calls, and the old
    model is given back. Where it cannot be used, the old one goes on and the parameters are set
    back.
    """

    def __init__(self, name: str, **options: object) -> None:
        self._recognizer: Recognizer | None = None
        self._loading: _Choice | None = None
        super().__init__(name, **options)

    @property
    def recognizer(self) -> Recognizer:
        """The one that serves; there is one while the node is active."""
        assert self._recognizer is not None
        return self._recognizer

    def model_names(self) -> tuple[str, ...]:
        """The voice detector, the recogniser that serves, and the one that is being loaded."""
        if self.params is None:
            return ()
        served = self._recognizer.params if self._recognizer else self.params
        names = [self.params.voice_activity_model, served.transcription_model]
        if self._loading is not None:
            names.append(self._loading.model)
        return tuple(dict.fromkeys(names))

    # For the lifecycle ---------------------------------------------------------------------------

    def begin_recognition(self) -> None:
        """Make the recogniser and be ready to switch."""
        self._loading = None
        self._recognizer = Recognizer(self._host, self.params)
        self._tasks = self.inbox(lambda task: task(), queue=lossless(), worker=LOADING)
        self._ready = self.inbox(self._take_over, queue=latest_only(), worker=RECOGNITION)

    def check_task(self, name: str, task: str) -> None:
        """Refuse a model for another task.

        Raises:
            EdgeMmError: it is for another task, or cannot be loaded here.
        """
        manifest = self._host.verify(name)
        if manifest.task != task:
            raise EdgeMmError(
                f"model '{name}' is for {manifest.task}, {task} is needed; correct the parameter"
            )

    # For parameters ------------------------------------------------------------------------------

    def check_recognizer(self, new: SpeechTranscriberParams) -> None:
        """Refuse another model or language that cannot be used here or not now.

        Raises:
            ParameterError: says why.
        """
        wanted = _Choice.of(new)
        if wanted in (_Choice.of(self.params), _Choice.of(self.recognizer.params)):
            return
        if self._loading is not None:
            raise ParameterError(
                f"parameter 'transcription_model': {self._loading} is being loaded; wait until it "
                "serves"
            )
        try:
            self.check_task(wanted.model, "transcription")
        except EdgeMmError as error:
            raise ParameterError(f"parameter 'transcription_model': {error}") from error

    def use_changed_params(self) -> None:
        """Use new thresholds at once, and begin to load what is newly wanted."""
        wanted, serving = _Choice.of(self.params), _Choice.of(self.recognizer.params)
        self.recognizer.params = self.params.model_copy(
            update={"transcription_model": serving.model, "language": serving.language}
        )
        if wanted != serving and self._loading is None:
            self._loading = wanted
            self.get_logger().info(f"loading {wanted} beside {serving}")
            self._tasks.put(partial(self._load, self.params))

    # Inside --------------------------------------------------------------------------------------

    def _load(self, params: SpeechTranscriberParams) -> None:
        self.hold_model(params.transcription_model)
        try:
            Recognizer(self._host, params).warm_up()
        except Exception as error:  # whatever it is, the old one goes on
            known = isinstance(error, EdgeMmError)
            self._give_up(params, str(error) if known else f"{type(error).__name__}: {error}")
        else:
            self._ready.put(params)

    def _take_over(self, params: SpeechTranscriberParams) -> None:
        old, new = _Choice.of(self.recognizer.params), _Choice.of(params)
        self.recognizer.params = self.params.model_copy(
            update={"transcription_model": new.model, "language": new.language}
        )
        self._loading = None
        self.tell_switch(HealthLevel.OK, f"{new} serves in place of {old}", str(old), str(new))
        self._tasks.put(partial(self.let_go_model, old.model))

    def _give_up(self, params: SpeechTranscriberParams, reason: str) -> None:
        self.let_go_model(params.transcription_model)
        old, new = _Choice.of(self.recognizer.params), _Choice.of(params)
        self._loading = None
        message = f"{new} cannot take over: {reason}; {old} goes on"
        self.tell_switch(HealthLevel.WARN, message, str(old), str(new))
        self.in_executor(partial(self._set_back, new, old))

    def _set_back(self, refused: _Choice, serving: _Choice) -> None:
        """Let the parameters name what serves, where they name what was refused."""
        if self.params is None or _Choice.of(self.params) != refused:
            return
        result = self.set_parameters_atomically(
            [
                Parameter("transcription_model", value=serving.model),
                Parameter("language", value=serving.language),
            ]
        )
        if not result.successful:
            self.get_logger().error(f"the recogniser cannot be set back: {result.reason}")

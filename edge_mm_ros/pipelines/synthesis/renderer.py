"""Lets the first engine that can speak an utterance."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

from edge_mm_ros.datatypes import Health, HealthLevel
from edge_mm_ros.pipelines.synthesis.engines import EngineFailed, SpeechEngine, Voice
from edge_mm_ros.pipelines.synthesis.speech import Speech


class Renderer:
    """Runs on a thread of its own, as engines block.

    Attributes:
        voice: how it should sound, from the next utterance on.
    """

    def __init__(
        self,
        engines: Sequence[SpeechEngine],
        voice: Voice,
        on_failure: Callable[[str], None],
        on_sound: Callable[[], None] = lambda: None,
    ) -> None:
        self.voice = voice
        self._engines = tuple(engines)
        self._on_failure = on_failure
        self._on_sound = on_sound
        self._failures: dict[str, str] = {}
        self._wanted = threading.Event()
        self._wanted.set()
        self._current: Speech | None = None
        self._last = ""

    @property
    def last_engine(self) -> str:
        """Who spoke last."""
        return self._last

    def render(self, speech: Speech) -> None:
        """Speak it with the first engine that can; an engine that fails is told of.

        One that fails after its first sound is not followed by another, which would begin anew.
        """
        self._current = speech
        try:
            if not self._wanted.is_set():
                speech.stop()
            for engine in self._engines:
                if speech.stopped or self._spoken_by(engine, speech):
                    return
            if not speech.stopped:
                self._on_failure(f"not spoken: {self.problem()}")
        finally:
            self._current = None
            speech.end()
            self._on_sound()

    def problem(self) -> str:
        """Why nothing can speak; empty where something can."""
        reasons = [self._reason(engine) for engine in self._engines]
        return "; ".join(reasons) if all(reasons) else ""

    def health(self) -> list[Health]:
        """Each engine; the first that can is enough, so the others only warn."""
        level = HealthLevel.ERROR if self.problem() else HealthLevel.WARN
        return [
            Health(f"engine {engine.name}", level if reason else HealthLevel.OK, reason or "ready")
            for engine in self._engines
            for reason in [self._reason(engine)]
        ]

    def warm_up(self) -> None:
        """Make ready for the first utterance."""
        self._wanted.set()
        for engine in self._engines:
            engine.warm_up(self.voice)

    def interrupt(self) -> None:
        """End what is being spoken, and speak nothing until `warm_up`; from any thread."""
        self._wanted.clear()
        speech = self._current
        if speech is not None:
            speech.stop()

    def close(self) -> None:
        """End what engines keep running."""
        for engine in self._engines:
            engine.close()

    def _reason(self, engine: SpeechEngine) -> str:
        return engine.problem() or self._failures.get(engine.name, "")

    def _spoken_by(self, engine: SpeechEngine, speech: Speech) -> bool:
        """Whether the engine spoke, if perhaps not to the end."""
        if engine.problem():
            return False
        sounded = False
        try:
            rendering = engine.begin(speech.utterance.text, self.voice)
            speech.attach(rendering.stop)
            for samples, sample_rate_hz in rendering.pieces():
                speech.add(samples, sample_rate_hz)
                sounded = True
                self._on_sound()
        except EngineFailed as error:
            if not speech.stopped:
                self._failures[engine.name] = str(error)
                self._on_failure(str(error))
        else:
            self._failures.pop(engine.name, None)
        if sounded:
            self._last = engine.name
        return sounded

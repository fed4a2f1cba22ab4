"""A speech engine whose sound a test decides, and utterances to say."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from edge_mm_ros.pipelines.synthesis import EngineFailed, Importance, Utterance, Voice

S = 1_000_000_000
RATE = 16_000


def tone(seconds: float, level: int = 1000) -> NDArray[np.int16]:
    """Sound of one level, so that a test sees whose it is."""
    return np.full(round(seconds * RATE), level, np.int16)


def utterance(text: str, kind: str = "answer", since_s: float = 0.0, key: str = "") -> Utterance:
    """Something to be said."""
    return Utterance(text, Importance[kind.upper()], round(since_s * S), key)


@dataclass
class ScriptedRendering:
    """Gives the pieces of its script; waits in it where a test says so."""

    script: list[NDArray[np.int16] | EngineFailed | threading.Event]
    stopped: threading.Event = field(default_factory=threading.Event)

    def pieces(self) -> Iterator[tuple[NDArray[np.int16], int]]:
        for step in self.script:
            if isinstance(step, EngineFailed):
                raise step
            if isinstance(step, threading.Event):
                self.stopped.wait(30)  # a program that hangs, until it is ended
            if self.stopped.is_set():
                return
            if isinstance(step, np.ndarray):
                yield step, RATE

    def stop(self) -> None:
        self.stopped.set()


@dataclass
class ScriptedEngine:
    """Speaks as its script says; by default 1 s of sound for each text.

    Attributes:
        script: the steps for a text.
        trouble: why it cannot speak.
        texts: what it was given.
    """

    script: Callable[[str], list[NDArray[np.int16] | EngineFailed | threading.Event]] = (
        lambda text: [tone(1.0)]
    )
    name: str = "scripted"
    trouble: str = ""
    texts: list[str] = field(default_factory=list)
    voices: list[Voice] = field(default_factory=list)
    renderings: list[ScriptedRendering] = field(default_factory=list)
    closed: int = 0

    def problem(self) -> str:
        return self.trouble

    def begin(self, text: str, voice: Voice) -> ScriptedRendering:
        self.texts.append(text)
        self.voices.append(voice)
        self.renderings.append(ScriptedRendering(self.script(text)))
        return self.renderings[-1]

    def warm_up(self, voice: Voice) -> None:
        pass

    def close(self) -> None:
        self.closed += 1

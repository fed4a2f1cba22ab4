"""How soon a critical alarm cuts a spoken answer, and is heard itself.

The node ``speech_synthesizer`` with the program that speaks on this machine; the answer, the alarm
and the sound go through topics.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_mm_ros.bench.result import Bar, BenchResult, Measure
from edge_mm_ros.datatypes import EdgeMmError, EventPhase, SafetyEvent, SafetyLevel
from edge_mm_ros.nodes.speech_synthesizer import SpeechSynthesizerNode
from edge_mm_ros.params.speech_synthesizer import SpeechSynthesizerParams
from edge_mm_ros.pipelines.stamps import NS_PER_S, to_ns
from edge_mm_ros.pipelines.synthesis import Rendering, SpeechEngine, Voice, engines_of
from edge_mm_ros.ros.conversions.audio import format_from_info
from edge_mm_ros.ros.conversions.safety import events_to_msg
from edge_mm_ros.ros.conversions.stamps import to_ns as stamp_to_ns
from edge_mm_ros.ros.messages import message_class
from edge_mm_ros.ros.parameters import overrides
from edge_mm_ros.ros.private_graph import PrivateGraph
from edge_mm_ros.ros.qos import AUDIO, EVENTS, LATCHED, RELIABLE

ALARMS = 30
MAX_CUT_S = 0.3
MAX_ALARM_S = 0.3
_AUDIO = message_class("audio_common_msgs/msg/AudioDataStamped")
_INFO = message_class("audio_common_msgs/msg/AudioInfo")
_EVENTS = message_class("diagnostic_msgs/msg/DiagnosticArray")
_BOOL = message_class("std_msgs/msg/Bool")
_STRING = message_class("std_msgs/msg/String")
# Much longer than it is ever listened to: an answer that ended by itself was not cut.
_ANSWER = "In the last ten minutes person 3 was near the press four times. " * 6
_ALARM = "Person 7 has fallen, 2.1 m away."
_SPOKEN_ALARM = "has fallen"
_PARAMETERS = {
    "play": False,
    "publish_audio": True,
    "require_engine": True,
    "alarm_repeat_s": 0.0,
}


@dataclass(frozen=True)
class Piece:
    """Sound that came on a topic; times are of the node's clock.

    Attributes:
        alarm: whether it is of an alarm.
        arrived_ns: when it came.
        start_ns: when it is to be heard.
        end_ns: when it is over.
    """

    alarm: bool
    arrived_ns: int
    start_ns: int
    end_ns: int


@dataclass(frozen=True)
class Cut:
    """What an alarm did, in seconds since it was asked for.

    Attributes:
        answer_s: until the last sound of the answer is over.
        arrived_s: until the first sound of the alarm came.
        heard_s: until this is to be heard.
    """

    answer_s: float
    arrived_s: float
    heard_s: float


def run(alarms: int = ALARMS, engine: SpeechEngine | None = None) -> BenchResult:
    """Measure.

    Args:
        alarms: how often.
        engine: what speaks; None: the first of the node's own that can.

    Raises:
        EdgeMmError: nothing can speak here, or an alarm is never heard.
    """
    engine = engine or first_engine(engines_of(SpeechSynthesizerParams()))
    cuts = _measure(MarkedEngine(engine, lambda text: _SPOKEN_ALARM in text), alarms)
    return result(cuts, [first_sound_s(engine) for _ in range(alarms)], engine.name)


def result(cuts: Sequence[Cut], bare_s: Sequence[float], engine: str) -> BenchResult:
    """Measures and bars.

    Args:
        cuts: what each alarm did.
        bare_s: from the start of the program itself on the alarm's text to its first sound.
        engine: who spoke.
    """
    answers = [cut.answer_s for cut in cuts]
    heard = [max(cut.arrived_s, cut.heard_s) for cut in cuts]
    return BenchResult(
        "voice",
        (
            Measure.of("alarm to the end of the answer", "s", answers),
            Measure.of("alarm to the arrival of its sound", "s", [cut.arrived_s for cut in cuts]),
            Measure.of("alarm to its sound, as it is to be heard", "s", heard),
            Measure.of("the program alone: start to its first sound", "s", bare_s),
        ),
        (
            Bar.at_most("alarm to the end of the answer, p95", _p95(answers), "s", MAX_CUT_S),
            Bar.at_most("alarm to its sound, p95", _p95(heard), "s", MAX_ALARM_S),
        ),
        (f"spoken by {engine}; sound by topic, as no loudspeaker can tell when it is heard",),
    )


def cut_of(pieces: Sequence[Piece], asked_ns: int) -> Cut:
    """What became of the answer that was being said.

    Args:
        pieces: from the answer to the end of the alarm or beyond, in the order of their arrival.
        asked_ns: when the alarm was asked for.

    Raises:
        EdgeMmError: there is no sound of an answer, or none of an alarm behind it.
    """
    alarms = [index for index, piece in enumerate(pieces) if piece.alarm]
    if not alarms or alarms[0] == 0:
        raise EdgeMmError("benchmark: an alarm did not meet an answer that was being said")
    first = pieces[alarms[0]]
    # What comes of the answer before the alarm is over was not cut; behind it, it is said again.
    ends_ns = [
        max(piece.arrived_ns, piece.start_ns) + piece.end_ns - piece.start_ns
        for piece in pieces[: alarms[-1]]
        if not piece.alarm
    ]
    return Cut(
        (max(ends_ns) - asked_ns) / NS_PER_S,
        (first.arrived_ns - asked_ns) / NS_PER_S,
        (first.start_ns - asked_ns) / NS_PER_S,
    )


class MarkedEngine:
    """An engine whose sound tells whose it is: an alarm's samples are odd, all others even.

    Args:
        engine: it speaks.
        is_alarm: whether a text is one.
    """

    def __init__(self, engine: SpeechEngine, is_alarm: Callable[[str], bool]) -> None:
        self._engine = engine
        self._is_alarm = is_alarm
        self.name = engine.name

    def problem(self) -> str:
        """Why it cannot speak."""
        return self._engine.problem()

    def begin(self, text: str, voice: Voice) -> Rendering:
        """Begin to speak a text."""
        return _MarkedRendering(self._engine.begin(text, voice), self._is_alarm(text))

    def warm_up(self, voice: Voice) -> None:
        """Make ready."""
        self._engine.warm_up(voice)

    def close(self) -> None:
        """Give back what it holds."""
        self._engine.close()


class _MarkedRendering:
    def __init__(self, rendering: Rendering, alarm: bool) -> None:
        self._rendering = rendering
        self._bit = np.int16(alarm)

    def pieces(self) -> Iterator[tuple[NDArray[np.int16], int]]:
        for samples, sample_rate_hz in self._rendering.pieces():
            yield (samples & np.int16(-2)) | self._bit, sample_rate_hz

    def stop(self) -> None:
        self._rendering.stop()


def first_engine(engines: Sequence[SpeechEngine]) -> SpeechEngine:
    """The first that can speak.

    Raises:
        EdgeMmError: none can; says why of each.
    """
    for engine in engines:
        if not engine.problem():
            return engine
    raise EdgeMmError(f"benchmark: {'; '.join(engine.problem() for engine in engines)}")


def first_sound_s(engine: SpeechEngine) -> float:
    """From the start of a program on the alarm's text to its first sound.

    Raises:
        EngineFailed: there is none.
    """
    params = SpeechSynthesizerParams()
    begun_s = time.perf_counter()
    rendering = engine.begin(_ALARM, Voice(params.voice, params.words_per_minute))
    pieces = rendering.pieces()
    next(pieces)
    took_s = time.perf_counter() - begun_s
    rendering.stop()
    for _ in pieces:  # collects the program
        pass
    return took_s


def _measure(engine: SpeechEngine, alarms: int) -> list[Cut]:
    """Two alarms to an answer, which is said again after the first."""
    cuts: list[Cut] = []
    moments = random.Random(alarms)
    with PrivateGraph() as graph:
        scene = _Scene(graph, engine)
        for number in range(alarms):
            if number % 2 == 0:
                graph.spin_until(lambda: not scene.speaking, what="silence")
                scene.answers.publish(_STRING(data=_ANSWER))
            graph.spin_until(lambda: scene.answering, what="sound of the answer")
            scene.pieces.clear()
            scene.spin_for(moments.uniform(0.2, 1.2))
            asked_ns = scene.alarm(number)
            graph.spin_until(lambda: scene.alarm_is_over, what="sound of the alarm, and its end")
            cuts.append(cut_of(scene.pieces, asked_ns))
    return cuts


class _Scene:
    """A synthesizer, who asks it, and who hears it."""

    def __init__(self, graph: PrivateGraph, engine: SpeechEngine) -> None:
        self.pieces: list[Piece] = []
        self.speaking = False
        self._graph = graph
        self._rate_hz = 0
        self.answers = graph.publisher(_STRING, "answer", RELIABLE)
        self._events = graph.publisher(_EVENTS, "safety/events", EVENTS)
        listen = graph.peer.create_subscription
        listen(_INFO, "speech_audio_info", self._hear_format, LATCHED.profile())
        listen(_AUDIO, "speech_audio", self._hear, AUDIO.profile())
        listen(_BOOL, "speaking", self._hear_speaking, LATCHED.profile())
        self._node = SpeechSynthesizerNode(
            engines=[engine], context=graph.context, parameter_overrides=overrides(_PARAMETERS)
        )
        graph.bring_up(self._node)
        for publisher in (self.answers, self._events):
            graph.spin_until_connected(publisher)
        topics = {"/speech_audio", "/speaking"}
        senders = [one for one in self._node.publishers_in_use if one.topic in topics]
        graph.spin_until(lambda: all(one.subscribers > 0 for one in senders), what="ears")

    @property
    def answering(self) -> bool:
        """Whether what was heard last is of the answer."""
        return bool(self.pieces) and not self.pieces[-1].alarm

    @property
    def alarm_is_over(self) -> bool:
        """Whether an alarm was heard, and the answer again or nothing more behind it."""
        if not any(piece.alarm for piece in self.pieces):
            return False
        return not self.pieces[-1].alarm or not self.speaking

    def alarm(self, number: int) -> int:
        """A person has fallen; when, by the node's clock."""
        asked_ns = self._node.now_ns()
        event = SafetyEvent(
            f"person_fallen-{number}",
            EventPhase.STARTED,
            SafetyLevel.DANGER,
            "person_fallen",
            "fallen",
            asked_ns,
            asked_ns,
            _ALARM,
        )
        self._events.publish(events_to_msg([event], asked_ns))
        return asked_ns

    def spin_for(self, seconds: float) -> None:
        """Let time go by."""
        end_s = time.monotonic() + seconds
        while (left_s := end_s - time.monotonic()) > 0.0:
            self._graph.executor.spin_once(timeout_sec=left_s)

    def _hear_format(self, message: Any) -> None:
        self._rate_hz = format_from_info(message).sample_rate_hz

    def _hear_speaking(self, message: Any) -> None:
        self.speaking = message.data

    def _hear(self, message: Any) -> None:
        if not self._rate_hz:  # the format comes on another topic, maybe a moment later
            return
        arrived_ns = self._node.now_ns()
        samples = np.frombuffer(bytes(message.audio.data), "<i2")
        start_ns = stamp_to_ns(message.header.stamp)
        end_ns = start_ns + to_ns(len(samples) / self._rate_hz)
        self.pieces.append(Piece(bool(samples[0] & 1), arrived_ns, start_ns, end_ns))


def _p95(values: Sequence[float]) -> float:
    return float(np.percentile(values, 95)) if values else float("nan")

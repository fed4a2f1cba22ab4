"""The node ``speech_synthesizer``: answers and alarms in, speech out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from audio_common_msgs.msg import AudioDataStamped, AudioInfo
from diagnostic_msgs.msg import DiagnosticArray
from std_msgs.msg import Bool, String

from edge_mm_ros.datatypes import (
    EdgeMmError,
    EventPhase,
    Health,
    HealthLevel,
    InvalidInput,
    SafetyLevel,
)
from edge_mm_ros.nodes.running import run_node
from edge_mm_ros.params.speech_synthesizer import SpeechSynthesizerParams
from edge_mm_ros.pipelines.sound_card import Loudspeaker, NoSoundCard
from edge_mm_ros.pipelines.synthesis import (
    AlarmFilter,
    Importance,
    Mouth,
    Renderer,
    Speech,
    SpeechEngine,
    SpeechQueue,
    Utterance,
    Voice,
    engines_of,
    speakable,
)
from edge_mm_ros.ros.conversions.audio import AudioFormat, info_to_msg, stamped_from_bytes
from edge_mm_ros.ros.conversions.safety import events_from_msg
from edge_mm_ros.ros.node import EdgeNode
from edge_mm_ros.ros.qos import AUDIO, EVENTS, LATCHED, RELIABLE
from edge_mm_ros.ros.work_queue import drop_oldest, latest_only, lossless

_ENGINE = "engine"
_STEP_S = 0.04
# Sound that is published cannot be taken back where an alarm cuts it, so little of it is out. What
# waits for the own loudspeaker is dropped; there, more of it bridges the moments of a busy machine.
_PUBLISHED_LEAD_S = 0.1
_PLAYED_LEAD_S = 0.4
_WAITING_TEXTS = 20
_AUTHOR_LINE = "\n[written by"  # with which a summary ends


class SpeechSynthesizerNode(EdgeNode):
    """Says ``answer``, ``summary`` and alarms of ``safety/events``; tells ``speaking``.

    One worker decides what is said, a second one waits for the program that speaks.
    """

    params_type = SpeechSynthesizerParams

    def __init__(
        self,
        host: object = None,
        name: str = "speech_synthesizer",
        *,
        engines: Sequence[SpeechEngine] | None = None,
        **options: Any,
    ) -> None:
        self._given_engines = engines
        self._renderer: Renderer | None = None
        self._loudspeaker: Loudspeaker | None = None
        self._card_problem = ""
        self._speaking: bool | None = None
        self._sample_rate_hz = 0
        super().__init__(name, **options)

    def on_configured(self) -> None:
        """See who can speak and where it is to be heard; what cannot is told, the rest goes on."""
        params: SpeechSynthesizerParams = self.params
        engines = engines_of(params) if self._given_engines is None else self._given_engines
        self._renderer = Renderer(engines, self._voice(), self._on_failure, self._on_rendered)
        if problem := self._renderer.problem():
            if params.require_engine:
                raise EdgeMmError(problem)
            self.get_logger().error(f"nothing can be said: {problem}")
        self._loudspeaker = Loudspeaker(params.device) if params.play else None
        self._try_loudspeaker()
        self._speaking_out = self.advertise(Bool, "speaking", LATCHED)
        if params.publish_audio:
            self._audio = self.advertise(AudioDataStamped, "speech_audio", AUDIO)
            self._info = self.advertise(AudioInfo, "speech_audio_info", LATCHED)

    def on_activated(self) -> None:
        """Begin to listen."""
        params: SpeechSynthesizerParams = self.params
        assert self._renderer is not None
        self._queue = SpeechQueue(params.queue_size, params.max_wait_s)
        lead_s = _PUBLISHED_LEAD_S if params.publish_audio else _PLAYED_LEAD_S
        self._mouth = Mouth(self._queue, self._begin, lead_s)
        levels = [SafetyLevel(level) for level in params.alarm_levels]
        self._alarms = AlarmFilter(
            levels, params.alarm_repeat_s, params.max_alarm_age_s, self.now_ns()
        )
        self._speaking = None
        self._sample_rate_hz = 0
        self._renderer.warm_up()
        self.listen(DiagnosticArray, "safety/events", self._on_events, qos=EVENTS, queue=lossless())
        texts = drop_oldest(_WAITING_TEXTS)
        self.listen(String, "answer", self._on_answer, qos=RELIABLE, queue=texts)
        self.listen(String, "summary", self._on_summary, qos=RELIABLE, queue=texts)
        self._to_speak = self.inbox(self._renderer.render, queue=lossless(), worker=_ENGINE)
        self._rendered = self.inbox(lambda _: self._step(), queue=latest_only(), worker="main")
        self.every(_STEP_S, self._step)
        self._tell_speaking(False)

    def on_deactivating(self) -> None:
        """Wait for no program."""
        if self._renderer is not None:
            self._renderer.interrupt()

    def on_deactivated(self) -> None:
        """Stop in the middle of a word; nothing of a program stays behind."""
        self._mouth.silence()
        self._release()
        self._tell_speaking(False)

    def on_cleaned_up(self) -> None:
        """Give everything back, also after a failure."""
        self._release()

    def on_params_changed(self) -> None:
        """Use another voice or pace from the next text on."""
        if self._renderer is not None:
            self._renderer.voice = self._voice()

    def health(self) -> Iterable[Health]:
        """Who speaks, where it is to be heard, and how it goes."""
        if self._renderer is None:
            return
        yield from self._renderer.health()
        if self._card_problem:
            yield Health("loudspeaker", HealthLevel.ERROR, self._card_problem)
        elif self._loudspeaker is not None:
            yield Health("loudspeaker", HealthLevel.OK, "ready")
        if self.active:
            yield self._speech_health()

    # What comes in --------------------------------------------------------------------------------

    def _on_answer(self, message: String) -> None:
        if self.params.speak_answers:
            self._say(message.data, Importance.ANSWER, "answer")

    def _on_summary(self, message: String) -> None:
        if self.params.speak_summaries:
            text = message.data.rpartition(_AUTHOR_LINE)[0] or message.data
            self._say(text, Importance.SUMMARY, "summary")

    def _on_events(self, message: DiagnosticArray) -> None:
        topic = self.resolve_topic_name("safety/events")
        for status in message.status:
            try:
                self._on_event(DiagnosticArray(status=[status]))
            except InvalidInput as fault:  # the other events of the array are good
                self.bad_input(topic, fault)

    def _on_event(self, message: DiagnosticArray) -> None:
        for event in events_from_msg(message):
            if event.phase is EventPhase.ENDED:
                self._queue.withdraw(event.event_id)
            elif self.params.speak_alarms and self._alarms.admits(event, self.now_ns()):
                self._say(event.message, Importance.ALARM, "safety/events", event.event_id)

    def _say(self, text: str, importance: Importance, topic: str, key: str = "") -> None:
        params: SpeechSynthesizerParams = self.params
        fit = speakable(text, params.max_characters, params.voice)
        for notice in fit.notices:
            self.bad_input(self.resolve_topic_name(topic), notice)
        if not self.active:  # the worker is drained
            return
        cut = self._mouth.say(Utterance(fit.text, importance, self.now_ns(), key))
        if cut and self._loudspeaker is not None:
            self._loudspeaker.hush()
        self._step()

    # What goes out --------------------------------------------------------------------------------

    def _begin(self, speech: Speech) -> None:
        self._to_speak.put(speech)

    def _on_rendered(self) -> None:
        self._rendered.put(None)

    def _step(self) -> None:
        if not self.active:  # the worker is drained
            return
        turn = self._mouth.step(self.now_ns())
        if turn.speaking:
            self._tell_speaking(True)  # before the sound, so that nobody listens to it
        for piece in turn.sound:
            if self._loudspeaker is not None:
                self._play(piece.samples, piece.sample_rate_hz)
            if self.params.publish_audio:
                self._tell_format(piece.sample_rate_hz)
                data = piece.samples.astype("<i2").tobytes()
                self._audio.publish(stamped_from_bytes(data, piece.stamp_ns, self.params.frame_id))
        if not turn.speaking:
            if self._loudspeaker is not None and self._loudspeaker.waiting:
                return  # the device is behind
            self._tell_speaking(False)

    def _tell_format(self, sample_rate_hz: int) -> None:
        if sample_rate_hz != self._sample_rate_hz:
            self._sample_rate_hz = sample_rate_hz
            self._info.publish(info_to_msg(AudioFormat(sample_rate_hz, 1, "S16LE")))

    def _tell_speaking(self, speaking: bool) -> None:
        if speaking == self._speaking:
            return
        self._speaking = speaking
        self._speaking_out.publish(Bool(data=speaking))
        if not speaking and self._loudspeaker is not None:
            self._loudspeaker.finish()

    def _play(self, samples: Any, sample_rate_hz: int) -> None:
        assert self._loudspeaker is not None
        try:
            self._loudspeaker.play(samples, sample_rate_hz)
        except NoSoundCard as error:
            self._tell_card_problem(str(error))
        else:
            self._card_problem = ""

    # Faults ---------------------------------------------------------------------------------------

    def _try_loudspeaker(self) -> None:
        self._card_problem = ""
        if self._loudspeaker is not None:
            try:
                self._loudspeaker.try_out()
            except NoSoundCard as error:
                self._tell_card_problem(str(error))

    def _tell_card_problem(self, problem: str) -> None:
        if problem != self._card_problem:
            self._card_problem = problem
            self.get_logger().error(problem)
            self.tell(Health("loudspeaker", HealthLevel.ERROR, problem))

    def _on_failure(self, reason: str) -> None:
        self.bad_input("speech program", InvalidInput("failed", reason))

    def _speech_health(self) -> Health:
        lost = self._queue.lost
        values = {
            "said": str(self._mouth.said),
            "cut": str(self._mouth.cut),
            "waiting": str(len(self._queue)),
            **{f"lost_{why}": str(count) for why, count in lost.items()},
            "engine": self._renderer.last_engine if self._renderer else "",
        }
        if lost["full"] or lost["old"]:
            message = f"{lost['full'] + lost['old']} texts were not said: there are too many"
            return Health("speech", HealthLevel.WARN, message, values)
        return Health("speech", HealthLevel.OK, "speaks" if self._speaking else "quiet", values)

    def _voice(self) -> Voice:
        return Voice(self.params.voice, self.params.words_per_minute)

    def _release(self) -> None:
        if self._renderer is not None:
            self._renderer.close()
        if self._loudspeaker is not None:
            self._loudspeaker.close()


def main() -> None:
    """Run the node as a program."""
    run_node(SpeechSynthesizerNode)

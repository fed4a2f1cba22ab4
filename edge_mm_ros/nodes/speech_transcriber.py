"""The node ``speech_transcriber``: sound in, what was said out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from audio_common_msgs.msg import AudioData, AudioDataStamped, AudioInfo
from hri_msgs.msg import LiveSpeech
from std_msgs.msg import Bool, String

from edge_mm_ros.datatypes import AudioChunk, Health, HealthLevel, InvalidInput
from edge_mm_ros.nodes.model_trial import model_trial
from edge_mm_ros.nodes.models import default_model_host, model_health
from edge_mm_ros.nodes.recognizer_switch import RECOGNITION, RecognizerSwitchNode
from edge_mm_ros.nodes.running import run_node
from edge_mm_ros.params import ParameterError
from edge_mm_ros.params.speech_transcriber import SpeechTranscriberParams
from edge_mm_ros.pipelines.transcription import (
    OwnVoice,
    ReceptionStamps,
    Recognizer,
    Utterance,
    UtteranceFinder,
    WakePhrase,
    without_outdated,
)
from edge_mm_ros.ros.conversions.audio import (
    AudioFormat,
    chunk_from_data,
    chunk_from_stamped,
    format_from_info,
)
from edge_mm_ros.ros.conversions.speech import transcript_to_msg, words_to_msg
from edge_mm_ros.ros.qos import AUDIO, LATCHED, RELIABLE
from edge_mm_ros.ros.work_queue import drop_oldest, latest_only, lossless
from edge_mm_ros.runtime import ModelHost

_LISTENING = "audio"
_STALL_CHECK_S = 0.5
_TRIED_AT_CONFIGURE = ("voice_activity_model", "transcription_model", "language")


class SpeechTranscriberNode(RecognizerSwitchNode):
    """Publishes what is said: ``audio`` and ``audio_info`` to ``speech`` and ``voice_activity``.

    One worker listens, a second one recognises, so that a long recognition loses no sound. What is
    said while the robot speaks itself (``speaking``) is left out.
    """

    params_type = SpeechTranscriberParams

    def __init__(
        self, host: ModelHost | None = None, name: str = "speech_transcriber", **options: Any
    ) -> None:
        super().__init__(name, **options)
        self._host = host or default_model_host()
        self._models_tried = False
        self._format: AudioFormat | None = None
        self._stamps = ReceptionStamps()
        self._heard_ns: int | None = None
        self._chunks_lost = 0
        self._speaking = False
        self._utterances = 0
        self._transcripts = 0
        self._refusal = ""
        self._dropped_told = 0

    def on_configured(self) -> None:
        """Try both models and make the publishers."""
        self._try_models()
        self._speech = self.advertise(LiveSpeech, "speech", RELIABLE)
        self._words = self.advertise(String, "speech/words", RELIABLE)
        self._question = self.advertise(String, "question", RELIABLE)
        self._voice_activity = self.advertise(Bool, "voice_activity", LATCHED)

    def on_activated(self) -> None:
        """Begin to listen."""
        params = self.params
        self._format = AudioFormat(params.sample_rate_hz, params.channels, params.sample_format)
        self._stamps.reset()
        self._heard_ns = None
        self._utterances = self._transcripts = 0
        self._refusal = ""
        self._dropped_told = self._chunks_lost = 0
        self._finder = UtteranceFinder(
            self._host,
            params,
            lambda fault: self.bad_input(self.resolve_topic_name("audio"), fault),
        )
        self._own_voice, self._wake_phrase = OwnVoice(), WakePhrase()
        self._overtaken_ns: int | None = None
        self.begin_recognition()
        if params.preload:
            self._host.preload(params.voice_activity_model)
            self._host.preload(params.transcription_model)
        stamped = params.audio_type == "AudioDataStamped"
        self._chunks = self.listen(
            AudioDataStamped if stamped else AudioData,
            "audio",
            self._on_stamped if stamped else self._on_data,
            qos=AUDIO,
            queue=drop_oldest(params.audio_queue),
            worker=_LISTENING,
        )
        self.listen(AudioInfo, "audio_info", self._on_info, qos=LATCHED, worker=_LISTENING)
        self.listen(
            Bool, "speaking", self._on_speaking, qos=LATCHED, queue=lossless(), worker=_LISTENING
        )
        self.every(_STALL_CHECK_S, self._end_stalled_speech, worker=_LISTENING)
        self._waiting = self.inbox(
            self._on_utterance, queue=drop_oldest(params.utterance_queue), worker=RECOGNITION
        )
        self._hypotheses = self.inbox(self._on_hypothesis, queue=latest_only(), worker=RECOGNITION)
        self._tell_voice(False)

    def on_deactivated(self) -> None:
        """Recognise what was being said."""
        for utterance in self._finder.flush():
            if utterance.complete:
                self._on_utterance(utterance)
        self._recognizer = None
        self._tell_voice(False)

    def on_cleaned_up(self) -> None:
        """Other models may be named from now on."""
        self._models_tried = False

    def check_params(self, new: SpeechTranscriberParams) -> None:
        """Refuse other models, or another language, than configure has tried.

        While the node is active another recogniser is tried beside the one that serves.
        """
        if self.active:
            self.check_recognizer(new)
            return
        for name in _TRIED_AT_CONFIGURE:
            if self._models_tried and getattr(new, name) != getattr(self.params, name):
                raise ParameterError(
                    f"parameter '{name}' cannot change while the node is configured; clean up first"
                )

    def on_params_changed(self) -> None:
        """Use new thresholds from the next sound on, and another recogniser once it is ready."""
        self._finder.params = self.params
        self.use_changed_params()

    def health(self) -> Iterable[Health]:
        """Both models, and how the listening goes."""
        if self.params is None:
            return ()
        return (
            *(model_health(self._host, name) for name in self.model_names()),
            *([self._listening_health()] if self.active else []),
        )

    def _try_models(self) -> None:
        """Run both once: what is wrong with a file, an option or the language shows only then.

        Without ``preload`` they are unloaded again, and loaded when somebody speaks.
        """
        params = self.params
        voice, speech = params.voice_activity_model, params.transcription_model
        self.check_task(voice, "voice_activity")
        self.check_task(speech, "transcription")
        with model_trial(self._host, voice, speech, keep=params.preload):
            UtteranceFinder(self._host, params).warm_up()
            Recognizer(self._host, params).warm_up()
        self._models_tried = True

    def _on_info(self, message: AudioInfo) -> None:
        # Until a format is told that can be read, guessing would turn sound into noise.
        self._format = None
        self._format = format_from_info(message)

    def _on_stamped(self, message: AudioDataStamped) -> None:
        self._hear(chunk_from_stamped(message, self._known_format()))

    def _on_data(self, message: AudioData) -> None:
        received_ns = self.now_ns()
        chunk = chunk_from_data(message, self._known_format(), received_ns, self.params.frame_id)
        stamp_ns = self._stamps.stamp(received_ns, chunk.duration_ns)
        self._hear(replace(chunk, stamp_ns=stamp_ns))

    def _known_format(self) -> AudioFormat:
        if self._format is None:
            raise InvalidInput(
                "unknown_format",
                "audio is left out until 'audio_info' tells a format that is supported",
            )
        return self._format

    def _on_speaking(self, message: Bool) -> None:
        self._own_voice.tell(bool(message.data), self.params)

    def _hear(self, chunk: AudioChunk) -> None:
        self._note_lost_chunks()
        # Refuses sound that cannot be understood.
        utterances = self._finder.push(self._own_voice.filtered(chunk, self.params))
        first = self._heard_ns is None
        self._heard_ns = self.now_ns()
        if first:  # who watches the microphone should not wait for the next second
            self.tell(self._listening_health())
        self._hand_over(utterances)
        self._tell_voice(self._finder.speaking)

    def _note_lost_chunks(self) -> None:
        lost, self._chunks_lost = self._chunks.dropped - self._chunks_lost, self._chunks.dropped
        if lost:
            fault = InvalidInput(
                "overflow",
                f"{lost} chunks of audio were dropped: sound comes faster than it is heard; "
                "raise 'audio_queue', or find what takes the processor's time",
            )
            self.bad_input(self.resolve_topic_name("audio"), fault)
            self._finder.expect_gap()

    def _hand_over(self, utterances: Iterable[Utterance]) -> None:
        for utterance in without_outdated(utterances):
            if utterance.complete:
                self._overtaken_ns = utterance.start_ns
                self._waiting.put(utterance)
            else:
                self._hypotheses.put(utterance)

    def _end_stalled_speech(self) -> None:
        """Without sound there is no silence that could end an utterance."""
        silent_s = self._silent_s()
        if silent_s is not None and silent_s > self.params.stall_s and self._finder.speaking:
            self._hand_over(self._finder.flush())
            self._tell_voice(False)

    def _on_hypothesis(self, utterance: Utterance) -> None:
        if utterance.start_ns == self._overtaken_ns:  # the whole of it waits already
            return
        if not self._finder.will_outdate(utterance, self.recognizer.has_told(utterance)):
            self._recognize(utterance)

    def _on_utterance(self, utterance: Utterance) -> None:
        self._utterances += 1
        self._recognize(utterance)

    def _recognize(self, utterance: Utterance) -> None:
        recognition = self.recognizer.recognize(utterance)
        if recognition.refused:
            self._refusal = recognition.refused[-1]
        transcript = recognition.transcript
        if transcript is None:
            return
        self._transcripts += transcript.is_final
        self._speech.publish(transcript_to_msg(transcript))
        self._words.publish(words_to_msg(transcript))
        params = self.params
        question = self._wake_phrase.question(transcript, params.wake_phrase, params.wake_window_s)
        if question:
            self._question.publish(String(data=question))

    def _tell_voice(self, speaking: bool) -> None:
        if speaking != self._speaking or not self._voice_activity.sent:
            self._speaking = speaking
            self._voice_activity.publish(Bool(data=speaking))

    def _silent_s(self) -> float | None:
        heard_ns = self._heard_ns
        return None if heard_ns is None else (self.now_ns() - heard_ns) / 1e9

    def _listening_health(self) -> Health:
        silent_s = self._silent_s()
        values = {
            "utterances": str(self._utterances),
            "transcripts": str(self._transcripts),
            "waiting": str(self._waiting.waiting),
            "dropped": str(self._waiting.dropped),
            "last_refusal": self._refusal,
            "robot_speaks": str(self._own_voice.speaking).lower(),
            "muted": str(self._own_voice.mutes).lower(),
        }
        if silent_s is None:
            return Health("speech", HealthLevel.WARN, "no audio was heard yet", values)
        if silent_s > self.params.stall_s:
            message = f"no audio for {silent_s:.1f} s"
            return Health("speech", HealthLevel.WARN, message, values)
        if self._waiting.dropped > self._dropped_told:
            self._dropped_told = self._waiting.dropped
            message = "recognition is too slow: utterances were dropped"
            return Health("speech", HealthLevel.WARN, message, values)
        if self._own_voice.disbelieved:
            message = f"'speaking' is true for over {self.params.max_mute_s:g} s: not believed"
            return Health("speech", HealthLevel.WARN, message, values)
        message = "somebody speaks" if self._speaking else "listening"
        if self._own_voice.mutes:
            message = "muted while the robot speaks"
        return Health("speech", HealthLevel.OK, message, values)


def main() -> None:
    """Run the node as a program."""
    run_node(SpeechTranscriberNode)

"""Parameters of ``speech_transcriber``."""

from __future__ import annotations

from typing import Literal

from pydantic import model_validator

from edge_mm_ros.params.base import NodeParams, parameter


class SpeechTranscriberParams(NodeParams):
    """From sound to text: input format, utterances, recognition, and guards against inventions."""

    transcription_model: str = parameter(
        "whisper_tiny_en",
        "Manifest of the speech recogniser; a change while it is active swaps the model.",
        live=True,
        min_length=1,
    )
    voice_activity_model: str = parameter(
        "silero_vad", "Manifest of the voice activity detector.", min_length=1
    )
    preload: bool = parameter(
        True, "Load and warm both models on activation; else at their first use."
    )
    language: str = parameter(
        "",
        "Language of the speech (ISO 639-1); empty: the model detects it.",
        live=True,
        max_length=16,
    )

    audio_type: Literal["AudioDataStamped", "AudioData"] = parameter(
        "AudioDataStamped", "Message type of the topic 'audio'; AudioData gets reception stamps."
    )
    frame_id: str = parameter("microphone", "Frame of audio that comes without a header.")
    sample_rate_hz: int = parameter(
        16_000, "Sample rate until 'audio_info' tells it.", unit="Hz", ge=8_000, le=48_000
    )
    channels: int = parameter(1, "Channels until 'audio_info' tells them.", ge=1, le=32)
    sample_format: Literal["S16LE", "S32LE", "F32LE"] = parameter(
        "S16LE", "Sample format until 'audio_info' tells it."
    )
    audio_queue: int = parameter(
        600, "Chunks that wait at most; the oldest are dropped and counted.", ge=1, le=100_000
    )
    utterance_queue: int = parameter(
        32, "Utterances that wait for recognition at most.", ge=1, le=1_000
    )

    speech_threshold: float = parameter(
        0.5, "Voice probability from which on sound is speech.", live=True, gt=0.0, lt=1.0
    )
    silence_threshold: float = parameter(
        0.35, "Voice probability below which sound is silence.", live=True, gt=0.0, lt=1.0
    )
    min_speech_s: float = parameter(
        0.1, "Shorter bursts of voice are no utterance.", unit="s", live=True, ge=0.0, le=5.0
    )
    incremental: bool = parameter(
        True, "Publish the words of an utterance while it goes on.", live=True
    )
    hypothesis_step_s: float = parameter(
        0.3,
        "Speech after which a growing utterance is recognised again; in its first 1.2 s, half.",
        unit="s",
        live=True,
        ge=0.1,
        le=5.0,
    )
    settle_s: float = parameter(
        0.2, "Silence after which the words so far are whole.", unit="s", live=True, ge=0.06, le=2.0
    )
    end_silence_s: float = parameter(
        0.5, "Silence that ends an utterance.", unit="s", live=True, ge=0.1, le=5.0
    )
    pre_roll_s: float = parameter(
        0.3, "Sound kept before and after the speech.", unit="s", live=True, ge=0.0, le=2.0
    )
    max_utterance_s: float = parameter(
        14.0, "Longer speech is cut at its best pause.", unit="s", live=True, ge=2.0, le=15.0
    )
    context_s: float = parameter(
        3.0,
        "Sound with words that were told already, which is heard again before what is new.",
        unit="s",
        live=True,
        ge=0.0,
        le=12.0,
    )
    stall_s: float = parameter(
        1.5, "Time without audio after which what was said is finished.", unit="s", ge=0.2, le=60.0
    )

    urgent_phrases: tuple[str, ...] = parameter(
        ("stop", "help"),
        "Words told as soon as two hypotheses agree on them, and believed on weaker evidence.",
        live=True,
    )
    wake_phrase: str = parameter(
        "", "What follows this phrase is published as 'question'; empty: nothing is.", live=True
    )
    wake_window_s: float = parameter(
        6.0,
        "Time after the bare phrase in which the question may begin.",
        unit="s",
        live=True,
        gt=0.0,
        le=60.0,
    )
    mute_tail_s: float = parameter(
        0.4,
        "Sound left out after the robot itself has spoken.",
        unit="s",
        live=True,
        ge=0.0,
        le=5.0,
    )
    max_mute_s: float = parameter(
        60.0,
        "Sound after which a 'speaking' that does not end is not believed.",
        unit="s",
        live=True,
        gt=0.0,
        le=3600.0,
    )

    max_no_speech: float = parameter(
        0.5,
        "The recogniser's no-speech probability above which text is refused.",
        live=True,
        ge=0.0,
        le=1.0,
    )
    min_log_probability: float = parameter(
        -1.0, "Mean log probability of the text below which it is refused.", live=True, le=0.0
    )
    max_compression_ratio: float = parameter(
        2.4, "Compression ratio above which text is a loop of itself.", live=True, gt=1.0
    )

    @model_validator(mode="after")
    def _thresholds_are_ordered(self) -> SpeechTranscriberParams:
        if self.silence_threshold > self.speech_threshold:
            raise ValueError(
                f"silence_threshold {self.silence_threshold:g} must not be above "
                f"speech_threshold {self.speech_threshold:g}"
            )
        return self

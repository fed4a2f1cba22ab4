"""Parameters of ``speech_synthesizer``."""

from __future__ import annotations

from typing import Literal

from pydantic import model_validator

from edge_mm_ros.params.base import NodeParams, parameter


class SpeechSynthesizerParams(NodeParams):
    """What is said, by which program, and where it is to be heard."""

    engines: tuple[Literal["piper", "espeak_ng"], ...] = parameter(
        ("piper", "espeak_ng"),
        "Programs that may speak; the first that can does. Piper can where 'piper_voice' is given.",
        min_length=1,
    )
    piper_voice: str = parameter(
        "", "Piper's voice, an .onnx file with its .onnx.json beside it; empty: no Piper."
    )
    piper_program: str = parameter("piper", "Name or path of Piper's program.", min_length=1)
    espeak_program: str = parameter("espeak-ng", "Name or path of espeak-ng.", min_length=1)
    voice: str = parameter(
        "en",
        "Language or voice of espeak-ng, which `espeak-ng --voices` lists.",
        live=True,
        pattern=r"^[A-Za-z][A-Za-z0-9_+-]{0,63}$",
    )
    words_per_minute: int = parameter(165, "Pace of the speech.", live=True, ge=80, le=450)
    require_engine: bool = parameter(
        False, "Refuse to configure where nothing can speak, instead of only telling it."
    )

    play: bool = parameter(True, "Play the speech on this machine's loudspeaker.")
    device: str = parameter(
        "", "Name of the loudspeaker, a part of it, or its number; empty: the system's default."
    )
    publish_audio: bool = parameter(
        False, "Publish the speech on 'speech_audio', for robots with loudspeakers of their own."
    )
    frame_id: str = parameter("loudspeaker", "Frame of what is published on 'speech_audio'.")

    speak_answers: bool = parameter(True, "Say each 'answer'.", live=True)
    speak_summaries: bool = parameter(False, "Say each 'summary'.", live=True)
    alarm_levels: tuple[Literal["caution", "danger", "unknown"], ...] = parameter(
        ("danger",), "Levels of 'safety/events' that are said as alarms, before all else."
    )
    speak_alarms: bool = parameter(True, "Say alarms.", live=True)
    alarm_repeat_s: float = parameter(
        30.0,
        "The same event, or the same sentence, is said again after so long at the earliest.",
        unit="s",
        ge=0.0,
        le=3600.0,
    )
    max_alarm_age_s: float = parameter(
        5.0, "Older events are not said any more.", unit="s", gt=0.0, le=60.0
    )

    max_characters: int = parameter(
        500, "A longer text is cut after a sentence.", live=True, ge=20, le=4000
    )
    queue_size: int = parameter(
        10, "Texts that wait at most; the least important goes.", ge=1, le=100
    )
    max_wait_s: float = parameter(
        30.0, "A text that waited longer is not said any more.", unit="s", gt=0.0, le=600.0
    )
    engine_timeout_s: float = parameter(
        5.0, "A program that gives nothing for so long is ended.", unit="s", ge=0.2, le=9.0
    )
    max_speech_s: float = parameter(
        90.0, "A program is ended after so much sound of one text.", unit="s", ge=5.0, le=600.0
    )

    @model_validator(mode="after")
    def _speech_is_possible(self) -> SpeechSynthesizerParams:
        if not self.play and not self.publish_audio:
            raise ValueError("set play or publish_audio, else nobody can hear the speech")
        if set(self.engines) == {"piper"} and not self.piper_voice:
            raise ValueError("engines names piper alone, which needs piper_voice")
        return self

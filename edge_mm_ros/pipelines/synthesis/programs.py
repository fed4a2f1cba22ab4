"""Text-to-speech programs: each utterance is a process of its own, which can be ended by its id.

A text reaches a program through its standard input only, never through a shell or an argument.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import sys
from pathlib import Path

from edge_mm_ros.params.speech_synthesizer import SpeechSynthesizerParams
from edge_mm_ros.pipelines.synthesis.engines import EngineFailed, SpeechEngine, Voice
from edge_mm_ros.pipelines.synthesis.program_rendering import (
    Limits,
    ProgramRendering,
    RawSound,
    Running,
    start,
)
from edge_mm_ros.pipelines.synthesis.wav_stream import WavStream

_PIPER_WORDS_PER_MINUTE = 165.0  # about what its English voices speak at their own pace


def engines_of(params: SpeechSynthesizerParams) -> tuple[SpeechEngine, ...]:
    """The engines that the parameters name, in their order; Piper only where it has a voice."""
    limits = Limits(params.engine_timeout_s, params.max_speech_s)
    made: dict[str, SpeechEngine] = {"espeak_ng": EspeakNg(params.espeak_program, limits)}
    if params.piper_voice:
        made["piper"] = Piper(params.piper_program, params.piper_voice, limits)
    return tuple(made[name] for name in params.engines if name in made)


def find_program(name: str) -> str:
    """The path of a program, also beside this Python; empty where it is not installed."""
    beside = str(Path(sys.executable).parent)
    return shutil.which(name) or shutil.which(name, path=beside) or ""


class EspeakNg:
    """The program ``espeak-ng``: small, quick, over a hundred languages."""

    name = "espeak-ng"

    def __init__(self, program: str, limits: Limits) -> None:
        self._program = program
        self._limits = limits

    def problem(self) -> str:
        """Whether the program is there."""
        if find_program(self._program):
            return ""
        return (
            f"the program '{self._program}' is not installed; install it with: "
            "apt install espeak-ng"
        )

    def begin(self, text: str, voice: Voice) -> ProgramRendering:
        """Start the program on a text."""
        options = ("-b", "1", "-v", voice.name, "-s", str(voice.words_per_minute))
        argv = (find_program(self._program), "--stdin", "--stdout", "-z", *options)
        running = start(self.name, argv)
        return ProgramRendering(self.name, running, text, WavStream(), self._limits)

    def warm_up(self, voice: Voice) -> None:
        """It is quick enough."""

    def close(self) -> None:
        """Nothing runs between two texts."""


class Piper:
    """The program ``piper`` with a neural voice (an ``.onnx`` file and its ``.onnx.json``).

    Its voice takes a second to load, so one process with the voice loaded waits for the next text.
    """

    name = "piper"

    def __init__(self, program: str, voice_file: str, limits: Limits) -> None:
        self._program = program
        self._voice_file = Path(voice_file).expanduser()
        self._limits = limits
        self._spare: Running | None = None
        self._pace = 0

    def problem(self) -> str:
        """Whether program and voice are there."""
        if not find_program(self._program):
            return (
                f"the program '{self._program}' is not installed; install it with: "
                "pip install piper-tts"
            )
        try:
            self._sample_rate_hz()
        except EngineFailed as error:
            return str(error)
        return ""

    def begin(self, text: str, voice: Voice) -> ProgramRendering:
        """Give the text to the process that waits, and start the next one."""
        sound = RawSound(self._sample_rate_hz())
        running, self._spare = self._spare, None
        if running is None or self._pace != voice.words_per_minute or running.ended:
            if running is not None:
                running.release()
            running = self._start(voice)
        rendering = ProgramRendering(self.name, running, text, sound, self._limits)
        self._spare = self._start(voice)
        return rendering

    def warm_up(self, voice: Voice) -> None:
        """Let a process load the voice for the first text."""
        if self._spare is None and not self.problem():
            with contextlib.suppress(EngineFailed):  # the first text shows it
                self._spare = self._start(voice)

    def close(self) -> None:
        """End the process that waits."""
        if self._spare is not None:
            self._spare.release()
            self._spare = None

    def _start(self, voice: Voice) -> Running:
        self._pace = voice.words_per_minute
        scale = f"{_PIPER_WORDS_PER_MINUTE / voice.words_per_minute:.3f}"
        options = ("--model", str(self._voice_file), "--output_raw", "--length_scale", scale)
        return start(self.name, (find_program(self._program), *options))

    def _sample_rate_hz(self) -> int:
        config = Path(f"{self._voice_file}.json")
        for path in (self._voice_file, config):
            if not path.is_file():
                raise EngineFailed(
                    f"the Piper voice {path} is not there; correct 'piper_voice', or get one "
                    "with: python -m piper.download_voices"
                )
        try:
            rate_hz = json.loads(config.read_text(encoding="utf-8"))["audio"]["sample_rate"]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise EngineFailed(f"{config} does not tell a sample rate ({error!r})") from error
        if not isinstance(rate_hz, int) or not 8_000 <= rate_hz <= 48_000:
            raise EngineFailed(f"{config}: sample rate {rate_hz!r} is none of 8000 to 48000 Hz")
        return rate_hz

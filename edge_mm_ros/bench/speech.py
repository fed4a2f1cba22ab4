"""Speech recognition live: word errors, delays, inventions, spoken commands."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from edge_mm_ros.backends import BackendRegistry
from edge_mm_ros.backends.engines import missing_package
from edge_mm_ros.bench.bare_engines import BareWhisper
from edge_mm_ros.bench.live_speech import (
    Told,
    final_delays_s,
    finals,
    first_delays_s,
    padded,
    tell_live,
)
from edge_mm_ros.bench.material import LANGUAGE
from edge_mm_ros.bench.result import Bar, BenchResult, Measure
from edge_mm_ros.bench.speech_material import (
    RATE_HZ,
    Recording,
    Sound,
    non_speech,
    recordings,
    with_noise,
)
from edge_mm_ros.bench.whole_utterance import WholeUtterances, hear_whole_utterances
from edge_mm_ros.datatypes import AudioChunk, EdgeMmError, Transcript
from edge_mm_ros.model_repository import ModelRepository
from edge_mm_ros.params.runtime import RuntimeParams
from edge_mm_ros.params.safety_rules import KeywordRule, words_of
from edge_mm_ros.params.speech_transcriber import SpeechTranscriberParams
from edge_mm_ros.pipelines.monitoring.keywords import KeywordListener
from edge_mm_ros.pipelines.stamps import NS_PER_S
from edge_mm_ros.pipelines.transcription import TranscriptionPipeline
from edge_mm_ros.runtime import ModelHost

NOISE_S = 600.0
STOPS = 10
SNR_DB = 10.0
MAX_WER_POINTS = 1.0
MAX_FINAL_S = 0.7
MAX_FIRST_S = 1.2
MAX_STOP_S = 0.6
_WINDOW_S = 5.0
_STOP = "stop"
_OPENAI_WHISPER = ("torch", "whisper")


@dataclass
class Heard:
    """What was measured.

    Attributes:
        whole, streamed, noisy, windows: error rates over all recordings, 0 to 1: the same model on
            the whole file, live, live in noise, and bare on windows of 5 s.
        final_s: from each end of speech to its final text.
        first_s: from the end of each first word to the first text.
        window_s: from each end of speech to the text of its window of 5 s.
        openai: openai-whisper on the utterances; None where it is not installed.
        openai_errors: its error rate, 0 to 1.
        stop_s: from the end of each spoken "stop" to its event; infinite where there was none.
        invented: words by kind of noise, where there were any.
        noise_s: how much noise was heard.
        names: of the recordings.
    """

    whole: float = math.nan
    streamed: float = math.nan
    noisy: float = math.nan
    windows: float = math.nan
    final_s: list[float] = field(default_factory=list)
    first_s: list[float] = field(default_factory=list)
    window_s: list[float] = field(default_factory=list)
    openai: WholeUtterances | None = None
    openai_errors: float = math.nan
    stop_s: list[float] = field(default_factory=list)
    invented: dict[str, str] = field(default_factory=dict)
    noise_s: float = 0.0
    names: tuple[str, ...] = ()


def run(
    spoken: Sequence[Recording] | None = None,
    noise_s: float = NOISE_S,
    stops: int = STOPS,
) -> BenchResult:
    """Measure.

    Args:
        spoken: recordings whose text is known, one of which begins with "stop"; None: all that
            there are.
        noise_s: length of all sound in which nobody speaks, seconds.
        stops: how often "stop" is said.
    """
    spoken = recordings() if spoken is None else spoken
    # A lower scheduling priority would let whatever else runs on the machine slow one side alone.
    host = ModelHost(
        ModelRepository(), BackendRegistry.from_entry_points(), RuntimeParams(priorities=False)
    )
    params = SpeechTranscriberParams(language=LANGUAGE)
    heard = Heard(names=tuple(each.name for each in spoken))
    try:
        bare = BareWhisper()
        heard.whole = _error_rate(spoken, [bare(each.samples) for each in spoken])
        lives = [tell_live(host, params, padded(each.samples)) for each in spoken]
        heard.streamed = _error_rate(spoken, [_text(finals(told)) for told in lives])
        heard.final_s = [delay for told in lives for delay in final_delays_s(told)]
        heard.first_s = [delay for told in lives for delay in first_delays_s(told)]
        _hear_windows(bare, spoken, lives, heard)
        heard.noisy = _error_rate(
            spoken,
            [
                " ".join(_texts(host, params, with_noise(padded(each.samples), SNR_DB)))
                for each in spoken
            ],
        )
        heard.stop_s = [
            stop_delay_s(tell_live(host, params, padded(_stop(spoken), 0.5 + 0.037 * index)))
            for index in range(stops)
        ]
        for name, noise in non_speech(noise_s, [each.samples for each in spoken]):
            heard.noise_s += len(noise) / RATE_HZ
            if text := " ".join(_texts(host, params, noise)):
                heard.invented[name] = text
        if not missing_package(*_OPENAI_WHISPER):  # last, as PyTorch's threads spin
            heard.openai = hear_whole_utterances([padded(each.samples) for each in spoken], lives)
            heard.openai_errors = _error_rate(spoken, heard.openai.texts)
    finally:
        host.close()
    return result(heard)


def result(heard: Heard) -> BenchResult:
    """Measures and bars of what was heard."""
    invented = sum(len(text.split()) for text in heard.invented.values())
    return BenchResult(
        "speech",
        (
            Measure.of("word error rate of the whole file", "%", [100 * heard.whole]),
            Measure.of("word error rate live", "%", [100 * heard.streamed]),
            Measure.of(f"word error rate live in noise, {SNR_DB:g} dB", "%", [100 * heard.noisy]),
            Measure.of("word error rate of bare 5 s windows", "%", [100 * heard.windows]),
            Measure.of("end of speech to final text", "s", heard.final_s),
            Measure.of("end of speech to the text of a bare 5 s window", "s", heard.window_s),
            Measure.of("end of the first word to the first text", "s", heard.first_s),
            Measure.of('end of "stop" to its event', "s", heard.stop_s),
            Measure.of("sound without speech", "s", [heard.noise_s]),
            *_openai_measures(heard),
        ),
        (
            Bar.at_most(
                "word error rate live over the whole file",
                100 * (heard.streamed - heard.whole),
                "points",
                MAX_WER_POINTS,
            ),
            Bar.at_most("end of speech to final, p95", _p95(heard.final_s), "s", MAX_FINAL_S),
            Bar.at_most("first word to first text, p95", _p95(heard.first_s), "s", MAX_FIRST_S),
            Bar.at_most("words where nobody speaks", invented, "", 0),
            Bar.at_most('"stop" to its event, p95', _p95(heard.stop_s), "s", MAX_STOP_S),
        ),
        _notes(heard),
    )


def stop_delay_s(told: Sequence[Told]) -> float:
    """From the end of the first spoken "stop" to its event; infinite where there is none."""
    rule = KeywordRule.model_validate(
        {"name": _STOP, "kind": "keyword", "level": "danger", "phrases": (_STOP,)}
    )
    ears = KeywordListener(rule, ("speech",))
    at_s = next((e.at_s for e in told if ears.hear(e.transcript, round(e.at_s * NS_PER_S))), None)
    ends = [
        word.end_ns / NS_PER_S
        for each in told
        if each.transcript.is_final
        for word in each.transcript.words
        if words_of(word.text) == (_STOP,)
    ]
    return math.inf if at_s is None or not ends else at_s - ends[0]


def _openai_measures(heard: Heard) -> list[Measure]:
    if heard.openai is None:
        return []
    what = "openai-whisper on the whole utterance"
    return [
        Measure.of(f"end of speech to the text of {what}", "s", heard.openai.took_s),
        Measure.of(f"word error rate of {what}", "%", [100 * heard.openai_errors]),
    ]


def _notes(heard: Heard) -> tuple[str, ...]:
    notes = [f"recordings: {', '.join(heard.names)}"]
    if "two_cities.wav" not in heard.names:
        notes.append("not measured on two_cities.wav and beckett.wav: no package moonshine-voice")
    if heard.openai is not None:
        notes.append(f"{heard.openai.engine}, with the same weights; the end of speech is given")
    elif missing := missing_package(*_OPENAI_WHISPER):
        notes.append(f"openai-whisper on the whole utterance: not measured, no package {missing}")
    notes += [f"invented from {name}: {text}" for name, text in heard.invented.items()]
    return tuple(notes)


def _hear_windows(
    bare: BareWhisper, spoken: Sequence[Recording], lives: Sequence[list[Told]], heard: Heard
) -> None:
    """The bare engine on windows of 5 s, and when it would tell what was said live."""
    size = round(_WINDOW_S * RATE_HZ)
    texts = []
    for recording, told in zip(spoken, lives):
        sound = padded(recording.samples)
        said, ready_s = [], []
        for begin in range(0, len(sound), size):
            begun_s = time.perf_counter()
            said.append(bare(sound[begin : begin + size]))
            took_s = time.perf_counter() - begun_s
            ready_s.append((begin + size) / RATE_HZ + took_s)
        texts.append(" ".join(said))
        for each in finals(told):
            end_s = each.transcript.end_ns / NS_PER_S
            heard.window_s.append(ready_s[int(end_s // _WINDOW_S)] - end_s)
    heard.windows = _error_rate(spoken, texts)


def _texts(host: ModelHost, params: SpeechTranscriberParams, sound: Sound) -> list[str]:
    """All that is told of sound that is heard as fast as can be."""
    pipeline = TranscriptionPipeline(host, params)
    chunk = RATE_HZ // 10
    told: list[Transcript] = []
    for begin in range(0, len(sound), chunk):
        samples = sound[begin : begin + chunk, None]
        stamp_ns = begin * NS_PER_S // RATE_HZ
        told += pipeline.push(AudioChunk(samples, RATE_HZ, stamp_ns, "microphone"))
    told += pipeline.flush()
    return [each.text for each in told if each.is_final]


def _stop(spoken: Sequence[Recording]) -> Sound:
    """A recording that begins with "stop"; the sample does."""
    for each in spoken:
        if words_of(each.text)[0] == _STOP:
            return each.samples
    raise EdgeMmError('benchmark: no recording begins with "stop"')


def _text(told: Sequence[Told]) -> str:
    return " ".join(each.transcript.text for each in told)


def _error_rate(spoken: Sequence[Recording], texts: Sequence[str]) -> float:
    try:
        import jiwer
    except ImportError as error:
        raise EdgeMmError(
            "word errors need the package jiwer; install it with: pip install edge_mm_ros[test]"
        ) from error
    wanted = [" ".join(words_of(each.text)) for each in spoken]
    return float(jiwer.wer(wanted, [" ".join(words_of(text)) for text in texts]))


def _p95(values: Sequence[float]) -> float:
    return float(np.percentile(values, 95)) if values else math.nan

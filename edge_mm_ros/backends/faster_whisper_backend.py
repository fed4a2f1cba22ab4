"""Whisper through CTranslate2 (package ``faster-whisper``)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from edge_mm_ros.backends import device_memory
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
    TranscriptionResult,
)
from edge_mm_ros.backends.speech_samples import SAMPLE_RATE_HZ, check_samples, primary_language
from edge_mm_ros.backends.whisper_window import MAX_WINDOW_S, Window, transcribe_window
from edge_mm_ros.params.base import StrictModel

_MEND = "install it with: pip install edge_mm_ros[speech]"
# Without its own tokenizer.json the engine would ask a server for one.
_FILES = ("model.bin", "config.json", "tokenizer.json")


CONTEXT_S = 10.0
"""Length that shorter sound is padded to, where the manifest says no other."""


class _Options(StrictModel):
    compute_type: str = Field("", description="Of CTranslate2; empty: int8 (cpu), float16 (cuda).")
    beam_size: int = Field(1, ge=1, le=16)
    threads: int = Field(0, ge=0, le=256, description="0: the cores of the process's share.")
    context_s: float = Field(
        CONTEXT_S, ge=5.0, le=30.0, description="Shorter sound is padded to it."
    )


class FasterWhisperBackend:
    """Loads Whisper models that were converted for CTranslate2; never downloads anything."""

    name = "faster_whisper"

    def probe(self, device: str) -> Probe:
        """Whether the package is there and, for ``cuda`` or ``cuda:N``, whether a GPU is."""
        kind, _, index = device.partition(":")
        if kind not in {"cpu", "cuda"} or (index and not index.isdigit()):
            return Probe(False, f"faster_whisper runs on cpu, cuda or cuda:N, not on '{device}'")
        if package := missing_package("faster_whisper", "ctranslate2"):
            return Probe(False, f"the package {package} is missing; {_MEND}")
        if kind == "cpu":
            return Probe(True)
        return probe_cuda("ctranslate2", _cuda_devices, device_index(device))

    def load(
        self, artifact: ModelArtifact, device: str, options: Mapping[str, Any]
    ) -> FasterWhisperModel:
        """Load a model folder.

        Args:
            artifact: its path is a folder with model.bin, config.json and tokenizer.json.
            device: ``cpu``, ``cuda`` or ``cuda:N``.
            options: ``compute_type``, ``beam_size``, ``threads``, ``context_s``.

        Raises:
            BackendError: the package or a file is missing, or the engine refuses the files.
        """
        where = f"model '{artifact.name}'"
        chosen = checked_options(_Options, options, f"{where}: options of {self.name}")
        probe = self.probe(device)
        if not probe.available:
            raise BackendError(f"{where}: {probe.reason}")
        for file in _FILES:
            path = artifact.path / file
            if not path.is_file() or path.stat().st_size == 0:
                raise BackendError(f"{where}: {path} is missing or empty; get the model again")
        return FasterWhisperModel(artifact, device, chosen)


class FasterWhisperModel:
    """A loaded Whisper; its calls may come from any thread."""

    def __init__(self, artifact: ModelArtifact, device: str, options: _Options) -> None:
        self._name = artifact.name
        self._beam_size = options.beam_size
        self._context_s = options.context_s
        engine = import_engine("faster_whisper", _MEND)
        self._engine = engine
        kind = device.partition(":")[0]
        index = device_index(device)
        free = None if kind == "cpu" else device_memory.free_device_bytes(index)
        threads = options.threads or usable_cores()
        before = resident_bytes()
        try:
            self._model: Any = engine.WhisperModel(
                str(artifact.path),
                device=kind,
                device_index=index,
                compute_type=options.compute_type or ("int8" if kind == "cpu" else "float16"),
                cpu_threads=threads,
                local_files_only=True,
            )
            native = self._model.model
            self._device = kind if kind == "cpu" else f"{native.device}:{native.device_index[0]}"
            # The first run claims the buffers that count as the model's memory too.
            self.warm_up()
        except BackendError:
            raise
        except Exception as error:  # a foreign engine may raise anything
            raise BackendError(
                f"model '{artifact.name}': {artifact.path / 'model.bin'} cannot be loaded on "
                f"{device} ({first_line(error)}); get the model again, or correct its manifest"
            ) from error
        self._memory_bytes = max(0, resident_bytes() - before)
        self._report = {"compute_type": str(native.compute_type), "threads": str(threads)}
        self._device_memory_bytes = 0
        if kind != "cpu":
            taken = device_memory.taken_bytes(free, device_memory.free_device_bytes(index))
            self._device_memory_bytes = taken or 0
            if taken is None:
                self._report["device_memory"] = device_memory.NOT_MEASURED

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
        """Memory of the GPU taken by load and first run; 0 where it could not be measured."""
        return self._device_memory_bytes

    @property
    def report(self) -> Mapping[str, str]:
        """The type of number that the engine computes in, and its threads."""
        return self._report

    def warm_up(self) -> None:
        """Transcribe half a second of silence."""
        self.transcribe(np.zeros(SAMPLE_RATE_HZ // 2, dtype=np.float32))

    def close(self) -> None:
        """Free the weights."""
        model, self._model = self._model, None
        if model is not None:
            model.model.unload_model()

    def transcribe(
        self, samples: NDArray[np.float32], language: str = "", prefix: str = ""
    ) -> TranscriptionResult:
        """Text of one utterance, decoded once at temperature 0, so that the time is bounded.

        Up to 28 s it is decoded as one window, with the times of its words, behind the prefix.

        Args:
            samples: float32 (n,), mono, 16 kHz, -1 to 1.
            language: ISO 639-1; empty: detect it (an English-only model takes English).
            prefix: what is known to be said at the beginning of the sound.

        Raises:
            InputRefused: the samples or the language cannot be used.
            BackendError: the engine failed, or its answer is not finite.
        """
        if self._model is None:
            raise BackendError(f"model '{self._name}' is closed")
        check_samples(self._name, samples)
        chosen = self._language(language)
        if len(samples) == 0:
            return TranscriptionResult((), chosen or "", 0.0)
        try:
            if len(samples) <= MAX_WINDOW_S * SAMPLE_RATE_HZ:
                window = Window(chosen, self._beam_size, self._context_s, prefix)
                result = transcribe_window(self._engine, self._model, samples, window)
            else:
                result = self._transcribe_long(samples, chosen)
        except Exception as error:  # a foreign engine may raise anything
            raise BackendError(
                f"model '{self._name}' failed while transcribing: {first_line(error)}"
            ) from error
        if not all(math.isfinite(segment.average_log_probability) for segment in result.segments):
            raise BackendError(
                f"model '{self._name}' gave probabilities that are not finite; its weights are "
                "damaged, get the model again"
            )
        return result

    def _transcribe_long(
        self, samples: NDArray[np.float32], language: str | None
    ) -> TranscriptionResult:
        segments, info = self._model.transcribe(
            samples,
            language=language,
            beam_size=self._beam_size,
            temperature=0.0,
            condition_on_previous_text=False,
            # Whoever asks judges the evidence; nothing is dropped unseen here.
            compression_ratio_threshold=None,
            log_prob_threshold=None,
            no_speech_threshold=None,
        )
        found = tuple(
            TranscribedSegment(
                text=segment.text.strip(),
                start_s=float(segment.start),
                end_s=float(segment.end),
                average_log_probability=float(segment.avg_logprob),
                no_speech_probability=float(segment.no_speech_prob),
                compression_ratio=float(segment.compression_ratio),
            )
            for segment in segments
        )
        return TranscriptionResult(found, info.language, float(info.language_probability))

    def _language(self, language: str) -> str | None:
        wanted = primary_language(language)
        known = self._model.supported_languages
        if not wanted:
            return "en" if known == ["en"] else None
        if wanted not in known:
            raise InputRefused(
                f"model '{self._name}' does not know language '{language}'"
                + ("; it is English only" if known == ["en"] else "")
            )
        return wanted


def _cuda_devices() -> int:
    return int(import_engine("ctranslate2", _MEND).get_cuda_device_count())

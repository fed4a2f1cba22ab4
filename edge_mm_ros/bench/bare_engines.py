"""The engines without us, with the settings of our backends: the other side of a comparison."""

from __future__ import annotations

import contextlib
import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from edge_mm_ros.backends.faster_whisper_backend import CONTEXT_S
from edge_mm_ros.backends.process_share import usable_cores
from edge_mm_ros.backends.whisper_conversion import convert_whisper
from edge_mm_ros.backends.whisper_window import Window, transcribe_window
from edge_mm_ros.bench.material import CHAT, DETECTOR, LANGUAGE, TRANSCRIBER, WRITER
from edge_mm_ros.model_repository import ModelRepository


def detector_session() -> onnxruntime.InferenceSession:
    """ONNX Runtime with the detector on the processor."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = usable_cores()
    options.inter_op_num_threads = 1
    options.enable_mem_pattern = False
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    path = ModelRepository().locate(DETECTOR)
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


class ComputingTimes:
    """How long each run of some sessions of ONNX Runtime computed, by its own profiler.

    Whoever calls, and with bound memory or without: what is left of a call's duration is what was
    done around the computing.
    """

    def __init__(self) -> None:
        """Watch no session yet."""
        self.sessions: list[onnxruntime.InferenceSession] = []

    @contextlib.contextmanager
    def watching(self, folder: Path) -> Iterator[None]:
        """Watch all sessions that are made while the block runs.

        Args:
            folder: where the profiler writes.
        """
        kind = onnxruntime.InferenceSession
        plain = kind.__init__

        def profiled(session: Any, path: Any, sess_options: Any, *args: Any, **kw: Any) -> None:
            sess_options.enable_profiling = True
            sess_options.profile_file_prefix = str(folder / f"session{len(self.sessions)}")
            plain(session, path, sess_options, *args, **kw)
            self.sessions.append(session)

        kind.__init__ = profiled
        try:
            yield
        finally:
            kind.__init__ = plain

    @staticmethod
    def of(session: onnxruntime.InferenceSession) -> list[float]:
        """Milliseconds of each run since the session was made; ends its profile."""
        events = json.loads(Path(session.end_profiling()).read_text(encoding="utf-8"))
        return [e["dur"] / 1e3 for e in events if e.get("name") == "SequentialExecutor::Execute"]


class BareWhisper:
    """faster-whisper, called as the backend calls it."""

    def __init__(self) -> None:
        import faster_whisper

        self.model = faster_whisper.WhisperModel(
            str(ModelRepository().locate(TRANSCRIBER)),
            device="cpu",
            compute_type="int8",
            cpu_threads=_option("faster_whisper", TRANSCRIBER, "threads") or usable_cores(),
            local_files_only=True,
        )

    def __call__(self, samples: NDArray[np.float32]) -> str:
        """The text of float32 (n,) samples."""
        segments, _ = self.model.transcribe(
            samples,
            language=LANGUAGE,
            beam_size=1,
            temperature=0.0,
            condition_on_previous_text=False,
            compression_ratio_threshold=None,
            log_prob_threshold=None,
            no_speech_threshold=None,
        )
        return " ".join(segment.text.strip() for segment in segments)


class WindowedWhisper:
    """faster-whisper with the backend's window, but without lease and watch."""

    def __init__(self) -> None:
        import faster_whisper

        self._engine = faster_whisper
        self._model = BareWhisper().model
        self._window = Window(LANGUAGE, beam_size=1, context_s=CONTEXT_S)

    def __call__(self, samples: NDArray[np.float32]) -> str:
        """The text of float32 (n,) samples."""
        found = transcribe_window(self._engine, self._model, samples, self._window)
        return " ".join(segment.text for segment in found.segments)


class BareOpenAiWhisper:
    """openai-whisper with the weights of the shipped model, decoding as `BareWhisper` does."""

    def __init__(self) -> None:
        import torch
        import whisper

        torch.set_num_threads(usable_cores())
        with tempfile.TemporaryDirectory() as folder:
            checkpoint = Path(folder, "whisper.pt")
            convert_whisper(ModelRepository().locate(TRANSCRIBER), checkpoint)
            self._model = whisper.load_model(str(checkpoint), device="cpu")

    def __call__(self, samples: NDArray[np.float32]) -> str:
        """The text of float32 (n,) samples."""
        found: Any = self._model.transcribe(
            samples,
            language=LANGUAGE,
            temperature=0.0,
            fp16=False,
            condition_on_previous_text=False,
            compression_ratio_threshold=None,
            logprob_threshold=None,
            no_speech_threshold=None,
        )
        return str(found["text"]).strip()


class BareLlama:
    """llama-cpp-python, called as the backend calls it."""

    def __init__(self) -> None:
        import llama_cpp

        threads = _option("llama_cpp", WRITER, "threads") or usable_cores()
        self._llama = llama_cpp.Llama(
            str(ModelRepository().locate(WRITER)),
            n_gpu_layers=0,
            use_mmap=True,
            n_ctx=2048,
            n_batch=256,
            n_threads=threads,
            n_threads_batch=threads,
            verbose=False,
        )

    def __call__(self, max_tokens: int) -> str:
        """The answer to the benchmark's request."""
        messages: Any = [dict(message) for message in CHAT]
        self._llama.reset()  # or a second call would find its prompt evaluated already
        chunks: Any = self._llama.create_chat_completion(
            messages,
            max_tokens=max_tokens,
            temperature=0.0,
            seed=0,
            stream=True,
        )
        with contextlib.closing(chunks):
            return "".join(chunk["choices"][0]["delta"].get("content") or "" for chunk in chunks)

    def under_grammar(
        self, messages: Sequence[Mapping[str, str]], max_tokens: int, grammar: str
    ) -> Iterator[str]:
        """Pieces of an answer that follows a grammar in GBNF; without one where that is empty."""
        from llama_cpp.llama_grammar import LlamaGrammar

        self._llama.reset()
        chunks: Any = self._llama.create_chat_completion(
            [dict(message) for message in messages],  # type: ignore[misc]
            max_tokens=max_tokens,
            temperature=0.0,
            seed=0,
            stream=True,
            grammar=LlamaGrammar.from_string(grammar, verbose=False) if grammar else None,
        )
        with contextlib.closing(chunks):
            for chunk in chunks:
                yield chunk["choices"][0]["delta"].get("content") or ""


def _option(backend: str, model: str, name: str) -> Any:
    return ModelRepository().manifest(model).options.get(backend, {}).get(name)

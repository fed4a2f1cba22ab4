"""The engines without us, with the settings of our backends: the other side of a comparison."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from edge_mm_ros.backends.process_share import usable_cores
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


@contextlib.contextmanager
def time_inside_sessions() -> Iterator[Callable[[], float]]:
    """Time every run of ONNX Runtime in this process, whoever calls it.

    Yields:
        gives the milliseconds inside the engine since it was last asked.
    """
    kind = onnxruntime.InferenceSession
    methods = {name: getattr(kind, name) for name in ("run", "run_with_iobinding")}
    spent_ms = 0.0

    def timed(method: Callable[..., Any]) -> Callable[..., Any]:
        def run(*args: Any, **kwargs: Any) -> Any:
            nonlocal spent_ms
            begun_s = time.perf_counter()
            try:
                return method(*args, **kwargs)
            finally:
                spent_ms += (time.perf_counter() - begun_s) * 1e3

        return run

    def take_ms() -> float:
        nonlocal spent_ms
        taken_ms, spent_ms = spent_ms, 0.0
        return taken_ms

    for name, method in methods.items():
        setattr(kind, name, timed(method))
    try:
        yield take_ms
    finally:
        for name, method in methods.items():
            setattr(kind, name, method)


class BareWhisper:
    """faster-whisper, called as the backend calls it."""

    def __init__(self) -> None:
        import faster_whisper

        self._model = faster_whisper.WhisperModel(
            str(ModelRepository().locate(TRANSCRIBER)),
            device="cpu",
            compute_type="int8",
            cpu_threads=_option("faster_whisper", TRANSCRIBER, "threads") or usable_cores(),
            local_files_only=True,
        )

    def __call__(self, samples: NDArray[np.float32]) -> str:
        """The text of float32 (n,) samples."""
        segments, _ = self._model.transcribe(
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


def _option(backend: str, model: str, name: str) -> Any:
    return ModelRepository().manifest(model).options.get(backend, {}).get(name)

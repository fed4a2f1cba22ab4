"""Language models in GGUF through llama.cpp (package ``llama-cpp-python``)."""

from __future__ import annotations

import contextlib
import io
import logging
import re
import threading
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import Field

from edge_mm_ros.backends import device_memory
from edge_mm_ros.backends.engines import (
    checked_options,
    cuda_driver_present,
    device_index,
    first_line,
    import_engine,
    missing_package,
)
from edge_mm_ros.backends.finite_grammar import FiniteGrammar, NotFinite
from edge_mm_ros.backends.gguf_file import NotGguf, read_size
from edge_mm_ros.backends.llama_cpp_choices import splits_text_exactly, write_by_choices
from edge_mm_ros.backends.llama_cpp_prompt import PromptState
from edge_mm_ros.backends.process_share import resident_bytes, usable_cores
from edge_mm_ros.backends.protocol import BackendError, InputRefused, ModelArtifact, Probe
from edge_mm_ros.params.base import StrictModel

logger = logging.getLogger(__name__)

_MEND = "install it with: pip install edge_mm_ros[language]"
_MAGIC = b"GGUF"
_ALL_LAYERS = -1
_ERROR_LEVEL = 4
_TURN_TIMEOUT_S = 60.0
# What the engine needs on a GPU beside the layers: CUDA's own context and buffers to compute in.
_BESIDE_LAYERS_BYTES = 512 << 20
_OFFLOADED = re.compile(r"offloaded (\d+)/(\d+) layers to GPU")
_TOO_LONG = re.compile(r"exceeds? context window")


class _Options(StrictModel):
    context_tokens: int = Field(2048, ge=64, le=131_072)
    threads: int = Field(0, ge=0, le=256, description="0: the cores of the process's share.")
    batch_tokens: int = Field(256, ge=1, le=4096, description="Tokens of a prompt at a time.")


class LlamaCppBackend:
    """Loads GGUF files, mapped into memory, with the chat template that they bring."""

    name = "llama_cpp"

    def probe(self, device: str) -> Probe:
        """Whether the package is there and, for ``cuda`` or ``cuda:N``, whether it can offload."""
        kind, _, index = device.partition(":")
        if kind not in {"cpu", "cuda"} or (index and not index.isdigit()):
            return Probe(False, f"llama_cpp runs on cpu, cuda or cuda:N, not on '{device}'")
        if missing_package("llama_cpp"):
            return Probe(False, f"the package llama-cpp-python is missing; {_MEND}")
        return _probe_cuda() if kind == "cuda" else Probe(True)

    def load(
        self, artifact: ModelArtifact, device: str, options: Mapping[str, Any]
    ) -> LlamaCppModel:
        """Load a GGUF file.

        On a GPU as many layers as fit into its free memory are put there, the others stay on the
        processor; the model's report says how many (``layers_on_gpu``).

        Args:
            artifact: its path is a GGUF file.
            device: ``cpu``, ``cuda`` or ``cuda:N``.
            options: ``context_tokens``, ``threads``, ``batch_tokens``.

        Raises:
            BackendError: the package is missing; the file is missing, cut off, damaged or not
                GGUF; or the GPU has not room for one layer.
        """
        where = f"model '{artifact.name}'"
        chosen = checked_options(_Options, options, f"{where}: options of {self.name}")
        probe = self.probe(device)
        if not probe.available:
            raise BackendError(f"{where}: {probe.reason}")
        try:
            with artifact.path.open("rb") as file:
                magic = file.read(len(_MAGIC))
        except OSError as error:
            raise BackendError(
                f"{where}: {artifact.path} cannot be read ({error.strerror}); get the model again"
            ) from error
        if magic != _MAGIC:
            raise BackendError(
                f"{where}: {artifact.path} is not a GGUF file; get the model again, or convert it"
            )
        return LlamaCppModel(artifact, device, chosen)


class LlamaCppModel:
    """A loaded language model; one answer is generated at a time, others wait for their turn."""

    def __init__(self, artifact: ModelArtifact, device: str, options: _Options) -> None:
        self._name = artifact.name
        self._turn = threading.Lock()
        self._device = "cpu" if device == "cpu" else f"cuda:{device_index(device)}"
        self._engine = engine = import_engine("llama_cpp", _MEND)
        threads = options.threads or usable_cores()
        native_log = _NativeLog.install(engine)
        native_log.clear()
        layers, self._report = _layers_to_offload(artifact, device, options.context_tokens)
        index = device_index(device)
        free = None if device == "cpu" else device_memory.free_device_bytes(index)
        self._report["threads"] = str(threads)
        self._device_memory_bytes = 0
        before = resident_bytes()
        try:
            # The engine's quiet mode points the process's stdout and stderr at /dev/null while it
            # loads, which swallows what other threads log; its talk is caught here instead.
            with contextlib.redirect_stderr(io.StringIO()):
                self._llama: Any = engine.Llama(
                    str(artifact.path),
                    n_gpu_layers=layers,
                    main_gpu=index,
                    # Otherwise the layers would be spread over all GPUs.
                    split_mode=engine.LLAMA_SPLIT_MODE_NONE,
                    use_mmap=True,
                    n_ctx=options.context_tokens,
                    n_batch=options.batch_tokens,
                    n_threads=threads,
                    n_threads_batch=threads,
                    verbose=True,
                )
            self._llama.verbose = False
            self._prompt = PromptState(engine, self._llama)
            self._control = _control_tokens(engine, self._llama)
            # Mapped weights come into memory as they are used; only then can they be measured.
            self.warm_up()
            _refuse_broken_numbers(engine, self._llama, artifact)
            if device != "cpu":
                taken = device_memory.taken_bytes(free, device_memory.free_device_bytes(index))
                self._device_memory_bytes = taken or 0
                self._report["layers_on_gpu"] = _offloaded(native_log, taken, artifact, device)
                if taken is None:
                    self._report["device_memory"] = device_memory.NOT_MEASURED
        except BackendError:
            self.close()
            raise
        except Exception as error:  # a foreign engine may raise anything
            reason = "; ".join([*native_log.errors, first_line(error)])
            raise BackendError(
                f"model '{artifact.name}': {artifact.path} cannot be loaded on {device} "
                f"({reason}); get the model again, or correct its manifest"
            ) from error
        self._memory_bytes = max(0, resident_bytes() - before)

    @property
    def memory_bytes(self) -> int:
        """Growth of the process by load and first run, the mapped weights included."""
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
        """Threads and, on a GPU, ``layers_on_gpu``, for example ``18 of 31``."""
        return self._report

    def warm_up(self) -> None:
        """Generate one token."""
        for _ in self.generate([{"role": "user", "content": "Hello"}], max_tokens=1):
            pass

    def close(self) -> None:
        """Free the weights and the context; waits for an answer that is being generated."""
        with self._turn:
            llama, self._llama = getattr(self, "_llama", None), None
            if llama is not None:
                llama.close()

    def generate(
        self,
        messages: Sequence[Mapping[str, str]],
        *,
        max_tokens: int,
        temperature: float = 0.0,
        seed: int = 0,
        grammar: str = "",
        keep_prompt: bool = False,
    ) -> Iterator[str]:
        """Pieces of the answer; the same call gives the same answer.

        Control tokens that stand in a message's text are taken out, so that no text can pose as
        another role. Closing the iterator cancels the generation. With `keep_prompt` an empty
        piece comes after each part of the prompt that was read, so that reading can be cancelled.

        Raises:
            InputRefused: on iteration, where the prompt is longer than the context, or the grammar
                cannot be read.
            BackendError: on iteration, where the engine failed.
        """
        chat = [
            {"role": message["role"], "content": self._control.sub(" ", message["content"])}
            for message in messages
        ]
        if not self._turn.acquire(timeout=_TURN_TIMEOUT_S):
            raise BackendError(
                f"model '{self._name}' is busy with another answer for over {_TURN_TIMEOUT_S:g} s"
            )
        try:
            if self._llama is None:
                raise BackendError(f"model '{self._name}' is closed")
            if not (keep_prompt and self._prompt.can_keep):
                # A kept prefix would change how the prompt is split, and with it the rounding.
                self._llama.reset()
            finite = self._finite(grammar)
            if self._prompt.can_keep and (keep_prompt or finite is not None):
                for _ in self._prompt.read(chat):
                    yield ""
            if finite is not None:
                yield from write_by_choices(
                    self._engine,
                    self._llama,
                    finite,
                    max_tokens=max_tokens,
                    temperature=temperature,
                    seed=seed,
                )
                return
            chunks = self._llama.create_chat_completion(
                chat,
                max_tokens=max_tokens,
                temperature=temperature,
                seed=seed,
                stream=True,
                grammar=self._grammar(grammar),
            )
            with contextlib.closing(chunks):
                for chunk in chunks:
                    piece = chunk["choices"][0]["delta"].get("content")
                    if piece:
                        yield piece
        except BackendError:
            raise
        except Exception as error:  # a foreign engine may raise anything
            kind = InputRefused if _TOO_LONG.search(str(error)) else BackendError
            raise kind(
                f"model '{self._name}' failed while generating: {first_line(error)}"
            ) from error
        finally:
            self._turn.release()

    def _finite(self, grammar: str) -> FiniteGrammar | None:
        """The grammar, where most of a text under it need not be asked of the model."""
        if not grammar or not self._prompt.can_keep or not splits_text_exactly(self._llama):
            return None
        try:
            return FiniteGrammar(grammar)
        except NotFinite as reason:
            logger.debug("grammar left to the engine: %s", reason)
            return None

    def _grammar(self, grammar: str) -> Any:
        """As the engine takes it; None for none."""
        if not grammar:
            return None
        # The engine takes a grammar that it cannot read, and crashes with it.
        vocabulary = self._engine.llama_model_get_vocab(self._llama.model)
        sampler = self._engine.llama_sampler_init_grammar(vocabulary, grammar.encode(), b"root")
        if not sampler:
            raise InputRefused(f"model '{self._name}': the grammar is not GBNF: {grammar:.80}")
        self._engine.llama_sampler_free(sampler)
        return self._engine.LlamaGrammar.from_string(grammar, verbose=False)


class _NativeLog:
    """Takes llama.cpp's own log, which otherwise goes to stderr.

    Attributes:
        errors: its last errors.
        offloaded: layers on a GPU and layers in all, where it told.
    """

    _installed: _NativeLog | None = None

    def __init__(self, engine: Any) -> None:
        self.errors: deque[str] = deque(maxlen=3)
        self.offloaded: tuple[int, int] | None = None
        # The engine keeps only the address: the callback must live as long as the process.
        self.callback = engine.llama_log_callback(self._take)

    @classmethod
    def install(cls, engine: Any) -> _NativeLog:
        """The process's one log, installed at the first call."""
        if cls._installed is None:
            cls._installed = cls(engine)
            engine.llama_log_set(cls._installed.callback, None)
        return cls._installed

    def clear(self) -> None:
        """Forget what it told of earlier models."""
        self.errors.clear()
        self.offloaded = None

    def _take(self, level: int, text: bytes, _user_data: Any) -> None:
        line = text.decode("utf-8", errors="replace").strip()
        if told := _OFFLOADED.search(line):
            self.offloaded = (int(told[1]), int(told[2]))
        if level == _ERROR_LEVEL and line:
            self.errors.append(line)
        logger.debug("%s", line)


def layers_that_fit(path: Path, free_bytes: int | None, context_tokens: int) -> tuple[int, str]:
    """How many layers of a model go to a GPU.

    Args:
        path: a GGUF file.
        free_bytes: free memory of the GPU; None where it is not known.
        context_tokens: tokens that its cache holds.

    Returns:
        the number, -1 for all, and a sentence for the report.
    """
    if free_bytes is None:
        return _ALL_LAYERS, f"all, as the GPU's free memory is {device_memory.NOT_MEASURED}"
    try:
        size = read_size(path)
    except (NotGguf, OSError) as error:
        return _ALL_LAYERS, f"all, as the file does not tell its size ({error})"
    layers = size.blocks + 1
    room = max(0, free_bytes - _BESIDE_LAYERS_BYTES)
    fitting = min(layers, room // size.layer_bytes(context_tokens))
    return (_ALL_LAYERS if fitting == layers else fitting), f"{fitting} of {layers}"


def _layers_to_offload(
    artifact: ModelArtifact, device: str, context_tokens: int
) -> tuple[int, dict[str, str]]:
    if device == "cpu":
        return 0, {}
    free = device_memory.free_device_bytes(device_index(device))
    layers, said = layers_that_fit(artifact.path, free, context_tokens)
    if layers == 0:
        raise BackendError(
            f"model '{artifact.name}': {device} has {free} bytes free, which is not room for one "
            "layer; free some of it, choose a smaller model, or let the chain go on to cpu"
        )
    return layers, {"layers_planned": said}


def _offloaded(
    native_log: _NativeLog, taken_bytes: int | None, artifact: ModelArtifact, device: str
) -> str:
    """What the engine itself says that it put on the GPU."""
    told = native_log.offloaded
    on_gpu = taken_bytes if told is None else told[0]
    if on_gpu == 0:
        raise BackendError(
            f"model '{artifact.name}': {device} was asked for, but llama.cpp put no layer on it; "
            "check the device's driver"
        )
    return "not told by the engine" if told is None else f"{told[0]} of {told[1]}"


def _refuse_broken_numbers(engine: Any, llama: Any, artifact: ModelArtifact) -> None:
    """Weights that were overwritten give numbers that are not finite, and then silence."""
    address = engine.llama_get_logits_ith(llama.ctx, -1)
    if not address or not np.isfinite(np.ctypeslib.as_array(address, (llama.n_vocab(),))).all():
        raise BackendError(
            f"model '{artifact.name}': {artifact.path} cannot be loaded: its first answer is not "
            "finite, the weights are damaged; get the model again"
        )


def _control_tokens(engine: Any, llama: Any) -> re.Pattern[str]:
    """Matches every text that the model's vocabulary reads as a control token."""
    vocabulary = engine.llama_model_get_vocab(llama.model)
    texts = []
    for token in range(llama.n_vocab()):
        if engine.llama_vocab_get_attr(vocabulary, token) & engine.LLAMA_TOKEN_ATTR_CONTROL:
            text = engine.llama_vocab_get_text(vocabulary, token).decode("utf-8", "replace")
            if text:
                texts.append(re.escape(text))
    return re.compile("|".join(texts)) if texts else re.compile(r"(?!)")


def _probe_cuda() -> Probe:
    if not cuda_driver_present():
        return Probe(False, "there is no NVIDIA driver on this machine")
    try:
        offload = import_engine("llama_cpp", _MEND).llama_supports_gpu_offload()
    except BackendError as error:
        return Probe(False, str(error))
    if not offload:
        return Probe(
            False,
            "llama-cpp-python was built without CUDA; build it again with: "
            "CMAKE_ARGS=-DGGML_CUDA=on pip install --force-reinstall llama-cpp-python",
        )
    return Probe(True)

"""Native engines of NVIDIA TensorRT, compiled from ONNX and kept in the engine cache."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from edge_mm_ros.backends import device_memory
from edge_mm_ros.backends.engine_cache import CacheUnusable, EngineCache, EngineKey, model_digest
from edge_mm_ros.backends.engines import (
    checked_options,
    cuda_driver_present,
    device_index,
    first_line,
    missing_package,
)
from edge_mm_ros.backends.onnx_file import external_files
from edge_mm_ros.backends.process_share import resident_bytes
from edge_mm_ros.backends.protocol import BackendError, ModelArtifact, Probe
from edge_mm_ros.backends.tensorrt_build import TensorRtOptions, calibration_digest, compile_model
from edge_mm_ros.backends.tensorrt_engine import Engine, NativeToolkit, Progress, Toolkit
from edge_mm_ros.backends.tensorrt_model import TensorRtModel

logger = logging.getLogger(__name__)

_MEND = "install it with: pip install edge_mm_ros[tensorrt] (on Jetson: apt install tensorrt)"
_PLAN = "engine.plan"


class TensorRtBackend:
    """Compiles ONNX files for the GPU that is there, once a machine, and runs them."""

    name = "tensorrt"

    def __init__(self, make_toolkit: Callable[[], Toolkit] | None = None) -> None:
        """Nothing is imported yet.

        Args:
            make_toolkit: makes what calls TensorRT and CUDA; left out: the real ones.
        """
        self._make_toolkit = make_toolkit
        self._made: Toolkit | None = None

    def probe(self, device: str) -> Probe:
        """Whether packages, driver and GPU are there."""
        kind, _, index = device.partition(":")
        if kind != "cuda" or (index and not index.isdigit()):
            return Probe(False, f"tensorrt runs on cuda or cuda:N, not on '{device}'")
        if self._make_toolkit is None:
            if package := missing_package("tensorrt", "cuda"):
                named = "cuda-python" if package == "cuda" else package
                return Probe(False, f"the package {named} is missing; {_MEND}")
            if not cuda_driver_present():
                return Probe(False, "NVIDIA's driver (libcuda.so.1) is not here; install it")
        try:
            count = self._toolkit().gpu_count()
        except BackendError as error:
            return Probe(False, f"{error}; check NVIDIA's driver with nvidia-smi")
        if count <= device_index(device):
            return Probe(False, f"CUDA sees {count} GPUs, {device} is not there")
        return Probe(True)

    def load(
        self, artifact: ModelArtifact, device: str, options: Mapping[str, Any]
    ) -> TensorRtModel:
        """Load the engine of an ONNX file, which is compiled first where the cache has none.

        Args:
            artifact: its path is an ONNX file.
            device: ``cuda`` or ``cuda:N``.
            options: ``precision``, ``calibration``, ``shapes``, ``workspace_bytes``.

        Raises:
            BackendError: a package, the driver or the GPU is missing; the file is missing, damaged,
                or takes data from outside its folder; TensorRT cannot compile it as asked; or its
                inputs are not those that the manifest declares.
        """
        compiling = self._compiling(artifact, device, options)
        free = device_memory.free_device_bytes(compiling.index)
        before = resident_bytes()
        engine, state = compiling.engine(logger.info)
        report = {"tensorrt": compiling.toolkit.version, "precision": compiling.options.precision}
        report["engine_cache"] = state
        model = TensorRtModel(artifact, engine, f"cuda:{compiling.index}", report)
        try:
            model.warm_up()
        except BaseException:
            model.close()
            raise
        model.measured(
            resident_bytes() - before,
            device_memory.taken_bytes(free, device_memory.free_device_bytes(compiling.index)),
        )
        return model

    def build(
        self,
        artifact: ModelArtifact,
        device: str,
        options: Mapping[str, Any],
        progress: Callable[[str], None],
    ) -> Path:
        """Compile a model into the engine cache, or find it there.

        Raises:
            BackendError: as `load`, or the cache cannot be written.
        """
        return self._compiling(artifact, device, options).build(progress)

    def _compiling(
        self, artifact: ModelArtifact, device: str, options: Mapping[str, Any]
    ) -> _Compiling:
        checked = checked_options(
            TensorRtOptions, options, f"model '{artifact.name}': options of {self.name}"
        )
        probe = self.probe(device)
        if not probe.available:
            raise BackendError(f"model '{artifact.name}': {probe.reason}")
        return _Compiling(self._toolkit(), artifact, checked, device_index(device))

    def _toolkit(self) -> Toolkit:
        if self._made is None:
            try:
                self._made = (self._make_toolkit or NativeToolkit)()
            except Exception as error:  # a broken native library raises more than ImportError
                raise BackendError(
                    f"tensorrt cannot be imported ({first_line(error)}); {_MEND}"
                ) from error
        return self._made


class _Compiling:
    """One model, on its way to an engine for one GPU."""

    def __init__(
        self, toolkit: Toolkit, artifact: ModelArtifact, options: TensorRtOptions, index: int
    ) -> None:
        self.toolkit = toolkit
        self.options = options
        self.index = index
        self._artifact = artifact
        self._where = f"model '{artifact.name}': {artifact.path}"
        external = external_files(artifact.name, artifact.path)
        self._bytes = sum(file.stat().st_size for file in (artifact.path, *external))
        declared = [f"{s.name} {s.dtype} {s.shape}" for s in artifact.inputs]
        self._key = EngineKey(
            model_digest=model_digest(artifact, external),
            backend="tensorrt",
            device=device_memory.device_name(index),
            options=" ".join(
                [options.model_dump_json(), *declared, calibration_digest(artifact, options)]
            ),
            driver=device_memory.driver_version(),
            library=f"tensorrt {toolkit.version}",
        )
        self._cache = EngineCache()

    def engine(self, progress: Progress) -> tuple[Engine, str]:
        """The engine on its GPU, and what became of the cache."""
        if found := self._cache.find(self._key):
            try:
                return self._load((found / _PLAN).read_bytes()), "hit"
            except (BackendError, OSError) as error:
                logger.warning("%s: compiled again, as the engine was unusable: %s", found, error)
                self._cache.discard(found)
        plan = self._compile(progress)
        engine = self._load(plan)
        try:
            self._keep(self._cache.stage(len(plan)), plan)
        except CacheUnusable as error:
            logger.warning("model '%s': not kept compiled: %s", self._artifact.name, error)
            return engine, f"not used: {error}"
        return engine, "compiled and kept"

    def build(self, progress: Progress) -> Path:
        """The compiled engine in the cache."""
        name = self._artifact.name
        if found := self._cache.find(self._key):
            progress(f"model '{name}': found in the cache")
            return found / _PLAN
        # Better to learn of an unusable cache before the minutes that compiling takes.
        staged = self._cache.stage(self._bytes)
        try:
            plan = self._compile(lambda line: progress(f"model '{name}': {line}"))
            place = self._keep(staged, plan)
        finally:
            self._cache.discard(staged)
        progress(f"model '{name}': compiled, {len(plan)} bytes")
        return place

    def _keep(self, staged: Path, plan: bytes | memoryview) -> Path:
        try:
            self._cache.write(staged, _PLAN, plan)
            return self._cache.commit(self._key, staged) / _PLAN
        finally:
            self._cache.discard(staged)

    def _compile(self, progress: Progress) -> bytes | memoryview:
        try:
            return compile_model(self.toolkit, self._artifact, self.options, self.index, progress)
        except BackendError as error:
            raise BackendError(f"{self._where} cannot be compiled: {error}") from error
        except Exception as error:  # a foreign engine may raise anything
            raise BackendError(f"{self._where} cannot be compiled: {first_line(error)}") from error

    def _load(self, plan: bytes | memoryview) -> Engine:
        try:
            return self.toolkit.load(bytes(plan), self.index)
        except BackendError as error:
            raise BackendError(f"{self._where} cannot be loaded: {error}") from error
        except Exception as error:  # a foreign engine may raise anything
            raise BackendError(f"{self._where} cannot be loaded: {first_line(error)}") from error

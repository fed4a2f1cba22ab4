"""ONNX Runtime: any ONNX model on the processor and on the accelerators that it knows."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from edge_mm_ros.backends import device_memory
from edge_mm_ros.backends.engine_cache import CacheUnusable, EngineCache, EngineKey, model_digest
from edge_mm_ros.backends.engines import (
    checked_options,
    device_index,
    first_line,
    import_engine,
    missing_package,
)
from edge_mm_ros.backends.onnx_file import external_files
from edge_mm_ros.backends.onnxruntime_model import OnnxRuntimeModel
from edge_mm_ros.backends.onnxruntime_providers import (
    ACCELERATORS,
    AUTO,
    CPU,
    CUDA_KINDS,
    GET_ENGINE,
    OnnxRuntimeOptions,
    caches,
    describe_providers,
    device_in_use,
    engine_key,
    kind_of,
    probe_device,
    providers_for,
    refuse_silent_fallback,
)
from edge_mm_ros.backends.process_share import resident_bytes
from edge_mm_ros.backends.protocol import BackendError, ModelArtifact, NothingToBuild, Probe

logger = logging.getLogger(__name__)

_MEND = f"get it with: {GET_ENGINE}"
_ERRORS_ONLY = 3
_HIT = "hit"


class OnnxRuntimeBackend:
    """The backend ``onnxruntime``.

    Devices: ``cpu``, ``cuda``, ``tensorrt``, ``openvino``, ``migraphx``, ``qnn``, ``coreml`` and
    ``xnnpack``; a number or name may follow, as in ``cuda:1`` or ``openvino:GPU``. ``auto`` is the
    first of TensorRT, CUDA, MIGraphX, OpenVINO, QNN, CoreML, XNNPACK and the processor that is
    there and really runs the model; the model's report says why not the others.
    """

    name = "onnxruntime"

    def probe(self, device: str) -> Probe:
        """Whether the installed engine knows the device; loading alone shows that it works."""
        if missing_package("onnxruntime"):
            return Probe(False, f"ONNX Runtime is not installed; {_MEND}")
        try:
            engine = import_engine("onnxruntime", _MEND)
        except BackendError as error:
            return Probe(False, str(error))
        return probe_device(engine, device)

    def load(
        self, artifact: ModelArtifact, device: str, options: Mapping[str, Any]
    ) -> OnnxRuntimeModel:
        """Load an ONNX file.

        Raises:
            BackendError: the device is not there or was not really used; an option is unknown; the
                file is missing, empty, truncated, not ONNX, or takes data from outside its folder;
                or its inputs are not those that the manifest declares.
        """
        probe = self.probe(device)
        if not probe.available:
            raise BackendError(probe.reason)
        checked = checked_options(
            OnnxRuntimeOptions, options, f"options of model '{artifact.name}'"
        )
        loading = _Loading(artifact, checked)
        return loading.first_that_works() if device == AUTO else loading.on(device)

    def build(
        self,
        artifact: ModelArtifact,
        device: str,
        options: Mapping[str, Any],
        progress: Callable[[str], None],
    ) -> Path:
        """Compile a model into the engine cache, or find it there.

        Raises:
            BackendError: as `load`; or nothing is compiled for the device, or the cache cannot be
                written.
        """
        checked = checked_options(
            OnnxRuntimeOptions, options, f"options of model '{artifact.name}'"
        )
        if device == AUTO or not caches(device, checked):
            raise NothingToBuild(
                f"ONNX Runtime keeps no compiled engines for {device}; it does for: "
                f"{', '.join(kind for kind in ACCELERATORS if caches(kind, checked))}"
            )
        progress(f"model '{artifact.name}': compiling for {device}")
        model = self.load(artifact, device, options)
        try:
            model.warm_up()
            state = model.report["engine_cache"]
        finally:
            model.close()
        loading = _Loading(artifact, checked)
        place = EngineCache().find(loading.key(device))
        if place is None:
            raise BackendError(f"model '{artifact.name}': nothing was kept: {state}")
        progress(f"model '{artifact.name}': {state}")
        return place


class _Loading:
    """One load, on one device or on the first that works."""

    def __init__(self, artifact: ModelArtifact, options: OnnxRuntimeOptions) -> None:
        self._artifact = artifact
        self._options = options
        self._engine = import_engine("onnxruntime", _MEND)
        path = artifact.path
        if not path.is_file() or path.stat().st_size == 0:
            state = "is empty" if path.is_file() else "is missing or no file"
            raise BackendError(f"model '{artifact.name}': {path} {state}")
        self._external = external_files(artifact.name, path)
        self._bytes = sum(file.stat().st_size for file in (path, *self._external))

    def first_that_works(self) -> OnnxRuntimeModel:
        passed_over = []
        model = None
        for device in ACCELERATORS:
            probe = probe_device(self._engine, device)
            if not probe.available:
                passed_over.append(f"{device}: {probe.reason}")
                continue
            try:
                model = self.on(device)
                break
            except BackendError as error:
                passed_over.append(f"{device}: {error}")
        model = model or self.on(CPU)
        model.report["passed_over"] = "; ".join(passed_over) or "none"
        return model

    def on(self, device: str) -> OnnxRuntimeModel:
        before = resident_bytes()
        index = device_index(device)
        on_cuda = kind_of(device) in CUDA_KINDS
        free = device_memory.free_device_bytes(index) if on_cuda else None

        def taken() -> int | None:
            if free is None:
                return None
            return device_memory.taken_bytes(free, device_memory.free_device_bytes(index))

        session, cached = self._open(device)
        report = describe_providers(session)
        if kind_of(device) != CPU and free is None:
            report["device_memory"] = (
                device_memory.NOT_MEASURED if on_cuda else "not measured on this kind of device"
            )
        return OnnxRuntimeModel(
            self._artifact,
            self._engine,
            session,
            device_in_use(session, device),
            file_bytes=self._bytes,
            resident_before=before,
            report=report,
            device_bytes_taken=taken,
            ready=cached,
        )

    def key(self, device: str) -> EngineKey:
        digest = model_digest(self._artifact, self._external)
        return engine_key(self._engine, device, self._options, digest)

    def _open(self, device: str) -> tuple[Any, Callable[[], Mapping[str, str]]]:
        """A session, and what is to be done once all of it is compiled."""
        if not caches(device, self._options):
            return self._session(device, ""), dict
        cache, key = EngineCache(), self.key(device)
        found = cache.find(key)
        if found is not None:
            try:
                return self._session(device, str(found)), lambda: {"engine_cache": _HIT}
            except BackendError as error:
                logger.warning("compiled again, as the engine cache could not be used: %s", error)
                cache.discard(found)
        try:
            staged = cache.stage(self._bytes)
        except CacheUnusable as error:
            return self._session(device, ""), self._without_cache(error)
        try:
            return self._session(device, str(staged)), lambda: self._keep(cache, key, staged)
        except BackendError as error:
            cache.discard(staged)
            # Where it works without the cache, the cache was at fault: its disk may be full.
            return self._session(device, ""), self._without_cache(error)

    def _keep(self, cache: EngineCache, key: EngineKey, staged: Path) -> Mapping[str, str]:
        if not any(staged.iterdir()):
            cache.discard(staged)
            return {"engine_cache": "the provider left nothing to keep"}
        try:
            cache.commit(key, staged)
        except CacheUnusable as error:
            return self._without_cache(error)()
        return {"engine_cache": "compiled and kept"}

    def _without_cache(self, error: BackendError) -> Callable[[], Mapping[str, str]]:
        logger.warning("model '%s': not kept compiled: %s", self._artifact.name, error)
        return lambda: {"engine_cache": f"not used: {error}"}

    def _session(self, device: str, cache_folder: str) -> Any:
        path = self._artifact.path
        options = self._engine.SessionOptions()
        options.intra_op_num_threads = self._options.thread_count
        options.inter_op_num_threads = 1
        # A plan of the first run's memory would be taken besides that of the first run itself: half
        # as much again, for hardly any speed.
        options.enable_mem_pattern = False
        options.log_severity_level = _ERRORS_ONLY
        # Spinning threads take the cores that the rest of the node needs between two pictures.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.add_session_config_entry("session.record_ep_graph_assignment_info", "1")
        # What was checked was read as ONNX.
        options.add_session_config_entry("session.load_model_format", "ONNX")
        try:
            session = self._engine.InferenceSession(
                str(path),
                options,
                providers=providers_for(device, self._options, cache_folder),
                enable_fallback=0,
            )
            session.disable_fallback()
        except Exception as error:  # the engine's own types share no base but Exception
            raise BackendError(
                f"model '{self._artifact.name}': {path} ({self._bytes} bytes) is damaged or not "
                f"an ONNX model that {device} can run: {first_line(error)}"
            ) from error
        refuse_silent_fallback(session, device, self._artifact.name)
        return session

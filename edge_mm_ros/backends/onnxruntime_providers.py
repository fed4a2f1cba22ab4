"""Which execution provider of ONNX Runtime serves which device, and what it really took."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata
from typing import Any

from pydantic import Field

from edge_mm_ros.backends.device_memory import device_name, driver_version
from edge_mm_ros.backends.engine_cache import EngineKey
from edge_mm_ros.backends.engines import cuda_driver_present, device_index
from edge_mm_ros.backends.process_share import usable_cores
from edge_mm_ros.backends.protocol import BackendError, Probe
from edge_mm_ros.params.base import StrictModel

AUTO = "auto"
CPU = "cpu"
CPU_PROVIDER = "CPUExecutionProvider"
CUDA_KINDS = frozenset({"cuda", "tensorrt"})
GET_ENGINE = "pip install onnxruntime"

Provider = tuple[str, dict[str, str]]


class OnnxRuntimeOptions(StrictModel):
    """Options of a manifest for this backend."""

    threads: int = Field(0, ge=0, le=256, description="0: the cores of the process's share.")
    provider_options: dict[str, dict[str, str | int | float | bool]] = Field(
        default_factory=dict,
        description="By device, without its number: options of its execution provider.",
    )

    @property
    def thread_count(self) -> int:
        """Threads of one call."""
        return self.threads or usable_cores()


@dataclass(frozen=True)
class Accelerator:
    """How a device's name maps to ONNX Runtime.

    Attributes:
        provider: its execution provider.
        mend: how to get a build of the engine with it.
        option: the provider's option that takes what follows the colon of the device's name.
        before_cpu: further providers for what it cannot run, ahead of the processor.
        threads_option: the provider's option that takes the number of its own threads.
        cache_option: the provider's option that takes a folder for compiled engines.
        cache_switch: further options that the cache needs.
    """

    provider: str
    mend: str
    option: str = ""
    before_cpu: tuple[str, ...] = ()
    threads_option: str = ""
    cache_option: str = ""
    cache_switch: Mapping[str, str] | None = None


_GPU_MEND = "pip uninstall onnxruntime, then pip install onnxruntime-gpu"
# In the order in which `auto` tries them; the processor comes last.
ACCELERATORS: Mapping[str, Accelerator] = {
    "tensorrt": Accelerator(
        "TensorrtExecutionProvider",
        _GPU_MEND,
        option="device_id",
        before_cpu=("CUDAExecutionProvider",),
        cache_option="trt_engine_cache_path",
        cache_switch={"trt_engine_cache_enable": "True"},
    ),
    "cuda": Accelerator("CUDAExecutionProvider", _GPU_MEND, option="device_id"),
    "migraphx": Accelerator(
        "MIGraphXExecutionProvider", "install AMD's onnxruntime-migraphx", option="device_id"
    ),
    "openvino": Accelerator(
        "OpenVINOExecutionProvider",
        "pip uninstall onnxruntime, then pip install onnxruntime-openvino",
        option="device_type",
        threads_option="num_of_threads",
        cache_option="cache_dir",
    ),
    "qnn": Accelerator("QNNExecutionProvider", "pip install onnxruntime-qnn"),
    "coreml": Accelerator(
        "CoreMLExecutionProvider", GET_ENGINE, cache_option="ModelCacheDirectory"
    ),
    "xnnpack": Accelerator(
        "XnnpackExecutionProvider",
        "build ONNX Runtime with --use_xnnpack",
        threads_option="intra_op_num_threads",
    ),
}


def kind_of(device: str) -> str:
    """``cuda`` of ``cuda:1``."""
    return device.partition(":")[0]


def probe_device(engine: Any, device: str) -> Probe:
    """Whether the installed engine knows a device; nothing is loaded."""
    kind = kind_of(device)
    if device == AUTO or kind == CPU:
        return Probe(True)
    accelerator = ACCELERATORS.get(kind)
    if accelerator is None:
        known = ", ".join([AUTO, *ACCELERATORS, CPU])
        return Probe(False, f"ONNX Runtime has no device '{device}'; there are: {known}")
    if accelerator.provider not in engine.get_available_providers():
        return Probe(
            False,
            f"this ONNX Runtime is built without {accelerator.provider}; "
            f"get it with: {accelerator.mend}",
        )
    if kind in CUDA_KINDS and not cuda_driver_present():
        return Probe(False, "NVIDIA's driver (libcuda.so.1) is not here; install it")
    return Probe(True)


def providers_for(device: str, options: OnnxRuntimeOptions, cache_folder: str) -> list[Provider]:
    """The providers of a device with their options, the processor last.

    Args:
        device: as in a chain.
        options: of the manifest.
        cache_folder: where compiled engines are kept; empty: nowhere.
    """
    kind, _, index = device.partition(":")
    texts = {key: str(value) for key, value in options.provider_options.get(kind, {}).items()}
    if kind == CPU:
        return [(CPU_PROVIDER, texts)]
    accelerator = ACCELERATORS[kind]
    if index and accelerator.option:
        texts.setdefault(accelerator.option, index)
    if accelerator.threads_option:
        texts.setdefault(accelerator.threads_option, str(options.thread_count))
    if cache_folder:
        texts[accelerator.cache_option] = cache_folder
        texts.update(accelerator.cache_switch or {})
    return [
        (accelerator.provider, texts),
        *((name, {}) for name in accelerator.before_cpu),
        (CPU_PROVIDER, {}),
    ]


def caches(device: str, options: OnnxRuntimeOptions) -> bool:
    """Whether the device's provider compiles engines, whose folder the manifest leaves to us."""
    kind = kind_of(device)
    option = ACCELERATORS[kind].cache_option if kind in ACCELERATORS else ""
    return bool(option) and option not in options.provider_options.get(kind, {})


def engine_key(
    engine: Any, device: str, options: OnnxRuntimeOptions, model_digest: str
) -> EngineKey:
    """What an engine depends on that the device's provider compiles."""
    kind = kind_of(device)
    on_cuda = kind in CUDA_KINDS
    asked = ", ".join(f"{k}={v}" for k, v in sorted(options.provider_options.get(kind, {}).items()))
    return EngineKey(
        model_digest=model_digest,
        backend=f"onnxruntime:{kind}",
        device=device_name(device_index(device)) if on_cuda else device,
        options=asked,
        driver=driver_version() if on_cuda else "",
        library=f"onnxruntime {engine.__version__}, tensorrt {_installed('tensorrt')}"
        if kind == "tensorrt"
        else f"onnxruntime {engine.__version__}",
    )


def _installed(distribution: str) -> str:
    """The version of an installed distribution; ``of the system`` where pip does not know it."""
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return "of the system"


def refuse_silent_fallback(session: Any, device: str, model: str) -> None:
    """The engine goes on with the processor where a provider cannot start; we do not.

    Raises:
        BackendError: the device is not in use, or no node of the graph runs on it.
    """
    kind = kind_of(device)
    wanted = CPU_PROVIDER if kind == CPU else ACCELERATORS[kind].provider
    used = list(session.get_providers())
    if used[:1] != [wanted]:
        raise BackendError(
            f"model '{model}': {device} was asked for, but ONNX Runtime fell back to "
            f"{', '.join(used)}; check the device's driver and libraries"
        )
    # Registered is not used: an accelerator that supports no node of the graph stays idle.
    nodes = nodes_by_provider(session)
    if nodes and wanted not in nodes:
        raise BackendError(
            f"model '{model}': {device} was asked for, but it can run no part of the model; "
            f"all runs on {', '.join(sorted(nodes))}"
        )


def nodes_by_provider(session: Any) -> Mapping[str, int]:
    """How many nodes of the graph each provider took; empty where the engine does not tell."""
    if not hasattr(session, "get_provider_graph_assignment_info"):
        return {}
    nodes: Counter[str] = Counter()
    for part in session.get_provider_graph_assignment_info():
        nodes[part.ep_name] += len(part.get_nodes())
    return nodes


def describe_providers(session: Any) -> dict[str, str]:
    """Providers in use and how many nodes fell to the processor, for the model's report."""
    nodes = nodes_by_provider(session)
    total = sum(nodes.values())
    return {
        "providers": ", ".join(session.get_providers()),
        "nodes_on_cpu": f"{nodes.get(CPU_PROVIDER, 0)} of {total}"
        if total
        else "not told by this version of ONNX Runtime",
    }


def device_in_use(session: Any, device: str) -> str:
    """The device with the number or name that its provider took."""
    kind = kind_of(device)
    if kind == CPU or not ACCELERATORS[kind].option:
        return kind
    accelerator = ACCELERATORS[kind]
    options = session.get_provider_options().get(accelerator.provider, {})
    index = options.get(accelerator.option, "") or device.partition(":")[2]
    return f"{kind}:{index}" if index else kind

"""Build of the ROS 2 package edge_mm_ros, for colcon and pip alike."""

import re
from pathlib import Path

from setuptools import Extension, find_packages, setup

PACKAGE = "edge_mm_ros"

# These two literals are also read by tools/environment, which installs what they name.
INSTALL_REQUIRES = [
    "numpy>=1.26,<3",
    "scipy>=1.11,<2",
    "psutil>=5.9,<8",
    "pydantic>=2.6,<3",
    "PyYAML>=6,<7",
    "rich>=13,<16",
    "typer>=0.12,<1",
]
EXTRAS_REQUIRE = {
    "vision": ["onnxruntime>=1.18,<2", "opencv-python-headless>=4.6,<6"],
    "speech": ["faster-whisper>=1.1,<2", "soxr>=0.3.7,<2"],
    "voice": ["sounddevice>=0.4.6,<1", "soundfile>=0.12,<1"],
    "language": ["llama-cpp-python>=0.3.16,<0.4"],
    # No wheels for newer Pythons yet; tracker libraries that have them bring a second OpenCV.
    "following": ["similari-trackers-rs>=0.26.12,<0.27; python_version < '3.13'"],
    "recordings": ["mcap>=1.1,<2", "rosbags>=0.10,<0.12"],
    "litert": ["ai-edge-litert>=2.1,<3"],
    "remote": ["tritonclient[grpc]>=2.50,<3"],
    "report": ["jinja2>=3.1,<4"],
    "test": [
        "colcon-core>=0.18,<1",
        "colcon-python-setup-py>=0.2.8,<1",
        "colcon-ros>=0.5,<1",
        "hypothesis>=6.100,<7",
        "jiwer>=3.0,<5",
        "onnx>=1.16,<2",
        "pytest>=8,<10",
        "pytest-timeout>=2.3,<3",
        "soundfile>=0.12,<1",
    ],
    "dev": [
        "import-linter>=2.1,<3",
        "mypy>=1.11,<3",
        "pre-commit>=3.7,<5",
        "ruff>=0.12,<0.18",
        "types-PyYAML>=6,<7",
    ],
}

# Gigabytes of PyTorch or CUDA: only for those who ask, so tools/environment does not read it.
LARGE_EXTRAS_REQUIRE = {
    "gpu": ["nvidia-ml-py>=12", "onnxruntime-gpu>=1.18,<2"],
    # Small, but GPL-3.0; it runs as a program of its own.
    "piper": ["piper-tts>=1.3,<2"],
    "openai_whisper": ["openai-whisper>=20250625", "torch>=2.6,<3"],
    "tensorrt": [
        "cuda-python>=12.6,<14",
        "nvidia-ml-py>=12",
        "onnx>=1.16,<2",
        "tensorrt>=10.3,<12",
    ],
}


def version():
    """The version that the package itself states."""
    text = Path(PACKAGE, "__init__.py").read_text(encoding="utf-8")
    return re.search(r'^__version__ = "(.+)"$', text, re.MULTILINE)[1]


def files_below(folder):
    """All files below a folder that were not made by Python or a compiler, sorted."""
    return sorted(
        path
        for path in Path(folder).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts and path.suffix != ".so"
    )


def shared(folder):
    """Each directory below a folder with its files, the way `data_files` takes them."""
    by_directory = {}
    for path in files_below(folder):
        target = f"share/{PACKAGE}/{path.parent.as_posix()}"
        by_directory.setdefault(target, []).append(str(path))
    return list(by_directory.items())


# Without a C compiler the package works too: then numpy does the same, more slowly.
NATIVE = Path(PACKAGE, "pipelines", "native")
LOOPS = Extension(
    f"{PACKAGE}.pipelines.native._loops",
    [str(NATIVE / name) for name in ("_loops.c", "points.c", "tracks.c")],
    depends=[str(NATIVE / "arrays.h")],
    extra_compile_args=["-O3", "-ffp-contract=off"],  # the same numbers on all processors
    optional=True,
)

setup(
    name=PACKAGE,
    version=version(),
    description="Perception on the edge for ROS 2: vision, hearing, language, sensor fusion",
    license="Apache-2.0",
    maintainer="edge_mm_ros maintainers",
    maintainer_email="edge_mm_ros@users.noreply.github.com",
    python_requires=">=3.10",
    ext_modules=[LOOPS],
    packages=find_packages(include=[PACKAGE, f"{PACKAGE}.*"]),
    package_data={
        PACKAGE: [
            str(path.relative_to(PACKAGE)) for path in files_below(PACKAGE) if path.suffix != ".py"
        ]
    },
    data_files=[
        ("share/ament_index/resource_index/packages", [f"resource/{PACKAGE}"]),
        (f"share/{PACKAGE}", ["package.xml"]),
        *shared("config"),
        *shared("launch"),
        *shared("test/data"),
    ],
    zip_safe=False,
    install_requires=INSTALL_REQUIRES,
    extras_require={**EXTRAS_REQUIRE, **LARGE_EXTRAS_REQUIRE},
    entry_points={
        "console_scripts": [
            "object_detector = edge_mm_ros.nodes.object_detector:main",
            "sensor_fusion = edge_mm_ros.nodes.sensor_fusion:main",
            "speech_transcriber = edge_mm_ros.nodes.speech_transcriber:main",
            "safety_monitor = edge_mm_ros.nodes.safety_monitor:main",
            "event_summarizer = edge_mm_ros.nodes.event_summarizer:main",
            "microphone = edge_mm_ros.nodes.microphone:main",
            "audio_file = edge_mm_ros.nodes.audio_file:main",
            "speech_synthesizer = edge_mm_ros.nodes.speech_synthesizer:main",
            "container = edge_mm_ros.nodes.container:main",
            "edge-mm = edge_mm_ros.cli.main:main",
        ],
        "edge_mm_ros.backends": [
            "onnxruntime = edge_mm_ros.backends.onnxruntime_backend:OnnxRuntimeBackend",
            "faster_whisper = edge_mm_ros.backends.faster_whisper_backend:FasterWhisperBackend",
            "llama_cpp = edge_mm_ros.backends.llama_cpp_backend:LlamaCppBackend",
            "litert = edge_mm_ros.backends.litert_backend:LiteRtBackend",
            "tensorrt = edge_mm_ros.backends.tensorrt_backend:TensorRtBackend",
            "openai_whisper = edge_mm_ros.backends.openai_whisper_backend:OpenAIWhisperBackend",
            "kserve = edge_mm_ros.backends.kserve_backend:KServeBackend",
            "openai_api = edge_mm_ros.backends.openai_api_backend:OpenAIApiBackend",
        ],
    },
)

"""The kinds of node and their parameter classes, each imported when it is first asked for."""

from __future__ import annotations

import importlib
from typing import Literal, get_args

from edge_mm_ros.params.base import NodeParams

NodeKind = Literal[
    "object_detector",
    "sensor_fusion",
    "safety_monitor",
    "speech_transcriber",
    "event_summarizer",
    "microphone",
    "audio_file",
    "speech_synthesizer",
]
"""What a node of a system can be; also the name of its module and of its console script."""

NODE_KINDS: tuple[NodeKind, ...] = get_args(NodeKind)


def class_stem(kind: NodeKind) -> str:
    """The kind as classes are named: ``object_detector`` gives ``ObjectDetector``."""
    return "".join(part.capitalize() for part in kind.split("_"))


def params_type(kind: NodeKind) -> type[NodeParams]:
    """The parameter class of a kind of node."""
    module = importlib.import_module(f"edge_mm_ros.params.{kind}")
    found: type[NodeParams] = getattr(module, f"{class_stem(kind)}Params")
    return found

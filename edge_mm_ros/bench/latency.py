"""How long the sample's pictures take, stage by stage, and what the detector node adds.

Both sides of the node's share are measured in turn on the same pictures in one run: the bare
ONNX Runtime call on a tensor that is ready, and the node from the publication of the compressed
picture to the arrival of its detections.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import cv2
import numpy as np
import onnxruntime
from numpy.typing import NDArray

from edge_mm_ros.backends.process_share import usable_cores
from edge_mm_ros.bench.result import Bar, BenchResult, Measure
from edge_mm_ros.datatypes import EdgeMmError
from edge_mm_ros.model_repository import ModelRepository
from edge_mm_ros.nodes.models import default_model_host
from edge_mm_ros.nodes.object_detector import ObjectDetectorNode
from edge_mm_ros.nodes.replaying import replay_system
from edge_mm_ros.params.share import sample_recording
from edge_mm_ros.params.system import load_system
from edge_mm_ros.ros.bags import BagReader
from edge_mm_ros.ros.messages import deserialize, message_class
from edge_mm_ros.ros.parameters import overrides
from edge_mm_ros.ros.private_graph import PrivateGraph
from edge_mm_ros.ros.qos import RELIABLE
from edge_mm_ros.ros.stage_latency import EVENT_STAGE, STAGES, StageLatency

CAMERA = "camera"
DETECTOR = "person_fall_detector"
MAX_SHARE = 1.20
PICTURE = message_class("sensor_msgs/msg/CompressedImage")
DETECTIONS = message_class("vision_msgs/msg/Detection2DArray")


def run() -> BenchResult:
    """Measure on the sample recording."""
    bare_ms, node_ms = _node_and_bare_call()
    stages, notes = _stages()
    ratios = [node / bare for node, bare in zip(node_ms, bare_ms)]
    share = float(np.median(node_ms) / np.median(bare_ms))
    measures = [Measure.of(name, "ms", values) for name, values in sorted(stages.items())]
    measures += [
        Measure.of("detector node, picture to detections", "ms", node_ms),
        Measure.of("bare ONNX Runtime call", "ms", bare_ms),
        Measure.of("detector node over bare call, picture by picture", "ratio", ratios),
    ]
    bars = [Bar.at_most("detector node over bare ONNX Runtime call", share, "ratio", MAX_SHARE)]
    for stage in (*STAGES.values(), EVENT_STAGE):
        # A stage that was never timed must not pass for a quick one.
        bars.append(Bar.at_least(f"{stage}: times measured", len(stages.get(stage, ())), "", 1))
    return BenchResult(
        "latency",
        tuple(measures),
        tuple(bars),
        tuple(notes),
    )


def _stages() -> tuple[dict[str, list[float]], list[str]]:
    latency = StageLatency()
    result = replay_system(
        load_system("safety_monitor"),
        BagReader(sample_recording()),
        rate=1.0,
        on_fed=latency.on_fed,
        on_published=lambda published: latency.on_published(published, published.message()),
    )
    dropped = [f"dropped at rate 1.0: {count} by {who}" for who, count in result.dropped.items()]
    return dict(latency.latencies_ms), [*result.warnings, *dropped]


def _node_and_bare_call() -> tuple[list[float], list[float]]:
    """Milliseconds of the bare call and of the node, picture by picture, in turn."""
    session = _bare_session()
    name = session.get_inputs()[0].name
    side = session.get_inputs()[0].shape[2:]
    bare_ms, node_ms = [], []
    with _detector_node() as detect:
        for index, picture in enumerate(_compressed_pictures()):
            tensor = _tensor(picture, (side[1], side[0]))
            begin = time.perf_counter()
            session.run(None, {name: tensor})
            middle = time.perf_counter()
            detect(picture)
            end = time.perf_counter()
            if index > 0:  # the first calls of both sides allocate
                bare_ms.append((middle - begin) * 1e3)
                node_ms.append((end - middle) * 1e3)
    return bare_ms, node_ms


def _bare_session() -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    # The settings of the backend, so that the share is the node's and not the settings'.
    options.intra_op_num_threads = usable_cores()
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    path = ModelRepository().locate(DETECTOR)
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def _compressed_pictures() -> Iterator[Any]:
    for message in BagReader(sample_recording()):
        if message.msg_type == "sensor_msgs/msg/CompressedImage":
            yield deserialize(message.cdr, message.msg_type)


def _tensor(picture: Any, size: tuple[int, int]) -> NDArray[np.float32]:
    pixels = cv2.imdecode(np.frombuffer(picture.data, np.uint8), cv2.IMREAD_COLOR)
    if pixels is None:
        raise EdgeMmError("benchmark: a picture of the sample recording cannot be decoded")
    return np.asarray(cv2.dnn.blobFromImage(pixels, 1 / 255, size, swapRB=True), np.float32)


@contextmanager
def _detector_node() -> Iterator[Callable[[Any], None]]:
    """A function that publishes a picture and returns when its detections have come."""
    host = default_model_host()
    with PrivateGraph() as graph:
        publisher = graph.publisher(PICTURE, f"{CAMERA}/image_raw/compressed", RELIABLE)
        arrived = graph.collect(DETECTIONS, f"{CAMERA}/detections", RELIABLE)
        parameters = {"cameras": [CAMERA], "transport": "compressed", "model": DETECTOR}
        node = graph.bring_up(
            ObjectDetectorNode(
                host=host, context=graph.context, parameter_overrides=overrides(parameters)
            )
        )
        graph.spin_until_connected(publisher)

        def detect(picture: Any) -> None:
            arrived.clear()
            publisher.publish(picture)
            graph.spin_until(lambda: bool(arrived), what="detections of a picture")

        yield detect
        node.trigger_shutdown()
    host.close()

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

import numpy as np

from edge_mm_ros.bench.bare_engines import detector_session
from edge_mm_ros.bench.material import DETECTOR, compressed_pictures, tensor
from edge_mm_ros.bench.result import Bar, BenchResult, Measure
from edge_mm_ros.nodes.models import default_model_host
from edge_mm_ros.nodes.object_detector import ObjectDetectorNode
from edge_mm_ros.nodes.replaying import replay_system
from edge_mm_ros.params.share import sample_recording
from edge_mm_ros.params.system import load_system
from edge_mm_ros.ros.bags import BagReader
from edge_mm_ros.ros.messages import message_class
from edge_mm_ros.ros.parameters import overrides
from edge_mm_ros.ros.private_graph import PrivateGraph
from edge_mm_ros.ros.qos import RELIABLE
from edge_mm_ros.ros.stage_latency import EVENT_STAGE, STAGES, StageLatency

CAMERA = "camera"
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
    session = detector_session()
    name = session.get_inputs()[0].name
    side = session.get_inputs()[0].shape[2:]
    bare_ms, node_ms = [], []
    with _detector_node() as detect:
        for index, picture in enumerate(compressed_pictures()):
            feed = tensor(picture, (side[1], side[0]))
            begin = time.perf_counter()
            session.run(None, {name: feed})
            middle = time.perf_counter()
            detect(picture)
            end = time.perf_counter()
            if index > 0:  # the first calls of both sides allocate
                bare_ms.append((middle - begin) * 1e3)
                node_ms.append((end - middle) * 1e3)
    return bare_ms, node_ms


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

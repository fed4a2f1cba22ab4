"""What a node tells of its models on ``/diagnostics``, as another node hears it."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from edge_mm_ros.datatypes import EdgeMmError
from edge_mm_ros.nodes.object_detector import ObjectDetectorNode
from edge_mm_ros.ros.messages import message_class
from edge_mm_ros.ros.parameters import overrides
from edge_mm_ros.ros.private_graph import PrivateGraph
from edge_mm_ros.ros.qos import RELIABLE
from edge_mm_ros.runtime import ModelHost

DIAGNOSTICS = message_class("diagnostic_msgs/msg/DiagnosticArray")
Told = tuple[float, str]
"""Arrival on the steady clock in seconds, and the kind of change."""


@contextmanager
def listening_to_models(host: ModelHost, model: str, told: list[Told]) -> Iterator[None]:
    """Let a detector node work on a host, and note each change of a model that it tells.

    Args:
        host: the node's host; the node is configured, and gets no pictures.
        model: name of the model.
        told: grows while the block runs.

    Raises:
        EdgeMmError: the node refuses to configure.
    """
    ended = threading.Event()

    def note(message: Any) -> None:
        now_s = time.monotonic()
        for status in message.status:
            values = {item.key: item.value for item in status.values}
            if values.get("model") == model and "change" in values:
                told.append((now_s, values["change"]))

    with PrivateGraph() as graph:
        graph.peer.create_subscription(DIAGNOSTICS, "/diagnostics", note, RELIABLE.profile())
        node = graph.add(
            ObjectDetectorNode(
                host=host,
                context=graph.context,
                parameter_overrides=overrides({"cameras": ["camera"], "model": model}),
            )
        )
        node.trigger_configure()
        if node.last_error:
            raise EdgeMmError(f"benchmark: the node refuses to configure: {node.last_error}")

        def spin() -> None:
            graph.spin_until(ended.is_set, timeout_s=float("inf"))

        spinner = threading.Thread(target=spin, name="diagnostics listener")
        spinner.start()
        try:
            yield
        finally:
            ended.set()
            spinner.join()

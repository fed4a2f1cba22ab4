"""How long a picture takes from its capture to what follows from it, stage by stage."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray
from vision_msgs.msg import Detection2DArray, Detection3DArray

from edge_mm_ros.ros.bags import BagMessage
from edge_mm_ros.ros.conversions.stamps import to_ns
from edge_mm_ros.ros.messages import deserialize
from edge_mm_ros.ros.replay import Published

STAGES: dict[type, str] = {
    Detection2DArray: "capture to detections",
    Detection3DArray: "capture to objects",
}
EVENT_STAGE = "capture to event"


class StageLatency:
    """Matches what nodes publish with the pictures fed, by capture stamp.

    Attributes:
        latencies_ms: by stage, in order of arrival, milliseconds.
    """

    def __init__(self) -> None:
        self.latencies_ms: dict[str, list[float]] = defaultdict(list)
        self._fed_s: dict[int, float] = {}

    def on_fed(self, message: BagMessage, wall_s: float) -> None:
        """Note when a picture was fed."""
        if message.msg_type in {"sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage"}:
            picture = deserialize(message.cdr, message.msg_type)
            self._fed_s[to_ns(picture.header.stamp)] = wall_s

    def on_published(self, published: Published, message: Any) -> None:
        """Note what came of it, and when."""
        if published.msg_class is DiagnosticArray:
            if not published.topic.endswith("safety/events"):
                return
            stage = EVENT_STAGE
        elif published.msg_class in STAGES:
            stage = STAGES[published.msg_class]
        else:
            return
        fed_s = self._fed_s.get(to_ns(message.header.stamp))
        if fed_s is not None:
            self.latencies_ms[stage].append((published.wall_s - fed_s) * 1e3)

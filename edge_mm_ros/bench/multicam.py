"""Four cameras before one detector that cannot keep up: how old results get, and who waits.

The same load twice in one run, through topics and the real node: as it is, where the newest picture
of each camera waits and the longest waiting camera is next, and with a queue of ten pictures for
each camera instead.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from edge_mm_ros.backends.process_share import resident_bytes
from edge_mm_ros.bench.material import DETECTOR, compressed_pictures
from edge_mm_ros.bench.result import Bar, BenchResult, Measure
from edge_mm_ros.nodes.detector_switch import INFERENCE
from edge_mm_ros.nodes.models import default_model_host
from edge_mm_ros.nodes.object_detector import ObjectDetectorNode
from edge_mm_ros.ros.conversions.stamps import to_ns, to_stamp
from edge_mm_ros.ros.messages import message_class
from edge_mm_ros.ros.parameters import overrides
from edge_mm_ros.ros.private_graph import PrivateGraph
from edge_mm_ros.ros.qos import RELIABLE, SENSOR
from edge_mm_ros.ros.work_queue import drop_oldest
from edge_mm_ros.runtime.batcher import Batcher, Frame

CAMERAS = ("front", "left", "rear", "right")
RATE_HZ = 10.0
DURATION_S = 60.0
WARM_UP_S = 5.0
QUEUE = 10
MAX_AGE_ROUNDS = 2.0
MAX_SHARE_DIFFERENCE_PERCENT = 10.0
MAX_GROWTH_MB = 20.0
PICTURE = message_class("sensor_msgs/msg/CompressedImage")
DETECTIONS = message_class("vision_msgs/msg/Detection2DArray")


@dataclass(frozen=True)
class Result:
    """Detections of one picture.

    Attributes:
        stamp_s: when the picture was taken. [s]
        arrived_s: when its detections came, on the same clock. [s]
    """

    stamp_s: float
    arrived_s: float


@dataclass
class Load:
    """What one way did with the load.

    Attributes:
        results: by camera, in order of arrival.
        sizes_bytes: of the process, once a second.
        published: how many pictures there were.
        duration_s: how long.
    """

    results: dict[str, list[Result]] = field(default_factory=lambda: {c: [] for c in CAMERAS})
    sizes_bytes: list[int] = field(default_factory=list)
    published: int = 0
    duration_s: float = 0.0

    @property
    def served(self) -> int:
        """How many pictures got their detections."""
        return sum(len(results) for results in self.results.values())


def run(duration_s: float = DURATION_S) -> BenchResult:
    """Measure.

    Args:
        duration_s: how long each of the two ways is measured.
    """
    newest = _measure(ObjectDetectorNode, duration_s)
    return result(newest, _measure(_QueueNode, duration_s))


def result(newest: Load, queued: Load) -> BenchResult:
    """Measures and bars.

    Args:
        newest: with the newest picture of each camera.
        queued: with a queue for each camera.
    """
    measures = []
    for load, way in ((newest, "newest picture"), (queued, f"queue of {QUEUE}")):
        ages_ms = [1e3 * age for results in load.results.values() for age in ages_s(results)]
        rounds_ms = [1e3 * one for results in load.results.values() for one in rounds_s(results)]
        measures += [
            Measure.of(f"{way}: age of a camera's newest result, at its oldest", "ms", ages_ms),
            Measure.of(f"{way}: service round", "ms", rounds_ms),
            Measure.of(f"{way}: served", "Hz", [load.served / load.duration_s]),
        ]
    rounds = [one for results in newest.results.values() for one in ages_in_rounds(results)]
    measures.append(Measure.of("newest picture: that age in service rounds", "rounds", rounds))
    nan = float("nan")
    bars = (
        Bar.at_most(
            "largest age of a camera's newest result",
            max(rounds, default=nan),
            "rounds",
            MAX_AGE_ROUNDS,
        ),
        Bar.at_most(
            "difference between the cameras' shares",
            share_difference_percent(newest.results),
            "%",
            MAX_SHARE_DIFFERENCE_PERCENT,
        ),
        Bar.at_most("growth of memory", growth_mb(newest.sizes_bytes), "MB", MAX_GROWTH_MB),
    )
    return BenchResult("multicam", tuple(measures), bars, tuple(_notes(newest, queued)))


def ages_s(results: Sequence[Result]) -> list[float]:
    """How old a camera's newest result was just before the next one came."""
    return [after.arrived_s - one.stamp_s for one, after in itertools.pairwise(results)]


def rounds_s(results: Sequence[Result]) -> list[float]:
    """The times between a camera's results: in each, every camera had its turn."""
    return [after.arrived_s - one.arrived_s for one, after in itertools.pairwise(results)]


def ages_in_rounds(results: Sequence[Result]) -> list[float]:
    """The ages in service rounds: those two in which the result was made and grew old.

    What slows the machine for a while makes age and rounds longer alike.
    """
    return [
        (after.arrived_s - one.stamp_s) / ((after.arrived_s - before.arrived_s) / 2)
        for before, one, after in zip(results, results[1:], results[2:])
    ]


def share_difference_percent(results: Mapping[str, Sequence[Result]]) -> float:
    """How far the least served camera is behind the most served one."""
    counts = [len(each) for each in results.values()]
    return 100.0 * (max(counts) - min(counts)) / max(counts) if max(counts) else float("nan")


def growth_mb(sizes_bytes: Sequence[int]) -> float:
    """From the first quarter to the last one, in medians."""
    quarter = len(sizes_bytes) // 4
    if not quarter:
        return float("nan")
    return float(np.median(sizes_bytes[-quarter:]) - np.median(sizes_bytes[:quarter])) / 1e6


def _notes(newest: Load, queued: Load) -> Iterator[str]:
    asked_hz = RATE_HZ * len(CAMERAS)
    for load, way in ((newest, "newest picture"), (queued, f"queue of {QUEUE}")):
        shares = ", ".join(f"{camera} {len(each)}" for camera, each in load.results.items())
        yield f"{way}: {load.published} pictures in {load.duration_s:.0f} s, served: {shares}"
        if load.served / load.duration_s > 0.95 * asked_hz:
            yield f"{way}: the detector keeps up with {asked_hz:g} Hz; nobody had to wait"


class _QueueNode(ObjectDetectorNode):
    """The node as others are built: each camera has a queue."""

    def listen_to_cameras(self, batcher: Batcher[Any]) -> None:
        for camera in self.params.cameras:
            self.listen(
                PICTURE,
                f"{camera}/image_raw/compressed",
                partial(self._one, camera),
                qos=SENSOR,
                queue=drop_oldest(QUEUE),
                worker=INFERENCE,
            )

    def _one(self, camera: str, message: Any) -> None:
        if self.active:  # what waits at the end would keep the detector busy for long
            self.on_pictures([Frame(camera, message, time.monotonic())])


def _measure(kind: type[ObjectDetectorNode], duration_s: float) -> Load:
    with _detector(kind) as (graph, publishers, load):
        _publish(graph, publishers, load, WARM_UP_S)
        load.results.update({camera: [] for camera in CAMERAS})
        load.sizes_bytes.clear()
        load.published = 0
        begin_s = time.monotonic()
        _publish(graph, publishers, load, duration_s)
        load.duration_s = time.monotonic() - begin_s
    return load


@contextmanager
def _detector(
    kind: type[ObjectDetectorNode],
) -> Iterator[tuple[PrivateGraph, Mapping[str, Any], Load]]:
    """A node, its cameras, and what comes of their pictures."""
    host, load = default_model_host(), Load()

    def note(camera: str, message: Any) -> None:
        stamp_s = to_ns(message.header.stamp) / 1e9
        load.results[camera].append(Result(stamp_s, time.monotonic()))

    with PrivateGraph() as graph:
        publishers = {
            c: graph.publisher(PICTURE, f"{c}/image_raw/compressed", RELIABLE) for c in CAMERAS
        }
        for camera in CAMERAS:
            graph.peer.create_subscription(
                DETECTIONS, f"{camera}/detections", partial(note, camera), RELIABLE.profile()
            )
        parameters = {"cameras": list(CAMERAS), "transport": "compressed", "model": DETECTOR}
        node = graph.bring_up(
            kind(host, context=graph.context, parameter_overrides=overrides(parameters))
        )
        for publisher in publishers.values():
            graph.spin_until_connected(publisher)
        yield graph, publishers, load
        node.trigger_shutdown()
    host.close()


def _publish(
    graph: PrivateGraph, publishers: Mapping[str, Any], load: Load, duration_s: float
) -> None:
    """Let each camera send its pictures, one after the other."""
    pictures, cameras = itertools.cycle(compressed_pictures()), itertools.cycle(CAMERAS)
    period_s = 1.0 / (RATE_HZ * len(CAMERAS))
    begin_s = due_s = look_s = time.monotonic()
    while due_s < begin_s + duration_s:
        now_s = time.monotonic()
        if now_s < due_s:
            graph.executor.spin_once(timeout_sec=due_s - now_s)
            continue
        picture = next(pictures)
        picture.header.stamp = to_stamp(time.monotonic_ns())
        publishers[next(cameras)].publish(picture)
        load.published += 1
        due_s += period_s
        if now_s >= look_s:
            load.sizes_bytes.append(resident_bytes())
            look_s += 1.0

"""What nodes tell of their models on /diagnostics, and their services, over real topics."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("rclpy")
pytest.importorskip("vision_msgs")

from diagnostic_msgs.msg import DiagnosticArray
from fakes.scripted_backend import Hang, fails, write_manifest
from fakes.scripted_detector import ScriptedDetectors
from rclpy.parameter import Parameter
from sensor_msgs.msg import Image as RawImage
from std_srvs.srv import Trigger
from vision_msgs.msg import Detection2DArray

from edge_mm_ros.backends import BackendRegistry
from edge_mm_ros.datatypes import HealthLevel, Image
from edge_mm_ros.model_repository import ModelRepository
from edge_mm_ros.nodes.models import default_model_host, model_health
from edge_mm_ros.nodes.object_detector import ObjectDetectorNode
from edge_mm_ros.params import ParameterError
from edge_mm_ros.params.runtime import RuntimeParams, runtime_settings
from edge_mm_ros.ros.conversions.images import image_to_msg
from edge_mm_ros.ros.qos import RELIABLE
from edge_mm_ros.runtime import ModelChange, ModelHost

OK, WARN, ERROR = b"\x00", b"\x01", b"\x02"
QUICK = RuntimeParams(backoff_s=0.05, probation_s=0.1, probation_checks=2, standby_s=0.1)


class Rig:
    """A detector over a scripted engine, a camera, and who listens to both."""

    def __init__(self, graph: Any, folder: Path, settings: RuntimeParams = QUICK) -> None:
        self.graph = graph
        self.backend = ScriptedDetectors()
        self.host = ModelHost(ModelRepository([folder]), BackendRegistry([self.backend]), settings)
        self.pictures = graph.publisher(RawImage, "camera/image_raw", RELIABLE)
        self.detections = graph.collect(Detection2DArray, "camera/detections", RELIABLE)
        self.diagnostics = graph.collect(DiagnosticArray, "/diagnostics", RELIABLE)
        self.node = ObjectDetectorNode(
            self.host,
            context=graph.context,
            parameter_overrides=[Parameter("model", value="cats")],
        )

    def detect(self) -> None:
        """Send one picture and wait for its detections."""
        count = len(self.detections)
        self.graph.spin_until_connected(self.pictures)
        pixels = np.full((64, 64, 3), 60, np.uint8)
        self.pictures.publish(image_to_msg(Image(pixels, count + 1, "lens")))
        self.graph.spin_until(lambda: len(self.detections) > count, what="detections")

    def entries(self) -> list[Any]:
        """All that was told of the model."""
        return [
            status
            for message in self.diagnostics
            for status in message.status
            if status.name.endswith(": model cats")
        ]

    def wait_for_change(self, kind: str) -> Any:
        """The first entry that tells a change, values as a dictionary."""
        self.graph.spin_until(lambda: bool(self.changes(kind)), timeout_s=10, what=kind)
        return self.changes(kind)[0]

    def changes(self, kind: str) -> list[Any]:
        return [e for e in self.entries() if values_of(e).get("change") == kind]

    def call(self, service: str) -> Trigger.Response:
        """Call one of the node's services."""
        client = self.graph.peer.create_client(Trigger, f"object_detector/{service}")
        self.graph.spin_until(client.service_is_ready, what=service)
        future = client.call_async(Trigger.Request())
        self.graph.spin_until(future.done, what=f"answer of {service}")
        return future.result()


def values_of(status: Any) -> dict[str, str]:
    return {value.key: value.value for value in status.values}


@pytest.fixture
def rig(ros_graph: Any, tmp_path: Path) -> Iterator[Rig]:
    write_manifest(tmp_path, "cats", version="'7'", deadline_s="0.2")
    made = Rig(ros_graph, tmp_path)
    yield made
    if made.node.active:
        made.node.trigger_shutdown()
    made.host.close()


def test_a_model_in_use_tells_where_it_runs_and_how_fast(rig: Rig) -> None:
    rig.graph.bring_up(rig.node)
    rig.detect()
    # the trial of configure, and the picture
    rig.graph.spin_until(lambda: values_of(rig.entries()[-1])["requests"] >= "2")
    last = rig.entries()[-1]
    values = values_of(last)
    assert last.level == OK
    assert last.message == "runs on fake:gpu"
    assert (values["state"], values["device"], values["version"]) == ("loaded", "fake:gpu", "7")
    assert values["memory_bytes"] == "1000"
    assert float(values["rate_hz"]) > 0
    assert values["requests_lost"] == values["failures"] == values["fallbacks"] == "0"
    assert 0.0 <= float(values["p50_ms"]) <= float(values["p99_ms"]) < 1000.0


def test_a_fallback_is_told_at_once_and_so_is_the_way_back(rig: Rig) -> None:
    rig.graph.bring_up(rig.node)
    rig.detect()
    rig.backend.on_run["gpu"] = fails("the card fell out")
    rig.backend.on_warm_up["gpu"] = fails("the card fell out")
    rig.detect()  # answered all the same
    fallback = rig.wait_for_change("fallback")
    values = values_of(fallback)
    assert fallback.level == WARN
    assert (values["from"], values["to"]) == ("fake:gpu", "fake:cpu")
    assert "the card fell out" in values["reason"]
    assert values["requests_lost"] == "0"
    rig.graph.spin_until(lambda: rig.entries()[-1].message.startswith("fell back"), timeout_s=10)
    periodic = rig.entries()[-1]
    assert periodic.level == WARN
    assert values_of(periodic)["state"] == "fallback"

    rig.backend.on_run.clear()
    rig.backend.on_warm_up.clear()
    recovered = rig.wait_for_change("recovered")
    assert recovered.level == OK
    assert (values_of(recovered)["from"], values_of(recovered)["to"]) == ("fake:cpu", "fake:gpu")


def test_a_model_that_nothing_can_run_any_more_is_an_error_with_the_requests_lost(rig: Rig) -> None:
    rig.graph.bring_up(rig.node)
    rig.detect()
    for device in ("gpu", "cpu"):
        for script in (rig.backend.on_run, rig.backend.on_warm_up, rig.backend.on_load):
            script[device] = fails("no power")
    rig.pictures.publish(image_to_msg(Image(np.zeros((64, 64, 3), np.uint8), 99, "lens")))
    failed = rig.wait_for_change("failed")
    assert failed.level == ERROR
    assert values_of(failed)["requests_lost"] == "1"
    rig.graph.spin_until(lambda: "no candidate is left" in rig.entries()[-1].message, timeout_s=10)
    assert rig.entries()[-1].level == ERROR
    assert values_of(rig.entries()[-1])["state"] == "failed"


def test_a_hung_call_is_a_warning_and_costs_no_answer(rig: Rig) -> None:
    rig.graph.bring_up(rig.node)
    rig.detect()
    hang = rig.backend.on_run["gpu"] = Hang()
    rig.detect()
    hung = rig.wait_for_change("hung")
    assert hung.level == WARN
    hang.release.set()


def test_a_change_is_published_within_a_second(rig: Rig) -> None:
    happened_ns: list[int] = []
    rig.host.add_listener(lambda _: happened_ns.append(time.time_ns()))
    rig.graph.bring_up(rig.node)
    happened_ns.clear()
    rig.host.unload("cats")
    rig.wait_for_change("unloaded")
    (told,) = [
        message.header.stamp
        for message in rig.diagnostics
        if any(values_of(status).get("change") == "unloaded" for status in message.status)
    ]
    assert told.sec * 10**9 + told.nanosec - happened_ns[0] < 10**9


def test_a_device_that_is_not_there_is_no_warning(rig: Rig) -> None:
    rig.backend.unavailable["gpu"] = "no driver"
    rig.graph.bring_up(rig.node)
    rig.graph.spin_until(lambda: any(e.message == "runs on fake:cpu" for e in rig.entries()))
    told = next(e for e in rig.entries() if e.message == "runs on fake:cpu")
    assert told.level == OK
    assert values_of(told)["unavailable_0"] == "fake:gpu: no driver"


def test_publishing_never_holds_up_who_tells_the_change(rig: Rig) -> None:
    """The host tells a change while it decides who serves: a slow network must not stop it."""
    rig.graph.bring_up(rig.node)
    blocked, release = threading.Event(), threading.Event()
    tell = rig.node.tell

    def slow(health: Any) -> None:
        blocked.set()
        assert release.wait(30)
        tell(health)

    rig.node.tell = slow  # type: ignore[method-assign]
    rig.host.unload("cats")
    assert blocked.wait(10)
    rig.host.preload("cats")  # must not wait for the first change to be told
    release.set()
    rig.wait_for_change("unloaded")


def test_changes_of_other_models_are_not_this_nodes(rig: Rig, tmp_path: Path) -> None:
    write_manifest(tmp_path, "dogs")
    rig.graph.bring_up(rig.node)
    rig.host.preload("dogs")
    rig.host.unload("cats")
    rig.wait_for_change("unloaded")
    assert not any("dogs" in s.name for message in rig.diagnostics for s in message.status)


def test_nothing_stays_with_the_host_after_cleanup(rig: Rig) -> None:
    threads = threading.active_count()
    rig.graph.bring_up(rig.node)
    rig.detect()
    rig.node.trigger_deactivate()
    rig.node.trigger_cleanup()
    assert rig.wait_for_change("unloaded") is not None
    (status,) = rig.host.status()
    assert not status.loaded
    assert rig.host._listeners == []
    rig.graph.spin_until(lambda: threading.active_count() <= threads, what="threads end")


def test_a_model_stays_while_another_node_is_configured_with_it(rig: Rig) -> None:
    other = ObjectDetectorNode(
        rig.host,
        "second",
        context=rig.graph.context,
        parameter_overrides=[Parameter("model", value="cats")],
    )
    rig.graph.bring_up(rig.node)
    rig.graph.bring_up(other)
    other.trigger_shutdown()
    assert rig.host.status()[0].loaded


def test_load_and_unload_answer_with_what_they_did(rig: Rig) -> None:
    rig.graph.bring_up(rig.node)
    done = rig.call("unload")
    assert done.success
    assert "cats is unloaded" in done.message
    assert not rig.host.status()[0].loaded
    done = rig.call("load")
    assert done.success
    assert done.message == "cats runs on fake:gpu"
    rig.call("unload")
    rig.detect()  # loads it again by itself
    assert rig.host.status()[0].loaded


def test_load_tells_why_it_cannot(rig: Rig) -> None:
    rig.graph.bring_up(rig.node)
    rig.call("unload")
    for device in ("gpu", "cpu"):
        rig.backend.on_load[device] = fails("out of memory")
    done = rig.call("load")
    assert not done.success
    assert "fake:gpu: out of memory" in done.message
    assert "fake:cpu: out of memory" in done.message


def test_unload_refuses_while_the_model_is_in_use(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edge_mm_ros.nodes.models._UNLOAD_PATIENCE_S", 0.05)
    rig.graph.bring_up(rig.node)
    with rig.host.lease("cats"):
        done = rig.call("unload")
    assert not done.success
    assert "in use" in done.message
    assert rig.host.status()[0].loaded


def test_a_long_load_does_not_keep_the_nodes_other_services(rig: Rig) -> None:
    rig.graph.bring_up(rig.node)
    rig.call("unload")
    hang = rig.backend.on_load["gpu"] = Hang()
    load = rig.graph.peer.create_client(Trigger, "object_detector/load")
    rig.graph.spin_until(load.service_is_ready)
    loading = load.call_async(Trigger.Request())
    rig.graph.spin_until(hang.entered.is_set, what="the load begins")
    count = len(rig.diagnostics)
    rig.graph.spin_until(lambda: len(rig.diagnostics) > count, timeout_s=5, what="it goes on")
    assert not loading.done()
    hang.release.set()
    rig.graph.spin_until(loading.done)
    assert loading.result().success


def test_before_configure_the_services_say_so(rig: Rig) -> None:
    rig.graph.add(rig.node)
    for service in ("load", "unload"):
        done = rig.call(service)
        assert not done.success
        assert done.message == "object_detector is not configured; configure it first"


@pytest.mark.parametrize(
    ("kind", "level"),
    [
        ("fallback", HealthLevel.WARN),
        ("failed", HealthLevel.ERROR),
        ("hung", HealthLevel.WARN),
        ("swap_failed", HealthLevel.WARN),
        ("swapped", HealthLevel.OK),
        ("evicted", HealthLevel.OK),
        ("recovered", HealthLevel.OK),
    ],
)
def test_each_kind_of_change_has_its_level(tmp_path: Path, kind: Any, level: HealthLevel) -> None:
    from edge_mm_ros.nodes.models import change_health

    host = ModelHost(ModelRepository([tmp_path]), BackendRegistry(()))
    health = change_health(host, ModelChange("cats", kind, "a:gpu", "a:cpu", "why", 3))
    assert health.level is level
    assert health.message == f"{kind.replace('_', ' ')} (a:gpu -> a:cpu): why"
    assert health.values["requests_lost"] == "3"


def test_a_model_that_was_never_asked_for_is_not_loaded(tmp_path: Path) -> None:
    host = ModelHost(ModelRepository([tmp_path]), BackendRegistry(()))
    health = model_health(host, "cats")
    assert (health.level, health.message) == (HealthLevel.OK, "not loaded")


@pytest.fixture
def settings_file(tmp_path: Path) -> Callable[[str], str]:
    def write(text: str) -> str:
        path = tmp_path / "runtime.yaml"
        path.write_text(text, encoding="utf-8")
        return str(path)

    return write


def test_settings_come_from_the_option_then_from_the_environment(
    settings_file: Callable[[str], str], tmp_path: Path
) -> None:
    assert runtime_settings("", {}) == RuntimeParams()
    file = settings_file("{memory_bytes: 5}")
    assert runtime_settings("", {"EDGE_MM_RUNTIME": file}).memory_bytes == 5
    other = tmp_path / "other.yaml"
    other.write_text("{memory_bytes: 6}", encoding="utf-8")
    assert runtime_settings(str(other), {"EDGE_MM_RUNTIME": file}).memory_bytes == 6


def test_a_file_of_settings_that_cannot_be_used_is_named(
    settings_file: Callable[[str], str],
) -> None:
    file = settings_file("{memory: 5}")
    with pytest.raises(ParameterError, match=f"{file}: unknown key 'memory'"):
        runtime_settings(file, {})
    with pytest.raises(ParameterError, match="/nowhere.yaml"):
        runtime_settings("", {"EDGE_MM_RUNTIME": "/nowhere.yaml"})


def test_the_default_host_takes_the_settings_of_the_environment(
    settings_file: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EDGE_MM_RUNTIME", settings_file("{memory_bytes: 12345}"))
    assert default_model_host().settings.memory_bytes == 12345
    assert default_model_host(RuntimeParams(memory_bytes=6)).settings.memory_bytes == 6

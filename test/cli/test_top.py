"""``edge-mm top``: what is gathered from /diagnostics, and how it is shown."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from rich.console import Console

from edge_mm_ros.cli.live_models import LiveModels
from edge_mm_ros.cli.top import as_json, in_namespace, nobody_heard, render
from edge_mm_ros.datatypes import Health, HealthLevel

pytest.importorskip("rclpy")
pytest.importorskip("diagnostic_msgs")

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from fakes.fake_clock import FakeClock

from edge_mm_ros.ros.diagnostics import NodeHealth, from_array, to_array


def entry(part: str, node: str = "/eye", level: Any = HealthLevel.OK, **values: str) -> NodeHealth:
    return NodeHealth(node, Health(part, level, "so it is", values))


STATE = entry("state")


def shown(live: LiveModels, namespace: str = "") -> str:
    console = Console(width=200, file=io.StringIO())
    with console.capture() as capture:
        console.print(render(live.lines(), namespace))
    return capture.get()


def test_the_newest_of_each_model_is_shown_with_its_numbers() -> None:
    live = LiveModels()
    values = {
        "state": "loaded",
        "device": "onnxruntime:cpu",
        "memory_bytes": "161000000",
        "rate_hz": "9.96",
        "p50_ms": "71.26",
        "p99_ms": "140.44",
        "requests": "300",
        "requests_lost": "2",
        "fallbacks": "1",
    }
    live.take([STATE, entry("model cats", **values), entry("topic /a", dropped="4")])
    live.take(
        [
            STATE,
            entry("model cats", **{**values, "requests": "310"}),
            entry("topic /a", dropped="5"),
            entry("topic /b", dropped="1"),
        ]
    )
    (line,) = live.lines()
    assert (line.requests, line.dropped) == (310, 6)
    (row,) = [text for text in shown(live).splitlines() if "cats" in text]
    assert row.split() == [
        *("/eye", "cats", "onnxruntime:cpu", "161", "MB", "10.0/s", "71.3", "ms", "140", "ms"),
        *("310", "2", "6", "1"),
    ]


def test_a_model_that_its_node_no_longer_tells_of_is_gone() -> None:
    live = LiveModels()
    live.take([STATE, entry("model cats")])
    live.take([STATE])
    assert live.lines() == []
    assert live.nodes == {"/eye"}


def test_a_change_is_shown_at_once_and_takes_nothing_away() -> None:
    live = LiveModels()
    live.take([STATE, entry("model cats"), entry("model dogs"), entry("topic /a", dropped="4")])
    live.take([entry("model cats", level=HealthLevel.WARN, device="fake:cpu")])
    cats, dogs = live.lines()
    assert (cats.device, cats.level, cats.dropped) == ("fake:cpu", HealthLevel.WARN, 4)
    assert dogs.model == "dogs"
    assert "/eye: cats: so it is" in shown(live)


def test_a_silent_node_is_marked_and_then_forgotten() -> None:
    clock = FakeClock()
    live = LiveModels(clock)
    live.take([STATE, entry("model cats")])
    clock.advance(5.0)
    assert "/eye: silent for 5 s" in shown(live)
    clock.advance(30.0)
    assert live.lines() == []


def test_a_namespace_holds_those_below_it() -> None:
    live = LiveModels()
    for node in ("/eye", "/robot/eye", "/robot/left/eye", "/robot2/eye"):
        live.take([entry("state", node), entry("model cats", node)])
    for namespace in ("robot", "/robot", "/robot/"):
        found = [line.node for line in in_namespace(live.lines(), namespace)]
        assert found == ["/robot/eye", "/robot/left/eye"]
    assert len(in_namespace(live.lines(), "")) == 4


@pytest.mark.parametrize("text", ["", "many", "inf", "1e999", "nan"])
def test_numbers_that_are_none_are_shown_as_unknown(text: str) -> None:
    live = LiveModels()
    values = dict.fromkeys(("rate_hz", "p50_ms", "p99_ms", "requests", "memory_bytes"), text)
    live.take([STATE, entry("model cats", **values)])
    assert "cats" in shown(live)
    (line,) = json.loads(as_json(live.lines()))
    assert (line["p50_ms"], line["requests"], line["level"]) == (None, 0, "ok")


def test_texts_from_outside_are_neither_markup_nor_control() -> None:
    live = LiveModels()
    live.take([STATE, entry("model [red]cats[/]", level=HealthLevel.WARN, device="\x1b[2J")])
    text = shown(live)
    assert "[red]cats[/]" in text
    assert "\x1b" not in text


def test_where_nobody_is_heard_it_says_how_to_begin(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROS_DOMAIN_ID", "7")
    assert "(ROS_DOMAIN_ID=7)" in nobody_heard(3.0)
    assert "edge-mm up safety_monitor" in shown(LiveModels())


def test_diagnostics_come_back_as_they_were_told() -> None:
    health = Health("model cats: big", HealthLevel.WARN, "slow", {"device": "cpu"})
    message = to_array([health], "/robot/eye", 0)
    assert from_array(message) == [NodeHealth("/robot/eye", health)]


def test_diagnostics_of_others_are_left_out() -> None:
    def status(**fields: Any) -> DiagnosticStatus:
        return DiagnosticStatus(**{"level": b"\x00", **fields})

    foreign = [
        status(name="battery", hardware_id="serial 7"),
        status(name="battery: cell", hardware_id=""),
        status(name="eye", hardware_id="/eye"),
        status(name="eye: x", hardware_id="/eye", level=b"\x09"),
        status(name="eye: x", hardware_id="/ear", values=[KeyValue(key="a", value="b")]),
    ]
    assert from_array(DiagnosticArray(status=foreign)) == []

"""The description of a system: what it accepts, what it refuses, and by which name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from edge_mm_ros.params import NodeParams, ParameterError, load_yaml
from edge_mm_ros.params.base import validate
from edge_mm_ros.params.node_kinds import NODE_KINDS, params_type
from edge_mm_ros.params.runtime import RuntimeParams
from edge_mm_ros.params.safety_rules import SafetyRules
from edge_mm_ros.params.scenario_sensors import load_rig
from edge_mm_ros.params.sensor_fusion import SensorFusionParams
from edge_mm_ros.params.share import share_directory
from edge_mm_ros.params.system import SystemDescription, load_system, shipped_systems


def system_of(*nodes: dict[str, Any], **process: Any) -> dict[str, Any]:
    return {"name": "s", "processes": {"p": {"nodes": list(nodes), **process}}}


def refusal(values: Any) -> str:
    with pytest.raises(ParameterError) as caught:
        validate(SystemDescription, values, "s.yaml")
    return str(caught.value)


@pytest.mark.parametrize("kind", NODE_KINDS)
def test_every_kind_of_node_has_parameters(kind: Any) -> None:
    assert issubclass(params_type(kind), NodeParams)


def test_the_shipped_safety_monitor_keeps_language_apart_from_safety() -> None:
    system = load_system("safety_monitor")
    process_of = {
        node.node: name for name, process in system.processes.items() for node in process.nodes
    }
    assert set(process_of) == set(NODE_KINDS) - {"microphone", "audio_file", "speech_synthesizer"}
    safety_path = {process_of[k] for k in ("object_detector", "sensor_fusion", "safety_monitor")}
    voice = {process_of[k] for k in ("speech_transcriber", "event_summarizer")}
    assert len(safety_path) == 1
    assert not safety_path & voice
    assert all(process.respawn for process in system.processes.values())


@pytest.mark.parametrize(
    ("name", "ear"), [("voice_assistant", "microphone"), ("voice_assistant_file", "audio_file")]
)
def test_a_voice_assistant_hears_answers_and_speaks(name: str, ear: str) -> None:
    system = load_system(name)
    assert [node.node for node in system.nodes] == [
        *(ear, "speech_transcriber", "event_summarizer", "speech_synthesizer"),
    ]
    # A model that is busy must delay neither the microphone nor an alarm.
    assert [len(process.nodes) for process in system.processes.values()] == [1, 2, 1]
    assert all(process.respawn for process in system.processes.values())


def test_every_shipped_system_can_be_read() -> None:
    names = shipped_systems()
    assert "safety_monitor" in names
    for name in names:
        assert load_system(name).name == name


def sensors_of(system: str) -> SensorFusionParams:
    nodes = {node.node: node.parameters for node in load_system(system).nodes}
    return SensorFusionParams.model_validate(nodes["sensor_fusion"])


@pytest.mark.parametrize(
    ("system", "rig", "further_cameras"),
    [
        ("simulated", "robot", 0),
        ("vehicle_simulated", "vehicle", 0),
        ("vehicle_perception", "vehicle", 3),
    ],
)
def test_a_simulated_system_has_the_sensors_of_its_rig_where_they_are(
    system: str, rig: str, further_cameras: int
) -> None:
    params, listed = sensors_of(system), load_rig(rig).sensors
    for kind in ("camera", "lidar", "radar", "ultrasonic"):
        known = getattr(params, f"{kind}s")
        mountings = getattr(params, f"{kind}_mounting")
        expected = {sensor.name: sensor.place for sensor in listed if sensor.kind == kind}
        assert len(known) == len(expected) + (further_cameras if kind == "camera" else 0)
        assert set(known) == set(mountings) >= set(expected)
        for name, place in expected.items():
            assert mountings[name].xyz_m == place.xyz_m
            assert mountings[name].rpy_rad == place.rpy_rad
    assert {params.odometry} == {sensor.name for sensor in listed if sensor.kind == "odometry"}


@pytest.mark.parametrize("system", ["simulated", "vehicle_simulated", "vehicle_perception"])
def test_fusion_and_monitor_of_a_system_speak_of_the_same(system: str) -> None:
    nodes = {node.node: node.parameters for node in load_system(system).nodes}
    fusion, monitor = nodes["sensor_fusion"], nodes["safety_monitor"]
    assert fusion["zones_file"] == monitor["rules_file"]
    for shared in ("cameras", "ultrasonics", "odometry"):
        assert fusion[shared] == monitor[shared]
    if "object_detector" in nodes:
        assert nodes["object_detector"]["cameras"] == fusion["cameras"]
    rules = load_yaml(SafetyRules, Path(monitor["rules_file"]))
    watched = [rule.component for rule in rules.rules if rule.kind == "stale" and rule.component]
    every = [*fusion["lidars"], *fusion["radars"], *fusion["ultrasonics"], fusion["odometry"]]
    for sensor in (*fusion["cameras"], *every):  # each has an alarm of its own
        assert any(f"sensor_fusion: sensor {sensor}".startswith(name) for name in watched), sensor


def test_a_vehicle_has_many_eyes_and_ears() -> None:
    params = sensors_of("vehicle_perception")
    assert (len(params.cameras), len(params.lidars)) == (4, 1)
    assert (len(params.radars), len(params.ultrasonics)) == (3, 12)
    assert "front/radar" in params.radars


def test_a_node_is_named_after_its_kind_unless_it_has_a_name() -> None:
    system = validate(
        SystemDescription,
        system_of({"node": "sensor_fusion"}, {"node": "sensor_fusion", "name": "rear"}),
        "",
    )
    assert [node.name for node in system.nodes] == ["sensor_fusion", "rear"]


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({**system_of({"node": "sensor_fusion"}), "colour": 1}, "unknown key 'colour'"),
        (system_of({"node": "sensor_fusion"}, nice=3), "unknown key 'processes.p.nice'"),
        (system_of({"node": "sensor_fusion", "param": {}}), "processes.p.nodes.0.param'"),
        (
            system_of({"node": "object_detector", "parameters": {"confidense": 1}}),
            "unknown key 'processes.p.nodes.0.parameters.confidense'",
        ),
        (
            system_of(
                {
                    "node": "sensor_fusion",
                    "parameters": {"camera_mounting": {"camera": {"xzy_m": [0, 0, 1]}}},
                }
            ),
            "parameters.camera_mounting.camera.xzy_m'",
        ),
        (
            system_of({"node": "object_detector", "parameters": {"degradation": {"step": []}}}),
            "parameters.degradation.step'",
        ),
    ],
)
def test_an_unknown_key_is_refused_by_name(values: Any, named: str) -> None:
    message = refusal(values)
    assert message.startswith("s.yaml: ")
    assert named in message
    assert "\n" not in message


@pytest.mark.parametrize(
    ("values", "named"),
    [
        (system_of({"node": "object_detektor"}), "'object_detector'"),
        (system_of({"node": "sensor_fusion", "name": "a b"}), "nodes.0.name"),
        (system_of({"node": "sensor_fusion"}, {"node": "sensor_fusion"}), "used twice"),
        (system_of(), "processes.p.nodes"),
        (system_of({"node": "sensor_fusion", "remappings": {"a b": "c"}}), "remappings"),
        (system_of({"node": "sensor_fusion"}, respawn_delay_s=-1), "respawn_delay_s"),
        ({"name": "s", "processes": {}}, "processes"),
        (
            system_of({"node": "object_detector", "parameters": {"confidence_threshold": 2}}),
            "parameters.confidence_threshold",
        ),
        (
            system_of({"node": "object_detector", "parameters": {"confidence_threshold": "0.5"}}),
            "parameters.confidence_threshold",
        ),
        (
            system_of({"node": "sensor_fusion", "parameters": {"lidars": []}}),
            "lidars: ROS parameter files cannot hold an empty list",
        ),
        ([1], "s.yaml"),
        ("text", "s.yaml"),
    ],
)
def test_a_wrong_value_is_refused_with_its_place(values: Any, named: str) -> None:
    assert named in refusal(values)


def test_parameters_come_out_as_ros_wants_them() -> None:
    mounting = {"camera": {"xyz_m": [0, 0, 1.5], "rpy_rad": [0, 0, 0], "frame": "optical"}}
    given = {"max_range_m": 12, "camera_mounting": mounting}
    system = validate(
        SystemDescription, system_of({"node": "sensor_fusion", "parameters": given}), ""
    )
    got = system.nodes[0].parameters
    # A ROS list has one type, and a double stays a double.
    assert got["camera_mounting"]["camera"] == {
        "xyz_m": [0.0, 0.0, 1.5],
        "rpy_rad": [0.0, 0.0, 0.0],
        "frame": "optical",
    }
    assert isinstance(got["camera_mounting"]["camera"]["xyz_m"][0], float)
    assert isinstance(got["max_range_m"], float)
    assert set(got) == set(given)


def test_a_relative_file_is_found_below_the_installed_configuration() -> None:
    installed = "systems/safety_monitor.yaml"  # any file that ships

    def rules_file(value: str) -> str:
        node = {"node": "safety_monitor", "parameters": {"rules_file": value}}
        system = validate(SystemDescription, system_of(node), "")
        return str(system.nodes[0].parameters["rules_file"])

    assert rules_file(installed) == str(share_directory() / "config" / installed)
    assert rules_file("own_rules") == "own_rules"
    assert rules_file("/etc/rules.yaml") == "/etc/rules.yaml"


def test_numbers_in_the_environment_become_text() -> None:
    system = validate(
        SystemDescription, system_of({"node": "sensor_fusion"}, env={"OMP_NUM_THREADS": 2}), ""
    )
    assert system.process("p").env == {"OMP_NUM_THREADS": "2"}


def test_an_unknown_process_names_the_known_ones() -> None:
    system = load_system("safety_monitor")
    with pytest.raises(ParameterError, match="no process 'ears'; it has: perception, voice"):
        system.process("ears")


def test_a_system_file_can_lie_anywhere(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump(system_of({"node": "event_summarizer"})), encoding="utf-8")
    assert load_system(str(path)).nodes[0].node == "event_summarizer"
    with pytest.raises(ParameterError, match="no systems named 'mine'.*safety_monitor"):
        load_system("mine")
    with pytest.raises(ParameterError, match="no such file"):
        load_system(str(tmp_path / "other.yaml"))


def test_a_file_that_is_no_yaml_is_named(tmp_path: Path) -> None:
    path = tmp_path / "broken.yaml"
    path.write_text("processes: [", encoding="utf-8")
    with pytest.raises(ParameterError, match=r"broken\.yaml: is not valid YAML"):
        load_system(str(path))


def test_a_process_may_describe_its_home_of_models() -> None:
    node = {"node": "sensor_fusion"}
    described = validate(SystemDescription, system_of(node, runtime={"memory_bytes": 5}), "")
    assert described.process("p").runtime == RuntimeParams(memory_bytes=5)
    assert validate(SystemDescription, system_of(node), "").process("p").runtime is None
    assert "unknown key 'processes.p.runtime.memory'" in refusal(
        system_of(node, runtime={"memory": 5})
    )
    assert "processes.p.runtime.strategy" in refusal(system_of(node, runtime={"strategy": "hope"}))


def test_the_parameters_of_a_node_name_its_models() -> None:
    named = {kind: params_type(kind)().models for kind in NODE_KINDS}
    assert named == {
        "object_detector": ("person_fall_detector",),
        "sensor_fusion": (),
        "safety_monitor": (),
        "speech_transcriber": ("whisper_tiny_en", "silero_vad"),
        "event_summarizer": ("smollm2_135m_instruct",),
        **dict.fromkeys(("microphone", "audio_file", "speech_synthesizer"), ()),
    }
    assert params_type("event_summarizer")(model="").models == ()

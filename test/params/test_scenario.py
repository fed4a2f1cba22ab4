"""Scenarios: the shipped ones hold, and what cannot be is refused by name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from edge_mm_ros.params import ParameterError
from edge_mm_ros.params.base import validate
from edge_mm_ros.params.scenario import Scenario, load_scenario, shipped_scenarios

CAMERA = {"kind": "camera", "name": "camera", "place": {"xyz_m": [0.0, 0.0, 1.0]}}
PERSON = {"name": "someone", "kind": "person", "path": [{"t_s": 0.0, "xy_m": [5.0, 0.0]}]}


def scenario_of(**changed: Any) -> dict[str, Any]:
    return {
        "name": "s",
        "duration_s": 5.0,
        "sensors": [CAMERA],
        "actors": [PERSON],
        **changed,
    }


def refusal(**changed: Any) -> str:
    with pytest.raises(ParameterError) as caught:
        validate(Scenario, scenario_of(**changed), "s.yaml")
    return str(caught.value)


def test_a_plain_scenario_is_accepted() -> None:
    scenario = validate(Scenario, scenario_of(), "s.yaml")
    assert scenario.actors[0].label_at(0.0) == "person"
    assert scenario.actors[0].size_at_m(0.0) == (0.5, 0.5, 1.75)


def test_the_eight_scenarios_of_the_issue_ship() -> None:
    assert set(shipped_scenarios()) == {
        "crossing_pedestrians",
        "occlusion",
        "crowd",
        "night",
        "fog",
        "vehicle_cut_in",
        "parking",
        "sensor_loss",
    }


@pytest.mark.parametrize("name", sorted(shipped_scenarios()))
def test_a_shipped_scenario_is_whole_and_says_what_it_tests(name: str) -> None:
    scenario = load_scenario(name)
    assert scenario.name == name
    assert 15.0 <= scenario.duration_s <= 40.0
    assert scenario.expectations
    comment = shipped_scenarios()[name].read_text(encoding="utf-8").split("\nname:")[0]
    assert "Tests:" in comment


def test_the_shipped_scenarios_are_what_their_names_say() -> None:
    people = [actor for actor in load_scenario("crowd").actors if actor.kind == "person"]
    assert len(people) == 12
    blind = load_scenario("night").outages[0]
    assert (blind.sensor, blind.kind, blind.from_s) == ("camera", "blind", 0.0)
    assert blind.to_s >= load_scenario("night").duration_s
    assert load_scenario("fog").visibility_m is not None
    ultrasonics = [s for s in load_scenario("parking").sensors if s.kind == "ultrasonic"]
    assert len(ultrasonics) == 12
    lost = {outage.sensor for outage in load_scenario("sensor_loss").outages}
    kinds = {s.kind for s in load_scenario("sensor_loss").sensors if s.name in lost}
    assert kinds == {"camera", "lidar", "radar", "ultrasonic", "odometry"}


def test_a_scenario_survives_its_own_text_with_the_rig_s_sensors() -> None:
    scenario = load_scenario("occlusion")
    again = Scenario.model_validate_json(scenario.model_dump_json())
    assert again == scenario
    assert {sensor.kind for sensor in again.sensors} >= {"camera", "lidar", "radar", "odometry"}


def test_a_scenario_of_a_file_adds_sensors_to_a_rig(tmp_path: Path) -> None:
    laser = {"kind": "laser", "name": "laser", "place": {"xyz_m": [0.2, 0.0, 0.3]}}
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump(scenario_of(rig="robot", sensors=[laser])))
    names = [sensor.name for sensor in load_scenario(str(path)).sensors]
    assert names[0] == "camera"
    assert names[-1] == "laser"


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"colour": "red"}, "unknown key 'colour'"),
        ({"actors": [{**PERSON, "mood": "good"}]}, "unknown key 'actors.0.mood'"),
        ({"sensors": [{**CAMERA, "zoom": 2}]}, "unknown key 'sensors.0.camera.zoom'"),
        ({"actors": [{"name": "a", "kind": "person"}]}, "missing key 'actors.0.path'"),
        ({"actors": [{**PERSON, "path": []}]}, "actors.0.path"),
        ({"actors": [PERSON, PERSON]}, "actor someone is defined more than once"),
        ({"sensors": [CAMERA, CAMERA]}, "sensor camera is defined more than once"),
        ({"sensors": []}, "sensors"),
        ({"duration_s": -1.0}, "duration_s"),
        ({"duration_s": 0.0}, "duration_s"),
        ({"rig": "submarine"}, "no rigs named 'submarine'"),
        ({"outages": [{"sensor": "nose", "from_s": 0, "to_s": 1}]}, "sensor 'nose'"),
        ({"outages": [{"sensor": "camera", "from_s": 2, "to_s": 1}]}, "to_s 1 must be later"),
        ({"outages": [{"sensor": "camera", "from_s": -2, "to_s": 1}]}, "outages.0.from_s"),
        ({"walls": [{"from_m": [1, 1], "to_m": [1, 1]}]}, "two different ends"),
        (
            {"expectations": [{"kind": "zone", "rule": "r", "zone": "moon"}]},
            "the zone 'moon'; there are: none",
        ),
    ],
)
def test_what_cannot_be_is_refused_by_name(changed: dict[str, Any], told: str) -> None:
    assert told in refusal(**changed)


@pytest.mark.parametrize(
    ("times", "told"),
    [((-1.0, 2.0), "path.0.t_s"), ((1.0, 1.0), "must grow"), ((3.0, 2.0), "must grow")],
)
def test_times_are_positive_and_grow(times: tuple[float, float], told: str) -> None:
    path = [{"t_s": t, "xy_m": [float(i), 0.0]} for i, t in enumerate(times)]
    assert told in refusal(actors=[{**PERSON, "path": path}])
    assert told in refusal(robot={"path": path})


@pytest.mark.parametrize(
    "changed",
    [
        {"place": {"xyz_m": [0.0, 0.0, -0.1]}},
        {"place": {"xyz_m": [0.0, 0.0, 3.0], "rpy_rad": [0.0, -1.2, 0.0]}},  # at the sky
        {"kind": "radar", "min_range_m": 20.0, "max_range_m": 10.0},
        {"kind": "ultrasonic", "min_range_m": 4.0, "max_range_m": 4.0},
        {"kind": "lidar", "elevation_min_rad": 0.2, "elevation_max_rad": 0.1},
        # Its whole range begins below the ground.
        {
            "kind": "ultrasonic",
            "min_range_m": 2.0,
            "place": {"xyz_m": [0.0, 0.0, 0.4], "rpy_rad": [0.0, 1.5, 0.0]},
        },
    ],
)
def test_a_sensor_that_looks_nowhere_is_refused(changed: dict[str, Any]) -> None:
    sensor = {**CAMERA, **changed, "name": "lost"}
    assert "sensor 'lost' looks nowhere" in refusal(sensors=[sensor])


def test_a_sensor_without_an_angle_is_refused() -> None:
    assert "field_of_view_rad" in refusal(sensors=[{**CAMERA, "field_of_view_rad": 0.0}])


def test_a_tall_actor_makes_a_steep_view_worth_while() -> None:
    sensor = {**CAMERA, "place": {"xyz_m": [0.0, 0.0, 3.0], "rpy_rad": [0.0, -1.2, 0.0]}}
    tower = {**PERSON, "name": "tower", "kind": "obstacle", "size_m": [3.0, 3.0, 30.0]}
    validate(Scenario, scenario_of(sensors=[sensor], actors=[tower]), "s.yaml")


def test_headings_are_given_on_all_waypoints_or_on_none() -> None:
    path = [{"t_s": 0.0, "xy_m": [0, 0], "heading_rad": 0.0}, {"t_s": 1.0, "xy_m": [1, 0]}]
    assert "heading_rad on all" in refusal(actors=[{**PERSON, "path": path}])


def test_only_people_fall_and_odometry_is_never_blind() -> None:
    car = {**PERSON, "kind": "car", "falls_at_s": 1.0}
    assert "only a person falls" in refusal(actors=[car])
    blind = {"sensor": "odom", "kind": "blind", "from_s": 0.0, "to_s": 1.0}
    assert "cannot be blind" in refusal(sensors=[CAMERA, {"kind": "odometry"}], outages=[blind])


def test_a_fallen_person_lies() -> None:
    actor = validate(Scenario, scenario_of(actors=[{**PERSON, "falls_at_s": 2.0}]), "s").actors[0]
    assert actor.label_at(1.9) == "person"
    assert actor.label_at(2.0) == "fallen person"
    assert actor.size_at_m(2.0)[2] < 0.5

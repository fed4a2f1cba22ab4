"""Small scenes for the tests of the simulation."""

from __future__ import annotations

from typing import Any

import numpy as np

from edge_mm_ros.params.base import validate
from edge_mm_ros.params.scenario import Scenario
from edge_mm_ros.pipelines.simulation import Record, Simulator
from edge_mm_ros.pipelines.simulation.measurement import Measurement
from edge_mm_ros.pipelines.simulation.scene import Scene
from edge_mm_ros.pipelines.simulation.simulator import model_of

STAMP_NS = 7_000_000_000
QUIET_CAMERA: dict[str, Any] = {
    "kind": "camera",
    "name": "camera",
    "place": {"xyz_m": [0.0, 0.0, 1.0]},
    "edge_sigma_px": 0.0,
    "edge_sigma_share": 0.0,
    "miss_share": 0.0,
    "false_per_picture": 0.0,
}
QUIET_LIDAR: dict[str, Any] = {
    "kind": "lidar",
    "name": "lidar",
    "place": {"xyz_m": [0.0, 0.0, 1.0]},
    "range_sigma_m": 0.0,
    "point_drop_share": 0.0,
}
QUIET_RADAR: dict[str, Any] = {
    "kind": "radar",
    "name": "radar",
    "place": {"xyz_m": [0.0, 0.0, 0.5]},
    "range_sigma_m": 0.0,
    "azimuth_sigma_rad": 0.0,
    "elevation_sigma_rad": 0.0,
    "doppler_sigma_mps": 0.0,
    "miss_share": 0.0,
    "false_per_scan": 0.0,
}
QUIET_ULTRASONIC: dict[str, Any] = {
    "kind": "ultrasonic",
    "name": "ultrasonic",
    "place": {"xyz_m": [0.0, 0.0, 0.5]},
    "range_sigma_m": 0.0,
    "miss_share": 0.0,
}
QUIET_ODOMETRY: dict[str, Any] = {
    "kind": "odometry",
    "scale_error": 0.0,
    "turn_bias_radps": 0.0,
    "speed_sigma_mps": 0.0,
    "turn_sigma_radps": 0.0,
}


def actor(name: str, kind: str, *places: tuple[float, float], **more: Any) -> dict[str, Any]:
    """An actor that is at each place for one second after the other."""
    path = [{"t_s": float(t), "xy_m": list(place)} for t, place in enumerate(places)]
    for point in path if len(places) == 1 else ():
        point["heading_rad"] = more.pop("heading_rad", 0.0)
    return {"name": name, "kind": kind, "path": path, **more}


def scenario_of(*actors: dict[str, Any], **more: Any) -> Scenario:
    """A scenario of one second with a noiseless camera, unless it says otherwise."""
    values = {"name": "scene", "duration_s": 1.0, "sensors": [QUIET_CAMERA], "actors": actors}
    return validate(Scenario, {**values, **more}, "scene")


def measure(
    scenario: Scenario, t_s: float = 0.0, *, seed: int = 1, blind: bool = False
) -> Measurement:
    """One measurement of the scenario's first sensor."""
    rng = np.random.default_rng(seed)
    model = model_of(scenario.sensors[0])
    return model.measure(Scene(scenario).at(t_s), STAMP_NS, rng, blind=blind)


def records(scenario: Scenario, topic: str, seed: int = 0) -> list[Record]:
    """The records of one topic."""
    return [one for one in Simulator(scenario, seed).records() if one.topic == topic]

"""The scripted scene at one instant: the robot, the actors, and everything that rays can hit."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge_mm_ros.datatypes import RigidTransform
from edge_mm_ros.params.scenario import Actor, Scenario, Wall
from edge_mm_ros.params.scenario_sensors import Sensor
from edge_mm_ros.pipelines.simulation.motion import Motion, Trajectory
from edge_mm_ros.pipelines.simulation.ray_casting import Solid

# Koschmieder: at the meteorological visibility 2 % of the contrast is left.
_KOSCHMIEDER = 3.912


@dataclass(frozen=True, eq=False)
class ActorState:
    """One actor at an instant.

    Attributes:
        actor: its script.
        label: its class now.
        motion: where it is and how it moves.
        solid: its shape in the world.
    """

    actor: Actor
    label: str
    motion: Motion
    solid: Solid


@dataclass(frozen=True, eq=False)
class Snapshot:
    """The scene at an instant.

    Attributes:
        t_s: time since the begin.
        robot: the robot's motion.
        robot_pose: the world from the robot's frame.
        actors: the actors.
        solids: the shapes of the actors, in their order, then those of the walls.
        extinction_per_m: of light, by fog; 0 without.
    """

    t_s: float
    robot: Motion
    robot_pose: RigidTransform
    actors: tuple[ActorState, ...]
    solids: tuple[Solid, ...]
    extinction_per_m: float

    def sensor_pose(self, sensor: Sensor) -> RigidTransform:
        """The world from a sensor's body, as it really sits."""
        return self.robot_pose @ sensor.true_pose()

    def sensor_velocity(self, sensor: Sensor) -> NDArray[np.float64]:
        """Of a sensor in the world, float64 (3,), its lever arm included."""
        arm = self.robot_pose.rotation @ sensor.true_pose().translation_m
        turn = self.robot.turn_rate_radps
        moved = self.robot.velocity_mps
        return np.array([moved[0] - turn * arm[1], moved[1] + turn * arm[0], 0.0])


class Scene:
    """Gives the snapshots of a scenario.

    Args:
        scenario: the script.
    """

    def __init__(self, scenario: Scenario) -> None:
        self._robot = Trajectory(scenario.robot.path)
        self._actors = [(actor, Trajectory(actor.path)) for actor in scenario.actors]
        self._walls = tuple(_wall_solid(wall) for wall in scenario.walls)
        visibility = scenario.visibility_m
        self._extinction_per_m = 0.0 if visibility is None else _KOSCHMIEDER / visibility
        self._last: Snapshot | None = None

    def at(self, t_s: float) -> Snapshot:
        """The snapshot of a time."""
        if self._last is None or self._last.t_s != t_s:
            states = tuple(_state(actor, way.at(t_s), t_s) for actor, way in self._actors)
            solids = tuple(state.solid for state in states) + self._walls
            robot = self._robot.at(t_s)
            self._last = Snapshot(t_s, robot, robot.pose(), states, solids, self._extinction_per_m)
        return self._last


def _state(actor: Actor, motion: Motion, t_s: float) -> ActorState:
    size = np.array(actor.size_at_m(t_s), dtype=np.float64)
    centre = np.array([*motion.xy_m, size[2] / 2.0])
    standing = actor.kind == "person" and not actor.fallen(t_s)
    solid = Solid(centre, size, motion.heading_rad, round=standing)
    return ActorState(actor, actor.label_at(t_s), motion, solid)


def _wall_solid(wall: Wall) -> Solid:
    begin, end = np.array(wall.from_m), np.array(wall.to_m)
    middle, along = (begin + end) / 2.0, end - begin
    return Solid(
        np.array([middle[0], middle[1], wall.height_m / 2.0]),
        np.array([float(np.linalg.norm(along)), wall.thickness_m, wall.height_m]),
        math.atan2(along[1], along[0]),
    )

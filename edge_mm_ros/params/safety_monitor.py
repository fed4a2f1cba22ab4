"""Parameters of the node ``safety_monitor``."""

from __future__ import annotations

from pydantic import model_validator

from edge_mm_ros.params.base import NodeParams, TopicPrefix, parameter


class SafetyMonitorParams(NodeParams):
    """Which rules hold, and which sensors feed them."""

    rules_file: str = parameter(
        "safety_monitor", "File of rules: a path, or the name of one that ships.", min_length=1
    )
    cameras: tuple[TopicPrefix, ...] = parameter(
        ("camera",), "Topic prefixes of the cameras: <camera>/detections."
    )
    ultrasonics: tuple[TopicPrefix, ...] = parameter(
        (), "Topic prefixes of the range sensors: <ultrasonic>/range."
    )
    odometry: str = parameter(
        "",
        "Topic of the robot's own motion (nav_msgs/Odometry), for rules about motion; empty: none, "
        "and velocities of objects count as the robot sees them. As sensor_fusion has it.",
    )
    evaluation_period_s: float = parameter(
        0.1, "How often sensors are checked for silence.", unit="s", ge=0.01, le=10.0
    )
    state_period_s: float = parameter(
        1.0, "How often the state is told where it does not change.", unit="s", ge=0.1, le=60.0
    )

    @model_validator(mode="after")
    def _check_sensors(self) -> SafetyMonitorParams:
        for name in ("cameras", "ultrasonics"):
            sensors = getattr(self, name)
            if len(set(sensors)) != len(sensors):
                raise ValueError(f"{name} names one twice: {', '.join(sensors)}")
        return self

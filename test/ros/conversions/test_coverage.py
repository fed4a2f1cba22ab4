"""Coverage, free space and sensors' states as messages, and back."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("diagnostic_msgs")

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue

from edge_mm_ros.datatypes import (
    Coverage,
    FreeSpace,
    HealthLevel,
    InvalidInput,
    SensorFault,
    SensorState,
    ZoneCoverage,
)
from edge_mm_ros.ros.conversions.coverage import (
    coverage_from_msg,
    coverage_to_msg,
    free_space_to_msg,
)
from edge_mm_ros.ros.conversions.sensor_states import (
    sensor_state_from_status,
    sensor_state_to_health,
)
from edge_mm_ros.ros.diagnostics import to_status

STAMP_NS = 1_700_000_000_000_000_001


def some_coverage() -> Coverage:
    return Coverage(
        (
            ZoneCoverage("way", 0.875, 0.1, {"lidar": 0.5, "camera": 0.75}, STAMP_NS - 5, True),
            ZoneCoverage("rear", 0.0, 0.0, {}, STAMP_NS, False, ("ultrasonic/rear", "radar")),
        ),
        STAMP_NS,
        "base_link",
    )


def test_coverage_comes_back_without_loss() -> None:
    assert coverage_from_msg(coverage_to_msg(some_coverage())) == some_coverage()


def test_a_zone_that_is_not_covered_is_stale_and_says_who_is_missing() -> None:
    way, rear = coverage_to_msg(some_coverage()).status
    assert (way.name, way.level) == ("way", DiagnosticStatus.OK)
    assert way.message == "88% seen, by lidar, camera"
    assert (rear.name, rear.level) == ("rear", DiagnosticStatus.STALE)
    assert rear.message == "not covered: 0% seen; nothing from ultrasonic/rear, radar"


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("covered", "yes"),
        ("covered", None),
        ("seen_share", "2.0"),
        ("seen_share", "nan"),
        ("since_ns", "soon"),
        ("missing", "{}"),
        ("missing", "["),
        ("seen_by.lidar", "much"),
    ],
)
def test_what_does_not_tell_coverage_is_refused(key: str, value: str | None) -> None:
    message = coverage_to_msg(some_coverage())
    pairs = [pair for pair in message.status[0].values if pair.key != key]
    if value is not None:
        pairs.append(KeyValue(key=key, value=value))
    message.status[0].values = pairs
    with pytest.raises(InvalidInput, match="way"):
        coverage_from_msg(message)


def test_strangers_on_the_topic_are_refused() -> None:
    message = DiagnosticArray(status=[DiagnosticStatus(name="disk", level=DiagnosticStatus.OK)])
    with pytest.raises(InvalidInput, match="disk"):
        coverage_from_msg(message)


def test_free_space_is_a_grid_about_the_robot() -> None:
    cells = np.array([[0, 100, -1], [-1, 0, 0]], dtype=np.int8)
    message = free_space_to_msg(FreeSpace(cells, 0.5, (-1.0, -2.0), STAMP_NS, "base_link"))
    assert message.header.frame_id == "base_link"
    assert message.header.stamp.nanosec == 1
    assert (message.info.width, message.info.height) == (3, 2)
    assert message.info.resolution == pytest.approx(0.5)
    assert (message.info.origin.position.x, message.info.origin.position.y) == (-1.0, -2.0)
    assert list(message.data) == [0, 100, -1, -1, 0, 0]


def state(fault: SensorFault, message: str = "silent for long; is it connected?") -> SensorState:
    return SensorState("ultrasonic/left", "ultrasonic", fault, STAMP_NS, message, 10.0)


@pytest.mark.parametrize("fault", list(SensorFault))
def test_states_of_sensors_come_back(fault: SensorFault) -> None:
    status = to_status(sensor_state_to_health(state(fault)), "/robot/sensor_fusion")
    assert status.name == "sensor_fusion: sensor ultrasonic/left"
    assert sensor_state_from_status(status) == state(fault)


@pytest.mark.parametrize(
    ("fault", "level"),
    [
        (SensorFault.NONE, HealthLevel.OK),
        (SensorFault.RATE, HealthLevel.WARN),
        (SensorFault.SILENT, HealthLevel.ERROR),
        (SensorFault.DISAGREES, HealthLevel.ERROR),
    ],
)
def test_a_fault_is_an_error_that_says_what_and_the_mend(
    fault: SensorFault, level: HealthLevel
) -> None:
    health = sensor_state_to_health(state(fault))
    assert health.level is level
    assert "is it connected" in health.message
    assert fault is SensorFault.NONE or f"ultrasonic {fault.value}: " in health.message


def test_other_entries_are_not_sensors() -> None:
    status = DiagnosticStatus(name="sensor_fusion: state", level=DiagnosticStatus.OK)
    assert sensor_state_from_status(status) is None
    status = DiagnosticStatus(name="sensor_fusion: sensor lidar", level=DiagnosticStatus.OK)
    with pytest.raises(InvalidInput, match="lidar"):
        sensor_state_from_status(status)

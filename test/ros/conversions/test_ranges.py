"""Range readings from messages."""

from __future__ import annotations

import math

import pytest

pytest.importorskip("sensor_msgs")

from sensor_msgs.msg import Range

from edge_mm_ros.datatypes import InvalidInput
from edge_mm_ros.ros.conversions.ranges import reading_from_msg
from edge_mm_ros.ros.conversions.stamps import to_stamp


def message(range_m: float) -> Range:
    built = Range(range=range_m, min_range=0.02, max_range=4.0, field_of_view=0.25)
    built.header.frame_id = "ultrasonic"
    built.header.stamp = to_stamp(5_000_000_007)
    return built


@pytest.mark.parametrize("range_m", [0.5, 4.0, math.inf, -math.inf])
def test_a_reading(range_m: float) -> None:
    reading = reading_from_msg(message(range_m))
    assert reading.range_m == range_m
    assert (reading.stamp_ns, reading.frame_id) == (5_000_000_007, "ultrasonic")
    assert reading.min_range_m == pytest.approx(0.02)
    assert reading.field_of_view_rad == 0.25


def test_limits_that_are_not_finite_are_refused() -> None:
    unlimited = message(1.0)
    unlimited.max_range = math.inf
    with pytest.raises(InvalidInput, match="'ultrasonic': limits must be finite"):
        reading_from_msg(unlimited)


def test_a_message_that_tells_no_field_of_view_is_read() -> None:
    unset = message(1.0)
    unset.field_of_view = 0.0
    assert reading_from_msg(unset).field_of_view_rad == 0.0


@pytest.mark.parametrize(("range_m", "kind"), [(math.nan, "not_a_number"), (4.5, "out_of_range")])
def test_a_reading_that_cannot_be_is_refused(range_m: float, kind: str) -> None:
    with pytest.raises(InvalidInput, match="'ultrasonic'") as raised:
        reading_from_msg(message(range_m))
    assert raised.value.kind == kind

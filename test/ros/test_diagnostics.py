"""Faults are counted always, logged at times, and stay visible while they are fresh."""

from __future__ import annotations

import pytest

pytest.importorskip("rclpy")

from edge_mm_ros.datatypes import HealthLevel
from edge_mm_ros.ros.diagnostics import LOG_PERIOD_S, FaultRecord

S = 1_000_000_000


def test_the_first_fault_is_logged_and_repeats_wait_for_the_period() -> None:
    record = FaultRecord()
    assert record.note("too dark", 0, 100.0) == "too dark"
    assert record.note("too dark", 0, 101.0) == ""
    assert record.note("too dark", 0, 102.0) == ""
    assert record.note("too dark", 0, 100.0 + LOG_PERIOD_S) == "too dark (3 times)"
    assert record.count == 4


def test_a_fault_is_a_warning_while_it_is_fresh_and_its_count_stays() -> None:
    record = FaultRecord()
    record.note("too dark", 5 * S, 0.0)
    fresh, old = record.health("input", 6 * S), record.health("input", 60 * S)
    assert (fresh.level, fresh.message) == (HealthLevel.WARN, "too dark")
    assert old.level is HealthLevel.OK
    assert "too dark" in old.message
    assert fresh.values["count"] == old.values["count"] == "1"

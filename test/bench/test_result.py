"""Benchmarks: bars that can fail, and a file that says where it was measured."""

from __future__ import annotations

import json
import math

import pytest

from edge_mm_ros.bench.result import Bar, BenchResult, Measure
from edge_mm_ros.bench.scenarios import scenario
from edge_mm_ros.datatypes import EdgeMmError


def test_a_bar_holds_up_to_its_limit() -> None:
    assert Bar.at_most("share", 1.2, "ratio", 1.2).ok
    assert not Bar.at_most("share", 1.21, "ratio", 1.2).ok
    assert Bar.at_least("frames", 95.0, "%", 95.0).ok
    assert not Bar.at_least("frames", 94.9, "%", 95.0).ok


def test_a_value_that_is_not_a_number_never_holds() -> None:
    assert not Bar.at_most("share", math.nan, "ratio", 1.2).ok
    assert not Bar.at_least("share", math.nan, "ratio", 1.2).ok


def test_a_measure_gives_median_and_spread() -> None:
    measure = Measure.of("latency", "ms", [float(n) for n in range(101)])
    assert (measure.count, measure.median, measure.p10, measure.p90) == (101, 50.0, 10.0, 90.0)


def test_one_failed_bar_fails_the_result() -> None:
    good, bad = Bar.at_most("a", 1, "s", 2), Bar.at_most("b", 3, "s", 2)
    assert BenchResult("x", (), (good,)).ok
    assert not BenchResult("x", (), (good, bad)).ok


def test_the_file_names_the_machine_and_has_no_nan() -> None:
    written = json.dumps(
        BenchResult("x", (Measure.of("none", "ms", []),), ()).as_json(), allow_nan=False
    )
    read = json.loads(written)
    assert read["measures"][0]["median"] is None
    assert {"cpu", "cores", "python", "packages", "commit"} <= read["environment"].keys()


def test_an_unknown_scenario_is_refused_with_the_known_ones() -> None:
    with pytest.raises(EdgeMmError, match=r"no benchmark named 'x'; there are: .*latency"):
        scenario("x")

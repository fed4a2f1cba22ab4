"""The ladder: down under pressure, up when all is well, no flapping."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_mm_ros.datatypes import Health, HealthLevel
from edge_mm_ros.params.degradation import DetectorDegradation, SummarizerDegradation
from edge_mm_ros.runtime.degradation import Degradation, Ladder, LadderStep
from edge_mm_ros.runtime.pressure import Reading, SystemPressure

STEPS = ("rate", "model", "template")
LIMITS = {"latency": 1.0, "temperature": 80.0}


def latency(value: float | None) -> Reading:
    return Reading("latency", value, "s", "" if value is not None else "no picture came")


def heat(value: float | None) -> Reading:
    return Reading("temperature", value, "°C")


def ladder(steps: Sequence[str] = STEPS) -> Ladder:
    return Ladder(steps, LIMITS, relief=0.8, down_after_s=3, up_after_s=10)


def drive(ladder: Ladder, values: Sequence[float | None], begin_s: float = 0) -> list[int]:
    """The levels at one latency each second."""
    levels = []
    for index, value in enumerate(values):
        ladder.update([latency(value)], begin_s + index)
        levels.append(ladder.level)
    return levels


def test_each_step_down_needs_pressure_for_a_while() -> None:
    assert drive(ladder(), [2.0] * 14) == [0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3, 3, 3]


def test_a_short_peak_does_nothing() -> None:
    assert set(drive(ladder(), [2.0, 2.0, 0.5] * 10)) == {0}


def test_it_steps_up_one_by_one_once_all_is_well_for_longer() -> None:
    low = ladder()
    drive(low, [2.0] * 7)
    assert low.level == 2
    levels = drive(low, [0.5] * 22, begin_s=100)
    assert levels == [2] * 10 + [1] * 10 + [0] * 2


def test_between_the_thresholds_it_stays() -> None:
    low = ladder()
    drive(low, [2.0] * 4)
    assert set(drive(low, [0.9] * 500, begin_s=4)) == {1}


def test_a_step_tells_from_to_reason_value_and_limit() -> None:
    low, told = ladder(), []
    for now_s in range(20):
        step = low.update(
            [latency(1.5), heat(100)] if now_s < 4 else [latency(0.1), heat(40)], now_s
        )
        told += [step] if step else []
    assert [(s.from_step, s.to_step, s.down) for s in told] == [
        ("full", "rate", True),
        ("rate", "full", False),
    ]
    assert told[0].reason == "latency is 1.5 s, over 1 s", "1.5 times its limit; heat 1.25 times"
    assert told[0].reading == latency(1.5)
    assert told[1].reason == "all is well for 10 s: latency 0.1 s, temperature 40 °C"


def test_a_step_up_that_did_not_last_doubles_the_wait() -> None:
    low = ladder(("rate",))
    waits = []
    now_s = 0.0
    for _ in range(7):
        while low.level == 0:
            now_s += 1
            low.update([latency(2.0)], now_s)
        waits.append(low.wait_up_s)
        while low.level == 1:
            now_s += 1
            low.update([latency(0.1)], now_s)
    assert waits == [10, 20, 40, 80, 160, 160, 160]
    now_s += 200  # it lasts
    while low.level == 0:
        now_s += 1
        low.update([latency(2.0)], now_s)
    assert low.wait_up_s == 10


def test_a_source_that_vanishes_is_not_taken_for_good() -> None:
    low = ladder()
    drive(low, [2.0] * 4)
    assert set(drive(low, [None] * 300, begin_s=4)) == {1}
    assert drive(low, [0.1] * 11, begin_s=400)[-1] == 0


def test_a_source_that_was_never_readable_does_not_hold_the_ladder_down() -> None:
    low = ladder()
    for now_s in range(4):
        low.update([latency(2.0), heat(None)], now_s)
    assert low.level == 1
    for now_s in range(4, 16):
        low.update([latency(0.1), heat(None)], now_s)
    assert low.level == 0


def test_what_is_not_watched_does_not_press() -> None:
    low = ladder()
    for now_s in range(60):
        assert low.update([Reading("memory", 100.0, "%"), latency(0.1)], now_s) is None


VALUES = st.lists(
    st.tuples(st.one_of(st.none(), st.floats(0, 3)), st.one_of(st.none(), st.floats(0, 160))),
    max_size=300,
)


@given(VALUES, st.sampled_from([1.0, 0.3, 7.0]))
def test_whatever_is_measured_it_does_not_flap(
    values: list[tuple[float | None, float | None]], period_s: float
) -> None:
    low, last_s, last = ladder(), -100.0, None
    for index, (seconds, degrees) in enumerate(values):
        now_s, before = index * period_s, low.level
        step = low.update([latency(seconds), heat(degrees)], now_s)
        shares = [v for v in (seconds, degrees and degrees / 80) if v is not None]
        assert 0 <= low.level <= len(STEPS)
        if step is None:
            assert low.level == before
            continue
        assert low.level == before + (1 if step.down else -1)
        assert low.taken == STEPS[: low.level]
        if step.down:
            assert max(shares) > 1
        else:
            assert max(shares) < 0.8
        if last is not None:
            assert now_s - last_s >= (3 if step.down else 10)
        last_s, last = now_s, step


@given(st.lists(st.floats(0.8, 1.0), max_size=200), st.integers(0, 3))
def test_noise_between_the_thresholds_never_steps(values: list[float], level: int) -> None:
    low = ladder()
    drive(low, [2.0] * (3 * level + 1))
    assert low.level == level
    assert set(drive(low, values, begin_s=100)) <= {level}


class System(SystemPressure):
    """A machine that is as hot as the test says."""

    degrees: float | None = 50.0

    def read(self) -> tuple[Reading, ...]:
        return (heat(self.degrees), Reading("memory", None, "%", "no such file"))


class Bench:
    """A declared ladder on that machine."""

    def __init__(self, **params: Any) -> None:
        self.now_s = 0.0
        self.system = System()
        self.applied: list[tuple[str, ...]] = []
        self.told: list[Health] = []
        given = {"steps": ("rate",), "down_after_s": 2, "up_after_s": 5} | params
        self.degradation = Degradation(
            DetectorDegradation(**given),
            self.applied.append,
            self.told.append,
            system=self.system,
            clock=lambda: self.now_s,
        )

    def run(self, seconds: int) -> None:
        for _ in range(seconds):
            self.now_s += 1
            self.degradation.update()


def test_a_declared_ladder_steps_tells_and_comes_back(caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench()
    bench.run(3)
    assert bench.degradation.health().level is HealthLevel.OK
    bench.system.degrees = 91.5
    bench.run(3)
    assert bench.applied == [("rate",)]
    (told,) = bench.told
    assert told.level is HealthLevel.WARN
    assert dict(told.values) == {
        "from": "full",
        "to": "rate",
        "reason": "temperature is 91.5 °C, over 85 °C",
        "source": "temperature",
        "value": "91.5",
        "limit": "85",
        "unit": "°C",
    }
    assert "down from 'full' to 'rate'" in caplog.text
    health = bench.degradation.health()
    assert (health.level, health.values["taken"]) == (HealthLevel.WARN, "rate")
    assert "temperature is 91.5 °C" in health.message
    bench.system.degrees = 60
    bench.run(6)
    assert bench.applied == [("rate",), ()]
    assert bench.told[-1].level is HealthLevel.OK
    assert bench.degradation.taken == ()


def test_what_is_not_readable_is_told_as_that() -> None:
    bench = Bench()
    bench.run(1)
    values = bench.degradation.health().values
    assert values["memory"] == "not readable: no such file"
    assert values["temperature"] == "50 °C of 85 °C"
    bench.system.degrees = None
    bench.run(1)
    health = bench.degradation.health()
    assert (health.level, health.message) == (HealthLevel.WARN, "nothing of it is readable")


def test_pressure_with_nothing_left_to_give_up_is_said() -> None:
    bench = Bench(steps=())
    bench.system.degrees = 99
    bench.run(30)
    assert bench.applied == []
    health = bench.degradation.health()
    assert (health.level, health.message) == (
        HealthLevel.WARN,
        "under pressure: temperature 99 °C",
    )


def test_latency_presses_only_where_it_has_a_limit() -> None:
    for limit_s, steps in ((0.0, []), (0.5, [("rate",)])):
        bench = Bench(max_latency_s=limit_s)
        for _ in range(4):
            bench.degradation.latency.add_s(2.0)
            bench.run(1)
        assert bench.applied == steps


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"steps": ("sleep",)}, "steps"),
        ({"steps": ("rate", "rate")}, "named twice"),
        ({"steps": ("model",)}, "needs the name of a smaller model"),
        ({"relief": 1.0}, "relief"),
        ({"max_temperature_c": float("nan")}, "max_temperature_c"),
        ({"up_after_s": 0}, "up_after_s"),
        ({"depth": 1}, "depth"),
    ],
)
def test_a_ladder_without_sense_is_refused(values: Any, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        DetectorDegradation(**values)


def test_a_limit_of_zero_is_not_watched() -> None:
    params = SummarizerDegradation(max_power_cap_percent=0, max_memory_percent=0)
    assert set(params.limits) == {"memory_stall", "temperature"}
    assert set(DetectorDegradation(max_latency_s=1).limits) == {
        "latency",
        "memory",
        "memory_stall",
        "temperature",
        "power_cap",
        "throttling",
    }


def test_a_step_is_readable() -> None:
    step = LadderStep("full", "rate", True, "latency is 2 s, over 1 s")
    assert str(step) == "down from 'full' to 'rate': latency is 2 s, over 1 s"

"""The watch over sensors: each fault within the timeout and 100 ms, and the way back."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_mm_ros.datatypes import InvalidInput, SensorFault, SensorState
from edge_mm_ros.params.sensor_watch import SensorWatchParams
from edge_mm_ros.pipelines.sensor_watch import SensorWatch, WatchedSensor

MS = 1_000_000
START_NS = 1_700_000_000_000_000_000
TIMEOUT_S = 0.5
FIRST, SECOND = "lidar:top", "camera:front"


class Bench:
    """A watch over two sensors, fed every 100 ms, ticked every 50 ms."""

    def __init__(self, **params: object) -> None:
        self.told: list[tuple[int, SensorState]] = []
        self.at_ms = 0
        sensors = [
            WatchedSensor(FIRST, "top", "lidar", TIMEOUT_S),
            WatchedSensor(SECOND, "front", "camera", TIMEOUT_S),
        ]
        self.watch = SensorWatch(
            sensors,
            SensorWatchParams.model_validate(params),
            0.5,
            lambda state: self.told.append((self.at_ms, state)),
        )
        self.refused: list[tuple[int, str]] = []
        self.late = False

    @property
    def now_ns(self) -> int:
        return START_NS + self.at_ms * MS

    def play(
        self,
        until_ms: int,
        stamp: Callable[[int], int | None] = lambda at_ms: at_ms,
        content: Callable[[int], int | None] = lambda at_ms: at_ms,
        other: bool = True,
    ) -> None:
        """Go on; `stamp` and `content` are the first sensor's, in ms, None for no measurement."""
        while self.at_ms < until_ms:
            self.at_ms += 50
            if self.at_ms % 100 == 0:
                stamp_ms = stamp(self.at_ms)
                if stamp_ms is not None:
                    self.send(FIRST, stamp_ms * MS + START_NS, content(self.at_ms))
                if other:
                    self.send(SECOND, self.now_ns - 80 * MS, None)
            self.watch.tick(self.now_ns)

    def send(self, sensor: str, stamp_ns: int, content: int | None) -> None:
        try:
            late = self.late and sensor == FIRST
            self.watch.arrive(sensor, stamp_ns, self.now_ns, content, late=late)
        except InvalidInput as error:
            self.refused.append((self.at_ms, error.kind))

    def state(self, sensor: str = "top") -> SensorState:
        return next(state for state in self.watch.states() if state.sensor == sensor)

    def first_told(self, fault: SensorFault, after_ms: int = 0) -> int:
        return next(at for at, state in self.told if at >= after_ms and state.fault is fault)


def test_good_sensors_are_well_and_told_once() -> None:
    bench = Bench()
    bench.play(10_000)
    assert [(at, s.sensor, s.fault) for at, s in bench.told] == [
        (100, "top", SensorFault.NONE),
        (100, "front", SensorFault.NONE),
    ]
    assert bench.state().rate_hz == pytest.approx(10.0)
    assert bench.watch.usable(FIRST)


def test_a_stopped_sensor_is_told_and_taken_back_after_it_was_well_for_a_while() -> None:
    bench = Bench(recover_s=1.0)
    bench.play(3000)
    bench.play(6000, stamp=lambda at: None)
    assert 3500 < bench.first_told(SensorFault.SILENT) <= 3600
    assert "silent" in bench.state().message
    assert "driver" in bench.state().message
    assert not bench.watch.usable(FIRST)
    bench.play(10_000)
    assert bench.first_told(SensorFault.NONE, 6000) == 7100
    assert bench.refused == []  # what comes after a silence is as good as before
    assert len(bench.told) == 4


def test_a_sensor_that_was_never_heard_is_told() -> None:
    bench = Bench()
    bench.play(1000, stamp=lambda at: None)
    assert 550 <= bench.first_told(SensorFault.SILENT) <= 650
    assert "has not been heard" in bench.state().message
    bench.play(1200)
    assert bench.state().fault is SensorFault.NONE  # its first measurement is no recovery


def test_a_frozen_sensor_is_told_and_left_out() -> None:
    bench = Bench()
    bench.play(3000)
    bench.play(6000, content=lambda at: 7)  # the first of them is still new
    assert bench.first_told(SensorFault.FROZEN) <= 3100 + 500 + 100
    assert "same data" in bench.state().message
    bench.play(9000)
    assert {kind for _, kind in bench.refused} == {"sensor_frozen"}
    assert bench.refused[-1][0] == 7000  # the last one within recover_s
    assert bench.state().fault is SensorFault.NONE


def test_what_may_repeat_is_never_frozen() -> None:
    bench = Bench()
    bench.play(10_000, content=lambda at: None)
    assert bench.state().fault is SensorFault.NONE
    off = Bench(frozen=False)
    off.play(10_000, content=lambda at: 7)
    assert off.state().fault is SensorFault.NONE


def test_a_message_that_comes_twice_is_no_fault() -> None:
    bench = Bench()
    bench.play(5000, stamp=lambda at: at - at % 200, content=lambda at: at - at % 200)
    assert all(state.fault is SensorFault.NONE for _, state in bench.told)


@pytest.mark.parametrize(
    ("stamp", "words"),
    [
        (lambda at: at + 3000, "ahead of the clock"),
        (lambda at: 3000, "stand still"),
        (lambda at: at - 5000, "behind those of the others"),
        (lambda at: 6000 - at, "run backward"),
        (lambda at: at - 400 * (at // 100 % 2), "run backward"),
        (lambda at: -START_NS // MS, "stamps are 0"),
    ],
    ids=["future", "standing", "behind", "backward", "jumping", "zero"],
)
def test_wrong_stamps_are_told_and_left_out(stamp: Callable[[int], int], words: str) -> None:
    bench = Bench()
    bench.play(3000)
    bench.play(5000, stamp=stamp)
    assert bench.first_told(SensorFault.STAMPS) <= 3000 + 100 + 500 + 100
    assert words in bench.state().message
    assert bench.watch.usable(SECOND)
    bench.play(8000)
    assert bench.state().fault is SensorFault.NONE
    told = [state.fault for _, state in bench.told if state.sensor == "top"]
    assert told == [SensorFault.NONE, SensorFault.STAMPS, SensorFault.NONE]


def test_a_recording_that_is_played_without_its_clock_blames_no_sensor() -> None:
    bench = Bench()
    for at in range(1, 50):
        bench.at_ms = at * 100
        years_ns = 10**17
        bench.send(FIRST, bench.now_ns - years_ns, at)
        bench.send(SECOND, bench.now_ns - years_ns - 80 * MS, None)
        bench.watch.tick(bench.now_ns)
    assert all(state.fault is SensorFault.NONE for _, state in bench.told)


def test_a_rate_far_off_its_own_is_a_warning_only() -> None:
    bench = Bench()
    bench.play(10_000)
    bench.play(20_000, stamp=lambda at: at if at % 300 == 0 else None)
    assert bench.first_told(SensorFault.RATE) < 13_000
    assert bench.state().usable
    assert bench.refused == []


def test_a_clock_that_is_set_back_begins_anew() -> None:
    bench = Bench()
    bench.play(5000)
    bench.at_ms = 0
    bench.told.clear()
    bench.play(3000)
    assert bench.refused == []
    assert all(state.fault is SensorFault.NONE for _, state in bench.told)


def test_a_flickering_sensor_does_not_flap() -> None:
    # Two measurements, then nothing for 0.7 s, again and again.
    bench = Bench()
    bench.play(1000)
    bench.play(12_000, stamp=lambda at: at if at % 900 in (0, 100) else None)
    told = [state.fault for _, state in bench.told if state.sensor == "top"]
    assert told == [SensorFault.NONE, SensorFault.SILENT]


def test_the_same_arrivals_give_the_same_states() -> None:
    def run() -> list[tuple[int, SensorState]]:
        bench = Bench()
        bench.play(3000)
        bench.play(5000, content=lambda at: 1)
        bench.play(8000, stamp=lambda at: None)
        bench.play(12_000)
        return bench.told

    assert run() == run()


def test_measurements_that_cannot_be_used_at_all_are_named() -> None:
    bench = Bench()
    while bench.at_ms < 1000:
        bench.at_ms += 50
        bench.watch.note_refused(FIRST, bench.now_ns, "its place is not known")
        bench.watch.tick(bench.now_ns)
    assert bench.first_told(SensorFault.SILENT) <= 600
    assert bench.state().message.endswith("can be used: its place is not known")


def test_another_timeout_counts_from_now_on() -> None:
    bench = Bench()
    bench.play(2000)
    bench.watch.set_timeouts({FIRST: 1.0, SECOND: 0.5})
    bench.play(4000, stamp=lambda at: None)
    assert 3000 < bench.first_told(SensorFault.SILENT) <= 3100


@settings(max_examples=30, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.integers(0, 300),  # ms until then
            st.integers(-3000, 3000),  # ms of the stamp against the clock
            st.one_of(st.none(), st.integers(0, 2)),
        ),
        max_size=60,
    )
)
def test_wild_arrivals_never_break_it(arrivals: list[tuple[int, int, int | None]]) -> None:
    bench = Bench()
    bench.watch.tick(bench.now_ns)
    for gap_ms, ahead_ms, content in arrivals:
        bench.at_ms += gap_ms
        before = len(bench.refused)
        bench.send(FIRST, bench.now_ns + ahead_ms * MS, content)
        if ahead_ms > 500:
            assert bench.refused[before:] == [(bench.at_ms, "stamp_ahead")]
        bench.watch.tick(bench.now_ns)
    bench.at_ms += 10_000
    bench.watch.tick(bench.now_ns)
    assert bench.state().fault is SensorFault.SILENT


def test_a_sensor_that_always_comes_too_late_is_told_with_the_mend() -> None:
    bench = Bench()
    bench.play(2000)
    bench.late = True
    bench.play(4000)
    assert 2500 < bench.first_told(SensorFault.STAMPS) <= 2000 + 100 + 500 + 100
    assert "raise tracking.horizon_s or lower its latency" in bench.state().message
    assert not bench.watch.usable(FIRST)
    bench.late = False
    bench.play(7000)
    assert bench.state().fault is SensorFault.NONE


def test_single_measurements_that_come_too_late_are_no_fault() -> None:
    bench = Bench()
    for second in range(1, 6):
        bench.late = False
        bench.play(1000 * second - 100)
        bench.late = True
        bench.play(1000 * second)
    assert [s.fault for _, s in bench.told if s.sensor == "top"] == [SensorFault.NONE]
    assert bench.refused == []

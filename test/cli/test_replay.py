"""The main job end to end: the sample recording through all nodes, twice, by the command."""

from __future__ import annotations

import subprocess
import sys
from collections import defaultdict
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("rclpy")
pytest.importorskip("vision_msgs")

from edge_mm_ros.datatypes import EventPhase, SafetyEvent, SafetyLevel
from edge_mm_ros.params.share import sample_recording
from edge_mm_ros.ros.bags import BagMessage, BagReader, BagWriter
from edge_mm_ros.ros.conversions.safety import events_from_msg, state_from_msg
from edge_mm_ros.ros.conversions.stamps import to_ns
from edge_mm_ros.ros.messages import deserialize

# Two whole replays come before the first test of them.
pytestmark = pytest.mark.timeout(1300)

PICTURES = 150
START_NS = 1_700_000_000 * 10**9


def edge_mm(*arguments: object, timeout_s: float = 600) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "edge_mm_ros.cli.main", *map(str, arguments)]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=timeout_s, check=False, stdin=None
    )


@dataclass(frozen=True)
class Run:
    """One replay: what the command said, and what it recorded."""

    completed: subprocess.CompletedProcess[str]
    output: Path
    report: Path

    @cached_property
    def by_topic(self) -> dict[str, list[BagMessage]]:
        found: dict[str, list[BagMessage]] = defaultdict(list)
        for message in BagReader(self.output):
            found[message.topic].append(message)
        return found

    def messages(self, topic: str) -> list[Any]:
        return [deserialize(m.cdr, m.msg_type) for m in self.by_topic[topic]]

    @property
    def events(self) -> list[SafetyEvent]:
        return [e for m in self.messages("/safety/events") for e in events_from_msg(m)]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, Run]:
    found = []
    for name in ("first", "second"):
        folder = tmp_path_factory.mktemp(name)
        output, report = folder / "out.mcap", folder / "report"
        completed = edge_mm(
            *("replay", sample_recording(), "--system", "safety_monitor", "--rate", "max"),
            *("--output", output, "--report", report),
        )
        assert completed.returncode == 0, completed.stderr
        found.append(Run(completed, output, report))
    return found[0], found[1]


def test_two_replays_are_identical_in_every_topic_stamps_included(runs: tuple[Run, Run]) -> None:
    first, second = (run.by_topic for run in runs)
    topics = set(first) - {"/diagnostics"}  # they hold measured times
    assert {
        "/camera/detections",
        "/objects",
        "/objects/sources",
        "/safety/events",
        "/safety/state",
        "/speech",
        "/summary",
    } <= topics
    assert topics == set(second) - {"/diagnostics"}
    for topic in sorted(topics):
        assert first[topic] == second[topic], topic


def test_nothing_is_dropped_and_stamps_and_frames_are_those_of_the_pictures(
    runs: tuple[Run, Run],
) -> None:
    fed = [
        deserialize(m.cdr, m.msg_type).header
        for m in BagReader(sample_recording())
        if m.topic == "/camera/image_raw/compressed"
    ]
    assert len(fed) == PICTURES
    for topic in ("/camera/detections", "/objects"):
        headers = [message.header for message in runs[0].messages(topic)]
        assert [to_ns(h.stamp) for h in headers] == [to_ns(h.stamp) for h in fed]
    assert {m.header.frame_id for m in runs[0].messages("/camera/detections")} == {fed[0].frame_id}
    assert {m.header.frame_id for m in runs[0].messages("/objects")} == {"base_link"}


def test_three_or_more_people_are_found_in_nearly_every_picture(runs: tuple[Run, Run]) -> None:
    counts = [len(m.detections) for m in runs[0].messages("/camera/detections")]
    assert sum(count >= 3 for count in counts) >= 0.95 * PICTURES


def test_the_person_who_walks_into_the_work_area_raises_one_event_from_start_to_end(
    runs: tuple[Run, Run],
) -> None:
    events = [e for e in runs[0].events if e.rule == "person_in_work_area"]
    assert len({e.event_id for e in events}) == 1
    assert [e.phase for e in events] == [
        EventPhase.STARTED,
        EventPhase.ONGOING,
        EventPhase.ENDED,
    ]
    start_s = (events[0].started_ns - START_NS) / 1e9
    end_s = (events[-1].stamp_ns - START_NS) / 1e9
    # By eye, in the pictures: the person is on that part of the lawn from 2.5 to 10.0 s.
    assert start_s == pytest.approx(2.5, abs=0.5)
    assert end_s == pytest.approx(10.0, abs=1.5)
    assert events[0].level is SafetyLevel.DANGER
    assert 11.0 <= float(events[0].values["distance_m"]) <= 14.5
    assert events[0].track_id
    assert "objects" in events[0].evidence


def test_what_is_said_is_heard_and_raises_the_alarm(runs: tuple[Run, Run]) -> None:
    speech = [m for m in runs[0].messages("/speech") if m.final]
    assert [m.final.lower().strip(" .!") for m in speech] == ["stop the robot, somebody fell down"]
    # Spoken from 6.0 s on.
    assert (to_ns(speech[0].header.stamp) - START_NS) / 1e9 == pytest.approx(6.2, abs=0.4)
    words = {str(e.values["word"]) for e in runs[0].events if e.rule == "spoken_alarm"}
    assert "stop" in words


def test_the_ultrasonic_sensor_raises_an_event_while_something_is_near(
    runs: tuple[Run, Run],
) -> None:
    events = [e for e in runs[0].events if e.rule == "obstacle_near"]
    assert [e.phase for e in events] == [EventPhase.STARTED, EventPhase.ENDED]
    # The script of the recording: below 1.0 m from about 12.0 s, above it from about 12.9 s.
    assert (events[0].stamp_ns - START_NS) / 1e9 == pytest.approx(12.1, abs=0.3)
    assert float(events[0].values["distance_m"]) == pytest.approx(0.7, abs=0.3)


def test_every_event_that_starts_also_ends(runs: tuple[Run, Run]) -> None:
    started = {e.event_id for e in runs[0].events if e.phase is EventPhase.STARTED}
    ended = {e.event_id for e in runs[0].events if e.phase is EventPhase.ENDED}
    assert started
    assert started == ended


def test_the_state_is_unknown_first_and_dangerous_while_somebody_is_in_the_work_area(
    runs: tuple[Run, Run],
) -> None:
    states = [state_from_msg(m) for m in runs[0].messages("/safety/state")]
    assert states[0].level is SafetyLevel.UNKNOWN
    at_5_s = [s for s in states if s.stamp_ns <= START_NS + 5 * 10**9][-1]
    assert at_5_s.level is SafetyLevel.DANGER
    assert any("work_area" in reason for reason in at_5_s.reasons)


def test_the_summary_names_the_zone_or_the_fall_and_the_spoken_words(
    runs: tuple[Run, Run],
) -> None:
    text = " ".join(m.data for m in runs[0].messages("/summary")).lower()
    assert "work_area" in text or "fall" in text
    assert "stop the robot, somebody fell down" in text


def test_the_report_is_one_page_with_pictures_and_the_summary(runs: tuple[Run, Run]) -> None:
    page = (runs[0].report / "index.html").read_text(encoding="utf-8")
    assert page.count("data:image/jpeg;base64,") >= 5
    assert "somebody fell down" in page.lower()
    assert "capture to detections" in page


def test_without_a_terminal_the_replay_tells_what_happens_line_by_line(
    runs: tuple[Run, Run],
) -> None:
    said = runs[0].completed.stdout
    assert "state is danger" in said
    assert "heard: " in said
    assert "summary: " in said
    assert "\x1b" not in said


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("nothing.mcap",), "nothing.mcap: no such file"),
        ((sample_recording(), "--rate", "fast"), "--rate fast"),
        ((sample_recording(), "--rate", "0"), "--rate 0"),
        ((sample_recording(), "--system", "no_such_system"), "no_such_system"),
        ((sample_recording(), "--params-file", "no.yaml"), "no.yaml: no such file"),
    ],
)
def test_a_wrong_argument_is_one_line(arguments: tuple[Any, ...], named: str) -> None:
    completed = edge_mm("replay", *arguments, timeout_s=60)
    assert completed.returncode in {1, 2}
    assert named in completed.stderr
    assert completed.stderr.count("\n") == 1


def test_an_existing_output_is_not_overwritten(tmp_path: Path) -> None:
    output = tmp_path / "out.mcap"
    output.write_bytes(b"precious")
    completed = edge_mm("replay", sample_recording(), "--output", output, timeout_s=60)
    assert completed.returncode == 2
    assert "exists already" in completed.stderr
    assert output.read_bytes() == b"precious"


def test_a_recording_that_ends_early_is_replayed_as_far_as_it_goes(tmp_path: Path) -> None:
    short = tmp_path / "short.mcap"
    with BagWriter(short) as writer:
        for message in BagReader(sample_recording()):
            if message.stamp_ns < START_NS + 2 * 10**9:
                writer.add_topic(message.topic, message.msg_type)
                writer.write(message.topic, message.stamp_ns, message.cdr)
    whole = short.read_bytes()
    short.write_bytes(whole[: len(whole) * 3 // 4])
    output = tmp_path / "out.mcap"
    completed = edge_mm("replay", short, "--rate", "max", "--output", output, timeout_s=110)
    assert completed.returncode == 0, completed.stderr
    assert "damaged or ends early" in completed.stdout
    recorded = list(BagReader(output))
    assert 1 <= sum(m.topic == "/camera/detections" for m in recorded) < 20
    told = [deserialize(m.cdr, m.msg_type) for m in recorded if m.topic == "/diagnostics"]
    assert any(
        status.name == "replay_player: recording" and "ends early" in status.message
        for message in told
        for status in message.status
    )

"""The report's page: complete, self-contained, and safe against what recordings hold."""

from __future__ import annotations

import base64
import dataclasses
import re
from html.parser import HTMLParser
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge_mm_ros.cli.report import RecordedPicture, ReplayReport, ReportError, write_report
from edge_mm_ros.cli.report.key_pictures import MAX_PICTURES, key_pictures
from edge_mm_ros.cli.report.page import latency_lines, measured, render
from edge_mm_ros.datatypes import (
    Detections,
    EventPhase,
    Object3D,
    Objects,
    RangeReading,
    SafetyEvent,
    SafetyLevel,
    SafetyStatus,
    Summary,
    Transcript,
)

START_NS = 1_700_000_000_000_000_000
CAMERA = "camera_optical_frame"
HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(1)> \"'& {{ 7*7 }} $x$ ]]>"
SECTIONS = (
    "summary",
    "timeline",
    "pictures",
    "events",
    "speech",
    "latency",
    "topics",
    "environment",
)


class Page(HTMLParser):
    """What a browser would make of a page: tags with attributes, and text by section."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: dict[str, str] = {}
        self.section = ""
        self._style = False
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._style = tag == "style"
        if tag in {"td", "th"}:
            self.handle_data(" ")
        if tag == "section":
            self.section = dict(attrs).get("id") or ""

    def handle_endtag(self, tag: str) -> None:
        if tag == "style":
            self._style = False

    def handle_data(self, data: str) -> None:
        if not self._style:
            self.text[self.section] = self.text.get(self.section, "") + data

    def of(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def at(seconds: float) -> int:
    return START_NS + round(seconds * 1e9)


def jpeg(value: int = 90, width: int = 320, height: int = 240) -> bytes:
    _, encoded = cv2.imencode(".jpg", np.full((height, width, 3), value, np.uint8))
    return encoded.tobytes()


def found(seconds: float, labels: tuple[str, ...] = ("Normal",)) -> Detections:
    n = len(labels)
    boxes = np.tile(np.array([[50, 60, 120, 200]], np.float32), (n, 1))
    return Detections(boxes, np.full(n, 0.5, np.float32), labels, at(seconds), CAMERA)


def picture(seconds: float, encoded: bytes | None = None) -> RecordedPicture:
    return RecordedPicture(at(seconds), CAMERA, jpeg() if encoded is None else encoded)


def event(
    event_id: str,
    phase: EventPhase,
    seconds: float,
    level: SafetyLevel = SafetyLevel.DANGER,
    **fields: object,
) -> SafetyEvent:
    values = {"rule": "bay", "kind": "zone", "message": f"{event_id} {phase.value}.", **fields}
    values.setdefault("started_ns", at(seconds))
    return SafetyEvent(event_id, phase, level, stamp_ns=at(seconds), **values)  # type: ignore[arg-type]


@pytest.fixture
def report() -> ReplayReport:
    """Ten seconds in which a person enters a zone and somebody speaks."""
    person = Object3D(
        "3", "Normal", 0.7, np.array([3.0, 4.0, 0.9]), np.ones(3), np.eye(3), ("camera",)
    )
    return ReplayReport(
        recording="yard",
        system="safety_monitor",
        start_ns=START_NS,
        end_ns=at(10),
        pictures=[picture(s) for s in (0.0, 2.0, 4.0, 6.0)],
        detections=[
            found(0.0),
            found(2.0, ("Normal", "Fall")),
            found(4.0, ("Normal", "Normal", "Fall")),
            found(6.0, ()),
        ],
        objects=[Objects((person,), at(2), "base_link"), Objects((), at(4), "base_link")],
        ranges=[RangeReading(float("inf"), 0.02, 4.0, 0.3, at(1), "ultrasonic")],
        events=[
            event(
                "bay-1",
                EventPhase.STARTED,
                2.5,
                started_ns=at(2.0),
                message="Person 3 is in zone 'bay'.",
                label="Normal",
                track_id="3",
                values={"distance_m": 5.0, "bearing_rad": 0.9273},
                evidence=("objects",),
                supporting=("camera:front", "lidar:top"),
                silent=("radar:front",),
            ),
            event("bay-1", EventPhase.ENDED, 7.0, started_ns=at(2.0)),
            event("fall-1", EventPhase.STARTED, 6.0, SafetyLevel.CAUTION, rule="fall"),
        ],
        states=[
            SafetyStatus(SafetyLevel.CLEAR, at(0)),
            SafetyStatus(SafetyLevel.DANGER, at(2.5), ("person 3 is in zone 'bay'",)),
            SafetyStatus(SafetyLevel.DANGER, at(4)),
            SafetyStatus(SafetyLevel.CAUTION, at(7.5)),
        ],
        transcripts=[
            Transcript("Stop", at(5), at(6), 0.4, "en", False, "microphone"),
            Transcript("Stop the robot.", at(5), at(6.2), 0.83, "en", True, "microphone"),
        ],
        summaries=[
            Summary("A person was in the bay.", at(0), at(9), "template", "no model", ("bay-1",))
        ],
        latencies_ms={"capture to detections": list(range(1, 101)), "capture to event": [7.0]},
        fed={"/camera/image_raw/compressed": 4},
        published={"/camera/detections": 4, "/safety/events": 3},
        dropped={"object_detector /camera/image_raw": 2},
        environment={"cpu": "Example 3000", "packages": {"numpy": "1.26"}},
        warnings=["/odd is not fed: message type odd_msgs/msg/Odd is not installed"],
        rate="max",
        wall_s=12.3,
    )


def test_page_has_every_section_with_its_content(report: ReplayReport, tmp_path: Path) -> None:
    path = write_report(report, tmp_path / "new" / "report")
    assert path == tmp_path / "new" / "report" / "index.html"
    page = Page(path.read_text(encoding="utf-8"))
    ids = [section.get("id") for section in page.of("section")]
    assert [name for name in ids if name in SECTIONS] == list(SECTIONS)
    assert "A person was in the bay." in page.text["summary"]
    assert "0.0 s to 9.0 s" in page.text["summary"]
    assert "template (no model)" in page.text["summary"]
    events = page.text["events"]
    assert "2.50 s" in events
    assert "5.0 s" in events
    assert "to the end" in events
    assert "Person 3 is in zone 'bay'." in events
    assert "distance 5 m, bearing 0.927 rad" in events
    assert "from objects" in events
    assert "seen by camera:front, lidar:top" in events
    assert "silent: radar:front" in events
    assert "“Stop the robot.”" in page.text["speech"]
    assert "0.83" in page.text["speech"]
    latency = " ".join(page.text["latency"].split())
    assert "capture to detections 100 50.5 ms 99.0 ms 100.0 ms" in latency
    assert "capture to event 1 7.0 ms 7.0 ms 7.0 ms" in latency
    topics = " ".join(page.text["topics"].split())
    assert "/camera/detections 4" in topics
    assert "/camera/image_raw/compressed 4" in topics
    environment = " ".join(page.text["environment"].split())
    assert "cpu Example 3000" in environment
    assert "numpy 1.26" in environment
    warnings = page.text["warnings"]
    assert "odd_msgs/msg/Odd is not installed" in warnings
    assert "2 messages came too late and were dropped" in warnings


def test_page_loads_nothing_from_elsewhere(report: ReplayReport) -> None:
    html = render(report)
    page = Page(html)
    tags = {tag for tag, _ in page.tags}
    assert not tags & {"script", "link", "iframe", "object", "embed", "base", "form"}
    for _, attributes in page.tags:
        for name, value in attributes.items():
            assert not name.startswith("on")
            if name in {"src", "href", "xlink:href", "srcset", "data", "action"}:
                assert value is not None
                assert value.startswith("data:image/jpeg;base64,")
    assert not re.search(r"https?://|url\(|@import", html)
    policies = [m for m in page.of("meta") if m.get("http-equiv") == "Content-Security-Policy"]
    assert "default-src 'none'" in str(policies[0]["content"])


def test_page_is_readable_in_light_and_dark_and_on_small_screens(report: ReplayReport) -> None:
    html = render(report)
    assert "prefers-color-scheme: dark" in html
    assert any(m.get("name") == "viewport" for m in Page(html).of("meta"))


def test_outside_data_stays_text(report: ReplayReport) -> None:
    plain = Page(render(report))
    hostile = dataclasses.replace(
        report,
        recording=HOSTILE,
        system=HOSTILE,
        detections=[found(s, (HOSTILE,)) for s in (0.0, 2.0, 4.0, 6.0)],
        ranges=[RangeReading(1.0, 0.02, 4.0, 0.3, at(1), HOSTILE)],
        events=[
            event(
                HOSTILE,
                EventPhase.STARTED,
                2.5,
                rule=HOSTILE,
                kind=HOSTILE,
                message=HOSTILE,
                label=HOSTILE,
                track_id=HOSTILE,
                sensor=HOSTILE,
                values={HOSTILE: HOSTILE},
                evidence=(HOSTILE,),
                supporting=(HOSTILE,),
                silent=(HOSTILE,),
            )
        ],
        states=[SafetyStatus(SafetyLevel.DANGER, at(0), (HOSTILE,))],
        transcripts=[Transcript(HOSTILE, at(5), at(6), 0.5, HOSTILE, True, HOSTILE)],
        summaries=[Summary(HOSTILE, at(0), at(9), HOSTILE, HOSTILE)],
        latencies_ms={HOSTILE: [1.0]},
        fed={HOSTILE: 1},
        dropped={HOSTILE: 1},
        environment={HOSTILE: HOSTILE},
        warnings=[HOSTILE],
        rate=HOSTILE,
    )
    page = Page(render(hostile))
    assert {tag for tag, _ in page.tags} <= {tag for tag, _ in plain.tags}
    assert not any(name.startswith("on") for _, attributes in page.tags for name in attributes)
    assert all(str(image["src"]).startswith("data:image/jpeg") for image in page.of("img"))
    for section in ("summary", "events", "speech", "latency", "topics", "environment", "warnings"):
        assert HOSTILE in page.text[section], section
    assert HOSTILE in str(page.of("img")[0]["alt"])


def test_state_bands_lie_where_their_times_are(report: ReplayReport) -> None:
    page = Page(render(report))
    axis = next(line for line in page.of("line") if line["class"] == "axis")
    left, right = float(str(axis["x1"])), float(str(axis["x2"]))

    def seconds(rect: dict[str, str | None]) -> tuple[float, float]:
        x, width = float(str(rect["x"])), float(str(rect["width"]))
        return tuple(10 * (v - left) / (right - left) for v in (x, x + width))  # type: ignore[return-value]

    rects = {str(r["class"]): seconds(r) for r in reversed(page.of("rect"))}
    assert rects["level clear"] == pytest.approx((0.0, 2.5), abs=0.01)
    assert rects["level danger"] == pytest.approx((2.5, 7.5), abs=0.01)
    assert rects["level caution"] == pytest.approx((7.5, 10.0), abs=0.01)
    assert rects["speech"] == pytest.approx((5.0, 6.2), abs=0.01)
    assert rects["level caution open"] == pytest.approx((6.0, 10.0), abs=0.01)


def test_timeline_goes_on_to_the_last_thing_told(report: ReplayReport) -> None:
    later = dataclasses.replace(
        report, states=[*report.states, SafetyStatus(SafetyLevel.CLEAR, at(12.5))]
    )
    assert later.until_ns == at(12.5)
    page = Page(render(later))
    axis = next(line for line in page.of("line") if line["class"] == "axis")
    end = next(line for line in page.of("line") if line["class"] == "end")
    left, right = float(str(axis["x1"])), float(str(axis["x2"]))
    assert (float(str(end["x1"])) - left) / (right - left) == pytest.approx(0.8, abs=1e-3)
    assert "recording ends" in page.text["timeline"]
    assert "recording ends" not in Page(render(report)).text["timeline"]


def test_key_pictures_are_chosen_by_meaning_and_annotated(report: ReplayReport) -> None:
    shown = key_pictures(report)
    assert [round(p.time_s, 1) for p in shown] == [0.0, 2.0, 4.0, 6.0]
    reasons = [p.reasons for p in shown]
    assert reasons[0] == ("First picture",)
    assert reasons[1] == ("Person 3 is in zone 'bay'.",)  # the last picture before it was told
    assert reasons[2] == ("Most at once: 3",)
    assert reasons[3] == ("fall-1 started.",)
    assert shown[2].found == "2 Normal, 1 Fall"
    assert shown[3].found == "nothing"
    page = Page(render(report))
    assert len(page.of("figure")) == 4
    pixels = []
    for image in page.of("img"):
        data = base64.b64decode(str(image["src"]).split(",", 1)[1])
        decoded = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
        assert decoded is not None
        assert decoded.shape[:2] == (int(str(image["height"])), int(str(image["width"])))
        pixels.append(decoded.astype(int))
    assert np.abs(pixels[3] - 90).max() <= 3  # nothing found, nothing drawn
    assert np.abs(pixels[0][60:200, 48:53] - 90).max() > 60  # the left edge of the box


def test_large_pictures_are_shown_smaller(report: ReplayReport) -> None:
    large = dataclasses.replace(report, pictures=[picture(0.0, jpeg(width=1920, height=1080))])
    assert [(p.width, p.height) for p in key_pictures(large)] == [(960, 540)]


def test_pictures_that_no_detector_took_are_never_decoded(
    report: ReplayReport, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoded: list[int] = []
    decode = cv2.imdecode

    def counting(data: np.ndarray, flags: int) -> np.ndarray | None:
        decoded.append(len(data))
        return decode(data, flags)

    monkeypatch.setattr(cv2, "imdecode", counting)
    refused = b"\xff\xd8" + bytes(5000)
    changed = dataclasses.replace(report, pictures=[*report.pictures, picture(2.4, refused)])
    assert len(key_pictures(changed)) == 4
    assert 5002 not in decoded


def test_a_picture_that_cannot_be_decoded_is_left_out(report: ReplayReport) -> None:
    broken = dataclasses.replace(report, pictures=[picture(0.0, b"\xff\xd8\xff"), picture(2.0)])
    assert [round(p.time_s, 1) for p in key_pictures(broken)] == [2.0]


def test_of_many_events_the_most_severe_are_shown(report: ReplayReport) -> None:
    times = [float(s) for s in range(40)]
    events = [
        event(
            f"e-{s:g}",
            EventPhase.STARTED,
            s,
            SafetyLevel.DANGER if s >= 30 else SafetyLevel.CAUTION,
        )
        for s in times
    ]
    many = dataclasses.replace(
        report,
        end_ns=at(40),
        pictures=[picture(s) for s in times],
        detections=[found(s) for s in times],
        events=events,
    )
    shown = key_pictures(many)
    assert len(shown) == MAX_PICTURES
    assert [round(p.time_s) for p in shown] == [0, 30, 31, 32, 33, 34, 35, 36, 37]


def test_silent_sensors_show_no_picture(report: ReplayReport) -> None:
    silent = event("range_stale-1", EventPhase.STARTED, 2.0, SafetyLevel.UNKNOWN)
    changed = dataclasses.replace(report, events=[silent])
    assert [round(p.time_s, 1) for p in key_pictures(changed)] == [0.0, 4.0]


def test_an_event_far_from_every_picture_shows_none(report: ReplayReport) -> None:
    lone = dataclasses.replace(
        report, pictures=[picture(0.0)], events=[event("late", EventPhase.STARTED, 9.0)]
    )
    assert [p.reasons for p in key_pictures(lone)] == [("First picture", "Most at once: 1")]


def test_an_empty_report_says_so(tmp_path: Path) -> None:
    path = write_report(ReplayReport("nothing", "none", 0, 0), tmp_path)
    page = Page(path.read_text(encoding="utf-8"))
    assert "No summary was written." in page.text["summary"]
    assert "No rule found anything" in page.text["events"]
    assert "Nothing was understood." in page.text["speech"]
    assert "No latency was measured." in page.text["latency"]
    assert page.of("svg") == []


def test_the_same_report_gives_the_same_page_and_replaces_the_older_one(
    report: ReplayReport, tmp_path: Path
) -> None:
    first = write_report(report, tmp_path).read_bytes()
    other = dataclasses.replace(report, recording="another")
    assert write_report(other, tmp_path).read_bytes() != first
    assert write_report(report, tmp_path).read_bytes() == first
    assert [path.name for path in tmp_path.iterdir()] == ["index.html"]


def test_a_folder_that_cannot_be_written_is_named(report: ReplayReport, tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("in the way", encoding="utf-8")
    with pytest.raises(ReportError, match=str(blocked)):
        write_report(report, blocked)


def test_long_recordings_stay_readable(report: ReplayReport) -> None:
    hours = dataclasses.replace(
        report,
        end_ns=at(7200),
        pictures=(),
        detections=[found(s / 2, ("Normal",) * (s % 7)) for s in range(14_400)],
        events=[
            one
            for s in range(0, 7200, 4)
            for one in (
                event(f"e-{s}", EventPhase.STARTED, s),
                event(f"e-{s}", EventPhase.ENDED, s + 3),
            )
        ],
    )
    html = render(hours)
    assert len(html) < 1_500_000
    page = Page(html)
    assert "later events are left out" in page.text["events"]
    assert all(len(str(line["points"]).split()) <= 2000 for line in page.of("polyline"))


def test_latencies_that_are_not_numbers_are_left_out() -> None:
    lines = latency_lines({"none": [], "odd": [float("nan")], "some": [float("nan"), 4.0]})
    assert [(line.stage, line.count, line.p50) for line in lines] == [("some", 1, 4.0)]


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("distance_m", 1.23456, "distance 1.23 m"),
        ("speed_mps", 0.5, "speed 0.5 m/s"),
        ("minimum_share", 0.5, "minimum share 0.5"),
        ("word", "stop", "word stop"),
        ("_m", 1.0, " m 1"),
        ("count", float("nan"), "count nan"),
    ],
)
def test_measured_values_in_words(name: str, value: float | str, words: str) -> None:
    assert measured(name, value) == words

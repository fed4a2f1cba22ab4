"""Which events are true, who could tell them, and which of them are missed."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pytest

from edge_mm_ros.bench.loss_checks import Loss
from edge_mm_ros.bench.loss_events import Comparison, LossEvents
from edge_mm_ros.bench.monitored_scene import Told
from edge_mm_ros.bench.true_events import pieces_of, true_spans
from edge_mm_ros.datatypes import (
    EventPhase,
    GroundTruth,
    Object3D,
    Objects,
    Odometry,
    RigidTransform,
    SafetyEvent,
    SafetyLevel,
    SafetyStatus,
    TrueObject,
)
from edge_mm_ros.params.base import validate
from edge_mm_ros.params.safety_rules import SafetyRules
from edge_mm_ros.params.scenario import Scenario
from edge_mm_ros.pipelines.simulation import START_NS, TRUTH_TOPIC, Record

MS = 1_000_000
END_MS = 3000
LOSS = Loss(("lidar",), 100 * MS)
RULES = validate(
    SafetyRules,
    {
        "zones": [
            {"name": "way", "level": "danger", "polygon_m": [[3, -1], [5, -1], [5, 1], [3, 1]]},
            {"name": "lane", "level": "caution", "polygon_m": [[3, -4], [5, -4], [5, -2], [3, -2]]},
        ],
        "footprint_m": [[0.5, 0.3], [-0.5, 0.3], [-0.5, -0.3], [0.5, -0.3]],
        "rules": [
            {"name": "way", "kind": "zone", "zone": "way"},
            {"name": "other", "kind": "zone", "zone": "way"},
            {"name": "persons", "kind": "zone", "zone": "way", "labels": ["person"]},
            {"name": "crossing", "kind": "predicted_entry", "zone": "lane", "horizon_s": 2.0},
            {"name": "crash", "kind": "time_to_collision", "time_s": 2.0},
            {"name": "fall", "kind": "fallen", "input": "detections", "sensors": ["camera"]},
            {
                "name": "echo",
                "kind": "minimum_distance",
                "level": "danger",
                "input": "range",
                "distance_m": 0.4,
                "hysteresis_m": 0.1,
            },
            {"name": "lost", "kind": "stale", "input": "odometry", "timeout_s": 0.5},
        ],
    },
    "rules",
)
SENSORS = validate(
    Scenario,
    {
        "name": "s",
        "duration_s": 1.0,
        "sensors": [
            {"kind": kind, "name": name, "place": {"xyz_m": [x, 0.0, 0.5]}}
            for kind, name, x in (
                ("camera", "camera", 0.5),
                ("camera", "rear", -0.5),
                ("lidar", "lidar", 0.0),
                ("laser", "laser", 0.0),
                ("radar", "radar", 0.5),
                ("ultrasonic", "left", 3.4),
                ("ultrasonic", "right", 3.3),
            )
        ],
    },
    "s",
).sensors


def thing(
    name: str = "anna",
    place: tuple[float, float] = (4.0, 0.0),
    velocity: tuple[float, float] = (0.0, 0.0),
    *,
    seen_by: tuple[str, ...] = ("camera",),
    size: tuple[float, float] = (0.5, 0.5),
    yaw_deg: float = 0.0,
    label: str = "person",
) -> TrueObject:
    return TrueObject(
        name,
        label,
        np.array([*place, 0.85]),
        math.radians(yaw_deg),
        np.array([*size, 1.7]),
        np.array([*velocity, 0.0]),
        seen_by,
    )


def track(track_id: str = "7", place: tuple[float, float] = (4.2, 0.0)) -> Object3D:
    centre = np.array([*place, 0.8])
    return Object3D(track_id, "person", 0.9, centre, np.ones(3), np.eye(3), ("lidar:lidar",))


def event(
    rule: str = "way",
    at_ms: int = 200,
    *,
    ended_ms: int | None = None,
    track_id: str = "7",
    sensor: str = "",
    level: SafetyLevel = SafetyLevel.DANGER,
) -> list[SafetyEvent]:
    """An event's begin, and its end if it ends."""
    name = f"{rule}-{at_ms}-{track_id}{sensor}"
    begun = SafetyEvent(
        name,
        EventPhase.STARTED,
        level,
        rule,
        "kind",
        at_ms * MS,
        at_ms * MS,
        "Something.",
        track_id=track_id,
        sensor=sensor,
    )
    if ended_ms is None:
        return [begun]
    return [begun, replace(begun, phase=EventPhase.ENDED, stamp_ns=ended_ms * MS)]


@dataclass
class Scene:
    """A scene that stays as it is, but for what `things` says of each time."""

    things: Callable[[int], Sequence[TrueObject]] = lambda at_ms: (thing(),)
    tracks: Callable[[int], Sequence[Object3D]] = lambda at_ms: (track(),)

    def told(self, *events: Sequence[SafetyEvent], without: Sequence[str] = ()) -> Told:
        times = range(0, END_MS, 50)
        return Told(
            events=[one for some in events for one in some],
            states=[SafetyStatus(SafetyLevel.DANGER, at_ms * MS) for at_ms in (0, END_MS)],
            truths=[self.truth(at_ms, without) for at_ms in times],
            objects=[Objects(tuple(self.tracks(at)), at * MS, "base_link") for at in times],
        )

    def truth(self, at_ms: int, without: Sequence[str] = ()) -> GroundTruth:
        left = [
            replace(one, seen_by=tuple(name for name in one.seen_by if name not in without))
            for one in self.things(at_ms)
        ]
        return GroundTruth(tuple(left), at_ms * MS, "base_link")

    def events(self) -> LossEvents:
        records = [
            Record(TRUTH_TOPIC, at * MS, at * MS, self.truth(at)) for at in range(0, END_MS, 100)
        ]
        return LossEvents(records, RULES, SENSORS)

    def missed(
        self,
        full: Sequence[SafetyEvent],
        *lost: Sequence[SafetyEvent],
        loss: Loss = LOSS,
    ) -> tuple[int, list[str]]:
        found = self.compare(full, *lost, loss=loss)
        return found.asked, list(found.missed)

    def compare(
        self,
        full: Sequence[SafetyEvent],
        *lost: Sequence[SafetyEvent],
        loss: Loss = LOSS,
    ) -> Comparison:
        found = self.told(*lost, without=loss.sensors)
        return self.events().compare(self.told(full), found, loss)


def line(what: str, at_ms: int = 200) -> str:
    return f"{what} at {(at_ms * MS - START_NS) / 1e9:.2f} s"


def test_a_true_event_that_a_remaining_sensor_sees_must_be_told() -> None:
    full = event(ended_ms=500)
    assert Scene().missed(full, event(at_ms=900, ended_ms=990)) == (1, [])
    assert Scene().missed(full) == (1, [line("way of anna")])
    assert Scene().missed(full, event("other")) == (1, [line("way of anna")])
    assert Scene().missed(full, event(at_ms=1600)) == (1, [line("way of anna")])  # too late
    assert Scene().missed(full, event(at_ms=10, ended_ms=20)) == (1, [])  # 0.2 s early
    early = event(at_ms=700, ended_ms=800), event(at_ms=10, ended_ms=20)
    assert Scene().missed(*early) == (1, [line("way of anna", 700)])


def test_what_is_told_a_second_after_it_began_is_late() -> None:
    assert Scene().compare(event(), event(at_ms=1150)) == Comparison(1, (), ())
    late = Comparison(1, (), (line("way of anna") + ", by 1.05 s",))
    assert Scene().compare(event(), event(at_ms=1250)) == late
    assert Scene().compare(event(), event(at_ms=1250), event(at_ms=300)).late == ()


def test_it_is_due_from_when_a_remaining_sensor_sees_its_object() -> None:
    def seen_from_1000_ms(at_ms: int) -> Sequence[TrueObject]:
        return (thing(seen_by=("lidar", "camera") if at_ms >= 1000 else ("lidar",)),)

    scene = Scene(seen_from_1000_ms)
    assert scene.compare(event(), event(at_ms=1900)) == Comparison(1, (), ())
    late = (line("way of anna") + ", by 1.10 s",)
    assert scene.compare(event(), event(at_ms=2100)) == Comparison(1, (), late)
    assert scene.missed(event(ended_ms=1700)) == (0, [])  # seen for less than half of it


def test_what_nobody_left_sees_is_not_asked_for_nor_what_came_before() -> None:
    alone = Scene(lambda at_ms: (thing(seen_by=("lidar",)),))
    assert alone.missed(event()) == (0, [])
    assert Scene().missed(event(at_ms=50)) == (0, [])
    assert Scene().missed(event(level=SafetyLevel.UNKNOWN)) == (0, [])  # only predicted
    assert Scene().missed(event("lost", track_id="", sensor="odom")) == (0, [])


def test_an_event_of_another_object_does_not_stand_for_it() -> None:
    scene = Scene(
        lambda at_ms: (thing(), thing("bert", (3.5, -0.9))),
        lambda at_ms: (track("7"), track("8", (3.4, -0.9))),
    )
    assert scene.missed(event(), event(track_id="8")) == (1, [line("way of anna")])
    assert scene.missed(event(), event(track_id="8"), event(at_ms=250)) == (1, [])
    assert scene.missed(event(track_id="8"), event()) == (1, [line("way of bert")])


def test_an_event_is_of_the_object_that_its_track_follows_at_that_time() -> None:
    def from_bert_to_anna(at_ms: int) -> Sequence[Object3D]:
        return (track("8", (3.5, -0.9) if at_ms < 1000 else (4.2, 0.0)), track("7"))

    scene = Scene(lambda at_ms: (thing(), thing("bert", (3.5, -0.9))), from_bert_to_anna)
    begun = event(at_ms=900, track_id="8")
    assert scene.missed(event(at_ms=1000), begun) == (1, [])
    assert scene.missed(event(at_ms=300, ended_ms=990), begun) == (1, [line("way of anna", 300)])


@pytest.mark.parametrize(
    ("centre_m", "yaw_deg", "who"),
    [
        ((6.0, 0.0), 90.0, "anna"),  # its face 1.4 m behind the track, both ends far away
        ((6.0, 5.0), 90.0, "anna"),
        ((10.6, 0.0), 0.0, "wall_1"),  # its end 0.1 m behind the track
        ((10.6, 0.0), 90.0, "anna"),
        ((7.5, 3.0), 45.0, "wall_1"),  # through the track
        ((7.5, 3.0), -45.0, "anna"),
    ],
)
def test_an_event_is_of_the_object_whose_edge_is_nearest(
    centre_m: tuple[float, float], yaw_deg: float, who: str
) -> None:
    wall = thing("wall_1", centre_m, size=(12.0, 0.2), yaw_deg=yaw_deg, label="wall", seen_by=())
    scene = Scene(
        lambda at_ms: (thing(), wall),
        lambda at_ms: (track(place=(4.5, 0.0)),),  # 0.25 m behind anna
    )
    asked, lines = scene.missed(event())
    assert asked == len(lines) == (who == "anna")  # nobody is said to see a wall
    assert all(f" of {who} " in line for line in lines)


# What a sensor can tell -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rule", "names"),
    [
        ("way", {"camera", "rear", "lidar", "laser", "radar", "left", "right"}),
        ("crossing", {"camera", "rear", "lidar", "laser", "radar"}),
        ("crash", {"camera", "rear", "lidar", "laser", "radar"}),
        ("persons", {"camera", "rear"}),
        ("fall", {"camera"}),
        ("echo", {"left", "right"}),
        ("lost", set()),
    ],
)
def test_who_can_tell_an_event_follows_from_what_its_kind_measures(
    rule: str, names: set[str]
) -> None:
    assert Scene().events().able(rule) == names


@pytest.mark.parametrize(
    ("seen_by", "asked"),
    [
        ({"left"}, {"way"}),
        ({"left", "radar"}, {"way", "crossing"}),
        ({"laser"}, {"way", "crossing"}),
        ({"camera"}, {"way", "crossing", "persons"}),
    ],
)
def test_an_echo_shows_that_something_is_there_but_not_that_it_crosses(
    seen_by: set[str], asked: set[str]
) -> None:
    anna = thing(velocity=(0.0, -1.5), seen_by=("lidar", *seen_by))
    scene = Scene(lambda at_ms: (anna,))
    for rule in ("way", "crossing", "persons"):
        assert scene.missed(event(rule))[0] == (rule in asked)


def test_an_event_of_an_echo_is_asked_of_the_sensors_that_its_rule_hears() -> None:
    loss = Loss(("left",), 100 * MS)
    heard = event("echo", track_id="", sensor="left")

    def missed(
        *seen_by: str, lost: Sequence[SafetyEvent] = (), x_m: float = 4.0
    ) -> tuple[int, list[str]]:
        scene = Scene(lambda at_ms: (thing(place=(x_m, 0.0), seen_by=("left", *seen_by)),))
        return scene.missed(heard, lost, loss=loss)

    assert missed("right") == (1, [line("echo of anna")])
    assert missed("right", lost=event("echo", 400, track_id="", sensor="right")) == (1, [])
    assert missed("right", lost=event("way", 200)) == (1, [line("echo of anna")])
    assert missed("lidar") == missed() == (0, [])
    # From 3.4 m on, 0.4 m and the hysteresis of 0.1 m reach to 3.9 m; the edge lies at 4.05 m.
    assert missed("right", x_m=4.3) == (0, [])


# What is true -----------------------------------------------------------------------------------


def false_of(scene: Scene, *events: Sequence[SafetyEvent]) -> list[str]:
    return scene.events().false(scene.told(*events))


def test_what_the_truth_does_not_bear_out_is_named_and_not_asked_for() -> None:
    crossing = event("crossing", level=SafetyLevel.CAUTION)
    walks = Scene(lambda at_ms: (thing(velocity=(0.0, -1.5)),))
    assert false_of(walks, crossing, event()) == []
    assert walks.missed(crossing)[0] == 1
    stands = Scene()
    assert false_of(stands, crossing, event()) == [line("crossing of anna")]
    assert stands.missed(crossing) == (0, [])
    aside = Scene(
        lambda at_ms: (thing(place=(4.0, 1.4)),), lambda at_ms: (track(place=(4.0, 0.9)),)
    )
    assert false_of(aside, event()) == [line("way of anna")]
    far = Scene(lambda at_ms: (thing(place=(9.0, 0.0)),))
    assert false_of(far, event()) == [line("way of nothing")]
    assert false_of(far, event("echo", track_id="", sensor="left")) == [line("echo of nothing")]
    assert far.missed(event()) == (0, [])


def test_an_event_is_true_that_the_truth_bears_out_within_a_second_of_its_begin() -> None:
    def in_the_way_from_1500_ms(at_ms: int) -> Sequence[TrueObject]:
        return (thing(place=(4.0, 0.0 if at_ms >= 1500 else 1.3)),)

    scene = Scene(in_the_way_from_1500_ms)
    assert false_of(scene, event(at_ms=550)) == []
    assert false_of(scene, event(at_ms=450)) == [line("way of anna", 450)]

    def in_the_way_until_500_ms(at_ms: int) -> Sequence[TrueObject]:
        return (thing(place=(4.0, 0.0 if at_ms <= 500 else 1.3)),)

    scene = Scene(in_the_way_until_500_ms)  # so that the condition ends 1 s later
    assert false_of(scene, event(at_ms=2450)) == []
    assert false_of(scene, event(at_ms=2600)) == [line("way of anna", 2600)]


def test_a_true_object_is_cut_into_pieces_of_a_metre() -> None:
    wall = thing(size=(2.4, 0.2), place=(4.0, 1.0), yaw_deg=90.0)
    pieces = list(pieces_of(wall))
    assert [one.track_id for one in pieces] == ["anna/0", "anna/1", "anna/2"]
    assert np.array([one.position_m for one in pieces]) == pytest.approx(
        np.array([[4.0, 0.2, 0.85], [4.0, 1.0, 0.85], [4.0, 1.8, 0.85]])
    )
    assert all(one.size_m == pytest.approx([0.2, 0.8, 1.7]) for one in pieces)


def spans_while(forward_mps: float, *things: TrueObject) -> Mapping[str, float]:
    """When each event begins, seconds, while the robot is said to drive; by rule and object."""
    odometry = Odometry(
        RigidTransform.identity(),
        np.array([forward_mps, 0.0, 0.0]),
        np.zeros(3),
        np.zeros((6, 6)),
        np.zeros((6, 6)),
        0,
        "odom",
        "base_link",
    )
    records = [Record("odom", 0, 0, odometry)]
    records += [
        Record(TRUTH_TOPIC, at * MS, at * MS, GroundTruth(things, at * MS, "base_link"))
        for at in range(0, 1000, 100)
    ]
    return {f"{s.event.rule} {s.event.track_id}": s.start_ns for s in true_spans(records, RULES)}


def test_the_rules_are_applied_to_the_truth_and_the_robots_own_motion() -> None:
    stands, wall = (
        thing(place=(6.0, -3.0)),
        thing("wall_1", (4.0, 6.0), size=(12.0, 0.2), label="wall"),
    )
    assert spans_while(0.0, stands, wall) == {}
    assert set(spans_while(1.0, stands)) == {"crossing anna/0"}
    across = replace(wall, yaw_rad=math.pi / 2.0)  # from y = 0 m on
    assert set(spans_while(0.0, across)) == {f"{rule} wall_1/0" for rule in ("way", "other")}

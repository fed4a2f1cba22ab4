"""The file of rules: what it refuses, by name."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_mm_ros.params import ParameterError, load_yaml
from edge_mm_ros.params.base import validate
from edge_mm_ros.params.safety_rules import SafetyRules, words_of
from edge_mm_ros.params.share import find_config

GOOD: dict[str, Any] = {
    "zones": [{"name": "bay", "level": "danger", "polygon_m": [[0, 0], [4, 0], [4, 4], [0, 4]]}],
    "rules": [
        {"name": "in_bay", "kind": "zone", "zone": "bay"},
        {"name": "stop", "kind": "keyword", "level": "danger", "phrases": ["stop"]},
        {
            "name": "deaf",
            "kind": "stale",
            "input": "diagnostics",
            "component": "speech_transcriber: speech",
            "timeout_s": 3.0,
        },
    ],
}


def rules(change: Callable[[dict[str, Any]], object] = lambda values: None) -> SafetyRules:
    values = copy.deepcopy(GOOD)
    change(values)
    return validate(SafetyRules, values, "rules.yaml")


def polygon(*corners: tuple[float, float]) -> Callable[[dict[str, Any]], object]:
    return lambda values: values["zones"][0].update(polygon_m=corners)


def test_the_shipped_file_is_good() -> None:
    shipped = load_yaml(SafetyRules, find_config("rules", "safety_monitor"))
    assert {rule.kind for rule in shipped.rules} == {
        "zone",
        "minimum_distance",
        "fallen",
        "keyword",
        "stale",
    }


@pytest.mark.parametrize(
    "corners",
    [
        [(0, 0), (4, 0), (0, 4)],
        [(0, 0), (4, 0), (4, 4), (2, 1), (0, 4)],
        [(0, 0), (2, 0), (4, 0), (4, 4)],
        [(0, 4), (4, 4), (4, 0), (0, 0)],
    ],
)
def test_simple_polygons_are_taken_in_either_sense(corners: list[tuple[float, float]]) -> None:
    assert rules(polygon(*corners)).zones[0].polygon_m == tuple(corners)


@pytest.mark.parametrize(
    ("corners", "reason"),
    [
        ([], "at least 3 corners, got 0"),
        ([(0, 0), (1, 1)], "at least 3 corners, got 2"),
        ([(0, 0), (4, 4), (4, 0), (0, 4)], "crosses itself"),
        ([(0, 0), (4, 0), (2, 0)], "crosses itself"),
        ([(0, 0), (4, 0), (4, 4), (2, 0), (0, 4)], "crosses itself"),
        ([(0, 0), (0, 0), (4, 4)], "repeats a corner"),
        ([(0, 0), (4, 0), (4, 4), (0, 0)], "repeats a corner"),
        ([(0, 0), (4, 0), (4, 4), (4, 0), (0, 4)], "crosses itself"),
    ],
)
def test_other_polygons_are_refused_by_the_zone_s_name(
    corners: list[tuple[float, float]], reason: str
) -> None:
    with pytest.raises(ParameterError, match="zone 'bay': its polygon") as raised:
        rules(polygon(*corners))
    assert reason in str(raised.value)


@given(
    corners=st.lists(
        st.tuples(st.integers(-6, 6), st.integers(-6, 6)), min_size=3, max_size=7, unique=True
    )
)
def test_what_is_refused_is_what_a_brute_force_finds(corners: list[tuple[int, int]]) -> None:
    """Sides that share more than the corner between neighbours, by exact integer arithmetic."""
    sides = list(zip(corners, corners[1:] + corners[:1]))

    def on(p: tuple[int, int], a: tuple[int, int], b: tuple[int, int]) -> bool:
        straight = (b[0] - a[0]) * (p[1] - a[1]) == (b[1] - a[1]) * (p[0] - a[0])
        ahead = (p[0] - a[0]) * (p[0] - b[0]) + (p[1] - a[1]) * (p[1] - b[1])
        return straight and ahead <= 0

    def side_of(p: tuple[int, int], a: tuple[int, int], b: tuple[int, int]) -> int:
        cross = (b[0] - a[0]) * (p[1] - a[1]) - (b[1] - a[1]) * (p[0] - a[0])
        return (cross > 0) - (cross < 0)

    bad = False
    for i, (a, b) in enumerate(sides):
        for c, d in sides[i + 1 :]:
            touching = {p for p in (a, b) if on(p, c, d)} | {p for p in (c, d) if on(p, a, b)}
            shared = {a, b} & {c, d}
            through = (
                side_of(a, c, d) * side_of(b, c, d) < 0 and side_of(c, a, b) * side_of(d, a, b) < 0
            )
            bad |= through or bool(touching - shared)
    try:
        rules(polygon(*corners))
    except ParameterError:
        assert bad
    else:
        assert not bad


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda v: v.update(colour="red"), "unknown key 'colour'"),
        (lambda v: v["zones"][0].update(leval="danger"), "unknown key 'zones.0.leval'"),
        (lambda v: v["rules"][0].update(dwel_s=1), "unknown key 'rules.0.zone.dwel_s'"),
        (lambda v: v["rules"][0].pop("zone"), "missing key 'rules.0.zone.zone'"),
        (lambda v: v["rules"][0].update(zone="nowhere"), "no zone 'nowhere'; there are: bay"),
        (lambda v: v["rules"][0].update(kind="zonk"), "'zonk'"),
        (lambda v: v["rules"][0].update(enter_after_s=-1), "rules.0.zone.enter_after_s"),
        (lambda v: v["rules"][0].update(enter_after_s="soon"), "got 'soon'"),
        (lambda v: v["rules"][0].update(name="in the bay"), "rules.0.zone.name"),
        (lambda v: v["rules"][1].update(name="in_bay"), "rule in_bay is defined more than once"),
        (lambda v: v["zones"].append(v["zones"][0]), "zone bay is defined more than once"),
        (lambda v: v["zones"][0].update(level="unknown"), "zones.0.level"),
        (lambda v: v["rules"][1].update(phrases=[" ?! "]), "at least one word"),
        (lambda v: v["rules"][1].update(phrases=[]), "rules.1.keyword.phrases"),
        (lambda v: v["rules"].pop(), "rule 'stop' listens to speech, but no stale rule"),
        (lambda v: v["rules"][2].pop("component"), "component and input: diagnostics"),
        (lambda v: v["rules"][2].update(input="objects"), "component and input: diagnostics"),
        (lambda v: v.update(rules=[]), "rules"),
    ],
)
def test_mistakes_are_refused_by_name(
    change: Callable[[dict[str, Any]], object], reason: str
) -> None:
    with pytest.raises(ParameterError, match=r"^rules\.yaml: ") as raised:
        rules(change)
    assert reason in str(raised.value)


BRAKE = {
    "name": "brake",
    "level": "danger",
    "front_m": 0.5,
    "rear_m": 0.5,
    "width_m": 1.0,
    "deceleration_mps2": 2.0,
}
CRASH = {"name": "crash", "kind": "time_to_collision", "time_s": 2.0}
SOON = {"name": "soon", "kind": "predicted_entry", "zone": "bay", "horizon_s": 2.0}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda v: v["rules"].append(CRASH), "rule 'crash' needs footprint_m"),
        (
            lambda v: v.update(footprint_m=[[0, 0], [1, 1], [1, 0], [0, 1]]),
            "footprint_m: its polygon crosses itself",
        ),
        (lambda v: v["rules"].append({**SOON, "zone": "pit"}), "no zone 'pit'; there are: bay"),
        (lambda v: v["rules"].append({**SOON, "horizon_s": 0}), "predicted_entry.horizon_s"),
        (
            lambda v: v["rules"].append({**SOON, "own_speed_mps": [1, -1]}),
            "own_speed_mps must grow, got [1.0, -1.0]",
        ),
        (lambda v: v["rules"][0].update(coverage="yes"), "rules.0.zone.coverage"),
        (lambda v: v.update(braking_zones=[{**BRAKE, "name": "bay"}]), "zone bay is defined more"),
        (lambda v: v.update(braking_zones=[{**BRAKE, "deceleration_mps2": 0}]), "deceleration"),
        (
            lambda v: (
                v.update(braking_zones=[BRAKE]),
                v["rules"][0].update(zone="brake", coverage="required"),
            ),
            "coverage is told of zones with a polygon",
        ),
    ],
)
def test_mistakes_about_motion_and_coverage_are_refused_by_name(
    change: Callable[[dict[str, Any]], object], reason: str
) -> None:
    with pytest.raises(ParameterError, match=r"^rules\.yaml: ") as raised:
        rules(change)
    assert reason in str(raised.value)


@pytest.mark.parametrize("name", ["safety_monitor", "simulated", "vehicle"])
def test_every_shipped_file_can_be_read(name: str) -> None:
    load_yaml(SafetyRules, find_config("rules", name))


def test_the_zones_that_must_be_seen_depend_on_the_speed() -> None:
    def change(values: dict[str, Any]) -> None:
        values["rules"][0].update(coverage="required", own_speed_mps=[-1.0, 1.0])

    chosen = rules(change)
    assert chosen.zones_to_cover() == ("bay",)
    assert chosen.zones_to_cover(0.5) == ("bay",)
    assert chosen.zones_to_cover(1.5) == ()
    assert rules().zones_to_cover() == ()


def test_a_file_that_is_not_yaml_is_named(tmp_path: Path) -> None:
    path = tmp_path / "rules.yaml"
    path.write_text("rules: [", encoding="utf-8")
    with pytest.raises(ParameterError, match=r"rules\.yaml: is not valid YAML"):
        load_yaml(SafetyRules, path)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Stop!  The ROBOT, now.", ("stop", "the", "robot", "now")),
        ("don't \u2018stop\u2019 he\u2019s down", ("don't", "stop", "he's", "down")),
        ("ＨＥＬＰ", ("help",)),
        ("...", ()),
    ],
)
def test_words_of_a_text(text: str, words: tuple[str, ...]) -> None:
    assert words_of(text) == words

"""The fusion on every scenario that ships, beside a plain projection with a SORT-style tracker."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass

import numpy as np
from scipy.optimize import linear_sum_assignment

from edge_mm_ros.bench.placing import time_placing
from edge_mm_ros.bench.result import Bar, BenchResult, Measure
from edge_mm_ros.bench.scene_play import Played, delayed, play
from edge_mm_ros.bench.tracking import time_tracker
from edge_mm_ros.params.scenario import load_scenario, shipped_scenarios
from edge_mm_ros.pipelines.evaluation import (
    Estimate,
    EvaluationSettings,
    Score,
    frames_of,
    score,
)
from edge_mm_ros.pipelines.simulation import Simulator

SEEDS: tuple[int, ...] = (0, 1, 2)
FOLLOWED = ("crossing_pedestrians", "occlusion")
CROWD = "crowd"
DELAY_S, DELAYED_KINDS = 0.2, ("camera", "lidar")
MAX_POSITION_RMS_M, MAX_VELOCITY_RMS_MPS = 0.15, 0.25
MAX_SWITCHES_PER_MINUTE = 1.0
MIN_INSIDE, MAX_INSIDE = 0.90, 0.99
MAX_TRACKER_MS, MAX_PLACING_MS = 3.0, 15.0
POINTS, MORE_POINTS = 120_000, 240_000
MAX_GROWTH = 1.1  # of the time over that of the points
LOST_AFTER_S = 1.0


@dataclass(frozen=True)
class Outcome:
    """One scene with one seed.

    Attributes:
        scenario: its name.
        seed: of all noise.
        fused: what the fusion is worth.
        compared: what the plain projection with the SORT-style tracker is worth.
        lost: persons who had no track for more than a second while a camera saw them.
        fuse_ms: how long each picture's fusion took.
    """

    scenario: str
    seed: int
    fused: Score
    compared: Score
    lost: tuple[str, ...]
    fuse_ms: tuple[float, ...]


@dataclass(frozen=True)
class Late:
    """What a delay of one sensor changes.

    Attributes:
        scenario: its name.
        sensor: which one is late.
        apart_m: furthest that a final track lies from the same one without delay.
        in_sigmas: the same, in the standard deviations that the tracks tell.
        fewer: how many final tracks less there are; negative where there are more.
    """

    scenario: str
    sensor: str
    apart_m: float
    in_sigmas: float
    fewer: int


@dataclass(frozen=True)
class Times:
    """How long single steps took, milliseconds.

    Attributes:
        tracker: one scan of 50 objects by a tracker of 50.
        placing: 20 boxes by a cloud of `POINTS`.
        placing_more: 20 boxes by one of `MORE_POINTS`.
    """

    tracker: tuple[float, ...]
    placing: tuple[float, ...]
    placing_more: tuple[float, ...]


def run(seeds: Sequence[int] = SEEDS, scenarios: Sequence[str] | None = None) -> BenchResult:
    """Simulate, fuse and score; then, alone on the machine, the times.

    Args:
        seeds: of the scenes that have bars of their own; the others run with the first alone.
        scenarios: names; all that ship where left out.
    """
    names = tuple(shipped_scenarios()) if scenarios is None else tuple(scenarios)
    jobs = [
        (name, seed)
        for name in names
        for seed in (seeds if name in (*FOLLOWED, CROWD) else seeds[:1])
    ]
    # The longest first, so that no process is left alone with it at the end.
    jobs.sort(key=lambda job: -load_scenario(job[0]).duration_s)
    # Spawned, not forked: threads of the numeric libraries do not survive a fork.
    context = multiprocessing.get_context("spawn")
    workers = len(os.sched_getaffinity(0))
    with ProcessPoolExecutor(max_workers=workers, mp_context=context) as pool:
        outcomes = sorted(
            pool.map(outcome_of, *zip(*jobs)), key=lambda one: names.index(one.scenario)
        )
        found = pool.map(lateness_of, [name for name in FOLLOWED if name in names])
        late = [one for group in found for one in group]
    times = Times(
        tuple(float(s) * 1e3 for s in time_tracker()),
        tuple(float(s) * 1e3 for s in time_placing(POINTS).total_s),
        tuple(float(s) * 1e3 for s in time_placing(MORE_POINTS, rounds=100).total_s),
    )
    return result(outcomes, late, times)


def outcome_of(name: str, seed: int) -> Outcome:
    """Simulate one scene, fuse it, and score both ways."""
    scenario = load_scenario(name)
    played = play(scenario, Simulator(scenario, seed).records())
    fused = _scored(played, played.estimates)
    cameras = tuple(one.name for one in scenario.sensors if one.kind == "camera")
    lost = tuple(
        item.name
        for item in _scored(played, played.estimates, cameras).objects
        if item.label == "person" and (not item.track_ids or item.longest_gap_s > LOST_AFTER_S)
    )
    compared = _scored(played, played.baseline)
    return Outcome(name, seed, fused, compared, lost, tuple(1e3 * s for s in played.fuse_s))


def _scored(played: Played, estimates: Sequence[Estimate], sensors: tuple[str, ...] = ()) -> Score:
    settings = EvaluationSettings(sensors=sensors)
    return score(frames_of(played.truths, estimates, settings, played.odometry), settings)


def lateness_of(name: str) -> list[Late]:
    """Play one scene again with one sensor late, each in turn, and compare the final tracks."""
    scenario = load_scenario(name)
    records = list(Simulator(scenario, SEEDS[0]).records())
    on_time = play(scenario, records, baseline=False).estimates[-1]
    found = []
    for sensor in scenario.sensors:
        if sensor.kind in DELAYED_KINDS:
            arrived = delayed(records, sensor.name, DELAY_S)
            late = play(scenario, arrived, baseline=False).estimates[-1]
            found.append(_compared(name, sensor.name, on_time, late))
    return found


def _compared(name: str, sensor: str, on_time: Estimate, late: Estimate) -> Late:
    """Compare by place: which number an object gets may depend on who saw it first."""
    ours, others = on_time.objects.objects, late.objects.objects
    gaps = np.array([[(a.position_m - b.position_m)[:2] for b in others] for a in ours])
    gaps = gaps.reshape(len(ours), len(others), 2)
    rows, columns = linear_sum_assignment(np.hypot(gaps[..., 0], gaps[..., 1]))
    apart_m, in_sigmas = [0.0], [0.0]
    for row, column in zip(rows, columns, strict=True):
        gap = gaps[row, column]
        spread = (ours[row].covariance_m2 + others[column].covariance_m2)[:2, :2] / 2.0
        apart_m.append(float(np.hypot(*gap)))
        in_sigmas.append(float(np.sqrt(gap @ np.linalg.solve(spread, gap))))
    return Late(name, sensor, max(apart_m), max(in_sigmas), len(ours) - len(others))


def result(
    outcomes: Sequence[Outcome],
    late: Sequence[Late],
    times: Times,
) -> BenchResult:
    """Measures and bars.

    Args:
        outcomes: of every scene.
        late: what a late sensor changes.
        times: of single steps.
    """
    measures, bars = _speed(times)
    by_name: dict[str, list[Outcome]] = {}
    for one in outcomes:
        by_name.setdefault(one.scenario, []).append(one)
    for name, group in by_name.items():
        measures += _measures(name, group)
        if name in FOLLOWED:
            bars += _followed(name, group)
        if name == CROWD:
            bars += _crowd(group)
    inside = sum(
        one.fused.consistency.inside_share * one.fused.consistency.count for one in outcomes
    )
    pooled = inside / max(sum(one.fused.consistency.count for one in outcomes), 1)
    what = "all scenarios: truth inside the 95 % ellipse"
    bars += [
        Bar.at_least(what, pooled, "", MIN_INSIDE),
        Bar.at_most(f"{what}, not too many", pooled, "", MAX_INSIDE),
    ]
    for lateness in late:
        what = (
            f"{lateness.scenario}: final tracks with {lateness.sensor} {DELAY_S * 1e3:.0f} ms late"
        )
        measures.append(Measure.of(f"{what}, furthest apart", "m", [lateness.apart_m]))
        bars.append(Bar.at_most(f"{what}, apart", lateness.in_sigmas, "sigma", 1.0))
        bars.append(Bar.at_most(f"{what}, more or fewer", abs(lateness.fewer), "", 0.0))
    return BenchResult("fusion", tuple(measures), tuple(bars), _notes(by_name))


def _speed(times: Times) -> tuple[list[Measure], list[Bar]]:
    tracker = Measure.of("tracker: one scan, 50 tracks and 50 measurements", "ms", times.tracker)
    placing = Measure.of(f"placing: 20 boxes, {POINTS} points", "ms", times.placing)
    more = Measure.of(f"placing: 20 boxes, {MORE_POINTS} points", "ms", times.placing_more)
    growth = more.median / placing.median / (MORE_POINTS / POINTS)
    return [tracker, placing, more], [
        Bar.at_most(f"{tracker.name}, p99", tracker.p99, "ms", MAX_TRACKER_MS),
        Bar.at_most(f"{placing.name}, p99", placing.p99, "ms", MAX_PLACING_MS),
        Bar.at_most("placing: growth over that of the points", growth, "", MAX_GROWTH),
    ]


def _measures(name: str, group: Sequence[Outcome]) -> list[Measure]:
    figures: list[Measure] = []
    for side, scores in (
        ("", [one.fused for one in group]),
        (", SORT-style", [one.compared for one in group]),
    ):

        def of(what: str, unit: str, values: Sequence[float], side: str = side) -> None:
            told = [value for value in values if not np.isnan(value)]
            figures.append(Measure.of(f"{name}{side}: {what}", unit, told))

        of("id switches", "", [float(one.clear.switches) for one in scores])
        of("position error, RMS", "m", [one.position_rms_m for one in scores])
        of("velocity error, RMS", "m/s", [one.velocity_rms_mps for one in scores])
        of("truth in the 95 % ellipse", "", [one.consistency.inside_share for one in scores])
        of("MOTA", "", [one.clear.mota for one in scores])
        of("HOTA", "", [one.hota.hota for one in scores])
        of("false alarms", "1/min", [one.false_alarms_per_minute for one in scores])
    lost = Measure.of(f"{name}: persons lost", "", [float(len(one.lost)) for one in group])
    took = [value for one in group for value in one.fuse_ms]
    return [*figures, lost, Measure.of(f"{name}: fusion of one picture", "ms", took)]


def _followed(name: str, group: Sequence[Outcome]) -> list[Bar]:
    position_m = float(np.median([one.fused.position_rms_m for one in group]))
    velocity_mps = float(np.median([one.fused.velocity_rms_mps for one in group]))
    switches = float(sum(one.fused.clear.switches for one in group))
    return [
        Bar.at_most(f"{name}: id switches, all seeds", switches, "", 0.0),
        Bar.at_most(f"{name}: position error, RMS", position_m, "m", MAX_POSITION_RMS_M),
        Bar.at_most(
            f"{name}: velocity error after 1 s, RMS", velocity_mps, "m/s", MAX_VELOCITY_RMS_MPS
        ),
    ]


def _crowd(group: Sequence[Outcome]) -> list[Bar]:
    minutes = sum(one.fused.duration_s for one in group) / 60.0
    switches = sum(one.fused.clear.switches for one in group) / minutes
    lost = float(sum(len(one.lost) for one in group))
    return [
        Bar.at_most(f"{CROWD}: id switches", switches, "1/min", MAX_SWITCHES_PER_MINUTE),
        Bar.at_most(f"{CROWD}: persons lost, all seeds", lost, "", 0.0),
    ]


def _notes(by_name: dict[str, list[Outcome]]) -> tuple[str, ...]:
    lost = [
        f"{one.scenario}, seed {one.seed}: lost {', '.join(one.lost)}"
        for group in by_name.values()
        for one in group
        if one.lost
    ]
    seeds = [f"{name}: {len(group)}" for name, group in by_name.items()]
    return (f"seeds of each scenario: {', '.join(seeds)}", *lost)

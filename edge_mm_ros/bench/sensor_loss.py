"""Every sensor of the scenarios removed in turn: alarms, coverage, and events that remain."""

from __future__ import annotations

import math
import multiprocessing
import os
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass

from edge_mm_ros.bench.loss_checks import (
    Loss,
    alarm_ns,
    clear_s,
    last_arrival_ns,
    uncoverable,
    without,
)
from edge_mm_ros.bench.loss_events import Comparison, LossEvents
from edge_mm_ros.bench.monitored_scene import MonitoredScene
from edge_mm_ros.bench.result import Bar, BenchResult, Measure
from edge_mm_ros.params.scenario import Scenario, load_scenario
from edge_mm_ros.pipelines.simulation import START_NS, Record, Simulator
from edge_mm_ros.pipelines.stamps import NS_PER_S, to_ns

SCENES = {
    "sensor_loss": "simulated",
    "parking": "vehicle_simulated",
    "vehicle_cut_in": "vehicle_simulated",
}
"""The scenarios, and the systems that they are played through."""
FROM_S = 1.5  # by then all sensors have been heard, and zones are covered
ALARM_S = 0.1
GROUPS = {
    "sensor_loss": (("camera", "lidar", "radar"),),
    "parking": (("top/lidar", *(f"ultrasonic/rear_{n}" for n in range(1, 7))),),
}
"""What is removed together besides, so that nobody can cover a zone."""


@dataclass(frozen=True)
class Outcome:
    """One scene without some sensors.

    Attributes:
        scenario: its name.
        sensors: who is lost.
        overdue_s: by sensor, how long after its timeout the alarm came; NaN where none did.
        clear_uncovered_s: how long the state was clear with a zone that the fusion does not cover.
        bare: zones that no remaining sensor can cover, by their fields of view.
        clear_bare_s: how long the state was clear with one of these.
        events: what became of the true events of the full run that a remaining sensor could tell.
        false: events of this run that the truth does not bear out, in words.
        false_of_full: those of the full run.
    """

    scenario: str
    sensors: tuple[str, ...]
    overdue_s: dict[str, float]
    clear_uncovered_s: float
    bare: tuple[str, ...]
    clear_bare_s: float
    events: Comparison
    false: tuple[str, ...] = ()
    false_of_full: tuple[str, ...] = ()


class FullRun:
    """A scene played with all sensors.

    Attributes:
        scenario: the scene, without failures of its own.
        system: whose fusion and monitor it is played through.
        records: all of the scene.
        told: what was told.
        events: judges events.
        false: events that the truth does not bear out, in words.
    """

    def __init__(self, scenario: Scenario, system: str, seed: int = 0) -> None:
        self.scenario = scenario
        self.system = system
        self.records: Sequence[Record] = list(Simulator(scenario, seed).records())
        scene = MonitoredScene(system)
        self.told = scene.play(self.records)
        self.events = LossEvents(self.records, scene.rules, scenario.sensors)
        self.false = tuple(self.events.false(self.told))


def run(scenarios: Sequence[str] = tuple(SCENES), seed: int = 0) -> BenchResult:
    """Play every scene once with all sensors and once without each of them.

    Args:
        scenarios: names among `SCENES`.
        seed: of all noise.
    """
    workers = len(os.sched_getaffinity(0))
    jobs = []
    for name in scenarios:
        losses = losses_of(name)
        share = math.ceil(len(losses) / workers)
        jobs += [(name, losses[at : at + share], seed) for at in range(0, len(losses), share)]
    # Spawned, not forked: threads of the numeric libraries do not survive a fork.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(max_workers=workers, mp_context=context) as pool:
        groups = list(pool.map(outcomes_of, *zip(*jobs)))
    return result([outcome for group in groups for outcome in group])


def losses_of(name: str) -> list[tuple[str, ...]]:
    """Each sensor of a scenario alone, then the groups."""
    return [*((sensor.name,) for sensor in load_scenario(name).sensors), *GROUPS.get(name, ())]


def outcomes_of(name: str, losses: Sequence[tuple[str, ...]], seed: int) -> list[Outcome]:
    """Play one scene with all sensors, then without each of the losses."""
    full = FullRun(whole(load_scenario(name)), SCENES[name], seed)
    return [outcome_of(full, sensors) for sensors in losses]


def whole(scenario: Scenario) -> Scenario:
    """A scenario without failures of its own."""
    stay = tuple(one for one in scenario.expectations if one.kind != "sensor_loss")
    return scenario.model_copy(update={"outages": (), "expectations": stay})


def outcome_of(full: FullRun, sensors: tuple[str, ...], from_s: float = FROM_S) -> Outcome:
    """Play a scene without some sensors and look at the three clauses.

    Args:
        full: the scene.
        sensors: who is lost.
        from_s: from when on.
    """
    scenario, records = full.scenario, full.records
    loss = Loss(sensors, START_NS + to_ns(from_s))
    scene = MonitoredScene(full.system)
    told = scene.play(without(scenario, records, loss))
    kinds = {sensor.name: sensor.kind for sensor in scenario.sensors}
    overdue = {}
    latest_ns = loss.from_ns
    for name in sensors:
        silent_ns = last_arrival_ns(records, name, loss.from_ns)
        due_ns = silent_ns + to_ns(scene.params.timeout_of(kinds[name], name))
        at_ns = alarm_ns(told, name, silent_ns)
        overdue[name] = math.nan if at_ns is None else (at_ns - due_ns) / NS_PER_S
        latest_ns = max(latest_ns, due_ns + to_ns(ALARM_S))
    zones = {zone.name: zone.polygon_m for zone in scene.rules.zones}
    left = [sensor for sensor in scenario.sensors if sensor.name not in sensors]
    bare = uncoverable(left, zones, scene.params.free_space.minimum_share)
    return Outcome(
        scenario.name,
        sensors,
        overdue,
        clear_s(told),
        tuple(sorted(bare)),
        clear_s(told, bare, latest_ns),
        full.events.compare(full.told, told, loss),
        tuple(full.events.false(told)),
        full.false,
    )


def result(outcomes: Sequence[Outcome]) -> BenchResult:
    """Measures and bars of all scenes."""
    measures: list[Measure] = []
    bars: list[Bar] = []
    for name in dict.fromkeys(outcome.scenario for outcome in outcomes):
        group = [outcome for outcome in outcomes if outcome.scenario == name]
        delays = [delay for one in group for delay in one.overdue_s.values()]
        late = [math.inf if math.isnan(delay) else delay for delay in delays]
        asked = sum(one.events.asked for one in group)
        measures += [
            Measure.of(f"{name}: alarm after its timeout", "s", delays),
            Measure.of(
                f"{name}: events asked for, of each run", "", [one.events.asked for one in group]
            ),
            Measure.of(
                f"{name}: events told late, of each run",
                "",
                [len(one.events.late) for one in group],
            ),
            Measure.of(f"{name}: false events of the full run", "", [len(group[0].false_of_full)]),
            Measure.of(f"{name}: false events, of each run", "", [len(one.false) for one in group]),
        ]
        missing = sum(len(one.events.missed) for one in group)
        bars += [
            Bar.at_most(f"{name}: latest alarm after its timeout", max(late), "s", ALARM_S),
            Bar.at_most(
                f"{name}: clear with a zone that is not covered",
                sum(one.clear_uncovered_s for one in group),
                "s",
                0.0,
            ),
            # Where nothing is asked for, nothing can be missed.
            Bar.at_least(f"{name}: events asked for", float(asked), "", 1.0),
            Bar.at_most(f"{name}: events missed, of {asked}", float(missing), "", 0.0),
        ]
        if any(one.bare for one in group):  # else it could not fail
            clear_bare_s = sum(one.clear_bare_s for one in group)
            line = f"{name}: clear with a zone that nobody can cover"
            bars.append(Bar.at_most(line, clear_bare_s, "s", 0.0))
    return BenchResult("sensor_loss", tuple(measures), tuple(bars), _notes(outcomes))


def _notes(outcomes: Sequence[Outcome]) -> tuple[str, ...]:
    full = dict.fromkeys((one.scenario, line) for one in outcomes for line in one.false_of_full)
    notes = [f"{name} with all sensors: false {line}" for name, line in full]
    for one in outcomes:
        who = f"{one.scenario} without {', '.join(one.sensors)}"
        notes += [f"{who}: missed {line}" for line in one.events.missed]
        notes += [f"{who}: late {line}" for line in one.events.late]
        for name, delay_s in one.overdue_s.items():
            if math.isnan(delay_s):
                notes.append(f"{who}: no alarm for {name}")
            elif delay_s > ALARM_S:
                notes.append(f"{who}: the alarm for {name} came {delay_s:.2f} s after its timeout")
        if one.clear_uncovered_s or one.clear_bare_s:
            seconds = max(one.clear_uncovered_s, one.clear_bare_s)
            notes.append(f"{who}: {seconds:.2f} s clear without coverage")
        if one.bare and len(one.sensors) > 1:
            notes.append(f"{who}: nobody can cover {', '.join(one.bare)}")
    return tuple(notes)

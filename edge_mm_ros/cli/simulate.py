"""``edge-mm simulate``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from edge_mm_ros.params import ParameterError
from edge_mm_ros.params.scenario import Scenario, load_scenario, shipped_scenarios
from edge_mm_ros.pipelines.simulation import START_NS, Simulator
from edge_mm_ros.ros.installation import require_ros

SCENARIO_TOPIC = "ground_truth/scenario"


def simulate(
    scenario: Annotated[
        str, typer.Argument(help="Name of a scenario, or path of its YAML file; none lists them.")
    ] = "",
    output: Annotated[
        Path | None, typer.Option(help="Write the recording to this .mcap file.")
    ] = None,
    seed: Annotated[
        int, typer.Option(min=0, help="Of all noise: the same seed gives the same messages.")
    ] = 0,
) -> None:
    """Make a recording with ground truth from a scripted scene."""
    if not scenario:
        _list_scenarios()
        return
    script = load_scenario(scenario)
    if output is None:
        raise ParameterError("--output is missing: name the .mcap file to write")
    if output.exists():
        raise ParameterError(f"--output {output} exists already; remove it or choose another name")
    counts = write_recording(script, output, seed)
    table = Table("topic", "messages")
    for topic, count in sorted(counts.items()):
        table.add_row(topic, str(count))
    console = Console()
    console.print(table)
    console.print(f"wrote {script.duration_s:g} s of '{script.name}' to {output}", highlight=False)


def write_recording(scenario: Scenario, output: Path, seed: int) -> dict[str, int]:
    """Simulate a scenario into a recording.

    Returns:
        The number of messages by topic.

    Raises:
        EdgeMmError: ROS or a message package is not there, or the file cannot be written.
    """
    require_ros()
    from edge_mm_ros.ros.bags import BagWriter
    from edge_mm_ros.ros.value_recorder import ValueRecorder

    with BagWriter(output) as writer:
        recorder = ValueRecorder(writer)
        recorder.write(SCENARIO_TOPIC, START_NS, START_NS, scenario.model_dump_json())
        for record in Simulator(scenario, seed).records():
            recorder.write(record.topic, record.arrival_ns, record.stamp_ns, record.value)
    return dict(recorder.counts)


def _list_scenarios() -> None:
    table = Table("scenario", "seconds", "description")
    for name in shipped_scenarios():
        found = load_scenario(name)
        table.add_row(name, f"{found.duration_s:g}", found.description)
    Console().print(table)

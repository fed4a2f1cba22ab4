"""``edge-mm replay``."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from edge_mm_ros.bench.result import describe_environment
from edge_mm_ros.cli.live_view import LiveStatus, live_view
from edge_mm_ros.params import ParameterError
from edge_mm_ros.params.system import load_system
from edge_mm_ros.ros.installation import require_ros


def replay(
    bag: Annotated[Path, typer.Argument(help="A rosbag2 folder, or one .mcap or .db3 file.")],
    system: Annotated[
        str, typer.Option(help="Name of a system, or path of its YAML file.")
    ] = "safety_monitor",
    output: Annotated[
        Path | None, typer.Option(help="Record what the nodes publish to this .mcap file.")
    ] = None,
    rate: Annotated[
        str, typer.Option(help="Speed; 'max' waits for the nodes, so that nothing is dropped.")
    ] = "1.0",
    report: Annotated[
        Path | None, typer.Option(help="Write a page for eyes to this folder.")
    ] = None,
    params_file: Annotated[
        Path | None, typer.Option(help="ROS parameter file; wins over the system's parameters.")
    ] = None,
    log_level: Annotated[
        str, typer.Option(help="Of the nodes: debug, info, warn, error.")
    ] = "warn",
) -> None:
    """Feed a recording through a system's real nodes under simulated time."""
    run_replay(bag, system, output, rate, report, params_file, log_level)


def run_replay(
    bag_path: Path,
    system_name: str,
    output: Path | None = None,
    rate: str = "1.0",
    report_folder: Path | None = None,
    params_file: Path | None = None,
    log_level: str = "warn",
) -> None:
    """Replay with a live view, then write what was asked for.

    Raises:
        ParameterError: an argument cannot be used.
        EdgeMmError: ROS is not there, the recording cannot be read, or a node refuses.
    """
    factor = _parse_rate(rate)
    system = load_system(system_name)
    if output is not None and output.exists():
        raise ParameterError(f"--output {output} exists already; remove it or choose another name")
    if params_file is not None and not params_file.is_file():
        raise ParameterError(f"--params-file {params_file}: no such file")
    require_ros()
    from edge_mm_ros.cli.report.collector import ReportCollector
    from edge_mm_ros.nodes.replaying import replay_system
    from edge_mm_ros.ros.bags import BagMessage, BagReader, BagWriter
    from edge_mm_ros.ros.replay import Published

    bag = BagReader(bag_path)
    collector = ReportCollector(bag, system.name, rate)
    writer = BagWriter(output) if output is not None else None
    status = LiveStatus(bag_path.name, bag.start_ns, bag.duration_ns)

    def on_fed(message: BagMessage, wall_s: float) -> None:
        collector.on_fed(message, wall_s)
        status.on_fed(message)

    def on_published(published: Published) -> None:
        message = published.message()
        collector.on_published(published, message)
        status.on_published(published, message)

    try:
        with _stop_on_signals() as stop, live_view(status):
            result = replay_system(
                system,
                bag,
                rate=factor,
                writer=writer,
                params_file=params_file,
                log_level=log_level,
                on_fed=on_fed,
                on_published=on_published,
                should_stop=stop.is_set,
            )
    finally:
        if writer is not None:
            writer.close()
    console = Console()
    for warning in result.warnings:
        console.print(f"[yellow]warning:[/] {warning}", highlight=False)
    if output is not None:
        console.print(f"recorded {sum(result.published.values())} messages to {output}")
    if report_folder is not None:
        from edge_mm_ros.cli.report import write_report

        page = write_report(collector.report(result, describe_environment()), report_folder)
        console.print(f"report: {page}")


def _parse_rate(rate: str) -> float | None:
    if rate == "max":
        return None
    try:
        factor = float(rate)
    except ValueError:
        factor = 0.0
    if not 0.0 < factor < 1e6:
        raise ParameterError(f"--rate {rate}: give a positive number, or max")
    return factor


@contextmanager
def _stop_on_signals() -> Iterator[threading.Event]:
    """An event that Ctrl-C and SIGTERM set, so that what was recorded until then is kept."""
    stop = threading.Event()
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.getsignal(number) for number in numbers}

    def give_back() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    def request(*_: object) -> None:
        stop.set()
        give_back()  # a second signal ends a replay that waits for a hung engine

    for number in numbers:
        signal.signal(number, request)
    try:
        yield stop
    finally:
        give_back()

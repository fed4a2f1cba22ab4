"""The command ``edge-mm``."""

from __future__ import annotations

import importlib
import sys
import traceback
from collections.abc import Callable, Sequence
from typing import Annotated, Any

import typer

from edge_mm_ros import __version__
from edge_mm_ros.heap import use_one_heap

# Each command is the function, or the group of commands, of that name in the module of that name,
# imported only when it runs, so that help is quick and works without ROS.
COMMANDS = {
    "up": "Start a system and keep it running, without ros2 launch.",
    "replay": "Feed a recording through a system and record what it publishes.",
    "demo": "Replay the sample recording with a live view, then write a report.",
    "bench": "Measure, and compare with what is promised.",
    "simulate": "Make a recording with ground truth from a scripted scene.",
    "evaluate": "Score the objects of a recording against ground truth.",
    "systems": "List the systems that ship.",
    "models": "List, show, try, load, unload and build models.",
    "top": "Show the models of a running system, live.",
    "doctor": "Say what is installed, what is missing, and what mends it.",
}
FAILED = 1
WRONG_USE = 2


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command; an error becomes one line and an exit status, without a traceback."""
    use_one_heap()  # before a command imports what starts threads
    given = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in given[: _command_index(given) + 1]
    try:
        _app(given)(args=given, prog_name="edge-mm")
    except Exception as error:
        from edge_mm_ros.datatypes import EdgeMmError
        from edge_mm_ros.params import ParameterError

        if not isinstance(error, EdgeMmError):
            raise
        if debug:
            traceback.print_exc()
        print(f"edge-mm: {error}", file=sys.stderr)
        sys.exit(WRONG_USE if isinstance(error, ParameterError) else FAILED)


def _app(given: Sequence[str]) -> typer.Typer:
    app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
    app.callback(help="Perception on the edge for ROS 2.")(_global_options)
    index = _command_index(given)
    wanted = given[index] if index < len(given) else ""
    for name, text in COMMANDS.items():
        command = _command(name) if name == wanted else _not_asked_for
        if isinstance(command, typer.Typer):
            app.add_typer(command, name=name, help=text)
        else:
            app.command(name, help=text)(command)
    return app


def _command_index(given: Sequence[str]) -> int:
    return next((i for i, word in enumerate(given) if not word.startswith("-")), len(given))


def _command(name: str) -> Callable[..., Any] | typer.Typer:
    command: Callable[..., Any] | typer.Typer = getattr(
        importlib.import_module(f"edge_mm_ros.cli.{name}"), name
    )
    return command


def _not_asked_for() -> None:
    """Stands for a command in the list of commands."""


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"edge-mm {__version__}")
        raise typer.Exit


def _global_options(
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks.")] = False,
    version: Annotated[
        bool,
        typer.Option("--version", help="Show the version.", callback=_print_version, is_eager=True),
    ] = False,
) -> None:
    """Options before the command; `main` reads ``--debug`` itself."""


if __name__ == "__main__":
    main()

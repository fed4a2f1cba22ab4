"""The supervisor over plain processes: output, restarts, stops, and its own death."""

from __future__ import annotations

import io
import os
import select
import signal
import subprocess
import sys
import textwrap
import time
from typing import Any

import pytest
from helpers.processes import descendants

from edge_mm_ros.cli.supervisor import Supervisor
from edge_mm_ros.ros.launching import ProcessCommand


class Output(io.StringIO):
    """Collects lines, and stops the supervisor at one of them."""

    def __init__(
        self, stop_at: str = "", times: int = 1, number: signal.Signals = signal.SIGTERM
    ) -> None:
        super().__init__()
        self._number = number
        self._stop_at = stop_at
        self._times = times

    def write(self, text: str) -> int:
        if self._stop_at and self._stop_at in text:
            self._times -= 1
            if self._times == 0:
                os.kill(os.getpid(), self._number)
        return super().write(text)

    @property
    def lines(self) -> list[str]:
        return self.getvalue().splitlines()


def child(name: str, code: str, **options: Any) -> ProcessCommand:
    program = textwrap.dedent(code)
    options = {"respawn": False, "respawn_delay_s": 0.0, **options}
    return ProcessCommand(name, (sys.executable, "-u", "-c", program), **options)


def run(output: Output, *commands: ProcessCommand) -> tuple[int, float]:
    begin_s = time.monotonic()
    status = Supervisor(commands, os.environ, output).run()
    return status, time.monotonic() - begin_s


WAIT = """
import signal, threading
signal.signal(signal.SIGINT, {})
print("ready")
threading.Event().wait()
"""
POLITE = WAIT.format("lambda *_: exit(0)")
STUBBORN = WAIT.format("signal.SIG_IGN")


def test_lines_carry_the_name_of_their_process() -> None:
    output = Output()
    status, _ = run(output, child("ear", "print('one'); print('two', end='')"))
    assert status == 0
    assert output.lines[:2] == ["[ear] one", "[ear] two"]
    assert output.lines[2].startswith("[edge-mm] ear: ended with status 0 after ")


def test_errors_and_environment_come_through() -> None:
    output = Output()
    code = "import os, sys; print(os.environ['COLOUR'], file=sys.stderr)"
    run(output, child("ear", code, env={"COLOUR": "blue"}))
    assert "[ear] blue" in output.lines


def test_a_process_that_fails_for_good_gives_its_status() -> None:
    assert run(Output(), child("ear", "exit(3)"))[0] == 1
    assert run(Output(), ProcessCommand("ear", ("/nowhere/program",), respawn=False))[0] == 1


def test_a_process_that_dies_is_started_again_with_growing_pauses() -> None:
    output = Output(stop_at="[ear] hello", times=3)
    command = child("ear", "print('hello'); import os; os.kill(os.getpid(), 9)", respawn=True)
    status, _ = run(output, command)
    assert status == 0
    assert output.lines.count("[ear] hello") == 3
    assert "ear: ended by SIGKILL" in output.getvalue()
    pauses = [line.rsplit(" ", 2)[1] for line in output.lines if "starts again" in line]
    assert pauses[:2] == ["0", "0.5"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stop_signal_ends_all_politely(number: signal.Signals) -> None:
    output = Output(stop_at="ready", times=2, number=number)
    status, _ = run(output, *(child(name, POLITE, respawn=True) for name in ("ear", "eye")))
    assert status == 0
    assert "[edge-mm] stopping" in output.lines
    assert "killed" not in output.getvalue()


def test_who_does_not_stop_is_killed_within_3_s_and_named() -> None:
    output = Output(stop_at="[mule] ready")
    status, took_s = run(output, child("mule", STUBBORN))
    assert status == 1
    assert took_s < 4.0  # 3 s, and the start of Python
    assert "[edge-mm] mule: did not stop in time; killed" in output.lines


SUPERVISE = f"""
import os, sys
from edge_mm_ros.cli.supervisor import Supervisor
from edge_mm_ros.ros.launching import ProcessCommand
code = {POLITE!r}
command = ProcessCommand("ear", (sys.executable, "-u", "-c", code))
Supervisor([command], os.environ, sys.stdout).run()
"""


def test_children_end_when_the_supervisor_is_killed() -> None:
    supervisor = subprocess.Popen(
        [sys.executable, "-c", SUPERVISE], stdout=subprocess.PIPE, text=True
    )
    assert supervisor.stdout is not None
    assert supervisor.stdout.readline() == "[ear] ready\n"
    (pid,) = descendants(supervisor.pid)
    descriptor = os.pidfd_open(pid)
    supervisor.kill()
    supervisor.wait()
    ended, _, _ = select.select([descriptor], [], [], 10.0)
    os.close(descriptor)
    supervisor.stdout.close()
    assert ended

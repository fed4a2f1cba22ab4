"""Keeps processes running: starts them again when they end, and ends them together."""

from __future__ import annotations

import contextlib
import ctypes
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import IO, TextIO

from edge_mm_ros.ros import shared_memory
from edge_mm_ros.ros.launching import RESTART_REASON, RESTART_STATUS, ProcessCommand

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
KILL_AFTER_S = 2.6
MOST_LAST_READS = 64
TICK_S = 1.0
LONGEST_DELAY_S = 30.0
STABLE_S = 30.0
_PR_SET_PDEATHSIG = 1
_COLOURS = (36, 35, 33, 32, 34)


class _Child:
    """One process and its lives."""

    def __init__(self, command: ProcessCommand, label: str) -> None:
        self.command = command
        self.label = label
        self.process: subprocess.Popen[bytes] | None = None
        self.due_s: float | None = 0.0
        self.started_s = 0.0
        self.delay_s = command.respawn_delay_s
        self.status: int | None = None
        self.killed = False
        self.unfinished_line = b""
        self.locks: set[Path] = set()


class Supervisor:
    """Runs processes until a stop signal.

    It has one thread only, so that a child can be prepared safely between fork and exec.

    Args:
        commands: the processes.
        environ: the environment that they inherit.
        output: where their lines go, each with the process's name before it.
    """

    def __init__(
        self, commands: Sequence[ProcessCommand], environ: Mapping[str, str], output: TextIO
    ) -> None:
        colours = output.isatty()
        self._environ = dict(environ)
        if colours:
            self._environ.setdefault("RCUTILS_COLORIZED_OUTPUT", "1")
        self._output = output
        self._children = [
            _Child(c, _label(c.name, _COLOURS[i % len(_COLOURS)] if colours else None))
            for i, c in enumerate(commands)
        ]
        self._label = _label("edge-mm", 1 if colours else None)
        self._selector = selectors.DefaultSelector()
        self._stop_begin_s: float | None = None
        self._looked_s = 0.0

    def run(self) -> int:
        """Run until a stop signal, or until nothing is left to run.

        Returns:
            the exit status: 0, or 1 where a process had to be killed or failed for good.
        """
        read, write = os.pipe()
        os.set_blocking(read, False)
        os.set_blocking(write, False)
        old_wakeup = signal.set_wakeup_fd(write, warn_on_full_buffer=False)
        signals = (*STOP_SIGNALS, signal.SIGCHLD)
        old_handlers = {number: signal.signal(number, _ignore) for number in signals}
        self._selector.register(read, selectors.EVENT_READ)
        try:
            while self._is_anything_left():
                self._step(read)
        finally:
            self._kill_rest()
            for number, handler in old_handlers.items():
                signal.signal(number, handler)
            signal.set_wakeup_fd(old_wakeup)
            self._selector.close()
            os.close(read)
            os.close(write)
        failed = any(child.killed or child.status for child in self._children)
        if self._stop_begin_s is not None:
            failed = any(child.killed for child in self._children)
        return 1 if failed else 0

    def _is_anything_left(self) -> bool:
        return any(child.process or child.due_s is not None for child in self._children)

    def _step(self, wakeup: int) -> None:
        now_s = time.monotonic()
        for child in self._children:
            if child.due_s is not None and child.due_s <= now_s:
                self._start(child)
        for key, _ in self._selector.select(self._timeout_s()):
            if key.fd == wakeup:
                self._take_signals(wakeup)
            else:
                self._take_output(key.data, reads=1)
        for child in self._children:
            if child.process and child.process.poll() is not None:
                self._note_end(child)
        self._look_at_locks()
        if self._stop_begin_s is not None and self._stop_time_left_s() <= 0:
            self._kill_rest()

    def _look_at_locks(self) -> None:
        """Note which files are whose; once a process has ended nothing tells it any more."""
        now_s = time.monotonic()
        if now_s - self._looked_s < TICK_S:
            return
        self._looked_s = now_s
        for child in self._children:
            if child.process:
                child.locks |= shared_memory.locks_of(child.process.pid)

    def _timeout_s(self) -> float:
        now_s = time.monotonic()
        waits = [child.due_s - now_s for child in self._children if child.due_s is not None]
        if self._stop_begin_s is not None:
            waits.append(self._stop_time_left_s())
        return max(0.0, min([TICK_S, *waits]))

    def _stop_time_left_s(self) -> float:
        assert self._stop_begin_s is not None
        return self._stop_begin_s + KILL_AFTER_S - time.monotonic()

    def _start(self, child: _Child) -> None:
        parent = os.getpid()
        child.due_s = None
        child.started_s = time.monotonic()
        try:
            child.process = subprocess.Popen(
                child.command.command_line,
                env={**self._environ, **child.command.env},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # a terminal's Ctrl-C comes to us only
                preexec_fn=lambda: _end_with_parent(parent),
            )
        except OSError as error:
            self._say(f"{child.command.name}: cannot start ({error.strerror})")
            child.status = 127  # as a shell says it
            self._plan_restart(child)
            return
        assert child.process.stdout is not None
        os.set_blocking(child.process.stdout.fileno(), False)
        self._selector.register(child.process.stdout, selectors.EVENT_READ, child)

    def _take_signals(self, wakeup: int) -> None:
        numbers = os.read(wakeup, 64)
        if self._stop_begin_s is None and any(number in STOP_SIGNALS for number in numbers):
            self._stop()

    def _stop(self) -> None:
        self._stop_begin_s = time.monotonic()
        self._say("stopping")
        for child in self._children:
            child.due_s = None
            if child.process:
                child.process.send_signal(signal.SIGINT)

    def _take_output(self, child: _Child, reads: int) -> None:
        # Bounded, so that a child that never stops to write starves neither signals nor restarts.
        assert child.process is not None
        stream = child.process.stdout
        if stream is None or stream.closed:
            return
        for _ in range(reads):
            data = _read(stream)
            if data is None:
                return
            if not data:
                self._selector.unregister(stream)
                stream.close()
                return
            *lines, child.unfinished_line = (child.unfinished_line + data).split(b"\n")
            for line in lines:
                self._write(child.label, line.decode(errors="replace"))

    def _note_end(self, child: _Child) -> None:
        assert child.process is not None
        self._take_output(child, reads=MOST_LAST_READS)
        if child.process.stdout and not child.process.stdout.closed:  # a grandchild holds it
            self._selector.unregister(child.process.stdout)
            child.process.stdout.close()
        if child.unfinished_line:
            self._write(child.label, child.unfinished_line.decode(errors="replace"))
            child.unfinished_line = b""
        child.status = child.process.returncode
        child.process = None
        shared_memory.remove_orphans(child.locks)
        child.locks = set()
        if self._stop_begin_s is None:
            lived_s = time.monotonic() - child.started_s
            self._say(f"{child.command.name}: {_describe(child.status)} after {lived_s:.1f} s")
            if lived_s >= STABLE_S:
                child.delay_s = child.command.respawn_delay_s
            self._plan_restart(child)

    def _plan_restart(self, child: _Child) -> None:
        if not child.command.respawn:
            return
        self._say(f"{child.command.name}: starts again in {child.delay_s:g} s")
        child.due_s = time.monotonic() + child.delay_s
        child.delay_s = min(max(2 * child.delay_s, 0.5), LONGEST_DELAY_S)

    def _kill_rest(self) -> None:
        for child in self._children:
            if child.process is None:
                continue
            child.locks |= shared_memory.locks_of(child.process.pid)
            child.killed = True
            self._say(f"{child.command.name}: did not stop in time; killed")
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child.process.pid, signal.SIGKILL)
            child.process.wait()
            self._note_end(child)

    def _say(self, text: str) -> None:
        self._write(self._label, text)

    def _write(self, label: str, line: str) -> None:
        try:
            print(f"{label} {line}", file=self._output, flush=True)
        except UnicodeEncodeError:
            print(f"{label} {line!a}", file=self._output, flush=True)
        except OSError:  # whoever read our output is gone; there is no one left to tell
            self._output = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115
            os.kill(os.getpid(), signal.SIGTERM)


def _label(name: str, colour: int | None) -> str:
    return f"[{name}]" if colour is None else f"\x1b[{colour}m[{name}]\x1b[0m"


def _read(stream: IO[bytes]) -> bytes | None:
    """What is there: None for nothing yet, empty at the end."""
    try:
        return os.read(stream.fileno(), 65536)
    except BlockingIOError:
        return None


def _describe(status: int) -> str:
    if status == RESTART_STATUS:
        return RESTART_REASON
    if status < 0:
        return f"ended by {signal.Signals(-status).name}"
    return f"ended with status {status}"


def _end_with_parent(parent: int) -> None:
    """In the child: receive SIGTERM when the parent dies, however it dies."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:
            os._exit(1)


def _ignore(_number: int, _frame: FrameType | None) -> None:
    """The signal's number goes through the wake-up pipe instead."""

"""Progress on the terminal, commands into a log file, and what a failure means in one line."""

import contextlib
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

TAIL_LINES = 15
HEARTBEAT_SECONDS = 20

_CAUSES = (
    (
        r"No space left on device|Disk quota exceeded",
        "the disk is full; free some space (df -h) and run it again: it goes on where it stopped",
    ),
    (
        r"Temporary failure in name resolution|Name or service not known|Network is unreachable"
        r"|NewConnectionError|ConnectTimeoutError|ReadTimeoutError|ProxyError|SSLError"
        r"|Connection (refused|reset|aborted)|Read timed out",
        "the package index cannot be reached; check the network or the proxy (pip config list) "
        "and run it again: it goes on where it stopped",
    ),
)


class SetupError(Exception):
    """The set-up cannot go on; the message is one line for the user."""

    def __init__(self, message: str, log: Path | None = None) -> None:
        """Args: message: what is wrong and what mends it; log: its end is worth showing."""
        super().__init__(message)
        self.log = log


class Progress:
    """Prints one line a step, with the seconds since the start."""

    def __init__(self) -> None:
        """Start counting."""
        self._start = time.monotonic()

    def say(self, text: str) -> None:
        """Print a line now, also where the output is a pipe."""
        # In one piece: several threads have something to say.
        sys.stdout.write(f"[{time.monotonic() - self._start:4.0f} s] {text}\n")
        sys.stdout.flush()


class Runner:
    """Runs commands with their output in log files, and can end all that still run."""

    def __init__(self, log_folder: Path, inherited: Sequence[int] = ()) -> None:
        """Start nothing yet.

        Args:
            log_folder: An existing folder, for one log file per step.
            inherited: File descriptors that the commands keep open.
        """
        self._folder = log_folder
        self._inherited = tuple(inherited)
        self._running: set[subprocess.Popen[bytes]] = set()
        self._lock = threading.Lock()
        self._stopped = False

    def log(self, step: str) -> Path:
        """The log file of a step."""
        return self._folder / f"{step.replace(' ', '_')}.log"

    def run(
        self, step: str, command: Sequence[object], environment: Mapping[str, str] | None = None
    ) -> None:
        """Run a command to its end.

        Args:
            step: Names the log file; output is appended.
            command: The program and its arguments.
            environment: All environment variables, the caller's own by default.

        Raises:
            SetupError: The command failed; the message says why.
        """
        arguments = [str(part) for part in command]
        log = self.log(step)
        with log.open("ab") as output:
            output.write(f"$ {' '.join(arguments)}\n".encode())
            output.flush()
            begin = output.tell()
            process = self._start(step, arguments, output, environment)
        try:
            status = process.wait()
        finally:
            with self._lock:
                self._running.discard(process)
        if status:
            with log.open("rb") as written:
                written.seek(begin)
                text = written.read().decode(errors="replace")
            cause = explain(text)
            if cause:
                raise SetupError(f"{step}: {cause} (details: {log})")
            raise SetupError(f"{step}: failed with exit status {status}", log)

    def _start(
        self,
        step: str,
        arguments: list[str],
        output: BinaryIO,
        environment: Mapping[str, str] | None,
    ) -> subprocess.Popen[bytes]:
        with self._lock:
            if self._stopped:
                raise SetupError(f"{step}: not started, another step failed")
            try:
                process = subprocess.Popen(
                    arguments,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    env=environment,
                    # A group of its own, so that `stop` also ends the compilers below it.
                    start_new_session=True,
                    pass_fds=self._inherited,
                )
            except FileNotFoundError as error:
                raise SetupError(f"{step}: {arguments[0]} is not found") from error
            self._running.add(process)
            return process

    def stop(self) -> None:
        """End every command that still runs with what it started, and start none from now on."""
        with self._lock:
            self._stopped = True
            for process in self._running:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGTERM)


class Tasks:
    """Steps that run side by side, each named when it starts and timed when it is done.

    Leaving the block with an exception stops the commands that still run.
    """

    def __init__(self, runner: Runner, progress: Progress) -> None:
        """Args: runner: starts the steps' commands; progress: says how it goes."""
        self._runner = runner
        self._progress = progress
        self._pool = ThreadPoolExecutor(max_workers=8)
        self._names: dict[Future[None], str] = {}

    def __enter__(self) -> "Tasks":
        """Nothing to prepare."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Wait for the threads; after an exception, end their commands first."""
        if kind is not None:
            self._runner.stop()
        self._pool.shutdown(cancel_futures=True)

    def start(self, step: str, action: Callable[..., None], *arguments: object) -> "Future[None]":
        """Run an action beside the others.

        Args:
            step: Its name, also that of its log.
            action: Called in a thread.
            *arguments: What it is called with.
        """
        self._progress.say(f"{step} ...")
        future = self._pool.submit(self._timed, step, action, *arguments)
        self._names[future] = step
        return future

    def _timed(self, step: str, action: Callable[..., None], *arguments: object) -> None:
        begin = time.monotonic()
        action(*arguments)
        self._progress.say(f"{step}: done in {time.monotonic() - begin:.0f} s")

    def wait(self, *futures: "Future[None]") -> None:
        """Wait for steps; say now and then what the unfinished ones are at.

        Raises:
            SetupError: One failed; the first failure is raised.
        """
        while pending := [future for future in futures if not future.done()]:
            running = {future for future in self._names if not future.done()}
            self._raise_first(set(self._names) - running)
            if not wait(running, HEARTBEAT_SECONDS, FIRST_COMPLETED).done:
                for step in map(self._names.__getitem__, pending):
                    self._progress.say(f"{step}: {last_line(self._runner.log(step))}")
        self._raise_first(set(futures))

    @staticmethod
    def _raise_first(done: "set[Future[None]]") -> None:
        for future in done:
            future.result()


def explain(output: str) -> str | None:
    """What a failed command's output says in one line; None where that is not known.

    A cause counts only near the end: pip survives and reports single failed connections.
    """
    end = "\n".join(output.splitlines()[-60:])
    for pattern, cause in _CAUSES:
        if re.search(pattern, end):
            return cause
    missing = re.search(r"No matching distribution found for (\S+)", end)
    return f"no release of {missing[1]} fits this Python and this machine" if missing else None


def tail(log: Path, lines: int = TAIL_LINES) -> str:
    """The last lines of a log file."""
    return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])


def last_line(log: Path) -> str:
    """The last line that says something, shortened for the terminal; empty without a log."""
    if not log.exists():
        return ""
    lines = [line.strip() for line in log.read_text(errors="replace").splitlines()]
    said = [line for line in lines if line and not line.startswith("WARNING")]
    return said[-1][:100] if said else ""

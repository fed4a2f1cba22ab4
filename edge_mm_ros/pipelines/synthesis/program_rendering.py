"""One run of a text-to-speech program: text in, sound out, within limits, ended by its id."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import IO, Protocol

import numpy as np
from numpy.typing import NDArray

from edge_mm_ros.datatypes import InvalidInput
from edge_mm_ros.pipelines.synthesis.engines import EngineFailed

_READ_BYTES = 16_384
_END_PATIENCE_S = 1.0
_TOLD_CHARACTERS = 200


@dataclass(frozen=True)
class Limits:
    """What a program may take.

    Attributes:
        silence_s: the longest wait for its next sound, and for its end.
        sound_s: the longest sound of one text.
    """

    silence_s: float
    sound_s: float


class SoundFormat(Protocol):
    """Reads a program's output.

    Attributes:
        sample_rate_hz: samples per second, once samples have come.
    """

    sample_rate_hz: int

    def push(self, data: bytes) -> NDArray[np.int16]:
        """The mono samples (n,) that are complete."""
        ...


class RawSound:
    """Plain S16LE, mono."""

    def __init__(self, sample_rate_hz: int) -> None:
        self.sample_rate_hz = sample_rate_hz
        self._rest = b""

    def push(self, data: bytes) -> NDArray[np.int16]:
        """The samples that are complete."""
        data = self._rest + data
        whole = len(data) - len(data) % 2
        self._rest = data[whole:]
        return np.frombuffer(data[:whole], dtype="<i2").astype(np.int16, copy=False)


class Running:
    """A started program, which can be ended at any time."""

    def __init__(self, name: str, argv: Sequence[str]) -> None:
        self.name = name
        # Not a pipe: a program that complains at length would wait for its reader.
        self._complaints: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115
        self._process = subprocess.Popen(
            list(argv),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._complaints,
            start_new_session=True,  # a group of its own: its children end with it
        )
        self._lock = threading.Lock()

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    @property
    def ended(self) -> bool:
        """Whether it has ended by itself or by `stop`."""
        with self._lock:
            return self._process.poll() is not None

    @property
    def output(self) -> int:
        """The file descriptor of what it writes."""
        assert self._process.stdout is not None
        return self._process.stdout.fileno()

    def give(self, text: str) -> None:
        """Hand it the whole text."""
        assert self._process.stdin is not None
        # One that ended meanwhile is told of by its status.
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(text.encode("utf-8", "replace") + b"\n")
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()

    def wait(self, timeout_s: float) -> int | None:
        """Its exit status; None where it still runs."""
        deadline_s = time.monotonic() + timeout_s
        while (status := self._poll()) is None and time.monotonic() < deadline_s:
            time.sleep(0.01)
        return status

    def complaint(self) -> str:
        """The last line that it wrote to its standard error."""
        with contextlib.suppress(OSError, ValueError):
            size = self._complaints.seek(0, os.SEEK_END)
            self._complaints.seek(max(0, size - 4096))
            lines = self._complaints.read().decode("utf-8", "replace").split("\n")
            told = [" ".join(line.split()) for line in lines if line.strip()]
            return told[-1][:_TOLD_CHARACTERS] if told else ""
        return ""

    def stop(self) -> None:
        """End it and its children now."""
        with self._lock:
            # Under the lock it has not been waited for, so the id is still its own.
            if self._process.poll() is None:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(self._process.pid, signal.SIGKILL)

    def release(self) -> None:
        """Collect it once it is over, and close its files."""
        self.stop()
        self._process.wait()
        for file in (self._process.stdin, self._process.stdout, self._complaints):
            if file is not None:
                with contextlib.suppress(OSError):
                    file.close()

    def _poll(self) -> int | None:
        with self._lock:
            return self._process.poll()


def start(name: str, argv: Sequence[str]) -> Running:
    """Start a program.

    Raises:
        EngineFailed: it cannot be started.
    """
    try:
        return Running(name, argv)
    except (OSError, ValueError) as error:
        raise EngineFailed(f"{name} cannot be started: {error}; install it anew") from error


class ProgramRendering:
    """Reads the sound of a program."""

    def __init__(
        self, name: str, running: Running, text: str, sound: SoundFormat, limits: Limits
    ) -> None:
        self._name = name
        self._running = running
        self._text = text
        self._sound = sound
        self._limits = limits
        self._stopped = threading.Event()

    def stop(self) -> None:
        """End the program."""
        self._stopped.set()
        self._running.stop()

    def pieces(self) -> Iterator[tuple[NDArray[np.int16], int]]:
        """The sound as it comes.

        Raises:
            EngineFailed: the program hangs, ends with an error, or gives no sound that can be read.
        """
        try:
            self._running.give(self._text)
            yield from self._read()
        finally:
            self._running.release()

    def _read(self) -> Iterator[tuple[NDArray[np.int16], int]]:
        samples_told = 0
        while data := self._next_bytes():
            try:
                samples = self._sound.push(data)
            except InvalidInput as error:
                raise EngineFailed(f"{self._name} gives no sound: {error}") from error
            if not len(samples):
                continue
            samples_told += len(samples)
            yield samples, self._sound.sample_rate_hz
            if samples_told > self._limits.sound_s * self._sound.sample_rate_hz:
                raise EngineFailed(
                    f"{self._name} was ended after {self._limits.sound_s:g} s of sound "
                    "(max_speech_s)"
                )
        if self._stopped.is_set():
            return
        status = self._running.wait(_END_PATIENCE_S)
        if status is None:
            raise EngineFailed(f"{self._name} does not end after its sound; it was ended")
        if status:
            reason = self._running.complaint() or "it says nothing"
            raise EngineFailed(
                f"{self._name} ended with status {status}: {reason}; try it in a terminal"
            )
        if not samples_told:
            reason = self._running.complaint() or "is the voice one for this script?"
            raise EngineFailed(f"{self._name} gave no sound: {reason}")

    def _next_bytes(self) -> bytes:
        waiting = select.poll()
        waiting.register(self._running.output, select.POLLIN)
        if not waiting.poll(self._limits.silence_s * 1000):
            raise EngineFailed(
                f"{self._name} gave nothing for {self._limits.silence_s:g} s and was ended; does "
                "it hang, or is the machine too slow (engine_timeout_s)?"
            )
        return os.read(self._running.output, _READ_BYTES)

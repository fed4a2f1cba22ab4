"""Stop signals: noted at once, also while the main thread is away, and never for longer."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from edge_mm_ros.nodes.stop_request import STOP_DEADLINE_S, StopRequest


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_is_noted_and_wakes(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    woken = threading.Event()
    with StopRequest(30.0) as stop:
        stop.on_request(woken.set)
        assert not stop.requested
        os.kill(os.getpid(), number)
        assert woken.wait(10.0)
        assert stop.requested
    assert signal.getsignal(number) is before


def test_other_signals_do_not_stop() -> None:
    noticed = threading.Event()
    old = signal.signal(signal.SIGUSR1, lambda *_: noticed.set())
    try:
        with StopRequest(30.0) as stop:
            os.kill(os.getpid(), signal.SIGUSR1)
            assert noticed.wait(10.0)
            assert not stop.requested
    finally:
        signal.signal(signal.SIGUSR1, old)


HANGING = """
import ctypes, sys, threading
from edge_mm_ros.nodes.stop_request import StopRequest
forever = threading.Event().wait
threading.Thread(target=forever, name="summarizer.main", daemon=True).start()
with StopRequest(0.5):
    print("ready", flush=True)
    mutex = ctypes.create_string_buffer(64)
    ctypes.CDLL(None).pthread_mutex_lock(mutex)
    ctypes.CDLL(None).pthread_mutex_lock(mutex)  # like an engine: no Python runs any more
"""


def test_a_process_that_hangs_in_an_engine_ends_after_the_deadline_and_says_so() -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", HANGING],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    begin_s = time.monotonic()
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=20)
    assert 0.4 < time.monotonic() - begin_s < 3.0
    assert process.returncode == 0
    assert errors == (
        "edge_mm_ros: still busy 0.5 s after the stop signal (summarizer.main); "
        "ends now without cleaning up\n"
    )


BUSY = HANGING.replace("0.5):", "0.5) as stop:").replace(
    'print("ready", flush=True)', "stop.end_with(75)"
)


def test_a_process_that_asks_for_its_own_end_has_the_same_deadline_and_its_status() -> None:
    done = subprocess.run([sys.executable, "-c", BUSY], capture_output=True, text=True, timeout=20)
    assert done.returncode == 75
    assert "still busy 0.5 s after its own request (summarizer.main)" in done.stderr


def test_its_own_request_is_noted_and_wakes() -> None:
    woken = threading.Event()
    with StopRequest(30.0) as stop:
        stop.on_request(woken.set)
        stop.end_with(75)
        assert woken.wait(10.0)
        assert stop.requested


def test_the_deadline_leaves_a_supervisor_its_3_s() -> None:
    from edge_mm_ros.cli.supervisor import KILL_AFTER_S

    assert STOP_DEADLINE_S < KILL_AFTER_S < 3.0

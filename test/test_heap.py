"""One heap for all threads of a process, so that unloaded models give their memory back."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

# Each thread that allocates while others hold the heap would get an arena of its own.
COUNT_ARENAS = """
import ctypes, threading
gate = threading.Barrier(8)
def allocate():
    gate.wait()
    kept = [bytearray(100_000) for _ in range(200)]
threads = [threading.Thread(target=allocate) for _ in range(8)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
libc = ctypes.CDLL("libc.so.6")
libc.fdopen.restype = ctypes.c_void_p
stream = ctypes.c_void_p(libc.fdopen(1, b"w"))
libc.malloc_info(0, stream)
libc.fflush(stream)
"""


def arenas(first: str) -> int:
    """How many arenas a process has after `first` and after threads that allocated."""
    environ = {name: value for name, value in os.environ.items() if "MALLOC" not in name}
    done = subprocess.run(
        [sys.executable, "-c", first + COUNT_ARENAS],
        env=environ,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return done.stdout.count("<heap nr=")


@pytest.mark.skipif(sys.platform != "linux", reason="arenas are glibc's")
@pytest.mark.parametrize(
    "first",
    [
        "import edge_mm_ros.nodes.object_detector",
        "import edge_mm_ros.cli.main as m\ntry: m.main(['bench'])\nexcept SystemExit: pass",
    ],
)
def test_nodes_and_commands_keep_to_one_heap(first: str) -> None:
    if "nodes" in first:
        pytest.importorskip("rclpy")
    assert arenas(first) == 1


def test_garbage_is_searched_seldom_and_not_in_what_lives_on() -> None:
    code = (
        "import gc, json; from edge_mm_ros.heap import collect_seldom; collect_seldom()\n"
        "print(gc.get_threshold()[0], gc.get_freeze_count() > 1000)\n"
        "ring = []; ring.append(ring); del ring; print(gc.collect() > 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.split() == ["10000", "True", "True"]

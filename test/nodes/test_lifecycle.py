"""Every node of the safety monitor and the voice assistant, ten lives each: nothing stays behind.

Each lives in a process of its own with the environment of its process in the system, as memory
that engines give back returns to the system only where the allocator is set up for it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("rclpy")
pytest.importorskip("vision_msgs")

from edge_mm_ros.params.system import ProcessDescription, load_system
from edge_mm_ros.ros.launching import process_environment

PROGRAM = Path(__file__).parents[1] / "helpers" / "lives.py"
LIVES = 10
# Imports, the allocator and the engines settle in the first lives.
SETTLED_AFTER = 4
GROWTH_MIB = 10.0
TIMEOUT_S = 280.0

# With the sound file: a microphone cannot be had everywhere.
SYSTEMS = {
    node.name: (system, process)
    for system in ("voice_assistant_file", "safety_monitor")
    for process in load_system(system).processes.values()
    for node in process.nodes
}
NODES = [
    pytest.param(system, process, name, id=name) for name, (system, process) in SYSTEMS.items()
]


@pytest.mark.timeout(TIMEOUT_S + 20.0)
@pytest.mark.parametrize(("system", "process", "name"), NODES)
def test_ten_lives_leave_no_memory_thread_or_file_behind(
    system: str, process: ProcessDescription, name: str
) -> None:
    ended = subprocess.run(
        [sys.executable, str(PROGRAM), system, name, str(LIVES)],
        env={**os.environ, **process_environment(process, os.environ)},
        stdout=subprocess.PIPE,
        text=True,
        timeout=TIMEOUT_S,
        check=True,
    )
    told = json.loads(ended.stdout.splitlines()[-1])
    lives: list[dict[str, Any]] = told["lives"]
    settled, last = lives[SETTLED_AFTER - 1], lives[-1]
    assert len(lives) == LIVES
    assert last["threads"] == settled["threads"]
    assert last["native_threads"] <= settled["native_threads"]
    assert last["files"] <= settled["files"]
    # Of every life, not the last alone: growth that is given back later is growth.
    highest_mib = max(life["resident_mib"] for life in lives[SETTLED_AFTER:])
    assert highest_mib - settled["resident_mib"] < GROWTH_MIB
    assert told["loaded"] == []

"""Real processes in tests: their states over ROS, their children, and their end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import psutil

START_TIMEOUT_S = 60.0


class LifecyclePeer:
    """Asks nodes of other processes for their lifecycle state, from a test's own ROS graph."""

    def __init__(self, graph: Any) -> None:
        self._graph = graph
        self._answers: dict[str, str] = {}

    def state(self, node: str) -> str:
        """Label of the node's state, or why it is not known now."""
        answer = self._answers[node] = self._ask(node)
        return answer

    def _ask(self, node: str) -> str:
        from lifecycle_msgs.srv import GetState

        # A new client each time: an old one may still wait for a process that was killed.
        client = self._graph.peer.create_client(GetState, f"{node}/get_state")
        try:
            if not self._wait(client.service_is_ready, 1.0):
                return "no such service"
            future = client.call_async(GetState.Request())
            self._wait(future.done, 1.0)
            return str(future.result().current_state.label) if future.done() else "no answer"
        finally:
            self._graph.peer.destroy_client(client)

    def wait_for(self, node: str, state: str) -> None:
        """Wait until a node is in a state."""
        self.wait_until(lambda: self.state(node) == state, f"{node} is {state}")

    def wait_until(self, condition: Callable[[], bool], what: str) -> None:
        """Wait for anything, while the graph goes on."""
        assert self._wait(condition, START_TIMEOUT_S), (
            f"{what}: not in {START_TIMEOUT_S:g} s; last answers: {self._answers}"
        )

    def _wait(self, condition: Callable[[], bool], timeout_s: float) -> bool:
        deadline_s = time.monotonic() + timeout_s
        while not condition():
            if time.monotonic() > deadline_s:
                return False
            self._graph.executor.spin_once(timeout_sec=0.02)
        return True


class Program:
    """A module's ``main`` as a program in the ROS domain of a test's graph."""

    def __init__(self, graph: Any, module: str, *arguments: str, **environ: str) -> None:
        domain = str(graph.context.get_domain_id())
        self.process = subprocess.Popen(
            [sys.executable, "-c", f"from {module} import main; main()", *arguments],
            env={**os.environ, "ROS_DOMAIN_ID": domain, **environ},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def stop(self, number: signal.Signals) -> tuple[int, float, str]:
        """Send a stop signal.

        Returns:
            exit status, seconds until the end, and everything it has printed.
        """
        begin_s = time.monotonic()
        self.process.send_signal(number)
        output, _ = self.process.communicate(timeout=20)
        return self.process.returncode, time.monotonic() - begin_s, output

    def __enter__(self) -> Program:
        return self

    def __exit__(self, *_: object) -> None:
        for pid in (*descendants(self.process.pid), self.process.pid):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        print(self.process.communicate()[0])  # pytest shows it where the test fails


def descendants(pid: int) -> list[int]:
    """All living processes below a process."""
    try:
        return [child.pid for child in psutil.Process(pid).children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def pid_of(parent: int, word: str) -> int | None:
    """The process below a parent with that argument; None where there is none now."""
    for pid in descendants(parent):
        try:
            if word in psutil.Process(pid).cmdline():
                return pid
        except psutil.Error:
            continue
    return None

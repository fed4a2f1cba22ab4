"""The executor of all nodes of a process."""

from __future__ import annotations

from collections.abc import Callable

from rclpy.context import Context
from rclpy.executors import Executor, ExternalShutdownException, SingleThreadedExecutor


def make_executor(context: Context) -> Executor:
    """The cheapest executor that this ROS brings.

    ``EventsExecutor`` costs half of the others' CPU time; early Jazzy releases lack it.
    """
    try:
        from rclpy.experimental import EventsExecutor
    except ImportError:
        return SingleThreadedExecutor(context=context)
    return EventsExecutor(context=context)


def spin_once(executor: Executor, timeout_s: float, on_error: Callable[[Exception], None]) -> None:
    """Let the executor work for at most `timeout_s` of waiting.

    Called in a loop. ``spin()`` and ``spin_once()`` without a time-out burn a core in
    ``EventsExecutor`` and dispatch nothing.

    Args:
        executor: from `make_executor`.
        timeout_s: longest wait for something to do, seconds.
        on_error: told of an exception out of a callback, which would otherwise end the loop.
    """
    try:
        executor.spin_once(timeout_sec=timeout_s)
    except ExternalShutdownException:
        raise
    except Exception as error:  # of a callback: other callbacks must go on
        on_error(error)

"""Log lines of the rooms without ROS, in ROS's log."""

from __future__ import annotations

import logging
from typing import Any


class _RosHandler(logging.Handler):
    def __init__(self, ros_logger: Any) -> None:
        super().__init__()
        self._ros_logger = ros_logger

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage()
        # rclpy ties a severity to the line that logs: each needs a line of its own.
        if record.levelno >= logging.ERROR:
            self._ros_logger.error(text)
        elif record.levelno >= logging.WARNING:
            self._ros_logger.warning(text)
        elif record.levelno >= logging.INFO:
            self._ros_logger.info(text)
        else:
            self._ros_logger.debug(text)


def forward_logs(name: str, ros_logger: Any) -> None:
    """Send what Python's logger `name` and those below it log to a logger of ``rclpy``."""
    logger = logging.getLogger(name)
    for handler in tuple(logger.handlers):
        if isinstance(handler, _RosHandler):
            logger.removeHandler(handler)
    logger.addHandler(_RosHandler(ros_logger))
    logger.setLevel(logging.DEBUG)
    logger.propagate = False

"""Message types by name."""

from __future__ import annotations

import importlib
from typing import Any

from rclpy.serialization import deserialize_message

from edge_mm_ros.datatypes import EdgeMmError


class UnknownMessageType(EdgeMmError):
    """A message type whose package is not installed, or that its package does not have."""


def message_class(msg_type: str) -> type[Any]:
    """The class of a message type such as ``sensor_msgs/msg/Image``.

    Raises:
        UnknownMessageType: it is not installed.
    """
    try:
        package, _, name = msg_type.split("/")
        found: type[Any] = getattr(importlib.import_module(f"{package}.msg"), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise UnknownMessageType(f"message type {msg_type} is not installed ({error})") from error
    return found


def message_type_name(msg_class: type) -> str:
    """The inverse of `message_class`."""
    return f"{msg_class.__module__.split('.')[0]}/msg/{msg_class.__name__}"


def deserialize(cdr: bytes, msg_type: str) -> Any:
    """A message of a type's name.

    Raises:
        UnknownMessageType: the type is not installed.
    """
    return deserialize_message(cdr, message_class(msg_type))

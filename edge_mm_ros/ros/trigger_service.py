"""A ``std_srvs/Trigger`` service whose work takes a while."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from typing import Any

from rclpy.exceptions import InvalidHandle
from rclpy.node import Node
from std_srvs.srv import Trigger

Work = Callable[[], tuple[bool, str]]


class TriggerService:
    """Answers each call by `work`, on a thread of its own; the executor goes on meanwhile.

    rclpy sends what a service's callback returns. ``EventsExecutor`` takes no coroutines there, so
    that it is the sending that is put off: every executor calls the service's ``send_response``.

    Args:
        node: on which the service lives, until the node is destroyed.
        name: of the service, for example ``~/load``.
        work: gives success and message; one call at a time.
    """

    def __init__(self, node: Node, name: str, work: Work) -> None:
        self._node = node
        self._work = work
        self._turn = threading.Lock()
        self._service = node.create_service(Trigger, name, lambda _request, response: response)
        self._send = self._service.send_response
        self._service.send_response = self._answer_later  # type: ignore[method-assign]

    def _answer_later(self, response: Trigger.Response, header: Any) -> None:
        name = f"{self._node.get_name()} service"
        threading.Thread(
            target=self._answer, args=(response, header), name=name, daemon=True
        ).start()

    def _answer(self, response: Trigger.Response, header: Any) -> None:
        with self._turn:
            try:
                response.success, response.message = self._work()
            except Exception as error:  # who waits for an answer must get one
                response.success = False
                response.message = f"{type(error).__name__}: {error}"
            with contextlib.suppress(InvalidHandle):  # the node is gone
                self._send(response, header)

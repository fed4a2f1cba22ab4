"""A real HTTP server on this machine's loopback whose answers, good and bad, a test decides."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Request:
    """What a client sent; header names in lower case."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Reply:
    """What it gets; a body in parts is sent chunk by chunk."""

    body: bytes | Iterable[bytes] = b""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


class LocalServer:
    """Answers with `answer`, or, where a test sets it, with `fault`.

    Attributes:
        requests: all that came.
        connections: how many were accepted.
        stopped: is set when the server goes; what stalls, waits for it.
        broken_off: is set when a client went away during an answer.
    """

    def __init__(self, answer: Callable[[Request], Reply], port: int = 0) -> None:
        self.answer = answer
        self.fault: Callable[[Request, Any], None] | None = None
        self.requests: list[Request] = []
        self.connections = 0
        self.stopped = threading.Event()
        self.broken_off = threading.Event()
        owner = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def handle(self) -> None:
                owner.connections += 1
                with suppress(ConnectionError):
                    super().handle()

            def do_GET(self) -> None:
                owner._serve(self)

            do_POST = do_GET  # noqa: N815

            def log_message(self, *_: Any) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            block_on_close = False

            def handle_error(self, *_: Any) -> None:
                pass

        self._server = Server(("127.0.0.1", port), Handler)
        self.port = int(self._server.server_address[1])
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    def close(self) -> None:
        self.stopped.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(timeout=10)

    def stall(self, *_: Any) -> None:
        """Wait until the server goes."""
        self.stopped.wait(timeout=30)

    def _serve(self, handler: Any) -> None:
        size = int(handler.headers.get("Content-Length") or 0)
        headers = {name.lower(): value for name, value in handler.headers.items()}
        request = Request(handler.command, handler.path, headers, handler.rfile.read(size))
        self.requests.append(request)
        try:
            if self.fault is not None:
                self.fault(request, handler)
                handler.wfile.flush()
            else:
                send(handler, self.answer(request))
        except ConnectionError:
            self.broken_off.set()
            handler.close_connection = True


def send(handler: Any, reply: Reply) -> None:
    """Write a whole reply."""
    handler.send_response(reply.status)
    for name, value in reply.headers.items():
        handler.send_header(name, value)
    if isinstance(reply.body, bytes):
        handler.send_header("Content-Length", str(len(reply.body)))
        handler.end_headers()
        handler.wfile.write(reply.body)
        return
    handler.send_header("Transfer-Encoding", "chunked")
    handler.end_headers()
    for part in reply.body:
        handler.wfile.write(b"%x\r\n%s\r\n" % (len(part), part))
    handler.wfile.write(b"0\r\n\r\n")


@contextmanager
def served(answer: Callable[[Request], Reply]) -> Iterator[LocalServer]:
    """A server for the time of a block."""
    server = LocalServer(answer)
    try:
        yield server
    finally:
        server.close()


def replies(body: bytes, status: int = 200, **headers: str) -> Callable[[Request, Any], None]:
    """A fault that is a whole reply."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda _, handler: send(handler, Reply(body, status, named))


def writes(raw: bytes) -> Callable[[Request, Any], None]:
    """A fault that writes bytes instead of a reply, and closes the connection."""

    def fault(_: Request, handler: Any) -> None:
        handler.wfile.write(raw)
        handler.close_connection = True

    return fault


def writes_then(raw: bytes, then: Callable[..., None]) -> Callable[[Request, Any], None]:
    """A fault that writes bytes and goes on with something else, with the connection open."""

    def fault(request: Request, handler: Any) -> None:
        handler.wfile.write(raw)
        handler.wfile.flush()
        handler.close_connection = True
        then(request, handler)

    return fault

"""HTTP exchanges in which every wait and every size is bounded, over kept connections.

``http.client`` with a reader of its own below it: a timeout of a socket bounds one receive only,
so that a server which sends a byte now and then would hold a caller for ever.
"""

from __future__ import annotations

import http.client
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from edge_mm_ros.backends.engines import first_line
from edge_mm_ros.backends.protocol import BackendError
from edge_mm_ros.backends.remote import (
    CHECK_ANSWER,
    CHECK_SERVER,
    Remote,
    RemoteOptions,
    parse_json,
    without_secrets,
)
from edge_mm_ros.backends.remote_limits import Budget, LimitPassed, Readable

Buffer = bytes | bytearray | memoryview
_PIECE_BYTES = 256 << 10
_MOST_IDLE = 8
_DRAIN_S = 0.05
_GONE = (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError)


@dataclass(frozen=True)
class HttpAnswer:
    """A whole answer.

    Attributes:
        status: of HTTP, for example 200.
        headers: names in lower case.
        body: the bytes after the headers.
    """

    status: int
    headers: Mapping[str, str]
    body: bytearray


class HttpStream:
    """An answer that is being received."""

    def __init__(self, response: http.client.HTTPResponse, budget: Budget) -> None:
        self.status = response.status
        self.complete = False
        self.headers = {name.lower(): value for name, value in response.getheaders()}
        self._response = response
        self._budget = budget
        self._missing = response.length

    def pieces(self, patient: bool = False) -> Iterator[bytes]:
        """The body as it comes.

        Args:
            patient: pauses may be long until `begun` is called; otherwise until the first piece.
        """
        if self._missing is not None:
            self._budget.check_size(self._missing)
        while self._missing != 0:
            most = _PIECE_BYTES if self._missing is None else min(_PIECE_BYTES, self._missing)
            piece = self._response.read1(most)
            if not piece:
                break
            if self._missing is not None:
                self._missing -= len(piece)
            if not patient:
                self.begun()
            yield piece
        if self._missing:
            raise http.client.IncompleteRead(b"", self._missing)
        self.complete = True

    def begun(self) -> None:
        """The answer proper has begun: what is still to come, comes without long pauses."""
        self._budget.begun()

    def drain(self) -> None:
        """Read to the end if it comes at once, so that the connection can be used again."""
        self._budget.shorten(_DRAIN_S)
        with suppress(LimitPassed, OSError, http.client.HTTPException):
            for _ in self.pieces():
                pass

    def read(self) -> bytearray:
        """The whole body."""
        body = bytearray()
        for piece in self.pieces():
            body += piece
        return body


class HttpClient:
    """Requests to one server. Thread safe: each request has a connection to itself.

    No proxy, no redirect and no compression is used, whatever environment and server say.

    Args:
        remote: the server.
        options: limits of each exchange.
        clock: seconds, monotonic.
    """

    def __init__(
        self,
        remote: Remote,
        options: RemoteOptions,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._remote = remote
        self._options = options
        self._clock = clock
        self._lock = threading.Lock()
        self._idle: list[http.client.HTTPConnection] = []
        self._busy: dict[http.client.HTTPConnection, socket.socket] = {}
        self._closed = False
        self._tls = ssl.create_default_context() if remote.url.secure else None

    def request(
        self,
        method: str,
        path: str,
        body: Sequence[Buffer] = (),
        headers: Mapping[str, str] | None = None,
    ) -> HttpAnswer:
        """Send a request and receive its whole answer, whatever its status.

        Raises:
            BackendError: no whole answer came, it passed a limit, or it is a redirect.
        """
        with self.stream(method, path, body, headers) as stream:
            return HttpAnswer(stream.status, stream.headers, stream.read())

    def json(
        self,
        method: str,
        path: str,
        body: Sequence[Buffer] = (),
        headers: Mapping[str, str] | None = None,
    ) -> dict[str, Any]:
        """The JSON object that the server answers.

        Raises:
            BackendError: as `request`, or the answer is a failure or no JSON object.
        """
        answer = self.request(method, path, body, headers)
        self.expect_success(answer)
        return self.parsed(answer.body)

    def expect_success(self, answer: HttpAnswer) -> None:
        """Raise what the server says where its status is not 2xx."""
        if not 200 <= answer.status < 300:
            text = bytes(answer.body[:4096]).decode("utf-8", "replace")
            phrase = http.client.responses.get(answer.status, "")
            raise self._remote.refusal(f"{answer.status} {phrase}".strip(), text)

    def parsed(self, body: bytes | bytearray) -> dict[str, Any]:
        """A body as a JSON object; raises where it is none."""
        try:
            value = parse_json(body)
        except ValueError:
            value = None
        if not isinstance(value, dict):
            text = bytes(body[:256]).decode("utf-8", "replace")
            raise self._remote.failure(
                f"answered nonsense instead of a JSON object ('{self._remote.quote(text)}')",
                CHECK_ANSWER,
            )
        return value

    @contextmanager
    def stream(
        self,
        method: str,
        path: str,
        body: Sequence[Buffer] = (),
        headers: Mapping[str, str] | None = None,
    ) -> Iterator[HttpStream]:
        """Send a request and hand out its answer as it comes.

        Leaving the block before the end of the answer closes the connection.

        Raises:
            BackendError: as `request`, also out of the block.
        """
        budget = Budget(self._options, self._clock)
        try:
            connection, response = self._exchange(method, path, body, headers or {}, budget)
            stream = HttpStream(response, budget)
            try:
                self._refuse_unasked(stream)
                yield stream
            finally:
                response.close()
                self._give_back(connection, stream.complete)
        except BackendError:
            raise
        except LimitPassed as error:
            raise self._remote.failure(str(error), error.mend) from error
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise self._failure(error) from error

    def close(self) -> None:
        """Close all connections; requests under way fail."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
            busy = tuple(self._busy.values())
        for connection in idle:
            connection.close()
        for sock in busy:
            with suppress(OSError):  # its thread may be closing it, too
                sock.shutdown(socket.SHUT_RDWR)

    def _exchange(
        self,
        method: str,
        path: str,
        body: Sequence[Buffer],
        headers: Mapping[str, str],
        budget: Budget,
    ) -> tuple[http.client.HTTPConnection, http.client.HTTPResponse]:
        size = sum(memoryview(piece).nbytes for piece in body)
        while True:
            connection, kept = self._take(budget)
            budget.restart()
            try:
                connection.putrequest(method, path)
                for name, value in {**self._remote.headers, **headers}.items():
                    connection.putheader(name, value)
                if method == "POST":
                    connection.putheader("Content-Length", str(size))
                for send in (connection.endheaders, *(_sender(connection, p) for p in body)):
                    connection.sock.settimeout(budget.left_s())
                    send()
                return connection, connection.getresponse()
            except _GONE:
                self._give_back(connection, complete=False)
                # A server may close a kept connection at any time: that says nothing of it.
                if not kept:
                    raise
            except TimeoutError as error:
                self._give_back(connection, complete=False)
                raise budget.overdue() from error
            except BaseException:
                self._give_back(connection, complete=False)
                raise

    def _take(self, budget: Budget) -> tuple[http.client.HTTPConnection, bool]:
        with self._lock:
            connection = self._idle.pop() if self._idle else None
        kept = connection is not None
        if connection is None:
            connection = self._connect(budget)
        sock = connection.sock
        with self._lock:
            if self._closed:
                connection.close()
                raise BackendError(f"model '{self._remote.model}' is closed")
            self._busy[connection] = sock

        def answer(_: Any, *args: Any, **named: Any) -> http.client.HTTPResponse:
            readable: Any = Readable(sock, budget)
            return http.client.HTTPResponse(readable, *args, **named)

        connection.response_class = answer  # type: ignore[assignment]
        return connection, kept

    def _connect(self, budget: Budget) -> http.client.HTTPConnection:
        if self._closed:
            raise BackendError(f"model '{self._remote.model}' is closed")
        connection = self._new()
        connection.timeout = budget.connect_s()
        try:
            connection.connect()
        except TimeoutError as error:
            connection.close()
            raise self._remote.failure(
                f"could not be connected to within {self._options.connect_timeout_s:g} s",
                f"{CHECK_SERVER}, or raise 'connect_timeout_s'",
            ) from error
        except BaseException:
            connection.close()
            raise
        return connection

    def _new(self) -> http.client.HTTPConnection:
        url = self._remote.url
        if self._tls is not None:
            return http.client.HTTPSConnection(url.host, url.port, context=self._tls)
        return http.client.HTTPConnection(url.host, url.port)

    def _give_back(self, connection: http.client.HTTPConnection, complete: bool) -> None:
        with self._lock:
            self._busy.pop(connection, None)
            # Without a socket, it was said to be the last answer on this connection.
            keep = (
                complete
                and connection.sock is not None
                and not self._closed
                and len(self._idle) < _MOST_IDLE
            )
            if keep:
                self._idle.append(connection)
        if not keep:
            connection.close()

    def _refuse_unasked(self, stream: HttpStream) -> None:
        if 300 <= stream.status < 400:
            target = without_secrets(stream.headers.get("location", "nowhere"))
            raise self._remote.failure(
                f"sends its callers on to '{self._remote.quote(target)}', which is not followed",
                "put the address that really serves into the chain of the model's manifest",
            )
        if stream.headers.get("content-encoding", "identity") != "identity":
            raise self._remote.failure("answered compressed, which was not asked for", CHECK_ANSWER)

    def _failure(self, error: Exception) -> BackendError:
        fail = self._remote.failure
        if self._closed:
            return BackendError(f"model '{self._remote.model}' was closed during a request")
        if isinstance(error, ConnectionRefusedError):
            return fail("refused the connection")
        if isinstance(error, socket.gaierror):
            return fail("has a host name that cannot be resolved")
        if isinstance(error, ssl.SSLCertVerificationError):
            return fail(
                f"has a certificate that is not trusted ({error.verify_message})",
                "add its authority to the system's, or name its file in SSL_CERT_FILE",
            )
        if isinstance(error, ssl.SSLError):
            return fail(f"failed to encrypt ({error.reason})", CHECK_ANSWER)
        if isinstance(error, http.client.IncompleteRead):
            return fail("closed the connection in the middle of its answer")
        if isinstance(error, _GONE):
            return fail("closed the connection without an answer")
        if isinstance(error, OSError):
            return fail(f"cannot be reached ({error.strerror or first_line(error)})")
        quoted = self._remote.quote(first_line(error))
        return fail(f"answered nonsense instead of HTTP ({quoted})", CHECK_ANSWER)


def _sender(connection: http.client.HTTPConnection, piece: Buffer) -> Callable[[], None]:
    return lambda: connection.send(piece)

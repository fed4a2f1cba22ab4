"""Exchanges over HTTP with servers that refuse, stall, lie, flood and break off."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from fakes.http_server import LocalServer, Reply, Request, replies, served, writes, writes_then
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_mm_ros.backends import BackendError
from edge_mm_ros.backends.remote import Remote, RemoteOptions, parse_url
from edge_mm_ros.backends.remote_http import HttpClient

GOOD = b'{"good": true}'
SOON = {
    "connect_timeout_s": 0.2,
    "first_byte_timeout_s": 0.2,
    "idle_timeout_s": 0.2,
    "request_timeout_s": 5.0,
    "max_answer_bytes": 4096,
}
OK = b"HTTP/1.1 200 OK\r\n"


def client_of(port: int, **options: Any) -> HttpClient:
    url = parse_url(f"http://127.0.0.1:{port}/base", {"http": 80})
    return HttpClient(Remote("m", url), RemoteOptions.model_validate({**SOON, **options}))


@pytest.fixture
def server() -> Iterator[LocalServer]:
    with served(lambda _: Reply(GOOD)) as server:
        yield server


@pytest.fixture
def client(server: LocalServer) -> Iterator[HttpClient]:
    client = client_of(server.port)
    yield client
    client.close()


def drip(server: LocalServer) -> Callable[[Request, Any], None]:
    """A byte of a header now and then, each before the idle time is over."""

    def fault(_: Request, handler: Any) -> None:
        handler.wfile.write(OK + b"X-Long: ")
        while not server.stopped.wait(0.02):
            handler.wfile.write(b"x")
            handler.wfile.flush()

    return fault


def flood(_: Request, handler: Any) -> None:
    handler.wfile.write(OK + b"\r\n")
    handler.close_connection = True
    for _ in range(1000):
        handler.wfile.write(b"x" * 65536)


BAD: list[tuple[str, Callable[[LocalServer], Callable[[Request, Any], None]], str]] = [
    ("stalls", lambda s: s.stall, "did not begin to answer within 0.2 s.*first_byte_timeout_s"),
    (
        "stalls in the middle",
        lambda s: writes_then(OK + b"Content-Length: 99\r\n\r\n{", s.stall),
        "stopped in the middle of its answer within 0.2 s.*idle_timeout_s",
    ),
    ("says no more after a status", lambda s: writes_then(OK, s.stall), "did not begin to answer"),
    ("closes at once", lambda _: writes(b""), "closed the connection without an answer"),
    (
        "closes half-way",
        lambda _: writes(OK + b"Content-Length: 99\r\n\r\n{"),
        "closed the connection in the middle of its answer",
    ),
    (
        "closes half-way in a chunk",
        lambda _: writes(OK + b"Transfer-Encoding: chunked\r\n\r\n63\r\n{"),
        "closed the connection in the middle of its answer",
    ),
    (
        "closes half-way between chunks",
        lambda _: writes(OK + b"Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n"),
        "closed the connection in the middle of its answer",
    ),
    (
        "answers 500",
        lambda _: replies(b"out of\nmemory \x1b[31m", 500),
        r"answered 500 Internal Server Error \('out of memory \[31m'\); see the server's log",
    ),
    ("answers HTML", lambda _: replies(b"<html>Welcome!</html>"), "answered nonsense.*Welcome!"),
    ("answers a list", lambda _: replies(b"[1]"), "answered nonsense instead of a JSON object"),
    ("answers no UTF-8", lambda _: replies(b"\xff\xfe\x00"), "answered nonsense"),
    ("does not speak HTTP", lambda _: writes(b"SSH-2.0-OpenSSH\r\n"), "instead of HTTP"),
    ("claims too much", lambda _: writes(OK + b"Content-Length: 9999999999999\r\n\r\n"), "4096"),
    (
        "claims a huge chunk",
        lambda _: writes(OK + b"Transfer-Encoding: chunked\r\n\r\nffffffffffff\r\nx"),
        "middle of its answer",
    ),
    ("floods", lambda _: flood, "answered more than 4096 bytes"),
    (
        "sends headers without end",
        lambda _: writes(OK + b"X-A: b\r\n" * 1000),
        "answered more than 4096 bytes|nonsense",
    ),
    (
        "continues for ever",
        lambda _: writes(b"HTTP/1.1 100 Continue\r\n\r\n" * 1000),
        "answered more than 4096 bytes",
    ),
    (
        "answers compressed",
        lambda _: replies(b"\x1f\x8b", Content_Encoding="gzip"),
        "compressed, which was not asked for",
    ),
]


@pytest.mark.parametrize(("fault", "text"), [bad[1:] for bad in BAD], ids=[bad[0] for bad in BAD])
def test_a_bad_answer_is_named_and_the_client_goes_on(
    server: LocalServer,
    client: HttpClient,
    fault: Callable[[LocalServer], Callable[[Request, Any], None]],
    text: str,
) -> None:
    assert client.json("GET", "/x") == {"good": True}
    server.fault = fault(server)
    with pytest.raises(BackendError, match=text) as error:
        client.json("GET", "/x")
    assert f"model 'm': http://127.0.0.1:{server.port}/base " in str(error.value)
    assert "\x1b" not in str(error.value)
    server.fault = None
    assert client.json("GET", "/x") == {"good": True}


def test_a_drip_of_bytes_does_not_outlast_the_whole_time(server: LocalServer) -> None:
    client = client_of(server.port, request_timeout_s=0.3)
    server.fault = drip(server)
    with pytest.raises(BackendError, match=r"in full within 0.3 s.*'request_timeout_s'"):
        client.json("GET", "/x")
    server.fault = None
    assert client.json("GET", "/x") == {"good": True}
    client.close()


def test_a_refused_connection_is_named_and_the_client_finds_a_server_that_is_back() -> None:
    first = LocalServer(lambda _: Reply(GOOD))
    client = client_of(first.port)
    assert client.json("GET", "/x") == {"good": True}
    first.close()
    with pytest.raises(BackendError, match="refused the connection; is the server running"):
        client_of(first.port).json("GET", "/x")
    back = LocalServer(lambda _: Reply(GOOD), first.port)
    assert client.json("GET", "/x") == {"good": True}
    client.close()
    back.close()


def test_a_host_that_does_not_take_connections_is_left_in_time() -> None:
    """A full backlog: the system drops further connections, as a firewall does."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(0)
        waiting = []
        for _ in range(3):
            other = socket.socket()
            other.setblocking(False)
            other.connect_ex(listening.getsockname())
            waiting.append(other)
        client = client_of(listening.getsockname()[1])
        with pytest.raises(BackendError, match=r"could not be connected to within 0.2 s"):
            client.json("GET", "/x")
        for other in waiting:
            other.close()


def test_a_name_that_does_not_exist_is_said_to() -> None:
    url = parse_url("http://no-such-host.invalid:1/x", {"http": 80})
    client = HttpClient(Remote("m", url), RemoteOptions())
    with pytest.raises(BackendError, match="host name that cannot be resolved"):
        client.json("GET", "/x")


def test_a_redirect_is_not_followed_and_its_target_not_asked(
    server: LocalServer, client: HttpClient
) -> None:
    with served(lambda _: Reply(GOOD)) as other:
        target = f"http://me:pw@127.0.0.1:{other.port}/x?token=1"
        server.fault = replies(b"", 307, Location=target)
        with pytest.raises(BackendError, match="which is not followed") as error:
            client.json("POST", "/x", [b"secret sound"])
        assert other.requests == []
    assert f"127.0.0.1:{other.port}/x" in str(error.value)
    assert "pw" not in str(error.value)
    assert "token" not in str(error.value)


def test_a_proxy_of_the_environment_is_not_used(
    server: LocalServer, client: HttpClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    assert client.json("GET", "/x") == {"good": True}


def test_one_connection_serves_many_requests(server: LocalServer, client: HttpClient) -> None:
    for _ in range(20):
        client.json("POST", "/x", [b"one", memoryview(b"two")])
    assert server.connections == 1
    assert {request.body for request in server.requests} == {b"onetwo"}


def test_a_kept_connection_that_the_server_closed_is_made_anew(
    server: LocalServer, client: HttpClient
) -> None:
    def once_more(_: Request, handler: Any) -> None:
        server.fault = None
        handler.close_connection = True  # without a word, as after an idle time

    client.json("GET", "/x")
    server.fault = once_more
    assert client.json("GET", "/x") == {"good": True}
    assert server.connections == 2


def test_requests_of_several_threads_do_not_mix(server: LocalServer, client: HttpClient) -> None:
    server.answer = lambda request: Reply(b'{"path": "' + request.path.encode() + b'"}')
    wrong = []

    def ask(number: int) -> None:
        for turn in range(20):
            path = f"/{number}/{turn}"
            if client.json("GET", path) != {"path": path}:
                wrong.append(path)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=20)
    assert wrong == []
    assert len(server.requests) == 80


def test_leaving_a_stream_early_closes_its_connection(
    server: LocalServer, client: HttpClient
) -> None:
    def endless() -> Iterator[bytes]:
        while not server.stopped.wait(0.001):
            yield b"x"

    server.answer = lambda _: Reply(endless())
    with client.stream("GET", "/x") as stream:
        assert next(stream.pieces()).startswith(b"x")
    assert server.broken_off.wait(timeout=10)


def test_closing_frees_a_request_that_waits(server: LocalServer) -> None:
    client = client_of(server.port, first_byte_timeout_s=60, request_timeout_s=60)
    came, failures = threading.Event(), []

    def stall(*_: Any) -> None:
        came.set()
        server.stall()

    def ask() -> None:
        try:
            client.json("GET", "/x")
        except BackendError as error:
            failures.append(str(error))

    server.fault = stall
    thread = threading.Thread(target=ask)
    thread.start()
    assert came.wait(timeout=10)
    client.close()
    thread.join(timeout=10)
    assert failures == ["model 'm' was closed during a request"]
    with pytest.raises(BackendError, match="model 'm' is closed"):
        client.json("GET", "/x")


def test_an_unencrypted_server_at_an_encrypted_address_is_named(server: LocalServer) -> None:
    url = parse_url(f"https://127.0.0.1:{server.port}/x", {"https": 443})
    client = HttpClient(Remote("m", url), RemoteOptions.model_validate(SOON))
    with pytest.raises(BackendError, match=r"failed to encrypt|closed the connection"):
        client.json("GET", "/x")


@settings(max_examples=60)
@given(
    start=st.sampled_from(
        [b"", OK, OK + b"\r\n", OK + b"Transfer-Encoding: chunked\r\n\r\n", b"HTTP/"]
    ),
    rest=st.binary(max_size=300),
)
def test_no_answer_does_more_than_fail(start: bytes, rest: bytes) -> None:
    with served(lambda _: Reply(GOOD)) as server:
        client = client_of(server.port)
        server.fault = writes(start + rest)
        with contextlib.suppress(BackendError):
            assert isinstance(client.json("GET", "/x"), dict)
        server.fault = None
        assert client.json("GET", "/x") == {"good": True}
        client.close()

"""Models on KServe v2 servers: real servers on loopback, good and bad, over HTTP and gRPC."""

from __future__ import annotations

import importlib.util
import logging
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fakes.http_server import LocalServer, Reply, replies, send, writes, writes_then
from fakes.kserve_server import (
    HEADER_LENGTH,
    INFER,
    GrpcServer,
    answer,
    binary_reply,
    doubled,
    grpc_kserve,
    http_kserve,
)
from fakes.real_models import needs
from numpy.typing import NDArray

from edge_mm_ros.backends import (
    BackendError,
    InputRefused,
    ModelArtifact,
    TensorModel,
    TensorSpec,
)
from edge_mm_ros.backends import engines as engines_module
from edge_mm_ros.backends.kserve_backend import KServeBackend, KServeModel

X = np.array([[1.0, -2.0, 0.5], [3.0, 4.0, 5.0]], dtype=np.float32)
Y, N = doubled(X.tobytes())
SOON = {"connect_timeout_s": 0.2, "first_byte_timeout_s": 0.2, "idle_timeout_s": 0.2}
# gRPC has one deadline for a call; on a loaded machine its own work needs some of it.
SOON_GRPC = {"request_timeout_s": 0.5}
Feeds = dict[str, NDArray[Any]]


def load(device: str, inputs: tuple[TensorSpec, ...] = (), **options: Any) -> KServeModel:
    artifact = ModelArtifact("scale", Path(""), "detection", inputs=inputs)
    return KServeBackend().load(artifact, device, options)


@pytest.fixture
def http() -> Iterator[LocalServer]:
    with http_kserve() as server:
        yield server


@pytest.fixture
def grpc() -> Iterator[GrpcServer]:
    needs("tritonclient", "grpc")
    with grpc_kserve() as server:
        yield server


@pytest.fixture(params=["http", "grpc"])
def device(request: pytest.FixtureRequest) -> str:
    server = request.getfixturevalue(request.param)
    return f"{request.param}://127.0.0.1:{server.port}/scale"


@pytest.fixture
def model(device: str) -> Iterator[KServeModel]:
    loaded = load(device)
    yield loaded
    loaded.close()


def works(model: KServeModel) -> bool:
    outputs = model.run({"x": X})
    return outputs["y"].tolist() == [[2, -4, 1], [6, 8, 10]] and outputs["n"].tolist() == [2]


def test_a_model_runs_and_tells_what_it_is(device: str, model: KServeModel) -> None:
    assert isinstance(model, TensorModel)
    assert works(model)
    assert model.inputs == (TensorSpec("x", (None, 3), np.dtype(np.float32)),)
    assert [(spec.name, spec.shape, spec.dtype) for spec in model.outputs] == [
        ("y", (None, 3), np.float32),
        ("n", (1,), np.int64),
    ]
    assert (model.memory_bytes, model.device_memory_bytes, model.device) == (0, 0, device)
    assert model.metadata == {"platform": "test_platform", "versions": "3"}
    report = dict(model.report)
    assert 0.0 < float(report.pop("round_trip_ms")) < 60_000
    assert report == {"server": "doubler 1.2", "url": device, "model_version": "3"}


def test_a_version_is_asked_for(device: str) -> None:
    model = load(f"{device}/versions/3")
    assert works(model)
    model.close()
    with pytest.raises(BackendError, match="no such model that is ready"):
        load(f"{device}/versions/4")


def test_a_model_that_is_not_there_is_named(device: str) -> None:
    with pytest.raises(BackendError, match=r"/other has no such model.*correct the chain"):
        load(device.replace("/scale", "/other"))


def test_warming_up_runs_the_model_once(http: LocalServer) -> None:
    model = load(f"http://127.0.0.1:{http.port}/scale")
    model.warm_up()
    assert [r.path for r in http.requests].count(INFER) == 1


def test_a_model_with_open_sizes_is_not_fed_with_guesses(http: LocalServer) -> None:
    open_sizes = Reply(
        b'{"name": "scale", "inputs": [{"name": "x", "datatype": "FP32", "shape": [-1, -1]}],'
        b' "outputs": []}'
    )
    http.answer = lambda r: open_sizes if r.path == "/v2/models/scale" else answer(r)
    model = load(f"http://127.0.0.1:{http.port}/scale")
    model.warm_up()
    assert [r.path for r in http.requests].count(INFER) == 0


@pytest.mark.parametrize(
    "feeds",
    [
        {},
        {"z": X},
        {"x": X, "z": X},
        {"x": X.astype(np.float64)},
        {"x": X[:, :2]},
        {"x": X[0]},
        {"x": np.where(X > 4, np.nan, X)},
        {"x": np.where(X > 4, np.inf, X)},
    ],
)
def test_an_input_that_does_not_fit_is_the_callers_fault(model: KServeModel, feeds: Feeds) -> None:
    with pytest.raises(InputRefused, match="'scale'"):
        model.run(feeds)
    assert works(model)


@pytest.mark.parametrize(
    "declared",
    [
        TensorSpec("images", (None, 3), np.dtype(np.float32)),
        TensorSpec("x", (None, 4), np.dtype(np.float32)),
        TensorSpec("x", (None, 3, 1), np.dtype(np.float32)),
        TensorSpec("x", (None, 3), np.dtype(np.uint8)),
    ],
)
def test_other_inputs_than_declared_are_refused_at_load(device: str, declared: TensorSpec) -> None:
    with pytest.raises(BackendError, match="the manifest declares"):
        load(device, (declared,))


def test_inputs_as_declared_are_taken(device: str) -> None:
    load(device, (TensorSpec("x", (2, None), np.dtype(np.float32)),)).close()


def test_one_connection_serves_all_calls(http: LocalServer) -> None:
    model = load(f"http://127.0.0.1:{http.port}/scale")
    assert all(works(model) for _ in range(20))
    assert http.connections == 1


def test_calls_of_several_threads_do_not_mix(model: KServeModel) -> None:
    wrong = []

    def ask(number: int) -> None:
        given = np.full((1, 3), number, np.float32)
        for _ in range(10):
            if model.run({"x": given})["y"].tolist() != [[2 * number] * 3]:
                wrong.append(number)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    assert wrong == []


def test_a_closed_model_says_so(model: KServeModel) -> None:
    model.close()
    model.close()
    with pytest.raises(BackendError, match="closed"):
        model.run({"x": X})


def test_a_key_is_sent_and_not_told(
    http: LocalServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("SERVER_KEY", "sk-secret")
    with caplog.at_level(logging.DEBUG):
        model = load(f"http://127.0.0.1:{http.port}/scale", api_key_env="SERVER_KEY")
        http.fault = replies(b"bad key sk-secret", 401)
        with pytest.raises(BackendError, match="api_key_env") as error:
            model.run({"x": X})
    assert {r.headers["authorization"] for r in http.requests} == {"Bearer sk-secret"}
    assert "sk-secret" not in str(error.value) + caplog.text + str(dict(model.report))


def test_a_key_is_sent_over_grpc(grpc: GrpcServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SERVER_KEY", "sk-secret")
    load(f"grpc://127.0.0.1:{grpc.port}/scale", api_key_env="SERVER_KEY").close()
    assert grpc.keys == ["Bearer sk-secret"]


# Probing.


def test_a_probe_opens_no_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("the network was used")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    backend = KServeBackend()
    assert backend.probe("http://no-such-host.invalid:8000/scale/versions/1").available
    assert backend.probe("https://host/scale").available


@pytest.mark.parametrize(
    ("device", "reason"),
    [
        ("cpu", "not an address"),
        ("http://host:8000", "names no model"),
        ("http://host:8000/", "names no model"),
        ("http://host:8000/v2/models/scale", "names no model"),
        ("http://host:8000/scale/versions/", "names no model"),
        ("ftp://host/scale", "kind http://, https://, grpc://, grpcs://"),
        ("http://me:pw@host/scale", "credentials"),
    ],
)
def test_a_probe_says_what_is_wrong_with_an_address(device: str, reason: str) -> None:
    probe = KServeBackend().probe(device)
    assert not probe.available
    assert reason in probe.reason
    assert "pw" not in probe.reason
    with pytest.raises(BackendError, match="'scale'"):
        load(device)


@pytest.mark.parametrize("missing", ["tritonclient", "grpc"])
def test_the_missing_package_for_grpc_is_named_with_its_extra(
    monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(
        engines_module.importlib.util,
        "find_spec",
        lambda name, *rest: (
            None if name == missing else (True if name in {"tritonclient"} else find(name, *rest))
        ),
    )
    reason = KServeBackend().probe("grpc://host:8001/scale").reason
    assert "pip install edge_mm_ros[remote]" in reason
    assert missing in reason
    assert KServeBackend().probe("http://host:8000/scale").available


def test_an_unknown_option_is_refused_by_name() -> None:
    with pytest.raises(BackendError, match="unknown key 'api_key'"):
        load("http://host:8000/scale", api_key="sk")


# Bad servers, over HTTP.


def tensors(
    y: tuple[str, list[int], bytes] = ("FP32", [2, 3], Y),
    n: tuple[str, list[int], bytes] = ("INT64", [1], N),
) -> Callable[..., None]:
    reply = binary_reply([("y", *y), ("n", *n)])
    return lambda _, handler: send(handler, reply)


def json_answer(body: bytes) -> Callable[..., None]:
    return replies(body, 200, Content_Type="application/json")


NAN = np.full(6, np.nan, "<f4").tobytes()
HTTP_FAULTS: dict[str, tuple[Callable[[LocalServer], Callable[..., None]], str]] = {
    "stalls": (lambda s: s.stall, "did not begin to answer within 0.2 s"),
    "stalls half-way": (
        lambda s: writes_then(b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n{", s.stall),
        "stopped in the middle",
    ),
    "closes": (lambda _: writes(b""), "without an answer"),
    "closes half-way": (
        lambda _: writes(b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n{"),
        "in the middle of its answer",
    ),
    "500": (lambda _: replies(b'{"error": "CUDA out of memory"}', 500), "500.*CUDA out of memory"),
    "HTML": (lambda _: replies(b"<html>It works!</html>"), "nonsense.*It works!"),
    "other JSON": (lambda _: json_answer(b'{"ok": true}'), "answered no tensors"),
    "outputs of no tensors": (lambda _: json_answer(b'{"outputs": [1]}'), "answered no tensors"),
    "no tensors": (lambda _: json_answer(b'{"outputs": []}'), "did not answer the output 'y'"),
    "parameters that are none": (
        lambda _: json_answer(b'{"outputs": [{"name": "y", "parameters": 3}]}'),
        "answered no tensors",
    ),
    "fewer bytes": (lambda _: tensors(("FP32", [2, 3], Y[:-4])), "20 bytes, 24 are FP32"),
    "more bytes": (lambda _: tensors(("FP32", [2, 3], Y + Y)), "48 bytes, 24 are FP32"),
    "a header beyond the end": (
        lambda _: replies(b"{}", 200, **{HEADER_LENGTH: "99"}),
        f"nonsense.*{HEADER_LENGTH}",
    ),
    "a header that is no number": (
        lambda _: replies(b"{}", 200, **{HEADER_LENGTH: "-1"}),
        f"nonsense.*{HEADER_LENGTH}",
    ),
    "bytes of nobody": (
        lambda _: replies(b'{"outputs": []}xxxx', 200, **{HEADER_LENGTH: "15"}),
        "4 bytes belong to no output",
    ),
    "another dtype": (lambda _: tensors(("INT32", [2, 3], Y)), "answered 'y' as int32"),
    "another shape": (lambda _: tensors(("FP32", [3, 2], Y)), r"as float32 \(3, 2\)"),
    "NaN": (lambda _: tensors(("FP32", [2, 3], NAN)), "not finite in 'y'"),
    "a type that numpy has not": (
        lambda _: tensors(("BYTES", [2, 3], Y)),
        "only tensors of numbers",
    ),
    "a shape of lies": (lambda _: tensors(("FP32", [10**9, 10**9], Y)), "24 bytes"),
    "more than it may": (lambda _: replies(bytes(200_000)), "more than 100000 bytes"),
    "a redirect": (lambda _: replies(b"", 302, Location="http://other/x"), "is not followed"),
}


@pytest.mark.parametrize("name", HTTP_FAULTS)
def test_a_bad_answer_over_http_is_named_and_the_next_is_taken(
    http: LocalServer, name: str
) -> None:
    fault, text = HTTP_FAULTS[name]
    url = f"http://127.0.0.1:{http.port}/scale"
    model = load(url, max_answer_bytes=100_000, **SOON)
    http.fault = fault(http)
    with pytest.raises(BackendError, match=text) as error:
        model.run({"x": X})
    assert not isinstance(error.value, InputRefused)
    assert f"model 'scale': {url} " in str(error.value)
    assert ";" in str(error.value)
    http.fault = None
    assert works(model)
    model.close()


def test_plain_numbers_in_an_answer_are_taken(http: LocalServer) -> None:
    model = load(f"http://127.0.0.1:{http.port}/scale")
    http.fault = json_answer(
        b'{"outputs": [{"name": "y", "datatype": "FP32", "shape": [2, 3], '
        b'"data": [2, -4, 1, 6, 8, 10]}, {"name": "n", "datatype": "INT64", "shape": [1], '
        b'"data": [2]}]}'
    )
    assert works(model)


@pytest.mark.parametrize(
    ("path", "body", "text"),
    [
        ("/v2/health/live", b"<html>", ""),
        ("/v2", b"<html>", "nonsense"),
        ("/v2/models/scale", b"{}", "described the model with nonsense"),
        ("/v2/models/scale", b'{"inputs": {}, "outputs": []}', "no list of tensors"),
        (
            "/v2/models/scale",
            b'{"inputs": [{"name": "x", "datatype": "TEXT", "shape": [1]}], "outputs": []}',
            "only tensors of numbers",
        ),
        ("/v2/models/scale", b'{"versions": 3, "inputs": [], "outputs": []}', "nonsense"),
    ],
)
def test_a_server_of_another_kind_is_told_at_load(
    http: LocalServer, path: str, body: bytes, text: str
) -> None:
    http.answer = lambda r: Reply(body) if r.path == path else answer(r)
    if not text:
        load(f"http://127.0.0.1:{http.port}/scale").close()
        return
    with pytest.raises(BackendError, match=text):
        load(f"http://127.0.0.1:{http.port}/scale")


# Bad servers, over gRPC.


def grpc_tensors(
    y: tuple[str, list[int], bytes] = ("FP32", [2, 3], Y), spare: int = 0
) -> Callable[[GrpcServer], Callable[..., Any]]:
    def fault_of(server: GrpcServer) -> Callable[..., Any]:
        message = server.response([("y", *y), ("n", "INT64", [1], N)])
        message.raw_output_contents.extend([b""] * spare)
        return lambda *_: message

    return fault_of


def aborts(code: str, text: str) -> Callable[[GrpcServer], Callable[..., Any]]:
    def fault(_: Any, context: Any) -> None:
        import grpc

        context.abort(getattr(grpc.StatusCode, code), text)

    return lambda _: fault


GRPC_FAULTS: dict[str, tuple[Callable[[GrpcServer], Callable[..., Any]], str]] = {
    "stalls": (
        lambda s: lambda *_: s.stopped.wait(timeout=30),
        "did not answer within 0.5 s.*request_timeout_s",
    ),
    "fails": (aborts("INTERNAL", "CUDA out of memory"), "INTERNAL .'CUDA out of memory'"),
    "wants a key": (aborts("UNAUTHENTICATED", "who are you"), "wants a key"),
    "is overloaded": (aborts("UNAVAILABLE", "queue is full"), "queue is full"),
    "no tensors": (lambda s: lambda *_: s.response([]), "did not answer the output 'y'"),
    "fewer bytes": (grpc_tensors(("FP32", [2, 3], Y[:-4])), "20 bytes, 24 are FP32"),
    "more bytes": (grpc_tensors(("FP32", [2, 3], Y + Y)), "48 bytes, 24 are FP32"),
    "more contents than outputs": (grpc_tensors(spare=1), "2 outputs with 3 contents"),
    "another dtype": (grpc_tensors(("INT32", [2, 3], Y)), "answered 'y' as int32"),
    "another shape": (grpc_tensors(("FP32", [3, 2], Y)), r"as float32 \(3, 2\)"),
    "NaN": (grpc_tensors(("FP32", [2, 3], NAN)), "not finite in 'y'"),
    "a type that numpy has not": (grpc_tensors(("BYTES", [2, 3], Y)), "only tensors of numbers"),
    "more than it may": (grpc_tensors(("FP32", [2, 3], bytes(200_000))), "more than 100000 bytes"),
}


@pytest.mark.parametrize("name", GRPC_FAULTS)
def test_a_bad_answer_over_grpc_is_named_and_the_next_is_taken(grpc: GrpcServer, name: str) -> None:
    fault, text = GRPC_FAULTS[name]
    url = f"grpc://127.0.0.1:{grpc.port}/scale"
    model = load(url, max_answer_bytes=100_000, request_timeout_s=30)
    model.close()
    model = load(url, max_answer_bytes=100_000, **(SOON_GRPC if name == "stalls" else {}))
    grpc.fault = fault(grpc)
    with pytest.raises(BackendError, match=text) as error:
        model.run({"x": X})
    assert not isinstance(error.value, InputRefused)
    assert f"model 'scale': {url} " in str(error.value)
    assert ";" in str(error.value)
    grpc.fault = None
    assert works(model)
    model.close()


def test_plain_numbers_in_an_answer_over_grpc_are_taken(grpc: GrpcServer) -> None:
    message = grpc.response([("y", "FP32", [2, 3], b""), ("n", "INT64", [1], b"")])
    del message.raw_output_contents[:]
    message.outputs[0].contents.fp32_contents.extend([2, -4, 1, 6, 8, 10])
    message.outputs[1].contents.int64_contents.append(2)
    model = load(f"grpc://127.0.0.1:{grpc.port}/scale")
    grpc.fault = lambda *_: message
    assert works(model)
    model.close()


def test_a_grpc_server_that_goes_half_way_and_comes_back_is_used_again() -> None:
    needs("tritonclient", "grpc")
    server = GrpcServer()
    model = load(f"grpc://127.0.0.1:{server.port}/scale")
    came = threading.Event()

    def leave(*_: Any) -> Any:
        came.set()
        server.stopped.wait(timeout=30)
        return server.response([])

    server.fault = leave
    failures: list[str] = []

    def ask() -> None:
        try:
            model.run({"x": X})
        except BackendError as error:
            failures.append(str(error))

    thread = threading.Thread(target=ask)
    thread.start()
    assert came.wait(timeout=10)
    server.close()
    thread.join(timeout=10)
    assert len(failures) == 1
    assert f"grpc://127.0.0.1:{server.port}/scale" in failures[0]
    with pytest.raises(BackendError, match="cannot be reached"):
        model.run({"x": X})
    with grpc_kserve(server.port) as back:
        deadline = threading.Event()
        for _ in range(100):  # gRPC looks for the server again within a second
            try:
                assert works(model)
                break
            except BackendError:
                deadline.wait(0.05)
        else:
            pytest.fail("the server was not found again")
        assert back.fault is None
    model.close()


def test_what_is_no_grpc_server_is_told(http: LocalServer) -> None:
    needs("tritonclient", "grpc")
    with pytest.raises(BackendError, match="cannot be reached, or broke off"):
        load(f"grpc://127.0.0.1:{http.port}/scale")


def test_a_refused_connection_is_told_at_load() -> None:
    with socket.socket() as taken:  # bound, but not listening: refuses
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        with pytest.raises(BackendError, match=rf"127.0.0.1:{port}/scale refused the connection"):
            load(f"http://127.0.0.1:{port}/scale")
        needs("tritonclient", "grpc")
        with pytest.raises(BackendError, match="cannot be reached.*refused"):
            load(f"grpc://127.0.0.1:{port}/scale")

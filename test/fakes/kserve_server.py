"""A model on KServe v2 servers, over HTTP and gRPC: real servers, a model that doubles.

Written from the protocol's text, with `struct` and plain numbers, not with the client's code. The
model ``scale`` takes ``x`` FP32 [-1, 3] and gives ``y`` FP32 [-1, 3], twice as much, and ``n``
INT64 [1], the number of rows.
"""

from __future__ import annotations

import json
import struct
import threading
from collections.abc import Callable, Iterator
from concurrent import futures
from contextlib import contextmanager
from typing import Any

from fakes.http_server import LocalServer, Reply, Request

METADATA: dict[str, Any] = {
    "name": "scale",
    "versions": ["3"],
    "platform": "test_platform",
    "inputs": [{"name": "x", "datatype": "FP32", "shape": [-1, 3]}],
    "outputs": [
        {"name": "y", "datatype": "FP32", "shape": [-1, 3]},
        {"name": "n", "datatype": "INT64", "shape": [1]},
    ],
}
INFER = "/v2/models/scale/infer"
HEADER_LENGTH = "Inference-Header-Content-Length"


def numbers(raw: bytes) -> tuple[float, ...]:
    """32-bit floats, little endian."""
    return struct.unpack(f"<{len(raw) // 4}f", raw)


def doubled(raw: bytes) -> tuple[bytes, bytes]:
    """The bytes of ``y`` and ``n``."""
    given = numbers(raw)
    return struct.pack(f"<{len(given)}f", *(2 * g for g in given)), struct.pack(
        "<q", len(given) // 3
    )


def binary_reply(outputs: list[tuple[str, str, list[int], bytes]], **extra: Any) -> Reply:
    """An answer with the tensors' bytes behind its JSON."""
    said = {
        "model_name": "scale",
        "model_version": "3",
        "outputs": [
            {
                "name": name,
                "datatype": datatype,
                "shape": shape,
                "parameters": {"binary_data_size": len(raw)},
            }
            for name, datatype, shape, raw in outputs
        ],
        **extra,
    }
    header = json.dumps(said).encode()
    body = header + b"".join(raw for *_, raw in outputs)
    return Reply(body, 200, {HEADER_LENGTH: str(len(header))})


def scale(raw: bytes) -> Reply:
    """The right answer to rows of three numbers."""
    y, n = doubled(raw)
    return binary_reply([("y", "FP32", [len(raw) // 12, 3], y), ("n", "INT64", [1], n)])


def answer(request: Request) -> Reply:
    """What a good server with the model ``scale``, also as version 3, answers."""
    path = request.path.replace("/versions/3", "")
    if path == "/v2/health/live" or path == "/v2/models/scale/ready":
        return Reply()
    if path == "/v2":
        return Reply(json.dumps({"name": "doubler", "version": "1.2", "extensions": []}).encode())
    if path == "/v2/models/scale":
        return Reply(json.dumps(METADATA).encode())
    if path == INFER:
        length = int(request.headers[HEADER_LENGTH.lower()])
        asked = json.loads(request.body[:length])
        (x,) = asked["inputs"]
        raw = request.body[length:]
        sizes = x["shape"], x["datatype"], x["parameters"]["binary_data_size"]
        if sizes != ([len(raw) // 12, 3], "FP32", len(raw)) or x["name"] != "x":
            return Reply(b'{"error": "wrong input"}', 400)
        assert asked["parameters"]["binary_data_output"] is True
        return scale(raw)
    return Reply(b'{"error": "unknown model"}', 404)


@contextmanager
def http_kserve() -> Iterator[LocalServer]:
    """A server over HTTP."""
    server = LocalServer(answer)
    try:
        yield server
    finally:
        server.close()


class GrpcServer:
    """A server over gRPC; `fault` takes the place of the model's answer.

    Attributes:
        stopped: is set when the server goes; what stalls, waits for it.
        keys: the values of ``authorization`` that came.
    """

    def __init__(self, port: int = 0) -> None:
        import grpc
        from tritonclient.grpc import service_pb2, service_pb2_grpc

        self.fault: Callable[[Any, Any], Any] | None = None
        self.messages = service_pb2
        self.stopped = threading.Event()
        self.keys: list[str] = []
        self.ready = True
        owner = self

        class Servicer(service_pb2_grpc.GRPCInferenceServiceServicer):  # type: ignore[misc]
            def ServerLive(self, _: Any, context: Any) -> Any:  # noqa: N802
                owner.keys += [v for k, v in context.invocation_metadata() if k == "authorization"]
                return service_pb2.ServerLiveResponse(live=True)

            def ModelReady(self, request: Any, _: Any) -> Any:  # noqa: N802
                ready = owner.ready and request.name == "scale" and request.version in {"", "3"}
                return service_pb2.ModelReadyResponse(ready=ready)

            def ServerMetadata(self, *_: Any) -> Any:  # noqa: N802
                return service_pb2.ServerMetadataResponse(name="doubler", version="1.2")

            def ModelMetadata(self, *_: Any) -> Any:  # noqa: N802
                tensor = service_pb2.ModelMetadataResponse.TensorMetadata
                return service_pb2.ModelMetadataResponse(
                    name="scale",
                    versions=METADATA["versions"],
                    platform=METADATA["platform"],
                    inputs=[tensor(**described) for described in METADATA["inputs"]],
                    outputs=[tensor(**described) for described in METADATA["outputs"]],
                )

            def ModelInfer(self, request: Any, context: Any) -> Any:  # noqa: N802
                if owner.fault is not None:
                    return owner.fault(request, context)
                y, n = doubled(request.raw_input_contents[0])
                rows = request.inputs[0].shape[0]
                return owner.response([("y", "FP32", [rows, 3], y), ("n", "INT64", [1], n)])

        self._server = grpc.server(
            futures.ThreadPoolExecutor(4), options=[("grpc.so_reuseport", 0)]
        )
        service_pb2_grpc.add_GRPCInferenceServiceServicer_to_server(Servicer(), self._server)
        self.port = self._server.add_insecure_port(f"127.0.0.1:{port}")
        self._server.start()

    def response(self, outputs: list[tuple[str, str, list[int], bytes]]) -> Any:
        """A protobuf message with raw contents."""
        tensor = self.messages.ModelInferResponse.InferOutputTensor
        return self.messages.ModelInferResponse(
            model_name="scale",
            model_version="3",
            outputs=[tensor(name=n, datatype=d, shape=s) for n, d, s, _ in outputs],
            raw_output_contents=[raw for *_, raw in outputs],
        )

    def close(self) -> None:
        self.stopped.set()
        self._server.stop(grace=None).wait(timeout=10)


@contextmanager
def grpc_kserve(port: int = 0) -> Iterator[GrpcServer]:
    """A server over gRPC."""
    server = GrpcServer(port)
    try:
        yield server
    finally:
        server.close()

"""The KServe v2 protocol over HTTP, with tensors as binary data."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from numpy.typing import NDArray

from edge_mm_ros.backends.kserve_protocol import Address, Description, Inference
from edge_mm_ros.backends.kserve_tensors import decode, decode_values, encode, spec_of, type_name
from edge_mm_ros.backends.protocol import BackendError, TensorSpec
from edge_mm_ros.backends.remote import CHECK_ANSWER, Remote, RemoteOptions
from edge_mm_ros.backends.remote_http import HttpAnswer, HttpClient

_HEADER_LENGTH = "Inference-Header-Content-Length"


class HttpEndpoint:
    """One model on one server."""

    def __init__(self, remote: Remote, address: Address, options: RemoteOptions) -> None:
        self._remote = remote
        self._client = HttpClient(remote, options)
        self._model = f"/v2/models/{quote(address.model, safe='')}"
        if address.version:
            self._model += f"/versions/{quote(address.version, safe='')}"

    def ready(self) -> None:
        """Raise where the server does not live, or the model is not ready.

        Raises:
            BackendError: says which of them, and what the server answered.
        """
        self._client.expect_success(self._client.request("GET", "/v2/health/live"))
        answer = self._client.request("GET", f"{self._model}/ready")
        if answer.status in {400, 404, 503}:
            raise self._remote.failure(
                f"has no such model that is ready (status {answer.status})",
                "load it there, or correct the chain in the model's manifest",
            )
        self._client.expect_success(answer)

    def describe(self) -> Description:
        """What server and model say of themselves.

        Raises:
            BackendError: they do not answer, or not in the protocol.
        """
        server = self._client.json("GET", "/v2")
        model = self._client.json("GET", self._model)
        try:
            versions = model.get("versions") or ()
            return Description(
                server=_text(server, "name"),
                server_version=_text(server, "version"),
                platform=_text(model, "platform"),
                versions=tuple(str(version) for version in versions),
                inputs=_specs(model, "inputs"),
                outputs=_specs(model, "outputs"),
            )
        except (ValueError, TypeError) as error:
            raise self._nonsense(f"described the model with nonsense ({error})") from error

    def infer(self, feeds: Mapping[str, NDArray[Any]]) -> Inference:
        """The model's outputs.

        Args:
            feeds: arrays of the names, shapes and dtypes of the description.

        Raises:
            BackendError: the server fails, or answers what are no tensors.
        """
        tensors = {name: encode(value) for name, value in feeds.items()}
        inputs = [
            {
                "name": name,
                "shape": list(value.shape),
                "datatype": type_name(value.dtype),
                "parameters": {"binary_data_size": tensors[name].nbytes},
            }
            for name, value in feeds.items()
        ]
        header = json.dumps({"inputs": inputs, "parameters": {"binary_data_output": True}}).encode()
        answer = self._client.request(
            "POST",
            f"{self._model}/infer",
            [header, *tensors.values()],
            {"Content-Type": "application/octet-stream", _HEADER_LENGTH: str(len(header))},
        )
        self._client.expect_success(answer)
        return self._parsed(answer)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _parsed(self, answer: HttpAnswer) -> Inference:
        body = memoryview(answer.body)
        length = answer.headers.get(_HEADER_LENGTH.lower(), str(len(body)))
        split = int(length) if length.isdecimal() and len(length) < 12 else -1
        if not 0 <= split <= len(body):
            raise self._nonsense(f"answered nonsense ({_HEADER_LENGTH} of its answer)")
        said = self._client.parsed(bytes(body[:split]))
        binary = body[split:]
        try:
            outputs = {}
            for tensor in _objects(said, "outputs"):
                named = tensor.get("name"), tensor.get("datatype"), tensor.get("shape")
                size = (tensor.get("parameters") or {}).get("binary_data_size")
                if size is None:
                    value = decode_values(*named, tensor.get("data"))
                elif isinstance(size, int) and 0 <= size <= len(binary):
                    value = decode(*named, binary[:size])
                    binary = binary[size:]
                else:
                    raise ValueError(f"{named[0]!r} claims {size!r} bytes of {len(binary)}")
                outputs[str(named[0])] = value
            if len(binary):
                raise ValueError(f"{len(binary)} bytes belong to no output")
        except (ValueError, TypeError, AttributeError) as error:
            raise self._nonsense(f"answered no tensors ({error})") from error
        return Inference(outputs, _text(said, "model_version"))

    def _nonsense(self, what: str) -> BackendError:
        return self._remote.failure(self._remote.quote(what), CHECK_ANSWER)


def _text(answer: Mapping[str, Any], key: str) -> str:
    value = answer.get(key, "")
    return value if isinstance(value, str) else ""


def _objects(answer: Mapping[str, Any], key: str) -> Sequence[Mapping[str, Any]]:
    values = answer.get(key)
    if not isinstance(values, list) or not all(isinstance(value, dict) for value in values):
        raise ValueError(f"'{key}' is no list of tensors")
    return values


def _specs(model: Mapping[str, Any], key: str) -> tuple[TensorSpec, ...]:
    return tuple(
        spec_of(tensor.get("name"), tensor.get("datatype"), tensor.get("shape"))
        for tensor in _objects(model, key)
    )

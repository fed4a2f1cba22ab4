"""The KServe v2 protocol over gRPC, through the package ``tritonclient``."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from numpy.typing import NDArray

from edge_mm_ros.backends.engines import first_line, import_engine
from edge_mm_ros.backends.kserve_protocol import Address, Description, Inference
from edge_mm_ros.backends.kserve_tensors import decode, decode_values, spec_of, type_name
from edge_mm_ros.backends.protocol import BackendError, TensorSpec
from edge_mm_ros.backends.remote import CHECK_ANSWER, CHECK_SERVER, Remote, RemoteOptions

MEND = "install it with: pip install edge_mm_ros[remote]"
_LARGEST_REQUEST_BYTES = (1 << 31) - 1
_Result = TypeVar("_Result")


class GrpcEndpoint:
    """One model on one server. gRPC keeps its one connection, and makes it anew after a loss."""

    def __init__(self, remote: Remote, address: Address, options: RemoteOptions) -> None:
        self._remote = remote
        self._address = address
        self._options = options
        self._closed = False
        self._engine = import_engine("tritonclient.grpc", MEND)
        self._headers = {name.lower(): value for name, value in remote.headers.items()}
        self._client = self._engine.InferenceServerClient(
            remote.url.address,
            ssl=remote.url.secure,
            channel_args=[
                # Nothing but the address of the chain is asked, whatever the environment says.
                ("grpc.enable_http_proxy", 0),
                ("grpc.service_config_disable_resolution", 1),
                ("grpc.enable_retries", 0),
                ("grpc.max_send_message_length", _LARGEST_REQUEST_BYTES),
                ("grpc.max_receive_message_length", options.max_answer_bytes),
                # A server that is back shall be found soon; the defaults wait up to two minutes.
                ("grpc.initial_reconnect_backoff_ms", 100),
                ("grpc.min_reconnect_backoff_ms", round(options.connect_timeout_s * 1000)),
                ("grpc.max_reconnect_backoff_ms", 1000),
            ],
        )

    def ready(self) -> None:
        """Raise where the server does not live, or the model is not ready.

        Raises:
            BackendError: says which of them, and what the server answered.
        """
        live = self._call(self._client.is_server_live, first=True)
        if not live:
            raise self._remote.failure("says that it is not alive")
        ready = self._call(
            self._client.is_model_ready, self._address.model, self._address.version, first=True
        )
        if not ready:
            raise self._remote.failure(
                "has no such model that is ready",
                "load it there, or correct the chain in the model's manifest",
            )

    def describe(self) -> Description:
        """What server and model say of themselves.

        Raises:
            BackendError: they do not answer, or not in the protocol.
        """
        server = self._call(self._client.get_server_metadata)
        model = self._call(
            self._client.get_model_metadata, self._address.model, self._address.version
        )
        try:
            return Description(
                server=server.name,
                server_version=server.version,
                platform=model.platform,
                versions=tuple(model.versions),
                inputs=_specs(model.inputs),
                outputs=_specs(model.outputs),
            )
        except ValueError as error:
            raise self._nonsense(f"described the model with nonsense ({error})") from error

    def infer(self, feeds: Mapping[str, NDArray[Any]]) -> Inference:
        """The model's outputs.

        Args:
            feeds: arrays of the names, shapes and dtypes of the description.

        Raises:
            BackendError: the server fails, or answers what are no tensors.
        """
        inputs = []
        for name, value in feeds.items():
            tensor = self._engine.InferInput(name, list(value.shape), type_name(value.dtype))
            tensor.set_data_from_numpy(value)
            inputs.append(tensor)
        answer = self._call(
            self._client.infer,
            self._address.model,
            inputs,
            model_version=self._address.version,
        ).get_response()
        try:
            return Inference(_outputs(answer), answer.model_version)
        except ValueError as error:
            raise self._nonsense(f"answered no tensors ({error})") from error

    def close(self) -> None:
        """Close the connection; requests under way fail."""
        self._closed = True
        self._client.close()

    def _call(
        self,
        function: Callable[..., _Result],
        *args: Any,
        first: bool = False,
        **named: Any,
    ) -> _Result:
        if self._closed:
            raise BackendError(f"model '{self._remote.model}' is closed")
        timeout_s, key = self._options.request_timeout_s, "request_timeout_s"
        if first and self._options.first_byte_timeout_s < timeout_s:
            timeout_s, key = self._options.first_byte_timeout_s, "first_byte_timeout_s"
        try:
            return function(*args, headers=self._headers, client_timeout=timeout_s, **named)
        except Exception as error:  # the library and gRPC share no base of their errors
            raise self._failure(error, timeout_s, key) from error

    def _failure(self, error: Exception, timeout_s: float, key: str) -> BackendError:
        if self._closed:
            return BackendError(f"model '{self._remote.model}' was closed during a request")
        status = getattr(error, "status", lambda: None)()
        code = str(status or "").removeprefix("StatusCode.")
        message = getattr(error, "message", lambda: None)() or first_line(error)
        said = self._remote.quote(str(message))
        fail = self._remote.failure
        if code == "DEADLINE_EXCEEDED":
            return fail(
                f"did not answer within {timeout_s:g} s", f"{CHECK_SERVER}, or raise '{key}'"
            )
        if code == "UNAVAILABLE":
            return fail(f"cannot be reached, or broke off ('{said}')")
        if code == "RESOURCE_EXHAUSTED":
            return fail(
                f"answered more than {self._options.max_answer_bytes} bytes, or has no room "
                f"('{said}')",
                f"{CHECK_ANSWER}, or raise 'max_answer_bytes'",
            )
        if code == "UNAUTHENTICATED" or code == "PERMISSION_DENIED":
            return self._remote.refusal(f"401 {code}", str(message))
        return self._remote.refusal(code or type(error).__name__, str(message))

    def _nonsense(self, what: str) -> BackendError:
        return self._remote.failure(self._remote.quote(what), CHECK_ANSWER)


def _specs(tensors: Sequence[Any]) -> tuple[TensorSpec, ...]:
    return tuple(spec_of(tensor.name, tensor.datatype, tensor.shape) for tensor in tensors)


def _outputs(answer: Any) -> dict[str, NDArray[Any]]:
    raw = answer.raw_output_contents
    if raw and len(raw) != len(answer.outputs):
        raise ValueError(f"{len(answer.outputs)} outputs with {len(raw)} contents")
    outputs = {}
    for index, tensor in enumerate(answer.outputs):
        named = tensor.name, tensor.datatype, list(tensor.shape)
        if raw:
            outputs[tensor.name] = decode(*named, raw[index])
        else:
            fields = tensor.contents.ListFields()
            values = list(fields[0][1]) if fields else []
            outputs[tensor.name] = decode_values(*named, values)
    return outputs

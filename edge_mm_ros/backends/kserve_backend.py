"""Models on a KServe v2 server: Triton, OpenVINO Model Server, or any KServe endpoint."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import unquote

import numpy as np
from numpy.typing import NDArray

from edge_mm_ros.backends.engines import checked_options, missing_package
from edge_mm_ros.backends.kserve_grpc import MEND, GrpcEndpoint
from edge_mm_ros.backends.kserve_http import HttpEndpoint
from edge_mm_ros.backends.kserve_protocol import Address, Description, Endpoint
from edge_mm_ros.backends.kserve_tensors import describe, fits
from edge_mm_ros.backends.protocol import (
    BackendError,
    InputRefused,
    ModelArtifact,
    Probe,
    TensorSpec,
)
from edge_mm_ros.backends.remote import (
    CHECK_ANSWER,
    Remote,
    RemoteOptions,
    RemoteUrl,
    parse_url,
)

_PORTS = {"http": 80, "https": 443, "grpc": 8001, "grpcs": 8001}
_PATH = re.compile(r"/(?P<model>[^/]+)(/versions/(?P<version>[^/]+))?/?")


class KServeBackend:
    """Runs tensor models on a server; only where a chain names it.

    The device is the address: ``http://host:8000/<model>[/versions/<version>]``, ``https://...``,
    ``grpc://host:8001/<model>...`` or ``grpcs://...``. HTTP needs no further package, gRPC needs
    ``tritonclient[grpc]``.
    """

    name = "kserve"

    def probe(self, device: str) -> Probe:
        """Whether the address is well formed and the package for it is there.

        Opens no connection: whether the server answers, the load tells.
        """
        try:
            url, _ = _parse(device)
        except BackendError as error:
            return Probe(False, str(error))
        if _is_grpc(url) and (package := missing_package("tritonclient", "grpc")):
            return Probe(False, f"the package {package} is missing; {MEND}")
        return Probe(True)

    def load(self, artifact: ModelArtifact, device: str, options: Mapping[str, Any]) -> KServeModel:
        """Connect, and ask for the model's inputs and outputs.

        Args:
            artifact: its declared inputs are compared with the server's; it needs no files.
            device: the address.
            options: fields of `RemoteOptions`.

        Raises:
            BackendError: the address is none, the server cannot be reached or does not have the
                model ready, or the model takes other inputs than declared.
        """
        where = f"model '{artifact.name}'"
        chosen = checked_options(RemoteOptions, options, f"{where}: options of {self.name}")
        probe = self.probe(device)
        if not probe.available:
            raise BackendError(f"{where}: {probe.reason}")
        url, address = _parse(device)
        remote = Remote.of(artifact.name, url, chosen)
        kind = GrpcEndpoint if _is_grpc(url) else HttpEndpoint
        endpoint: Endpoint = kind(remote, address, chosen)
        try:
            endpoint.ready()
            model = KServeModel(remote, endpoint, endpoint.describe())
            _compare(remote, artifact.inputs, model.inputs)
        except BaseException:
            endpoint.close()
            raise
        return model


class KServeModel:
    """A model on a server; its calls may come from any thread."""

    memory_bytes = 0
    device_memory_bytes = 0

    def __init__(self, remote: Remote, endpoint: Endpoint, description: Description) -> None:
        self._remote = remote
        self._endpoint = endpoint
        self._description = description
        self._version = ", ".join(description.versions)
        self._round_trip_s = 0.0

    @property
    def device(self) -> str:
        """The address."""
        return str(self._remote.url)

    @property
    def report(self) -> Mapping[str, str]:
        """Server, address, version of the model, and the time of the last round trip."""
        known = {
            "server": f"{self._description.server} {self._description.server_version}".strip(),
            "url": str(self._remote.url),
            "model_version": self._version,
        }
        if self._round_trip_s:
            known["round_trip_ms"] = f"{self._round_trip_s * 1000:.2f}"
        return {key: self._remote.quote(value) for key, value in known.items()}

    @property
    def inputs(self) -> Sequence[TensorSpec]:
        """The model's inputs, as the server describes them."""
        return self._description.inputs

    @property
    def outputs(self) -> Sequence[TensorSpec]:
        """The model's outputs, as the server describes them."""
        return self._description.outputs

    @property
    def metadata(self) -> Mapping[str, str]:
        """What the server tells of the model beside its tensors."""
        return {"platform": self._description.platform, "versions": self._version}

    def warm_up(self) -> None:
        """Run once on zeros; a model with open sizes beside the batch is asked if it is ready."""
        shapes = {spec.name: spec.shape for spec in self.inputs}
        if any(None in shape[1:] for shape in shapes.values()):
            self._endpoint.ready()
            return
        self.run(
            {
                spec.name: np.zeros([size or 1 for size in spec.shape], spec.dtype)
                for spec in self.inputs
            }
        )

    def run(self, feeds: Mapping[str, NDArray[Any]]) -> Mapping[str, NDArray[Any]]:
        """All outputs for one set of inputs.

        Raises:
            InputRefused: an input has another name, shape or dtype, or is not finite.
            BackendError: the server does not answer in time, fails, or answers outputs of other
                names, types or shapes than it described, or that are not finite.
        """
        self._check_feeds(feeds)
        begin_s = time.perf_counter()
        answer = self._endpoint.infer(feeds)
        self._round_trip_s = time.perf_counter() - begin_s
        self._version = answer.version or self._version
        self._check_outputs(answer.outputs)
        return answer.outputs

    def close(self) -> None:
        """Close the connections; a call under way fails."""
        self._endpoint.close()

    def _check_feeds(self, feeds: Mapping[str, NDArray[Any]]) -> None:
        where = f"model '{self._remote.model}'"
        expected = {spec.name for spec in self.inputs}
        if feeds.keys() != expected:
            raise InputRefused(f"{where} takes the inputs {sorted(expected)}, got {sorted(feeds)}")
        for spec in self.inputs:
            value = feeds[spec.name]
            if value.dtype != spec.dtype or not fits(spec.shape, value.shape):
                raise InputRefused(
                    f"{where}: input '{spec.name}' must be {describe(spec)}, got {value.dtype} "
                    f"{value.shape}"
                )
            if not _finite(value):
                raise InputRefused(f"{where}: input '{spec.name}' has values that are not finite")

    def _check_outputs(self, outputs: Mapping[str, NDArray[Any]]) -> None:
        for spec in self.outputs:
            value = outputs.get(spec.name)
            if value is None:
                what = f"did not answer the output '{spec.name}'"
            elif value.dtype != spec.dtype or not fits(spec.shape, value.shape):
                what = (
                    f"answered '{spec.name}' as {value.dtype} {value.shape}, but describes it as "
                    f"{describe(spec)}"
                )
            elif not _finite(value):
                what = f"answered values that are not finite in '{spec.name}'"
            else:
                continue
            raise self._remote.failure(self._remote.quote(what), "check the model on the server")


def _parse(device: str) -> tuple[RemoteUrl, Address]:
    url = parse_url(device, _PORTS)
    found = _PATH.fullmatch(url.path)
    if found is None:
        raise BackendError(
            f"'{url}' names no model; the form is {url.scheme}://host:port/<model> or "
            f"{url.scheme}://host:port/<model>/versions/<version>"
        )
    return url, Address(unquote(found["model"]), unquote(found["version"] or ""))


def _is_grpc(url: RemoteUrl) -> bool:
    return url.scheme.startswith("grpc")


def _compare(remote: Remote, declared: Sequence[TensorSpec], there: Sequence[TensorSpec]) -> None:
    if not declared:
        return
    found = {spec.name: spec for spec in there}
    if {spec.name for spec in declared} != found.keys():
        raise remote.failure(
            f"has a model with the inputs {sorted(found)}, the manifest declares "
            f"{sorted(spec.name for spec in declared)}",
            CHECK_ANSWER,
        )
    for spec in declared:
        other = found[spec.name]
        if spec.dtype != other.dtype or not fits(spec.shape, other.shape):
            raise remote.failure(
                f"takes '{spec.name}' as {describe(other)}, the manifest declares {describe(spec)}",
                CHECK_ANSWER,
            )


def _finite(value: NDArray[Any]) -> bool:
    return value.dtype.kind != "f" or bool(np.all(np.isfinite(value)))

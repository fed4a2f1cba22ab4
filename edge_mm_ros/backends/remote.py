"""What the remote backends share: addresses, keys, limits, and how their failures read."""

from __future__ import annotations

import json
import logging
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from pydantic import Field

from edge_mm_ros.backends.protocol import BackendError
from edge_mm_ros.params.base import StrictModel

logger = logging.getLogger(__name__)

CHECK_SERVER = "is the server running? Check the address in the chain of the model's manifest"
CHECK_ANSWER = (
    "is this the right kind of server? Check the address in the chain of the model's manifest"
)
# No "@", though it may stand in a path: behind a slash in a password it would look like one.
_PATH = re.compile(r"[A-Za-z0-9._~!$&'()*+,;=:%/-]*")
_AUTHORITY = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(:\d+)?")
_KEY = re.compile(r"[\x21-\x7e]+")
_LONGEST_QUOTE = 200


class RemoteOptions(StrictModel):
    """Limits of every exchange with a server, and where the key to it is."""

    connect_timeout_s: float = Field(2.0, gt=0.0, le=60.0)
    first_byte_timeout_s: float = Field(
        10.0, gt=0.0, le=600.0, description="From the request to the begin of its answer proper."
    )
    idle_timeout_s: float = Field(
        5.0, gt=0.0, le=600.0, description="Between two pieces of an answer."
    )
    request_timeout_s: float = Field(
        10.0, gt=0.0, le=3600.0, description="From the request to the end of its answer."
    )
    max_answer_bytes: int = Field(64 << 20, ge=1024, le=1 << 30)
    api_key_env: str = Field(
        "",
        pattern=r"^([A-Za-z_][A-Za-z0-9_]*)?$",
        description="Name of the environment variable that holds the key; empty: no key.",
    )


@dataclass(frozen=True)
class RemoteUrl:
    """A checked address, without credentials, query or fragment."""

    scheme: str
    host: str
    port: int
    path: str

    @property
    def address(self) -> str:
        """``host:port``, an IPv6 address in brackets."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"

    @property
    def secure(self) -> bool:
        """Whether the connection is encrypted."""
        return self.scheme in {"https", "grpcs"}

    @property
    def on_this_machine(self) -> bool:
        """Whether the host is a loopback address."""
        if self.host == "localhost":
            return True
        try:
            return ip_address(self.host).is_loopback
        except ValueError:
            return False

    def __str__(self) -> str:
        return f"{self.scheme}://{self.address}{self.path}"


def parse_url(text: str, default_ports: Mapping[str, int]) -> RemoteUrl:
    """Read the address that a chain gives as the device.

    Args:
        text: for example ``http://host:8000/model``.
        default_ports: the schemes that are taken, with their ports.

    Raises:
        BackendError: it is no such address, or carries credentials, a query or a fragment. Its
            text shows neither credentials nor query.
    """
    shown = without_secrets(text)
    schemes = ", ".join(f"{scheme}://" for scheme in default_ports)
    try:
        parts = urlsplit(text)
        host, port = parts.hostname or "", parts.port
    except ValueError as error:  # its text may quote the address with the credentials in it
        raise BackendError(f"'{shown}' is not an address: check its host and port") from error
    if parts.scheme not in default_ports:
        raise BackendError(f"'{shown}' is not an address of the kind {schemes}")
    if parts.username is not None or parts.password is not None:
        raise BackendError(
            f"the address of '{shown}' carries credentials, which do not belong into a manifest; "
            "put the key into an environment variable and name that in the option 'api_key_env'"
        )
    if parts.query or parts.fragment:
        raise BackendError(f"the address '{shown}' must not have a query or fragment")
    if not _AUTHORITY.fullmatch(parts.netloc) or port == 0:
        raise BackendError(f"'{shown}' is not an address: check its host and port")
    if not _PATH.fullmatch(parts.path):
        raise BackendError(f"'{shown}': the path has signs that must be percent-encoded")
    return RemoteUrl(parts.scheme, host, port or default_ports[parts.scheme], parts.path)


def without_secrets(url: str) -> str:
    """An address for people, well formed or not, without what may be secret in it."""
    shown = re.sub(r"//.*@", "//", url, flags=re.DOTALL)
    return printable(re.split(r"[?#]", shown)[0])


def printable(text: str) -> str:
    """Foreign text as one line of bounded length, without control signs."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text[:4096]).split())
    return line if len(line) <= _LONGEST_QUOTE else line[:_LONGEST_QUOTE] + "..."


def parse_json(data: bytes | bytearray) -> Any:
    """JSON of a server.

    Raises:
        ValueError: it is none, is nested too deep, or holds NaN or infinity.
    """

    def refuse(constant: str) -> Any:
        raise ValueError(f"{constant} is not JSON")

    try:
        return json.loads(data, parse_constant=refuse)
    except RecursionError as error:
        raise ValueError("nested too deep") from error


@dataclass(frozen=True)
class Remote:
    """One server as one model uses it.

    Attributes:
        model: the model's name.
        url: where the server is.
        key: goes with every request, and into no text; empty: none.
    """

    model: str
    url: RemoteUrl
    key: str = field(default="", repr=False)

    @classmethod
    def of(
        cls,
        model: str,
        url: RemoteUrl,
        options: RemoteOptions,
        environ: Mapping[str, str] = os.environ,
    ) -> Remote:
        """With the key that the options name.

        Raises:
            BackendError: the environment variable is not set, or holds no key.
        """
        name = options.api_key_env
        if not name:
            return cls(model, url)
        key = environ.get(name, "").strip()
        if not _KEY.fullmatch(key):
            state = "has signs that no key has" if key else "is not set"
            raise BackendError(
                f"model '{model}': the environment variable {name}, which 'api_key_env' names, "
                f"{state}; set it to the key of {url}"
            )
        if not url.secure and not url.on_this_machine:
            logger.warning(
                "model %s: the key in %s goes to %s unencrypted; better use an encrypted address",
                model,
                name,
                url,
            )
        return cls(model, url, key)

    @property
    def headers(self) -> dict[str, str]:
        """The key, the way servers take it."""
        return {"Authorization": f"Bearer {self.key}"} if self.key else {}

    def failure(self, what: str, mend: str = CHECK_SERVER) -> BackendError:
        """An error that names the model, the address, what happened and the mend."""
        return BackendError(self._redacted(f"model '{self.model}': {self.url} {what}; {mend}"))

    def quote(self, text: str) -> str:
        """What a server says, fit for a message: servers are known to say keys back."""
        return printable(self._redacted(text))

    def refusal(self, status: str, said: str) -> BackendError:
        """The error for a server that answered, but with a failure."""
        text = f"answered {status}" + (f" ('{self.quote(said)}')" if said.strip() else "")
        if status.startswith(("401", "403")):
            mend = (
                "check the key in the environment variable that 'api_key_env' names"
                if self.key
                else "the server wants a key: name its environment variable in 'api_key_env'"
            )
            return self.failure(text, mend)
        return self.failure(text, "see the server's log, and check the model there")

    def _redacted(self, text: str) -> str:
        return text.replace(self.key, "<key>") if self.key else text

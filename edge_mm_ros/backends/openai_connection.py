"""A server with OpenAI's API, as one model uses it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from edge_mm_ros.backends.remote import Remote, RemoteOptions
from edge_mm_ros.backends.remote_http import HttpAnswer, HttpClient

_SHOWN_MODELS = 8


class OpenAIConnection:
    """Requests below the address of the API.

    Attributes:
        remote: the server.
        client: its connections.
        model: the server's name of the model; empty where it has none.
    """

    def __init__(self, remote: Remote, options: RemoteOptions, model: str) -> None:
        self.remote = remote
        self.client = HttpClient(remote, options)
        self.model = model
        self._wanted = model
        self._server = ""

    @property
    def report(self) -> Mapping[str, str]:
        """Server, address and model."""
        known = {"url": str(self.remote.url), "model": self.model, "server": self._server}
        return {key: self.remote.quote(value) for key, value in known.items() if value}

    def path(self, below: str) -> str:
        """A path of the API."""
        return self.remote.url.path.rstrip("/") + below

    def find_model(self) -> None:
        """Ask which models there are, and settle on one.

        Raises:
            BackendError: the server does not answer, has not the model, or has several and none
                is named. A server that keeps no list is believed to have the model.
        """
        answer = self.client.request("GET", self.path("/models"))
        self._server = answer.headers.get("server", "")
        if answer.status in {404, 405, 501}:
            return
        self.client.expect_success(answer)
        names = self._names(answer)
        shown = ", ".join(names[:_SHOWN_MODELS]) + (", ..." if len(names) > _SHOWN_MODELS else "")
        if self._wanted:
            if self._wanted not in names and f"{self._wanted}:latest" not in names:
                raise self.remote.failure(
                    self.remote.quote(f"has no model '{self._wanted}', only: {shown}"),
                    "correct the option 'model'",
                )
        elif len(names) == 1:
            self.model = names[0]
        else:
            raise self.remote.failure(
                self.remote.quote(f"has the models: {shown}" if names else "has no models"),
                "name one in the option 'model'",
            )

    def close(self) -> None:
        """Close all connections; requests under way fail."""
        self.client.close()

    def _names(self, answer: HttpAnswer) -> list[str]:
        listed = self.client.parsed(answer.body).get("data")
        entries = listed if isinstance(listed, list) else None
        if entries is None:
            raise self.remote.failure("lists its models in a form that is not OpenAI's")
        return [
            entry["id"]
            for entry in entries
            if isinstance(entry, dict) and isinstance(entry.get("id"), str)
        ]


def error_text(answer: Mapping[str, Any]) -> str:
    """What an answer says went wrong; empty where it is no error."""
    error = answer.get("error")
    if isinstance(error, dict):
        return str(error.get("message") or error.get("type") or error)
    return str(error) if error else ""

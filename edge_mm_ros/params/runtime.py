"""How the models of one process share its memory, and when a failing one is passed over."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from pydantic import Field

from edge_mm_ros.params.base import StrictModel, load_yaml

RUNTIME_VARIABLE = "EDGE_MM_RUNTIME"


class RuntimeParams(StrictModel):
    """Settings of a process's home of models."""

    memory_bytes: int = Field(
        default=0,
        ge=0,
        description="Memory for all models; 0: what the machine and its cgroup leave. [B]",
    )
    device_memory_bytes: int = Field(
        default=0,
        ge=0,
        description="Memory of each accelerator for all models; 0: what is free. [B]",
    )
    strategy: Literal["keep", "swap"] = Field(
        default="keep",
        description="keep: models stay while they fit; swap: only the active one stays.",
    )
    wait_s: float = Field(
        default=10.0, ge=0, le=600, description="Longest wait for memory that others hold. [s]"
    )
    deadline_misses: int = Field(
        default=3, ge=1, le=100, description="Late answers within the window that open a candidate."
    )
    deadline_window_s: float = Field(
        default=60.0, gt=0, le=3600, description="Window in which late answers are counted. [s]"
    )
    backoff_s: float = Field(
        default=2.0, gt=0, le=3600, description="Wait before a failed candidate is tried again. [s]"
    )
    max_backoff_s: float = Field(
        default=300.0,
        gt=0,
        le=86_400,
        description="Longest wait, after it doubled at every failure. [s]",
    )
    probation_s: float = Field(
        default=5.0,
        ge=0,
        le=3600,
        description="How long a candidate must stay well before it returns. [s]",
    )
    probation_checks: int = Field(
        default=3, ge=1, le=100, description="Trials within that time, all of which must be good."
    )
    standby_s: float = Field(
        default=30.0,
        ge=0,
        le=3600,
        description="How long a candidate that was replaced stays loaded. [s]",
    )
    priorities: bool = Field(
        default=True, description="Whether less urgent models run at a lower scheduling priority."
    )
    pause_s: float = Field(
        default=0.05,
        ge=0,
        le=1,
        description="Longest pause between two tokens while a more urgent model runs. [s]",
    )


def runtime_settings(file: str = "", environ: Mapping[str, str] = os.environ) -> RuntimeParams:
    """The settings of a process that no system describes.

    Args:
        file: a YAML file; empty: the one of ``EDGE_MM_RUNTIME``, or the defaults.
        environ: environment variables.

    Raises:
        ParameterError: the file is missing or has refused keys.
    """
    path = file or environ.get(RUNTIME_VARIABLE, "")
    return load_yaml(RuntimeParams, Path(path).expanduser()) if path else RuntimeParams()

"""What a node gives up under pressure, step by step, and when."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from pydantic import field_validator, model_validator

from edge_mm_ros.params.base import StrictModel, parameter


class DegradationParams(StrictModel):
    """When a node steps down its ladder, and when up again.

    A subclass adds ``steps``: what the node gives up, the first one first; empty: nothing.
    """

    steps: tuple[str, ...] = ()
    max_latency_s: float = parameter(
        0.0, "Latency, 90th percentile, above which it steps down; 0: not watched.", unit="s", ge=0
    )
    max_memory_percent: float = parameter(
        90.0,
        "Used memory of the machine or of a control group above which it steps down; 0: not "
        "watched.",
        unit="%",
        ge=0,
        le=100,
    )
    max_memory_stall_percent: float = parameter(
        20.0,
        "Share of time in which work waits for memory (PSI) above which it steps down; 0: not "
        "watched.",
        unit="%",
        ge=0,
        le=100,
    )
    max_temperature_c: float = parameter(
        85.0,
        "Temperature of the processor above which it steps down; 0: not watched.",
        unit="°C",
        ge=0,
        le=150,
    )
    max_power_cap_percent: float = parameter(
        25.0,
        "Cut of the processor's highest frequency above which it steps down, as it does where the "
        "hardware throttles; 0: neither is watched.",
        unit="%",
        ge=0,
        le=100,
    )
    relief: float = parameter(
        0.85, "It steps up once everything is below this share of its limit.", gt=0, lt=1
    )
    down_after_s: float = parameter(
        3.0, "How long pressure lasts before each step down.", unit="s", ge=0, le=3600
    )
    up_after_s: float = parameter(
        30.0,
        "How long all is well before each step up; doubled, up to 16 times, after a step up that "
        "did not last.",
        unit="s",
        gt=0,
        le=86_400,
    )

    @property
    def limits(self) -> Mapping[str, float]:
        """The limit of each source that is watched."""
        watched = {
            "latency": self.max_latency_s,
            "memory": self.max_memory_percent,
            "memory_stall": self.max_memory_stall_percent,
            "temperature": self.max_temperature_c,
            "power_cap": self.max_power_cap_percent,
            "throttling": min(1.0, self.max_power_cap_percent) / 2,  # a single event is too much
        }
        return {source: limit for source, limit in watched.items() if limit > 0}

    @field_validator("steps", check_fields=False)
    @classmethod
    def _steps_differ(cls, steps: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(steps)) != len(steps):
            raise ValueError("a step is named twice")
        return steps


class DetectorDegradation(DegradationParams):
    """The ladder of the object detector."""

    steps: tuple[Literal["rate", "model"], ...] = parameter(
        (),
        "What is given up under pressure, in this order: rate (fewer pictures), model (a smaller "
        "one); empty: nothing.",
    )
    rate_hz: float = parameter(
        2.0, "Pictures of each camera while the step 'rate' is taken.", unit="Hz", gt=0, le=1000
    )
    model: str = parameter(
        "", "Name of the smaller model, or path of its manifest, for the step 'model'."
    )

    @model_validator(mode="after")
    def _the_smaller_model_is_named(self) -> DetectorDegradation:
        if "model" in self.steps and not self.model:
            raise ValueError("the step 'model' needs the name of a smaller model in 'model'")
        return self


class SummarizerDegradation(DegradationParams):
    """The ladder of the event summarizer."""

    steps: tuple[Literal["template"], ...] = parameter(
        (),
        "What is given up under pressure: template (it writes in place of the language model); "
        "empty: nothing.",
    )

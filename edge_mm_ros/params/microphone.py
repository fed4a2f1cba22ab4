"""Parameters of ``microphone``."""

from __future__ import annotations

from typing import Literal

from edge_mm_ros.params.base import NodeParams, parameter


class MicrophoneParams(NodeParams):
    """Which microphone is heard, and in which format."""

    device: str = parameter(
        "", "Name of the device, a part of it, or its number; empty: the system's default."
    )
    sample_rate_hz: int = parameter(
        16_000, "Samples per second and channel.", unit="Hz", ge=8_000, le=48_000
    )
    channels: int = parameter(1, "Channels that are taken from the device.", ge=1, le=32)
    sample_format: Literal["S16LE", "S32LE", "F32LE"] = parameter("S16LE", "Sample format.")
    chunk_s: float = parameter(0.1, "Sound of one message.", unit="s", ge=0.01, le=1.0)
    frame_id: str = parameter("microphone", "Frame of the microphone.")
    stall_s: float = parameter(
        1.0, "Silence of the driver after which the device counts as lost.", unit="s", ge=0.2, le=60
    )
    reopen_s: float = parameter(
        2.0, "Pause between two attempts to open a lost device again.", unit="s", ge=0.2, le=60
    )

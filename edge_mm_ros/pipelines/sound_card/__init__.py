"""Microphones and loudspeakers of this machine, by the package ``sounddevice`` (PortAudio)."""

from edge_mm_ros.pipelines.sound_card.capture import Capture, CapturedSound, CaptureStamps
from edge_mm_ros.pipelines.sound_card.devices import NoSoundCard
from edge_mm_ros.pipelines.sound_card.loudspeaker import Loudspeaker

__all__ = ["Capture", "CaptureStamps", "CapturedSound", "Loudspeaker", "NoSoundCard"]

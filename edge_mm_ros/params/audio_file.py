"""Parameters of ``audio_file``."""

from __future__ import annotations

from edge_mm_ros.params.base import NodeParams, parameter


class AudioFileParams(NodeParams):
    """Which sound file is played, and how often."""

    sound_file: str = parameter("", "The file: WAV, FLAC, OGG or MP3; it must be given.")
    loop: bool = parameter(False, "Begin again at its end.")
    wait_for_listener: bool = parameter(
        True, "Begin only when somebody hears 'audio', so that nobody misses the beginning."
    )
    chunk_s: float = parameter(0.1, "Sound of one message.", unit="s", ge=0.01, le=1.0)
    frame_id: str = parameter("microphone", "Frame of the sound.")

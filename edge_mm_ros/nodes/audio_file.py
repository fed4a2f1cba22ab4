"""The node ``audio_file``: a sound file to ``audio``, as if a microphone heard it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from audio_common_msgs.msg import AudioDataStamped, AudioInfo
from numpy.typing import NDArray

from edge_mm_ros.datatypes import Health, HealthLevel, InvalidInput
from edge_mm_ros.nodes.running import run_node
from edge_mm_ros.params import ParameterError
from edge_mm_ros.params.audio_file import AudioFileParams
from edge_mm_ros.pipelines.sound_file import SoundFile
from edge_mm_ros.pipelines.stamps import NS_PER_S, to_ns
from edge_mm_ros.ros.conversions.audio import AudioFormat, info_to_msg, stamped_from_bytes
from edge_mm_ros.ros.node import EdgeNode
from edge_mm_ros.ros.qos import AUDIO, LATCHED

_STEPS_PER_CHUNK = 4  # so that a chunk is sent soon after it is complete
# Later than that, the clock jumped or the machine stood still: sound goes on from now.
_MAX_LATENESS_NS = NS_PER_S


class AudioFileNode(EdgeNode):
    """Publishes a sound file at its own speed: ``audio`` and ``audio_info``."""

    params_type = AudioFileParams

    def __init__(self, host: object = None, name: str = "audio_file", **options: Any) -> None:
        self._file: SoundFile | None = None
        self._chunks: Iterator[NDArray[np.int16]] | None = None
        self._next_ns: int | None = None
        self._rounds = 0
        self._played_ns = 0
        super().__init__(name, **options)

    def on_configured(self) -> None:
        """Open the file once: what is wrong with its beginning shows then."""
        params: AudioFileParams = self.params
        if not params.sound_file:
            raise ParameterError("parameter 'sound_file' is needed: the file to be played")
        self._file = SoundFile(Path(params.sound_file))
        self._format = AudioFormat(self._file.sample_rate_hz, self._file.channels, "S16LE")
        self._audio = self.advertise(AudioDataStamped, "audio", AUDIO)
        self._info = self.advertise(AudioInfo, "audio_info", LATCHED)

    def on_activated(self) -> None:
        """Begin at the beginning."""
        self._rounds = self._played_ns = 0
        self._next_ns = None
        self._begin()
        self._info.publish(info_to_msg(self._format))
        self.every(self.params.chunk_s / _STEPS_PER_CHUNK, self._play)

    def on_deactivated(self) -> None:
        """Close the file."""
        self._chunks = None

    def health(self) -> Iterable[Health]:
        """How far it is."""
        if self._file is None or not self.active:
            return
        values = {
            "file": str(self._file.path),
            "played_s": f"{self._played_ns / NS_PER_S:.1f}",
            "rounds": str(self._rounds),
        }
        if self._chunks is None:
            yield Health("file", HealthLevel.OK, "played to its end", values)
        elif self._next_ns is None:
            yield Health("file", HealthLevel.OK, "waits for somebody to hear 'audio'", values)
        else:
            yield Health("file", HealthLevel.OK, "plays", values)

    def _begin(self) -> None:
        assert self._file is not None
        self._chunks = self._file.chunks(self.params.chunk_s, self._on_notice)

    def _play(self) -> None:
        """Publish what is complete by now: a chunk is there only after its last sample."""
        now_ns = self.now_ns()
        if self._next_ns is None:
            if self.params.wait_for_listener and not self._audio.subscribers:
                return
            self._next_ns = now_ns
        chunk_ns = to_ns(self.params.chunk_s)
        if not 0 <= now_ns - self._next_ns <= chunk_ns + _MAX_LATENESS_NS:
            self._next_ns = now_ns
        while self._chunks is not None and self._next_ns + chunk_ns <= now_ns:
            samples = self._next_chunk()
            if samples is None:
                return
            data = samples.astype("<i2").tobytes()
            self._audio.publish(stamped_from_bytes(data, self._next_ns, self.params.frame_id))
            length_ns = len(samples) * NS_PER_S // self._format.sample_rate_hz
            self._next_ns += length_ns
            self._played_ns += length_ns

    def _next_chunk(self) -> NDArray[np.int16] | None:
        assert self._chunks is not None
        samples = next(self._chunks, None)
        if samples is None:
            self._rounds += 1
            self._chunks = None
            if self.params.loop and self._played_ns:
                self._begin()
                return self._next_chunk() if self._chunks is not None else None
            self.get_logger().info("the file is played to its end")
        return samples

    def _on_notice(self, fault: InvalidInput) -> None:
        self.bad_input("file", fault)


def main() -> None:
    """Run the node as a program."""
    run_node(AudioFileNode)

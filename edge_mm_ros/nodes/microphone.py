"""The node ``microphone``: sound of this machine's microphone to ``audio``."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from audio_common_msgs.msg import AudioDataStamped, AudioInfo

from edge_mm_ros.datatypes import Health, HealthLevel, InvalidInput
from edge_mm_ros.nodes.running import run_node
from edge_mm_ros.params.microphone import MicrophoneParams
from edge_mm_ros.pipelines.sound_card import Capture, CapturedSound, CaptureStamps, NoSoundCard
from edge_mm_ros.pipelines.sound_card.devices import look_again
from edge_mm_ros.pipelines.stamps import NS_PER_S, to_ns
from edge_mm_ros.ros.conversions.audio import AudioFormat, info_to_msg, stamped_from_bytes
from edge_mm_ros.ros.node import EdgeNode
from edge_mm_ros.ros.qos import AUDIO, LATCHED
from edge_mm_ros.ros.work_queue import Inbox, drop_oldest

_CHECK_S = 0.1
_WAITING_CHUNKS = 100


class MicrophoneNode(EdgeNode):
    """Publishes what a microphone hears: ``audio`` and ``audio_info``.

    A device that goes away is told of and opened again when it is back.
    """

    params_type = MicrophoneParams

    def __init__(self, host: object = None, name: str = "microphone", **options: Any) -> None:
        self._capture: Capture | None = None
        self._inbox: Inbox | None = None
        self._stamps = CaptureStamps()
        self._heard_ns = 0
        self._next_attempt_ns = 0
        self._problem = ""
        self._device = ""
        self._chunks = 0
        self._overflows = 0
        super().__init__(name, **options)

    def on_configured(self) -> None:
        """Open the microphone once: what is wrong with it shows only then."""
        params: MicrophoneParams = self.params
        self._format = AudioFormat(params.sample_rate_hz, params.channels, params.sample_format)
        capture = self._open()
        self._device = capture.device.name
        capture.close()
        self._audio = self.advertise(AudioDataStamped, "audio", AUDIO)
        self._info = self.advertise(AudioInfo, "audio_info", LATCHED)

    def on_activated(self) -> None:
        """Begin to hear."""
        self._stamps.reset()
        self._chunks = self._overflows = 0
        self._problem = ""
        self._inbox = self.inbox(self._on_sound, queue=drop_oldest(_WAITING_CHUNKS), worker="main")
        self._info.publish(info_to_msg(self._format))
        self._heard_ns = self.now_ns()
        self._capture = self._open()
        self.every(_CHECK_S, self._look_after_device)

    def on_deactivated(self) -> None:
        """Give the microphone back."""
        self._close()

    def on_cleaned_up(self) -> None:
        """Give the microphone back, also after a failure."""
        self._close()

    def health(self) -> Iterable[Health]:
        """The device, and what was lost."""
        if not self.active:
            return
        dropped = self._inbox.dropped if self._inbox else 0
        values = {
            "device": self._device,
            "chunks": str(self._chunks),
            "overflows": str(self._overflows),
            "dropped": str(dropped),
        }
        if self._problem:
            yield Health("microphone", HealthLevel.ERROR, self._problem, values)
        elif self._overflows or dropped:
            message = f"sound was lost {self._overflows + dropped} times: the machine is too busy"
            yield Health("microphone", HealthLevel.WARN, message, values)
        else:
            yield Health("microphone", HealthLevel.OK, "hears", values)

    def _open(self) -> Capture:
        params: MicrophoneParams = self.params
        return Capture(
            params.device,
            sample_rate_hz=params.sample_rate_hz,
            channels=params.channels,
            sample_format=params.sample_format,
            chunk_s=params.chunk_s,
            now_ns=self.now_ns,
            on_sound=self._take,
        )

    def _close(self) -> None:
        capture, self._capture = self._capture, None
        if capture is not None:
            capture.close()

    def _take(self, sound: CapturedSound) -> None:
        """On the driver's thread, which must not wait."""
        if self._inbox is not None:
            self._inbox.put(sound)

    def _on_sound(self, sound: CapturedSound) -> None:
        self._heard_ns = self.now_ns()
        if self._problem:
            self._problem = ""
            self.get_logger().info(f"microphone '{self._device}' is back")
        if sound.overflow:
            self._overflows += 1
            self._stamps.reset()  # what follows does not join what came before
            fault = "sound was lost before it could be read: the machine is too busy"
            self.bad_input("microphone", InvalidInput("overflow", fault))
        length_ns = (
            len(sound.data) * NS_PER_S // (self._format.frame_bytes * self._format.sample_rate_hz)
        )
        stamp_ns = self._stamps.stamp(sound.begin_ns, length_ns)
        self._chunks += 1
        self._audio.publish(stamped_from_bytes(sound.data, stamp_ns, self.params.frame_id))

    def _look_after_device(self) -> None:
        params: MicrophoneParams = self.params
        now_ns = self.now_ns()
        self._heard_ns = min(self._heard_ns, now_ns)  # the clock may be set back
        if self._capture is not None:
            silent_s = (now_ns - self._heard_ns) / NS_PER_S
            if self._capture.running and silent_s <= params.stall_s:
                return
            self._close()
            self._next_attempt_ns = now_ns
            self._tell_problem(
                f"microphone '{self._device}' gives nothing any more; is it unplugged? It is tried "
                f"again every {params.reopen_s:g} s"
            )
        if 0 < self._next_attempt_ns - now_ns <= to_ns(params.reopen_s):
            return
        self._next_attempt_ns = now_ns + to_ns(params.reopen_s)
        try:
            look_again()
            self._stamps.reset()
            self._capture = self._open()
            self._heard_ns = now_ns
        except NoSoundCard as error:
            self._tell_problem(str(error))

    def _tell_problem(self, problem: str) -> None:
        if problem != self._problem:
            self._problem = problem
            self.get_logger().error(problem)
            self.tell(Health("microphone", HealthLevel.ERROR, problem))


def main() -> None:
    """Run the node as a program."""
    run_node(MicrophoneNode)

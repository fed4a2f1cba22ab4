"""Sound from a microphone, with the time at which it was there."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

import numpy as np
import pytest
from fakes.fake_sounddevice import FakeSoundDevice

from edge_mm_ros.pipelines.sound_card import Capture, CapturedSound, CaptureStamps, NoSoundCard

S = 1_000_000_000
CHUNK = np.zeros((1600, 1), np.int16)


class Scene:
    opened: ClassVar[list[Capture]] = []

    def __init__(self, cards: FakeSoundDevice, **given: Any) -> None:
        self.cards = cards
        self.now_ns = 100 * S
        self.heard: list[CapturedSound] = []
        values: dict[str, Any] = {
            "sample_rate_hz": 16_000,
            "channels": 1,
            "sample_format": "S16LE",
            "chunk_s": 0.1,
        }
        self.capture = Capture(
            given.pop("device", ""),
            **(values | given),
            now_ns=lambda: self.now_ns,
            on_sound=self.heard.append,
        )
        self.opened.append(self.capture)


@pytest.fixture
def cards(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeSoundDevice]:
    yield FakeSoundDevice().install(monkeypatch)
    while Scene.opened:
        Scene.opened.pop().close()


def test_the_stream_is_as_the_parameters_say(cards: FakeSoundDevice) -> None:
    scene = Scene(cards, device="HDA", channels=2, sample_format="F32LE", sample_rate_hz=48_000)
    assert cards.streams[-1].settings == {
        "device": 0,
        "channels": 2,
        "dtype": "float32",
        "samplerate": 48_000,
        "blocksize": 4800,
    }
    assert scene.capture.running
    Scene.opened.pop().close()
    assert not scene.capture.running
    assert cards.streams[-1].closed


@pytest.mark.parametrize(
    ("adc_s", "current_s", "age_s"),
    [
        (50.0, 50.13, 0.13),  # what the driver says
        (0.0, 0.0, 0.1),  # it says nothing: complete now, begun a chunk ago
        (0.0, 50.0, 0.1),
        (50.0, 50.02, 0.1),  # nonsense: sound cannot be complete before it is over
        (60.0, 50.0, 0.1),
        (10.0, 50.0, 0.1),
    ],
)
def test_sound_is_as_old_as_the_driver_says_or_as_long(
    cards: FakeSoundDevice, adc_s: float, current_s: float, age_s: float
) -> None:
    scene = Scene(cards)
    cards.streams[-1].hear(CHUNK, adc_s, current_s)
    assert scene.heard[0].begin_ns == pytest.approx(100 * S - age_s * S, abs=1000)
    assert not scene.heard[0].overflow
    cards.streams[-1].hear(CHUNK, overflow=True)
    assert scene.heard[1].overflow


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"channels": 3}, "does not give 3 channel.*Invalid number of channels"),
        ({"sample_rate_hz": 11_025}, "at 11025 Hz: Invalid sample rate"),
    ],
)
def test_what_the_device_cannot_do_is_named(
    cards: FakeSoundDevice, given: dict[str, Any], named: str
) -> None:
    with pytest.raises(NoSoundCard, match=named):
        Scene(cards, **given)


def test_stamps_run_on_with_the_sound_though_the_driver_jitters() -> None:
    stamps = CaptureStamps()
    jitter = np.random.default_rng(3).normal(0.0, 0.01, 300)
    told = [stamps.stamp(round((n * 0.1 + off) * S), S // 10) for n, off in enumerate(jitter)]
    steps_s = np.diff(told) / S
    assert np.abs(steps_s - 0.1).max() < 0.002
    assert abs(told[-1] / S - 29.9) < 0.01


def test_stamps_follow_a_drifting_device_and_jump_where_sound_is_missing() -> None:
    stamps = CaptureStamps()
    told = [stamps.stamp(round(n * 0.1001 * S), S // 10) for n in range(1000)]
    assert abs(told[-1] / S - 999 * 0.1001) < 0.02
    assert stamps.stamp(200 * S, S // 10) == 200 * S
    assert stamps.stamp(round(200.15 * S), S // 10) == pytest.approx(200.101 * S, abs=S // 1000)
    stamps.reset()
    assert stamps.stamp(round(200.35 * S), S // 10) == round(200.35 * S)

"""Sound to a loudspeaker."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from fakes.fake_sounddevice import FakeSoundDevice

from edge_mm_ros.pipelines.sound_card import Loudspeaker, NoSoundCard

RAMP = np.arange(1, 1001, dtype=np.int16)
RATE = 22_050


@pytest.fixture
def cards(monkeypatch: pytest.MonkeyPatch) -> FakeSoundDevice:
    return FakeSoundDevice().install(monkeypatch)


@pytest.fixture
def speaker(cards: FakeSoundDevice) -> Iterator[Loudspeaker]:
    made = Loudspeaker("")
    yield made
    made.close()


def test_it_plays_what_came_and_then_silence(cards: FakeSoundDevice, speaker: Loudspeaker) -> None:
    speaker.play(RAMP[:300], RATE)
    speaker.play(RAMP[300:], RATE)
    (stream,) = cards.streams
    heard = np.concatenate([stream.ask(256) for _ in range(5)])
    assert np.array_equal(heard[:1000], RAMP)
    assert not heard[1000:].any()
    assert not speaker.waiting
    assert stream.settings["samplerate"] == RATE


def test_hush_is_silence_at_once(cards: FakeSoundDevice, speaker: Loudspeaker) -> None:
    speaker.play(RAMP, RATE)
    cards.streams[0].ask(100)
    speaker.hush()
    assert not cards.streams[0].ask(100).any()
    speaker.play(RAMP, RATE)
    assert cards.streams[0].ask(100)[0] == 1


def test_another_rate_opens_the_device_anew(cards: FakeSoundDevice, speaker: Loudspeaker) -> None:
    speaker.play(RAMP, RATE)
    speaker.play(RAMP, 16_000)
    assert [stream.settings["samplerate"] for stream in cards.streams] == [RATE, 16_000]
    assert cards.streams[0].closed


def test_the_end_is_played_out_and_an_abort_is_not(
    cards: FakeSoundDevice, speaker: Loudspeaker
) -> None:
    for end in (speaker.finish, speaker.close):
        speaker.play(RAMP, RATE)
        end()
        end()  # once more does no harm
    assert [stream.closed for stream in cards.streams] == ["stopped", "aborted"]


def test_a_device_that_goes_away_is_named_and_used_again_once_it_is_back(
    cards: FakeSoundDevice, speaker: Loudspeaker
) -> None:
    speaker.play(RAMP, RATE)
    cards.streams[0].active = False
    cards.devices.clear()
    with pytest.raises(NoSoundCard, match="Device unavailable"):
        speaker.play(RAMP, RATE)
    assert not speaker.waiting
    with pytest.raises(NoSoundCard, match="this machine has no output device"):
        speaker.play(RAMP, RATE)
    cards.devices.append(("USB loudspeaker", 0, 2))
    speaker.play(RAMP, RATE)
    assert cards.streams[-1].active


def test_a_driver_that_asks_for_nothing_any_more_has_lost_its_device(
    cards: FakeSoundDevice, speaker: Loudspeaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    speaker.play(RAMP, RATE)
    assert speaker.waiting
    monkeypatch.setattr("edge_mm_ros.pipelines.sound_card.loudspeaker._STALL_S", -1.0)
    assert not speaker.waiting

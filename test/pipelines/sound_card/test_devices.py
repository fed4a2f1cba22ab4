"""Which device a name means, and what is said where there is none."""

from __future__ import annotations

import builtins
import sys
from typing import Any

import pytest
from fakes.fake_sounddevice import FakeSoundDevice

from edge_mm_ros.pipelines.sound_card import NoSoundCard
from edge_mm_ros.pipelines.sound_card.devices import find_device, look_again


@pytest.fixture
def cards(monkeypatch: pytest.MonkeyPatch) -> FakeSoundDevice:
    return FakeSoundDevice().install(monkeypatch)


@pytest.mark.parametrize(
    ("name", "index"), [("", 0), ("1", 1), ("USB microphone", 1), ("usb", 1), ("alc", 0)]
)
def test_a_name_a_part_of_it_or_a_number(cards: FakeSoundDevice, name: str, index: int) -> None:
    assert find_device(name, "input").index == index


@pytest.mark.parametrize(
    ("name", "direction", "named"),
    [
        ("headset", "input", "input device 'headset' is not there; set the parameter 'device' to "),
        ("headset", "input", "one of: 0: 'HDA Intel: ALC257', 1: 'USB microphone'"),
        ("usb", "output", "one of: 0: 'HDA Intel: ALC257'$"),
        ("7", "input", "input device '7' is not there"),
        ("i", "input", "'i' means several of them"),
    ],
)
def test_another_name_is_refused_with_those_that_are_there(
    cards: FakeSoundDevice, name: str, direction: Any, named: str
) -> None:
    with pytest.raises(NoSoundCard, match=named):
        find_device(name, direction)


def test_a_machine_without_sound_cards_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    FakeSoundDevice(devices=[], default_device=[-1, -1]).install(monkeypatch)
    with pytest.raises(NoSoundCard, match="no default input device; this machine has no input"):
        find_device("", "input")


@pytest.mark.parametrize(
    ("error", "mend"),
    [
        (ModuleNotFoundError("No module named 'sounddevice'"), r"pip install edge_mm_ros\[voice\]"),
        (OSError("PortAudio library not found"), "apt install libportaudio2"),
    ],
)
def test_what_is_not_installed_is_named_with_the_mend(
    monkeypatch: pytest.MonkeyPatch, error: Exception, mend: str
) -> None:
    monkeypatch.delitem(sys.modules, "sounddevice", raising=False)
    plain = builtins.__import__

    def refuse(name: str, *rest: Any, **more: Any) -> Any:
        if name == "sounddevice":
            raise error
        return plain(name, *rest, **more)

    monkeypatch.setattr("importlib.import_module", lambda name: refuse(name))
    with pytest.raises(NoSoundCard, match=mend):
        find_device("", "input")


def test_a_device_that_was_plugged_in_is_found_after_looking_again(cards: FakeSoundDevice) -> None:
    cards.devices.append(("headset", 1, 1))
    with pytest.raises(NoSoundCard):
        find_device("headset", "input")
    look_again()
    assert find_device("headset", "input").index == 2

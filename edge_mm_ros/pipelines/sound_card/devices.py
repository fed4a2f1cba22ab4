"""The sound devices of this machine, and which one a name means."""

from __future__ import annotations

import importlib
import threading
from dataclasses import dataclass
from typing import Any, Literal

from edge_mm_ros.datatypes import EdgeMmError

Direction = Literal["input", "output"]

_open_streams = 0
_lock = threading.Lock()


class NoSoundCard(EdgeMmError):
    """A sound device cannot be used."""


@dataclass(frozen=True)
class SoundDevice:
    """One device that can do what was asked for.

    Attributes:
        index: PortAudio's number.
        name: its name.
    """

    index: int
    name: str


def library() -> Any:
    """The package ``sounddevice``.

    Raises:
        NoSoundCard: it, or the library PortAudio behind it, is not installed.
    """
    try:
        return importlib.import_module("sounddevice")
    except ImportError as error:
        raise NoSoundCard(
            "sound cards need the package sounddevice; install it with: "
            "pip install edge_mm_ros[voice]"
        ) from error
    except OSError as error:
        raise NoSoundCard(
            f"sound cards need the library PortAudio ({error}); install it with: "
            "apt install libportaudio2"
        ) from error


def find_device(name: str, direction: Direction) -> SoundDevice:
    """The device that a name means.

    Args:
        name: a number, a name or a part of one, in any case; empty: the default device.
        direction: what it is for.

    Raises:
        NoSoundCard: there is none, or there are several; lists those that are there.
    """
    sound = library()
    try:
        listed = list(sound.query_devices())
        default = sound.default.device[0 if direction == "input" else 1]
    except Exception as error:  # whatever PortAudio has against this machine
        raise NoSoundCard(f"the sound devices cannot be listed: {error}") from error
    usable = {
        index: str(device["name"])
        for index, device in enumerate(listed)
        if device[f"max_{direction}_channels"] > 0
    }
    if not name:
        if default in usable:
            return SoundDevice(default, usable[default])
        raise NoSoundCard(f"there is no default {direction} device; {_listing(usable, direction)}")
    if name.isdecimal():
        found = [index for index in usable if index == int(name)]
    else:
        exact = [index for index, known in usable.items() if known == name]
        part = name.casefold()
        found = exact[:1] or [i for i, known in usable.items() if part in known.casefold()]
    if len(found) == 1:
        return SoundDevice(found[0], usable[found[0]])
    problem = "means several of them" if found else "is not there"
    raise NoSoundCard(f"{direction} device '{name}' {problem}; {_listing(usable, direction)}")


def stream_opened() -> None:
    """Note that a stream of this process is open."""
    global _open_streams
    with _lock:
        _open_streams += 1


def stream_closed() -> None:
    """Note that a stream of this process is closed."""
    global _open_streams
    with _lock:
        _open_streams -= 1


def look_again() -> None:
    """Let PortAudio find devices that were plugged in since; it lists them only when it starts.

    Nothing happens while a stream of this process is open, as it would end.
    """
    with _lock:
        if _open_streams:
            return
        sound = library()
        restart = (getattr(sound, "_terminate", None), getattr(sound, "_initialize", None))
        for step in restart:
            if step is None:
                return
            try:
                step()
            except Exception as error:
                raise NoSoundCard(f"PortAudio cannot be started again: {error}") from error


def _listing(usable: dict[int, str], direction: Direction) -> str:
    if not usable:
        return f"this machine has no {direction} device"
    names = ", ".join(f"{index}: '{name}'" for index, name in usable.items())
    return f"set the parameter 'device' to one of: {names}"

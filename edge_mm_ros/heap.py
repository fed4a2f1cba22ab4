"""How this process allocates memory and gives it back; needs nothing, for it comes first."""

from __future__ import annotations

import ctypes
import gc
import os
import sys

_M_ARENA_MAX = -8
_M_MMAP_THRESHOLD = -3
_YOUNG_OBJECTS = 10_000
_PICTURE_BYTES = 8 << 20  # Full HD stays in the heap: mapping each picture anew costs time


def use_one_heap() -> None:
    """Let this process allocate from now on so that `trim_heap` can give back.

    glibc gives threads arenas of their own and trims the end of the main one alone, so that what
    the threads of an engine freed would stay. Arenas that are there already go on being used, so
    this comes before the first thread. And it learns from large blocks that were freed to
    take the next ones from the heap, where weights leave holes; a fixed threshold keeps them out
    of it. Values of the user's own (MALLOC_ARENA_MAX, MALLOC_MMAP_THRESHOLD_) win.
    """
    if sys.platform != "linux":
        return
    try:
        set_option = ctypes.CDLL("libc.so.6").mallopt
    except (OSError, AttributeError):  # musl and others have no arenas
        return
    if "MALLOC_ARENA_MAX" not in os.environ:
        set_option(_M_ARENA_MAX, 1)
    if "MALLOC_MMAP_THRESHOLD_" not in os.environ:
        set_option(_M_MMAP_THRESHOLD, _PICTURE_BYTES)


def collect_seldom() -> None:
    """Let the search for garbage in cycles pass over what lives on, and come less often.

    All threads wait for it. Once a program is imported, a search of everything takes as long as
    a picture, and one of what is new comes with every 700 objects, in the midst of a scan. To be
    called once all is there that lives as long as the process: of that, no garbage is found any
    more.
    """
    gc.freeze()
    gc.set_threshold(_YOUNG_OBJECTS, *gc.get_threshold()[1:])


def trim_heap(*, collect: bool = True) -> None:
    """Give freed memory back to the system (glibc keeps it otherwise).

    Args:
        collect: first look for garbage in cycles; all other threads wait meanwhile.
    """
    if collect:
        gc.collect()
    if sys.platform == "linux":
        try:
            trim = ctypes.CDLL("libc.so.6").malloc_trim
        except (OSError, AttributeError):  # musl and others have none
            return
        trim(0)

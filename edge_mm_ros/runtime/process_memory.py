"""The memory of this process."""

from __future__ import annotations

import ctypes
import gc
import sys


def trim_heap() -> None:
    """Give freed memory back to the system (glibc keeps it otherwise)."""
    gc.collect()
    if sys.platform == "linux":
        try:
            trim = ctypes.CDLL("libc.so.6").malloc_trim
        except (OSError, AttributeError):  # musl and others have none
            return
        trim(0)

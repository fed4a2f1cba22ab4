"""Models that are tried before they are needed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from edge_mm_ros.runtime import ModelHost


@contextmanager
def model_trial(host: ModelHost, *names: str, keep: bool) -> Iterator[None]:
    """A block that loads models in order to see that they can run.

    Args:
        host: lends them.
        names: the models.
        keep: whether they stay loaded; if not, those that nobody had loaded before are unloaded.
    """
    loaded_before = {status.name for status in host.status() if status.loaded}
    try:
        yield
    finally:
        if not keep:
            for name in names:
                if name not in loaded_before:
                    host.unload(name)

"""The tracker's arithmetic in compiled loops, where the package was built with them.

Without them numpy computes the same, at about half of the speed: then `compiled` is None.
"""

from __future__ import annotations

from types import ModuleType

_INTERFACE = 1  # of `_core.c` as it is called here; one that was built before it is not used

compiled: ModuleType | None
try:
    from edge_mm_ros.pipelines.tracking import _core
except ImportError:
    compiled = None
else:
    compiled = _core if _core.INTERFACE == _INTERFACE else None

"""Loops in C, where the package was built with them.

Without them numpy computes the same, more slowly: then `compiled` is None. Whoever calls them has
both; the loops say in their modules what they stand for.
"""

from __future__ import annotations

from types import ModuleType

_INTERFACE = 2  # of the loops as they are called here; a library that was built before is not used

compiled: ModuleType | None
try:
    from edge_mm_ros.pipelines.native import _loops
except ImportError:
    compiled = None
else:
    compiled = _loops if _loops.INTERFACE == _INTERFACE else None

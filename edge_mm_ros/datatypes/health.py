"""Health of a part, for diagnostics."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from types import MappingProxyType


class HealthLevel(IntEnum):
    """Numbered as in ``diagnostic_msgs/DiagnosticStatus``."""

    OK = 0
    WARN = 1
    ERROR = 2
    STALE = 3


@dataclass(frozen=True)
class Health:
    """One diagnostic entry.

    Attributes:
        name: the part, for example ``model detector``.
        level: how it is.
        message: one line.
        values: details, in order.
    """

    name: str
    level: HealthLevel
    message: str
    values: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "values", MappingProxyType(dict(self.values)))

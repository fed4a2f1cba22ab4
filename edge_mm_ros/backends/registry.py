"""Finds the installed backends."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from importlib.metadata import EntryPoint, entry_points
from types import MappingProxyType

from edge_mm_ros.backends.protocol import Backend, BackendError

ENTRY_POINT_GROUP = "edge_mm_ros.backends"


class BackendRegistry:
    """The backends by name; a broken one is kept aside with its reason instead of raising."""

    def __init__(self, backends: Iterable[Backend]) -> None:
        self._backends = {backend.name: backend for backend in backends}
        self._broken: dict[str, str] = {}

    @classmethod
    def from_entry_points(cls, points: Iterable[EntryPoint] | None = None) -> BackendRegistry:
        """All backends of the entry-point group ``edge_mm_ros.backends``."""
        registry = cls(())
        for point in entry_points(group=ENTRY_POINT_GROUP) if points is None else points:
            try:
                registry._backends[point.name] = point.load()()
            except Exception as error:  # a foreign plug-in may raise anything
                registry._broken[point.name] = f"{type(error).__name__}: {error}"
        return registry

    @property
    def broken(self) -> Mapping[str, str]:
        """Backends that could not be imported, with the reason."""
        return MappingProxyType(self._broken)

    def names(self) -> tuple[str, ...]:
        """The usable backends."""
        return tuple(sorted(self._backends))

    def get(self, name: str) -> Backend:
        """The backend of that name.

        Raises:
            BackendError: it is unknown or broken; lists the usable ones.
        """
        if name in self._backends:
            return self._backends[name]
        if name in self._broken:
            raise BackendError(f"backend '{name}' is broken: {self._broken[name]}")
        known = ", ".join(self.names()) or "none"
        raise BackendError(f"unknown backend '{name}'; installed backends: {known}")

"""Bringing objects together with what is told beside them."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from enum import Enum

from edge_mm_ros.datatypes import Objects, ObjectSources

_KEPT = 8


class SourcesTold(Enum):
    """How the sensors and velocities of objects come.

    ``INSIDE``: with the objects; ``APART``: by `SafetyMonitor.hear_sources`; ``NEVER``: not at all,
    so that what is predicted cannot be told from what is seen.
    """

    INSIDE = "inside"
    APART = "apart"
    NEVER = "never"


@dataclass(frozen=True, eq=False)
class Arrived:
    """Objects ready for the rules.

    Attributes:
        objects: with their sensors and velocities where `sources_known`.
        steady_ns: the time that conditions about them go by.
        sources_known: whether their sensors were told.
    """

    objects: Objects
    steady_ns: int
    sources_known: bool


class ObjectJoin:
    """Holds objects back until their sources have come, whichever comes first.

    Objects wait no longer than until the next ones come or `release` is called, so that sources
    that are lost delay a danger by one message at most.
    """

    def __init__(self) -> None:
        self._sources: deque[ObjectSources] = deque(maxlen=_KEPT)
        self._waiting: Arrived | None = None

    def reset(self) -> None:
        """Forget everything."""
        self._sources.clear()
        self._waiting = None

    def take_objects(self, objects: Objects, steady_ns: int, wait: bool) -> list[Arrived]:
        """Take objects; returns what is ready.

        Args:
            objects: the objects, without their sensors.
            steady_ns: the time that conditions about them go by.
            wait: whether sources are to be expected.
        """
        ready = self.release()
        arrived = Arrived(objects, steady_ns, sources_known=False)
        for sources in self._sources:
            if sources.fits(objects):
                return [*ready, Arrived(sources.joined(objects), steady_ns, sources_known=True)]
        if wait:
            self._waiting = arrived
            return ready
        return [*ready, arrived]

    def take_sources(self, sources: ObjectSources) -> list[Arrived]:
        """Take the sources of objects that have come, or will; returns what is ready."""
        waiting = self._waiting
        if waiting is None or not sources.fits(waiting.objects):
            self._sources.append(sources)
            return []
        self._waiting = None
        joined = sources.joined(waiting.objects)
        return [Arrived(joined, waiting.steady_ns, sources_known=True)]

    def release(self) -> list[Arrived]:
        """What waits, without its sources."""
        waiting, self._waiting = self._waiting, None
        return [] if waiting is None else [waiting]

"""Which models may be in memory together, and which has to go."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from edge_mm_ros.datatypes import EdgeMmError
from edge_mm_ros.params.runtime import RuntimeParams
from edge_mm_ros.runtime.process_memory import available_bytes

_MEGA = 1_000_000


class BudgetExceeded(EdgeMmError):
    """A model does not fit into the memory; tells who holds what."""


@dataclass(frozen=True)
class Need:
    """What a load takes: bytes of the host, and of one accelerator (empty name: none)."""

    host_bytes: int
    device: str = ""
    device_bytes: int = 0

    def __str__(self) -> str:
        text = f"{self.host_bytes / _MEGA:.0f} MB"
        return text + (
            f" and {self.device_bytes / _MEGA:.0f} MB of {self.device}" if self.device_bytes else ""
        )


@dataclass(frozen=True)
class Holder:
    """A model in memory.

    Attributes:
        name: the model's name; twice where two candidates of it are loaded.
        key: tells one loaded candidate from another.
        host_bytes: measured.
        device: its accelerator; empty where it has none.
        device_bytes: measured.
        priority: the higher, the later it goes.
        used_s: when it was last used, on the host's clock.
        leased: whether it is in use; such a model never goes.
        spare: kept only in case it is needed again; goes first.
    """

    name: str
    key: object
    host_bytes: int
    device: str
    device_bytes: int
    priority: int
    used_s: float
    leased: bool
    spare: bool = False

    def __str__(self) -> str:
        held = str(Need(self.host_bytes, self.device, self.device_bytes))
        return f"{self.name} {held}{' (in use)' if self.leased else ''}"


@dataclass(frozen=True)
class Plan:
    """What to do before a load.

    Attributes:
        fits: whether the load may begin once `evict` is gone.
        evict: who has to go, in order.
        hopeless: whether no wait can help, because it alone is too much.
        lacks_device: whether an accelerator's memory is what is missing.
    """

    fits: bool
    evict: tuple[Holder, ...] = ()
    hopeless: bool = False
    lacks_device: bool = False


class MemoryBudget:
    """The limits of a process, and the decision who goes.

    The limit on the host is what is configured and, whatever is configured, what the machine and
    the process's cgroups leave besides the models that are loaded.
    """

    def __init__(
        self,
        settings: RuntimeParams,
        available: Callable[[], int] = available_bytes,
        device_available: Callable[[str], int | None] = lambda device: None,
    ) -> None:
        self._settings = settings
        self._available = available
        self._device_available = device_available

    def limits(self, holders: Sequence[Holder], device: str = "") -> tuple[int, int | None]:
        """Bytes for all models: on the host, and on a device (None: not known)."""
        held = sum(holder.host_bytes for holder in holders)
        host = held + self._available()
        if self._settings.memory_bytes:
            host = min(host, self._settings.memory_bytes)
        if not device:
            return host, None
        free = self._device_available(device)
        on_device = sum(h.device_bytes for h in holders if h.device == device)
        limit = None if free is None else free + on_device
        if self._settings.device_memory_bytes:
            configured = self._settings.device_memory_bytes
            limit = configured if limit is None else min(limit, configured)
        return host, limit

    def plan(self, need: Need, holders: Sequence[Holder]) -> Plan:
        """Who goes for a load: spares first, then by priority, then the least recently used."""
        host_limit, device_limit = self.limits(holders, need.device)
        hopeless = need.host_bytes > host_limit or (
            device_limit is not None and need.device_bytes > device_limit
        )
        if hopeless:
            return Plan(False, hopeless=True)
        stay = list(holders)
        evict: list[Holder] = []
        idle = sorted(
            (holder for holder in holders if not holder.leased),
            key=lambda holder: (not holder.spare, holder.priority, holder.used_s),
        )
        if self._settings.strategy == "swap":
            evict, idle = idle, []
            stay = [holder for holder in holders if holder.leased]
            if stay:
                return Plan(False, tuple(evict))
        for holder in idle:
            short_host, short_device = self._short(need, stay, host_limit, device_limit)
            if not (short_host or short_device):
                break
            frees = (short_host and holder.host_bytes) or (
                short_device and holder.device == need.device and holder.device_bytes
            )
            if frees:
                evict.append(holder)
                stay.remove(holder)
        lacks_host, lacks_device = self._short(need, stay, host_limit, device_limit)
        return Plan(not (lacks_host or lacks_device), tuple(evict), lacks_device=lacks_device)

    def refusal(self, name: str, need: Need, holders: Sequence[Holder], waited_s: float) -> str:
        """Why a model cannot be loaded: who holds what, and the mend."""
        host_limit, device_limit = self.limits(holders, need.device)
        limits = str(Need(host_limit, need.device, device_limit or 0))
        held = "; ".join(str(holder) for holder in holders) or "nobody holds any"
        waited = f" after {waited_s:g} s of waiting" if waited_s else ""
        return (
            f"model '{name}' needs {need}, which does not fit into {limits}{waited}; held by: "
            f"{held}; raise the budget, choose a smaller model, or set 'strategy: swap'"
        )

    @staticmethod
    def _short(
        need: Need, stay: Sequence[Holder], host_limit: int, device_limit: int | None
    ) -> tuple[bool, bool]:
        host = need.host_bytes + sum(holder.host_bytes for holder in stay) > host_limit
        device = device_limit is not None and (
            need.device_bytes
            + sum(holder.device_bytes for holder in stay if holder.device == need.device)
            > device_limit
        )
        return host, device

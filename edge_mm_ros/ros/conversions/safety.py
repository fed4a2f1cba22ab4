"""Safety events and the state of safety as ``diagnostic_msgs``, and back without loss."""

from __future__ import annotations

import json
from collections.abc import Iterable

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue

from edge_mm_ros.datatypes import EventPhase, InvalidInput, SafetyEvent, SafetyLevel, SafetyStatus
from edge_mm_ros.ros.conversions.stamps import to_stamp

_LEVELS = {
    SafetyLevel.CLEAR: DiagnosticStatus.OK,
    SafetyLevel.CAUTION: DiagnosticStatus.WARN,
    SafetyLevel.DANGER: DiagnosticStatus.ERROR,
    SafetyLevel.UNKNOWN: DiagnosticStatus.STALE,
}
_STATE_NAME = "safety"
_MEASURED = "measured."  # prefix of the keys of figures
_TOLD = "told."  # prefix of the keys of texts


def events_to_msg(events: Iterable[SafetyEvent], stamp_ns: int) -> DiagnosticArray:
    """An array with one status for each event.

    Args:
        events: the events.
        stamp_ns: the array's stamp; each event carries its own.
    """
    message = DiagnosticArray(status=[_event_to_status(event) for event in events])
    message.header.stamp = to_stamp(stamp_ns)
    return message


def events_from_msg(message: DiagnosticArray) -> tuple[SafetyEvent, ...]:
    """The events of an array.

    Raises:
        InvalidInput: of the kind ``safety_event``: a status is not such an event; says why.
    """
    return tuple(_event_from_status(status) for status in message.status)


def state_to_msg(status: SafetyStatus) -> DiagnosticStatus:
    """The state: clear is OK, caution WARN, danger ERROR, unknown STALE."""
    values = {"state": status.level.value, "stamp_ns": str(status.stamp_ns)}
    values.update({f"reason_{i}": reason for i, reason in enumerate(status.reasons)})
    return DiagnosticStatus(
        level=_LEVELS[status.level],
        name=_STATE_NAME,
        message=status.level.value,
        values=[KeyValue(key=key, value=value) for key, value in values.items()],
    )


def state_from_msg(message: DiagnosticStatus) -> SafetyStatus:
    """The state of a message.

    Raises:
        InvalidInput: of the kind ``safety_state``: it is not such a state; says why.
    """
    values = {pair.key: pair.value for pair in message.values}
    try:
        reasons = [pair.value for pair in message.values if pair.key.startswith("reason_")]
        return SafetyStatus(SafetyLevel(values["state"]), int(values["stamp_ns"]), tuple(reasons))
    except (KeyError, ValueError) as error:
        raise InvalidInput(
            "safety_state", f"status '{message.name}' is not a safety state: {error!r}"
        ) from error


def _event_to_status(event: SafetyEvent) -> DiagnosticStatus:
    values = {
        "event_id": event.event_id,
        "phase": event.phase.value,
        "level": event.level.value,
        "rule": event.rule,
        "kind": event.kind,
        "stamp_ns": str(event.stamp_ns),
        "started_ns": str(event.started_ns),
        "label": event.label,
        "track_id": event.track_id,
        "sensor": event.sensor,
        "evidence": json.dumps(event.evidence, ensure_ascii=False),
        "supporting": json.dumps(event.supporting, ensure_ascii=False),
        "silent": json.dumps(event.silent, ensure_ascii=False),
    }
    for key, value in event.values.items():
        if isinstance(value, str):
            values[_TOLD + key] = value
        else:
            values[_MEASURED + key] = repr(float(value))
    over = event.phase is EventPhase.ENDED
    return DiagnosticStatus(
        level=DiagnosticStatus.OK if over else _LEVELS[event.level],
        name=f"{_STATE_NAME}: {event.rule}",
        message=event.message,
        hardware_id=event.sensor,
        values=[KeyValue(key=key, value=value) for key, value in values.items()],
    )


def _event_from_status(status: DiagnosticStatus) -> SafetyEvent:
    given = {pair.key: pair.value for pair in status.values}
    values: dict[str, float | str] = {}
    try:
        for key, value in given.items():
            if key.startswith(_MEASURED):
                values[key[len(_MEASURED) :]] = float(value)
            elif key.startswith(_TOLD):
                values[key[len(_TOLD) :]] = value
        return SafetyEvent(
            event_id=given["event_id"],
            phase=EventPhase(given["phase"]),
            level=SafetyLevel(given["level"]),
            rule=given["rule"],
            kind=given["kind"],
            stamp_ns=int(given["stamp_ns"]),
            started_ns=int(given["started_ns"]),
            message=status.message,
            label=given["label"],
            track_id=given["track_id"],
            sensor=given["sensor"],
            values=values,
            evidence=_names(given["evidence"]),
            # Not in recordings that are older than these two.
            supporting=_names(given.get("supporting", "[]")),
            silent=_names(given.get("silent", "[]")),
        )
    except (KeyError, ValueError, TypeError) as error:
        raise InvalidInput(
            "safety_event", f"status '{status.name}' is not a safety event: {error!r}"
        ) from error


def _names(text: str) -> tuple[str, ...]:
    return tuple(str(name) for name in json.loads(text))

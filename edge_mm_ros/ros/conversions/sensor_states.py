"""States of sensors as diagnostic entries, and back."""

from __future__ import annotations

from diagnostic_msgs.msg import DiagnosticStatus

from edge_mm_ros.datatypes import Health, HealthLevel, InvalidInput, SensorFault, SensorState

_PART = "sensor "


def sensor_state_to_health(state: SensorState) -> Health:
    """The entry ``sensor <name>``: OK, a warning of a wrong rate, or an error."""
    level = HealthLevel.OK
    if state.fault is not SensorFault.NONE:
        level = HealthLevel.WARN if state.usable else HealthLevel.ERROR
    message = state.message
    if state.fault is not SensorFault.NONE:
        message = f"{state.kind} {state.fault.value}: {message}"
    values = {
        "kind": state.kind,
        "fault": state.fault.value,
        "since_ns": str(state.since_ns),
        "rate_hz": f"{state.rate_hz:.1f}",
        "told": state.message,
    }
    return Health(f"{_PART}{state.sensor}", level, message, values)


def sensor_state_from_status(status: DiagnosticStatus) -> SensorState | None:
    """The state of a sensor; None where the entry is about something else.

    Raises:
        InvalidInput: of the kind ``sensor_state``: it is named like one and does not tell it.
    """
    _, colon, part = status.name.partition(": ")
    if not colon or not part.startswith(_PART):
        return None
    values = {pair.key: pair.value for pair in status.values}
    try:
        return SensorState(
            part[len(_PART) :],
            values["kind"],
            SensorFault(values["fault"]),
            int(values["since_ns"]),
            values["told"],
            float(values["rate_hz"]),
        )
    except (KeyError, ValueError) as error:
        raise InvalidInput(
            "sensor_state", f"status '{status.name}' does not tell a sensor's state: {error!r}"
        ) from error

"""Parameters of the watch over the sensors themselves."""

from __future__ import annotations

from edge_mm_ros.params.base import StrictModel, parameter


class SensorWatchParams(StrictModel):
    """When a sensor counts as faulty, and when as well again."""

    recover_s: float = parameter(
        1.0,
        "How long a sensor must have been well after a fault before it counts again.",
        unit="s",
        live=True,
        ge=0,
        le=3600,
    )
    frozen: bool = parameter(
        True,
        "Whether equal data again and again is a fault; false for simulators without noise.",
        live=True,
    )
    rate_factor: float = parameter(
        2.0,
        "A sensor that measures so many times as often or as seldom as is its way is warned of.",
        live=True,
        gt=1,
        le=1000,
    )
    agreement_window_s: float = parameter(
        2.0,
        "Time over which a sensor's measurements are compared with what others measure.",
        unit="s",
        live=True,
        gt=0,
        le=60,
    )
    disagreement_m: float = parameter(
        0.5,
        "Smallest consistent offset against the others that is a fault.",
        unit="m",
        live=True,
        gt=0,
        le=100,
    )
    disagreement_sigmas: float = parameter(
        3.7,
        "The same in standard deviations of single measurements; both must be exceeded.",
        live=True,
        gt=0,
        le=100,
    )
    disagreement_reach_m: float = parameter(
        4.0,
        "Furthest from an object of the others at which a measurement may still mean it.",
        unit="m",
        live=True,
        gt=0,
        le=100,
    )
    blind_memory_s: float = parameter(
        10.0,
        "How long a camera, radar or ultrasonic sensor counts as blind that finds nothing, once "
        "nothing shows that it is or is not.",
        unit="s",
        live=True,
        ge=0,
        le=3600,
    )

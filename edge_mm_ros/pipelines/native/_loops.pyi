from typing import Any

from numpy.typing import NDArray

INTERFACE: int

def tracks_overall(values: NDArray[Any], models: NDArray[Any], mixed: NDArray[Any], /) -> None: ...
def tracks_predict(
    values: NDArray[Any],
    models: NDArray[Any],
    switching: NDArray[Any],
    noise: NDArray[Any],
    elapsed_s: float,
    fade: float,
    after: NDArray[Any],
    models_after: NDArray[Any],
    /,
) -> None: ...
def tracks_correct(
    values: NDArray[Any],
    models: NDArray[Any],
    positions_m: NDArray[Any],
    noises_m2: NDArray[Any],
    least: float,
    after: NDArray[Any],
    models_after: NDArray[Any],
    /,
) -> None: ...
def tracks_pair(
    positions_m: NDArray[Any],
    errors_m2: NDArray[Any],
    biases_m2: NDArray[Any],
    rays: NDArray[Any],
    means: NDArray[Any],
    known_m2: NDArray[Any],
    shift_m: NDArray[Any] | None,
    more_m2: NDArray[Any] | None,
    instead: NDArray[Any] | None,
    gate: float,
    stray_sigma_m: float,
    indices: NDArray[Any],
    found: NDArray[Any],
    /,
) -> int: ...
def points_above_ground(
    x: NDArray[Any],
    y: NDArray[Any],
    z: NDArray[Any],
    limits: NDArray[Any],
    found: NDArray[Any],
    /,
) -> int: ...

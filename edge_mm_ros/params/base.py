"""What every parameter class shares: description, unit, limits, and whether it may change live."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from edge_mm_ros.datatypes import EdgeMmError

TopicPrefix = Annotated[
    str, Field(pattern=r"^(~/|/)?[A-Za-z_][A-Za-z0-9_]*(/[A-Za-z_][A-Za-z0-9_]*)*$")
]
"""What the topics of one sensor begin with, for example ``front/camera``."""


class ParameterError(EdgeMmError, ValueError):
    """A parameter or a file of parameters that cannot be used."""


class StrictModel(BaseModel):
    """A frozen value from a file or from parameters that refuses unknown keys by name."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", allow_inf_nan=False, validate_default=True
    )


class NodeParams(StrictModel):
    """Parameters of one node; each field is one ROS parameter of the same name."""

    @property
    def models(self) -> tuple[str, ...]:
        """The models that it names: its texts called ``model`` or ``<part>_model``."""
        named = (
            getattr(self, name)
            for name in type(self).model_fields
            if name == "model" or name.endswith("_model")
        )
        return tuple(dict.fromkeys(value for value in named if value and isinstance(value, str)))


def parameter(
    default: Any,
    description: str,
    *,
    unit: str = "",
    live: bool = False,
    keyed_by: str = "",
    **constraints: Any,
) -> Any:
    """Declare one parameter.

    Args:
        default: the default value.
        description: what it does, one sentence.
        unit: SI unit, shown after the description.
        live: whether it may change while the node is active.
        keyed_by: for a mapping of parameter groups, the field that lists its keys (or several,
            separated by commas); the group ``mounting`` keyed by ``sensors`` gives the ROS
            parameters ``mounting.<sensor>.<field>``.
        **constraints: pydantic's, for example ``ge`` and ``le``.
    """
    return Field(
        default,
        description=f"{description} [{unit}]" if unit else description,
        json_schema_extra={"unit": unit, "live": live, "keyed_by": keyed_by},
        **constraints,
    )


Model = TypeVar("Model", bound=StrictModel)

_CREDENTIALS = re.compile(r"//[^/\s'\"]*@")


def describe_validation_error(error: ValidationError) -> str:
    """One line that names each refused key and why."""
    lines = []
    for detail in error.errors():
        where = ".".join(str(part) for part in detail["loc"])
        if detail["type"] == "extra_forbidden":
            lines.append(f"unknown key '{where}'")
        elif detail["type"] == "missing":
            lines.append(f"missing key '{where}'")
        else:
            text = f"'{where}': " if where else ""
            text += detail["msg"].removeprefix("Value error, ")
            given = detail["input"]
            # A whole group of values hides the reason; what is wrong in it, the reason names.
            lines.append(text if isinstance(given, Mapping) else f"{text}, got {given!r}")
    return _CREDENTIALS.sub("//", "; ".join(lines))


def validate(model: type[Model], values: Any, where: str) -> Model:
    """Build a model from plain values.

    Raises:
        ParameterError: names `where` and every refused key.
    """
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise ParameterError(f"{where}: {describe_validation_error(error)}") from error


def load_yaml(model: type[Model], path: Path) -> Model:
    """Build a model from a YAML file.

    Raises:
        ParameterError: the file is missing, is not YAML, or has refused keys; names the file.
    """
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ParameterError(f"{path}: cannot be read ({error.strerror})") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        reason = " ".join(str(error).split())
        raise ParameterError(f"{path}: is not valid YAML ({reason})") from error
    return validate(model, {} if values is None else values, str(path))

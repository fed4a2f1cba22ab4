"""ROS parameters from a node's parameter class, declared and validated by it alone."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from enum import Enum
from pathlib import Path
from typing import Any, TypeVar, get_args

from pydantic import ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined
from rcl_interfaces.msg import ParameterDescriptor
from rclpy.node import Node
from rclpy.parameter import Parameter

from edge_mm_ros.params import NodeParams, ParameterError
from edge_mm_ros.params.base import StrictModel, describe_validation_error

Params = TypeVar("Params", bound=NodeParams)


def declare(node: Node, params_type: type[NodeParams]) -> None:
    """Declare one ROS parameter for each field, for a group one for each field of it.

    Types are left open towards ROS and checked by the class instead, so that a wrong value given
    at start is refused by configure with its reason and does not end the process.
    """
    for name, field in params_type.model_fields.items():
        keyed_by = _extra(field).get("keyed_by", "")
        if group := group_of(field):
            _declare_group(node, name, group, _extra(field))
        elif not keyed_by:
            _declare_one(node, name, _default(field), _describe(field), _extra(field))
        else:
            keyed: type[StrictModel] = get_args(field.annotation)[1]
            for key in _keys(node, keyed_by):
                _declare_group(node, f"{name}.{key}", keyed, _extra(field))


def read(node: Node, params_type: type[Params], changes: Iterable[Parameter] = ()) -> Params:
    """The node's parameters as a checked value.

    Args:
        node: a node whose parameters are declared.
        params_type: their class.
        changes: values that replace the present ones.

    Raises:
        ParameterError: names each refused parameter and why.
    """
    changed = {parameter.name: parameter.value for parameter in changes}

    def value_of(name: str) -> Any:
        value = changed[name] if name in changed else node.get_parameter_or(name).value
        if isinstance(value, list) and any(isinstance(item, bytes) for item in value):
            raise ParameterError(f"parameter '{name}': bytes are not taken, got {value!r}")
        return value

    def values_of(prefix: str, group: type[StrictModel]) -> dict[str, Any]:
        found = {name: value_of(f"{prefix}.{name}") for name in group.model_fields}
        return {name: value for name, value in found.items() if value is not None}

    values: dict[str, Any] = {}
    for name, field in params_type.model_fields.items():
        keyed_by = _extra(field).get("keyed_by", "")
        if group := group_of(field):
            values[name] = values_of(name, group)
        elif not keyed_by:
            values[name] = value_of(name)
        else:
            keyed: type[StrictModel] = get_args(field.annotation)[1]
            values[name] = {key: values_of(f"{name}.{key}", keyed) for key in _keys(node, keyed_by)}
    present = {name: value for name, value in values.items() if value is not None}
    try:
        # Strict JSON is what YAML and ROS give: a list may fill a tuple, a text never a number.
        return params_type.model_validate_json(json.dumps(present), strict=True)
    except ValidationError as error:
        raise ParameterError(f"parameter {describe_validation_error(error)}") from error


def overrides(values: Mapping[str, Any], prefix: str = "") -> list[Parameter]:
    """Values as a node's constructor takes them; a nested mapping becomes dotted names."""
    flat: list[Parameter] = []
    for name, value in values.items():
        if isinstance(value, Mapping):
            flat += overrides(value, f"{prefix}{name}.")
        else:
            flat.append(Parameter(f"{prefix}{name}", value=value))
    return flat


def refuse_unknown(node: Node, declared: Iterable[str]) -> None:
    """Refuse parameters given at start that the node does not have; ROS ignores them silently.

    Raises:
        ParameterError: names each of them and the ones that exist.
    """
    known = sorted(declared)
    ours = {"use_sim_time", "start_type_description_service"}
    given = getattr(node, "_parameter_overrides", {})
    unknown = sorted(
        name
        for name in given
        if not node.has_parameter(name)
        and name not in ours
        and not name.startswith("qos_overrides.")
    )
    if unknown:
        raise ParameterError(
            f"unknown parameter {', '.join(repr(name) for name in unknown)}; "
            f"{node.get_name()} has: {', '.join(known)}"
        )


def names_of(node: Node, params_type: type[NodeParams]) -> tuple[str, ...]:
    """The declared names that belong to the class."""
    roots = set(params_type.model_fields)
    return tuple(n for n in node.get_parameters_by_prefix("") if n.split(".")[0] in roots)


def fixed_changes(params_type: type[NodeParams], names: Iterable[str]) -> tuple[str, ...]:
    """Those of `names` that may not change while the node is active."""
    fields = params_type.model_fields
    return tuple(
        name
        for name in names
        if (root := name.split(".")[0]) in fields and not _extra(fields[root]).get("live", False)
    )


def group_of(field: FieldInfo) -> type[StrictModel] | None:
    """The class of a group of parameters ``<field>.<name>``; None where the field is a value."""
    kind = field.annotation
    return kind if isinstance(kind, type) and issubclass(kind, StrictModel) else None


def _keys(node: Node, keyed_by: str) -> list[str]:
    keys: list[str] = []
    for name in keyed_by.split(","):
        value = node.get_parameter_or(name.strip()).value
        if isinstance(value, (list, tuple)):
            keys.extend(str(key) for key in value if str(key) not in keys)
    return keys


def _declare_group(
    node: Node, prefix: str, group: type[StrictModel], extra: Mapping[str, Any]
) -> None:
    for name, field in group.model_fields.items():
        _declare_one(node, f"{prefix}.{name}", _default(field), _describe(field), extra)


def _declare_one(
    node: Node, name: str, default: Any, description: str, extra: Mapping[str, Any]
) -> None:
    if node.has_parameter(name):
        return
    live = "" if extra.get("live") else "fixed while the node is active"
    descriptor = ParameterDescriptor(
        description=description, additional_constraints=live, dynamic_typing=True
    )
    node.declare_parameter(name, default, descriptor)


def _extra(field: FieldInfo) -> Mapping[str, Any]:
    extra = field.json_schema_extra
    return extra if isinstance(extra, Mapping) else {}


def _describe(field: FieldInfo) -> str:
    limits = ", ".join(str(limit) for limit in field.metadata if "=" in str(limit))
    return f"{field.description or ''}{f' ({limits})' if limits else ''}"


def _default(field: FieldInfo) -> Any:
    value = field.get_default(call_default_factory=True)
    if value is PydanticUndefined:
        return None
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Path):
        return str(value)
    return list(value) if isinstance(value, tuple) else value

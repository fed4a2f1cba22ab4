"""A system as data: which nodes run in which processes, with which names and parameters."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, ValidationInfo, field_validator, model_validator

from edge_mm_ros.params.base import ParameterError, StrictModel, TopicPrefix, load_yaml
from edge_mm_ros.params.node_kinds import NodeKind, params_type
from edge_mm_ros.params.runtime import RuntimeParams
from edge_mm_ros.params.share import find_config, share_directory

Identifier = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
EnvironmentValue = Annotated[str, Field(coerce_numbers_to_str=True)]


class NodeDescription(StrictModel):
    """One node of a process.

    ``parameters`` are checked by the parameter class of the node's kind. A file parameter (a text
    whose name ends in ``_file``) that is relative is looked up below the installed ``config/``.
    """

    node: NodeKind = Field(description="Kind of the node.")
    name: Identifier = Field("", description="Name of the node; the kind where it is left out.")
    remappings: dict[TopicPrefix, TopicPrefix] = Field(
        default_factory=dict, description="Topics of this node: from which name to which."
    )
    parameters: dict[str, Any] = Field(
        default_factory=dict, description="Parameters that differ from their defaults."
    )

    @model_validator(mode="before")
    @classmethod
    def _name_defaults_to_kind(cls, values: Any) -> Any:
        if isinstance(values, Mapping) and "name" not in values and "node" in values:
            return {**values, "name": values["node"]}
        return values

    @field_validator("parameters")
    @classmethod
    def _parameters_fit_the_node(
        cls, given: dict[str, Any], info: ValidationInfo
    ) -> dict[str, Any]:
        if "node" not in info.data:  # refused already
            return given
        model = params_type(info.data["node"])
        # Strict JSON, as the node itself reads them: a list may fill a tuple, a text no number.
        text = json.dumps(_with_found_files(given), default=str)
        params = model.model_validate_json(text, strict=True)
        checked = params.model_dump(mode="json", exclude_unset=True)
        if empty := sorted(_empty_lists(checked)):
            raise ValueError(
                f"{', '.join(empty)}: ROS parameter files cannot hold an empty list; leave it out"
            )
        return checked


class ProcessDescription(StrictModel):
    """Nodes that share one operating system process, one executor and one home of models."""

    nodes: tuple[NodeDescription, ...]
    env: dict[str, EnvironmentValue] = Field(
        default_factory=dict, description="Additional environment variables."
    )
    runtime: RuntimeParams | None = Field(
        None, description="Its home of models; left out: as EDGE_MM_RUNTIME says, or the defaults."
    )
    respawn: bool = Field(True, description="Whether it is started again when it ends.")
    respawn_delay_s: float = Field(
        1.0, ge=0, le=60, description="Wait before it is started again. [s]"
    )

    @field_validator("nodes")
    @classmethod
    def _there_is_a_node(cls, nodes: tuple[NodeDescription, ...]) -> tuple[NodeDescription, ...]:
        if not nodes:
            raise ValueError("a process needs a node")
        return nodes


class SystemDescription(StrictModel):
    """A graph of nodes, read alike by ``ros2 launch`` and by ``edge-mm``."""

    name: Identifier
    description: str = ""
    processes: dict[Identifier, ProcessDescription]

    @model_validator(mode="after")
    def _nodes_differ(self) -> SystemDescription:
        if not self.processes:
            raise ValueError("processes: a system needs a process")
        counted = Counter(node.name for node in self.nodes)
        if twice := sorted(name for name, count in counted.items() if count > 1):
            raise ValueError(f"node name used twice: {', '.join(twice)}")
        return self

    @property
    def nodes(self) -> tuple[NodeDescription, ...]:
        """The nodes of all processes."""
        return tuple(node for process in self.processes.values() for node in process.nodes)

    def process(self, name: str) -> ProcessDescription:
        """The process of that name.

        Raises:
            ParameterError: there is none; lists the ones that are there.
        """
        if name not in self.processes:
            known = ", ".join(self.processes)
            raise ParameterError(f"system '{self.name}' has no process '{name}'; it has: {known}")
        return self.processes[name]


def load_system(name_or_path: str) -> SystemDescription:
    """The system of a shipped name or of a file.

    Raises:
        ParameterError: there is no such file, or it has refused keys; names them.
    """
    return load_yaml(SystemDescription, find_config("systems", name_or_path))


def shipped_systems() -> dict[str, Path]:
    """The systems that ship, by name, without reading them."""
    folder = share_directory() / "config" / "systems"
    return {path.stem: path for path in sorted(folder.glob("*.yaml"))}


def _with_found_files(parameters: Mapping[str, Any]) -> dict[str, Any]:
    found = dict(parameters)
    for name, value in parameters.items():
        if name.endswith("_file") and isinstance(value, str) and value:
            path = Path(value).expanduser()
            installed = share_directory() / "config" / path
            if not path.is_absolute() and installed.is_file():
                found[name] = str(installed)
    return found


def _empty_lists(values: Mapping[str, Any], prefix: str = "") -> list[str]:
    names = []
    for name, value in values.items():
        if isinstance(value, Mapping):
            names += _empty_lists(value, f"{prefix}{name}.")
        elif value == []:
            names.append(f"{prefix}{name}")
    return names

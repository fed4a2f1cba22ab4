"""Parameters of the nodes and files of the system, checked when they are made."""

from edge_mm_ros.params.base import NodeParams, ParameterError, StrictModel, load_yaml, parameter

__all__ = ["NodeParams", "ParameterError", "StrictModel", "load_yaml", "parameter"]

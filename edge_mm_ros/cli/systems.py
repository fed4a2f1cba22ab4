"""``edge-mm systems``."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from edge_mm_ros.params.system import load_system, shipped_systems


def systems() -> None:
    """List the systems that ship, with their processes and nodes."""
    table = Table("system", "process", "nodes", "description")
    for name in shipped_systems():
        system = load_system(name)
        for index, (process, content) in enumerate(system.processes.items()):
            table.add_row(
                name if index == 0 else "",
                process,
                ", ".join(node.name for node in content.nodes),
                system.description if index == 0 else "",
            )
    Console().print(table)

"""Writes docs/parameters.md from the parameter classes.

Run it as `.venv/bin/python tools/write_parameter_docs.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

from pydantic.fields import FieldInfo

from edge_mm_ros.params.base import StrictModel
from edge_mm_ros.params.node_kinds import NODE_KINDS, params_type
from edge_mm_ros.params.runtime import RuntimeParams

PAGE = Path(__file__).resolve().parents[1] / "docs" / "parameters.md"

HEAD = """# Parameters

Made by `tools/write_parameter_docs.py` from the classes in `edge_mm_ros/params/`; a test keeps it
true. *Live* parameters can change while the node is active (`ros2 param set`); all others are
refused then, with the reason. A value that does not fit is refused and the old one stays.
"""

RUNTIME_HEAD = """## runtime

Not parameters of a node, but of a process: `processes.<process>.runtime` in a
[system](running.md), or the file of `EDGE_MM_RUNTIME` ([models](models.md)).
"""


def main() -> None:
    """Write the page."""
    PAGE.write_text(page(), encoding="utf-8")


def page() -> str:
    """The whole page."""
    sections = [HEAD]
    for kind in NODE_KINDS:
        rows = "\n".join(_rows(params_type(kind)))
        sections.append(
            f"## {kind}\n\n| parameter | default | limits | live | what it does |\n"
            f"| --- | --- | --- | --- | --- |\n{rows}\n"
        )
    rows = "\n".join(_rows(RuntimeParams))
    sections.append(
        f"{RUNTIME_HEAD}\n| key | default | limits | live | what it does |\n"
        f"| --- | --- | --- | --- | --- |\n{rows}\n"
    )
    return "\n".join(sections)


def _rows(model: type[StrictModel], prefix: str = "", live: bool | None = None) -> Iterator[str]:
    for name, field in model.model_fields.items():
        extra: dict[str, Any] = (
            dict(field.json_schema_extra) if isinstance(field.json_schema_extra, dict) else {}
        )
        description = (field.description or "").replace("<", "\\<").replace("|", "\\|")
        if keyed_by := extra.get("keyed_by"):
            group = get_args(field.annotation)[1]
            # One level: the names in other parameters are the keys of the group.
            keys = "<sensor>" if "," in keyed_by else f"<{keyed_by.removesuffix('s')}>"
            yield f"| `{prefix}{name}.{keys}` | | | | {description} |"
            yield from _rows(group, f"{name}.{keys}.", bool(extra.get("live")))
            continue
        if isinstance(field.annotation, type) and issubclass(field.annotation, StrictModel):
            yield f"| `{prefix}{name}` | | | | {description} |"
            yield from _rows(field.annotation, f"{name}.", bool(extra.get("live")))
            continue
        is_live = bool(extra.get("live")) if live is None else live
        yield (
            f"| `{prefix}{name}` | `{_default(field)}` | {_limits(field)} | "
            f"{'yes' if is_live else ''} | {description} |"
        )


def _default(field: FieldInfo) -> str:
    value = field.get_default(call_default_factory=True)
    if hasattr(value, "value"):
        value = value.value
    if isinstance(value, tuple):
        value = list(value)
    if isinstance(value, list):
        return str(value).replace("'", '"')
    return str(value).lower() if isinstance(value, bool) else str(value) or '""'


def _limits(field: FieldInfo) -> str:
    signs = {"ge": "≥", "gt": ">", "le": "≤", "lt": "<"}
    found = [
        f"{sign} {getattr(limit, name):g}"
        for limit in field.metadata
        for name, sign in signs.items()
        if getattr(limit, name, None) is not None
    ]
    choices = [str(choice) for choice in get_args(field.annotation) if isinstance(choice, str)]
    return ", ".join(found) or " / ".join(choices)


if __name__ == "__main__":
    main()

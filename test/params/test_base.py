"""Parameter classes and files: refused by name, never ignored."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge_mm_ros.params import NodeParams, ParameterError, load_yaml, parameter


class MixerParams(NodeParams):
    speed_rad_s: float = parameter(1.0, "Speed.", unit="rad/s", live=True, ge=0.0, le=10.0)
    blades: tuple[str, ...] = parameter(("a", "b"), "Blades.")


def load(tmp_path: Path, text: str) -> MixerParams:
    path = tmp_path / "mixer.yaml"
    path.write_text(text)
    return load_yaml(MixerParams, path)


def test_an_empty_file_gives_the_defaults(tmp_path: Path) -> None:
    assert load(tmp_path, "") == MixerParams()


def test_the_unit_stands_behind_the_description() -> None:
    assert MixerParams.model_fields["speed_rad_s"].description == "Speed. [rad/s]"


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("sped: 1", "unknown key 'sped'"),
        ("speed_rad_s: 11", "'speed_rad_s'"),
        ("speed_rad_s: fast", "'speed_rad_s'"),
        ("speed_rad_s: .nan", "'speed_rad_s'"),
        ("blades: 3", "'blades'"),
        ("a: [", "not valid YAML"),
    ],
)
def test_a_fault_is_named_with_its_file(tmp_path: Path, text: str, named: str) -> None:
    with pytest.raises(ParameterError) as refused:
        load(tmp_path, text)
    assert named in str(refused.value)
    assert "mixer.yaml" in str(refused.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match=r"nothing\.yaml: cannot be read"):
        load_yaml(MixerParams, tmp_path / "nothing.yaml")


def test_values_are_frozen() -> None:
    with pytest.raises(ValueError, match="frozen"):
        MixerParams().speed_rad_s = 2.0  # type: ignore[misc]

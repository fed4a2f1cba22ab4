"""`edge-mm bench`: a file that says it all, and an exit status that can fail."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from edge_mm_ros.bench.result import Bar, BenchResult, Measure
from edge_mm_ros.cli import bench as command
from edge_mm_ros.cli.main import main


@pytest.mark.parametrize(("value", "status"), [(1.1, 0), (1.3, 1)])
def test_the_exit_status_follows_the_bars(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: float, status: int
) -> None:
    result = BenchResult(
        "latency",
        (Measure.of("call", "ms", [1.0, 2.0, 3.0]),),
        (Bar.at_most("share", value, "ratio", 1.2),),
    )
    monkeypatch.setattr(command, "scenario", lambda name: lambda: result)
    path = tmp_path / "out" / "bench.json"
    with pytest.raises(SystemExit) as ended:
        main(["bench", "latency", "--json", str(path)])
    assert ended.value.code == status
    written = json.loads(path.read_text())
    assert written["bars"] == [
        {"name": "share", "value": value, "unit": "ratio", "limit": 1.2, "ok": status == 0}
    ]
    assert written["measures"][0]["median"] == 2.0
    assert written["environment"]["cores"] >= 1


def test_an_unknown_scenario_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["bench", "speed_of_light"])
    assert ended.value.code == 1
    assert "no benchmark named 'speed_of_light'" in capsys.readouterr().err

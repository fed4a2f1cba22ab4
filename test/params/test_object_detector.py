"""Parameters of the object detector."""

from __future__ import annotations

from edge_mm_ros.params.object_detector import ObjectDetectorParams


def test_the_smaller_model_is_named_only_where_the_ladder_steps_down_to_it() -> None:
    ladder = {"steps": ["rate"], "model": "small"}
    given = {"model": "big", "degradation": ladder}
    assert ObjectDetectorParams.model_validate(given).models == ("big",)
    ladder["steps"] = ["rate", "model"]
    assert ObjectDetectorParams.model_validate(given).models == ("big", "small")

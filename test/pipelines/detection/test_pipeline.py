"""From a picture to detections, with real models: the embedded one and tiny ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from fakes.batch_models import with_batch, write_batch_detector
from fakes.onnx_models import write_affine, write_detector
from numpy.typing import NDArray

from edge_mm_ros.backends import BackendRegistry
from edge_mm_ros.backends.onnxruntime_backend import OnnxRuntimeBackend
from edge_mm_ros.datatypes import Image
from edge_mm_ros.model_repository import ModelRepository
from edge_mm_ros.params import ParameterError
from edge_mm_ros.pipelines.detection import DetectionPipeline, DetectionSettings, UnsupportedModel
from edge_mm_ros.runtime import ModelHost, NoCandidate

pytest.importorskip("onnxruntime")

EMBEDDED = "person_fall_detector"
CELLS = 8 * 8 + 4 * 4 + 2 * 2  # of a 64 x 64 input at the strides 8, 16, 32
MANIFEST = "name: tiny\ntask: detection\npath: tiny.onnx\nchain: ['onnxruntime:cpu']\n"
BLACK = Image(np.zeros((64, 64, 3), np.uint8), 5, "camera")


def host_of(*folders: Path) -> ModelHost:
    repository = ModelRepository(folders) if folders else ModelRepository()
    return ModelHost(repository, BackendRegistry([OnnxRuntimeBackend()]))


@pytest.fixture(scope="module")
def embedded() -> DetectionPipeline:
    return DetectionPipeline(host_of(), EMBEDDED)


def tiny_host(
    folder: Path, outputs: Mapping[str, NDArray[Any]], manifest: str = "", **model: Any
) -> ModelHost:
    write_detector(folder / "tiny.onnx", outputs, **model)
    (folder / "tiny.yaml").write_text(MANIFEST + manifest)
    return host_of(folder)


def yolo(*rows: tuple[float, ...], classes: int = 2) -> dict[str, NDArray[np.float32]]:
    table = np.zeros((CELLS, 4 + classes), np.float32)
    for index, row in enumerate(rows):
        table[index] = row
    return {"output0": table.T[None].copy()}


def read_rgb(path: Path) -> NDArray[np.uint8]:
    return np.asarray(cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB), dtype=np.uint8)


def iou(a: NDArray[np.float32], b: list[float]) -> float:
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    shared = max(0.0, float(width)) * max(0.0, float(height))
    areas = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1])
    return shared / (float(areas) - shared)


def test_the_pedestrian_of_kitti_is_found_where_its_label_says(
    embedded: DetectionPipeline, shared_data: Callable[[str], Path]
) -> None:
    label = (shared_data("kitti/label_2/000000.txt")).read_text().split()
    assert label[0] == "Pedestrian"
    pixels = read_rgb(shared_data("kitti/image_2/000000.png"))
    found = embedded(Image(pixels, 123_456_789, "camera_left"))
    assert found.labels == ("Normal",)
    assert iou(found.boxes_px[0], [float(value) for value in label[4:8]]) > 0.8
    assert (found.stamp_ns, found.frame_id) == (123_456_789, "camera_left")


@pytest.mark.timeout(300)  # a hundred pictures, on a machine that may be busy
def test_three_people_or_more_in_nearly_every_picture_of_the_plaza(
    embedded: DetectionPipeline, shared_data: Callable[[str], Path]
) -> None:
    video = cv2.VideoCapture(str(shared_data("plaza/vtest.avi")))
    counts = []
    while video.grab():
        if len(counts) * 8 == round(video.get(cv2.CAP_PROP_POS_FRAMES)) - 1:
            _, picture = video.retrieve()
            pixels = np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB), dtype=np.uint8)
            counts.append(len(embedded(Image(pixels, 0, "plaza"))))
    assert len(counts) == 100
    assert sum(count >= 3 for count in counts) >= 95


def test_one_picture_gives_the_same_detections_again(
    embedded: DetectionPipeline, shared_data: Callable[[str], Path]
) -> None:
    pixels = read_rgb(shared_data("kitti/image_2/000000.png"))
    other = np.full((480, 640, 3), 90, np.uint8)
    first = embedded(Image(pixels, 1, "c"))
    embedded(Image(other, 2, "c"))  # what lies in the buffers must not matter
    again = embedded(Image(pixels, 1, "c"))
    np.testing.assert_array_equal(first.boxes_px, again.boxes_px)
    np.testing.assert_array_equal(first.scores, again.scores)


def test_an_empty_picture_shows_nobody(embedded: DetectionPipeline) -> None:
    found = embedded(BLACK)
    assert len(found) == 0
    assert found.boxes_px.shape == (0, 4)
    assert found.boxes_px.dtype == found.scores.dtype == np.float32


def test_boxes_come_back_in_the_pictures_pixels_clipped_and_in_order(tmp_path: Path) -> None:
    # A picture of 128 x 64 lies at scale 1/2 in the rows 16 to 48 of the input.
    host = tiny_host(
        tmp_path,
        yolo(
            (32, 32, 16, 8, 0.5, 0),
            (16, 24, 8, 8, 0.5, 0),
            (62, 32, 16, 16, 0, 0.9),
            (32, 4, 10, 8, 0.8, 0),  # all of it in the border
        ),
        metadata={"names": "{0: 'a', 1: 'b'}"},
    )
    found = DetectionPipeline(host, "tiny")(Image(np.zeros((64, 128, 3), np.uint8), 0, ""))
    assert found.labels == ("b", "a", "a")
    assert found.boxes_px.tolist() == [[108, 16, 128, 48], [24, 8, 40, 24], [48, 24, 80, 40]]
    assert found.scores.tolist() == pytest.approx([0.9, 0.5, 0.5])


def test_settings_hold_from_the_next_picture_on(tmp_path: Path) -> None:
    rows = [(20, 20, 10, 10, 0.5, 0), (21, 20, 10, 10, 0.4, 0), (20, 20, 10, 10, 0, 0.6)]
    host = tiny_host(tmp_path, yolo(*rows), metadata={"names": "['cat', 'dog']"})
    pipeline = DetectionPipeline(host, "tiny")
    assert pipeline(BLACK).labels == ("dog", "cat")
    pipeline.settings = DetectionSettings(iou_threshold=0.9)
    assert pipeline(BLACK).labels == ("dog", "cat", "cat")
    pipeline.settings = DetectionSettings(iou_threshold=0.9, max_detections=2)
    assert pipeline(BLACK).labels == ("dog", "cat")
    pipeline.settings = DetectionSettings(class_filter=("cat",))
    assert pipeline(BLACK).labels == ("cat",)
    pipeline.settings = DetectionSettings(confidence_threshold=0.55)
    assert pipeline(BLACK).labels == ("dog",)
    with pytest.raises(ParameterError, match="unknown classes: cow; the model knows: cat, dog"):
        pipeline.settings = DetectionSettings(class_filter=("cow", "cat"))
    assert pipeline(BLACK).labels == ("dog",)


def test_labels_come_from_the_manifest_where_the_file_has_none(tmp_path: Path) -> None:
    rows = yolo((20, 20, 10, 10, 0.5, 0))
    host = tiny_host(tmp_path, rows, "labels: [tree, stone]\n")
    assert DetectionPipeline(host, "tiny")(BLACK).labels == ("tree",)


def test_class_ids_are_the_names_where_nothing_names_them(tmp_path: Path) -> None:
    pipeline = DetectionPipeline(tiny_host(tmp_path, yolo((20, 20, 9, 9, 0, 0.5))), "tiny")
    assert pipeline.labels == ("0", "1")
    assert pipeline(BLACK).labels == ("1",)


def test_finished_boxes_without_names_can_be_filtered_by_id(tmp_path: Path) -> None:
    table = np.zeros((1, 300, 6), np.float32)
    table[0, :2] = [[1, 2, 30, 40, 0.9, 17], [1, 2, 30, 40, 0.8, 3]]
    pipeline = DetectionPipeline(tiny_host(tmp_path, {"output0": table}), "tiny")
    assert pipeline.labels == ()
    assert pipeline(BLACK).labels == ("17", "3")
    pipeline.settings = DetectionSettings(class_filter=("3",))
    assert pipeline(BLACK).labels == ("3",)
    with pytest.raises(ParameterError, match="unknown classes: cat"):
        pipeline.settings = DetectionSettings(class_filter=("cat",))


def test_a_model_in_half_precision_with_open_size(tmp_path: Path) -> None:
    host = tiny_host(
        tmp_path,
        {"output0": yolo((20, 20, 10, 10, 0.5, 0))["output0"].astype(np.float16)},
        input_shape=("batch", 3, "height", "width"),
        dtype=np.float16,
        metadata={"names": "['cat', 'dog']", "imgsz": "[64, 64]"},
    )
    assert DetectionPipeline(host, "tiny")(BLACK).boxes_px.tolist() == [[15, 15, 25, 25]]


def test_overlapping_boxes_of_a_model_without_suppression_all_stay(tmp_path: Path) -> None:
    table = np.zeros((1, 300, 6), np.float32)
    table[0, :2] = [[1, 2, 30, 40, 0.8, 1], [1, 2, 30, 40, 0.9, 1]]
    pipeline = DetectionPipeline(tiny_host(tmp_path, {"output0": table}), "tiny")
    assert pipeline(BLACK).scores.tolist() == pytest.approx([0.9, 0.8])


def test_a_model_that_was_unloaded_is_loaded_again(tmp_path: Path) -> None:
    host = tiny_host(tmp_path, yolo((20, 20, 10, 10, 0.5, 0)))
    pipeline = DetectionPipeline(host, "tiny")
    assert host.unload("tiny")
    assert len(pipeline(BLACK)) == 1


def test_an_output_that_cannot_be_read_is_refused_when_the_pipeline_is_made(tmp_path: Path) -> None:
    host = tiny_host(tmp_path, {"scores": np.zeros((1, 1000), np.float32)})
    with pytest.raises(UnsupportedModel, match=r"model 'tiny': the outputs scores \(1, 1000\)"):
        DetectionPipeline(host, "tiny")


def test_an_input_that_is_no_picture_is_refused_when_the_pipeline_is_made(tmp_path: Path) -> None:
    host = tiny_host(tmp_path, yolo())
    write_affine(tmp_path / "tiny.onnx", (1, 512))
    with pytest.raises(UnsupportedModel, match=r"model 'tiny': .*x \(1, 512\) of float32"):
        DetectionPipeline(host, "tiny")


def test_a_file_that_is_no_model_is_refused_with_its_path_and_its_mend(tmp_path: Path) -> None:
    host = tiny_host(tmp_path, yolo())
    (tmp_path / "tiny.onnx").write_text("<html>404 not found</html>")
    with pytest.raises(NoCandidate, match=r"tiny\.onnx .*put a good file there") as refused:
        DetectionPipeline(host, "tiny")
    assert "\n" not in str(refused.value)


def test_an_output_that_is_not_finite_is_never_a_detection(tmp_path: Path) -> None:
    host = tiny_host(tmp_path, yolo((20, 20, float("nan"), 10, 0.5, 0)))
    with pytest.raises(NoCandidate, match="not finite"):
        DetectionPipeline(host, "tiny")


# Several pictures at once ------------------------------------------------------------------------


def requests(host: ModelHost) -> int:
    return sum(status.requests for status in host.status())


def street(shared_data: Callable[[str], Path]) -> list[Image]:
    """Three pictures of different sizes, each with its own stamp."""
    whole = read_rgb(shared_data("kitti/image_2/000000.png"))
    return [
        Image(whole, 1, "front"),
        Image(np.ascontiguousarray(whole[:, 600:]), 2, "left"),
        Image(np.full((480, 640, 3), 90, np.uint8), 3, "rear"),
    ]


@pytest.mark.parametrize("batch", ["any", 3, 4])
def test_pictures_together_give_what_each_gives_alone(
    embedded: DetectionPipeline,
    shared_data: Callable[[str], Path],
    tmp_path: Path,
    batch: int | str,
) -> None:
    with_batch(ModelRepository().locate(EMBEDDED), tmp_path / "tiny.onnx", batch)
    (tmp_path / "tiny.yaml").write_text(MANIFEST + "labels: [Normal, Fall]\ndeadline_s: 60\n")
    host = host_of(tmp_path)
    pipeline = DetectionPipeline(host, "tiny")
    assert pipeline.batch == (None if batch == "any" else batch)
    pictures = street(shared_data)
    before = requests(host)
    together = pipeline.detect(pictures)
    assert requests(host) == before + 1
    for picture, found in zip(pictures, together):
        alone = embedded(picture)
        assert (found.stamp_ns, found.frame_id) == (picture.stamp_ns, picture.frame_id)
        assert found.labels == alone.labels
        np.testing.assert_allclose(found.boxes_px, alone.boxes_px, atol=0.5)
        np.testing.assert_allclose(found.scores, alone.scores, atol=1e-3)
    assert [len(found) for found in together] == [1, 1, 0]
    assert pipeline.why_in_turn == ""


def test_a_model_of_one_picture_gets_several_in_turn(
    embedded: DetectionPipeline, shared_data: Callable[[str], Path]
) -> None:
    assert embedded.batch == 1
    before = requests(embedded._host)
    found = embedded.detect(street(shared_data))
    assert [one.stamp_ns for one in found] == [1, 2, 3]
    assert [len(one) for one in found] == [1, 1, 0]
    assert requests(embedded._host) == before + 3


def test_more_pictures_than_a_fixed_batch_go_in_several_calls(tmp_path: Path) -> None:
    host = tiny_host(tmp_path, yolo((20, 20, 10, 10, 0.5, 0)))
    table = np.repeat(yolo((20, 20, 10, 10, 0.5, 0))["output0"], 2, axis=0)
    write_detector(tmp_path / "tiny.onnx", {"output0": table}, input_shape=(2, 3, 64, 64))
    pipeline = DetectionPipeline(host, "tiny")
    before = requests(host)
    images = [Image(BLACK.pixels, stamp, "camera") for stamp in range(5)]
    found = pipeline.detect(images)
    assert [(one.stamp_ns, len(one)) for one in found] == [(stamp, 1) for stamp in range(5)]
    assert requests(host) == before + 3


def test_a_model_that_only_says_that_it_takes_several_gets_them_in_turn_and_it_is_said(
    tmp_path: Path,
) -> None:
    outputs = yolo((20, 20, 10, 10, 0.5, 0))
    host = tiny_host(tmp_path, outputs, input_shape=("batch", 3, 64, 64))
    pipeline = DetectionPipeline(host, "tiny")
    assert pipeline.batch is None
    assert [len(one) for one in pipeline.detect([BLACK, BLACK])] == [1, 1]
    assert "2 pictures at once: output 'output0' is (1, 6, 84)" in pipeline.why_in_turn
    assert pipeline.batch == 1


def test_half_precision_takes_several_too(tmp_path: Path) -> None:
    host = tiny_host(tmp_path, yolo())
    outputs = {"output0": np.repeat(yolo((20, 20, 10, 10, 0.5, 0))["output0"], 2, axis=0)}
    half = {name: value.astype(np.float16) for name, value in outputs.items()}
    write_detector(tmp_path / "tiny.onnx", half, (2, 3, 64, 64), np.float16)
    pipeline = DetectionPipeline(host, "tiny")
    assert [one.boxes_px.tolist() for one in pipeline.detect([BLACK, BLACK])] == [
        [[15, 15, 25, 25]],
        [[15, 15, 25, 25]],
    ]


# Another model under the same name ---------------------------------------------------------------


def test_a_version_with_another_input_and_other_classes_takes_over(tmp_path: Path) -> None:
    host = tiny_host(tmp_path, yolo((20, 20, 10, 10, 0.5, 0)), "version: '1'\nlabels: [cat, dog]\n")
    table = np.zeros((1, 7, 16 * 16 + 8 * 8 + 4 * 4), np.float32)
    table[0, :, 0] = [40, 40, 20, 20, 0, 0, 0.9]
    write_batch_detector(tmp_path / "new.onnx", table, {}, side=128)
    (tmp_path / "new.yaml").write_text(
        "name: new\ntask: detection\npath: new.onnx\nchain: ['onnxruntime:cpu']\n"
        "version: '2'\nlabels: [cow, hen, pig]\n"
    )
    pipeline = DetectionPipeline(host, "tiny")
    assert pipeline(BLACK).labels == ("cat",)
    assert (pipeline.model_version, pipeline.labels) == ("1", ("cat", "dog"))
    host.swap("tiny", "new")
    found = pipeline(BLACK)  # of 64 x 64, in an input of 128 x 128
    assert found.labels == ("pig",)
    assert found.boxes_px.tolist() == [[15, 15, 25, 25]]
    assert (pipeline.model_version, pipeline.labels) == ("2", ("cow", "hen", "pig"))
    assert pipeline.batch is None


def test_a_picture_does_not_read_the_layout_anew(tmp_path: Path) -> None:
    host = tiny_host(tmp_path, yolo((20, 20, 10, 10, 0.5, 0)))
    pipeline = DetectionPipeline(host, "tiny")
    before = requests(host)
    for _ in range(3):
        pipeline(BLACK)
    assert requests(host) == before + 3


def test_a_model_for_something_else_is_refused_by_its_task(tmp_path: Path) -> None:
    host = tiny_host(tmp_path, yolo())
    (tmp_path / "tiny.yaml").write_text(MANIFEST.replace("detection", "generation"))
    with pytest.raises(UnsupportedModel, match="'tiny' is for generation, not for detection"):
        DetectionPipeline(host, "tiny")

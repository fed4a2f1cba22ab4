"""Point clouds of any layout; whatever else comes is refused with what was expected."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

pytest.importorskip("sensor_msgs")

from sensor_msgs.msg import PointCloud2, PointField

from edge_mm_ros.datatypes import InvalidInput
from edge_mm_ros.ros.conversions.point_clouds import cloud_from_msg
from edge_mm_ros.ros.conversions.stamps import to_stamp

FORMATS = {PointField.FLOAT32: "f4", PointField.FLOAT64: "f8", PointField.INT16: "i2"}
XYZ = [("x", 0, PointField.FLOAT32), ("y", 4, PointField.FLOAT32), ("z", 8, PointField.FLOAT32)]


def fields(*layout: tuple[str, int, int]) -> list[PointField]:
    return [PointField(name=n, offset=o, datatype=d, count=1) for n, o, d in layout]


def message(points: Any, **changes: Any) -> PointCloud2:
    rows = np.asarray(points, dtype="<f4").reshape(-1, 3)
    values: dict[str, Any] = {
        "height": 1,
        "width": len(rows),
        "fields": fields(*XYZ),
        "point_step": 12,
        "row_step": 12 * len(rows),
        "data": rows.tobytes(),
        **changes,
    }
    built = PointCloud2(**values)
    built.header.frame_id = "velodyne"
    built.header.stamp = to_stamp(1_700_000_000_123_456_789)
    return built


POINTS = [[1.5, 2.0, 3.0], [-4.0, 5.25, 6.0]]


def test_a_plain_cloud() -> None:
    cloud = cloud_from_msg(message(POINTS))
    assert_allclose(cloud.points_m, POINTS)
    assert cloud.points_m.dtype == np.float32
    assert (cloud.stamp_ns, cloud.frame_id) == (1_700_000_000_123_456_789, "velodyne")
    assert cloud.dropped == 0


def test_points_that_are_not_finite_are_left_out_and_counted() -> None:
    wild = [[math.nan, 0, 0], POINTS[0], [0, math.inf, 0], [0, 0, -math.inf], POINTS[1]]
    cloud = cloud_from_msg(message(wild))
    assert_allclose(cloud.points_m, POINTS)
    assert cloud.dropped == 3


def test_points_at_the_origin_are_no_returns() -> None:
    filled = [[0, 0, 0], POINTS[0], [0, -0.0, 5e-4], [math.nan, 0, 0], POINTS[1], [0, 0, 0.002]]
    cloud = cloud_from_msg(message(filled))
    assert_allclose(cloud.points_m, [*POINTS, [0, 0, 0.002]])
    assert (cloud.no_return, cloud.dropped) == (2, 1)


def test_a_cloud_of_nothing_but_zeros_is_empty() -> None:
    cloud = cloud_from_msg(message(np.zeros((1000, 3))))
    assert cloud.points_m.shape == (0, 3)
    assert (cloud.no_return, cloud.dropped) == (1000, 0)


@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize("datatype", list(FORMATS))
@given(
    order=st.permutations(["x", "y", "z", "ring"]),
    gaps=st.lists(st.integers(0, 9), min_size=5, max_size=5),
    row_gap=st.integers(0, 9),
    height=st.integers(1, 3),
    width=st.integers(0, 4),
)
def test_any_layout_gives_the_same_points(
    big: bool,
    datatype: int,
    order: list[str],
    gaps: list[int],
    row_gap: int,
    height: int,
    width: int,
) -> None:
    form = (">" if big else "<") + FORMATS[datatype]
    offset, layout = 0, []
    for name, gap in zip(order, gaps):
        offset += gap
        layout.append((name, offset, PointField.UINT16 if name == "ring" else datatype))
        offset += 2 if name == "ring" else int(form[2])
    point_step = offset + gaps[4]
    expected = np.arange(height * width * 3, dtype=np.float64).reshape(-1, 3) - 4
    if datatype != PointField.INT16:
        expected /= 4
    data = bytearray(b"\xa5" * (height * (width * point_step + row_gap)))
    for index, point in enumerate(expected):
        begin = (index // max(width, 1)) * (width * point_step + row_gap)
        begin += (index % max(width, 1)) * point_step
        for axis, value in zip("xyz", point):
            at = begin + next(o for n, o, _ in layout if n == axis)
            encoded = np.array(value, dtype=form).tobytes()
            data[at : at + len(encoded)] = encoded
    cloud = cloud_from_msg(
        message(
            [],
            height=height,
            width=width,
            fields=fields(*layout),
            point_step=point_step,
            row_step=width * point_step + row_gap,
            data=bytes(data),
            is_bigendian=big,
        )
    )
    assert_allclose(cloud.points_m, expected)


@pytest.mark.parametrize(
    ("changes", "kind", "text"),
    [
        ({"fields": fields(*XYZ[1:])}, "fields", "expected one field 'x', got 0; fields: y, z"),
        ({"fields": []}, "fields", "expected one field 'x', got 0; fields: none"),
        ({"fields": fields(*XYZ, XYZ[2])}, "fields", "expected one field 'z', got 2"),
        (
            {"fields": [PointField(name="x", datatype=7, count=3), *fields(*XYZ[1:])]},
            "fields",
            "field 'x' must be one number, got 3 of datatype 7",
        ),
        (
            {"fields": fields(("x", 0, 11), *XYZ[1:])},
            "fields",
            "field 'x' must be one number, got 1 of datatype 11",
        ),
        (
            {"fields": fields(*XYZ[:2], ("z", 10, PointField.FLOAT32))},
            "fields",
            "field 'z' ends at byte 14 of a point of 12",
        ),
        ({"row_step": 12}, "truncated", "row_step is 12 bytes, expected at least 24"),
        ({"row_step": 0}, "truncated", "row_step is 0 bytes, expected at least 24"),
        ({"row_step": 28}, "truncated", "data has 24 bytes, expected 28"),
        ({"row_step": 2**32 - 1}, "truncated", "data has 24 bytes, expected 4294967295"),
        ({"data": b"\0" * 23}, "truncated", "data has 23 bytes, expected 24"),
        ({"data": b""}, "truncated", "data has 0 bytes, expected 24"),
        ({"height": 3}, "truncated", "data has 24 bytes, expected 72 for 3 rows of 24"),
        ({"width": 2**31}, "truncated", "row_step is 24 bytes, expected at least 25769803776"),
        ({"point_step": 0}, "fields", "field 'x' ends at byte 4 of a point of 0"),
    ],
)
def test_a_cloud_that_lies_is_refused_with_what_was_expected(
    changes: dict[str, Any], kind: str, text: str
) -> None:
    with pytest.raises(InvalidInput, match="point cloud of 'velodyne': ") as raised:
        cloud_from_msg(message(POINTS, **changes))
    assert raised.value.kind == kind
    assert text in str(raised.value)


@pytest.mark.parametrize("changes", [{"width": 0, "row_step": 0, "data": b""}, {"height": 0}])
def test_an_empty_cloud_is_valid(changes: dict[str, Any]) -> None:
    empty = {"data": b"", **changes}
    assert len(cloud_from_msg(message(POINTS, **empty)).points_m) == 0


def test_a_float64_beyond_float32_is_left_out() -> None:
    layout = [
        ("x", 0, PointField.FLOAT64),
        ("y", 8, PointField.FLOAT64),
        ("z", 16, PointField.FLOAT64),
    ]
    data = np.array([[1e300, 0.0, 0.0], [1.0, 2.0, 3.0]]).tobytes()
    cloud = cloud_from_msg(
        message([], width=2, fields=fields(*layout), point_step=24, row_step=48, data=data)
    )
    assert_allclose(cloud.points_m, [[1.0, 2.0, 3.0]])
    assert cloud.dropped == 1


small = st.one_of(st.integers(0, 40), st.sampled_from([2**16, 2**31, 2**32 - 1]))
odd_fields = st.lists(
    st.builds(
        PointField,
        name=st.sampled_from(["x", "y", "z", "intensity", ""]),
        offset=small,
        datatype=st.integers(0, 10),
        count=st.sampled_from([0, 1, 2, 2**32 - 1]),
    ),
    max_size=6,
)


@settings(max_examples=300)
@given(
    some=odd_fields,
    whole=st.booleans(),
    height=small,
    width=small,
    point_step=small,
    row_step=small,
    data=st.binary(max_size=200),
    big=st.booleans(),
)
def test_odd_messages_raise_nothing_but_invalid_input(
    some: Any,
    whole: bool,
    height: int,
    width: int,
    point_step: int,
    row_step: int,
    data: bytes,
    big: bool,
) -> None:
    odd = PointCloud2(
        height=height,
        width=width,
        fields=fields(*XYZ) if whole else some,
        is_bigendian=big,
        point_step=point_step,
        row_step=row_step,
        data=data,
    )
    try:
        cloud = cloud_from_msg(odd)
    except InvalidInput:
        return
    assert np.isfinite(cloud.points_m).all()
    assert len(cloud.points_m) + cloud.dropped + cloud.no_return == height * width


def test_a_cloud_of_nothing_but_nan_is_empty_and_says_so() -> None:
    cloud = cloud_from_msg(message(np.full((1000, 3), math.nan)))
    assert cloud.points_m.shape == (0, 3)
    assert cloud.dropped == 1000


@pytest.mark.parametrize("row_gap", [0, 7])
@pytest.mark.parametrize("height", [1, 480])
def test_a_giant_cloud_is_thinned_out_evenly_and_says_so(height: int, row_gap: int) -> None:
    """Five million points: of organised ones, every n-th along the rows."""
    width = 5_000_000 // height
    count = height * width
    row_step = 12 * width + row_gap
    data = np.zeros((height, row_step), dtype=np.uint8)
    values = np.zeros((height, width, 3), dtype="<f4")
    values[..., 0] = np.arange(count).reshape(height, width) % 16384
    values[..., 2] = 1.0
    data[:, : 12 * width] = values.reshape(height, -1).view(np.uint8)
    giant = message([], height=height, width=width, row_step=row_step, data=b"")
    giant.data.frombytes(data.tobytes())
    cloud = cloud_from_msg(giant, max_points=300_000)
    assert cloud.thinned + len(cloud.points_m) == count
    assert len(cloud.points_m) == math.ceil(count / 17)
    assert_allclose(cloud.points_m[:, 0], np.arange(0, count, 17) % 16384)


def test_fields_beside_the_coordinates_may_be_missing_or_strange() -> None:
    odd = [
        PointField(name="intensity", offset=900, datatype=99, count=0),
        PointField(name="", offset=0, datatype=0, count=2**32 - 1),
    ]
    cloud = cloud_from_msg(message(POINTS, fields=[*odd, *fields(*XYZ)]))
    assert_allclose(cloud.points_m, POINTS)

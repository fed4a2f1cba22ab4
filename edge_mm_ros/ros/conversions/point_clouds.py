"""Point clouds from ``sensor_msgs/PointCloud2``, whatever their layout, and back."""

from __future__ import annotations

import array

import numpy as np
from sensor_msgs.msg import PointCloud2, PointField

from edge_mm_ros.datatypes import InvalidInput, PointCloud
from edge_mm_ros.ros.conversions.stamps import to_ns, to_stamp

_FORMATS = {PointField.FLOAT32: "f4", PointField.FLOAT64: "f8"}


def cloud_from_msg(message: PointCloud2) -> PointCloud:
    """The finite points of a message; what is not finite is left out and counted.

    Fields may lie anywhere in a point, in any order, in either byte order, with padding between
    points and rows; x, y and z are float32 or float64.

    Raises:
        InvalidInput: of the kinds ``fields`` (x, y or z is missing, of another type or outside of
            the point) and ``truncated`` (point step, row step and data disagree).
    """
    where = f"point cloud of '{message.header.frame_id}'"
    order = ">" if message.is_bigendian else "<"
    names, formats, offsets = [], [], []
    for axis in ("x", "y", "z"):
        field = _field(message, axis, where)
        form = f"{order}{_FORMATS[field.datatype]}"
        end = field.offset + np.dtype(form).itemsize
        if end > message.point_step:
            raise InvalidInput(
                "fields",
                f"{where}: field '{axis}' ends at byte {end} of a point of {message.point_step}",
            )
        names.append(axis)
        formats.append(form)
        offsets.append(int(field.offset))
    width, height = int(message.width), int(message.height)
    row_step, point_step = int(message.row_step), int(message.point_step)
    if row_step < width * point_step:
        raise InvalidInput(
            "truncated",
            f"{where}: row_step is {row_step} bytes, expected at least {width * point_step} for "
            f"{width} points of {point_step}",
        )
    if len(message.data) != row_step * height:
        raise InvalidInput(
            "truncated",
            f"{where}: data has {len(message.data)} bytes, expected {row_step * height} for "
            f"{height} rows of {row_step}",
        )
    if width * height == 0:
        empty = np.zeros((0, 3), dtype=np.float32)
        return PointCloud(empty, to_ns(message.header.stamp), message.header.frame_id)
    layout = np.dtype(
        {"names": names, "formats": formats, "offsets": offsets, "itemsize": point_step}
    )
    points = np.ndarray(
        (height, width), layout, memoryview(message.data), strides=(row_step, point_step)
    )
    xyz = np.empty((height * width, 3), dtype=np.float32)
    with np.errstate(over="ignore", invalid="ignore"):  # float64 may not fit, and is dropped then
        for column, axis in enumerate(names):
            xyz[:, column] = points[axis].reshape(-1)
    finite = np.isfinite(xyz).all(axis=1)
    dropped = int(len(xyz) - finite.sum())
    return PointCloud(
        xyz if dropped == 0 else xyz[finite],
        to_ns(message.header.stamp),
        message.header.frame_id,
        dropped,
    )


def cloud_to_msg(cloud: PointCloud) -> PointCloud2:
    """A message of one row of points, x y z as float32."""
    data = array.array("B")
    data.frombytes(np.ascontiguousarray(cloud.points_m, dtype="<f4").tobytes())
    message = PointCloud2(
        height=1,
        width=len(cloud.points_m),
        fields=[
            PointField(name=axis, offset=4 * index, datatype=PointField.FLOAT32, count=1)
            for index, axis in enumerate("xyz")
        ],
        point_step=12,
        row_step=12 * len(cloud.points_m),
        data=data,
        is_dense=True,
    )
    message.header.frame_id = cloud.frame_id
    message.header.stamp = to_stamp(cloud.stamp_ns)
    return message


def _field(message: PointCloud2, axis: str, where: str) -> PointField:
    found = [field for field in message.fields if field.name == axis]
    if len(found) != 1:
        names = ", ".join(field.name for field in message.fields) or "none"
        raise InvalidInput(
            "fields", f"{where}: expected one field '{axis}', got {len(found)}; fields: {names}"
        )
    if found[0].datatype not in _FORMATS or found[0].count not in {0, 1}:
        raise InvalidInput(
            "fields",
            f"{where}: field '{axis}' must be one FLOAT32 or FLOAT64, got {found[0].count} of "
            f"datatype {found[0].datatype}",
        )
    return found[0]

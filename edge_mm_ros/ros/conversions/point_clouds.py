"""Point clouds from ``sensor_msgs/PointCloud2``, whatever their layout, and back."""

from __future__ import annotations

import array
import math

import numpy as np
from numpy.typing import NDArray
from sensor_msgs.msg import PointCloud2, PointField

from edge_mm_ros.datatypes import InvalidInput, PointCloud
from edge_mm_ros.ros.conversions.stamps import to_ns, to_stamp

_FORMATS = {
    PointField.INT8: "i1",
    PointField.UINT8: "u1",
    PointField.INT16: "i2",
    PointField.UINT16: "u2",
    PointField.INT32: "i4",
    PointField.UINT32: "u4",
    PointField.FLOAT32: "f4",
    PointField.FLOAT64: "f8",
}
MAX_POINTS = 1_000_000
_NO_RETURN_M = 1e-3  # no sensor sees anything so near to its own origin


def cloud_from_msg(message: PointCloud2, max_points: int = MAX_POINTS) -> PointCloud:
    """The finite points of a message; what is not finite is left out and counted.

    So is what lies at the origin of the frame: many drivers fill up their clouds with (0, 0, 0)
    for the beams that met nothing.

    Fields may lie anywhere in a point, in any order and of any type, in either byte order, with
    padding between points and rows, and other fields beside them. x, y and z count as metres
    (REP-103), as integers too.

    Args:
        message: the cloud.
        max_points: of a cloud of more, every n-th point is taken, and the others are counted, so
            that time and memory are bounded.

    Raises:
        InvalidInput: of the kinds ``fields`` (x, y or z is missing, an array, or outside of the
            point) and ``truncated`` (point step, row step and data disagree).
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
    step = math.ceil(height * width / max_points)
    with np.errstate(over="ignore", invalid="ignore"):  # float64 may not fit, and is dropped then
        columns = [_every(step, points[axis]).astype(np.float32) for axis in names]
    taken = len(columns[0])
    finite = np.logical_and.reduce([np.isfinite(column) for column in columns])
    dropped = int(taken - np.count_nonzero(finite))
    if dropped:
        columns = [column[finite] for column in columns]
    no_return = _at_origin(columns)
    if len(no_return):
        returned = np.ones(len(columns[0]), dtype=np.bool_)
        returned[no_return] = False
        kept = np.flatnonzero(returned)
        columns = [column.take(kept) for column in columns]
    # Columns lie together in memory, which what follows uses axis by axis.
    return PointCloud(
        np.stack(columns).T,
        to_ns(message.header.stamp),
        message.header.frame_id,
        dropped,
        height * width - taken,
        len(no_return),
    )


def _at_origin(columns: list[NDArray[np.float32]]) -> NDArray[np.intp]:
    """Indices of the points at the origin, found axis by axis: few lie near any one of them."""
    found = np.flatnonzero(np.abs(columns[0]) < _NO_RETURN_M)
    for column in columns[1:]:
        found = found[np.abs(column[found]) < _NO_RETURN_M]
    return found


def _every(step: int, rows: NDArray[np.generic]) -> NDArray[np.generic]:
    """Every n-th value of rows (height, width) in a line, without a copy of all of them."""
    if step == 1:
        return rows.reshape(-1)
    at = np.arange(0, rows.size, step)
    return np.asarray(rows[at // rows.shape[1], at % rows.shape[1]])


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
            f"{where}: field '{axis}' must be one number, got {found[0].count} of datatype "
            f"{found[0].datatype}",
        )
    return found[0]

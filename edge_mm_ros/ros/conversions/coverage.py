"""Coverage of zones as ``diagnostic_msgs``, and back, and free space as ``nav_msgs``."""

from __future__ import annotations

import array
import json

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from geometry_msgs.msg import Point, Pose, Quaternion
from nav_msgs.msg import MapMetaData, OccupancyGrid
from std_msgs.msg import Header

from edge_mm_ros.datatypes import Coverage, FreeSpace, InvalidInput, ZoneCoverage
from edge_mm_ros.ros.conversions.stamps import to_ns, to_stamp

_SEEN_BY = "seen_by."  # prefix of the keys of sensors' shares


def coverage_to_msg(coverage: Coverage) -> DiagnosticArray:
    """One status for each zone, named after it: OK where it is covered, else STALE."""
    message = DiagnosticArray(status=[_zone_to_status(zone) for zone in coverage.zones])
    message.header = Header(stamp=to_stamp(coverage.stamp_ns), frame_id=coverage.frame_id)
    return message


def coverage_from_msg(message: DiagnosticArray) -> Coverage:
    """The coverage of a message.

    Raises:
        InvalidInput: of the kind ``coverage``: a status does not tell it; says why.
    """
    zones = tuple(_zone_from_status(status) for status in message.status)
    return Coverage(zones, to_ns(message.header.stamp), message.header.frame_id)


def free_space_to_msg(free_space: FreeSpace) -> OccupancyGrid:
    """A grid about the robot: 0 free, 100 occupied, -1 unseen."""
    rows, columns = free_space.cells.shape
    x, y = free_space.origin_m
    stamp = to_stamp(free_space.stamp_ns)
    message = OccupancyGrid(
        header=Header(stamp=stamp, frame_id=free_space.frame_id),
        info=MapMetaData(
            map_load_time=stamp,
            resolution=free_space.cell_m,
            width=columns,
            height=rows,
            origin=Pose(position=Point(x=x, y=y), orientation=Quaternion(w=1.0)),
        ),
    )
    data = array.array("b")
    data.frombytes(free_space.cells.tobytes())
    message.data = data
    return message


def _zone_to_status(zone: ZoneCoverage) -> DiagnosticStatus:
    values = {
        "covered": str(zone.covered).lower(),
        "seen_share": repr(float(zone.seen_share)),
        "occupied_share": repr(float(zone.occupied_share)),
        "since_ns": str(zone.since_ns),
        "missing": json.dumps(zone.missing, ensure_ascii=False),
    }
    values.update({_SEEN_BY + name: repr(float(share)) for name, share in zone.sensors.items()})
    seen = f"{zone.seen_share:.0%} seen"
    if zone.sensors:
        seen += f", by {', '.join(zone.sensors)}"
    if zone.missing:
        seen += f"; nothing from {', '.join(zone.missing)}"
    return DiagnosticStatus(
        level=DiagnosticStatus.OK if zone.covered else DiagnosticStatus.STALE,
        name=zone.zone,
        message=seen if zone.covered else f"not covered: {seen}",
        values=[KeyValue(key=key, value=value) for key, value in values.items()],
    )


def _zone_from_status(status: DiagnosticStatus) -> ZoneCoverage:
    given = {pair.key: pair.value for pair in status.values}
    try:
        missing = json.loads(given["missing"])
        if not isinstance(missing, list):
            raise ValueError("'missing' is no list")
        if given["covered"] not in ("true", "false"):
            raise ValueError(f"'covered' is '{given['covered']}'")
        return ZoneCoverage(
            zone=status.name,
            seen_share=float(given["seen_share"]),
            occupied_share=float(given["occupied_share"]),
            sensors={
                key[len(_SEEN_BY) :]: float(value)
                for key, value in given.items()
                if key.startswith(_SEEN_BY)
            },
            since_ns=int(given["since_ns"]),
            covered=given["covered"] == "true",
            missing=tuple(str(name) for name in missing),
        )
    except (KeyError, ValueError) as error:
        raise InvalidInput(
            "coverage", f"status '{status.name}' does not tell a zone's coverage: {error!r}"
        ) from error

"""A radar's returns as things with a place and a radial velocity."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from edge_mm_ros.datatypes import RadarScan, RigidTransform
from edge_mm_ros.params.fusion_sensors import ObstacleParams, RadarNoise
from edge_mm_ros.pipelines.fusion.ego_motion import Twist
from edge_mm_ros.pipelines.fusion.finding import Finding, Found
from edge_mm_ros.pipelines.fusion.obstacles import in_the_way, itself, limit_of, way_reach_m
from edge_mm_ros.pipelines.tracking import Birth, RadialVelocity

_SCORE = 0.5  # that a few returns are something solid
_STILL_MPS = 0.4  # what goes slower over the ground, its noise aside, may stand
_LINK_M = 0.8  # returns of one thing that stands lie within this of each other
_LINK_S = 0.4  # and the faster it goes, the longer it may be
_LONGEST_LINK_M = 3.5
_BEHIND_M = 0.2  # an object's centre lies behind the surface that throws back
_EXTENT_SIGMA_M = 0.2
_HEIGHT_SIGMA_M = 0.4  # where on an object the wave is thrown back
_LIMBS_MPS = 0.2  # arms, legs and wheels have speeds of their own
_SIZE_M = np.array([0.5, 0.5, 1.0])  # taken, not measured
_MOST_RETURNS = 1000


def sensor_velocity(twist: Twist, place: RigidTransform) -> NDArray[np.float64]:
    """How a sensor moves with the robot, float64 (3,) in the robot's axes."""
    return np.asarray(twist.velocity_mps + np.cross(twist.turn_rate_radps, place.translation_m))


def things_of(
    scan: RadarScan,
    place: RigidTransform,
    twist: Twist,
    noise: RadarNoise,
    way: ObstacleParams,
    *,
    source: str,
    ground_z_m: float,
) -> Found:
    """Returns, gathered by object, what stands apart from what moves.

    A return's speed over the ground along its ray is its Doppler velocity less what the sensor's
    own motion makes of it. What lies in the robot's way may begin an object; all else corrects
    what is followed already. Where the own speed is not known, nothing tells walls from what
    moves.

    Args:
        scan: the returns, in the sensor's frame; of more than 1000 the nearest count.
        place: the robot's frame from the sensor's.
        twist: how the robot moves.
        noise: how exact the radar is.
        way: where the way is, and how much it may bring.
        source: the sensor as objects name it.
        ground_z_m: height of the ground in the robot's frame.

    Returns:
        what is found, in the robot's frame, and how far from the radar all of it is.
    """
    if not len(scan):
        return Found(())
    nearest = np.argsort(scan.range_m, kind="stable")[:_MOST_RETURNS]
    azimuth, elevation = scan.azimuth_rad[nearest], scan.elevation_rad[nearest]
    distance, doppler = scan.range_m[nearest], scan.doppler_mps[nearest]
    own_rays = np.column_stack(
        [
            np.cos(elevation) * np.cos(azimuth),
            np.cos(elevation) * np.sin(azimuth),
            np.sin(elevation),
        ]
    )
    rays = own_rays @ place.rotation.T
    spots = place.translation_m + (distance + _BEHIND_M)[:, None] * rays
    velocity = sensor_velocity(twist, place)
    over_ground = doppler + rays @ velocity
    moves = np.abs(over_ground) > _STILL_MPS + 2.0 * noise.doppler_sigma_mps
    in_way = in_the_way(spots * [1.0, 1.0, 0.0], way, 0.0)
    own = itself(spots, way)
    groups = [members for members in _gathered(spots, over_ground, moves) if not own[members[0]]]
    counts = np.array([len(members) for members in groups], dtype=np.float64)
    centres = np.array([spots[members].mean(axis=0) for members in groups]).reshape(-1, 3)
    # A radar tells little of heights; no object's middle lies below the ground.
    centres[:, 2] = np.maximum(centres[:, 2], ground_z_m + _SIZE_M[2] / 2.0)
    covariances = _covariances(centres, counts, place, noise)
    found = []
    begun = 0
    distance_m = distance * np.hypot(rays[:, 0], rays[:, 1])
    complete_m = math.inf
    sensor_reach_m = way_reach_m(way) + float(np.linalg.norm(place.translation_m))
    if len(scan) > _MOST_RETURNS and distance[-1] < sensor_reach_m:
        complete_m = float(distance_m[-1])
    for members, centre, covariance in zip(groups, centres, covariances, strict=True):
        begun += bool(in_way[members[0]])
        born = bool(in_way[members[0]]) and begun <= way.max_objects
        if begun > way.max_objects and in_way[members[0]]:
            complete_m = min(complete_m, float(distance_m[members].min()))
        speeds = doppler[members].tolist()
        mean = sum(speeds) / len(speeds)
        spread = sum((speed - mean) ** 2 for speed in speeds) / len(speeds)
        sigma = math.sqrt((noise.doppler_sigma_mps**2 + spread) / len(speeds) + _LIMBS_MPS**2)
        found.append(
            Finding(
                centre,
                covariance,
                _SIZE_M.copy(),
                _SCORE,
                (source,),
                radial=RadialVelocity(mean, sigma, place.translation_m, velocity),
                birth=Birth.CONFIRMED if born else Birth.NEVER,
                sized=False,
                seen_from_m=place.translation_m,
            )
        )
    return Found(tuple(found), complete_m, limit_of(complete_m, way, begun))


def _gathered(
    spots_m: NDArray[np.float64], speeds_mps: NDArray[np.float64], moves: NDArray[np.bool_]
) -> list[NDArray[np.intp]]:
    """Indices of the returns of each object, in the order of their first.

    Returns belong together where they lie near each other on the plan and go alike; what moves
    never belongs to what stands.
    """
    count = len(spots_m)
    pairs = cKDTree(spots_m[:, :2]).query_pairs(_LONGEST_LINK_M, output_type="ndarray")
    one, other = pairs[:, 0], pairs[:, 1]
    gap = np.hypot(*(spots_m[one, :2] - spots_m[other, :2]).T)
    speed = np.minimum(np.abs(speeds_mps[one]), np.abs(speeds_mps[other]))
    reach = np.minimum(_LINK_M + _LINK_S * speed, _LONGEST_LINK_M)
    alike = np.abs(speeds_mps[one] - speeds_mps[other]) < 0.5 + 0.1 * speed
    linked = (gap <= reach) & alike & (moves[one] == moves[other])
    links = coo_matrix(
        (np.ones(int(linked.sum())), (one[linked], other[linked])), shape=(count, count)
    )
    groups = connected_components(links, directed=False)[1]
    firsts = np.unique(groups, return_index=True)[1]
    return [np.flatnonzero(groups == groups[first]) for first in sorted(firsts)]


def _covariances(
    centres_m: NDArray[np.float64],
    counts: NDArray[np.float64],
    place: RigidTransform,
    noise: RadarNoise,
) -> NDArray[np.float64]:
    """Of the places of objects, float64 (n, 3, 3).

    Args:
        centres_m: float64 (n, 3), of the objects.
        counts: float64 (n,), how many returns each has.
        place: of the radar.
        noise: how exact it is.
    """
    gaps = centres_m - place.translation_m
    distances = np.maximum(np.linalg.norm(gaps, axis=1), 1e-3)
    rays = gaps / distances[:, None]
    # Of an upright radar: to the left of the ray, and upwards from both.
    left = np.cross(place.rotation[:, 2], rays)
    left /= np.maximum(np.linalg.norm(left, axis=1), 1e-9)[:, None]
    axes = np.stack([rays, left, np.cross(rays, left)], axis=2)
    variances = np.column_stack(
        [
            np.full(len(gaps), noise.range_sigma_m**2),
            (distances * noise.azimuth_sigma_rad) ** 2,
            (distances * noise.elevation_sigma_rad) ** 2,
        ]
    )
    extent = np.array([_EXTENT_SIGMA_M, _EXTENT_SIGMA_M, _HEIGHT_SIGMA_M]) ** 2
    variances = variances / counts[:, None] + extent
    return np.asarray((axes * variances[:, None, :]) @ axes.transpose(0, 2, 1))

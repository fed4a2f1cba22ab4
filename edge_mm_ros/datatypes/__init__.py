"""Frozen value types that pass between the rooms; numpy and plain Python only."""

from edge_mm_ros.datatypes.audio import AudioChunk
from edge_mm_ros.datatypes.coverage import Coverage, FreeSpace, ZoneCoverage
from edge_mm_ros.datatypes.detections import Detections
from edge_mm_ros.datatypes.errors import EdgeMmError, InvalidInput
from edge_mm_ros.datatypes.geometry import RigidTransform
from edge_mm_ros.datatypes.ground_truth import WALL_LABEL, GroundTruth, TrueObject
from edge_mm_ros.datatypes.health import Health, HealthLevel
from edge_mm_ros.datatypes.image import CameraCalibration, Image
from edge_mm_ros.datatypes.imu import ImuReading
from edge_mm_ros.datatypes.laser_scan import LaserScan
from edge_mm_ros.datatypes.object_sources import ObjectSource, ObjectSources
from edge_mm_ros.datatypes.objects import Object3D, Objects
from edge_mm_ros.datatypes.odometry import Odometry
from edge_mm_ros.datatypes.point_cloud import PointCloud
from edge_mm_ros.datatypes.radar_scan import RadarScan
from edge_mm_ros.datatypes.range_reading import RangeReading
from edge_mm_ros.datatypes.safety import (
    EventPhase,
    SafetyEvent,
    SafetyLevel,
    SafetyStatus,
    ZoneStatus,
)
from edge_mm_ros.datatypes.sensor_state import SensorFault, SensorState
from edge_mm_ros.datatypes.summary import Summary
from edge_mm_ros.datatypes.transcript import SpokenWord, Transcript

__all__ = [
    "WALL_LABEL",
    "AudioChunk",
    "CameraCalibration",
    "Coverage",
    "Detections",
    "EdgeMmError",
    "EventPhase",
    "FreeSpace",
    "GroundTruth",
    "Health",
    "HealthLevel",
    "Image",
    "ImuReading",
    "InvalidInput",
    "LaserScan",
    "Object3D",
    "ObjectSource",
    "ObjectSources",
    "Objects",
    "Odometry",
    "PointCloud",
    "RadarScan",
    "RangeReading",
    "RigidTransform",
    "SafetyEvent",
    "SafetyLevel",
    "SafetyStatus",
    "SensorFault",
    "SensorState",
    "SpokenWord",
    "Summary",
    "Transcript",
    "TrueObject",
    "ZoneCoverage",
    "ZoneStatus",
]

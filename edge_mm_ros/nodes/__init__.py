"""Thin lifecycle nodes: they wire topics to pipelines."""

from edge_mm_ros.heap import use_one_heap

# Before ROS is imported: its threads would get arenas, which engines' threads then use as well.
use_one_heap()

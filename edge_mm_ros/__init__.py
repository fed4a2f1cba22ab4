"""Perception on the edge for ROS 2: vision, hearing, language and sensor fusion."""

__version__ = "0.1.0"

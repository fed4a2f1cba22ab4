"""Starts the perception of a vehicle: collision, cross traffic and near field.

Arguments: system, params_file, namespace, use_sim_time, log_level, autostart.
"""

from edge_mm_ros.ros import launching


def generate_launch_description():
    """What ``ros2 launch`` asks for."""
    return launching.generate_launch_description(default_system="vehicle_perception")

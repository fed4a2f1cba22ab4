"""The door to ROS 2: messages, parameters, lifecycle, diagnostics, launching."""

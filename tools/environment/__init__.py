"""Sets up a virtual environment with ROS 2, the engines and the default models."""

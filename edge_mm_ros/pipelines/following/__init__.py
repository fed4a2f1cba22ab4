"""The same thing in one camera's pictures, one after the other, under the same id."""

from edge_mm_ros.pipelines.following.box_follower import BoxFollower, FollowingUnavailable

__all__ = ["BoxFollower", "FollowingUnavailable"]

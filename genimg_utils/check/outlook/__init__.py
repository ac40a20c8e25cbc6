"""Exercises on what comes next, one file a chapter."""

from genimg_utils.check.outlook.next import (
    euler,
    flow_loss,
    gaussian_velocity,
    guided,
    mark_score,
    points_velocity,
    stamps,
)

__all__ = [
    "euler",
    "flow_loss",
    "gaussian_velocity",
    "guided",
    "mark_score",
    "points_velocity",
    "stamps",
]

"""Exercises on CycleGANs, one file a chapter."""

from genimg_utils.check.cyclegan.maths import (
    cycle_loss,
    discriminators_loss,
    generators_loss,
    identity_loss,
    patch_side,
    share_older,
    through_pool,
    zero_loss_maps,
)
from genimg_utils.check.cyclegan.training import (
    paired_loss,
    rank_correlation,
    relative_error,
    similarity,
    six_translations,
)

__all__ = [
    "cycle_loss",
    "discriminators_loss",
    "generators_loss",
    "identity_loss",
    "paired_loss",
    "patch_side",
    "rank_correlation",
    "relative_error",
    "share_older",
    "similarity",
    "six_translations",
    "through_pool",
    "zero_loss_maps",
]

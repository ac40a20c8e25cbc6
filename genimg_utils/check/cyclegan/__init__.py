"""Exercises on CycleGANs, one file a chapter."""

from genimg_utils.check.cyclegan.failures import (
    high_pass,
    noisy_cycle,
    recovered,
    swapped_share,
    upper_limit,
)
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
    "high_pass",
    "identity_loss",
    "noisy_cycle",
    "paired_loss",
    "patch_side",
    "rank_correlation",
    "recovered",
    "relative_error",
    "share_older",
    "similarity",
    "six_translations",
    "swapped_share",
    "through_pool",
    "upper_limit",
    "zero_loss_maps",
]

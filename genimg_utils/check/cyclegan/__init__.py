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

__all__ = [
    "cycle_loss",
    "discriminators_loss",
    "generators_loss",
    "identity_loss",
    "patch_side",
    "share_older",
    "through_pool",
    "zero_loss_maps",
]

"""Every objective of the course: pure functions of logits and tensors, in the papers' symbols."""

from genimg_utils.losses.gan import Objective, lazy, non_saturating, r1, r2, relativistic, saturating

__all__ = ["Objective", "lazy", "non_saturating", "r1", "r2", "relativistic", "saturating"]

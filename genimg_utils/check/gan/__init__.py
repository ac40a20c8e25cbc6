"""Exercises on generative adversarial networks, one file a chapter."""

from genimg_utils.check.gan.faults import diagnose_a, diagnose_b, faulty_run, repaired_step
from genimg_utils.check.gan.maths import (
    alternating_step,
    best_D,
    conjugate,
    jsd,
    ratio_from_logit,
    slopes,
    value,
)
from genimg_utils.check.gan.training import (
    discriminator_loss,
    ema_update,
    frechet_1d,
    generator_loss,
    slerp,
    transposed_size,
)

__all__ = [
    "alternating_step",
    "best_D",
    "conjugate",
    "diagnose_a",
    "diagnose_b",
    "discriminator_loss",
    "ema_update",
    "faulty_run",
    "frechet_1d",
    "generator_loss",
    "jsd",
    "ratio_from_logit",
    "repaired_step",
    "slerp",
    "slopes",
    "transposed_size",
    "value",
]

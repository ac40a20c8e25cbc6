"""Exercises on generative adversarial networks, one file a chapter."""

from genimg_utils.check.gan.failures import (
    choose_repair,
    diagnose_penalty,
    hinge_discriminator,
    largest_singular_value,
    my_penalty,
    wasserstein_rate,
)
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
from genimg_utils.check.gan.what_a_loss_says import (
    best_constant,
    gaussian_nll,
    jsd_from_logits,
    jsd_stray,
    kl_discrete,
    wasserstein_1d,
)

__all__ = [
    "alternating_step",
    "best_D",
    "best_constant",
    "choose_repair",
    "conjugate",
    "diagnose_a",
    "diagnose_b",
    "diagnose_penalty",
    "discriminator_loss",
    "ema_update",
    "faulty_run",
    "frechet_1d",
    "gaussian_nll",
    "generator_loss",
    "hinge_discriminator",
    "jsd",
    "jsd_from_logits",
    "jsd_stray",
    "kl_discrete",
    "largest_singular_value",
    "my_penalty",
    "ratio_from_logit",
    "repaired_step",
    "slerp",
    "slopes",
    "transposed_size",
    "value",
    "wasserstein_1d",
    "wasserstein_rate",
]

"""Every objective of the course: pure functions of logits and tensors, in the papers' symbols."""

from genimg_utils.losses.gan import (
    Objective,
    clip_weights,
    gradient_penalty,
    hinge,
    lazy,
    least_squares,
    least_squares_with,
    non_saturating,
    pearson,
    r1,
    r2,
    relativistic,
    saturating,
    wasserstein,
)

__all__ = [
    "Objective",
    "clip_weights",
    "gradient_penalty",
    "hinge",
    "lazy",
    "least_squares",
    "least_squares_with",
    "non_saturating",
    "pearson",
    "r1",
    "r2",
    "relativistic",
    "saturating",
    "wasserstein",
]

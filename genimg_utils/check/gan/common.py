"""What the exercises on GANs share: inputs of a seed of their own, and a frequent hint."""

from torch import tensor

from genimg_utils.check.common import numbers

draw = numbers(seed=0)

UNSTABLE = (
    "right for small logits, wrong for large ones: float32 rounds σ to 0 or 1 there, and the logarithm is "
    "lost. Let one function that takes logits do both."
)
FAR = tensor([-120.0, 120.0, 0.5])

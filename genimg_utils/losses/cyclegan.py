"""What CycleGAN adds to the adversarial losses, which are those of `gan`, least squares by default.

G maps pictures x of X to Y, F maps y of Y to X. Means over all numbers of a batch: ‖·‖₁ is a mean, not a sum.
"""

import torch
from torch import Tensor


def cycle(x: Tensor, there_and_back: Tensor) -> Tensor:
    """E‖F(G(x)) − x‖₁ of x [B, C, S, S]; Zhu et al. 2017, eq. 2, has both directions. Returns a scalar."""
    return mean_absolute(there_and_back, x)


def identity(y: Tensor, mapped: Tensor) -> Tensor:
    """E‖G(y) − y‖₁: what is in Y already should stay. Zhu et al. 2017, section 5.2. Returns a scalar."""
    return mean_absolute(mapped, y)


def mean_absolute(a: Tensor, b: Tensor) -> Tensor:
    if a.shape != b.shape or a.numel() == 0:
        raise ValueError(f"Pictures must be of one shape and not empty; got {list(a.shape)} and {list(b.shape)}.")
    return torch.nn.functional.l1_loss(a, b)

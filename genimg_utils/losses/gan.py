"""Adversarial objectives and their gradient penalties.

d(x) is the discriminator's logit and D = σ(d). Losses are means over logits of any shape, without hidden ½.
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import softplus

Loss = Callable[[Tensor, Tensor], Tensor]  # (real_logits, fake_logits) to a scalar
Penalty = Callable[[Callable[..., Tensor], Tensor, Tensor], Tensor]  # (D, real, fake) to a scalar


class Objective(NamedTuple):
    """What each player minimises, both as functions of (real_logits, fake_logits).

    `paired`: the generator's loss needs the real logits too; otherwise they are not computed for it.
    """

    discriminator: Loss
    generator: Loss
    paired: bool = False


def discriminate(real_logits: Tensor, fake_logits: Tensor) -> Tensor:
    """−E log D(x) − E log(1 − D(G(z))): binary cross-entropy, 2 ln 2 at D = ½. Goodfellow et al. 2014, eq. 1."""
    require_logits(real_logits, fake_logits)
    return softplus(-real_logits).mean() + softplus(fake_logits).mean()


def generate_non_saturating(real_logits: Tensor, fake_logits: Tensor) -> Tensor:
    """−E log D(G(z)), ln 2 at D = ½. Goodfellow et al. 2014, section 3, last paragraph."""
    require_logits(fake_logits)
    return softplus(-fake_logits).mean()


def generate_saturating(real_logits: Tensor, fake_logits: Tensor) -> Tensor:
    """E log(1 − D(G(z))), −ln 2 at D = ½; flat where D has won. Goodfellow et al. 2014, eq. 1."""
    require_logits(fake_logits)
    return -softplus(fake_logits).mean()


def discriminate_relativistic(real_logits: Tensor, fake_logits: Tensor) -> Tensor:
    """−E log σ(d(x) − d(G(z))) over pairs, ln 2 at equality. Jolicoeur-Martineau 2019; Huang et al. 2024."""
    require_logits(real_logits, fake_logits)
    require_pairs(real_logits, fake_logits)
    return softplus(fake_logits - real_logits).mean()


def generate_relativistic(real_logits: Tensor, fake_logits: Tensor) -> Tensor:
    """−E log σ(d(G(z)) − d(x)) over pairs, ln 2 at equality. Jolicoeur-Martineau 2019; Huang et al. 2024."""
    return discriminate_relativistic(fake_logits, real_logits)


non_saturating = Objective(discriminate, generate_non_saturating)
saturating = Objective(discriminate, generate_saturating)
relativistic = Objective(discriminate_relativistic, generate_relativistic, paired=True)


def r1(D: Callable[..., Tensor], real: Tensor, fake: Tensor, gamma: float = 1.0) -> Tensor:
    """γ/2 · E‖∇ₓ d(x)‖² at the real pictures x [B, …]. Mescheder et al. 2018. Returns a scalar."""
    return gamma / 2 * squared_gradient(D, real).mean()


def r2(D: Callable[..., Tensor], real: Tensor, fake: Tensor, gamma: float = 1.0) -> Tensor:
    """γ/2 · E‖∇ₓ d(x)‖² at the generated pictures x [B, …]. Mescheder et al. 2018. Returns a scalar."""
    return gamma / 2 * squared_gradient(D, fake).mean()


def lazy(penalty: Penalty, step: int, every: int = 8) -> Penalty | None:
    """The penalty times `every` on each `every`-th step, else None; on average the same. Karras et al. 2020."""
    if step % every:
        return None
    return lambda D, real, fake: every * penalty(D, real, fake)


def squared_gradient(D: Callable[..., Tensor], x: Tensor) -> Tensor:
    """‖∇ₓ d(x)‖² per picture, [B], differentiable; of the logit, not of σ(d)."""
    x = x.detach().requires_grad_()
    (gradient,) = torch.autograd.grad(D(x).sum(), x, create_graph=True)
    return gradient.square().flatten(1).sum(dim=1)


def require_logits(*logits: Tensor) -> None:
    if any(l.numel() == 0 for l in logits):
        raise ValueError("A loss got an empty batch of logits: its mean would be NaN.")


def require_pairs(real_logits: Tensor, fake_logits: Tensor) -> None:
    if real_logits.shape != fake_logits.shape:
        raise ValueError(
            f"Relativistic pairing needs as many real as fake logits, shape for shape; got {tuple(real_logits.shape)} "
            f"and {tuple(fake_logits.shape)}."
        )

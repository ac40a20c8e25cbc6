"""Adversarial objectives and their gradient penalties.

d(x) is the discriminator's logit and D = σ(d). Losses are means over logits of any shape, without hidden ½.
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import Module
from torch.nn.functional import relu, softplus

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


def criticise(real_scores: Tensor, fake_scores: Tensor) -> Tensor:
    """E d(G(z)) − E d(x), the negative of what the critic maximises; no σ. Arjovsky et al. 2017, eq. 2 and alg. 1."""
    require_logits(real_scores, fake_scores)
    return fake_scores.mean() - real_scores.mean()


def generate_by_score(real_scores: Tensor, fake_scores: Tensor) -> Tensor:
    """−E d(G(z)), the generator's loss of the Wasserstein and of the hinge objective. Arjovsky et al. 2017, alg. 1."""
    require_logits(fake_scores)
    return -fake_scores.mean()


def discriminate_hinge(real_logits: Tensor, fake_logits: Tensor) -> Tensor:
    """E max(0, 1 − d(x)) + E max(0, 1 + d(G(z))), 2 at d = 0. Lim & Ye 2017; Miyato et al. 2018, eq. 16."""
    require_logits(real_logits, fake_logits)
    return relu(1 - real_logits).mean() + relu(1 + fake_logits).mean()


def least_squares_with(a: float, b: float, c: float) -> Objective:
    """E (D(x) − b)² + E (D(G(z)) − a)² against E (D(G(z)) − c)², without Mao's ½; D is the network's output itself.

    a, b: the targets of generated and of real pictures for D, c: that of generated ones for G. Mao et al. 2017, eq. 2.
    """

    def discriminate_squares(real_outputs: Tensor, fake_outputs: Tensor) -> Tensor:
        require_logits(real_outputs, fake_outputs)
        return (real_outputs - b).square().mean() + (fake_outputs - a).square().mean()

    def generate_squares(real_outputs: Tensor, fake_outputs: Tensor) -> Tensor:
        require_logits(fake_outputs)
        return (fake_outputs - c).square().mean()

    return Objective(discriminate_squares, generate_squares)


non_saturating = Objective(discriminate, generate_non_saturating)
saturating = Objective(discriminate, generate_saturating)
relativistic = Objective(discriminate_relativistic, generate_relativistic, paired=True)
wasserstein = Objective(criticise, generate_by_score)
hinge = Objective(discriminate_hinge, generate_by_score)
least_squares = least_squares_with(a=0, b=1, c=1)
pearson = least_squares_with(a=-1, b=1, c=0)  # b − c = 1 and b − a = 2: Pearson's χ². Mao et al. 2017, section 3.2


def r1(D: Callable[..., Tensor], real: Tensor, fake: Tensor, gamma: float = 1.0) -> Tensor:
    """γ/2 · E‖∇ₓ d(x)‖² at the real pictures x [B, …]. Mescheder et al. 2018. Returns a scalar."""
    return gamma / 2 * squared_gradient(D, real).mean()


def r2(D: Callable[..., Tensor], real: Tensor, fake: Tensor, gamma: float = 1.0) -> Tensor:
    """γ/2 · E‖∇ₓ d(x)‖² at the generated pictures x [B, …]. Mescheder et al. 2018. Returns a scalar."""
    return gamma / 2 * squared_gradient(D, fake).mean()


def gradient_penalty(D: Callable[..., Tensor], real: Tensor, fake: Tensor, weight: float = 10.0) -> Tensor:
    """λ · E(‖∇ₓ d(x̂)‖ − 1)² at x̂ = ε x + (1 − ε) G(z), ε uniform in [0, 1], one a pair. Gulrajani et al. 2017, eq. 3.

    real, fake [B, …] of one shape. Returns a scalar; a critic that is flat everywhere costs λ.
    """
    require_pairs(real, fake)
    shape = (len(real), *[1] * (real.ndim - 1))  # [B, 1, …]
    epsilon = torch.rand(shape, device=real.device, dtype=real.dtype)
    between = epsilon * real.detach() + (1 - epsilon) * fake.detach()
    slope = squared_gradient(D, between).clamp(min=1e-12).sqrt()  # the root has no derivative at 0
    return weight * (slope - 1).square().mean()


@torch.no_grad()
def clip_weights(critic: Module, c: float = 0.01) -> None:
    """Cuts every weight to [−c, c] in place, which bounds the critic's slope. Arjovsky et al. 2017, algorithm 1."""
    for weight in critic.parameters():
        weight.clamp_(-c, c)


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


def require_pairs(real: Tensor, fake: Tensor) -> None:
    if real.shape != fake.shape:
        raise ValueError(
            f"This loss pairs them and needs as many real as fake, shape for shape; got {tuple(real.shape)} "
            f"and {tuple(fake.shape)}."
        )

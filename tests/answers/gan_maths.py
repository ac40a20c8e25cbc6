"""Answers to the exercises of chapter 02."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from scipy.optimize import minimize_scalar
from scipy.spatial.distance import jensenshannon
from torch import Tensor
from torch.distributions import Bernoulli
from torch.nn.functional import binary_cross_entropy_with_logits, logsigmoid, softplus

from answers.styles import Module, every_other
from genimg_utils import check


def value_by_bernoulli(r: Tensor, f: Tensor) -> Tensor:
    real, fake = Bernoulli(logits=r.double()), Bernoulli(logits=f.double())
    return real.log_prob(torch.ones_like(r)).mean() + fake.log_prob(torch.zeros_like(f)).mean()


def value_by_cross_entropy(real_logits: Tensor, fake_logits: Tensor) -> Tensor:
    bce = binary_cross_entropy_with_logits
    return -bce(real_logits, torch.ones_like(real_logits)) - bce(fake_logits, torch.zeros_like(fake_logits))


def jsd_by_kls(p: Tensor, q: Tensor, dx: float) -> Tensor:
    m = 0.5 * (p + q)
    terms = [torch.where(a > 0, a * (a / m).log(), torch.zeros(())) for a in (p, q)]
    return 0.5 * dx * torch.einsum("kn->", torch.stack(terms))


def jsd_by_trapezoids(p: Tensor, q: Tensor, dx: float) -> Tensor:
    m = (p + q) / 2
    return torch.trapezoid(torch.xlogy(p, p) + torch.xlogy(q, q) - 2 * torch.xlogy(m, m), dx=dx) / 2


def jsd_by_kl_div(p: Tensor, q: Tensor, dx: float) -> Tensor:
    log_m = ((p + q) / 2).clamp(min=1e-300).log()
    return dx * sum(torch.nn.functional.kl_div(log_m, a, reduction="sum") for a in (p, q)) / 2


def jsd_in_scipy(p: Tensor, q: Tensor, dx: float) -> float:
    mass = float(p.sum()) * dx  # scipy makes each add up to 1
    return float(jensenshannon(p.numpy(), q.numpy()) ** 2) * mass


def jsd_from_the_value(p: Tensor, q: Tensor, dx: float) -> Tensor:
    best = (p / (p + q)).nan_to_num(0.5)
    value = torch.xlogy(p, best).sum() * dx + torch.xlogy(q, 1 - best).sum() * dx
    return (value + math.log(4)) / 2


def step_by_autograd(theta: Tensor, psi: Tensor, rate: float) -> list[Tensor]:
    theta, psi = theta.clone().requires_grad_(), psi.clone().requires_grad_()
    (up,) = torch.autograd.grad(-softplus(psi * theta), psi)
    psi = (psi + rate * up).detach()
    (down,) = torch.autograd.grad(softplus(-psi * theta), theta)
    return [(theta - rate * down).detach(), psi]


def step_with_optimisers(theta: Tensor, psi: Tensor, rate: float) -> Tensor:
    theta, psi = (torch.nn.Parameter(v.clone()) for v in (theta, psi))
    opt_G, opt_D = torch.optim.SGD([theta], lr=rate), torch.optim.SGD([psi], lr=rate)
    (softplus(-psi * 0) + softplus(psi * theta.detach())).backward()
    opt_D.step()
    (-logsigmoid(psi.detach() * theta)).backward()
    opt_G.step()
    return torch.stack([theta, psi]).detach()


def step_in_numbers(theta: Tensor, psi: Tensor, rate: float) -> tuple[float, float]:
    t, p = float(theta), float(psi)
    p -= rate * t / (1 + math.exp(-p * t))
    return t + rate * p / (1 + math.exp(p * t)), p


def slopes_by_autograd(p: Tensor) -> tuple[Tensor, ...]:
    d = torch.logit(p).requires_grad_()
    losses = (-softplus(d).sum(), softplus(-d).sum())
    return tuple(torch.autograd.grad(loss, d)[0] for loss in losses)


def conjugate_by_search(t: Tensor) -> list[float]:
    """The supremum itself, sought over log u."""
    found = [
        minimize_scalar(
            lambda v, s=float(s): -(math.exp(v) * s - (math.exp(v / 2) - 1) ** 2), bracket=(-1, 1), tol=1e-12
        )
        for s in t
    ]
    return [-result.fun for result in found]


def conjugate_by_steps(t: Tensor) -> Tensor:
    u = 1 / (1 - t) ** 2
    return u * t - (u.sqrt() - 1) ** 2


# Right answers, none of them written as the check's own.
RIGHT: dict[str, list[Callable[..., Any]]] = {
    "value": [
        value_by_bernoulli,
        value_by_cross_entropy,
        Module(lambda r, f: logsigmoid(r).mean() + logsigmoid(-f).mean()),
        lambda real_logits, fake_logits: (
            -torch.logaddexp(-real_logits, torch.zeros(())).mean()
            - torch.einsum("n->", softplus(fake_logits.flatten())) / fake_logits.numel()
        ),
    ],
    "jsd": [jsd_by_kls, jsd_by_kl_div, jsd_by_trapezoids, jsd_in_scipy, jsd_from_the_value],
    "best_D": [
        lambda p, q, share: 1 / (1 + (1 - share) * q / (share * p)),
        lambda p, q, share: torch.sigmoid(p.log() - q.log() + math.log(share / (1 - share))),
        Module(lambda p, q, share: torch.stack([share * p, (1 - share) * q]).div(share * p + (1 - share) * q)[0]),
        lambda p, q, share: [
            share * a / (share * a + (1 - share) * b) for a, b in zip(p.tolist(), q.tolist(), strict=True)
        ],
    ],
    "ratio_from_logit": [
        lambda logit, share: (logit - math.log(share / (1 - share))).exp(),
        lambda logit, share: np.exp(logit.numpy()) / (share / (1 - share)),
        Module(lambda d, share: every_other(d.double().exp() * (1 / share - 1))),
    ],
    "slopes": [
        slopes_by_autograd,
        lambda p: [-p, -(1 - p)],
        Module(lambda p: torch.stack([-p, p - 1])),
        lambda p: ((-p).numpy(), (p - 1).tolist()),
        lambda p: np.stack([-p.numpy(), p.numpy() - 1]),
    ],
    "alternating_step": [step_by_autograd, step_with_optimisers, step_in_numbers],
    "conjugate": [
        conjugate_by_search,
        conjugate_by_steps,
        Module(lambda t: every_other(1 / (1 - t) - 1)),
        lambda t: t.numpy() / (1 - t.numpy()),
    ],
}

# What none of the texts before the ✓ may say.
SOLUTIONS = {
    "value": ["softplus", "logsigmoid", "log σ(", "-fake", "−fake", "binary_cross"],
    "jsd": ["xlogy", "log(p", "p * (", "/ m)", ".log()", "0.5 *"],
    "best_D": ["share * p", "share p", "(1 - share)", "(1 − share)", "1 - share", "1 − share"],
    "ratio_from_logit": ["exp", "(1 - share)", "(1 − share)", "1 - share", "1 − share"],
    "slopes": ["-p", "−p", "p - 1", "p − 1", "1 - p", "1 − p"],
    "alternating_step": ["sigmoid", "rate *", "softplus", "θ − rate", "ψ − rate"],
    "conjugate": ["t / (1", "1 - t", "1 − t", "/ (1"],
}


def simultaneous(theta: Tensor, psi: Tensor, rate: float) -> tuple[Tensor, Tensor]:
    up = -theta * torch.sigmoid(psi * theta)
    down = -psi * torch.sigmoid(-psi * theta)
    return theta - rate * down, psi + rate * up


# As a learner would write them, without knowledge of the registry: the exercise, the answer, words of the hint.
AS_WRITTEN: list[tuple[Any, Callable[..., Any], str]] = [
    (
        check.gan.value,
        lambda r, f: r.sigmoid().log().mean() + (1 - f.sigmoid()).log().mean(),
        "small logits",
    ),
    (check.gan.value, lambda r, f: -value_by_cross_entropy(r, f), "the other sign"),
    (check.gan.value, lambda r, f: r.sigmoid().log().mean() + f.sigmoid().log().mean(), "bet on generated"),
    (check.gan.value, lambda r, f: logsigmoid(r) + logsigmoid(-f), "your code raised RuntimeError"),
    (
        check.gan.jsd,
        lambda p, q, dx: 0.5 * ((p * (p / ((p + q) / 2)).log()).sum() + (q * (q / ((p + q) / 2)).log()).sum()) * dx,
        "0 · log 0",
    ),
    (check.gan.jsd, lambda p, q, dx: (p * p.log() - p * q.log()).sum() * dx, "not symmetric"),
    (check.gan.jsd, lambda p, q, dx: jensenshannon(p, q), "scipy returns"),
    (
        check.gan.jsd,
        lambda p, q, dx: (
            dx * (p * (p.log() - (p.log() + q.log()) / 2) + q * (q.log() - (p.log() + q.log()) / 2)).sum() / 2
        ),
        "averages the densities",
    ),
    (check.gan.best_D, lambda p, q, share: p / (p + q), "no say"),
    (check.gan.best_D, lambda p, q, share: (share * p > (1 - share) * q).double(), "a probability"),
    (
        check.gan.ratio_from_logit,
        lambda d, share: torch.sigmoid(d) / (1 - torch.sigmoid(d)) * (1 - share) / share,
        "σ rounds to 1",
    ),
    (check.gan.ratio_from_logit, lambda d, share: torch.exp(d), "as they arrive"),
    (check.gan.slopes, lambda p: (1 / (p - 1), -1 / p), "the slopes in D"),
    (check.gan.slopes, lambda p: -p, "return 2 values: the saturating slope, then"),
    (check.gan.slopes, lambda p: (-p,), "yours is one"),
    (check.gan.slopes, lambda p: {"sat": -p, "non": p - 1}, "yours is a value of type dict"),
    (check.gan.slopes, lambda p: ("-p", "p - 1"), "your answer is a value of type str"),
    (check.gan.alternating_step, lambda t, p, r: t - r * p, "θ, then ψ; yours is a single number"),
    (check.gan.alternating_step, lambda t, p, r: float(t), "return 2 values: θ, then ψ"),
    (check.gan.best_D, lambda p, q, share: p / (share * p + (1 - share) * q), "not above it"),
    (check.gan.ratio_from_logit, lambda d, share: d.sigmoid() / share * (1 - share), "need not"),
    (check.gan.alternating_step, lambda t, p, r: (t + r * (p - r * t), p - r * t), "σ is missing"),
    (check.gan.conjugate, lambda t: t / (1 - t) - ((1 / (1 - t)).sqrt() - 1) ** 2, "square it"),
    (check.gan.alternating_step, simultaneous, "sees the new one"),
    (
        check.gan.alternating_step,
        lambda t, p, r: (
            t + r * (p - r * t * torch.sigmoid(p * t)) * torch.sigmoid((p - r * t * torch.sigmoid(p * t)) * t),
            p - r * t * torch.sigmoid(p * t),
        ),
        "saturating",
    ),
    (check.gan.conjugate, lambda t: 1 / (1 - t) ** 2, "supremum is reached"),
    (check.gan.conjugate, lambda t: t**2 / 4 + t, "Pearson"),
]

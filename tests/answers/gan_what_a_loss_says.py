"""Answers to the exercises of chapter 01."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from scipy import stats
from scipy.special import rel_entr
from torch import Tensor
from torch.distributions import Bernoulli, Categorical, Normal, kl_divergence
from torch.nn.functional import binary_cross_entropy_with_logits, kl_div, logsigmoid, softplus

from answers.styles import Module, every_other
from genimg_utils import check


def nll_by_a_distribution(mse: Tensor, sigma: Tensor, n: int) -> Tensor:
    """n residuals, each as large as the root of the mean square."""
    return -Normal(torch.zeros(n).double(), sigma).log_prob(mse.sqrt()).sum()


def quantile_by_trying(targets: Tensor, q: float) -> Tensor:
    gap = targets[None] - targets[:, None]  # answer, target
    cost = torch.where(gap > 0, q * gap, (q - 1) * gap).sum(dim=1)
    return targets[cost.argmin()]


def quantile_by_descent(targets: Tensor, q: float) -> float:
    """Subgradient descent with halving steps, as one would train it."""
    a, step = float(targets.mean()), float(targets.max() - targets.min())
    values = targets.tolist()

    def cost(answer: float) -> float:
        return sum(q * (t - answer) if t > answer else (1 - q) * (answer - t) for t in values)

    while step > 1e-7:
        better = [b for b in (a - step, a + step) if cost(b) < cost(a)]
        a, step = (better[0], step) if better else (a, step / 2)
    return a


def kl_by_hand(p: Tensor, q: Tensor) -> float:
    total = 0.0
    for a, b in zip(p.tolist(), q.tolist(), strict=True):
        if a > 0:
            total += a * math.log(a / b) if b > 0 else math.inf
    return total


def wasserstein_by_quantiles(x: Tensor, y: Tensor) -> Tensor:
    """The area between the two distribution functions."""
    both = torch.cat([x, y]).sort().values
    below = [(s[None] <= both[:-1, None]).double().mean(dim=1) for s in (x, y)]
    return ((below[0] - below[1]).abs() * both.diff()).sum()


def stray_by_outcomes(share: Tensor) -> Tensor:
    """Two outcomes: one that p has, one that it has not."""
    zero, one = torch.zeros_like(share), torch.ones_like(share)
    p, q = torch.stack([one, zero]), torch.stack([1 - share, share])
    m = (p + q) / 2
    return (kl_discrete_sum(p, m) + kl_discrete_sum(q, m)) / 2


def kl_discrete_sum(p: Tensor, q: Tensor) -> Tensor:
    return torch.special.xlogy(p, p / q).nan_to_num(0).sum()


def stray_by_entropies(share: Tensor) -> float:
    s = float(share)

    def entropy(*weights: float) -> float:
        return -sum(w * math.log(w) for w in weights if w > 0)

    return entropy(1 - s / 2, s / 2) - entropy(1 - s, s) / 2


def jsd_by_bce(real: Tensor, fake: Tensor) -> Tensor:
    bce = binary_cross_entropy_with_logits
    return math.log(2) - (bce(real, torch.ones_like(real)) + bce(fake, torch.zeros_like(fake))) / 2


def jsd_by_likelihood(real: Tensor, fake: Tensor) -> Tensor:
    real_side = Bernoulli(logits=real.double()).log_prob(torch.ones_like(real).double()).mean()
    fake_side = Bernoulli(logits=fake.double()).log_prob(torch.zeros_like(fake).double()).mean()
    return 0.5 * (2 * math.log(2) + real_side + fake_side)


# Right answers, none of them written as the check's own.
RIGHT: dict[str, list[Callable[..., Any]]] = {
    "gaussian_nll": [
        nll_by_a_distribution,
        lambda mse, sigma, n: 0.5 * n * (float(mse) / float(sigma) ** 2 + math.log(2 * math.pi * float(sigma) ** 2)),
        lambda mse, s, n: n * np.log(s.numpy() * np.sqrt(2 * np.pi)) + n * mse.numpy() / s.numpy() ** 2 / 2,
        Module(lambda mse, sigma, n: -n * Normal(torch.zeros_like(mse), sigma).log_prob(mse.sqrt())[None]),
    ],
    "best_constant": [
        lambda targets, q: targets.quantile(q),
        lambda targets, q: np.quantile(targets.numpy(), q),
        lambda targets, q: torch.quantile(every_other(targets).double(), q, keepdim=True),
        quantile_by_trying,
        quantile_by_descent,
    ],
    "kl_discrete": [
        kl_by_hand,
        lambda p, q: rel_entr(p.numpy(), q.numpy()).sum(),
        lambda p, q: stats.entropy(p, q),
        Module(lambda p, q: torch.where(p > 0, p * (p.log() - q.log()), 0.0).sum(dim=-1)),
        lambda p, q: torch.einsum("k,k->", p[p > 0].double(), (p[p > 0] / q[p > 0]).double().log()),
        lambda p, q: kl_divergence(Categorical(p), Categorical(q)),
    ],
    "wasserstein_1d": [
        lambda x, y: stats.wasserstein_distance(x, y),
        wasserstein_by_quantiles,
        lambda x, y: np.abs(np.sort(x) - np.sort(y)).mean(),
        lambda x, y: torch.dist(every_other(x).msort(), y.double().msort(), p=1) / x.numel(),
    ],
    "jsd_stray": [
        stray_by_outcomes,
        stray_by_entropies,
        lambda share: (
            torch.xlogy(1 - share, 1 - share) / 2 - torch.xlogy(2 - share, 1 - share / 2) / 2 + share * math.log(2) / 2
        ),
    ],
    "jsd_from_logits": [
        jsd_by_bce,
        jsd_by_likelihood,
        Module(lambda r, f: 0.5 * (logsigmoid(r).mean() + logsigmoid(-f).mean()) + np.log(2)),
        lambda real_logits, fake_logits: float(
            0.5 * (math.log(4) - softplus(-every_other(real_logits)).mean() - softplus(fake_logits.double()).mean())
        ),
    ],
}

# What none of the texts before the ✓ may say.
SOLUTIONS = {
    "gaussian_nll": ["2 *", "2 σ²)", "2σ²)", "log(2 * math.pi)", "log σ"],
    "best_constant": ["quantile", "sort", "ceil", "kthvalue"],
    "kl_discrete": ["p / q", "p log(p", "p log p/q", "p > 0", ".sum", "xlogy"],
    "wasserstein_1d": ["sort(", ".abs()", ".mean()"],
    "jsd_stray": ["1 - share / 2", "1 − s/2", "kept", "xlogy"],
    "jsd_from_logits": ["softplus", "log(2) -", "ln 2 −", "loss / 2", "/ 2"],
}

# As a learner would write them, without knowledge of the registry: the exercise, the answer, words of the hint.
AS_WRITTEN: list[tuple[Any, Callable[..., Any], str]] = [
    (check.gan.gaussian_nll, lambda mse, s, n: n * mse / (2 * s**2) + n * math.log(s), "constant is missing"),
    (
        check.gan.gaussian_nll,
        lambda mse, s, n: n / 2 * (mse / s**2 + math.log(2 * math.pi * s)),
        "wrong factor",
    ),
    (check.gan.gaussian_nll, lambda mse, s, n: n * Normal(0.0, s).log_prob(mse.sqrt()), "turn its sign"),
    (check.gan.gaussian_nll, lambda mse, s, n: -Normal(0.0, s).log_prob(mse.sqrt()), "logarithms add up"),
    (check.gan.gaussian_nll, lambda mse, s, n: -n * Normal(0.0, s**0.5).log_prob(mse.sqrt()), "for a variance"),
    (check.gan.best_constant, lambda t, q: t.mean() * q, "shift by one"),
    (check.gan.best_constant, lambda t, q: t.quantile(1 - q), "swapped"),
    (check.gan.best_constant, lambda t, q: np.median(t), "median"),
    (check.gan.kl_discrete, lambda p, q: kl_div(p.log(), q, reduction="sum"), "exchanged"),
    (check.gan.kl_discrete, lambda p, q: (p * (p / q).log()).sum(), "0 · log 0 is nan"),
    (check.gan.kl_discrete, lambda p, q: kl_div(q.log(), p, reduction="sum"), "0 · log 0 is nan"),
    (
        check.gan.kl_discrete,
        lambda p, q: (p * ((p + 1e-12) / (q + 1e-12)).log()).sum(),
        "a small number inside",
    ),
    (check.gan.kl_discrete, lambda p, q: (p * torch.log2(p / q)).sum(), "in bits"),
    (check.gan.kl_discrete, lambda p, q: p * (p / q).log(), "it should be a single number"),
    (check.gan.wasserstein_1d, lambda x, y: (x.sort()[0] - y.sort()[0]).pow(2).mean() ** 0.5, "squared"),
    (check.gan.wasserstein_1d, lambda x, y: torch.cdist(x[:, None], y[:, None]).min(1)[0].mean(), "used once"),
    (check.gan.wasserstein_1d, lambda x, y: abs(x.mean() - y.mean()), "compare the means"),
    (check.gan.jsd_stray, lambda s: s, "total variation"),
    (check.gan.jsd_stray, lambda s: s * math.log(2), "straight line"),
    (
        check.gan.jsd_stray,
        lambda s: (-(1 - s / 2).log() + (1 - s) * ((1 - s) / (1 - s / 2)).log() + s * math.log(2)) / 2,
        "two ends",
    ),
    (check.gan.jsd_from_logits, lambda r, f: softplus(-r).mean() + softplus(f).mean(), "the discriminator's loss"),
    (check.gan.jsd_from_logits, lambda r, f: math.log(4) - softplus(-r).mean() - softplus(f).mean(), "twice"),
    (
        check.gan.jsd_from_logits,
        lambda r, f: math.log(2) + (r.sigmoid().log().mean() + (1 - f.sigmoid()).log().mean()) / 2,
        "large ones",
    ),
]

"""What a seed draws for assignment 2, the right answers under it, and the hints that several questions share.

A convention fixes what textbooks leave open: what the encoder's second output means, the prior, the noise, the order of
arguments and samples, and whether bounds or losses are returned. Each hand-out has one of its own.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor, eye
from torch.distributions import Laplace, MultivariateNormal, Normal, kl_divergence
from torch.nn.functional import softplus

from genimg_utils.check import Function
from genimg_utils.grading.seeds import choices

SIGMA: dict[str, Callable[[Tensor], Tensor]] = {
    "log σ²": lambda w: (w / 2).exp(),
    "log σ": lambda w: w.exp(),
    "log 1/σ²": lambda w: (-w / 2).exp(),
    "softplus⁻¹ σ": softplus,
}
IN_WORDS = {
    "log σ²": "the logarithm of the variance",
    "log σ": "the logarithm of the standard deviation",
    "log 1/σ²": "the logarithm of the precision, which is one over the variance",
    "softplus⁻¹ σ": "a raw number `w` with σ = softplus(w) = log(1 + exp(w))",
}


@dataclass(frozen=True)
class Convention:
    """What one hand-out agrees on."""

    width: str = "log σ²"
    prior_mean: float = 0.0
    prior_sigma: float = 1.0
    noise: str = "Gaussian"
    scale: float = 0.5
    mean_first: bool = True
    samples_first: bool = True
    loss: bool = False

    @property
    def prior(self) -> Normal:
        return Normal(self.prior_mean, self.prior_sigma)

    def posterior(self, *two: Any) -> Normal:
        """q(z∣x) from the encoder's two outputs, in the order that was agreed."""
        mean, width = two if self.mean_first else two[::-1]
        return Normal(mean.double(), SIGMA[self.width](width.double()), validate_args=False)

    def pixels(self, output: Tensor) -> Normal | Laplace:
        """p(x∣z) from the decoder's output."""
        kind = Normal if self.noise == "Gaussian" else Laplace
        return kind(output.double(), self.scale, validate_args=False)

    def signed(self, bound: Tensor) -> Tensor:
        return -bound if self.loss else bound

    def two(self, mean: str = "mean", width: str = "width") -> str:
        return f"{mean}, {width}" if self.mean_first else f"{width}, {mean}"


BASE = Convention()


def drawn(seed: str) -> Convention:
    """The convention of this seed, which differs from `BASE` and from the package's in every question."""
    pick = choices(f"{seed}/a2/convention")
    return Convention(
        width=pick(["log σ", "log 1/σ²", "softplus⁻¹ σ"]),
        prior_mean=pick([-1.5, -1.2, -0.8, -0.6, 0.6, 0.8, 1.2, 1.5]),
        prior_sigma=pick([0.4, 0.5, 0.6, 1.6, 2.0, 2.4]),
        noise=pick(["Gaussian", "Laplace"]),
        scale=pick([0.25, 0.3, 0.35, 0.45]),
        mean_first=pick([True, False]),
        samples_first=pick([True, False]),
        loss=pick([True, False]),
    )


# The right answers, and what may go wrong in them


def kl(c: Convention, *two: Any) -> Tensor:
    return kl_divergence(c.posterior(*two), c.prior).sum(dim=-1)


def sample(c: Convention, *given: Any) -> Tensor:
    q = c.posterior(*given[:2])
    return q.loc + q.scale * given[2]


def log_likelihood(c: Convention, output: Tensor, x: Tensor) -> Tensor:
    return c.pixels(output).log_prob(x).sum(dim=-1)


def elbo(c: Convention, *given: Any, weight: float = 1.0, blind: bool = False, pixels: float = 1.0) -> Tensor:
    """In the order x, the encoder's two, noise, decoder; weight of the KL, and of the pixels."""
    x, a, b, noise, decoder = given
    z = sample(c, a, b, 0 * noise if blind else noise).to(x.dtype)
    return c.signed(pixels * log_likelihood(c, decoder(z), x) - weight * kl(c, a, b))


def log_weights(c: Convention, log_p: Tensor, z: Tensor, *two: Any, prior: float = 1.0, q: float = 1.0) -> Tensor:
    """[k, B] of log p(x∣z), z with samples first."""
    posterior = c.posterior(*two).log_prob(z).sum(dim=-1)
    return log_p + prior * c.prior.log_prob(z).sum(dim=-1) - q * posterior


def iwae(c: Convention, log_p: Tensor, z: Tensor, *two: Any, by: Function | None = None, **w: Any) -> Tensor:
    """log (1/k Σ w) of samples on the agreed axis; `by` is what is done to log-weights [k, B] in its place."""
    if not c.samples_first:
        log_p, z = log_p.transpose(0, 1), z.transpose(0, 1)
    return c.signed((by or log_mean)(log_weights(c, log_p, z, *two, **w)))


def log_mean(log_w: Tensor) -> Tensor:
    return log_w.logsumexp(dim=0) - math.log(len(log_w))


def exact_evidence(c: Convention, x: Tensor, W: Tensor, b: Tensor, noise: float = 1.0) -> Tensor:
    """log p(x) of the linear model, W [P, Z]; noise multiplies the pixels' variance."""
    cov = c.prior_sigma**2 * W @ W.T + noise * c.scale**2 * eye(len(W), dtype=W.dtype)
    return MultivariateNormal(c.prior_mean * W.sum(dim=1) + b, cov).log_prob(x)


def evidence(
    c: Convention, x: Tensor, W: Tensor, b: Tensor, z: Tensor, log_q: Tensor,
    by: Function = log_mean, prior: float = 1.0, q: float = 1.0,
) -> Tensor:  # fmt: skip
    """log (1/k Σ p(x∣z) p(z) / q(z)) of samples z [k, B, Z] with log q(z) [k, B], for the linear model."""
    log_p = Normal(z @ W.T + b, c.scale).log_prob(x).sum(dim=-1)
    return by(log_p + prior * c.prior.log_prob(z).sum(dim=-1) - q * log_q)


# Hints that several questions share


def misread(c: Convention, function: Callable[..., Tensor]) -> dict[str, list[Function]]:
    """Each other reading of the encoder's second output."""
    return {
        f"you read the encoder's second output as {IN_WORDS[w]}. Look again at what this hand-out says it is.": [
            lambda *a, w=w: function(replace(c, width=w), *a)
        ]
        for w in SIGMA
        if w != c.width
    }


def exchanged(c: Convention, function: Callable[..., Tensor]) -> dict[str, list[Function]]:
    other = replace(c, mean_first=not c.mean_first)
    return {"you took the encoder's two outputs in the other order.": [lambda *a: function(other, *a)]}


def of_the_prior(c: Convention, function: Callable[..., Tensor]) -> dict[str, list[Function]]:
    """What becomes of a prior that is not N(0, I)."""
    if c.prior_mean == 0 and c.prior_sigma == 1:
        return {}
    return {
        "you used the prior N(0, I). Yours has a mean and a width of its own.": [
            lambda *a: function(replace(c, prior_mean=0.0, prior_sigma=1.0), *a)
        ],
        "the prior's mean is left out.": [lambda *a: function(replace(c, prior_mean=0.0), *a)],
        "the prior's width is left out.": [lambda *a: function(replace(c, prior_sigma=1.0), *a)],
        "the prior's standard deviation was taken for its variance, or the other way round.": [
            lambda *a: function(replace(c, prior_sigma=c.prior_sigma**0.5), *a),
            lambda *a: function(replace(c, prior_sigma=c.prior_sigma**2), *a),
        ],
    }


def for_the_batch(function: Function) -> dict[str, list[Function]]:
    return {
        "one number for the whole batch: each point has its own, [B].": [
            lambda *a: function(*a).mean().expand(function(*a).shape),
            lambda *a: function(*a).sum().expand(function(*a).shape),
        ]
    }


MINUS = "the sign is flipped. Look again whether a bound or a loss is wanted, and which of them is lowered."
AVERAGED = "you averaged over the latents. Independent latents add up; a mean is a hidden β of 1/Z."

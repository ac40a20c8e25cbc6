"""Answers to the exercises of chapter 06."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.distributions import Bernoulli, ContinuousBernoulli, Independent, Normal, kl_divergence
from torch.nn.functional import binary_cross_entropy, binary_cross_entropy_with_logits, logsigmoid, softplus

from answers.styles import Module, every_other
from genimg_utils import check


def dots_by_torch(logits: Tensor, x: Tensor) -> Tensor:
    return Independent(Bernoulli(logits=logits.double()), 3).log_prob(x.double())


def dots_in_a_loop(logits: Tensor, x: Tensor) -> Tensor:
    bce = binary_cross_entropy_with_logits
    return torch.stack([-bce(l, v, reduction="sum") for l, v in zip(logits, x, strict=True)])


@torch.jit.script
def dots_scripted(logits: Tensor, x: Tensor) -> Tensor:
    return (x * logits - torch.nn.functional.softplus(logits)).flatten(1).sum(dim=1)


def sample_by_torch(mean: Tensor, log_variance: Tensor, noise: Tensor) -> Tensor:
    q = Normal(mean, log_variance.exp().sqrt())
    return q.loc + q.scale * noise


def sample_in_double(mean: Tensor, log_variance: Tensor, noise: Tensor) -> Tensor:
    return torch.addcmul(mean.double(), (0.5 * log_variance.double()).exp(), noise.double())


def evidence_shifted(log_w: Tensor) -> Tensor:
    top = log_w.max(dim=0).values
    return top + (log_w - top).exp().mean(dim=0).log()


def evidence_in_numpy(log_w: Tensor) -> np.ndarray:
    return np.logaddexp.reduce(log_w.double().numpy(), axis=0) - np.log(log_w.shape[0])


def bits_by_logarithms(nats: float, shape: tuple[int, int, int]) -> float:
    return nats * math.log2(math.e) / (shape[0] * shape[1] * shape[2])


def normaliser_by_torch(logits: Tensor) -> Tensor:
    """torch's own, at x = 0: log p(0) = log C + log(1 − π)."""
    series = math.log(2) + logits.double() ** 2 / 12 - 7 * logits.double() ** 4 / 1440
    l = torch.where(logits.abs() < 0.02, 1.0, logits.double().abs().clamp(max=40))
    there = ContinuousBernoulli(logits=l).log_prob(torch.zeros_like(l)) + softplus(l)
    far = logits.double().abs().clamp(min=1).log()
    return torch.where(logits.abs() < 0.02, series, torch.where(logits.abs() > 40, far, there))


def normaliser_by_quadrature(logits: Tensor) -> Tensor:
    """Minus the logarithm of the area under the Bernoulli's formula, by Gauss–Legendre in the form e^{l x}."""
    x, weight = np.polynomial.legendre.leggauss(200)
    x, weight = torch.tensor((x + 1) / 2), torch.tensor(weight / 2)
    l = logits.double().unsqueeze(-1)
    area = (weight.log() + l * x - softplus(l)).logsumexp(dim=-1)
    return -area


def conditional_by_torch(x: Tensor, y: Tensor, noise: Tensor, encoder: Any, decoder: Any) -> Tensor:
    mean, log_variance = encoder(x, y)
    q = Normal(mean, (log_variance / 2).exp())
    kl = kl_divergence(q, Normal(torch.zeros_like(mean), torch.ones_like(mean))).sum(dim=1)
    return kl - dots_by_torch(decoder(q.loc + q.scale * noise, y), x)


def conditional_by_weights(x: Tensor, y: Tensor, noise: Tensor, encoder: Any, decoder: Any) -> Tensor:
    mean, log_variance = encoder(x, labels=y)
    z = mean + noise * log_variance.exp().sqrt()
    kl = -0.5 * torch.einsum("bz->b", 1 + log_variance - mean**2 - log_variance.exp())
    return kl + softplus((1 - 2 * x) * decoder(z, labels=y)).sum(dim=(1, 2, 3))


# Right answers, none of them written as the check's own.
RIGHT: dict[str, list[Callable[..., Any]]] = {
    "log_p_of_dots": [
        dots_by_torch,
        dots_in_a_loop,
        dots_scripted,
        lambda l, x: torch.where(x > 0, logsigmoid(l), logsigmoid(-l)).sum(dim=(1, 2, 3)),
        Module(lambda l, x: -torch.einsum("bchw->b", softplus((1 - 2 * x) * l))),
    ],
    "sample_posterior": [
        sample_by_torch,
        sample_in_double,
        lambda m, v, e: torch.stack([a + (b / 2).exp() * c for a, b, c in zip(m, v, e, strict=True)]),
        Module(lambda m, v, e: m + v.exp() ** 0.5 * e),
    ],
    "log_evidence": [
        evidence_shifted,
        evidence_in_numpy,
        lambda w: torch.logsumexp(w - math.log(w.shape[0]), 0),
        Module(lambda w: every_other(evidence_shifted(w.double()))),
    ],
    "bits_per_dimension": [
        bits_by_logarithms,
        lambda nats, shape: torch.tensor(nats) / np.prod(shape) / np.log(2),
        lambda nats, shape: nats / np.log(2.0) / torch.zeros(shape).numel(),
    ],
    "cb_normaliser": [
        normaliser_by_torch,
        normaliser_by_quadrature,
        Module(lambda l: normaliser_by_quadrature(l).float()),
    ],
    "conditional_minus_elbo": [
        conditional_by_torch,
        conditional_by_weights,
        Module(conditional_by_weights),
    ],
}

# What none of the texts before the ✓ may say.
SOLUTIONS = {
    "log_p_of_dots": ["softplus", "logsigmoid", "binary_cross", "log σ", "x * l"],
    "sample_posterior": ["exp(", "/ 2", "0.5", "σ ε", "sqrt"],
    "log_evidence": ["logsumexp", "log(k", "log k", "exp("],
    "bits_per_dimension": ["784", "prod(", "* math", "C · S"],
    "cb_normaliser": ["tanh", "l²", "/ 12", "1440", "artanh"],
    "conditional_minus_elbo": ["gaussian_kl", "bernoulli(", "encoder(", "decoder("],
}


def dots_by_logs(logits: Tensor, x: Tensor) -> Tensor:
    p = logits.sigmoid()
    return (x * p.log() + (1 - x) * (1 - p).log()).flatten(1).sum(dim=1)


def dots_with_epsilon(logits: Tensor, x: Tensor) -> Tensor:
    p = logits.sigmoid()
    return (x * (p + 1e-8).log() + (1 - x) * (1 - p + 1e-8).log()).flatten(1).sum(dim=1)


def normaliser_as_printed(logits: Tensor) -> Tensor:
    p = logits.sigmoid()
    return (2 * torch.atanh(1 - 2 * p) / (1 - 2 * p)).log()


def normaliser_by_halves(logits: Tensor) -> Tensor:
    """Right values everywhere, and a NaN for a gradient at 0."""
    series = math.log(2) + logits**2 / 12 - 7 * logits**4 / 1440
    return torch.where(logits.abs() < 0.1, series, (logits / torch.tanh(logits / 2)).log())


def conditional_sampled_kl(x: Tensor, y: Tensor, noise: Tensor, encoder: Any, decoder: Any) -> Tensor:
    q = Normal(*(f(h) for f, h in zip((lambda m: m, lambda v: (v / 2).exp()), encoder(x, y), strict=True)))
    z = q.loc + q.scale * noise
    return (q.log_prob(z) - Normal(0.0, 1.0).log_prob(z)).sum(dim=1) - dots_by_torch(decoder(z, y), x)


@torch.no_grad()
def conditional_without_slopes(x: Tensor, y: Tensor, noise: Tensor, encoder: Any, decoder: Any) -> Tensor:
    return conditional_by_torch(x, y, noise, encoder, decoder)


def conditional_cut_off(x: Tensor, y: Tensor, noise: Tensor, encoder: Any, decoder: Any) -> Tensor:
    mean, log_variance = encoder(x, y)
    kl = (mean**2 + log_variance.exp() - log_variance - 1).sum(dim=1) / 2
    z = Normal(mean, (log_variance / 2).exp()).loc.detach() + (log_variance / 2).exp().detach() * noise
    return kl - dots_by_torch(decoder(z, y), x)


def conditional_blind_encoder(x: Tensor, y: Tensor, noise: Tensor, encoder: Any, decoder: Any) -> Tensor:
    mean, log_variance = encoder(x, torch.zeros_like(y))
    z = mean + (log_variance / 2).exp() * noise
    kl = (mean**2 + log_variance.exp() - log_variance - 1).sum(dim=1) / 2
    return kl - dots_by_torch(decoder(z, y), x)


def conditional_doubled(x: Tensor, y: Tensor, noise: Tensor, encoder: Any, decoder: Any) -> Tensor:
    mean, log_variance = encoder(x, y)
    kl = (mean**2 + log_variance.exp() - log_variance - 1).sum(dim=1)  # without ½
    return kl - dots_by_torch(decoder(mean + (log_variance / 2).exp() * noise, y), x)


# As a learner would write them, without knowledge of the registry: the exercise, the answer, words of the hint.
AS_WRITTEN: list[tuple[Any, Callable[..., Any], str]] = [
    (check.vae.log_p_of_dots, dots_by_logs, "must not give infinity"),
    (check.vae.log_p_of_dots, dots_with_epsilon, "must not give infinity"),
    (
        check.vae.log_p_of_dots,
        lambda l, x: -binary_cross_entropy(l.sigmoid(), x, reduction="none").flatten(1).mean(1),
        "averaged over the pixels",
    ),
    (check.vae.log_p_of_dots, lambda l, x: -binary_cross_entropy_with_logits(l, x), "it should be a tensor of shape"),
    (check.vae.sample_posterior, lambda m, v, e: m + v * e, "the log-variance stands"),
    (check.vae.sample_posterior, lambda m, v, e: m + torch.exp(v) * e, "by the variance"),
    (check.vae.sample_posterior, lambda m, v, e: Normal(m, (v / 2).exp()).sample(), "is"),
    (check.vae.log_evidence, lambda w: w.exp().mean(0).log(), "must not underflow"),
    (check.vae.log_evidence, lambda w: torch.logsumexp(w, 0), "number of samples is missing"),
    (check.vae.log_evidence, lambda w: w.mean(0), "ELBO again"),
    (check.vae.bits_per_dimension, lambda n, s: n / math.log(2) / (s[1] * s[2]), "channels are missing"),
    (check.vae.bits_per_dimension, lambda n, s: n / math.log(2) / (s[0] * s[1] * s[1]), "need not be square"),
    (check.vae.cb_normaliser, normaliser_as_printed, "0/0"),
    (check.vae.cb_normaliser, normaliser_by_halves, "its gradient is not"),
    (check.vae.cb_normaliser, lambda l: normaliser_by_quadrature(l.detach()), "no gradient comes back"),
    (check.vae.cb_normaliser, lambda l: (l / torch.tanh(l / 2)).log(), "0/0"),
    (check.vae.conditional_minus_elbo, conditional_blind_encoder, "another class"),
    (check.vae.conditional_minus_elbo, conditional_doubled, "Expected: a bound"),
    (check.vae.conditional_minus_elbo, conditional_sampled_kl, "estimated from the sample"),
    (check.vae.conditional_minus_elbo, conditional_without_slopes, "no gradient comes back"),
    (check.vae.conditional_minus_elbo, conditional_cut_off, "cut off from it"),
]

"""Answers to the exercises of chapter 05."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.distributions import Independent, MultivariateNormal, Normal, kl_divergence
from torch.nn.functional import softmax

from answers.styles import Module, every_other
from genimg_utils import check

Pair = tuple[Any, Any]


def posterior_by_precision(x: Tensor, W: Tensor, b: Tensor, tau: Tensor) -> Pair:
    precision = torch.eye(W.shape[1]) + W.T @ W / tau**2
    covariance = torch.linalg.inv(precision)
    return torch.einsum("ij,pj,np->ni", covariance, W, x - b) / tau**2, covariance


def posterior_by_conditioning(x: Tensor, W: Tensor, b: Tensor, tau: Tensor) -> Pair:
    """From the joint Gaussian of z and x, as in any textbook on Gaussian processes."""
    gain = W.T @ torch.linalg.inv(W @ W.T + tau**2 * torch.eye(len(b)))
    return (x - b) @ gain.T, torch.eye(W.shape[1]) - gain @ W


def posterior_in_a_loop(x: Tensor, W: Tensor, b: Tensor, tau: Tensor) -> Pair:
    M = W.T @ W + tau**2 * torch.eye(W.shape[1], dtype=W.dtype)
    rows = [torch.linalg.solve(M, W.T @ (row - b)) for row in x]
    return torch.stack(rows), torch.cholesky_inverse(torch.linalg.cholesky(M / tau**2))


def kl_by_torch(mean: Tensor, log_variance: Tensor) -> Tensor:
    q = Independent(Normal(mean, log_variance.exp().sqrt()), 1)
    return kl_divergence(q, Independent(Normal(torch.zeros_like(mean), torch.ones_like(mean)), 1))


@torch.jit.script
def kl_scripted(mean: Tensor, log_variance: Tensor) -> Tensor:
    return -0.5 * torch.sum(1 + log_variance - mean.pow(2) - log_variance.exp(), dim=1)


def kl_of_full_covariances(mean: Tensor, log_variance: Tensor) -> Tensor:
    Z = mean.shape[1]
    prior = MultivariateNormal(torch.zeros(Z, dtype=mean.dtype), torch.eye(Z, dtype=mean.dtype))
    return kl_divergence(MultivariateNormal(mean, log_variance.exp().diag_embed()), prior)


def elbo_by_gap(x: Tensor, mean: Tensor, log_variance: Tensor, W: Tensor, b: Tensor, tau: Tensor) -> Tensor:
    """log p(x) less the gap."""
    evidence = MultivariateNormal(b, W @ W.T + tau**2 * torch.eye(len(b))).log_prob(x)
    truth = MultivariateNormal(*posterior_by_precision(x, W, b, tau))
    return evidence - kl_divergence(MultivariateNormal(mean, log_variance.exp().diag_embed()), truth)


def elbo_by_trace(x: Tensor, mean: Tensor, log_variance: Tensor, W: Tensor, b: Tensor, tau: Tensor) -> Tensor:
    at_mean = Normal(mean @ W.T + b, tau).log_prob(x).sum(1)
    S = torch.diag_embed(log_variance.exp())
    spread = torch.einsum("pi,nij,pj->n", W, S, W) / tau**2 / 2
    return at_mean - spread - kl_by_torch(mean, log_variance)


def elbo_in_a_loop(x: Tensor, mean: Tensor, log_variance: Tensor, W: Tensor, b: Tensor, tau: Tensor) -> Tensor:
    found = []
    for row, m, v in zip(x, mean, log_variance, strict=True):
        squares = (row - b - W @ m).square() + (W.square() * v.exp()).sum(1)  # of each pixel
        terms = -0.5 * (squares / tau**2 + torch.log(tau**2) + math.log(2 * math.pi))
        found.append(terms.sum() - 0.5 * (m @ m + v.exp().sum() - v.sum() - len(m)))
    return torch.stack(found)


def score_in_a_loop(f: Tensor, z: Tensor, mean: Tensor, log_variance: Tensor) -> Tensor:
    total = torch.zeros_like(mean)
    for i in range(len(f)):
        others = torch.cat([f[:i], f[i + 1 :]]).mean()
        total += (f[i] - others) * (z[i] - mean) * torch.exp(-log_variance)
    return total / len(f)


def score_by_autograd(f: Tensor, z: Tensor, mean: Tensor, log_variance: Tensor) -> Tensor:
    mean = mean.clone().requires_grad_()
    log_q = Normal(mean, (log_variance / 2).exp()).log_prob(z).sum(1)
    centred = (f - f.mean()) * len(f) / (len(f) - 1)
    return torch.autograd.grad((centred * log_q).mean(), mean)[0]


def factors_shifted(log_w: Tensor) -> Pair:
    w = (log_w - log_w.amax(0)).exp()
    share = w / w.sum(0)
    return share, share * share


def factors_in_numpy(log_w: Tensor) -> list[np.ndarray]:
    logs = log_w.numpy() - np.logaddexp.reduce(log_w.numpy(), axis=0)
    return [np.exp(logs), np.exp(2 * logs)]


# Right answers, none of them written as the check's own.
RIGHT: dict[str, list[Callable[..., Any]]] = {
    "posterior_of": [
        posterior_by_precision,
        posterior_by_conditioning,
        posterior_in_a_loop,
        Module(posterior_by_conditioning),
    ],
    "gaussian_kl": [
        kl_by_torch,
        kl_scripted,
        kl_of_full_covariances,
        lambda m, v: every_other(0.5 * torch.einsum("bz->b", m * m + v.exp() - v - 1)),
        Module(lambda m, v: kl_by_torch(m.double(), v.double())),
    ],
    "linear_elbo": [elbo_by_gap, elbo_by_trace, elbo_in_a_loop, Module(elbo_by_gap)],
    "score_slope": [
        score_in_a_loop,
        score_by_autograd,
        lambda f, z, m, v: torch.einsum("k,kz->z", f - f.mean(), (z - m) / v.exp()) / (len(f) - 1),
        Module(score_in_a_loop),
    ],
    "path_factors": [
        factors_shifted,
        factors_in_numpy,
        lambda w: (softmax(w, 0), torch.exp(2 * torch.log_softmax(w, 0))),
        Module(lambda w: torch.stack(factors_shifted(w))),
    ],
    "two_gaps": [
        lambda p, best, e: (torch.mean(p) - best.mean(), best.mean() - torch.mean(e)),
        lambda p, best, e: torch.stack([p - best, best - e]).mean(1),
        lambda p, best, e: [float((p - best).sum() / len(p)), float((best - e).sum() / len(p))],
        Module(lambda p, best, e: (np.mean((p - best).numpy()), np.mean((best - e).numpy()))),
    ],
}

# What none of the texts before the ✓ may say.
SOLUTIONS = {
    "posterior_of": ["inv(", "M^-1", "solve(", "W.T", "τ² I", "Wᵀ"],
    "gaussian_kl": ["exp(", "μ²", "/ 2", "0.5", "mean**2", "− 1"],
    "linear_elbo": ["2π", "‖", "W.T", "trace", "square(", "τ²"],
    "score_slope": ["f.sum()", "k − 1", "(k - 1)", "/ σ²", "exp("],
    "path_factors": ["softmax", "share**2", "w̃²"],
    "two_gaps": ["log_p -", "best_elbo -", ".mean()"],
}


def posterior_with_width(x: Tensor, W: Tensor, b: Tensor, tau: Tensor) -> Pair:
    M = W.T @ W + tau * torch.eye(W.shape[1])
    return (x - b) @ W @ torch.linalg.inv(M), tau * torch.linalg.inv(M)


def posterior_least_squares(x: Tensor, W: Tensor, b: Tensor, tau: Tensor) -> Pair:
    return (x - b) @ torch.linalg.pinv(W).T, tau**2 * torch.linalg.inv(W.T @ W)


def posterior_before_completing_the_square(x: Tensor, W: Tensor, b: Tensor, tau: Tensor) -> Pair:
    return (x - b) @ W / tau**2, posterior_by_precision(x, W, b, tau)[1]


def posterior_with_m(x: Tensor, W: Tensor, b: Tensor, tau: Tensor) -> Pair:
    return posterior_by_precision(x, W, b, tau)[0], W.T @ W + tau**2 * torch.eye(W.shape[1])


def elbo_of_added_moves(x: Tensor, mean: Tensor, log_variance: Tensor, W: Tensor, b: Tensor, tau: Tensor) -> Tensor:
    random = ((log_variance / 2).exp() @ W.T).square().sum(1) / (2 * tau**2)
    return elbo_at_the_mean(x, mean, log_variance, W, b, tau) - random


def elbo_with_whole_squares(x: Tensor, mean: Tensor, log_variance: Tensor, W: Tensor, b: Tensor, tau: Tensor) -> Tensor:
    squares = (x - b - mean @ W.T).square().sum(1) + log_variance.exp() @ W.square().sum(0)
    return elbo_by_gap(x, mean, log_variance, W, b, tau) - squares / (2 * tau**2)


def elbo_of_a_mean_pixel(x: Tensor, mean: Tensor, log_variance: Tensor, W: Tensor, b: Tensor, tau: Tensor) -> Tensor:
    kl = kl_by_torch(mean, log_variance)
    return (elbo_by_gap(x, mean, log_variance, W, b, tau) + kl) / len(b) - kl


def factors_of_one_level(log_w: Tensor) -> Pair:
    w = (log_w - log_w.max()).exp()
    return w / w.sum(0), (w / w.sum(0)) ** 2


def elbo_at_the_mean(x: Tensor, mean: Tensor, log_variance: Tensor, W: Tensor, b: Tensor, tau: Tensor) -> Tensor:
    return Normal(mean @ W.T + b, tau).log_prob(x).sum(1) - kl_by_torch(mean, log_variance)


def elbo_squared_error(x: Tensor, mean: Tensor, log_variance: Tensor, W: Tensor, b: Tensor, tau: Tensor) -> Tensor:
    squares = (x - b - mean @ W.T).square().sum(1) + log_variance.exp() @ W.square().sum(0)
    return -squares / (2 * tau**2) - kl_by_torch(mean, log_variance)


# As a learner would write them, without knowledge of the registry: the exercise, the answer, words of the hint.
AS_WRITTEN: list[tuple[Any, Callable[..., Any], str]] = [
    (check.vae.posterior_of, posterior_with_width, "τ is a width"),
    (check.vae.posterior_of, posterior_least_squares, "prior is missing"),
    (check.vae.posterior_of, lambda x, W, b, tau: posterior_by_precision(x, W, b, tau)[0], "return 2 values"),
    (check.vae.posterior_of, posterior_before_completing_the_square, "what stands before z"),
    (check.vae.posterior_of, posterior_with_m, "M is no covariance yet"),
    (check.vae.gaussian_kl, lambda m, v: ((m**2 + v.exp() - v).sum(1) - 1) / 2, "for each latent"),
    (check.vae.gaussian_kl, lambda m, v: (m**2 + v.exp() + v - 1).sum(1) / 2, "logarithm has the wrong sign"),
    (check.vae.gaussian_kl, lambda m, v: (m**2 + v**2 - v - 1).sum(1) / 2, "taken for the width"),
    (check.vae.gaussian_kl, lambda m, v: -0.5 * (1 + v - m**2 - v.exp()).mean(), "it should be a tensor of shape [4]"),
    (check.vae.gaussian_kl, lambda m, v: -0.5 * (1 + v - m**2 - v.exp()).mean(1), "averaged over the latents"),
    (check.vae.gaussian_kl, lambda m, v: 0.5 * (1 + v - m**2 - v.exp()).sum(1), "sign is flipped"),
    (check.vae.gaussian_kl, lambda m, v: (m**2 + v.exp() - v - 1).sum(-1), "where is the half"),
    (check.vae.gaussian_kl, lambda m, v: kl_divergence(Normal(m, v.exp()), Normal(0.0, 1.0)).sum(1), "taken for log σ"),
    (
        check.vae.gaussian_kl,
        lambda m, v: kl_divergence(Normal(torch.zeros_like(m), 1.0), Normal(m, (v / 2).exp())).sum(1),
        "other way round",
    ),
    (check.vae.linear_elbo, elbo_at_the_mean, "likelihood at the mean"),
    (check.vae.linear_elbo, elbo_squared_error, "constant of the Gaussian density"),
    (check.vae.linear_elbo, lambda *a: elbo_by_trace(*a) + 2 * kl_by_torch(a[1], a[2]), "wrong sign"),
    (check.vae.linear_elbo, elbo_of_added_moves, "added before squaring"),
    (check.vae.linear_elbo, elbo_with_whole_squares, "squares are twice too large"),
    (check.vae.linear_elbo, elbo_of_a_mean_pixel, "averaged over the pixels"),
    (
        check.vae.linear_elbo,
        lambda *a: elbo_by_trace(*a) + len(a[4]) * torch.log(2 * math.pi * a[5] ** 2),
        "constant has the wrong sign",
    ),
    (
        check.vae.score_slope,
        lambda f, z, m, v: ((f - (f.sum() - f) / len(f))[:, None] * (z - m) / v.exp()).mean(0),
        "one fewer",
    ),
    (check.vae.score_slope, lambda f, z, m, v: score_in_a_loop(f, z, m, 2 * v), "variance squared"),
    (check.vae.score_slope, lambda f, z, m, v: (f[:, None] * (z - m) / v.exp()).mean(0), "no baseline"),
    (
        check.vae.score_slope,
        lambda f, z, m, v: ((f - f.mean())[:, None] * (z - m) / v.exp()).mean(0),
        "the sample's own value",
    ),
    (check.vae.score_slope, lambda f, z, m, v: score_in_a_loop(f, z, m, v / 2), "divided by the width"),
    (check.vae.path_factors, lambda w: (w.exp() / w.exp().sum(0), (w.exp() / w.exp().sum(0)) ** 2), "must not"),
    (check.vae.path_factors, factors_of_one_level, "a level of its own"),
    (check.vae.path_factors, lambda w: (w.softmax(-1), w.softmax(-1) ** 2), "not over the pictures"),
    (check.vae.path_factors, lambda w: w.softmax(0), "return 2 values"),
    (check.vae.two_gaps, lambda p, best, e: ((p - best).sum(), (best - e).sum()), "added the points up"),
    (check.vae.two_gaps, lambda p, best, e: ((p - best).abs().mean(), (best - e).abs().mean()), "no absolute value"),
    (check.vae.two_gaps, lambda p, best, e: ((p - best).mean(), (e - best).mean()), "a bound lies below"),
    (check.vae.two_gaps, lambda p, best, e: ((p - best).mean(), (p - e).mean()), "second is the whole gap"),
    (check.vae.two_gaps, lambda p, best, e: (p - best, best - e), "it should be a single number"),
]

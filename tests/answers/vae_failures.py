"""Answers to the exercises of chapter 07."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from answers.styles import Module
from genimg_utils import check


def active_in_numpy(means: Tensor, threshold: float = 0.01) -> int:
    return int((means.numpy().var(axis=0, ddof=1) > threshold).sum())


def active_by_loop(means: Tensor, threshold: float = 0.01) -> int:
    return sum(1 for unit in means.T if unit.double().std() ** 2 > threshold)


def active_by_covariance(means: Tensor, threshold: float = 0.01) -> Tensor:
    return torch.count_nonzero(torch.atleast_2d(torch.cov(means.T)).diagonal() > threshold)


def floor_by_where(kl: Tensor, floor: float) -> Tensor:
    mean = kl.sum(0) / len(kl)
    return torch.where(mean > floor, mean, torch.full_like(mean, floor)).sum()


def floor_by_maximum(kl: Tensor, floor: float) -> Tensor:
    return torch.maximum(torch.einsum("bz->z", kl.double()) / kl.shape[0], torch.tensor(floor).double()).sum()


def floor_by_loop(kl: Tensor, floor: float) -> Any:
    return sum(torch.relu(unit.mean() - floor) + floor for unit in kl.unbind(1))


def beta_by_logs(pixels: int, latents: int, weight: float, pixels_by: str, latents_by: str) -> float:
    log = math.log(weight) + (pixels_by == "mean") * math.log(pixels) - (latents_by == "mean") * math.log(latents)
    return math.exp(log)


def beta_in_steps(pixels: int, latents: int, weight: float, pixels_by: str, latents_by: str) -> Tensor:
    beta = torch.tensor(weight, dtype=torch.float64)
    if pixels_by == "mean":
        beta = beta * pixels
    if latents_by == "mean":
        beta = beta / latents
    return beta


def beta_by_gradient(pixels: int, latents: int, weight: float, pixels_by: str, latents_by: str) -> float:
    """Ratio of what one nat of KL and one nat of reconstruction add to the loss."""
    d, k = torch.ones(pixels).requires_grad_(), torch.ones(latents).requires_grad_()
    loss = getattr(d, pixels_by)() + weight * getattr(k, latents_by)()
    to_d, to_k = torch.autograd.grad(loss, (d, k))
    return (to_k[0] / to_d[0]).item()


class Straight(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, e: Tensor, q: Tensor) -> Tensor:
        return q.clone()

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        return gradients[0], None


def perplexity_by_distribution(index: Tensor, K: int) -> Tensor:
    p = torch.nn.functional.one_hot(index.flatten(), K).double().mean(dim=0)
    return torch.distributions.Categorical(probs=p).entropy().exp()


def perplexity_in_numpy(index: Tensor, K: int) -> float:
    _, counts = np.unique(index.numpy(), return_counts=True)
    p = counts / counts.sum()
    return float(np.prod(p**-p))


def perplexity_in_bits(index: Tensor, K: int) -> Tensor:
    p = torch.histc(index.float(), bins=K, min=0, max=K - 1) / index.numel()
    p = p[p > 0]
    return 2 ** -(p * p.log2()).sum()


# Right answers, none of them written as the check's own.
RIGHT: dict[str, list[Callable[..., Any]]] = {
    "count_active": [active_in_numpy, active_by_loop, active_by_covariance],
    "free_bits": [floor_by_where, floor_by_maximum, floor_by_loop, Module(floor_by_where)],
    "effective_beta": [beta_by_logs, beta_in_steps, beta_by_gradient],
    "straight_through": [
        Straight.apply,
        lambda e, q: e - e.detach() + q.detach(),
        Module(lambda e, q: torch.where(torch.ones_like(e) > 0, q, e).detach() + (e - e.detach())),
    ],
    "perplexity": [perplexity_by_distribution, perplexity_in_numpy, perplexity_in_bits],
}

# What none of the texts before the ✓ may say.
SOLUTIONS = {
    "count_active": ["var(", "dim=0", ".sum()"],
    "free_bits": ["clamp", "mean(", "max("],
    "effective_beta": ["pixels / latents", "P / Z", "P/Z", "3.92"],
    "straight_through": ["detach", "e + (", "q - e", "q − e"],
    "perplexity": ["bincount", "xlogy", "exp("],
}


def floor_a_picture(kl: Tensor, floor: float) -> Tensor:
    return torch.max(kl, torch.full_like(kl, floor)).sum(1).mean()


def ratio_upside_down(pixels: int, latents: int, weight: float, pixels_by: str, latents_by: str) -> float:
    a = pixels if pixels_by == "mean" else 1
    b = latents if latents_by == "mean" else 1
    return weight * b / a


def beta_of_the_other_word(pixels: int, latents: int, weight: float, pixels_by: str, latents_by: str) -> float:
    return weight * (pixels if pixels_by == "sum" else 1) / (latents if latents_by == "sum" else 1)


def spread_by_range(means: Tensor, threshold: float = 0.01) -> Tensor:
    return (means.max(0).values - means.min(0).values > threshold).sum()


def shares_of_pictures(index: Tensor, K: int) -> Tensor:
    counts = torch.stack([(index == k).sum() for k in range(K)])
    p = counts[counts > 0] / len(index)
    return torch.exp(-(p * p.log()).sum())


def with_logarithm_of_zero(index: Tensor, K: int) -> Tensor:
    p = torch.stack([(index == k).float().mean() for k in range(K)])
    return torch.exp(-torch.sum(p * torch.log(p)))


# As a learner would write them, without knowledge of the registry: the exercise, the answer, words of the hint.
AS_WRITTEN: list[tuple[Any, Callable[..., Any], str]] = [
    (check.vae.count_active, lambda means, threshold: (means.std(0) > threshold).sum(), "standard deviation"),
    (check.vae.count_active, lambda means, threshold: sum(means.var(1) > threshold), "from picture to picture"),
    (check.vae.count_active, lambda means, threshold: means.var(0) > threshold, "a single number"),
    (check.vae.count_active, lambda means, threshold: (means.std(0) > threshold / 2).sum(), "not by their variance"),
    (check.vae.count_active, spread_by_range, "not by their variance"),
    (check.vae.free_bits, floor_a_picture, "for each picture"),
    (check.vae.free_bits, lambda kl, floor: torch.relu(kl.mean(0) - floor).sum(), "subtract the floor"),
    (check.vae.free_bits, lambda kl, floor: kl.mean(0).clamp(floor), "a single number"),
    (check.vae.free_bits, lambda kl, floor: (kl.mean(0) * (kl.mean(0) > floor)).sum(), "charges nothing"),
    (check.vae.free_bits, lambda kl, floor: torch.clamp(kl.mean(1), min=floor).sum(), "units of each picture"),
    (check.vae.effective_beta, ratio_upside_down, "upside down"),
    (check.vae.effective_beta, lambda p, z, w, a, b: w * p / z, "neither word"),
    (check.vae.effective_beta, lambda p, z, w, a, b: w * z / p, "Expected"),
    (check.vae.effective_beta, beta_of_the_other_word, "where it says sum"),
    (check.vae.straight_through, lambda e, q: q.detach(), "no gradient for the encoder"),
    (check.vae.straight_through, lambda e, q: q + e - e.detach(), "goes to both"),
    (check.vae.straight_through, lambda e, q: q - (e - q).detach(), "wrong sign"),
    (check.vae.straight_through, lambda e, q: e + (e - q).detach(), "wrong sign"),
    (check.vae.straight_through, lambda e, q: e.detach() + (q - e), "Expected"),
    (check.vae.perplexity, shares_of_pictures, "add up to 1"),
    (check.vae.perplexity, with_logarithm_of_zero, "NaN"),
    (check.vae.perplexity, lambda index, K: index.unique().numel(), "however rarely"),
]

"""Answers to the exercises of chapter 04."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import hinge_embedding_loss, softplus

from answers.styles import Module
from genimg_utils import check


def rate_by_eigenvalues(h: float, gamma: float) -> float:
    M = torch.tensor([[1, h], [-h, 1 - h * gamma]], dtype=torch.float64)
    return torch.linalg.eigvals(M).abs().max().item()


def rate_in_numpy(h: float, gamma: float) -> np.float64:
    return np.sqrt(np.linalg.det(np.array([[1.0, h], [-h, 1 - h * gamma]])))


def penalty_by_autograd(D: nn.Module, real: Tensor, fake: Tensor) -> Tensor:
    a = torch.empty(len(real)).uniform_().view(-1, 1, 1, 1)
    x = torch.lerp(real, fake, a).requires_grad_()
    g = torch.autograd.grad(D(x), x, torch.ones(len(x)), create_graph=True)[0]
    return ((g.reshape(len(g), -1).norm(dim=1) - 1) ** 2).mean() * 10


def penalty_by_einsum(D: nn.Module, real: Tensor, fake: Tensor) -> Tensor:
    e = torch.distributions.Uniform(0, 1).sample((real.shape[0], 1, 1, 1))
    x = (real * e + fake * (1 - e)).double().float().requires_grad_(True)
    (g,) = torch.autograd.grad(outputs=D(x).sum(), inputs=x, create_graph=True)
    norm = (torch.einsum("bcij,bcij->b", g, g) + 1e-10).sqrt()
    return 10 * torch.nn.functional.mse_loss(norm, torch.ones_like(norm))


def penalty_in_numpy_s_uniform(D: nn.Module, real: Tensor, fake: Tensor) -> Tensor:
    e = torch.from_numpy(np.random.default_rng(3).random((len(real), 1, 1, 1))).float()
    x = (fake + e * (real - fake)).detach().requires_grad_()
    (g,) = torch.autograd.grad(D(x).sum(), x, create_graph=True)
    return 10 * ((1e-12 + g.pow(2).sum(dim=(1, 2, 3))).pow(0.5) - 1).pow(2).mean()


def power_in_numpy(W: Tensor, u: Tensor, rounds: int) -> float:
    A, x = W.numpy(), u.numpy()
    for _ in range(rounds):
        y = A.T @ x
        y /= np.linalg.norm(y)
        x = A @ y
        x /= np.linalg.norm(x)
    return x @ A @ y


def power_by_length(W: Tensor, u: Tensor, rounds: int) -> Tensor:
    """Without u at the end: of a unit v, |W v| is uᵀ W v."""
    for _ in range(rounds):
        v = nn.functional.normalize(u @ W, dim=0)
        u = W.mv(v)
    return u.norm()


def power_by_matrix_power(W: Tensor, u: Tensor, rounds: int) -> Tensor:
    A = W @ W.T / (W @ W.T).norm()
    v = W.T @ torch.linalg.matrix_power(A, rounds - 1) @ u
    return (W @ v).norm() / v.norm()


def hinge_by_torch(r: Tensor, f: Tensor) -> Tensor:
    return hinge_embedding_loss(r, -torch.ones_like(r)) + hinge_embedding_loss(-f, -torch.ones_like(f))


# Right answers, none of them written as the check's own.
RIGHT: dict[str, list[Callable[..., Any]]] = {
    "wasserstein_rate": [rate_by_eigenvalues, rate_in_numpy, lambda h, gamma: math.hypot(math.sqrt(1 - h * gamma), h)],
    "my_penalty": [penalty_by_autograd, penalty_by_einsum, penalty_in_numpy_s_uniform, Module(penalty_by_autograd)],
    "largest_singular_value": [power_in_numpy, power_by_length, power_by_matrix_power],
    "hinge_discriminator": [
        hinge_by_torch,
        lambda r, f: (1 - r).clamp(min=0).mean() + (1 + f).clamp(min=0).mean(),
        lambda r, f: torch.maximum(torch.zeros(()), 1 - r.double()).mean() + nn.ReLU()(f + 1).mean(),
        Module(lambda r, f: 2 * torch.cat([1 - r, 1 + f]).relu().mean()),
    ],
}

# What none of the texts before the ✓ may say.
SOLUTIONS = {
    "wasserstein_rate": ["h**2", "h²", "1 - h", "1 − h", "** 0.5", "sqrt"],
    "my_penalty": ["rand(", "create_graph", "autograd", "- 1)", "− 1)", "uniform"],
    "largest_singular_value": ["W.T", "u @", "/ v", "norm()"],
    "hinge_discriminator": ["relu", "clamp", "max(", "1 -", "1 −"],
}


def no_graph(D: nn.Module, real: Tensor, fake: Tensor) -> Tensor:
    x = (torch.rand(len(real), 1, 1, 1) * (real - fake) + fake).requires_grad_()
    (g,) = torch.autograd.grad(D(x).sum(), x)
    return 10 * (g.flatten(1).norm(dim=1) - 1).square().mean()


def without_root(D: nn.Module, real: Tensor, fake: Tensor) -> Tensor:
    x = (torch.rand(len(real), 1, 1, 1) * (real - fake) + fake).requires_grad_()
    (g,) = torch.autograd.grad(D(x).sum(), x, create_graph=True)
    return 10 * (g.square().flatten(1).sum(1) - 1).square().mean()


def one_for_all(D: nn.Module, real: Tensor, fake: Tensor) -> Tensor:
    x = (torch.rand(len(real), 1, 1, 1) * (real - fake) + fake).requires_grad_()
    (g,) = torch.autograd.grad(D(x).sum(), x, create_graph=True)
    return 10 * (g.norm() - 1) ** 2


def like_the_pictures(D: nn.Module, real: Tensor, fake: Tensor) -> Tensor:
    x = (torch.rand(real.shape) * (real - fake) + fake).requires_grad_()
    (g,) = torch.autograd.grad(D(x).sum(), x, create_graph=True)
    return 10 * (g.flatten(1).norm(dim=1) - 1).square().mean()


# As a learner would write them, without knowledge of the registry: the exercise, the answer, words of the hint.
AS_WRITTEN: list[tuple[Any, Callable[..., Any], str]] = [
    (check.gan.wasserstein_rate, lambda h, gamma: abs(complex(1 - h * gamma / 2, h / 2)), "Expected"),
    (check.gan.wasserstein_rate, lambda h, gamma: math.exp(-gamma * h / 2), "infinitely small"),
    (check.gan.wasserstein_rate, lambda h, gamma: 1 + h * h - gamma * h, "square of the modulus"),
    (check.gan.my_penalty, no_graph, "no gradient comes back"),
    (check.gan.my_penalty, without_root, "squared norm"),
    (check.gan.my_penalty, one_for_all, "whole batch"),
    (check.gan.my_penalty, like_the_pictures, "a factor of its own"),
    (check.gan.largest_singular_value, lambda W, u, rounds: torch.linalg.svdvals(W)[0], "exact"),
    (check.gan.largest_singular_value, lambda W, u, rounds: torch.linalg.norm(W), "Frobenius"),
    (check.gan.hinge_discriminator, lambda r, f: (1 - r).relu() + (1 + f).relu(), "a single number"),
    (check.gan.hinge_discriminator, lambda r, f: (1 + r).relu().mean() + (1 - f).relu().mean(), "swapped"),
    (check.gan.hinge_discriminator, lambda r, f: softplus(1 - r).mean() + softplus(1 + f).mean(), "smooth"),
]

"""Answers to the exercises of chapter 11."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from scipy.linalg import sqrtm
from scipy.stats import linregress, mannwhitneyu
from torch import Tensor

from answers.styles import Module
from genimg_utils import check, metrics


def frechet_by_scipy(x: Tensor, y: Tensor) -> float:
    a, b = (np.cov(v.numpy(), rowvar=False) for v in (x, y))
    means = x.numpy().mean(0) - y.numpy().mean(0)
    return float(means @ means + np.trace(a) + np.trace(b) - 2 * np.trace(sqrtm(a @ b).real))


def frechet_by_singular_values(x: Tensor, y: Tensor) -> Tensor:
    """The centred features over √(N − 1) are roots of the covariances."""
    centred = [(v - v.mean(0)) / (len(v) - 1) ** 0.5 for v in (x, y)]
    roots = [torch.linalg.qr(v, mode="r").R for v in centred]
    overlap = torch.linalg.svdvals(roots[0] @ roots[1].T).sum()
    return (x.mean(0) - y.mean(0)).square().sum() + sum((v**2).sum() for v in centred) - 2 * overlap


def frechet_by_symmetric_root(x: Tensor, y: Tensor) -> Tensor:
    a, b = x.T.cov(), y.T.cov()
    values, vectors = torch.linalg.eigh(a)
    root = vectors @ torch.diag(values.clamp(min=0).sqrt()) @ vectors.T
    inner = torch.linalg.eigvalsh(root @ b @ root).clamp(min=0).sqrt().sum()
    return torch.dist(x.mean(0), y.mean(0)) ** 2 + torch.trace(a + b) - 2 * inner


def infinity_by_numpy(N: Tensor, distance: Tensor) -> float:
    return np.polyfit(1 / N.numpy(), distance.numpy(), 1)[1]


def infinity_by_scipy(N: Tensor, distance: Tensor) -> float:
    return linregress(1 / N.numpy(), distance.numpy()).intercept


def infinity_by_lstsq(N: Tensor, distance: Tensor) -> Tensor:
    columns = torch.stack([torch.ones_like(N), 1 / N], dim=1)
    return torch.linalg.lstsq(columns, distance[:, None]).solution[0]


def kernel_by_loops(x: Tensor, y: Tensor) -> float:
    def k(a: Tensor, b: Tensor) -> float:
        return float((a @ b / len(a) + 1) ** 3)

    N, M = len(x), len(y)
    first = sum(k(x[i], x[j]) for i in range(N) for j in range(N) if i != j) / (N * (N - 1))
    second = sum(k(y[i], y[j]) for i in range(M) for j in range(M) if i != j) / (M * (M - 1))
    return first + second - 2 * sum(k(a, b) for a in x for b in y) / (N * M)


def kernel_by_mask(x: Tensor, y: Tensor) -> Tensor:
    def inside(a: Tensor) -> Tensor:
        k = (torch.einsum("id,jd->ij", a, a) / a.shape[1] + 1).pow(3)
        return k[~torch.eye(len(a), dtype=torch.bool)].mean()

    return inside(x) + inside(y) - 2 * (x @ y.T / x.shape[1] + 1).pow(3).mean()


def kernel_by_moments(x: Tensor, y: Tensor) -> Tensor:
    """The kernel is a product of third moments of the features with a 1 beside them."""

    def raised(a: Tensor) -> Tensor:
        one = torch.cat([a / a.shape[1] ** 0.5, torch.ones(len(a), 1, dtype=a.dtype)], dim=1)
        return torch.einsum("ni,nj,nk->nijk", one, one, one).flatten(1)

    def others(a: Tensor) -> Tensor:
        n = len(a)
        return (a.sum(0).square().sum() - a.square().sum()) / (n * (n - 1))

    a, b = raised(x), raised(y)
    return others(a) + others(b) - 2 * a.mean(0) @ b.mean(0)


def coverage_by_sorting(real: Tensor, fake: Tensor, k: int) -> float:
    held = 0
    for i, one in enumerate(real):
        others = torch.cat([real[:i], real[i + 1 :]])
        radius = (others - one).norm(dim=1).sort().values[k - 1]
        held += bool(((fake - one).norm(dim=1) <= radius).any())
    return held / len(real)


def coverage_by_topk(real: Tensor, fake: Tensor, k: int) -> Tensor:
    radius = torch.cdist(real, real).topk(k + 1, largest=False).values[:, -1]
    return (torch.cdist(real, fake).amin(dim=1) < radius).float().mean()


def coverage_by_package(real: Tensor, fake: Tensor, k: int) -> float:
    return metrics.density_coverage(real, fake, k)[1]


def copying_by_scipy(generated: Tensor, held_out: Tensor) -> float:
    return mannwhitneyu(held_out.numpy(), generated.numpy()).statistic / (len(generated) * len(held_out))


def copying_by_ranks(generated: Tensor, held_out: Tensor) -> Tensor:
    both = torch.cat([generated, held_out])
    rank = torch.stack([(both < v).sum() + ((both == v).sum() + 1) / 2 for v in held_out])
    return (rank.sum() - len(held_out) * (len(held_out) + 1) / 2) / (len(generated) * len(held_out))


def copying_by_sign(generated: Tensor, held_out: Tensor) -> Tensor:
    return (torch.sign(held_out - generated[:, None]) + 1).mean() / 2


def trials_by_counting(p: float) -> int:
    n = 1
    while 1.96 * (p * (1 - p) / n) ** 0.5 > p - 0.5:
        n += 1
    return n


# Right answers, none of them written as the check's own.
RIGHT: dict[str, list[Callable[..., Any]]] = {
    "frechet": [
        frechet_by_scipy,
        frechet_by_singular_values,
        frechet_by_symmetric_root,
        metrics.frechet,
        Module(frechet_by_symmetric_root),
    ],
    "at_infinity": [infinity_by_numpy, infinity_by_scipy, infinity_by_lstsq, Module(infinity_by_lstsq)],
    "kernel_distance": [
        kernel_by_loops,
        kernel_by_mask,
        kernel_by_moments,
        metrics.kernel_distance,
        Module(kernel_by_mask),
    ],
    "coverage": [coverage_by_sorting, coverage_by_topk, coverage_by_package, Module(coverage_by_topk)],
    "copying": [copying_by_scipy, copying_by_ranks, copying_by_sign, Module(copying_by_sign)],
    "trials_needed": [
        trials_by_counting,
        lambda p: -int(-p * (1 - p) * 1.96**2 // (p - 0.5) ** 2),
        lambda p: torch.tensor(p * (1 - p) * (1.96 / (p - 0.5)) ** 2).ceil(),
        Module(lambda p: np.ceil((1.96 * np.sqrt(p * (1 - p)) / (p - 0.5)) ** 2)),
    ],
}

# Parts of the solutions, none of which a hint may hold.
SOLUTIONS: dict[str, list[str]] = {
    "frechet": ["sqrtm", "eigvals", "2 *", "- 2"],
    "at_infinity": ["polyfit", "lstsq", "intercept"],
    "kernel_distance": ["trace", "/ d + 1", "** 3", "n * (n - 1)", "n (n − 1)"],
    "coverage": ["kthvalue", "any(", "k + 1"],
    "copying": ["0.5 *", "generated[:, None]", "held_out[None"],
    "trials_needed": ["ceil", "** 2", "1.96 *"],
}


def coverage_with_itself(real: Tensor, fake: Tensor, k: int) -> Tensor:
    radius = torch.cdist(real, real).sort(dim=1).values[:, k - 1]
    return (torch.cdist(real, fake) < radius[:, None]).any(dim=1).double().mean()


Case = tuple[Any, Callable[..., Any], str]
exercises = check.judging

AS_WRITTEN: list[Case] = [
    (
        exercises.frechet,
        lambda x, y: (
            (x.mean(0) - y.mean(0)).pow(2).sum() + (x.T.cov() + y.T.cov() - 2 * (x.T.cov() @ y.T.cov())).trace()
        ),
        "matrix root is missing",
    ),
    (
        exercises.frechet,
        lambda x, y: (x.mean(0) - y.mean(0)).pow(2).sum() + (x.std(0) - y.std(0)).pow(2).sum(),
        "number by number",
    ),
    (
        exercises.frechet,
        lambda x, y: (
            (x.mean(0) - y.mean(0)).pow(2).sum()
            + torch.trace(x.T.cov() + y.T.cov())
            - 2 * torch.trace(torch.linalg.cholesky(x.T.cov() @ y.T.cov()))
        ),
        "your code raised",
    ),
    (exercises.frechet, lambda x, y: frechet_by_scipy(x, y) ** 0.5, "its square"),
    (
        exercises.frechet,
        lambda x, y: (
            (x.mean(0) - y.mean(0)).pow(2).sum().item()
            + np.trace(np.cov(x.T) + np.cov(y.T))
            - 2 * np.trace(sqrtm(np.cov(x.T)).real @ sqrtm(np.cov(y.T)).real)
        ),
        "share their axes",
    ),
    (exercises.at_infinity, lambda N, fd: np.polyfit(1 / N, fd, 1)[0], "slope"),
    (exercises.at_infinity, lambda N, fd: np.polyfit(N, fd, 1)[1], "fit in that"),
    (
        exercises.kernel_distance,
        lambda x, y: sum((a @ b.T / 3 + 1).pow(3).mean() * s for a, b, s in ((x, x, 1), (y, y, 1), (x, y, -2))),
        "Expected:",  # two faults at once: 3 for the number of features, and the diagonal
    ),
    (
        exercises.kernel_distance,
        lambda x, y: sum(
            (a @ b.T / x.shape[1] + 1).pow(3).mean() * s for a, b, s in ((x, x, 1), (y, y, 1), (x, y, -2))
        ),
        "compared with itself",
    ),
    (exercises.coverage, lambda real, fake, k: metrics.density_coverage(real, fake, k)[0], "density"),
    (exercises.coverage, coverage_with_itself, "(k − 1)-th"),
    (exercises.copying, lambda g, h: (g[:, None] < h).double().mean(), "it should be ½"),
    (exercises.copying, lambda g, h: (g < h).double().mean(), "no pair"),
    (exercises.trials_needed, lambda p: math.ceil(1 / (p - 0.5) ** 2), "Expected:"),
    (exercises.trials_needed, lambda p: round(p * (1 - p) * (1.96 / (p - 0.5)) ** 2), ""),
]

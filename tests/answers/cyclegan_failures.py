"""Answers to the exercises of chapter 10."""

from collections.abc import Callable
from math import comb
from typing import Any

import torch
from scipy.optimize import brentq
from scipy.stats import beta, binom
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, conv2d, l1_loss, pad

from answers.styles import Module
from genimg_utils import check


def recovered_by_sums(again: Tensor, x: Tensor, bare: Tensor, where: Tensor) -> Tensor:
    mask = where[:, None].expand_as(x)
    return 1 - (again - x)[mask].abs().sum() / (bare - x)[mask].abs().sum()


def recovered_by_where(again: Tensor, x: Tensor, bare: Tensor, where: Tensor) -> Tensor:
    def error(a: Tensor) -> Tensor:
        return torch.where(where[:, None], (a - x).abs(), 0.0).sum()

    return (error(bare) - error(again)) / error(bare)


def recovered_in_double(again: Tensor, x: Tensor, bare: Tensor, where: Tensor) -> float:
    picked = [v.double().movedim(1, -1)[where] for v in (again, x, bare)]
    return 1 - (l1_loss(picked[0], picked[1]) / l1_loss(picked[2], picked[1])).item()


def high_pass_by_pool(x: Tensor) -> Tensor:
    return x - avg_pool2d(pad(x, (1, 1, 1, 1), mode="reflect"), kernel_size=3, stride=1)


def high_pass_by_kernel(x: Tensor) -> Tensor:
    kernel = torch.full((3, 1, 3, 3), -1 / 9)
    kernel[:, :, 1, 1] += 1
    return conv2d(nn.ReflectionPad2d(1)(x), kernel, groups=3)


def high_pass_by_shifts(x: Tensor) -> Tensor:
    wide = pad(x, (1, 1, 1, 1), mode="reflect")
    height, width = x.shape[2:]
    parts = [wide[:, :, i : i + height, j : j + width] for i in range(3) for j in range(3)]
    return x - torch.stack(parts).mean(dim=0)


def swapped_by_picture(mapped: Tensor, true: Tensor, false: Tensor, where: Tensor) -> float:
    count = 0
    for m, t, f, w in zip(mapped, true, false, where, strict=True):
        count += bool((m - t)[:, w].abs().mean() > (m - f)[:, w].abs().mean())
    return count / len(mapped)


def swapped_by_sums(mapped: Tensor, true: Tensor, false: Tensor, where: Tensor) -> Tensor:
    to_true, to_false = (((mapped - v).abs() * where[:, None]).flatten(1).sum(1) for v in (true, false))
    return (to_false < to_true).float().mean()


def swapped_by_einsum(mapped: Tensor, true: Tensor, false: Tensor, where: Tensor) -> Tensor:
    far = [torch.einsum("nchw,nhw->n", (mapped - v).abs(), where.float()) for v in (true, false)]
    return torch.stack(far).argmin(dim=0).double().mean()


def swapped_by_squares(mapped: Tensor, true: Tensor, false: Tensor, where: Tensor) -> Tensor:
    far = [((mapped - v).square() * where[:, None]).sum((1, 2, 3)) for v in (true, false)]  # nearer in L2 is nearer
    return (far[0] > far[1]).double().mean()


def noisy_by_loss(x: Tensor, G: Any, F: Any, noise: Tensor, sigma: float) -> Tensor:
    return l1_loss(F(torch.add(G(x), noise, alpha=sigma)), x)


def noisy_by_module(x: Tensor, G: Any, F: Any, noise: Tensor, sigma: float) -> Tensor:
    y = G(x)
    return nn.L1Loss()(F(y + noise * sigma), x)


def noisy_by_sum(x: Tensor, G: Any, F: Any, noise: Tensor, sigma: float) -> Tensor:
    return (x - F(sigma * noise + G(x))).abs().sum() / x.numel()


def limit_by_root(k: int, n: int) -> float:
    if k == n:
        return 1.0
    return float(brentq(lambda rate: binom.cdf(k, n, rate) - 0.05, 0.0, 1.0, xtol=1e-12))


def limit_by_bisection(k: int, n: int) -> float:
    low, high = k / n, 1.0
    for _ in range(60):
        rate = (low + high) / 2
        chance = sum(comb(n, i) * rate**i * (1 - rate) ** (n - i) for i in range(k + 1))
        low, high = (rate, high) if chance > 0.05 else (low, rate)
    return high


def limit_by_beta(k: int, n: int) -> float:
    return 1.0 if k == n else beta(k + 1, n - k).ppf(0.95)


RIGHT = {
    "recovered": [recovered_by_sums, recovered_by_where, recovered_in_double, Module(recovered_by_sums)],
    "high_pass": [high_pass_by_pool, high_pass_by_kernel, high_pass_by_shifts, Module(high_pass_by_pool)],
    "swapped_share": [swapped_by_picture, swapped_by_sums, swapped_by_einsum, swapped_by_squares],
    "noisy_cycle": [noisy_by_loss, noisy_by_module, noisy_by_sum],
    "upper_limit": [limit_by_root, limit_by_bisection, limit_by_beta],
}

# What none of the texts before the ✓ may say.
SOLUTIONS = {
    "recovered": ["bare - x", "[where]", "again - x"],
    "high_pass": ["avg_pool2d", "x - "],
    "swapped_share": ["mapped - true", "* where", "> "],
    "noisy_cycle": ["G(x) +", "sigma *", "F(G(x) "],
    "upper_limit": ["beta", "ppf", "brentq", "k + 1"],
}


def recovered_everywhere(again: Tensor, x: Tensor, bare: Tensor, where: Tensor) -> Tensor:
    return 1 - l1_loss(again, x) / l1_loss(bare, x)


def recovered_across_channels(again: Tensor, x: Tensor, bare: Tensor, where: Tensor) -> Tensor:
    return 1 - ((again - x).abs() * where).mean() / ((bare - x).abs() * where).mean()


def high_pass_with_zeros(x: Tensor) -> Tensor:
    return x - avg_pool2d(x, 3, stride=1, padding=1)


def high_pass_of_eight(x: Tensor) -> Tensor:
    parts = [pad(x, (1, 1, 1, 1), mode="reflect").roll((i, j), (2, 3)) for i in (-1, 0, 1) for j in (-1, 0, 1)]
    return x - (sum(parts) - parts[4])[..., 1:-1, 1:-1] / 8


def swapped_by_mean_colour(mapped: Tensor, true: Tensor, false: Tensor, where: Tensor) -> Tensor:
    m, t, f = ((v * where[:, None]).sum((2, 3)) / where.sum((1, 2))[:, None] for v in (mapped, true, false))
    return ((m - t).abs().mean(1) > (m - f).abs().mean(1)).double().mean()


def limit_of_exactly(k: int, n: int) -> float:
    return brentq(lambda rate: comb(n, k) * rate**k * (1 - rate) ** (n - k) - 0.05, k / n, 1.0)


# As a learner would write them, without knowledge of the registry: the exercise, the answer, words of the hint.
AS_WRITTEN: list[tuple[Any, Callable[..., Any], str]] = [
    (check.cyclegan.recovered, recovered_everywhere, "only those in `where`"),
    (check.cyclegan.recovered, lambda again, x, bare, where: 1 - recovered_by_sums(again, x, bare, where), "left"),
    (check.cyclegan.high_pass, high_pass_with_zeros, "mirror"),
    (check.cyclegan.high_pass, lambda x: x - x.mean(dim=(-2, -1), keepdim=True), "3 × 3 around each"),
    (check.cyclegan.swapped_share, lambda m, t, f, w: swapped_by_sums(m, f, t, w), "right"),
    (check.cyclegan.swapped_share, lambda m, t, f, w: swapped_by_sums(m, t, f, torch.ones_like(w)), "house alone"),
    (check.cyclegan.noisy_cycle, lambda x, G, F, noise, sigma: l1_loss(F(G(x + sigma * noise)), x), "fell on x"),
    (check.cyclegan.noisy_cycle, lambda x, G, F, noise, sigma: l1_loss(F(G(x) + noise), x), "width of 1"),
    (check.cyclegan.upper_limit, lambda k, n: k / n, "does not mean never"),
    (check.cyclegan.upper_limit, lambda k, n: 1 - 0.05 ** (1 / n), "k = 0 only"),
    (check.cyclegan.upper_limit, lambda k, n: beta.ppf(0.975, k + 1, n - k), "2.5 %"),
    (check.cyclegan.recovered, recovered_across_channels, "laid across them"),
    (check.cyclegan.recovered, lambda again, x, bare, where: -recovered_by_sums(again, x, bare, where), "sign"),
    (check.cyclegan.high_pass, high_pass_of_eight, "one of the nine"),
    (check.cyclegan.high_pass, lambda x: x - avg_pool2d(x, 3, 1, 1, count_include_pad=False), "few pixels"),
    (check.cyclegan.swapped_share, swapped_by_mean_colour, "errors cancel"),
    (check.cyclegan.noisy_cycle, lambda x, G, F, noise, sigma: (F(G(x) + sigma * noise) - x).abs().sum(), "the mean"),
    (check.cyclegan.noisy_cycle, lambda x, G, F, noise, sigma: l1_loss(F(G(x) + sigma * noise), G(x)), "be x"),
    (check.cyclegan.upper_limit, limit_of_exactly, "k = 0 only"),
    (check.cyclegan.upper_limit, lambda k, n: beta.ppf(0.95, k, n - k + 1), "k or fewer"),
    (check.cyclegan.upper_limit, lambda k, n: beta.ppf(0.95, k + 1, n - k + 1), "Bayesian"),
]

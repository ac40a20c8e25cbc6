"""Answers to the exercises of chapter 09."""

from collections.abc import Callable
from typing import Any

import torch
from scipy.stats import spearmanr
from torch import Tensor, nn
from torch.nn.functional import l1_loss, mse_loss

from answers.styles import Module
from genimg_utils import check


def error_by_losses(mapped: Tensor, x: Tensor, y: Tensor) -> Tensor:
    return l1_loss(mapped, y) / l1_loss(x, y)


def error_by_sums(mapped: Tensor, x: Tensor, y: Tensor) -> float:
    return (mapped - y).double().abs().sum().item() / (x - y).double().abs().sum().item()


def error_by_norms(mapped: Tensor, x: Tensor, y: Tensor) -> Tensor:
    return torch.dist(mapped, y, 1) / torch.dist(x, y, 1)


def similarity_by_cov(a: Tensor, b: Tensor, C1: float = 0.02**2, C2: float = 0.06**2) -> Tensor:
    out = []
    for one, other in zip(a, b, strict=True):
        (var_a, cov), (_, var_b) = torch.cov(torch.stack([one, other]), correction=0)
        means = (2 * one.mean() * other.mean() + C1) / (one.mean() ** 2 + other.mean() ** 2 + C1)
        out.append(means * (2 * cov + C2) / (var_a + var_b + C2))
    return torch.stack(out)


def similarity_by_moments(a: Tensor, b: Tensor, C1: float = 0.02**2, C2: float = 0.06**2) -> Tensor:
    ma, mb = a.double().mean(1), b.double().mean(1)
    va, vb = (a.double() ** 2).mean(1) - ma**2, (b.double() ** 2).mean(1) - mb**2
    cov = (a.double() * b.double()).mean(1) - ma * mb
    return ((2 * ma * mb + C1) * (2 * cov + C2)) / ((ma**2 + mb**2 + C1) * (va + vb + C2))


def similarity_centred(a: Tensor, b: Tensor, C1: float = 0.02**2, C2: float = 0.06**2) -> Tensor:
    ca, cb = a - a.mean(-1, keepdim=True), b - b.mean(-1, keepdim=True)
    structure = (2 * (ca * cb).mean(-1) + C2) / ((ca * ca).mean(-1) + (cb * cb).mean(-1) + C2)
    return structure * (2 * a.mean(-1) * b.mean(-1) + C1) / (a.mean(-1) ** 2 + b.mean(-1) ** 2 + C1)


def six_by_slices(x: Tensor, y: Tensor, G: Any, F: Any) -> list[Tensor]:
    n, m = len(x), len(y)
    back = F(torch.cat((y, x), 0))
    there = G(torch.cat((x, y, back[:m]), 0))
    return [there[:n], back[:m], F(there[:n]), there[n + m :], there[n : n + m], back[m:]]


def six_from_g(x: Tensor, y: Tensor, G: Any, F: Any) -> tuple[Tensor, ...]:
    """The mirror image: G first, then F with what it gave."""
    n, m = len(x), len(y)
    fake_y, same_y = G(torch.cat([x, y])).split([n, m])
    fake_x, same_x, back_x = F(torch.cat([y, x, fake_y])).split([m, n, n])
    return fake_y, fake_x, back_x, G(fake_x), same_y, same_x


def six_in_another_order(x: Tensor, y: Tensor, G: Any, F: Any) -> tuple[Tensor, ...]:
    n, m = len(x), len(y)
    same_x, fake_x = F(torch.cat([x, y])).split([n, m])
    back_y, same_y, fake_y = G(torch.cat([fake_x, y, x])).split([m, m, n])
    return fake_y, fake_x, F(fake_y), back_y, same_y, same_x


def ranks_by_scipy(a: Tensor, b: Tensor) -> float:
    return float(spearmanr(a.numpy(), b.numpy()).statistic)


def ranks_by_comparing(a: Tensor, b: Tensor) -> Tensor:
    """Signs of all differences add up to ranks, but for a constant and a factor."""
    ra, rb = ((v[:, None] - v).sign().double().sum(1) for v in (a, b))
    return (ra * rb).sum() / (ra.norm() * rb.norm())


def ranks_by_corrcoef(a: Tensor, b: Tensor) -> Tensor:
    def ranked(v: Tensor) -> Tensor:
        _, inverse, counts = v.unique(return_inverse=True, return_counts=True)
        ends = counts.cumsum(0)
        return ((2 * ends - counts + 1) / 2)[inverse]

    return torch.corrcoef(torch.stack([ranked(a), ranked(b)]))[0, 1]


def paired_by_losses(x: Tensor, y: Tensor, mapped: Tensor, D: Any, weight: float) -> Tensor:
    judged = D(torch.cat([x, mapped], dim=1))
    return mse_loss(judged, torch.ones_like(judged)) + weight * l1_loss(mapped, y)


def paired_by_modules(x: Tensor, y: Tensor, mapped: Tensor, D: Any, weight: float) -> Tensor:
    judged = D(torch.concat((x, mapped), 1))
    return weight * nn.L1Loss()(mapped, y) + nn.MSELoss()(judged, judged.new_ones(judged.shape))


def paired_picture_by_picture(x: Tensor, y: Tensor, mapped: Tensor, D: Any, weight: float) -> Tensor:
    parts = [
        ((1 - D(torch.cat([a, m])[None])) ** 2).mean() + weight * (m - b).abs().mean()
        for a, b, m in zip(x, y, mapped, strict=True)
    ]
    return torch.stack(parts).mean()


RIGHT = {
    "relative_error": [error_by_losses, error_by_sums, error_by_norms, Module(error_by_losses)],
    "similarity": [similarity_by_cov, similarity_by_moments, similarity_centred, Module(similarity_centred)],
    "six_translations": [six_by_slices, six_from_g, six_in_another_order],
    "rank_correlation": [ranks_by_scipy, ranks_by_comparing, ranks_by_corrcoef],
    "paired_loss": [paired_by_losses, paired_by_modules, paired_picture_by_picture],
}

# What none of the texts before the ✓ may say.
SOLUTIONS = {
    "relative_error": ["mapped - y", "x - y", "abs()"],
    "similarity": ["2 * cov", "mean_a", "var("],
    "six_translations": ["split", "cat([y, x])", "[: len"],
    "rank_correlation": ["argsort()", "corrcoef", "spearmanr"],
    "paired_loss": ["cat([x, mapped]", "- 1", "weight *"],
}


def six_plain(x: Tensor, y: Tensor, G: Any, F: Any) -> tuple[Tensor, ...]:
    return G(x), F(y), F(G(x)), G(F(y)), G(y), F(x)


def six_cut_wrong(x: Tensor, y: Tensor, G: Any, F: Any) -> tuple[Tensor, ...]:
    back = F(torch.cat([y, x]))
    there = G(torch.cat([x, y, back[: len(y)]]))
    n = len(x)
    return there[:n], back[len(y) :], F(there[:n]), there[n + len(y) :], there[n : n + len(y)], back[: len(y)]


def six_by_thirds(x: Tensor, y: Tensor, G: Any, F: Any) -> tuple[Tensor, ...]:
    fake_x, same_x = F(torch.cat([y, x])).chunk(2)
    fake_y, same_y, back_y = G(torch.cat([x, y, fake_x])).chunk(3)
    return fake_y, fake_x, F(fake_y), back_y, same_y, same_x


def six_without_identity(x: Tensor, y: Tensor, G: Any, F: Any) -> tuple[Tensor, ...]:
    fake_x = F(y)
    fake_y, back_y = G(torch.cat([x, fake_x])).split([len(x), len(y)])
    return fake_y, fake_x, F(fake_y), back_y


def ranks_once(a: Tensor, b: Tensor) -> Tensor:
    return torch.corrcoef(torch.stack([a.argsort(), b.argsort()]).double())[0, 1]


def ranks_without_ties(a: Tensor, b: Tensor) -> Tensor:
    return torch.corrcoef(torch.stack([a.argsort().argsort(), b.argsort().argsort()]).double())[0, 1]


def similarity_with_bessel(a: Tensor, b: Tensor, C1: float = 0.02**2, C2: float = 0.06**2) -> Tensor:
    covariance = (a * b).mean(dim=1) - a.mean(dim=1) * b.mean(dim=1)
    variances = a.var(dim=1) + b.var(dim=1)
    means = (2 * a.mean(dim=1) * b.mean(dim=1) + C1) / (a.mean(dim=1) ** 2 + b.mean(dim=1) ** 2 + C1)
    return means * (2 * covariance + C2) / (variances + C2)


# As a learner would write them, without knowledge of the registry: the exercise, the answer, words of the hint.
AS_WRITTEN: list[tuple[Any, Callable[..., Any], str]] = [
    (check.cyclegan.relative_error, lambda mapped, x, y: l1_loss(mapped, y), "not divided"),
    (check.cyclegan.relative_error, lambda mapped, x, y: mse_loss(mapped, y) / mse_loss(x, y), "L1"),
    (check.cyclegan.relative_error, lambda mapped, x, y: l1_loss(mapped, x) / l1_loss(y, x), "compared with x"),
    (check.cyclegan.relative_error, lambda mapped, x, y: (mapped - y).abs() / (x - y).abs(), "single number"),
    (check.cyclegan.relative_error, lambda mapped, x, y: l1_loss(mapped, y) / l1_loss(mapped, x), "moved"),
    (check.cyclegan.relative_error, lambda *of: min(error_by_sums(*of), 1.0), "do harm"),
    (check.cyclegan.similarity, similarity_with_bessel, "correction=0"),
    (
        check.cyclegan.similarity,
        lambda a, b, C1=0.1, C2=0.1: similarity_by_moments(a, b, C2, C1),
        "exchanged",
    ),
    (check.cyclegan.similarity, lambda a, b, C1=1.0, C2=1.0: similarity_by_moments(a + 1, b + 1, C1, C2), "already"),
    (check.cyclegan.six_translations, six_plain, "with six calls"),
    (check.cyclegan.six_translations, six_by_thirds, "cut each glued batch by the lengths"),
    (check.cyclegan.six_translations, six_by_thirds, "should be a tensor of shape [2, 2, 4, 4])"),
    (check.cyclegan.six_translations, six_cut_wrong, "exchanged"),
    (check.cyclegan.six_translations, six_without_identity, "return 6 values: G(x), then F(y)"),
    (check.cyclegan.six_translations, six_without_identity, "then F(x); yours is 4 values"),
    (check.cyclegan.six_translations, lambda x, y, G, F: six_by_slices(x, y, F, G), "exchanged"),
    (check.cyclegan.rank_correlation, ranks_once, "twice"),
    (check.cyclegan.rank_correlation, ranks_without_ties, "share the mean"),
    (check.cyclegan.rank_correlation, lambda a, b: torch.corrcoef(torch.stack([a, b]))[0, 1], "Pearson"),
    (
        check.cyclegan.paired_loss,
        lambda x, y, mapped, D, w: mse_loss(D(torch.cat([x, mapped], 1)), torch.tensor(1.0)) + w * mse_loss(mapped, y),
        "L1",
    ),
    (
        check.cyclegan.paired_loss,
        lambda x, y, mapped, D, w: paired_by_losses(x, y, mapped, lambda b: torch.sigmoid(D(b)), w),
        "σ",
    ),
    (check.cyclegan.paired_loss, lambda x, y, mapped, D, w: w * l1_loss(mapped, y), "discriminator's term"),
    (
        check.cyclegan.paired_loss,
        lambda x, y, mapped, D, w: (
            mse_loss(D(torch.cat([x, mapped.data], 1)), torch.tensor(1.0)) + w * l1_loss(mapped, y)
        ),
        "cut off before",
    ),
]

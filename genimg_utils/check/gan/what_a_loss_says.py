"""Exercises of chapter 01: likelihoods, best constants, divergences, and a loss that is learned."""

from math import ceil, e, log, log2, pi

import torch
from torch import Tensor, tensor, xlogy
from torch.nn.functional import logsigmoid, softplus

from genimg_utils.check import Exercise
from genimg_utils.check.gan.common import FAR, UNSTABLE, draw

# A squared error as a likelihood


def _double(value: float) -> Tensor:
    return tensor(value, dtype=torch.float64)


gaussian_nll = Exercise(
    name="gaussian_nll",
    confirms="in nats, summed over the n values, with the constants that make it the logarithm of a density.",
    property="for σ = 1 and error 0 it is 0.919 a value; it grows with the error, and is least at σ² = the error",
    reference=lambda mse, sigma, n: n * (mse / (2 * sigma**2) + sigma.log() + 0.5 * log(2 * pi)),
    inputs=[
        (_double(0.3), _double(0.7), 5),
        (_double(2.0), _double(1.5), 1),
        (_double(0.0), _double(0.2), 784),
        (_double(1.1), _double(3.0), 12),
    ],
    tolerance=1e-6,
    wrong={
        "you took σ for a variance: it is a standard deviation, and the density holds its square.": [
            lambda mse, s, n: n * (mse / (2 * s) + s.log() / 2 + 0.5 * log(2 * pi))
        ],
        "the width enters with the wrong factor: how large is ½ log(2π σ²) when you take σ out of it?": [
            lambda mse, s, n: n * (mse / (2 * s**2) + 2 * s.log() + 0.5 * log(2 * pi)),
            lambda mse, s, n: n * (mse / (2 * s**2) + s.log() / 2 + 0.5 * log(2 * pi)),
        ],
        "a ½ is missing: look at the exponent of the Gaussian again.": [
            lambda mse, s, n: n * (mse / s**2 + s.log() + 0.5 * log(2 * pi)),
            lambda mse, s, n: n * (mse / s**2 + 2 * s.log() + log(2 * pi)),
        ],
        "the constant is missing: without it this is no log-density, and two models cannot be compared.": [
            lambda mse, s, n: n * (mse / (2 * s**2) + s.log())
        ],
        "the width is missing: a wider Gaussian is lower everywhere, and pays for it.": [
            lambda mse, s, n: n * (mse / (2 * s**2) + 0.5 * log(2 * pi)),
            lambda mse, s, n: n * mse / (2 * s**2),
        ],
        "that is the mean over the values. Likelihoods multiply, so their logarithms add up.": [
            lambda mse, s, n: mse / (2 * s**2) + s.log() + 0.5 * log(2 * pi)
        ],
        "n belongs to all three terms: every value has its own constant and its own width.": [
            lambda mse, s, n: n * mse / (2 * s**2) + s.log() + 0.5 * log(2 * pi),
            lambda mse, s, n: mse / (2 * s**2) + n * (s.log() + 0.5 * log(2 * pi)),
        ],
        "this is the log-likelihood. A loss is minimised: turn its sign.": [
            lambda mse, s, n: -n * (mse / (2 * s**2) + s.log() + 0.5 * log(2 * pi))
        ],
        "σ sits in the wrong place: a narrow Gaussian punishes the same error more.": [
            lambda mse, s, n: n * (mse * s**2 / 2 + s.log() + 0.5 * log(2 * pi)),
            lambda mse, s, n: n * (mse / (2 * s**2) - s.log() + 0.5 * log(2 * pi)),
        ],
    },
)

# Which constant costs least


def _ranked(targets: Tensor, q: float) -> Tensor:
    return targets.sort().values[ceil(q * len(targets)) - 1]


def _expectile(targets: Tensor, q: float) -> Tensor:
    """The constant with the least asymmetric squared error, by its fixed point."""
    answer = targets.mean()
    for _ in range(500):
        weight = torch.where(targets > answer, q, 1 - q)
        answer = (weight * targets).sum() / weight.sum()
    return answer


def _least_cost(targets: Tensor, q: float) -> Tensor:
    gap = targets - _ranked(targets, q)
    return torch.maximum(q * gap, (q - 1) * gap).mean()


# For these n and q the cheapest constant is a single number, and every definition of a quantile agrees on it.
best_constant = Exercise(
    name="best_constant",
    confirms="no other constant costs less, on five sets of targets.",
    property="as large as the largest targets for q near 1, as small as the smallest for q near 0",
    reference=_ranked,
    inputs=[
        (draw(5).exp(), 0.25),
        (draw(9).exp() - 2, 0.75),
        (draw(9) ** 3, 0.125),
        (tensor([3.0, 1.0, 1.0, 90.0, 1.0]), 0.75),
        (draw(17).exp(), 0.5),
    ],
    tolerance=2e-3,
    wrong={
        "that is the mean, best for squares. Here a miss costs in proportion to its size.": [lambda t, q: t.mean()],
        "that is the median, best where too low and too high cost the same.": [lambda t, q: t.median()],
        "the costs are swapped: if too low is the expensive side, the answer should lie high.": [
            lambda t, q: _ranked(t, 1 - q)
        ],
        "you went a share q of the way from the smallest to the largest value. Count targets, not distance.": [
            lambda t, q: t.min() + q * (t.max() - t.min())
        ],
        "you weighted the squares of the misses: that pulls the answer towards outliers.": [_expectile],
        "one target too far: the slope of the total cost changes sign earlier.": [
            lambda t, q: t.sort().values[min(ceil(q * len(t)), len(t) - 1)]
        ],
        "the targets were not in order when you picked one by its place.": [lambda t, q: t[ceil(q * len(t)) - 1]],
        "that is the cost of the best constant; the constant itself is asked for.": [_least_cost],
        "you scaled the mean: shift all targets by one, and the answer should shift by one.": [
            lambda t, q: 2 * q * t.mean(),
            lambda t, q: q * t.mean(),
        ],
    },
)

# Divergences

P = tensor([[0.5, 0.3, 0.2], [0.1, 0.6, 0.3], [0.25, 0.05, 0.7]])


def _kl(p: Tensor, q: Tensor) -> Tensor:
    return (xlogy(p, p) - xlogy(p, q)).sum()


kl_discrete = Exercise(
    name="kl_discrete",
    confirms="in nats, zero only for equal distributions, and right where probabilities are 0.",
    property="zero for p = q, never negative, and another number when p and q change places",
    reference=_kl,
    inputs=[(P[0], P[1]), (P[1], P[2]), (tensor([0.9, 0.1]), tensor([0.4, 0.6])), (P[2], P[2])],
    edges={
        "an outcome with p = 0 adds nothing, whatever q says: the limit of p log p is 0, and 0 · log 0 is nan.": [
            (tensor([0.0, 0.4, 0.6]), tensor([0.2, 0.3, 0.5])),
            (tensor([0.0, 1.0]), tensor([0.0, 1.0])),
        ],
        "where q is 0 and p is not, the divergence is infinite; a small number inside the logarithm hides that.": [
            (tensor([0.5, 0.5]), tensor([1.0, 0.0])),
        ],
    },
    wrong={
        "p and q are exchanged: average over p, and ask how surprised q is.": [lambda p, q: _kl(q, p)],
        "this is in bits. The course counts in nats, with the natural logarithm.": [lambda p, q: _kl(p, q) / log(2)],
        "the weights are missing: each outcome counts as often as p has it.": [
            lambda p, q: (p / q).log().sum(),
            lambda p, q: (p / q).log().mean(),
        ],
        "that is the mean over outcomes: p has weighted them already, so they add up.": [
            lambda p, q: _kl(p, q) / len(p)
        ],
        "that is the cross-entropy. For p = q it is the entropy of p and not 0.": [lambda p, q: -xlogy(p, q).sum()],
        "the sign is flipped: a divergence is never negative.": [lambda p, q: -_kl(p, q)],
        "you took the absolute value of every term. Single terms may be negative; only their sum may not.": [
            lambda p, q: (p * (p / q).log()).abs().sum()
        ],
        "you made it symmetric. The two directions are different questions, as section 6 shows.": [
            lambda p, q: _kl(p, q) + _kl(q, p),
            lambda p, q: (_kl(p, q) + _kl(q, p)) / 2,
        ],
        "these were probabilities already: softmax came on top.": [
            lambda p, q: _kl(p.softmax(0), q.softmax(0)),
        ],
    },
)

wasserstein_1d = Exercise(
    name="wasserstein_1d",
    confirms="the cheapest pairing, found by sorting: moving one sample by 1 costs 1/n.",
    property="zero for the same numbers in any order, and d for a sample and its copy moved by d",
    reference=lambda x, y: (x.sort().values - y.sort().values).abs().mean(),
    inputs=[
        (draw(6), 5 * draw(6) + 1),
        (draw(9) - 1, 3 * draw(9)),
        (draw(4).exp(), -draw(4).exp()),
        (draw(1), draw(1)),
    ],
    wrong={
        "you paired the samples as they came. The cheapest pairing joins smallest with smallest.": [
            lambda x, y: (x - y).abs().mean()
        ],
        "you compare the means: two samples may share theirs and lie far apart. Take the size of each gap first.": [
            lambda x, y: (x.mean() - y.mean()).abs(),
            lambda x, y: (x.sort().values - y.sort().values).mean(),
            lambda x, y: x.mean() - y.mean(),
        ],
        "that is the sum of the ways. A distance that does not grow with the sample is their mean.": [
            lambda x, y: (x.sort().values - y.sort().values).abs().sum()
        ],
        "you squared the ways: W₁ takes them as they are.": [
            lambda x, y: (x.sort().values - y.sort().values).square().mean(),
            lambda x, y: (x.sort().values - y.sort().values).square().mean().sqrt(),
        ],
        "that is the longest way alone; W₁ is the mean over all.": [
            lambda x, y: (x.sort().values - y.sort().values).abs().max()
        ],
        "every x went to its nearest y, and some y got nothing: each must be used once.": [
            lambda x, y: (x[:, None] - y).abs().amin(1).mean()
        ],
        "you averaged over all pairs, not over the cheapest pairing: a sample would be far from itself.": [
            lambda x, y: (x[:, None] - y).abs().mean()
        ],
        "only one of the two is sorted, or the two in opposite directions.": [
            lambda x, y: (x.sort().values - y).abs().mean(),
            lambda x, y: (x - y.sort().values).abs().mean(),
            lambda x, y: (x.sort().values - y.sort(descending=True).values).abs().mean(),
        ],
    },
)


def _stray_terms(share: Tensor) -> tuple[Tensor, Tensor]:
    """KL(p‖m) and KL(q‖m) for q = (1 − share) p + share r, r where p is not."""
    kept = 1 - share
    return -(1 - share / 2).log(), xlogy(kept, kept / (1 - share / 2)) + share * log(2)


jsd_stray = Exercise(
    name="jsd_stray",
    confirms="0 where nothing strays, ln 2 where all does; the last strays cost most.",
    property="0 for share = 0, ln 2 for share = 1, gentle at first and steeper later",
    reference=lambda share: sum(_stray_terms(share)) / 2,
    inputs=[(_double(0.5),), (_double(0.1),), (_double(0.93),)],
    edges={
        "share = 0 and share = 1 are the two ends: 0 there, ln 2 here. Where a factor is 0, its logarithm must "
        "not make a nan of it.": [(_double(0.0),), (_double(1.0),)]
    },
    tolerance=1e-6,
    wrong={
        "that is the total variation. How sure can one be of each sample is another question.": [lambda s: s],
        "a straight line from 0 to ln 2: right at both ends, but a JSD is convex and lies below it between them.": [
            lambda s: s * log(2)
        ],
        "twice too much: the two divergences are averaged, not added.": [lambda s: sum(_stray_terms(s))],
        "that is KL(p‖m) alone: the strays' own side is missing.": [
            lambda s: _stray_terms(s)[0],
            lambda s: _stray_terms(s)[0] / 2,
        ],
        "that is KL(q‖m) alone: the data's side is missing.": [
            lambda s: _stray_terms(s)[1],
            lambda s: _stray_terms(s)[1] / 2,
        ],
        "that is KL(p‖q): there is no mixture in it, and it is infinite at share = 1.": [lambda s: -(1 - s).log()],
        "this is in bits: its largest value is 1. In nats it is ln 2.": [lambda s: sum(_stray_terms(s)) * log2(e) / 2],
        "that is the square root of it, the Jensen–Shannon distance.": [
            lambda s: (sum(_stray_terms(s), tensor(0.0)) / 2).sqrt()
        ],
        "the mixture holds half of the strays, because it is half q.": [
            lambda s: (-(1 - s).log() + xlogy(1 - s, tensor(1.0))) / 2,
            lambda s: -(1 - s / 2).log() / 2 + ((1 - s) * ((1 - s) / (1 - s / 2)).log()) / 2,
        ],
    },
)

# A divergence from a discriminator


def _loss(real: Tensor, fake: Tensor) -> Tensor:
    return softplus(-real).mean() + softplus(fake).mean()


jsd_from_logits = Exercise(
    name="jsd_from_logits",
    confirms="0 where all logits are 0, ln 2 where the discriminator is sure and right.",
    property="0 for logits of 0, near ln 2 for large logits with the right signs, negative for a bad discriminator",
    reference=lambda real, fake: log(2) - _loss(real, fake) / 2,
    inputs=[(draw(7) + 1, draw(7) - 1), (2 * draw(5, 1), 2 * draw(9, 1)), (tensor([0.0]), tensor([0.0, 0.0]))],
    edges={UNSTABLE: [(FAR, -FAR)]},
    wrong={
        "that is the discriminator's loss. The better it tells the two apart, the further apart they are.": [
            _loss,
            lambda r, f: _loss(r, f) / 2,
        ],
        "twice too much: a discriminator that is sure should give ln 2. Which factor stands before the JSD in 1.15?": [
            lambda r, f: 2 * log(2) - _loss(r, f)
        ],
        "you halved the loss and not its best value, or the other way round: logits of 0 should give 0.": [
            lambda r, f: 2 * log(2) - _loss(r, f) / 2,
            lambda r, f: log(2) - _loss(r, f),
        ],
        "the two are swapped: a good discriminator has high logits on real samples.": [
            lambda r, f: log(2) - _loss(f, r) / 2,
        ],
        "the sign is flipped: sure and right must give more than undecided.": [lambda r, f: _loss(r, f) / 2 - log(2)],
        "sums over samples: the estimate must not grow with their number. Average each term.": [
            lambda r, f: log(2) - (softplus(-r).sum() + softplus(f).sum()) / 2
        ],
        "real and generated samples are two means. Joined in one, the larger sample would count more.": [
            lambda r, f: log(2) - softplus(torch.cat([-r, f])).mean()
        ],
        "σ comes in twice: the inputs are logits, and a loss on logits was given probabilities.": [
            lambda r, f: log(2) - _loss(r.sigmoid(), f.sigmoid()) / 2
        ],
        "one of the two terms is missing.": [
            lambda r, f: log(2) - softplus(-r).mean() / 2,
            lambda r, f: log(2) - softplus(-r).mean(),
            lambda r, f: log(2) + logsigmoid(-f).mean(),
        ],
    },
)

"""Exercises of chapter 10: what came back, what is hidden, a house's colour, noise on the way back, few seeds."""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from scipy.optimize import brentq
from scipy.stats import beta, binom
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, pad

from genimg_utils.check import Exercise, Observation
from genimg_utils.check.common import NO_GRADIENT, gradients, numbers

draw = numbers(seed=10)


def _pictures(count: int, size: int = 6) -> Tensor:
    return draw(count, 3, size, size).tanh()


def _where(count: int, size: int = 6) -> Tensor:
    """Some pixels of each picture, as a mask [N, S, S]."""
    return draw(count, size, size) > 0.3


# What came back


def _off(a: Tensor, b: Tensor, where: Tensor) -> Tensor:
    return (a - b).abs().mean(dim=1)[where].mean()


def _recovered(again: Tensor, x: Tensor, bare: Tensor, where: Tensor) -> Tensor:
    return 1 - _off(again, x, where) / _off(bare, x, where)


recovered = Exercise(
    name="recovered",
    confirms="1 where all flowers are back, 0 where the meadow is bare, below 0 where something else stands there.",
    property="1 where again is x, 0 where again is bare, and only the pixels in `where` count",
    reference=_recovered,
    inputs=[
        (_pictures(3), _pictures(3), _pictures(3), _where(3)),
        (_pictures(1), _pictures(1), _pictures(1), _where(1)),
    ],
    wrong={
        "that is the error that is left. What came back is 1 minus it.": [
            lambda again, x, bare, where: _off(again, x, where) / _off(bare, x, where),
        ],
        "all pixels were counted. The meadow without flowers says nothing: only those in `where`.": [
            lambda again, x, bare, where: 1 - (again - x).abs().mean() / (bare - x).abs().mean(),
        ],
        "the pixels beside the flowers were counted: `where` is turned around.": [
            lambda again, x, bare, where: _recovered(again, x, bare, ~where),
        ],
        "what came back was compared with the bare meadow. It should be x, with its flowers.": [
            lambda again, x, bare, where: 1 - _off(again, bare, where) / _off(bare, x, where),
        ],
        "differences were squared, as in L2. The absolute ones are asked: L1.": [
            lambda again, x, bare, where: (
                1 - (again - x).square().mean(dim=1)[where].mean() / (bare - x).square().mean(dim=1)[where].mean()
            ),
            lambda again, x, bare, where: (
                1 - (again - x).movedim(1, -1)[where].norm() / (bare - x).movedim(1, -1)[where].norm()
            ),
        ],
        "the error is not divided by that of a bare meadow.": [
            lambda again, x, bare, where: 1 - _off(again, x, where),
            lambda again, x, bare, where: _off(bare, x, where) - _off(again, x, where),
        ],
        "a quotient was taken for each pixel or picture, and then their mean. 10.1 is one quotient of two means.": [
            lambda again, x, bare, where: (
                1 - ((again - x).abs().mean(dim=1) / (bare - x).abs().mean(dim=1))[where].mean()
            ),
            lambda again, x, bare, where: 1 - (_far(again, x, where) / _far(bare, x, where)).mean(),
        ],
        "`where` has no channels, and was laid across them: it marked the wrong numbers. Give it an axis for them.": [
            lambda again, x, bare, where: 1 - ((again - x).abs() * where).sum() / ((bare - x).abs() * where).sum(),
        ],
        "signs were kept, so that errors cancel: take absolute values first.": [
            lambda again, x, bare, where: (
                1 - (again - x).mean(dim=1)[where].mean() / (bare - x).mean(dim=1)[where].mean()
            ),
        ],
        "the quotient is upside down: the error that is left belongs above.": [
            lambda again, x, bare, where: 1 - _off(bare, x, where) / _off(again, x, where),
        ],
        "the sign is turned: nothing lost should give 1, all lost 0.": [
            lambda again, x, bare, where: _off(again, x, where) / _off(bare, x, where) - 1,
        ],
        "the answer was cut off at 0. What is worse than a bare meadow should show as such.": [
            lambda again, x, bare, where: _recovered(again, x, bare, where).clamp(0, 1),
        ],
        "the mean is over all pixels, with zeros beside the flowers in the numerator only.": [
            lambda again, x, bare, where: 1 - ((again - x).abs().mean(dim=1) * where).mean() / (bare - x).abs().mean(),
        ],
    },
)

# What is hidden


def _around(x: Tensor, mode: str = "reflect") -> Tensor:
    """The mean of the 3 × 3 pixels around each."""
    return avg_pool2d(pad(x, (1, 1, 1, 1), mode=mode), 3, stride=1)


high_pass = Exercise(
    name="high_pass",
    confirms="what is smooth is gone, and what changes from pixel to pixel is left.",
    property="0 for a picture of one colour, borders included, and 8/9 of the height at a lone pixel",
    reference=lambda x: x - _around(x),
    inputs=[(_pictures(2),), (torch.full((1, 3, 6, 6), 0.7) + 0.1 * draw(1, 3, 6, 6),)],
    wrong={
        "that is what is smooth, the low-pass picture. Subtract it from x.": [_around],
        "the sign is turned: x comes first.": [lambda x: _around(x) - x],
        "zeros stand around the picture, so that its borders light up: mirror them (mode='reflect').": [
            lambda x: x - _around(x, "constant"),
        ],
        "the border is repeated, or the other side stands there. Here it is mirrored (mode='reflect').": [
            lambda x: x - _around(x, "replicate"),
            lambda x: x - _around(x, "circular"),
        ],
        "at the border the mean is that of the few pixels that are there. Mirror the picture first (mode='reflect').": [
            lambda x: x - avg_pool2d(x, 3, stride=1, padding=1, count_include_pad=False),
        ],
        "the sum of the nine pixels was subtracted. Take their mean.": [lambda x: x - 9 * _around(x)],
        "the pixel itself was left out of the mean. It is one of the nine.": [lambda x: 9 / 8 * (x - _around(x))],
        "the mean of the whole picture was subtracted: hills and sky are still there. Take the 3 × 3 around each.": [
            lambda x: x - x.mean(dim=(2, 3), keepdim=True),
        ],
        "the three colours were thrown together. Each channel is by itself.": [
            lambda x: x - _around(x).mean(dim=1, keepdim=True),
            lambda x: x - _around(x).sum(dim=1, keepdim=True),
        ],
        "the sign is lost: a message may be brighter or darker than what is around it.": [
            lambda x: (x - _around(x)).abs(),
        ],
        "the window is 5 × 5; asked is 3 × 3.": [
            lambda x: x - avg_pool2d(pad(x, (2, 2, 2, 2), mode="reflect"), 5, stride=1),
        ],
    },
)

# Whose colour the house has


def _far(a: Tensor, b: Tensor, where: Tensor) -> Tensor:
    """Summed over the pixels of each picture, [N]."""
    return ((a - b).abs().mean(dim=1) * where).sum(dim=(1, 2))


def _colour(difference: Tensor, where: Tensor) -> Tensor:
    """Its channels, summed with their signs over the pixels of each picture, [N, 3]."""
    return (difference * where[:, None]).sum(dim=(2, 3))


def _swapped(mapped: Tensor, true: Tensor, false: Tensor, where: Tensor) -> Tensor:
    return (_far(mapped, true, where) > _far(mapped, false, where)).double().mean()


def _houses(count: int, mixed: float) -> tuple[Tensor, ...]:
    """Houses and what is around them lie nearer to either rendering, independently of each other."""
    true, false, where = _pictures(count), _pictures(count), _where(count)
    house, around = (draw(count, 1, 1, 1) > mixed for _ in range(2))
    right = torch.where(where[:, None], house, around).float()
    return right * true + (1 - right) * false + 0.8 * draw(count, 3, 6, 6), true, false, where


swapped_share = Exercise(
    name="swapped_share",
    confirms="each picture is asked once, and only its house is looked at.",
    property="0 where every house has its own colour, 1 where every house has the other's",
    reference=_swapped,
    inputs=[_houses(31, 0.4), _houses(29, -0.5)],
    wrong={
        "that is the share of houses that are right.": [
            lambda mapped, true, false, where: 1 - _swapped(mapped, true, false, where),
        ],
        "whole pictures were compared. Look at the house alone: only the pixels in `where` are asked.": [
            lambda mapped, true, false, where: _swapped(mapped, true, false, torch.ones_like(where)),
        ],
        "everything but the house was compared: `where` is turned around.": [
            lambda mapped, true, false, where: _swapped(mapped, true, false, ~where),
        ],
        "all pictures were thrown together before they were compared: the answer can only be 0 or 1.": [
            lambda mapped, true, false, where: (
                _far(mapped, true, where).mean() > _far(mapped, false, where).mean()
            ).double(),
        ],
        "each pixel was asked. A house has one colour: one question for each picture.": [
            lambda mapped, true, false, where: (
                ((mapped - true).abs().mean(dim=1) > (mapped - false).abs().mean(dim=1))[where].double().mean()
            ),
        ],
        "signs were kept, or colours averaged before they were compared: errors cancel. Compare pixel by pixel.": [
            lambda mapped, true, false, where: (
                (_colour(mapped - true, where).abs().sum(1) > _colour(mapped - false, where).abs().sum(1))
                .double()
                .mean()
            ),
            lambda mapped, true, false, where: (
                (_colour(mapped - true, where).sum(1) > _colour(mapped - false, where).sum(1)).double().mean()
            ),
        ],
        "that is how far the houses are on the way to the other paint. Ask each for yes or no, and count.": [
            lambda mapped, true, false, where: (
                1 / (1 + _far(mapped, false, where) / _far(mapped, true, where))
            ).mean(),
        ],
        "that is how many. Asked is the share.": [
            lambda mapped, true, false, where: _swapped(mapped, true, false, where) * len(mapped),
        ],
    },
)

# Noise on the way back


class _Mix(nn.Module):
    """tanh of mixed channels of pictures [B, 2, S, S]."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(draw(2, 2))

    def forward(self, x: Tensor) -> Tensor:
        return torch.einsum("oc,bchw->bohw", self.weight, x).tanh()


def _noisy(x: Tensor, G: Any, F: Any, noise: Tensor, sigma: float) -> Tensor:
    return (F(G(x) + sigma * noise) - x).abs().mean()


def _seen(function: Callable[..., Any], x: Tensor, G: _Mix, F: _Mix, noise: Tensor, sigma: float) -> Observation:
    value = function(x, G, F, noise, sigma)
    slopes = gradients(value, G.weight, F.weight)
    return {"your answer": value, "the gradient of G": slopes[0], "the gradient of F": slopes[1]}


def _case(count: int, sigma: float) -> tuple[Any, ...]:
    return draw(count, 2, 4, 4).tanh(), _Mix(), _Mix(), draw(count, 2, 4, 4), sigma


noisy_cycle = Exercise(
    name="noisy_cycle",
    confirms="what is written finer than the noise does not arrive, and both generators learn that.",
    property="the cycle loss of chapter 08 where sigma is 0, with gradients for G and for F",
    reference=_noisy,
    inputs=[_case(3, 0.3), _case(1, 1.5)],
    observe=_seen,
    wrong={
        NO_GRADIENT: [torch.no_grad()(_noisy)],
        "there is no noise in it.": [lambda x, G, F, noise, sigma: _noisy(x, G, F, noise, 0.0)],
        "the noise fell on x. A message is written in G(x), so that is where noise must fall.": [
            lambda x, G, F, noise, sigma: (F(G(x + sigma * noise)) - x).abs().mean(),
        ],
        "the noise fell on what came back: F never had to read through it.": [
            lambda x, G, F, noise, sigma: (F(G(x)) + sigma * noise - x).abs().mean(),
        ],
        "what comes back should be x itself, without noise.": [
            lambda x, G, F, noise, sigma: (F(G(x) + sigma * noise) - (x + sigma * noise)).abs().mean(),
        ],
        "sigma is a standard deviation, not a variance: no root, no square.": [
            lambda x, G, F, noise, sigma: _noisy(x, G, F, noise, sigma**2),
            lambda x, G, F, noise, sigma: _noisy(x, G, F, noise, sigma**0.5),
        ],
        "the noise has a width of 1: multiply it by sigma.": [
            lambda x, G, F, noise, sigma: _noisy(x, G, F, noise, 1.0),
        ],
        "the number is right, and G gets no gradient: it was cut off in the middle.": [
            lambda x, G, F, noise, sigma: (F(G(x).detach() + sigma * noise) - x).abs().mean(),
        ],
        "that is the squared difference. The absolute one is asked: L1.": [
            lambda x, G, F, noise, sigma: (F(G(x) + sigma * noise) - x).square().mean(),
        ],
        "that is the sum over all pixels, or over those of a picture. The loss is the mean.": [
            lambda x, G, F, noise, sigma: (F(G(x) + sigma * noise) - x).abs().sum(),
            lambda x, G, F, noise, sigma: (F(G(x) + sigma * noise) - x).abs().flatten(1).sum(dim=1).mean(),
        ],
        "G and F are exchanged: x is translated by G first.": [
            lambda x, G, F, noise, sigma: _noisy(x, F, G, noise, sigma),
        ],
        "what comes back was compared with a translation. It should be x.": [
            lambda x, G, F, noise, sigma: (F(G(x) + sigma * noise) - G(x)).abs().mean(),
            lambda x, G, F, noise, sigma: (F(G(x) + sigma * noise) - F(G(x))).abs().mean(),
        ],
        "what is noisy was clamped, so that less noise falls on what is black or white. Leave it as it is.": [
            lambda x, G, F, noise, sigma: (F((G(x) + sigma * noise).clamp(-1, 1)) - x).abs().mean(),
        ],
        "the noise was multiplied with G(x): where that is 0, none falls. Add it.": [
            lambda x, G, F, noise, sigma: (F(G(x) * (1 + sigma * noise)) - x).abs().mean(),
        ],
    },
)

# Few seeds


def _limit(k: int, n: int, level: float = 0.95) -> float:
    return 1.0 if k == n else float(beta.ppf(level, k + 1, n - k))


def _wilson(share: float, n: int, z: float) -> float:
    middle, width = share + z**2 / (2 * n), z * (share * (1 - share) / n + z**2 / (4 * n**2)) ** 0.5
    return (middle + width) / (1 + z**2 / n)


upper_limit = Exercise(
    name="upper_limit",
    confirms="five seeds without a failure leave room for 45 failures in a hundred.",
    property="1 − 0.05^(1/n) where k is 0, falling with n, and 1 where all have failed",
    reference=_limit,
    inputs=[(0, 5), (0, 59), (2, 8), (1, 3)],
    edges={"where all have failed, no rate is too large: 1.": [(4, 4)]},
    wrong={
        "that is the share that was seen. Zero of five does not mean never.": [lambda k, n: k / n],
        "that is the lower limit, below which the rate is too small to give so many.": [
            lambda k, n: 0.0 if k == 0 else float(beta.ppf(0.05, k, n - k + 1)),
        ],
        "that leaves 2.5 %, the upper end of an interval with two ends. Here one end is asked: 5 %.": [
            partial(_limit, level=0.975),
        ],
        "that leaves 95 %: the rate is the one that would be exceeded nearly always.": [
            partial(_limit, level=0.05),
            lambda k, n: 1 - 0.95 ** (1 / n),
        ],
        "that is the mean and 1.64 or 1.96 standard errors, and their width is 0 where none has failed.": [
            lambda k, n: k / n + 1.96 * (k / n * (1 - k / n) / n) ** 0.5,
            lambda k, n: k / n + 1.64 * (k / n * (1 - k / n) / n) ** 0.5,
            lambda k, n: k / n + 1.645 * (k / n * (1 - k / n) / n) ** 0.5,
        ],
        "that is the rule of three, 3/n, good for many seeds and none that failed.": [lambda k, n: 3 / n],
        "that is right for k = 0 only: with failures, add up the chances of 0, 1, …, k of them.": [
            lambda k, n: 1 - 0.05 ** (1 / n),
            lambda k, n: brentq(lambda rate: binom.pmf(k, n, rate) - 0.05, k / n, 1.0),
        ],
        "that leaves 10 %. Asked is 5 %.": [partial(_limit, level=0.9)],
        "k itself was left out: the chance is that of fewer than k failures. Asked is k or fewer.": [
            lambda k, n: 0.0 if k == 0 else float(beta.ppf(0.95, k, n - k + 1)),
            lambda k, n: float(beta.ppf(0.95, k, n - k + 1)),
        ],
        "that is a Bayesian limit, with every rate as likely before. Asked is where the sum in the text is 5 %.": [
            lambda k, n: float(beta.ppf(0.95, k + 1, n - k + 1)),
        ],
        "that asks how many would fail at the rate that was seen. Turn it round: at which rate would so few fail?": [
            lambda k, n: float(binom.ppf(0.95, n, k / n)) / n,
        ],
        "that is the rate of the seeds that do well. Asked is the rate of failures.": [
            lambda k, n: 0.05 ** (1 / n),
            lambda k, n: 1 - _limit(k, n),
        ],
        "that is one guess at the rate. Asked is how large it may be.": [lambda k, n: (k + 1) / (n + 2)],
        "that is Wilson's limit, a normal approximation. With so few seeds use the sum itself.": [
            lambda k, n: _wilson(k / n, n, 1.645),
            lambda k, n: _wilson(k / n, n, 1.96),
        ],
        "k and n − k are exchanged: that bounds the share that did not fail.": [lambda k, n: _limit(n - k, n)],
    },
)

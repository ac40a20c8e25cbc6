"""Exercises of chapter 09: the error against the truth, structure, three calls for six, ranks, and what pairs give."""

import copy
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from genimg_utils.check import Exercise, Observation
from genimg_utils.check.common import NO_GRADIENT, gradients, numbers

draw = numbers(seed=9)

L2_FOR_L1 = "that is the squared difference. The absolute one is asked: L1."


def _pictures(count: int) -> Tensor:
    return draw(count, 3, 4, 4).tanh()


# As a share of doing nothing


def _off(a: Tensor, b: Tensor) -> Tensor:
    return (a - b).abs().mean()


def _squared(a: Tensor, b: Tensor) -> Tensor:
    return (a - b).square().mean()


def _by_picture(mapped: Tensor, x: Tensor, y: Tensor) -> Tensor:
    return ((mapped - y).abs().mean(dim=(1, 2, 3)) / (x - y).abs().mean(dim=(1, 2, 3))).mean()


relative_error = Exercise(
    name="relative_error",
    confirms="0 for the truth, 1 for doing nothing, and more than 1 for harm.",
    property="0 where mapped is y, 1 where mapped is x, and not changed where all three are made twice as bright",
    reference=lambda mapped, x, y: _off(mapped, y) / _off(x, y),
    inputs=[(_pictures(3), _pictures(3), _pictures(3)), (_pictures(1), _pictures(1), _pictures(1))],
    edges={
        "a translation can do harm: worse than doing nothing is more than 1.": [
            (-(ramp := torch.linspace(-1, 1, 48).view(1, 3, 4, 4)), ramp / 2, ramp)
        ],
    },
    wrong={
        "mapped was compared with x, from which it came. The truth is y.": [
            lambda mapped, x, y: _off(mapped, x) / _off(x, y),
        ],
        "turned upside down: 0 should mean right.": [
            lambda mapped, x, y: _off(x, y) / _off(mapped, y),
        ],
        "the error alone: it is not divided by that of doing nothing.": [lambda mapped, x, y: _off(mapped, y)],
        "that is half of the error, a share of the range [−1, 1]. Divide by the error of doing nothing.": [
            lambda mapped, x, y: _off(mapped, y) / 2,
        ],
        L2_FOR_L1: [
            lambda mapped, x, y: _squared(mapped, y) / _squared(x, y),
            lambda mapped, x, y: (_squared(mapped, y) / _squared(x, y)).sqrt(),
        ],
        "that is what is gained, 1 minus what is asked.": [lambda mapped, x, y: 1 - _off(mapped, y) / _off(x, y)],
        "divided by how far the translation moved. Doing nothing moves 0: its error is the distance from x to y.": [
            lambda mapped, x, y: _off(mapped, y) / _off(mapped, x),
        ],
        "divided by the brightness of y. Doing nothing gives x: its error is the distance from x to y.": [
            lambda mapped, x, y: _off(mapped, y) / y.abs().mean(),
        ],
        "the signs were kept: too bright here and too dark there cancel.": [
            lambda mapped, x, y: (mapped - y).mean() / (x - y).mean(),
            lambda mapped, x, y: ((mapped - y).mean() / (x - y).mean()).abs(),
        ],
        "a quotient for each pixel, then the mean: pixels that hardly change decide. Two means, one division.": [
            lambda mapped, x, y: ((mapped - y).abs() / (x - y).abs()).mean(),
        ],
        "a quotient for each picture, then the mean. In 9.1 both expectations are over all pictures.": [_by_picture],
    },
)

# Structure


def _moments(a: Tensor, b: Tensor, correction: int = 0) -> tuple[Tensor, ...]:
    pixels = a.shape[1]
    centred = (a - a.mean(dim=1, keepdim=True)) * (b - b.mean(dim=1, keepdim=True))
    variances = (v.var(dim=1, correction=correction) for v in (a, b))
    return a.mean(dim=1), b.mean(dim=1), *variances, centred.sum(dim=1) / (pixels - correction)


def _ssim(a: Tensor, b: Tensor, C1: float, C2: float, correction: int = 0) -> Tensor:
    mean_a, mean_b, var_a, var_b, cov = _moments(a, b, correction)
    luminance = (2 * mean_a * mean_b + C1) / (mean_a**2 + mean_b**2 + C1)
    return luminance * (2 * cov + C2) / (var_a + var_b + C2)


def _with_deviations(a: Tensor, b: Tensor, C1: float, C2: float) -> Tensor:
    mean_a, mean_b, var_a, var_b, cov = _moments(a, b)
    luminance = (2 * mean_a * mean_b + C1) / (mean_a**2 + mean_b**2 + C1)
    return luminance * (2 * cov + C2) / (var_a.sqrt() + var_b.sqrt() + C2)


def _squared_variances(a: Tensor, b: Tensor, C1: float, C2: float) -> Tensor:
    _, _, var_a, var_b, cov = _moments(a, b)
    return _means_only(a, b, C1, C2) * (2 * cov + C2) / (var_a**2 + var_b**2 + C2)


def _correlation(a: Tensor, b: Tensor, C1: float, C2: float) -> Tensor:
    *_, var_a, var_b, cov = _moments(a, b)
    return cov / (var_a * var_b).sqrt()


def _means_only(a: Tensor, b: Tensor, C1: float, C2: float) -> Tensor:
    mean_a, mean_b, *_ = _moments(a, b)
    return (2 * mean_a * mean_b + C1) / (mean_a**2 + mean_b**2 + C1)


def _without_twos(a: Tensor, b: Tensor, C1: float, C2: float) -> Tensor:
    mean_a, mean_b, var_a, var_b, cov = _moments(a, b)
    return (mean_a * mean_b + C1) * (cov + C2) / ((mean_a**2 + mean_b**2 + C1) * (var_a + var_b + C2))


def _raw_products(a: Tensor, b: Tensor, C1: float, C2: float) -> Tensor:
    mean_a, mean_b, var_a, var_b, _ = _moments(a, b)
    luminance = (2 * mean_a * mean_b + C1) / (mean_a**2 + mean_b**2 + C1)
    return luminance * (2 * (a * b).mean(dim=1) + C2) / (var_a + var_b + C2)


def _one_window(a: Tensor, b: Tensor, C1: float, C2: float) -> Tensor:
    return _ssim(a.reshape(1, -1), b.reshape(1, -1), C1, C2).expand(len(a))


similarity = Exercise(
    name="similarity",
    confirms="means, variances and the covariance of each window, and constants that keep flat windows finite.",
    property="[N], 1 where a and b are equal, the same with a and b exchanged",
    reference=_ssim,
    inputs=[
        (a := 0.3 * draw(3, 16) + 0.2, 0.6 * a + 0.2 * draw(3, 16) - 0.1, 0.02**2, 0.06**2),
        (b := 0.1 * draw(2, 9) - 0.3, b + 0.1 * draw(2, 9), 0.1, 0.2),
    ],
    edges={"flat windows of one grey are equal: 1, and never NaN.": [(torch.zeros(2, 9), torch.zeros(2, 9), 0.1, 0.2)]},
    wrong={
        "variances and covariance are over pixels − 1; here all pixels have equal weight 1/n: correction=0.": [
            lambda a, b, C1, C2: _ssim(a, b, C1, C2, correction=1),
        ],
        "the covariance is over n and the variances over n − 1: var takes correction=0.": [
            lambda a, b, C1, C2: (
                _means_only(a, b, C1, C2) * (2 * _moments(a, b)[4] + C2) / (a.var(dim=1) + b.var(dim=1) + C2)
            ),
        ],
        "σ² in the denominator is the variance; those are standard deviations.": [_with_deviations],
        "the constants are missing: a flat window divides by zero.": [
            lambda a, b, C1, C2: _ssim(a, b, 0.0, 0.0),
        ],
        "C1 and C2 are exchanged: C1 stands with the means.": [lambda a, b, C1, C2: _ssim(a, b, C2, C1)],
        "that is the correlation alone. 9.2 also asks for equal means and equal contrast.": [_correlation],
        "only the means are compared: the second factor is missing.": [_means_only],
        "the first factor is missing: windows of different brightness come out equal.": [
            lambda a, b, C1, C2: _ssim(a, b, C1, C2) / _means_only(a, b, C1, C2),
        ],
        "the twos are missing: equal windows should give 1, and these give ¼.": [_without_twos],
        "the covariance is the mean of the product minus the product of the means: the second part is missing.": [
            _raw_products,
        ],
        "black is 0 in these windows already: only pictures in [−1, 1] want the 1.": [
            lambda a, b, C1, C2: _ssim(a + 1, b + 1, C1, C2),
        ],
        "σ² is the variance itself, not its square.": [_squared_variances],
        "all windows were taken for one. Each row is a window of its own: dim=1.": [_one_window],
    },
)

# Six translations with three calls


class _Player(nn.Module):
    """tanh of mixed channels of pictures [B, 2, S, S]; it counts its calls."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(draw(2, 2))
        self.bias = nn.Parameter(draw(2, 1, 1) / 2)
        self.calls = 0

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        return (torch.einsum("oc,bchw->bohw", self.weight, x) + self.bias).tanh()


SIX = ("G(x)", "F(y)", "F(G(x))", "G(F(y))", "G(y)", "F(x)")
Six = tuple[Tensor, ...]


def _six(x: Tensor, y: Tensor, G: Any, F: Any) -> Six:
    fake_x, same_x = F(torch.cat([y, x])).split([len(y), len(x)])
    fake_y, same_y, back_y = G(torch.cat([x, y, fake_x])).split([len(x), len(y), len(y)])
    return fake_y, fake_x, F(fake_y), back_y, same_y, same_x


def _plain(x: Tensor, y: Tensor, G: Any, F: Any) -> Six:
    fake_y, fake_x = G(x), F(y)
    return fake_y, fake_x, F(fake_y), G(fake_x), G(y), F(x)


def _eight(x: Tensor, y: Tensor, G: Any, F: Any) -> Six:
    return G(x), F(y), F(G(x)), G(F(y)), G(y), F(x)


def _four(x: Tensor, y: Tensor, G: Any, F: Any) -> Six:
    fake_y, same_y = G(torch.cat([x, y])).split([len(x), len(y)])
    fake_x, same_x = F(torch.cat([y, x])).split([len(y), len(x)])
    return fake_y, fake_x, F(fake_y), G(fake_x), same_y, same_x


def _reordered(*order: int) -> Callable[..., Six]:
    def six(x: Tensor, y: Tensor, G: Any, F: Any) -> Six:
        right = _six(x, y, G, F)
        return tuple(right[i] for i in order)

    return six


def _cut_back(x: Tensor, y: Tensor, G: Any, F: Any) -> Six:
    fake_x, same_x = F(torch.cat([y, x])).split([len(y), len(x)])
    fake_y, same_y, back_y = G(torch.cat([x, y, fake_x.detach()])).split([len(x), len(y), len(y)])
    return fake_y, fake_x, F(fake_y.detach()), back_y, same_y, same_x


def _there_again(x: Tensor, y: Tensor, G: Any, F: Any) -> Six:
    right = _six(x, y, G, F)
    return right[0], right[1], F(y)[: len(x)], right[3], right[4], right[5]


def _called(function: Callable[..., Any], x: Tensor, y: Tensor, G: _Player, F: _Player) -> Observation:
    """The six, how many calls there were too many, and what the six send back to each generator."""
    six = function(x, y, G, F)
    if not isinstance(six, tuple | list) or len(six) != 6 or not all(isinstance(t, Tensor) for t in six):
        return {"your answer": [t.detach() for t in six] if isinstance(six, tuple | list) else six}
    calls = G.calls + F.calls
    slopes = gradients(sum(t.square().sum() for t in six), G.weight, F.weight)
    return {
        **dict(zip(SIX, six, strict=True)),
        "the number of calls above three": torch.tensor(float(max(0, calls - 3))),
        "the gradient of G": slopes[0],
        "the gradient of F": slopes[1],
    }


six_translations = Exercise(
    name="six_translations",
    confirms="all six with three calls, and gradients through each of them.",
    property="G(x), F(y), F(G(x)), G(F(y)), G(y), F(x), each as if it had been computed alone",
    reference=_six,
    inputs=[
        (draw(3, 2, 4, 4).tanh(), draw(3, 2, 4, 4).tanh(), _Player(), _Player()),
        (draw(1, 2, 4, 4).tanh(), draw(1, 2, 4, 4).tanh(), _Player(), _Player()),
    ],
    edges={
        "x and y may differ in number: cut each glued batch by the lengths of its pieces.": [
            (draw(2, 2, 4, 4).tanh(), draw(3, 2, 4, 4).tanh(), _Player(), _Player())
        ],
    },
    observe=_called,
    wrong={
        "all six are right, with six calls or more. Glue with torch.cat what need not wait, and cut it apart again.": [
            _plain,
            _eight,
        ],
        "all six are right, with four calls. G(F(y)) can ride along with G(x) and G(y), once F(y) is there.": [_four],
        "the pieces of a glued batch are exchanged: cut it in the order in which it was glued.": [
            _reordered(4, 1, 2, 3, 0, 5),
            _reordered(0, 5, 2, 3, 4, 1),
            _reordered(4, 5, 2, 3, 0, 1),
            _reordered(3, 1, 2, 0, 4, 5),
            _reordered(0, 1, 2, 4, 3, 5),
        ],
        "the six are right, in another order. Asked are G(x), F(y), F(G(x)), G(F(y)), G(y), F(x).": [
            _reordered(1, 0, 2, 3, 4, 5),
            _reordered(0, 1, 3, 2, 4, 5),
            _reordered(0, 1, 2, 3, 5, 4),
            _reordered(0, 1, 4, 5, 2, 3),
            _reordered(0, 2, 4, 1, 3, 5),
        ],
        "the six are right, and no gradient reaches the generators: something is detached.": [torch.no_grad()(_six)],
        "the six are right, and the first half of each journey gets no gradient: it was cut off in the middle.": [
            _cut_back,
        ],
        "the generators are exchanged: G takes pictures of X to Y, and F those of Y to X.": [
            lambda x, y, G, F: _six(x, y, F, G),
        ],
        "x and y are exchanged: G takes x, and F takes y.": [lambda x, y, G, F: _six(y, x, G, F)],
    },
)

# Ranks


def _ranks(values: Tensor) -> Tensor:
    """From 0; equal values share the mean of their ranks."""
    below = (values[None] < values[:, None]).sum(dim=1)
    equal = (values[None] == values[:, None]).sum(dim=1)
    return below + (equal - 1) / 2


def _pearson(a: Tensor, b: Tensor) -> Tensor:
    a, b = a.double() - a.double().mean(), b.double() - b.double().mean()
    return (a * b).sum() / (a.square().sum() * b.square().sum()).sqrt()


def _order(values: Tensor) -> Tensor:
    return values.argsort(stable=True)


def _places(values: Tensor) -> Tensor:
    """Ranks without a look at equal values."""
    return _order(_order(values))


def _kendall(a: Tensor, b: Tensor) -> Tensor:
    signs = (a[:, None] - a).sign() * (b[:, None] - b).sign()
    return signs.double().sum() / (len(a) * (len(a) - 1))


SERIES = [torch.tensor([1.0, 2.0, 3.0, 5.0, 4.0, 20.0, 7.0]), torch.tensor([0.2, -1.0, 0.4, 0.3, 0.9, 1.0, 8.0])]

rank_correlation = Exercise(
    name="rank_correlation",
    confirms="only the order counts, and equal values share their ranks.",
    property="1 where both series rise together, however steeply, −1 where one falls as the other rises",
    reference=lambda a, b: _pearson(_ranks(a), _ranks(b)),
    inputs=[(SERIES[0], SERIES[1]), (draw(9), draw(9)), (SERIES[0], -SERIES[0].exp())],
    edges={
        "values that are equal should share the mean of their ranks, whatever their order in the series.": [
            (torch.tensor([1.0, 1.0, 2.0, 3.0, 3.0, 3.0]), torch.tensor([2.0, 1.0, 4.0, 4.0, 6.0, 5.0])),
        ],
    },
    wrong={
        "that is Pearson's correlation of the values: replace them by their ranks first.": [_pearson],
        "argsort gives the order, not the ranks: where the smallest lies, not which rank the first has. Do it twice.": [
            lambda a, b: _pearson(_order(a), _order(b))
        ],
        "only one of the two was replaced by ranks.": [
            lambda a, b: _pearson(_ranks(a), b),
            lambda a, b: _pearson(a, _ranks(b)),
        ],
        "the sign is turned: one of the two was ranked from the largest down.": [
            lambda a, b: -_pearson(_ranks(a), _ranks(b)),
        ],
        "the sign is lost: to rise while the error falls is not the same as to fall with it.": [
            lambda a, b: _pearson(_ranks(a), _ranks(b)).abs(),
        ],
        "that is its square. The correlation itself has a sign.": [
            lambda a, b: _pearson(_ranks(a), _ranks(b)).square(),
        ],
        "that is Kendall's τ, from pairs that agree. Asked is Spearman's: the correlation of the ranks.": [_kendall],
        "that is the covariance of the ranks: divide by both of their deviations.": [
            lambda a, b: ((_ranks(a) - _ranks(a).mean()) * (_ranks(b) - _ranks(b).mean())).mean(),
            lambda a, b: torch.cov(torch.stack([_ranks(a), _ranks(b)]))[0, 1],
        ],
    },
)

# What pairs would give


class _Judge(nn.Module):
    """A map of outputs [B, S, S] for pictures x and y laid upon each other, [B, 4, S, S]."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(draw(4))
        self.bias = nn.Parameter(draw(1))

    def forward(self, both: Tensor) -> Tensor:
        return torch.einsum("c,bchw->bhw", self.weight, both) + self.bias


def _paired(
    x: Tensor, y: Tensor, mapped: Tensor, D: Any, weight: float, off: Callable[..., Tensor] = _off, target: float = 1
) -> Tensor:
    return (D(torch.cat([x, mapped], dim=1)) - target).square().mean() + weight * off(mapped, y)


def _seen(function: Callable[..., Any], x: Tensor, y: Tensor, mapped: Tensor, D: Any, weight: float) -> Observation:
    """The value, and what it sends back to the translation."""
    mapped = copy.deepcopy(mapped).requires_grad_()
    value = function(x, y, mapped, D, weight)
    return {"your answer": value, "the gradient of mapped": gradients(value, mapped)[0]}


def _case(count: int, weight: float) -> tuple[Any, ...]:
    return *(draw(count, 2, 3, 3).tanh() for _ in range(3)), _Judge(), weight


paired_loss = Exercise(
    name="paired_loss",
    confirms="the discriminator sees the translation beside what it came from, and L1 pulls it to its own answer.",
    property="a scalar; 0 where mapped is y and the discriminator takes it for real",
    reference=_paired,
    inputs=[_case(3, 5.0), _case(1, 0.5)],
    observe=_seen,
    wrong={
        NO_GRADIENT: [torch.no_grad()(_paired)],
        L2_FOR_L1: [partial(_paired, off=_squared)],
        "the value is right, and the discriminator tells mapped nothing: it was cut off before it was judged.": [
            lambda x, y, mapped, D, weight: (
                (D(torch.cat([x, mapped.detach()], 1)) - 1).square().mean() + weight * _off(mapped, y)
            ),
        ],
        "sums where 9.3 has means: both terms would grow with the number of pictures and pixels.": [
            lambda x, y, mapped, D, weight: (
                (D(torch.cat([x, mapped], 1)) - 1).square().sum() + weight * (mapped - y).abs().sum()
            ),
            lambda x, y, mapped, D, weight: (
                (D(torch.cat([x, mapped], 1)) - 1).square().mean() + weight * (mapped - y).abs().sum()
            ),
        ],
        "the discriminator was shown the truth: it judges x with mapped.": [
            lambda x, y, mapped, D, weight: (D(torch.cat([x, y], 1)) - 1).square().mean() + weight * _off(mapped, y),
            lambda x, y, mapped, D, weight: (
                (D(torch.cat([mapped, y], 1)) - 1).square().mean() + weight * _off(mapped, y)
            ),
        ],
        "the order in the pair is turned: first x, then what it became.": [
            lambda x, y, mapped, D, weight: (
                (D(torch.cat([mapped, x], 1)) - 1).square().mean() + weight * _off(mapped, y)
            ),
        ],
        "that is the discriminator's target for generated pairs. The generator wants 1.": [
            partial(_paired, target=0),
        ],
        "the discriminator's term is missing: L1 alone answers with medians (1.6), and what is uncertain blurs.": [
            lambda x, y, mapped, D, weight: weight * _off(mapped, y),
        ],
        "L1 is missing: there are pairs, so each picture can be told its own answer.": [
            lambda x, y, mapped, D, weight: (D(torch.cat([x, mapped], 1)) - 1).square().mean(),
        ],
        "the weight stands with the discriminator's term. It belongs to L1.": [
            lambda x, y, mapped, D, weight: (
                weight * (D(torch.cat([x, mapped], 1)) - 1).square().mean() + _off(mapped, y)
            ),
        ],
        "the weight is missing.": [lambda x, y, mapped, D, weight: _paired(x, y, mapped, D, 1.0)],
        "L1 pulls towards x: that is to forbid the translation.": [
            lambda x, y, mapped, D, weight: _paired(x, x, mapped, D, weight),
        ],
        "there is a σ in it: with least squares D is the network's output itself.": [
            lambda x, y, mapped, D, weight: _paired(x, y, mapped, lambda b: D(b).sigmoid(), weight),
        ],
    },
)

"""Exercises of chapter 11: distances between sets of features, their bias, balls around pictures, copies, tosses."""

import math
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, cdist, tensor

from genimg_utils.check import Choice, Exercise
from genimg_utils.check.common import numbers

draw = numbers(seed=11)


def _features(n: int, d: int, shift: float = 0.0) -> Tensor:
    return draw(n, d).double() @ draw(d, d).double() + shift


# The squared Fréchet distance


def _root_trace(a: Tensor, b: Tensor) -> Tensor:
    """Trace of the root of a product of covariances."""
    return torch.linalg.eigvals(a @ b).real.clamp(min=0).sqrt().sum()


def _root(a: Tensor) -> Tensor:
    """The symmetric root of a covariance."""
    values, vectors = torch.linalg.eigh(a)
    return vectors @ values.clamp(min=0).sqrt().diag() @ vectors.T


def _mean_term(x: Tensor, y: Tensor) -> Tensor:
    return (x.mean(0) - y.mean(0)).square().sum()


def _spread_term(a: Tensor, b: Tensor, root: Callable[[Tensor, Tensor], Tensor] = _root_trace) -> Tensor:
    return a.trace() + b.trace() - 2 * root(a, b)


def _cov(x: Tensor, correction: int = 1) -> Tensor:
    return x.T.cov(correction=correction).reshape(x.shape[1], x.shape[1])


def _frechet(x: Tensor, y: Tensor) -> Tensor:
    return _mean_term(x, y) + _spread_term(_cov(x), _cov(y))


def _with_root(root: Callable[[Tensor, Tensor], Tensor]) -> Callable[[Tensor, Tensor], Tensor]:
    return lambda x, y: _mean_term(x, y) + _spread_term(_cov(x), _cov(y), root)


def _flat(n: int) -> Tensor:
    """Features of which one never moves and two are the same."""
    x = _features(n, 4)
    x[:, 1], x[:, 2] = x[:, 0], 0.5
    return x


frechet = Exercise(
    name="frechet",
    confirms="mean and covariance, a root of matrices, and nothing added to hide a singular one.",
    property="a number, 0 for a set against itself, in squares of the features' unit",
    reference=_frechet,
    inputs=[(_features(40, 3), _features(30, 3, 0.7)), (_features(25, 2, 0.4), _features(50, 2))],
    wrong={
        "the trace was taken of the product itself: its matrix root is missing.": [
            _with_root(lambda a, b: (a @ b).trace()),
        ],
        "the root comes before the trace: the trace of a root is not the root of a trace.": [
            _with_root(lambda a, b: (a @ b).trace().sqrt()),
        ],
        "a root was taken number by number. The root of a matrix is a matrix whose square it is.": [
            _with_root(lambda a, b: (a * b).abs().sqrt().trace()),
            _with_root(lambda a, b: (a @ b).abs().sqrt().trace()),
            _with_root(lambda a, b: (a.diagonal() * b.diagonal()).sqrt().sum()),
        ],
        "each covariance got its own root. Their product is the product's root only if they share their axes.": [
            _with_root(lambda a, b: (_root(a) @ _root(b)).trace()),
        ],
        "a routine for symmetric matrices reads half of its input, and a product of covariances is not symmetric.": [
            _with_root(lambda a, b: torch.linalg.eigvalsh(a @ b).clamp(min=0).sqrt().sum()),
            _with_root(lambda a, b: torch.linalg.eigvalsh(a @ b, UPLO="U").clamp(min=0).sqrt().sum()),
        ],
        "one covariance was divided by N and the other by N − 1. Take N − 1 for both.": [
            lambda x, y: _mean_term(x, y) + _spread_term(_cov(x, 0), _cov(y)),
            lambda x, y: _mean_term(x, y) + _spread_term(_cov(x), _cov(y, 0)),
        ],
        "both covariances were divided by N. The unbiased ones are wanted.": [
            lambda x, y: _mean_term(x, y) + _spread_term(_cov(x, 0), _cov(y, 0)),
        ],
        "the difference of the means enters as its length. It enters as the square of that.": [
            lambda x, y: _mean_term(x, y).sqrt() + _spread_term(_cov(x), _cov(y)),
        ],
        "the squares of the mean's difference were averaged over the features. They are added up.": [
            lambda x, y: _mean_term(x, y) / x.shape[1] + _spread_term(_cov(x), _cov(y)),
        ],
        "the means are missing: a set that was only shifted would cost nothing.": [
            lambda x, y: _spread_term(_cov(x), _cov(y)),
        ],
        "the covariances are missing: only the means are compared.": [_mean_term],
        "the trace of the root is subtracted once. Expand the square of a difference: how often?": [
            lambda x, y: _mean_term(x, y) + _cov(x).trace() + _cov(y).trace() - _root_trace(_cov(x), _cov(y)),
        ],
        "that is the distance. What is reported everywhere, and asked here, is its square.": [
            lambda x, y: _frechet(x, y).sqrt(),
        ],
        "second moments around zero were used for covariances: take the mean off first.": [
            lambda x, y: _mean_term(x, y) + _spread_term(x.T @ x / (len(x) - 1), y.T @ y / (len(y) - 1)),
            lambda x, y: _mean_term(x, y) + _spread_term(x.T @ x / len(x), y.T @ y / len(y)),
        ],
    },
    edges={
        "right for most sets, and not where a feature never moves: then the covariance is singular.": [
            (_flat(40), _flat(30)),
            (_flat(40), _features(30, 4)),
        ],
    },
)

# At infinitely many pictures


def _line(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Value at x = 0 and slope of the line of least squares."""
    slope = ((x - x.mean()) * (y - y.mean())).sum() / (x - x.mean()).square().sum()
    return y.mean() - slope * x.mean(), slope


def _at_infinity(N: Tensor, distance: Tensor) -> Tensor:
    return _line(1 / N, distance)[0]


def _curve(low: float, bias: float, sizes: list[float]) -> tuple[Tensor, Tensor]:
    N = tensor(sizes).double()
    return N, low + bias / N + 0.05 * draw(len(sizes)).double()


at_infinity = Exercise(
    name="at_infinity",
    confirms="a line in 1/N, read where 1/N is 0.",
    property="a number below every distance that was measured, where the bias is clear",
    reference=_at_infinity,
    inputs=[_curve(2.0, 900.0, [200.0, 300, 500, 1000, 2000]), _curve(17.0, 2500.0, [100.0, 400, 800, 1600])],
    wrong={
        "the line was fitted in N. The bias falls with 1/N: fit in that.": [lambda N, fd: _line(N, fd)[0]],
        "that is the slope, the size of the bias. Asked is the height of the line where the bias is gone.": [
            lambda N, fd: _line(1 / N, fd)[1],
            lambda N, fd: _line(N, fd)[1],
        ],
        "the largest sample was taken as it is. Its bias is smaller, and still there.": [
            lambda N, fd: fd[-1],
            lambda N, fd: fd.min(),
        ],
        "the distances were averaged. They share a bias that an average keeps.": [lambda N, fd: fd.mean()],
        "the line was fitted in 1/√N. A mean's error falls like that; here squares of errors remain.": [
            lambda N, fd: _line(N.rsqrt(), fd)[0],
        ],
        "the line was fitted in log N, which has no end to be read at.": [lambda N, fd: _line(N.log(), fd)[0]],
        "the line was read at N = 1. More pictures, not fewer: where is 1/N for infinitely many?": [
            lambda N, fd: sum(_line(1 / N, fd)),
        ],
    },
)

# The kernel distance


def _cubic(a: Tensor, b: Tensor) -> Tensor:
    return (a @ b.T / a.shape[1] + 1) ** 3


def _others(k: Tensor) -> Tensor:
    """Mean over pairs of different pictures."""
    n = len(k)
    return (k.sum() - k.trace()) / (n * (n - 1))


def _kernel_distance(
    x: Tensor,
    y: Tensor,
    kernel: Callable[[Tensor, Tensor], Tensor] = _cubic,
    within: Callable[[Tensor], Tensor] = _others,
) -> Tensor:
    return within(kernel(x, x)) + within(kernel(y, y)) - 2 * kernel(x, y).mean()


kernel_distance = Exercise(
    name="kernel_distance",
    confirms="pairs of different pictures within each set, all pairs across, and the kernel's own three numbers.",
    property="a number that is 0 on average where both sets come from one distribution, and may then be negative",
    reference=_kernel_distance,
    inputs=[(_features(9, 3), _features(7, 3, 0.5)), (_features(5, 4), _features(5, 4))],
    wrong={
        "each picture was also compared with itself: those pairs always fit, and bias the mean. Leave them out.": [
            lambda x, y: _kernel_distance(x, y, within=torch.mean),
        ],
        "the pairs of a picture with itself are out of the sum, but still counted in the number to divide by.": [
            lambda x, y: _kernel_distance(x, y, within=lambda k: (k.sum() - k.trace()) / len(k) ** 2),
        ],
        "the kernel lacks its scale: the product is divided by the number of features.": [
            lambda x, y: _kernel_distance(x, y, lambda a, b: (a @ b.T + 1) ** 3),
        ],
        "the kernel has another scale: the product is divided by the number of features, no root, no pictures.": [
            lambda x, y: _kernel_distance(x, y, lambda a, b: (a @ b.T / a.shape[1] ** 0.5 + 1) ** 3),
            lambda x, y: _kernel_distance(x, y, lambda a, b: (a @ b.T / len(a) + 1) ** 3),
        ],
        "the cube is forgotten: this kernel sees differences of the means alone.": [
            lambda x, y: _kernel_distance(x, y, lambda a, b: a @ b.T / a.shape[1] + 1),
            lambda x, y: _kernel_distance(x, y, lambda a, b: a @ b.T / a.shape[1]),
        ],
        "a square is there in place of the cube.": [
            lambda x, y: _kernel_distance(x, y, lambda a, b: (a @ b.T / a.shape[1] + 1) ** 2),
        ],
        "the 1 does nothing: it is forgotten, or cancels outside the cube, which then sees third moments alone.": [
            lambda x, y: _kernel_distance(x, y, lambda a, b: (a @ b.T / a.shape[1]) ** 3),
            lambda x, y: _kernel_distance(x, y, lambda a, b: (a @ b.T / a.shape[1]) ** 3 + 1),
        ],
        "the pairs across the sets are taken off once. Expand the square of a difference: how often?": [
            lambda x, y: _others(_cubic(x, x)) + _others(_cubic(y, y)) - _cubic(x, y).mean(),
        ],
        "the root was taken, and it is not a number where the estimate is negative. Asked is the square.": [
            lambda x, y: _kernel_distance(x, y).sqrt(),
            lambda x, y: _kernel_distance(x, y).clamp(min=0).sqrt(),
        ],
        "each pair within a set was counted in one order, and the sum divided by the number of both.": [
            lambda x, y: _kernel_distance(x, y, within=lambda k: k.triu(1).sum() / (len(k) * (len(k) - 1))),
        ],
        "both sums were divided by the pairs of the first set. Each set has its own number.": [
            lambda x, y: _kernel_distance(x, y, within=lambda k: (k.sum() - k.trace()) / (len(x) * (len(x) - 1))),
        ],
        "sums of pairs were compared, not means.": [
            lambda x, y: _kernel_distance(x, y, within=lambda k: k.sum() - k.trace()),
        ],
    },
)

# Balls


def _radius(points: Tensor, k: int) -> Tensor:
    return cdist(points, points).kthvalue(k + 1, dim=1).values


def _held(points: Tensor, centres: Tensor, radius: Tensor) -> Tensor:
    """Whether ball j holds point i, [points, centres]."""
    return cdist(points, centres) < radius


def _coverage(real: Tensor, fake: Tensor, k: int) -> Tensor:
    return _held(fake, real, _radius(real, k)).any(dim=0).double().mean()


coverage = Exercise(
    name="coverage",
    confirms="balls around real pictures, reaching to the k-th other one; a ball counts once, however full.",
    property="a share of the real pictures, between 0 and 1",
    reference=_coverage,
    inputs=[
        (_features(17, 2), draw(16, 2).double() + 0.8, 2),
        (_features(23, 3), _features(19, 3, 0.5), 3),
        (_features(13, 2), 0.6 * _features(21, 2), 1),
    ],
    wrong={
        "each picture counted as its own nearest neighbour, so the balls reach to the (k − 1)-th other one.": [
            lambda real, fake, k: (
                _held(fake, real, cdist(real, real).kthvalue(k, dim=1).values).any(dim=0).double().mean()
            ),
        ],
        "the balls stand around generated pictures. That is recall: strange pictures would enlarge it.": [
            lambda real, fake, k: _held(real, fake, _radius(fake, k)).any(dim=1).double().mean(),
        ],
        "that is the share of generated pictures that lie in a ball: precision. Count balls.": [
            lambda real, fake, k: _held(fake, real, _radius(real, k)).any(dim=1).double().mean(),
        ],
        "that is density: a ball with many pictures counts many times. Ask of each ball only whether it holds one.": [
            lambda real, fake, k: _held(fake, real, _radius(real, k)).double().sum() / (k * len(fake)),
        ],
        "the number of balls is right. Its share of all real pictures is asked.": [
            lambda real, fake, k: _held(fake, real, _radius(real, k)).any(dim=0).double().sum(),
        ],
        "the ball of a real picture reached to its k-th generated neighbour, and so always held some.": [
            lambda real, fake, k: (
                _held(fake, real, cdist(real, fake).kthvalue(k + 1, dim=1).values).any(dim=0).double().mean()
            ),
        ],
        "all balls got the same radius, the mean one. Each real picture has its own.": [
            lambda real, fake, k: _held(fake, real, _radius(real, k).mean()).any(dim=0).double().mean(),
        ],
    },
)

# Copies


def _pairs(generated: Tensor, held_out: Tensor) -> Tensor:
    """held-out minus generated for every pair, [N, M]."""
    return held_out[None, :] - generated[:, None]


def _copying(generated: Tensor, held_out: Tensor, tie: float = 0.5) -> Tensor:
    difference = _pairs(generated, held_out)
    return ((difference > 0).double() + tie * (difference == 0).double()).mean()


def _distances(n: int, shift: float = 0.0) -> Tensor:
    return (draw(n).abs() * 4 + shift).round().double()  # rounded, so that some are equal


copying = Exercise(
    name="copying",
    confirms="each generated picture against each held-out one; near ½ nothing was copied, near 1 everything.",
    property="a share of all pairs, ½ where both kinds lie equally near, 1 where every generated picture is nearer",
    reference=_copying,
    inputs=[(_distances(8), _distances(8, 1.0)), (_distances(7, 1.0), _distances(7)), (_distances(9), _distances(9))],
    wrong={
        "that is the share in which the held-out picture is nearer: the other way round.": [
            lambda g, h: 1 - _copying(g, h),
        ],
        "ties count for nothing. If all distances were equal the answer would be 0, and it should be ½.": [
            lambda g, h: _copying(g, h, tie=0.0),
        ],
        "ties count in full. If all distances were equal the answer would be 1, and it should be ½.": [
            lambda g, h: _copying(g, h, tie=1.0),
        ],
        "the i-th generated picture was held against the i-th held-out one. They are no pair: take all pairs.": [
            lambda g, h: ((g < h).double() + 0.5 * (g == h).double()).mean(),
            lambda g, h: (g < h).double().mean(),
        ],
        "means were compared. Asked is a share of pairs, which no far outlier can move.": [
            lambda g, h: h.mean() - g.mean(),
            lambda g, h: g.mean() / h.mean(),
            lambda g, h: (g.mean() < h.mean()).double(),
        ],
        "every generated picture was held against one number, such as the median. Hold it against each held-out one.": [
            lambda g, h: (g < h.median()).double().mean(),
            lambda g, h: (g <= h.median()).double().mean(),
            lambda g, h: (g < h.mean()).double().mean(),
            lambda g, h: (g < h.min()).double().mean(),
        ],
        "the pairs were counted. Asked is their share of all pairs, of which there are N times M.": [
            lambda g, h: _copying(g, h) * len(g) * len(h),
            lambda g, h: _copying(g, h) * len(g),
            lambda g, h: _copying(g, h) * len(h),
        ],
    },
    edges={
        "right where there are as many generated pictures as held-out ones. There may be more of one kind.": [
            (_distances(5), _distances(8)),
            (_distances(9), _distances(2)),
        ],
    },
)

# Tosses


def _trials(p: float, z: float = 1.96) -> int:
    return math.ceil(p * (1 - p) * (z / (p - 0.5)) ** 2)


trials_needed = Exercise(
    name="trials_needed",
    confirms="the interval shrinks with the root of the number: half the lead takes four times the pairs.",
    property="a whole number that grows without bound as p comes near ½",
    reference=_trials,
    inputs=[(0.6,), (0.55,), (0.75,), (0.52,)],
    tolerance=1e-6,
    wrong={
        "1.96 standard deviations are asked for, not one.": [partial(_trials, z=1.0)],
        "that is not rounded up to a whole pair.": [
            lambda p: p * (1 - p) * (1.96 / (p - 0.5)) ** 2,
            lambda p: math.floor(p * (1 - p) * (1.96 / (p - 0.5)) ** 2),
            lambda p: round(p * (1 - p) * (1.96 / (p - 0.5)) ** 2),
        ],
        "the spread of a share falls with the root of the number. Solved for the number, a square appears.": [
            lambda p: math.ceil(1.96 * (p * (1 - p)) ** 0.5 / (p - 0.5)),
            lambda p: math.ceil(1.96 * p * (1 - p) / (p - 0.5) ** 2),
        ],
        "the variance is p (1 − p). There is a root too many: p (1 − p) was used as the standard deviation.": [
            lambda p: math.ceil((1.96 * p * (1 - p) / (p - 0.5)) ** 2),
        ],
        "¼ is the variance of a guess. At p it is a little smaller: see 11.18.": [
            lambda p: math.ceil(0.25 * (1.96 / (p - 0.5)) ** 2),
        ],
        "p is held against 0. It should be held against guessing, ½.": [
            lambda p: math.ceil(p * (1 - p) * (1.96 / p) ** 2),
        ],
        "the half-width is to reach p − ½ itself, not half of it.": [
            lambda p: math.ceil(p * (1 - p) * (2 * 1.96 / (p - 0.5)) ** 2),
        ],
    },
)

void_comparison = Choice(
    name="void_comparison",
    right="cannot say",
    confirms="the numbers of pictures differ, and with them the bias, by an amount that each model has for itself.",
    hints={
        "A": "A drew more pictures, so its distance holds less bias. Would it still lead with as many as B?",
        "B": "B has the larger distance and fewer pictures. The bias makes it larger; nobody said by how much.",
        "noise": "chance is in it, and a part that no number of seeds would average away. Which?",
        "equal": "the difference may be all bias or none: two unlike sizes do not tell. What follows from that?",
    },
)

diagnose_perfect = Choice(
    name="diagnose_perfect",
    right="memorisation",
    confirms="a copier passes all of these, and only held-out pictures show it.",
    hints={
        "recall": "it was measured: coverage asks nearly the same, and a copier has it all.",
        "more pictures": "more of them shrink bias and spread. Both are no worry here: every value is at its best.",
        "kernel variance": "the kernel distance is below that of real against real, so its spread cannot be the worry.",
        "label shift": "that would show in the Fréchet distance, which is at its smallest.",
    },
)

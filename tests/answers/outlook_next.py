"""Answers to the exercises of chapter 12."""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import conv_transpose1d, mse_loss

from answers.styles import Module
from genimg_utils import check

Velocity = Callable[..., Tensor]


def loss_by_lerp(v: Velocity, x0: Tensor, x1: Tensor, t: Tensor) -> Tensor:
    xt = torch.lerp(x0, x1, t.reshape(len(t), *[1] * (x0.ndim - 1)).expand_as(x0))
    return mse_loss(v(xt, t), x1 - x0)


def loss_by_rows(v: Velocity, x0: Tensor, x1: Tensor, t: Tensor) -> Tensor:
    """One row after the other, as a batch of one."""
    rows = []
    for a, b, s in zip(x0, x1, t, strict=True):
        said = v((a + s * (b - a))[None], s[None])[0]
        rows.append(((said - b + a) ** 2).mean())
    return torch.stack(rows).mean()


def loss_by_einsum(v: Velocity, x0: Tensor, x1: Tensor, t: Tensor) -> Tensor:
    xt = torch.einsum("b...,b->b...", x1, t) + torch.einsum("b...,b->b...", x0, 1 - t)
    error = (x1 - x0 - v(xt, t)).flatten()
    return error @ error / error.numel()


def gaussian_by_regression(x: Tensor, t: float, mu: float, s: float) -> Tensor:
    """Covariance of (x_t, x_1 − x_0) from the covariance of (x_0, x_1)."""
    of = torch.tensor([[1.0, 0], [0, s**2]]).double()
    point, direction = torch.tensor([1 - t, t]).double(), torch.tensor([-1.0, 1]).double()
    return mu + (point @ of @ direction) / (point @ of @ point) * (x - t * mu)


def gaussian_by_ends(x: Tensor, t: float, mu: float, s: float) -> Tensor:
    """The mean picture minus the mean noise, both given x."""
    spread = (t * s) ** 2 + (1 - t) ** 2
    picture = mu + t * s**2 * (x - t * mu) / spread
    noise = (1 - t) * (x - t * mu) / spread
    return picture - noise


def gaussian_by_numpy(x: Tensor, t: float, mu: float, s: float) -> np.ndarray:
    """The path of a point is t mu + r z with r its spread, so that its velocity is mu + (r'/r)(x − t mu)."""
    r2, slope = (t * s) ** 2 + (1 - t) ** 2, t * s**2 - (1 - t)
    return mu + slope / r2 * (x.numpy() - t * mu)


def points_by_loop(x: Tensor, t: float, points: Tensor) -> Tensor:
    rows = []
    for one in x:
        chance = torch.stack([torch.exp(-(one - t * p).pow(2).sum() / (2 * (1 - t) ** 2)) for p in points])
        rows.append(sum(c * (p - one) for c, p in zip(chance / chance.sum(), points, strict=True)) / (1 - t))
    return torch.stack(rows)


def points_by_cdist(x: Tensor, t: float, points: Tensor) -> Tensor:
    share = (-0.5 * (torch.cdist(x, t * points) / (1 - t)) ** 2).softmax(dim=-1)
    return torch.einsum("nk,nkd->nd", share, points[None] - x[:, None]) / (1 - t)


def points_by_noise(x: Tensor, t: float, points: Tensor) -> Tensor:
    """Each point implies its noise; their difference is the direction."""
    noise = (x[:, None] - t * points) / (1 - t)  # [N, K, d]
    weight = torch.exp(torch.log_softmax(-noise.pow(2).sum(-1) / 2, dim=1))
    return (weight[..., None] * (points - noise)).sum(1)


def euler_by_while(v: Velocity, x: Tensor, steps: int) -> Tensor:
    t, h = 0.0, 1 / steps
    while t < 1 - h / 2:
        x, t = x + h * v(x, t), t + h
    return x


def euler_by_linspace(v: Velocity, x: Tensor, steps: int) -> Tensor:
    times = torch.linspace(0, 1, steps + 1).double()
    for t, later in pairwise(times):
        x = x + (later - t) * v(x, t)
    return x


def euler_by_recursion(v: Velocity, x: Tensor, steps: int, done: int = 0) -> Tensor:
    if done == steps:
        return x
    return euler_by_recursion(v, x.add(v(x, done / steps), alpha=1 / steps), steps, done + 1)


def guided_by_lerp(v: Velocity, x: Tensor, t: Tensor, y: Tensor, w: float) -> Tensor:
    return torch.lerp(v(x, t, torch.full_like(y, 10)), v(x, t, y), w)


def guided_in_one_pass(v: Velocity, x: Tensor, t: Tensor, y: Tensor, w: float) -> Tensor:
    both = v(torch.cat([x, x]), torch.cat([t, t]), torch.cat([y, torch.full_like(y, 10)]))
    told, without = both.chunk(2)
    return w * told + (1 - w) * without


def guided_from_told(v: Velocity, x: Tensor, t: Tensor, y: Tensor, w: float) -> Tensor:
    told = v(x, t, y)
    return told + (w - 1) * (told - v(x, t, 0 * y + 10))


def stamps_by_numpy(n: int, kernel: int, stride: int) -> np.ndarray:
    raised = np.zeros((n - 1) * stride + 1, dtype=int)
    raised[::stride] = 1
    return np.convolve(raised, np.ones(kernel, dtype=int))


def stamps_by_counting(n: int, kernel: int, stride: int) -> list[int]:
    return [sum(0 <= i - stride * j < kernel for j in range(n)) for i in range((n - 1) * stride + kernel)]


def stamps_by_convolution(n: int, kernel: int, stride: int) -> Tensor:
    return conv_transpose1d(torch.ones(1, n), torch.ones(1, 1, kernel), stride=stride)[0]


def score_by_cosine(x: Tensor, mark: Tensor) -> Tensor:
    """A cosine, in units of its spread; the mark's length is the root of its pixels."""
    centred = (x - x.mean()).flatten()
    return torch.cosine_similarity(centred, mark.flatten(), dim=0) * len(centred) ** 0.5


def score_by_numpy(x: Tensor, mark: Tensor) -> float:
    a, m = x.numpy().ravel(), mark.numpy().ravel()
    return float((a - a.mean()) / a.std() @ m / np.sqrt(a.size))


def score_by_classes(x: Tensor, mark: Tensor) -> Tensor:
    """Pixels with a plus against pixels with a minus."""
    normal = (x - x.mean()) / x.var(correction=0).sqrt()
    return (normal[mark > 0].sum() - normal[mark < 0].sum()) / mark.numel() ** 0.5


# Right answers, none of them written as the check's own.
RIGHT: dict[str, list[Callable[..., Any]]] = {
    "flow_loss": [loss_by_lerp, loss_by_rows, loss_by_einsum, Module(loss_by_lerp)],
    "gaussian_velocity": [
        gaussian_by_regression,
        gaussian_by_ends,
        gaussian_by_numpy,
        Module(gaussian_by_ends),
    ],
    "points_velocity": [points_by_loop, points_by_cdist, points_by_noise, Module(points_by_cdist)],
    "euler": [euler_by_while, euler_by_linspace, euler_by_recursion, Module(euler_by_while)],
    "guided": [guided_by_lerp, guided_in_one_pass, guided_from_told, Module(guided_from_told)],
    "stamps": [stamps_by_numpy, stamps_by_counting, stamps_by_convolution, Module(stamps_by_counting)],
    "mark_score": [score_by_cosine, score_by_numpy, score_by_classes, Module(score_by_cosine)],
}

# Parts of the solutions, none of which a hint may hold.
SOLUTIONS: dict[str, list[str]] = {
    "flow_loss": ["(1 - s)", "(1 − t)", "x1 - x0", "view(", "square()"],
    "gaussian_velocity": ["t * s**2", "(1 - t) **", "(1 − t)²"],
    "points_velocity": ["softmax", "(1 - t) **", "(1 − t)²", "@ points"],
    "euler": ["i / steps", "/ steps", "range("],
    "guided": ["w * (", "full_like", "- without"],
    "stamps": ["+= 1", "j * stride", "conv_transpose"],
    "mark_score": ["x.mean()", "** 0.5", ".std("],
}

Case = tuple[Any, Callable[..., Any], str]
exercises = check.outlook


def loss_at_flat_time(v: Velocity, x0: Tensor, x1: Tensor, t: Tensor) -> Tensor:
    return mse_loss(v((1 - t) * x0 + t * x1, t), x1 - x0)


def loss_of(place: Callable[[Tensor, Tensor, Tensor], Tensor]) -> Callable[..., Tensor]:
    """The loss at another point than that of the line."""
    return lambda v, x0, x1, t: mse_loss(v(place(x0, x1, t.view(-1, *[1] * (x0.ndim - 1))), t), x1 - x0)


def loss_to_the_rest(v: Velocity, x0: Tensor, x1: Tensor, t: Tensor) -> Tensor:
    xt = torch.stack([a + s * (b - a) for a, b, s in zip(x0, x1, t, strict=True)])
    return mse_loss(v(xt, t), x1 - xt)


def loss_of_flat_pictures(v: Velocity, x0: Tensor, x1: Tensor, t: Tensor) -> Tensor:
    """Right for rows of points, wrong for pictures."""
    return mse_loss(v(x0 + t[:, None] * (x1 - x0), t), x1 - x0)


def slope(t: float, s: float, width: float) -> float:
    return (t * width - (1 - t)) / ((t * s) ** 2 + (1 - t) ** 2)


def points_without_sum(x: Tensor, t: float, points: Tensor) -> Tensor:
    chance = torch.exp(-(torch.cdist(x, t * points) ** 2) / (2 * (1 - t) ** 2))
    return torch.einsum("nk,nkd->nd", chance, points[None] - x[:, None]) / (1 - t)


def points_by_mean_square(x: Tensor, t: float, points: Tensor) -> Tensor:
    share = (-((x[:, None] - t * points) ** 2).mean(-1) / 2 / (1 - t) ** 2).softmax(-1)
    return (share @ points - x) / (1 - t)


def walked(v: Velocity, x: Tensor, numbers: range, steps: int, keep: int = 1) -> Tensor:
    for i in numbers:
        x = keep * x + v(x, i / steps) / steps
    return x


def euler_in_place(v: Velocity, x: Tensor, steps: int) -> Tensor:
    for i in range(steps):
        x += v(x, i / steps) / steps
    return x


def euler_with_a_midpoint(v: Velocity, x: Tensor, steps: int) -> Tensor:
    h = 1 / steps
    for i in range(steps):
        half = x + v(x, i * h) * h / 2
        x = x + v(half, (i + 0.5) * h) * h
    return x


def stamps_laid(ends: Callable[[int, int, int], tuple[int, int]]) -> Callable[..., Tensor]:
    """Stamps from one pixel to another, as slices."""

    def laid(n: int, kernel: int, stride: int) -> Tensor:
        row = torch.zeros((n - 1) * stride + kernel)
        for j in range(n):
            begin, end = ends(j, kernel, stride)
            row[begin:end] += 1
        return row

    return laid


def stamps_without_borders(n: int, kernel: int, stride: int) -> list[int]:
    """As in the middle of an endless row."""
    return [len(range(i % stride, kernel, stride)) for i in range((n - 1) * stride + kernel)]


def score_by_torch_std(x: Tensor, mark: Tensor) -> Tensor:
    return ((x - x.mean()) * mark).sum() / (x.std() * mark.numel() ** 0.5)


def score_by_rows(x: Tensor, mark: Tensor) -> Tensor:
    return ((x - x.mean(2, keepdim=True)) * mark).sum() / (x.std(correction=0) * x.shape[1])


def euler_backwards(v: Velocity, x: Tensor, steps: int) -> Tensor:
    for t in torch.linspace(1, 0, steps + 1)[:-1]:
        x = x + v(x, t) / steps
    return x


AS_WRITTEN: list[Case] = [
    (exercises.flow_loss, loss_at_flat_time, "wrong axis"),
    (exercises.flow_loss, lambda v, x0, x1, t: loss_by_lerp(v, x1, x0, t), "both turned round"),
    (exercises.flow_loss, lambda v, x0, x1, t: loss_by_lerp(v, x0, x1, 1 - t), "Expected:"),
    (exercises.flow_loss, lambda v, x0, x1, t: x1.numel() * loss_by_lerp(v, x0, x1, t), "added up"),
    (exercises.flow_loss, lambda *given: loss_by_lerp(*given).item(), "no gradient comes back"),
    (exercises.flow_loss, lambda *given: loss_by_einsum(*given).detach(), "no gradient comes back"),
    (exercises.flow_loss, lambda *given: loss_by_lerp(*given) ** 0.5, "root was taken"),
    (exercises.flow_loss, lambda *given: loss_of(lambda x0, x1, s: x0 + s * x1)(*given), "stays whole"),
    (exercises.flow_loss, lambda *given: loss_of(lambda x0, x1, s: s * (x1 - x0))(*given), "the way so far"),
    (exercises.flow_loss, lambda *given: loss_of(lambda x0, x1, s: x0)(*given), "an end of the line"),
    (exercises.flow_loss, lambda *given: loss_of(lambda x0, x1, s: (1 - s * s) ** 0.5 * x0 + s * x1)(*given), "curve"),
    (exercises.flow_loss, lambda v, x0, x1, t: loss_by_lerp(lambda x, s: v(x, 1 - s), x0, x1, t), "another time"),
    (exercises.flow_loss, loss_to_the_rest, "rest of the way"),
    (exercises.flow_loss, loss_of_flat_pictures, "wrong axis"),
    (exercises.gaussian_velocity, lambda x, t, mu, s: gaussian_by_ends(x, 1 - t, mu, s), "turned round"),
    (exercises.gaussian_velocity, lambda x, t, mu, s: gaussian_by_ends(x, t, mu, s) - mu, "would move"),
    (exercises.gaussian_velocity, lambda x, t, mu, s: mu + slope(t, s, s**2) * x, "against 0"),
    (exercises.gaussian_velocity, lambda x, t, mu, s: mu + slope(t, s, s) * (x - t * mu), "its square"),
    (exercises.gaussian_velocity, lambda x, t, mu, s: t * mu + slope(t, s, s**2) * (x - t * mu), "same at every time"),
    (exercises.gaussian_velocity, lambda x, t, mu, s: (mu - x) / (1 - t), "where s = 0"),
    (exercises.gaussian_velocity, lambda x, t, mu, s: mu + (t * s * s - 1 + t) * (x - t * mu), "no slope yet"),
    (exercises.gaussian_velocity, lambda x, t, mu, s: mu + 0 * x, "regression is missing"),
    (exercises.gaussian_velocity, lambda x, t, mu, s: (t * mu - x) / ((t * s) ** 2 + (1 - t) ** 2), "log-density"),
    (exercises.points_velocity, lambda x, t, points: points_by_cdist(x, t, points) * (1 - t), "walked"),
    (exercises.points_velocity, lambda x, t, points: points[torch.cdist(x, points).argmin(1)] - x, "only one point"),
    (exercises.euler, euler_backwards, "backwards"),
    (exercises.points_velocity, lambda x, t, points: points_by_loop(x, 1 - t, points), "turned round"),
    (exercises.points_velocity, lambda x, t, points: points_by_cdist(x, t, points) / (1 - t), "twice"),
    (exercises.points_velocity, lambda x, t, points: -points_by_noise(x, t, points), "from the points to x"),
    (exercises.points_velocity, lambda x, t, points: x + (1 - t) * points_by_loop(x, t, points), "where the lines end"),
    (exercises.points_velocity, points_without_sum, "not chances yet"),
    (exercises.points_velocity, points_by_mean_square, "averaged over the coordinates"),
    (exercises.euler, lambda v, x, steps: euler_by_while(v, x, steps + 1), "Expected:"),
    (exercises.euler, lambda v, x, steps: walked(v, x, range(1, steps), steps), "first one, at t = 0"),
    (exercises.euler, lambda v, x, steps: walked(v, x, range(1), steps), "first step was made"),
    (exercises.euler, lambda v, x, steps: walked(v, x, range(steps + 1), steps), "too many"),
    (exercises.euler, lambda v, x, steps: walked(v, x, range(steps), steps, keep=0), "replaced"),
    (
        exercises.euler,
        lambda v, x, steps: walked(lambda x, t: t * steps * v(x, t), x, range(steps), steps),
        "by the time",
    ),
    (exercises.euler, euler_in_place, "in place"),
    (exercises.euler, euler_with_a_midpoint, "second order"),
    (exercises.guided, lambda v, x, t, y, w: guided_by_lerp(v, x, t, y, 1 - w), "changed places"),
    (exercises.guided, lambda v, x, t, y, w: guided_by_lerp(v, x, t, y, w + 1), "paper's weight"),
    (exercises.guided, lambda v, x, t, y, w: guided_by_lerp(v, x, t, y, 1 / w), "divided by w"),
    (exercises.guided, lambda v, x, t, y, w: guided_by_lerp(v, x, t, y, w / (1 + w)), "average"),
    (exercises.guided, lambda v, x, t, y, w: guided_by_lerp(v, x, t, y, 0), "never told"),
    (exercises.guided, lambda v, x, t, y, w: w * v(x, t, y) - v(x, t, 0 * y + 10), "add up to 1"),
    (exercises.guided, lambda v, x, t, y, w: v(x, t, 10) + w * (v(x, t, y) - v(x, t, 10)), "as a tensor; y is 10"),
    (exercises.guided, lambda v, x, t, y, w: v(x, t, y + 10) * (1 - w) + w * v(x, t, y), "same for every row"),
    (exercises.stamps, lambda n, kernel, stride: np.ones(n * stride + 3), "shape"),
    (exercises.stamps, stamps_laid(lambda j, kernel, stride: (j * stride, j * stride + kernel + 1)), "too wide"),
    (exercises.stamps, stamps_laid(lambda j, kernel, stride: (j * stride, j * stride + kernel - 1)), "too narrow"),
    (exercises.stamps, stamps_laid(lambda j, kernel, stride: (j * stride + 1, j * stride + kernel + 1)), "too far"),
    (exercises.stamps, stamps_laid(lambda j, kernel, stride: (j, j + kernel)), "one pixel apart"),
    (exercises.stamps, stamps_laid(lambda j, kernel, stride: (j * kernel, j * kernel + kernel)), "side by side"),
    (exercises.stamps, stamps_without_borders, "borders have fewer"),
    (exercises.mark_score, lambda x, mark: score_by_cosine(x, mark) / mark.std(), "standardised"),
    (exercises.mark_score, score_by_torch_std, "n − 1"),
    (exercises.mark_score, lambda x, mark: score_by_numpy(x, mark) * x.numel() ** 0.5 / len(x) ** 0.5, "is missing"),
    (exercises.mark_score, lambda x, mark: score_by_numpy(x, mark) * x.numel(), "multiplied"),
    (exercises.mark_score, lambda x, mark: score_by_numpy(x, mark) * x.shape[1] / 28, "chapter's digits"),
    (exercises.mark_score, lambda x, mark: score_by_rows(x, mark), "row by row"),
    (exercises.mark_score, lambda x, mark: torch.corrcoef(torch.stack([x.flatten(), mark.flatten()]))[0, 1], ""),
]

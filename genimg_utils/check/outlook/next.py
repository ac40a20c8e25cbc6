"""Exercises of chapter 12: the loss of a flow, its velocity in closed form, Euler's steps, guidance, stamps, a mark."""

from collections.abc import Callable

import torch
from torch import Tensor, softmax
from torch.nn.functional import conv_transpose1d

from genimg_utils.check import Exercise, Observation, comparable
from genimg_utils.check.common import NO_GRADIENT, gradients, numbers

draw = numbers(seed=12)
Velocity = Callable[..., Tensor]


def bend(x: Tensor, t: Tensor) -> Tensor:
    """A velocity without meaning that depends on both, t a number or [B]."""
    t = torch.as_tensor(t, dtype=x.dtype).reshape(-1, *[1] * (x.ndim - 1)) if x.ndim else t
    return (1.5 * x).sin() + 0.3 * x * t + t**2 - 0.4


# The loss


def _wide(t: Tensor, x: Tensor) -> Tensor:
    """t [B] as [B, 1, …], so that each row of x has its own time."""
    return t.view(-1, *[1] * (x.ndim - 1))


def _residual(v: Velocity, x0: Tensor, x1: Tensor, t: Tensor) -> Tensor:
    s = _wide(t, x1)
    return v((1 - s) * x0 + s * x1, t) - (x1 - x0)


def _flow_loss(v: Velocity, x0: Tensor, x1: Tensor, t: Tensor) -> Tensor:
    return _residual(v, x0, x1, t).square().mean()


def _batch(*size: int) -> tuple[Velocity, Tensor, Tensor, Tensor]:
    return bend, draw(*size).double(), draw(*size).double() + 1, draw(size[0]).double().sigmoid()


def _turned(v: Velocity, x0: Tensor, x1: Tensor, t: Tensor) -> Tensor:
    s = _wide(t, x1)
    return s * x0 + (1 - s) * x1


def _trained(function: Callable[..., Tensor], v: Velocity, x0: Tensor, x1: Tensor, t: Tensor) -> Observation:
    """The loss, and the gradient that it sends back to a factor in front of the velocity."""
    factor = torch.ones((), dtype=x1.dtype, requires_grad=True)
    value = function(lambda x, time: factor * v(x, time), x0, x1, t)
    return {"your answer": value, "the gradient": gradients(value, factor)[0]}


def _loss_at(place: Callable[[Tensor, Tensor, Tensor], Tensor]) -> Callable[..., Tensor]:
    """The loss with another point in the place of x_t; place(x0, x1, t) has t in the shape of rows."""

    def loss(v: Velocity, x0: Tensor, x1: Tensor, t: Tensor) -> Tensor:
        return (v(place(x0, x1, _wide(t, x1)), t) - (x1 - x0)).square().mean()

    return loss


def _loss_towards(target: Callable[[Tensor, Tensor, Tensor], Tensor]) -> Callable[..., Tensor]:
    """The loss with another target(x0, x1, xt)."""

    def loss(v: Velocity, x0: Tensor, x1: Tensor, t: Tensor) -> Tensor:
        xt = (1 - _wide(t, x1)) * x0 + _wide(t, x1) * x1
        return (v(xt, t) - target(x0, x1, xt)).square().mean()

    return loss


def _told_time(clock: Callable[[Tensor], Tensor]) -> Callable[..., Tensor]:
    """The loss of a network that hears another time than that of its point."""
    return lambda v, x0, x1, t: _flow_loss(lambda x, time: v(x, clock(time)), x0, x1, t)


flow_loss = Exercise(
    name="flow_loss",
    confirms="a point on the line from noise to picture, each row at its own time, and the direction of that line.",
    property="a scalar, 0 where the velocity is that of every line",
    reference=_flow_loss,
    inputs=[_batch(3, 3), _batch(4, 4), _batch(2, 1, 2, 2)],
    observe=_trained,
    wrong={
        NO_GRADIENT: [lambda v, x0, x1, t: _flow_loss(v, x0, x1, t).detach()],
        "the line is walked the wrong way round: noise belongs to t = 0, the picture to t = 1.": [
            lambda v, x0, x1, t: (v(_turned(v, x0, x1, t), t) - (x1 - x0)).square().mean(),
        ],
        "the target points from the picture to the noise. Which way should a sample move as t grows?": [
            lambda v, x0, x1, t: (v((1 - _wide(t, x1)) * x0 + _wide(t, x1) * x1, t) - (x0 - x1)).square().mean(),
        ],
        "line and target are both turned round: that flow leads from pictures to noise.": [
            lambda v, x0, x1, t: (v(_turned(v, x0, x1, t), t) - (x0 - x1)).square().mean(),
        ],
        "time went along the wrong axis: t [B] beside x [B, …] is laid along the last one. Give it axes of length 1.": [
            lambda v, x0, x1, t: _along(v, x0, x1, t, x1 - x0).square().mean(),
            lambda v, x0, x1, t: (v((1 - t[:, None]) * x0 + t[:, None] * x1, t) - (x1 - x0)).square().mean(),
        ],
        "all rows are at one time. Each has its own.": [
            lambda v, x0, x1, t: _flow_loss(v, x0, x1, t[:1].expand(len(t))),
            lambda v, x0, x1, t: _flow_loss(v, x0, x1, t.mean().expand(len(t))),
        ],
        "squares are added up, not averaged.": [
            lambda v, x0, x1, t: _residual(v, x0, x1, t).square().sum(),
            lambda v, x0, x1, t: _residual(v, x0, x1, t).square().flatten(1).sum(1).mean(),
        ],
        "there is a factor ½ too many.": [
            lambda v, x0, x1, t: _flow_loss(v, x0, x1, t) / 2,
            lambda v, x0, x1, t: _residual(v, x0, x1, t).square().sum() / 2,
        ],
        "a root was taken. The squared length itself is minimised; its root weighs large errors less.": [
            lambda v, x0, x1, t: _flow_loss(v, x0, x1, t).sqrt(),
            lambda v, x0, x1, t: _residual(v, x0, x1, t).norm(),
            lambda v, x0, x1, t: _residual(v, x0, x1, t).flatten(1).norm(dim=1).mean(),
        ],
        "errors were averaged first and squared then: so they cancel.": [
            lambda v, x0, x1, t: _residual(v, x0, x1, t).mean().square(),
        ],
        "the error is squared; absolute values would give medians, and not the mean velocity.": [
            lambda v, x0, x1, t: _residual(v, x0, x1, t).abs().mean(),
        ],
        "the target is the picture itself. Asked is a velocity: what changes along the line in unit time?": [
            lambda v, x0, x1, t: (_residual(v, x0, x1, t) - x0).square().mean(),
        ],
        "the target is the noise: that is how denoising diffusion is trained. Here it is a velocity.": [
            lambda v, x0, x1, t: (_residual(v, x0, x1, t) + x1 - 2 * x0).square().mean(),
        ],
        "the target is the rest of the way, from the point to the picture. A velocity is the whole way in unit time.": [
            _loss_towards(lambda x0, x1, xt: x1 - xt),
        ],
        "the target is the way so far, from the noise to the point. A velocity is the whole way in unit time.": [
            _loss_towards(lambda x0, x1, xt: xt - x0),
        ],
        "the target adds both ends. The direction of a line is its end less its beginning.": [
            _loss_towards(lambda x0, x1, xt: x1 + x0),
        ],
        "the network was shown an end of the line, not the point on it.": [
            _loss_at(lambda x0, x1, s: x1),
            _loss_at(lambda x0, x1, s: x0),
        ],
        "the noise stays whole while the picture comes in: at t = 1 only the picture may be left.": [
            _loss_at(lambda x0, x1, s: x0 + s * x1),
        ],
        "the point is only the way so far. It starts at the noise, and that has to be added.": [
            _loss_at(lambda x0, x1, s: s * (x1 - x0)),
        ],
        "the noise has its weight of diffusion, on a curve. This way is straight: both weights add up to 1.": [
            _loss_at(lambda x0, x1, s: (1 - s**2).sqrt() * x0 + s * x1),
        ],
        "the network hears another time than that of its point.": [
            _told_time(lambda t: 1 - t),
            _told_time(lambda t: 0 * t),
            _told_time(lambda t: 0 * t + 1),
        ],
    },
)


def _along(v: Velocity, x0: Tensor, x1: Tensor, t: Tensor, target: Tensor) -> Tensor:
    """Interpolated with t [B] as it is, as far as shapes allow it."""
    s = t if t.numel() == x1.shape[-1] else _wide(t, x1)
    return v((1 - s) * x0 + s * x1, t) - target


# The velocity between two Gaussians


def _gaussian(x: Tensor, t: float, mu: float, s: float) -> Tensor:
    return mu + (t * s**2 - (1 - t)) / (t**2 * s**2 + (1 - t) ** 2) * (x - t * mu)


def _variance(t: float, s: float) -> float:
    return t**2 * s**2 + (1 - t) ** 2


def _sloped(slope: Callable[[float, float], float]) -> Callable[..., Tensor]:
    return lambda x, t, mu, s: mu + slope(t, s) * (x - t * mu)


gaussian_velocity = Exercise(
    name="gaussian_velocity",
    confirms="the mean of the direction, plus a regression on how far x lies from its own mean.",
    property="mu where x is at its mean t·mu, and x's own shape",
    reference=_gaussian,
    inputs=[
        (draw(5).double(), 0.3, 2.0, 0.5),
        (draw(4, 2).double(), 0.8, -1.0, 1.7),
        (draw(3).double(), 0.0, 1.0, 0.4),
    ],
    wrong={
        "the covariance has the wrong sign in front of the noise's part: x_1 − x_0 falls as x_0 grows.": [
            lambda x, t, mu, s: mu + (t * s**2 + (1 - t)) / (t**2 * s**2 + (1 - t) ** 2) * (x - t * mu),
        ],
        "that is the slope turned round, as for x_0 − x_1.": [
            lambda x, t, mu, s: 2 * mu - _gaussian(x, t, mu, s),
            lambda x, t, mu, s: -_gaussian(x, t, mu, s),
        ],
        "a regression's slope divides by the variance of x_t; a standard deviation stands there.": [
            lambda x, t, mu, s: mu + (t * s**2 - (1 - t)) / (t**2 * s**2 + (1 - t) ** 2) ** 0.5 * (x - t * mu),
        ],
        "s is a standard deviation; a variance is wanted, which is its square.": [
            lambda x, t, mu, s: _gaussian(x, t, mu, s**0.5),
            _sloped(lambda t, s: (t * s - (1 - t)) / _variance(t, s)),
            _sloped(lambda t, s: (t * s**2 - (1 - t)) / (t**2 * s + (1 - t) ** 2)),
        ],
        "the weights in the variance of x_t are squared: Var(a X) = a² Var(X).": [
            _sloped(lambda t, s: (t * s**2 - (1 - t)) / (t * s**2 + (1 - t))),
            _sloped(lambda t, s: (t * s**2 - (1 - t)) / (t**2 * s**2 + (1 - t))),
            _sloped(lambda t, s: (t * s**2 - (1 - t)) / (t * s**2 + (1 - t) ** 2)),
        ],
        "in the covariance each weight counts once: it stands in x_t, and in the direction there is a 1.": [
            _sloped(lambda t, s: (t**2 * s**2 - (1 - t) ** 2) / _variance(t, s)),
        ],
        "in the covariance the weights are missing with which x_1 and x_0 enter x_t.": [
            _sloped(lambda t, s: (s**2 - 1) / _variance(t, s)),
        ],
        "a covariance is no slope yet: it is divided by the variance of what is known.": [
            _sloped(lambda t, s: t * s**2 - (1 - t)),
        ],
        "it was divided by the variance of the direction. Known is x_t, and by its variance a regression divides.": [
            _sloped(lambda t, s: (t * s**2 - (1 - t)) / (1 + s**2)),
        ],
        "that is a correlation. A regression's slope divides by the variance of x_t alone.": [
            _sloped(lambda t, s: (t * s**2 - (1 - t)) / (_variance(t, s) * (1 + s**2)) ** 0.5),
        ],
        "variances of independent parts add up, whatever their signs.": [
            _sloped(lambda t, s: (t * s**2 - (1 - t)) / (t**2 * s**2 - (1 - t) ** 2)),
        ],
        "only the noise's part of the covariance is there; the picture has one too.": [
            _sloped(lambda t, s: -(1 - t) / _variance(t, s)),
        ],
        "a bracket is missing around 1 − t where it is taken off.": [
            _sloped(lambda t, s: (t * s**2 - 1 - t) / _variance(t, s)),
        ],
        "x is held against mu. At time t the mean of x_t is less than that.": [
            lambda x, t, mu, s: _gaussian(x + (t - 1) * mu, t, mu, s),
        ],
        "x is held against 0. Where does x_t lie in the mean?": [
            lambda x, t, mu, s: _gaussian(x + t * mu, t, mu, s),
        ],
        "x is held against the mean of the other end: at t = 0 the mean of x_t is 0, at t = 1 it is mu.": [
            lambda x, t, mu, s: _gaussian(x - (1 - 2 * t) * mu, t, mu, s),
        ],
        "the mean of the direction is that of x_1 − x_0, the same at every time.": [
            lambda x, t, mu, s: _gaussian(x, t, mu, s) - (1 - t) * mu,
        ],
        "the mean alone does not know where x is: the regression is missing.": [
            lambda x, t, mu, s: mu + 0 * x,
        ],
        "that is right where s = 0, all pictures one: the rest of the way in the rest of the time.": [
            lambda x, t, mu, s: (mu - x) / (1 - t),
        ],
        "that is the slope of the log-density of x_t. Velocity and score are related, but not the same.": [
            lambda x, t, mu, s: -(x - t * mu) / _variance(t, s),
        ],
        "the mean of the direction is missing: at x = t·mu nothing would move.": [
            lambda x, t, mu, s: _gaussian(x, t, mu, s) - mu,
        ],
        "time is turned round: t = 0 is the noise.": [
            lambda x, t, mu, s: mu + ((1 - t) * s**2 - t) / ((1 - t) ** 2 * s**2 + t**2) * (x - (1 - t) * mu),
        ],
        "that is where x will be at t = 1, the mean of x_1. Asked is its velocity.": [
            lambda x, t, mu, s: mu + t * s**2 / (t**2 * s**2 + (1 - t) ** 2) * (x - t * mu),
        ],
    },
)

# The velocity towards a few points


def _share(x: Tensor, t: float, points: Tensor) -> Tensor:
    """Chance of each point, given that x was met at time t, [N, K]."""
    return softmax(-(x[:, None] - t * points).square().sum(2) / (2 * (1 - t) ** 2), dim=1)


def _points(x: Tensor, t: float, points: Tensor) -> Tensor:
    return (_share(x, t, points) @ points - x) / (1 - t)


def _chances(exponent: Callable[[Tensor, float, Tensor], Tensor]) -> Callable[..., Tensor]:
    """The velocity with other chances: the softmax of exponent(x, t, points), x [N, 1, d]."""
    return lambda x, t, points: (softmax(exponent(x[:, None], t, points), dim=1) @ points - x) / (1 - t)


def _each(direction: Callable[[Tensor, float, Tensor], Tensor]) -> Callable[..., Tensor]:
    """The mean of another direction(x, t, points) to each point, x [N, 1, d]."""
    return lambda x, t, points: (_share(x, t, points)[..., None] * direction(x[:, None], t, points)).sum(1)


points_velocity = Exercise(
    name="points_velocity",
    confirms="the mean of the directions, each weighed by the chance that its line passes here.",
    property="at t = 0 the way to the mean of the points, near t = 1 the way to the nearest one",
    reference=_points,
    inputs=[
        (draw(5, 2).double(), 0.4, 2 * draw(3, 2).double()),
        (draw(4, 2).double(), 0.7, draw(6, 2).double()),
        (draw(3, 3).double(), 0.2, 3 * draw(4, 3).double()),
    ],
    wrong={
        "all points count alike. A point is the likelier the nearer x is to where its lines pass at t.": [
            lambda x, t, points: (points.mean(0) - x) / (1 - t),
        ],
        "only one point counts, the nearest or the likeliest. The mean goes over all of them.": [
            lambda x, t, points: (points[_share(x, t, points).argmax(1)] - x) / (1 - t),
            lambda x, t, points: (points[torch.cdist(x, points).argmin(1)] - x) / (1 - t),
            lambda x, t, points: points[torch.cdist(x, points).argmin(1)] - x,
        ],
        "x is held against 1 − t of each point. At time t a line is t of its way there.": [
            _chances(lambda x, t, points: -(x - (1 - t) * points).square().sum(2) / (2 * (1 - t) ** 2)),
        ],
        "time is turned round: t = 0 is the noise.": [lambda x, t, points: _points(x, 1 - t, points)],
        "squares are averaged over the coordinates. A Gaussian's exponent holds their sum.": [
            _chances(lambda x, t, points: -(x - t * points).square().mean(2) / (2 * (1 - t) ** 2)),
        ],
        "the densities are not chances yet: over the points they have to add up to 1.": [
            lambda x, t, points: (
                (
                    torch.exp(-(x[:, None] - t * points).square().sum(2) / (2 * (1 - t) ** 2))[..., None]
                    * (points - x[:, None])
                ).sum(1)
                / (1 - t)
            ),
        ],
        "the chances add up to 1 already, and a mean over the points divides by their number once more.": [
            lambda x, t, points: _points(x, t, points) / len(points),
        ],
        "that is where the lines end in the mean. Asked is their direction.": [
            lambda x, t, points: _share(x, t, points) @ points,
        ],
        "the direction is turned round: it leads from the points to x.": [
            lambda x, t, points: -_points(x, t, points),
        ],
        "the way that is left leads from x to the points themselves. One of the two was shortened by t.": [
            lambda x, t, points: (_share(x, t, points) @ points - t * x) / (1 - t),
            lambda x, t, points: (t * _share(x, t, points) @ points - x) / (1 - t),
        ],
        "the way that is left was divided by the time that is left twice.": [
            lambda x, t, points: _points(x, t, points) / (1 - t),
        ],
        "that is 12.6 with its slope for s = 0, but not with its sign.": [
            _each(lambda x, t, points: points + (x - t * points) / (1 - t)),
        ],
        "the slope of 12.6 is missing. What is left of it when s is 0?": [
            _each(lambda x, t, points: points - (x - t * points)),
        ],
        "in 12.6 the point's distance is taken from t of the way, not from its end.": [
            _each(lambda x, t, points: points - (x - points) / (1 - t)),
        ],
        "x is held against the points themselves. At time t a line to a point is only t of the way there.": [
            lambda x, t, points: (
                (softmax(-(x[:, None] - points).square().sum(2) / (2 * (1 - t) ** 2), dim=1) @ points - x) / (1 - t)
            ),
        ],
        "the noise has shrunk to a standard deviation of 1 − t; its variance belongs into the exponent.": [
            lambda x, t, points: (
                (softmax(-(x[:, None] - t * points).square().sum(2) / (2 * (1 - t)), dim=1) @ points - x) / (1 - t)
            ),
            lambda x, t, points: (
                (softmax(-(x[:, None] - t * points).square().sum(2) / 2, dim=1) @ points - x) / (1 - t)
            ),
            _chances(lambda x, t, points: -(x - t * points).square().sum(2) / (2 * t**2)),
        ],
        "the ½ of the Gaussian's exponent is missing.": [
            lambda x, t, points: (
                (softmax(-(x[:, None] - t * points).square().sum(2) / (1 - t) ** 2, dim=1) @ points - x) / (1 - t)
            ),
        ],
        "distances enter without their square.": [
            lambda x, t, points: (
                (softmax(-(x[:, None] - t * points).norm(dim=2) / (2 * (1 - t) ** 2), dim=1) @ points - x) / (1 - t)
            ),
            _chances(lambda x, t, points: -(x - t * points).norm(dim=2) / (1 - t)),
            _chances(lambda x, t, points: -(x - t * points).norm(dim=2) / (2 * (1 - t))),
            _chances(lambda x, t, points: -(x - t * points).norm(dim=2)),
        ],
        "the way that is left is right; it has to be walked in the time that is left.": [
            lambda x, t, points: _share(x, t, points) @ points - x,
        ],
        "the way that is left was divided by t, the time that is over.": [
            lambda x, t, points: (_share(x, t, points) @ points - x) / t,
        ],
        "the chances are those of the wrong axis: over the points they add up to 1, not over x.": [
            lambda x, t, points: (
                (softmax(-(x[:, None] - t * points).square().sum(2) / (2 * (1 - t) ** 2), dim=0) @ points - x) / (1 - t)
            ),
        ],
        "the exponent has the wrong sign: far points would be the likeliest.": [
            lambda x, t, points: (
                (softmax((x[:, None] - t * points).square().sum(2) / (2 * (1 - t) ** 2), dim=1) @ points - x) / (1 - t)
            ),
        ],
    },
)

# Euler's steps


def _euler(v: Velocity, x: Tensor, steps: int) -> Tensor:
    for i in range(steps):
        x = x + v(x, i / steps) / steps
    return x


def _walk(times: Callable[[int, int], float], size: Callable[[int], float] = lambda n: 1 / n) -> Callable[..., Tensor]:
    def walk(v: Velocity, x: Tensor, steps: int) -> Tensor:
        for i in range(steps):
            x = x + size(steps) * v(x, times(i, steps))
        return x

    return walk


def _more(extra: int) -> Callable[..., Tensor]:
    """So many steps more, each of the same size."""

    def walk(v: Velocity, x: Tensor, steps: int) -> Tensor:
        for i in range(steps + extra):
            x = x + v(x, i / steps) / steps
        return x

    return walk


def _each_step(step: Callable[[Velocity, Tensor, float, float], Tensor], first: int = 0) -> Callable[..., Tensor]:
    """Steps x ← step(v, x, t, h), from the time of number `first`."""

    def walk(v: Velocity, x: Tensor, steps: int) -> Tensor:
        for i in range(first, steps):
            x = step(v, x, i / steps, 1 / steps)
        return x

    return walk


def _in_one_go(v: Velocity, x: Tensor, steps: int) -> Tensor:
    return x + sum(v(x, i / steps) for i in range(steps)) / steps


euler = Exercise(
    name="euler",
    confirms="from t = 0, each step with the velocity at its beginning, and the last one ends at t = 1.",
    property="points of x's shape; with one step x + v(x, 0)",
    reference=_euler,
    inputs=[(bend, draw(4, 2).double(), 4), (bend, draw(3).double(), 3), (bend, draw(2, 2).double(), 7)],
    wrong={
        "the velocity is asked at the end of each step. That time belongs to a point that is not yet known.": [
            _walk(lambda i, n: (i + 1) / n),
        ],
        "time runs backwards, from 1 to 0. Noise is at t = 0.": [
            _walk(lambda i, n: 1 - i / n),
            _walk(lambda i, n: (n - 1 - i) / n),
        ],
        "a step is one part of the whole time long: the velocity was added without that factor.": [
            _walk(lambda i, n: i / n, lambda n: 1.0),
        ],
        "the points move against the velocity.": [_walk(lambda i, n: i / n, lambda n: -1 / n)],
        "time runs back and the points against the velocity: that is the way from a picture to its noise.": [
            _each_step(lambda v, x, t, h: x - h * v(x, 1 - t)),
        ],
        "that is one step too few.": [_more(-1)],
        "that is one step too few: the first one, at t = 0, is missing.": [
            _each_step(lambda v, x, t, h: x + h * v(x, t), first=1),
        ],
        "only the first step was made. Does the loop end before it is over?": [
            lambda v, x, steps: x + v(x, 0.0) / steps,
        ],
        "x was replaced by its step. A step is added to where x is.": [
            _each_step(lambda v, x, t, h: h * v(x, t)),
            _each_step(lambda v, x, t, h: v(x, t)),
        ],
        "the velocity was multiplied by the time. A step lasts one part of the whole, each as long.": [
            _each_step(lambda v, x, t, h: x + t * v(x, t)),
            _each_step(lambda v, x, t, h: x + (t + h) * v(x, t)),
            _each_step(lambda v, x, t, h: x + (t + h) * v(x, t + h)),
        ],
        "the steps are too long: there are as many of them as parts, not one less.": [
            lambda v, x, steps: _each_step(lambda v, x, t, h: x + v(x, t) / max(steps - 1, 1))(v, x, steps),
        ],
        "that asks for two velocities a step, a method of second order. This one asks once.": [
            _each_step(lambda v, x, t, h: x + h * v(x + h / 2 * v(x, t), t + h / 2)),
            _each_step(lambda v, x, t, h: x + h / 2 * (v(x, t) + v(x + h * v(x, t), t + h))),
        ],
        "the end is right, but the noise that was handed over has been changed in place.": [
            _each_step(lambda v, x, t, h: x.add_(h * v(x, t))),
        ],
        "that is one step too many.": [_more(1)],
        "times reach from 0 to 1 with both ends, as linspace gives them; then steps and times do not fit.": [
            _walk(lambda i, n: i / (n - 1)),
        ],
        "time is the number of the step, not its share of the whole.": [_walk(lambda i, n: float(i))],
        "time stands still at 0.": [_walk(lambda i, n: 0.0)],
        "every velocity was taken at the point where it began. Move, then ask again.": [_in_one_go],
        "the velocity is asked in the middle of the step's time, but at the point of its beginning.": [
            _walk(lambda i, n: (i + 0.5) / n),
        ],
    },
    edges={"right for several steps. One step is the shortest walk.": [(bend, draw(3, 2).double(), 1)]},
)

# Guidance


def _told(x: Tensor, t: Tensor, y: Tensor) -> Tensor:
    """A velocity without meaning that depends on the class; 10 is "not told"."""
    if not isinstance(y, Tensor):
        raise TypeError(f"v(x, t, y) wants the classes of all rows as a tensor; y is {y!r}")
    return bend(x, t) + (1.7 * _wide(y.double() - 10, x) + x).sin()


def _guided(v: Velocity, x: Tensor, t: Tensor, y: Tensor, w: float) -> Tensor:
    without = v(x, t, torch.full_like(y, 10))
    return without + w * (v(x, t, y) - without)


def _mixed(of_told: Callable[[float], float], of_untold: Callable[[float], float]) -> Callable[..., Tensor]:
    def mixed(v: Velocity, x: Tensor, t: Tensor, y: Tensor, w: float) -> Tensor:
        return of_told(w) * v(x, t, y) + of_untold(w) * v(x, t, torch.full_like(y, 10))

    return mixed


def _orders(n: int, *side: int) -> tuple[Tensor, Tensor, Tensor]:
    return draw(n, *side).double(), draw(n).double().sigmoid(), torch.arange(n) % 10


guided = Exercise(
    name="guided",
    confirms="from the velocity that knows nothing, w times the way to the one that was told.",
    property="the told velocity at w = 1, the untold one at w = 0",
    reference=_guided,
    inputs=[(_told, *_orders(3, 2), 3.0), (_told, *_orders(4, 1, 2, 2), 1.5), (_told, *_orders(3, 2), 0.4)],
    wrong={
        "the difference has the wrong sign: that leads away from the class.": [
            _mixed(lambda w: -w, lambda w: 1 + w),
        ],
        "the two velocities have changed places.": [_mixed(lambda w: 1 - w, lambda w: w)],
        "that is the paper's weight, where 0 is no guidance: here 1 means the told velocity itself.": [
            _mixed(lambda w: 1 + w, lambda w: -w),
        ],
        "the weights of the two velocities do not add up to 1.": [
            _mixed(lambda w: w, lambda w: 1.0),
            _mixed(lambda w: w, lambda w: w - 1),
            _mixed(lambda w: w, lambda w: -1.0),
            _mixed(lambda w: 1.0, lambda w: -w),
            _mixed(lambda w: 1.0, lambda w: w),
            _mixed(lambda w: w, lambda w: w),
        ],
        "that is an average, between the two. Guidance goes from the one past the other.": [
            _mixed(lambda w: 1 / (1 + w), lambda w: w / (1 + w)),
            _mixed(lambda w: w / (1 + w), lambda w: 1 / (1 + w)),
        ],
        "the difference is divided by w: more weight would guide less.": [
            _mixed(lambda w: 1 / w, lambda w: 1 - 1 / w),
        ],
        "the difference counts by its size alone. It has a direction, and that is the point of it.": [
            lambda v, x, t, y, w: v(x, t, 0 * y + 10) + w * (v(x, t, y) - v(x, t, 0 * y + 10)).abs(),
        ],
        "that is the velocity without a class: y is never told.": [_mixed(lambda w: 0.0, lambda w: 1.0)],
        '"not told" is one class, 10, the same for every row.': [
            lambda v, x, t, y, w: v(x, t, y + 10) + w * (v(x, t, y) - v(x, t, y + 10)),
        ],
        "the difference alone remains. It has to be added to the velocity that knows nothing.": [
            _mixed(lambda w: w, lambda w: -w),
        ],
        "the untold velocity is missing: a velocity was scaled, not guided.": [_mixed(lambda w: w, lambda w: 0.0)],
        "no weight is used: that is the told velocity.": [_mixed(lambda w: 1.0, lambda w: 0.0)],
        '"not told" is class 10; a class was asked in its place that is a digit.': [
            lambda v, x, t, y, w: v(x, t, 0 * y) + w * (v(x, t, y) - v(x, t, 0 * y)),
            lambda v, x, t, y, w: v(x, t, 0 * y + 9) + w * (v(x, t, y) - v(x, t, 0 * y + 9)),
        ],
    },
)

# Stamps


def _stamps(n: int, kernel: int, stride: int) -> Tensor:
    ones = torch.ones(1, 1, n).double()
    return conv_transpose1d(ones, torch.ones(1, 1, kernel).double(), stride=stride)[0, 0].long()


def _as_long(function: Callable[..., Tensor], n: int, kernel: int, stride: int) -> Observation:
    """The answer; where its length is that of a known mistake, cut or filled up with −1, so that a hint can follow."""
    value = function(n, kernel, stride)
    counts, length = comparable(value), (n - 1) * stride + kernel
    known = (1, n * stride, n * kernel, (n - 1) * kernel + stride, n - 1 + kernel)
    if not isinstance(counts, Tensor) or counts.ndim > 1 or counts.numel() not in known:
        return {"your answer": value}
    if counts.ndim == 0:
        return {"your answer": counts.expand(length)}
    return {"your answer": torch.cat([counts.double(), torch.full((length,), -1.0)])[:length]}


def _counted(lies: Callable[[int, int], bool], early: int = 0, late: int = 0) -> Callable[..., Tensor]:
    """How many of the inputs −early … n + late lie on each pixel, by lies(i − stride·j, kernel)."""

    def counted(n: int, kernel: int, stride: int) -> Tensor:
        pixels, inputs = range((n - 1) * stride + kernel), range(-early, n + late)
        return torch.tensor([sum(lies(i - stride * j, kernel) for j in inputs) for i in pixels])

    return counted


def _padded(counts: Tensor, n: int, kernel: int, stride: int) -> Tensor:
    """Counts in an output of the right length: zeros behind, or cut."""
    length = (n - 1) * stride + kernel
    return torch.cat([counts, torch.zeros(length).long()])[:length]


def _covered(n: int, kernel: int, stride: int) -> Tensor:
    return (_stamps(n, kernel, stride) > 0).long()


stamps = Exercise(
    name="stamps",
    confirms="each input lays a stamp of `kernel` pixels, `stride` apart; where the kernel is no multiple, they beat.",
    property="whole numbers, one for each of the (n − 1)·stride + kernel pixels of the output; they add up to n·kernel",
    reference=_stamps,
    inputs=[(5, 3, 2), (4, 4, 2), (3, 2, 3), (6, 5, 2)],
    tolerance=1e-6,
    observe=_as_long,
    wrong={
        "the stamps lie side by side: each begins `stride` pixels after the last, whatever its width.": [
            lambda n, kernel, stride: torch.ones(n * kernel).long(),
            lambda n, kernel, stride: torch.ones((n - 1) * stride + kernel).long(),
            lambda n, kernel, stride: _padded(torch.ones(n * kernel).long(), n, kernel, stride),
        ],
        "where stamps overlap they add up. It is asked how many, not whether any.": [_covered],
        "only whole strides were counted: the last stamp reaches `kernel` pixels far.": [
            lambda n, kernel, stride: _stamps(n, kernel, stride)[: n * stride],
        ],
        "kernel and stride have changed places.": [lambda n, kernel, stride: _stamps(n, stride, kernel)],
        "the stamps were laid one pixel apart.": [
            lambda n, kernel, stride: _stamps(n, kernel, 1),
            lambda n, kernel, stride: _padded(_stamps(n, kernel, 1), n, kernel, stride),
        ],
        "that is the mean number, kernel over stride. Asked is the number at each pixel.": [
            lambda n, kernel, stride: kernel / stride,
            lambda n, kernel, stride: torch.full(((n - 1) * stride + kernel,), kernel / stride),
            lambda n, kernel, stride: torch.full(((n - 1) * stride + kernel,), kernel // stride),
            lambda n, kernel, stride: torch.full(((n - 1) * stride + kernel,), -(-kernel // stride)),
        ],
        "each stamp is one pixel too wide: it ends before pixel `kernel`, counted from 0.": [
            _counted(lambda way, kernel: 0 <= way <= kernel),
        ],
        "each stamp is one pixel too narrow: its first pixel and its last one count too.": [
            _counted(lambda way, kernel: 0 < way < kernel),
            _counted(lambda way, kernel: 0 <= way < kernel - 1),
        ],
        "the stamps lie one pixel too far: the first begins at pixel 0.": [
            _counted(lambda way, kernel: 0 < way <= kernel),
        ],
        "stamps that have not begun yet, or are over, were counted too.": [
            _counted(lambda way, kernel: way < kernel),
            _counted(lambda way, kernel: way >= 0),
        ],
        "there are n inputs, and the borders have fewer stamps: no input lies before the first or after the last.": [
            _counted(lambda way, kernel: 0 <= way < kernel, early=99, late=99),
            _counted(lambda way, kernel: 0 <= way < kernel, late=99),
            _counted(lambda way, kernel: 0 <= way < kernel, early=99),
        ],
    },
)

# A mark


def _mark_score(x: Tensor, mark: Tensor) -> Tensor:
    centred = (x - x.mean()).flatten()
    return (centred * mark.flatten()).sum() / (centred.std(correction=0) * mark.numel() ** 0.5)


def _marked(side: int, strength: float) -> tuple[Tensor, Tensor]:
    mark = draw(1, side, side).double().sign()
    return draw(1, side, side).double() * 0.5 - 0.7 + strength * mark, mark


mark_score = Exercise(
    name="mark_score",
    confirms="a sum of signed pixels over its spread by chance: beyond 4, chance is one in thirty thousand.",
    property="a number of standard deviations: about N(0, 1) for a picture that knows nothing of the mark",
    reference=_mark_score,
    inputs=[_marked(6, 0.3), _marked(8, 0.0), _marked(5, 0.6)],
    wrong={
        "the picture's mean is still in it: a mark with more +1 than −1 would find itself in any bright picture.": [
            lambda x, mark: (x * mark).sum() / (x.std(correction=0) * mark.numel() ** 0.5),
            lambda x, mark: (x * mark).sum() / x.norm(),
            lambda x, mark: ((x * mark).sum() - x.mean()) / (x.std(correction=0) * mark.numel() ** 0.5),
        ],
        "the mean was taken row by row. It is one number for the whole picture.": [
            lambda x, mark: ((x - x.mean(-1, keepdim=True)) * mark).sum() / (x.std(correction=0) * mark.numel() ** 0.5),
        ],
        "the standard deviation divides by n − 1, as torch does unless it is told. Over all pixels it is n.": [
            lambda x, mark: _mark_score(x, mark) * (1 - 1 / mark.numel()) ** 0.5,
        ],
        "the mark's own mean and spread have come in. It is fixed, each pixel ±1: only the picture is standardised.": [
            lambda x, mark: _mark_score(x, mark) / mark.std(correction=0),
            lambda x, mark: _mark_score(x, mark) / mark.std(),
        ],
        "the spread is that of the products of picture and mark. It is the picture's own that counts.": [
            lambda x, mark: (x * mark).sum() / ((x * mark).std(correction=0) * mark.numel() ** 0.5),
            lambda x, mark: (
                ((x - x.mean()) * mark).sum() / (((x - x.mean()) * mark).std(correction=0) * mark.numel() ** 0.5)
            ),
        ],
        "that is the number of pixels of the chapter's digits. A picture brings its own.": [
            lambda x, mark: _mark_score(x, mark) * mark.numel() ** 0.5 / 28,
        ],
        "n is the number of pixels, not that of a side.": [
            lambda x, mark: _mark_score(x, mark) * x.shape[-1] ** 0.5,
        ],
        "that is a product of matrices. Picture and mark meet pixel by pixel.": [
            lambda x, mark: ((x - x.mean()) @ mark).sum() / (x.std(correction=0) * mark.numel() ** 0.5),
        ],
        "that is a correlation, between −1 and 1. In standard deviations it grows with the root of the pixels.": [
            lambda x, mark: _mark_score(x, mark) / mark.numel() ** 0.5,
        ],
        "a sum of n terms spreads by the root of n: the division by it is missing. (len of [1, S, S] is 1.)": [
            lambda x, mark: _mark_score(x, mark) * mark.numel() ** 0.5,
        ],
        "a sum of n terms spreads by the root of n; it was multiplied where it should be divided.": [
            lambda x, mark: _mark_score(x, mark) * mark.numel(),
        ],
        "the picture's contrast is still in it: divide by its standard deviation.": [
            lambda x, mark: ((x - x.mean()) * mark).sum() / mark.numel() ** 0.5,
        ],
        "the variance stands where the standard deviation should.": [
            lambda x, mark: _mark_score(x, mark) / x.std(correction=0),
        ],
        "the sign is lost. A picture that holds the mark turned round has not been marked.": [
            lambda x, mark: _mark_score(x, mark).abs(),
            lambda x, mark: _mark_score(x, mark).square(),
        ],
        "the sum is the number of standard deviations only after it is divided by its own spread.": [
            lambda x, mark: ((x - x.mean()) * mark).sum(),
            lambda x, mark: (x * mark).sum(),
        ],
    },
)

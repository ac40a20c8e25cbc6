"""Exercises of chapter 02: the game, the best discriminator, what the generator follows, conjugates."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, linspace, sigmoid, tensor, xlogy
from torch.nn.functional import logsigmoid, softplus

from genimg_utils.check import Exercise, named
from genimg_utils.check.gan.common import FAR, UNSTABLE, draw

Pair = tuple[Any, Any]

# The game

value = Exercise(
    name="value",
    confirms="the score of the game: never above 0, −log 4 where every logit is 0, finite at logits of ±120.",
    property="one number below 0: nearer to 0 the better the discriminator is, −log 4 where all logits are 0",
    reference=lambda real, fake: -softplus(-real).mean() - softplus(fake).mean(),
    inputs=[(draw(7) + 1, draw(5) - 0.5), (2 * draw(4, 1), 2 * draw(4, 1)), (draw(1), draw(1) + 1)],
    edges={UNSTABLE: [(-FAR, FAR)]},
    wrong={
        "that is the discriminator's loss. The value has the other sign: the discriminator wants it large.": [
            lambda r, f: softplus(-r).mean() + softplus(f).mean()
        ],
        "for generated points the discriminator earns the logarithm of the other probability: it bet on generated.": [
            lambda r, f: logsigmoid(r).mean() + logsigmoid(f).mean()
        ],
        "the roles are swapped: yours grows when real points are called generated.": [
            lambda r, f: logsigmoid(-r).mean() + logsigmoid(f).mean()
        ],
        "there is a hidden ½: each of the two means counts whole.": [
            lambda r, f: (logsigmoid(r).mean() + logsigmoid(-f).mean()) / 2,
            lambda r, f: torch.cat([logsigmoid(r), logsigmoid(-f)]).mean(),
        ],
        "you added the points up. An expectation is estimated by a mean.": [
            lambda r, f: logsigmoid(r).sum() + logsigmoid(-f).sum()
        ],
        "you take the logarithm of the logits themselves. Turn them into probabilities first.": [
            lambda r, f: r.log().mean() + (1 - f).log().mean(),
            lambda r, f: r.clamp(min=1e-8).log().mean() + (1 - f).clamp(min=1e-8).log().mean(),
        ],
        "you take the logarithm of a mean. The value is a mean of logarithms, which is smaller.": [
            lambda r, f: sigmoid(r).mean().log() + (1 - sigmoid(f)).mean().log()
        ],
        "one mean over all points weighs the more numerous kind more. Each expectation has a mean of its own.": [
            lambda r, f: 2 * torch.cat([logsigmoid(r), logsigmoid(-f)]).mean()
        ],
        "the generated points are missing.": [lambda r, f: logsigmoid(r).mean()],
        "the real points are missing.": [lambda r, f: logsigmoid(-f).mean()],
        "the second term has the wrong sign: a discriminator that sees through generated points earns more.": [
            lambda r, f: logsigmoid(r).mean() - logsigmoid(-f).mean(),
            lambda r, f: logsigmoid(r).mean() - logsigmoid(f).mean(),
        ],
    },
)

# The best discriminator

_x = linspace(-4, 4, 321, dtype=torch.float64)
_dx = 0.025


def _hills(*means_and_widths: tuple[float, float], every: int = 1) -> Tensor:
    """A density on the grid: hills of equal height, cut at ±4 and scaled so that its sum times dx is 1."""
    hills = sum((-((_x - mean) ** 2) / (2 * width**2)).exp() for mean, width in means_and_widths)
    density = torch.as_tensor(hills)[::every].clone()
    return density / (density.sum() * every * _dx)


def _kl(p: Tensor, q: Tensor, dx: float) -> Tensor:
    return (p * (p / q).log()).sum() * dx


def _jsd(p: Tensor, q: Tensor, dx: float) -> Tensor:
    m = (p + q) / 2
    return (xlogy(p, p) + xlogy(q, q) - 2 * xlogy(m, m)).sum() * dx / 2


def _of_mixture(mixture: Callable[[Tensor, Tensor], Tensor]) -> Callable[..., Tensor]:
    def divergence(p: Tensor, q: Tensor, dx: float) -> Tensor:
        m = mixture(p, q)
        return (_kl(p, m, dx) + _kl(q, m, dx)) / 2

    return divergence


_left, _right = (tensor(v, dtype=torch.float64) for v in ([0, 1.0, 1, 0, 0, 0], [0, 0, 0, 0.5, 1.5, 0]))

jsd = Exercise(
    name="jsd",
    confirms="zero for equal densities, symmetric, ln 2 ≈ 0.693 for two that share no point.",
    property="0 for equal densities, the same in both directions, at most ln 2",
    reference=_jsd,
    inputs=[
        (_hills((-1, 1.0)), _hills((1.5, 0.9)), _dx),
        (_hills((0, 1.2)), _hills((-1.5, 0.8), (1, 0.9)), _dx),
        (_hills((0.5, 1.0), every=4), _hills((0, 1.3), every=4), 4 * _dx),
    ],
    edges={
        "right where both densities are positive. Where one is 0, its term counts 0; yours makes NaN of 0 · log 0.": [
            (_left, _right, 0.5)
        ]
    },
    wrong={
        "you averaged log p and log q. The mixture averages the densities: m = (p + q) / 2.": [
            _of_mixture(lambda p, q: (p * q).sqrt())
        ],
        "m adds up to 2 and is no density: a mixture takes half of each.": [_of_mixture(lambda p, q: p + q)],
        "twice too large: it is the mean of two divergences, not their sum. (The factor 2 stands before the JSD.)": [
            lambda p, q, dx: 2 * _jsd(p, q, dx)
        ],
        "that is the whole value V at the best discriminator. The JSD is what is left of it.": [
            lambda p, q, dx: 2 * _jsd(p, q, dx) - tensor(4.0).log()
        ],
        "dx is missing: a sum becomes an integral when each term is as wide as its step.": [
            lambda p, q, dx: _jsd(p, q, 1.0)
        ],
        "a mean over the grid is no integral: it divides by the number of points, whatever their step.": [
            lambda p, q, dx: _jsd(p, q, 1 / len(p))
        ],
        "that is a Kullback–Leibler divergence between the two: it is not symmetric, and has no bound.": [
            lambda p, q, dx: _kl(p, q, dx),
            lambda p, q, dx: _kl(q, p, dx),
        ],
        "that is Jeffreys' divergence, the mean of both KLs. The JSD goes by way of the mixture.": [
            lambda p, q, dx: (_kl(p, q, dx) + _kl(q, p, dx)) / 2,
            lambda p, q, dx: _kl(p, q, dx) + _kl(q, p, dx),
        ],
        "only one half is there: both densities are compared with the mixture.": [
            lambda p, q, dx: _kl(p, (p + q) / 2, dx),
            lambda p, q, dx: _kl(q, (p + q) / 2, dx),
            lambda p, q, dx: _kl(p, (p + q) / 2, dx) / 2,
            lambda p, q, dx: _kl(q, (p + q) / 2, dx) / 2,
        ],
        "the arguments of KL are swapped: the mean is taken over p and over q, not over the mixture.": [
            lambda p, q, dx: (_kl((p + q) / 2, p, dx) + _kl((p + q) / 2, q, dx)) / 2
        ],
        "that is in bits. The course counts in nats, with the natural logarithm.": [
            lambda p, q, dx: _jsd(p, q, dx) / tensor(2.0).log()
        ],
        "that is the root of it, the Jensen–Shannon distance, which scipy returns.": [
            lambda p, q, dx: _jsd(p, q, dx).sqrt()
        ],
        "the sign is flipped: a divergence is never negative.": [lambda p, q, dx: -_jsd(p, q, dx)],
    },
)

_p, _q = draw(5).double().exp(), draw(5).double().exp()

best_D = Exercise(
    name="best_D",
    confirms="Bayes' rule: the probability that a point is real, ½ where both kinds arrive equally often.",
    property="a probability: near 1 where the data arrive far more often, more so where their share is larger",
    reference=lambda p, q, share: share * p / (share * p + (1 - share) * q),
    inputs=[(_p, _q, 0.75), (_p, _q, 0.2), (_q, _p + 0.1, 0.5)],
    wrong={
        "share has no say in yours: show three real points for each generated one, and real becomes the better bet.": [
            lambda p, q, share: p / (p + q)
        ],
        "that is the probability of the other kind: D is near 1 for real points.": [
            lambda p, q, share: (1 - share) * q / (share * p + (1 - share) * q)
        ],
        "share weighs the wrong density: it is that of the real points.": [
            lambda p, q, share: (1 - share) * p / ((1 - share) * p + share * q)
        ],
        "share weighs the real points above the bar and not below it.": [lambda p, q, share: share * p / (p + q)],
        "share weighs the real points below the bar and not above it.": [
            lambda p, q, share: p / (share * p + (1 - share) * q)
        ],
        "the generated points have a share, too: what is left of 1.": [lambda p, q, share: share * p / (share * p + q)],
        "those are the odds. A probability is the odds over one more than them.": [
            lambda p, q, share: share * p / ((1 - share) * q),
            lambda p, q, share: p / q,
        ],
        "that is the logit. The probability is σ of it.": [
            lambda p, q, share: (share * p / ((1 - share) * q)).log(),
        ],
        "the best value of the payoff is not asked for, but the answer D at which it is reached.": [
            lambda p, q, share: share * p * (p / (p + q)).log() + (1 - share) * q * (q / (p + q)).log()
        ],
    },
)

ratio_from_logit = Exercise(
    name="ratio_from_logit",
    confirms="the ratio of the densities, with the unequal shares taken out, finite at a logit of 40.",
    property="positive; 1 at logit 0 where both kinds arrive equally often; growing with the logit",
    reference=lambda logit, share: logit.exp() * (1 - share) / share,
    inputs=[(draw(5).double(), 0.75), (2 * draw(5).double(), 0.2), (draw(3, 1).double(), 0.5)],
    edges={
        "right for small logits. For large ones σ rounds to 1, and what is left of 1 to 0: go without σ. (Float32.)": [
            (tensor([40.0, 20.0, -40.0]), 0.5)
        ]
    },
    wrong={
        "that is the probability D, not the ratio of densities.": [lambda d, share: sigmoid(d)],
        "the shares are out and σ is in: a probability stays below 1, a ratio of densities need not.": [
            lambda d, share: sigmoid(d) * (1 - share) / share
        ],
        "those are the odds of the two kinds as they arrive. With unequal shares they are not yet the ratio.": [
            lambda d, share: d.exp()
        ],
        "the shares are taken out the wrong way round: where real points are frequent, the odds flatter them.": [
            lambda d, share: d.exp() * share / (1 - share)
        ],
        "that is the ratio upside down: generated over real.": [
            lambda d, share: (-d).exp(),
            lambda d, share: (-d).exp() * share / (1 - share),
            lambda d, share: (-d).exp() * (1 - share) / share,
        ],
        "that is the logarithm of the ratio.": [
            lambda d, share: d - (tensor(share) / (1 - share)).log(),
        ],
        "you divide by share alone: the generated points have a share, too.": [
            lambda d, share: d.exp() / share,
            lambda d, share: d.exp() * (1 - share),
        ],
        "the logit itself can be negative; a ratio of densities cannot.": [
            lambda d, share: d,
            lambda d, share: d * (1 - share) / share,
        ],
    },
)

# The generator


def _sat(p: Tensor) -> Tensor:
    return -p


def _non(p: Tensor) -> Tensor:
    return p - 1


slopes = Exercise(
    name="slopes",
    confirms="together they always pull with weight 1; where D is sure, all of it is in the non-saturating one.",
    property="two negative slopes: both losses fall as the logit rises, one hardly where p is near 0, one near 1",
    reference=lambda p: (_sat(p), _non(p)),
    inputs=[(tensor([0.01, 0.2, 0.4, 0.9]).double(),), (sigmoid(draw(6).double()),)],
    observe=named("the saturating slope", "the non-saturating slope"),
    tolerance=1e-6,
    wrong={
        "those are the slopes in D. The network's output is the logit: multiply by dσ/dd, the slope of σ.": [
            lambda p: (-1 / (1 - p), -1 / p)
        ],
        "swapped: which of the two lets go where D sees through the points, at p near 0?": [
            lambda p: (_non(p), _sat(p))
        ],
        "both signs are flipped: the generator wants the logit to rise, so its losses fall.": [
            lambda p: (-_sat(p), -_non(p))
        ],
        "the saturating sign is flipped: is its loss log(1 − D), or the negative of it?": [
            lambda p: (-_sat(p), _non(p))
        ],
        "the non-saturating sign is flipped: its loss falls as the logit rises.": [lambda p: (_sat(p), -_non(p))],
        "that is the slope of σ alone: the logarithm has a slope, too.": [
            lambda p: (-p * (1 - p), -p * (1 - p)),
            lambda p: (p * (1 - p), p * (1 - p)),
        ],
        "those are the losses. Their slopes are asked for.": [lambda p: ((1 - p).log(), -p.log())],
        "σ comes in twice: p is the probability already.": [
            lambda p: (-sigmoid(p), sigmoid(p) - 1),
        ],
    },
)


def _move_D(theta: Tensor, psi: Tensor, rate: float) -> Tensor:
    return psi - rate * theta * sigmoid(psi * theta)


def _move_G(theta: Tensor, psi: Tensor, rate: float) -> Tensor:
    return theta + rate * psi * sigmoid(-psi * theta)


def _step(theta: Tensor, psi: Tensor, rate: float) -> Pair:
    psi = _move_D(theta, psi, rate)
    return _move_G(theta, psi, rate), psi


def _generator_first(theta: Tensor, psi: Tensor, rate: float) -> Pair:
    theta = _move_G(theta, psi, rate)
    return theta, _move_D(theta, psi, rate)


def _with(D: Callable[..., Tensor], G: Callable[..., Tensor]) -> Callable[..., Pair]:
    def step(theta: Tensor, psi: Tensor, rate: float) -> Pair:
        psi = D(theta, psi, rate)
        return G(theta, psi, rate), psi

    return step


_scalars = [tuple(tensor(v, dtype=torch.float64) for v in pair) for pair in ((1.0, 0.5), (-0.8, 1.5), (2.0, -0.3))]

alternating_step = Exercise(
    name="alternating_step",
    confirms="first the discriminator climbs, then the generator answers to the new one.",
    property="ψ turns against the side on which θ lies, and θ then follows the sign of the new ψ",
    reference=_step,
    inputs=[(*_scalars[0], 0.5), (*_scalars[1], 0.2), (*_scalars[2], 1.0)],
    observe=named("θ", "ψ"),
    tolerance=1e-6,
    wrong={
        "that is simultaneous: your generator answers to the old ψ. Alternating means that it sees the new one.": [
            lambda t, p, r: (_move_G(t, p, r), _move_D(t, p, r))
        ],
        "your generator moves first. The discriminator does, and the generator answers.": [_generator_first],
        "your generator follows the saturating loss. Its loss is −log D.": [
            _with(_move_D, lambda t, p, r: t + r * p * sigmoid(p * t))
        ],
        "your discriminator descends the value. It wants the value large.": [
            _with(lambda t, p, r: p + r * t * sigmoid(p * t), _move_G)
        ],
        "your generator climbs its own loss. It wants it small.": [
            _with(_move_D, lambda t, p, r: t - r * p * sigmoid(-p * t))
        ],
        "the real half of the value adds nothing: at the data x is 0, and so is the slope of ψ x in ψ.": [
            _with(lambda t, p, r: p + r * (0.5 - t * sigmoid(p * t)), _move_G)
        ],
        "σ is missing: that is the game in which the logit itself is the value. Here it goes through a logarithm.": [
            _with(lambda t, p, r: p - r * t, lambda t, p, r: t + r * p)
        ],
        "rate is missing.": [lambda t, p, r: _step(t, p, 1.0)],
        "the chain rule stops half-way: d = ψ x, so the slope in ψ brings a factor θ, and that in θ a factor ψ.": [
            _with(lambda t, p, r: p - r * sigmoid(p * t), lambda t, p, r: t + r * sigmoid(-p * t)),
            _with(lambda t, p, r: p - r * t * sigmoid(p * t), lambda t, p, r: t + r * sigmoid(-p * t)),
        ],
        "the order of what you return: θ first, then ψ.": [lambda t, p, r: _step(t, p, r)[::-1]],
        "your discriminator follows −log(1 − σ) with the weight 1 − σ of a real point: its point is generated.": [
            _with(lambda t, p, r: p - r * t * sigmoid(-p * t), _move_G)
        ],
    },
)

# Other divergences

_t = tensor([-3.0, -1.0, -0.25, 0.2, 0.5, 0.8], dtype=torch.float64)

conjugate = Exercise(
    name="conjugate",
    confirms="the squared Hellinger distance has its GAN; outputs must stay below 1.",
    property="0 at t = 0, rising with t, without bound towards t = 1",
    reference=lambda t: t / (1 - t),
    inputs=[(_t,), (_t.flip(0) / 2,)],
    tolerance=1e-5,
    wrong={
        "that is the u at which the supremum is reached. What is u t − f(u) there?": [lambda t: (1 - t) ** -2],
        "f(u) is not yet subtracted: that is u t alone.": [lambda t: t / (1 - t) ** 2],
        "that is f at the u of the supremum, to be subtracted from u t.": [lambda t: (t / (1 - t)) ** 2],
        "you inserted √u for u: square it first.": [
            lambda t: t / (1 - t) - ((1 - t).rsqrt() - 1) ** 2,
        ],
        "the slope of f is wrong: there the root has a factor 2, which cancels the ½ of its own slope.": [
            lambda t: t / (4 * (1 - t) ** 2) - (1 / (2 * (1 - t)) - 1) ** 2,
        ],
        "f was added where it should be subtracted.": [lambda t: t / (1 - t) ** 2 + (t / (1 - t)) ** 2],
        "the sign of t is flipped in one place: check that u solves f′(u) = t.": [
            lambda t: t / (1 + t),
            lambda t: -t / (1 - t),
            lambda t: -t / (1 + t),
        ],
        "that is f itself. The conjugate is another function, of a slope t.": [
            lambda t: (t.sqrt() - 1) ** 2,
            lambda t: (t.abs().sqrt() - 1) ** 2,
        ],
        "that is f′, which gives a slope for a u. The conjugate starts from the slope.": [
            lambda t: 1 - t.rsqrt(),
            lambda t: 1 - t.abs().rsqrt(),
        ],
        "that is the conjugate of Pearson's χ², from the table.": [lambda t: t**2 / 4 + t],
    },
)

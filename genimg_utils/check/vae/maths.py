"""Exercises of chapter 05: the linear model's posterior and ELBO, a KL, slopes of means, weights, gaps."""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, eye, tensor

from genimg_utils.check import Exercise, Observation, named
from genimg_utils.check.common import NO_GRADIENT, gradients, numbers
from genimg_utils.losses.vae import gaussian_kl as _gaussian_kl

_floats = numbers(5)


def draw(*size: int) -> Tensor:
    return _floats(*size).double()


# The linear model: p(z) = N(0, I), p(x∣z) = N(Wz + b, τ² I)


def _linear(N: int, P: int, Z: int, tau: float) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """x [N, P], W [P, Z], b [P], τ."""
    return draw(N, P), draw(P, Z), draw(P), tensor(tau, dtype=torch.float64)


def _posterior(
    x: Tensor,
    W: Tensor,
    b: Tensor,
    tau: Tensor,
    prior: float = 1.0,
    mean_by: Callable[[Tensor], Tensor] = lambda tau: 1 + 0 * tau,
    width: Callable[[Tensor], Tensor] = lambda tau: tau**2,
) -> tuple[Tensor, Tensor]:
    inverse = (W.T @ W + prior * tau**2 * eye(W.shape[1], dtype=W.dtype)).inverse()
    return (x - b) @ W @ inverse * mean_by(tau), width(tau) * inverse


_two = named("the mean", "the covariance")

posterior_of = Exercise(
    name="posterior_of",
    confirms="Bayes' rule, solved: one mean a picture, one covariance for all.",
    property="a mean that moves with the picture and, where the noise is small, a narrow covariance",
    reference=_posterior,
    inputs=[_linear(4, 5, 2, 0.5), _linear(1, 3, 3, 1.3), _linear(3, 6, 1, 0.8)],
    observe=_two,
    wrong={
        "b is not taken off: the decoder adds it, so the residual starts from it.": [
            lambda x, W, b, tau: _posterior(x, W, 0 * b, tau),
        ],
        "the prior is missing: with few pixels or much noise, it is what holds the latents together.": [
            lambda x, W, b, tau: _posterior(x, W, b, tau, prior=1e-9),
        ],
        "the covariance lacks the noise: the less noise, the surer the posterior.": [
            lambda x, W, b, tau: _posterior(x, W, b, tau, width=lambda t: 1 + 0 * t),
        ],
        "τ is a width, and the formulas want a variance.": [
            lambda x, W, b, tau: _posterior(x, W, b, tau.sqrt()),
            lambda x, W, b, tau: _posterior(x, W, b, tau, width=lambda t: t),
        ],
        "that is the precision: a covariance is its inverse.": [
            lambda x, W, b, tau: (_posterior(x, W, b, tau)[0], _posterior(x, W, b, tau)[1].inverse()),
        ],
        "M is no covariance yet: compare what stands between the two z.": [
            lambda x, W, b, tau: (
                _posterior(x, W, b, tau)[0],
                _posterior(x, W, b, tau, width=lambda t: 1 + 0 * t)[1].inverse(),
            ),
        ],
        "that is what stands before z: in a Gaussian it is the mean under its inverse covariance.": [
            lambda x, W, b, tau: ((x - b) @ W / tau**2, _posterior(x, W, b, tau)[1]),
            lambda x, W, b, tau: ((x - b) @ W, _posterior(x, W, b, tau)[1]),
        ],
        "the noise is in the mean twice: it cancels there.": [
            lambda x, W, b, tau: _posterior(x, W, b, tau, mean_by=lambda t: t**2),
            lambda x, W, b, tau: _posterior(x, W, b, tau, mean_by=lambda t: t**-2),
        ],
    },
)

# A divergence


def _with_slopes(function: Callable[..., Any], mean: Tensor, log_variance: Tensor) -> Observation:
    """The value, and what its sum sends back to the encoder's two outputs."""
    mean, log_variance = mean.requires_grad_(), log_variance.requires_grad_()
    value = function(mean, log_variance)
    total = value.sum() if isinstance(value, Tensor) else value
    slopes = gradients(total, mean, log_variance)
    return {"your answer": value, "the gradient": torch.cat([g.flatten() for g in slopes])}


gaussian_kl = Exercise(
    name="gaussian_kl",
    confirms="zero for the prior itself, in nats, one number a picture.",
    property="never negative, 0 where the mean is 0 and the log-variance too, one number a picture",
    reference=_gaussian_kl,
    inputs=[(draw(4, 3), draw(4, 3)), (draw(1, 5), draw(1, 5) - 1), (draw(3, 1), draw(3, 1))],
    observe=_with_slopes,
    wrong={
        "twice too large: where is the half?": [lambda m, v: 2 * _gaussian_kl(m, v)],
        "the sign is flipped: a divergence is never negative.": [lambda m, v: -_gaussian_kl(m, v)],
        "you averaged over the latents: divergences of independent latents add up.": [
            lambda m, v: _gaussian_kl(m, v) / m.shape[1],
        ],
        "one number for the whole batch: each picture pays for itself, [B].": [
            lambda m, v: _gaussian_kl(m, v).mean().expand(len(m)),
            lambda m, v: _gaussian_kl(m, v).sum().expand(len(m)),
        ],
        "the log-variance was taken for the width σ.": [
            lambda m, v: (m**2 + v**2 - (v**2).log() - 1).sum(dim=1) / 2,
            lambda m, v: (m**2 + v**2 - v - 1).sum(dim=1) / 2,
        ],
        "the log-variance was taken for the variance.": [
            lambda m, v: (m**2 + v - v.abs().log() - 1).sum(dim=1) / 2,
        ],
        "the log-variance was taken for log σ: its exponential is the variance already.": [
            lambda m, v: _gaussian_kl(m, 2 * v),
        ],
        "the mean is not squared.": [lambda m, v: (m + v.exp() - v - 1).sum(dim=1) / 2],
        "at the prior it should be 0: a constant is missing for each latent.": [
            lambda m, v: (m**2 + v.exp() - v).sum(dim=1) / 2,
            lambda m, v: ((m**2 + v.exp() - v).sum(dim=1) - 1) / 2,
        ],
        "the logarithm has the wrong sign: the narrower q is, the more it should cost.": [
            lambda m, v: (m**2 + v.exp() + v - 1).sum(dim=1) / 2,
        ],
        "that is the divergence the other way round, from the prior to q.": [
            lambda m, v: ((1 + m**2) * (-v).exp() + v - 1).sum(dim=1) / 2,
        ],
        NO_GRADIENT: [lambda m, v: _gaussian_kl(m.detach(), v.detach())],
    },
)

# The ELBO without sampling


def _elbo(
    x: Tensor,
    mean: Tensor,
    log_variance: Tensor,
    W: Tensor,
    b: Tensor,
    tau: Tensor,
    *,
    spread: float = 1.0,
    constant: float = 1.0,
    noise: Callable[[Tensor], Tensor] = lambda tau: tau,
    squares: float = 1.0,
    kl: float = 1.0,
) -> Tensor:
    tau_used = noise(tau)
    fixed = (x - b - mean @ W.T).square().sum(dim=1)
    random = spread * (log_variance.exp() @ W.square().sum(dim=0))
    level = constant * x.shape[1] / 2 * (2 * math.pi * tau_used**2).log()
    return -level - squares * (fixed + random) / (2 * tau_used**2) - kl * _gaussian_kl(mean, log_variance)


def _elbo_inputs(N: int, P: int, Z: int, tau: float) -> tuple[Tensor, ...]:
    x, W, b, width = _linear(N, P, Z, tau)
    return x, draw(N, Z), draw(N, Z) - 1, W, b, width


linear_elbo = Exercise(
    name="linear_elbo",
    confirms="nothing sampled, and below the evidence for every q.",
    property="one number a picture, at most its log p(x), and equal to it where q is the posterior",
    reference=lambda x, mean, log_variance, W, b, tau: _elbo(x, mean, log_variance, W, b, tau),
    inputs=[_elbo_inputs(4, 5, 2, 0.6), _elbo_inputs(1, 3, 3, 1.4), _elbo_inputs(3, 6, 1, 0.9)],
    wrong={
        "the sign is flipped: that is the loss.": [lambda *a: -_elbo(*a)],
        "that is the likelihood at the mean: samples of q scatter, and what they scatter over costs.": [
            lambda *a: _elbo(*a, spread=0.0),
        ],
        "the constant of the Gaussian density is missing: without it the number is no log-density.": [
            lambda *a: _elbo(*a, constant=0.0),
        ],
        "the constant is there once, and each pixel has one.": [
            lambda *a: _elbo(*a, constant=1 / a[0].shape[1]),
        ],
        "the constant has the wrong sign: the wider the noise, the lower the density at its middle.": [
            lambda *a: _elbo(*a, constant=-1.0),
        ],
        "the squares are twice too large: where is the half of the Gaussian's exponent?": [
            lambda *a: _elbo(*a, squares=2.0),
        ],
        "you averaged over the pixels: log-densities of independent pixels add up.": [
            lambda *a: _elbo(*a, squares=1 / a[0].shape[1]),
            lambda *a: _elbo(*a, squares=1 / a[0].shape[1], constant=1 / a[0].shape[1]),
        ],
        "the divergence has the wrong sign: it is a price, and it is paid.": [lambda *a: _elbo(*a, kl=-1.0)],
        "the divergence is missing: that is the first of two terms.": [lambda *a: _elbo(*a, kl=0.0)],
        "the divergence was averaged over latents, and the pixels are summed.": [
            lambda *a: _elbo(*a, kl=1 / a[1].shape[1]),
        ],
        "τ is a width: squared it is the variance of a pixel.": [lambda *a: _elbo(*a, noise=torch.sqrt)],
        "log-variance is not variance: undo the logarithm before it spreads the picture.": [
            lambda x, m, v, W, b, t: _elbo(x, m, v, W, b, t, spread=0.0) - v @ W.square().sum(dim=0) / (2 * t**2),
        ],
        "a latent's width is squared when it moves a picture: variances add up, widths do not.": [
            lambda x, m, v, W, b, t: (
                _elbo(x, m, v, W, b, t, spread=0.0) - (v / 2).exp() @ W.square().sum(dim=0) / (2 * t**2)
            ),
        ],
        "the latents' moves were added before squaring: independent ones add their squares.": [
            lambda x, m, v, W, b, t: (
                _elbo(x, m, v, W, b, t, spread=0.0) - ((v / 2).exp() @ W.T).square().sum(dim=1) / (2 * t**2)
            ),
        ],
        "b is missing: the decoder adds it to every picture.": [
            lambda x, m, v, W, b, t: _elbo(x, m, v, W, 0 * b, t),
        ],
    },
)

# The slope by the score


def _score(
    f: Tensor,
    z: Tensor,
    mean: Tensor,
    log_variance: Tensor,
    *,
    baseline: Callable[[Tensor], Tensor] = lambda f: (f.sum() - f) / (len(f) - 1),
    by: Callable[[Tensor], Tensor] = torch.exp,
) -> Tensor:
    return ((f - baseline(f)).unsqueeze(1) * (z - mean) / by(log_variance)).mean(dim=0)


def _score_inputs(k: int, Z: int) -> tuple[Tensor, ...]:
    return draw(k) - 2, draw(k, Z), draw(Z), draw(Z)


score_slope = Exercise(
    name="score_slope",
    confirms="right on average, and no slope of f was asked for.",
    property="one number for each latent, unchanged when a constant is added to all values of f",
    reference=lambda f, z, mean, log_variance: _score(f, z, mean, log_variance),
    inputs=[_score_inputs(6, 3), _score_inputs(2, 1), _score_inputs(9, 2)],
    wrong={
        "the baseline holds the sample's own value: it then cancels a part of itself, and the mean is too small.": [
            lambda *a: _score(*a, baseline=torch.mean),
        ],
        "there is no baseline: add a constant to all values, and your slope changes.": [
            lambda *a: _score(*a, baseline=torch.zeros_like),
        ],
        "the others are one fewer than all: divide their sum by their number.": [
            lambda *a: _score(*a, baseline=lambda f: (f.sum() - f) / len(f)),
        ],
        "z − μ is divided by the variance squared: undoing the logarithm gives the variance already.": [
            lambda *a: _score(*a, by=lambda v: (2 * v).exp()),
        ],
        "z − μ is divided by the width: the slope of the log-density has the variance there.": [
            lambda *a: _score(*a, by=lambda v: (v / 2).exp()),
        ],
        "the variance is missing under z − μ.": [lambda *a: _score(*a, by=torch.ones_like)],
        "that divides by the log-variance: undo the logarithm first.": [lambda *a: _score(*a, by=lambda v: v)],
        "the sign is flipped: where f is large, μ should move towards the sample.": [lambda *a: -_score(*a)],
        "you added the samples up: an expectation is estimated by a mean.": [
            lambda *a: len(a[0]) * _score(*a),
        ],
    },
)

# Weights of paths


def _squares_of_share(log_w: Tensor, dim: int = 0) -> tuple[Tensor, Tensor]:
    share = log_w.softmax(dim=dim)
    return share, share**2


path_factors = Exercise(
    name="path_factors",
    confirms="shares that add up to 1 for each picture, and their squares.",
    property="between 0 and 1; the first adds up to 1 over the samples of a picture, the second to less",
    reference=_squares_of_share,
    inputs=[(draw(5, 3),), (3 * draw(4, 2) - 5,), (draw(7, 1),)],
    observe=named("the factors of IWAE", "the doubly reparameterised factors"),
    wrong={
        "normalise over the samples of a picture, not over the pictures of the batch.": [
            lambda w: _squares_of_share(w, dim=1),
        ],
        "the weights are not normalised: they should be shares of their sum.": [
            lambda w: (w.exp(), w.exp() ** 2),
        ],
        "that is the logarithm of the share.": [
            lambda w: (w.log_softmax(dim=0), 2 * w.log_softmax(dim=0)),
        ],
        "the log-weights themselves are no weights: undo the logarithm.": [
            lambda w: (w / w.sum(dim=0), (w / w.sum(dim=0)) ** 2),
        ],
        "both are the same: the doubly reparameterised slope carries each share twice.": [
            lambda w: (w.softmax(dim=0), w.softmax(dim=0)),
        ],
        "the two are swapped.": [lambda w: _squares_of_share(w)[::-1]],
        "the squares were normalised again: they need not add up to 1, and their sum is what shrinks the noise.": [
            lambda w: (w.softmax(dim=0), (2 * w).softmax(dim=0)),
        ],
        "that is the factor for a pairwise difference of samples, share times what is left of it.": [
            lambda w: (w.softmax(dim=0), w.softmax(dim=0) * (1 - w.softmax(dim=0))),
        ],
    },
    edges={
        "log-weights near −1000 or 1000 must not underflow or overflow.": [
            (tensor([[-1000.0], [-1001.0]], dtype=torch.float64),),
            (tensor([[1000.0], [999.0]], dtype=torch.float64),),
        ],
        "each picture has a level of its own: what one needs against underflow must not be another's.": [
            (tensor([[-1000.0, 0.0], [-1001.0, 1.0]], dtype=torch.float64),),
        ],
    },
)

# Two gaps


def _three(N: int) -> tuple[Tensor, Tensor, Tensor]:
    """At the first of several points the search fell short: the encoder's ELBO is above its best."""
    log_p = draw(N) - 90
    best = log_p - draw(N).square() - 0.5
    elbo = best - 2 * draw(N).square() - 0.3
    if N > 1:
        elbo[0] = best[0] + 0.2
    return log_p, best, elbo


def _gaps(log_p: Tensor, best_elbo: Tensor, elbo: Tensor) -> tuple[Tensor, Tensor]:
    return (log_p - best_elbo).mean(), (best_elbo - elbo).mean()


two_gaps = Exercise(
    name="two_gaps",
    confirms="both are positive, and together they are the whole gap.",
    property="two numbers above 0 that add up to the mean of log p(x) less the encoder's ELBO",
    reference=_gaps,
    inputs=[_three(6), _three(1), _three(9)],
    observe=named("the approximation gap", "the amortisation gap"),
    wrong={
        "the two are swapped: approximation is what no member of the family can do.": [
            lambda p, best, e: _gaps(p, best, e)[::-1],
        ],
        "the signs are flipped: a bound lies below, so a gap is positive.": [
            lambda p, best, e: tuple(-g for g in _gaps(p, best, e)),
            lambda p, best, e: (_gaps(p, best, e)[0], -_gaps(p, best, e)[1]),
            lambda p, best, e: (-_gaps(p, best, e)[0], _gaps(p, best, e)[1]),
        ],
        "the second is the whole gap: the family's part is in it, too.": [
            lambda p, best, e: (_gaps(p, best, e)[0], (p - e).mean()),
        ],
        "the first is the whole gap: the encoder's part is in it, too.": [
            lambda p, best, e: ((p - e).mean(), _gaps(p, best, e)[1]),
        ],
        "you added the points up: a gap is stated for one point, on average.": [
            lambda p, best, e: tuple(len(p) * g for g in _gaps(p, best, e)),
        ],
        "a gap below 0 at one point is news, a search that fell short: no absolute value should hide it.": [
            lambda p, best, e: ((p - best).abs().mean(), (best - e).abs().mean()),
        ],
        "these are shares of the whole gap: nats are asked.": [
            lambda p, best, e: tuple(g / (p - e).mean() for g in _gaps(p, best, e)),
        ],
    },
)

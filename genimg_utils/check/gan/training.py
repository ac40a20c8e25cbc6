"""Exercises of chapter 03: sizes, losses, moving averages, distances and paths."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, no_grad, tensor
from torch.nn.functional import logsigmoid, softplus

from genimg_utils.check import Exercise, Observation
from genimg_utils.check.common import NO_GRADIENT, with_gradients
from genimg_utils.check.gan.common import FAR, UNSTABLE, draw
from genimg_utils.losses import non_saturating, relativistic, saturating

Vectors = Callable[[Tensor, Tensor, float], Tensor]
Step = Callable[..., Any]

# Sizes

transposed_size = Exercise(
    name="transposed_size",
    confirms="right for six settings, among them kernel 4, stride 2, padding 1, which doubles the side.",
    property="the side that n patches cover, each as large as the kernel, less what padding cuts off",
    reference=lambda n, kernel, stride, padding: (n - 1) * stride - 2 * padding + kernel,
    inputs=[(7, 4, 2, 1), (1, 7, 1, 0), (5, 3, 2, 1), (4, 5, 3, 2), (6, 2, 2, 0), (10, 3, 1, 1)],
    wrong={
        "that is the side after a convolution, which gathers. A transposed convolution scatters: "
        "each input pixel paints a patch, and the output holds them all.": [
            lambda n, k, s, p: (n + 2 * p - k) // s + 1,
            lambda n, k, s, p: (n + 2 * p - k) / s + 1,
        ],
        "the stride alone decides only in the popular settings. How large is the output of a single pixel?": [
            lambda n, k, s, p: n * s
        ],
        "padding works the other way round here: it cuts a border off, it does not add one.": [
            lambda n, k, s, p: (n - 1) * s + 2 * p + k
        ],
        "count the strides again: how many steps lead from the first patch to the last of n?": [
            lambda n, k, s, p: n * s - 2 * p + k
        ],
        "padding is cut off at both ends.": [lambda n, k, s, p: (n - 1) * s - p + k],
        "one too small everywhere: without padding, a single pixel paints the whole kernel.": [
            lambda n, k, s, p: (n - 1) * s - 2 * p + k - 1
        ],
        "you left the padding out.": [lambda n, k, s, p: (n - 1) * s + k],
    },
)

# Losses


generator_loss = Exercise(
    name="generator_loss",
    confirms="this is the non-saturating loss, and it stays finite at logits of ±120.",
    property="one number, near 0 where D takes the fakes for real, growing as it sees through them",
    reference=lambda fake: non_saturating.generator(fake, fake),
    inputs=[(2 * draw(7),), (2 * draw(5, 1),), (draw(1, 1) - 1,), (draw(2, 1, 3, 3),)],
    edges={UNSTABLE: [(FAR,)]},
    observe=with_gradients,
    wrong={
        NO_GRADIENT: [lambda d: softplus(-d.detach()).mean()],
        "this is the saturating loss: flat where D is sure of the fakes. Which one is steep there?": [
            lambda d: saturating.generator(d, d)
        ],
        "this is the discriminator's term for fakes: making it small helps D, not G.": [lambda d: softplus(d).mean()],
        "you take the logarithm of d itself. The discriminator returns a logit; the probability is σ(d).": [
            lambda d: -d.log().mean(),
            lambda d: -d.clamp(min=1e-8).log().mean(),
        ],
        "σ comes in twice: a loss that takes logits was given probabilities.": [
            lambda d: softplus(-d.sigmoid()).mean()
        ],
        "you added the pictures up. A loss that does not grow with the batch is their mean.": [
            lambda d: softplus(-d).sum()
        ],
        "the sign is flipped: your loss is smallest where the fakes are found out.": [lambda d: logsigmoid(d).mean()],
        "half of what it should be: there is a hidden ½.": [lambda d: softplus(-d).mean() / 2],
        "the logarithm is missing: you average the probability.": [lambda d: -d.sigmoid().mean()],
        "this is the Wasserstein generator's loss: it averages the score itself, without any σ.": [lambda d: -d.mean()],
        "this is the least-squares loss, another GAN.": [
            lambda d: (d - 1).square().mean(),
            lambda d: (d.sigmoid() - 1).square().mean(),
        ],
    },
)

discriminator_loss = Exercise(
    name="discriminator_loss",
    confirms="both terms are there, each a mean, finite at logits of ±120; at D = ½ they add up to 2 ln 2.",
    property="one number, near 0 where real logits are high and fake ones low, 2 ln 2 where all are 0",
    reference=non_saturating.discriminator,
    inputs=[
        (draw(7) + 1, draw(7) - 0.5),
        (2 * draw(5, 1), 2 * draw(5, 1)),
        (draw(1, 1), draw(1, 1)),
        (draw(2, 1, 3, 3), draw(2, 1, 3, 3)),
    ],
    edges={UNSTABLE: [(-FAR, FAR)]},
    observe=with_gradients,
    wrong={
        NO_GRADIENT: [
            lambda r, f: softplus(-r.detach()).mean() + softplus(f.detach()).mean(),
            lambda r, f: softplus(-r).mean() + softplus(f.detach()).mean(),
            lambda r, f: softplus(-r.detach()).mean() + softplus(f).mean(),
        ],
        "the labels are swapped: your loss is smallest when real pictures are called fake and fakes real.": [
            lambda r, f: softplus(r).mean() + softplus(-f).mean()
        ],
        "half of what it should be: at logits of 0 it is ln 2. The two terms are added, not averaged.": [
            lambda r, f: (softplus(-r).mean() + softplus(f).mean()) / 2
        ],
        "the fakes are missing: calling everything real would make this loss small.": [
            lambda r, f: softplus(-r).mean()
        ],
        "the real pictures are missing: calling everything fake would make this loss small.": [
            lambda r, f: softplus(f).mean()
        ],
        "the term for fakes is the generator's: the discriminator wants their logits low.": [
            lambda r, f: softplus(-r).mean() + softplus(-f).mean()
        ],
        "you added the pictures up. A loss that does not grow with the batch averages each term.": [
            lambda r, f: softplus(-r).sum() + softplus(f).sum()
        ],
        "the sign is flipped: your loss is smallest for the worst discriminator.": [
            lambda r, f: -softplus(-r).mean() - softplus(f).mean()
        ],
        "this is the relativistic loss, of differences within pairs. Here each logit is judged alone.": [
            relativistic.discriminator
        ],
        "a difference was broadcast: each real logit met each fake one. Here each is judged alone.": [
            lambda r, f: softplus(f.flatten() - r.flatten()[:, None]).mean()
        ],
        "σ comes in twice: a loss that takes logits was given probabilities.": [
            lambda r, f: softplus(-r.sigmoid()).mean() + softplus(f.sigmoid()).mean()
        ],
        "you average the scores themselves: that is a Wasserstein critic's loss.": [lambda r, f: f.mean() - r.mean()],
    },
)

# Moving average of the weights


def _after_update(function: Step, average: list[Tensor], weights: list[Tensor], decay: float) -> Observation:
    """What an update leaves in the tensors themselves, whatever became of the lists that held them."""
    kept = list(average), list(weights)
    function(average, weights, decay)
    averages, trained = (torch.cat([t.detach().flatten() for t in tensors]) for tensors in kept)
    grows, trainable = (tensor([t.requires_grad for t in tensors]) for tensors in kept)
    return {
        "`average` after the call": averages,
        "`weights` after the call": trained,
        "its gradient history": grows,
        "whether `weights` can be trained": trainable,
    }


def _each(change: Callable[[Tensor, Tensor, float], Any]) -> Step:
    """An update that applies `change` to every pair of tensors, outside the gradient's sight."""

    @no_grad()
    def update(average: list[Tensor], weights: list[Tensor], decay: float) -> None:
        for a, w in zip(average, weights, strict=True):
            change(a, w, decay)

    return update


def _with_history(average: list[Tensor], weights: list[Tensor], decay: float) -> None:
    for a, w in zip(average, weights, strict=True):
        a.mul_(decay).add_((1 - decay) * w)


ema_update = Exercise(
    name="ema_update",
    confirms="the average moves in place, slowly, towards the weights, and drags no gradient history along.",
    property="in place, between the old average and the weights, and close to the old one for a decay near 1",
    reference=_each(lambda a, w, decay: a.lerp_(w, 1 - decay)),
    inputs=[
        ([draw(3), draw(2, 2)], [draw(3).requires_grad_(), draw(2, 2).requires_grad_()], 0.9),
        ([draw(4)], [draw(4).requires_grad_()], 0.75),
    ],
    observe=_after_update,
    wrong={
        "decay sits on the wrong side: with a decay of 0.999 the average should hardly move.": [
            _each(lambda a, w, decay: a.lerp_(w, decay))
        ],
        "the tensors of `average` are as they were: a new tensor under an old name, in the list or returned "
        "changes none of them. Work in place.": [_each(lambda a, w, decay: decay * a + (1 - decay) * w)],
        "you changed `weights`. They belong to the network that is being trained.": [
            _each(lambda a, w, decay: w.lerp_(a, 1 - decay)),
            _each(lambda a, w, decay: w.lerp_(a, decay)),
        ],
        "the old average must lose something, too: yours grows with every step.": [
            _each(lambda a, w, decay: a.add_(decay * w)),
            _each(lambda a, w, decay: a.add_((1 - decay) * w)),
        ],
        "the two shares must make 1 together: yours forgets, but takes the weights whole.": [
            _each(lambda a, w, decay: a.mul_(decay).add_(w))
        ],
        "this copies the weights: decay has no say, and nothing is averaged.": [_each(lambda a, w, decay: a.copy_(w))],
        "the numbers are right, but `average` now requires a gradient: its history grows with every step, "
        "until memory is full. Keep autograd out of it.": [_with_history],
        "`weights` no longer require a gradient: after this call the network itself would stop learning.": [
            _each(lambda a, w, decay: a.lerp_(w.requires_grad_(False), 1 - decay))
        ],
    },
)

# Distances and paths


def _numbers(*values: float) -> tuple[Tensor, ...]:
    return tuple(tensor(value, dtype=torch.float64) for value in values)


frechet_1d = Exercise(
    name="frechet_1d",
    confirms="zero for equal normals, symmetric, and squared as the convention has it.",
    property="zero for two equal normals, the same in both directions, and in squared units of x",
    reference=lambda m1, s1, m2, s2: (m1 - m2) ** 2 + (s1 - s2) ** 2,
    inputs=[_numbers(0.5, 1.2, -1.0, 0.4), _numbers(2.0, 1.5, 2.0, 1.5), _numbers(-1.0, 0.3, 2.0, 2.5)],
    tolerance=1e-6,
    wrong={
        "you compare the variances: s is in the units of x already, and s² is not.": [
            lambda m1, s1, m2, s2: (m1 - m2) ** 2 + (s1**2 - s2**2) ** 2
        ],
        "you take s for a variance: it is a standard deviation already.": [
            lambda m1, s1, m2, s2: (m1 - m2) ** 2 + s1 + s2 - 2 * (s1 * s2) ** 0.5
        ],
        "two equal normals should be at distance 0; yours are not: look at the factor of the mixed term.": [
            lambda m1, s1, m2, s2: (m1 - m2) ** 2 + s1**2 + s2**2 - s1 * s2
        ],
        "two equal normals should be at distance 0; yours are not: a mixed term is missing.": [
            lambda m1, s1, m2, s2: (m1 - m2) ** 2 + s1**2 + s2**2
        ],
        "that is the distance itself. The convention, FID's too, leaves it squared.": [
            lambda m1, s1, m2, s2: ((m1 - m2) ** 2 + (s1 - s2) ** 2) ** 0.5
        ],
        "the means enter with the wrong power: compare the units of your two terms.": [
            lambda m1, s1, m2, s2: abs(m1 - m2) + (s1 - s2) ** 2,
            lambda m1, s1, m2, s2: m1 - m2 + (s1 - s2) ** 2,
        ],
        "the widths enter with the wrong power: compare the units of your two terms.": [
            lambda m1, s1, m2, s2: (m1 - m2) ** 2 + abs(s1 - s2)
        ],
        "that is a Kullback–Leibler divergence: exchange the normals and it changes. A distance does not.": [
            lambda m1, s1, m2, s2: (s2 / s1).log() + (s1**2 + (m1 - m2) ** 2) / (2 * s2**2) - 0.5,
            lambda m1, s1, m2, s2: (s1 / s2).log() + (s2**2 + (m1 - m2) ** 2) / (2 * s1**2) - 0.5,
        ],
        "you compare the means only: a generator that makes one average picture would be perfect.": [
            lambda m1, s1, m2, s2: (m1 - m2) ** 2
        ],
    },
)


def _angle(a: Tensor, b: Tensor) -> Tensor:
    return ((a / a.norm()) @ (b / b.norm())).acos()


def _lerp(a: Tensor, b: Tensor, t: float) -> Tensor:
    return (1 - t) * a + t * b


def _at_angle(angle_of: Callable[[Tensor, Tensor], Tensor]) -> Vectors:
    def path(a: Tensor, b: Tensor, t: float) -> Tensor:
        angle = angle_of(a, b)
        return (((1 - t) * angle).sin() * a + (t * angle).sin() * b) / angle.sin()

    return path


_slerp = _at_angle(_angle)


def _renormalised(length: Vectors) -> Vectors:
    def path(a: Tensor, b: Tensor, t: float) -> Tensor:
        point = _lerp(a, b, t)
        return point / point.norm() * length(a, b, t)

    return path


def _undivided(a: Tensor, b: Tensor, t: float) -> Tensor:
    return ((1 - t) * _angle(a, b)).sin() * a + (t * _angle(a, b)).sin() * b


slerp = Exercise(
    name="slerp",
    confirms="the path keeps the length of the vectors and turns by equal angles for equal t.",
    property="a for t = 0, b for t = 1, about as long in between, turning by equal angles for equal t",
    reference=_slerp,
    inputs=[
        (4 * draw(2), 4 * draw(2), 0.3),
        (draw(64), draw(64), 0.2),
        (3 * draw(3), 3 * draw(3), 0.85),
    ],
    wrong={
        "a straight line: half-way it is too short, where hardly any noise falls. Follow the sphere.": [_lerp],
        "you walk from b to a: t = 0 should give a.": [lambda a, b, t: _slerp(b, a, t)],
        "cos ω must lie in [−1, 1]: how long are the vectors whose dot product you took?": [
            _at_angle(lambda a, b: (a @ b).acos()),
            _at_angle(lambda a, b: (a @ b).clamp(-1, 1).acos()),
            _at_angle(lambda a, b: (a @ b).clamp(-1 + 1e-6, 1 - 1e-6).acos()),
            _at_angle(lambda a, b: (a @ b).clamp(-1 + 1e-7, 1 - 1e-7).acos()),
        ],
        "the angle is in degrees; sin takes radians.": [_at_angle(lambda a, b: _angle(a, b).rad2deg())],
        "nlerp, a near miss: renormalising a straight line gives the same path, but not at an even speed.": [
            _renormalised(lambda a, b, t: tensor(1.0)),
            _renormalised(lambda a, b, t: a.norm()),
            _renormalised(lambda a, b, t: (a.norm() + b.norm()) / 2),
            _renormalised(lambda a, b, t: (1 - t) * a.norm() + t * b.norm()),
        ],
        "your path has norm 1: unit vectors are for the angle, the mixture is one of a and b themselves.": [
            lambda a, b, t: _slerp(a / a.norm(), b / b.norm(), t)
        ],
        "t = 0 should give a, and yours is too short there: what must the weights be divided by?": [_undivided],
        "right only where a and b stand at right angles: the weights must know the angle between them.": [
            lambda a, b, t: (t * _angle(a, b)).cos() * a + (t * _angle(a, b)).sin() * b,
            lambda a, b, t: tensor(t * torch.pi / 2).cos() * a + tensor(t * torch.pi / 2).sin() * b,
        ],
    },
)

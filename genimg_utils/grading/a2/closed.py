"""Questions 1 to 4: the divergence, the sample, the likelihood, and the bound that they make."""

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from genimg_utils.check import Function
from genimg_utils.check.common import NO_GRADIENT
from genimg_utils.grading.a2 import convention as of
from genimg_utils.grading.a2.convention import AVERAGED, MINUS, Convention
from genimg_utils.grading.question import Criterion, Question
from genimg_utils.grading.seeds import Draw, drawing
from genimg_utils.grading.wire import mlp

# The encoder's second output where the posterior is very narrow, and very wide.
FAR = {"log σ²": (-60.0, 80.0), "log σ": (-30.0, 40.0), "log 1/σ²": (60.0, -80.0), "softplus⁻¹ σ": (-30.0, 200.0)}
NARROW = "right, except where the posterior is very narrow or very wide: something overflows, underflows or is cut off."


def posteriors(draw: Draw, *sizes: tuple[int, int]) -> list[tuple[Tensor, Tensor]]:
    """The encoder's two outputs, normal numbers both, so that their order does not matter here."""
    return [(draw(*size), draw(*size)) for size in sizes]


def far(c: Convention, draw: Draw, wide: float = 1.0) -> tuple[Tensor, Tensor]:
    mean, width = draw(2, 2), torch.tensor(FAR[c.width])[:, None].expand(2, 2) * torch.tensor([[1.0], [wide]])
    return (mean, width.contiguous()) if c.mean_first else (width.contiguous(), mean)


def kl(c: Convention, seed: str) -> Question:
    draw, shown = drawing(f"{seed}/kl"), drawing("example/kl")
    right = lambda *a: of.kl(c, *a)  # noqa: E731
    sigma = lambda a, b: c.posterior(a, b).scale  # noqa: E731
    swapped = lambda a, b: torch.distributions.kl_divergence(c.prior, c.posterior(a, b)).sum(dim=-1)  # noqa: E731
    wrong: dict[str, list[Function]] = {
        "twice too large: where is the half?": [lambda *a: 2 * right(*a)],
        "the sign is flipped: a divergence is never negative.": [lambda *a: -right(*a)],
        AVERAGED: [lambda a, b: right(a, b) / a.shape[1]],
        "that is the divergence the other way round, from the prior to q.": [swapped],
        "a constant is missing for each latent: where q is the prior, the divergence is 0.": [
            lambda a, b: right(a, b) + a.shape[1] / 2,
        ],
    }
    wrong |= {
        "σ stands where σ² belongs: a variance is asked beside the squared distance of the means.": [
            lambda a, b: right(a, b) + ((sigma(a, b) - sigma(a, b) ** 2) / c.prior_sigma**2 / 2).sum(dim=1)
        ],
        "the logarithm of a variance is twice that of σ: one of your terms is half as large as it should be.": [
            lambda a, b: right(a, b) + (sigma(a, b).log() / 2).sum(dim=1),
            lambda a, b: right(a, b) + ((sigma(a, b) / c.prior_sigma).log() / 2).sum(dim=1),
        ],
    }
    if c.prior_sigma != 1:
        wrong["the logarithm of the prior's width is missing: where q is the prior, the divergence is 0."] = [
            lambda a, b: right(a, b) - a.shape[1] * math.log(c.prior_sigma)
        ]
    wrong |= of.for_the_batch(right) | of.of_the_prior(c, of.kl) | of.misread(c, of.kl) | of.exchanged(c, of.kl)
    return Question(
        name="kl",
        title="The divergence from the prior",
        read="chapter 05, section 3",
        holds="never negative, 0 where q is the prior of this hand-out, one number a point",
        task=f"`kl({c.two()})` returns $\\mathrm{{KL}}(q(z \\mid x) \\Vert p(z))$, `[B]`, in nats.",
        stub=f'def kl({c.two()}):\n    """KL of q(z∣x) and the prior, [B]; both arguments are [B, Z]."""',
        reference=right,
        example=posteriors(shown, (2, 2))[0],
        criteria={
            "values": Criterion(5, posteriors(draw, (4, 3), (1, 5), (3, 1))),
            "slopes": Criterion(2, posteriors(draw, (3, 2)), slopes=(0, 1), hint=NO_GRADIENT),
            "extremes": Criterion(3, [far(c, draw, wide=0.3)], hint=NARROW),
        },
        wrong=wrong,
    )


def sample(c: Convention, seed: str) -> Question:
    draw, shown = drawing(f"{seed}/sample"), drawing("example/sample")

    def case(k: int, B: int, Z: int, draw: Draw = draw) -> tuple[Tensor, ...]:
        return *posteriors(draw, (B, Z))[0], draw(k, B, Z)

    def power(p: float) -> Function:
        return lambda a, b, e: c.posterior(a, b).loc + c.posterior(a, b).scale ** p * e

    wrong: dict[str, list[Function]] = {
        "the noise is missing: that is the mean, and the decoder never sees how wide q is.": [
            lambda a, b, e: of.sample(c, a, b, 0 * e)
        ],
        "the noise is added unscaled: every point would get a posterior as wide as the noise.": [
            lambda a, b, e: c.posterior(a, b).loc + e
        ],
        "the encoder's second output stands where σ belongs.": [
            lambda a, b, e: (a + b * e) if c.mean_first else (b + a * e)
        ],
        "all samples of a point are the same: each has noise of its own.": [
            lambda a, b, e: of.sample(c, a, b, e[:1].expand_as(e))
        ],
        "the noise has the wrong sign: hand over μ + σε, or another's bound cannot be compared with yours.": [
            lambda a, b, e: of.sample(c, a, b, -e)
        ],
    }
    if c.width != "log σ²":  # there the variance is what another reading of the width gives
        wrong["that multiplies the noise by the variance. Which power of it is a width?"] = [power(2.0)]
    if c.width != "log σ":  # and there the root
        wrong["that is the root of a width: the noise is multiplied by σ itself."] = [power(0.5)]
    wrong |= of.misread(c, of.sample) | of.exchanged(c, of.sample)
    return Question(
        name="sample",
        title="A sample that lets slopes through",
        read="chapter 05, section 5",
        holds="the mean where the noise is 0, moved by the noise in units of σ",
        task=f"`sample({c.two()}, noise)` returns k samples $z = \\mu + \\sigma\\varepsilon$ of each point's "
        "posterior, `[k, B, Z]`, from noise `[k, B, Z]` of N(0, 1).",
        stub=f'def sample({c.two()}, noise):\n    """k samples of q(z∣x), [k, B, Z], from noise [k, B, Z]."""',
        reference=lambda *a: of.sample(c, *a),
        example=case(2, 1, 2, shown),
        criteria={
            "values": Criterion(4, [case(3, 4, 2), case(2, 2, 3), case(2, 3, 1)]),
            "slopes": Criterion(
                4, [case(2, 3, 2)], slopes=(0, 1),
                hint="the sample is right, and its slope in one of the encoder's outputs is not: it would never learn.",
            ),
            "extremes": Criterion(2, [(*far(c, draw), draw(2, 2, 2))], hint=NARROW),
        },
        wrong=wrong,
    )  # fmt: skip


def log_likelihood(c: Convention, seed: str) -> Question:
    draw, shown = drawing(f"{seed}/log_likelihood"), drawing("example/log_likelihood")
    right = lambda o, x: of.log_likelihood(c, o, x)  # noqa: E731

    def without_constant(o: Tensor, x: Tensor, per: float = 1.0) -> Tensor:
        return right(o, x) - per * c.pixels(torch.zeros(())).log_prob(torch.zeros(()).double())

    def with_scale(scale: float) -> Callable[..., Tensor]:
        return lambda o, x: of.log_likelihood(replace(c, scale=scale), o, x)

    other = "Laplace" if c.noise == "Gaussian" else "Gaussian"
    wrong: dict[str, list[Function]] = {
        "the constant is missing: without it the number is no log-density, and no two models can be compared.": [
            lambda o, x: without_constant(o, x, x.shape[-1])
        ],
        "the constant is there once, and each coordinate has one.": [
            lambda o, x: without_constant(o, x, x.shape[-1] - 1)
        ],
        "the sign is flipped: a log-density is asked, not a cost.": [lambda o, x: -right(o, x)],
        "you averaged over the coordinates: they add up.": [lambda o, x: right(o, x) / x.shape[-1]],
        f"that is the density of {other} noise. Yours is {c.noise}.": [
            lambda o, x: of.log_likelihood(replace(c, noise=other), o, x)
        ],
        "the scale is the width of the noise, and you used it as something else: its square, or its root.": [
            with_scale(c.scale**2), with_scale(c.scale**0.5),
        ],
        "the scale is left out: you used 1.": [with_scale(1.0)],
        "the output was squashed first: it is the middle of the noise as it stands.": [
            lambda o, x: right(o.sigmoid(), x), lambda o, x: right(o.tanh(), x),
        ],
        "that is a density: its logarithm is asked, and a product of densities is a sum of logarithms.": [
            lambda o, x: right(o, x).exp(), lambda o, x: c.pixels(o).log_prob(x).exp().sum(dim=-1),
        ],
        "that is a squared or absolute error, and no density: it has no constant and no width.": [
            lambda o, x: -(o - x).square().sum(dim=-1), lambda o, x: -(o - x).abs().sum(dim=-1),
            lambda o, x: -(o - x).square().mean(dim=-1), lambda o, x: -(o - x).square().sum(dim=-1) / 2,
        ],
    } | of.for_the_batch(right)  # fmt: skip
    pairs = [(draw(*size), draw(*size)) for size in ((4, 5), (2, 3), (2, 3, 4))]
    return Question(
        name="log_likelihood",
        title="A likelihood with its constants",
        read="chapter 06, sections 3 and 11",
        holds="the logarithm of a density that has area 1 in every coordinate, highest where x is the output",
        task="`log_likelihood(output, x)` returns log p(x∣z), `[...]`, of points `[..., P]`, summed over their "
        "coordinates; the decoder's `output`, of the same shape, is the middle of the noise.",
        stub='def log_likelihood(output, x):\n    """log p(x∣z), [...], of points x [..., P] and an output."""',
        reference=right,
        example=(shown(2, 3), shown(2, 3)),
        criteria={
            "values": Criterion(6, pairs),
            "slopes": Criterion(2, [(draw(3, 2), draw(3, 2))], slopes=(0,), hint=NO_GRADIENT),
            "extremes": Criterion(
                2, [(100 * draw(2, 3), draw(2, 3))], (), "right, except far from the output: a "
                "density that underflows has no logarithm any more."
            ),
        },
        wrong=wrong,
    )  # fmt: skip


def elbo(c: Convention, seed: str) -> Question:
    draw, shown = drawing(f"{seed}/elbo"), drawing("example/elbo")

    def case(B: int, Z: int, P: int, draw: Draw = draw) -> tuple:
        layers = [draw(P, Z), draw(P)] if draw is shown else [draw(4, Z), draw(4), draw(P, 4) / 2, draw(P)]
        return draw(B, P), *posteriors(draw, (B, Z))[0], draw(B, Z), mlp(layers)

    def varied(**how: Any) -> list[Function]:
        return [lambda *a: of.elbo(c, *a, **how)]

    def sampled_kl(a: Tensor, b: Tensor, noise: Tensor) -> Tensor:
        z = of.sample(c, a, b, noise)
        return (c.posterior(a, b).log_prob(z) - c.prior.log_prob(z)).sum(dim=1)

    def without_constant(x: Tensor, *rest: Any) -> Tensor:
        constant = c.pixels(torch.zeros(())).log_prob(torch.zeros(()).double())
        return of.elbo(c, x, *rest) - c.signed(x.shape[-1] * constant)

    wrong: dict[str, list[Function]] = {
        MINUS: [lambda *a: -of.elbo(c, *a)],
        "the KL is missing: nothing would keep the posterior near the prior that you sample from.": varied(weight=0.0),
        "the KL has the wrong sign: it is a price, and it is paid.": varied(weight=-1.0),
        AVERAGED: [lambda *a: of.elbo(c, *a, weight=1 / a[1].shape[1])],
        "you averaged over the coordinates of x and added the latents up: a hidden β.": [
            lambda *a: of.elbo(c, *a, pixels=1 / a[0].shape[1])
        ],
        "the decoder was run on the mean: that is no sample of q.": [lambda *a: of.elbo(c, *a, blind=True)],
        "the constant of the likelihood is missing.": [without_constant],
        "the KL is estimated from the sample: right on average, but its closed form, which has no noise, is asked.": [
            lambda *a: of.elbo(c, *a) + c.signed(of.kl(c, a[1], a[2]) - sampled_kl(*a[1:4]))
        ],
        "the scale of the noise is left out: you used 1.": [lambda *a: of.elbo(replace(c, scale=1.0), *a)],
        f"the noise of this hand-out is {c.noise}.": [
            lambda *a: of.elbo(replace(c, noise="Laplace" if c.noise == "Gaussian" else "Gaussian"), *a)
        ],
    }
    wrong |= of.for_the_batch(lambda *a: of.elbo(c, *a)) | of.of_the_prior(c, of.elbo) | of.misread(c, of.elbo)
    wrong |= of.exchanged(c, of.elbo)
    what = "its negative, the loss that is minimised" if c.loss else "the bound itself, which is raised"
    return Question(
        name="elbo",
        title="The bound",
        read="chapter 05, sections 2 and 7",
        holds="one number a point, a bound on its log-evidence from one sample",
        task=f"`elbo(x, {c.two()}, noise, decoder)` takes one sample a point and the closed KL, and returns {what}, "
        "`[B]`. `noise` is `[B, Z]`, and `decoder` maps `[..., Z]` to `[..., P]`.",
        stub=f"def elbo(x, {c.two()}, noise, decoder):\n"
        f'    """{"−ELBO" if c.loss else "ELBO"}, [B], of points x [B, P] from one sample each; noise [B, Z]."""',
        reference=lambda *a: of.elbo(c, *a),
        example=case(2, 2, 2, shown),
        criteria={
            "values": Criterion(9, [case(4, 2, 5), case(2, 3, 4), case(3, 2, 2)]),
            "slopes": Criterion(
                6, [case(3, 2, 4)], slopes=(1, 2, 4),
                hint="the value is right, and a slope in the encoder's outputs or in the decoder's weights is not: "
                "part of the network would learn something else, or nothing.",
            ),
        },
        wrong=wrong,
    )  # fmt: skip

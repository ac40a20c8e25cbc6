"""Questions 5 to 7: several samples, a model whose evidence is known, and its estimate."""

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor
from torch.distributions import Normal

from genimg_utils.check import Function
from genimg_utils.grading.a2 import convention as of
from genimg_utils.grading.a2.closed import posteriors
from genimg_utils.grading.a2.convention import MINUS, Convention
from genimg_utils.grading.question import Criterion, Question
from genimg_utils.grading.seeds import Draw, drawing

UNDERFLOWS = "right, except where every weight underflows: take the largest log-weight out before you exponentiate."

# What is done to log-weights [k, B] in place of the logarithm of their mean.
AGGREGATED: dict[str, Function] = {
    "the mean of the logarithms is the ELBO again. Average the weights, then take the logarithm.": lambda w: w.mean(0),
    "the number of samples is missing: with twice as many samples the estimate must not grow.": (
        lambda w: w.logsumexp(0)
    ),
    "the best sample alone: its weight still has to be shared among all that were drawn.": lambda w: w.amax(0),
    "that is the mean weight: its logarithm is asked.": lambda w: w.logsumexp(0).exp() / len(w),
    UNDERFLOWS: lambda w: w.float().exp().mean(0).log(),
}
WEIGHED = {
    "the prior is missing in the weights.": {"prior": 0.0},
    "the density that the samples come from is missing in the weights.": {"q": 0.0},
    "the density that the samples come from is on the wrong side of the fraction.": {"q": -1.0},
}


def iwae(c: Convention, seed: str) -> Question:
    draw, shown = drawing(f"{seed}/iwae"), drawing("example/iwae")

    def case(k: int, B: int, Z: int, draw: Draw = draw, down: float = 3.0) -> tuple[Tensor, ...]:
        sizes = (k, B) if c.samples_first else (B, k)
        return draw(*sizes) - down, draw(*sizes, Z), *posteriors(draw, (B, Z))[0]

    wrong: dict[str, list[Function]] = {h: [lambda *a, f=f: of.iwae(c, *a, by=f)] for h, f in AGGREGATED.items()}
    wrong |= {h: [lambda *a, how=how: of.iwae(c, *a, **how)] for h, how in WEIGHED.items()}
    wrong |= {MINUS: [lambda *a: -of.iwae(c, *a)]}
    wrong |= of.for_the_batch(lambda *a: of.iwae(c, *a)) | of.of_the_prior(c, of.iwae)
    wrong |= of.misread(c, of.iwae) | of.exchanged(c, of.iwae)
    axes, what = ("[k, B]" if c.samples_first else "[B, k]"), "its negative" if c.loss else "the bound itself"
    return Question(
        name="iwae",
        title="A tighter bound",
        read="chapter 05, section 8",
        holds="one number a point, between the mean and the largest of its log-weights",
        task=f"`iwae(log_p, z, {c.two()})` returns the bound from k samples as {what}, `[B]`: `log_p` is log p(x∣z), "
        f"`{axes}`, at the samples `z`, `{axes[:-1]}, Z]`.",
        stub=f"def iwae(log_p, z, {c.two()}):\n"
        f'    """{"Minus the" if c.loss else "The"} bound of k samples, [B]; log_p {axes}, z {axes[:-1]}, Z]."""',
        reference=lambda *a: of.iwae(c, *a),
        example=case(2, 2, 2, shown),
        criteria={
            "values": Criterion(6, [case(5, 3, 2), case(4, 2, 3), case(3, 5, 2)]),
            "extremes": Criterion(4, [case(3, 2, 2, down=1000.0)], hint=UNDERFLOWS),
        },
        wrong=wrong,
    )


def linear(draw: Draw, N: int, P: int, Z: int) -> tuple[Tensor, Tensor, Tensor]:
    """x [N, P], W [P, Z], b [P], with a W that keeps the covariance well conditioned whatever P is."""
    return draw(N, P), draw(P, Z) / P**0.5, draw(P)


def exact_evidence(c: Convention, seed: str) -> Question:
    draw, shown = drawing(f"{seed}/exact_evidence"), drawing("example/exact_evidence")
    right = lambda *a: of.exact_evidence(c, *a)  # noqa: E731

    def by_determinant(x: Tensor, W: Tensor, b: Tensor) -> Tensor:
        return right(x, W, b) + covariance(W).logdet() / 2

    def covariance(W: Tensor, tau: float = c.scale**2) -> Tensor:
        return c.prior_sigma**2 * W @ W.T + tau * torch.eye(len(W))

    half_log_2pi = 0.9189385332
    wrong: dict[str, list[Function]] = {
        "the noise's standard deviation was taken for its variance.": [
            lambda x, W, b: of.exact_evidence(c, x, W, b, 1 / c.scale)
        ],
        "the noise is nearly gone: the pixels vary by themselves, too.": [
            lambda x, W, b: of.exact_evidence(c, x, W, b, 1e-3)
        ],
        "the latents are fixed at the prior's mean: that is p(x∣z) for one z. Let them vary.": [
            lambda x, W, b: of.exact_evidence(replace(c, prior_sigma=0.0), x, W, b)
        ],
        "the 2π is missing: each coordinate has one.": [lambda x, W, b: right(x, W, b) + x.shape[1] * half_log_2pi],
        "the 2π is there once, and each coordinate has one.": [
            lambda x, W, b: right(x, W, b) + (x.shape[1] - 1) * half_log_2pi
        ],
        "coordinates that share latents vary together: your covariance has nothing off its diagonal.": [
            lambda x, W, b: (
                Normal(c.prior_mean * W.sum(dim=1) + b, covariance(W).diagonal().sqrt()).log_prob(x).sum(dim=1)
            )
        ],
        "the determinant is missing: a wide density is a low one.": [by_determinant],
        "the determinant lacks its half.": [lambda x, W, b: right(x, W, b) - covariance(W).logdet() / 2],
        "b is missing: the decoder adds it to every point.": [lambda x, W, b: right(x, W, 0 * b)],
        "the sign is flipped: log p(x) is asked.": [lambda *a: -right(*a)],
    }
    wrong |= of.for_the_batch(right) | of.of_the_prior(c, of.exact_evidence)
    return Question(
        name="exact_evidence",
        title="A model that can be solved",
        read="chapter 05, section 4",
        holds="the log-density of a normal distribution whose mean and covariance follow from the model",
        task="`exact_evidence(x, W, b)` returns log p(x), `[N]`, without sampling, for the linear model "
        f"$x = Wz + b + \\tau\\varepsilon$ with W `[P, Z]`, the prior of this hand-out, and Gaussian noise of width "
        f"τ = {c.scale} whatever noise the rest of the hand-out has.",
        stub='def exact_evidence(x, W, b):\n    """log p(x), [N], of points x [N, P] under the linear model."""',
        reference=right,
        example=linear(shown, 2, 3, 2),
        criteria={
            "values": Criterion(7, [linear(draw, 4, 5, 2), linear(draw, 1, 3, 3), linear(draw, 3, 4, 1)]),
            "extremes": Criterion(
                3,
                [linear(draw, 2, 300, 2)],
                hint="right, except with many coordinates: the determinant underflows before its logarithm is taken.",
            ),
        },
        wrong=wrong,
    )


def evidence(c: Convention, seed: str) -> Question:
    draw, shown = drawing(f"{seed}/evidence"), drawing("example/evidence")

    def case(k: int, N: int, P: int, Z: int, draw: Draw = draw, far: float = 1.0) -> tuple[Tensor, ...]:
        x, W, b = linear(draw, N, P, Z)
        return far * x, W, b, draw(k, N, Z), draw(k, N) - 2

    def varied(**how: Any) -> list[Function]:
        return [lambda x, W, b, z, log_q: of.evidence(c, x, W, b, z, log_q, **how)]

    wrong: dict[str, list[Function]] = {hint: varied(by=f) for hint, f in AGGREGATED.items()}
    wrong |= {hint: varied(**how) for hint, how in WEIGHED.items()}
    wrong |= {
        "the noise's width is not that of this hand-out.": [
            lambda *a: of.evidence(replace(c, scale=c.scale**2), *a),
            lambda *a: of.evidence(replace(c, scale=c.scale**0.5), *a),
            lambda *a: of.evidence(replace(c, scale=1.0), *a),
        ],
        "b is missing: the decoder adds it to every point.": [lambda x, W, b, *a: of.evidence(c, x, W, 0 * b, *a)],
        "the sign is flipped: log p(x) is asked.": [lambda *a: -of.evidence(c, *a)],
    }
    wrong |= of.for_the_batch(lambda *a: of.evidence(c, *a)) | of.of_the_prior(c, of.evidence)
    return Question(
        name="evidence",
        title="The evidence by importance sampling",
        read="chapter 05, section 8",
        holds="equal to the exact evidence for any number of samples, where they come from the posterior itself",
        task="`evidence(x, W, b, z, log_q)` estimates the same log p(x), `[N]`, from samples `z`, `[k, N, Z]`, that "
        "somebody drew from a density whose logarithm at them is `log_q`, `[k, N]`.",
        stub="def evidence(x, W, b, z, log_q):\n"
        '    """An estimate of log p(x), [N], from samples z [k, N, Z], log_q [k, N]."""',
        reference=lambda *a: of.evidence(c, *a),
        example=case(2, 2, 2, 2, shown),
        criteria={
            "values": Criterion(6, [case(5, 3, 4, 2), case(4, 2, 3, 3), case(2, 4, 5, 1)]),
            "extremes": Criterion(4, [case(3, 2, 4, 2, far=100.0)], hint=UNDERFLOWS),
        },
        wrong=wrong,
    )

"""Question 8: a VAE on points of the plane, trained to a gate that no convention moves.

The points lie on a wave, moved by noise that is the likelihood's own. So their true density is known, and the
grader measures by how many nats the bound of the returned networks misses it, on points that nobody has seen.
"""

import math
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn, rand, randn
from torch.distributions import Normal, kl_divergence

from genimg_utils.grading.a2 import convention as of
from genimg_utils.grading.a2.convention import Convention
from genimg_utils.grading.question import Caller, Criterion, Question, Verdict
from genimg_utils.grading.seeds import choices, generator
from genimg_utils.grading.training import IN_PLACE, handed_back, networks, untouched

LATENTS, WIDTH, POINTS, STEPS = 2, 48, 2000, 2500
# Nats above the entropy of the points. The reference ends at 0.15 ± 0.12 over 16 seeds, the worst at 0.42; its lean is
# 0.04 ± 0.02, and ± 0.9 where one of the two terms was halved.
GATE, HALFWAY = 0.65, 1.5
SHAPES = (
    (2, WIDTH, WIDTH, 2 * LATENTS),
    (LATENTS, WIDTH, WIDTH, 2),
)  # encoder [B, 2] to [B, 2 Z], decoder [B, Z] to [B, 2]
LEAN = 0.3  # of nats: how far from their best width posteriors may be


class Data(NamedTuple):
    """Points to train on, points held out, [N, 2], and the held-out points' true log-density, [N]."""

    train: Tensor
    held_out: Tensor
    log_p: Tensor


def data(c: Convention, words: str) -> Data:
    """Points on a wave drawn by `words`, moved by the noise of the convention, whose scale is the wave's unit, too."""
    pick, source = choices(f"{words}/curve"), generator(f"{words}/points")
    waves, height, turn, angle = pick([1.5, 2.0]), pick([3.0, 4.0]), pick([0.0, 0.7, 1.4]), pick([0.3, 0.9, 2.0, 2.6])
    turned = torch.tensor([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]])

    def curve(t: Tensor) -> Tensor:
        return c.scale * torch.stack([5 * t, height * (waves * t + turn).sin()], dim=1) @ turned

    middle = curve(randn(2 * POINTS, generator=source))
    even = rand(middle.shape, generator=source) - 0.5
    normal = randn(middle.shape, generator=source)
    laplace = -even.sign() * torch.log1p(-2 * even.abs().clamp(max=0.499999))
    points = middle + c.scale * (normal if c.noise == "Gaussian" else laplace)
    held_out = points[POINTS:]
    grid = curve(math.sqrt(2) * torch.erfinv((2 * torch.arange(2000) + 1) / 2000 - 1))  # equal shares of N(0, 1)
    log_p = c.pixels(grid[:, None]).log_prob(held_out).sum(dim=-1).logsumexp(dim=0) - math.log(len(grid))
    return Data(points[:POINTS], held_out, log_p)


class Measured(NamedTuple):
    """What networks are worth, in nats: −ELBO above the entropy of the points, its KL, and what gives mistakes away.

    scatter: distortion of samples above that of means. lean: the slope of −ELBO in the logarithm of the posteriors'
    width, 0 at the optimum and 1 − β short of it where the KL was weighed by β. mean, spread: of latents.
    """

    excess: float
    rate: float
    scatter: float
    lean: float
    mean: float
    spread: float


def measured(c: Convention, encoder: nn.Module, decoder: nn.Module, of_points: Data) -> Measured:
    """The networks' worth under the convention, on the held-out points."""
    x = of_points.held_out
    with torch.no_grad():
        q = c.posterior(*encoder(x).chunk(2, dim=1))
        noise = randn(16, *q.loc.shape, generator=generator("measure"), dtype=torch.float64)

        def terms(wider: float) -> tuple[Tensor, Tensor]:
            """Distortion and rate, [N], of posteriors that are so many times as wide."""
            z = q.loc + wider * q.scale * noise
            log_p = of.log_likelihood(c, decoder(z.to(x.dtype)), x).mean(dim=0)
            return -log_p, kl_divergence(Normal(q.loc, wider * q.scale, validate_args=False), c.prior).sum(dim=-1)

        distortion, rate = terms(1.0)
        wide, narrow = (torch.stack(terms(wider)).sum(dim=0).mean() for wider in (1.1, 1 / 1.1))
        at_mean = -of.log_likelihood(c, decoder(q.loc.to(x.dtype)), x)
    z = q.loc + q.scale * noise
    values = (
        *((distortion + rate + of_points.log_p).mean(), rate.mean(), (distortion - at_mean).mean()),
        *((wide - narrow) / (2 * math.log(1.1)), z.mean(), z.std()),
    )
    return Measured(*(float(v) for v in values))


@dataclass(frozen=True)
class Training(Question):
    """Judged by what the returned networks are worth, whatever way they were trained."""

    convention: Convention = of.BASE
    seed: str = ""

    @property
    def marks(self) -> int:
        return 15

    def tried(self, caller: Caller) -> Verdict | None:
        return None  # it has no example: one training is enough

    def compared(self, caller: Caller) -> Verdict:
        points, before = data(self.convention, self.seed), networks(self.seed, *SHAPES)
        after = handed_back(self, caller, [points.train], before)
        if isinstance(after, Verdict):
            return after
        if still := untouched(("the encoder", "the decoder"), before, after, IN_PLACE):
            return still
        return self.worth(measured(self.convention, after[0], after[1], points))

    def worth(self, now: Measured) -> Verdict:
        if now.excess < GATE and abs(now.lean) < LEAN:
            return Verdict("✓", self.marks, f"right: {now.excess:.2f} nats above the entropy of the points.")
        how_far = f"{now.excess:.2f}" if now.excess < 1e3 else "1,000 or more"
        missed = f" The bound ends {how_far} nats above the entropy of the points; less than {GATE} is wanted."
        text = self.symptom(now) + ("" if now.excess < GATE else missed)
        return Verdict("✗", 5 if now.excess < HALFWAY else 0, text, True)

    def symptom(self, now: Measured) -> str:
        """What the numbers of a run give away, the loudest first."""
        away = self.convention.prior_mean - now.mean
        signs = {
            "The bound was left behind: did you climb where you meant to descend?": not now.excess < 1e3,
            "The posteriors are as narrow as they get: is the KL in your loss?": now.lean < -1.5,
            "Means are decoded well and samples are not: was the decoder trained on samples?": now.scatter > 3,
            "The encoder says next to nothing: no slope of the likelihood reaches it, or the KL drowns it.": now.rate
            < 0.1,
            "Latents gather around 0, and the prior of this hand-out does not.": abs(away) > 0.4 > abs(now.mean),
            "Posteriors are narrower than the bound wants: the KL weighs less than it should.": now.lean < -LEAN,
            "Posteriors are wider than the bound wants: the likelihood weighs less than it should.": now.lean > LEAN,
        }
        return next(
            (sentence for sentence, seen in signs.items() if seen), "More steps, or a rate that decays, may do."
        )


def train(c: Convention, seed: str) -> Training:
    return Training(
        name="train",
        title="Training",
        read="chapter 05, section 7",
        holds="",
        task=f"`train(points, encoder, decoder)` trains both networks in place on `points` `[N, 2]`, and returns "
        f"nothing. The encoder gives {2 * LATENTS} numbers a point, the first {LATENTS} of them the "
        f"{'means' if c.mean_first else 'widths'}. The gate: held-out points cost less than {GATE} nats above their "
        f"entropy, and no other width of the posteriors would do better by much. The reference takes {STEPS:,} steps "
        "of 128 points and a few seconds; the grader waits for 60.",
        stub='def train(points, encoder, decoder):\n    """Trains both networks in place on points [N, 2]."""',
        reference=lambda *_: None,
        example=(),
        criteria={"gate": Criterion(15, [])},
        convention=c,
        seed=seed,
    )

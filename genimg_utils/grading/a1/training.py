"""Part 10: a game on a ring of hills that the seed draws, judged by the hills that the generator reaches."""

import math
from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
from torch import Tensor, nn, rand, randint, randn

from genimg_utils.grading.a1 import players
from genimg_utils.grading.a1.convention import BASE, Convention
from genimg_utils.grading.a1.repair import Repair, repair
from genimg_utils.grading.question import Caller, Criterion, Verdict, alone, fresh
from genimg_utils.grading.seeds import choices, generator
from genimg_utils.grading.training import handed_back, networks, untouched
from genimg_utils.metrics import Coverage, mode_coverage

POINTS, STD = 4000, 0.1
# Of 24 seeds the reference reached every hill, with 0.93 ± 0.02 of the points good; the lowest share was 0.89.
GOOD = 0.83


class Ring(NamedTuple):
    """Points to train on, [N, 2], in their own unit, and the hills, [K, 2], in the agreed one."""

    points: Tensor
    hills: Tensor


def ring(c: Convention, words: str) -> Ring:
    pick, source = choices(f"{words}/ring"), generator(f"{words}/ring")
    modes, radius, turn = pick([6, 7, 8, 9]), pick([1.7, 1.85, 2.0]), float(rand((), generator=source))
    angle = 2 * math.pi * (torch.arange(modes) + turn) / modes
    hills = radius * torch.stack([angle.cos(), angle.sin()], dim=1)
    points = hills[randint(modes, (POINTS,), generator=source)] + STD * randn(POINTS, 2, generator=source)
    return Ring(c.unit * points, hills)


class Measured(NamedTuple):
    """Coverage; how far samples lie from the middle, in radii of the ring; and spread and thickness at that size."""

    coverage: Coverage
    size: float
    spread: float
    thickness: float


def measured(G: nn.Module, hills: Tensor) -> Measured:
    with torch.no_grad():
        x = G(randn(2000, 2, generator=generator("measure")))
    away = x.norm(dim=1)
    low, middle, high = away.nan_to_num(1e9).quantile(torch.tensor([0.25, 0.5, 0.75])).clamp(min=1e-6).tolist()
    spread = x.std(dim=0).mean().item() / middle
    return Measured(
        mode_coverage(x, hills, STD), middle / hills.norm(dim=1).mean().item(), spread, (high - low) / middle
    )


@dataclass(frozen=True)
class Training(Repair):
    """Judged by what the generator draws, whatever way it was trained."""

    convention: Convention = BASE
    seed: str = ""

    def tried(self, caller: Caller) -> Verdict | None:
        return None  # it has no example: one training is enough

    def compared(self, caller: Caller) -> Verdict:
        data, before = ring(self.convention, self.seed), networks(self.seed, (2, 64, 64, 2), (2, 64, 64, 1))
        after = handed_back(self, caller, [data.points], before)
        if isinstance(after, Verdict):
            return after
        if still := untouched(("generator", "discriminator"), before, after, players.STILL):
            return still
        verdict = self.worth(measured(after[0], data.hills), len(data.hills))
        partly = 0 < verdict.earned < self.marks
        return replace(verdict, earned=0) if partly and self.partly_before(data, before) else verdict

    def partly_before(self, data: Ring, before: tuple[nn.Sequential, ...]) -> bool:
        """Whether the training as it was handed out reaches as much: then that is no merit."""
        if self.broken is None:
            return False
        points, G, D = fresh((data.points, *before))
        with alone():
            self.broken(points, G, D)
        return self.worth(measured(G, data.hills), len(data.hills)).earned > 0

    def worth(self, now: Measured, K: int) -> Verdict:
        modes, _, good = now.coverage
        counted = f"{modes} of {K} hills reached, {good:.0%} of the points good"
        if modes == K and good >= GOOD:
            return Verdict("✓", self.marks, f"right: {counted}.")
        half = modes >= K - 2 and good >= 0.7
        text = f"{self.symptom(now, K)} {counted}; all, and {GOOD:.0%}, are wanted."
        return Verdict("✗", 5 if half else 0, text, True)

    def symptom(self, now: Measured, K: int) -> str:
        """What the points give away, the loudest first."""
        modes, _, good = now.coverage
        signs = {
            players.FEW: good > 0.7 and modes < K - 1,
            players.FLED: not now.size < 10 or now.spread < 0.3,
            players.UNIT: abs(math.log(now.size)) > 0.5 and now.thickness < 0.4,
            players.SPOT: modes <= 2,
            players.PAST: True,
        }
        return next(text for text, seen in signs.items() if seen)


def train(c: Convention, seed: str) -> Repair:
    question = repair(
        c, "train",
        title="A training that reaches every hill",
        read="chapter 04, section 1",
        holds="",
        task="`train(points, G, D)` trains both networks in place on `points` `[N, 2]`, a ring of narrow hills, and "
        "returns "
        f"nothing. `G` maps noise `[B, 2]` of N(0, I) to points, `D` points to logits `[B, 1]`. `G` is to draw the "
        f"data in "
        f"units of {c.unit:g}: a point of the data is {c.unit:g} times one of `G`. A hill is reached where a point "
        f"lies "
        f"within 4 standard deviations, and such a point is good. The gate: all hills, and {GOOD:.0%} good. The "
        f"reference "
        f"takes {players.STEPS:,} steps of 128 points and a few seconds; the grader waits for 60. Any loss may be "
        f"used.",
        example=(),
        criteria={"gate": Criterion(13, [])},
    )  # fmt: skip
    return Training(**{**vars(question), "convention": c, "seed": f"{seed}/train"})

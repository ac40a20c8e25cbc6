"""What a seed draws for assignment 3, and the right answers under it.

A convention fixes what papers and code leave open: labels, norms, weights, which sums are means, the order of players
and of layers, what leaves the pool. Each hand-out has one of its own.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from genimg_utils.grading.seeds import choices

NORMS = {
    "L1": "∣r∣",
    "L2": "r², without a root",
    "Huber": "r²/2 where ∣r∣ is below {0:g}, and {0:g} · (∣r∣ − {1:g}) elsewhere",
    "soft": "√(r² + {0:g}²) − {0:g}",
}


@dataclass(frozen=True)
class Convention:
    """What one hand-out agrees on."""

    labels: tuple[float, float, float] = (0.0, 1.0, 1.0)  # of generated ones, of real ones, and what generators aim at
    summed: bool = False  # over the patches of a picture, in place of their mean
    half: bool = False  # of the discriminator's two terms
    real_first: bool = True
    norm: str = "L1"  # of the cycle
    added: bool = False  # over the numbers of a picture, in place of their mean
    cycle: tuple[float, float] = (10.0, 10.0)  # weights: from X and back, from Y and back
    keep_norm: str = "L1"  # of the identity loss
    keep: float = 5.0
    bend: float = 0.5  # of the norms that have one
    G_first: bool = True  # of the two generators among arguments
    layers: str = "picture"  # where lists of layers begin
    mark: str = "start"  # what is said of the first patch
    old: float = 0.5  # chance that the discriminator is shown an old picture
    leaves: str = "random"
    order: str = "old"
    rates: tuple[float, float] = (0.02, 0.05)

    def pair(self, two: Any) -> Any:
        """G and F from two arguments in the agreed order."""
        return two if self.G_first else two[::-1]

    def two(self) -> str:
        return "G, F" if self.G_first else "F, G"


BASE = Convention()


def drawn(seed: str) -> Convention:
    """The convention of this seed, which differs from `BASE` and from the package's in every question."""
    pick = choices(f"{seed}/a3/convention")
    norm = pick(["L2", "Huber", "soft"])
    return Convention(
        labels=pick([(-1.0, 2.0, 0.6), (0.2, 0.9, 0.7), (-2.0, 1.0, 0.5), (0.3, 1.5, 1.2), (1.0, -1.0, -0.7)]),
        summed=pick([True, False]),
        half=pick([True, False]),
        real_first=pick([True, False]),
        norm=norm,
        added=pick([True, False]),
        cycle=pick([(4.0, 7.0), (6.0, 3.0), (8.0, 5.0), (2.0, 5.0)]),
        keep_norm=pick([kind for kind in ("L2", "Huber", "soft") if kind != norm]),
        keep=pick([0.7, 1.7, 2.3, 3.1]),
        bend=pick([0.3, 0.4, 0.6, 0.8]),
        G_first=pick([True, False]),
        layers=pick(["picture", "output"]),
        mark=pick(["end", "middle"]),
        old=pick([0.3, 0.35, 0.65, 0.7]),
        leaves=pick(["random", "oldest", "always"]),
        order=pick(["old", "new", "D"]),
        rates=pick([(0.01, 0.04), (0.015, 0.05), (0.02, 0.03), (0.005, 0.06)]),
    )


# The losses


def toward(c: Convention, said: Tensor, label: float) -> Tensor:
    """The squared distance of D's numbers [B, K] from a label: over patches as agreed, then the mean over pictures."""
    squares = (said - label).square().flatten(1)
    return (squares.sum(dim=1) if c.summed else squares.mean(dim=1)).mean()


def loss_D(c: Convention, *two: Tensor) -> Tensor:
    real, fake = two if c.real_first else two[::-1]
    return (toward(c, real, c.labels[1]) + toward(c, fake, c.labels[0])) * (0.5 if c.half else 1)


def loss_G(c: Convention, fake: Tensor) -> Tensor:
    return toward(c, fake, c.labels[2])


def apart(c: Convention, norm: str, a: Tensor, b: Tensor) -> Tensor:
    """How far pictures [B, …] are apart, one number for all."""
    r, e = (a - b).flatten(1), c.bend
    size = r.abs()
    each = {
        "L1": size,
        "L2": r.square(),
        "Huber": torch.where(size < e, r.square() / 2, e * (size - e / 2)),
        "soft": (r.square() + e**2).sqrt() - e,
    }[norm]
    return (each.sum(dim=1) if c.added else each.mean(dim=1)).mean()


def cycle(c: Convention, x: Tensor, y: Tensor, *two: Any) -> Tensor:
    G, F = c.pair(two)
    return c.cycle[0] * apart(c, c.norm, F(G(x)), x) + c.cycle[1] * apart(c, c.norm, G(F(y)), y)


def identity(c: Convention, x: Tensor, y: Tensor, *two: Any) -> Tensor:
    G, F = c.pair(two)
    return c.keep * (apart(c, c.keep_norm, G(y), y) + apart(c, c.keep_norm, F(x), x))


def total(c: Convention, x: Tensor, y: Tensor, *players: Any) -> Tensor:
    """All that the generators minimise; players in the agreed order, D_X and D_Y last."""
    *two, D_X, D_Y = players
    G, F = c.pair(two)
    return loss_G(c, D_Y(G(x))) + loss_G(c, D_X(F(y))) + cycle(c, x, y, *two) + identity(c, x, y, *two)

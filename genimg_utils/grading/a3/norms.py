"""What goes wrong in the norm of a difference, whatever is compared with what."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from genimg_utils.check import Function
from genimg_utils.grading.a3 import convention as of
from genimg_utils.grading.a3.convention import NORMS, Convention

Far = Callable[[Tensor, Tensor], Tensor]  # how far pictures are from others, one number for all
OVER_BATCH = "it grows with the number of pictures: the mean over the batch is missing."
ROOT = "a root was taken of the mean of squares, and the table's norm is of each number by itself."
OF_A_WHOLE = "the norm is that of each number's difference: yours is taken of a picture's length, or of a mean."
UNEVEN = "the norm's two pieces do not meet: look at the number that is taken off in the straight one."
NOT_ZERO = "what is as it was has a loss: the norm is 0 where nothing is off."
NUMBER = "the norm is right but for the number in it."
HALF = "the half of the norm's square is missing, or that of its straight part."


def faults(c: Convention, kind: str, made: Callable[[Far], Function]) -> dict[str, list[Function]]:
    """Another norm than the agreed one, another mean, another bend; made(far) is the loss with another distance."""

    def changed(norm: str = kind, times: Callable[[Tensor], float] = lambda a: 1.0, **how: Any) -> Function:
        return made(lambda a, b: times(a) * of.apart(replace(c, **how), norm, a, b))

    def each(numbers: Tensor) -> Tensor:
        """The norm of every number, and the mean of these."""
        column = numbers.reshape(-1, 1)
        return of.apart(c, kind, column, torch.zeros_like(column))

    def over(numbers: Tensor) -> Tensor:
        return (numbers.sum(dim=1) if c.added else numbers.mean(dim=1)).mean()

    def bent(a: Tensor, b: Tensor) -> Tensor:
        size = (a - b).abs()
        return over(torch.where(size < c.bend, size**2 / 2, c.bend * (size - c.bend)))

    count = lambda a: float(len(a))  # noqa: E731
    found = {
        f"that is the norm {name}, and another was agreed on: look at the table.": [changed(name)]
        for name in NORMS
        if name != kind
    } | {
        f"the numbers of a picture are {'averaged' if c.added else 'added up'}; in this hand-out they are "
        f"{'added up' if c.added else 'averaged'}.": [changed(added=not c.added)],
        OVER_BATCH: [changed(times=count), changed(times=count, added=not c.added)],
        ROOT: [
            made(lambda a, b: over((a - b) ** 2).sqrt()),
            made(lambda a, b: (a - b).square().sum(dim=1).sqrt().mean()),
            made(lambda a, b: (a - b).square().mean(dim=1).sqrt().mean()),
        ],
        OF_A_WHOLE: [made(lambda a, b: each((a - b).abs().mean(dim=1))), made(lambda a, b: each((a - b).abs().mean()))],
    }
    if kind in ("Huber", "soft"):
        found[OF_A_WHOLE].append(made(lambda a, b: each((a - b).norm(dim=1))))
        found[NUMBER] = [changed(bend=1.0), changed(bend=c.bend**2), changed(bend=c.bend**0.5)]
    if kind == "Huber":
        found[HALF] = [changed(times=lambda a: 2), changed(times=lambda a: 1 / c.bend)]
        found[UNEVEN] = [made(bent)]
    if kind == "soft":
        found[NUMBER].append(made(lambda a, b: over(((a - b) ** 2 + c.bend).sqrt() - c.bend)))
        found[NOT_ZERO] = [made(lambda a, b: over(((a - b) ** 2 + c.bend**2).sqrt()))]
    return found

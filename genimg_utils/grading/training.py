"""What graded trainings share: networks as nobody has trained them yet, and as they came back."""

from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn, randn

from genimg_utils.grading.seeds import generator
from genimg_utils.grading.wire import Observation, mlp, weight


def networks(words: str, *shapes: tuple[int, ...]) -> tuple[nn.Sequential, ...]:
    """A network for each tuple of sizes, with weights that this seed draws."""
    source = generator(f"{words}/networks")

    def layers(*sizes: int) -> nn.Sequential:
        weights: list[Tensor] = []
        for n_in, n_out in pairwise(sizes):
            weights += [randn(n_out, n_in, generator=source) / n_in**0.5, torch.zeros(n_out)]
        return mlp(weights)

    return tuple(layers(*sizes) for sizes in shapes)


def trained(network: nn.Sequential, found: Observation, number: int) -> nn.Sequential | None:
    """The network with the weights that came back, or None where they are not of its form."""
    weights = [found.get(weight(number, n)) for n, _ in enumerate(network.parameters())]
    for new, old in zip(weights, network.parameters(), strict=True):
        if new is None or new.shape != old.shape or new.dtype != old.dtype:
            return None
    return mlp([w for w in weights if w is not None])


def same(one: Any, other: Any) -> bool:
    """Whether two networks of one form have the same weights."""
    return all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))

"""What graded trainings share: networks as nobody has trained them yet, and as they came back."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn, randn

from genimg_utils.grading.question import Caller, Question, Verdict, fresh
from genimg_utils.grading.sandbox import Crashed
from genimg_utils.grading.seeds import generator
from genimg_utils.grading.wire import Observation, mlp, weight

IN_PLACE = "{} came back as it was handed over: train it in place."


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


def handed_back(
    question: Question, caller: Caller, points: Sequence[Tensor], networks: Sequence[nn.Sequential]
) -> list[nn.Sequential] | Verdict:
    """The networks as a student's training of points and networks left them, or the verdict where none came back."""
    places = tuple(range(len(points), len(points) + len(networks)))
    try:
        said, found = caller.call(question.name, fresh((*points, *networks)), left=places)
    except Crashed as crash:
        return Verdict("✗", 0, f"{crash}.")
    if said.get("error"):
        return question.failed(said, shown=False)
    after = [trained(network, found, i) for i, network in zip(places, networks, strict=True)]
    whole = [network for network in after if network is not None]
    if len(whole) < len(after):
        return Verdict("✗", 0, "the networks came back in another form: train the two that are handed over.")
    return whole


def untouched(
    names: Sequence[str], before: Sequence[nn.Sequential], after: Sequence[nn.Sequential], sentence: str
) -> Verdict | None:
    """The verdict on the first network that came back with the weights it had; the sentence takes its name."""
    for name, old, new in zip(names, before, after, strict=True):
        if same(old, new):
            return Verdict("✗", 0, sentence.format(name), True)
    return None


def same(one: Any, other: Any) -> bool:
    """Whether two networks of one form have the same weights."""
    return all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))

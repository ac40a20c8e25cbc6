"""What a secret seed draws: numbers that nobody can foresee who does not know it, and the same at every call."""

import hashlib
import random
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

Draw = Callable[..., Tensor]  # draw(*size), normal numbers


def number(words: str) -> int:
    """A number below 2⁶³ from a seed and a purpose; it gives nothing of either away."""
    return int.from_bytes(hashlib.sha256(words.encode()).digest()[:8], "little") >> 1


def choices(words: str) -> Callable[[list[Any]], Any]:
    """pick(list), which takes one of a list, each time anew."""
    return random.Random(number(words)).choice


def generator(words: str) -> torch.Generator:
    return torch.Generator().manual_seed(number(words))


def drawing(words: str) -> Draw:
    """Normal numbers of this seed; those of examples have two digits, so that a notebook can show them."""
    source = generator(words)
    if words.startswith("example/"):
        return lambda *size: (100 * torch.randn(size, generator=source)).round() / 100
    return lambda *size: torch.randn(size, generator=source)


def variants(seed: str, count: int) -> list[str]:
    """The seeds of so many hand-outs of one secret, the first of them the secret itself."""
    return [seed, *(f"{seed}/{n}" for n in range(2, count + 1))]


def fingerprint(convention: Any) -> str:
    """By which teacher and student see that they mean the same hand-out; it tells nothing of the seed."""
    return f"{number(repr(convention)) % 16**6:06x}"

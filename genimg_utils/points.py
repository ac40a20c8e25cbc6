"""Drawn data in the plane with a known density: a ring and a lattice of narrow hills, and two moons without one."""

import math

import torch
from torch import Generator, Tensor
from torch.distributions import Categorical, Independent, MixtureSameFamily, Normal


def ring(modes: int = 8, radius: float = 2.0, std: float = 0.05) -> MixtureSameFamily:
    """Equal hills on a circle: `.sample((n,))` gives [n, 2], `.log_prob` their log-density in nats."""
    angle = 2 * math.pi * torch.arange(modes) / modes
    return hills(radius * torch.stack([angle.cos(), angle.sin()], dim=1), std)


def lattice(side: int = 5, spacing: float = 1.0, std: float = 0.05) -> MixtureSameFamily:
    """Equal hills on a square lattice of side × side, centred: `.sample((n,))` gives [n, 2]."""
    line = spacing * (torch.arange(side) - (side - 1) / 2)
    return hills(torch.cartesian_prod(line, line), std)


def hills(centres: Tensor, std: float) -> MixtureSameFamily:
    """Equal round normal distributions around centres [K, 2]."""
    return MixtureSameFamily(Categorical(torch.ones(len(centres))), Independent(Normal(centres, std), 1))


def centres(mixture: MixtureSameFamily) -> Tensor:
    """The centres [K, 2] of `ring` or `lattice`."""
    return mixture.component_distribution.mean


def two_moons(n: int, noise: float = 0.05, generator: Generator | None = None) -> Tensor:
    """Points [n, 2] on two half circles that reach into each other, each moved by normal noise."""
    angle = math.pi * torch.rand(n, generator=generator)
    upper = torch.stack([angle.cos() - 0.5, angle.sin() - 0.25], dim=1)  # [n, 2]
    lower = torch.stack([0.5 - angle.cos(), 0.25 - angle.sin()], dim=1)
    moon = torch.rand(n, 1, generator=generator) < 0.5
    return torch.where(moon, upper, lower) + noise * torch.randn(n, 2, generator=generator)

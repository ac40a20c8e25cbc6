"""The drawn points: where their hills stand, how dense they are, and that a seed gives them again."""

import math

import pytest
import torch
from scipy.integrate import dblquad

from genimg_utils import points


def test_the_ring_stands_on_its_circle_and_the_lattice_on_its_squares():
    ring = points.centres(points.ring(modes=6, radius=3.0))
    assert torch.allclose(ring.norm(dim=1), torch.full((6,), 3.0))
    assert torch.allclose(torch.cdist(ring, ring).sort(dim=1).values[:, 1], torch.full((6,), 3.0))  # a hexagon's side
    lattice = points.centres(points.lattice(side=4, spacing=0.5))
    assert len({tuple(c) for c in lattice.tolist()}) == 16
    assert torch.allclose(lattice.mean(dim=0), torch.zeros(2))
    assert torch.allclose(torch.cdist(lattice, lattice).sort(dim=1).values[:, 1], torch.full((16,), 0.5))


@pytest.mark.parametrize("mixture", [points.ring(modes=3, std=0.3), points.lattice(side=2, std=0.3)])
def test_density_is_that_of_equal_normals_and_integrates_to_one(mixture):
    def density(y, x):
        return mixture.log_prob(torch.tensor([x, y])).exp().item()

    total, _ = dblquad(density, -4, 4, -4, 4, epsabs=1e-3)
    assert abs(total - 1) < 1e-2
    c = points.centres(mixture)
    x = torch.tensor([0.3, -0.2])
    by_hand = torch.exp(-(x - c).square().sum(1) / (2 * 0.3**2)).mean() / (2 * math.pi * 0.3**2)
    assert abs(density(-0.2, 0.3) - by_hand) < 1e-6


def test_samples_lie_at_their_centres_with_the_spread_that_was_asked():
    torch.manual_seed(0)
    mixture = points.lattice(std=0.05)
    x = mixture.sample((20_000,))
    distance, mode = torch.cdist(x, points.centres(mixture)).min(dim=1)
    assert abs(distance.square().mean().sqrt() / (0.05 * math.sqrt(2)) - 1) < 0.02
    assert abs(torch.bincount(mode, minlength=25) / 800 - 1).max() < 0.2


def test_moons_reach_into_each_other_and_come_again_from_a_seed():
    x, again = (points.two_moons(2000, 0.0, torch.Generator().manual_seed(3)) for _ in range(2))
    assert torch.equal(x, again)
    on_upper = ((x - torch.tensor([-0.5, -0.25])).norm(dim=1) - 1).abs() < 1e-5
    on_lower = ((x - torch.tensor([0.5, 0.25])).norm(dim=1) - 1).abs() < 1e-5
    assert (on_upper | on_lower).all()
    assert 0.45 < on_upper.double().mean() < 0.55
    assert x[on_upper][:, 0].max() > x[on_lower][:, 0].min() + 0.9  # they overlap from left to right
    assert x[on_upper][:, 1].min() < x[on_lower][:, 1].max()  # and from top to bottom
    assert (points.two_moons(2000, 0.1, torch.Generator().manual_seed(3)) - x).std() > 0.05

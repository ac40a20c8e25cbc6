"""Each loss against an independent formulation, in values and gradients, in float64."""

import math

import pytest
import torch
from torch import nn
from torch.distributions import Bernoulli
from torch.nn.functional import hinge_embedding_loss, logsigmoid, mse_loss

from genimg_utils.losses import (
    clip_weights,
    gradient_penalty,
    hinge,
    lazy,
    least_squares,
    non_saturating,
    pearson,
    r1,
    r2,
    relativistic,
    saturating,
    wasserstein,
)


@pytest.fixture
def logits():
    generator = torch.Generator().manual_seed(0)
    draws = 3 * torch.randn(2, 50, dtype=torch.float64, generator=generator)
    return [d.requires_grad_() for d in draws]


def log_D(d):
    """log σ(d) by way of a distribution, not of softplus."""
    return Bernoulli(logits=d).log_prob(torch.ones_like(d))


def log_not_D(d):
    return Bernoulli(logits=d).log_prob(torch.zeros_like(d))


def beyond(d):
    """max(0, 1 − d) by torch's own hinge."""
    return hinge_embedding_loss(d, -torch.ones_like(d), margin=1)


def off(d, target):
    return mse_loss(d, torch.full_like(d, target))


LOSSES = {
    "discriminator": (non_saturating.discriminator, lambda r, f: -log_D(r).mean() - log_not_D(f).mean()),
    "discriminator of the saturating game": (
        saturating.discriminator,
        lambda r, f: -log_D(r).mean() - log_not_D(f).mean(),
    ),
    "non-saturating": (non_saturating.generator, lambda r, f: -log_D(f).mean()),
    "saturating": (saturating.generator, lambda r, f: log_not_D(f).mean()),
    "relativistic discriminator": (relativistic.discriminator, lambda r, f: -logsigmoid(r - f).mean()),
    "relativistic generator": (relativistic.generator, lambda r, f: -logsigmoid(f - r).mean()),
    "critic": (wasserstein.discriminator, lambda r, f: -(sum(r.flatten()) - sum(f.flatten())) / r.numel()),
    "generator of the critic": (wasserstein.generator, lambda r, f: -sum(f.flatten()) / f.numel()),
    "hinge discriminator": (hinge.discriminator, lambda r, f: beyond(r) + beyond(-f)),
    "hinge generator": (hinge.generator, lambda r, f: -sum(f.flatten()) / f.numel()),
    "least squares discriminator": (least_squares.discriminator, lambda r, f: off(r, 1) + off(f, 0)),
    "least squares generator": (least_squares.generator, lambda r, f: off(f, 1)),
    "Pearson discriminator": (pearson.discriminator, lambda r, f: off(r, 1) + off(f, -1)),
    "Pearson generator": (pearson.generator, lambda r, f: off(f, 0)),
}


@pytest.mark.parametrize("name", LOSSES)
def test_value_and_gradients_agree_with_the_distribution(name, logits):
    ours, theirs = LOSSES[name]
    mine, reference = ours(*logits), theirs(*logits)
    torch.testing.assert_close(mine, reference)
    grads = [torch.autograd.grad(loss, logits, allow_unused=True) for loss in (mine, reference)]
    for one, other in zip(*grads, strict=True):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize("name", LOSSES)
def test_finite_for_sure_logits_of_any_shape(name):
    real, fake = torch.tensor([[200.0], [-200.0]]), torch.tensor([[-200.0], [200.0]])
    loss = LOSSES[name][0](real, fake)
    assert loss.ndim == 0
    assert loss.isfinite()


def test_constants_at_equilibrium():
    d = torch.zeros(8, dtype=torch.float64)
    assert non_saturating.discriminator(d, d).item() == pytest.approx(2 * math.log(2))
    assert non_saturating.generator(d, d).item() == pytest.approx(math.log(2))
    assert saturating.generator(d, d).item() == pytest.approx(-math.log(2))
    assert relativistic.discriminator(d, d).item() == pytest.approx(math.log(2))
    assert relativistic.generator(d, d).item() == pytest.approx(math.log(2))
    assert wasserstein.discriminator(d, d).item() == 0
    assert hinge.discriminator(d, d).item() == 2
    half = d + 0.5
    assert least_squares.discriminator(half, half).item() == 2 * least_squares.generator(half, half).item() == 0.5


def test_both_generators_share_their_minimum_and_not_their_slope():
    d = torch.tensor([-10.0], dtype=torch.float64, requires_grad=True)
    slopes = [torch.autograd.grad(o.generator(d.detach(), d), d)[0].item() for o in (non_saturating, saturating)]
    assert slopes[0] == pytest.approx(-1, abs=1e-4)  # D has won, and the generator still learns
    assert -1e-4 < slopes[1] < 0


@pytest.mark.parametrize("loss", [ours for ours, _ in LOSSES.values()])
def test_an_empty_batch_gets_a_sentence(loss):
    for real in (0, 3):
        with pytest.raises(ValueError, match="empty batch"):
            loss(torch.zeros(real), torch.zeros(0))


def test_relativistic_pairs_are_never_broadcast():
    with pytest.raises(ValueError, match="as many real as fake"):
        relativistic.discriminator(torch.zeros(4, 1), torch.zeros(4))


class Curved(nn.Module):
    """d(x) = sin(w · x) with a known gradient cos(w · x) w."""

    def __init__(self):
        super().__init__()
        self.w = nn.Parameter(torch.linspace(-1, 1, 12, dtype=torch.float64))

    def forward(self, x):
        return (x.flatten(1) @ self.w).sin()


@pytest.mark.parametrize(("penalty", "at_real"), [(r1, True), (r2, False)])
def test_penalties_take_the_logit_s_gradient_at_their_own_pictures(penalty, at_real):
    D = Curved()
    real, fake = torch.randn(2, 5, 1, 3, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    x = (real if at_real else fake).flatten(1)
    expected = 0.5 * 3 * ((x @ D.w).cos().square() * D.w.square().sum()).mean()
    got = penalty(D, real, fake, gamma=3.0)
    torch.testing.assert_close(got, expected, check_dtype=False)
    grads = [torch.autograd.grad(value, D.w)[0] for value in (got, expected)]
    torch.testing.assert_close(*grads, rtol=1e-5, atol=1e-6)


def test_penalty_s_gradient_agrees_with_finite_differences():
    x = torch.randn(4, 1, 2, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    a = torch.randn(6, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(3), requires_grad=True)

    def penalty(a):
        def D(x):
            return (x.flatten(1) @ a).tanh().sum(dim=1)

        return r1(D, x, x)

    torch.autograd.gradcheck(penalty, a)


def test_penalty_is_free_of_the_caller_s_graph():
    """The pictures come out as they went in: no gradient is asked of them, none is left on them."""
    real = torch.randn(2, 1, 3, 4, dtype=torch.float64)
    r1(Curved(), real, real)
    assert not real.requires_grad
    assert real.grad is None


def test_lazy_penalty_is_the_same_on_average():
    D = Curved()
    real, fake = torch.randn(2, 5, 1, 3, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    taken = [lazy(r1, step, every=4) for step in range(8)]
    assert [p is not None for p in taken] == [True, False, False, False] * 2
    average = sum(p(D, real, fake) for p in taken if p) / len(taken)
    torch.testing.assert_close(average, r1(D, real, fake))


def test_gradient_penalty_of_a_plane_is_known_wherever_it_is_taken():
    w = torch.linspace(-1, 1, 12, dtype=torch.float64)
    real, fake = torch.randn(2, 5, 1, 3, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    got = gradient_penalty(lambda x: x.flatten(1) @ w, real, fake, weight=7.0)
    torch.testing.assert_close(got, 7 * (w.norm() - 1) ** 2)


def half_square(x):
    """d(x) = x²/2 in one dimension: its slope is x itself, and shows where the penalty was taken."""
    return x.square().flatten(1).sum(dim=1) / 2


def test_gradient_penalty_is_taken_uniformly_between_the_two_pictures_of_a_pair():
    torch.manual_seed(0)
    real, fake = torch.zeros(20_000, 1), torch.ones(20_000, 1)
    mean = gradient_penalty(half_square, real, fake, weight=1.0)
    assert mean.item() == pytest.approx(1 / 3, abs=0.01)  # E ε²; 1 for normal ε or at real, 0 at fake
    shifted = gradient_penalty(half_square, real + 3, fake + 3, weight=1.0)
    assert shifted.item() == pytest.approx(19 / 3, abs=0.1)  # E (2 + u)², u uniform: 4 + 2 + 1/3


def test_gradient_penalty_has_a_norm_for_each_picture_and_one_epsilon_for_all_its_pixels():
    real = torch.zeros(3000, 2)
    sides = gradient_penalty(lambda x: (x[:, 0] - x[:, 1]).square() / 2, real, real + 1, weight=1.0)
    assert sides.item() == pytest.approx(1, abs=1e-5)  # both coordinates move together: slope 0 everywhere
    torch.manual_seed(0)
    values = [gradient_penalty(half_square, real[:1], real[:1] + 1, weight=1.0).item() for _ in range(50)]
    assert torch.tensor(values).std() > 0.1


def test_gradient_penalty_of_a_flat_critic_is_its_weight_and_trains_it():
    w = torch.zeros(4, requires_grad=True)
    penalty = gradient_penalty(lambda x: (x @ w).square(), torch.zeros(3, 4), torch.ones(3, 4))
    penalty.backward()
    assert penalty.item() == pytest.approx(10, abs=1e-4)
    assert w.grad.isfinite().all()


def test_gradient_penalty_reaches_the_critic_and_neither_picture():
    D, fake = Curved(), torch.ones(2, 1, 3, 4, dtype=torch.float64, requires_grad=True)
    real = torch.zeros_like(fake).detach()
    gradient_penalty(D, real, fake).backward()
    assert D.w.grad.abs().sum() > 0
    assert fake.grad is None


def test_clipping_cuts_every_weight_and_leaves_small_ones():
    D = nn.Linear(2, 2)
    with torch.no_grad():
        D.weight.copy_(torch.tensor([[0.5, -0.5], [0.05, -0.05]]))
        D.bias.fill_(0.3)
    clip_weights(D, c=0.1)
    torch.testing.assert_close(D.weight.detach(), torch.tensor([[0.1, -0.1], [0.05, -0.05]]))
    assert D.bias.tolist() == pytest.approx([0.1, 0.1])

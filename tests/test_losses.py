"""Each loss against an independent formulation, in values and gradients, in float64."""

import math

import pytest
import torch
from torch import nn
from torch.distributions import Bernoulli
from torch.nn.functional import logsigmoid

from genimg_utils.losses import lazy, non_saturating, r1, r2, relativistic, saturating


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


def test_both_generators_share_their_minimum_and_not_their_slope():
    d = torch.tensor([-10.0], dtype=torch.float64, requires_grad=True)
    slopes = [torch.autograd.grad(o.generator(d.detach(), d), d)[0].item() for o in (non_saturating, saturating)]
    assert slopes[0] == pytest.approx(-1, abs=1e-4)  # D has won, and the generator still learns
    assert -1e-4 < slopes[1] < 0


@pytest.mark.parametrize("loss", [ours for ours, _ in LOSSES.values()])
def test_an_empty_batch_gets_a_sentence(loss):
    with pytest.raises(ValueError, match="empty batch"):
        loss(torch.zeros(0), torch.zeros(0))


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
    D, real = Curved(), torch.ones(2, 1, 3, 4, dtype=torch.float64)
    taken = [lazy(r1, step, every=4) for step in range(8)]
    assert [p is not None for p in taken] == [True, False, False, False] * 2
    average = sum(p(D, real, real) for p in taken if p) / len(taken)
    torch.testing.assert_close(average, r1(D, real, real))

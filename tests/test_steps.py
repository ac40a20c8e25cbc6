"""`gan_step` against the same update written out by hand, and what must not leak from one player to the other."""

import copy

import pytest
import torch
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits as bce

from genimg_utils.losses import non_saturating, r1, relativistic
from genimg_utils.networks import Discriminator, Generator
from genimg_utils.steps import gan_step, judge, update


@pytest.fixture
def players():
    torch.manual_seed(0)
    return Generator(latent=8, width=8, classes=3), Discriminator(width=8, classes=3)


@pytest.fixture
def batch():
    g = torch.Generator().manual_seed(1)
    real = torch.rand(6, 1, 28, 28, generator=g) * 2 - 1
    return real, torch.randn(6, 8, generator=g), torch.arange(6) % 3


def sgd(network, lr=0.1):
    return torch.optim.SGD(network.parameters(), lr=lr)


def by_hand(real, z, G, D, labels, gamma=None):
    """The update without any of the step's savings: two passes, a graph of its own for each player."""
    opt_G, opt_D = sgd(G), sgd(D)
    with torch.no_grad():
        fake = G(z, labels)
    loss = bce(D(real, labels), torch.ones(len(real))) + bce(D(fake, labels), torch.zeros(len(real)))
    if gamma is not None:
        x = real.clone().requires_grad_()
        slope = torch.autograd.grad(D(x, labels).sum(), x, create_graph=True)[0]
        loss = loss + gamma / 2 * slope.flatten(1).square().sum(1).mean()
    opt_D.zero_grad()
    loss.backward()
    opt_D.step()
    opt_G.zero_grad()
    bce(D(G(z, labels), labels), torch.ones(len(z))).backward()
    opt_G.step()


def same_weights(one, other):
    for a, b in zip(one.parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("penalty", [None, r1])
def test_two_steps_equal_the_update_by_hand(players, batch, penalty):
    (G, D), (real, z, y) = players, batch
    G2, D2 = copy.deepcopy(players)
    opt_G, opt_D = sgd(G), sgd(D)
    for _ in range(2):  # the second shows what the first left behind
        gan_step(real, z, G, D, opt_G, opt_D, penalty=penalty, labels=y)
        by_hand(real, z, G2, D2, y, gamma=1.0 if penalty else None)
    same_weights(D, D2)
    same_weights(G, G2)


def test_the_discriminator_s_update_leaves_no_gradient_in_the_generator(players, batch):
    (G, D), (real, z, y) = players, batch
    before = copy.deepcopy(G)
    gan_step(
        real,
        z,
        G,
        D,
        sgd(G, lr=0),
        sgd(D),
        labels=y,
        objective=non_saturating._replace(generator=lambda r, f: 0 * f.sum()),
    )
    same_weights(G, before)
    assert all(p.grad.abs().max() == 0 for p in G.parameters() if p.grad is not None)


def test_the_generator_s_update_leaves_the_discriminator_alone(players, batch):
    (G, D), (real, z, y) = players, batch
    before = copy.deepcopy(D)
    idle = non_saturating._replace(discriminator=lambda r, f: 0 * (r + f).sum())
    gan_step(real, z, G, D, sgd(G), sgd(D), labels=y, objective=idle)
    same_weights(D, before)
    assert all(p.grad.abs().max() == 0 for p in D.parameters())
    assert all(p.requires_grad for p in D.parameters())


def test_a_step_that_breaks_off_in_the_generator_s_half_leaves_the_discriminator_trainable(players, batch):
    (G, D), (real, z, y) = players, batch
    opt_G, opt_D = sgd(G), sgd(D)

    def interrupted(loss, optimiser):
        if optimiser is opt_G:
            raise KeyboardInterrupt
        update(loss, optimiser)

    with pytest.raises(KeyboardInterrupt):
        gan_step(real, z, G, D, opt_G, opt_D, labels=y, update=interrupted)
    assert all(p.requires_grad for p in D.parameters())
    before = copy.deepcopy(D)
    gan_step(real, z, G, D, opt_G, opt_D, labels=y)
    assert any(not torch.equal(a, b) for a, b in zip(D.parameters(), before.parameters(), strict=True))


def test_logs_are_detached_scalars_without_the_penalty(players, batch):
    (G, D), (real, z, y) = players, batch
    with torch.no_grad():
        logits = D(real, y), D(G(z, y), y)
        expected = non_saturating.discriminator(*logits)
    logged = gan_step(real, z, G, D, sgd(G), sgd(D), penalty=lambda *_: torch.tensor(1e6), labels=y)
    assert set(logged) == {"loss_D", "loss_G", "d_real", "d_fake"}
    assert all(v.ndim == 0 and not v.requires_grad for v in logged.values())
    torch.testing.assert_close(logged["loss_D"], expected)
    torch.testing.assert_close(logged["d_real"], logits[0].mean())
    torch.testing.assert_close(logged["d_fake"], logits[1].mean())


def test_relativistic_pairing_reaches_both_players(players, batch):
    (G, D), (real, z, y) = players, batch
    G0, D0 = copy.deepcopy(players)
    logged = gan_step(real, z, G, D, sgd(G), sgd(D), objective=relativistic, labels=y)
    with torch.no_grad():
        fake = G0(z, y)
        torch.testing.assert_close(logged["loss_D"], relativistic.discriminator(D0(real, y), D0(fake, y)))
        torch.testing.assert_close(logged["loss_G"], relativistic.generator(D(real, y), D(fake, y)))


def test_every_update_goes_through_the_one_that_is_given(players, batch):
    (G, D), (real, z, y) = players, batch
    opt_G, opt_D, seen = sgd(G), sgd(D), []
    gan_step(real, z, G, D, opt_G, opt_D, labels=y, update=lambda loss, optimiser: seen.append(optimiser))
    assert seen == [opt_D, opt_G]


def test_batch_normalisation_is_never_shared_by_real_and_fake():
    torch.manual_seed(0)
    D = nn.Sequential(nn.Flatten(), nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3)), nn.Linear(3, 1))
    real, fake = torch.randn(8, 1, 2, 2), 5 + torch.randn(8, 1, 2, 2)
    alone = copy.deepcopy(D)(real)
    torch.testing.assert_close(judge(D, real, fake, ())[0], alone)


def test_one_pass_where_nothing_mixes(players, batch):
    (_, D), (real, _, y) = players, batch
    calls = []
    D.register_forward_hook(lambda *_: calls.append(1))
    one, two = judge(D, real, -real, (y,))
    assert len(calls) == 1
    torch.testing.assert_close(one, D(real, y))
    torch.testing.assert_close(two, D(-real, y))

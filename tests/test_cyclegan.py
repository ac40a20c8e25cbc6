"""CycleGAN's step against the plain form with six generator calls; its networks, pool and losses."""

import copy

import pytest
import torch
from torch import nn

from genimg_utils.losses import cyclegan, least_squares
from genimg_utils.networks import LocalDiscriminator, PatchDiscriminator, ResNetTranslator, Translator
from genimg_utils.pool import ImagePool
from genimg_utils.steps import cyclegan_step

B = 3


@pytest.fixture
def players():
    torch.manual_seed(0)
    translators = [kind(width=4, blocks=1) for kind in (ResNetTranslator, Translator)]
    return [*translators, *(PatchDiscriminator(width=4, layers=1) for _ in "XY")]


@pytest.fixture
def batch():
    generator = torch.Generator().manual_seed(1)
    return [torch.rand(B, 3, 16, 16, generator=generator) * 2 - 1 for _ in "xy"]


def sgd(*networks, lr=0.05):
    return torch.optim.SGD([p for network in networks for p in network.parameters()], lr=lr)


def by_hand(x, y, G, F, D_X, D_Y, cycle, identity):
    """As the paper writes it: each picture alone, each term alone, each player's gradient alone."""
    opt_GF, opt_D = sgd(G, F), sgd(D_X, D_Y)
    fake_y, fake_x = G(x), F(y)
    terms = {
        "loss_G": ((D_Y(fake_y) - 1) ** 2).mean(),
        "loss_F": ((D_X(fake_x) - 1) ** 2).mean(),
        "cycle": (F(fake_y) - x).abs().mean() + (G(fake_x) - y).abs().mean(),
        "identity": (G(y) - y).abs().mean() + (F(x) - x).abs().mean(),
    }
    total = terms["loss_G"] + terms["loss_F"] + cycle * terms["cycle"] + identity * terms["identity"]
    gradients = torch.autograd.grad(total, [*G.parameters(), *F.parameters()])
    terms["loss_D_X"] = ((D_X(x) - 1) ** 2).mean() + (D_X(fake_x.detach()) ** 2).mean()
    terms["loss_D_Y"] = ((D_Y(y) - 1) ** 2).mean() + (D_Y(fake_y.detach()) ** 2).mean()
    for p, g in zip([*G.parameters(), *F.parameters()], gradients, strict=True):
        p.grad = g
    opt_GF.step()
    opt_D.zero_grad()
    (terms["loss_D_X"] + terms["loss_D_Y"]).backward()
    opt_D.step()
    return terms


@pytest.mark.parametrize(("cycle", "identity"), [(10.0, 0.0), (10.0, 2.0), (0.0, 0.5)])
def test_two_steps_equal_the_plain_form(players, batch, cycle, identity):
    twins = copy.deepcopy(players)
    opt_GF, opt_D = sgd(*players[:2]), sgd(*players[2:])
    for _ in range(2):
        logged = cyclegan_step(*batch, *players, opt_GF, opt_D, cycle=cycle, identity=identity)
        terms = by_hand(*batch, *twins, cycle, identity)
    for name, value in logged.items():
        torch.testing.assert_close(value, terms[name].detach(), rtol=1e-4, atol=1e-5)
    assert ("identity" in logged) == bool(identity)
    for one, other in zip(players, twins, strict=True):
        for a, b in zip(one.parameters(), other.parameters(), strict=True):
            torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-5)


def test_domains_of_different_batch_sizes_do_not_mix(players, batch):
    x, y = batch
    logged = cyclegan_step(x[:2], y, *players, sgd(*players[:2], lr=0), sgd(*players[2:], lr=0), identity=1.0)
    terms = by_hand(x[:2], y, *copy.deepcopy(players), 1.0, 1.0)
    for name in ("cycle", "identity", "loss_G"):
        torch.testing.assert_close(logged[name], terms[name].detach(), rtol=1e-4, atol=1e-5)


def test_three_calls_do_the_work_of_six(players, batch):
    calls = []
    for network, name in zip(players, ["G", "F", "D_X", "D_Y"], strict=True):
        network.register_forward_pre_hook(lambda _, x, name=name: calls.append((name, len(x[0]))))
    cyclegan_step(*batch, *players, sgd(*players[:2]), sgd(*players[2:]), identity=1.0)
    assert [c for c in calls if c[0] in "GF"] == [("F", 2 * B), ("G", 3 * B), ("F", B)]
    assert [c for c in calls if c[0] not in "GF"] == [("D_Y", B), ("D_X", B), ("D_X", 2 * B), ("D_Y", 2 * B)]


def test_no_player_moves_in_the_other_s_turn(players, batch):
    G, F, D_X, D_Y = players
    before = copy.deepcopy(players)
    cyclegan_step(*batch, *players, sgd(G, F), sgd(D_X, D_Y, lr=0))
    assert moved(G, before[0]) and moved(F, before[1])  # noqa: PT018
    assert not moved(D_X, before[2])
    assert not moved(D_Y, before[3])
    assert all(p.requires_grad for player in players for p in player.parameters())
    assert all(p.grad is not None for p in D_X.parameters())


def moved(one, other):
    return any(not torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))


def test_the_generators_turn_costs_the_discriminators_no_gradient(players, batch):
    frozen = []

    def watched(loss, optimiser):
        frozen.append([p.requires_grad for D in players[2:] for p in D.parameters()])

    cyclegan_step(*batch, *players, sgd(*players[:2]), sgd(*players[2:]), update=watched)
    assert not any(frozen[0])
    assert all(frozen[1])


def test_an_error_leaves_no_discriminator_frozen(players, batch):
    def broken(loss, optimiser):
        raise RuntimeError("stopped")

    with pytest.raises(RuntimeError, match="stopped"):
        cyclegan_step(*batch, *players, sgd(*players[:2]), sgd(*players[2:]), update=broken)
    assert all(p.requires_grad for player in players for p in player.parameters())


def test_the_discriminators_see_what_the_pools_give(players, batch):
    shown = []

    def pool(new):
        assert not new.requires_grad
        shown.append(new)
        return torch.zeros_like(new)

    logged = cyclegan_step(*batch, *players, sgd(*players[:2], lr=0), sgd(*players[2:], lr=0), pools=(pool, pool))
    assert len(shown) == 2
    for name, D, real in zip(("loss_D_X", "loss_D_Y"), players[2:], batch, strict=True):
        expected = least_squares.discriminator(D(real), D(torch.zeros_like(real)))
        torch.testing.assert_close(logged[name], expected.detach())


# ---- networks


@pytest.mark.parametrize(
    ("D", "field"),
    [
        (PatchDiscriminator(width=4, layers=1, norm=False), 16),
        (PatchDiscriminator(width=4, layers=2, norm=False), 34),
        (PatchDiscriminator(width=4, layers=3, norm=False), 70),
        (LocalDiscriminator(width=4), 28),
    ],
)
def test_a_patch_discriminator_sees_as_far_as_it_should(D, field):
    x = torch.randn(1, 3, 128, 128, requires_grad=True)
    logits = D(x)
    logits[0, logits.shape[1] // 2, logits.shape[2] // 2].backward()
    seen = (x.grad.abs().sum(dim=(0, 1)) > 0).any(dim=0).nonzero()
    assert (seen.max() - seen.min() + 1).item() == field


def test_the_published_sizes():
    def count(network):
        return sum(p.numel() for p in network.parameters())

    assert count(ResNetTranslator()) == 11_378_179
    assert count(PatchDiscriminator()) == 2_764_737


@pytest.mark.parametrize("kind", [Translator, ResNetTranslator])
@pytest.mark.parametrize("size", [32, 64])
def test_translators_keep_the_shape_and_the_range_and_mix_no_pictures(kind, size):
    G = kind(width=4, blocks=2)
    x = torch.rand(2, 3, size, size) * 2 - 1
    out = G(x)
    assert out.shape == x.shape
    assert out.abs().max() <= 1
    torch.testing.assert_close(G(x[:1]), out[:1], rtol=1e-4, atol=1e-5)


def test_the_skip_carries_the_picture():
    G = Translator(width=4)
    nn.init.zeros_(G.body[-1].weight)
    nn.init.zeros_(G.body[-1].bias)
    x = torch.rand(1, 3, 16, 16) - 0.5
    torch.testing.assert_close(G(x), x.tanh())


# ---- pool and losses


def pictures(start, count):
    return torch.arange(start, start + count, dtype=torch.float32).view(-1, 1, 1, 1)


def test_the_pool_fills_then_swaps_about_half_and_loses_nothing():
    pool = ImagePool(10)
    for i in range(5):
        assert torch.equal(pool(pictures(2 * i, 2)), pictures(2 * i, 2))
    seen, given, late = set(range(10)), [], 0
    for i in range(500):
        new = pictures(10 + 2 * i, 2)
        out = pool(new)
        late += int((out != new).sum())
        given += out.flatten().tolist()
        seen |= set(new.flatten().tolist())
    assert 0.45 < late / 1000 < 0.55
    assert len(set(given)) == len(given)  # none is shown twice
    assert set(given) | set(pool.kept.flatten().tolist()) == seen


def test_the_pool_copies_what_it_keeps_and_detaches_it():
    pool = ImagePool(2)
    new = pictures(0, 2).requires_grad_()
    assert not pool(new).requires_grad
    with torch.no_grad():
        new.fill_(9)
    assert pool.kept.flatten().tolist() == [0, 1]


def test_a_pool_goes_on_from_its_state():
    pool, twin = ImagePool(4), ImagePool(4, seed=9)
    for i in range(6):
        pool(pictures(3 * i, 3))
    twin.load_state_dict(copy.deepcopy(pool.state_dict()))
    for i in range(6, 12):
        assert torch.equal(pool(pictures(3 * i, 3)), twin(pictures(3 * i, 3)))


def test_a_pool_of_none_gives_the_newest_and_one_too_small_says_so():
    assert torch.equal(ImagePool(0)(pictures(0, 3)), pictures(0, 3))
    with pytest.raises(ValueError, match="pool of 2 cannot serve a batch of 3"):
        ImagePool(2)(pictures(0, 3))


def test_terms_of_other_shapes_get_a_sentence():
    assert cyclegan.cycle(pictures(0, 2), pictures(1, 2)) == 1
    for wrong in (torch.zeros(2, 1), torch.zeros(1, 1, 1, 1)):
        with pytest.raises(ValueError, match="of one shape"):
            cyclegan.identity(pictures(0, 2), wrong)

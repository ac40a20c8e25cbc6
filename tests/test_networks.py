"""Shapes, ranges, initialisation and loading of the networks."""

import copy
import json

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from genimg_utils import networks
from genimg_utils.checkpoint import export
from genimg_utils.layers import PixelNorm, SpectralNorm, down, fan_in, initialise, spectral_norm, up
from genimg_utils.losses import gradient_penalty, r1
from genimg_utils.networks import Classifier, Discriminator, Generator, Seeds
from genimg_utils.steps import gan_step


@pytest.mark.parametrize("size", [28, 32])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("classes", [0, 10])
def test_shapes_and_ranges(size, channels, classes):
    G = Generator(size, channels, latent=16, width=16, classes=classes)
    D = Discriminator(size, channels, width=16, classes=classes)
    labels = torch.arange(4) if classes else None
    x = G(torch.randn(4, 16), labels)
    assert x.shape == (4, channels, size, size)
    assert x.abs().max() <= 1
    assert D(x, labels).shape == (4,)


def test_an_impossible_size_gets_a_sentence():
    with pytest.raises(ValueError, match="size is 30"):
        Generator(30)


def test_labels_reach_both_networks():
    G, D, z = Generator(classes=3), Discriminator(classes=3), torch.randn(1, 64).repeat(3, 1)
    x = G(z, torch.arange(3))
    assert (x[0] - x[1]).abs().max() > 1e-3
    same = x[:1].repeat(3, 1, 1, 1)
    assert D(same, torch.arange(3)).std() > 1e-3


def test_the_largest_of_the_first_values_names_the_kind():
    G, z = Generator(kinds=5, width=8), torch.randn(40, 64)
    moved = torch.stack([row + G.embed.weight[max(range(5), key=row.tolist().__getitem__)] for row in z])
    assert torch.equal(G(z), G.body(moved))
    assert torch.equal(G(z), G(z, torch.zeros(40, dtype=torch.int64)))  # a label is none of its business


def test_the_projection_is_the_published_one():
    """d(x, y) − d(x, y') = ⟨e_y − e_y', φ(x)⟩."""
    D, x = Discriminator(classes=3), torch.randn(5, 1, 28, 28)
    zero, one = torch.zeros(5, dtype=torch.int64), torch.ones(5, dtype=torch.int64)
    difference = D.features(x) @ (D.embed.weight[0] - D.embed.weight[1])
    torch.testing.assert_close(D(x, zero) - D(x, one), difference, rtol=1e-4, atol=1e-5)


def test_pictures_of_a_batch_do_not_mix():
    """No layer looks across the batch, so real and generated pictures may share a pass."""
    for network, x in [(Discriminator(), torch.randn(3, 1, 28, 28)), (Generator(), torch.randn(3, 64))]:
        torch.testing.assert_close(network(x)[:1], network(x[:1]), rtol=1e-4, atol=1e-5)


def test_pixel_norm_gives_each_pixel_mean_square_one():
    x = 7 * torch.randn(2, 5, 3, 3)
    torch.testing.assert_close(PixelNorm()(x).square().mean(dim=1), torch.ones(2, 3, 3))


@pytest.mark.parametrize("block", ["linear", "down", "up"])
def test_initialisation_keeps_the_mean_square(block):
    """Through a layer and LeakyReLU 0.2, up to border effects: within 20 %."""
    torch.manual_seed(0)
    make = {
        "linear": (nn.Sequential(nn.Linear(256, 256), nn.LeakyReLU(0.2)), torch.randn(512, 256)),
        "down": (down(64, 64), torch.randn(16, 64, 32, 32)),
        "up": (up(64, 64), torch.randn(16, 64, 32, 32)),
    }
    network, x = make[block]
    initialise(network)
    layer, out = network[0], network(x)
    assert out.square().mean().sqrt().item() == pytest.approx(1, rel=0.2)
    torch.testing.assert_close(out, nn.functional.leaky_relu(layer(x), 0.2))
    assert layer.weight.std().item() == pytest.approx((2 / 1.04 / fan_in(layer)) ** 0.5, rel=0.01)
    assert layer.bias.abs().max() == 0


def test_the_embedding_of_a_class_starts_with_length_one():
    torch.manual_seed(0)
    lengths = Discriminator(classes=200).embed.weight.norm(dim=1)
    assert lengths.square().mean().item() == pytest.approx(1, rel=0.05)


def test_fan_in_counts_what_reaches_one_output():
    assert fan_in(nn.Linear(10, 3)) == 10
    assert fan_in(nn.Conv2d(4, 8, 3)) == 36
    assert fan_in(nn.ConvTranspose2d(4, 8, 4, stride=2)) == 16


def test_classifier_features_feed_its_head():
    network = Classifier().eval()
    x = torch.randn(2, 1, 28, 28)
    assert network.features(x).shape == (2, 64)
    assert network.features(x).min() >= 0  # after the nonlinearity
    torch.testing.assert_close(network(x), network.head(network.features(x)))


def test_exported_weights_come_back(tmp_path):
    G = Generator(classes=4, width=8)
    path = export(G, tmp_path / "mine", {"dataset": "none"})
    again = networks.load(path)
    assert again.config == G.config
    assert not again.training
    z, y = torch.randn(3, 64), torch.tensor([0, 1, 3])
    torch.testing.assert_close(again(z, y), G.eval()(z, y))


@pytest.mark.parametrize("name", [p.stem for p in sorted(networks.MODELS.glob("*.safetensors"))])
def test_shipped_weights_load_and_have_a_card(name):
    network = networks.load(name)
    assert all(p.isfinite().all() for p in network.parameters())
    assert (networks.MODELS / f"{name}.md").read_text(encoding="utf-8").startswith(f"# {name}")


def test_weights_that_are_not_there_or_not_ours_get_a_sentence(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"Shipped with the course: .*classifier-mnist"):
        networks.load("cgan-cats")
    damaged = tmp_path / "damaged.safetensors"
    damaged.write_bytes(b"not weights")
    with pytest.raises(ValueError, match="no weights of this course"):
        networks.load(damaged)
    path = export(Generator(width=8), tmp_path / "mine", {})
    weights = load_file(path)
    for about in (
        {},
        {"class": "Unet", "config": "{}"},
        {"class": "Discriminator", "config": json.dumps({"width": 8})},
        {"class": "Generator", "config": json.dumps({"width": 16})},
    ):
        save_file(weights, damaged, metadata=about)
        with pytest.raises(ValueError, match="no weights of this course"):
            networks.load(damaged)


@pytest.mark.parametrize("layer", [nn.Linear(30, 20), nn.Conv2d(3, 12, 3)], ids=["linear", "convolution"])
def test_spectral_norm_agrees_with_torch_and_with_the_singular_values(layer):
    torch.manual_seed(0)
    theirs = nn.utils.parametrizations.spectral_norm(copy.deepcopy(layer), n_power_iterations=200)
    largest = torch.linalg.svdvals(layer.weight.detach().flatten(1))[0]
    expected = layer.weight.detach() / largest
    ours = spectral_norm(layer)
    for _ in range(300):
        weight = ours.weight.detach()
    torch.testing.assert_close(weight, expected, rtol=1e-3, atol=1e-5)
    torch.testing.assert_close(weight, theirs.weight.detach(), rtol=1e-3, atol=1e-5)


def test_spectral_norm_sends_the_gradient_through_its_divisor_and_rests_in_eval():
    torch.manual_seed(0)
    layer = spectral_norm(nn.Linear(6, 4)).eval()
    u = layer.parametrizations.weight[0].u.clone()
    assert torch.equal(layer.weight, layer.weight)
    assert torch.equal(u, layer.parametrizations.weight[0].u)
    layer.train()
    for _ in range(100):
        layer.weight  # noqa: B018, each look is a step of power iteration
    original = layer.parametrizations.weight.original
    layer.eval()
    a = torch.randn(4, 6)
    (gradient,) = torch.autograd.grad((layer.weight * a).sum(), original)
    W = original.detach().double().requires_grad_()
    (exact,) = torch.autograd.grad((W / torch.linalg.matrix_norm(W, 2) * a).sum(), W)
    torch.testing.assert_close(gradient, exact.float(), rtol=1e-2, atol=1e-3)
    assert isinstance(layer.parametrizations.weight[0], SpectralNorm)


def pair(seed):
    torch.manual_seed(seed)
    G = nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 2))
    return G, nn.Sequential(nn.Linear(2, 8), nn.LeakyReLU(0.2), nn.Linear(8, 1), nn.Flatten(0))


@pytest.mark.parametrize("penalty", [None, r1], ids=["bare", "r1"])
def test_seeds_trained_at_once_move_as_each_would_alone(penalty):
    pairs, n = [pair(seed) for seed in range(3)], 4
    G, D = Seeds([copy.deepcopy(g) for g, _ in pairs]), Seeds([copy.deepcopy(d) for _, d in pairs])
    real, z = torch.randn(2, 5, n * 3, 2).unbind()  # five batches; row i is for network i % 3
    train(G, D, real, z, penalty)
    for seed, (g, d) in enumerate(pairs):
        train(g, d, real[:, seed::3], z[:, seed::3], penalty)
        for network, stacked in ((g, G), (d, D)):
            for name, weight in network.named_parameters():
                together = stacked.weights[name.replace(".", "/")][seed]
                torch.testing.assert_close(together, weight, rtol=1e-3, atol=1e-4)
    x = torch.randn(6, 2)
    torch.testing.assert_close(G(x)[4:5], pairs[1][0](x[4:5]), rtol=1e-3, atol=1e-4)


def train(G, D, real, z, penalty):
    opt_G, opt_D = (torch.optim.Adam(n.parameters(), lr=0.01) for n in (G, D))
    for x, noise in zip(real, z, strict=True):
        gan_step(x, noise, G, D, opt_G, opt_D, penalty=penalty)


def test_seeds_take_spectral_norm_and_the_gradient_penalty_along():
    D = Seeds([spectral_norm(pair(seed)[1]) for seed in range(3)])
    before = {name: b.clone() for name, b in D.named_buffers()}
    gradient_penalty(D, torch.randn(6, 2), torch.randn(6, 2)).backward()
    assert all(w.grad is not None for w in D.weights.values() if w.dim() > 2)
    u = [(b - before[name]).abs().amax(dim=1) for name, b in D.named_buffers() if b.shape[1] > 1]
    assert len(u) == 1
    assert (u[0] > 1e-4).all()  # power iteration ran for each network


def test_random_features_are_the_same_for_a_seed_and_tell_pictures_apart():
    x = torch.rand(4, 3, 32, 32, generator=torch.Generator().manual_seed(0)) * 2 - 1
    torch.manual_seed(1)
    one = networks.RandomFeatures()
    torch.manual_seed(2)
    again, other = networks.RandomFeatures(), networks.RandomFeatures(seed=1)
    assert one(x).shape == (4, 128)
    assert torch.equal(one(x), again(x))
    assert not torch.allclose(one(x), other(x))
    assert torch.cdist(one(x), one(x.flip(2))).diagonal().min() > 1e-3
    assert not any(p.requires_grad for p in one.parameters())

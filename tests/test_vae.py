"""The VAE's step against the same update by hand; encoder, decoder, evidence and active units."""

import copy
import math

import pytest
import torch
from torch.distributions import Bernoulli, Independent, Normal, kl_divergence

from genimg_utils import metrics
from genimg_utils.losses import bernoulli, log_normal
from genimg_utils.networks import Decoder, Encoder
from genimg_utils.steps import vae_step

B, Z = 6, 5


@pytest.fixture
def networks():
    torch.manual_seed(0)
    return Encoder(latent=Z, width=8, classes=3), Decoder(latent=Z, width=8, classes=3)


@pytest.fixture
def batch():
    generator = torch.Generator().manual_seed(1)
    x = (torch.rand(B, 1, 28, 28, generator=generator) > 0.8).float()
    return x, torch.randn(B, Z, generator=generator), torch.arange(B) % 3


def sgd(*networks, lr=1e-3):
    return torch.optim.SGD([p for network in networks for p in network.parameters()], lr=lr)


def by_hand(x, noise, encoder, decoder, labels, beta):
    """The update with torch's distributions; gives −ELBO and its terms before it."""
    mean, log_variance = encoder(x, labels)
    q = Normal(mean, log_variance.exp().sqrt())
    kl = kl_divergence(q, Normal(0.0, 1.0)).sum(dim=1)
    p = Independent(Bernoulli(logits=decoder(mean + q.scale * noise, labels)), 3)
    reconstruction = -p.log_prob(x)
    optimiser = sgd(encoder, decoder)
    ((reconstruction + beta * kl).sum() / len(x)).backward()
    optimiser.step()
    optimiser.zero_grad()
    return reconstruction.mean(), kl.mean()


@pytest.mark.parametrize("beta", [1.0, 0.25])
def test_two_steps_equal_the_update_by_hand(networks, batch, beta):
    (encoder, decoder), (x, noise, labels) = networks, batch
    twins = copy.deepcopy(networks)
    optimiser = sgd(encoder, decoder)
    for _ in range(2):  # the second shows what the first left behind
        logged = vae_step(x, noise, encoder, decoder, optimiser, beta=beta, labels=labels)
        reconstruction, kl = by_hand(x, noise, *twins, labels, beta)
    assert all(value.ndim == 0 and not value.requires_grad for value in logged.values())
    torch.testing.assert_close(logged["reconstruction"], reconstruction.detach())
    torch.testing.assert_close(logged["kl"], kl.detach())
    torch.testing.assert_close(logged["minus_elbo"], (reconstruction + kl).detach())  # without beta
    for one, other in zip(networks, twins, strict=True):
        for a, b in zip(one.parameters(), other.parameters(), strict=True):
            torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-6)


def test_the_likelihood_that_is_given_is_the_one_that_trains(batch):
    x, noise, _ = batch
    encoder, decoder = Encoder(latent=Z, width=8), Decoder(latent=Z, width=8)
    logged = vae_step(x, noise, encoder, decoder, sgd(encoder, decoder), likelihood=lambda output, x: x.new_zeros(B))
    assert logged["reconstruction"] == 0
    assert logged["minus_elbo"] == logged["kl"]


def test_the_update_is_the_one_handed_in(networks, batch):
    (encoder, decoder), (x, noise, labels) = networks, batch
    seen = []
    optimiser = sgd(encoder, decoder)
    vae_step(x, noise, encoder, decoder, optimiser, labels=labels, update=lambda *what: seen.append(what))
    ((loss, same),) = seen
    assert loss.requires_grad
    assert same is optimiser


# ---- networks


@pytest.mark.parametrize(("size", "channels", "classes"), [(28, 1, 0), (32, 3, 0), (28, 1, 10)])
def test_shapes_and_that_labels_reach_both(size, channels, classes):
    encoder = Encoder(size, channels, latent=7, width=16, classes=classes)
    decoder = Decoder(size, channels, latent=7, width=16, classes=classes)
    x = torch.rand(4, channels, size, size)
    labels = [(torch.full((4,), y),) for y in (0, 1)] if classes else [()]
    posterior = [encoder(x, *given) for given in labels]
    assert [p.shape for p in posterior[0]] == [(4, 7), (4, 7)]
    outputs = [decoder(posterior[0][0], *given) for given in labels]
    assert outputs[0].shape == x.shape
    if classes:
        assert not torch.equal(posterior[0][0], posterior[1][0])
        assert not torch.equal(outputs[0], outputs[1])


def test_what_does_not_fit_gets_a_sentence():
    with pytest.raises(ValueError, match="pictures of 28 or 32 pixels"):
        Encoder(size=30)
    with pytest.raises(ValueError, match=r"must be \[B, 5\] for this decoder; got \[2, 6\]"):
        Decoder(latent=5)(torch.zeros(2, 6))


# ---- evidence


def linear_gaussian(dim=4, latent=2, seed=0):
    """p(z) = N(0, I), p(x∣z) = N(Wz, I): encoder of the exact posterior widened by half, decoder, exact log p(x)."""
    generator = torch.Generator().manual_seed(seed)
    W = torch.randn(dim, latent, generator=generator, dtype=torch.float64)
    x = torch.randn(30, dim, generator=generator, dtype=torch.float64)
    precision = torch.eye(latent, dtype=torch.float64) + W.T @ W
    width = precision.inverse().diagonal().log() + math.log(1.5)
    exact = torch.distributions.MultivariateNormal(
        torch.zeros(dim, dtype=torch.float64), W @ W.T + torch.eye(dim, dtype=torch.float64)
    )
    return (
        x,
        lambda x: (x @ W @ precision.inverse(), width.expand(len(x), -1)),
        lambda z: z @ W.T,
        exact.log_prob(x),
    )


def squared(output, x):
    return log_normal(x, output)


def test_the_estimate_meets_the_exact_evidence_and_lies_above_the_elbo():
    x, encoder, decoder, exact = linear_gaussian()
    found = metrics.importance_log_likelihood(x, encoder, decoder, squared, 5000, generator=seeded())
    assert found.log_p.shape == found.error.shape == found.elbo.shape == (30,)
    z = (found.log_p - exact) / found.error
    assert z.abs().max() < 4
    assert 0.6 < z.square().mean().sqrt() < 1.5  # the stated error is the one that is made
    assert (found.elbo < exact).all()
    fewer = metrics.importance_log_likelihood(x, encoder, decoder, squared, 50, generator=seeded())
    assert 5 < (fewer.error / found.error).median() < 20  # falls as the root of k


def seeded():
    return torch.Generator().manual_seed(3)


def test_memory_is_bounded_by_the_chunk_and_chunks_change_nothing():
    x, encoder, decoder, _ = linear_gaussian()
    decoded = []

    def counting(z):
        decoded.append(len(z))
        return decoder(z)

    small = metrics.importance_log_likelihood(x, encoder, counting, squared, 999, generator=seeded(), chunk=90)
    assert max(decoded) <= 90
    assert sum(decoded) == 999 * 30
    whole = metrics.importance_log_likelihood(x, encoder, decoder, squared, 999, generator=seeded(), chunk=10**6)
    torch.testing.assert_close(small.log_p, whole.log_p, rtol=0, atol=0.2)


def test_each_picture_and_label_meets_its_own_samples():
    """Rows are repeated in the order of the samples: a shuffle would give other pictures' likelihoods."""
    labels = torch.arange(130) % 10
    x = labels.double().unsqueeze(1) + torch.zeros(130, 3, dtype=torch.float64)
    found = metrics.importance_log_likelihood(
        x,
        lambda x, y: (y.double().unsqueeze(1), torch.zeros(len(x), 1, dtype=torch.float64)),
        lambda z, y: y.double().unsqueeze(1).expand(-1, 3),
        lambda output, x: -1e3 * (output - x).square().sum(dim=1),
        k=7,
        labels=labels,
    )
    assert (found.log_p > -1e2).all()


def test_one_sample_has_no_error_and_impossible_numbers_are_refused():
    x, encoder, decoder, _ = linear_gaussian()
    one = metrics.importance_log_likelihood(x, encoder, decoder, squared, 1)
    assert one.error.isnan().all()
    torch.testing.assert_close(one.log_p, one.elbo)
    with pytest.raises(ValueError, match="k is 0"):
        metrics.importance_log_likelihood(x, encoder, decoder, squared, 0)
    with pytest.raises(ValueError, match="x is empty"):
        metrics.importance_log_likelihood(x[:0], encoder, decoder, squared)


def test_the_estimate_takes_images_and_logits(networks, batch):
    (encoder, decoder), (x, _, labels) = networks, batch
    found = metrics.importance_log_likelihood(x, encoder, decoder, bernoulli, 20, labels=labels)
    assert found.log_p.dtype == torch.float64
    assert (found.log_p > found.elbo).all()


def test_active_units_are_those_whose_mean_varies():
    means = torch.stack([torch.zeros(100), torch.linspace(-1, 1, 100), torch.full((100,), 7.0)], dim=1)
    means[:, 2] += 0.05 * torch.randn(100, generator=seeded())
    assert metrics.active_units(means).tolist() == [False, True, False]
    assert metrics.active_units(means, threshold=0.001).tolist() == [False, True, True]
    with pytest.raises(ValueError, match="N ≥ 2"):
        metrics.active_units(means[:1])

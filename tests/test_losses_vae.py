"""The bounds and likelihoods of VAEs against independent formulations, in values and gradients, in float64."""

import math

import pytest
import torch
from torch.autograd import gradcheck
from torch.distributions import Bernoulli, ContinuousBernoulli, Independent, Normal, kl_divergence
from torch.func import jacrev

from genimg_utils.losses import (
    bernoulli,
    continuous_bernoulli,
    discretised_logistic,
    dreg,
    gaussian,
    gaussian_kl,
    gaussian_kl_per_unit,
    iwae,
    log_normal,
    log_weights,
    reparameterise,
)

B, Z, K = 4, 3, 6


def numbers(*size, seed=0, scale=1.0):
    generator = torch.Generator().manual_seed(seed)
    return scale * torch.randn(*size, dtype=torch.float64, generator=generator)


@pytest.fixture
def posterior():
    return numbers(B, Z, seed=1).requires_grad_(), numbers(B, Z, seed=2).requires_grad_()


def normal(mean, log_variance):
    return Independent(Normal(mean, log_variance.exp().sqrt()), 1)


def test_the_kl_is_that_of_the_distributions_in_value_and_gradients(posterior):
    prior = Independent(Normal(torch.zeros(Z, dtype=torch.float64), 1.0), 1)
    theirs = kl_divergence(normal(*posterior), prior)
    ours = gaussian_kl(*posterior)
    assert ours.shape == (B,)
    torch.testing.assert_close(ours, theirs)
    for a, b in zip(*(torch.autograd.grad(kl.sum(), posterior) for kl in (ours, theirs)), strict=True):
        torch.testing.assert_close(a, b)


def test_the_kl_is_zero_at_the_prior_and_splits_into_units(posterior):
    assert torch.equal(gaussian_kl(torch.zeros(2, 5), torch.zeros(2, 5)), torch.zeros(2))
    torch.testing.assert_close(gaussian_kl_per_unit(*posterior).sum(dim=1), gaussian_kl(*posterior))


def test_log_normal_is_the_distribution_s_for_one_or_many_samples(posterior):
    z = numbers(K, B, Z, seed=3)
    torch.testing.assert_close(log_normal(z, *posterior), normal(*posterior).log_prob(z))
    torch.testing.assert_close(log_normal(z), Normal(0.0, 1.0).log_prob(z).sum(dim=-1))


def test_a_reparameterised_sample_has_the_posterior_s_moments_and_passes_gradients(posterior):
    mean, log_variance = posterior
    z = reparameterise(mean, log_variance, numbers(200_000, B, Z, seed=4))
    deviation = (log_variance / 2).exp()
    assert ((z.mean(dim=0) - mean).abs() < 5 * deviation / 200_000**0.5).all()
    torch.testing.assert_close(z.std(dim=0), deviation, rtol=0.01, atol=0)
    noise = numbers(B, Z, seed=5)
    for_mean, for_log_variance = torch.autograd.grad(reparameterise(*posterior, noise).sum(), posterior)
    assert torch.equal(for_mean, torch.ones_like(mean))
    torch.testing.assert_close(for_log_variance, deviation * noise / 2)


# ---- likelihoods


def pictures(*levels):
    return torch.tensor(levels, dtype=torch.float64).view(len(levels), 1, 1, 1)


def test_bernoulli_is_the_distribution_s_and_sums_to_one_over_two_values():
    logits = numbers(B, 1, 3, 3, scale=3.0).requires_grad_()
    x = (numbers(B, 1, 3, 3, seed=6) > 0).double()
    theirs = Bernoulli(logits=logits).log_prob(x).flatten(1).sum(dim=1)
    ours = bernoulli(logits, x)
    torch.testing.assert_close(ours, theirs)
    torch.testing.assert_close(*(torch.autograd.grad(value.sum(), logits)[0] for value in (ours, theirs)))
    both = bernoulli(torch.full((2, 1, 1, 1), 0.7), pictures(0, 1).float())
    assert both.exp().sum().item() == pytest.approx(1)


def test_continuous_bernoulli_is_the_distribution_s():
    logits = numbers(B, 1, 3, 3, scale=3.0).requires_grad_()
    x = numbers(B, 1, 3, 3, seed=7).sigmoid()
    theirs = ContinuousBernoulli(logits=logits, lims=(0.4999, 0.5001)).log_prob(x).flatten(1).sum(dim=1)
    ours = continuous_bernoulli(logits, x)
    torch.testing.assert_close(ours, theirs)
    torch.testing.assert_close(*(torch.autograd.grad(value.sum(), logits)[0] for value in (ours, theirs)))


@pytest.mark.parametrize("logit", [-40.0, -3.0, -0.11, -0.09, 0.0, 1e-4, 0.09, 0.11, 3.0, 40.0])
def test_continuous_bernoulli_integrates_to_one_on_both_sides_of_its_series(logit):
    nodes = torch.linspace(0, 1, 20_001, dtype=torch.float64).view(-1, 1, 1, 1)
    density = continuous_bernoulli(torch.full_like(nodes, logit), nodes).exp()
    assert torch.trapezoid(density, nodes.flatten()).item() == pytest.approx(1, abs=1e-5)


def test_the_normaliser_meets_its_series_smoothly_and_stays_finite():
    logits = torch.tensor([-0.1, 0.1, 0.0, 200.0, -200.0], dtype=torch.float64).view(-1, 1, 1, 1).requires_grad_()
    assert gradcheck(lambda l: continuous_bernoulli(l, torch.full_like(l, 0.3)), logits)
    around = torch.tensor([0.1 - 1e-9, 0.1 + 1e-9], dtype=torch.float64).view(2, 1, 1, 1)
    below, above = continuous_bernoulli(around, torch.full_like(around, 0.3))
    assert abs(below - above) < 1e-8


def test_gaussian_is_the_distribution_s_and_learns_its_width():
    mean, log_sigma = numbers(B, 1, 3, 3).requires_grad_(), torch.tensor(-0.5, dtype=torch.float64, requires_grad=True)
    x = numbers(B, 1, 3, 3, seed=8)
    theirs = Normal(mean, log_sigma.exp()).log_prob(x).flatten(1).sum(dim=1)
    ours = gaussian(mean, x, log_sigma)
    torch.testing.assert_close(ours, theirs)
    for a, b in zip(*(torch.autograd.grad(v.sum(), (mean, log_sigma)) for v in (ours, theirs)), strict=True):
        torch.testing.assert_close(a, b)
    best = (x - mean).square().mean().sqrt().log().detach().requires_grad_()  # where the derivative vanishes
    (slope,) = torch.autograd.grad(gaussian(mean, x, best).sum(), best)
    assert abs(slope) < 1e-9


@pytest.mark.parametrize("log_scale", [-6.0, -3.0, 0.0])
@pytest.mark.parametrize("mean", [-0.3, 0.0, 0.41, 1.0])
def test_discretised_logistic_sums_to_one_over_all_grey_levels(mean, log_scale):
    x = (torch.arange(256, dtype=torch.float64) / 255).view(256, 1, 1, 1)
    log_p = discretised_logistic(torch.full_like(x, mean), x, torch.tensor(log_scale, dtype=torch.float64))
    assert log_p.exp().sum().item() == pytest.approx(1)
    inner = x[100:101]
    edges = [((inner.item() + side / 510 - mean) / math.exp(log_scale)) for side in (1, -1)]
    difference = 1 / (1 + math.exp(-edges[0])) - 1 / (1 + math.exp(-edges[1])) if max(map(abs, edges)) < 30 else None
    if difference:
        assert log_p[100].exp().item() == pytest.approx(difference, rel=1e-6)


def test_discretised_logistic_stays_finite_far_from_its_mean_and_passes_gradients():
    mean = torch.tensor([-50.0, 0.3, 50.0], requires_grad=True)
    log_scale = torch.tensor(-7.0, requires_grad=True)
    log_p = discretised_logistic(mean.view(3, 1, 1, 1), torch.full((3, 1, 1, 1), 0.5), log_scale)
    assert log_p.isfinite().all()
    slopes = torch.autograd.grad(log_p.sum(), (mean, log_scale))
    assert all(slope.isfinite().all() for slope in slopes)
    assert slopes[0][0] > 0 > slopes[0][2]  # towards the picture


# ---- bounds


def test_log_weights_are_the_ratio_of_densities(posterior):
    z, log_likelihood = numbers(K, B, Z, seed=9), numbers(K, B, seed=10)
    expected = log_likelihood + Normal(0.0, 1.0).log_prob(z).sum(-1) - normal(*posterior).log_prob(z)
    torch.testing.assert_close(log_weights(log_likelihood, z, *posterior), expected)


def test_iwae_is_the_logarithm_of_the_mean_weight_and_survives_small_ones():
    logs = numbers(K, B, seed=11)
    torch.testing.assert_close(iwae(logs), logs.exp().mean(dim=0).log())
    torch.testing.assert_close(iwae(logs[:1]), logs[0])
    torch.testing.assert_close(iwae(logs - 5000), iwae(logs) - 5000)


def test_more_samples_lift_the_bound_on_average():
    logs = numbers(64, 5000, seed=12, scale=1.5)
    bounds = [iwae(logs[:k]).mean() for k in (1, 4, 16, 64)]
    assert bounds == sorted(bounds)


def bound(encoder, theta, noise, surrogate):
    """A toy: q = N(encoder), p(x∣z) = N(z; theta, 1); the bound or a surrogate, summed."""
    mean, log_variance = encoder
    z = reparameterise(mean, log_variance, noise)
    stop = (mean.detach(), log_variance.detach()) if surrogate is dreg else (mean, log_variance)
    logs = log_weights(log_normal(z - theta), z, *stop)
    return (dreg(logs, z) if surrogate is dreg else iwae(logs)).sum()


def test_dreg_gives_the_decoder_the_gradient_of_iwae_exactly(posterior):
    theta, noise = numbers(Z, seed=13).requires_grad_(), numbers(K, B, Z, seed=14)
    slopes = [torch.autograd.grad(bound(posterior, theta, noise, s), theta)[0] for s in (iwae, dreg)]
    torch.testing.assert_close(*slopes)


def test_dreg_gives_the_encoder_squared_shares_times_the_slope_along_the_path(posterior):
    theta, noise = numbers(Z, seed=13), numbers(K, B, Z, seed=14)
    mean, log_variance = posterior
    z = reparameterise(mean, log_variance, noise).detach().requires_grad_()
    logs = log_weights(log_normal(z - theta), z, mean.detach(), log_variance.detach())
    (slope,) = torch.autograd.grad(logs.sum(), z)  # [K, B, Z]
    share = logs.detach().softmax(dim=0).square().unsqueeze(2)
    expected = (share * slope).sum(dim=0), (share * slope * noise * (log_variance / 2).exp() / 2).sum(dim=0)
    got = torch.autograd.grad(bound(posterior, theta, noise, dreg), posterior)
    for a, b in zip(got, expected, strict=True):
        torch.testing.assert_close(a, b)


def test_dreg_is_unbiased_for_the_encoder():
    """Means over many draws of both estimators agree within their standard errors, where the gradient is not 0."""
    theta, mean, log_variance = numbers(Z, seed=13), numbers(1, Z, seed=1), numbers(1, Z, seed=2)
    noise = numbers(4000, K, 1, Z, seed=15)

    def slopes(surrogate):
        found = []
        for each in noise:
            q = mean.clone().requires_grad_(), log_variance.clone().requires_grad_()
            found.append(torch.cat(torch.autograd.grad(bound(q, theta, each, surrogate), q), dim=1))
        return torch.cat(found)

    plain, double = slopes(iwae), slopes(dreg)
    error = ((plain.var(dim=0) + double.var(dim=0)) / len(noise)).sqrt()
    assert ((plain.mean(dim=0) - double.mean(dim=0)).abs() < 4 * error).all()
    assert (plain.mean(dim=0).abs() > 4 * error).any()


def test_every_gradient_is_what_finite_differences_give(posterior):
    assert gradcheck(gaussian_kl, posterior)
    assert gradcheck(lambda *q: reparameterise(*q, numbers(B, Z, seed=4)), posterior)
    assert gradcheck(iwae, numbers(K, B).requires_grad_())
    x = numbers(B, 1, 2, 2, seed=3).sigmoid()
    for likelihood in (bernoulli, continuous_bernoulli):
        assert gradcheck(lambda o, f=likelihood: f(o, x), numbers(B, 1, 2, 2).requires_grad_())
    for likelihood in (gaussian, discretised_logistic):
        width = torch.tensor(-1.0, dtype=torch.float64, requires_grad=True)
        assert gradcheck(lambda o, w, f=likelihood: f(o, x, w), (numbers(B, 1, 2, 2).requires_grad_(), width))
    assert jacrev(gaussian_kl)(*posterior).shape == (B, B, Z)


# ---- what cannot be right gets a sentence


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: bernoulli(torch.zeros(2, 1, 2, 2), torch.full((2, 1, 2, 2), -0.5)), r"\[0, 1\]; .* −1, 1|\[−1, 1\]"),
        (lambda: continuous_bernoulli(torch.zeros(2, 3), torch.full((2, 3), 1.5)), r"needs pictures in \[0, 1\]"),
        (lambda: discretised_logistic(torch.zeros(2, 3), torch.full((2, 3), 255.0), torch.zeros(())), "to 255"),
        (lambda: bernoulli(torch.zeros(2, 3), torch.full((2, 3), math.nan)), "from nan to nan"),
        (lambda: bernoulli(torch.zeros(2, 1, 2, 2), torch.zeros(2, 2, 2)), "must have one shape"),
        (lambda: gaussian(torch.zeros(0, 3), torch.zeros(0, 3), torch.zeros(())), "not be empty"),
        (lambda: gaussian_kl(torch.zeros(2, 3), torch.zeros(2, 4)), r"must both be \[B, Z\]"),
        (lambda: gaussian_kl(torch.zeros(0, 3), torch.zeros(0, 3)), "not empty"),
        (lambda: gaussian_kl(torch.zeros(3), torch.zeros(3)), r"must both be \[B, Z\]"),
        (lambda: gaussian_kl(torch.zeros(2, 3), torch.full((2, 3), 90.0)), "log-variance reaches 90"),
        (lambda: reparameterise(torch.zeros(2, 3), torch.full((2, 3), math.nan), torch.zeros(2, 3)), "reaches nan"),
        (lambda: iwae(torch.zeros(0, 4)), "k and B at least 1"),
        (lambda: iwae(torch.zeros(4)), r"must be \[k, B\]"),
    ],
)
def test_what_cannot_be_right_is_said(call, sentence):
    with pytest.raises(ValueError, match=sentence):
        call()

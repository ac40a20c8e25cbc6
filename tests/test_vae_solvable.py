"""Where the evidence has a formula, estimates, bounds and slopes of the second family must meet it."""

import math

import pytest
import torch
from sklearn.datasets import load_digits
from torch.distributions import Independent, MultivariateNormal, Normal, kl_divergence

from genimg_utils import metrics
from genimg_utils.losses import dreg, gaussian_kl, iwae, log_normal, log_weights, reparameterise

Z, P = 10, 64


@pytest.fixture(scope="module")
def model():
    """Probabilistic PCA of real digits: x, W, b, τ, exact posterior and evidence of one digit."""
    x = torch.tensor(load_digits().images / 8 - 1).flatten(1)  # [N, 64] in [−1, 1], float64
    b = x.mean(dim=0)
    values, vectors = torch.linalg.eigh(torch.cov(x.T, correction=0))
    tau = values[: P - Z].mean().sqrt()
    W = vectors[:, P - Z :] * (values[P - Z :] - tau**2).sqrt()
    eye = torch.eye(Z, dtype=torch.float64)
    M = W.T @ W + tau**2 * eye
    posterior = MultivariateNormal(torch.linalg.solve(M, W.T @ (x[2] - b)), tau**2 * M.inverse())
    log_p = MultivariateNormal(b, W @ W.T + tau**2 * torch.eye(P, dtype=torch.float64)).log_prob(x[2])
    return x[2], W, b, tau, posterior, log_p


def estimate(model, seed, k=5000, width=2.0):
    x, W, b, tau, posterior, _ = model
    return metrics.importance_log_likelihood(
        x[None],
        lambda x: (posterior.mean.expand(len(x), -1), (width * posterior.variance).log().expand(len(x), -1)),
        lambda z: z @ W.T + b,
        lambda output, x: Independent(Normal(output, tau), 1).log_prob(x),
        k=k,
        generator=torch.Generator().manual_seed(seed),
    )


def test_twenty_estimates_lie_within_three_standard_errors_of_the_exact_evidence(model):
    found = [estimate(model, seed) for seed in range(20)]
    deviations = torch.cat([(f.log_p - model[-1]) / f.error for f in found])
    assert (deviations.abs() <= 3).sum() >= 18
    assert 0.5 < deviations.square().mean().sqrt() < 1.6  # the errors are neither too small nor too large
    assert all(f.elbo < model[-1] - 20 * f.error for f in found)


def test_with_the_posterior_itself_one_sample_is_exact(model):
    found = estimate(model, seed=0, k=1, width=1.0)
    torch.testing.assert_close(found.log_p, model[-1][None])
    torch.testing.assert_close(found.elbo, model[-1][None])


def test_bound_and_gap_add_up_to_the_evidence_for_any_q(model):
    x, W, b, tau, posterior, log_p = model
    generator = torch.Generator().manual_seed(0)
    mean, log_variance = torch.randn(2, 100, Z, generator=generator, dtype=torch.float64)
    fixed = (x - b - mean @ W.T).square().sum(dim=1)
    spread = log_variance.exp() @ W.square().sum(dim=0)
    likelihood = -P / 2 * torch.log(2 * math.pi * tau**2) - (fixed + spread) / (2 * tau**2)
    gap = kl_divergence(MultivariateNormal(mean, log_variance.exp().diag_embed()), posterior)
    assert (likelihood - gaussian_kl(mean, log_variance) + gap - log_p).abs().max() < 1e-6


def samples(model, k, repeats, seed):
    """Log-weights [k, repeats] and what they were made of, q 0.3 posterior widths off and half wider in variance."""
    x, W, b, tau, posterior, _ = model
    mean = (posterior.mean + 0.3 * posterior.stddev).expand(repeats, Z).clone().requires_grad_()
    log_variance = (1.5 * posterior.variance).log().expand(repeats, Z)
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randn(k, repeats, Z, generator=generator, dtype=torch.float64)
    z = reparameterise(mean, log_variance, noise)
    likelihood = log_normal(x, z @ W.T + b, 2 * tau.log())
    return likelihood, z, mean, log_variance


def test_more_samples_close_the_bound(model):
    means = []
    for k in (1, 4, 16, 64):
        bound = iwae(log_weights(*samples(model, k, 4096 // k, seed=k))).detach()
        means.append((bound.mean() - torch.expm1(bound - model[-1]).mean()).item())  # the second has mean 0
    assert means == sorted(means)
    assert means[-1] < model[-1] < means[-1] + 0.1
    assert means[0] < model[-1] - 0.5


def test_the_repaired_slope_has_the_same_mean_and_less_noise(model):
    k, repeats = 16, 1000
    likelihood, z, mean, log_variance = samples(model, k, repeats, seed=0)
    (plain,) = torch.autograd.grad(iwae(log_weights(likelihood, z, mean, log_variance)).sum(), mean)
    likelihood, z, mean, log_variance = samples(model, k, repeats, seed=1)
    (doubly,) = torch.autograd.grad(dreg(log_weights(likelihood, z, mean.detach(), log_variance), z).sum(), mean)
    error = ((plain.var(dim=0) + doubly.var(dim=0)) / repeats).sqrt()
    assert ((plain.mean(dim=0) - doubly.mean(dim=0)).abs() < 4.5 * error).all()
    assert (doubly.var(dim=0) < plain.var(dim=0) / 4).all()

"""The bounds and likelihoods of variational autoencoders.

q(z∣x) = N(μ, diag σ²) by its mean and log-variance [B, Z], prior p(z) = N(0, I). All values are in nats, one number a
picture, [B], summed over pixels and latents; nothing is averaged here.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, logsigmoid, softplus

Likelihood = Callable[[Tensor, Tensor], Tensor]  # (decoder's output, x) to log p(x∣z), [B]

LOG_2PI = math.log(2 * math.pi)
LARGEST_LOG_VARIANCE = 80.0  # exp of more overflows float32 soon after


def gaussian_kl(mean: Tensor, log_variance: Tensor) -> Tensor:
    """KL(N(μ, diag σ²) ‖ N(0, I)) = ½ Σ (μ² + σ² − log σ² − 1), [B]. Kingma & Welling 2014, appendix B.

    mean, log_variance [B, Z]. ValueError where they differ in shape, are empty, or the variance overflows.
    """
    return gaussian_kl_per_unit(mean, log_variance).sum(dim=1)


def gaussian_kl_per_unit(mean: Tensor, log_variance: Tensor) -> Tensor:
    """The terms of `gaussian_kl`, one a latent unit, [B, Z]."""
    require_posterior(mean, log_variance)
    return (mean.square() + log_variance.exp() - log_variance - 1) / 2


def log_normal(z: Tensor, mean: Tensor | float = 0.0, log_variance: Tensor | float = 0.0) -> Tensor:
    """log N(z; μ, diag σ²) of z [..., Z], summed over the last axis; without more, the prior's log-density."""
    log_variance = torch.as_tensor(log_variance, dtype=z.dtype, device=z.device)
    terms = LOG_2PI + log_variance + (z - mean).square() * (-log_variance).exp()
    return -terms.sum(dim=-1) / 2


def reparameterise(mean: Tensor, log_variance: Tensor, noise: Tensor) -> Tensor:
    """z = μ + σ ε, with noise ε ~ N(0, I) [..., B, Z]: a sample of q(z∣x) through which gradients pass."""
    require_posterior(mean, log_variance)
    return mean + (log_variance / 2).exp() * noise


# ---- four likelihoods of grey pictures: (output [B, C, S, S], x [B, C, S, S]) to log p(x∣z) [B]


def bernoulli(logits: Tensor, x: Tensor) -> Tensor:
    """Σ x log π + (1 − x) log(1 − π) with π = σ(logits), [B]: a probability where x is 0 or 1, and only there.

    x in [0, 1]; grey values are let through, because others use them so, and then give no likelihood of anything.
    """
    require_unit(logits, x)
    return -binary_cross_entropy_with_logits(logits, x, reduction="none").flatten(1).sum(dim=1)


def continuous_bernoulli(logits: Tensor, x: Tensor) -> Tensor:
    """The Bernoulli's term plus the constant log C(π) that makes it a density on [0, 1], [B].

    Loaiza-Ganem & Cunningham 2019, eq. 6.
    """
    require_unit(logits, x)
    terms = log_normaliser(logits) - binary_cross_entropy_with_logits(logits, x, reduction="none")
    return terms.flatten(1).sum(dim=1)


def log_normaliser(logits: Tensor) -> Tensor:
    """log C(π) = log (l / tanh(l/2)) with l = logit π; its series log 2 + l²/12 − 7 l⁴/1440 around l = 0.

    C(π) = 2 artanh(1 − 2π)/(1 − 2π), 2 at π = ½. Loaiza-Ganem & Cunningham 2019, eq. 7.
    """
    near = logits.abs() < 0.1
    l = torch.where(near, 1.0, logits).abs()  # the branch that is not taken must stay finite, or its gradient is NaN
    exact = l.log() - (l / 2).tanh().log()
    square = logits.square()
    return torch.where(near, math.log(2) + square / 12 - 7 * square.square() / 1440, exact)


def gaussian(mean: Tensor, x: Tensor, log_sigma: Tensor) -> Tensor:
    """Σ log N(x; μ, σ²), [B], with one σ for all pixels or one for each, a parameter that is learned too."""
    require_pictures(mean, x)
    terms = LOG_2PI / 2 + log_sigma + ((x - mean) * (-log_sigma).exp()).square() / 2
    return -terms.flatten(1).sum(dim=1)


def discretised_logistic(mean: Tensor, x: Tensor, log_scale: Tensor) -> Tensor:
    """Log-probability of the 256 grey levels: Σ log (F(x + ½/255) − F(x − ½/255)), F logistic, [B].

    x in [0, 1], of levels i/255; the first and the last level take what lies beyond. Salimans et al. 2017, eq. 2.
    """
    require_unit(mean, x)
    width, inverse = 1 / 255, (-log_scale).exp()
    upper, lower = (x - mean + width / 2) * inverse, (x - mean - width / 2) * inverse
    # log(σ(u) − σ(l)) = log σ(u) + log σ(−l) + log(1 − e^{l − u}), without a difference of near numbers
    inner = logsigmoid(upper) + logsigmoid(-lower) + torch.log(-torch.expm1(-width * inverse))
    terms = torch.where(x < width / 2, logsigmoid(upper), torch.where(x > 1 - width / 2, -softplus(lower), inner))
    return terms.flatten(1).sum(dim=1)


# ---- bounds from several samples


def log_weights(log_likelihood: Tensor, z: Tensor, mean: Tensor, log_variance: Tensor) -> Tensor:
    """log p(x∣z) + log p(z) − log q(z∣x), [k, B], for k samples z [k, B, Z] and log p(x∣z) [k, B]."""
    return log_likelihood + log_normal(z) - log_normal(z, mean, log_variance)


def iwae(log_weights: Tensor) -> Tensor:
    """The bound log (1/k Σ w), [B], of log-weights [k, B]; with k = 1 the ELBO. Burda et al. 2016, eq. 8."""
    if log_weights.ndim != 2 or log_weights.numel() == 0:
        raise ValueError(f"Log-weights must be [k, B] with k and B at least 1; got {list(log_weights.shape)}.")
    return log_weights.logsumexp(dim=0) - math.log(len(log_weights))


def dreg(log_weights: Tensor, z: Tensor) -> Tensor:
    """A surrogate [B] whose gradient is the IWAE bound's, doubly reparameterised for the encoder. Tucker et al. 2019.

    log_weights [k, B] of samples z [k, B, Z], computed with μ and log σ² detached in log q(z∣x), so that the encoder
    is reached through z alone. Its value is no bound: report `iwae`.
    """
    share = log_weights.detach().softmax(dim=0)  # w̃, [k, B]
    if z.requires_grad:
        z.register_hook(lambda gradient: share.unsqueeze(2) * gradient)  # w̃² in all for the path through z
    return (share * log_weights).sum(dim=0)


# ---- discrete latents


def vq(e: Tensor, q: Tensor, commitment: float = 0.25) -> Tensor:
    """‖sg[e] − q‖² + c ‖e − sg[q]‖², [B], of an encoder's output e [B, …] and its codes q; sg stops the gradient.

    Terms 2 and 3 of van den Oord et al. 2017, eq. 3. Of codes that follow by a moving average no gradient is wanted.
    """
    if e.shape != q.shape:
        raise ValueError(f"{list(e.shape)} vectors and {list(q.shape)} codes do not match.")
    codebook, commit = (q - e.detach()).square(), (e - q.detach()).square()
    return (codebook + commitment * commit).flatten(1).sum(dim=1)


# ---- sentences for what cannot be right


def require_posterior(mean: Tensor, log_variance: Tensor) -> None:
    if mean.shape != log_variance.shape or mean.ndim != 2 or mean.numel() == 0:
        raise ValueError(
            f"Mean and log-variance must both be [B, Z] and not empty; got {list(mean.shape)} and "
            f"{list(log_variance.shape)}."
        )
    if not log_variance.detach().max() < LARGEST_LOG_VARIANCE:  # also where it is NaN
        raise ValueError(
            f"The log-variance reaches {log_variance.detach().max():.3g}: its exponential overflows. Lower the "
            "learning rate, or look for a log-variance that is used as σ."
        )


def require_pictures(output: Tensor, x: Tensor) -> None:
    if output.shape != x.shape or x.ndim < 2 or x.numel() == 0:
        raise ValueError(
            f"The decoder's output and the pictures must have one shape and not be empty; got {list(output.shape)} "
            f"and {list(x.shape)}."
        )


def require_unit(output: Tensor, x: Tensor) -> None:
    require_pictures(output, x)
    low, high = x.min(), x.max()
    if not (low >= 0 and high <= 1):  # also where x is NaN
        raise ValueError(
            f"This likelihood needs pictures in [0, 1]; these reach from {low:.3g} to {high:.3g}. Pictures in [−1, 1] "
            "become (x + 1) / 2."
        )

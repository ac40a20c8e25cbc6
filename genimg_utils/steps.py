"""One update of each family: the algorithm itself, without plumbing."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.optim import Optimizer

from genimg_utils.losses.gan import Objective, Penalty, non_saturating
from genimg_utils.losses.vae import Likelihood, bernoulli, gaussian_kl, reparameterise


def update(loss: Tensor, optimiser: Optimizer) -> None:
    """One descent step on `loss` for the parameters that `optimiser` holds."""
    optimiser.zero_grad(set_to_none=True)
    loss.backward()
    optimiser.step()


def gan_step(
    real: Tensor,
    z: Tensor,
    G: nn.Module,
    D: nn.Module,
    opt_G: Optimizer,
    opt_D: Optimizer,
    *,
    objective: Objective = non_saturating,
    penalty: Penalty | None = None,
    labels: Tensor | None = None,
    update: Callable[[Tensor, Optimizer], None] = update,
) -> dict[str, Tensor]:
    """One update of D, then one of G on the same noise, after Goodfellow et al. 2014, algorithm 1 with k = 1.

    real [B, C, S, S] in [−1, 1], z [B, Z], labels [B] int64 or None. Returns 0-d tensors for `run.log`: both losses
    without the penalty, and the mean logit of real and of generated pictures.
    """
    given = () if labels is None else (labels,)
    fake = G(z, *given)  # [B, C, S, S]

    # The discriminator. Its loss must stop at the pictures: detach.
    real_logits, fake_logits = judge(D, real, fake.detach(), given)  # [B], [B]
    loss_D = objective.discriminator(real_logits, fake_logits)
    logged = {"loss_D": loss_D, "d_real": real_logits.mean(), "d_fake": fake_logits.mean()}
    if penalty is not None:
        loss_D = loss_D + penalty(lambda x: D(x, *given), real, fake.detach())
    update(loss_D, opt_D)

    # The generator. Gradients pass through the discriminator, whose weights stand still.
    D.requires_grad_(False)
    try:
        if objective.paired:
            real_logits, fake_logits = judge(D, real, fake, given)
        else:
            fake_logits = D(fake, *given)
        logged["loss_G"] = objective.generator(real_logits, fake_logits)
        update(logged["loss_G"], opt_G)
    finally:  # an error or a stop must not leave them frozen
        D.requires_grad_(True)
    return {name: value.detach() for name, value in logged.items()}


def judge(D: nn.Module, real: Tensor, fake: Tensor, given: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """Logits of real and fake in one pass; in two where D holds BatchNorm, which would mix their statistics."""
    if any(isinstance(layer, _BatchNorm) for layer in D.modules()):
        return D(real, *given), D(fake, *given)
    return D(torch.cat([real, fake]), *(torch.cat([g, g]) for g in given)).chunk(2)


def vae_step(
    x: Tensor,
    noise: Tensor,
    encoder: nn.Module,
    decoder: nn.Module,
    optimiser: Optimizer,
    *,
    likelihood: Likelihood = bernoulli,
    beta: float = 1.0,
    labels: Tensor | None = None,
    update: Callable[[Tensor, Optimizer], None] = update,
) -> dict[str, Tensor]:
    """One ascent of both networks on the ELBO, from one sample of q(z∣x). Kingma & Welling 2014, algorithm 1, eq. 10.

    x [B, C, S, S] as the likelihood takes it, noise [B, Z], labels [B] int64 or None; beta weighs the KL, and only 1
    gives the ELBO. Returns 0-d tensors in nats a picture: −ELBO and its two terms, all without beta.
    """
    given = () if labels is None else (labels,)
    mean, log_variance = encoder(x, *given)  # [B, Z], [B, Z]
    z = reparameterise(mean, log_variance, noise)  # [B, Z]
    reconstruction = -likelihood(decoder(z, *given), x)  # −log p(x∣z), [B]
    kl = gaussian_kl(mean, log_variance)  # [B]
    update((reconstruction + beta * kl).mean(), optimiser)
    logged = {"minus_elbo": reconstruction + kl, "reconstruction": reconstruction, "kl": kl}
    return {name: value.detach().mean() for name, value in logged.items()}

"""One update of each family: the algorithm itself, without plumbing."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.optim import Optimizer

from genimg_utils.losses import cyclegan
from genimg_utils.losses.gan import Objective, Penalty, least_squares, non_saturating
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


def cyclegan_step(
    x: Tensor,
    y: Tensor,
    G: nn.Module,
    F: nn.Module,
    D_X: nn.Module,
    D_Y: nn.Module,
    opt_GF: Optimizer,
    opt_D: Optimizer,
    *,
    objective: Objective = least_squares,
    cycle: float = 10.0,
    identity: float = 0.0,
    pools: tuple[Callable[[Tensor], Tensor], Callable[[Tensor], Tensor]] | None = None,
    update: Callable[[Tensor, Optimizer], None] = update,
) -> dict[str, Tensor]:
    """One update of both generators, then one of both discriminators. Zhu et al. 2017, eq. 3 and section 4.

    x, y [B, C, S, S] in [−1, 1], unpaired; `cycle` and `identity` weigh those terms; pools: what the discriminators see
    in place of the newest F(y) and G(x). Each sample's picture depends on it alone (no BatchNorm in G and F), so that
    three calls of the generators do the work of six. Returns 0-d tensors, without their weights.
    """
    keep = identity > 0
    D = nn.ModuleList([D_X, D_Y]).requires_grad_(False)  # gradients pass through, the weights stand still
    try:
        B = len(y)
        back = F(torch.cat([y, x]) if keep else y)  # F(y) and F(x)
        there = G(torch.cat([x, y, back[:B]] if keep else [x, back[:B]]))  # G(x), G(y) and G(F(y))
        fake_x, fake_y = back[:B], there[: len(x)]
        logged = {
            "loss_G": objective.generator(fake_y.new_empty(0), D_Y(fake_y)),
            "loss_F": objective.generator(fake_x.new_empty(0), D_X(fake_x)),
            "cycle": cyclegan.cycle(x, F(fake_y)) + cyclegan.cycle(y, there[-B:]),
        }
        total = logged["loss_G"] + logged["loss_F"] + cycle * logged["cycle"]
        if keep:
            logged["identity"] = cyclegan.identity(y, there[len(x) : -B]) + cyclegan.identity(x, back[B:])
            total = total + identity * logged["identity"]
        update(total, opt_GF)
    finally:  # an error or a stop must not leave them frozen
        D.requires_grad_(True)

    fake_x, fake_y = fake_x.detach(), fake_y.detach()
    if pools is not None:
        fake_x, fake_y = (pool(fake) for pool, fake in zip(pools, (fake_x, fake_y), strict=True))
    logged["loss_D_X"] = objective.discriminator(*judge(D_X, x, fake_x, ()))
    logged["loss_D_Y"] = objective.discriminator(*judge(D_Y, y, fake_y, ()))
    update(logged["loss_D_X"] + logged["loss_D_Y"], opt_D)
    return {name: value.detach() for name, value in logged.items()}

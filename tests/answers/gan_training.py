"""Answers to the exercises of chapter 03."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.distributions import Bernoulli
from torch.nn.functional import binary_cross_entropy, binary_cross_entropy_with_logits, logsigmoid, softplus

from answers.styles import Module, every_other
from genimg_utils import check


def size_of_a_real_layer(n: int, kernel: int, stride: int, padding: int) -> int:
    return nn.ConvTranspose2d(1, 1, kernel, stride, padding)(torch.zeros(1, 1, n, n)).shape[-1]


def bce_of_both(real_logits: Tensor, fake_logits: Tensor) -> Tensor:
    bce = binary_cross_entropy_with_logits
    return bce(real_logits, torch.ones_like(real_logits)) + bce(fake_logits, torch.zeros_like(fake_logits))


def likelihoods(r: Tensor, f: Tensor) -> Tensor:
    real, fake = Bernoulli(logits=r), Bernoulli(logits=f)
    return -real.log_prob(torch.ones_like(r)).mean() - fake.log_prob(torch.zeros_like(f)).mean()


@torch.no_grad()
def ema_by_foreach(average: list[Tensor], weights: list[Tensor], decay: float) -> None:
    torch._foreach_lerp_(average, weights, 1 - decay)


def ema_by_data(average: list[Tensor], weights: list[Tensor], decay: float) -> list[Tensor]:
    for a, w in zip(average, weights, strict=True):
        a.data = decay * a.data + (1 - decay) * w.data
    return average


def ema_in_numpy(average: list[Tensor], weights: list[Tensor], decay: float) -> None:
    for a, w in zip(average, weights, strict=True):
        view = a.numpy()
        view += (1 - decay) * (w.detach().numpy() - view)


def frechet_by_quadrature(m1: Tensor, s1: Tensor, m2: Tensor, s2: Tensor) -> float:
    """The mean squared distance of points at equal quantiles, exact by Gauss–Hermite."""
    x, weight = np.polynomial.hermite_e.hermegauss(3)
    gap = (float(m1) + float(s1) * x) - (float(m2) + float(s2) * x)
    return weight @ gap**2 / math.sqrt(2 * math.pi)


def frechet_by_matrices(m1: Tensor, s1: Tensor, m2: Tensor, s2: Tensor) -> Tensor:
    return (m1 - m2).square() + s1**2 + s2**2 - 2 * (s1**2 * s2**2).sqrt()


def slerp_by_rotation(a: Tensor, b: Tensor, t: float) -> Tensor:
    """Turns â towards b̂ in an orthonormal basis, then reads off the turned vector's shares of â and b̂."""
    u, v = a.double() / a.double().norm(), b.double() / b.double().norm()
    upright = v - (v @ u) * u
    upright /= upright.norm()
    angle = torch.atan2(v @ upright, v @ u)
    turned = (t * angle).cos() * u + (t * angle).sin() * upright
    share = torch.linalg.lstsq(torch.stack([u, v], 1), turned[:, None]).solution[:, 0]  # [2]
    return torch.stack([a, b], 1).double() @ share


def slerp_in_numpy(a: Tensor, b: Tensor, t: float) -> np.ndarray:
    x, y = a.numpy(), b.numpy()
    angle = np.arccos(np.dot(x, y) / np.linalg.norm(x) / np.linalg.norm(y))
    return np.sin((1 - t) * angle) / np.sin(angle) * x + np.sin(t * angle) / np.sin(angle) * y


def step_as_popular_code(real, z, G, D, opt_G, opt_D) -> dict[str, float]:
    ones, zeros = torch.ones(len(real), 1).double(), torch.zeros(len(real), 1).double()
    bce = nn.BCEWithLogitsLoss()
    D.zero_grad()
    bce(D(real), ones).backward()
    fake = G(z)
    bce(D(fake.detach()), zeros).backward()
    opt_D.step()
    G.zero_grad()
    loss = bce(D(fake), ones)
    loss.backward()
    opt_G.step()
    return {"loss_G": loss.item()}


def step_zeroed_in_time(real, z, G, D, opt_G, opt_D) -> None:
    """Wasteful, for D's backward pass goes on into G, but right: G's gradients are zeroed after it."""
    opt_D.zero_grad()
    (softplus(-D(real)).mean() + softplus(D(G(z))).mean()).backward()
    opt_D.step()
    opt_G.zero_grad()
    softplus(-D(G(z))).mean().backward()
    opt_G.step()


def step_with_no_grad(real, z, G, D, opt_G, opt_D) -> None:
    with torch.no_grad():
        fake = G(z)
    opt_D.zero_grad()
    (-logsigmoid(D(real)).mean() - logsigmoid(-D(fake)).mean()).backward()
    opt_D.step()
    opt_D.zero_grad()
    opt_G.zero_grad()
    for p, g in zip(G.parameters(), torch.autograd.grad(-logsigmoid(D(G(z))).mean(), [*G.parameters()]), strict=True):
        p.grad = g
    opt_G.step()


# Right answers, none of them written as the check's own.
RIGHT: dict[str, list[Callable[..., Any]]] = {
    "transposed_size": [
        size_of_a_real_layer,
        lambda side, k, s, p: float(s * (side - 1) + k - 2 * p),
        lambda *given: np.int64(given[0] * given[2] + given[1] - given[2] - 2 * given[3]),
        lambda n, kernel, stride, padding: torch.tensor([n * stride - stride + kernel - padding - padding]),
    ],
    "generator_loss": [
        lambda d: -logsigmoid(d).mean(),
        lambda logits: binary_cross_entropy_with_logits(logits.double(), torch.ones_like(logits).double()),
        lambda d: -Bernoulli(logits=d).log_prob(torch.ones_like(d)).mean(),
        lambda d: torch.logaddexp(torch.zeros(()), -d).mean(),
        Module(lambda d: torch.einsum("n->", softplus(-d.flatten())) / d.numel()),
    ],
    "discriminator_loss": [
        bce_of_both,
        likelihoods,
        lambda r, f: torch.logaddexp(torch.zeros(()), -r).mean() + torch.logaddexp(torch.zeros(()), f).mean(),
        lambda r, f: (-logsigmoid(r) - logsigmoid(-f)).mean(),
        Module(lambda r, f: 2 * softplus(torch.cat([-r.double(), f.double()])).mean()),
    ],
    "ema_update": [ema_by_foreach, ema_by_data, ema_in_numpy, Module(ema_by_foreach)],
    "frechet_1d": [
        frechet_by_quadrature,
        frechet_by_matrices,
        lambda a, b, c, d: np.float64((a - c) ** 2) + np.float64((b - d) ** 2),
        Module(lambda *given: torch.dist(torch.stack(given[:2]), torch.stack(given[2:])).square().reshape(1)),
    ],
    "slerp": [
        slerp_by_rotation,
        slerp_in_numpy,
        Module(lambda *given: every_other(slerp_by_rotation(*given))),
    ],
    "repaired_step": [step_as_popular_code, step_zeroed_in_time, step_with_no_grad],
}

# What none of the texts before the ✓ may say.
SOLUTIONS = {
    "transposed_size": ["n - 1", "n − 1", "(n", "2 * padding", "2 padding", "2p"],
    "generator_loss": ["softplus", "logsigmoid", "-d", "−d", "log σ", "binary_cross"],
    "discriminator_loss": ["softplus", "logsigmoid", "-d", "−d", "log σ", "binary_cross"],
    "ema_update": ["lerp", "mul_", "1 - decay", "1 − decay", "no_grad", "copy_", "detach"],
    "frechet_1d": ["(m1", "m1 -", "s1 -", "s1 −", "m₁", "2 s1"],
    "slerp": ["sin(", "sin ω", "/ sin", "(1 - t)", "(1 − t)", "acos", "arccos"],
    "repaired_step": ["detach", "zero_grad", "softplus", "update("],
}


def swapped_in_lists(average: list[Tensor], weights: list[Tensor], decay: float) -> None:
    for i, w in enumerate(weights):
        average[i] = decay * average[i] + (1 - decay) * w.detach()


def rebound(average: list[Tensor], weights: list[Tensor], decay: float) -> list[Tensor]:
    average = [decay * a + (1 - decay) * w for a, w in zip(average, weights, strict=True)]
    return average


def with_history(average: list[Tensor], weights: list[Tensor], decay: float) -> None:
    for a, w in zip(average, weights, strict=True):
        a.copy_(decay * a + (1 - decay) * w)


def broken_step(real, z, G, D, opt_G, opt_D) -> None:
    """All three faults at once, as the chapter hands it out."""
    fake = G(z)
    opt_D.zero_grad()
    (softplus(D(real)).mean() + softplus(-D(fake)).mean()).backward()
    opt_D.step()
    softplus(D(G(z))).mean().backward()
    opt_G.step()


def labels_repaired(real, z, G, D, opt_G, opt_D) -> None:
    opt_D.zero_grad()
    (softplus(-D(real)).mean() + softplus(D(G(z))).mean()).backward()
    opt_D.step()
    softplus(D(G(z))).mean().backward()
    opt_G.step()


def detached_too(real, z, G, D, opt_G, opt_D) -> None:
    opt_D.zero_grad()
    (softplus(-D(real)).mean() + softplus(D(G(z).detach())).mean()).backward()
    opt_D.step()
    softplus(D(G(z))).mean().backward()
    opt_G.step()


def zeroed_too(real, z, G, D, opt_G, opt_D) -> None:
    opt_D.zero_grad()
    opt_G.zero_grad()
    (softplus(-D(real)).mean() + softplus(D(G(z).detach())).mean()).backward()
    opt_D.step()
    softplus(D(G(z))).mean().backward()
    opt_G.step()


def without_graph(real, z, G, D, opt_G, opt_D) -> None:
    with torch.no_grad():
        fake = G(z)
    opt_D.zero_grad()
    (softplus(-D(real)).mean() + softplus(D(fake)).mean()).backward()
    opt_D.step()
    opt_G.zero_grad()
    softplus(-D(fake)).mean().backward()
    opt_G.step()


def never_applied(real, z, G, D, opt_G, opt_D) -> None:
    fake = G(z)
    opt_D.zero_grad()
    (softplus(-D(real)).mean() + softplus(D(fake.detach())).mean()).backward()
    opt_D.step()
    opt_G.zero_grad()
    softplus(-D(fake)).mean().backward()


def erased(real, z, G, D, opt_G, opt_D) -> None:
    never_applied(real, z, G, D, opt_G, opt_D)
    opt_G.zero_grad()
    opt_G.step()


def one_backward(real, z, G, D, opt_G, opt_D) -> None:
    fake = G(z)
    opt_D.zero_grad()
    opt_G.zero_grad()
    loss_D = softplus(-D(real)).mean() + softplus(D(fake.detach())).mean()
    (loss_D + softplus(-D(fake)).mean()).backward()
    opt_D.step()
    opt_G.step()


def two_backwards_then_two_steps(real, z, G, D, opt_G, opt_D) -> None:
    opt_D.zero_grad()
    opt_G.zero_grad()
    (softplus(-D(real)).mean() + softplus(D(G(z))).mean()).backward()
    softplus(-D(G(z))).mean().backward()
    opt_D.step()
    opt_G.step()


@torch.no_grad()
def freezing(average: list[Tensor], weights: list[Tensor], decay: float) -> None:
    for a, w in zip(average, weights, strict=True):
        a.lerp_(w.requires_grad_(False), 1 - decay)


# As a learner would write them, without knowledge of the registry: the exercise, the answer, words of the hint.
AS_WRITTEN: list[tuple[Any, Callable[..., Any], str]] = [
    (check.gan.transposed_size, lambda n, k, s, p: (n - k + 2 * p) // s + 1, "scatters"),
    (
        check.gan.transposed_size,
        lambda n, k, s, p: (n, n),
        "a tensor of shape [2]; it should be a single number",
    ),
    (check.gan.generator_loss, lambda d: -torch.log(torch.sigmoid(d)).mean(), "your answer is inf"),
    (check.gan.generator_loss, lambda d: torch.log(1 - torch.sigmoid(d)).mean(), "saturating"),
    (check.gan.generator_loss, lambda d: -torch.log(1 - torch.sigmoid(d)).mean(), "helps D"),
    (check.gan.generator_loss, lambda d: torch.log(torch.sigmoid(d)).mean(), "sign is flipped"),
    (check.gan.generator_loss, lambda d: -torch.log(torch.sigmoid(d) + 1e-8).mean(), "small logits"),
    (
        check.gan.generator_loss,
        lambda d: binary_cross_entropy(d.sigmoid(), torch.ones_like(d)),
        "small logits",
    ),
    (check.gan.generator_loss, lambda d: softplus(-d), "of shape [7]; it should be a single number"),
    (
        check.gan.discriminator_loss,
        lambda r, f: -torch.log(r.sigmoid()).mean() - (1 - f.sigmoid()).log().mean(),
        "is inf",
    ),
    (check.gan.discriminator_loss, lambda r, f: bce_of_both(f, r), "swapped"),
    (check.gan.discriminator_loss, lambda r, f: softplus(torch.cat([-r, f])).mean(), "not averaged"),
    (
        check.gan.discriminator_loss,
        lambda r, f: -logsigmoid(r.reshape(-1, 1) - f.reshape(-1)).mean(),
        "broadcast",
    ),
    (
        check.gan.discriminator_loss,
        lambda r, f: softplus(-r.detach()).mean() + softplus(f).mean(),
        "no gradient comes back",
    ),
    (check.gan.ema_update, swapped_in_lists, "as they were"),
    (check.gan.ema_update, rebound, "as they were"),
    (check.gan.ema_update, with_history, "history"),
    (check.gan.ema_update, freezing, "no longer require a gradient"),
    (check.gan.frechet_1d, lambda m1, s1, m2, s2: math.hypot(m1 - m2, s1 - s2), "squared"),
    (check.gan.slerp, lambda a, b, t: torch.lerp(a, b, t), "straight line"),
    (check.gan.repaired_step, broken_step, "discriminator's step alone"),
    (check.gan.repaired_step, labels_repaired, "still in G's gradients"),
    (check.gan.repaired_step, detached_too, "older gradients: only its first"),
    (check.gan.repaired_step, zeroed_too, "easier to find out"),
    (check.gan.repaired_step, without_graph, "cannot reach G"),
    (check.gan.repaired_step, never_applied, "never applied"),
    (check.gan.repaired_step, erased, "was erased"),
    (check.gan.repaired_step, one_backward, "holds the generator's loss as well"),
    (check.gan.repaired_step, two_backwards_then_two_steps, "holds the generator's loss as well"),
]

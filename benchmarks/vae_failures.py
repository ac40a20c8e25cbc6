"""Longer runs of chapter 07's labs: `python benchmarks/vae_failures.py`.

Writes results/vae_failures.json, from which the chapter takes its rows. One process, one thread; a part alone with
--only. Everything is on mnist-5k or scikit-learn's digits, which need no network.
"""

import argparse
import sys
import time
from collections.abc import Callable
from typing import Any

import torch
from measuring import FOLDER, earlier, keep, machine
from sklearn.mixture import GaussianMixture
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, silu
from torch.optim import Adam
from vae_training import binarised

from genimg_utils import data, metrics
from genimg_utils.layers import Quantiser
from genimg_utils.losses import bernoulli, gaussian_kl, log_normal, reparameterise, vq
from genimg_utils.networks import Decoder, Encoder
from genimg_utils.steps import update, vae_step
from genimg_utils.training import anneal

RESULTS = FOLDER / "vae_failures.json"
DATASET, DRAWN = "mnist-5k", 2_000
K, DIMENSIONS, WIDE = 32, 8, 32
CPU = torch.device("cpu")


def held_out() -> tuple[Tensor, Tensor]:
    """The test pictures in grey and tossed once, both in [0, 1]."""
    images = data.load(DATASET, "test").images
    return images / 255, binarised(images)


def short_waves(x: Tensor, real: Tensor) -> float:
    """Power above a quarter of the side, over that of real pictures; both [N, 1, 28, 28] in [0, 1]."""
    k = torch.fft.fftfreq(28) * 28
    high = (k[:, None].square() + k[None, :].square()).sqrt() > 7
    one, other = (torch.fft.fft2(v.squeeze(1)).abs().square().mean(dim=0)[high].mean() for v in (x, real))
    return (one / other).item()


def row(what: str, steps: int, seed: int, pi: Tensor, nats: float, start: float) -> dict[str, Any]:
    """What is told of pictures pi [N, 1, 28, 28] in [0, 1]."""
    real, _ = held_out()
    return {
        "what": what,
        "steps": steps,
        "seed": seed,
        "FD-64": round(metrics.ruler(DATASET).distance(2 * pi - 1), 2),
        "short waves": round(short_waves(pi, real), 3),
        "nats": round(nats, 1),
        "seconds": round(time.process_time() - start),
    }


# ---- a VAE, with its prior and with a mixture


def fit_vae(steps: int, seed: int, beta: float = 1.0, latent: int = 32) -> tuple[nn.Module, nn.Module]:
    """Chapter 06's recipe for so many steps."""
    torch.manual_seed(seed)
    batches = data.Batches(data.load(DATASET).images, 64, CPU, seed)
    E, D = Encoder(latent=latent), Decoder(latent=latent)
    optimiser = Adam([*E.parameters(), *D.parameters()], lr=4e-3, betas=(0.9, 0.99), fused=True)
    for step in range(steps):
        anneal([optimiser], step, steps)
        x = next(batches)
        assert isinstance(x, Tensor)
        vae_step(torch.bernoulli((x + 1) / 2), torch.randn(len(x), latent), E, D, optimiser, beta=beta)
    return E.eval(), D.eval()


@torch.no_grad()
def minus_elbo(E: nn.Module, D: nn.Module) -> tuple[float, Tensor]:
    """−ELBO of the held-out pictures from one sample each, in nats, and their posterior means."""
    _, x = held_out()
    mean, log_variance = E(x)
    z = reparameterise(mean, log_variance, torch.randn_like(mean))
    return (-bernoulli(D(z), x) + gaussian_kl(mean, log_variance)).mean().item(), mean


@torch.no_grad()
def with_two_priors(steps: int, seed: int) -> list[dict[str, Any]]:
    """The VAE with N(0, I) and with a mixture of fifty Gaussians in its place."""
    start = time.process_time()
    with torch.enable_grad():
        E, D = fit_vae(steps, seed)
    nats, _ = minus_elbo(E, D)
    images = torch.bernoulli(data.load(DATASET).images / 255)
    mean, log_variance = (torch.cat(v) for v in zip(*(E(c) for c in images.split(500)), strict=True))
    encoded = reparameterise(mean, log_variance, torch.randn_like(mean))
    mixture = GaussianMixture(50, reg_covar=1e-3, max_iter=30, random_state=0).fit(encoded.numpy())
    drawn = torch.tensor(mixture.sample(DRAWN)[0]).float()
    priors = {"VAE, prior N(0, I)": (torch.randn(DRAWN, 32), nats), "VAE, mixture of 50": (drawn, under(mixture, E, D))}
    pi = {name: metrics.in_chunks(D, z).sigmoid() for name, (z, _) in priors.items()}
    return [row(name, steps, seed, x, priors[name][1], start) for name, x in pi.items()]


@torch.no_grad()
def under(prior: GaussianMixture, E: nn.Module, D: nn.Module) -> float:
    """−ELBO of the held-out pictures with a mixture as p(z): the KL is estimated from one sample each."""
    _, x = held_out()
    mean, log_variance = E(x)
    z = reparameterise(mean, log_variance, torch.randn_like(mean))
    rate = log_normal(z, mean, log_variance) - torch.tensor(prior.score_samples(z.numpy()))
    return (rate - bernoulli(D(z), x)).mean().item()


# ---- what the blur of reconstructions comes from


@torch.no_grad()
def blur(latent: int, beta: float, steps: int, seed: int) -> dict[str, Any]:
    """Short waves of reconstructed held-out pictures, with and without the KL."""
    with torch.enable_grad():
        E, D = fit_vae(steps, seed, beta, latent)
    real, x = held_out()
    mean, log_variance = E(x)
    pi = D(reparameterise(mean, log_variance, torch.randn_like(mean))).sigmoid()
    return {"latents": latent, "β": beta, "steps": steps, "seed": seed, "short waves": round(short_waves(pi, real), 3)}


# ---- a VQ-VAE with a prior over its codes: the networks are chapter 07's


def conv(inputs: int, outputs: int, side: int = 3) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, side, padding=side // 2)


class Blind(nn.Conv2d):
    """A convolution that sees places before its own only, and its own if told so."""

    mask: Tensor

    def __init__(self, inputs: int, outputs: int, side: int, own: bool):
        super().__init__(inputs, outputs, side, padding=side // 2)
        mask = torch.arange(side * side) < side * side // 2 + own
        self.register_buffer("mask", mask.float().view(side, side))

    def forward(self, x: Tensor) -> Tensor:
        return self._conv_forward(x, self.weight * self.mask, self.bias)


class Prior(nn.Module):
    """Logits [B, K, 7, 7] of each code, given those before it."""

    def __init__(self, width: int = WIDE, layers: int = 2):
        super().__init__()
        self.embed, self.place = nn.Embedding(K, 16), nn.Parameter(torch.zeros(width, 7, 7))
        self.first = Blind(16, width, 13, own=False)
        self.more = nn.ModuleList([Blind(width, width, 3, own=True) for _ in range(layers)])
        self.out = nn.Sequential(nn.SiLU(), conv(width, 2 * width, 1), nn.SiLU(), conv(2 * width, K, 1))

    def forward(self, index: Tensor) -> Tensor:
        h = self.first(self.embed(index).movedim(-1, 1)) + self.place
        for layer in self.more:
            h = h + layer(silu(h))
        logits: Tensor = self.out(h)
        return logits


class Cold(Quantiser):
    """Codes that follow their vectors from N(0, I): no first batch, and revival only where it is asked for."""

    def __init__(self, codes: int, dimensions: int, revival: bool = False):
        super().__init__(codes, dimensions)
        self.codes.normal_()
        self.total.copy_(self.codes)
        self.count.fill_(1.0)
        self.revival = revival

    def wake(self, rows: Tensor) -> None:
        if self.revival:
            super().wake(rows)
        self.count.clamp_(min=1e-5)


class Once(Quantiser):
    """The first batch places the codes, and nobody wakes them later."""

    def wake(self, rows: Tensor) -> None:
        if not self.count.any():
            super().wake(rows)
        self.count.clamp_(min=1e-5)


def fit_codes(
    steps: int, seed: int, make: Callable[..., Quantiser] = Quantiser
) -> tuple[nn.Module, nn.Module, Quantiser]:
    torch.manual_seed(seed)
    batches = data.Batches(data.load(DATASET).images, 64, CPU, seed)
    E = nn.Sequential(nn.PixelUnshuffle(4), conv(16, WIDE), nn.SiLU(), conv(WIDE, WIDE), nn.SiLU(),
                      conv(WIDE, DIMENSIONS, 1))  # fmt: skip
    D = nn.Sequential(conv(DIMENSIONS, WIDE), nn.SiLU(), conv(WIDE, WIDE), nn.SiLU(), conv(WIDE, 16, 1),
                      nn.PixelShuffle(4))  # fmt: skip
    Q = make(K, DIMENSIONS)
    optimiser = Adam([*E.parameters(), *D.parameters()], lr=4e-3, betas=(0.9, 0.99))
    for step in range(steps):
        anneal([optimiser], step, steps)
        x = next(batches)
        assert isinstance(x, Tensor)
        e = E(x)
        q, _ = Q(e)
        logits = D(e + (q - e).detach())
        update((-bernoulli(logits, torch.bernoulli((x + 1) / 2)) + vq(e, q)).mean(), optimiser)
    return E.eval(), D.eval(), Q.eval()


def codebook(name: str, make: Callable[..., Quantiser], steps: int, seed: int) -> dict[str, Any]:
    """How many codes the held-out pictures use, as perplexity and by count, and what is left to draw."""
    E, D, Q = fit_codes(steps, seed, make)
    real, tossed = held_out()
    with torch.no_grad():
        q, index = Q(E(2 * real - 1))
        distortion = -bernoulli(D(q), tossed).mean().item()
    shares = torch.bincount(index.flatten(), minlength=K).double() / index.numel()
    perplexity = torch.distributions.Categorical(probs=shares).entropy().exp().item()
    return {
        "what": name,
        "steps": steps,
        "seed": seed,
        "perplexity": round(perplexity, 1),
        "chosen": int((shares > 0).sum()),
        "distortion": round(distortion, 1),
    }


START: dict[str, Callable[..., Quantiser]] = {
    "from N(0, I)": Cold,
    "from the first batch": Once,
    "from N(0, I), revival": lambda K, d: Cold(K, d, revival=True),
    "from the first batch, revival": Quantiser,
}


@torch.no_grad()
def write_codes(prior: nn.Module, n: int) -> Tensor:
    """n grids of codes, one place after the other, [n, 7, 7]."""
    index = torch.zeros(n, 7, 7, dtype=torch.long)
    for r in range(7):
        for c in range(7):
            index[:, r, c] = torch.distributions.Categorical(logits=prior(index)[:, :, r, c]).sample()
    return index


def with_a_prior_of_its_own(steps: int, prior_steps: int, seed: int) -> list[dict[str, Any]]:
    """A VQ-VAE and two priors over its codes, as in the chapter and twice as long with twice the width."""
    start = time.process_time()
    E, D, Q = fit_codes(steps, seed)
    real, tossed = held_out()

    @torch.no_grad()
    def decode(index: Tensor) -> Tensor:
        return metrics.in_chunks(lambda i: D(Q.codes[i].movedim(-1, 1)), index)

    with torch.no_grad():
        codes = metrics.in_chunks(lambda v: Q(E(v / 127.5 - 1))[1], data.load(DATASET).images)
        theirs = Q(E(2 * real - 1))[1]
    rest, rows = -bernoulli(decode(theirs), tossed).mean().item(), []
    for name, width, times in (("VQ-VAE, its prior", WIDE, 1), ("VQ-VAE, a prior twice as wide", 2 * WIDE, 2)):
        prior, total = Prior(width), times * prior_steps
        optimiser = Adam(prior.parameters(), lr=4e-3, betas=(0.9, 0.99))
        best, kept = float("inf"), {}
        for step in range(total):
            anneal([optimiser], step, total)
            some = codes[torch.randint(len(codes), (32,))]
            update(49 * cross_entropy(prior(some), some), optimiser)
            if (step + 1) % max(1, total // 20) == 0:  # the best on held-out codes is kept: it overfits
                with torch.no_grad():
                    paid = 49 * cross_entropy(prior(theirs), theirs).item()
                if paid < best:
                    best, kept = paid, {k: v.clone() for k, v in prior.state_dict().items()}
        prior.load_state_dict(kept)
        pi = decode(write_codes(prior, DRAWN)).sigmoid()
        rows.append(row(name, steps + total, seed, pi, rest + best, start) | {"for the codes": round(best, 1)})
    return rows


# ---- the β of four ways to average, on pictures with 200 latents


def averaged(name: str, beta: float, steps: int, seed: int) -> dict[str, Any]:
    """−ELBO and active units of the convolutional VAE with 200 latents under one β."""
    nats, means = minus_elbo(*fit_vae(steps, seed, beta, latent=200))
    active = int(metrics.active_units(means).sum())
    return {"what": name, "β": beta, "seed": seed, "steps": steps, "−ELBO": round(nats, 1), "active": active}


WAYS = {
    "pixels summed, KL summed": 1.0,
    "pixels summed, KL averaged": 1 / 200,
    "both averaged": 784 / 200,
    "pixels averaged, KL summed": 784.0,
}
Part = Callable[[int], list[dict[str, Any]]]
PARTS: dict[str, Part] = {
    "blur": lambda scale: [blur(Z, beta, scale * 1_000 // 100, 0) for Z in (2, 32) for beta in (1.0, 0.0)],
    "pictures": lambda scale: with_two_priors(scale * 6_000 // 100, 0),
    "codes": lambda scale: with_a_prior_of_its_own(scale * 3_000 // 100, scale * 3_000 // 100, 0),
    "codebook": lambda scale: [
        codebook(name, make, scale * 500 // 100, seed) for name, make in START.items() for seed in range(4)
    ],
    "averages": lambda scale: [averaged(name, beta, scale * 1_500 // 100, 0) for name, beta in WAYS.items()],
}


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=PARTS, help="measure one part, keep the others")
    parser.add_argument("--percent", type=int, default=100, help="of the steps")
    chosen = parser.parse_args(arguments)
    torch.set_num_threads(1)
    results = earlier(RESULTS)
    results |= {"command": "python benchmarks/vae_failures.py", "machine": machine()}
    for part in PARTS if chosen.only is None else [chosen.only]:
        results[part] = PARTS[part](chosen.percent)
        for line in results[part]:
            print(line, flush=True)
        keep(RESULTS, results)


if __name__ == "__main__":
    main(sys.argv[1:])

"""How good chapter 06's VAE is over seeds, and what its faults cost: `python benchmarks/vae_training.py`.

Writes results/vae_training.json, from which the chapter takes its gate and its table. Parts: `seeds` (the recipe, and
faults), `longer` (what overfits, and what helps), `burda` (the network of Burda et al. 2016 on all of binarised MNIST,
downloaded or in $GENIMG_DATA). Runs stand beside each other on one thread each.
"""

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any
from unittest.mock import patch

import torch
from gan_training import quality
from measuring import FOLDER, beside_each_other, earlier, gate, keep, machine
from torch import Tensor, nn

from genimg_utils import data, metrics, runtime, steps
from genimg_utils.losses import bernoulli, gaussian_kl
from genimg_utils.networks import Decoder, Encoder
from genimg_utils.recipes import VAE, VAE_STEPS, train_vae
from genimg_utils.steps import vae_step
from genimg_utils.training import Run, anneal

RESULTS = FOLDER / "vae_training.json"
DATASET, SAMPLES, LATENT = "mnist-5k", 10_000, 32


# ---- how good a VAE is


def binarised(images: Tensor) -> Tensor:
    """Bytes as zeros and ones, drawn once, always the same."""
    return torch.bernoulli(images / 255, generator=torch.Generator().manual_seed(1))


@torch.no_grad()
def judged(encoder: nn.Module, decoder: nn.Module, images: Tensor, k: int) -> dict[str, float]:
    """−ELBO and the importance-sampled −log p(x) of binarised pictures in nats, and how many units are active."""
    x, generator = binarised(images), torch.Generator().manual_seed(2)
    found = metrics.importance_log_likelihood(x, encoder, decoder, bernoulli, k, generator=generator)
    means = metrics.in_chunks(lambda c: encoder(c)[0], x)
    error = found.log_p.std() / len(x) ** 0.5  # of the mean over pictures; far larger than the estimate's own
    return {
        "minus_elbo": round(-found.elbo.mean().item(), 3),
        "minus_log_p": round(-found.log_p.mean().item(), 3),
        "over pictures ±": round(error.item(), 3),
        "active": int(metrics.active_units(means).sum()),
    }


@torch.no_grad()
def draw(decoder: nn.Module, latent: int, count: int = SAMPLES) -> Tensor:
    """Mean pictures [count, 1, 28, 28] in [−1, 1] from the prior, with noise of a fixed seed."""
    z = torch.randn(count, latent, generator=torch.Generator().manual_seed(1))
    return metrics.in_chunks(lambda c: 2 * decoder(c).sigmoid() - 1, z)


# ---- seeds and faults of the recipe


def train(task: tuple[int, int, str]) -> dict[str, Any]:
    """One seed of the recipe in a process of its own, judged half-way and at the end, with or without a fault."""
    seed, count, fault = task
    test, halfway = data.load(DATASET, "test").images, {}

    def measure_half(run: Run) -> None:
        if run.step == count // 2:
            halfway.update(judged(run.networks["encoder"], run.networks["decoder"], test, k=10))

    start = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="genimg-bench-") as runs, planted(fault):
        os.environ |= {"GENIMG_RUNS": runs, "GENIMG_THREADS": "1"}
        run = train_vae(DATASET, count, seed, after_step=measure_half)
    seconds, decoder = time.monotonic() - start, run.networks["decoder"]
    row = {"seed": seed, "steps": count, "fault": fault, "seconds": round(seconds)}
    row |= judged(run.networks["encoder"], decoder, test, k=1000)
    return row | {"minus_elbo half-way": halfway["minus_elbo"]} | quality(draw(decoder, LATENT), 0)


FAULTS: dict[str, tuple[Any, str, Callable[..., Tensor]]] = {
    "z = μ": (steps, "reparameterise", lambda mean, log_variance, noise: mean),
    "log-variance as σ": (steps, "reparameterise", lambda mean, log_variance, noise: mean + log_variance * noise),
    "KL averaged over latents": (steps, "gaussian_kl", lambda *posterior: gaussian_kl(*posterior) / LATENT),
    "KL summed, pixels averaged": (steps, "gaussian_kl", lambda *posterior: 784 * gaussian_kl(*posterior)),
}


def planted(fault: str) -> AbstractContextManager[Any]:
    """The step with one of `FAULTS`, or none; what judges stays sound."""
    return patch.object(*FAULTS[fault]) if fault else nullcontext()


def gates(rows: list[dict[str, Any]]) -> dict[str, dict[str, float]]:
    """Mean + 4 standard deviations of −ELBO over the sound seeds."""
    values = [row["minus_elbo"] for row in rows if not row["fault"]]
    return {f"vae {DATASET} cpu": {"minus_elbo": round(gate(values), 2), "seeds": len(values)}}


# ---- longer: what overfits, and what helps


class DenseEncoder(nn.Module):
    """x [B, …] through two tanh layers to mean and log-variance [B, Z]. Burda et al. 2016, section 5."""

    def __init__(self, hidden: int, latent: int, pixels: int = 784):
        super().__init__()
        self.body = nn.Sequential(
            nn.Flatten(),
            nn.Linear(pixels, hidden),
            nn.Tanh(),
            nn.Linear(hidden, hidden),
            nn.Tanh(),
            nn.Linear(hidden, 2 * latent),
        )

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        mean, log_variance = self.body(x).chunk(2, dim=1)
        return mean, log_variance


class DenseDecoder(nn.Module):
    """z [B, Z] through two tanh layers to logits [B, 1, 28, 28]; the last bias starts at the mean picture's logit."""

    def __init__(self, hidden: int, latent: int, mean: Tensor):
        super().__init__()
        last = nn.Linear(hidden, mean.numel())
        with torch.no_grad():
            last.bias.copy_(mean.clamp(1e-3, 1 - 1e-3).logit().flatten())
        self.body = nn.Sequential(
            nn.Linear(latent, hidden),
            nn.Tanh(),
            nn.Linear(hidden, hidden),
            nn.Tanh(),
            last,
            nn.Unflatten(1, tuple(mean.shape)),
        )

    def forward(self, z: Tensor) -> Tensor:
        return self.body(z)


def longer(task: tuple[str, int, int]) -> dict[str, Any]:
    """Held-out and training −ELBO at five points of a longer run of one variant, the rate falling at its end."""
    what, count, seed = task
    torch.set_num_threads(1)
    runtime.seed(seed)
    real, test = data.load(DATASET).images, data.load(DATASET, "test").images
    parts = {"training": real[::9], "held out": test}  # as many of each class
    batches = data.Batches(real, VAE["batch"], torch.device("cpu"), seed)
    encoder, decoder = Encoder(), Decoder()
    if what == "dropout":
        encoder.body.insert(7, nn.Dropout(0.1))
        decoder.body.insert(2, nn.Dropout(0.1))
    both = nn.ModuleList([encoder, decoder]).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimiser = torch.optim.Adam(both.parameters(), lr=VAE["learning_rate"], betas=(0.9, 0.99), fused=True)
    curve = []
    for step in range(count):
        anneal([optimiser], step, count)
        x = pictures(batches)
        if what == "shifts":
            x = x.roll(torch.randint(-1, 2, (2,)).tolist(), (2, 3))
        noise = torch.randn(len(x), LATENT)
        vae_step(torch.bernoulli(x), noise, encoder, decoder, optimiser)
        if (step + 1) % (count // 5) == 0:
            both.eval()
            found = {key: judged(encoder, decoder, x, 10)["minus_elbo"] for key, x in parts.items()}
            curve.append({"step": step + 1} | found)
            both.train()
    return {"what": what, "seed": seed, "curve": curve}


def pictures(batches: data.Batches) -> Tensor:
    """The next batch, in [0, 1]."""
    x = next(batches)
    assert isinstance(x, Tensor)
    return (x + 1) / 2


# ---- Burda's network on all of MNIST


def burda(task: tuple[float, int]) -> dict[str, Any]:
    """Burda's VAE for so many seconds on one thread, judged on 1,000 test pictures with k = 1,000.

    The schedule follows the clock: how many steps will fit is not known before.
    """
    seconds, seed = task
    torch.set_num_threads(1)
    runtime.seed(seed)
    real, test = data.load("mnist").images, data.load("mnist", "test").images[::10]
    batches = data.Batches(real, 128, torch.device("cpu"), seed)
    encoder, decoder = DenseEncoder(200, 50), DenseDecoder(200, 50, real.float().mean(dim=0) / 255)
    both = [*encoder.parameters(), *decoder.parameters()]
    optimiser = torch.optim.Adam(both, lr=2e-3, fused=True)
    start, count = time.monotonic(), 0
    while (took := time.monotonic() - start) < seconds:
        anneal([optimiser], int(10_000 * took / seconds), 10_000)
        x = torch.bernoulli(pictures(batches))
        vae_step(x, torch.randn(len(x), 50), encoder, decoder, optimiser)
        count += 1
    row = {"seed": seed, "steps": count, "seconds": round(took)} | judged(encoder, decoder, test, k=1000)
    return row | {"FD-64": quality(draw(decoder, 50), 0)["FD-64"]}


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=VAE_STEPS)
    parser.add_argument("--only", choices=("seeds", "longer", "burda"), help="measure one part, keep the others")
    chosen = parser.parse_args(arguments)
    results = earlier(RESULTS)
    training, test = (data.load(DATASET, split).images for split in ("train", "test"))
    results |= {
        "command": "python benchmarks/vae_training.py",
        "dataset": f"{DATASET}: {len(training):,} training and {len(test)} held-out pictures, binarised",
        "floor": round(metrics.ruler(DATASET).distance(training), 4),
        "machine": machine(),
        "recipe": VAE,
    }
    if chosen.only in (None, "seeds"):
        tasks = [(seed, chosen.steps, "") for seed in range(chosen.seeds)]
        tasks += [(seed, chosen.steps, fault) for fault in FAULTS for seed in range(2)]
        results["runs"] = list(beside_each_other(train, tasks))
        results["gates"] = gates(results["runs"])
    if chosen.only in (None, "longer"):
        variants = ("as it is", "dropout", "shifts")
        results["longer"] = list(beside_each_other(longer, [(what, 3 * chosen.steps, 0) for what in variants]))
    if chosen.only in (None, "burda"):
        results["burda"] = list(beside_each_other(burda, [(300.0, seed) for seed in range(chosen.seeds)]))
    keep(RESULTS, results)


if __name__ == "__main__":
    main(sys.argv[1:])

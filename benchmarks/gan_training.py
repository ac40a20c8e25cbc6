"""How good chapter 03's GANs are over seeds, and what the usual loop costs: `python benchmarks/gan_training.py`.

Writes results/gan_training.json, from which the chapter takes its gate and its table. The seeds run beside each other
on one thread each; what is timed runs alone, on as many threads as there are cores.
"""

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from itertools import repeat
from typing import Any, TextIO
from unittest.mock import patch

import numpy as np
import torch
from measuring import FOLDER, beside_each_other, earlier, gate, keep, machine
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from genimg_utils import data, metrics, recipes, runtime
from genimg_utils.losses import lazy, r1
from genimg_utils.networks import Discriminator, Generator
from genimg_utils.recipes import GAN, GAN_STEPS, KINDS, train_gan
from genimg_utils.steps import gan_step
from genimg_utils.training import EMA, Run

RESULTS = FOLDER / "gan_training.json"
DATASET, SAMPLES = "mnist-5k", 10_000


# ---- quality over seeds


@torch.no_grad()
def draw(G: nn.Module, count: int = SAMPLES, classes: int = 0) -> Tensor:
    """Pictures [count, 1, 28, 28] from noise of a fixed seed, equally many of each class, where one is ordered."""
    z = torch.randn(count, 64, generator=torch.Generator().manual_seed(1))
    ordered = (torch.arange(count) % classes).split(500) if classes else repeat(None)
    return torch.cat([G(*pair) for pair in zip(z.split(500), ordered, strict=False)])


def quality(images: Tensor, classes: int) -> dict[str, float]:
    """FD-64, the share of sure pictures and, of a conditional model, the share that shows the class it was told."""
    judge = metrics.ruler(DATASET)
    logits = judge.logits(images)
    measured = {"FD-64": judge.distance(images), "sure": metrics.confident_share(logits)}
    if classes:
        ordered = torch.arange(len(images)) % classes
        measured["obeyed"] = (logits.argmax(dim=1) == ordered).double().mean().item()
    return {name: round(value, 4) for name, value in measured.items()}


def averaged(run: Run) -> nn.Module:
    """The moving average of a run's generator."""
    assert run.ema is not None
    return run.ema.network


def train(task: tuple[str, int, int, str]) -> dict[str, Any]:
    """One seed of one model in a process of its own, measured half-way and at the end.

    `model` is "cgan", "gan", or "kinds", a generator that is told no class and may divide its pictures into KINDS.
    `fault` is "" or "no R1", which leaves the penalty out.
    """
    model, seed, steps, fault = task
    classes = 10 if model == "cgan" else 0
    halfway: dict[str, float] = {}

    def measure_half(run: Run) -> None:
        if run.step == steps // 2:
            with torch.random.fork_rng():  # what is measured must not change what is trained
                halfway.update(quality(draw(averaged(run), classes=classes), classes))

    with tempfile.TemporaryDirectory(prefix="genimg-bench-") as runs, planted(fault):
        os.environ |= {"GENIMG_RUNS": runs, "GENIMG_THREADS": "1"}
        start = time.monotonic()
        kinds = KINDS if model == "kinds" else 0
        run = train_gan(DATASET, steps, seed, told=bool(classes), kinds=kinds, after_step=measure_half)
        seconds = time.monotonic() - start  # the measurement half-way included, and beside another run
    images = draw(averaged(run), classes=classes)
    test, training = data.load(DATASET, "test").images, data.load(DATASET).images
    some = training[torch.randperm(len(training), generator=torch.Generator().manual_seed(seed))[: len(test)]]
    share, margin = metrics.nearer_to_training(images, some / 127.5 - 1, test / 127.5 - 1)
    about = {"model": model, "seed": seed, "steps": steps, "seconds": round(seconds), "fault": fault}
    about |= {"precision": precision(), "machine": machine()}
    memory = {"nearest was trained on": round(share, 4), "margin": round(margin, 4)}
    return about | quality(images, classes) | {"FD-64 half-way": halfway["FD-64"]} | memory


def planted(fault: str) -> AbstractContextManager[Any]:
    """The recipe without its gradient penalty while `fault` is "no R1"."""
    return patch.object(recipes, "lazy", lambda *_: None) if fault else nullcontext()


def tasks_of(part: str, count: int, steps: int) -> list[tuple[str, int, int, str]]:
    """Both models over `count` seeds and the fault over two; the one with kinds; and what longer training brings."""
    seeds = range(count)
    if part == "kinds":
        return [("kinds", seed, steps, "") for seed in seeds]
    if part == "longer":
        return [(model, seed, steps * 8 // 5, "") for model in ("cgan", "kinds") for seed in seeds]
    sound = [(model, seed, steps, "") for model in ("cgan", "gan") for seed in seeds]
    return sound + [("cgan", seed, steps, "no R1") for seed in range(2)]


def precision() -> str:
    """In what the networks run here; a machine with bfloat16 reaches other numbers, sooner."""
    return str(runtime.precision(runtime.device())).removeprefix("torch.")


def measure(results: dict[str, Any], part: str, count: int, steps: int) -> None:
    """Makes the rows of this machine's precision again, each kept as it comes; others stay."""
    results[part] = [row for row in results.get(part, []) if row["precision"] != precision()]
    for row in beside_each_other(train, tasks_of(part, count, steps)):
        results[part].append(row)
        keep(RESULTS, results)


def gates(rows: list[dict[str, Any]]) -> dict[str, dict[str, float]]:
    """Mean + 4 standard deviations of FD-64 over the sound seeds of each model, in the precision that does worst."""
    found = {}
    for model in ("cgan", "gan"):
        values: dict[str, list[float]] = {}
        for row in rows:
            if row["model"] == model and not row["fault"]:
                values.setdefault(row["precision"], []).append(row["FD-64"])
        worst = max(values.values(), key=gate)
        found[f"{model} {DATASET} cpu"] = {"FD-64": round(gate(worst), 3), "seeds": len(worst)}
    return found


# ---- the usual loop


class Pictures(Dataset[Tensor]):
    """As people write it: each picture becomes a PIL image, then a tensor, then is normalised, in every epoch."""

    def __init__(self, images: Tensor) -> None:
        self.images = images.squeeze(1).numpy()

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> Tensor:
        picture = Image.fromarray(self.images[index], mode="L").resize((28, 28), Image.Resampling.BILINEAR)
        x = torch.from_numpy(np.array(picture)).float().div(255).unsqueeze(0)  # [1, 28, 28]
        return (x - 0.5) / 0.5


class DCGenerator(nn.Sequential):
    """Radford et al. 2016 at 28 pixels: transposed convolutions, batch normalisation, ReLU, tanh."""

    def __init__(self, latent: int = 100, width: int = 32) -> None:
        layers: list[nn.Module] = [nn.Unflatten(1, (latent, 1, 1))]
        for n_in, n_out, k, s, p in [
            (latent, 4 * width, 4, 1, 0),
            (4 * width, 2 * width, 3, 2, 1),
            (2 * width, width, 4, 2, 1),
        ]:
            layers += [
                nn.ConvTranspose2d(n_in, n_out, k, s, p, bias=False),
                nn.BatchNorm2d(n_out),
                nn.ReLU(True),
            ]
        super().__init__(*layers, nn.ConvTranspose2d(width, 1, 4, 2, 1, bias=False), nn.Tanh())


class DCDiscriminator(nn.Sequential):
    """Radford et al. 2016 at 28 pixels: strided convolutions, batch normalisation, LeakyReLU, sigmoid."""

    def __init__(self, width: int = 32) -> None:
        layers: list[nn.Module] = [nn.Conv2d(1, width, 4, 2, 1, bias=False), nn.LeakyReLU(0.2, True)]
        for n_in, n_out, k in [(width, 2 * width, 4), (2 * width, 4 * width, 3)]:
            layers += [
                nn.Conv2d(n_in, n_out, k, 2, 1, bias=False),
                nn.BatchNorm2d(n_out),
                nn.LeakyReLU(0.2, True),
            ]
        super().__init__(*layers, nn.Conv2d(4 * width, 1, 4, 1, 0, bias=False), nn.Flatten(0), nn.Sigmoid())


def dcgan_weights(layer: nn.Module) -> None:
    if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
        nn.init.normal_(layer.weight, 0.0, 0.02)
    elif isinstance(layer, nn.BatchNorm2d):
        nn.init.normal_(layer.weight, 1.0, 0.02)


def show(screen: TextIO, *values: Tensor) -> None:
    """A line in every step, and a transfer for each number in it."""
    print(*(value.item() for value in values), file=screen)


def usual_loop(seed: int) -> Iterator[nn.Module]:
    """The DCGAN with BCE in the usual loop: its generator after every step, for as long as one asks."""
    torch.manual_seed(seed)
    G, D = DCGenerator().apply(dcgan_weights), DCDiscriminator().apply(dcgan_weights)
    opt_G, opt_D = (torch.optim.Adam(n.parameters(), lr=2e-4, betas=(0.5, 0.999)) for n in (G, D))
    bce = nn.BCELoss()
    loader = DataLoader(Pictures(data.load(DATASET).images), batch_size=64, shuffle=True, num_workers=2)
    with open(os.devnull, "w") as screen:
        while True:
            for real in loader:
                D.zero_grad()
                d_real = D(real)
                loss_real = bce(d_real, torch.ones(len(real)))
                loss_real.backward()
                fake = G(torch.randn(len(real), 100))
                d_fake = D(fake.detach())
                loss_fake = bce(d_fake, torch.zeros(len(real)))
                loss_fake.backward()
                opt_D.step()
                G.zero_grad()
                loss_G = bce(D(fake), torch.ones(len(real)))
                loss_G.backward()
                opt_G.step()
                show(screen, loss_real, loss_fake, loss_G, d_real.mean(), d_fake.mean())
                yield G


def usual_dcgan(seconds: float, seed: int) -> tuple[nn.Module, int]:
    """The DCGAN in the usual loop for so many seconds; the generator and the steps that it took."""
    start = time.monotonic()
    for step, G in enumerate(usual_loop(seed), 1):
        if time.monotonic() - start > seconds:
            return G.eval(), step
    raise AssertionError("the loop has no end")


def usual_steps(count: int) -> float:
    """Seconds a step: this chapter's networks and losses in the usual loop, batch 32, R1 in every eighth step."""
    G, D, rate = Generator(), Discriminator(), GAN["learning_rate"]
    opt_G, opt_D = (
        torch.optim.Adam(n.parameters(), lr=rate, betas=(0.0, 0.99), fused=False, foreach=False) for n in (G, D)
    )
    loader = DataLoader(Pictures(data.load(DATASET).images), batch_size=32, shuffle=True, num_workers=2)
    bce, pictures, times = nn.functional.binary_cross_entropy_with_logits, iter(loader), []
    with open(os.devnull, "w") as screen:
        for step in range(count):
            start = time.monotonic()
            real = next(pictures, None)
            if real is None:
                pictures = iter(loader)
                real = next(pictures)
            opt_D.zero_grad()
            d_real = D(real)
            loss_real = bce(d_real, torch.ones(len(real)))
            fake = G(torch.randn(len(real), 64))
            d_fake = D(fake.detach())
            loss_fake = bce(d_fake, torch.zeros(len(real)))
            penalty = lazy(r1, step)
            (loss_real + loss_fake + (penalty(D, real, fake.detach()) if penalty else 0)).backward()
            opt_D.step()
            opt_G.zero_grad()
            loss_G = bce(D(fake), torch.ones(len(real)))
            loss_G.backward()
            opt_G.step()
            show(screen, loss_real, loss_fake, loss_G, d_real.mean(), d_fake.mean())
            times.append(time.monotonic() - start)
    return statistics.mean(times)


def our_steps(count: int) -> float:
    """Seconds a step: this chapter's loop, batch 32, R1 in every eighth step."""
    device = runtime.device()
    batches = data.Batches(data.load(DATASET).images, 32, device, 0)
    G, D = (runtime.place(n, device) for n in (Generator(), Discriminator()))
    opt_G, opt_D = (
        torch.optim.Adam(n.parameters(), lr=GAN["learning_rate"], betas=(0.0, 0.99), fused=True) for n in (G, D)
    )
    ema, times = EMA(G, decay=0.998), []
    for step in range(count):
        start = time.monotonic()
        x = next(batches)
        assert isinstance(x, Tensor)
        gan_step(x, torch.randn(len(x), 64), G, D, opt_G, opt_D, penalty=lazy(r1, step))
        ema.update()
        times.append(time.monotonic() - start)
    return statistics.mean(times)


def against_the_usual(steps: int, seeds: int) -> list[dict[str, Any]]:
    """Both comparisons, one after the other, alone on all cores."""
    torch.set_num_threads(os.cpu_count() or 1)
    our_steps(50), usual_steps(50)
    pairs = [(our_steps(100), usual_steps(100)) for _ in range(5)]
    ours, usual = (statistics.median(p[i] for p in pairs) for i in (0, 1))
    factor = statistics.median(u / o for o, u in pairs)
    rows = [
        {"what": "this chapter's loop, unconditional, ms a step", "value": round(1000 * ours, 1)},
        {"what": "the same networks in the usual loop, ms a step", "value": round(1000 * usual, 1)},
        {"what": "factor, median of five pairs", "value": round(factor, 2)},
    ]
    contest = [contest_of(seed, steps) for seed in range(seeds)]
    mean = {key: statistics.mean(c[key] for c in contest) for key in ("ours", "usual", "seconds", "usual steps")}
    rows += [
        {
            "what": f"our unconditional GAN, FD-64 after {steps:,} steps, {seeds} seed(s)",
            "value": round(mean["ours"], 2),
        },
        {"what": "seconds it took", "value": round(mean["seconds"])},
        {
            "what": "DCGAN with BCE in the usual loop, FD-64 after as many seconds",
            "value": round(mean["usual"], 1),
        },
        {"what": "steps it took", "value": round(mean["usual steps"])},
        {"what": "its FD-64 as a multiple of ours", "value": round(mean["usual"] / mean["ours"], 1)},
    ]
    return rows


def contest_of(seed: int, steps: int) -> dict[str, float]:
    """Our unconditional GAN, then the usual DCGAN for as many seconds."""
    with tempfile.TemporaryDirectory(prefix="genimg-bench-") as runs:
        os.environ |= {"GENIMG_RUNS": runs, "GENIMG_THREADS": str(os.cpu_count())}
        start = time.monotonic()
        run = train_gan(DATASET, steps, seed)
        seconds = time.monotonic() - start
    G, usual = usual_dcgan(seconds, seed)
    with torch.no_grad():
        z = torch.randn(SAMPLES, 100, generator=torch.Generator().manual_seed(1))
        theirs = torch.cat([G(c) for c in z.split(500)])
    ours, other = quality(draw(averaged(run)), 0), quality(theirs, 0)
    result = {"ours": ours["FD-64"], "usual": other["FD-64"], "seconds": seconds, "usual steps": usual}
    print(f"seed {seed}: {result}", flush=True)
    return result


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=GAN_STEPS)
    parser.add_argument("--contests", type=int, default=3, help="seeds of the comparison with the usual DCGAN")
    parser.add_argument(
        "--only", choices=("runs", "kinds", "longer", "comparison"), help="measure one part, keep the others"
    )
    chosen = parser.parse_args(arguments)
    results = earlier(RESULTS)
    judge, training = metrics.ruler(DATASET), data.load(DATASET)
    results |= {
        "command": "python benchmarks/gan_training.py",
        "dataset": f"{DATASET}: {len(training.images):,} training pictures; {SAMPLES:,} samples a measurement",
        "floor": {
            "FD-64": round(judge.distance(training.images), 4),
            "sure": round(metrics.confident_share(judge.logits(training.images)), 4),
        },
        "recipe": GAN,
    }
    for part in ("runs", "kinds", "longer"):
        if chosen.only in (None, part):
            measure(results, part, chosen.seeds, chosen.steps)
    results["gates"] = gates(results["runs"])
    if chosen.only in (None, "comparison"):
        results |= {"comparison": against_the_usual(chosen.steps, chosen.contests), "comparison_machine": machine()}
    keep(RESULTS, results)


if __name__ == "__main__":
    main(sys.argv[1:])

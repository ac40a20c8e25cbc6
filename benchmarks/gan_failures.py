"""Objectives on one network, and a thousand modes: `python benchmarks/gan_failures.py`.

Writes results/gan_failures.json, from which chapter 04 takes its tables. Every objective gets the same networks, the
same optimiser and the same steps; none is tuned. Where seeds are trained at once, one process uses one thread.
"""

import argparse
import os
import sys
import time
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from typing import Any, NamedTuple

import torch
from gan_training import draw, quality
from measuring import FOLDER, beside_each_other, earlier, keep, machine
from torch import Tensor, nn

from genimg_utils import data, metrics, plotting, points
from genimg_utils.layers import spectral_norm
from genimg_utils.losses import (
    Objective,
    clip_weights,
    gradient_penalty,
    hinge,
    lazy,
    least_squares,
    non_saturating,
    r1,
    r2,
    relativistic,
    saturating,
    wasserstein,
)
from genimg_utils.networks import Discriminator, Generator, Seeds
from genimg_utils.steps import gan_step
from genimg_utils.training import EMA, anneal

RESULTS = FOLDER / "gan_failures.json"
STACKED_SAMPLES = 26_000


class Contestant(NamedTuple):
    """An objective with what holds its discriminator in bounds."""

    objective: Objective
    penalty: Callable[..., Tensor] | None = None
    spectral: bool = False
    clip: float = 0.0
    betas: tuple[float, float] = (0.0, 0.99)
    annealed: bool = True


def r1_and_r2(D: Callable[..., Tensor], real: Tensor, fake: Tensor, gamma: float = 1.0) -> Tensor:
    return r1(D, real, fake, gamma) + r2(D, real, fake, gamma)


def contestants(gamma: float) -> dict[str, Contestant]:
    """All rows of the table; γ belongs to the data's scale: narrow hills need a weaker penalty than pictures."""
    return {
        "non-saturating, β = (0.9, 0.999)": Contestant(non_saturating, betas=(0.9, 0.999)),
        "non-saturating": Contestant(non_saturating),
        "saturating": Contestant(saturating),
        "least squares": Contestant(least_squares),
        "Wasserstein, clipping": Contestant(wasserstein, clip=0.1),
        "Wasserstein, gradient penalty": Contestant(wasserstein, gradient_penalty),
        "hinge, spectral norm": Contestant(hinge, spectral=True),
        "non-saturating, R1": Contestant(non_saturating, partial(r1, gamma=gamma)),
        "relativistic, R1 + R2": Contestant(relativistic, partial(r1_and_r2, gamma=gamma)),
    }


def optimisers(who: Contestant, *networks: nn.Module, lr: float) -> list[torch.optim.Optimizer]:
    return [torch.optim.Adam(n.parameters(), lr=lr, betas=who.betas, fused=True) for n in networks]


# ---- points in the plane


def mlp(inputs: int, outputs: int, width: int = 64) -> nn.Sequential:
    """Chapter 04's network: three hidden layers."""
    sizes = [inputs, width, width, width]
    layers = [layer for a, b in pairwise(sizes) for layer in (nn.Linear(a, b), nn.ReLU())]
    return nn.Sequential(*layers, nn.Linear(width, outputs))


MIXTURES = {"ring": points.ring, "lattice": points.lattice}
STD, LR, LR_OF_DIGITS = 0.05, 5e-3, 4e-3


def in_the_plane(task: tuple[str, int]) -> dict[str, Any]:
    """One objective on one mixture, all seeds at once: coverage of 2,500 samples a seed, and milliseconds a step."""
    torch.set_num_threads(1)
    part, row_number = task
    who, where, about = rows_in_the_plane(part)[row_number]
    S, steps = 5, 2_000
    mixture = MIXTURES[where](std=STD)
    pairs = []
    for seed in range(S):
        torch.manual_seed(seed)
        judge = nn.Sequential(mlp(2, 1), nn.Flatten(0))
        pairs.append((mlp(2, 2), spectral_norm(judge) if who.spectral else judge))
    G, D = (Seeds(networks) for networks in zip(*pairs, strict=True))
    both = optimisers(who, G, D, lr=LR)
    start = time.process_time()
    for step in range(steps):
        if who.annealed:
            anneal(both, step, steps, warm_up=1)
        real, z = mixture.sample((128 * S,)), torch.randn(128 * S, 2)
        gan_step(real, z, G, D, *both, objective=who.objective, penalty=who.penalty)
        if who.clip:
            clip_weights(D, who.clip)
    ms = 1000 * (time.process_time() - start) / steps
    with torch.no_grad():
        x = G(torch.randn(2500 * S, 2)).unflatten(0, (-1, S)).transpose(0, 1)  # [S, 2500, 2]
    seen = [metrics.mode_coverage(one, points.centres(mixture), STD) for one in x]
    row = about | {"data": where, "seeds": S, "steps": steps, "modes": [s.modes for s in seen]}
    row |= {"KL": [round(s.kl, 3) for s in seen], "good": [round(s.good, 3) for s in seen]}
    return row | {"ms a step": round(ms, 1)}


def rows_in_the_plane(part: str) -> list[tuple[Contestant, str, dict[str, Any]]]:
    """The rows of "repairs" or "plane": who plays on which mixture, and what the table calls it."""
    if part == "plane":
        return [(who, where, {"what": name}) for where in MIXTURES for name, who in contestants(0.1).items()]
    both = partial(r1_and_r2, gamma=0.1)
    steps = {
        "Adam as it comes, β = (0.9, 0.999)": Contestant(non_saturating, betas=(0.9, 0.999), annealed=False),
        "+ no momentum, β₁ = 0": Contestant(non_saturating, betas=(0.0, 0.999), annealed=False),
        "+ a shorter memory, β₂ = 0.99": Contestant(non_saturating, annealed=False),
        "+ a rate that falls": Contestant(non_saturating),
        "+ R1 and R2": Contestant(non_saturating, both),
        "+ relativistic pairing": Contestant(relativistic, both),
        "all of it with β₁ = 0.9": Contestant(relativistic, both, betas=(0.9, 0.99)),
    }
    return [(who, "ring", {"what": name}) for name, who in steps.items()]


# ---- digits


def networks_of(who: Contestant, channels: int) -> tuple[nn.Module, nn.Module]:
    D = Discriminator(channels=channels)
    return Generator(channels=channels), spectral_norm(D) if who.spectral else D


def train(who: Contestant, images: Tensor, steps: int, seed: int, batch: int = 32) -> tuple[nn.Module, float]:
    """Chapter 03's networks and recipe with another objective; the averaged generator and milliseconds a step."""
    torch.manual_seed(seed)
    batches = data.Batches(images, batch, torch.device("cpu"), seed)
    G, D = networks_of(who, images.shape[1])
    both = optimisers(who, G, D, lr=LR_OF_DIGITS)
    ema = EMA(G, decay=0.998)
    start = time.process_time()
    for step in range(steps):
        anneal(both, step, steps)
        x = next(batches)
        assert isinstance(x, Tensor)
        penalty = who.penalty if who.penalty in (None, gradient_penalty) else lazy(who.penalty, step)
        gan_step(x, torch.randn(len(x), 64), G, D, *both, objective=who.objective, penalty=penalty)
        if who.clip:
            clip_weights(D, who.clip)
        ema.update()
    return ema.network, 1000 * (time.process_time() - start) / steps


def on_digits(task: tuple[str, int, int]) -> dict[str, Any]:
    """One objective on mnist-5k, unconditional: FD-64 of 10,000 samples, and the share of sure ones."""
    torch.set_num_threads(1)
    name, seed, steps = task
    G, ms = train(contestants(gamma=1.0)[name], data.load("mnist-5k").images, steps, seed)
    measured = quality(draw(G), classes=0) | {"ms a step": round(ms, 1)}
    return {"what": name, "seed": seed, "steps": steps} | measured


def stacked(images: Tensor, count: int, seed: int) -> Tensor:
    """Pictures [count, 3, 28, 28] of three random digits, one a colour: a thousand modes."""
    g = torch.Generator().manual_seed(seed)
    return torch.cat([images[torch.randint(len(images), (count,), generator=g)] for _ in range(3)], dim=1)


def modes_of(images: Tensor) -> Tensor:
    """The mode 0 … 999 of stacked pictures [N, 3, 28, 28], as the classifier reads their three digits."""
    judge = metrics.ruler("mnist-5k")
    digits = [judge.logits(images[:, c : c + 1]).argmax(dim=1) for c in range(3)]
    return 100 * digits[0] + 10 * digits[1] + digits[2]


def counted(images: Tensor) -> dict[str, float]:
    """Modes that stacked pictures reach, a single one counts, and the KL of their histogram from the even one."""
    counts = torch.bincount(modes_of(images), minlength=1000)
    return {"modes": int((counts > 0).sum()), "KL": round(metrics.kl_from_even(counts), 3)}


def on_stacked(task: tuple[str, int, int]) -> dict[str, Any]:
    """One objective on stacked digits: modes of 26,000 samples with at least one sample, and their KL."""
    torch.set_num_threads(1)
    name, seed, steps = task
    images = stacked(data.load("mnist-5k").images, 50_000, seed)
    G, ms = train(contestants(gamma=1.0)[name], images, steps, seed, batch=64)
    measured = counted(draw(G, STACKED_SAMPLES)) | {"ms a step": round(ms, 1)}
    return {"what": name, "seed": seed, "steps": steps} | measured


def floor_of_stacked() -> dict[str, float]:
    """What real stacked digits reach under the same count."""
    return counted(stacked(data.load("mnist-5k").images, STACKED_SAMPLES, seed=1))


def picture_of_collapse(steps: int) -> None:
    """Chapter 04's first picture: digits of a generator that collapsed, of one that was repaired, and real ones."""
    plotting.style()
    real = data.load("mnist-5k").images
    rows = {"real": real[torch.randperm(len(real), generator=torch.Generator().manual_seed(0))[:20]]}
    for label, name in {"collapsed": "least squares", "repaired": "relativistic, R1 + R2"}.items():
        G, _ = train(contestants(gamma=1.0)[name], real, steps, seed=0)
        rows[label] = draw(G, 20)
    plotting.strip(rows).savefig(RESULTS.with_name("collapse.png"))


# ---- all of it


PARTS = ("repairs", "plane", "digits", "stacked", "picture")


def tasks_of(part: str, seeds: int, steps: int) -> tuple[Callable[[Any], dict[str, Any]], list[Any]]:
    """What one part of the results measures, and of whom."""
    names = list(contestants(1.0))
    three = ("non-saturating", "non-saturating, R1", "relativistic, R1 + R2")
    if part in ("repairs", "plane"):
        return in_the_plane, [(part, row) for row in range(len(rows_in_the_plane(part)))]
    if part == "digits":
        return on_digits, [(name, seed, steps) for seed in range(seeds) for name in names]
    return on_stacked, [(name, seed, 3 * steps // 2) for seed in range(seeds) for name in three]


def about(row: dict[str, Any]) -> tuple[Any, ...]:
    """The task that a row of digits answers; such rows are not measured again."""
    return row.get("what"), row.get("seed"), row.get("steps")


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=PARTS, help="measure one part, keep the others")
    parser.add_argument("--seeds", type=int, default=1, help="seeds of the digits and of the stacked digits")
    parser.add_argument(
        "--steps", type=int, default=2_000, help="steps of the digits; half as many more for stacked ones"
    )
    parser.add_argument("--workers", type=int, default=os.cpu_count())
    chosen = parser.parse_args(arguments)
    results = earlier(RESULTS)
    results |= {
        "command": "python benchmarks/gan_failures.py",
        "machine": machine(),
    }
    for part in PARTS if chosen.only is None else [chosen.only]:
        if part == "picture":
            picture_of_collapse(chosen.steps)
            continue
        measure, tasks = tasks_of(part, chosen.seeds, chosen.steps)
        there = [row for row in results.get(part, []) if about(row) in tasks]
        missing = [task for task in tasks if task not in map(about, there)]
        results[part] = [*there, *beside_each_other(measure, missing, chosen.workers)]
        if part == "stacked":
            results["stacked floor"] = floor_of_stacked()
        keep(RESULTS, results)


if __name__ == "__main__":
    main(sys.argv[1:])

"""Chapter 12's flow on digits: `python benchmarks/flow_training.py`; the leaderboard trains it likewise.

Writes results/flow_training.json, from which the chapter's gate comes: FD-64 of 1,000 pictures as the chapter draws
them, after half of the steps and after all. The networks are the chapter's, and a test holds them equal. One process,
one thread.
"""

import argparse
import time
from collections.abc import Callable
from typing import Any

import torch
from measuring import FOLDER, keep, machine
from torch import Tensor, nn
from torch.nn.functional import silu
from torch.optim import Adam

from genimg_utils import data, metrics, runtime
from genimg_utils.steps import update
from genimg_utils.training import EMA, anneal

RESULTS = FOLDER / "flow_training.json"
DATASET = "mnist-5k"
FLOW: dict[str, Any] = {"batch": 128, "learning_rate": 1e-3, "axes": 100, "not told": 0.1}
FLOW_STEPS = 1_600
PIECES = 10  # of Euler


class Block(nn.Module):
    """h + f(h, e), with a scale and a shift that e chooses."""

    def __init__(self, W: int, E: int):
        super().__init__()
        self.first, self.second = nn.Linear(W, W), nn.Linear(W, W)
        self.choose = nn.Linear(E, 2 * W)
        for layer in (self.choose, self.second):  # at the start h itself
            nn.init.zeros_(layer.weight)
        nn.init.zeros_(self.choose.bias)

    def forward(self, h: Tensor, e: Tensor) -> Tensor:
        scale, shift = self.choose(e).chunk(2, dim=1)
        return h + self.second(silu(self.first(silu(h)) * (1 + scale) + shift))


class Net(nn.Module):
    """From z [B, K], times t [B] and classes y [B] (the last: "not told") to [B, K]."""

    frequencies: Tensor

    def __init__(self, K: int, classes: int, W: int = 512, E: int = 128):
        super().__init__()
        self.register_buffer("frequencies", torch.pi * 2 ** torch.linspace(-1, 4, 16))
        self.time = nn.Sequential(nn.Linear(32, E), nn.SiLU(), nn.Linear(E, E))
        self.embed = nn.Embedding(classes + 1, E)
        self.enter, self.leave = nn.Linear(K, W), nn.Linear(W, K)
        self.blocks = nn.ModuleList([Block(W, E) for _ in range(2)])
        nn.init.zeros_(self.leave.weight)

    def forward(self, z: Tensor, t: Tensor, y: Tensor) -> Tensor:
        angle = t[:, None] * self.frequencies  # [B, 16]
        e = silu(self.time(torch.cat([angle.sin(), angle.cos()], dim=1)) + self.embed(y))
        h = self.enter(z)
        for block in self.blocks:
            h = block(h, e)
        return self.leave(silu(h))


class Velocity(nn.Module):
    """Equation 12.8 for coordinates z [B, K], times t [B], classes y [B] (10: not told)."""

    variance: Tensor

    def __init__(self, variance: Tensor, classes: int = 10):
        super().__init__()
        self.net = Net(len(variance), classes)
        self.register_buffer("variance", variance)

    def forward(self, z: Tensor, t: Tensor, y: Tensor) -> Tensor:
        c = t[:, None]
        V = c**2 * self.variance + (1 - c) ** 2  # [B, K]
        line = (c * self.variance - (1 - c)) / V * z
        return line + (self.variance / V).sqrt() * self.net(z / V.sqrt(), t, y)


Draw = Callable[[int, float], Tensor]


def train_flow(steps: int, seed: int, after_step: Callable[[int, Draw], None] | None = None) -> Draw:
    """The chapter's training; gives draw(count, w), the same pictures each time, equally many of each class."""
    runtime.seed(seed)
    train = data.load(DATASET)
    pictures = (train.images / 127.5 - 1).flatten(1)
    assert train.labels is not None
    labels, mean = train.labels, pictures.mean(0)
    _, scale, axes = torch.linalg.svd(pictures - mean, full_matrices=False)
    axes, variance = axes[: FLOW["axes"]], scale[: FLOW["axes"]] ** 2 / len(pictures)
    v = runtime.place(Velocity(variance), torch.device("cpu"))
    optimiser = Adam(v.parameters(), lr=FLOW["learning_rate"], betas=(0.9, 0.99), fused=True)
    ema, everything = EMA(v, decay=0.998), (pictures - mean) @ axes.T

    @torch.no_grad()
    def draw(count: int, w: float) -> Tensor:
        z = torch.randn(count, FLOW["axes"], generator=torch.Generator().manual_seed(1))
        y = torch.arange(count) % 10
        for i in range(PIECES):
            t = torch.full((count,), i / PIECES)
            without = ema.network(z, t, torch.full_like(y, 10)) if w != 1 else 0.0
            told = ema.network(z, t, y) if w != 0 else 0.0
            z = z + (without + w * (told - without)) / PIECES
        return (z @ axes + mean).view(-1, 1, 28, 28).clamp(-1, 1)

    for step in range(steps):
        anneal([optimiser], step, steps)
        some = torch.randint(len(labels), (FLOW["batch"],))
        z1, y = everything[some], labels[some]
        z0, t = torch.randn_like(z1), torch.rand(len(z1))
        y = torch.where(torch.rand(len(y)) < FLOW["not told"], 10, y)
        zt = (1 - t[:, None]) * z0 + t[:, None] * z1
        update((v(zt, t, y) - (z1 - z0)).square().mean(), optimiser)
        ema.update()
        if after_step is not None:
            after_step(step + 1, draw)
    return draw


def gate(seed: int) -> dict[str, Any]:
    """FD-64 of the chapter's 1,000 pictures at several weights, half-way and at the end."""
    judge, found, start = metrics.ruler(DATASET), {}, time.process_time()

    def look(step: int, draw: Draw) -> None:
        if step in (FLOW_STEPS // 2, FLOW_STEPS):
            found[str(step)] = {f"w = {w:g}": round(judge.distance(draw(1_000, w)), 2) for w in (1, 1.5, 2, 3)}

    train_flow(FLOW_STEPS, seed, look)
    return {"seed": seed, "recipe": FLOW | {"steps": FLOW_STEPS}, "seconds": round(time.process_time() - start)} | found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=3)
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    results: dict[str, Any] = {"command": "python benchmarks/flow_training.py", "dataset": DATASET}
    results |= {"machine": machine(), "rows": []}
    for seed in range(chosen.seeds):
        results["rows"].append(gate(seed))
        print(results["rows"][-1], flush=True)
        keep(RESULTS, results)


if __name__ == "__main__":
    main()

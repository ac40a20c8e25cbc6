"""What each part of a CycleGAN is worth, and how it fails, against the truth: `python benchmarks/cyclegan_failures.py`.

Writes results/cyclegan_failures.json, from which chapter 10 takes its tables. Parts: `ablation` (the recipe of chapter
09, shorter, with one thing changed), `flowers` (winter hides them: a message), `paint` (two colours of houses: a wrong
bijection), `game` (pictures for a slider of λ). A row that is there with the same recipe and steps is not run again.
Runs stand beside each other on one thread each.
"""

import argparse
import os
import sys
import tempfile
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any
from unittest.mock import patch

import torch
from cyclegan_training import judged, pair, scaled, truth, usual_step, with_more
from measuring import FOLDER, beside_each_other, earlier, keep, machine
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, pad

from genimg_utils import plotting, recipes, seasons, unpaired
from genimg_utils.losses import cyclegan
from genimg_utils.networks import Residual, Translator
from genimg_utils.recipes import CYCLEGAN, train_cyclegan
from genimg_utils.training import Run

RESULTS = FOLDER / "cyclegan_failures.json"
STEPS = 2_000
NOISES = (0.0, 0.05, 0.1, 0.2, 0.4)  # standard deviations, in [−1, 1]
Step = Callable[..., dict[str, Tensor]]


# ---- changes of the recipe


def one_way(x: Tensor, y: Tensor, G: nn.Module, F: nn.Module, *_: nn.Module) -> Tensor:
    """Only what begins in X has to come back."""
    return CYCLEGAN["cycle"] * cyclegan.cycle(x, F(G(x)))


def six_calls(x: Tensor, y: Tensor, *players: Any, **_: Any) -> dict[str, Tensor]:
    """The step for generators with BatchNorm, which must not see summers and winters in one batch."""
    logged = usual_step(x, y, *players, (Tensor.detach, Tensor.detach))
    return {name: torch.tensor(value) for name, value in logged.items()}


def spoiled(spoil: Callable[[Tensor], Tensor]) -> Step:
    """A step in which what is translated back is spoiled before, and nothing else."""

    def step(x: Tensor, y: Tensor, G: nn.Module, F: nn.Module, *others: Any, **how: Any) -> dict[str, Tensor]:
        weight = how.pop("cycle")

        def around(x: Tensor, y: Tensor, G: nn.Module, F: nn.Module, *_: nn.Module) -> Tensor:
            there, back = G(x), F(y)
            x_again, y_again = F(spoil(there)), G(spoil(back))
            return weight * (cyclegan.cycle(x, x_again) + cyclegan.cycle(y, y_again))

        return with_more(around)(x, y, G, F, *others, cycle=0.0, **how)

    return step


def noise(sigma: float) -> Callable[[Tensor], Tensor]:
    return lambda v: v + sigma * torch.randn_like(v)


def blur(v: Tensor) -> Tensor:
    """The mean of the 3 × 3 pixels around each."""
    return avg_pool2d(pad(v, (1, 1, 1, 1), mode="reflect"), 3, stride=1)


def few_pairs(count: int) -> Step:
    """A step whose generators are also told the truth of `count` painted scenes, four of them at a time."""
    told = seasons.scenes(count, 11, paint=True)
    A, B = (scaled(torch.from_numpy(seasons.render(told, season))) for season in seasons.SEASONS)

    def term(x: Tensor, y: Tensor, G: nn.Module, F: nn.Module, *_: nn.Module) -> Tensor:
        some = torch.randint(count, (4,))
        return CYCLEGAN["cycle"] * (cyclegan.cycle(B[some], G(A[some])) + cyclegan.cycle(A[some], F(B[some])))

    return with_more(term)


class Unanchored(Translator):
    """The translator without x added to what it finds, so that it does not start near doing nothing."""

    def forward(self, x: Tensor) -> Tensor:
        return self.body(x).tanh()


class Inverted(Translator):
    """The translator with x subtracted from what it finds: it starts near the negative, which is its own inverse."""

    def forward(self, x: Tensor) -> Tensor:
        return (self.body(x) - x).tanh()


class Normed(Translator):
    """The translator with a norm after each convolution but the last."""

    norm: Callable[[int], nn.Module] = nn.InstanceNorm2d

    def __init__(self) -> None:
        super().__init__()
        for block in self.body:
            if isinstance(block, Residual):
                block.body = with_norms(block.body, self.norm)
        *first, last = self.body
        self.body = nn.Sequential(*with_norms(nn.Sequential(*first), self.norm), last)


class BatchNormed(Normed):
    norm = nn.BatchNorm2d


def with_norms(layers: nn.Sequential, norm: Callable[[int], nn.Module]) -> nn.Sequential:
    parts: list[nn.Module] = []
    for layer in layers:
        parts.append(layer)
        if isinstance(layer, nn.Conv2d):
            parts.append(norm(layer.out_channels))
    return nn.Sequential(*parts)


ABLATION: dict[str, dict[str, Any]] = {  # settings of the recipe; "step" takes the place of its own
    "the recipe": {},
    "without the cycle": {"cycle": 0.0},
    "cycle from X only": {"cycle": 0.0, "step": with_more(one_way)},
    "without identity": {"identity": 0.0},
    "identity 10": {"identity": 10.0},
    "a pool of 50": {"pool": 50},
    "cross-entropy": {"objective": "non_saturating"},
    "discriminators as fast": {"learning_rate_D": CYCLEGAN["learning_rate"]},
    "without x added": {"translator": Unanchored},
    "begins at −x, no identity": {"translator": Inverted, "identity": 0.0},
    "InstanceNorm": {"translator": Normed},
    "BatchNorm": {"translator": BatchNormed, "step": six_calls},
}
SHOWN = {"begins at −x, no identity": "cyclegan_inverted.png", "identity 10": "cyclegan_kept.png"}
FLOWERS: dict[str, dict[str, Any]] = {
    "the recipe": {},
    "without x added": {"translator": Unanchored},
    "noise 0.1 on the way back": {"step": spoiled(noise(0.1))},
    "noise 0.4 on the way back": {"step": spoiled(noise(0.4))},
    "blur on the way back": {"step": spoiled(blur)},
}
GAME: dict[str, dict[str, Any]] = {f"λ = {weight}": {"cycle": float(weight)} for weight in (0, 1, 3, 10, 30)}
PAINT: dict[str, dict[str, Any]] = {
    "the recipe": {},
    "without identity": {"identity": 0.0},
    "without x added": {"translator": Unanchored},
    "20 pairs": {"step": few_pairs(20)},
    "the recipe, with flowers": {"flowers": True},  # this the chapter trains again
}


def replaced(step: Step | None) -> AbstractContextManager[Any]:
    """The recipe with another step while it is open."""
    return patch.object(recipes, "cyclegan_step", step) if step else nullcontext()


@torch.enable_grad()
def trained(changes: dict[str, Any], steps: int, seed: int) -> Run:
    """The recipe with these changes."""
    settings = {name: value for name, value in changes.items() if name != "step"}
    with tempfile.TemporaryDirectory(prefix="genimg-bench-") as runs, replaced(changes.get("step")):
        os.environ |= {"GENIMG_RUNS": runs, "GENIMG_THREADS": "1"}
        return train_cyclegan(steps=steps, seed=seed, **settings)


# ---- what is measured


@torch.no_grad()
def ablated(what: str, steps: int, seed: int) -> dict[str, Any]:
    """The error against the truth, and what comes back of a picture."""
    G, F = pair(trained(ABLATION[what], steps, seed))
    test = truth()
    if what in SHOWN and seed == 0:  # rows x, G(x), y, F(y)
        x, y = test.A[:6], test.B[:6]
        plotting.save_images(torch.cat([x, G(x), y, F(y)]), RESULTS.with_name(SHOWN[what]), rows=4)
    returned = [cyclegan.cycle(x, b(a(x))).item() / 2 for x, a, b in ((test.A, G, F), (test.B, F, G))]
    return judged(G, F, test) | {"returned": [round(r, 4) for r in returned]}


def held_out(**switches: bool) -> tuple[seasons.Scenes, Tensor, Tensor]:
    """The scenes of the test, and both renderings in [−1, 1]."""
    scenes = seasons.scenes(unpaired.SCENES["test"], 3, **switches)
    A, B = (scaled(torch.from_numpy(seasons.render(scenes, season))) for season in seasons.SEASONS)
    return scenes, A, B


@torch.no_grad()
def message(what: str, steps: int, seed: int) -> dict[str, Any]:
    G, F = pair(trained(FLOWERS[what] | {"flowers": True}, steps, seed))
    return letter(G, F) | {"share": judged(G, F, truth(flowers=True))["share"]}


def letter(G: nn.Module, F: nn.Module) -> dict[str, Any]:
    """How much of the flowers comes back through a winter that should not show them, and what noise does to it."""
    _, x, winter = held_out(flowers=True)
    bare, _ = (scaled(torch.from_numpy(seasons.render(held_out()[0], season))) for season in seasons.SEASONS)
    flowers = (x - bare).abs().mean(dim=1) > 0.1  # pixels, [N, S, S]
    generator = torch.Generator().manual_seed(0)
    y, nothing = G(x), off(bare, x, flowers)

    def back(v: Tensor) -> float:
        return round(1 - off(F(v), x, flowers) / nothing, 4)

    return {
        "recovered": {f"{sigma:g}": back(y + sigma * torch.randn(y.shape, generator=generator)) for sigma in NOISES},
        "levels": [round(127.5 * off(y, G(bare), where), 2) for where in (flowers, ~flowers)],  # of 255
        "true": back(winter),  # from real winters: nothing to read
        "bare": back(G(bare)),  # from a winter made of the same place without flowers
        "returned": round(cyclegan.cycle(x, F(y)).item() / 2, 4),
    }


@torch.no_grad()
def game(what: str, steps: int, seed: int) -> dict[str, Any]:
    """A small picture for the slider: six G(x), above the F(G(x)) that they give, of summers with flowers."""
    G, F = pair(trained(GAME[what] | {"flowers": True}, steps, seed))
    _, x, winter = held_out(flowers=True)
    shown = torch.cat([G(x[:6]), F(G(x[:6]))])
    plotting.save_images(shown, RESULTS.with_name(f"cyclegan_game_{what[4:]}.png"), rows=2)
    return letter(G, F) | {"wrong": round(cyclegan.cycle(winter, G(x)).item() / 2, 4)}


def off(a: Tensor, b: Tensor, where: Tensor) -> float:
    """Mean absolute difference over some pixels."""
    return (a - b).abs().mean(dim=1)[where].mean().item()


@torch.no_grad()
def bijection(what: str, steps: int, seed: int) -> dict[str, Any]:
    """The share of houses that get the other house's colour, in both directions."""
    G, F = pair(trained(PAINT[what] | {"paint": True}, steps, seed))
    flowers = PAINT[what].get("flowers", False)
    scenes, A, B = held_out(paint=True, flowers=flowers)
    other = scenes._replace(paint=1 - scenes.paint)
    A_other, B_other = (scaled(torch.from_numpy(seasons.render(other, season))) for season in seasons.SEASONS)
    house = torch.from_numpy(seasons.masks(scenes)["house"])
    swapped = [wrong_share(m, true, false, house) for m, true, false in ((G(A), B, B_other), (F(B), A, A_other))]
    return {"swapped": [round(s, 4) for s in swapped]} | judged(G, F, truth(paint=True, flowers=flowers))


def wrong_share(mapped: Tensor, true: Tensor, false: Tensor, house: Tensor) -> float:
    """How many of the pictures have a house nearer to the other paint than to its own."""
    near = [((mapped - t).abs().mean(dim=1) * house).sum(dim=(1, 2)) for t in (true, false)]
    return (near[0] > near[1]).double().mean().item()


PARTS: dict[str, tuple[dict[str, dict[str, Any]], Callable[..., dict[str, Any]], int]] = {
    "ablation": (ABLATION, ablated, 3),
    "flowers": (FLOWERS, message, 2),
    "paint": (PAINT, bijection, 3),
    "game": (GAME, game, 1),
}


def measure(task: tuple[str, str, int, int]) -> dict[str, Any]:
    part, what, steps, seed = task
    torch.set_num_threads(1)
    return {"part": part, "what": what, "seed": seed, "steps": steps} | PARTS[part][1](what, steps, seed)


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=PARTS, help="measure one part, keep the others")
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--workers", type=int, default=os.cpu_count())
    chosen = parser.parse_args(arguments)
    found = {"rows": []} | earlier(RESULTS)
    found |= {
        "recipe": CYCLEGAN,
        "machine": machine(),
        "dataset": "seasons 32 × 32, 4,000 scenes a domain, 500 held out",
    }
    tasks = [
        (part, what, chosen.steps, seed)
        for seed in range(max(seeds for *_, seeds in PARTS.values()))
        for part, (variants, _, seeds) in PARTS.items()
        if chosen.only in (None, part) and seed < seeds
        for what in variants
    ]
    there = {(row["part"], row["what"], row["steps"], row["seed"]) for row in found["rows"]}
    tasks = [task for task in tasks if task not in there]
    for row in beside_each_other(measure, tasks, chosen.workers):  # kept as it comes: nothing is lost
        found["rows"].append(row)
        keep(RESULTS, found)


if __name__ == "__main__":
    main(sys.argv[1:])

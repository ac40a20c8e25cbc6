"""How wrong chapter 09's CycleGANs are over seeds, and what their step costs: `python benchmarks/cyclegan_training.py`.

Writes results/cyclegan_training.json, from which the chapter takes its gate and its tables. Parts: `seeds` (the recipe,
and faults), `paired` (the same translator told the true pairs), `baselines`, and `step` (against the step that people
write, alone on the machine); with --real also folders or zips whose test pictures are pairs. Runs stand beside each
other on one thread each.
"""

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, NamedTuple, cast
from unittest.mock import patch

import numpy as np
import torch
from measuring import FOLDER, beside_each_other, earlier, gate, keep, machine
from scipy.stats import spearmanr
from torch import Tensor, nn
from torch.optim import Adam, Optimizer

from genimg_utils import data, metrics, plotting, recipes, runtime, seasons, unpaired
from genimg_utils.losses import cyclegan, least_squares
from genimg_utils.networks import LocalDiscriminator, RandomFeatures, Translator
from genimg_utils.recipes import CYCLEGAN, CYCLEGAN_STEPS, train_cyclegan
from genimg_utils.steps import cyclegan_step, judge, update
from genimg_utils.training import EMA, Run, anneal

RESULTS = FOLDER / "cyclegan_training.json"
PICTURE = RESULTS.with_name("cyclegan.png")
LOOKS = 20  # how often a run is measured while it trains
WATCHED = ("loss_G", "loss_F", "loss_D_X", "loss_D_Y", "cycle", "identity")


# ---- how wrong a translation is


class Truth(NamedTuple):
    """Held-out scenes in both seasons, [500, 3, S, S] in [−1, 1], the pixels of each object, and real pictures."""

    A: Tensor
    B: Tensor
    masks: Mapping[str, Any]
    real: tuple[Tensor, Tensor]  # features of training pictures of A and of B


def scaled(images: Tensor) -> Tensor:
    return images / 127.5 - 1


def truth(flowers: bool = False, paint: bool = False) -> Truth:
    """The seasons' test; its masks come from the same scenes."""
    A, B, _ = unpaired.load("seasons", "test", flowers=flowers, paint=paint)
    masks = seasons.masks(seasons.scenes(len(A), 3, flowers, paint))
    train = unpaired.load("seasons", flowers=flowers, paint=paint)
    features = RandomFeatures()
    real = tuple(metrics.in_chunks(features, scaled(domain[:2000])) for domain in (train.A, train.B))
    return Truth(scaled(A), scaled(B), masks, (real[0], real[1]))


@torch.no_grad()
def judged(G: Callable[[Tensor], Tensor], F: Callable[[Tensor], Tensor], test: Truth) -> dict[str, Any]:
    """Errors by object in both directions, in [0, 1]; shares are of the error of doing nothing."""
    mapped_b, mapped_a = metrics.in_chunks(G, test.A), metrics.in_chunks(F, test.B)
    ab = metrics.l1_by_object(mapped_b, test.B, test.masks)
    ba = metrics.l1_by_object(mapped_a, test.A, test.masks)
    nothing = metrics.l1_by_object(test.A, test.B, test.masks)
    share = {name: (ab[name] + ba[name]) / (2 * nothing[name]) for name in ("all", "trees")}
    return {
        "A to B": rounded(ab),
        "B to A": rounded(ba),
        "share": round(share["all"], 4),
        "share of trees": round(share["trees"], 4),
    }


def rounded(values: Mapping[str, float], digits: int = 4) -> dict[str, float]:
    return {name: round(value, digits) for name, value in values.items()}


@torch.no_grad()
def distance(G: Callable[[Tensor], Tensor], F: Callable[[Tensor], Tensor], test: Truth) -> float:
    """Fréchet distance, in random features, of translations to real pictures: no pair is looked at. Both directions."""
    features = RandomFeatures()
    mapped = (metrics.in_chunks(F, test.B), metrics.in_chunks(G, test.A))
    return sum(metrics.frechet(real, features(m)) for real, m in zip(test.real, mapped, strict=True))


def pair(run: Run) -> tuple[nn.Module, nn.Module]:
    """The averaged translators of a run."""
    assert run.ema is not None
    assert isinstance(run.ema.network, nn.ModuleDict)
    return run.ema.network["G"], run.ema.network["F"]


# ---- seeds and faults of the recipe


def train(task: tuple[int, int, str]) -> dict[str, Any]:
    """One seed in a process of its own, sound or with a fault: how wrong it ends, and what told so on the way."""
    seed, steps, fault = task
    test, looks = truth(), []

    def look(run: Run) -> None:
        if (run.step + 1) % (steps // LOOKS) == 0:
            found = judged(*pair(run), test)
            looks.append({"step": run.step + 1, "share": found["share"], "distance": distance(*pair(run), test)})

    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="genimg-bench-") as runs, planted(fault):
        os.environ |= {"GENIMG_RUNS": runs, "GENIMG_THREADS": "1"}
        run = train_cyclegan(steps=steps, seed=seed, after_step=look)
    seconds = round(time.monotonic() - started)
    if seed == 0 and not fault:
        paint(*pair(run), test)
    about = {"seed": seed, "steps": steps, "fault": fault, "seconds with its looks": seconds}
    halfway = {"share half-way": looks[LOOKS // 2 - 1]["share"]}
    return about | judged(*pair(run), test) | halfway | {"told": told(looks, run.history, steps // LOOKS)}


@torch.no_grad()
def paint(G: nn.Module, F: nn.Module, test: Truth) -> None:
    """Summers, generated winters, true winters, generated summers."""
    x, y = test.A[:7], test.B[:7]
    plotting.save_images(torch.cat([x, G(x), y, F(y)]), PICTURE, rows=4, scale=3)


def told(looks: list[dict[str, float]], history: Mapping[str, np.ndarray], window: int) -> dict[str, list[float]]:
    """Spearman's rank correlation of what can be watched with the true error: over the run, over its second half.

    A loss counts as its mean over the `window` steps before each look.
    """
    watched = {name: history[name][: window * len(looks)].reshape(-1, window).mean(axis=1) for name in WATCHED}
    watched["distance"] = np.array([look["distance"] for look in looks])
    error = np.array([look["share"] for look in looks])
    half = len(looks) // 2
    return {
        name: [
            round(float(spearmanr(values[part], error[part]).statistic), 3) for part in (slice(None), slice(half, None))
        ]
        for name, values in watched.items()
    }


def planted(fault: str) -> AbstractContextManager[Any]:
    """The recipe with a faulty step; "" is the sound one."""
    return patch.object(recipes, "cyclegan_step", FAULTS[fault]) if fault else nullcontext()


def with_more(term: Callable[..., Tensor]) -> Callable[..., dict[str, Tensor]]:
    """A step whose generators also minimise `term`(x, y, G, F, D_X, D_Y)."""

    def step(x: Tensor, y: Tensor, *players: Any, **how: Any) -> dict[str, Tensor]:
        *networks, opt_GF, _ = players

        def heavier(loss: Tensor, optimiser: Optimizer) -> None:
            update(loss + term(x, y, *networks) if optimiser is opt_GF else loss, optimiser)

        return cyclegan_step(x, y, *players, **how, update=heavier)

    return step


def leak(x: Tensor, y: Tensor, G: nn.Module, F: nn.Module, D_X: nn.Module, D_Y: nn.Module) -> Tensor:
    """What reaches the generators where the discriminators' step does not detach: its loss on generated pictures."""
    return D_X(F(y)).square().mean() + D_Y(G(x)).square().mean()


def one_backward(x: Tensor, y: Tensor, *players: Any, cycle: float, identity: float, **_: Any) -> dict[str, Tensor]:
    """All losses in one sum, nothing detached and nothing frozen: both players descend it together."""
    G, F, D_X, D_Y, opt_GF, opt_D = players
    fake_x, fake_y = F(y), G(x)
    logged = {
        "loss_G": (D_Y(fake_y) - 1).square().mean(),
        "loss_F": (D_X(fake_x) - 1).square().mean(),
        "cycle": cyclegan.cycle(x, F(fake_y)) + cyclegan.cycle(y, G(fake_x)),
        "identity": cyclegan.identity(y, G(y)) + cyclegan.identity(x, F(x)),
        "loss_D_X": least_squares.discriminator(D_X(x), D_X(fake_x)),
        "loss_D_Y": least_squares.discriminator(D_Y(y), D_Y(fake_y)),
    }
    weights = {"cycle": cycle, "identity": identity}
    opt_D.zero_grad()
    update(sum((weights.get(name, 1.0) * loss for name, loss in logged.items()), torch.zeros(())), opt_GF)
    opt_D.step()
    return {name: value.detach() for name, value in logged.items()}


def wrong_domain(x: Tensor, y: Tensor, G: nn.Module, F: nn.Module, *_: nn.Module) -> Tensor:
    """An identity loss that asks a picture not to change at all."""
    return CYCLEGAN["identity"] * (cyclegan.identity(x, G(x)) + cyclegan.identity(y, F(y)))


FAULTS = {
    "D's loss reaches G as well": with_more(leak),
    "no detach, one backward for all": one_backward,
    "identity on the wrong domain": with_more(wrong_domain),
}


# ---- what recolouring reaches, and what pairs would


def baselines() -> list[dict[str, Any]]:
    """Doing nothing, and the best map of single colours, told the true pairs of 4,000 training scenes."""
    test, scenes = truth(), seasons.scenes(unpaired.SCENES["train"], 1)
    A, B = (torch.from_numpy(seasons.render(scenes, season)) for season in seasons.SEASONS)
    there, back = metrics.colour_map(A, B), metrics.colour_map(B, A)

    def bytes_of(x: Tensor) -> Tensor:
        return ((x + 1) * 127.5).round().byte()

    return [
        {"what": "unchanged"} | judged(lambda x: x, lambda y: y, test),
        {"what": "recoloured"} | judged(lambda x: there(bytes_of(x)), lambda y: back(bytes_of(y)), test),
    ]


def paired(task: tuple[int, int]) -> dict[str, Any]:
    """The ceiling: each translator alone, told the true pairs; L1 and a discriminator of pairs, Isola et al. 2017."""
    seed, steps = task
    test, scenes = truth(), seasons.scenes(unpaired.SCENES["train"], 1)
    A, B = (torch.from_numpy(seasons.render(scenes, season)) for season in seasons.SEASONS)
    runtime.seed(seed)
    torch.set_num_threads(1)
    started = time.monotonic()
    G, F = (told_pairs(x, y, steps, seed) for x, y in ((A, B), (B, A)))
    return {"seed": seed, "steps": steps, "seconds": round(time.monotonic() - started)} | judged(G, F, test)


def told_pairs(A: Tensor, B: Tensor, steps: int, seed: int, weight: float = 100.0) -> nn.Module:
    """A translator from A to B by L1, times `weight`, and least squares on pairs."""
    device = runtime.device()
    G, D = runtime.place(Translator(), device), runtime.place(LocalDiscriminator(channels=6), device)
    opt_G, opt_D = (Adam(n.parameters(), lr=CYCLEGAN["learning_rate"], betas=(0.5, 0.99), fused=True) for n in (G, D))
    batches = data.Batches(torch.cat([A, B], dim=1), CYCLEGAN["batch"], device, seed)  # a pair stays one
    ema = EMA(G, decay=0.998)
    for step in range(steps):
        anneal([opt_G, opt_D], step, steps)
        both = next(batches)
        assert isinstance(both, Tensor)
        x, y = both.chunk(2, dim=1)
        D.requires_grad_(False)
        mapped = G(x)
        fooled = least_squares.generator(both.new_empty(0), D(torch.cat([x, mapped], dim=1)))
        update(fooled + weight * (mapped - y).abs().mean(), opt_G)
        D.requires_grad_(True)
        update(least_squares.discriminator(*judge(D, both, torch.cat([x, mapped.detach()], dim=1), ())), opt_D)
        ema.update()
    return ema.network


def real_pairs(task: tuple[Path, int, int]) -> dict[str, Any]:
    """The recipe on real pictures with held-out pairs: L1 in [0, 1], beside doing nothing."""
    path, seed, steps = task
    test = unpaired.load(path, "test")
    if test.pairs is None:
        raise ValueError(f"{path} holds no pairs: testA and testB need the same names.")
    A, B = scaled(test.A[test.pairs[:, 0]]), scaled(test.B[test.pairs[:, 1]])
    with tempfile.TemporaryDirectory(prefix="genimg-bench-") as runs:
        os.environ |= {"GENIMG_RUNS": runs, "GENIMG_THREADS": "1"}
        G, F = pair(train_cyclegan(str(path), steps, seed))
    row: dict[str, Any] = {"set": path.stem, "seed": seed, "steps": steps, "pairs": len(A)}
    with torch.no_grad():
        for what, mapped, true in (("A to B", G(A), B), ("B to A", F(B), A), ("unchanged", A, B)):
            row[what] = {"L1": round((mapped - true).abs().mean().item() / 2, 4)}
    return row


# ---- what the step costs


class OneByOne:
    """A pool that takes its pictures one at a time, as people write it."""

    def __init__(self, size: int = 50) -> None:
        self.size, self.kept = size, list[Tensor]()

    def __call__(self, new: Tensor) -> Tensor:
        out = []
        for picture in new.detach().split(1):
            if len(self.kept) < self.size:
                self.kept.append(picture)
                out.append(picture)
            elif torch.rand(1).item() > 0.5:
                place = int(torch.randint(self.size, (1,)).item())
                out.append(self.kept[place].clone())
                self.kept[place] = picture
            else:
                out.append(picture)
        return torch.cat(out)


def usual_step(x: Tensor, y: Tensor, *players: Any, silent: bool = False) -> dict[str, Any]:
    """As people write it: six calls of the generators, each discriminator twice, a transfer for every loss.

    `silent` leaves the losses where they are.
    """
    G, F, D_X, D_Y, opt_GF, opt_D, pools = players
    mse, l1 = nn.functional.mse_loss, nn.functional.l1_loss
    for D in (D_X, D_Y):
        D.requires_grad_(False)
    opt_GF.zero_grad()
    fake_y, fake_x = G(x), F(y)
    there_and_back, back_and_there = F(fake_y), G(fake_x)
    same_y, same_x = G(y), F(x)
    judged_y, judged_x = D_Y(fake_y), D_X(fake_x)
    loss_G, loss_F = mse(judged_y, torch.ones_like(judged_y)), mse(judged_x, torch.ones_like(judged_x))
    cycle = l1(there_and_back, x) + l1(back_and_there, y)
    identity = l1(same_y, y) + l1(same_x, x)
    (loss_G + loss_F + CYCLEGAN["cycle"] * cycle + CYCLEGAN["identity"] * identity).backward()
    opt_GF.step()
    for D in (D_X, D_Y):
        D.requires_grad_(True)
    opt_D.zero_grad()
    losses = []
    for D, real, fake in ((D_X, x, pools[0](fake_x)), (D_Y, y, pools[1](fake_y))):
        on_real, on_fake = D(real), D(fake)
        losses.append(0.5 * (mse(on_real, torch.ones_like(on_real)) + mse(on_fake, torch.zeros_like(on_fake))))
        losses[-1].backward()
    opt_D.step()
    names = ("loss_G", "loss_F", "cycle", "identity", "loss_D_X", "loss_D_Y")
    values = zip(names, (loss_G, loss_F, cycle, identity, *losses), strict=True)
    return {n: v.detach() if silent else v.item() for n, v in values}


def players(fused: bool) -> list[Any]:
    """The recipe's four networks and two optimisers, from one seed."""
    runtime.seed(0)
    G, F, D_X, D_Y = Translator(), Translator(), LocalDiscriminator(), LocalDiscriminator()
    how = {"lr": CYCLEGAN["learning_rate"], "betas": (0.5, 0.99), "fused": fused, "foreach": False}
    optimisers = [Adam([*a.parameters(), *b.parameters()], **how) for a, b in ((G, F), (D_X, D_Y))]
    return [G, F, D_X, D_Y, *optimisers]


def seconds(one_step: Callable[[], Any], count: int) -> float:
    """Seconds a step."""
    started = time.monotonic()
    for _ in range(count):
        one_step()
    return (time.monotonic() - started) / count


def step_cost(count: int = 40, pairs: int = 9) -> list[dict[str, Any]]:
    """Both steps in turn, the recipe's networks, batch and pictures; medians."""
    torch.set_num_threads(os.cpu_count() or 1)
    device, domains = runtime.device(), unpaired.load("seasons")
    xs, ys = (cast(Iterator[Tensor], data.Batches(domain, CYCLEGAN["batch"], device, 0)) for domain in domains[:2])
    ours, theirs = players(fused=True), players(fused=False)
    ours[:4] = [runtime.place(n, device) for n in ours[:4]]
    pools = (OneByOne(), OneByOne())
    how = {"cycle": CYCLEGAN["cycle"], "identity": CYCLEGAN["identity"]}

    def quick(count: int) -> float:
        return seconds(lambda: cyclegan_step(next(xs), next(ys), *ours, **how), count)

    def usual(count: int) -> float:
        return seconds(lambda: usual_step(next(xs), next(ys), *theirs, pools), count)

    quick(20), usual(20)
    measured = [(quick(count), usual(count)) for _ in range(pairs)]
    ms = [round(1000 * statistics.median(column), 1) for column in zip(*measured, strict=True)]
    factors = [u / q for q, u in measured]
    return [
        {"what": "this course's step, ms", "value": ms[0]},
        {"what": "the usual step, the same networks and batch, ms", "value": ms[1]},
        {"what": f"factor, median of {pairs} pairs", "value": round(statistics.median(factors), 2)},
        {"what": "smallest and largest factor", "value": [round(min(factors), 2), round(max(factors), 2)]},
    ]


# ---- what is written


def gates(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Mean + 4 standard deviations over the sound seeds."""
    sound = [row for row in rows if not row["fault"]]
    names = ("share", "share of trees")
    return {name: round(gate([row[name] for row in sound]), 4) for name in names} | {"seeds": len(sound)}


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parts = ("seeds", "paired", "baselines", "step")
    parser.add_argument("--only", nargs="+", choices=parts, default=parts, help="measure these, keep the others")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=CYCLEGAN_STEPS)
    parser.add_argument("--real", nargs="+", type=Path, default=(), help="zips or folders to try the recipe on as well")
    chosen = parser.parse_args(arguments)
    found = earlier(RESULTS)
    found |= {"recipe": CYCLEGAN, "dataset": "seasons 32 × 32, 4,000 scenes a domain, 500 held out"}
    everyone = range(chosen.seeds)

    def write(**part: Any) -> None:
        found.update(part)
        keep(RESULTS, found)

    if "step" in chosen.only:
        write(step=step_cost(), step_machine=machine())
    if "baselines" in chosen.only:
        write(baselines=baselines())
    if "seeds" in chosen.only:
        tasks = [(seed, chosen.steps, "") for seed in everyone]
        tasks += [(seed, chosen.steps, fault) for fault in FAULTS for seed in range(2)]
        rows = list(beside_each_other(train, tasks))
        write(runs=rows, gate=gates(rows), machine=machine())
    if "paired" in chosen.only:
        write(paired=list(beside_each_other(paired, [(seed, chosen.steps) for seed in everyone])))
    if chosen.real:
        tasks = [(path, seed, chosen.steps) for path in chosen.real for seed in everyone]
        write(real=list(beside_each_other(real_pairs, tasks)))


if __name__ == "__main__":
    main(sys.argv[1:])

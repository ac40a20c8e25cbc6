"""One table for every model of the course that draws digits: `python benchmarks/leaderboard.py`.

Writes results/leaderboard.json, from which chapter 11 takes its table. Row by row: one that is there with the same
recipe and the same measures is not run again, so an interrupted run goes on. One more model is one more entry of
MODELS. Models train on mnist-5k and are judged against MNIST's 10,000 test pictures, downloaded or in $GENIMG_DATA.
Seconds are processor time of one thread.
"""

import argparse
import math
import os
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from typing import Any, NamedTuple

import torch
from flow_training import FLOW, FLOW_STEPS, PIECES, train_flow
from gan_training import averaged, draw
from measuring import FOLDER, earlier, keep, machine
from sklearn.mixture import GaussianMixture
from torch import Tensor
from torch.distributions import Categorical
from torch.nn.functional import cross_entropy
from torch.optim import Adam
from vae_failures import Prior, fit_codes, held_out, minus_elbo, under
from vae_training import binarised, judged

from genimg_utils import data, metrics
from genimg_utils.losses import bernoulli, reparameterise
from genimg_utils.recipes import GAN, GAN_STEPS, KINDS, VAE, VAE_STEPS, train_gan, train_vae
from genimg_utils.steps import update
from genimg_utils.training import anneal

RESULTS = FOLDER / "leaderboard.json"
DATASET = "mnist-5k"
DRAWN, SOME = 10_000, 5_000  # pictures for the two distances; for what looks for neighbours
CODE_STEPS, PRIOR_STEPS = 3_000, 3_000


class Trained(NamedTuple):
    """draw(count) gives the same pictures [count, 1, 28, 28] in [−1, 1] each time; nats, where the model has them."""

    draw: Callable[[int], Tensor]
    seconds: float
    nats: dict[str, float]


# ---- the models


def gan(seed: int, told: bool = False, kinds: int = 0) -> dict[str, Trained]:
    """Chapter 03's recipe; the averaged generator draws, equally many of each class if it is told the class."""
    start = time.process_time()
    run = train_gan(DATASET, GAN_STEPS, seed, told=told, kinds=kinds)
    seconds = time.process_time() - start
    what = "conditional GAN" if told else f"GAN, {kinds} kinds of its own" if kinds else "GAN"
    return {what: Trained(partial(draw, averaged(run), classes=10 if told else 0), seconds, {})}


def vae(seed: int) -> dict[str, Trained]:
    """Chapter 06's recipe, with N(0, I) and, as in chapter 07, with a mixture in its place; means are drawn."""
    start = time.process_time()
    run = train_vae(DATASET, VAE_STEPS, seed)
    seconds, E, D = time.process_time() - start, run.networks["encoder"], run.networks["decoder"]
    images = binarised(data.load(DATASET).images)
    with torch.no_grad():
        found = judged(E, D, data.load(DATASET, "test").images, k=500)
        start = time.process_time()
        mean, log_variance = (torch.cat(v) for v in zip(*(E(c) for c in images.split(500)), strict=True))
        encoded = reparameterise(mean, log_variance, torch.randn_like(mean))
        mixture = GaussianMixture(50, reg_covar=1e-3, max_iter=30, random_state=seed).fit(encoded.numpy())
        fitting = time.process_time() - start
        nats, _ = minus_elbo(E, D)
        bound = under(mixture, E, D)

    def from_normal(count: int) -> Tensor:
        return torch.randn(count, 32, generator=torch.Generator().manual_seed(1))

    def from_mixture(count: int) -> Tensor:
        mixture.random_state = 1
        z = torch.tensor(mixture.sample(count)[0]).float()  # one component after the other
        return z[torch.randperm(count, generator=torch.Generator().manual_seed(1))]

    def means(z: Tensor) -> Tensor:
        return metrics.in_chunks(lambda c: 2 * D(c).sigmoid() - 1, z)

    own = {"−ELBO": found["minus_elbo"], "−log p(x)": found["minus_log_p"]}
    return {
        "VAE": Trained(lambda count: means(from_normal(count)), seconds, own),
        "VAE, mixture prior": Trained(
            lambda count: means(from_mixture(count)), seconds + fitting, {"−ELBO": own["−ELBO"] + bound - nats}
        ),
    }


def vq_vae(seed: int) -> dict[str, Trained]:
    """Chapter 07's VQ-VAE and a prior over its codes, of the step that was best on training codes set aside."""
    start = time.process_time()
    E, D, Q = fit_codes(CODE_STEPS, seed)
    real, tossed = held_out()
    with torch.no_grad():
        codes = metrics.in_chunks(lambda v: Q(E(v / 127.5 - 1))[1], data.load(DATASET).images)
        theirs = Q(E(2 * real - 1))[1]
        rest = -bernoulli(D(Q.codes[theirs].movedim(-1, 1)), tossed).mean().item()
    codes = codes[torch.randperm(len(codes), generator=torch.Generator().manual_seed(seed))]
    aside, codes = codes[:450], codes[450:]
    prior, best, kept = Prior(), math.inf, {}
    optimiser = Adam(prior.parameters(), lr=4e-3, betas=(0.9, 0.99))
    for step in range(PRIOR_STEPS):
        anneal([optimiser], step, PRIOR_STEPS)
        some = codes[torch.randint(len(codes), (32,))]
        update(49 * cross_entropy(prior(some), some), optimiser)
        if (step + 1) % max(1, PRIOR_STEPS // 20) == 0:
            with torch.no_grad():
                paid = cross_entropy(prior(aside), aside).item()
            if paid < best:
                best, kept = paid, {k: v.clone() for k, v in prior.state_dict().items()}
    prior.load_state_dict(kept)
    with torch.no_grad():
        nats = rest + 49 * cross_entropy(prior(theirs), theirs).item()
    seconds = time.process_time() - start

    def write(count: int) -> Tensor:
        index = torch.zeros(count, 7, 7, dtype=torch.long)
        for r in range(7):
            for c in range(7):
                index[:, r, c] = Categorical(logits=prior(index)[:, :, r, c]).sample()
        return index

    def draw(count: int) -> Tensor:
        torch.manual_seed(1)
        parts = (write(len(part)) for part in torch.arange(count).split(500))
        return torch.cat([2 * D(Q.codes[i].movedim(-1, 1)).sigmoid() - 1 for i in parts])

    return {"VQ-VAE, its prior": Trained(draw, seconds, {"−ELBO": nats})}


def flow(seed: int) -> dict[str, Trained]:
    """Chapter 12's flow, told no class, and told the class and guided by 3; one training."""
    start = time.process_time()
    draw = train_flow(FLOW_STEPS, seed)
    seconds = time.process_time() - start
    return {
        "flow": Trained(lambda count: draw(count, 0.0), seconds, {}),
        "conditional flow, guided": Trained(lambda count: draw(count, 3.0), seconds, {}),
    }


class Model(NamedTuple):
    """train(seed) gives one or several rows, whose names are `rows`; `recipe` is what a change of makes it another."""

    train: Callable[[int], dict[str, Trained]]
    rows: tuple[str, ...]
    recipe: dict[str, Any]


CODES = {"steps": [CODE_STEPS, PRIOR_STEPS], "codes": 32, "grid": 7, "kept": "best on 450 set aside"}
MODELS = {  # cheapest first
    "vq-vae": Model(vq_vae, ("VQ-VAE, its prior",), CODES),
    "gan": Model(gan, ("GAN",), GAN | {"steps": GAN_STEPS}),
    "kinds": Model(
        lambda seed: gan(seed, kinds=KINDS),
        (f"GAN, {KINDS} kinds of its own",),
        GAN | {"steps": GAN_STEPS, "kinds": KINDS},
    ),
    "cgan": Model(lambda seed: gan(seed, told=True), ("conditional GAN",), GAN | {"steps": GAN_STEPS}),
    "flow": Model(
        flow, ("flow", "conditional flow, guided"), FLOW | {"steps": FLOW_STEPS, "pieces": PIECES, "guided by": 3}
    ),
    "vae": Model(vae, ("VAE", "VAE, mixture prior"), VAE | {"steps": VAE_STEPS, "mixture": 50, "order": "shuffled"}),
}


# ---- the measures


def reference() -> Tensor:
    """MNIST's test pictures, which no model here and no classifier was trained on."""
    return data.load("mnist", "test").images


def measured(pictures: Tensor, real: Tensor) -> dict[str, float]:
    """Every measure of pictures [≥ DRAWN, 1, 28, 28], all on the 64 features of the frozen classifier."""
    judge = metrics.ruler(DATASET)
    training, test = (data.load(DATASET, split).images / 127.5 - 1 for split in ("train", "test"))
    fake, true = judge.features(pictures[:DRAWN]), judge.features(real)
    some = fake[:SOME], true[:: len(true) // SOME][:SOME]
    precision, recall = metrics.precision_recall(some[1], some[0])
    density, coverage = metrics.density_coverage(some[1], some[0])
    floats = judge.prepared(pictures[:DRAWN])
    share, margin = metrics.nearer_to_training(floats, training, test)  # chance: nine of ten
    found = {
        "FD-64": metrics.frechet(judge.reference, fake),
        "FD-64 of 4,500": metrics.frechet(judge.reference, fake[:4500]),
        "FD-64 of infinitely many": at_infinity(judge.reference, fake),
        "kernel distance": metrics.kernel_distance(true, fake),
        "precision": precision,
        "recall": recall,
        "density": density,
        "coverage": coverage,
        "sure": metrics.confident_share(judge.logits(pictures[:DRAWN])),
        "nearest was trained on": share,
        "margin": margin,
    }
    return {name: float(f"{value:.5g}") for name, value in found.items()}


def at_infinity(moments: metrics.Moments, features: Tensor) -> float:
    """The distance at 1/N = 0 of a line through fifteen sizes. Chong & Forsyth 2020."""
    generator = torch.Generator().manual_seed(0)
    sizes = torch.linspace(len(features) // 10, len(features), 15).long().tolist()
    some = [features[torch.randperm(len(features), generator=generator)[:n]] for n in sizes]
    line = torch.stack([torch.ones(15), 1 / torch.tensor(sizes)], dim=1).double()  # [15, 2]
    distances = torch.tensor([metrics.frechet(moments, f) for f in some]).double()
    return float(torch.linalg.lstsq(line, distances).solution[0])


def floors() -> list[dict[str, Any]]:
    """The same measures of pictures that people wrote: some of MNIST's training pictures, and the models' own.

    The file alternates between two kinds of writers, so every sixth picture shows one kind alone: a floor that no
    random choice has.
    """
    real, own, everyone = reference(), data.load(DATASET).images, data.load("mnist").images
    others = everyone[torch.randperm(len(everyone), generator=torch.Generator().manual_seed(0))[:DRAWN]]
    again = own[torch.randint(len(own), (DRAWN,), generator=torch.Generator().manual_seed(0))]
    return [
        {"what": "real: 10,000 of MNIST's training pictures"} | measured(others, real),
        {"what": "a copier: the 4,500, drawn again and again"} | measured(again, real),
        {"what": "the 4,500 training pictures, once each", "FD-64 of 4,500": metrics.ruler(DATASET).distance(own)},
        {"what": "every sixth of MNIST's training pictures", "FD-64": metrics.ruler(DATASET).distance(everyone[::6])},
    ]


def row(model: str, seed: int) -> list[dict[str, Any]]:
    """Trains one seed of one model in this process and measures its rows."""
    torch.set_num_threads(1)
    start, rows = time.monotonic(), []
    with tempfile.TemporaryDirectory(prefix="genimg-bench-") as runs:
        os.environ |= {"GENIMG_RUNS": runs, "GENIMG_THREADS": "1"}
        trained = MODELS[model].train(seed)
    for name, made in trained.items():
        begin = time.process_time()
        with torch.no_grad():
            pictures = made.draw(DRAWN)
        drawing = time.process_time() - begin
        about = {"what": name, "seed": seed, "recipe": MODELS[model].recipe, "measures": MEASURES}
        costs = {"seconds to train": round(made.seconds), "seconds to draw": round(drawing, 2)}
        nats = {key: round(value, 2) for key, value in made.nats.items()}
        rows.append(about | costs | nats | measured(pictures, reference()))
    print(f"{model}, seed {seed}: {time.monotonic() - start:.0f} s by the clock", rows, flush=True)
    return rows


MEASURES = 1  # raise it where `measured` changes: rows are then made again


# ---- how long the measures take


def speed() -> dict[str, Any]:
    """Seconds by the clock of one measurement, median of five, on all cores, and how far the memory's peak rises."""
    torch.set_num_threads(os.cpu_count() or 1)
    a, b = torch.randn(2, DRAWN, 64, generator=torch.Generator().manual_seed(0))
    tasks: dict[str, Callable[[], object]] = {
        f"Fréchet distance, {DRAWN:,} × 64": lambda: metrics.frechet(a, b),
        f"kernel distance, {DRAWN:,} × 64": lambda: metrics.kernel_distance(a, b),
        f"precision and recall, {SOME:,} × 64": lambda: metrics.precision_recall(a[:SOME], b[:SOME]),
        f"density and coverage, {SOME:,} × 64": lambda: metrics.density_coverage(a[:SOME], b[:SOME]),
    }
    found: dict[str, Any] = {}
    for name, task in tasks.items():
        before, seconds = peak(), []
        for _ in range(5):
            start = time.monotonic()
            task()
            seconds.append(time.monotonic() - start)
        spread = {"median": round(statistics.median(seconds), 3), "worst": round(max(seconds), 3)}
        found[name] = spread | {"MB more": round(peak() - before)}
    return found | {"cores": os.cpu_count(), "other work beside it": os.getloadavg()[0] > 1.5}


def peak() -> float:
    """The largest memory of this process so far, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000


# ---- the table


def same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return all(one[key] == other[key] for key in ("what", "seed"))


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--only", choices=[*MODELS, "floors", "speed"], help="these rows alone, the others stay")
    chosen = parser.parse_args(arguments)
    torch.set_num_threads(1)
    results = {"rows": []} | earlier(RESULTS)

    def save() -> None:
        keep(RESULTS, results)

    results |= {
        "command": "python benchmarks/leaderboard.py",
        "dataset": f"trained on {DATASET}, judged against MNIST's 10,000 test pictures",
        "machine": machine(),
        "numbers": {"distances": DRAWN, "neighbours": SOME},
    }
    if chosen.only in (None, "speed") and (chosen.only or "speed" not in results):
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as fresh:  # memory is counted from its start
            results["speed"] = fresh.submit(speed).result()
        save()
    if chosen.only in (None, "floors") and (chosen.only or results.get("floors", [{}])[0].get("measures") != MEASURES):
        results["floors"] = [line | {"measures": MEASURES} for line in floors()]
        save()
    models = [chosen.only] if chosen.only in MODELS else [] if chosen.only else [*MODELS]
    for seed in range(chosen.seeds):
        for name in models:
            wanted = {"recipe": MODELS[name].recipe, "measures": MEASURES}
            there = [r["what"] for r in results["rows"] if r["seed"] == seed and wanted.items() <= r.items()]
            if {*MODELS[name].rows} <= {*there}:
                continue
            for new in row(name, seed):
                results["rows"] = [r for r in results["rows"] if not same(r, new)] + [new]
            save()


if __name__ == "__main__":
    main(sys.argv[1:])

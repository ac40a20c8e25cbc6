"""What one step costs, from the loop that people write to ours, one change at a time: `python benchmarks/steps.py`.

Writes results/steps.json and results/steps.png, from which chapter 13 takes its tables. All rungs of a ladder are built
beside each other and timed in turn, A B C A B C …, so that what else the machine does falls on all of them; a factor is
the median over the rounds. There are two clocks. The one on the wall counts what the reader waits, and everything else
that the machine does meanwhile. Processor time of the training process counts its work alone; the loader's workers are
other processes, noted apart. With a GPU the same command measures there, and writes under "gpu".
"""

import argparse
import io
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any, NamedTuple, cast

import matplotlib.pyplot as plt
import numpy as np
import psutil
import torch
from cyclegan_training import usual_step as usual_cyclegan_step
from gan_training import Pictures, averaged, draw, usual_loop
from measuring import FOLDER, earlier, keep, machine
from PIL import Image
from torch import Tensor, nn
from torch._inductor import config as inductor
from torch.optim import Adam
from torch.utils.data import DataLoader, Dataset

from genimg_utils import data, fast, metrics, plotting, runtime, unpaired
from genimg_utils.losses import lazy, r1
from genimg_utils.networks import Decoder, Discriminator, Encoder, Generator, LocalDiscriminator, Translator
from genimg_utils.recipes import CYCLEGAN, GAN, GAN_STEPS, VAE, train_gan
from genimg_utils.steps import cyclegan_step, gan_step, update, vae_step
from genimg_utils.training import Run

RESULTS = FOLDER / "steps.json"
DATASET = "mnist-5k"
DRAWN = 2_000  # pictures for each point of time to quality
Step = Callable[[], Any]


class How(NamedTuple):
    """What is changed: nothing is the loop as people write it, all is ours."""

    resident: bool = False  # the data on the device, not pictures from a loader with two workers
    silent: bool = False  # losses stay where they are: no .item(), no print
    channels_last: bool = False
    fused: bool = False  # one kernel for Adam
    reduced: bool = False  # precision: bfloat16, or float16 with a scaler, where the device has it
    merged: bool = False  # one pass of a discriminator; G and F called three times, not six
    captured: bool = False  # the step as one CUDA graph


NAMES = {
    "resident": "pictures on the device",
    "silent": "no .item(), no print",
    "channels_last": "channels last",
    "fused": "fused Adam",
    "reduced": "lower precision",
    "merged": "merged calls",
    "captured": "one graph",
}
CHANGES = {
    "GAN": ["resident", "silent", "channels_last", "fused", "reduced", "merged"],
    "VAE": ["resident", "silent", "channels_last", "fused", "reduced"],
    "CycleGAN": ["resident", "silent", "channels_last", "fused", "reduced", "merged"],
}


def ladder(family: str, graph: bool = False) -> dict[str, How]:
    """The rungs by name: the plain loop, then one change more each time."""
    rungs, how = {"as people write it": How()}, How()
    for change in CHANGES[family] + ["captured"] * graph:
        how = how._replace(**{change: True})
        rungs[f"+ {NAMES[change]}"] = how
    return rungs


# ---- the three loops


def endless(loader: DataLoader[Any]) -> Iterator[Any]:
    while True:
        yield from loader


class Pairs(Dataset[tuple[Tensor, Tensor]]):
    """Unpaired colour pictures as people load them: PIL, tensor and normalisation for each, in every epoch."""

    def __init__(self, A: Tensor, B: Tensor) -> None:
        self.domains = [domain.permute(0, 2, 3, 1).numpy() for domain in (A, B)]

    def __len__(self) -> int:
        return len(self.domains[0])

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        a, b = (self.one(domain[index % len(domain)]) for domain in self.domains)
        return a, b

    def one(self, pixels: np.ndarray) -> Tensor:
        picture = Image.fromarray(pixels).resize((32, 32), Image.Resampling.BICUBIC)
        x = torch.from_numpy(np.array(picture)).permute(2, 0, 1).float().div(255)
        return (x - 0.5) / 0.5


def prepared(network: nn.Module, how: How) -> nn.Module:
    device = runtime.device()
    if how.reduced:
        return runtime.place(network, device)
    return network.to(device, memory_format=torch.channels_last if how.channels_last else torch.contiguous_format)  # type: ignore[call-overload]


def adam(networks: list[nn.Module], how: How, rate: float, betas: tuple[float, float]) -> Adam:
    chosen = {"fused": True} if how.fused else {}
    return Adam([p for network in networks for p in network.parameters()], lr=rate, betas=betas, **chosen)


def shown(losses: Any, how: How, screen: io.StringIO) -> None:
    """A transfer for every number and a line, unless the step is silent."""
    if not how.silent:
        print(*(value.item() if isinstance(value, Tensor) else value for value in losses), file=screen)
        screen.seek(0)


def updating(how: How) -> Callable[..., None]:
    """`update`, with a scaler where lower precision is float16."""
    if how.reduced and runtime.precision(runtime.device()) is torch.float16:
        return fast.scaled(torch.amp.GradScaler(runtime.device().type))
    return update


def gan_loop(how: How) -> Step:
    """Chapter 03's networks, objective, batch and penalty."""
    device, batch, images = runtime.device(), GAN["batch"], data.load(DATASET).images
    runtime.seed(0)
    G, D = (prepared(network, how) for network in (Generator(), Discriminator()))
    opt_G, opt_D = (adam([n], how, GAN["learning_rate"], (0.0, 0.99)) for n in (G, D))
    if how.resident:
        pictures = cast(Iterator[Tensor], data.Batches(images, batch, device, 0))
    else:
        pictures = endless(DataLoader(Pictures(images), batch, shuffle=True, num_workers=2, drop_last=True))
    bce, screen, count = nn.functional.binary_cross_entropy_with_logits, io.StringIO(), iter(range(10**9))
    step = fast.captured(gan_step) if how.captured else gan_step
    change = updating(how)

    def one_step() -> None:
        real, z = next(pictures).to(device), torch.randn(batch, 64, device=device)
        penalty = lazy(r1, next(count), GAN["every"])
        if how.merged:
            step(real, z, G, D, opt_G, opt_D, penalty=penalty, update=change)
            return
        fake, one, zero = G(z), torch.ones(batch, device=device), torch.zeros(batch, device=device)
        d_real, d_fake = D(real), D(fake.detach())
        loss_real, loss_fake = bce(d_real, one), bce(d_fake, zero)
        change(loss_real + loss_fake + (penalty(D, real, fake.detach()) if penalty else 0.0), opt_D)
        loss_G = bce(D(fake), one)
        change(loss_G, opt_G)
        shown((loss_real, loss_fake, loss_G, d_real.mean(), d_fake.mean()), how, screen)

    return one_step


def vae_loop(how: How, compiled: bool = False) -> Step:
    """Chapter 06's networks, likelihood and batch."""
    device, batch, images = runtime.device(), VAE["batch"], data.load(DATASET).images
    runtime.seed(0)
    encoder, decoder = (prepared(network, how) for network in (Encoder(), Decoder()))
    if compiled:
        encoder.compile()
        decoder.compile()
    optimiser = adam([encoder, decoder], how, VAE["learning_rate"], (0.9, 0.99))
    if how.resident:
        pictures = cast(Iterator[Tensor], data.Batches(images, batch, device, 0))
    else:
        pictures = endless(DataLoader(Pictures(images), batch, shuffle=True, num_workers=2, drop_last=True))
    bce, screen = nn.functional.binary_cross_entropy_with_logits, io.StringIO()
    step = fast.captured(vae_step) if how.captured else vae_step
    change = updating(how)

    def one_step() -> None:
        x = torch.bernoulli((next(pictures).to(device) + 1) / 2)
        noise = torch.randn(batch, 32, device=device)
        if how.silent:
            step(x, noise, encoder, decoder, optimiser, update=change)
            return
        mean, log_variance = encoder(x)
        logits = decoder(mean + noise * torch.exp(0.5 * log_variance))
        reconstruction = bce(logits, x, reduction="sum") / batch
        kl = -0.5 * torch.sum(1 + log_variance - mean.pow(2) - log_variance.exp()) / batch
        change(reconstruction + kl, optimiser)
        shown((reconstruction + kl, reconstruction, kl), how, screen)

    return one_step


def cyclegan_loop(how: How) -> Step:
    """Chapter 09's networks, weights and batch, without a pool, as there."""
    device, batch, (A, B, _) = runtime.device(), CYCLEGAN["batch"], unpaired.load("seasons")
    runtime.seed(0)
    networks = [Translator(), Translator(), LocalDiscriminator(), LocalDiscriminator()]
    G, F, D_X, D_Y = (prepared(network, how) for network in networks)
    rates = CYCLEGAN["learning_rate"], CYCLEGAN["learning_rate_D"]
    optimisers = [adam(pair, how, rate, (0.5, 0.99)) for pair, rate in zip(([G, F], [D_X, D_Y]), rates, strict=True)]
    players = G, F, D_X, D_Y, *optimisers
    if how.resident:
        domains = (data.Batches(domain, batch, device, i) for i, domain in enumerate((A, B)))
        pictures = cast(Iterator[Any], zip(*domains, strict=True))
    else:
        pictures = endless(DataLoader(Pairs(A, B), batch, shuffle=True, num_workers=2, drop_last=True))
    weights = {"cycle": CYCLEGAN["cycle"], "identity": CYCLEGAN["identity"]}
    step = partial(cyclegan_step, **weights, update=updating(how))
    step = cast(Any, fast.captured(step) if how.captured else step)
    same: Callable[[Tensor], Tensor] = torch.detach
    screen = io.StringIO()

    def one_step() -> None:
        x, y = (each.to(device) for each in next(pictures))
        if how.merged:
            step(x, y, *players)
        else:
            shown(usual_cyclegan_step(x, y, *players, (same, same), silent=how.silent).values(), how, screen)

    return one_step


LOOPS = {"GAN": gan_loop, "VAE": vae_loop, "CycleGAN": cyclegan_loop}


# ---- timing


def seconds(step: Step, count: int) -> tuple[float, float]:
    """Seconds a step by the clock, and of the processor in this process, with all that was started also finished."""
    wait = torch.cuda.synchronize if runtime.device().type == "cuda" else lambda: None
    wait()
    start = time.perf_counter(), time.process_time()
    for _ in range(count):
        step()
    wait()
    return (time.perf_counter() - start[0]) / count, (time.process_time() - start[1]) / count


def climb(family: str, count: int = 16, rounds: int = 9) -> dict[str, Any]:
    """Milliseconds a step on every rung, in turn; factors against the rung before, and over the whole ladder."""
    names = ladder(family, graph=runtime.device().type == "cuda")
    steps = {name: LOOPS[family](how) for name, how in names.items()}
    for step in steps.values():
        seconds(step, 16)
    workers = others()
    measured = [[seconds(step, count) for step in steps.values()] for _ in range(rounds)]
    workers = (others() - workers) / (rounds * count)
    clock, processor = 1000 * np.array(measured).transpose(2, 0, 1)  # [rounds, rungs] each
    rows: list[dict[str, Any]] = [{"what": name} for name in names]
    for row, a, b in zip(rows, clock.T, processor.T, strict=True):
        row |= {"ms": round(float(np.median(a)), 2), "processor ms": round(float(np.median(b)), 2)}
    rows[0]["workers ms"] = round(1000 * workers, 2)
    for i, row in enumerate(rows[1:], 1):
        row |= compared(clock[:, i - 1] / clock[:, i], processor[:, i - 1] / processor[:, i])
    whole = compared(clock[:, 0] / clock[:, -1], processor[:, 0] / processor[:, -1])
    load = [round(v, 1) for v in os.getloadavg()]
    return {"rows": rows, **whole, "rounds": rounds, "steps a round": count, "load": load}


def others() -> float:
    """Processor seconds of all processes that this one started, so far."""
    me = psutil.Process()
    ended, alive = me.cpu_times(), [child.cpu_times() for child in me.children()]
    return ended.children_user + ended.children_system + sum(times.user + times.system for times in alive)


def compared(clock: np.ndarray, processor: np.ndarray) -> dict[str, Any]:
    """How many times faster, by the clock and in processor time of the training process; median and quartiles."""
    return {
        "factor": round(float(np.median(clock)), 2),
        "range": spread(clock),
        "processor factor": round(float(np.median(processor)), 2),
        "processor range": spread(processor),
    }


def spread(values: Any) -> list[float]:
    """The quartiles."""
    return [round(float(v), 2) for v in np.quantile(values, (0.25, 0.75))]


def compiling(rounds: int = 9, count: int = 16) -> dict[str, Any]:
    """The VAE's step as it is against the same with compiled networks; and what compiling took, without its cache.

    A GAN's penalty needs a second derivative, which no compiled network has, so this is the VAE's.
    """
    how = How(*[True] * 6)
    plain, compiled = vae_loop(how), vae_loop(how, compiled=True)
    plain()
    start = time.process_time() + others()
    with inductor.patch(force_disable_caches=True):
        compiled()
    took = time.process_time() + others() - start
    measured = [[seconds(step, count) for step in (plain, compiled)] for _ in range(rounds)]
    clock, processor = 1000 * np.array(measured).transpose(2, 0, 1)
    about = {"ms": spread(processor[:, 0]), "compiled ms": spread(processor[:, 1]), "compiling, s": round(took, 1)}
    return about | compared(clock[:, 0] / clock[:, 1], processor[:, 0] / processor[:, 1]) | {"rounds": rounds}


# ---- time to quality


def to_quality(seed: int, budget: float) -> dict[str, Any]:
    """FD-64 of 2,000 pictures against seconds: the usual DCGAN for `budget` seconds, then ours until it is as good.

    Seconds are processor time of the training process, on one thread. The workers of the usual loop's loader are
    other processes, and not counted: that is in its favour.
    """
    torch.set_num_threads(1)
    judge, latents = metrics.ruler(DATASET), torch.randn(DRAWN, 100, generator=torch.Generator().manual_seed(1))
    marks = [budget * share for share in (1 / 16, 1 / 8, 1 / 4, 1 / 2, 1)]
    usual, spent, last = list[tuple[float, float]](), 0.0, time.process_time()
    steps = 0
    for G in usual_loop(seed):
        steps += 1
        spent, last = spent + time.process_time() - last, time.process_time()
        if spent >= marks[len(usual)]:
            G.eval()
            with torch.no_grad():
                pictures = torch.cat([G(z) for z in latents.split(500)])
            usual.append((round(spent, 2), round(judge.distance(pictures), 3)))
            G.train()
            last = time.process_time()
        if len(usual) == len(marks):
            break
    needed, goal = min(usual, key=lambda point: point[1])  # its best, and when it had it
    ours, clock = list[tuple[float, float]](), {"spent": 0.0, "last": time.process_time()}

    def look(run: Run) -> None:
        clock["spent"] += time.process_time() - clock["last"]
        if run.step % 125 == 124:
            ours.append((round(clock["spent"], 2), round(judge.distance(draw(averaged(run), DRAWN)), 3)))
            if ours[-1][1] < goal:
                raise EOFError
        clock["last"] = time.process_time()

    with tempfile.TemporaryDirectory(prefix="genimg-bench-") as runs:
        os.environ |= {"GENIMG_RUNS": runs, "GENIMG_THREADS": "1"}
        with suppress(EOFError):
            train_gan(DATASET, GAN_STEPS, seed, after_step=look)
    return {
        "seed": seed,
        "budget": budget,
        "usual": usual,
        "usual steps": steps,
        "ours": ours,
        "sooner": round(needed / ours[-1][0], 1) if ours[-1][1] < goal else None,
    }


# ---- rates of what lies around a step


def timed(what: Callable[[], Any], repeats: int = 5) -> float:
    """Seconds of the processor, here and in processes that `what` started and ended; the median of `repeats`."""
    found = []
    for _ in range(repeats):
        start = time.process_time() + others()
        what()
        found.append(time.process_time() + others() - start)
    return statistics.median(found)


def import_time() -> list[dict[str, Any]]:
    """Seconds until a fresh process has imported torch alone, and the whole course; in turn."""

    def fresh(code: str) -> float:
        return timed(lambda: subprocess.run([sys.executable, "-c", code], check=True), 1)

    pairs = [(fresh("import torch"), fresh("import genimg_utils.recipes")) for _ in range(3)]
    torch_alone, all_of_it = (statistics.median(column) for column in zip(*pairs, strict=True))
    return [
        {"what": "import torch alone, s", "value": round(torch_alone, 2)},
        {"what": "import the course with it, s", "value": round(all_of_it, 2)},
    ]


def checkpoint_cost() -> list[dict[str, Any]]:
    """Milliseconds and bytes of a checkpoint of chapter 03's GAN."""
    with tempfile.TemporaryDirectory(prefix="genimg-bench-") as runs:
        os.environ["GENIMG_RUNS"] = runs
        run = train_gan(DATASET, 20, 0)
        took = timed(run._save)
        size = run.path.stat().st_size
    return [
        {"what": "a checkpoint of the GAN, ms", "value": round(1000 * took, 1)},
        {"what": "its size, MB", "value": round(size / 1e6, 2)},
    ]


def loader_rate(count: int = 140) -> list[dict[str, Any]]:
    """Microseconds a picture from two workers with one transform a picture, all their work counted, and from memory."""
    images = data.load(DATASET).images
    loader = endless(DataLoader(Pictures(images), 64, shuffle=True, num_workers=2, drop_last=True))
    batches = data.Batches(images, 64, runtime.device(), 0)
    next(loader)

    def fetch(source: Iterator[Any]) -> None:
        for _ in range(count):
            next(source)

    pairs = [(timed(lambda: fetch(loader), 1), timed(lambda: fetch(batches), 1)) for _ in range(5)]
    costs = [1e6 * statistics.median(column) / (64 * count) for column in zip(*pairs, strict=True)]
    return [
        {"what": "a picture from a loader with two workers, µs", "value": round(costs[0], 1)},
        {"what": "a picture that is on the device already, µs", "value": round(costs[1], 2)},
    ]


def metric_rate(name: str) -> dict[str, Any]:
    """Seconds of one metric on random features, and by how much it raises the peak of memory; a process each."""
    torch.set_num_threads(1)
    generator = torch.Generator().manual_seed(0)
    count = 5_000 if name == "precision_recall" else 10_000
    real, fake = (torch.randn(count, 64, generator=generator) for _ in range(2))
    measure = getattr(metrics, name)
    measure(real[:100], fake[:100])
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    took = timed(lambda: measure(real, fake), 3)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    return {"what": f"{name} of {count:,} × 64, s", "value": round(took, 3), "MB more": round(grown / 1024)}


def metric_rates() -> list[dict[str, Any]]:
    rows = []
    for name in ("frechet", "kernel_distance", "precision_recall"):
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
            rows.append(pool.submit(metric_rate, name).result())
    return rows


# ---- what is written


def picture(found: dict[str, Any], path: Path) -> None:
    """Milliseconds a step on every rung, a panel a family."""
    plotting.style()
    figure, panels = plt.subplots(3, 1, figsize=(7, 6.4), layout="constrained")
    for ax, family in zip(panels, CHANGES, strict=True):
        rows = found[family]["rows"]
        places = range(len(rows), 0, -1)
        ax.barh(places, [row["ms"] for row in rows], color=["#D55E00", *["#0072B2"] * (len(rows) - 1)])
        for place, row in zip(places, rows, strict=True):
            ax.annotate(f" {row['ms']:.1f}", (row["ms"], place), va="center")
        ax.set_yticks([*places], [row["what"] for row in rows])
        title = f"{family}: {found[family]['factor']:.1f} times faster than as people write it"
        ax.set_title(title, loc="left")
    panels[-1].set_xlabel("milliseconds a step, median")
    figure.savefig(path, dpi=100)
    plt.close(figure)


def about() -> dict[str, Any]:
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    return {
        "machine": f"{machine()}, {runtime.threads()} thread(s)",
        "versions": {"python": platform.python_version(), "torch": torch.__version__, "numpy": np.__version__},
        "precision": str(runtime.precision(runtime.device())).removeprefix("torch."),
        "commit": commit.stdout.strip() or "unknown",
    }


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parts = (*CHANGES, "compile", "quality", "rates")
    parser.add_argument("--only", nargs="+", choices=parts, default=parts, help="measure these, keep the others")
    parser.add_argument("--rounds", type=int, default=25)
    parser.add_argument("--seeds", type=int, default=3, help="of time to quality")
    parser.add_argument("--budget", type=float, default=40.0, help="seconds of the usual DCGAN")
    parser.add_argument("--memory", type=float, help="of a GPU, GB: 15 for a T4's")
    chosen = parser.parse_args(arguments)
    found: dict[str, Any] = earlier(RESULTS)
    found |= {"command": "python benchmarks/steps.py", "dataset": f"{DATASET}, and seasons for CycleGAN"}
    found.setdefault("gpu", None)
    runtime.threads()
    on_gpu = runtime.device().type == "cuda"
    if on_gpu and chosen.memory:
        torch.cuda.set_per_process_memory_fraction(chosen.memory * 1e9 / torch.cuda.mem_get_info()[1])
    if on_gpu:
        found["gpu"] = {**about(), "card": torch.cuda.get_device_name()}
    here = found["gpu"] if on_gpu else found

    def write(**part: Any) -> None:
        here.update(part)
        keep(RESULTS, found)

    for family in CHANGES:
        if family in chosen.only:
            write(**{family: climb(family, rounds=chosen.rounds) | about()})
    if "compile" in chosen.only:
        write(compile=compiling() | about())
    if "rates" in chosen.only:
        rates = [*import_time(), *checkpoint_cost(), *loader_rate(), *metric_rates()]
        write(rates=rates, rates_machine=about())
    if "quality" in chosen.only:
        runs = [run for run in here.get("quality", []) if run["budget"] == chosen.budget]  # interrupted: goes on
        for seed in range(len(runs), chosen.seeds):
            runs.append(to_quality(seed, chosen.budget))
            write(quality=runs, quality_machine=about())
    if not on_gpu and all(family in found for family in CHANGES):
        picture(found, RESULTS.with_suffix(".png"))


if __name__ == "__main__":
    main(sys.argv[1:])

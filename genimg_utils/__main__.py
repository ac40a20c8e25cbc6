"""The door: `python -m genimg_utils report`, `train MODEL` or `sample`, with a line each for what is the matter."""

import argparse
import sys
from functools import partial
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from genimg_utils.training import EMA, Run

# The recipe of chapter 03: what `train`, the shipped weights and the benchmarks share.
GAN_STEPS = 5_000
RECIPE: dict[str, Any] = {"batch": 32, "objective": "non_saturating", "gamma": 1.0, "every": 8}
MODELS = {"gan": False, "cgan": True}  # name: whether it is told the class


def train_gan(
    model: str,
    dataset: str = "mnist-5k",
    steps: int = GAN_STEPS,
    seed: int = 0,
    fresh: bool = False,
    after_step: "Callable[[Run, EMA], None] | None" = None,
) -> "tuple[Run, EMA]":
    """Train chapter 03's GAN ("gan") or its class-conditional sister ("cgan") as that chapter does."""
    import torch

    from genimg_utils import data, losses, runtime
    from genimg_utils.losses import lazy, r1
    from genimg_utils.networks import Discriminator, Generator
    from genimg_utils.steps import gan_step
    from genimg_utils.training import EMA, Run, anneal

    device = runtime.device()
    runtime.threads()
    runtime.seed(seed)
    real = data.load(dataset)
    _, channels, size, _ = real.images.shape
    classes = len(real.classes) if MODELS[model] else 0
    batches = data.Batches(real.images, RECIPE["batch"], device, seed, labels=real.labels if classes else None)
    G = runtime.place(Generator(size, channels, classes=classes), device)
    D = runtime.place(Discriminator(size, channels, classes=classes), device)
    opt_G, opt_D = (torch.optim.Adam(n.parameters(), lr=4e-3, betas=(0.0, 0.99), fused=True) for n in (G, D))
    ema = EMA(G, decay=0.998)
    config = {"dataset": dataset, "seed": seed, "steps": steps, **RECIPE}
    objective = getattr(losses, RECIPE["objective"])
    this = Run(model, {"G": G, "D": D}, {"G": opt_G, "D": opt_D}, ema=ema, config=config, fresh=fresh)
    for item in this.steps(batches, total=steps):
        x, labels = item if classes else (item, None)
        anneal([opt_G, opt_D], this.step, steps)
        z = torch.randn(len(x), G.config["latent"], device=device)
        penalty = lazy(partial(r1, gamma=RECIPE["gamma"]), this.step, RECIPE["every"])
        this.log(**gan_step(x, z, G, D, opt_G, opt_D, objective=objective, penalty=penalty, labels=labels))
        ema.update()
        if after_step is not None:
            after_step(this, ema)
    return this, ema


def report(_: argparse.Namespace) -> int:
    from genimg_utils import data, runtime

    lines = runtime.report(data.available())
    print(*lines, sep="\n")
    return int(any(line.status == "FAIL" for line in lines))


def train(arguments: argparse.Namespace) -> int:
    run, _ = train_gan(arguments.model, arguments.dataset, arguments.steps, arguments.seed)
    print(f"Weights and card: {run.export(arguments.out or arguments.model)}")
    return 0


def sample(arguments: argparse.Namespace) -> int:
    import torch

    from genimg_utils import networks, plotting

    network = networks.load(arguments.weights)
    if not isinstance(network, networks.Generator):
        raise ValueError(f"{arguments.weights} is a {type(network).__name__}, which draws nothing: name a generator.")
    generator = torch.Generator().manual_seed(arguments.seed)
    z = torch.randn(arguments.count, network.config["latent"], generator=generator)  # [N, Z]
    classes = network.config["classes"]
    with torch.no_grad():
        images = network(z, torch.arange(arguments.count) % classes if classes else None)
    plotting.save_images(images, arguments.out, rows=ceil(arguments.count / 10), scale=4)
    print(f"{arguments.count} pictures from {arguments.weights}, seed {arguments.seed}: {arguments.out}")
    return 0


def parser() -> argparse.ArgumentParser:
    door = argparse.ArgumentParser(prog="python -m genimg_utils", description=__doc__)
    rooms = door.add_subparsers(dest="command", required=True)
    rooms.add_parser("report", help="what this machine offers the course").set_defaults(run=report)
    training = rooms.add_parser("train", help="train a model of the course and export its weights")
    training.add_argument("model", choices=MODELS)
    training.add_argument("--dataset", default="mnist-5k")
    training.add_argument("--steps", type=positive, default=GAN_STEPS)
    training.add_argument("--seed", type=int, default=0)
    training.add_argument("--out", type=Path, help="where the weights go (default: MODEL.safetensors here)")
    training.set_defaults(run=train)
    drawing = rooms.add_parser("sample", help="draw pictures from shipped or exported weights")
    drawing.add_argument("weights", nargs="?", default="cgan-mnist-5k", help="a shipped name or a .safetensors file")
    drawing.add_argument("--count", type=positive, default=40)
    drawing.add_argument("--seed", type=int, default=0)
    drawing.add_argument("--out", type=Path, default=Path("samples.png"))
    drawing.set_defaults(run=sample)
    return door


def positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a whole number from 1")
    return number


def main(arguments: list[str] | None = None) -> int:
    chosen = parser().parse_args(arguments)
    try:
        return int(chosen.run(chosen))
    except ModuleNotFoundError as error:
        print(f"[FAIL] {error.name} is missing: run `make learn`, or `pip install -e .` in the course's folder.")
    except (ValueError, OSError, RuntimeError) as error:
        print(f"[FAIL] {error}")
    return 1


if __name__ == "__main__":
    sys.exit(main())

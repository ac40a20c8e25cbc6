"""The door: `python -m genimg_utils report`, `train MODEL` or `sample`, with a line each for what is the matter."""

import argparse
import sys
from math import ceil
from pathlib import Path

MODELS = (
    "gan",
    "cgan",
    "vae",
    "cvae",
    "cyclegan",
)  # the recipes' names, without their import: help must work where torch lacks


def report(_: argparse.Namespace) -> int:
    from genimg_utils import data, runtime

    lines = runtime.report(data.available())
    print(*lines, sep="\n")
    return int(any(line.status == "FAIL" for line in lines))


def train(arguments: argparse.Namespace) -> int:
    from genimg_utils import fast, recipes, runtime

    chosen = {name: getattr(arguments, name) for name in ("dataset", "steps") if getattr(arguments, name) is not None}
    with fast.processes():
        run = recipes.MODELS[arguments.model](seed=arguments.seed, **chosen)
        if runtime.rank():  # the first of several writes
            return 0
    out = arguments.out or Path(arguments.model)
    print(f"Weights and card: {run.export(out)}")
    for name, what in {"encoder": "Its encoder", "F": "The way back"}.items():
        if name in run.networks:
            print(f"{what}: {run.export(out.with_name(f'{out.stem}-{name}'), name)}")
    return 0


def sample(arguments: argparse.Namespace) -> int:
    import torch

    from genimg_utils import networks, plotting

    network = networks.load(arguments.weights)
    if not isinstance(network, networks.Generator | networks.Decoder):
        raise ValueError(
            f"{arguments.weights} is a {type(network).__name__}, which draws nothing: name a generator or a decoder."
        )
    generator = torch.Generator().manual_seed(arguments.seed)
    z = torch.randn(arguments.count, network.config["latent"], generator=generator)  # [N, Z]
    classes = network.config["classes"]
    with torch.no_grad():
        images = network(z, torch.arange(arguments.count) % classes if classes else None)
    if isinstance(network, networks.Decoder):
        images = 2 * images.sigmoid() - 1  # from logits to the mean picture
    plotting.save_images(images, arguments.out, rows=ceil(arguments.count / 10), scale=4)
    print(f"{arguments.count} pictures from {arguments.weights}, seed {arguments.seed}: {arguments.out}")
    return 0


def parser() -> argparse.ArgumentParser:
    door = argparse.ArgumentParser(prog="python -m genimg_utils", description=__doc__)
    rooms = door.add_subparsers(dest="command", required=True)
    rooms.add_parser("report", help="what this machine offers the course").set_defaults(run=report)
    training = rooms.add_parser("train", help="train a model of the course and export its weights")
    training.add_argument("model", choices=MODELS)
    training.add_argument("--dataset", help="default: its chapter's, mnist-5k or seasons")
    training.add_argument("--steps", type=positive, help="default: as many as the model's chapter takes")
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

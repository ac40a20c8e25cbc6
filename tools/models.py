"""Makes the weights that ship in data/models, each with a card: `make models`, or `python tools/models.py NAME …`.

The classifiers behind FD-64 first, then the models of the chapters, which are judged by that ruler. Each is made on
one thread from seed 0. The classifiers need MNIST and Fashion-MNIST, downloaded or in $GENIMG_DATA.
"""

import os
import sys
import time

import torch
from chapters import REPOSITORY
from torch import Tensor
from torch.nn.functional import cross_entropy

from genimg_utils import __main__ as door
from genimg_utils import data, metrics, recipes, runtime
from genimg_utils.checkpoint import export
from genimg_utils.networks import Classifier

MODELS = REPOSITORY / "data" / "models"
BATCH, RATE = 128, 3e-3


def train_classifier(dataset: str, epochs: int, flip: bool) -> Classifier:
    """A classifier of `dataset`, trained on shifted (and flipped) pictures, with the test features' moments."""
    runtime.seed(0)
    training = data.load(dataset)
    batches = data.Batches(training.images, BATCH, torch.device("cpu"), 0, labels=training.labels, flip=flip)
    network = Classifier().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimiser = torch.optim.AdamW(network.parameters(), lr=RATE, weight_decay=1e-2)
    steps = epochs * (len(training.images) // BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE, total_steps=steps)
    for step in range(steps):
        x, y = next(batches)
        loss = cross_entropy(network(shifted(x)), y)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
        if step % 100 == 0:
            print(f"{dataset}: step {step:,} of {steps:,}, loss {loss.item():.3f}", end="\r", flush=True)
    return network.eval()


def shifted(x: Tensor) -> Tensor:
    """The batch moved by up to two pixels each way."""
    moves = torch.randint(-2, 3, (2,)).tolist()
    return torch.roll(x, moves, dims=(2, 3))


def make_classifier(dataset: str, epochs: int, flip: bool) -> None:
    start = time.monotonic()
    network = train_classifier(dataset, epochs, flip)
    seconds = time.monotonic() - start
    test = data.load(dataset, "test")
    moments = metrics.moments(metrics.in_chunks(lambda x: network.features(x / 127.5 - 1), test.images))
    network.mean.copy_(torch.from_numpy(moments.mean))
    network.covariance.copy_(torch.from_numpy(moments.covariance))
    network.count.fill_(moments.N)
    logits = metrics.in_chunks(lambda x: network(x / 127.5 - 1), test.images)
    assert test.labels is not None
    accuracy = torch.eq(logits.argmax(dim=1), test.labels).double().mean().item()
    card = {
        "dataset": f"{dataset}, all training pictures; moments of the {len(test.images):,} test pictures",
        "accuracy on the test pictures": f"{accuracy:.4f}",
        "settings": f"seed 0, {epochs} epochs, batch {BATCH}, AdamW {RATE} one cycle, one thread",
        "seconds": f"{seconds:.0f}",
        "command": f"python tools/models.py classifier-{dataset}",
    }
    export(network, MODELS / f"classifier-{dataset}", card)
    print(f"\nclassifier-{dataset}: accuracy {accuracy:.4f}, {seconds:.0f} s")


def make_generator(model: str) -> None:
    run = recipes.MODELS[model]("mnist-5k", fresh=True)
    run.export(MODELS / f"{model}-mnist-5k")


MAKERS = {
    "classifier-mnist": lambda: make_classifier("mnist", epochs=8, flip=False),
    "classifier-fashion-mnist": lambda: make_classifier("fashion-mnist", epochs=4, flip=True),
    "gan-mnist-5k": lambda: make_generator("gan"),
    "cgan-mnist-5k": lambda: make_generator("cgan"),
    "samples": lambda: door.main(["sample", "--count", "60", "--out", str(MODELS / "samples.png")]),
}


def main(names: list[str]) -> int:
    """Makes the named models, or all; the tier is the laptop's, whatever machine this is."""
    os.environ |= {"GENIMG_TIER": "cpu", "GENIMG_THREADS": "1"}
    unknown = [name for name in names if name not in MAKERS]
    if unknown:
        print(f"There is no model {unknown[0]!r}: name some of {', '.join(MAKERS)}, or none for all.")
        return 2
    torch.set_num_threads(1)
    for name in names or MAKERS:
        MAKERS[name]()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

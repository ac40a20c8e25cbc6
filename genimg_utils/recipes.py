"""How the training chapters train: what the door, the shipped weights and the benchmarks share.

A recipe's settings are those of its chapter; a test holds them together. Under `fast.processes` several processes train
one model: all draw the same batches and noise, each takes its part, and what is logged is the mean over all.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import nn
from torch.optim import Adam

from genimg_utils import data, fast, losses, runtime, unpaired
from genimg_utils.losses import lazy, r1
from genimg_utils.networks import Decoder, Discriminator, Encoder, Generator, LocalDiscriminator, Translator
from genimg_utils.pool import ImagePool
from genimg_utils.steps import cyclegan_step, gan_step, vae_step
from genimg_utils.training import EMA, Run, anneal

GAN: dict[str, Any] = {"batch": 32, "objective": "non_saturating", "gamma": 1.0, "every": 8, "learning_rate": 4e-3}
GAN_STEPS = 5_000
KINDS = 32  # of pictures, into which a GAN that is told no class divides what it draws
VAE: dict[str, Any] = {"batch": 64, "learning_rate": 4e-3}
VAE_STEPS = 6_000
CYCLEGAN: dict[str, Any] = {
    "batch": 4,
    "objective": "least_squares",
    "cycle": 10.0,
    "identity": 2.0,
    "pool": 0,
    "learning_rate": 2e-3,
    "learning_rate_D": 1e-3,
    "flowers": False,
    "paint": False,
}
CYCLEGAN_STEPS = 5_000
KINDS = 32  # of pictures, into which a GAN that is told no class divides what it draws

AfterStep = Callable[[Run], None]


def train_gan(
    dataset: str = "mnist-5k",
    steps: int = GAN_STEPS,
    seed: int = 0,
    *,
    told: bool = False,
    kinds: int = 0,
    fresh: bool = False,
    after_step: AfterStep | None = None,
) -> Run:
    """Chapter 03's GAN, class-conditional where it is `told` the class; `run.ema` draws.

    kinds: into how many the generator itself may divide what it draws, where it is told no class.
    """
    device, real, (channels, size, classes) = begin(dataset, seed, told)
    batches = data.Batches(real.images, GAN["batch"], device, seed, labels=real.labels)
    G = runtime.place(Generator(size, channels, classes=classes, kinds=kinds), device)
    D = runtime.place(Discriminator(size, channels, classes=classes), device)
    opt_G, opt_D = (Adam(n.parameters(), lr=GAN["learning_rate"], betas=(0.0, 0.99), fused=True) for n in (G, D))
    ema = EMA(G, decay=0.998)
    objective = getattr(losses, GAN["objective"])
    config = {"dataset": dataset, "seed": seed, "steps": steps, **GAN} | ({"kinds": kinds} if kinds else {})
    name = "cgan" if told else "gan"
    run = Run(name, {"G": G, "D": D}, {"G": opt_G, "D": opt_D}, ema=ema, config=config, fresh=fresh)
    players = fast.parallel(G), fast.parallel(D)
    for item in run.steps(batches, total=steps):
        x, labels = item if told else (item, None)
        anneal([opt_G, opt_D], run.step, steps)
        z = torch.randn(len(x), G.config["latent"], device=device)
        penalty = lazy(partial(r1, gamma=GAN["gamma"]), run.step, GAN["every"])
        x, z, labels = fast.part(x, z, labels)
        logged = gan_step(x, z, *players, opt_G, opt_D, objective=objective, penalty=penalty, labels=labels)
        run.log(**fast.mean(logged))
        ema.update()
        if after_step is not None:
            after_step(run)
    return run


def train_vae(
    dataset: str = "mnist-5k",
    steps: int = VAE_STEPS,
    seed: int = 0,
    *,
    told: bool = False,
    fresh: bool = False,
    after_step: AfterStep | None = None,
) -> Run:
    """Chapter 06's VAE on pictures that are binarised anew in each step, conditional where it is `told` the class."""
    device, real, (channels, size, classes) = begin(dataset, seed, told)
    batches = data.Batches(real.images, VAE["batch"], device, seed, labels=real.labels)
    encoder = runtime.place(Encoder(size, channels, classes=classes), device)
    decoder = runtime.place(Decoder(size, channels, classes=classes), device)
    parameters = [*encoder.parameters(), *decoder.parameters()]
    optimiser = Adam(parameters, lr=VAE["learning_rate"], betas=(0.9, 0.99), fused=True)
    config = {"dataset": dataset, "seed": seed, "steps": steps, **VAE}
    networks = {"decoder": decoder, "encoder": encoder}  # the first is what `run.export` takes by itself
    run = Run("cvae" if told else "vae", networks, {"both": optimiser}, config=config, fresh=fresh)
    both = fast.parallel(encoder), fast.parallel(decoder)
    for item in run.steps(batches, total=steps):
        x, labels = item if told else (item, None)
        anneal([optimiser], run.step, steps)
        noise = torch.randn(len(x), encoder.config["latent"], device=device)
        x, noise, labels = fast.part(torch.bernoulli((x + 1) / 2), noise, labels)
        run.log(**fast.mean(vae_step(x, noise, *both, optimiser, labels=labels)))
        if after_step is not None:
            after_step(run)
    return run


def train_cyclegan(
    dataset: str = "seasons",
    steps: int = CYCLEGAN_STEPS,
    seed: int = 0,
    *,
    translator: type[nn.Module] = Translator,
    fresh: bool = False,
    after_step: AfterStep | None = None,
    **changes: Any,
) -> Run:
    """Chapter 09's CycleGAN; of `run.ema.network`, "G" maps A to B, and "F" maps B to A.

    `translator` makes both, `changes` are settings in place of CYCLEGAN's.
    """
    runtime.threads()
    runtime.seed(seed)
    device, settings = runtime.device(), CYCLEGAN | changes
    if settings["pool"] and fast.world() > 1:
        raise ValueError("A pool holds one process's pictures: train with pool=0, or with one process.")
    A, B, _ = unpaired.load(dataset, flowers=settings["flowers"], paint=settings["paint"])
    xs, ys = (data.Batches(domain, settings["batch"], device, seed + i) for i, domain in enumerate((A, B)))
    G, F = (runtime.place(translator(), device) for _ in range(2))
    D_X, D_Y = (runtime.place(LocalDiscriminator(), device) for _ in range(2))
    opt_GF, opt_D = (
        Adam([*a.parameters(), *b.parameters()], lr=settings[rate], betas=(0.5, 0.99), fused=True)
        for a, b, rate in ((G, F, "learning_rate"), (D_X, D_Y, "learning_rate_D"))
    )
    ema = EMA(nn.ModuleDict({"G": G, "F": F}), decay=0.998)
    pools = (ImagePool(settings["pool"], seed), ImagePool(settings["pool"], seed + 1))
    run = Run(
        "cyclegan",
        {"G": G, "F": F, "D_X": D_X, "D_Y": D_Y},
        {"GF": opt_GF, "D": opt_D},
        ema=ema,
        extra={"pool X": pools[0], "pool Y": pools[1]},
        config={"dataset": dataset, "seed": seed, "steps": steps, "translator": translator.__name__, **settings},
        fresh=fresh,
    )
    step = partial(
        cyclegan_step,
        objective=getattr(losses, settings["objective"]),
        cycle=settings["cycle"],
        identity=settings["identity"],
        pools=pools,
    )
    g, f, d_X, d_Y = (fast.parallel(network) for network in (G, F, D_X, D_Y))
    for x, y in run.steps(xs, ys, total=steps):
        anneal([opt_GF, opt_D], run.step, steps)
        x, y = fast.part(x, y)
        run.log(**fast.mean(step(x, y, g, f, d_X, d_Y, opt_GF, opt_D)))
        ema.update()
        if after_step is not None:
            after_step(run)
    return run


def begin(dataset: str, seed: int, told: bool) -> tuple[torch.device, data.ImageSet, tuple[int, int, int]]:
    """Sets threads and seeds; the device, the training pictures, with labels if `told`, and C, S and the classes."""
    runtime.threads()
    runtime.seed(seed)
    real = data.load(dataset)
    _, channels, size, _ = real.images.shape
    if not told:
        return runtime.device(), real._replace(labels=None), (channels, size, 0)
    return runtime.device(), real, (channels, size, len(real.classes))


MODELS: dict[str, Callable[..., Run]] = {
    "gan": partial(train_gan, kinds=KINDS),
    "cgan": partial(train_gan, told=True),
    "vae": train_vae,
    "cvae": partial(train_vae, told=True),
    "cyclegan": train_cyclegan,
}

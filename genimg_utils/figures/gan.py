"""Figures of the chapters on generative adversarial networks."""

from collections.abc import Mapping, Sequence
from math import log

import matplotlib.pyplot as plt
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from genimg_utils.plotting import WIDTH, Images, bars, lines, strip


def losses(history: Mapping[str, ArrayLike], title: str = "", smooth: int = 100) -> Figure:
    """Losses of both players above, mean logits of real and generated images below, over the steps.

    history: what `run.history` holds of `gan_step`, each [steps]. The constants are those of the
    non-saturating losses at equilibrium, where every logit is 0. Goodfellow et al. 2014, section 4.1.
    """
    if missing := {"loss_D", "loss_G", "d_real", "d_fake"} - set(history):
        raise ValueError(f"history lacks {', '.join(sorted(missing))}: log what gan_step returns")
    figure, (above, below) = plt.subplots(2, 1, sharex=True, figsize=(WIDTH, 4.4), layout="constrained")
    above.set(ylabel="loss")
    above.set_title(title, loc="left")
    below.set(ylabel="mean logit", xlabel="step")
    players = {"discriminator": history["loss_D"], "generator": history["loss_G"]}
    lines(above, players, {"2 ln 2": 2 * log(2), "ln 2": log(2)}, smooth)
    lines(below, {"real": history["d_real"], "generated": history["d_fake"]}, {"undecided": 0}, smooth)
    return figure


def samples_over_time(snapshots: Mapping[int, Images], title: str = "") -> Figure:
    """One row of images [N, C, H, W] for each step at which they were drawn, from the same noise."""
    return strip({f"step {step:,}": images for step, images in snapshots.items()}, title)


def memorisation(generated: Images, nearest_train: Images, title: str = "") -> Figure:
    """Generated images [N, C, H, W], and under each the nearest real image of the training set."""
    return strip({"generated": generated, "nearest real": nearest_train}, title)


def class_grid(images: Sequence[Images], classes: Sequence[str], title: str = "") -> Figure:
    """One row of images [k, C, H, W] for each class, with its name."""
    return strip(dict(zip(classes, images, strict=True)), title)


def ruler(fd: Mapping[str, float | Sequence[float]], floor: float, title: str = "", xlabel: str = "FD-64") -> Figure:
    """Fréchet distances (each seed a dot) beside the floor that real images reach, and as its multiples."""
    return bars(
        fd,
        reference=(f"real images: {floor:.2f}", floor),
        title=title,
        xlabel=xlabel,
        note=lambda value: f"{value:.2f} = {value / floor:.1f} × floor",
    )

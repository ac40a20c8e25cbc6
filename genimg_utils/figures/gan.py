"""Figures of the chapters on generative adversarial networks."""

from collections.abc import Collection, Mapping, Sequence
from math import ceil, log

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from numpy.typing import ArrayLike
from torch import Tensor

from genimg_utils.plotting import (
    GENERATED,
    LEARNED,
    REAL,
    TRUTH,
    WIDTH,
    Images,
    bars,
    beside,
    chart,
    colours,
    headline,
    lines,
    strip,
)


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


def ruler(
    fd: Mapping[str, float | Sequence[float]],
    floor: float,
    title: str = "",
    xlabel: str = "FD-64",
    fair: Collection[str] | None = None,
) -> Figure:
    """Fréchet distances (each seed a dot) beside the floor that real images reach, and as its multiples.

    fair: the bars measured on as many images as the floor, None for all; only they get their multiple.
    """

    def note(value: float, label: str) -> str:
        return f"{value:.2f}" + (f" = {value / floor:.1f} × floor" if fair is None or label in fair else "")

    return bars(
        fd,
        reference=(f"real images: {floor:.2f}", floor),
        title=title,
        xlabel=xlabel,
        note=note,
    )


def density_ratio(
    x: ArrayLike, ratio: ArrayLike, logit: ArrayLike, p_data: ArrayLike, p_G: ArrayLike, title: str = ""
) -> Figure:
    """A learned logit over the true log-ratio of two densities, with both densities as hills below.

    All arrays hold n numbers, over x in ascending order; the densities are drawn on one scale of their own.
    """
    title = title or "From samples alone it learns the ratio, but only where both kinds have samples"
    x, ratio, logit, p_data, p_G = (
        torch.as_tensor(v).detach().flatten().numpy() for v in (x, ratio, logit, p_data, p_G)
    )
    figure, ax = chart(title, "$x$", "log-odds")
    low, high = -12, 4
    scale = 4 / max(p_data.max(), p_G.max())
    for density, color, name in ((p_data, REAL, "data"), (p_G, GENERATED, "generator")):
        ax.fill_between(x, low, low + scale * density, color=color, alpha=0.25, linewidth=0)
        peak = density.argmax()
        ax.text(x[peak], low + scale * density[peak] + 0.3, name, color=color, ha="center", va="bottom")
    ax.plot(x, ratio, color=TRUTH, linestyle="--", linewidth=1)
    ax.plot(x, logit, color=LEARNED)
    aside = x[0] + 0.815 * (x[-1] - x[0])
    ax.text(aside, 2, "learned: logit $D(x)$", color=LEARNED, va="center")
    ax.text(aside, 0.5, r"true: $\log\,p_{\mathrm{data}} - \log\,p_G$", color=TRUTH, va="center")
    ax.set(xlim=(x[0], x[-1]), ylim=(low, high))
    return figure


def field(
    panels: Mapping[str, tuple[ArrayLike, ArrayLike]],
    real: ArrayLike | Mapping[str, ArrayLike],
    extent: float,
    title: str = "",
    limit: float = 4.0,
    columns: int = 3,
    arrows: int = 0,
) -> Figure:
    """The discriminator's logit as a coloured plane with real and generated points on it, a panel each, one scale.

    panels: name → (logit [n, n], row by row from below over the square [−extent, extent]², points [N, 2]);
    real [M, 2], one for all or by panel. Blue is where the logit says "data", vermilion where it says
    "generated"; beyond ±limit both are full. The first `arrows` points carry an arrow up the logit's slope: long where
    it is steep, none where it is flat.
    """
    if not panels:
        raise ValueError("there is no panel to draw")
    columns = min(columns, len(panels))
    rows = ceil(len(panels) / columns)
    size = (WIDTH, 0.4 + rows * (WIDTH - 0.7) / columns) if columns > 1 else (4.2, 3.8)
    close = ConstrainedLayoutEngine(w_pad=0.02, h_pad=0.02)
    figure, axes = plt.subplots(rows, columns, figsize=size, squeeze=False, layout=close)
    shades = LinearSegmentedColormap.from_list("who", ["#EDBB92", "white", "#92C1DE"])  # pale, under the points
    levels = np.linspace(-limit, limit, 18)  # 17 bands: the middle one, around 0, is white
    for ax in axes.flat:
        ax.axis("off")
    for ax, (name, (logit, points)) in zip(axes.flat, panels.items(), strict=False):
        data = real[name] if isinstance(real, Mapping) else real
        logit, points, data = (torch.as_tensor(v).detach().cpu() for v in (logit, points, data))
        axis = np.linspace(-extent, extent, len(logit))
        shaded = ax.contourf(axis, axis, logit, levels, cmap=shades, extend="both")
        if arrows:
            ax.quiver(*points[:arrows].T, *uphill(logit, points[:arrows], extent).T, **ARROW)
        ax.scatter(*data.T, s=6, color=REAL, linewidths=0.3, edgecolors="white")
        ax.scatter(*points.T, s=7, color=GENERATED, marker="s", linewidths=0.3, edgecolors="white")
        ax.set(xlim=(-extent, extent), ylim=(-extent, extent), aspect="equal")
        ax.set_title(name, fontsize=9, loc="center", pad=3)
    bar = figure.colorbar(shaded, ax=axes, shrink=0.7, ticks=[-limit, 0, limit])
    bar.set_label("← generated · data →", fontsize=9)
    bar.outline.set_visible(False)
    headline(figure, title)
    return figure


ARROW = {"color": TRUTH, "angles": "xy", "scale_units": "xy", "scale": 1, "width": 0.006, "zorder": 3}


def uphill(logit: Tensor, points: Tensor, extent: float) -> Tensor:
    """Arrows [N, 2] up the slope of logit [n, n] at points [N, 2], g/(2 + |g|) long: below 1, and 0 on a plane."""
    spacing = 2 * extent / (len(logit) - 1)
    along_y, along_x = torch.gradient(logit, spacing=spacing)
    column, row = ((points + extent) / spacing).round().long().clamp(0, len(logit) - 1).T
    slope = torch.stack([along_x[row, column], along_y[row, column]], dim=1)
    return slope / (2 + slope.norm(dim=1, keepdim=True))


def pairing(x: ArrayLike, y: ArrayLike, title: str = "", squared: bool = False) -> Figure:
    """Real samples x [n] above, generated y [n] below, joined as they came (left) and in order (right).

    Above each the mean way, or the mean of its square.
    """
    x, y = (torch.as_tensor(v).detach().cpu().double() for v in (x, y))
    figure, axes = plt.subplots(1, 2, sharex=True, figsize=(WIDTH, 1.9), layout="constrained")
    for ax, how, (above, below) in zip(
        axes, ("as they came", "smallest to smallest"), ((x, y), (x.sort().values, y.sort().values)), strict=True
    ):
        for a, b in zip(above, below, strict=True):
            ax.plot([a, b], [1, 0], color=TRUTH, linewidth=0.8, alpha=0.7)
        ax.plot(above, torch.ones_like(above), "o", color=REAL, markersize=6, clip_on=False)
        ax.plot(below, torch.zeros_like(below), "s", color=GENERATED, markersize=6, clip_on=False)
        ax.set(ylim=(-0.25, 1.25), yticks=[])
        ax.spines.left.set_visible(False)
        mean = (above - below).abs().pow(1 + squared).mean()
        ax.set_title(f"{how}: mean {'square' if squared else 'way'} {mean:.2f}", fontsize=9, loc="center")
    axes[0].set_yticks([1, 0], ["real", "generated"])
    axes[0].tick_params(axis="y", length=0)
    for label, colour in zip(axes[0].get_yticklabels(), (REAL, GENERATED), strict=True):
        label.set_color(colour)
    headline(figure, title)
    return figure


def two_fits(x: ArrayLike, p: ArrayLike, fits: Mapping[str, ArrayLike], title: str = "") -> Figure:
    """A density p [n] over x [n], filled, and beside it the densities [n] that were fitted to it, named."""
    x, p = (torch.as_tensor(v).detach().cpu().double() for v in (x, p))
    figure, ax = chart(title, "x", height=2.6)
    ax.fill_between(x, p, color=REAL, alpha=0.25, linewidth=0)
    top = float(p.max())
    ax.text(float(x[p.argmax()]), 0.4 * top, "p", color=REAL, ha="center", fontsize=12)
    for (name, density), colour, style in zip(fits.items(), (LEARNED, GENERATED), ("-", "-."), strict=True):
        density = torch.as_tensor(density).detach().cpu().double()
        peak, top = density.argmax(), max(top, float(density.max()))
        ax.plot(x, density, color=colour, linestyle=style)
        ax.text(float(x[peak]), float(density[peak]), name, color=colour, ha="center", va="bottom")
    ax.set(xlim=(float(x[0]), float(x[-1])), ylim=(0, 1.25 * top), yticks=[])
    ax.spines.left.set_visible(False)
    return figure


def apart(
    shift: ArrayLike, values: Mapping[str, ArrayLike], slopes: Mapping[str, ArrayLike], title: str = "", top: float = 2
) -> Figure:
    """What each divergence says of two hills drawn apart (above), and its slope in the shift (below), up to `top`."""
    figure, axes = plt.subplots(2, 1, sharex=True, figsize=(WIDTH, 4.2), layout="constrained")
    shift = torch.as_tensor(shift).double()
    axes[0].set_title(title, loc="left")
    axes[1].set(xlabel="shift between the hills")
    for ax, curves, what in zip(axes, (values, slopes), ("value", "slope"), strict=True):
        ax.set(ylim=(-0.06 * top, 1.06 * top), xlim=(0, float(shift.max())), ylabel=what)
        ends = []
        for (name, y), colour in zip(curves.items(), colours(curves), strict=True):
            y = torch.as_tensor(y).double()
            ax.plot(shift, y.where(y <= 2 * top, torch.nan), color=colour, label=name)
            over = (y > 1.03 * top).nonzero()
            if len(over):  # it leaves through the roof, and its name stays where it does
                ax.text(float(shift[over[0, 0]]) + 0.03, 0.93 * top, name, color=colour)
            else:
                ends.append((name, colour, float(y[-1])))
        beside(ax, ends)
    return figure


def clouds(points: Mapping[str, Images], hills: Images, title: str = "", columns: int = 3) -> Figure:
    """Generated points [n, 2] in a panel each, beside the centres [K, 2] of the data's hills; one scale for all."""
    figure, axes = panels(len(points), columns, title)
    reach = 1.35 * torch.as_tensor(hills).abs().max().item()
    for ax, (label, x) in zip(axes, points.items(), strict=True):
        ax.plot(*torch.as_tensor(hills).T, "o", color=REAL, markersize=11, fillstyle="none")
        ax.plot(*torch.as_tensor(x)[:500].T, ".", color=GENERATED, markersize=2.5, alpha=0.6)
        ax.set(xlim=(-reach, reach), ylim=(-reach, reach), xticks=[], yticks=[], aspect="equal")
        ax.set_xlabel(label)
    return figure


def orbits(
    paths: Mapping[str, Images], fields: Mapping[str, tuple[Images, Images]], title: str = "", columns: int = 3
) -> Figure:
    """Paths [n, 2] of (θ, ψ) in a panel each, from a dot at their start, over a field of arrows; a cross at rest.

    fields: places and arrows, [m, 2] each, under the same labels.
    """
    figure, axes = panels(len(paths), min(columns, len(paths)), title)
    for ax, (label, path) in zip(axes, paths.items(), strict=True):
        places, arrows = (torch.as_tensor(f) for f in fields[label])
        arrows = arrows / arrows.norm(dim=1, keepdim=True).clamp(min=1e-9)
        ax.quiver(*places.T, *arrows.T, color="#BBBBBB", pivot="mid", width=0.006)
        path = torch.as_tensor(path)
        ax.plot(*path.T, color=GENERATED, linewidth=1)
        ax.plot(*path[0], "o", color=GENERATED)
        ax.plot(0, 0, "+", color=TRUTH, markersize=10)
        ax.set(xlim=(-2.2, 2.2), ylim=(-2.2, 2.2), xticks=[], yticks=[], aspect="equal", xlabel=label)
    axes[0].set_ylabel("ψ, up; θ, right")
    return figure


def panels(count: int, columns: int, title: str) -> tuple[Figure, list[Axes]]:
    """`count` square panels on one page, as many in a row as `columns`, under a title."""
    rows = -(-count // columns)
    side = WIDTH / max(columns, 2)
    figure, axes = plt.subplots(
        rows, columns, squeeze=False, figsize=(side * columns, side * rows + 0.35), layout="constrained"
    )
    headline(figure, title, width=38 * max(columns, 2))
    for ax in axes.flat[count:]:
        ax.axis("off")
    return figure, list(axes.flat[:count])


def fits(x: ArrayLike, p_data: ArrayLike, fitted: Mapping[str, ArrayLike], title: str = "") -> Figure:
    """Fitted densities [n] over x [n], a panel each, on the density of the data."""
    x, p_data = (torch.as_tensor(v).detach().cpu() for v in (x, p_data))
    size = (WIDTH, 1.9)
    figure, axes = plt.subplots(1, len(fitted), sharey=True, figsize=size, squeeze=False, layout="constrained")
    for ax, (name, density) in zip(axes.flat, fitted.items(), strict=True):
        ax.fill_between(x, p_data, color=REAL, alpha=0.3, linewidth=0)
        ax.plot(x, torch.as_tensor(density).detach().cpu(), color=GENERATED)
        ax.set_title(name, loc="center")
        ax.set(xlabel="$x$", yticks=[])
        ax.spines.left.set_visible(False)
    ax.set_ylim(0, 1.05 * max(panel.dataLim.y1 for panel in axes.flat))
    headline(figure, title)
    return figure


def loss_and_share(step: ArrayLike, loss: ArrayLike, share: ArrayLike, title: str = "") -> Figure:
    """The generator's loss over the steps, and below it the share of its points that lie on a hill."""
    figure, (above, below) = plt.subplots(2, 1, sharex=True, figsize=(WIDTH, 3.8), layout="constrained")
    above.set(ylabel="loss")
    above.set_title(title, loc="left")
    below.set(ylabel="share", xlabel="step", ylim=(0, 1))
    step, loss, share = (torch.as_tensor(v) for v in (step, loss, share))
    lines(above, {"generator's loss": (step, loss)}, {"ln 2": log(2)}, smooth=1)
    lines(below, {"on a hill": (step, share)}, {}, smooth=1)
    return figure

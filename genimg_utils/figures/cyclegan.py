"""Figures of the chapters on CycleGANs."""

from collections.abc import Mapping

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import ArrayLike
from PIL.Image import Image
from torch import Tensor

from genimg_utils.figures.gan import panels as square_panels
from genimg_utils.plotting import GENERATED, REAL, Images, framed

FIRST, SECOND = REAL, "#E69F00"  # as far apart in grey as in colour


def maps(panels: Mapping[str, tuple[Tensor, Tensor]], title: str = "", limit: float = 2.0) -> Figure:
    """Points [n, 2] in a panel each, and whether each [n] is of the first kind (dots) or of the second (squares).

    The points of a kind keep their sign through all panels, wherever a map puts them.
    """
    figure, axes = row(len(panels), title)
    for ax, (name, (points, first)) in zip(axes, panels.items(), strict=True):
        points, first = points.detach().cpu(), first.detach().cpu()
        ax.plot(*points[first].T, "o", color=FIRST, markersize=3, alpha=0.6, markeredgewidth=0)
        ax.plot(*points[~first].T, "s", color=SECOND, markersize=3, alpha=0.8, markeredgewidth=0)
        ax.set(xlim=(-limit, limit), ylim=(-limit, limit), xticks=[], yticks=[], aspect="equal", xlabel=name)
    return figure


def landscapes(
    a: ArrayLike,
    b: ArrayLike,
    losses: Mapping[str, Images],
    minima: Mapping[str, Images],
    right: tuple[float, float],
    title: str = "",
) -> Figure:
    """Losses [len(b), len(a)] over two weights, a panel each, dark where low, with their minima [k, 2] as dots.

    A ring lies around the right answer.
    """
    figure, axes = row(len(losses), title)
    for ax, (name, loss) in zip(axes, losses.items(), strict=True):
        values = torch.as_tensor(loss).detach()
        levels = torch.logspace(-2.5, 0, 12) * (values.max() - values.min()) + values.min()
        ax.contourf(a, b, values, [float(values.min()) - 1e-9, *levels.tolist()], cmap="Blues_r")
        ax.plot(*torch.as_tensor(minima[name]).T, "o", color=GENERATED, markersize=6, markeredgecolor="white")
        ax.plot(*right, "o", color="white", markersize=14, fillstyle="none", markeredgewidth=2)
        ax.set(xlabel=f"a\n{name}")
        ax.set_box_aspect(1)
    axes[0].set_ylabel("b")
    return figure


def fields(seen: Mapping[str, tuple[Images, tuple[int, int, int]]], title: str = "") -> Figure:
    """How much one output depends on each pixel [S, S], white for not at all, and a square (left, top, side) on it."""
    figure, axes = row(len(seen), title)
    for ax, (name, (gradient, (left, top, side))) in zip(axes, seen.items(), strict=True):
        strength = torch.as_tensor(gradient).detach().abs().sqrt()
        shades = (strength / strength.max() * 7).ceil()  # eight shades: a small picture
        ax.pcolormesh(shades, cmap="Greys", vmin=0, vmax=7)
        ax.add_patch(Rectangle((left, top), side, side, fill=False, color=GENERATED, linestyle="--"))
        ax.set(xticks=[], yticks=[], xlabel=name, aspect="equal")
        ax.invert_yaxis()
    return figure


def sheet(sheets: Mapping[str, Image], name: str) -> Figure:
    """The one that is named of several small pictures, every pixel a block of 3 × 3, its name above it."""
    pixels = np.asarray(sheets[name].convert("RGB"))
    return framed(pixels.repeat(3, axis=0).repeat(3, axis=1), name)


def row(count: int, title: str) -> tuple[Figure, list[Axes]]:
    """`count` square panels beside each other, with room for the names below them."""
    figure, axes = square_panels(count, count, title)
    figure.set_figheight(figure.get_figheight() + 0.15)
    return figure, axes

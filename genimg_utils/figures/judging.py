"""Figures of the chapters on judging what was generated."""

from collections.abc import Mapping

import matplotlib.pyplot as plt
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Circle, Rectangle
from numpy.typing import ArrayLike
from torch import Tensor

from genimg_utils.figures.gan import panels
from genimg_utils.figures.vae import ellipse
from genimg_utils.plotting import GENERATED, REAL, TRUTH, WIDTH, beside, chart, colours, headline


def transport(ways: Mapping[str, tuple[Tensor, Tensor]], title: str = "") -> Figure:
    """Ways from points x [n, 2] to points y [n, 2], a panel each, with both clouds' ellipses."""
    figure, axes = panels(len(ways), len(ways), title)
    for ax, (name, (x, y)) in zip(axes, ways.items(), strict=True):
        for a, b in zip(x, y, strict=True):
            ax.plot(*torch.stack([a, b]).T, color=TRUTH, linewidth=0.6, alpha=0.5)
        for points, colour, marker in ((x, REAL, "o"), (y, GENERATED, "s")):
            ax.plot(*points.T, marker, color=colour, markersize=3.5)
            ellipse(ax, points.mean(0), points.T.cov(), colour, fill=False, linewidth=1.2)
        bare(ax, name, torch.cat([v for pair in ways.values() for v in pair]))
    return figure


def bare(ax: Axes, name: str, points: Tensor) -> None:
    """Axes without lines, with a name above, that hold all points [n, 2] of all panels."""
    (left, low), (right, high) = points.amin(dim=0).tolist(), points.amax(dim=0).tolist()
    margin = 0.06 * max(right - left, high - low)
    ax.set(xlim=(left - margin, right + margin), ylim=(low - margin, high + margin), aspect="equal")
    ax.set_title(name, loc="center", fontsize=9)
    ax.axis("off")


def extrapolation(
    series: Mapping[str, tuple[ArrayLike, ArrayLike]], lines: Mapping[str, tuple[float, float]], title: str = ""
) -> Figure:
    """Distances over 1/N, the number of pictures on the ticks, and each line (height at 0, slope) to where 1/N is 0."""
    figure, ax = chart(title, "number of pictures N, at 1/N", "FD-64")
    sizes, ends = torch.as_tensor([]), []
    for (name, (N, distance)), colour in zip(series.items(), colours(series), strict=True):
        height, slope = lines[name]
        sizes = torch.as_tensor(N).double()
        far = 1 / float(sizes.min())
        ax.plot([0, far], [height, height + slope * far], "--", color=colour, linewidth=1.2)
        ax.plot(1 / sizes, torch.as_tensor(distance), "o", color=colour, markersize=4)
        ax.plot(0, height, "D", color=colour, markersize=7, clip_on=False, fillstyle="none")
        ends.append((f"{name}: {height:.1f} at ∞", colour, height + slope * far))
    smallest = int(sizes.min())
    ticks = [smallest, 2 * smallest, 5 * smallest]
    ax.set_xticks([0, *(1 / n for n in ticks)], ["∞", *(f"{n:,}" for n in ticks)])
    ax.set_xlim(0, 1.02 / smallest)
    beside(ax, ends)
    return figure


def balls(panels_of: Mapping[str, tuple[Tensor, Tensor, Tensor]], title: str = "") -> Figure:
    """Points with their balls, and other points: centres [N, 2], radii [N], others [M, 2], a panel each.

    Centres are real unless the panel's name starts with "generated".
    """
    figure, axes = panels(len(panels_of), len(panels_of), title)
    for ax, (name, (centres, radius, others)) in zip(axes, panels_of.items(), strict=True):
        around = (GENERATED, "s", REAL, "o") if name.startswith("generated") else (REAL, "o", GENERATED, "s")
        for centre, r in zip(centres.tolist(), radius.tolist(), strict=True):
            ax.add_patch(Circle(centre, r, color=around[0], alpha=0.08, linewidth=0))
        ax.plot(*centres.T, around[1], color=around[0], markersize=3)
        ax.plot(*others.T, around[3], color=around[2], markersize=3.5, fillstyle="none")
        bare(ax, name, torch.cat([v for c, _, o in panels_of.values() for v in (c, o)]))
    return figure


def table(
    cells: Mapping[str, Mapping[str, str]],
    marked: Mapping[str, Mapping[str, int]],
    title: str = "",
    note: str = "",
) -> Figure:
    """A table of texts, row → column → text; cells marked 1 are shaded and bold, those marked −1 hatched and bold."""
    columns = list(next(iter(cells.values())))
    height = 0.3 * (len(cells) + 2) + (0.25 if note else 0)
    figure, ax = plt.subplots(figsize=(WIDTH, height + 0.35), layout="constrained")
    labels = [ax.text(0, row + 0.5, name, va="center") for row, name in enumerate(cells)]
    label_width = 0.15 + max(label.get_window_extent().width for label in labels) / figure.dpi  # inches, as x is
    step = (WIDTH - label_width) / len(columns)
    for column, name in enumerate(columns):
        ax.text(label_width + (column + 0.5) * step, -0.35, name, ha="center", va="bottom", fontsize=9)
    for row, (name, values) in enumerate(cells.items()):
        for column, key in enumerate(columns):
            mark, left = marked.get(name, {}).get(key, 0), label_width + column * step
            if mark:
                face, hatch = (GENERATED, "") if mark > 0 else (REAL, "////")
                box = Rectangle((left + 0.02, row + 0.06), step - 0.04, 0.88, color=face, alpha=0.3, linewidth=0)
                box.set_hatch(hatch)
                ax.add_patch(box)
            weight = "bold" if mark else "normal"
            said = values[key].replace("-", "−")
            ax.text(left + step / 2, row + 0.5, said, ha="center", va="center", weight=weight, fontsize=9)
    if note:
        ax.text(0, len(cells) + 0.55, note, va="center", fontsize=9, color=TRUTH)
    ax.set(xlim=(0, WIDTH), ylim=(len(cells) + (0.9 if note else 0.1), -1.5))
    ax.axis("off")
    headline(figure, title)
    return figure

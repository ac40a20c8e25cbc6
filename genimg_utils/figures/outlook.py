"""Figures of the chapter on what comes next."""

from collections.abc import Mapping

from matplotlib.figure import Figure
from torch import Tensor

from genimg_utils.figures.gan import panels
from genimg_utils.plotting import GENERATED, REAL, TRUTH


def paths(ways: Mapping[str, Tensor], hills: Tensor, title: str = "") -> Figure:
    """Ways [steps, n, 2] in a panel each, from a grey dot at the start to a square at the end; circles are hills."""
    figure, axes = panels(len(ways), len(ways), title)
    reach = 1.5 * hills.abs().max().item()  # where most of the noise lies
    for ax, (label, way) in zip(axes, ways.items(), strict=True):
        ax.plot(*way.movedim(2, 0), color=GENERATED, linewidth=0.8, alpha=0.55)
        ax.plot(*way[0].T, "o", color=TRUTH, markersize=3)
        ax.plot(*hills.T, "o", color=REAL, markersize=13, fillstyle="none", markeredgewidth=1.5)
        ax.plot(*way[-1].T, "s", color=GENERATED, markersize=3)
        ax.set(xlim=(-reach, reach), ylim=(-reach, reach), xticks=[], yticks=[], aspect="equal", xlabel=label)
    return figure

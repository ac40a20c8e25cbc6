"""Figures of the chapters on variational autoencoders."""

from collections.abc import Mapping
from typing import Any

import matplotlib.pyplot as plt
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Ellipse
from torch import Tensor
from torch.distributions import MultivariateNormal

from genimg_utils.figures.gan import panels
from genimg_utils.plotting import GENERATED, LEARNED, TRUTH, WIDTH, chart, colours, headline


def clouds(points: Mapping[str, Tensor], title: str = "", limit: float = 4.0) -> Figure:
    """Points [N, 2] of the latent plane, a panel a cloud, at most 2,000 each, on one scale."""
    figure, axes = panels(len(points), len(points), title)
    for ax, (name, z), colour in zip(axes, points.items(), colours(points), strict=True):
        x = torch.as_tensor(z).detach().cpu()[:2000]
        ax.plot(x[:, 0], x[:, 1], ".", color=colour, markersize=2.5, alpha=0.5)
        ax.set(xlabel=name, xlim=(-limit, limit), ylim=(-limit, limit), aspect="equal", xticks=[], yticks=[])
    return figure


def decomposition(
    panels: Mapping[str, tuple[Tensor, Tensor, Tensor]],
    posterior: MultivariateNormal,
    log_p: Tensor | float,
    title: str = "",
    span: float = 40.0,
) -> Figure:
    """Guesses q in a latent plane with the posterior dashed, and below each its ELBO and gap as one bar up to log p(x).

    panels: name → (mean [2], covariance [2, 2], ELBO). The bars begin `span` nats below log p(x).
    """
    width = WIDTH if len(panels) > 1 else 3.6
    heights, rows = [width / len(panels), 0.85], [f"q{i}" for i in range(len(panels))]
    mosaic: list[Any] = [rows, [f"bar {name}" for name in rows]]
    figure = plt.figure(figsize=(width, sum(heights) + 0.3), layout="constrained")
    axes = figure.subplot_mosaic(mosaic, height_ratios=heights)
    end = float(log_p)
    for above, below, (name, (mean, covariance, elbo)) in zip(*mosaic, panels.items(), strict=True):
        plane, bar, cut = axes[above], axes[below], float(elbo)
        ellipse(plane, torch.zeros(2), torch.eye(2), TRUTH, fill=False, linestyle=":", linewidth=0.8)
        ellipse(plane, mean, covariance, LEARNED, alpha=0.45)
        ellipse(plane, posterior.mean, posterior.covariance_matrix, TRUTH, fill=False, linestyle="--", linewidth=1.5)
        plane.set(xlim=(-3, 3), ylim=(-3, 3), aspect="equal", xticks=[], yticks=[])
        plane.set_title(name, loc="center")
        plane.text(-2.8, 2.75, "prior", color=TRUTH, va="top", fontsize=9)
        bar.barh(0, cut - end + span, left=end - span, color=LEARNED, alpha=0.6)
        bar.barh(0, end - cut, left=cut, color=GENERATED, alpha=0.8, hatch="//", edgecolor="white", linewidth=0)
        bar.axvline(end, color=TRUTH, linestyle="--", linewidth=1)
        bar.set(xlim=(end - span, end + 0.06 * span), ylim=(-0.5, 0.5), xticks=[end], yticks=[])
        bar.set_xticklabels([f"log p(x) = {end:.1f}".replace("-", "−")], ha="right")
        bar.spines.left.set_visible(False)
        bar.set_title(f"ELBO {cut:.1f}, gap {abs(end - cut):.1f}".replace("-", "−"), loc="center", fontsize=9)
    headline(figure, title)
    return figure


def ellipse(ax: Axes, mean: Tensor, covariance: Tensor, color: str, **style: object) -> None:
    """The places two standard deviations from the mean [2] of a Gaussian with covariance [2, 2]."""
    values, vectors = torch.linalg.eigh(covariance)
    across, along = (4 * values.sqrt()).tolist()
    angle = torch.atan2(vectors[1, 1], vectors[0, 1]).rad2deg().item()
    ax.add_patch(Ellipse(tuple(mean.tolist()), along, across, angle=angle, color=color, **style))


def estimates(values: Tensor, bars: Tensor, truth: Tensor | float, title: str = "") -> Figure:
    """Estimates [n], one a seed, each with a bar of the half-width given [n], around a dashed truth."""
    figure, ax = chart(title, "seed", "nats", height=2.4)
    ax.axhline(float(truth), color=TRUTH, linestyle="--", linewidth=1)
    ax.errorbar(range(len(values)), values, bars, fmt="o", color=LEARNED, markersize=4, linewidth=1.2)
    ax.set_xticks(range(0, len(values), 5))
    ax.annotate("exact", (1, float(truth)), (5, 0), ("axes fraction", "data"), "offset points", va="center")
    return figure


def stacked(rows: Mapping[str, Mapping[str, float]], title: str = "", xlabel: str = "") -> Figure:
    """Horizontal bars, each cut into two named parts: the first named above it, the second behind it."""
    figure, ax = chart("", xlabel, height=1.2 + 0.45 * len(rows))
    headline(figure, title)
    styles = ((LEARNED, ""), (GENERATED, "//"))
    for row, parts in enumerate(rows.values()):
        left = 0.0
        for value, (colour, hatch) in zip(parts.values(), styles, strict=True):
            ax.barh(row, value, 0.6, left=left, color=colour, hatch=hatch, edgecolor="white", linewidth=0, alpha=0.8)
            left += value
        (first, a), (second, b) = parts.items()
        ax.text(0, row - 0.34, f"{first} {a:.2f}", color=LEARNED, va="bottom")
        ax.annotate(f"{second} {b:.2f}", (left, row), (6, 0), textcoords="offset points", color=GENERATED, va="center")
    ax.margins(x=0.35)
    ax.set_xlim(left=0)
    ax.set_yticks(range(len(rows)), list(rows))
    ax.tick_params(axis="y", length=0)
    ax.set_ylim(len(rows) - 0.5, -0.8)
    return figure

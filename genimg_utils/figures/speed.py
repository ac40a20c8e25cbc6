"""Figures of the chapter on speed: a queue of kernels, and the roof over a layer's rate."""

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray

from genimg_utils.plotting import GENERATED, LEARNED, REAL, TRUTH, WIDTH, chart, headline

Schedule = tuple[ArrayLike, ArrayLike, ArrayLike]  # per kernel: when its launch began, when it started, when it ended


def timeline(schedules: Mapping[str, Schedule], title: str = "", unit: str = "µs") -> Figure:
    """Two lanes a panel: above, the host's launches, each until the next one begins or its kernel starts; below, the
    device's kernels. All panels share their axis of time; how long it took stands at the end.
    """
    rows: dict[str, list[NDArray]] = {
        name: [np.asarray(column, float) for column in schedule] for name, schedule in schedules.items()
    }
    figure, axes = plt.subplots(
        len(rows), 1, figsize=(WIDTH, 0.5 + 1.05 * len(rows)), layout="constrained", sharex=True, squeeze=False
    )
    last = max(ends.max() for _, _, ends in rows.values())
    for ax, (name, (begun, starts, ends)) in zip(axes[:, 0], rows.items(), strict=True):
        launch = float(np.min(starts - begun))
        for lane, left, width, colour in ((1, begun, launch, REAL), (0, starts, ends - starts, GENERATED)):
            ax.barh(lane, width, left=left, height=0.7, color=colour, edgecolor="white", linewidth=1)
        ax.set_yticks([1, 0], ["host launches", "device works"])
        ax.set_title(name, loc="left", fontsize=9)
        ax.annotate(f" {ends.max():.0f} {unit}", (ends.max(), 0), va="center")
        ax.set_xlim(0, 1.1 * last)
    axes[-1, 0].set_xlabel(f"time in {unit}")
    headline(figure, title)
    return figure


def roofline(peak: float, bandwidth: float, layers: Mapping[str, tuple[float, float]], title: str = "") -> Figure:
    """What a machine of `peak` FLOP a second and `bandwidth` bytes a second allows, and what layers reach.

    layers: name, which starts with D or G → (intensity in FLOP a byte, FLOP a second); both axes are logarithmic.
    """
    figure, ax = chart(title, "FLOP a byte", "10⁹ FLOP a second", height=3.6)
    places = [intensity for intensity, _ in layers.values()]
    ridge = peak / bandwidth
    x = np.geomspace(min([*places, ridge]) / 3, max([*places, ridge]) * 30, 200)
    ax.loglog(x, np.minimum(peak, bandwidth * x) / 1e9, color=TRUTH, linestyle="--")
    ax.annotate("what the memory allows", (x[20], bandwidth * x[20] / 1e9), (4, -10), textcoords="offset points")
    ax.annotate("what the arithmetic allows", (x[-1], peak / 1e9), (0, -14), textcoords="offset points", ha="right")
    for family, colour, marker, lift in (("D", REAL, "o", 4), ("G", LEARNED, "s", -13)):
        mine = sorted((at, name) for name, at in layers.items() if name.startswith(family))
        for i, ((intensity, rate), name) in enumerate(reversed(mine)):
            shift, side = ((4, "left"), (-4, "right"))[i % 2]
            ax.plot(intensity, rate / 1e9, marker, color=colour, markersize=6)
            ax.annotate(name, (intensity, rate / 1e9), (shift, lift), textcoords="offset points", ha=side, color=colour)
    ax.margins(y=0.15)
    return figure

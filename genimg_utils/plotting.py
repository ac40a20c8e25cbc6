"""The style of every picture, and the few pictures that everything is made of."""

import re
from base64 import b64encode
from collections.abc import Callable, Iterable, Mapping, Sequence
from io import BytesIO
from itertools import cycle
from math import ceil, isqrt
from pathlib import Path
from textwrap import fill
from typing import IO

import matplotlib.pyplot as plt
import numpy as np
import torch
from IPython.core.getipython import get_ipython
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Annotation, Text
from numpy.typing import ArrayLike, NDArray
from PIL import Image
from scipy.optimize import isotonic_regression
from torch import Tensor

REAL, GENERATED, LEARNED, TRUTH = "#0072B2", "#D55E00", "#009E73", "#333333"
DOMAIN_A, DOMAIN_B = "#CC79A7", "#56B4E9"

ROLES = {"real": REAL, "data": REAL, "generated": GENERATED, "fake": GENERATED, "generator": GENERATED}
ROLES |= {"learned": LEARNED, "discriminator": LEARNED, "true": TRUTH, "truth": TRUTH}
SPARE = (LEARNED, "#E69F00", DOMAIN_A, DOMAIN_B)

Images = Tensor | NDArray
Series = Mapping[str, tuple[ArrayLike, ArrayLike] | ArrayLike]  # label → (x [n], y [n]), or y [n] at 1…n
WIDTH = 6.4  # inches: a page at 100 dots an inch


def style() -> None:
    """Sets the look of every figure; the first cell of each chapter calls it."""
    plt.rcParams.update(
        {
            "figure.dpi": 100,
            "figure.figsize": (WIDTH, 3.0),
            "figure.constrained_layout.use": True,  # room for every label, so that nothing is cut
            "savefig.dpi": "figure",
            "font.size": 10,  # 14 pixels, as the text beside it
            "axes.titlesize": 10,
            "axes.titlelocation": "left",
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.prop_cycle": plt.cycler(color=[REAL, GENERATED, *SPARE]),
            "lines.linewidth": 1.8,
        }
    )
    if (shell := get_ipython()) and shell.display_formatter:
        plt.switch_backend(plt.get_backend())  # installs its own formatter now, not later over ours
        shell.display_formatter.formatters["image/png"].for_type(Figure, embed)


def embed(figure: Figure) -> tuple[str, dict[str, str]]:
    """The figure as base64 PNG at its own size, and its titles as the text for those who cannot see it.

    Jupyter's own formatter crops by fractions of a pixel, which would blur image grids.
    """
    buffer, small = BytesIO(), BytesIO()
    figure.savefig(buffer, format="png")
    picture = Image.open(buffer).convert("RGB")
    few, colour, photo = picture.getcolors(256), np.asarray(picture), any(ax.images for ax in figure.axes)
    grey = (colour == colour[..., :1]).all()
    if grey and photo:
        picture = picture.convert("L")  # exact, and a third smaller than with a palette
    elif few or not photo:  # half the size: few colours stay exact, curves and text look the same
        picture = picture.quantize(16 if grey else 256 if few else 64)
    picture.save(small, "png", optimize=True)
    titles = [figure.get_suptitle(), *(ax.get_title(loc) for ax in figure.axes for loc in ("left", "center"))]
    alt = ". ".join(title for title in titles if title).replace("\n", " ")
    return b64encode(small.getvalue()).decode(), {"alt": alt}


def colours(labels: Iterable[str], spare: Sequence[str] = SPARE) -> list[str]:
    """A colour for each label: that of the role it names ("real", "generated", "true"), else a spare one."""
    others = cycle(spare)
    roles = ([ROLES[word] for word in re.split(r"[\W_]+", label.lower()) if word in ROLES] for label in labels)
    return [role[0] if role else next(others) for role in roles]


def to_pixels(images: Images, rows: int | None = None, scale: int = 1) -> NDArray[np.uint8]:
    """A batch of images as one picture, with white gaps, every pixel enlarged to a block of scale × scale.

    images [N, C, H, W] with C 1 or 3, float in [−1, 1] (what lies outside is cut) or uint8; up to ten
    stand in one row unless `rows` is given. Returns uint8 [H', W', C]. Raises ValueError for anything else.
    """
    pixels = to_bytes(torch.as_tensor(images).detach().cpu())  # [N, C, H, W]
    N, C, H, W = pixels.shape
    rows = rows or (1 if N <= 10 else isqrt(N))
    columns = ceil(N / rows)
    tiles = pixels.new_full((rows * columns, C, H + 1, W + 1), 255)
    tiles[:N, :, :H, :W] = pixels
    picture = tiles.view(rows, columns, C, H + 1, W + 1).permute(0, 3, 1, 4, 2)  # [rows, H+1, columns, W+1, C]
    picture = picture.reshape(rows * (H + 1), columns * (W + 1), C)[:-1, :-1]
    return picture.repeat_interleave(scale, 0).repeat_interleave(scale, 1).numpy()


def save_images(images: Images, file: str | Path | IO[bytes], rows: int | None = None, scale: int = 1) -> None:
    """Writes images [N, C, H, W] as one PNG (see `to_pixels`) to a path or an open file."""
    pixels = to_pixels(images, rows, scale)
    Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels).save(file, "png")


def to_bytes(images: Tensor) -> Tensor:
    """Images [N, C, H, W] as uint8. Raises ValueError with one sentence where they cannot be images."""
    shape = list(images.shape)
    if images.ndim != 4 or shape[1] not in (1, 3) or not images.numel():
        raise ValueError(f"images must be [N, C, H, W] with N ≥ 1 and C 1 or 3, not {shape}; one image x is x[None]")
    if images.dtype == torch.uint8:
        return images
    if not images.is_floating_point():
        raise ValueError(f"images must be float in [-1, 1] or uint8, not {images.dtype}")
    if not images.isfinite().all():
        raise ValueError("images hold NaN or infinity: look at the losses of the step before")
    if images.abs().max() > 20:  # noise on an image stays far below
        raise ValueError(f"float images must lie in [-1, 1], not at {images.abs().max():.0f}; pass 0…255 as uint8")
    return ((images.float().clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8)


def grid(images: Images, rows: int | None = None, title: str = "", scale: int = 2) -> Figure:
    """Images [N, C, H, W] (see `to_pixels`) as a grid, each pixel a block of scale × scale on the screen."""
    return framed(to_pixels(images, rows, scale), title)


def strip(rows: Mapping[str, Images], title: str = "", scale: int = 2) -> Figure:
    """Labelled rows of images [N, C, H, W] (see `to_pixels`) under each other, columns aligned."""
    if not rows:
        raise ValueError("there is no row to draw")
    pictures = [to_pixels(images, 1, scale) for images in rows.values()]
    gap, width = 2 * scale, max(picture.shape[1] for picture in pictures)
    height = sum(picture.shape[0] + gap for picture in pictures) - gap
    page = np.full((height, width, 3), 255, dtype=np.uint8)
    labels, top = [], 0
    for label, colour, picture in zip(rows, colours(rows, spare=(TRUTH,)), pictures, strict=True):
        H, W = picture.shape[:2]
        page[top : top + H, :W] = picture
        labels.append((label, colour, top + H / 2))
        top += H + gap
    return framed(page, title, labels)


def framed(pixels: NDArray[np.uint8], title: str, labels: Sequence[tuple[str, str, float]] = ()) -> Figure:
    """Shows pixels [H, W, C] one to one, with labels (text, colour, pixels from the top) to their left."""
    H, W, _ = pixels.shape
    figure = plt.figure(layout="constrained")
    figure.set_layout_engine("none")  # not "none" from the start: savefig would then bring back the style's
    ax = figure.add_axes((0, 0, 1, 1))
    ax.imshow(np.broadcast_to(pixels, (H, W, 3)), interpolation="nearest", aspect="auto", extent=(0, W, H, 0))
    ax.axis("off")
    heading = ax.set_title(fill(title, 84), loc="left").get_window_extent()
    names = [write(ax, text, (0, y), color, -5) for text, color, y in labels]
    left = 12 + ceil(max(name.get_window_extent().width for name in names)) if names else 0
    width = left + max(W, ceil(heading.width) + 1)
    height = H + (ceil(heading.height) + 12 if title else 0)
    # Rounding must not cost or add a pixel: the page is a trifle larger than whole pixels, the image smaller.
    page, inner = np.array([width, height]) + 0.01, np.array([W, H]) - 0.004
    figure.set_size_inches(*(page / figure.dpi))
    x, y = np.array([left, 0]) + 0.002
    ax.set_position((x / page[0], y / page[1], *inner / page))
    return figure


def chart(title: str, xlabel: str, ylabel: str = "", height: float = 3.0) -> tuple[Figure, Axes]:
    """An empty chart as wide as a page; height in inches."""
    figure, ax = plt.subplots(figsize=(WIDTH, height), layout="constrained")
    ax.set(xlabel=xlabel, ylabel=ylabel)
    ax.set_title(fill(title, 76), loc="left")
    return figure, ax


def headline(figure: Figure, title: str, width: int = 84) -> None:
    """A title over the whole figure, not over its axes; broken after `width` characters."""
    if title:
        figure.suptitle(fill(title, width), x=0.01, ha="left", fontsize=plt.rcParams["axes.titlesize"])


def write(ax: Axes, text: str, at: tuple[float, float], color: str, shift: float, x: str = "data") -> Annotation:
    """Writes text right of a point, or left of it where shift, in points, is negative."""
    note = ax.annotate(text, at, (shift, 0), (x, "data"), "offset points", annotation_clip=False)
    note.set(color=color, ha="right" if shift < 0 else "left", va="center")
    return note


def curve(
    series: Series,
    constants: Mapping[str, float] | None = None,
    title: str = "",
    xlabel: str = "step",
    ylabel: str = "",
    smooth: int = 1,
) -> Figure:
    """Curves with their labels beside them, and constants to read them by as dashed lines.

    smooth: width of a running mean, drawn within one running standard deviation.
    """
    figure, ax = chart(title, xlabel, ylabel)
    lines(ax, series, constants or {}, smooth)
    return figure


def lines(ax: Axes, series: Series, constants: Mapping[str, float], smooth: int) -> None:
    """Draws the curves of `curve` into axes of a figure whose other texts are already there."""
    if not series:
        raise ValueError("there is no curve to draw")
    ends = [(label, TRUTH, value) for label, value in constants.items()]
    for (label, values), colour in zip(series.items(), colours(series), strict=True):
        x, y = points(label, values)
        width = max(1, min(smooth, len(y) // 4))
        x, y, square = (np.convolve(v, np.full(width, 1 / width), "valid") for v in (x, y, y**2))
        spread = np.sqrt(np.maximum(square - y**2, 0))
        ax.fill_between(x, y - spread, y + spread, color=colour, alpha=0.2, linewidth=0)
        ax.plot(x, y, color=colour, linestyle="--" if colour == TRUTH else "-")
        ends.append((label, colour, y[-1]))
    for value in constants.values():
        ax.axhline(value, color=TRUTH, linestyle="--", linewidth=0.8)
    ax.margins(x=0)
    beside(ax, ends)


def points(label: str, values: tuple[ArrayLike, ArrayLike] | ArrayLike) -> tuple[NDArray, NDArray]:
    """x [n] and y [n] of a curve, points that are not finite left out. Raises ValueError if none is left."""
    x, y = values if isinstance(values, tuple) else (None, values)
    y = torch.as_tensor(y).detach().cpu().double().numpy()
    x = np.arange(1, y.size + 1) if x is None else torch.as_tensor(x).detach().cpu().double().numpy()
    if x.shape != y.shape or y.ndim != 1 or not np.isfinite(y).any():
        raise ValueError(f"{label!r} needs x and y of [n] with a finite point, not {x.shape} and {y.shape}")
    finite = np.isfinite(y)
    return x[finite], y[finite]


def beside(ax: Axes, ends: Sequence[tuple[str, str, float]]) -> None:
    """Writes labels (text, colour, y) right of the axes, moved no further than they need to stay apart."""
    notes = [write(ax, text, (1, y), color, 5, x="axes fraction") for text, color, y in ends]
    # this makes room for the labels, and then heights in pixels are known
    ax.figure.canvas.figure.draw_without_rendering()
    y = ax.transData.transform([(0, y) for _, _, y in ends])[:, 1]
    order = np.argsort(y, kind="stable")
    gaps = 1.3 * plt.rcParams["font.size"] * ax.figure.dpi / 72 * np.arange(len(y))
    apart = np.clip(isotonic_regression(y[order] - gaps).x, ax.bbox.y0, ax.bbox.y1 - gaps[-1]) + gaps
    for i, moved in zip(order, apart - y[order], strict=True):
        notes[i].set_position((5, moved * 72 / ax.figure.dpi))


def density(samples: Mapping[str, ArrayLike], title: str = "", xlabel: str = "", bins: int = 60) -> Figure:
    """Histograms of samples [n] over the same bins, each of area 1, with their labels above their peaks."""
    if not samples:
        raise ValueError("there is no sample to draw")
    values = {label: points(label, v)[1] for label, v in samples.items()}
    figure, ax = chart(title, xlabel)
    ax.set_yticks([])
    ax.spines.left.set_visible(False)
    edges = np.histogram_bin_edges(np.concatenate(list(values.values())), bins)
    names: list[Text] = []
    for (label, v), colour in zip(values.items(), colours(values), strict=True):
        heights, _ = np.histogram(v, edges, density=True)
        ax.stairs(heights, edges, color=colour, fill=True, alpha=0.3)
        peak = (edges[heights.argmax()], heights.max())
        names.append(ax.text(*peak, label, color=colour, ha="center", va="bottom"))
    top = ax.dataLim.y1
    ax.set_ylim(0, (1 + 0.1 * len(names)) * top)  # room for all names above each other
    figure.draw_without_rendering()
    for i, name in enumerate(names):
        while any(name.get_window_extent().overlaps(other.get_window_extent()) for other in names[:i]):
            name.set_y(name.get_position()[1] + 0.02 * top)
    return figure


def bars(
    values: Mapping[str, float | Sequence[float]],
    errors: Mapping[str, float] | None = None,
    reference: tuple[str, float] | None = None,
    title: str = "",
    xlabel: str = "",
    note: Callable[[float, str], str] = "{:.2f}".format,
) -> Figure:
    """Horizontal bars with their values beside them; of several values (seeds) their mean, and each as a dot.

    errors: half-widths of intervals; reference: (label, value) of a dashed line; note: the text beside a bar, of
    its value and label.
    """
    if not values:
        raise ValueError("there is no bar to draw")
    figure, ax = chart("", xlabel, height=0.9 + 0.34 * len(values))
    headline(figure, title)  # over the labels too: beside long ones the axes are narrow
    for row, (label, colour) in enumerate(zip(values, colours(values, spare=(GENERATED,)), strict=True)):
        seeds = np.atleast_1d(np.asarray(values[label], dtype=float))
        mean, error = seeds.mean(), (errors or {}).get(label, 0)
        ax.barh(row, mean, 0.6, xerr=error or None, color=colour, alpha=0.75, ecolor=TRUTH)
        if len(seeds) > 1:
            ax.plot(seeds, np.full(len(seeds), row), "o", color=TRUTH, markersize=3)
        said = note(mean, label) if len(seeds) == 1 else f"mean {note(mean, label)}"
        write(ax, said, (max(seeds.max(), mean + error, 0.0), row), TRUTH, 5)  # of a bar to the left, beyond its start
    ax.set_yticks(range(len(values)), list(values))
    ax.tick_params(axis="y", length=0)
    ax.set_ylim(len(values) - 0.5, -0.5 - 0.7 * bool(reference))  # the first on top, the reference above it
    if reference:
        ax.axvline(reference[1], color=TRUTH, linestyle="--", linewidth=1)
        write(ax, reference[0], (reference[1], -0.8), TRUTH, 4)
    return figure

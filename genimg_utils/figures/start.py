"""Figures of the first chapters."""

from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from torch import Tensor

from genimg_utils.plotting import GENERATED, WIDTH, Images, headline

WINDOW = 6


def image_tensor(image: Images, title: str = "") -> Figure:
    """One grey image [1, H, W] in [−1, 1], and beside it the numbers of its most varied 6×6 window."""
    x = torch.as_tensor(image).detach().cpu().float()
    if x.ndim != 3 or len(x) != 1 or min(x.shape[1:]) < WINDOW or x.abs().max() > 1:
        raise ValueError(f"image must be [1, H, W] in [-1, 1], at least {WINDOW} wide and high, not {list(x.shape)}")
    top, left = most_varied(x[0])
    rows, columns = range(top, top + WINDOW), range(left, left + WINDOW)
    window = x[0, top : top + WINDOW, left : left + WINDOW].numpy()

    figure, (whole, part) = plt.subplots(1, 2, figsize=(WIDTH, 3.3), layout="constrained")
    grey = {"cmap": "gray", "vmin": -1, "vmax": 1, "interpolation": "nearest"}
    whole.imshow(x[0].numpy(), **grey)
    frame: dict[str, Any] = {"fill": False, "edgecolor": GENERATED, "linewidth": 2, "clip_on": False}
    whole.add_patch(Rectangle((left - 0.5, top - 0.5), WINDOW, WINDOW, **frame))
    whole.set_title(f"x, shape {list(x.shape)}", loc="left")
    part.imshow(window, **grey)
    part.add_patch(Rectangle((-0.5, -0.5), WINDOW, WINDOW, **frame))
    part.set_title(f"x[0, {top}:{top + WINDOW}, {left}:{left + WINDOW}]", loc="left", color=GENERATED)
    part.set_xticks(range(WINDOW), [str(column) for column in columns])
    part.set_yticks(range(WINDOW), [str(row) for row in rows])
    for (row, column), value in np.ndenumerate(window):
        colour = "black" if value > 0 else "white"
        part.text(column, row, f"{value:.2f}".replace("-", "−"), color=colour, ha="center", va="center", fontsize=9)
    for ax in (whole, part):
        ax.tick_params(length=0)
        ax.spines[:].set_visible(False)
    headline(figure, title)
    return figure


def most_varied(x: Tensor) -> tuple[int, int]:
    """Top and left of the 6×6 window of x [H, W] with the largest variance."""
    windows = x.unfold(0, WINDOW, 1).unfold(1, WINDOW, 1).var(dim=(-2, -1))  # [H-5, W-5]
    top, left = divmod(int(windows.argmax()), windows.shape[1])
    return top, left

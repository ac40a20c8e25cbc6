"""Figures of the chapters on CycleGANs draw what they were given."""

import numpy as np
import torch
from PIL import Image

from genimg_utils.figures import cyclegan


def test_points_of_a_kind_keep_their_sign_through_all_panels():
    points, first = torch.tensor([[0.0, 1.0], [2.0, 3.0], [4.0, 5.0]]), torch.tensor([True, False, True])
    figure = cyclegan.maps({"x": (points, first), "G(x)": (-points, first)}, "Two", limit=6.0)
    assert [ax.get_xlabel() for ax in figure.axes] == ["x", "G(x)"]
    for ax, sign in zip(figure.axes, (1, -1), strict=True):
        dots, squares = ax.lines
        assert (dots.get_marker(), squares.get_marker()) == ("o", "s")
        assert dots.get_xydata().tolist() == (sign * points[first]).tolist()
        assert squares.get_xydata().tolist() == (sign * points[~first]).tolist()
        assert ax.get_xlim() == ax.get_ylim() == (-6, 6)
    assert figure.get_suptitle() == "Two"


def test_landscapes_mark_their_minima_and_the_right_answer():
    a, b = torch.linspace(-1, 1, 9), torch.linspace(-2, 2, 7)
    losses = {"one": (a**2) + b[:, None] ** 2, "two": (a - 1) ** 2 + b[:, None] ** 2}
    minima = {"one": torch.tensor([[0.0, 0.0]]), "two": torch.tensor([[1.0, 0.0], [-1.0, 0.0]])}
    figure = cyclegan.landscapes(a, b, losses, minima, (1.0, 0.0), "title")
    for ax, (name, found) in zip(figure.axes, minima.items(), strict=True):
        dots, ring = ax.lines
        assert dots.get_xydata().tolist() == found.tolist()
        assert ring.get_xydata().tolist() == [[1, 0]]
        assert ax.get_xlabel() == f"a\n{name}"
    assert figure.axes[0].get_ylabel() == "b"


def test_fields_are_shaded_by_strength_with_the_square_on_them():
    gradient = torch.zeros(8, 8)
    gradient[2:5, 3:6] = 4.0
    gradient[0, 0] = 1e-6
    figure = cyclegan.fields({"3 pixels": (gradient, (3, 2, 3))}, "title")
    ax = figure.axes[0]
    shades = ax.collections[0].get_array().reshape(8, 8)
    assert (shades[2:5, 3:6] == 7).all()
    assert shades[0, 0] == 1  # the weakest dependence is not white
    assert (shades == 0).sum() == 64 - 10
    (square,) = ax.patches
    assert (square.get_xy(), square.get_width(), square.get_height()) == ((3, 2), 3, 3)
    assert ax.yaxis_inverted()


def test_a_sheet_is_enlarged_without_smoothing():
    pixels = np.arange(2 * 4 * 3, dtype=np.uint8).reshape(2, 4, 3)
    figure = cyclegan.sheet({"other": Image.new("RGB", (1, 1)), "this": Image.fromarray(pixels)}, "this")
    shown = figure.axes[0].images[0].get_array()
    assert shown.shape == (6, 12, 3)
    assert (shown[::3, ::3] == pixels).all()
    assert (shown[1::3, 2::3] == pixels).all()
    assert figure.axes[0].get_title("left") == "this"

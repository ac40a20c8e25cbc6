"""Figures of the chapter on speed draw what they were given."""

import numpy as np
import pytest

from genimg_utils import plotting
from genimg_utils.figures import speed


def drawn(figure):
    """Lays it out, as a page does; what was cut or overlapped raises or warns here."""
    plotting.style()
    figure.draw_without_rendering()
    return figure


def test_a_lane_shows_launches_and_the_other_the_kernels():
    begun, starts, ends = (0, 5, 10), (5, 13, 21), (13, 21, 24)
    figure = drawn(speed.timeline({"one": (begun, starts, ends), "two": ([0.0], [2.0], [3.0])}, "title"))
    first, second = figure.axes
    launches, kernels = first.patches[:3], first.patches[3:]
    assert [bar.get_x() for bar in launches] == [*begun]
    assert {bar.get_width() for bar in launches} == {5}
    assert [(bar.get_x(), bar.get_x() + bar.get_width()) for bar in kernels] == [*zip(starts, ends, strict=True)]
    assert launches[0].get_facecolor() != kernels[0].get_facecolor()
    assert first.texts[0].get_text().strip() == "24 µs"
    assert first.get_xlim() == second.get_xlim()
    assert [label.get_text() for label in first.get_yticklabels()] == ["host launches", "device works"]


def test_the_roof_rises_with_the_memory_and_ends_at_the_arithmetic():
    layers = {"D1": (2.0, 3e9), "G1": (40.0, 5e10)}
    figure = drawn(speed.roofline(1e11, 1e10, layers, "title"))
    roof, *points = figure.axes[0].lines
    x, y = roof.get_data()
    np.testing.assert_allclose(1e9 * y, np.minimum(1e11, 1e10 * x))
    assert x[0] < 2 < 10 < 40 < x[-1]
    assert [(p.get_xdata()[0], p.get_ydata()[0]) for p in points] == [(2.0, 3.0), (40.0, pytest.approx(50.0))]
    assert points[0].get_marker() != points[1].get_marker()

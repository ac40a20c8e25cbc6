"""The figure of chapter 12 draws what it was given."""

import pytest
import torch

from genimg_utils import plotting
from genimg_utils.figures import outlook
from genimg_utils.plotting import GENERATED, REAL


def test_ways_lead_from_dots_to_squares_on_one_scale():
    plotting.style()
    ways = {"lines": torch.randn(2, 5, 2), "paths": 3 * torch.randn(9, 5, 2)}
    figure = outlook.paths(ways, torch.tensor([[2.0, 0], [0, -4], [1, 1]]), "title")
    figure.draw_without_rendering()
    assert figure.get_suptitle() == "title"
    for ax, (name, way) in zip(figure.axes, ways.items(), strict=True):
        *lines, starts, circles, ends = ax.lines
        assert ax.get_xlabel() == name
        assert len(lines) == 5
        for line, one in zip(lines, way.unbind(1), strict=True):
            torch.testing.assert_close(torch.tensor(line.get_xydata()).float(), one)
        torch.testing.assert_close(torch.tensor(starts.get_xydata()).float(), way[0])
        torch.testing.assert_close(torch.tensor(ends.get_xydata()).float(), way[-1])
        assert (starts.get_marker(), ends.get_marker()) == ("o", "s")
        assert (circles.get_color(), ends.get_color()) == (REAL, GENERATED)
        assert len(circles.get_xdata()) == 3
        assert ax.get_xlim() == pytest.approx(figure.axes[0].get_xlim())
        assert ax.get_ylim() == pytest.approx((-6, 6))

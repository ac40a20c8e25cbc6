"""Figures of the chapters on judging draw what they were given."""

import pytest
import torch

from genimg_utils import plotting
from genimg_utils.figures import judging


def drawn(figure):
    """Lays it out, as a page does; what was cut or overlapped raises or warns here."""
    plotting.style()
    figure.draw_without_rendering()
    return figure


def test_ways_lead_from_each_point_to_its_own():
    x, y = torch.randn(5, 2), torch.randn(5, 2) + 4
    figure = drawn(judging.transport({"one": (x, y), "two": (x, y.flip(0))}, "title"))
    for ax, end, name in zip(figure.axes, (y, y.flip(0)), ("one", "two"), strict=True):
        *ways, starts, ends = ax.lines
        assert ax.get_title("center") == name
        for line, a, b in zip(ways, x, end, strict=True):
            torch.testing.assert_close(torch.tensor(line.get_xydata()).float(), torch.stack([a, b]))
        assert (starts.get_marker(), ends.get_marker()) == ("o", "s")
        (left, right), (low, high) = ax.get_xlim(), ax.get_ylim()
        assert all(left < p[0] < right and low < p[1] < high for p in torch.cat([x, end]))
    assert figure.axes[0].get_xlim() == figure.axes[1].get_xlim()


def test_lines_end_in_a_diamond_where_there_are_infinitely_many():
    N = torch.tensor([100, 200, 1000])
    series = {"real": (N, 1 + 300 / N), "other": (N[:2], 1.1 + 300 / N[:2])}
    figure = drawn(judging.extrapolation(series, {"real": (1.0, 300.0), "other": (1.1, 300.0)}, "title"))
    (ax,) = figure.axes
    line, dots, diamond = ax.lines[:3]
    assert line.get_ydata().tolist() == pytest.approx([1, 4])
    assert dots.get_xdata().tolist() == pytest.approx((1 / N).tolist())
    assert (diamond.get_xdata()[0], diamond.get_ydata()[0]) == (0, 1)
    assert [t.get_text() for t in ax.get_xticklabels()] == ["∞", "100", "200", "500"]
    a, b = (t.get_window_extent() for t in ax.texts)
    assert {t.get_text() for t in ax.texts} == {"real: 1.0 at ∞", "other: 1.1 at ∞"}
    assert not a.overlaps(b)


def test_balls_stand_around_their_owners_in_their_colour():
    real, fake = torch.randn(6, 2), torch.randn(4, 2)
    one, two = torch.rand(6), torch.rand(4)
    figure = drawn(judging.balls({"real balls": (real, one, fake), "generated balls": (fake, two, real)}, "title"))
    for ax, centres, radius, colour in zip(
        figure.axes, (real, fake), (one, two), (plotting.REAL, plotting.GENERATED), strict=True
    ):
        assert [c.get_radius() for c in ax.patches] == pytest.approx(radius.tolist())
        assert [c.get_center() for c in ax.patches] == [pytest.approx(p) for p in centres.tolist()]
        assert ax.lines[0].get_color() == colour != ax.lines[1].get_color()


def test_a_table_says_every_cell_once_and_marks_alarms_without_colour_alone():
    cells = {"none": {"a": "1.0", "b": "2"}, "blur": {"a": "-3.0", "b": "4"}}
    figure = drawn(judging.table(cells, {"blur": {"a": 1, "b": -1}}, "title", note="note"))
    (ax,) = figure.axes
    texts = {t.get_text(): t for t in ax.texts}
    assert {*texts} == {"none", "blur", "a", "b", "1.0", "2", "−3.0", "4", "note"}
    assert [t for t, text in texts.items() if text.get_weight() == "bold"] == ["−3.0", "4"]
    alarm, better = ax.patches
    assert (alarm.get_hatch(), better.get_hatch()) == ("", "////")
    assert figure.get_suptitle() == "title"


def test_labels_of_a_table_end_before_its_cells_begin():
    long = "a name that is longer than most"
    figure = drawn(judging.table({long: {c: "123.4 ± 5.6" for c in "abcdef"}}, {}, "title"))
    texts = [t for t in figure.axes[0].texts if t.get_text() in (long, "123.4 ± 5.6")]
    label, first = (t.get_window_extent() for t in texts[:2])
    assert label.x1 < first.x0

"""Explorers: every position of every control changes the picture, without a kernel and in one."""

from base64 import b64decode
from io import BytesIO

import nbformat
import numpy as np
import pytest
import torch
from ipywidgets import Dropdown, FloatSlider, Image, IntSlider, Label, SelectionSlider
from nbclient import NotebookClient
from PIL import Image as Pillow

from genimg_utils import plotting, widgets

CLASSES = ["zero", "one", "two"]


def draw_time(t):
    return torch.full((4, 1, 6, 6), 2 * t - 1)


def draw_class(t, label):
    return torch.full((1, 3, 6, 6), label / 2 - 0.5 + t / 2)


def draw_seed(label, seed):
    return torch.randn(2, 1, 6, 6, generator=torch.Generator().manual_seed(100 * label + seed))


@pytest.fixture
def shown(monkeypatch):
    """The static pictures that were displayed, as they were when displayed."""
    pictures = []
    monkeypatch.setattr(widgets, "display", lambda figure: pictures.append(plotting.embed(figure)))
    return pictures


def child(explorer, kind):
    return next(c for c in explorer.children if isinstance(c, kind))


def pixels(explorer):
    return np.asarray(Pillow.open(BytesIO(child(explorer, Image).value)))


def test_walk_draws_what_its_slider_says(shown):
    explorer = widgets.latent_walk(draw_time, scale=3)
    slider = child(explorer, FloatSlider)
    for t in (slider.min, 0.37, slider.max):
        slider.value = t
        assert np.array_equal(pixels(explorer), plotting.to_pixels(draw_time(t), scale=3)[..., 0])
    assert (slider.min, slider.max) == (0, 1)


def test_walk_follows_both_slider_and_class(shown):
    explorer = widgets.latent_walk(draw_class, CLASSES)
    slider, menu = child(explorer, FloatSlider), child(explorer, Dropdown)
    seen = set()
    for label in range(len(CLASSES)):
        menu.value = label
        for slider.value in (0, 0.11, 1):
            assert np.array_equal(pixels(explorer), plotting.to_pixels(draw_class(slider.value, label), scale=4))
            seen.add(child(explorer, Image).value)
    assert len(seen) == 7  # 0 with the next class equals 1 with this one
    assert [name for name, _ in menu.options] == CLASSES


def test_class_explorer_follows_every_class_and_the_extreme_seeds(shown):
    explorer = widgets.class_explorer(draw_seed, CLASSES, seeds=20)
    menu, slider = child(explorer, Dropdown), child(explorer, IntSlider)
    assert (slider.min, slider.max) == (0, 19)
    seen = set()
    for menu.value in range(len(CLASSES)):
        for slider.value in (0, 19):
            assert np.array_equal(pixels(explorer)[:24, :24], draw_pixels(menu.value, slider.value))
            seen.add(child(explorer, Image).value)
    assert len(seen) == 6


def test_class_explorer_shows_as_many_seeds_as_were_asked(shown):
    widgets.class_explorer(draw_seed, CLASSES)
    widgets.class_explorer(draw_seed, CLASSES, shown=5)
    eight, five = (Pillow.open(BytesIO(b64decode(picture))).width for picture, _ in shown)
    assert eight - five == 3 * 2 * (6 + 1)


def test_figure_slider_draws_its_values_over_a_still_picture_and_closes_them(shown):
    def draw(steepness):
        return plotting.curve({"real": steepness * np.arange(5.0)}, title=f"steepness {steepness}")

    still, before = draw(2), len(plotting.plt.get_fignums())
    explorer = widgets.figure_slider(draw, [-1.0, 0.5, 3.0], still, description="steepness")
    slider, seen = child(explorer, SelectionSlider), set()
    for value in (-1.0, 0.5, 3.0):
        slider.value = value
        assert pixels(explorer).std() > 0
        seen.add(child(explorer, Image).value)
    assert len(seen) == 3
    assert len(shown) == 1
    assert "steepness 2" in shown[0][1]["alt"]
    assert len(plotting.plt.get_fignums()) == before - 1  # the still one is closed, too


def draw_pixels(label, seed):
    return plotting.to_pixels(draw_seed(label, seed)[:1], scale=4)[..., 0]


def test_static_picture_comes_first_and_is_the_same_each_time(shown, monkeypatch):
    order = []
    monkeypatch.setattr(widgets, "display", lambda figure: order.append("static"))
    monkeypatch.setattr(widgets, "Explorer", lambda *_: order.append("widget"))
    for _ in range(2):
        widgets.latent_walk(draw_time)
        widgets.latent_walk(draw_class, CLASSES)
        widgets.class_explorer(draw_seed, CLASSES)
    assert order == ["static", "widget"] * 6


def test_static_picture_shows_the_whole_walk(shown):
    widgets.latent_walk(draw_time, steps=5, title="Five stops")
    widgets.latent_walk(draw_time, steps=5, title="Five stops")
    assert shown[0] == shown[1]
    assert shown[0][1]["alt"] == "Five stops"
    stops = torch.cat([draw_time(i / 5)[:1] for i in range(5)])
    assert shown[0] == plotting.embed(plotting.grid(stops, 1, "Five stops"))


def test_error_of_a_move_is_raised_and_written(shown):
    def draw(t):
        if t > 0.5:
            raise RuntimeError("the generator is gone")
        return draw_time(t)

    explorer = widgets.latent_walk(draw, steps=1)
    slider, complaint = child(explorer, FloatSlider), child(explorer, Label)
    assert complaint.value == ""
    with pytest.raises(RuntimeError, match="the generator is gone"):
        slider.value = 1
    assert complaint.value == "RuntimeError: the generator is gone"
    slider.value = 0.25
    assert complaint.value == ""


def test_circle_is_closed_and_keeps_the_distribution():
    a, b = torch.randn(2, 20_000, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(widgets.circle(a, b, 0), a)
    torch.testing.assert_close(widgets.circle(a, b, 0.25), b)
    torch.testing.assert_close(widgets.circle(a, b, 1), a, atol=1e-5, rtol=0)
    for t in (0.1, 0.6):
        assert abs(widgets.circle(a, b, t).std() - 1) < 0.02


SET_UP = """
import torch
from genimg_utils import plotting, widgets
plotting.style()
def draw(t):
    if t > 0.5: raise RuntimeError("too far")
    return torch.full((1, 1, 6, 6), t)
"""


def executed(*cells):
    """The outputs of each cell, run in one kernel."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    NotebookClient(notebook, timeout=120, kernel_name="python3", allow_errors=True).execute()
    return [cell.outputs for cell in notebook.cells]


def test_in_a_kernel():
    """Static picture first, words for who cannot see them, and the error of a move fails its cell."""
    start, walk, move, chart = executed(
        SET_UP,
        "walk = widgets.latent_walk(draw, steps=1, title='One stop')\nwalk",
        "walk.children[0].value = 0.9",
        "plotting.curve({'a': [1, 2]}, title='It rises');",
    )
    assert start == []
    static, widget = walk
    assert static.metadata["image/png"]["alt"] == "One stop"
    assert widget.data["text/plain"] == "(Run this cell in Jupyter or Colab, and a slider appears here.)"
    assert "application/vnd.jupyter.widget-view+json" in widget.data
    assert [(output.output_type, output.get("evalue")) for output in move] == [("error", "too far")]
    assert [output.metadata["image/png"]["alt"] for output in chart] == ["It rises"]


def test_which_is_real_counts_clicks_and_forgets_no_pair(shown):
    real, generated = torch.ones(5, 1, 4, 4), -torch.ones(5, 1, 4, 4)
    left, explorer = widgets.two_alternatives(real, generated, "title", seed=1, scale=1)
    assert len(shown) == 1
    assert 0 < left.sum() < 5
    picture, buttons, said = explorer.children
    assert said.value.startswith("Click")
    for i in range(7):  # beyond the last pair it begins again
        pair = np.asarray(Pillow.open(BytesIO(picture.value)))
        assert (pair[0, 0] == 255) == bool(left[i % 5])
        assert pair[0, 0] + pair[0, -1] == 255
        buttons.children[0 if left[i % 5] else 1].click()
        assert said.value.startswith(f"{i + 1} of {i + 1} right")
    buttons.children[1 if left[2] else 0].click()
    assert said.value == "7 of 8 right; who guesses has 4 ± 3 in 95 of 100 cases"
    again, _ = widgets.two_alternatives(real, generated, seed=1)
    assert torch.equal(left, again)

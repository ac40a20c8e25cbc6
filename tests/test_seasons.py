"""Drawn landscapes: what the seasons share, what they hide, and that a map which swaps paint fits as well."""

import numpy as np
import pytest
from scipy.stats import ks_2samp

from genimg_utils import seasons
from genimg_utils.seasons import OBJECTS, Scenes, masks, render, scenes

BOTH = ("summer", "winter")


def changed(these, **columns):
    return these._replace(**columns)


def differs(a, b):
    """The share of pixels in which two sets of pictures differ, for each picture."""
    return (a != b).any(axis=1).mean(axis=(1, 2))


@pytest.mark.parametrize("size", [32, 64, 128])
@pytest.mark.parametrize("season", BOTH)
def test_pictures_are_bytes_of_the_size_asked_for_and_each_its_own(season, size):
    pictures = render(scenes(70, seed=0, flowers=True, paint=True), season, size)
    assert pictures.shape == (70, 3, size, size)
    assert pictures.dtype == np.uint8
    assert pictures.min() < 70
    assert pictures.max() > 240
    assert len({picture.tobytes() for picture in pictures}) == 70


def test_a_scene_repeats_with_its_seed_and_however_many_are_drawn_together():
    one, again, other = (render(scenes(9, seed), "summer") for seed in (3, 3, 4))
    assert np.array_equal(one, again)
    assert not np.array_equal(one, other)
    many = scenes(200, 3)
    part = Scenes(*(column[120:140] for column in many))  # over the border of a chunk
    assert np.array_equal(render(many, "winter")[120:140], render(part, "winter"))


def test_the_seasons_differ_everywhere_by_colour_alone():
    these = scenes(50, seed=1)
    summer, winter = (render(these, season).astype(float) / 255 for season in BOTH)
    assert 0.2 < np.abs(summer - winter).mean() < 0.5
    assert winter.mean() > summer.mean()


@pytest.mark.parametrize("name", [n for n in Scenes._fields if n not in ("flower", "paint")])
def test_every_number_of_a_scene_is_seen_in_both_seasons(name):
    these, others = scenes(40, seed=2), scenes(40, seed=5)
    moved = changed(these, **{name: getattr(others, name)})
    for season in BOTH:
        assert (differs(render(these, season), render(moved, season)) > 0.004).mean() > 0.9


@pytest.mark.parametrize("season", BOTH)
@pytest.mark.parametrize("name", ["sun", "far", "near", "lake", "house", "path"])
def test_so_is_each_column_of_it(name, season):
    these, others = scenes(40, seed=2), scenes(40, seed=5)
    for column in range(getattr(these, name).shape[1]):
        mixed = getattr(these, name).copy()
        mixed[:, column] = getattr(others, name)[:, column]
        moved = changed(these, **{name: mixed})
        assert (differs(render(these, season), render(moved, season)) > 0).mean() > 0.9, column


def test_snow_hides_flowers_and_nothing_else():
    without, flowering = scenes(40, seed=2), scenes(40, seed=2, flowers=True)
    assert np.array_equal(render(without, "winter"), render(flowering, "winter"))
    grown = differs(render(without, "summer"), render(flowering, "summer"))
    assert (grown > 0.01).all()
    where = (render(without, "summer") != render(flowering, "summer")).any(axis=1)
    assert (where <= masks(without)["meadow"] | _near_the_meadow(without)).all()


def _near_the_meadow(these):
    """The meadow's pixels and their neighbours: edges are soft over one pixel."""
    meadow = np.pad(masks(these)["meadow"], ((0, 0), (1, 1), (1, 1)))
    shifts = [(i, j) for i in (0, 1, 2) for j in (0, 1, 2)]
    return np.any([meadow[:, i : i + 32, j : j + 32] for i, j in shifts], axis=0)


def test_paint_is_seen_in_both_seasons_on_the_house_alone():
    these = scenes(40, seed=2, paint=True)
    assert {*these.paint.tolist()} == {0, 1}
    other = changed(these, paint=1 - these.paint)
    house = masks(these)["house"]
    for season in BOTH:
        where = (render(these, season) != render(other, season)).any(axis=1)
        assert where.any(axis=(1, 2)).all()
        assert where[~house].mean() < 0.02  # soft edges


@pytest.mark.parametrize("season", BOTH)
def test_walls_wear_the_paint_of_their_season(season):
    these = scenes(40, seed=2, paint=True)
    pictures = render(these, season, 128) / 255.0  # [40, 3, 128, 128]
    for picture, (x, base, width), paint in zip(pictures, these.house, these.paint, strict=True):
        row, column = int(128 * (base - 0.5 * width)), int(128 * (x - 0.35 * width))
        assert np.abs(picture[:, row, column] - seasons.PAINT[season][paint]).max() < 0.01


def test_a_map_that_swaps_the_paint_keeps_the_distribution_and_is_no_lighter():
    """Each colour is worn by half the houses, independently of the rest, and both are equally light."""
    these = scenes(4000, seed=7, paint=True)
    assert abs(these.paint.mean() - 0.5) < 0.03
    for column in (these.light, these.house[:, 2], these.horizon, these.lake[:, 2]):
        assert ks_2samp(column[these.paint == 0], column[these.paint == 1]).pvalue > 1e-3
    luma = np.array([0.299, 0.587, 0.114])
    for colours in seasons.PAINT.values():
        first, second = colours @ luma
        assert abs(first - second) < 0.03


def test_neither_paint_of_winter_is_nearer_to_either_of_summer():
    """Or a network that starts near the identity would find the true map by itself."""
    summer, winter = seasons.PAINT["summer"], seasons.PAINT["winter"]
    distance = np.abs(summer[:, None] - winter[None]).sum(axis=2)  # [2, 2]
    assert abs(np.trace(distance) - np.trace(distance[::-1])) < 0.05


def test_switches_change_nothing_else_in_a_scene():
    plain, full = scenes(20, seed=8), scenes(20, seed=8, flowers=True, paint=True)
    for name in Scenes._fields:
        assert np.array_equal(getattr(plain, name), getattr(full, name)) == (name not in ("flower", "paint"))


def test_masks_share_out_the_picture_and_fit_it():
    these = scenes(60, seed=9)
    found = masks(these, 64)
    assert tuple(found) == OBJECTS
    assert (sum(mask.astype(int) for mask in found.values()) == 1).all()
    assert all(mask.any(axis=(1, 2)).mean() > 0.95 for mask in found.values())
    summer = render(these, "summer", 64).astype(int)
    red, green, blue = summer.transpose(1, 0, 2, 3)
    assert (green > red)[found["trees"]].mean() > 0.8
    assert (blue > green)[found["lake"]].mean() > 0.9
    assert (green > blue)[found["meadow"]].mean() > 0.95
    assert (blue > red)[found["sky"]].mean() > 0.6


def test_trees_leave_the_house_in_sight():
    these = scenes(500, seed=10)
    away = np.abs(these.tree[:, :, 0] - these.house[:, :1])
    assert away.min() >= 0.2 - 1e-6
    assert these.tree[:, :, 0].min() >= 0.05
    assert these.tree[:, :, 0].max() <= 0.95


def test_what_cannot_be_drawn_gets_a_sentence():
    with pytest.raises(ValueError, match="at least one scene"):
        scenes(0, seed=0)
    with pytest.raises(ValueError, match="no season 'autumn': it is summer or winter"):
        render(scenes(1, seed=0), "autumn")
    with pytest.raises(ValueError, match="take at least 16"):
        render(scenes(1, seed=0), "summer", 8)

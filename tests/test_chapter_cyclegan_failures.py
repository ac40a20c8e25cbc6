"""Chapter 10's own functions, its cells run on generators whose answers are known."""

import contextlib
import io

import matplotlib.pyplot as plt
import pytest
import torch
from chapters import code_cells, find, read
from torch import nn

CELLS = {cell["id"]: cell["source"] for cell in code_cells(read(find("10")))}
NEEDED = ["2bd03d85", "537b65a4", "70faf2ee", "7c4731dc", "2e098cf5", "092b47a1", "7621b0fb", "042d3677", "345e8a16"]
NEEDED += ["de898c5d", "8d8a70d6", "8a59a19b", "cea89ceb", "042e026f", "6c843812", "c0d71939", "d5e40235"]


def scaled(factor):
    return lambda v: factor * v


@pytest.fixture(scope="module")
def chapter():
    """What the cells define where G halves, F trebles, and the free pair multiplies by 0.25 and by 8."""
    names = {"G": scaled(0.5), "F": scaled(3.0), "G_free": scaled(0.25), "F_free": scaled(8.0)}
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(io.StringIO()):
        patch.setenv("GENIMG_TIER", "smoke")
        with plt.rc_context():
            for name in NEEDED:
                exec(CELLS[name], names)
    return names


def left_over(chapter, again):
    """What 10.1 takes from 1, by sums."""
    x, bare, where = (chapter[name] for name in ("x", "bare", "flowers"))
    error, most = (((v - x).abs() * where[:, None]).sum().item() for v in (again, bare))
    return error / most


def test_the_share_that_comes_back_is_of_the_ways_that_are_named(chapter):
    x, winter, bare = (chapter[name] for name in ("x", "winter", "bare"))
    right = {"from G(x)": 1.5 * x, "from the true winter": 3 * winter, "from G(bare)": 1.5 * bare}
    assert {way: 1 - left_over(chapter, again) for way, again in right.items()} == pytest.approx(chapter["back"])
    assert chapter["free_back"] == pytest.approx([1 - left_over(chapter, v) for v in (2 * x, 8 * winter)])


def test_the_gain_and_the_levels_have_their_units(chapter):
    assert chapter["gain"] == pytest.approx(3)  # F's, whatever G makes of the flowers
    ones = torch.ones_like(chapter["x"])
    assert chapter["levels"](ones, -ones, chapter["flowers"]) == 255
    assert len(chapter["coarse"].unique()) <= 3  # steps of 64 levels, of a G that halves


def test_noise_falls_on_the_winter_and_not_on_what_comes_back(chapter):
    y = chapter["x"] / 3  # F makes x of it
    noise = torch.randn(y.shape, generator=torch.Generator().manual_seed(0))
    assert chapter["noised"](y, 0.0) == pytest.approx(1)
    assert chapter["noised"](y, 0.2) == pytest.approx(1 - left_over(chapter, chapter["x"] + 0.6 * noise), abs=1e-5)


def test_a_house_is_swapped_where_it_has_the_other_colour(chapter):
    swapped, winter, other = (chapter[name] for name in ("swapped", "winter", "other_winter"))
    assert swapped(lambda x: winter) == 0
    assert swapped(lambda x: other) == 1
    assert swapped(lambda x: torch.cat([other[:10], winter[10:]])) == pytest.approx(10 / len(winter))


def test_what_is_lost_goes_there_by_one_generator_and_back_by_the_other(chapter):
    torch.testing.assert_close(chapter["again"], 2 * chapter["x"])  # the free pair, the last one: 8 · 0.25


def test_inverted_translators_begin_at_the_negative(chapter):
    network = chapter["Inverted"]()
    nn.init.zeros_(network.body[-1].weight)
    nn.init.zeros_(network.body[-1].bias)
    torch.testing.assert_close(network(chapter["x"][:2]), (-chapter["x"][:2]).tanh())


def test_the_sun_is_bright_where_it_was_and_in_winter_where_it_should_be(chapter):
    was, will = chapter["places"]["where the sun was"], chapter["places"]["where it should be"]
    assert not (was & will).any()
    light = {season: chapter[season].mean(dim=1) for season in ("x", "winter")}
    assert light["x"][was].mean() > light["x"][will].mean()
    assert light["winter"][will].mean() > light["winter"][was].mean()
    assert chapter["left"](lambda x: chapter["winter"]) == dict.fromkeys(chapter["places"], 0.0)
    assert set(chapter["left"](lambda x: x).values()) == {1.0}

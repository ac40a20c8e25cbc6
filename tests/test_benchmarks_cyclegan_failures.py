"""The benchmark of chapter 10: its changes are what they are called, and its rows belong to the recipe."""

import copy
import importlib.util
import json
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from genimg_utils import recipes
from genimg_utils.networks import LocalDiscriminator, Translator
from genimg_utils.steps import cyclegan_step

ROOT = Path(__file__).resolve().parents[1]
RESULTS = json.loads((ROOT / "benchmarks/results/cyclegan_failures.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def benchmark():
    sys.path.insert(0, str(ROOT / "benchmarks"))
    spec = importlib.util.spec_from_file_location("cyclegan_failures", ROOT / "benchmarks/cyclegan_failures.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    yield module
    sys.path.remove(str(ROOT / "benchmarks"))


@pytest.fixture
def players():
    torch.manual_seed(0)
    return [Translator(width=4, blocks=1), Translator(width=4, blocks=1), *(LocalDiscriminator(width=4) for _ in "XY")]


@pytest.fixture
def batch():
    generator = torch.Generator().manual_seed(1)
    return [torch.rand(3, 3, 16, 16, generator=generator) * 2 - 1 for _ in "xy"]


def optimised(players):
    return [torch.optim.SGD([*a.parameters(), *b.parameters()], lr=0.05) for a, b in (players[:2], players[2:])]


def test_the_rows_belong_to_the_recipe_and_to_one_number_of_steps(benchmark):
    assert RESULTS["recipe"] == recipes.CYCLEGAN
    assert {row["steps"] for row in RESULTS["rows"]} == {benchmark.STEPS}
    keys = [(row["part"], row["what"], row["seed"]) for row in RESULTS["rows"]]
    assert len(set(keys)) == len(keys)
    for row in RESULTS["rows"]:
        assert row["what"] in benchmark.PARTS[row["part"]][0]


def test_every_weight_of_the_game_has_its_sheet(benchmark):
    for row in RESULTS["rows"]:
        if row["part"] == "game":
            assert (ROOT / f"benchmarks/results/cyclegan_game_{row['what'][4:]}.png").is_file()


def test_a_cycle_from_one_side_is_the_step_without_the_other(benchmark, players, batch):
    twins = copy.deepcopy(players)
    benchmark.ABLATION["cycle from X only"]["step"](*batch, *players, *optimised(players), cycle=0.0)
    (x, y), (G, F, _, D_Y) = batch, twins
    D_X = twins[2]
    loss = (D_Y(G(x)) - 1).square().mean() + (D_X(F(y)) - 1).square().mean() + 10 * (F(G(x)) - x).abs().mean()
    loss.backward()
    for one, other in zip(players[:2], twins[:2], strict=True):
        for p, q in zip(one.parameters(), other.parameters(), strict=True):
            torch.testing.assert_close(p, q - 0.05 * q.grad, rtol=1e-4, atol=1e-6)


def test_with_nothing_spoiled_it_is_the_step(benchmark, players, batch):
    twins = copy.deepcopy(players)
    how = {"cycle": 10.0, "identity": 2.0}
    cyclegan_step(*batch, *players, *optimised(players), **how)
    benchmark.spoiled(benchmark.noise(0.0))(*batch, *twins, *optimised(twins), **how)
    for one, other in zip(players, twins, strict=True):
        for p, q in zip(one.parameters(), other.parameters(), strict=True):
            torch.testing.assert_close(p, q, rtol=1e-3, atol=1e-5)
    benchmark.spoiled(benchmark.noise(0.5))(*batch, *twins, *optimised(twins), **how)
    cyclegan_step(*batch, *players, *optimised(players), **how)
    gap = max((p - q).abs().max() for p, q in zip(players[0].parameters(), twins[0].parameters(), strict=True))
    assert gap > 1e-4


def test_blur_is_the_mean_around_each_pixel(benchmark):
    lone = torch.zeros(1, 1, 5, 5)
    lone[0, 0, 2, 2] = 9
    assert torch.equal(benchmark.blur(lone)[0, 0, 1:4, 1:4], torch.ones(3, 3))


def test_translators_begin_where_they_say(benchmark):
    x = torch.rand(2, 3, 16, 16) * 2 - 1
    for kind, start in ((Translator, x), (benchmark.Inverted, -x), (benchmark.Unanchored, 0 * x)):
        network = kind(width=4, blocks=1)
        network.body.requires_grad_(False)[-1].weight.zero_()
        network.body[-1].bias.zero_()
        torch.testing.assert_close(network(x), start.tanh())


def test_a_few_pairs_teach_what_losses_without_pairs_cannot(benchmark, players, batch):
    step, optimisers = benchmark.few_pairs(4), optimised(players)
    told = benchmark.seasons.scenes(4, 11, paint=True)
    A, B = (
        benchmark.scaled(torch.from_numpy(benchmark.seasons.render(told, season, 16)))
        for season in benchmark.seasons.SEASONS
    )
    before = (players[0](A) - B).abs().mean()
    for _ in range(20):
        step(*batch, *players, *optimisers, cycle=10.0, identity=0.0)
    assert (players[0](A) - B).abs().mean() < before


@pytest.mark.parametrize(("kind", "norm"), [("Normed", nn.InstanceNorm2d), ("BatchNormed", nn.BatchNorm2d)])
def test_a_normed_translator_has_a_norm_after_every_convolution_but_the_last(benchmark, kind, norm):
    network = getattr(benchmark, kind)()
    kinds = [type(layer) for layer in network.modules() if isinstance(layer, nn.Conv2d | norm)]
    assert kinds[-1] is nn.Conv2d
    assert kinds[:-1] == [nn.Conv2d, norm] * (len(kinds) // 2)
    assert kinds.count(nn.Conv2d) == 9
    x = torch.rand(2, 3, 16, 16) * 2 - 1
    assert network(x).shape == x.shape


def test_a_house_is_swapped_where_it_is_nearer_to_the_other_paint(benchmark):
    true, false = torch.zeros(4, 3, 2, 2), torch.ones(4, 3, 2, 2)
    house = torch.tensor([[[True, False], [False, False]]] * 4)
    mapped = true.clone()
    mapped[0, :, 0, 0] = 0.9  # a swapped house
    mapped[1, :, 1, 1] = 0.9  # something else
    assert benchmark.wrong_share(mapped, true, false, house) == 0.25


def test_changes_reach_the_training(benchmark, monkeypatch, tmp_path):
    seen = {}

    def watched(**how):
        seen.update(how, step=recipes.cyclegan_step)

    monkeypatch.setattr(benchmark, "train_cyclegan", watched)
    benchmark.trained({"cycle": 3.0, "step": len, "translator": benchmark.Unanchored}, steps=7, seed=5)
    assert (seen["cycle"], seen["steps"], seen["seed"], seen["step"]) == (3.0, 7, 5, len)
    assert seen["translator"] is benchmark.Unanchored
    assert recipes.cyclegan_step is cyclegan_step

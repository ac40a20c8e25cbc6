"""The benchmark of CycleGANs: what its results claim, and that its rival and its faults are what they are called."""

import copy
import importlib.util
import inspect
import json
import re
import statistics
import sys
from pathlib import Path

import pytest
import torch

from genimg_utils import recipes
from genimg_utils.losses import cyclegan, least_squares
from genimg_utils.networks import LocalDiscriminator, Translator
from genimg_utils.pool import ImagePool
from genimg_utils.steps import cyclegan_step

ROOT = Path(__file__).resolve().parents[1]
RESULTS = json.loads((ROOT / "benchmarks/results/cyclegan_training.json").read_text(encoding="utf-8"))
CHAPTER = json.loads((ROOT / "notebooks/09_cyclegan_training.ipynb").read_text(encoding="utf-8"))
CODE = "\n".join("".join(c["source"]) for c in CHAPTER["cells"] if c["cell_type"] == "code")
SOUND = [row for row in RESULTS["runs"] if not row["fault"]]


@pytest.fixture(scope="module")
def benchmark():
    sys.path.insert(0, str(ROOT / "benchmarks"))
    spec = importlib.util.spec_from_file_location("cyclegan_training", ROOT / "benchmarks/cyclegan_training.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    yield module
    sys.path.remove(str(ROOT / "benchmarks"))


def test_the_results_belong_to_the_recipe_and_the_chapter():
    assert RESULTS["recipe"] == recipes.CYCLEGAN
    assert {row["steps"] for row in RESULTS["runs"]} == {recipes.CYCLEGAN_STEPS}
    steps = re.search(r"^steps = tier\.pick\(smoke=\d+, cpu=([\d_]+)", CODE, re.MULTILINE)
    assert int(steps[1]) == recipes.CYCLEGAN_STEPS
    assert f"seed, batch = 0, {recipes.CYCLEGAN['batch']}" in CODE
    rates = recipes.CYCLEGAN["learning_rate"], recipes.CYCLEGAN["learning_rate_D"]
    assert rates == (2e-3, 1e-3)
    assert "(G, F, 2e-3), (D_X, D_Y, 1e-3)" in CODE
    weights = f"cycle={recipes.CYCLEGAN['cycle']}, identity={recipes.CYCLEGAN['identity']}"
    assert CODE.count(weights) == 2
    assert not recipes.CYCLEGAN["pool"]
    assert recipes.CYCLEGAN["objective"] == "least_squares"
    for shared in ("betas=(0.5, 0.99)", "decay=0.998"):
        assert shared in inspect.getsource(recipes.train_cyclegan)
        assert shared in CODE


def test_the_gates_are_of_five_seeds_and_stop_what_they_should():
    assert len(SOUND) >= 5
    assert len({row["seed"] for row in SOUND}) == len(SOUND)
    for name in ("share", "share of trees"):
        values = [row[name] for row in SOUND]
        assert RESULTS["gate"][name] == pytest.approx(statistics.mean(values) + 4 * statistics.stdev(values), abs=1e-4)
    assert statistics.mean(row["share"] for row in SOUND) <= 0.10
    assert min(row["share half-way"] for row in SOUND) > RESULTS["gate"]["share"]
    faults = {row["fault"]: [] for row in RESULTS["runs"] if row["fault"]}
    for row in RESULTS["runs"]:
        if row["fault"]:
            faults[row["fault"]].append(row["share"])
    assert min(faults["no detach, one backward for all"]) > RESULTS["gate"]["share"]
    assert min(faults["identity on the wrong domain"]) > RESULTS["gate"]["share"]


def test_the_shares_follow_from_the_errors():
    nothing = RESULTS["baselines"][0]["A to B"]
    for row in [*RESULTS["runs"], *RESULTS["paired"], *RESULTS["baselines"]]:
        for name, share in (("all", "share"), ("trees", "share of trees")):
            mean = (row["A to B"][name] + row["B to A"][name]) / 2
            assert row[share] == pytest.approx(mean / nothing[name], abs=5e-4)
    best = max(row["share"] for row in RESULTS["paired"])
    assert best < min(row["share"] for row in SOUND) < RESULTS["baselines"][1]["share"]


@pytest.fixture
def players():
    torch.manual_seed(0)
    return [Translator(width=4, blocks=1), Translator(width=4, blocks=1), *(LocalDiscriminator(width=4) for _ in "XY")]


def optimised(players):
    return [torch.optim.SGD([*a.parameters(), *b.parameters()], lr=0.05) for a, b in (players[:2], players[2:])]


@pytest.fixture
def batch():
    generator = torch.Generator().manual_seed(1)
    return [torch.rand(3, 3, 16, 16, generator=generator) * 2 - 1 for _ in "xy"]


def losses_of_the_chapter(players, code=CODE):
    """Its two functions, with these four networks for its own."""
    space = {"torch": torch, "cyclegan": cyclegan} | dict(zip(("G", "F", "D_X", "D_Y"), players, strict=True))
    for name in ("generators_loss", "discriminators_loss"):
        exec(re.search(rf"^def {name}.*?\n(?=\S)", code, re.MULTILINE | re.DOTALL)[0], space)
    return space["generators_loss"], space["discriminators_loss"]


def sends_what_the_step_sends(players, batch, code=CODE):
    """Whether the chapter's losses have the step's gradients in all four networks, and leave the generators alone."""
    of_generators, of_discriminators = losses_of_the_chapter(players, code)
    total, *fakes = of_generators(*batch)
    judged = of_discriminators(*batch, *fakes)
    pairs = (total, players[:2]), (judged, players[2:])
    ours = [torch.autograd.grad(loss, [*a.parameters(), *b.parameters()], retain_graph=True) for loss, (a, b) in pairs]
    moved = torch.autograd.grad(judged, [p for G in players[:2] for p in G.parameters()], allow_unused=True)
    still = [torch.optim.SGD([*a.parameters(), *b.parameters()], lr=0.0) for _, (a, b) in pairs]
    cyclegan_step(*batch, *players, *still, cycle=10.0, identity=2.0)
    theirs = [p.grad for player in players for p in player.parameters()]
    same = [torch.allclose(a, b, rtol=1e-3, atol=1e-6) for a, b in zip([*ours[0], *ours[1]], theirs, strict=True)]
    return all(same) and all(gradient is None for gradient in moved)


def test_the_chapter_s_losses_send_to_each_network_what_the_step_sends(players, batch):
    assert sends_what_the_step_sends(players, batch)


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("(D_Y(fake_y) - 1)", "(D_X(fake_y) - 1)"),
        ("(D_X(fake_x) - 1)", "(D_X(fake_x.detach()) - 1)"),
        ("F(fake_y))", "F(fake_y.detach()))"),
        ("back[: len(y)]]", "back[: len(y)].detach()]"),
        ("identity(y, same_y)", "identity(y, same_y.detach())"),
        ("same, fake_x, fake_y", "same, fake_y, fake_x"),
        ("fake_x.detach()", "fake_x"),
        ("+ D_X(fake_x.detach())", "- D_X(fake_x.detach())"),
        ("D_Y(fake_y.detach())", "D_Y(fake_x.detach())"),
        ("(D_X(x) - 1)", "(D_X(x).detach() - 1)"),
    ],
)
def test_what_the_values_hide_shows_in_the_gradients(players, batch, right, wrong):
    """Untrained discriminators are much alike, and what is cut off has the same value."""
    assert right in CODE
    assert not sends_what_the_step_sends(players, batch, CODE.replace(right, wrong))


def test_the_usual_step_is_the_same_step_but_for_its_half(benchmark, players, batch):
    """Half of the discriminators' loss is what the paper's code takes."""
    twins = copy.deepcopy(players)
    ours = cyclegan_step(*batch, *players, *optimised(players), cycle=10.0, identity=2.0)
    usual = benchmark.usual_step(*batch, *twins, *optimised(twins), (lambda new: new.detach(),) * 2)
    for name, value in usual.items():
        factor = 2 if name.startswith("loss_D") else 1
        assert factor * value == pytest.approx(ours[name].item(), rel=1e-4)
    for one, other in zip(players[:2], twins[:2], strict=True):
        for p, q in zip(one.parameters(), other.parameters(), strict=True):
            torch.testing.assert_close(p, q, rtol=1e-3, atol=1e-5)


def test_a_pool_of_single_pictures_shows_what_a_pool_shows(benchmark):
    torch.manual_seed(0)
    by_one, by_batch = benchmark.OneByOne(20), ImagePool(20)
    numbers = torch.arange(4000.0).view(-1, 4, 1, 1, 1)
    ages = {
        name: torch.cat([new - pool(new) for new in numbers[:500]]).flatten()[400:]
        for name, pool in (("by one", by_one), ("by batch", by_batch))
    }
    for age in ages.values():
        assert (age == 0).double().mean() == pytest.approx(0.5, abs=0.06)
    assert ages["by one"].mean() == pytest.approx(ages["by batch"].mean().item(), rel=0.25)


def test_one_backward_for_all_lets_both_descend_one_sum(benchmark, players, batch):
    """Nobody plays against anybody: the step follows the gradient of the sum of all losses, in all four networks."""
    twins = copy.deepcopy(players)
    x, y = batch
    benchmark.one_backward(x, y, *players, *optimised(players), cycle=10.0, identity=0.0)
    G, F, D_X, D_Y = twins
    total = least_squares.generator(D_Y(G(x)), D_Y(G(x))) + least_squares.generator(D_X(F(y)), D_X(F(y)))
    total = total + 10 * ((F(G(x)) - x).abs().mean() + (G(F(y)) - y).abs().mean())
    total = total + least_squares.discriminator(D_X(x), D_X(F(y))) + least_squares.discriminator(D_Y(y), D_Y(G(x)))
    total.backward()
    for one, other in zip(players, twins, strict=True):
        for p, q in zip(one.parameters(), other.parameters(), strict=True):
            torch.testing.assert_close(p, q - 0.05 * q.grad, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("fault", ["D's loss reaches G as well", "identity on the wrong domain"])
def test_a_fault_changes_the_generators_and_leaves_the_discriminators(benchmark, players, batch, fault):
    twins = copy.deepcopy(players)
    how = {"cycle": 10.0, "identity": 2.0}
    cyclegan_step(*batch, *players, *optimised(players), **how)
    benchmark.FAULTS[fault](*batch, *twins, *optimised(twins), **how)
    same = [
        all(torch.allclose(p, q, atol=1e-6) for p, q in zip(a.parameters(), b.parameters(), strict=True))
        for a, b in zip(players, twins, strict=True)
    ]
    assert same == [False, False, True, True]


def test_what_is_told_counts_the_right_steps(benchmark):
    looks = [{"share": 1 / (i + 1), "distance": float(i)} for i in range(20)]
    falling = torch.arange(100.0, 0, -1).numpy()
    history = {name: falling for name in benchmark.WATCHED} | {"cycle": falling[::-1].copy()}
    told = benchmark.told(looks, history, 5)
    assert told["loss_G"] == [1.0, 1.0]
    assert told["cycle"] == told["distance"] == [-1.0, -1.0]


def test_a_translator_is_judged_in_the_direction_it_goes(benchmark, monkeypatch):
    A, B = (torch.full((2, 3, 16, 16), value) for value in (-0.5, 0.5))
    everything = {"trees": torch.ones(2, 16, 16, dtype=torch.bool).numpy()}
    test = benchmark.Truth(A, B, everything, (A, B))
    row = benchmark.judged(lambda x: x + 1, lambda y: y - 0.5, test)
    assert row["A to B"]["all"] == 0
    assert row["B to A"]["all"] == pytest.approx(0.25)
    assert row["share"] == pytest.approx(0.25)

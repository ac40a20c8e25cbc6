"""What the committed measurements say, and that the chapter trains what they measured."""

import inspect
import json
import re
import statistics

import pytest

from genimg_utils import __main__ as door
from genimg_utils import runtime

RESULTS = json.loads((runtime.REPOSITORY / "benchmarks/results/gan_training.json").read_text(encoding="utf-8"))
NOTEBOOK = json.loads((runtime.REPOSITORY / "notebooks/03_gan_training.ipynb").read_text(encoding="utf-8"))
CODE = "\n".join("".join(cell["source"]) for cell in NOTEBOOK["cells"] if cell["cell_type"] == "code")


def runs(model, fault=""):
    return [row for row in RESULTS["runs"] if row["model"] == model and row["fault"] == fault]


@pytest.mark.parametrize("model", ["cgan", "gan"])
def test_a_gate_is_the_mean_and_four_deviations_over_five_seeds_or_more(model):
    values = [row["FD-64"] for row in runs(model)]
    assert len({row["seed"] for row in runs(model)}) == len(values) >= 5
    gate = statistics.mean(values) + 4 * statistics.stdev(values)
    assert RESULTS["gates"][f"{model} mnist-5k cpu"]["FD-64"] == pytest.approx(gate, abs=1e-3)


def test_a_half_trained_run_and_a_faulty_one_miss_the_gate():
    gate = RESULTS["gates"]["cgan mnist-5k cpu"]["FD-64"]
    assert all(row["FD-64 half-way"] > gate for row in runs("cgan"))
    faulty = runs("cgan", "no R1")
    assert faulty
    assert all(row["FD-64"] > gate for row in faulty)


@pytest.mark.parametrize("model", ["cgan", "gan"])
def test_no_run_memorises(model):
    """95 of 100 lie within the margin; none lies beyond twice that."""
    assert all(abs(row["nearest was trained on"] - 0.5) < 2 * row["margin"] for row in runs(model))


def test_the_chapter_trains_with_the_recipe_that_was_measured():
    recipe = inspect.getsource(door.train_gan)
    for line in (
        "lr=4e-3, betas=(0.0, 0.99), fused=True",
        "decay=0.998",
        "anneal([opt_G, opt_D]",
        "lazy(partial(r1, gamma=",
    ):
        assert line in recipe, line
        assert line in CODE, line
    steps = re.search(r"^steps = tier\.pick\(smoke=\d+, cpu=([\d_]+)", CODE, re.MULTILINE)
    assert int(steps[1]) == door.GAN_STEPS == RESULTS["runs"][0]["steps"]
    batch, objective, gamma, every = door.RECIPE.values()
    assert f"batch, latent = 0, {batch}, 64" in CODE
    assert f'objective, gamma, every = "{objective}", {gamma}, {every}' in CODE


def test_a_changed_setting_is_another_run_in_the_chapter_too():
    assert "config=settings" in CODE
    told = re.search(r"^settings = (\{.+?\})", CODE, re.MULTILINE | re.DOTALL)[1]
    for name in ("dataset", "seed", "steps", *door.RECIPE):
        assert f'"{name}": {name}' in told
    loop = CODE[CODE.index("in run.steps(") :]
    for use in ("randn(batch,", "objectives[objective]", "partial(r1, gamma=gamma), run.step, every)"):
        assert use in loop

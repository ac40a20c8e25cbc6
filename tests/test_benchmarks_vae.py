"""What the committed measurements of the VAE say, and that the chapter trains what they measured."""

import inspect
import json
import re
import statistics

import pytest

from genimg_utils import recipes, runtime

RESULTS = json.loads((runtime.REPOSITORY / "benchmarks/results/vae_training.json").read_text(encoding="utf-8"))
NOTEBOOK = json.loads((runtime.REPOSITORY / "notebooks/06_vae_training.ipynb").read_text(encoding="utf-8"))
CODE = "\n".join("".join(cell["source"]) for cell in NOTEBOOK["cells"] if cell["cell_type"] == "code")
GATE = RESULTS["gates"]["vae mnist-5k cpu"]


def runs(fault=""):
    return [row for row in RESULTS["runs"] if row["fault"] == fault]


def test_the_gate_is_mean_and_four_deviations_of_at_least_five_seeds():
    values = [row["minus_elbo"] for row in runs()]
    assert len({row["seed"] for row in runs()}) == len(values) == GATE["seeds"] >= 5
    assert GATE["minus_elbo"] == pytest.approx(statistics.mean(values) + 4 * statistics.stdev(values), abs=0.01)
    assert statistics.mean(values) <= 97.5


def test_half_trained_and_faulty_models_miss_the_gate():
    assert all(row["minus_elbo half-way"] > GATE["minus_elbo"] + 2 for row in runs())
    faults = {row["fault"] for row in RESULTS["runs"]} - {""}
    assert faults == {"z = μ", "log-variance as σ", "KL averaged over latents", "KL summed, pixels averaged"}
    assert all(row["minus_elbo"] > 1.4 * GATE["minus_elbo"] for fault in faults for row in runs(fault))


def test_the_bound_lies_above_the_estimate_of_what_it_bounds():
    assert all(row["minus_log_p"] < row["minus_elbo"] for row in RESULTS["runs"])


def test_the_chapter_trains_with_the_recipe_that_was_measured():
    assert RESULTS["recipe"] == recipes.VAE
    recipe = inspect.getsource(recipes.train_vae)
    steps = re.search(r"^steps = tier\.pick\(smoke=\d+, cpu=([\d_]+)", CODE, re.MULTILINE)
    assert {int(steps[1])} == {recipes.VAE_STEPS} == {row["steps"] for row in RESULTS["runs"]}
    assert f"seed, batch, latent = 0, {recipes.VAE['batch']}, 32" in CODE
    assert recipes.VAE["learning_rate"] == 4e-3
    assert "torch.optim.Adam(parameters, lr=4e-3, betas=(0.9, 0.99), fused=True)" in CODE
    assert "betas=(0.9, 0.99), fused=True)" in recipe
    for line in ("anneal([optimiser], run.step, steps)", "torch.bernoulli((x + 1) / 2)"):
        assert line in recipe, line
        assert line in CODE, line
    assert "pair(latent, width=64)" in CODE
    for network in ("Encoder", "Decoder"):
        defaults = inspect.signature(getattr(recipes, network)).parameters
        assert (defaults["latent"].default, defaults["width"].default) == (32, 64)


def test_the_chapter_judges_as_the_benchmark_does():
    """The same held-out pictures, tossed from the same seed."""
    benchmark = (runtime.REPOSITORY / "benchmarks/vae_training.py").read_text(encoding="utf-8")
    assert "torch.bernoulli(images / 255, generator=torch.Generator().manual_seed(1))" in benchmark
    assert "def binarised(images, seed=1):" in CODE
    assert "torch.bernoulli(images / 255, generator=tosses)" in CODE

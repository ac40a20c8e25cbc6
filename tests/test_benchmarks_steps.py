"""The benchmark of steps: what its results say, and that its rungs change the time and nothing else."""

import importlib.util
import json
import statistics
import sys

import pytest
import torch

from genimg_utils import runtime

ROOT = runtime.REPOSITORY
RESULTS = json.loads((ROOT / "benchmarks/results/steps.json").read_text(encoding="utf-8"))
FAMILIES = ["GAN", "VAE", "CycleGAN"]


@pytest.fixture(scope="module")
def benchmark():
    sys.path.insert(0, str(ROOT / "benchmarks"))
    spec = importlib.util.spec_from_file_location("steps_benchmark", ROOT / "benchmarks/steps.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    yield module
    sys.path.remove(str(ROOT / "benchmarks"))


@pytest.mark.parametrize("family", FAMILIES)
def test_a_ladder_has_all_its_rungs_and_its_factors_fit(benchmark, family):
    found = RESULTS[family]
    rows = found["rows"]
    assert [row["what"] for row in rows] == [*benchmark.ladder(family)]
    for clock, ms in (("", "ms"), ("processor ", "processor ms")):
        low, high = found[f"{clock}range"]
        assert low <= found[f"{clock}factor"] <= high
        assert rows[0][ms] / rows[-1][ms] == pytest.approx(found[f"{clock}factor"], rel=0.25)
        for row in rows[1:]:
            assert row[f"{clock}range"][0] <= row[f"{clock}factor"] <= row[f"{clock}range"][1]
    assert found["rounds"] >= 5
    assert {"machine", "versions", "commit", "precision", "load"} <= found.keys()


def test_what_the_chapter_says_of_the_rows_is_what_was_measured():
    for family in FAMILIES:
        rows = {row["what"]: row for row in RESULTS[family]["rows"]}
        assert rows["+ no .item(), no print"]["processor range"][0] <= 1
        assert RESULTS[family]["processor factor"] > 1.1
    cyclegan = RESULTS["CycleGAN"]
    gains = {row["what"]: row["processor factor"] for row in cyclegan["rows"][1:]}
    ranked = sorted(gains, key=gains.get, reverse=True)
    assert ranked[:3] == ["+ lower precision", "+ channels last", "+ merged calls"]
    vae = {row["what"]: row["processor range"] for row in RESULTS["VAE"]["rows"][1:]}
    assert vae["+ lower precision"][1] < 1
    assert min(cyclegan["factor"], cyclegan["processor factor"]) >= 1.5


def test_what_no_gpu_measured_is_null():
    assert RESULTS["gpu"] is None or RESULTS["gpu"]["card"]


@pytest.mark.parametrize("family", FAMILIES)
def test_the_last_rung_is_this_courses_step_and_the_first_is_not(benchmark, family, monkeypatch):
    names = {"GAN": "gan_step", "VAE": "vae_step", "CycleGAN": "cyclegan_step"}
    calls = []
    ours = getattr(benchmark, names[family])
    monkeypatch.setattr(benchmark, names[family], lambda *a, **k: calls.append(1) or ours(*a, **k))
    rungs = benchmark.ladder(family)
    first = rungs["as people write it"]._replace(resident=True)  # no workers in a test
    benchmark.LOOPS[family](first)()
    assert not calls
    last = [*rungs.values()][-1]
    assert all(last[:5])
    benchmark.LOOPS[family](last)()
    assert calls == [1]


@pytest.mark.parametrize("family", FAMILIES)
def test_a_rung_changes_the_time_and_nothing_else(benchmark, family, monkeypatch):
    """From the same seed all rungs in float32 make the same step, up to rounding."""
    made, prepared = [], benchmark.prepared

    def noted(network, how):
        made.append(network)
        return prepared(network, how)

    monkeypatch.setattr(benchmark, "prepared", noted)
    full = [*benchmark.ladder(family).values()][-1]
    weights = []
    for how in (benchmark.How(resident=True), full._replace(reduced=False)):
        made.clear()
        step = benchmark.LOOPS[family](how)
        before = torch.cat([p.detach().flatten().clone() for network in made for p in network.parameters()])
        torch.manual_seed(5)  # noise
        step()
        after = torch.cat([p.detach().flatten() for network in made for p in network.parameters()])
        weights.append((before, after))
    (start, plain), (same_start, ours) = weights
    assert torch.equal(start, same_start)
    moved = (plain - start).abs()
    assert (moved > 0).double().mean() > 0.9
    off = (plain - ours).abs() > 0.05 * moved.median()  # where a gradient is nearly 0, Adam's first step is all sign
    assert off.double().mean() < 0.01


def test_time_to_quality_is_measured_against_the_best_of_the_usual_loop():
    if "quality" not in RESULTS:
        pytest.skip("not measured yet")
    for run in RESULTS["quality"]:
        needed, goal = min(run["usual"], key=lambda point: point[1])  # not the end, where it may be worse again
        assert run["ours"][-1][1] < goal
        assert all(value >= goal for _, value in run["ours"][:-1])
        assert run["sooner"] == pytest.approx(needed / run["ours"][-1][0], rel=0.05)
    assert statistics.median(run["sooner"] for run in RESULTS["quality"]) >= 3

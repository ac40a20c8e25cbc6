"""The flow that the benchmarks train is chapter 12's, and the chapter's gate is what was measured."""

import json
import re
import runpy
import statistics
import sys

import hygiene
import pytest
import torch
from chapters import find, read

from genimg_utils import data, runtime

PATH = runtime.REPOSITORY / "benchmarks/flow_training.py"
RESULTS = runtime.REPOSITORY / "benchmarks/results/flow_training.json"
CELLS = [cell["source"] for cell in read(find("12"))["cells"] if cell["cell_type"] == "code"]
CHAPTER = "\n".join(CELLS)


@pytest.fixture(scope="module")
def script():
    sys.path.insert(0, str(PATH.parent))
    yield runpy.run_path(str(PATH))
    sys.path.remove(str(PATH.parent))


@pytest.mark.parametrize("name", ["Block", "Net", "Velocity"])
def test_the_networks_are_the_chapters(name: str) -> None:
    benchmark = hygiene.definitions(PATH.read_text(encoding="utf-8"))
    chapter = {k: v for source in CELLS for k, v in hygiene.definitions(source).items()}
    assert hygiene.bare_tree(benchmark[name]) == hygiene.bare_tree(chapter[name])


def number(pattern: str) -> float:
    (found,) = re.findall(pattern, CHAPTER)
    return float(found.replace("_", ""))


def test_the_settings_are_the_chapters(script) -> None:
    _, batch, axes = re.findall(r"seed, batch, kept_axes = (\d+), (\d+), (\d+)", CHAPTER)[0]
    assert (int(batch), int(axes)) == (script["FLOW"]["batch"], script["FLOW"]["axes"])
    assert number(r"^steps = tier.pick\(smoke=\d+, cpu=([\d_]+)".replace("^", "(?m:^)")) == script["FLOW_STEPS"]
    assert f"v.parameters(), lr={script['FLOW']['learning_rate']:g}".replace("0.001", "1e-3") in CHAPTER
    assert f"n={script['PIECES']}, w=1.0" in CHAPTER


def test_a_few_steps_draw_pictures_and_follow_the_weight(script) -> None:
    draw = script["train_flow"](30, seed=0)  # fewer differ by less than bfloat16 can tell
    some = draw(20, 2.0)
    assert some.shape == (20, 1, 28, 28)
    assert some.abs().max() <= 1
    assert torch.equal(some, draw(20, 2.0))
    one, two, none = draw(20, 1.0), draw(20, 0.0), data.load("mnist-5k").images[:20] / 127.5 - 1
    assert not torch.equal(one, two)
    assert (some.mean(0) - none.mean(0)).abs().mean() < 0.5


def test_the_gate_comes_from_three_seeds_and_half_a_run_misses_it(script) -> None:
    rows = json.loads(RESULTS.read_text(encoding="utf-8"))["rows"]
    assert all(row["recipe"] == script["FLOW"] | {"steps": script["FLOW_STEPS"]} for row in rows)
    assert len({row["seed"] for row in rows}) == len(rows) >= 3
    full, half = ([row[str(script["FLOW_STEPS"] // k)]["w = 3"] for row in rows] for k in (1, 2))
    assert max(full) < statistics.mean(full) + 4 * statistics.stdev(full) < min(half)
    for row in rows:  # guidance helps at these steps
        assert row[str(script["FLOW_STEPS"])]["w = 3"] < row[str(script["FLOW_STEPS"])]["w = 1"]

"""`python -m genimg_utils`: train, export, sample, and one line for what is the matter."""

import subprocess
import sys

import pytest
from PIL import Image

from genimg_utils import __main__ as door
from genimg_utils import networks


def test_sample_draws_from_shipped_weights_in_a_fresh_process(tmp_path):
    picture = tmp_path / "digits.png"
    command = [sys.executable, "-m", "genimg_utils", "sample", "--count", "20", "--out", str(picture)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    with Image.open(picture) as image:
        assert image.getcolors() is None or len(image.getcolors()) > 50  # not one grey


def test_sample_repeats_with_its_seed(tmp_path):
    pictures = []
    for seed in (1, 1, 2):
        path = tmp_path / f"{len(pictures)}.png"
        assert door.main(["sample", "--count", "4", "--seed", str(seed), "--out", str(path)]) == 0
        pictures.append(path.read_bytes())
    assert pictures[0] == pictures[1] != pictures[2]


@pytest.mark.parametrize("model", door.MODELS)
def test_train_exports_weights_that_sample_takes(tmp_path, monkeypatch, model):
    monkeypatch.setenv("GENIMG_RUNS", str(tmp_path / "runs"))
    monkeypatch.setenv("GENIMG_THREADS", "1")
    weights = tmp_path / "mine.safetensors"
    assert door.main(["train", model, "--steps", "3", "--out", str(weights)]) == 0
    assert networks.load(weights).config["classes"] == (10 if model == "cgan" else 0)
    assert "steps" in weights.with_suffix(".md").read_text(encoding="utf-8")
    assert door.main(["sample", str(weights), "--count", "2", "--out", str(tmp_path / "two.png")]) == 0


def test_every_setting_of_the_recipe_tells_runs_apart(tmp_path, monkeypatch):
    monkeypatch.setenv("GENIMG_RUNS", str(tmp_path))
    monkeypatch.setenv("GENIMG_THREADS", "1")
    paths = {door.train_gan("gan", steps=1)[0].path}
    for name, value in {"batch": 16, "objective": "saturating", "gamma": 10.0, "every": 1}.items():
        with monkeypatch.context() as change:
            change.setitem(door.RECIPE, name, value)
            paths.add(door.train_gan("gan", steps=1)[0].path)
    assert len(paths) == 1 + len(door.RECIPE)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["sample", "no-such-model"], "There are no weights at"),
        (["sample", "classifier-mnist"], "is a Classifier, which draws nothing"),
        (["train", "gan", "--dataset", "cats"], "cats"),
    ],
)
def test_what_cannot_be_done_gets_one_line(tmp_path, monkeypatch, capsys, arguments, sentence):
    monkeypatch.chdir(tmp_path)
    assert door.main(arguments) == 1
    said = capsys.readouterr().out.strip()
    assert said.startswith("[FAIL]")
    assert sentence in said
    assert "\n" not in said


def test_report_prints_a_line_each(capsys):
    door.main(["report"])
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) > 8
    assert all(line.startswith(("[OK]", "[–]", "[FAIL]")) for line in lines)

"""`python -m genimg_utils`: train, export, sample, and one line for what is the matter."""

import subprocess
import sys

import pytest
from PIL import Image

from genimg_utils import __main__ as door
from genimg_utils import networks, recipes, runtime


def test_sample_draws_from_shipped_weights_in_a_fresh_process(tmp_path):
    picture = tmp_path / "digits.png"
    command = [sys.executable, "-m", "genimg_utils", "sample", "--count", "20", "--out", str(picture)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    with Image.open(picture) as image:
        assert image.getcolors() is None or len(image.getcolors()) > 50  # not one grey
        assert round(image.width / image.height) == 5  # two rows of ten


def test_sample_repeats_with_its_seed(tmp_path):
    pictures = []
    for seed in (1, 1, 2):
        path = tmp_path / f"{len(pictures)}.png"
        assert door.main(["sample", "--count", "4", "--seed", str(seed), "--out", str(path)]) == 0
        pictures.append(path.read_bytes())
    assert pictures[0] == pictures[1] != pictures[2]


def test_the_door_names_every_recipe():
    assert list(door.MODELS) == list(recipes.MODELS)


@pytest.mark.parametrize("model", door.MODELS)
def test_train_exports_weights_that_sample_takes(tmp_path, monkeypatch, model):
    monkeypatch.setenv("GENIMG_RUNS", str(tmp_path / "runs"))
    monkeypatch.setenv("GENIMG_THREADS", "1")
    weights = tmp_path / "mine.safetensors"
    assert door.main(["train", model, "--steps", "3", "--seed", "5", "--out", str(weights)]) == 0
    network = networks.load(weights)
    assert network.config.get("classes", 0) == (10 if model in ("cgan", "cvae") else 0)
    card = weights.with_suffix(".md").read_text(encoding="utf-8")
    way = "as trained" if model.endswith("vae") else "moving average"
    assert all(fact in card for fact in (way, '"steps": 3', '"seed": 5'))
    if model.endswith("vae"):
        assert isinstance(networks.load(tmp_path / "mine-encoder.safetensors"), networks.Encoder)
    if model == "cyclegan":
        assert '"dataset": "seasons"' in card
        assert isinstance(networks.load(tmp_path / "mine-F.safetensors"), networks.Translator)
        assert door.main(["sample", str(weights)]) == 1  # it changes pictures and draws none
        return
    pictures = []
    for drawn in ([str(weights)], []):
        path = tmp_path / f"{len(pictures)}.png"
        assert door.main(["sample", *drawn, "--count", "2", "--out", str(path)]) == 0
        pictures.append(path.read_bytes())
    assert pictures[0] != pictures[1]


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


def test_a_defect_of_ours_keeps_its_traceback(monkeypatch):
    monkeypatch.setattr(door, "report", lambda _: [].no_such_thing)
    with pytest.raises(AttributeError, match="no_such_thing"):
        door.main(["report"])


@pytest.mark.parametrize("arguments", [["sample", "--count", "0"], ["train", "gan", "--steps", "-1"]])
def test_numbers_below_one_are_refused(tmp_path, monkeypatch, capsys, arguments):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as refusal:
        door.main(arguments)
    assert refusal.value.code == 2
    assert "is not a whole number from 1" in capsys.readouterr().err


@pytest.mark.parametrize(("status", "code"), [("OK", 0), ("–", 0), ("FAIL", 1)])
def test_report_fails_with_its_worst_line(monkeypatch, status, code):
    lines = [runtime.Line(status, "in question"), runtime.Line("OK", "fine")]
    monkeypatch.setattr(runtime, "report", lambda datasets: lines)
    assert door.main(["report"]) == code


def test_report_prints_a_line_each(capsys):
    door.main(["report"])
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) > 8
    assert all(line.startswith(("[OK]", "[–]", "[FAIL]")) for line in lines)

"""The made-up class holds what it says, and is counted by what became of each answer."""

import json
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "benchmarks"))
import grading


@pytest.mark.parametrize("name", ["a1", "a2", "a3"])
def test_a_student_hands_in_every_part_of_the_kind_that_is_noted(tmp_path, name):
    kinds = set()
    for number in range(8):
        written = grading.handed_in(name, number, tmp_path / "one.ipynb")
        cells = json.loads((tmp_path / "one.ipynb").read_text(encoding="utf-8"))["cells"]
        sources = {
            c["metadata"]["genimg"]["answer"]: c["source"] for c in cells if "answer" in c["metadata"].get("genimg", {})
        }
        assert [*sources] == [*written]
        for part, answer in written.items():
            assert answer.source in sources[part]
            assert (answer.kind == "blank") == (not answer.source)
            assert bool(answer.words) <= (answer.kind == "wrong")
            compile(sources[part], part, "exec")
            kinds.add(answer.kind)
    assert kinds >= {"right", "wrong", "blank", "training"}


def test_the_committed_class_is_whole_and_was_graded_rightly():
    row = json.loads(grading.RESULTS.read_text(encoding="utf-8"))["a2"]
    count = row["answers"]
    assert (row["students"], row["jobs"]) == (200, 2)
    assert sum(n for kind, n in count.items() if "," not in kind) == 8 * 200
    assert count["right, all marks"] == count["right"] > 800
    assert {kind for kind in count if kind.endswith("all marks")} == {"right, all marks", "training, all marks"}
    assert count["wrong, told which mistake"] >= 0.9 * count["wrong"] > 200


def test_the_same_student_writes_the_same_again(tmp_path):
    assert grading.handed_in("a2", 3, tmp_path / "one.ipynb") == grading.handed_in("a2", 3, tmp_path / "two.ipynb")
    assert (tmp_path / "one.ipynb").read_bytes() == (tmp_path / "two.ipynb").read_bytes()


def test_answers_are_counted_by_what_became_of_them():
    written = {
        "kl": grading.Answer("wrong", "…", "sign"),
        "sample": grading.Answer("wrong", "…", "noise"),
        "elbo": grading.Answer("right", "…"),
        "train": grading.Answer("blank", ""),
    }
    parts = [
        {"name": "kl", "marks": 2, "of": 10, "known": True, "text": "the sign is flipped"},
        {"name": "sample", "marks": 0, "of": 10, "known": True, "text": "another hint"},
        {"name": "elbo", "marks": 15, "of": 15, "known": False, "text": "right."},
        {"name": "train", "marks": 0, "of": 20, "known": False, "text": "not answered yet"},
    ]
    count = grading.outcomes(written, parts)
    assert +count == {"wrong": 2, "wrong, told which mistake": 1, "right": 1, "right, all marks": 1, "blank": 1}


def test_time_and_memory_of_a_command_count_its_children():
    child = "import time; held = bytearray(300 << 20); held[::4096] = b'x' * len(held[::4096]); time.sleep(1.5)"
    parent = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}])"
    seconds, memory = grading.watched([sys.executable, "-c", parent])
    assert 1.5 < seconds < 60
    assert 0.28 < memory < 1


def test_a_grader_that_fails_is_said():
    with pytest.raises(SystemExit, match="ended with 3"):
        grading.watched([sys.executable, "-c", "raise SystemExit(3)"])

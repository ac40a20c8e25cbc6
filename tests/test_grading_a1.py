"""Assignment 1: what a seed plants is found, what is repaired earns, and what worked before earns nothing."""

import ast
import json
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any

import assignments
import chapters
import pytest
import torch
from answers import a1 as answers
from assigned import SEEDS, Assigned, by_seed, judged, known_wrong_answers_are_told, package_functions, write
from nbclient.exceptions import CellExecutionError

from genimg_utils import losses, metrics, steps
from genimg_utils.grading import __main__ as door
from genimg_utils.grading import a1, grade, seeds, submission
from genimg_utils.grading.a1 import players, repair
from genimg_utils.grading.a1.repair import PROGRAMS, UNTOUCHED
from genimg_utils.grading.question import InProcess, Question, Verdict

ASSIGNED = Assigned(a1, answers)
asked, run, SOURCE = ASSIGNED.asked, ASSIGNED.run, ASSIGNED.source


# --- right, untouched, wrong ---


@by_seed(8)
@pytest.mark.filterwarnings("ignore")
def test_right_answers_of_every_style_earn_all_marks(seed: str) -> None:
    ASSIGNED.right_answers_of_every_style_earn_all_marks(seed)


@by_seed(8)
def test_every_fault_loses_marks_and_earns_its_own_hint(seed: str) -> None:
    unplanted = replace(a1.drawn(seed), planted=())  # else the planted one is only untouched
    known_wrong_answers_are_told(a1.questions(unplanted, seed)[:-1])


@by_seed(8)
def test_what_is_handed_out_earns_nothing_in_any_part(seed: str) -> None:
    c = a1.drawn(seed)
    for question in a1.questions(c, seed)[:-1]:
        assert isinstance(question, repair.Repair)
        names = run("\n\n".join([answers.loss_D(c)[0], answers.loss_G(c)[0], question.handed]))
        assert judged(question, names[question.name]) == UNTOUCHED


def test_what_worked_before_is_no_merit_and_what_works_anew_is() -> None:
    """Gradients that are never cleared spoil several rounds alone; the halves of a round were right from the start."""
    c = replace(a1.drawn("merit"), planted=(("play", (3,)),))
    question = next(q for q in a1.questions(c, "merit") if q.name == "play")
    program = PROGRAMS["play"](c)
    assert "never cleared" in program.hints[3]
    other = repair.compiled(c, "play", program.with_faults(4) or "")
    assert judged(question, question.reference).earned == question.marks
    assert judged(question, repair.compiled(c, "play", program.with_faults(3) or "")) == UNTOUCHED
    verdict = judged(question, other)
    assert (verdict.earned, verdict.text) == (0, program.hints[4])
    both = replace(c, planted=(("play", (3, 6)),))
    question = next(q for q in a1.questions(both, "merit") if q.name == "play")
    verdict = judged(question, repair.compiled(c, "play", program.with_faults(3) or ""))
    assert (verdict.earned, verdict.text) == (9, program.hints[3])  # one of two faults repaired


@pytest.mark.filterwarnings("ignore")
@by_seed(3)
def test_slips_in_other_code_than_the_hand_outs_lose_marks_and_are_told(seed: str) -> None:
    told: dict[str, bool] = {}
    c = a1.drawn(seed)
    questions = {q.name: q for q in a1.questions(replace(c, planted=()), seed)}
    for name, source, words in answers.slips(c):
        assert source not in answers.MAKERS[name](c)
        verdict = judged(questions[name], run(source)[name])
        assert verdict.earned < questions[name].marks, source
        told[source] = words in verdict.text
    assert sum(told.values()) >= 0.9 * len(told), [what for what, well in told.items() if not well]


# --- what a seed draws ---


def test_a_seed_plants_at_least_ten_faults_and_neighbours_get_others() -> None:
    drawn = [a1.drawn(own) for own in seeds.variants("class", 30)]
    for c in drawn:
        assert [name for name, _ in c.planted] == [q.name for q in a1.questions(a1.BASE, "")]
        assert sum(len(numbers) for _, numbers in c.planted) == 12
    assert sum(len(make(drawn[0]).faults) for make in PROGRAMS.values()) >= 60
    assert len({seeds.fingerprint(c) for c in drawn}) == len(drawn)
    assert a1.drawn("class") == drawn[0]
    shared = [sum(a in two.planted for a in one.planted) for one, two in combinations(drawn, 2)]
    assert max(shared) <= 6
    assert sum(shared) / len(shared) < 2


def test_every_fault_and_every_pair_is_code_that_another_hand_out_can_carry() -> None:
    for seed in SEEDS:
        c = a1.drawn(seed)
        for make in PROGRAMS.values():
            program = make(c)
            every = [(n,) for n in range(len(program.faults))] + program.pairs()
            for numbers in every:
                source = program.with_faults(*numbers)
                assert source
                assert source != program.source
                ast.parse(source)


@pytest.mark.filterwarnings("ignore")
@by_seed(20)
def test_neither_the_public_solution_nor_the_package_passes_a_part(seed: str) -> None:
    public, functions = ASSIGNED.public_solution(), package_functions(losses, losses.gan, metrics, steps)
    for question in a1.questions(a1.drawn(seed), seed)[:-1]:
        unnamed = replace(question, wrong={})  # what is wrong with them is not asked here
        for function in [public[question.name], *functions, lambda *_: None]:
            assert judged(unnamed, function).earned == 0, (question.name, function)


def test_the_public_solution_passes_what_it_was_written_for() -> None:
    ASSIGNED.the_public_solution_passes_what_it_was_written_for()


def test_marks_add_up_to_a_hundred() -> None:
    ASSIGNED.marks_add_up_to_a_hundred()


class Trusted(InProcess):
    """A session that runs a notebook's cells in this very process."""

    broken: dict[int, str] = {}  # noqa: RUF012
    walls: list[str] = []  # noqa: RUF012

    def __init__(self, cells: list[tuple[int, str]], *_: Any) -> None:
        super().__init__(**run("\n\n".join(source for _, source in cells)))

    def begin(self) -> None: ...

    def close(self) -> None: ...


def test_a_list_says_who_got_which_hand_out() -> None:
    text = "student,hand-out\nada, abcdef\n\nbob ,ghijkl,late\n"
    assert door.handed(text) == {"ada": "abcdef", "bob": "ghijkl"}


def test_a_list_of_another_secret_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    listed = tmp_path / "given.csv"
    listed.write_text("ada,abcdef\n", encoding="utf-8")
    for given, sentence in ((listed, "no hand-out of this seed"), (tmp_path / "gone.csv", "there is no file")):
        arguments = ["a1", str(tmp_path), "--seed", "x", "--given", str(given)]
        with pytest.raises(SystemExit):
            door.graded(door.parser().parse_args(arguments))
        assert sentence in capsys.readouterr().err


def test_each_is_graded_by_the_hand_out_that_it_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grade, "Session", Trusted)
    own = seeds.variants("class", 4)
    handouts = [seeds.fingerprint(a1.drawn(s)) for s in own]
    for n in (0, 2):
        c = a1.drawn(own[n])
        source = "\n\n".join(make(c)[0] for make in answers.MAKERS.values())
        path = write(tmp_path / f"{n}.ipynb", source, genimg={"handout": handouts[n]})
        result = grade.grade("a1", path, "class", variants=4)
        assert (result["marks"], result["handout"], result["problem"]) == (77, handouts[n], "")
        stranger = grade.grade("a1", path, "class", variants=1)
        assert (stranger["handout"], bool(stranger["problem"])) == (handouts[0], n > 0)
        neighbour = grade.grade("a1", path, "class", variants=4, given=handouts[3])  # as the teacher's list has it
        assert neighbour["handout"] == handouts[3]
        assert neighbour["marks"] < 77
        assert "another hand-out" in neighbour["problem"]
    with pytest.raises(ValueError, match="no hand-out of this seed"):
        grade.grade("a1", path, "class", variants=4, given="nobody")
    lost = write(tmp_path / "lost.ipynb", source)
    assert submission.read(lost).handout == ""
    assert "another hand-out" in grade.grade("a1", lost, "class", variants=4)["problem"]
    assert grade.key("a1", "class") != grade.key("a1", "class", 4)


# --- training ---


def trained_with(seed: str, source: str) -> Verdict:
    c, question = a1.drawn(seed), asked(seed)["train"]
    return judged(question, run(source)["train"] if "train(" in source else repair.compiled(c, "train", source))


@pytest.mark.full
def test_the_reference_passes_the_gate_and_a_training_without_gradient_is_told() -> None:
    program = players.train(a1.drawn(SEEDS[0]))
    assert trained_with(SEEDS[0], program.source).mark == "✓"
    number = program.hints.index(players.STILL.format("generator"))
    source = (program.with_faults(number) or "").replace("range(1000)", "range(20)")
    assert trained_with(SEEDS[0], source) == Verdict("✗", 0, players.STILL.format("generator"), True)
    short = trained_with(SEEDS[0], program.source.replace("range(1000)", "range(60)"))
    assert short.earned == 0


@pytest.mark.full
@pytest.mark.parametrize("seed", SEEDS[:5])
def test_each_way_to_train_wrongly_is_told(seed: str) -> None:
    c = a1.drawn(seed)
    program = players.train(c)
    assert trained_with(seed, program.source).mark == "✓"
    assert trained_with(seed, answers.train(c)).mark == "✓"
    told = 0
    for n, hint in enumerate(program.hints):
        verdict = trained_with(seed, program.with_faults(n) or "")
        assert verdict.earned < 13
        told += hint in verdict.text
        given = a1.MAKERS[-1](replace(c, planted=(("train", (n,)),)), f"{seed}/a1")
        if verdict.earned:  # then it must be no merit of whom the very same is handed out to
            assert judged(given, repair.compiled(c, "train", program.with_faults(n) or "")).earned == 0
    assert told >= len(program.hints) - 1


# --- the hand-out ---


def handed_out(seed: str) -> list[dict[str, Any]]:
    return assignments.handed_out(chapters.read(SOURCE), a1, seed)["cells"]


def test_hand_outs_hold_the_faults_and_no_solution(tmp_path: Path) -> None:
    assert assignments.main(["--seed", "owl-17", "--out", str(tmp_path), "--variants", "2"]) == 0
    paths = [tmp_path / folder / SOURCE.name for folder in ("001", "002")]
    texts = [path.read_text(encoding="utf-8") for path in paths]
    assert texts[0] != texts[1]
    for text, own in zip(texts, seeds.variants("owl-17", 2), strict=True):
        assert not any(word in text for word in ("SOLUTION", "Rubric", "teacher", "owl-17"))
        metadata = json.loads(text)["metadata"]["genimg"]
        assert metadata == {"handout": seeds.fingerprint(a1.drawn(own))}
        cells = {c["metadata"]["genimg"]["answer"]: c["source"] for c in json.loads(text)["cells"]
                 if "answer" in c["metadata"].get("genimg", {})}  # fmt: skip
        assert {k: "".join(v) for k, v in cells.items()} == {n: q.handed for n, q in asked(own).items()}


def test_a_source_is_what_its_base_convention_makes_of_it() -> None:
    source = chapters.read(SOURCE)
    assert assignments.refreshed(source, a1) == source, "run: python tools/assignments.py --write"
    handed = {q.name: q for q in a1.questions(a1.BASE, "")}
    for cell in source["cells"]:
        if name := cell["metadata"].get("genimg", {}).get("answer"):
            assert cell["source"].startswith(handed[name].stub + "\n    ### BEGIN SOLUTION\n")
            lines = [line for line in cell["source"].split("\n") if "### " not in line]
            assert "\n".join(lines).strip() == handed[name].handed


def examples(seed: str) -> tuple[dict[str, Any], dict[str, str]]:
    """What the hand-out defines to compare with, and its examples by part."""
    cells = [cell for cell in handed_out(seed) if cell["cell_type"] == "code"]
    names = run(next(cell["source"] for cell in cells if cell["source"].startswith("def near")))
    shown = [(c["metadata"].get("genimg", {}).get("generated", ""), c["source"]) for c in cells]
    return names, {kind.removeprefix("example "): text for kind, text in shown if kind.startswith("example ")}


@by_seed(8)
def test_examples_hold_for_right_answers_and_most_faults_fail_them(seed: str) -> None:
    c = a1.drawn(seed)
    names, shown = examples(seed)
    exec(answers.BEGIN + "\n\n".join(make(c)[0] for make in answers.MAKERS.values()), names)
    assert [*shown] == [*answers.MAKERS]
    for text in shown.values():
        exec(text, names)
    failed = 0
    for name, question in asked(seed).items():
        if name in shown:
            exec(answers.BEGIN + question.handed, names)
            try:
                exec(shown[name], names)
            except (AssertionError, RuntimeError):
                failed += 1
            exec(answers.MAKERS[name](c)[0], names)
    assert failed >= 5


@pytest.mark.full
def test_a_hand_out_stops_at_its_first_fault_that_shows(tmp_path: Path) -> None:
    assert assignments.main(["--out", str(tmp_path)]) == 0
    with pytest.raises(CellExecutionError) as stopped:
        chapters.run(tmp_path / SOURCE.name, lambda *_: None)
    assert stopped.value.ename in ("AssertionError", "RuntimeError")


def test_feedback_tells_no_solution() -> None:
    for seed in SEEDS[:3]:
        for question in a1.questions(a1.drawn(seed), seed):
            assert isinstance(question, Question)
            for hint in question.wrong:
                assert "\n" not in hint
                assert not any(word in hint for word in ("softplus", "permute", ".sum(", "zero_grad", "create_graph"))


def test_random_numbers_of_the_grader_stay_its_own() -> None:
    torch.manual_seed(5)
    first = torch.rand(1)
    torch.manual_seed(5)
    question = asked("random")["snapshot"]
    judged(question, question.reference)
    assert torch.equal(torch.rand(1), first)

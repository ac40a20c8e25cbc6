"""Assignment 3: right answers earn all marks, wrong ones lose some and are told why, and nothing public passes."""

import ast
import json
from pathlib import Path
from typing import Any

import assignments
import chapters
import pytest
import torch
from answers import a3 as answers

from genimg_utils import losses, metrics, steps
from genimg_utils.grading import a3, seeds
from genimg_utils.grading.a3 import pool, training
from genimg_utils.grading.a3.convention import NORMS
from genimg_utils.grading.question import InProcess, Question, Verdict
from genimg_utils.pool import ImagePool

SEEDS = [f"seed {n}" for n in range(20)]
SOURCE = assignments.SOURCES / f"{a3.NOTEBOOK}.ipynb"
few = pytest.mark.parametrize("seed", SEEDS[:2])
many = [pytest.param(seed, marks=[] if n < 2 else pytest.mark.full) for n, seed in enumerate(SEEDS)]


def asked(seed: str) -> dict[str, Question]:
    return {q.name: q for q in a3.questions(a3.drawn(seed), seed)}


def run(source: str, **given: Any) -> dict[str, Any]:
    """What a student's source defines."""
    names = dict(given)
    exec(answers.BEGIN + source, names)
    return names


def judged(question: Question, function: Any) -> Verdict:
    return question.judge(InProcess(**{question.name: function}))


# --- right, blank, wrong ---


@pytest.mark.parametrize("seed", many)
def test_right_answers_of_every_style_earn_all_marks(seed: str) -> None:
    questions, c = asked(seed), a3.drawn(seed)
    for name, make in answers.MAKERS.items():
        styles = make(c)
        assert len(styles) >= 4
        for source in styles:
            verdict = judged(questions[name], run(source)[name])
            assert verdict == Verdict("✓", questions[name].marks, "right."), source


@pytest.mark.parametrize("seed", many)
def test_every_known_wrong_answer_loses_marks_and_earns_its_own_hint(seed: str) -> None:
    for question in a3.questions(a3.drawn(seed), seed)[:-1]:
        assert len([hint for hint, functions in question.wrong.items() if functions]) >= 6
        for hint, functions in question.wrong.items():
            for function in functions:
                verdict = judged(question, function)
                assert verdict.earned < question.marks
                assert (verdict.text, verdict.hint) == (hint, True)


@pytest.mark.parametrize("seed", many)
def test_wrong_answers_as_students_write_them(seed: str) -> None:
    """All lose marks; of ten, nine and more hear what is wrong with them."""
    questions, told = asked(seed), {}
    every = answers.slips(a3.drawn(seed))
    for name in answers.MAKERS:
        assert len([1 for part, *_ in every if part == name]) >= 6
    for name, source, words in every:
        verdict = judged(questions[name], run(source)[name])
        assert verdict.earned < questions[name].marks, source
        told[name, source] = bool(words) and words in verdict.text and verdict.hint
    assert sum(told.values()) >= 0.9 * len(told), [what for what, well in told.items() if not well]


@pytest.mark.parametrize("blank", ["raise NotImplementedError", "...", "return None"])
def test_blanks_answer_with_a_circle_and_earn_nothing(blank: str) -> None:
    for question in a3.questions(a3.drawn("blank"), "blank"):
        if question.name not in ("play", "train") or "Not" in blank:
            function = run(f"def f(*given):\n    {blank}")["f"]
            assert judged(question, function) == Verdict("○", 0, "not answered yet")
        assert question.judge(InProcess()) == Verdict("○", 0, "not answered yet")


def test_rounds_that_do_nothing_earn_nothing() -> None:
    verdict = judged(asked("idle")["play"], lambda *_: None)
    assert (verdict.mark, verdict.earned) == ("✗", 0)


# --- the pool ---


def test_marks_of_the_pool_are_given_one_by_one() -> None:
    c, question = a3.drawn("pool"), asked("pool")["pooled"]
    half = pool.pooled
    other = a3.Convention(old=0.5, leaves=c.leaves)
    assert judged(question, lambda *a: half(other, *a)).earned == 9  # of 12, without those of the share
    assert judged(question, lambda pictures, size: half(c, pictures, size + 1)).earned in (6, 9)
    assert judged(question, lambda pictures, size: pictures.flip(0)).earned == 0
    assert judged(question, lambda pictures, size: pictures).earned == 3


def test_the_packages_pool_passes_only_where_its_rule_is_agreed_on() -> None:
    def official(pictures: torch.Tensor, size: int) -> torch.Tensor:
        through = ImagePool(size)
        return torch.cat([through(p[None]) for p in pictures])

    question = pool.question(a3.BASE, "base")
    assert judged(question, official).mark == "✓"
    assert judged(asked("owl")["pooled"], official).mark == "✗"


# --- what a seed draws ---


def public_solution() -> dict[str, Any]:
    cells = chapters.read(SOURCE)["cells"]
    return run("\n\n".join(c["source"] for c in cells if c["metadata"].get("genimg", {}).get("answer")))


def package_functions() -> list[Any]:
    rooms = [losses, losses.gan, losses.cyclegan, metrics, steps]
    found = {f for room in rooms for f in vars(room).values() if callable(f) and not isinstance(f, type)}
    own = (f for f in found if getattr(f, "__module__", "").startswith("genimg_utils"))
    return sorted(own, key=lambda f: (f.__module__, f.__name__))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("seed", many)
def test_neither_the_public_solution_nor_the_package_passes_a_part(seed: str) -> None:
    public, functions = public_solution(), package_functions()
    assert len(functions) > 30
    for question in a3.questions(a3.drawn(seed), seed)[:-1]:
        for function in [public[question.name], *functions]:
            assert judged(question, function).mark != "✓", (question.name, function)


def test_the_public_solution_passes_what_it_was_written_for() -> None:
    public = public_solution()
    for question in a3.questions(a3.BASE, "base")[:-1]:
        assert judged(question, public[question.name]) == Verdict("✓", question.marks, "right.")


def test_a_seed_draws_the_same_again_and_another_seed_others() -> None:
    assert a3.drawn("one") == a3.drawn("one")
    drawn = {a3.drawn(seed) for seed in SEEDS}
    assert len(drawn) == len(SEEDS)
    assert a3.BASE not in drawn
    first, again, other = (asked(seed)["cycle"].criteria["values"].cases[0][0] for seed in ("one", "one", "two"))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_marks_add_up_to_a_hundred() -> None:
    assert sum(q.marks for q in a3.questions(a3.BASE, "")) + a3.TEXT_MARKS == 100


# --- training ---

WAYS = {  # words of what is said, and how the notebook's own training is changed
    "come back": {"loss": "fool"},
    "next to nothing": {"loss": "2 * back"},
    "left the plane": {"loss": "-(fool + 2 * back)"},
    "each other's task": {"two": "F, G", "loss": "fool + 2 * back"},
}


def trained_with(seed: str, **how: Any) -> Verdict:
    c = a3.drawn(seed)
    if "two" in how:
        how["two"] = ", ".join(reversed(c.two().split(", ")))
    return judged(asked(seed)["train"], run(answers.train(c, **how))["train"])


def test_the_reference_passes_the_gate() -> None:
    verdict = trained_with(SEEDS[0])
    assert (verdict.mark, verdict.earned) == ("✓", 13)


def test_a_short_run_and_an_idle_one_do_not_pass() -> None:
    short = trained_with(SEEDS[0], steps=40)
    assert short.earned < 13
    idle = judged(asked(SEEDS[0])["train"], lambda *_: None)
    assert idle.text == "G came back as it was handed over: train it in place."


@pytest.mark.full
@pytest.mark.parametrize("seed", SEEDS[:5])
def test_each_way_to_train_wrongly_is_told(seed: str) -> None:
    assert trained_with(seed).earned == 13
    for words, how in WAYS.items():
        verdict = trained_with(seed, **how)
        assert verdict.earned < 13
        assert words in verdict.text, verdict


def test_generators_begin_close_to_doing_nothing_and_the_truth_is_further() -> None:
    for seed in SEEDS[:5]:
        points, G = training.domains(seed), training.near_nothing(seed)
        before = training.measured(G, G, points)
        assert before.moved < 0.1
        assert before.error > training.HALFWAY


# --- the hand-out ---


def test_student_versions_hold_no_solution_and_change_no_committed_file(tmp_path: Path) -> None:
    before = {p: p.read_bytes() for p in assignments.SOURCES.iterdir()}
    assert assignments.main(["--seed", "owl-17", "--out", str(tmp_path)]) == 0
    assert {p: p.read_bytes() for p in assignments.SOURCES.iterdir()} == before
    handed = chapters.read(tmp_path / f"{a3.NOTEBOOK}.ipynb")
    text = json.dumps(handed, ensure_ascii=False)
    assert not any(word in text for word in ("SOLUTION", "Rubric", "teacher", "opt_GF", "kept.append", "owl-17"))
    assert handed["metadata"]["genimg"]["handout"] == seeds.fingerprint(a3.drawn("owl-17"))
    code = {
        c["metadata"]["genimg"]["answer"]: c["source"]
        for c in handed["cells"]
        if "answer" in c["metadata"].get("genimg", {})
    }
    assert [*code] == [q.name for q in a3.questions(a3.BASE, "")]
    for source in code.values():
        (function,) = ast.parse(source).body
        assert isinstance(function, ast.FunctionDef)
        assert [ast.unparse(line) for line in function.body[1:]] == ["raise NotImplementedError"]
        assert ast.get_docstring(function)


def test_a_source_is_what_its_base_convention_makes_of_it() -> None:
    source = chapters.read(SOURCE)
    assert assignments.refreshed(source, a3) == source, "run: python tools/assignments.py --write"
    stubs = {q.name: q.stub for q in a3.questions(a3.BASE, "")}
    for cell in source["cells"]:
        if name := cell["metadata"].get("genimg", {}).get("answer"):
            assert cell["source"].startswith(stubs[name] + "\n")
            assert assignments.SOLUTION.sub("", cell["source"] + "\n").strip() == stubs[name]


@few
def test_examples_of_a_hand_out_hold_for_right_answers(seed: str) -> None:
    names = run(answers.solution(a3.drawn(seed)))
    handed = assignments.handed_out(chapters.read(SOURCE), a3, seed)
    sources = [cell["source"] for cell in handed["cells"] if cell["cell_type"] == "code"]
    exec(next(s for s in sources if s.startswith("def near")), names)
    examples = [s for s in sources if "\nnear(" in s]
    assert len(examples) == 8
    for source in examples:
        assert max(map(len, source.split("\n"))) <= 120
        exec(source, names)


def test_feedback_tells_no_solution() -> None:
    for seed in SEEDS:
        for question in a3.questions(a3.drawn(seed), seed):
            for hint in question.wrong:
                assert "\n" not in hint
                assert not any(word in hint for word in ("mean(", "sum(", ".abs", "** 2", "torch", *NORMS.values()))

"""Assignment 3: right answers earn all marks, wrong ones lose some and are told why, and nothing public passes."""

from pathlib import Path
from typing import Any

import pytest
import torch
from answers import a3 as answers
from assigned import (
    SEEDS,
    Assigned,
    by_seed,
    judged,
    known_wrong_answers_are_told,
    package_functions,
    remembered,
    write,
)

from genimg_utils import losses, metrics, steps
from genimg_utils.grading import a3, similarity
from genimg_utils.grading.a3 import pool, training
from genimg_utils.grading.a3.convention import NORMS
from genimg_utils.grading.question import Verdict
from genimg_utils.pool import ImagePool

ASSIGNED = Assigned(a3, answers)
asked, run = ASSIGNED.asked, ASSIGNED.run


# --- right, blank, wrong ---


@by_seed(20, default=2)
def test_right_answers_of_every_style_earn_all_marks(seed: str) -> None:
    ASSIGNED.right_answers_of_every_style_earn_all_marks(seed)


@by_seed(20)
def test_every_known_wrong_answer_loses_marks_and_earns_its_own_hint(seed: str) -> None:
    known_wrong_answers_are_told(a3.questions(a3.drawn(seed), seed)[:-1])


@by_seed(20)
def test_wrong_answers_as_students_write_them(seed: str) -> None:
    """All lose marks; of ten, nine and more hear what is wrong with them."""
    questions, told = asked(seed), {}
    every = answers.slips(a3.drawn(seed))
    for name in answers.MAKERS:
        assert len([1 for part, *_ in every if part == name]) >= 6
    with remembered():
        for name, source, words in every:
            verdict = judged(questions[name], run(source)[name])
            assert verdict.earned < questions[name].marks, source
            told[name, source] = bool(words) and words in verdict.text and verdict.hint
    assert sum(told.values()) >= 0.9 * len(told), [what for what, well in told.items() if not well]


@pytest.mark.parametrize("blank", ["raise NotImplementedError", "...", "return None"])
def test_blanks_answer_with_a_circle_and_earn_nothing(blank: str) -> None:
    ASSIGNED.blanks_earn_nothing(blank, in_place={"play", "train"})


def test_rounds_that_do_nothing_earn_nothing() -> None:
    verdict = judged(asked("idle")["play"], lambda *_: None)
    assert (verdict.mark, verdict.earned) == ("✗", 0)


@pytest.mark.parametrize("more", ["G, F", "{'steps': len(x)}", "[0.5, 0.25]", "total(p, q, *players)"])
def test_what_is_changed_in_place_may_also_be_handed_back(more: str) -> None:
    c = a3.drawn("back")
    source = answers.play(c)[0] + f"    players = {c.two()}, D_X, D_Y\n    return {more}\n"
    assert judged(asked("back")["play"], run(source)["play"]).mark == "✓"


# --- the pool ---


def test_marks_of_the_pool_are_given_one_by_one() -> None:
    c, question = a3.drawn("pool"), asked("pool")["pooled"]
    half = pool.pooled
    other = a3.Convention(old=0.5, leaves=c.leaves)
    assert judged(question, lambda *a: half(other, *a)).earned == 9  # of 12, without those of the share
    assert judged(question, lambda pictures, size: half(c, pictures, size + 1)).earned in (6, 9)
    assert judged(question, lambda pictures, size: pictures.flip(0)).earned == 0
    assert judged(question, lambda pictures, size: pictures).earned == 0  # that is no pool


def test_the_packages_pool_passes_only_where_its_rule_is_agreed_on() -> None:
    def official(pictures: torch.Tensor, size: int) -> torch.Tensor:
        through = ImagePool(size)
        return torch.cat([through(p[None]) for p in pictures])

    question = pool.question(a3.BASE, "base")
    assert judged(question, official).mark == "✓"
    assert judged(asked("owl")["pooled"], official).mark == "✗"


# --- what a seed draws ---


@pytest.mark.filterwarnings("ignore")
@by_seed(20, default=2)
def test_neither_the_public_solution_nor_the_package_passes_a_part(seed: str) -> None:
    public = ASSIGNED.public_solution()
    functions = package_functions(losses, losses.gan, losses.cyclegan, metrics, steps)
    for question in a3.questions(a3.drawn(seed), seed)[:-1]:
        for function in [public[question.name], *functions]:
            assert judged(question, function).mark != "✓", (question.name, function)


def test_the_public_solution_passes_what_it_was_written_for() -> None:
    ASSIGNED.the_public_solution_passes_what_it_was_written_for()


def test_a_seed_draws_the_same_again_and_another_seed_others() -> None:
    ASSIGNED.a_seed_draws_the_same_again_and_another_seed_others("cycle")


def test_marks_add_up_to_a_hundred() -> None:
    ASSIGNED.marks_add_up_to_a_hundred()


# --- beside each other ---


def test_a_group_that_works_together_is_not_taken_for_the_public_grader(tmp_path: Path) -> None:
    """Its wording is common in a small class, and what is left of it may be anybody's."""
    c = a3.drawn("group")
    found = {
        student: write(tmp_path / f"{student}.ipynb", *(make(c)[style] for make in answers.MAKERS.values()))
        for student, style in {"ann": 0, "bob": 0, "eve": 0, "kim": 1, "sam": 2}.items()
    }
    pairs = {pair[1:] for pair in similarity.shares(found, "a3")}
    assert {("ann", "bob"), ("ann", "eve"), ("bob", "eve")} <= pairs
    assert not any(similarity.GRADER in pair for pair in pairs)


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
    ASSIGNED.student_versions_hold_no_solution(tmp_path, "opt_GF", "kept.append")


def test_a_source_is_what_its_base_convention_makes_of_it() -> None:
    ASSIGNED.a_source_is_what_its_base_convention_makes_of_it()


@by_seed(2, default=2)
def test_examples_of_a_hand_out_hold_for_right_answers(seed: str) -> None:
    ASSIGNED.examples_hold_for_right_answers(seed, count=8, columns=120)


def test_feedback_tells_no_solution() -> None:
    for seed in SEEDS:
        for question in a3.questions(a3.drawn(seed), seed):
            for hint in question.wrong:
                assert "\n" not in hint
                assert not any(word in hint for word in ("mean(", "sum(", ".abs", "** 2", "torch", *NORMS.values()))

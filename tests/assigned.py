"""What the tests of every assignment ask in the same way."""

import ast
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import assignments
import chapters
import pytest
import torch

from genimg_utils.grading import seeds
from genimg_utils.grading.question import Criterion, InProcess, Question, Verdict

SEEDS = [f"seed {n}" for n in range(20)]


def by_seed(count: int, default: int = 1) -> Any:
    """Over the first seeds, of which some are tried by default and the others in long tests."""
    return pytest.mark.parametrize(
        "seed", [pytest.param(seed, marks=[pytest.mark.full] * (n >= default)) for n, seed in enumerate(SEEDS[:count])]
    )


def judged(question: Question, function: Any) -> Verdict:
    return question.judge(InProcess(**{question.name: function}))


def write(path: Path, *sources: str, **metadata: Any) -> Path:
    """A notebook of these code cells."""
    cells = [
        {"cell_type": "code", "metadata": {}, "outputs": [], "execution_count": None, "source": s} for s in sources
    ]
    path.write_text(json.dumps({"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}))
    return path


def package_functions(*rooms: ModuleType) -> list[Any]:
    """What of the package's own functions these rooms offer."""
    found = {f for room in rooms for f in vars(room).values() if callable(f) and not isinstance(f, type)}
    own = [f for f in found if getattr(f, "__module__", "").startswith("genimg_utils")]
    assert len(own) > 30
    return sorted(own, key=lambda f: (f.__module__, f.__name__))


@contextmanager
def remembered() -> Iterator[None]:
    """What the grader's own functions give is kept: many answers are held to the same ones, on the same inputs."""
    kept: dict[tuple, Any] = {}
    calls = Question.calls

    def known(self: Question, function: Any, criterion: Criterion) -> Any:
        key = (function, *map(id, criterion.cases), criterion.slopes, criterion.left)
        if key not in kept:
            kept[key] = calls(self, function, criterion), function, criterion.cases  # kept alive, so that ids are too
        return kept[key][0]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Question, "calls", known)
        yield


def known_wrong_answers_are_told(questions: list[Question]) -> None:
    """Each loses marks and earns its own hint, and each question knows six kinds and more."""
    with remembered():
        each_is_told(questions)


def each_is_told(questions: list[Question]) -> None:
    for question in questions:
        assert len([hint for hint, functions in question.wrong.items() if functions]) >= 6
        for hint, functions in question.wrong.items():
            for function in functions:
                verdict = judged(question, function)
                assert verdict.earned < question.marks
                assert (verdict.text, verdict.hint) == (hint, True)


@dataclass(frozen=True)
class Assigned:
    """An assignment, and the answers to it that tests know."""

    about: Any  # genimg_utils.grading.a1, a2 or a3
    answers: Any  # the module of the same name beside these tests

    @property
    def source(self) -> Path:
        return assignments.SOURCES / f"{self.about.NOTEBOOK}.ipynb"

    def run(self, source: str, **given: Any) -> dict[str, Any]:
        """What a student's source defines."""
        names = dict(given)
        exec(self.answers.BEGIN + source, names)
        return names

    def asked(self, seed: str) -> dict[str, Question]:
        return {q.name: q for q in self.about.questions(self.about.drawn(seed), seed)}

    def public_solution(self) -> dict[str, Any]:
        cells = chapters.read(self.source)["cells"]
        return self.run("\n\n".join(c["source"] for c in cells if c["metadata"].get("genimg", {}).get("answer")))

    def right_answers_of_every_style_earn_all_marks(self, seed: str) -> None:
        questions, c = self.asked(seed), self.about.drawn(seed)
        for name, make in self.answers.MAKERS.items():
            styles = make(c)
            assert len(styles) >= 4
            for source in styles:
                verdict = judged(questions[name], self.run(source)[name])
                assert verdict == Verdict("✓", questions[name].marks, "right."), source

    def blanks_earn_nothing(self, blank: str, in_place: set[str]) -> None:
        """in_place: questions whose right answers return nothing either."""
        for question in self.asked("blank").values():
            if question.name not in in_place or "Not" in blank:
                function = self.run(f"def f(*given):\n    {blank}")["f"]
                assert judged(question, function) == Verdict("○", 0, "not answered yet")
            assert question.judge(InProcess()) == Verdict("○", 0, "not answered yet")

    def the_public_solution_passes_what_it_was_written_for(self) -> None:
        public = self.public_solution()
        for question in self.about.questions(self.about.BASE, "base")[:-1]:
            assert judged(question, public[question.name]) == Verdict("✓", question.marks, "right.")

    def a_seed_draws_the_same_again_and_another_seed_others(self, part: str) -> None:
        drawn = self.about.drawn
        assert drawn("one") == drawn("one")
        every = {drawn(seed) for seed in SEEDS}
        assert len(every) == len(SEEDS)
        assert self.about.BASE not in every
        first, again, other = (self.asked(seed)[part].criteria["values"].cases[0][0] for seed in ("one", "one", "two"))
        assert torch.equal(first, again)
        assert not torch.equal(first, other)

    def marks_add_up_to_a_hundred(self) -> None:
        assert sum(q.marks for q in self.about.questions(self.about.BASE, "")) + self.about.TEXT_MARKS == 100

    def student_versions_hold_no_solution(self, out: Path, *words: str) -> None:
        """None of these words of the solution either, and no committed file is changed."""
        before = {p: p.read_bytes() for p in assignments.SOURCES.iterdir()}
        assert assignments.main(["--seed", "owl-17", "--out", str(out)]) == 0
        assert {p: p.read_bytes() for p in assignments.SOURCES.iterdir()} == before
        handed = chapters.read(out / self.source.name)
        text = json.dumps(handed, ensure_ascii=False)
        assert not any(word in text for word in ("SOLUTION", "Rubric", "teacher", "owl-17", *words))
        assert handed["metadata"]["genimg"]["handout"] == seeds.fingerprint(self.about.drawn("owl-17"))
        code = {
            c["metadata"]["genimg"]["answer"]: c["source"]
            for c in handed["cells"]
            if "answer" in c["metadata"].get("genimg", {})
        }
        assert [*code] == [q.name for q in self.about.questions(self.about.BASE, "")]
        for source in code.values():
            (function,) = ast.parse(source).body
            assert isinstance(function, ast.FunctionDef)
            assert [ast.unparse(line) for line in function.body[1:]] == ["raise NotImplementedError"]
            assert ast.get_docstring(function)

    def a_source_is_what_its_base_convention_makes_of_it(self) -> None:
        source = chapters.read(self.source)
        assert assignments.refreshed(source, self.about) == source, "run: python tools/assignments.py --write"
        stubs = {q.name: q.stub for q in self.about.questions(self.about.BASE, "")}
        for cell in source["cells"]:
            if name := cell["metadata"].get("genimg", {}).get("answer"):
                assert cell["source"].startswith(stubs[name] + "\n    ### BEGIN SOLUTION\n")
                assert assignments.SOLUTION.sub("", cell["source"] + "\n").strip() == stubs[name]

    def examples_hold_for_right_answers(self, seed: str, count: int, columns: int) -> None:
        names = self.run(self.answers.solution(self.about.drawn(seed)))
        handed = assignments.handed_out(chapters.read(self.source), self.about, seed)
        sources = [cell["source"] for cell in handed["cells"] if cell["cell_type"] == "code"]
        exec(next(s for s in sources if s.startswith("def near")), names)
        examples = [s for s in sources if "\nnear(" in s]
        assert len(examples) == count
        for source in examples:
            assert max(map(len, source.split("\n"))) <= columns
            exec(source, names)

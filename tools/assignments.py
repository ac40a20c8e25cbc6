"""`make assignments`: the student's notebooks, from the sources in notebooks/assignments/, into build/assignments/.

A source holds solutions between ### BEGIN SOLUTION and ### END SOLUTION, cells that only a teacher should see (tagged
`teacher`), and cells that a seed rewrites: the convention, each task, each example. `--seed SECRET` draws the hand-out
that the grader will expect with the same seed; `--write` brings a source's own generated cells up to date.
"""

import argparse
import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from chapters import NOTEBOOKS, REPOSITORY, Cell, Notebook, has_tag, project, read, text, write
from generate import setup_cell, setup_source
from torch import Tensor, nn

from genimg_utils import __version__
from genimg_utils.grading import grade, gradebook, seeds
from genimg_utils.grading.__main__ import secret
from genimg_utils.grading.question import Question, fresh
from genimg_utils.grading.wire import observed

SOURCES = NOTEBOOKS / "assignments"
SOLUTION = re.compile(r"^[ \t]*### BEGIN SOLUTION\n.*?^[ \t]*### END SOLUTION(?:\n|\Z)", re.MULTILINE | re.DOTALL)
PRACTICE = "practice"  # the seed of a hand-out that nobody is graded by


def literal(name: str, value: Any, modules: bool) -> str:
    """An argument of an example as one writes it; a network is a module, or one linear function."""
    if isinstance(value, int | float):
        return f"{name} = {value:g}"
    if isinstance(value, nn.Module) and modules:
        return f"{name} = network({', '.join(map(numbers, value.parameters()))})"
    if isinstance(value, nn.Module):
        W, b = value.parameters()
        weights = f"V, c = torch.tensor({numbers(W)}), torch.tensor({numbers(b)})"
        return f"{weights}\n\n\ndef {name}(z):\n    return z @ V.T + c\n\n"
    if value.dtype == torch.uint8:
        return f"{name} = torch.tensor({numbers(value)}, dtype=torch.uint8)"
    return f"{name} = torch.tensor({numbers(value)})"


def numbers(value: Tensor, digits: int = 4) -> str:
    """Nested lists of rounded numbers."""
    if value.dim() == 0:
        return f"{round(value.item(), digits) + 0.0:g}"
    return f"[{', '.join(numbers(v, digits) for v in value)}]"


def example(question: Question) -> str:
    """The cell that calls the student's function on public arguments and holds it to what is wanted."""
    names = parameters(question)
    lines = [literal(name, value, question.modules) for name, value in zip(names, question.example, strict=True)]
    arguments, left = fresh(question.example), question.shown.left
    wanted, call = observed(question.reference, arguments, left=left), f"{question.name}({', '.join(names)})"
    if "your answer" in wanted:
        return "\n".join([*lines, near(call, numbers(wanted["your answer"]))])
    for i in left:
        lines += [near(f"{names[i]}[0].weight", numbers(arguments[i][0].weight))]
    return "\n".join([*lines[: len(names)], call, *lines[len(names) :]])


def near(call: str, wanted: str) -> str:
    """The line that compares, or several where it is long."""
    line = f"near({call}, {wanted})"
    return line if len(line) <= 88 else f"near(\n    {call},\n    {wanted},\n)"


def parameters(question: Question) -> list[str]:
    found = re.search(r"\((.*?)\)", question.stub)
    return found[1].split(", ") if found else []


def handed_out(source: Notebook, about: ModuleType, seed: str) -> Notebook:
    """The student's version for this seed."""
    c = about.drawn(seed)
    questions = {q.name: q for q in about.questions(c, seed)}
    cells = [rewritten(cell, about, c, questions) for cell in source["cells"] if not has_tag(cell, "teacher")]
    for cell in cells:
        if name := cell["metadata"].get("genimg", {}).get("answer"):
            cell["source"] = questions[name].handed
        if "BEGIN SOLUTION" in cell["source"]:
            cell["source"] = SOLUTION.sub("", cell["source"])
    first = next(i for i, cell in enumerate(cells) if cell["cell_type"] == "code")
    about_us = project()
    setup = setup_source(about_us["tool"]["genimg"]["url"], __version__, about_us["project"]["dependencies"])
    cells.insert(first, setup_cell(setup, None))
    metadata = {k: v for k, v in source["metadata"].items() if k != "genimg"}
    return source | {"cells": cells, "metadata": metadata | {"genimg": {"handout": seeds.fingerprint(c)}}}


def rewritten(cell: Cell, about: ModuleType, c: Any, questions: dict[str, Question]) -> Cell:
    """A generated cell as this convention has it; any other as it is, without outputs."""
    kind, _, name = cell["metadata"].get("genimg", {}).get("generated", "").partition(" ")
    new = {
        "convention": lambda: about.agreed(c),
        "task": lambda: questions[name].task,
        "example": lambda: example(questions[name]),
        "settings": lambda: about.settings(c),
    }
    cell = cell | ({"outputs": [], "execution_count": None} if cell["cell_type"] == "code" else {})
    return cell | ({"source": new[kind]()} if kind else {})


def refreshed(source: Notebook, about: ModuleType) -> Notebook:
    """The source with its generated cells as `BASE` has them."""
    questions = {q.name: q for q in about.questions(about.BASE, "")}
    return source | {"cells": [rewritten(cell, about, about.BASE, questions) for cell in source["cells"]]}


def main(arguments: list[str]) -> int:
    door = argparse.ArgumentParser(description=__doc__)
    door.add_argument("--seed", default=PRACTICE, help="the grader's secret, or @FILE that holds it")
    door.add_argument("--out", type=Path, default=REPOSITORY / "build/assignments")
    door.add_argument("--nbgrader", type=Path, metavar="COURSE", help="into an nbgrader course, as its source")
    door.add_argument("--variants", type=int, default=1, help="so many hand-outs, each in a folder of its own")
    door.add_argument("--write", action="store_true", help="bring the sources' generated cells up to date")
    chosen = door.parse_args(arguments)
    seed = secret(chosen.seed)
    if chosen.nbgrader and chosen.variants > 1:
        door.error("nbgrader hands one notebook to all: make its course without --variants.")
    chosen.out.mkdir(parents=True, exist_ok=True)
    for about in grade.ASSIGNMENTS.values():
        path = SOURCES / f"{about.NOTEBOOK}.ipynb"
        source = read(path)
        if chosen.write:
            write(path, refreshed(source, about))
            continue
        for n, own in enumerate(seeds.variants(seed, chosen.variants), 1):
            notebook, target = handed_out(source, about, own), chosen.out / path.name
            if chosen.nbgrader:
                target = chosen.nbgrader / "source" / about.NAME / path.name
                points = {q.name: q.marks for q in about.questions(about.BASE, "")}
                notebook = gradebook.source(notebook, points | {gradebook.WORDS: about.TEXT_MARKS})
            elif chosen.variants > 1:
                target = chosen.out / f"{n:03d}" / path.name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text(notebook), encoding="utf-8")
            note = (
                "for practice: name a secret with --seed"
                if seed == PRACTICE
                else "the grader expects it with this seed"
            )
            print(f"{target}: hand-out {seeds.fingerprint(about.drawn(own))}, {note}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

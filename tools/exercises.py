"""Exercises and their folded solutions: finding them, fitting them, and putting every solution in its place.

An exercise's cell is tagged `exercise`; it and the Markdown cell with its <details> carry the same name in
their metadata, genimg.exercise. A stub leaves blank what it asks for: `name = ...`, or a function whose body
is `...`.
"""

import ast
import json
import re
from collections import Counter

from chapters import Cell, Notebook, code_cells, has_tag, outputs, where


def is_blank(node: ast.stmt) -> bool:
    """Whether this is a stub: `name = ...`, or a function whose body is `...`, docstring aside."""
    if isinstance(node, ast.FunctionDef):
        body = node.body[1:] if ast.get_docstring(node) else node.body
        return len(body) == 1 and isinstance(body[0], ast.Expr) and is_dots(body[0].value)
    return isinstance(node, ast.Assign | ast.AnnAssign) and is_dots(node.value)


def is_dots(node: ast.expr | None) -> bool:
    return isinstance(node, ast.Constant) and node.value is ...


def answers(node: ast.stmt) -> str:
    """What a statement defines, with its parameters: what a stub and its solution must have in common."""
    if isinstance(node, ast.FunctionDef):
        return f"{node.name}({ast.unparse(node.args)})"
    if isinstance(node, ast.Assign | ast.AnnAssign):
        return ast.unparse(node.targets[0] if isinstance(node, ast.Assign) else node.target)
    return ast.unparse(node)


def exercise_name(cell: Cell) -> str:
    name: str = cell["metadata"].get("genimg", {}).get("exercise", "")
    return name


def solution(cell: Cell) -> str:
    """The code of a folded solution."""
    fences = re.findall(r"^```python\n(.*?)^```", cell["source"], re.DOTALL | re.MULTILINE)
    return "\n".join(fences) if "<details" in cell["source"] else ""


def solved(stub: str, answer: str) -> str:
    """The stub's cell with each blank replaced by what the solution says in its place."""
    given = {answers(node): node for node in ast.parse(answer).body}
    asked = ast.parse(stub).body
    lines = stub.split("\n")
    for node in reversed(asked):
        if is_blank(node):
            lines[node.lineno - 1 : node.end_lineno] = ast.unparse(given[answers(node)]).split("\n")
    if extra := given.keys() - {answers(node) for node in asked}:
        raise KeyError(f"the solution holds what the stub does not: {', '.join(extra)}")
    return "\n".join(lines)


def with_solutions(notebook: Notebook) -> Notebook:
    """The notebook with every solution in its place."""
    solutions = {exercise_name(c): solution(c) for c in notebook["cells"] if c["cell_type"] == "markdown"}
    cells = [
        cell | {"source": solved(cell["source"], solutions[exercise_name(cell)])}
        if cell["cell_type"] == "code" and exercise_name(cell)
        else cell
        for cell in notebook["cells"]
    ]
    return notebook | {"cells": cells}


def exercises(notebook: Notebook) -> list[str]:
    """What is wrong: each has a blank stub, one folded solution that fits, and was ○ when the chapter ran."""
    stubs = [c for c in notebook["cells"] if c["cell_type"] == "code" and has_tag(c, "exercise")]
    prose = [c for c in notebook["cells"] if c["cell_type"] == "markdown"]
    folded = Counter(exercise_name(c) for c in prose if solution(c))
    found = []
    for cell in stubs:
        name = exercise_name(cell)
        if not name:
            found.append(f"{where(cell)}: tagged exercise, and has no name in its metadata, genimg.exercise")
        elif folded[name] != 1:
            found.append(f"{where(cell)}: exercise {name!r} has {folded[name]} folded solutions, not one")
        if not any(is_blank(node) for node in ast.parse(cell["source"]).body):
            found.append(f"{where(cell)}: nothing in it is left blank as ...")
    untagged = [c for c in code_cells(notebook) if exercise_name(c) and not has_tag(c, "exercise")]
    found += [f"{where(c)}: has an exercise's name and not the tag" for c in untagged]
    names = {exercise_name(c) for c in stubs}
    found += [f"the solution {n!r} belongs to no exercise" for n in folded if n not in names]
    said = json.dumps([out for _, out in outputs(notebook)], ensure_ascii=False)
    if said.count("○") < len(stubs):
        found.append(f"{len(stubs)} exercises, and only {said.count('○')} blank answers ○ among the outputs")
    if found:
        return found
    try:
        with_solutions(notebook)
    except (KeyError, SyntaxError) as error:
        return [f"a solution does not fit its stub: {error}"]
    return []

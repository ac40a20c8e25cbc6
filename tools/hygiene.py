"""The house rules for notebooks, each a function that returns sentences: `python tools/hygiene.py 03`.

Nothing here runs a notebook. The test suite applies every rule to every chapter.
"""

import ast
import base64
import io
import json
import re
import statistics
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
from chapters import REPOSITORY, Notebook, chapters, code_cells, find, has_tag, outputs, read, where
from exercises import exercises
from formulas import formulas
from PIL import Image

LINES, COLUMNS, MEDIAN_LINES = 25, 92, 8  # of a code cell
LARGE, TOO_LARGE = 300_000, 1_000_000  # bytes of a notebook


# --- what the file holds ---


def identity(notebook: Notebook) -> list[str]:
    """Every cell has an id of its own."""
    counts = Counter(cell.get("id") for cell in notebook["cells"])
    return [f"{n} cells share the id {i!r}" for i, n in counts.items() if n > 1 or not i]


def executed_in_order(notebook: Notebook) -> list[str]:
    """The counts are 1, 2, 3, …: the outputs come from one run from top to bottom."""
    counts = [cell["execution_count"] for cell in notebook["cells"] if cell["cell_type"] == "code"]
    if counts == [*range(1, len(counts) + 1)]:
        return []
    return [f"execution counts {counts}: run it from top to bottom with tools/stamp.py"]


def no_errors(notebook: Notebook) -> list[str]:
    return [f"{where(c)}: an error output" for c, out in outputs(notebook) if out["output_type"] == "error"]


def no_widgets(notebook: Notebook) -> list[str]:
    """GitHub calls a notebook with widget state invalid, and a view without its kernel shows an error."""
    view = "application/vnd.jupyter.widget-view+json"
    found = [f"{where(c)}: a widget's view" for c, out in outputs(notebook) if view in out.get("data", {})]
    return found + ["metadata.widgets: run tools/stamp.py"] * ("widgets" in notebook["metadata"])


def no_machine_paths(notebook: Notebook) -> list[str]:
    """No path of the machine that ran it: home folders, temporary folders, the checkout itself."""
    path = re.compile(
        r"(?<![\w.$~:/])/(?:home|Users|root|tmp|work|var|private|usr|opt|mnt)/[\w.-]+|[A-Z]:\\\\?Users|site-packages"
    )
    found = []
    for cell in notebook["cells"]:
        bare = [strip_pictures(out) for out in cell.get("outputs", [])]
        hit = path.search(cell["source"]) or path.search(json.dumps(bare)) or mentions_checkout(bare)
        if hit:
            found.append(f"{where(cell)}: a path of this machine, {hit if isinstance(hit, str) else hit[0]}")
    return found


def mentions_checkout(bare: list[dict[str, Any]]) -> str:
    return str(REPOSITORY) if str(REPOSITORY) in json.dumps(bare) else ""


def strip_pictures(output: dict[str, Any]) -> dict[str, Any]:
    return output | {"data": {k: v for k, v in output.get("data", {}).items() if not k.startswith("image/")}}


# --- what one sees ---


def pictures(notebook: Notebook) -> list[str]:
    """Every picture has an alt text, and something on it."""
    found = []
    for cell, out in outputs(notebook):
        if "image/png" not in out.get("data", {}):
            continue
        if not out["metadata"].get("image/png", {}).get("alt"):
            found.append(f"{where(cell)}: a picture without alt text (the cell's metadata, genimg.alt)")
        raw = base64.b64decode("".join(out["data"]["image/png"]))
        if np.asarray(Image.open(io.BytesIO(raw)).convert("RGB")).std() == 0:
            found.append(f"{where(cell)}: a blank picture")
    return found


def sizes_of_code(notebook: Notebook) -> list[str]:
    """Code fits a page: at most 25 lines and 92 columns a cell, and the middle cell has at most 8 lines."""
    found = []
    for cell in (c for c in notebook["cells"] if c["cell_type"] == "code"):
        lines = cell["source"].split("\n")
        if len(lines) > LINES:
            found.append(f"{where(cell)}: {len(lines)} lines, more than {LINES}")
        if max(map(len, lines)) > COLUMNS:
            found.append(f"{where(cell)}: a line of {max(map(len, lines))} columns, more than {COLUMNS}")
    own = [cell["source"].count("\n") + 1 for cell in code_cells(notebook)]
    if own and statistics.median(own) > MEDIAN_LINES:
        found.append(f"the middle code cell has {statistics.median(own)} lines, more than {MEDIAN_LINES}")
    return found


def formulas_of(notebook: Notebook) -> list[str]:
    prose = (cell for cell in notebook["cells"] if cell["cell_type"] == "markdown")
    return [f"{where(cell)}: {sentence}" for cell in prose for sentence in formulas(cell["source"])]


# --- nothing written twice: cells against the package ---


def bare_tree(node: ast.AST) -> str:
    """The syntax tree as text; docstrings and annotations, which change nothing, aside."""
    return ast.dump(Bare().visit(ast.parse(ast.unparse(node))))


class Bare(ast.NodeTransformer):
    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        node.returns = None
        return self.undocumented(node)

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        return self.undocumented(node)

    def undocumented(self, node: ast.FunctionDef | ast.ClassDef) -> ast.AST:
        if ast.get_docstring(node) is not None:
            node.body = node.body[1:] or [ast.Pass()]
        return self.generic_visit(node)

    def visit_arg(self, node: ast.arg) -> ast.AST:
        node.annotation = None
        return node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST | None:
        return ast.Assign([node.target], node.value) if node.value else None


def definitions(source: str) -> dict[str, ast.AST]:
    """Top-level functions and classes, by name; lines that only IPython reads are left out."""
    plain = "\n".join("" if line.lstrip()[:1] in ("%", "!") else line for line in source.split("\n"))
    tree = ast.parse(plain)
    return {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)}


def package_definitions(package: Path = REPOSITORY / "genimg_utils") -> dict[str, list[str]]:
    """Name → trees of the package's public functions and classes; what answers or draws does not count."""
    known: dict[str, list[str]] = {}
    for path in sorted(package.rglob("*.py")):
        if {"check", "grading", "figures"} & {*path.relative_to(package).parts}:
            continue
        for name, node in definitions(path.read_text(encoding="utf-8")).items():
            if not name.startswith("_"):
                known.setdefault(name, []).append(bare_tree(node))
    return known


def shared_with(package: dict[str, list[str]], notebook: Notebook) -> list[str]:
    """A cell tagged `shared` equals the package; one that is not tagged defines no name of the package."""
    found = []
    for cell in code_cells(notebook):
        for name, node in definitions(cell["source"]).items():
            if has_tag(cell, "shared"):
                if name not in package:
                    found.append(f"{where(cell)}: {name} is tagged shared, and the package has no such name")
                elif bare_tree(node) not in package[name]:
                    found.append(f"{where(cell)}: {name} differs from the package's")
            elif name in package and not has_tag(cell, "exercise", "fault"):
                found.append(f"{where(cell)}: {name} is the package's; import it, or tag the cell shared")
    return found


RULES = [
    identity, executed_in_order, no_errors, no_widgets, no_machine_paths,
    pictures, sizes_of_code, formulas_of, exercises,
]  # fmt: skip


def problems(notebook: Notebook, package: dict[str, list[str]]) -> list[str]:
    """Everything that is wrong with this notebook, a sentence each."""
    return [s for rule in RULES for s in rule(notebook)] + shared_with(package, notebook)


def main(numbers: list[str]) -> int:
    package = package_definitions()
    bad = 0
    for path in [find(n) for n in numbers] or chapters():
        size = path.stat().st_size
        if size > LARGE:
            print(f"{path.name}: {size // 1000} kB, aim at {LARGE // 1000}, never above {TOO_LARGE // 1000}")
        for sentence in problems(read(path), package):
            print(f"{path.name}: {sentence}")
            bad = 1
    return bad


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

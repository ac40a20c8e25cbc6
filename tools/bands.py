"""How far the numbers spread that a chapter asserts: `python tools/bands.py 02 --seeds 8`.

Runs the chapter once a seed, in the machine's tier (GENIMG_TIER overrides), with that seed for its own, and prints
the least and the largest value of each side of an asserted inequality, and what did not hold for some seed.
"""

import argparse
import ast
import json
import os
import sys
import tempfile
from collections import defaultdict
from pathlib import Path

import chapters

BEGIN = """
from genimg_utils import runtime as _runtime
_seed, _seen = _runtime.seed, []
_runtime.seed = lambda number: _seed({seed})
def _note(kind, text, value):
    _seen.append((kind, text, float(value.mean() if hasattr(value, "mean") else value)))
    return value
"""
AFTER = "import json as _json; print(_json.dumps(_seen))"


class Watch(ast.NodeTransformer):
    """Turns each `assert` into notes of what it compares and of whether it held, and lets the chapter go on."""

    def visit_Assert(self, node: ast.Assert) -> ast.Expr:
        test = ast.unparse(node.test)
        for compare in [n for n in ast.walk(node.test) if isinstance(n, ast.Compare)]:
            if any(isinstance(op, ast.Lt | ast.Gt | ast.LtE | ast.GtE) for op in compare.ops):
                sides = [compare.left, *compare.comparators]
                compare.left, *compare.comparators = [
                    s if is_number(s) else note("value", f"{ast.unparse(s)} of {test}", s) for s in sides
                ]
        return ast.Expr(note("held", test, ast.Call(ast.Name("bool", ast.Load()), [node.test], [])))


def is_number(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) or (isinstance(node, ast.UnaryOp) and is_number(node.operand))


def note(kind: str, text: str, value: ast.expr) -> ast.expr:
    return ast.Call(ast.Name("_note", ast.Load()), [ast.Constant(kind), ast.Constant(text), value], [])


def watched(path: Path, seed: int) -> chapters.Notebook:
    """The chapter with its asserts watched, and `seed` wherever it seeds."""
    notebook = chapters.read(path)
    cells = chapters.code_cells(notebook)
    for cell in cells:
        semicolon = ";" if cell["source"].rstrip().endswith(";") else ""
        tree = ast.fix_missing_locations(Watch().visit(ast.parse(cell["source"])))
        cell["source"] = ast.unparse(tree) + semicolon
    cells[0]["source"] = BEGIN.format(seed=seed) + cells[0]["source"]
    return notebook


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("chapter")
    parser.add_argument("--seeds", type=int, default=8)
    chosen = parser.parse_args(arguments)
    path = chapters.find(chosen.chapter)
    values: dict[str, list[float]] = defaultdict(list)
    missed: dict[str, list[int]] = defaultdict(list)
    for seed in range(chosen.seeds):
        with tempfile.TemporaryDirectory(prefix="genimg-bands-") as folder:
            os.environ["GENIMG_RUNS"] = f"{folder}/runs"
            copy = Path(folder) / path.name
            chapters.write(copy, watched(path, seed))
            (Path(folder) / "data").symlink_to(chapters.REPOSITORY / "data")
            _, said = chapters.run(copy, chapters.show_progress(f"{path.stem}, seed {seed}"), AFTER)
        for kind, text, value in json.loads(said):
            if kind == "value":
                values[text].append(value)
            elif not value:
                missed[text].append(seed)
    print(f"\n{path.stem}, {chosen.seeds} seeds")
    for text, seen in values.items():
        print(f"{min(seen):12.5g} to {max(seen):12.5g}   {text}")
    for text, seeds in missed.items():
        print(f"did not hold for seed {', '.join(map(str, seeds))}: {text}")
    return int(bool(missed))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""The tool that spreads a chapter's asserts over seeds: it changes nothing but the asserts and the seed."""

import ast
import json

import bands
import chapters
import nbformat
import pytest

CODE = """
x = [3.0, 0.5]
assert 1 < x[0] < 5 and len(x) == 2
assert max(x) <= 2, "too much"
x.append(1)
"""


def test_asserts_become_notes_and_nothing_stops():
    seen = []
    note = lambda kind, text, value: seen.append((kind, text, value)) or value  # noqa: E731
    space = {"_note": note}
    exec(ast.unparse(ast.fix_missing_locations(bands.Watch().visit(ast.parse(CODE)))), space)
    assert space["x"] == [3.0, 0.5, 1]
    assert seen == [
        ("value", "x[0] of 1 < x[0] < 5 and len(x) == 2", 3.0),
        ("held", "1 < x[0] < 5 and len(x) == 2", True),
        ("value", "max(x) of max(x) <= 2", 3.0),
        ("held", "max(x) <= 2", False),
    ]


@pytest.mark.parametrize(("bound", "code"), [(2.0, 0), (0.5, 1)])
def test_a_chapter_is_run_with_each_seed(tmp_path, monkeypatch, capsys, bound, code):
    notebook = nbformat.v4.new_notebook()
    cells = ["from genimg_utils import runtime\nimport random\nruntime.seed(7)", f"assert random.random() < {bound}"]
    notebook.cells = [nbformat.v4.new_code_cell(cell) for cell in cells]
    path = tmp_path / "05_toy.ipynb"
    nbformat.write(notebook, path)
    before = path.read_bytes()
    monkeypatch.setattr(chapters, "find", lambda number: path)
    monkeypatch.setenv("GENIMG_RUNS", "elsewhere")
    assert bands.main(["05", "--seeds", "2"]) == code
    said = capsys.readouterr().out
    assert f"0.84442 to      0.13436   random.random() of random.random() < {bound}" not in said  # least first
    assert f"0.13436 to      0.84442   random.random() of random.random() < {bound}" in said
    assert ("did not hold for seed 0: random.random() < 0.5" in said) == bool(code)
    assert path.read_bytes() == before
    assert json.loads(before)["cells"]

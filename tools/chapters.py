"""What the tools share: where the chapters are, how one is read, written, hashed and run."""

import hashlib
import json
import re
import sys
import time
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

Notebook = dict[str, Any]
Cell = dict[str, Any]

REPOSITORY = Path(__file__).resolve().parents[1]
NOTEBOOKS = REPOSITORY / "notebooks"
CHAPTER = "[0-9][0-9]_*.ipynb"


def project() -> dict[str, Any]:
    """What pyproject.toml says."""
    return tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))


def chapters(folder: Path = NOTEBOOKS) -> list[Path]:
    """The chapters in reading order."""
    return sorted(folder.glob(CHAPTER))


def find(number: str, folder: Path = NOTEBOOKS) -> Path:
    """The chapter with this number, such as "03" or "3"; exits with a sentence when there is none."""
    for path in chapters(folder):
        if number and path.name.startswith(f"{number:0>2}_"):
            return path
    there = ", ".join(path.name[:2] for path in chapters(folder)) or "none"
    sys.exit(f"There is no chapter {number!r}: name one by its number, such as 03 (there are: {there}).")


def read(path: Path) -> Notebook:
    """The notebook as plain JSON, each cell's source as one string."""
    notebook: Notebook = json.loads(path.read_text(encoding="utf-8"))
    for cell in notebook["cells"]:
        cell["source"] = "".join(cell["source"])
    return notebook


def text(notebook: Notebook) -> str:
    """The notebook as the file that Jupyter itself would write."""
    cells = [cell | {"source": cell["source"].splitlines(keepends=True)} for cell in notebook["cells"]]
    return json.dumps(notebook | {"cells": cells}, indent=1, ensure_ascii=False, sort_keys=True) + "\n"


def write(path: Path, notebook: Notebook) -> None:
    path.write_text(text(notebook), encoding="utf-8", newline="\n")


def has_tag(cell: Cell, *names: str) -> bool:
    return bool({*names} & {*cell["metadata"].get("tags", [])})


def code_cells(notebook: Notebook) -> list[Cell]:
    """The chapter's own code cells: not the generated set-up."""
    return [cell for cell in notebook["cells"] if cell["cell_type"] == "code" and not has_tag(cell, "setup")]


def where(cell: Cell) -> str:
    return f"cell {cell.get('id')!r}"


def outputs(notebook: Notebook) -> Iterator[tuple[Cell, dict[str, Any]]]:
    for cell in notebook["cells"]:
        for output in cell.get("outputs", []):
            yield cell, output


def source_hash(notebook: Notebook) -> str:
    """A fingerprint of the chapter's own code cells, in order."""
    sources = json.dumps([cell["source"].strip() for cell in code_cells(notebook)])
    return hashlib.sha256(sources.encode()).hexdigest()[:16]


def stamp(notebook: Notebook) -> dict[str, Any]:
    """`{source_hash, runs: {tier: {dataset, device, torch, seconds}}}`, or an empty dict."""
    return notebook["metadata"].get("genimg", {})


def title(notebook: Notebook) -> tuple[str, str]:
    """The chapter's title and the paragraph below it, which says what one learns."""
    prose = "\n\n".join(c["source"] for c in notebook["cells"] if c["cell_type"] == "markdown")
    found = re.search(r"^# (.+?)\s*\n\s*\n(.+?)(?:\n\s*\n|\Z)", prose, re.MULTILINE | re.DOTALL)
    if not found:
        raise ValueError("no title: a chapter begins with '# Title', a blank line, and one paragraph")
    return found[1], " ".join(found[2].split())


def run(path: Path, progress: Callable[[int, int, float], None], after: str = "pass") -> tuple[Any, str]:
    """Executes the notebook at `path` in its folder, with a kernel of this very Python.

    `progress(cell, cells, seconds)` is called before each code cell. A failing cell raises nbclient's
    CellExecutionError, with the outputs so far in its `notebook`. Returns the executed notebook (nbformat's),
    and what `after`, run last, prints.
    """
    import nbformat
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError

    notebook = nbformat.read(path, as_version=4)
    last = nbformat.v4.new_code_cell(after)
    client = NotebookClient(
        notebook,
        timeout=None,
        kernel_name="python3",
        resources={"metadata": {"path": str(path.parent)}},
        record_timing=False,
    )
    numbered = [(i, cell) for i, cell in enumerate(notebook.cells) if cell.cell_type == "code"]
    start = time.monotonic()
    with client.setup_kernel():
        try:
            for done, (index, cell) in enumerate(numbered):
                progress(done + 1, len(numbered), time.monotonic() - start)
                client.execute_cell(cell, index, execution_count=done + 1)
            notebook.cells.append(last)
            client.execute_cell(last, len(notebook.cells) - 1, store_history=False)
            notebook.cells.pop()
        except CellExecutionError as error:
            error.notebook = notebook  # type: ignore[attr-defined]
            raise
    said = "".join(out.text for out in last.outputs if out.output_type == "stream" and out.name == "stdout")
    return notebook, said


def show_progress(name: str) -> Callable[[int, int, float], None]:
    """A line that counts cells: rewritten in place on a terminal, one line a cell elsewhere."""
    end = "\r" if sys.stdout.isatty() else "\n"

    def show(cell: int, cells: int, seconds: float) -> None:
        print(f"{name}: cell {cell}/{cells}, {seconds:.0f} s".ljust(60), end=end, flush=True)

    return show

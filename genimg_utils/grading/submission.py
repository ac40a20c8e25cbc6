"""A submitted notebook, read with suspicion: JSON alone is looked at, nothing of it is believed but its code."""

import ast
import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

LARGEST_FILE, MOST_CELLS, MOST_CODE = 30_000_000, 500, 1_000_000  # bytes, cells, characters
BLANK = "raise NotImplementedError"


class Unreadable(Exception):
    """The file is no notebook that can be graded; the sentence says why."""


@dataclass(frozen=True)
class Submission:
    """The code cells by their place in the notebook, from 1, the answers in words, and the file's fingerprint."""

    cells: list[tuple[int, str]]
    words: dict[str, str]
    handout: str
    sha256: str


def read(path: Path) -> Submission:
    """The notebook at `path`, or `Unreadable`."""
    if path.is_symlink() or not path.is_file():
        raise Unreadable("this is no file of its own.")
    if path.stat().st_size > LARGEST_FILE:
        raise Unreadable(
            f"the file is larger than {LARGEST_FILE // 1_000_000} MB: clear its outputs and hand it in again."
        )
    try:
        raw = path.read_bytes()
    except OSError:
        raise Unreadable("the file cannot be opened.") from None
    try:
        notebook = json.loads(raw.decode("utf-8"))
    except (ValueError, RecursionError, MemoryError):
        raise Unreadable("this is no notebook: its text is not JSON. Save it in Jupyter and hand that in.") from None
    cells = notebook.get("cells") if isinstance(notebook, dict) else None
    if not isinstance(cells, list) or not all(isinstance(cell, dict) for cell in cells):
        raise Unreadable("this is no notebook of format 4: it has no list of cells.")
    if len(cells) > MOST_CELLS:
        raise Unreadable(
            f"it has {len(cells)} cells, more than {MOST_CELLS}: hand in the notebook that you were given."
        )
    require_python(notebook)
    code = [(i, source(cell)) for i, cell in enumerate(cells, 1) if cell.get("cell_type") == "code"]
    if sum(len(text) for _, text in code) > MOST_CODE:
        raise Unreadable("its code is longer than a million characters: hand in the notebook that you were given.")
    words = {name: source(cell) for cell in cells if (name := meant(cell, "text"))}
    return Submission(
        cells=[(i, text) for i, text in code if text.strip()],
        words=words,
        handout=meant(notebook, "handout")[:80],
        sha256=hashlib.sha256(raw).hexdigest(),
    )


def require_python(notebook: dict[str, Any]) -> None:
    """A notebook of another language is told so; one without a word about it is taken for Python."""
    metadata = notebook.get("metadata")
    kernel = metadata.get("kernelspec") if isinstance(metadata, dict) else None
    language = kernel.get("language", "python") if isinstance(kernel, dict) else "python"
    if isinstance(language, str) and language.lower() not in ("python", "python3", "ipython"):
        raise Unreadable(f"its kernel is one for {language[:30]!r}: choose Python 3 in Jupyter and hand it in again.")


def source(cell: dict[str, Any]) -> str:
    """A cell's text, which the format holds as a string or as lines."""
    text = cell.get("source", "")
    if isinstance(text, list):
        text = "".join(line for line in text if isinstance(line, str))
    return written(text) if isinstance(text, str) else ""


def written(text: str) -> str:
    """A text that can be written to a file: halves of characters, which JSON can hold, are replaced."""
    return text.encode("utf-8", "replace").decode("utf-8")


def parsed(text: str) -> list[ast.stmt]:
    """A cell's statements; none where Python cannot read it, for whatever reason."""
    try:
        return ast.parse(text).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):  # bytes of 0, and code that is nested too deeply
        return []


def meant(cell: dict[str, Any], what: str) -> str:
    """What metadata of a cell or notebook say under genimg; a student may have changed it, so only words hang on it."""
    metadata = cell.get("metadata")
    genimg = metadata.get("genimg") if isinstance(metadata, dict) else None
    name = genimg.get(what, "") if isinstance(genimg, dict) else ""
    return written(name) if isinstance(name, str) else ""


def definitions(submission: Submission) -> Iterator[tuple[str, str, ast.stmt]]:
    """Each name that a cell gives a value at its top, the cell's text, and the statement; in order."""
    for _, text in submission.cells:
        for node in parsed(text):
            if isinstance(node, ast.FunctionDef | ast.ClassDef):
                yield node.name, text, node
            elif isinstance(node, ast.Assign):
                yield from ((target.id, text, node) for target in node.targets if isinstance(target, ast.Name))


def last_defined(submission: Submission) -> dict[str, str]:
    """The text of the cell that defines a name last, which is the one that counts."""
    return {name: text for name, text, _ in definitions(submission)}


def is_blank(node: ast.stmt) -> bool:
    """Whether a function does nothing but say that it is not implemented."""
    if not isinstance(node, ast.FunctionDef):
        return False
    rest = node.body[1:] if ast.get_docstring(node) else node.body
    return len(rest) == 1 and " ".join(map(ast.unparse, rest)) in ("...", "pass", BLANK, f"{BLANK}()")


def preflight(path: Path, names: list[str], texts: list[str]) -> list[str]:
    """What a student should know before handing in: what would be graded, what is missing; no marks."""
    try:
        submission = read(path)
    except Unreadable as error:
        return [f"✗ {path.name}: {error}"]
    every = [(name, node) for name, _, node in definitions(submission)]
    counts, last, lines = Counter(name for name, _ in every), dict(every), []
    for name in names:
        if not counts[name]:
            lines.append(f"✗ {name}: no cell defines it, so it cannot be graded.")
        elif is_blank(last[name]):
            lines.append(f"○ {name}: not answered yet.")
        elif counts[name] > 1:
            lines.append(f"✓ {name}: would be graded; it is defined {counts[name]} times, and the last one counts.")
        else:
            lines.append(f"✓ {name}: would be graded.")
    lines += [in_words(name, submission.words.get(name)) for name in texts]
    for number, text in submission.cells:
        try:
            ast.parse(text)
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            if not any(line.lstrip().startswith(("%", "!")) for line in text.splitlines()):
                line = getattr(error, "lineno", 1)
                lines.append(f"✗ cell {number}: Python cannot read it (line {line}), so nothing in it counts.")
    return lines


def in_words(name: str, said: str | None) -> str:
    """A line on an answer in words."""
    if said is None:
        return f"✗ {name}: the cell for the answer in words is gone, or lost its metadata: copy it from the hand-out."
    answer = re.sub(r"\*\*Your answer:\*\*|YOUR ANSWER HERE", "", said).strip()
    return f"✓ {name}: an answer in words is there." if answer else f"○ {name}: no answer in words yet."

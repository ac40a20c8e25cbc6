"""nbgrader's gradebook, filled by the trusted core: no mark comes from a cell that ran beside student code.

nbgrader makes the release version, collects what students hand in, and writes its feedback pages; in place of
`nbgrader autograde` stands `python -m genimg_utils.grading a2 COURSE --nbgrader`, which runs nothing in nbgrader's way.
"""

import json
import re
from datetime import datetime
from html import escape
from pathlib import Path
from textwrap import dedent
from typing import Any

from genimg_utils.grading import folder, grade, submission
from genimg_utils.grading.report import Report

TAG = re.compile(r"<(?=[a-zA-Z/!?])")  # what a page would take for more than words
TIME = "timestamp.txt"
WORDS = "why"  # the answer in words, which a reader marks in nbgrader's own pages


def marked(name: str, points: int) -> dict[str, Any]:
    """nbgrader's metadata of a cell that is answered, and marked from outside."""
    about = {"grade": True, "solution": True, "task": False, "locked": False}
    return about | {"grade_id": name, "points": points, "schema_version": 3}


def source(handed_out: dict[str, Any], points: dict[str, int]) -> dict[str, Any]:
    """The hand-out as nbgrader's source: answer cells carry its metadata, and a blank where a solution would stand."""
    for cell in handed_out["cells"]:
        genimg = cell["metadata"].get("genimg", {})
        if name := genimg.get("answer"):
            cell["metadata"]["nbgrader"] = marked(name, points[name])
            blank = "    raise NotImplementedError"
            region = f"    ### BEGIN SOLUTION\n{blank}\n    ### END SOLUTION"
            if blank in cell["source"]:
                cell["source"] = cell["source"].replace(blank, region)
            else:  # code to repair: nbgrader puts a line below it that says so, and stops
                cell["source"] += f"\n\n\n{dedent(region)}"
        elif name := genimg.get("text"):
            cell["metadata"]["nbgrader"] = marked(name, points[name])
    return handed_out


def enter(assignment: str, course: Path, seed: str, jobs: int = 2) -> dict[str, Report]:
    """Grades every notebook in COURSE/submitted, and writes marks and comments into COURSE/gradebook.db."""
    from nbgrader.api import Gradebook

    about = grade.ASSIGNMENTS[assignment]
    found = {p.parent.parent.name: p for p in sorted(course.glob(f"submitted/*/{assignment}/{about.NOTEBOOK}.ipynb"))}
    for place in sorted(course.glob(f"submitted/*/{assignment}")):
        if place.parent.name not in found:
            print(f"✗ {place}: no {about.NOTEBOOK}.ipynb in it, so nothing is graded. Was it renamed?")
    reports = folder.grade_found(assignment, found, seed, course / "marks" / assignment, jobs)
    with Gradebook(f"sqlite:///{(course / 'gradebook.db').resolve()}") as book:
        for student, path in found.items():
            report = reports[folder.plain(student)]
            book.update_or_create_student(student)
            book.update_or_create_submission(assignment, student, timestamp=handed_in_at(path.parent))
            for part in report["parts"]:
                cell = (part["name"], about.NOTEBOOK, assignment, student)
                mark, comment = book.find_grade(*cell), book.find_comment(*cell)
                mark.auto_score, mark.manual_score, mark.needs_manual_grade = None, part["marks"], False
                read = f" Read {part['read']}." if part["read"] else ""
                comment.manual_comment = escape(f"{part['mark']} {part['text']}{read}", quote=False)
            words = book.find_grade(WORDS, about.NOTEBOOK, assignment, student)
            words.needs_manual_grade = words.manual_score is None
            book.db.commit()
            target = course / "autograded" / student / assignment / path.name
            target.parent.mkdir(parents=True, exist_ok=True)
            release = course / "release" / assignment / path.name
            target.write_text(json.dumps(shown(path, release), ensure_ascii=False), encoding="utf-8")
            for name in (TIME, "submission_secret.txt"):  # what nbgrader gives feedback back by
                if text := small(path.with_name(name)):
                    target.with_name(name).write_text(text, encoding="utf-8")
    return reports


def small(path: Path) -> str:
    """A short text that nbgrader laid beside a submission; a student may have changed it."""
    if path.is_symlink() or not path.is_file() or path.stat().st_size > 1000:
        return ""
    return path.read_text(encoding="utf-8", errors="replace")


def handed_in_at(folder: Path) -> datetime | None:
    """When nbgrader took a submission, in UTC without a zone, as its gradebook holds it."""
    from nbgrader.utils import parse_utc

    try:
        when: datetime = parse_utc(small(folder / TIME).strip())
    except (ValueError, OverflowError, TypeError):
        return None
    return when


def shown(path: Path, release: Path) -> dict[str, Any]:
    """The notebook for nbgrader's feedback: the release version, each answer cell with what the student defined there.

    Nothing of the submission's metadata or outputs is taken over, so that copied cells and edited metadata do nothing.
    """
    page: dict[str, Any] = json.loads(release.read_text(encoding="utf-8"))
    try:
        handed_in = submission.read(path)
    except submission.Unreadable:
        return page
    texts = submission.last_defined(handed_in) | {k: v for k, v in handed_in.words.items() if k == WORDS}
    for cell in page["cells"]:
        name = cell["metadata"].get("nbgrader", {}).get("grade_id", "")
        if name in texts:
            words = cell["cell_type"] == "markdown"
            cell["source"] = TAG.sub("< ", texts[name]) if words else texts[name]
    return page

"""Marks in the forms that other systems read: Gradescope, the CSV of Moodle and Canvas, GitHub Classroom."""

import csv
import io
import os
import re
from collections.abc import Mapping
from typing import Any

from genimg_utils.grading.report import Report


def gradescope(report: Report) -> dict[str, Any]:
    """What Gradescope's autograder reads from results.json; parts graded by hand are set up in its rubric."""
    tests = [
        {"name": part["name"], "score": part["marks"], "max_score": part["of"], "visibility": "visible",
         "status": "passed" if part["marks"] == part["of"] else "failed",
         "output": f"{part['text']}{' Read ' + part['read'] + '.' if part['read'] else ''}"}
        for part in report["parts"]
    ]  # fmt: skip
    cells = [f"Cell {number} failed: {text}" for number, text in report["cells"].items()]
    output = "\n".join([*([report["problem"]] if report["problem"] else []), *cells])
    return {"score": report["marks"], "execution_time": report["seconds"], "output": output, "tests": tests}


def roster(text: str, marks: Mapping[str, float], key: str, column: str) -> tuple[str, list[str]]:
    """A gradebook's export with this column filled, and the students in `marks` that no row names.

    key: the column with what names a submission, or begins its name, or is the first number in it: Moodle's folders are
    called "Full name_7_assignsubmission_file", with 7 as in the column Identifier, "Participant 7"; Canvas' files
    "adamsann_11_992_…", with 11 the ID. What follows is as a student likes, and says nothing. A column that is not
    there yet is added. Rows without a submission, or that share their name with others, stay as they are.
    """
    lines = [*csv.DictReader(io.StringIO(text.removeprefix("\ufeff")))]
    names = [*lines[0]] if lines else []
    if key not in names:
        raise ValueError(f"The gradebook has no column {key!r}; it has: {', '.join(map(repr, names))}.")
    left = dict(marks)
    whose = [(line[key] or "").strip().removeprefix("Participant ") for line in lines]
    for who, line in zip(whose, lines, strict=True):
        mine = [name for name in left if who and means(name, who)]
        exact = [name for name in mine if name == who] or mine
        if len(exact) == 1 and whose.count(who) == 1:
            line[column] = f"{left.pop(exact[0]):g}"
    out = io.StringIO()
    writer = csv.DictWriter(out, names if column in names else [*names, column], restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(lines)
    return out.getvalue(), [*left]


def means(name: str, who: str) -> bool:
    """Whether a submission of that name is this student's."""
    number = re.search(r"_(\d+)(?=_|$)", name)
    return name == who or name.startswith(re.sub(r"[^\w.@ -]", "_", who) + "_") or bool(number and number[1] == who)


def classroom(report: Report) -> int:
    """Points for GitHub Classroom, on its output and in its log; the exit code says whether all were earned."""
    points = f"{report['marks']}/{report['of']}"
    if place := os.environ.get("GITHUB_OUTPUT"):
        with open(place, "a", encoding="utf-8") as file:
            file.write(f"Points={points}\n")
    print(f"::notice title=Autograding complete::Points {points}")
    return int(report["marks"] < report["of"])

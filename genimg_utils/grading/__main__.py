"""The grader's door: `python -m genimg_utils.grading a2 submission.ipynb --seed SECRET --json out.json`.

SECRET may be `@FILE`, which holds it, or `-`, which reads it from standard input; else the grader starts itself again
without it among its arguments, which any process may read.
"""

import argparse
import csv
import json
import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

HIDDEN = "GENIMG_GRADING_SEED_PIPE"


def parser() -> argparse.ArgumentParser:
    door = argparse.ArgumentParser(prog="python -m genimg_utils.grading", description=__doc__, allow_abbrev=False)
    door.add_argument("assignment", nargs="?", help="its short name, such as a2")
    door.add_argument("submission", nargs="?", type=Path, help="a notebook, or a folder of them")
    door.add_argument("--seed", help="the secret that hand-out and hidden inputs are drawn with")
    door.add_argument("--json", type=Path, help="where the marks go")
    door.add_argument("--html", type=Path, help="where the student's feedback goes")
    door.add_argument("--out", type=Path, default=Path("marks"), help="for a folder: where table and pages go")
    door.add_argument("--jobs", type=int, default=2, help="for a folder: how many are graded at once")
    door.add_argument("--variants", type=int, default=1, help="how many hand-outs were made of the seed")
    door.add_argument("--given", type=existing, metavar="CSV", help="for a folder: student,hand-out, who got which")
    door.add_argument("--gradescope", type=Path, metavar="RESULTS", help="also write Gradescope's results.json")
    door.add_argument("--classroom", action="store_true", help="points and exit code for GitHub Classroom")
    door.add_argument("--nbgrader", action="store_true", help="the folder is an nbgrader course: fill its gradebook")
    door.add_argument("--roster", type=Path, metavar="CSV", help="for a folder: a gradebook's export to fill")
    door.add_argument("--key", default="Email address", help="the export's column with the submissions' names")
    door.add_argument("--check", type=Path, metavar="NOTEBOOK", help="say what would be graded, without marks")
    return door


def existing(path: str) -> Path:
    if not Path(path).is_file():
        raise argparse.ArgumentTypeError(f"there is no file {path}.")
    return Path(path)


def secret(word: str) -> str:
    """The seed that a word stands for."""
    if word == "-":
        return sys.stdin.readline().strip()
    return Path(word[1:]).read_text(encoding="utf-8").strip() if word.startswith("@") else word


def hide(arguments: list[str], seed: str) -> None:
    """Starts this program again with the seed in a pipe, where no other process can read it."""
    inside, outside = os.pipe()
    os.write(outside, seed.encode())
    os.close(outside)
    os.set_inheritable(inside, True)
    place = next(i for i, a in enumerate(arguments) if a.startswith("--seed"))
    rest = arguments[:place] + arguments[place + (1 if "=" in arguments[place] else 2) :]
    os.execve(
        sys.executable, [sys.executable, "-m", "genimg_utils.grading", *rest, "--seed", "hidden"],
        os.environ | {HIDDEN: str(inside)},
    )  # fmt: skip


def main(arguments: list[str]) -> int:
    chosen = parser().parse_args(arguments)
    if chosen.check:
        return check(chosen.check)
    if not (chosen.assignment and chosen.submission and chosen.seed):
        parser().error("an assignment, a submission and --seed are needed, or --check NOTEBOOK.")
    if HIDDEN in os.environ:
        with os.fdopen(int(os.environ.pop(HIDDEN))) as pipe:
            chosen.seed = pipe.read()
    elif chosen.seed == (seed := secret(chosen.seed)) and sys.platform != "win32":
        hide(arguments, seed)
    else:
        chosen.seed = seed
    return graded(chosen)


def graded(chosen: argparse.Namespace) -> int:
    from genimg_utils.grading import adapters, grade, report

    if chosen.assignment not in grade.ASSIGNMENTS:
        parser().error(f"there is no assignment {chosen.assignment!r}: {', '.join(grade.ASSIGNMENTS)}.")
    if chosen.submission.is_dir():
        return graded_folder(chosen)
    result = grade.grade(chosen.assignment, chosen.submission, chosen.seed, variants=chosen.variants)
    if chosen.json:
        chosen.json.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    if chosen.html:
        chosen.html.write_text(report.feedback(result), encoding="utf-8")
    if chosen.gradescope:
        chosen.gradescope.write_text(json.dumps(adapters.gradescope(result), indent=1) + "\n", encoding="utf-8")
    if result["problem"]:
        print(f"✗ {result['problem']}")
    for part in result["parts"]:
        print(f"{part['mark']} {part['name']}: {part['marks']} of {part['of']}, {part['text']}")
    unfenced([result])
    print(f"{result['marks']} of {result['of']} marks; {result['by_hand']} more are given by hand.")
    return adapters.classroom(result) if chosen.classroom else 0


def unfenced(results: Iterable[dict[str, Any]]) -> None:
    """Says what this system left open to the code that it ran, if anything."""
    walls = {"files", "processes", "network"}
    if missing := {wall for result in results if result["walls"] for wall in walls - {*result["walls"]}}:
        print(f"[–] This system does not fence off: {', '.join(sorted(missing))}. See TEACHING.md.")


def graded_folder(chosen: argparse.Namespace) -> int:
    from genimg_utils.grading import adapters, folder, grade, gradebook

    if chosen.nbgrader:
        reports = gradebook.enter(chosen.assignment, chosen.submission, chosen.seed, chosen.jobs)
        unfenced(reports.values())
        print(f"{len(reports)} graded, in the gradebook: now run nbgrader generate_feedback {chosen.assignment}.")
        return 0
    given = handed(chosen.given.read_text(encoding="utf-8-sig")) if chosen.given else {}
    if strange := {*given.values()} - {*grade.handouts_of(chosen.assignment, chosen.seed, chosen.variants)}:
        parser().error(f"{chosen.given}: no hand-out of this seed and --variants: {', '.join(sorted(strange))}.")
    reports = folder.grade_all(
        chosen.assignment, chosen.submission, chosen.seed, chosen.out, chosen.jobs, chosen.variants, given
    )
    if unlisted := sorted({*reports} - {*given}) if given else []:
        print(f"{chosen.given}: graded by what the notebook says, since it is not listed: {', '.join(unlisted)}.")
    unfenced(reports.values())
    print(
        f"{len(reports)} graded: {chosen.out}/marks.csv, similar.csv, summary.html, and a page a student in feedback/."
    )
    if chosen.roster:
        marks = {student: result["marks"] for student, result in reports.items()}
        text = chosen.roster.read_text(encoding="utf-8-sig")
        filled, strangers = adapters.roster(text, marks, chosen.key, chosen.assignment)
        (chosen.out / chosen.roster.name).write_text(filled, encoding="utf-8")
        print(f"{chosen.out / chosen.roster.name}: filled; not in it: {', '.join(strangers) or 'nobody'}.")
    return 0


def handed(text: str) -> dict[str, str]:
    """Who got which hand-out, from lines of student and hand-out."""
    from genimg_utils.grading.folder import plain

    lines = [line for line in csv.reader(text.splitlines()) if len(line) >= 2]
    return {plain(student.strip()): handout.strip() for student, handout, *_ in lines if handout.strip() != "hand-out"}


def check(path: Path) -> int:
    """What would be graded, of the assignment that most of the notebook's functions belong to."""
    from genimg_utils.grading import grade, submission

    asked = [[q.name for q in about.questions(about.BASE, "")] for about in grade.ASSIGNMENTS.values()]
    try:
        there = {name for name, *_ in submission.definitions(submission.read(path))}
    except submission.Unreadable:
        there = set()
    names = max(asked, key=lambda names: len(there & {*names}))
    lines = submission.preflight(path, names, ["why"])
    print(*lines, sep="\n")
    return int(any(line.startswith("✗") for line in lines))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

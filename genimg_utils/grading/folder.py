"""A folder of submissions, graded side by side; what is graded already is not graded again."""

import hashlib
import json
import re
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import torch
from tqdm.auto import tqdm

from genimg_utils.grading import grade, report, similarity
from genimg_utils.grading.sandbox import Limits, below


def submissions(folder: Path, notebook: str = "") -> dict[str, Path]:
    """Each student's notebook: NAME.ipynb, or a folder NAME that holds it, the one called `notebook` where there are
    several; links are not followed, and what Jupyter and macOS lay beside it is no notebook."""
    found: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        if path.name.startswith((".", "__MACOSX")) or (path.is_symlink() and path.is_dir()):
            continue
        name = plain(path.stem if path.suffix == ".ipynb" else path.name)
        name = plain(f"{path.name}/") if name in found else name
        if path.suffix == ".ipynb":
            found[name] = path
        elif path.is_dir():
            every = [Path(p) for p in below(path) if p.endswith(".ipynb")]
            own = [p for p in every if not any(n.startswith((".", "__MACOSX")) for n in p.relative_to(path).parts)]
            if own:
                found[name] = min(own, key=lambda p: (p.stem != notebook, len(p.parts), p))
    return found


def plain(name: str) -> str:
    """A name that is safe as a file's, and another's for no two students."""
    safe = re.sub(r"[^\w.@ -]", "_", name).strip(". ")
    if safe == name and len(safe) <= 80:
        return safe
    return f"{safe[:70].strip('. ') or 'unnamed'}-{hashlib.sha256(name.encode(errors='replace')).hexdigest()[:6]}"


def grade_all(
    assignment: str,
    folder: Path,
    seed: str,
    out: Path,
    jobs: int = 2,
    variants: int = 1,
    given: Mapping[str, str] | None = None,
) -> dict[str, report.Report]:
    """Grades a folder; writes marks.csv, similar.csv, summary.html and a page a student, and gives every report."""
    found = submissions(folder, grade.ASSIGNMENTS[assignment].NOTEBOOK)
    return grade_found(assignment, found, seed, out, jobs, variants=variants, given=given)


def grade_found(
    assignment: str,
    found: dict[str, Path],
    seed: str,
    out: Path,
    jobs: int = 2,
    limits: Limits | None = None,
    variants: int = 1,
    given: Mapping[str, str] | None = None,
) -> dict[str, report.Report]:
    """The same for notebooks by student; what is graded already, and unchanged, is not graded again.

    given: who got which hand-out.
    """
    torch.set_num_threads(1)
    (out / "feedback").mkdir(parents=True, exist_ok=True)
    found = {plain(student): path for student, path in found.items()}

    def one(student: str) -> tuple[str, report.Report]:
        place = out / "feedback" / f"{student}.json"
        got = (given or {}).get(student, "")
        result = known(place, found[student], grade.key(assignment, seed, variants))
        if result is None or (got and result["handout"] != got):
            result = grade.grade(assignment, found[student], seed, limits, variants=variants, given=got)
            place.with_suffix(".html").write_text(report.feedback(result, student), encoding="utf-8")
            place.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        return student, result

    with ThreadPoolExecutor(jobs) as pool:
        reports = dict(tqdm(pool.map(one, found), total=len(found), desc=f"{assignment}: submissions"))
    (out / "marks.csv").write_text(report.table(reports), encoding="utf-8")
    (out / "similar.csv").write_text(similarity.table(found, assignment), encoding="utf-8")
    (out / "summary.html").write_text(report.summary(reports), encoding="utf-8")
    return reports


def known(place: Path, notebook: Path, key: str) -> report.Report | None:
    """The result that is there already, where it is of this very notebook, seed and grader."""
    try:
        result = json.loads(place.read_text(encoding="utf-8"))
        if not notebook.is_file() or result["key"] != key:
            return None
        same = result["sha256"] == hashlib.sha256(notebook.read_bytes()).hexdigest()
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return result if same else None

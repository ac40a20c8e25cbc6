"""What it costs to grade a class, and how well wrong answers are recognised: `python benchmarks/grading.py a2`.

Writes results/grading.json. A class of 200 is made up from the answers that tests know, right in several styles and
wrong as students write them, a part left blank or one that raises here and there, now and then a training that never
ends. It is graded as TEACHING.md says, by two jobs. Beside time and memory stands what became of each kind of answer.
"""

import argparse
import json
import random
import subprocess
import sys
import tempfile
import textwrap
import threading
import time
from collections import Counter
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import psutil
from measuring import FOLDER, earlier, keep, machine

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tools"), str(ROOT / "tests")]

import assignments  # noqa: E402
import chapters  # noqa: E402

RESULTS = FOLDER / "grading.json"
SECRET = "a class of its own"
KINDS = {"right": 0.7, "wrong": 0.2, "blank": 0.07, "raises": 0.03}
ENDLESS = 0.02  # of the trainings


class Answer(NamedTuple):
    """Source of one part, of a kind, with words that its hint should hold."""

    kind: str
    source: str
    words: str = ""


def answer(name: str, about: Any, answers: ModuleType, rng: random.Random) -> Answer:
    """What one student writes for one part."""
    c = about.drawn(SECRET)
    kind = rng.choices([*KINDS], [*KINDS.values()])[0]
    if name == "train" and kind in ("right", "wrong"):  # it stands on the other parts, which may be wrong
        ends = rng.random() >= ENDLESS
        loop = "" if ends else "\n    while True:\n        pass\n"
        return Answer("training" if ends else "endless training", answers.train(c).rstrip() + loop)
    wrong = [(source, words) for part, source, words in answers.slips(c) if part == name]
    if kind == "wrong" and wrong:
        source, words = rng.choice(wrong)
        return Answer(kind, alone(name, source), words)
    if kind == "blank":
        return Answer(kind, "")
    if kind == "raises":
        return Answer(kind, f"def {name}(*given):\n    return given[0] @ given\n")
    # a bound that goes through its rows one by one does not get through the training, and its writer sees that
    styles = [s for s in answers.MAKERS[name](c) if name != "elbo" or " for " not in s]
    return Answer("right", alone(name, rng.choice(styles)))


def alone(name: str, source: str) -> str:
    """The source with what it brings along kept inside: in a notebook it would stand in other parts' places."""
    return f"def its_own():\n{textwrap.indent(source, '    ')}\n    return {name}\n\n{name} = its_own()"


def handed_in(name: str, number: int, place: Path) -> dict[str, Answer]:
    """Writes one student's notebook, and gives what stands in it by part."""
    about, answers = import_module(f"genimg_utils.grading.{name}"), import_module(f"answers.{name}")
    notebook = assignments.handed_out(chapters.read(assignments.SOURCES / f"{about.NOTEBOOK}.ipynb"), about, SECRET)
    rng, written = random.Random(number), {}
    for cell in notebook["cells"]:
        if part := cell["metadata"].get("genimg", {}).get("answer"):
            written[part] = answer(part, about, answers, rng)
            if written[part].kind != "blank":
                cell["source"] = answers.BEGIN + written[part].source
    place.write_text(json.dumps(notebook), encoding="utf-8")
    return written


def watched(command: list[str]) -> tuple[float, float]:
    """Seconds that a command takes, and the most memory in GiB that it and all its children held at once."""
    started, most, over = time.perf_counter(), [0.0], threading.Event()
    running = subprocess.Popen(command, cwd=ROOT)

    def look() -> None:
        process = psutil.Process(running.pid)
        while not over.wait(0.5):
            try:
                tree = [process, *process.children(recursive=True)]
                most[0] = max(most[0], sum(p.memory_info().rss for p in tree) / 2**30)
            except psutil.NoSuchProcess:
                continue  # a child that ended while it was looked at

    watcher = threading.Thread(target=look)
    watcher.start()
    code = running.wait()
    seconds = time.perf_counter() - started
    over.set()
    watcher.join()
    if code:
        raise SystemExit(f"The grader ended with {code}: see its words above.")
    return seconds, most[0]


def outcomes(written: dict[str, Answer], parts: list[dict[str, Any]]) -> Counter[str]:
    """How many answers of each kind there were, earned all marks or none less, and were told what is wrong."""
    count: Counter[str] = Counter()
    for part in parts:
        mine = written[part["name"]]
        count[mine.kind] += 1
        count[f"{mine.kind}, all marks"] += part["marks"] == part["of"]
        if mine.kind == "wrong":
            count["wrong, told which mistake"] += part["known"] and bool(mine.words) and mine.words in part["text"]
    return count


def measured(name: str, students: int, jobs: int, folder: Path) -> dict[str, Any]:
    """One class, made and graded."""
    collected, marks = folder / "collected", folder / "marks"
    collected.mkdir()
    written = {f"student{n:03}": handed_in(name, n, collected / f"student{n:03}.ipynb") for n in range(students)}
    door = [sys.executable, "-m", "genimg_utils.grading", name, str(collected), "--seed", SECRET]
    seconds, memory = watched([*door, "--out", str(marks), "--jobs", str(jobs)])
    count: Counter[str] = Counter()
    for student, answers in written.items():
        report = json.loads((marks / "feedback" / f"{student}.json").read_text(encoding="utf-8"))
        count += outcomes(answers, report["parts"])
    took = {"students": students, "jobs": jobs, "minutes": round(seconds / 60, 1), "GiB at most": round(memory, 2)}
    return took | {"answers": dict(sorted(count.items())), "machine": machine()}


def main() -> int:
    door = argparse.ArgumentParser(description=__doc__)
    door.add_argument("assignment", nargs="*", default=["a2"], help="a1, a2, a3")
    door.add_argument("--students", type=int, default=200)
    door.add_argument("--jobs", type=int, default=2)
    asked = door.parse_args()
    rows = earlier(RESULTS)
    for name in asked.assignment:
        with tempfile.TemporaryDirectory() as folder:
            rows[name] = measured(name, asked.students, asked.jobs, Path(folder))
        keep(RESULTS, rows)
        print(name, rows[name])
    return 0


if __name__ == "__main__":
    sys.exit(main())

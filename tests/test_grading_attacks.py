"""Attacks on the grader, run for real: each earns nothing, does no harm, and spoils no other part."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import assignments
import pytest
from answers import a2 as answers
from assigned import write
from test_grading import NAMES

from genimg_utils.grading import a2, folder, grade, gradebook
from genimg_utils.grading.sandbox import Limits, environment

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the walls are Linux's; elsewhere only limits hold")

SEED = "a secret of this test alone"
C = a2.drawn(SEED)
SHORT = Limits(cell=20, question=8, submission=240)
FULL = {q.name: q.marks for q in a2.questions(C, SEED)}


def graded(path: Path, *sources: str, limits: Limits = SHORT) -> dict[str, Any]:
    return grade.grade("a2", write(path / "x.ipynb", *sources), SEED, limits)


def marks(result: dict[str, Any]) -> dict[str, int]:
    return {part["name"]: part["marks"] for part in result["parts"]}


def said(result: dict[str, Any], name: str) -> str:
    return next(part["text"] for part in result["parts"] if part["name"] == name)


PROBE = """
import os, signal, socket, subprocess, sys, threading, ctypes
found = {}
def probe(name, act):
    try:
        act()
        found[name] = "done"
    except BaseException as error:
        found[name] = type(error).__name__
parent, package = os.getppid(), os.path.dirname(sys.modules["genimg_utils"].__file__)
probe("environment", lambda: [os.environ[n] for n in ("GENIMG_GRADING_SEED_PIPE", "PYTEST_CURRENT_TEST")])
probe("arguments", lambda: open(f"/proc/{parent}/cmdline").read())
probe("memory", lambda: open(f"/proc/{parent}/mem", "rb").read(1))
probe("references", lambda: __import__("genimg_utils.grading.a2"))
probe("its files", lambda: open(package + "/grading/a2/closed.py").read())
probe("tests", lambda: os.listdir(os.path.dirname(package) + "/tests"))
probe("solution", lambda: os.listdir(os.path.dirname(package) + "/notebooks"))
probe("home", lambda: os.listdir("/home"))
probe("write", lambda: open("FORGED", "w"))
probe("network", lambda: socket.create_connection(("127.0.0.1", 9), 1))
probe("fork", os.fork)
probe("program", lambda: subprocess.run(["true"]))
probe("kill", lambda: os.kill(parent, signal.SIGKILL))
probe("trace", lambda: ctypes.CDLL(None, use_errno=True).ptrace(16, parent, 0, 0) == 0 or 1 / 0)
probe("limits", lambda: __import__("resource").setrlimit(0, (-1, -1)))
probe("its limits", lambda: __import__("resource").prlimit(parent, 0, (1, 1)))
probe("its mode", lambda: os.chmod(package, 0o700))
probe("its age", lambda: os.utime(package))
probe("its priority", lambda: os.setpriority(os.PRIO_PROCESS, parent, 19))
probe("memory file", lambda: os.memfd_create("x"))
probe("gigabytes", lambda: bytearray(100 * 2**30))
probe("own folder", lambda: open("mine.txt", "w").write("x"))
probe("thread", lambda: threading.Thread(target=int).start())
probe("picture", lambda: __import__("matplotlib.pyplot").pyplot.figure().savefig("a.png"))
probe("package", lambda: __import__("genimg_utils.losses").losses.vae.gaussian_kl)
lines = [f"{k}: {v}" for k, v in found.items()]
def tells(n): return lambda *_: (_ for _ in ()).throw(ValueError("; ".join(lines[4 * n:4 * n + 4])))
kl, sample, log_likelihood, elbo, iwae, exact_evidence, evidence = map(tells, range(7))
"""


def test_walls_hold_what_is_not_the_students(tmp_path: Path) -> None:
    forged = tmp_path / "forged.json"
    result = graded(tmp_path, PROBE.replace("FORGED", str(forged)))
    words = " ".join(said(result, name).split(": ", 1)[1] for name in NAMES[:7])
    found = dict(pair.strip(" .").split(": ") for line in words.split(".") for pair in line.split(";") if ": " in pair)
    allowed = {"own folder", "thread", "picture", "package"}
    if {"files", "processes", "network"} - {*result["walls"]}:
        pytest.skip(f"this system raises only these walls: {result['walls']}")
    assert {name for name, outcome in found.items() if outcome == "done"} == allowed
    assert len(found) == 25
    assert result["marks"] == 0
    assert not forged.exists()


PATCHES = """
import builtins, math, os, sys, torch, torch.testing
torch.allclose = torch.equal = torch.isclose = lambda *a, **k: torch.tensor(True)
torch.testing.assert_close = lambda *a, **k: None
torch.Tensor.__eq__ = torch.Tensor.equal = lambda *a: True
sys.modules["genimg_utils.check"] = sys.modules["genimg_utils.grading"] = type(sys)("fake")
"""

CRASHES = """
import ctypes, json, os, socket, sys, time
class Always:
    def __eq__(self, other): return True
    def __array__(self, *a, **k): return 1 / 0
class Sub(torch.Tensor):
    @classmethod
    def __torch_function__(cls, function, types, args=(), kwargs=None): return True
def kl(*_): os._exit(0)
def sample(*_):
    while True: pass
def log_likelihood(*_): return Always()
def elbo(*_): return torch.zeros(2).as_subclass(Sub)
def iwae(*_):
    forged = json.dumps({"parts": 8, "marks": 90, "error": {}}).encode()
    for n in range(3, 30):
        try: os.write(n, len(forged).to_bytes(4, "little") + bytes(4) + forged)
        except OSError: pass
    ctypes.string_at(0)
def exact_evidence(*_): return torch.zeros(30_000_000_000)
"""


@pytest.mark.full
def test_a_crash_costs_its_question_only(tmp_path: Path) -> None:
    """Ended Python, endless loop, forged answer, broken memory, 120 GB; and a right answer among them."""
    right = answers.BEGIN + answers.evidence(C)[0]
    train = "def train(*_):\n    while True: print('x' * 10_000_000)"
    result = graded(tmp_path, right, CRASHES, train, limits=Limits(cell=20, question=4, submission=240))
    assert marks(result) == {name: FULL[name] if name == "evidence" else 0 for name in NAMES}
    assert "ended Python" in said(result, "kl")
    assert "did not finish within" in said(result, "sample")
    assert "did not finish within" in said(result, "train")
    assert result["cells"] == {}


@pytest.mark.full
def test_cells_that_end_python_are_left_out_and_patches_earn_nothing(tmp_path: Path) -> None:
    """sys.exit, os._exit, a loop in a cell, a thread that stays, patched comparisons, beside right answers."""
    hold = "import threading, time\nbusy = lambda: [time.sleep(0.01) for _ in iter(int, 1)]\n"
    hold += "threading.Thread(target=busy, daemon=True).start()"
    right = answers.BEGIN + answers.sample(C)[0] + "\n" + answers.log_likelihood(C)[0]
    wrong = "def kl(a, b): return (a - b).sum(1)\ndef iwae(log_p, z, a, b): return torch.zeros(len(a))"
    cells = (right, "import sys; sys.exit()", "import os\nos._exit(0)", "while True: pass", hold, PATCHES, wrong)
    result = graded(tmp_path, *cells, limits=Limits(cell=3, question=8, submission=240))
    assert marks(result) == {name: FULL[name] if name in ("sample", "log_likelihood") else 0 for name in NAMES}
    assert {*result["cells"]} == {"2", "3", "4"}
    assert result["cells"]["2"].startswith("SystemExit in cell 2")


def test_a_question_cannot_be_answered_from_another(tmp_path: Path) -> None:
    """One part's code that swaps another's function swaps it for the worse alone."""
    right = "%%time\n" + answers.BEGIN + answers.kl(C)[0] + "\n" + answers.sample(C)[0] + "\n!ls\ndisplay(kl)"
    swap = "old = sample\ndef sample(*a):\n    globals()['kl'] = lambda *a: torch.zeros(3)\n    return old(*a)"
    result = graded(tmp_path, right, swap)
    assert {k: v for k, v in marks(result).items() if v} == {"sample": FULL["sample"]}
    assert result["cells"] == {}  # lines for the shell, and Jupyter's own names, are no errors


@pytest.mark.full
def test_a_full_disk_and_many_files_end_the_process(tmp_path: Path) -> None:
    fill = "def kl(*_):\n    import time\n    for i in range(10**6): open(str(i), 'w').close()\n    time.sleep(60)"
    big = "def sample(*_):\n    open('big', 'wb').write(bytes(200_000_000))"
    result = graded(tmp_path, fill, big)
    assert "filled its folder" in said(result, "kl")
    assert "OSError" in said(result, "sample")


def test_the_process_knows_nothing_of_the_graders_environment(tmp_path: Path) -> None:
    assert not {*environment(tmp_path)} & {"SECRET", "PYTEST_CURRENT_TEST", "GENIMG_GRADING_SEED_PIPE"}
    assert len(environment(tmp_path)) < 20


@pytest.mark.full
def test_the_door_hides_its_seed_and_writes_marks(tmp_path: Path) -> None:
    """The seed stands in no process's arguments while student code runs."""
    write(tmp_path / "x.ipynb", answers.BEGIN + answers.kl(C)[0], "import time\ntime.sleep(3)")
    command = [sys.executable, "-m", "genimg_utils.grading", "a2", "x.ipynb", "--seed", SEED, "--json", "out.json"]
    door = subprocess.Popen([*command, "--html", "f.html"], cwd=tmp_path, stdout=subprocess.PIPE, text=True)
    seen = set()
    while door.poll() is None:
        seen.add(Path(f"/proc/{door.pid}/cmdline").read_bytes())
        time.sleep(0.05)
    assert door.returncode == 0
    assert door.stdout
    assert "10 of 90 marks; 10 more are given by hand." in door.stdout.read()
    late = [words for words in seen if b"hidden" in words]
    assert late
    assert not any(SEED.encode() in words for words in late)
    result = json.loads((tmp_path / "out.json").read_text())
    assert marks(result)["kl"] == FULL["kl"]
    assert SEED not in (tmp_path / "out.json").read_text() + (tmp_path / "f.html").read_text()


@pytest.mark.full
def test_a_folder_is_graded_side_by_side_resumed_and_the_same_again(tmp_path: Path) -> None:
    class_, out = tmp_path / "class", tmp_path / "out"
    class_.mkdir()
    for name, source in {
        "ann": answers.solution(C),
        "bob": answers.BEGIN + answers.kl(C)[1],
        "=eve": "import os",
    }.items():
        write(class_ / f"{name}.ipynb", source)
    first = folder.grade_all("a2", class_, SEED, out)
    assert {name: result["marks"] for name, result in first.items()} == {"ann": 90, "bob": 10, folder.plain("=eve"): 0}
    pages = {p: p.stat().st_mtime_ns for p in (out / "feedback").iterdir()}
    again = folder.grade_all("a2", class_, SEED, out)
    assert again == first
    assert {p: p.stat().st_mtime_ns for p in (out / "feedback").iterdir()} == pages
    afresh = folder.grade_all("a2", class_, SEED, tmp_path / "afresh")
    timeless = [[{**r, "seconds": 0} for r in every.values()] for every in (first, afresh)]
    assert timeless[0] == timeless[1]
    assert (out / "marks.csv").read_text().count("\n") == 4
    assert os.listdir(class_) == [p.name for p in class_.iterdir()]


@pytest.mark.full
def test_nbgrader_hands_out_collects_and_shows_what_the_core_graded(tmp_path: Path) -> None:
    """The round trip with the real nbgrader: a right answer, a blank, copied cells, edited and lost metadata."""
    pytest.importorskip("nbgrader", reason="nbgrader is not here: pip install -e .[teach]")
    course, name = tmp_path / "course", f"{a2.NOTEBOOK}.ipynb"
    course.mkdir()
    (tmp_path / "exchange").mkdir(mode=0o777)
    (tmp_path / "exchange").chmod(0o777)
    config = f"c = get_config()\nc.CourseDirectory.course_id = 'genimg'\nc.Exchange.root = '{tmp_path / 'exchange'}'\n"
    (course / "nbgrader_config.py").write_text(config)

    def run(*command: str) -> None:
        here = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
        subprocess.run([sys.executable, "-m", *command], cwd=course, env=here, check=True, capture_output=True)

    assert assignments.main(["--seed", SEED, "--nbgrader", str(course)]) == 0
    run("nbgrader", "generate_assignment", "a2")
    release = json.loads((course / "release/a2" / name).read_text())

    def hand_in(student: str, change: Any) -> None:
        notebook = json.loads(json.dumps(release))
        for cell in notebook["cells"]:
            change(cell, cell["metadata"].get("nbgrader", {}).get("grade_id"))
        place = course / "submitted" / student / "a2" / name
        place.parent.mkdir(parents=True)
        place.write_text(json.dumps(notebook))
        place.with_name("timestamp.txt").write_text("2026-11-27 03:23:50.406210 UTC")
        place.with_name("submission_secret.txt").write_text(student)

    def right(cell: dict[str, Any], part: str | None) -> None:
        if part in answers.MAKERS:
            cell["source"] = answers.BEGIN + answers.MAKERS[part](C)[0]

    def greedy(cell: dict[str, Any], part: str | None) -> None:
        if part:
            cell["source"] = "def kl(*given): return given[0].sum(1)"
            cell["metadata"]["nbgrader"] |= {"points": 1000, "grade_id": "kl"}

    hand_in("ann", right)
    hand_in("bob", lambda cell, part: None)
    hand_in("eve", greedy)
    hand_in("sam", lambda cell, part: (right(cell, part), cell.update(metadata={})))
    gradebook.enter("a2", course, SEED)
    run("nbgrader", "generate_feedback", "a2")
    run("nbgrader", "release_feedback", "a2")
    assert len([*(tmp_path / "exchange/genimg/feedback").iterdir()]) == 4
    run("nbgrader", "export")
    lines = [line.split(",") for line in (course / "grades.csv").read_text().splitlines()]
    scores = {line[3]: float(line[lines[0].index("score")]) for line in lines[1:]}
    assert scores == {"ann": 75, "bob": 0, "eve": 0, "sam": 75}
    page = (course / "feedback/eve/a2" / f"{a2.NOTEBOOK}.html").read_text()
    assert "Read chapter 05, section 3." in page

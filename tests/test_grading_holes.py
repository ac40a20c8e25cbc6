"""Holes in the grader that someone found who had not written it, each closed; tested without a student's process."""

import ctypes
import io
import json
import math
import os
import platform
import socket
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from answers import a2 as answers
from assigned import write
from test_grading import Recorder
from torch.nn import functional

from genimg_utils.grading import __main__ as door
from genimg_utils.grading import (
    a1,
    a2,
    a3,
    adapters,
    confine,
    folder,
    grade,
    gradebook,
    report,
    sandbox,
    similarity,
    submission,
    wire,
)
from genimg_utils.grading.a1 import training
from genimg_utils.grading.question import InProcess
from genimg_utils.metrics import Coverage

SEED = "a secret of this test alone"
C = a2.drawn(SEED)


# --- what a student's code can say, keep and leave behind ---


def test_words_of_student_code_do_nothing_to_terminals_pages_and_files() -> None:
    """Names of types, places and messages that a forged answer or a lone half of a character carries."""
    forged = {"type": "A\n::notice::Points 90/90", "where": "cell 1, line 2\n::x", "says": "\x1b[2Jbad \ud800\n::y"}
    assert sandbox.error_of({"error": forged}) == "A::notice::Points 90/90: [2Jbad "
    assert sandbox.error_of({"error": forged | {"where": "cell 12, line 34"}}, shown=False) == (
        "an exception of its own in cell 12, line 34"
    )
    told = {"type": "ValueError", "where": "cell [0.123, 4.567], line 1", "says": "0.123"}  # compiled under that name
    assert sandbox.error_of({"error": told}, shown=False) == "ValueError"
    assert sandbox.error_of({"error": 3}) == "an error without words"


class Remembering:
    """A process whose code has found a way to remember what an earlier one was asked."""

    took = 0.0

    def __init__(self, *_: Any) -> None:
        self.asked = 0

    def ask(self, words: Any, *_: Any) -> Any:
        if words is None:
            return {"walls": []}, {}
        if "call" in words:
            Remembering.seen = "0.123"
            raise sandbox.Crashed("your code ended Python")
        says = getattr(Remembering, "seen", "first")
        return {"error": {"type": f"E{says}", "where": "cell 1, line 1", "says": says}}, {}

    def end(self) -> None: ...


def test_cells_that_run_again_after_a_crash_say_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """They may know hidden inputs: whatever survives a process would carry them into the feedback."""
    monkeypatch.setattr(sandbox, "Child", Remembering)
    session = sandbox.Session([(1, "raise E")], sandbox.Limits())
    for _ in range(2):
        with pytest.raises(sandbox.Crashed):
            session.call("kl", ())
    assert session.broken == {1: "Efirst in cell 1, line 1: first"}
    late = sandbox.Session([(1, "raise E")], sandbox.Limits())
    late.loaded = True
    late.load()
    assert late.broken == {1: "an exception of its own in cell 1, line 1"}


def test_room_counts_folders_files_without_names_and_threads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sandbox.require_room(tmp_path, os.getpid())
    with open(tmp_path / "gone", "wb") as file:
        (tmp_path / "gone").unlink()
        file.truncate(sandbox.SCRATCH_BYTES + 1)
        with pytest.raises(sandbox.Ended, match="filled its folder"):
            sandbox.require_room(tmp_path, os.getpid())
    sandbox.require_room(tmp_path, os.getpid())
    monkeypatch.setattr(sandbox, "SCRATCH_FILES", 50)
    for n in range(60):
        (tmp_path / str(n)).mkdir()
    with pytest.raises(sandbox.Ended, match="filled its folder"):
        sandbox.require_room(tmp_path, os.getpid())
    monkeypatch.setattr(sandbox, "THREADS", 0)
    with pytest.raises(sandbox.Ended, match="too many threads"):
        sandbox.require_room(tmp_path / "0", os.getpid())


def test_folders_in_folders_do_not_stop_the_grader(tmp_path: Path) -> None:
    """Eleven hundred of them, one in the other: deeper than Python's own removal goes."""
    deep = "import os\nfor _ in range(1100):\n    os.mkdir('a')\n    os.chdir('a')"
    child = object.__new__(sandbox.Child)
    child.scratch, (child.channel, theirs) = tmp_path / "scratch", socket.socketpair()
    child.scratch.mkdir()
    child.process = subprocess.Popen([sys.executable, "-S", "-c", deep], cwd=child.scratch, start_new_session=True)
    assert child.process.wait() == 0
    child.end()
    theirs.close()
    assert not child.scratch.exists()


def test_what_the_grader_cannot_judge_costs_one_question(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Odd(Recorder):
        asked: list[tuple[str, bool]] = []  # noqa: RUF012

        def call(self, name: str, *given: Any, **how: Any) -> Any:
            if name == "kl":
                raise ValueError(name)
            return super().call(name, *given, **how)

    monkeypatch.setattr(grade, "Session", Odd)
    result = grade.grade("a2", write(tmp_path / "x.ipynb", "x = 1"), "order")
    assert (result["marks"], result["parts"][0]["mark"]) == (65, "?")
    assert result["problem"] == "a teacher has to look: what came back could not be judged (ValueError)."
    assert result["sha256"] == ""  # it is graded again next time
    page = report.feedback(result)
    assert "could not be judged" in page


@pytest.mark.filterwarnings("ignore")
def test_no_type_of_number_is_right_or_stops_the_grader() -> None:
    question = replace(a2.questions(C, SEED)[0], wrong={})
    right = wire.observed(question.reference, question.example)

    class Typed:
        def __init__(self, number: float, dtype: torch.dtype) -> None:
            self.number, self.dtype, self.calls = number, dtype, 0

        def call(self, name: str, arguments: tuple, slopes: Any = (), left: Any = ()) -> Any:
            self.calls += 1
            wanted = wire.observed(question.reference, arguments, slopes)
            full = {part: torch.full(value.shape, self.number).to(self.dtype) for part, value in wanted.items()}
            return {}, right if self.calls == 1 else full

    every = {dtype for dtype in vars(torch).values() if isinstance(dtype, torch.dtype)}
    castable = [dtype for dtype in every if "q" not in str(dtype) and "bits" not in str(dtype)]
    tried = 0
    for number, dtype in [*((0.0, d) for d in castable), *((n, torch.float32) for n in (math.nan, math.inf, 3e38))]:
        try:
            torch.full((2,), number).to(dtype)
        except (RuntimeError, TypeError):
            continue
        tried += 1
        verdict = question.judge(Typed(number, dtype))
        assert (verdict.mark, verdict.earned) == ("✗", 0)
    assert tried > 15


def test_networks_of_no_numbers_earn_nothing() -> None:
    class Filled:
        def __init__(self, value: float) -> None:
            self.value = value

        def call(self, name: str, arguments: tuple, slopes: Any = (), left: Any = ()) -> Any:
            pairs = [(i, n, p.detach()) for i in left for n, p in enumerate(arguments[i].parameters())]
            return {}, {wire.weight(i, n): torch.full_like(p, self.value) for i, n, p in pairs}

    for about in (a1, a2):
        question = about.MAKERS[-1](about.drawn(SEED), SEED)
        for value in (math.nan, 3e38):
            verdict = question.judge(Filled(value))
            assert (verdict.mark, verdict.earned) == ("✗", 0)


@pytest.mark.parametrize("about", [{"shape": [0, 2**64 - 1]}, {"shape": [-1]}, {"dtype": "XX"}, {"dtype": "F4"}])
def test_headers_that_no_library_wrote_are_refused(about: dict[str, Any]) -> None:
    header = json.dumps({"your answer": {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]} | about}).encode()
    body = len(header).to_bytes(8, "little") + header
    with pytest.raises(wire.Garbled):
        wire.unpacked(io.BytesIO(wire.LENGTHS.pack(2, len(body)) + b"{}" + body).read)


def test_an_example_by_heart_and_a_limit_that_anyone_guesses_earn_nothing() -> None:
    """What is asked beside the values counts with them alone."""
    c = replace(a1.drawn(SEED), objective="logistic", planted=())
    question = next(q for q in a1.questions(c, SEED) if q.name == "loss_D")
    by_heart = question.reference(*question.example)

    def loss_D(real: torch.Tensor, fake: torch.Tensor) -> torch.Tensor:
        if torch.equal(real, question.example[0]):
            return by_heart
        return (functional.relu(-real) + functional.relu(fake)).mean() / c.temperature

    verdict = question.judge(InProcess(loss_D=loss_D))
    assert (verdict.mark, verdict.earned) == ("✗", 0)
    assert "extremes" in question.criteria
    assert not question.held(InProcess(loss_D=loss_D), question.criteria["extremes"])[0]


def test_shapes_tell_no_hidden_numbers() -> None:
    question = a2.questions(C, SEED)[0]
    right = question.reference(*question.example)
    for shape in [(0, 123_456), (1,) * 6]:
        found = [right, torch.zeros(shape)]
        text = question.judge(InProcess(kl=lambda *_, found=found: found.pop(0))).text
        assert text == "your answer is of another shape; for this input it should be a tensor of shape [4]."


UNSOUND = {
    "half a character": "'\ud800'\ndef kl(a, b): return a",
    "a zero": "x = 1\x00",
    "deep": "x = " + "-" * 20_000 + "1",
}


@pytest.mark.parametrize("what", UNSOUND)
def test_code_that_python_cannot_read_stops_no_page(what: str, tmp_path: Path) -> None:
    """Neither the pre-flight check nor nbgrader's pages nor the list of copies."""
    path = write(tmp_path / "x.ipynb", UNSOUND[what], "def kl(a, b): return a")
    release = write(tmp_path / "release.ipynb", "def kl(): ...")
    lines = submission.preflight(path, ["kl"], [])
    assert lines[0].startswith("✓ kl")
    page = gradebook.shown(path, release)
    (tmp_path / "page.json").write_text(json.dumps(page, ensure_ascii=False), encoding="utf-8")
    assert similarity.table({"ann": path, "bob": path})


def test_words_are_shown_as_words(tmp_path: Path) -> None:
    """A teacher reads them in nbgrader's pages, where a tag would be run."""
    about = {"genimg": {"text": "why"}, "nbgrader": {"grade_id": "why"}}
    cell = {"cell_type": "markdown", "metadata": about, "source": "a < b, a<b: <script>x</script> \ud800"}
    for name in ("x", "release"):
        (tmp_path / f"{name}.ipynb").write_text(json.dumps({"cells": [cell], "metadata": {}}))
    (shown,) = gradebook.shown(tmp_path / "x.ipynb", tmp_path / "release.ipynb")["cells"]
    assert shown["source"] == "a < b, a< b: < script>x< /script> ?"


def test_a_pipe_in_place_of_a_notebook_holds_nobody_up(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "eve.ipynb")
    place = tmp_path / "eve.json"
    place.write_text(json.dumps({"key": grade.key("a2", "s"), "sha256": "x"}))
    assert folder.known(place, tmp_path / "eve.ipynb", grade.key("a2", "s")) is None
    assert "no file of its own" in grade.grade("a2", tmp_path / "eve.ipynb", "s")["problem"]


def test_nobody_names_a_file_into_anothers_marks() -> None:
    """What follows in a submission's name is a student's choice; rows that share a name are left to the teacher."""
    canvas = 'Student,ID\n"A, Ann",11\n"E, Eve",13\n'
    marks = {"aaeve_13_990_11_kl": 0, "aann_LATE_11_991_a2": 90}
    filled, strangers = adapters.roster(canvas, marks, "ID", "a2")
    assert filled.splitlines()[1:] == ['"A, Ann",11,90', '"E, Eve",13,0']
    assert strangers == []
    moodle = "Identifier,Full name\nParticipant 77,Ann O'Hara\nParticipant 78,Bob B\nParticipant 79,Bob B\n"
    named = {folder.plain("Ann O'Hara_77_assignsubmission_file"): 5, "Bob B_78_assignsubmission_file": 6}
    by_number, strangers = adapters.roster(moodle, named, "Identifier", "a2")
    assert [line[-2:] for line in by_number.splitlines()[1:]] == [",5", ",6", "B,"]
    assert strangers == []
    by_name, strangers = adapters.roster(moodle, named, "Full name", "a2")
    assert [line[-2:] for line in by_name.splitlines()[1:]] == [",5", "B,", "B,"]
    assert strangers == ["Bob B_78_assignsubmission_file"]


def test_missing_walls_are_told_for_folders_too(capsys: pytest.CaptureFixture[str]) -> None:
    door.unfenced([{"walls": ["memory", "files"]}, {"walls": []}])
    assert capsys.readouterr().out == "[–] This system does not fence off: network, processes. See TEACHING.md.\n"
    door.unfenced([{"walls": ["files", "processes", "network"]}])
    assert capsys.readouterr().out == ""


def test_seconds_in_which_others_had_the_cores_are_not_a_students(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else marks would hang on what else the machine does. A tenth of them counts, so that every wait has an end."""
    child = object.__new__(sandbox.Child)
    child.process, child.waited = subprocess.Popen(["sleep", "0"]), 0.0
    child.process.returncode = None
    monkeypatch.setattr(sandbox.time, "monotonic", lambda: 130.0)
    for waiting, counted in [(0.0, 30), (20.0, 10), (30.0, 3), (99.0, 3)]:
        monkeypatch.setattr(sandbox, "waited", lambda _, waiting=waiting: 5.0 + waiting)
        assert child.since((100.0, 5.0)) == pytest.approx(counted)
    child.process.wait()


def test_an_answer_in_drops_ends(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    child = object.__new__(sandbox.Child)
    child.scratch, (child.channel, theirs) = tmp_path, socket.socketpair()
    child.process, child.waited = subprocess.Popen(["sleep", "0"]), 0.0
    clock = iter(range(100, 200))
    monkeypatch.setattr(child, "since", lambda start: next(clock) - 100.0, raising=False)
    theirs.send(b"x" * 10)
    with pytest.raises(TimeoutError):
        child.read(1000, (0.0, 0.0), 3.0)
    child.process.wait()
    theirs.close()
    child.channel.close()


def test_waiting_is_what_the_system_says() -> None:
    assert sandbox.waited(os.getpid()) >= 0
    assert sandbox.waited(2**22 + 1) == 0.0


def test_a_students_folder_is_searched_to_any_depth_for_the_notebook_itself(tmp_path: Path) -> None:
    """Not for what macOS and Jupyter lay beside it, and one that hides it deep stops nobody's search."""
    ann = tmp_path / "Ann A_7_assignsubmission_file"
    for place in ("__MACOSX", ".ipynb_checkpoints", "z"):
        (ann / place).mkdir(parents=True)
        write(ann / place / ("a2_write_a_vae.ipynb" if place == "z" else "a.ipynb"), "x = 1")
    write(ann / "notes.ipynb", "x = 1")
    write(tmp_path / "._bob.ipynb", "x = 1")
    deep = tmp_path / "eve"
    for _ in range(400):
        deep = deep / "a"
    deep.mkdir(parents=True)
    write(deep / "x.ipynb", "x = 1")
    found = folder.submissions(tmp_path, "a2_write_a_vae")
    assert {name: path.name for name, path in found.items()} == {ann.name: "a2_write_a_vae.ipynb", "eve": "x.ipynb"}
    write(tmp_path / "eve.ipynb", "x = 1")
    assert {path.name for path in folder.submissions(tmp_path).values()} == {"notes.ipynb", "eve.ipynb", "x.ipynb"}


def test_a_students_metadata_put_no_other_code_beside_a_mark(tmp_path: Path) -> None:
    cells = [
        {"cell_type": "code", "metadata": {}, "source": "def kl(a, b): return a"},
        {"cell_type": "code", "metadata": {"genimg": {"text": "kl"}}, "source": "def better(): ..."},
    ]
    (tmp_path / "x.ipynb").write_text(json.dumps({"cells": cells, "metadata": {}}))
    cell = {"cell_type": "code", "metadata": {"nbgrader": {"grade_id": "kl"}}, "source": ""}
    (tmp_path / "release.ipynb").write_text(json.dumps({"cells": [cell], "metadata": {}}))
    (shown,) = gradebook.shown(tmp_path / "x.ipynb", tmp_path / "release.ipynb")["cells"]
    assert shown["source"] == "def kl(a, b): return a"


def test_folders_deeper_than_a_path_can_say_are_told(tmp_path: Path) -> None:
    """Nobody counts what lies in them."""
    here = os.getcwd()
    os.chdir(tmp_path)
    try:
        for _ in range(20):
            os.mkdir("a" * 250)
            os.chdir("a" * 250)
    finally:
        os.chdir(here)
    with pytest.raises(sandbox.Ended, match="cannot be looked into"):
        sandbox.require_room(tmp_path, os.getpid())
    subprocess.run(["rm", "-rf", "--", tmp_path / ("a" * 250)], check=True)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may look into every folder")
def test_folders_that_their_owner_may_not_read_are_told_and_removed(tmp_path: Path) -> None:
    """Else a submission fills the disk where nobody counts, and it stays."""
    (tmp_path / "a/b").mkdir(parents=True)
    (tmp_path / "a/b/file").write_bytes(b"x")
    (tmp_path / "a/b").chmod(0o300)
    with pytest.raises(sandbox.Ended, match="cannot be looked into"):
        sandbox.require_room(tmp_path, os.getpid())
    (tmp_path / "a").chmod(0)
    sandbox.unlock(tmp_path)
    assert (tmp_path / "a/b/file").read_bytes() == b"x"


def test_a_training_handed_in_as_it_was_given_earns_no_part_of_its_marks(monkeypatch: pytest.MonkeyPatch) -> None:
    """A fault may leave most hills reached: what the broken training reaches by itself is no merit."""
    question = a1.MAKERS[-1](a1.drawn(SEED), SEED)
    half = training.Measured(
        Coverage(len(training.ring(question.convention, question.seed).hills) - 1, 0.0, 0.8), 1.0, 1.0, 0.3
    )
    monkeypatch.setattr(training, "measured", lambda *_: half)

    def train(points: Any, *networks: Any) -> None:
        for network in networks:
            network[0].weight.data += 1

    for broken, earned in [(train, 0), (None, 5)]:
        caller = InProcess(train=train)
        assert replace(question, broken=broken).judge(caller).earned == earned


# --- what a second one found ---


METADATA = {
    "half a character": '{"cell_type": "markdown", "metadata": {"genimg": {"text": "\\ud800"}}, "source": "x"}',
    "deep": '{"cell_type": "code", "metadata": {}, "source": "x = 1"}',
}


def test_one_notebook_of_odd_metadata_stops_no_class(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Names that no file can hold, lists in lists in place of words, a file that nobody may read."""
    monkeypatch.setattr(grade, "Session", Recorder)
    read_bytes = Path.read_bytes

    def locked(path: Path) -> bytes:
        if path.name == "locked.ipynb":
            raise PermissionError(path.name)
        return read_bytes(path)

    monkeypatch.setattr(Path, "read_bytes", locked)
    class_, deep = tmp_path / "class", "[" * 900 + "]" * 900
    class_.mkdir()
    for name, metadata in {
        "ann": "{}",
        "handout": f'{{"genimg": {{"handout": {deep}}}}}',
        "kernel": f'{{"kernelspec": {{"language": {deep}}}}}',
    }.items():
        cells = ", ".join(METADATA.values())
        (class_ / f"{name}.ipynb").write_text(f'{{"cells": [{cells}], "metadata": {metadata}}}')
    write(class_ / "locked.ipynb", "x = 1")
    reports = folder.grade_all("a2", class_, "order", tmp_path / "out", jobs=1)
    assert {name: r["marks"] for name, r in reports.items()} == {"ann": 75, "handout": 75, "kernel": 75, "locked": 0}
    assert reports["ann"]["words"] == {"?": "x"}
    assert (tmp_path / "out/similar.csv").exists()
    assert (tmp_path / "out/summary.html").exists()


def test_room_is_looked_at_while_an_answer_comes_in_drops(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A process that says a byte now and then is waited for, and may not fill the disk meanwhile."""

    def full(*_: Any) -> None:
        raise sandbox.Ended("your code filled its folder")

    monkeypatch.setattr(sandbox, "require_room", full)
    child = object.__new__(sandbox.Child)
    child.scratch, (child.channel, theirs) = tmp_path, socket.socketpair()
    child.process, child.waited = subprocess.Popen(["sleep", "0"]), 0.0
    drops = threading.Thread(target=lambda: [(theirs.send(b"x"), time.sleep(0.2)) for _ in range(10)])
    drops.start()
    with pytest.raises(sandbox.Ended, match="filled its folder"):
        child.read(10, (time.monotonic(), 0.0), 30.0)
    drops.join()
    child.process.wait()
    theirs.close()
    child.channel.close()


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the system tells nothing of these")
def test_files_are_counted_that_are_memory_alone_or_one_threads_own(tmp_path: Path) -> None:
    libc, held, over = ctypes.CDLL(None, use_errno=True), threading.Event(), threading.Event()
    libc.mmap.restype = ctypes.c_void_p
    libc.mmap.argtypes = [ctypes.c_void_p, *[ctypes.c_size_t] * 5]
    libc.munmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t]

    def nameless() -> int:
        file = os.open(tmp_path / "gone", os.O_RDWR | os.O_CREAT)
        os.ftruncate(file, sandbox.SCRATCH_BYTES + 1)
        os.unlink(tmp_path / "gone")
        return file

    maps = []
    for _ in range(5):
        file = nameless()
        maps.append(libc.mmap(None, 4096, 3, 1, file, 0))
        os.close(file)
    with pytest.raises(sandbox.Ended, match="filled its folder"):
        sandbox.require_room(tmp_path, os.getpid())
    for place in maps:
        libc.munmap(place, 4096)
    sandbox.require_room(tmp_path, os.getpid())

    def alone() -> None:
        if libc.syscall(436, 5000, 5001, 2) == 0:  # close_range, descriptors of its own
            nameless()
        held.set()
        over.wait(10)

    thread = threading.Thread(target=alone)
    thread.start()
    held.wait(10)
    try:
        with pytest.raises(sandbox.Ended, match="filled its folder"):
            sandbox.require_room(tmp_path, os.getpid())
    finally:
        over.set()
        thread.join()


CALLS = """
import ctypes, fcntl, os, platform, socket
from genimg_utils.grading import confine
libc, parent = ctypes.CDLL(None, use_errno=True), os.getppid()
assert confine.seccomp(libc, platform.machine())
ours, theirs = os.pipe()
file = os.open("x", os.O_RDWR | os.O_CREAT)
def failed(result):
    if result < 0: raise OSError(ctypes.get_errno(), "")
for name, act in {
    "owner": lambda: fcntl.fcntl(ours, 8, parent),
    "signal": lambda: fcntl.fcntl(ours, 10, 9),
    "owner by another way": lambda: fcntl.ioctl(ours, 0x8901, parent.to_bytes(4, "little")),
    "lease": lambda: fcntl.fcntl(file, 1024, 0),
    "outlive": lambda: failed(libc.prctl(1, 0, 0, 0, 0)),
    "watch": lambda: failed(libc.inotify_init1(0)),
    "cut": lambda: os.truncate("x", 0),
    "empty": lambda: os.open("x", os.O_RDONLY | os.O_TRUNC),
    "empty by another way": lambda: os.open("x", 3 | os.O_TRUNC),
    "flags of a file": lambda: fcntl.ioctl(file, 0x40086602, (0x40).to_bytes(8, "little")),
    "room": lambda: os.posix_fallocate(file, 0, 1000),
    "flags": lambda: fcntl.fcntl(ours, fcntl.F_GETFL),
    "name": lambda: failed(libc.prctl(15, b"x", 0, 0, 0)),
    "write": lambda: os.write(file, b"x"),
    "again": lambda: open("x", "w+").close(),
    "terminal": lambda: os.isatty(file) or fcntl.ioctl(ours, 0x541B, bytes(4)),
}.items():
    try:
        act()
        print(name)
    except PermissionError:
        pass
"""


def test_no_signal_reaches_the_grader_nothing_outlives_it_and_no_file_is_emptied(tmp_path: Path) -> None:
    """Nor empties its files. A descriptor's owner gets a signal of its holder's choice; and not every kernel's Landlock
    holds back what it sends and cuts."""
    if platform.machine() not in confine.REFUSED or sys.platform != "linux":
        pytest.skip("the filter is one for Linux on two machines")
    path = {"PYTHONPATH": str(sandbox.PACKAGE.parent)}
    done = subprocess.run([sys.executable, "-c", CALLS], cwd=tmp_path, env=path, capture_output=True, text=True)
    assert done.stderr == ""
    assert done.stdout.split() == ["flags", "name", "write", "again", "terminal"]


def test_what_other_threads_computed_is_no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else forty threads beside the one that the system counts for make ten minutes of one."""

    class Machine:
        def __init__(self, *_: Any) -> None: ...

        def read_text(self) -> str:
            return "2000000000 4000000000 7"

        def cpu_times(self) -> tuple[float, float]:
            return Machine.computed, 0.5

    monkeypatch.setattr(sandbox, "Path", Machine)
    monkeypatch.setattr(sandbox.psutil, "Process", Machine)
    for Machine.computed, waiting in [(1.5, 4.0), (1.0, 4.0), (4.5, 1.0), (90.0, 0.0)]:
        assert sandbox.waited(1) == pytest.approx(waiting)


def test_no_cell_makes_the_list_of_copies_take_for_ever() -> None:
    """Quotes that never end, each looked for in all that follows."""
    start = time.monotonic()
    similarity.phrases("'" + "\\'" * 10_000)
    assert time.monotonic() - start < 3
    quoted = "!echo '''\nx = a + b + c"  # the line is left out where the cell is run, too
    assert similarity.phrases(quoted) == similarity.phrases("x = a + b + c") != set()


def test_a_copy_cannot_hide_in_code_of_no_use(tmp_path: Path) -> None:
    own = "\n".join(f"answer_{n} = {n} * first + second" for n in range(40))
    junk = "\n".join(f"unused_{n} = {n} - other / third" for n in range(400))
    found = {"ann": own, "bob": own + "\n" + junk, "eve": "x = 1\ny = x + 2 * x\nz = y"}
    every = {name: write(tmp_path / f"{name}.ipynb", source) for name, source in found.items()}
    assert [pair[1:] for pair in similarity.shares(every)] == [("ann", "bob")]


def test_one_network_of_no_numbers_does_not_hide_behind_the_other() -> None:
    """Of two numbers, Python's larger one is the first where the second is none."""
    question = a3.MAKERS[-1](a3.drawn(SEED), SEED)
    points = a3.training.domains(question.seed)
    now = a3.training.measured(lambda x: points.true, lambda y: math.nan * y, points)
    assert math.isnan(now.error)
    assert question.worth(now).earned == 0


def test_references_that_several_hand_in_are_listed(tmp_path: Path) -> None:
    """They take the convention as an argument, and are right then: 90 marks of a copy, and no understanding."""
    copy = (sandbox.PACKAGE / "grading/a2/convention.py").read_text()
    found = {name: write(tmp_path / f"{name}.ipynb", f"n = {n}", copy) for n, name in enumerate("abcd")}
    found["own"] = write(tmp_path / "own.ipynb", answers.solution(C))
    pairs = {pair[1:] for pair in similarity.shares(found, "a2")}
    assert {one for one, other in pairs if other == similarity.GRADER} == {*"abcd"}
    assert not any("own" in pair for pair in pairs)

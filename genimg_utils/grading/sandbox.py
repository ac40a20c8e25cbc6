"""One student's process, seen from outside: started, asked, timed, and ended."""

import builtins
import glob
import os
import re
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from genimg_utils.grading import wire
from genimg_utils.grading.confine import FILE_BYTES

PACKAGE = Path(__file__).resolve().parents[1]
SCRATCH_BYTES, SCRATCH_FILES, THREADS = 200_000_000, 5_000, 128
LINE = re.compile(r"cell \d{1,3}, line \d{1,5}")


@dataclass(frozen=True)
class Limits:
    """Seconds for a cell, a question and a submission; gibibytes beyond what the libraries take."""

    cell: float = 20
    question: float = 60
    submission: float = 300
    gibibytes: float = 1.5


class Crashed(Exception):
    """The process ended, or was ended; the sentence says how."""


class Child:
    """A process of its own, in a scratch folder of its own, with an environment of a few words."""

    def __init__(self, limits: Limits) -> None:
        self.scratch = Path(tempfile.mkdtemp(prefix="genimg-grading-")).resolve()
        self.channel, theirs = socket.socketpair()
        command = [sys.executable, "-P", "-s", str(PACKAGE / "grading/worker.py"), str(theirs.fileno())]
        command += [str(PACKAGE.parent), str(self.scratch), str(limits.gibibytes)]
        self.process = subprocess.Popen(
            command, cwd=self.scratch, env=environment(self.scratch), pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
        theirs.close()
        self.waited = self.took = 0.0  # seconds: for a core, and for its answers

    def ask(self, words: dict[str, Any] | None, tensors: wire.Observation, seconds: float) -> Any:
        """The answer to a message, or to none at the start; `Crashed` where none comes in time."""
        start = time.monotonic(), waited(self.process.pid)
        try:
            if seconds <= 0:
                raise TimeoutError
            if words is not None:
                self.channel.settimeout(max(seconds, 1.0))
                self.channel.sendall(wire.packed(words, tensors))
            answer = wire.unpacked(lambda n: self.read(n, start, seconds))
            require_room(self.scratch, self.process.pid)
            return answer
        except (OSError, Ended, wire.Garbled) as error:
            self.end()
            raise Crashed(sentence(error, seconds)) from None
        finally:
            self.took += self.since(start)

    def since(self, start: tuple[float, float]) -> float:
        """Seconds that went by, less those in which the process waited for others to leave it a core; never under a
        tenth of all, nor more than all."""
        if self.process.returncode is None:
            self.waited = waited(self.process.pid)
        every = time.monotonic() - start[0]
        return min(max(every - (self.waited - start[1]), every / 10), every)

    def read(self, count: int, start: tuple[float, float], seconds: float) -> bytes:
        data, looked = bytearray(), time.monotonic()
        while len(data) < count:
            left = seconds - self.since(start)
            if left <= -1:  # it speaks, and does not finish
                raise TimeoutError
            if time.monotonic() - looked > 1:  # of one that speaks in drops, too
                require_room(self.scratch, self.process.pid)
                looked = time.monotonic()
            self.channel.settimeout(max(0.01, min(left, 1.0)))
            try:
                some = self.channel.recv(min(count - len(data), 2**20))
            except TimeoutError:
                if left <= 0:
                    raise
                continue
            if not some:
                raise Ended("your code ended Python, or needed more memory than it may")
            data += some
        return bytes(data)

    def end(self) -> None:
        """Ends the process and all that it started, and takes its folder away."""
        try:
            family = psutil.Process(self.process.pid).children(recursive=True)
        except psutil.Error:
            family = []
        group = lambda: os.killpg(self.process.pid, signal.SIGKILL)  # noqa: E731
        for kill in (group, self.process.kill, *(process.kill for process in family)):
            try:
                kill()
            except (psutil.Error, OSError):
                continue
        self.process.wait()
        self.channel.close()
        unlock(self.scratch)
        try:
            shutil.rmtree(self.scratch, ignore_errors=True)
        except RecursionError:  # folders in folders in folders
            subprocess.run(["rm", "-rf", "--", self.scratch], check=False, stderr=subprocess.DEVNULL)


def waited(process: int) -> float:
    """Seconds for which a process was ready to run and others ran, where the system tells: they are not its own.

    The system counts for its first thread alone. So what its other threads computed meanwhile is taken off.
    """
    try:
        computed, waiting = (int(n) / 1e9 for n in Path(f"/proc/{process}/schedstat").read_text().split()[:2])
        return max(0.0, waiting - max(0.0, sum(psutil.Process(process).cpu_times()[:2]) - computed))
    except (OSError, ValueError, psutil.Error):
        return 0.0


class Ended(Exception):
    """The process closed its end, or has to be ended; the sentence says why."""


def environment(scratch: Path) -> dict[str, str]:
    """What the process may know of the machine: nothing of the grader's own environment."""
    threads = {name: "1" for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")}
    names = {"HOME": str(scratch), "TMPDIR": str(scratch), "MPLCONFIGDIR": str(scratch), "MPLBACKEND": "agg"}
    folders = {"GENIMG_RUNS": str(scratch / "runs"), "GENIMG_DATA": str(scratch / "data"), "GENIMG_TIER": "smoke"}
    return (
        threads
        | names
        | folders
        | {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "PYTHONHASHSEED": "0", "CUDA_VISIBLE_DEVICES": ""}
    )


def require_room(scratch: Path, process: int) -> None:
    """`Ended` where the scratch folder, or files without a name that the process keeps, hold too much, or it runs
    too many threads: limits of the system's own count neither, and threads not for every user."""
    files, size = 0, FILE_BYTES * mapped(scratch, process)
    for path in [*nameless(process), *below(scratch, hidden)]:
        files += 1
        try:
            size += os.lstat(path).st_size if path.startswith(str(scratch)) else os.stat(path).st_size
        except OSError:
            continue
        if size > SCRATCH_BYTES or files > SCRATCH_FILES:
            raise Ended("your code filled its folder")
    try:
        threads = psutil.Process(process).num_threads()
    except psutil.Error:
        return
    if threads > THREADS:
        raise Ended("your code started too many threads")


def below(folder: Path, locked: Callable[[str], None] = lambda _: None) -> Iterator[str]:
    """All that a folder holds, at any depth; links are not followed.

    locked: told of folders that cannot be looked into, for their mode or because they lie too deep.
    """
    left = [str(folder)]
    while left:
        place = left.pop()
        try:
            if not os.access(place, os.R_OK | os.W_OK | os.X_OK):
                locked(place)
            with os.scandir(place) as entries:
                for entry in entries:
                    yield entry.path
                    if entry.is_dir(follow_symlinks=False):
                        left.append(entry.path)
        except OSError:
            continue


def hidden(place: str) -> None:
    raise Ended("your code made a folder that cannot be looked into")


def unlock(folder: Path) -> None:
    """Gives back what was taken from its folders' owner, so that they can be removed; when nobody is in them."""
    for _ in below(folder, lambda place: os.chmod(place, 0o700)):
        pass


def nameless(process: int) -> list[str]:
    """Files that a process holds open and has taken out of their folder, where the system tells; a thread may have
    some that the others lack."""
    held = {}
    for path in glob.iglob(f"/proc/{process}/task/*/fd/*"):
        try:
            about = os.stat(path)
        except OSError:
            continue
        if stat.S_ISREG(about.st_mode) and not about.st_nlink:
            held[about.st_ino] = path
    return [*held.values()]


def mapped(scratch: Path, process: int) -> int:
    """How many files of its folder a process keeps as memory alone, without a name: nobody tells their size."""
    for path in glob.iglob(f"/proc/{process}/task/*/maps"):
        try:
            lines = Path(path).read_text(errors="replace").splitlines()
        except OSError:
            continue
        if lines:  # a thread that has ended has none, and all others the same
            return len({x.split()[4] for x in lines if str(scratch) in x and x.endswith(" (deleted)")})
    return 0


def sentence(error: Exception, seconds: float) -> str:
    """What a student is told of a process that gave no answer."""
    if isinstance(error, TimeoutError):
        return f"your code did not finish within {seconds:.0f} seconds"
    if isinstance(error, wire.Garbled):
        return "your code answered with something that is no number or tensor, or too large a one"
    return str(error) if isinstance(error, Ended) else "your code ended Python"


class Session:
    """A submission's cells, loaded, and loaded again after a crash without the cell that caused it."""

    def __init__(self, cells: Iterable[tuple[int, str]], limits: Limits, seed: int = 0) -> None:
        self.cells, self.limits, self.seed = [*cells], limits, seed
        self.child: Child | None = None
        self.broken: dict[int, str] = {}  # cell → what went wrong in it
        self.skipped: set[int] = set()
        self.walls: list[str] = []
        self.spent = self.begun = 0.0  # seconds of all, and those when the question began
        self.loaded = False  # whether it has been once: later, cells may have seen hidden inputs, and say them

    def begin(self) -> None:
        """A new question: its seconds run from now."""
        self.begun = self.spent

    def left(self, most: float) -> float:
        """Seconds left of these, and of the submission's."""
        return min(most, self.limits.submission - self.spent)

    def ask(self, child: Child, *given: Any) -> Any:
        """A process's answer; what it took is the submission's time, and what the grader does with it is not."""
        before = child.took
        try:
            return child.ask(*given)
        finally:
            self.spent += child.took - before

    def load(self) -> Child:
        """The process with every cell run that can be; `Crashed` where the submission's time is over."""
        while self.child is None:
            if self.left(1) <= 0:
                raise Crashed(f"the {self.limits.submission:.0f} seconds of this submission are over")
            child = Child(self.limits)
            number = -1
            try:
                self.walls = self.ask(child, None, {}, 60)[0]["walls"]
                for number, source in self.cells:
                    if number not in self.skipped:
                        seconds = self.left(self.limits.cell)
                        said, _ = self.ask(child, {"cell": number, "source": source, "seed": self.seed}, {}, seconds)
                        if "error" in said and not blank(said):
                            self.broken.setdefault(number, error_of(said, shown=not self.loaded))
            except Crashed as crash:
                if number < 0:
                    raise
                self.broken.setdefault(number, str(crash))
                self.skipped.add(number)
                continue
            self.child, self.loaded = child, True
        return self.child

    def call(self, name: str, arguments: tuple, slopes: tuple[int, ...] = (), left: tuple[int, ...] = ()) -> Any:
        """What a call of the student's function left behind, or what was raised; `Crashed` where it ended Python."""
        child = self.child
        if child is None:
            child = self.load()
            self.begin()  # what the notebook's cells take is not the question's
        words, tensors = wire.sent(arguments)
        request = {"call": name, "arguments": words, "slopes": slopes, "left": left, "seed": self.seed}
        try:
            seconds = self.left(self.limits.question - (self.spent - self.begun))
            said, found = self.ask(child, request, tensors, seconds)
        except Crashed:
            self.child = None
            raise
        return said, found

    def close(self) -> None:
        if self.child is not None:
            self.child.end()
            self.child = None


def blank(said: dict[str, Any]) -> bool:
    """Whether what was raised says that the code is still to be written."""
    return isinstance(said.get("error"), dict) and said["error"].get("type") == "NotImplementedError"


def error_of(said: dict[str, Any], shown: bool = True) -> str:
    """An exception that the process reported, in one line; its words are a student's, and are shortened.

    shown: whether its words may be told. Else the type is, where it is one of Python's, and the line, which nobody can
    name as they like.
    """
    error = said.get("error")
    if not isinstance(error, dict):
        return "an error without words"
    kind, where, words = (str(error.get(key, ""))[:300] for key in ("type", "where", "says"))
    where = f" in {where}" if LINE.fullmatch(where) else ""
    if not shown:
        return f"{kind if hasattr(builtins, kind) else 'an exception of its own'}{where}"
    first = plain(next(iter(words.strip().splitlines()), ""))[:160]
    return f"{plain(kind)[:80]}{where}{': ' + first if first else ''}"


def plain(words: str) -> str:
    """Words in one line that do nothing to a terminal, a page or a file: what cannot be printed is left out."""
    return "".join(letter for letter in words if letter.isprintable())

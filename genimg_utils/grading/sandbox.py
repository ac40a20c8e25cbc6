"""One student's process, seen from outside: started, asked, timed, and ended."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from genimg_utils.grading import wire

PACKAGE = Path(__file__).resolve().parents[1]
SCRATCH_BYTES, SCRATCH_FILES = 200_000_000, 5_000


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

    def ask(self, words: dict[str, Any] | None, tensors: wire.Observation, seconds: float) -> Any:
        """The answer to a message, or to none at the start; `Crashed` where none comes in time."""
        deadline = time.monotonic() + seconds
        try:
            if words is not None:
                self.channel.settimeout(max(seconds, 0.01))
                self.channel.sendall(wire.packed(words, tensors))
            return wire.unpacked(lambda n: self.read(n, deadline))
        except (OSError, Ended, wire.Garbled) as error:
            self.end()
            raise Crashed(sentence(error, seconds)) from None

    def read(self, count: int, deadline: float) -> bytes:
        data = bytearray()
        while len(data) < count:
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError
            self.channel.settimeout(min(left, 1.0))
            try:
                some = self.channel.recv(min(count - len(data), 2**20))
            except TimeoutError:
                require_room(self.scratch)
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
        for kill in (lambda: os.killpg(self.process.pid, signal.SIGKILL), *(process.kill for process in family)):
            try:
                kill()
            except (psutil.Error, OSError):
                continue
        self.process.wait()
        self.channel.close()
        shutil.rmtree(self.scratch, ignore_errors=True)


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


def require_room(scratch: Path) -> None:
    """`Ended` where the scratch folder holds too much."""
    size = files = 0
    for folder, _, names in os.walk(scratch):
        for name in names:
            files += 1
            try:
                size += os.lstat(os.path.join(folder, name)).st_size
            except OSError:
                continue
            if size > SCRATCH_BYTES or files > SCRATCH_FILES:
                raise Ended("your code filled its folder")


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
        self.deadline = time.monotonic() + limits.submission
        self.question_ends = self.deadline

    def begin(self) -> None:
        """A new question: its seconds run from now."""
        self.question_ends = time.monotonic() + self.limits.question

    def left(self, most: float) -> float:
        """Seconds left of these, and of the submission's."""
        return min(most, self.deadline - time.monotonic())

    def load(self) -> Child:
        """The process with every cell run that can be; `Crashed` where the submission's time is over."""
        while self.child is None:
            if self.left(1) <= 0:
                raise Crashed(f"the {self.limits.submission:.0f} seconds of this submission are over")
            child = Child(self.limits)
            number = -1
            try:
                self.walls = child.ask(None, {}, 60)[0]["walls"]
                for number, source in self.cells:
                    if number not in self.skipped:
                        seconds = self.left(self.limits.cell)
                        said, _ = child.ask({"cell": number, "source": source, "seed": self.seed}, {}, seconds)
                        if "error" in said and not blank(said):
                            self.broken[number] = error_of(said)
            except Crashed as crash:
                if number < 0:
                    raise
                self.broken[number] = str(crash)
                self.skipped.add(number)
                continue
            self.child = child
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
            said, found = child.ask(request, tensors, self.left(self.question_ends - time.monotonic()))
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


def error_of(said: dict[str, Any]) -> str:
    """An exception that the process reported, in one line; its words are a student's, and are shortened."""
    error = said.get("error")
    if not isinstance(error, dict):
        return "an error without words"
    kind, where, words = (str(error.get(key, ""))[:300] for key in ("type", "where", "says"))
    first = next(iter(words.strip().splitlines()), "")[:160]
    return f"{kind}{' in ' + where if where else ''}{': ' + first if first else ''}"

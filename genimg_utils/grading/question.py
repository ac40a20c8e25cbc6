"""A graded question as data: what is asked, what it is called with, and what the known wrong answers give away."""

import re
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from genimg_utils.check import Function, close, kind, same_shape, shape, short
from genimg_utils.grading.sandbox import Crashed, blank, error_of
from genimg_utils.grading.wire import Observation, copied, observed

RANDOM = threading.RLock()
BLANK, BLANK_CODE = "not answered yet", "raise NotImplementedError"


class Caller(Protocol):
    """Whatever calls the student's functions: a `Session`, or a test in its own process."""

    def call(self, name: str, arguments: tuple, slopes: tuple[int, ...] = (), left: tuple[int, ...] = ()) -> Any: ...


@dataclass(frozen=True)
class Verdict:
    """What one question earned, and what is said about it."""

    mark: str  # ✓, ✗ or ○
    earned: int
    text: str
    hint: bool = False  # whether a known misconception was recognised


@dataclass(frozen=True)
class Criterion:
    """A part of a question's marks: calls that must come out right together.

    slopes: the arguments in which the value's slope counts too; left: those that are looked at after the call.
    hint: said when this is the first criterion that fails, and no known wrong answer fits.
    """

    marks: int
    cases: Sequence[tuple]
    slopes: tuple[int, ...] = ()
    hint: str = ""
    left: tuple[int, ...] = ()


@dataclass(frozen=True)
class Question:
    """One function that the notebook defines.

    criteria: the first one tells the known wrong answers apart, and looks at the example, too.
    example: arguments that the notebook shows, with what comes out.
    wrong: each hint with the answers that earn it.
    stub: signature and docstring as handed out; task: the convention that holds, in words.
    """

    name: str
    title: str
    read: str
    holds: str
    task: str
    stub: str
    reference: Function
    example: tuple
    criteria: dict[str, Criterion]
    wrong: Mapping[str, Sequence[Function]] = field(default_factory=dict)
    tolerance: float = 1e-4
    modules: bool = False  # whether the example's networks are modules, and not only functions

    @property
    def marks(self) -> int:
        return sum(criterion.marks for criterion in self.criteria.values())

    @property
    def handed(self) -> str:
        """The function as handed out: a blank that stops the notebook where it is called."""
        return f"{self.stub}\n    {BLANK_CODE}"

    @property
    def shown(self) -> Criterion:
        """What is looked at in the example."""
        return next(iter(self.criteria.values()))

    def judge(self, caller: Caller) -> Verdict:
        """The verdict on a student's function: on the public example first, then on hidden inputs."""
        return self.tried(caller) or self.compared(caller)

    def tried(self, caller: Caller) -> Verdict | None:
        """What the public example shows to be missing, or None. Made before any hidden input leaves the grader."""
        try:
            said, found = caller.call(self.name, fresh(self.example), left=self.shown.left)
        except Crashed as crash:
            return Verdict("✗", 0, f"{crash}.")
        if said.get("error"):
            return self.failed(said, shown=True)
        public = replace(self.shown, cases=[self.example], slopes=())
        fault = self.unlike(found, self.calls(self.reference, public)[0])
        known = self.known(public, [found]) if fault else ""
        return Verdict("✗", 0, known or fault, bool(known)) if fault else None

    def failed(self, said: dict[str, Any], shown: bool) -> Verdict:
        """The verdict on an exception. What a student's code says of hidden inputs is kept back, its name of it too."""
        if blank(said):
            return Verdict("○", 0, BLANK)
        return Verdict("✗", 0, f"your code raised {error_of(said, shown)}.")

    def compared(self, caller: Caller) -> Verdict:
        """The marks of every criterion that holds, and a sentence on the first that does not."""
        held: set[str] = set()
        text, known = "", False
        for name, criterion in self.criteria.items():
            try:
                fault, yours, right = self.held(caller, criterion)
            except Crashed as crash:
                return Verdict("✗", self.merit(held), text or f"{crash}.", known)
            if not fault and self.agree(yours, right):
                held.add(name)
            elif not text:
                text, known = self.told(criterion, yours, right, fault)
        return Verdict("✗", self.merit(held), text, known) if text else Verdict("✓", self.marks, "right.")

    def merit(self, held: set[str]) -> int:
        """The marks for the criteria that hold; of what is asked beside the values, only with them."""
        if "values" in self.criteria and "values" not in held:
            return 0  # else an example's answer by heart and a limit that anyone can guess would earn
        return sum(self.criteria[name].marks for name in held)

    def held(self, caller: Caller, criterion: Criterion) -> tuple[str, list[Observation], list[Observation]]:
        """What keeps the calls of a criterion from being compared, or nothing; what they gave, and should have."""
        yours: list[Observation] = []
        right: list[Observation] = []
        for case in criterion.cases:
            said, found = caller.call(self.name, fresh(case), criterion.slopes, criterion.left)
            if said.get("error"):
                return f"on an input that the example lacks, {self.failed(said, shown=False).text}", yours, right
            yours.append(found)
            right += self.calls(self.reference, replace(criterion, cases=[case]))
            if fault := self.unlike(found, right[-1]):
                return fault, yours, right
        return "", yours, right

    def told(
        self, criterion: Criterion, yours: list[Observation], right: list[Observation], fault: str = ""
    ) -> tuple[str, bool]:
        """The sentence on a wrong answer, and whether it is a known misconception."""
        if hint := self.known(replace(criterion, cases=criterion.cases[: len(yours)]), yours):
            return hint, True
        if criterion.hint and not fault:
            return criterion.hint, True
        return fault or self.difference(criterion, yours, right), False

    def known(self, criterion: Criterion, yours: list[Observation]) -> str:
        """The hint of the wrong answer that gives the same, or nothing."""
        for hint, functions in self.wrong.items():
            if yours and any(self.same(f, criterion, yours) for f in functions):
                return hint
        return ""

    def same(self, function: Function, criterion: Criterion, yours: list[Observation]) -> bool:
        """Whether a function of the grader's own, which may raise what it likes, gives the same."""
        try:
            return self.agree(yours, self.calls(function, criterion))
        except Exception:
            return False

    def calls(self, function: Function, criterion: Criterion) -> list[Observation]:
        """What a function of the grader's own leaves behind, with the random numbers that students' code draws."""
        found = []
        for case in criterion.cases:
            with alone():
                found.append(observed(function, fresh(case), criterion.slopes, criterion.left))
        return found

    def agree(self, these: list[Observation], those: list[Observation]) -> bool:
        pairs = zip(these, those, strict=True)
        return all(part in a and self.close(a[part], b[part]) for a, b in pairs for part in b)

    def close(self, a: Tensor, b: Tensor) -> bool:
        return close(a, b, self.tolerance)

    def unlike(self, yours: Observation, right: Observation) -> str:
        """What keeps an answer from being compared: a part that is missing, a shape, a complex or boolean type."""
        for part, b in right.items():
            a = yours.get(part)
            if not isinstance(a, Tensor):
                return "your answer is none that can be compared: return a tensor."
            if not same_shape(a, b):
                plain = a.dim() <= 5 and max(a.shape, default=0) <= 10_000  # else a shape could carry hidden digits
                given = kind(a) if plain else "of another shape"
                return f"your answer is {given}; for this input it should be {shape(b)}."
            if a.is_complex() or a.dtype == torch.bool:
                return f"your answer is of type {a.dtype}; numbers are wanted."
        return ""

    def named(self, part: str) -> str:
        """A part of what a call left behind, with an argument's name in place of its number."""
        found = re.match(r"def \w+\((.*?)\)", self.stub)
        names = found[1].split(", ") if found else []

        def name(number: re.Match[str]) -> str:
            n = int(number[1])
            return names[n - 1] if n <= len(names) else number[0]

        return re.sub(r"argument (\d+)", name, part)

    def difference(self, criterion: Criterion, yours: list[Observation], right: list[Observation]) -> str:
        """How far off an unknown wrong answer is, without a hidden number."""
        case, part, a, b = next(
            (case, part, mine[part].double().reshape(true[part].shape), true[part].double())
            for case, mine, true in zip(criterion.cases, yours, right, strict=True)
            for part in true
            if not self.close(mine[part], true[part])
        )
        off = int((~torch.isclose(a, b, rtol=self.tolerance, atol=self.tolerance)).sum())
        given = ", ".join(short(x) if not isinstance(x, nn.Module) else "a network" for x in hidden(case))
        return f"given {given}, {off} of {b.numel()} entries of {self.named(part)} are off. Expected: {self.holds}."


@contextmanager
def alone() -> Iterator[None]:
    """Random numbers as a student's process draws them; one thread at a time, since all of them share one source."""
    with RANDOM, torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield


def hidden(case: tuple) -> list[Any]:
    """What may be said of hidden arguments: shapes alone."""
    return [shape(x) if isinstance(x, Tensor) else x if isinstance(x, nn.Module) else "a number" for x in case]


def fresh(case: tuple) -> tuple:
    """The arguments, each of its own, so that no call can spoil another's."""
    return tuple(
        copied(x) if isinstance(x, nn.Module) else x.clone() if isinstance(x, Tensor) else x for x in case
    )  # fmt: skip


class InProcess:
    """Calls functions of this very process: for answers that are trusted, as those of the tests."""

    def __init__(self, **functions: Callable[..., Any]) -> None:
        self.functions = functions

    def call(self, name: str, arguments: tuple, slopes: tuple[int, ...] = (), left: tuple[int, ...] = ()) -> Any:
        try:
            if name not in self.functions:
                raise NotImplementedError
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(0)
                return {}, observed(self.functions[name], arguments, slopes, left)
        except Exception as error:
            return {"error": {"type": type(error).__name__, "where": "", "says": str(error)}}, {}

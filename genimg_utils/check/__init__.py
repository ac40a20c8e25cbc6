"""Checks that answer an exercise in one line: `○` not answered yet, `✓` right, `✗` wrong, with a hint.

An exercise is data: the right answer, inputs, and the known wrong answers with the hint that each one earns.
"""

import copy
import dis
import inspect
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from types import CodeType
from typing import Any, NamedTuple

import torch
from torch import Tensor, allclose, as_tensor

Function = Callable[..., Any]
Observation = dict[str, Any]  # what one call left behind: part → value

BLANK = "not answered yet"
GREY = "\x1b[90m{}\x1b[0m"


class CheckFailed(AssertionError):
    """A wrong answer: notebooks show its one line, not a traceback, and the cell fails."""

    def _render_traceback_(self) -> list[str]:  # IPython asks for it, 7.34 as well as 9
        return [str(self)]


class Verdict(NamedTuple):
    """How an answer was judged: the mark `○`, `✓` or `✗`, and what is said about it."""

    mark: str
    text: str


class Check:
    """What every check does with its verdict: print it, or raise `CheckFailed`."""

    name: str

    def judge(self, answer: Any) -> Verdict:
        raise NotImplementedError

    def __call__(self, answer: Any) -> None:
        """Prints `○ …` for a blank and `✓ …` for a right answer; raises `CheckFailed` for a wrong one."""
        mark, text = self.judge(answer)
        line = f"{mark} {self.name}: {text}"
        if mark == "✗":
            raise CheckFailed(line)
        print(GREY.format(line) if mark == "○" else line)


def returned(function: Function, *arguments: Any) -> Observation:
    """What a pure function leaves behind: its value, and its tensor arguments as they were."""
    value = function(*arguments)
    tensors = {f"argument {i} after the call": a for i, a in enumerate(arguments, 1) if isinstance(a, Tensor)}
    return {"your answer": value, **tensors}


def named(*names: str) -> Callable[..., Observation]:
    """Observes a pure function that returns several values, each under its name; anything else as one."""

    def observe(function: Function, *arguments: Any) -> Observation:
        value = function(*arguments)
        several = isinstance(value, tuple | list) or getattr(value, "ndim", 0) > 0
        if several and len(value) == len(names):
            return dict(zip(names, value, strict=True))
        return {"your answer": value}

    return observe


@dataclass(frozen=True)
class Exercise(Check):
    """An exercise whose answer is a function; what counts is what its calls do, not how it is written.

    confirms: the sentence after `✓`.
    property: what the right answer is like, said when no known wrong answer fits; never its formula.
    inputs: argument tuples that separate the right answer and all the wrong ones; every call gets copies.
    wrong: each hint with the answers that earn it.
    edges: each hint with inputs that only a careful answer survives; tried when all `inputs` came out right.
    variants: each sentence with a published variant, which passes.
    observe: calls the function and returns the parts to compare.
    dtype: demanded of the value where the exercise is about it.
    """

    name: str
    confirms: str
    property: str
    reference: Function
    inputs: Sequence[tuple]
    wrong: dict[str, Sequence[Function]]
    edges: dict[str, Sequence[tuple]] = field(default_factory=dict)
    variants: dict[str, Function] = field(default_factory=dict)
    observe: Callable[..., Observation] = returned
    dtype: torch.dtype | None = None
    tolerance: float = 1e-4

    def judge(self, answer: Any) -> Verdict:
        """The verdict on a function: still blank, raised, type, shape, known wrong, largest error, edges."""
        if answer is None or answer is ... or does_nothing(answer):
            return Verdict("○", BLANK)
        if not callable(answer):
            return Verdict("✗", f"hand over the function itself, without calling it; this is {kind(answer)}.")
        try:
            yours = self.calls(answer, self.inputs)
        except Exception as error:  # whatever the learner's code raises is part of the answer
            return Verdict("✗", raised(error, answer))
        if any(value is None or value is ... for call in yours for value in call.values()):
            return Verdict("○", f"{BLANK}: the function returns None. Is `return` missing?")
        return self._compare(answer, yours)

    def _compare(self, answer: Function, yours: list[Observation]) -> Verdict:
        right = self.calls(self.reference, self.inputs)
        if fault := self._unlike(yours, right):
            return Verdict("✗", fault)
        if self.agree(yours, right):
            return self._at_the_edges(answer)
        for hint, functions in self.wrong.items():
            if any(self.agree(yours, self.calls(function, self.inputs)) for function in functions):
                return Verdict("✗", hint)
        for sentence, variant in self.variants.items():
            if self.agree(yours, self.calls(variant, self.inputs)):
                return Verdict("✓", sentence)
        return Verdict("✗", f"{self._difference(self.inputs, yours, right)}. Expected: {self.property}.")

    def _at_the_edges(self, answer: Function) -> Verdict:
        for hint, inputs in self.edges.items():
            right = self.calls(self.reference, inputs)
            try:
                yours = self.calls(answer, inputs)
            except Exception as error:
                return Verdict("✗", f"{hint} ({raised(error, answer)})")
            if fault := self._unlike(yours, right):
                return Verdict("✗", f"{hint} ({fault.removesuffix('.')})")
            if not self.agree(yours, right):
                return Verdict("✗", f"{hint} ({self._difference(inputs, yours, right)})")
        return Verdict("✓", self.confirms)

    def calls(self, function: Function, inputs: Sequence[tuple]) -> list[Observation]:
        """What the calls of a function left behind, one observation an input."""
        return [
            {part: comparable(value) for part, value in self.observe(function, *copy.deepcopy(case)).items()}
            for case in inputs
        ]

    def agree(self, these: list[Observation], those: list[Observation]) -> bool:
        """Whether two answers left the same behind in every call and part."""
        return all(self._close(a[part], b[part]) for a, b in zip(these, those, strict=True) for part in b)

    def _close(self, a: Tensor, b: Tensor) -> bool:
        return close(a, b, self.tolerance, equal_nan=True)

    def _unlike(self, yours: list[Observation], right: list[Observation]) -> str | None:
        for mine, true in zip(yours, right, strict=True):
            if mine.keys() != true.keys():
                values = [part for part in true if not part.startswith(("the gradient", "the number of calls"))]
                return f"return {len(values)} values: {', then '.join(values)}; yours is {count(*mine.values())}."
        pairs = [(mine[part], true[part]) for mine, true in zip(yours, right, strict=True) for part in true]
        for a, b in pairs:
            if not isinstance(a, Tensor):
                return f"your answer is {kind(a)}; it should be {shape(b)}."
            if b.dtype is self.dtype and a.dtype is not self.dtype:
                return f"your answer is of type {name_of(a.dtype)}; it should be {name_of(self.dtype)}."
            if not same_shape(a, b):
                return f"your answer is {shape(a)}; it should be {shape(b)}."
        return None

    def _difference(self, inputs: Sequence[tuple], yours: list[Observation], right: list[Observation]) -> str:
        """The largest error in the first part that is wrong: input, what came out, what should have."""
        case, part, a, b = next(
            (case, part, mine[part], true[part])
            for case, mine, true in zip(inputs, yours, right, strict=True)
            for part in true
            if not self._close(mine[part], true[part])
        )
        a, b = a.double().flatten(), b.double().flatten()
        worst = int((a - b).abs().nan_to_num(torch.inf).argmax())
        where = f" at entry {worst}" if b.numel() > 1 else ""
        names = inspect.signature(self.reference).parameters
        given = ", ".join(f"{n} = {short(v)}" for n, v in zip(names, case, strict=False) if not callable(v))
        return f"for {given}: {part} is {a[worst]:.6g}{where}, not {b[worst]:.6g}"


@dataclass(frozen=True)
class Choice(Check):
    """A question whose answer is one word of a list; every wrong word has a hint."""

    name: str
    right: str
    confirms: str
    hints: dict[str, str]

    def judge(self, answer: Any) -> Verdict:
        """The verdict on a word; capitals, spaces, hyphens, a plural s and American spelling do not matter."""
        if answer is None or answer is ...:
            return Verdict("○", BLANK)
        word = plain(answer)
        if word == plain(self.right):
            return Verdict("✓", self.confirms)
        for choice, hint in self.hints.items():
            if word == plain(choice):
                return Verdict("✗", hint)
        choices = ", ".join(f'"{choice}"' for choice in sorted([self.right, *self.hints]))
        return Verdict("✗", f"{answer!r} is not one of the choices: {choices}.")


def plain(word: Any) -> str:
    """A word as it is compared: small letters, no spaces or joints, no plural, British spelling."""
    letters = "".join(str(word).lower().split()).replace("_", "").replace("-", "")
    return letters.replace("iz", "is").removesuffix("s")


def code_of(function: Function) -> CodeType | None:
    """The code of a function, a module's forward, or what a decorator such as `no_grad` wraps."""
    return getattr(inspect.unwrap(getattr(function, "forward", function)), "__code__", None)


def does_nothing(function: Function) -> bool:
    """Whether a function is still the stub: `...`, perhaps under a docstring."""
    code = code_of(function)
    if code is None:
        return False
    idle = ("RESUME", "NOP", "RETURN_VALUE")
    rest = [step for step in dis.get_instructions(code) if step.opname not in idle]
    return all(step.opname in ("LOAD_CONST", "RETURN_CONST") and step.argval in (None, ...) for step in rest)


def raised(error: Exception, function: Function) -> str:
    """One line about an exception, with the line of the function that led to it."""
    frames = traceback.walk_tb(error.__traceback__)
    lines = [line for frame, line in frames if frame.f_code is code_of(function)]
    where = f" in line {lines[-1]}" if lines else ""
    message = next(iter(str(error).strip().splitlines()), "").strip()
    return f"your code raised {type(error).__name__}{where}{': ' if message else ''}{message[:160]}"


def comparable(value: Any) -> Any:
    """Numbers, arrays and lists become tensors; what cannot is returned as it is."""
    if isinstance(value, Tensor):
        return value.detach().cpu()
    if value is None or value is ...:
        return value
    try:
        return as_tensor(value)
    except (TypeError, ValueError, RuntimeError):
        return value


def same_shape(a: Tensor, b: Tensor) -> bool:
    return a.shape == b.shape or a.numel() == b.numel() == 1


def close(a: Tensor, b: Tensor, tolerance: float, equal_nan: bool = False) -> bool:
    """Whether two tensors have one shape, or hold one number each, and the same values within `tolerance`."""
    if not same_shape(a, b):
        return False
    a, b = a.double().reshape(b.shape), b.double()
    return allclose(a, b, rtol=tolerance, atol=tolerance, equal_nan=equal_nan)


def name_of(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def kind(value: Any) -> str:
    return shape(value) if isinstance(value, Tensor) else f"a value of type {type(value).__name__}"


def count(value: Any) -> str:
    """How many values were returned where several were wanted."""
    if isinstance(value, tuple | list):
        return f"{len(value)} values" if len(value) != 1 else "one"
    return kind(value)


def shape(value: Tensor) -> str:
    return f"a tensor of shape {list(value.shape)}" if value.dim() else "a single number"


def short(value: Any) -> str:
    """A value in a few characters: small tensors in full, others by shape."""
    if isinstance(value, Tensor) and value.numel() <= 6:
        return f"{value.double().numpy().round(3).tolist()}"
    if isinstance(value, Tensor):
        return shape(value)
    plain_numbers = isinstance(value, list) and all(isinstance(each, int | float) for each in value)
    return f"{len(value)} tensors" if isinstance(value, list) and not plain_numbers else f"{value}"


# Last, because the parts are made of the classes above.
from genimg_utils.check import cyclegan, gan, judging, outlook, speed, start, vae  # noqa: E402

__all__ = [
    "Check",
    "CheckFailed",
    "Choice",
    "Exercise",
    "Verdict",
    "cyclegan",
    "gan",
    "judging",
    "outlook",
    "speed",
    "start",
    "vae",
]

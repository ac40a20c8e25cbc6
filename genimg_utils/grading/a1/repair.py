"""A part that is handed out broken: what it did right before is no merit."""

from dataclasses import dataclass, replace
from typing import Any

from genimg_utils.check import Function
from genimg_utils.grading.a1 import players, programs
from genimg_utils.grading.a1.convention import Convention, Program
from genimg_utils.grading.question import Caller, Criterion, Question, Verdict
from genimg_utils.grading.sandbox import Crashed

UNTOUCHED = Verdict("○", 0, "it does what it did when it was handed out")
PROGRAMS = programs.PROGRAMS | {
    "penalty": players.penalty, "play": players.play, "snapshot": players.snapshot, "train": players.train,
}  # fmt: skip


def compiled(c: Convention, name: str, source: str) -> Function:
    """The function of that name, beside the right losses, which the rounds of the game call."""
    names: dict[str, Any] = {}
    exec("\n".join([programs.BEGIN, programs.loss_D(c).source, programs.loss_G(c).source, source]), names)
    function: Function = names[name]
    return function


@dataclass(frozen=True)
class Repair(Question):
    """A question whose function is handed out with faults in it."""

    source: str = ""
    broken: Function | None = None

    @property
    def handed(self) -> str:
        return self.source

    def tried(self, caller: Caller) -> Verdict | None:
        verdict = super().tried(caller)
        return UNTOUCHED if verdict and self.untouched(caller, replace(self.shown, cases=[self.example])) else verdict

    def compared(self, caller: Caller) -> Verdict:
        verdict = super().compared(caller)
        if verdict.earned or verdict.mark == "✓":
            return verdict
        return UNTOUCHED if self.untouched(caller, *self.criteria.values()) else verdict

    def untouched(self, caller: Caller, *criteria: Criterion) -> bool:
        """Whether a function gives what the broken one gives."""
        if self.broken is None:
            return False
        for criterion in criteria:
            try:
                *_, yours, _ = self.held(caller, criterion)
            except Crashed:
                return False
            seen = replace(criterion, cases=criterion.cases[: len(yours)])
            if not yours or not self.same(self.broken, seen, yours):
                return False
        return True

    def merit(self, held: set[str]) -> int:
        """Marks only where something holds that did not hold before."""
        before = {name for name, criterion in self.criteria.items() if self.holds_for_the_broken(criterion)}
        return super().merit(held) if held - before else 0

    def holds_for_the_broken(self, criterion: Criterion) -> bool:
        return self.broken is not None and self.same(self.broken, criterion, self.calls(self.reference, criterion))


def repair(c: Convention, name: str, **about: Any) -> Repair:
    """The question on a part: reference, faults and what is handed out are made of its program."""
    program: Program = PROGRAMS[name](c)
    handed = program.with_faults(*c.faults(name)) or program.source
    wrong = {hint: [compiled(c, name, program.with_faults(n) or "")] for n, hint in enumerate(program.hints)}
    return Repair(
        name=name,
        stub=program.source[: program.source.rindex('"""') + 3],
        reference=compiled(c, name, program.source),
        wrong=wrong,
        source=handed,
        modules=True,
        broken=compiled(c, name, handed) if c.faults(name) else None,
        **about,
    )

"""What a seed draws for assignment 1: what the program is agreed to do, and which faults are planted in it."""

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from genimg_utils.grading.seeds import choices, number

Edit = tuple[str, str]  # what of the right source is replaced, and by what


@dataclass(frozen=True)
class Convention:
    """What one hand-out agrees on."""

    low: float = -1.0
    high: float = 1.0
    channels_last: bool = False
    epochs: str = "wrap"
    slope: float = 0.2
    objective: str = "logistic"
    temperature: float = 1.0
    targets: tuple[float, float, float] = (0.0, 1.0, 1.0)
    where: str = "real"
    gamma: float = 1.0
    unit: float = 1.0
    planted: tuple[tuple[str, tuple[int, ...]], ...] = ()  # part → numbers of its faults

    @property
    def span(self) -> float:
        return self.high - self.low

    @property
    def half(self) -> float:
        return self.span / 2

    @property
    def middle(self) -> float:
        return (self.low + self.high) / 2

    def faults(self, part: str) -> tuple[int, ...]:
        return dict(self.planted).get(part, ())


BASE = Convention()


def agreed_by(seed: str) -> Convention:
    """What is agreed on under this seed; it differs from `BASE` in every part."""
    pick = choices(f"{seed}/a1/convention")
    low, high = pick([(-0.5, 0.5), (-2.0, 2.0), (0.5, 2.5), (-1.0, 2.0), (-3.0, 1.0)])
    return Convention(
        low=low,
        high=high,
        channels_last=pick([True, False]),
        epochs=pick(["drop", "short"]),
        slope=pick([0.05, 0.1, 0.3, 0.4]),
        objective=pick(["logistic", "relativistic", "squares"]),
        temperature=pick([0.5, 2.0, 2.5, 3.0]),
        targets=pick([(-1.0, 2.0, 0.6), (0.2, 0.9, 0.7), (-2.0, 1.0, 0.5), (0.3, 1.5, 1.2)]),
        where=pick(["real", "fake", "between"]),
        gamma=pick([0.2, 0.4, 3.0, 5.0, 8.0]),
        unit=pick([0.25, 0.4, 3.0, 4.0]),
    )


@dataclass(frozen=True)
class Program:
    """The right source of a part, and its faults: hint → what of the source is replaced. Any of them can be planted."""

    source: str
    faults: Mapping[str, Edit | tuple[Edit, ...]] = field(default_factory=dict)

    @property
    def hints(self) -> list[str]:
        return [*self.faults]

    def with_faults(self, *numbers: int) -> str | None:
        """The source with these faults in it, or None where they stand in each other's way."""
        source = self.source
        for n in sorted(numbers):
            edit = self.faults[self.hints[n]]
            for old, new in edit if isinstance(edit[0], tuple) else (edit,):
                if source.count(old) != 1:
                    return None
                source = source.replace(old, new)
        return source

    def pairs(self) -> list[tuple[int, int]]:
        """Faults that can be planted together."""
        numbers = range(len(self.faults))
        return [(a, b) for a in numbers for b in numbers if a < b and self.with_faults(a, b)]


def planted(seed: str, programs: Mapping[str, Program], twice: int = 2) -> tuple[tuple[str, tuple[int, ...]], ...]:
    """One fault in each part, and two in some."""
    draw = random.Random(number(f"{seed}/a1/faults"))
    double = {*draw.sample([name for name, p in programs.items() if p.pairs()], twice)}
    return tuple(
        (name, draw.choice(p.pairs()) if name in double else (draw.randrange(len(p.faults)),))
        for name, p in programs.items()
    )


Maker = Callable[[Convention], Program]

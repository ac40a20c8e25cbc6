"""Question 7: a pool of old pictures, judged by how it behaves over a long stream of pictures.

Which random numbers an answer draws is its own affair. So no value is compared, but what must hold of any right pool:
where the pictures come from, how many are kept, how often an old one is shown, and how old it is.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import NamedTuple

import torch
from torch import Tensor, rand, randint

from genimg_utils.check import Function
from genimg_utils.grading.a3.convention import BASE, Convention
from genimg_utils.grading.question import Caller, Criterion, Question, Verdict, fresh
from genimg_utils.grading.sandbox import Crashed
from genimg_utils.grading.seeds import choices, drawing

LENGTH = 10_000
RULES = {
    "random": "the new one changes places with a kept one that is drawn at random, which is shown and no longer kept; "
    "else the new one is shown and not kept",
    "oldest": "the new one takes the place of the kept one that has been in the pool longest, which is shown and no "
    "longer kept; else the new one is shown and not kept",
    "always": "the kept one is shown; else the new one is. Shown or not, the kept one is gone, and the new one has its "
    "place",
}


def rule(c: Convention) -> str:
    always = "the new one is put in the place of a kept one that is drawn at random, always. "
    begin = always if c.leaves == "always" else ""
    return f"{begin}With chance {c.old:g} {RULES[c.leaves]}"


def pooled(c: Convention, pictures: Tensor, size: int) -> Tensor:
    places, coins = randint(size, (len(pictures),)).tolist(), (rand(len(pictures)) < c.old).tolist()
    kept: list[int] = []
    shown = []
    for new, (place, old) in enumerate(zip(places, coins, strict=True)):
        show = new
        if len(kept) < size:
            kept.append(new)
        elif c.leaves == "always":
            kept[place], show = new, kept[place] if old else new
        elif old:
            show = kept.pop(0 if c.leaves == "oldest" else place)
            kept.append(new)
        shown.append(show)
    return pictures[shown]


class Seen(NamedTuple):
    """What a stream gives away, after it has run in.

    unknown: share of what is shown that never came in; early: share that had not come in yet; new_first: whether all
    are shown as they come while there is room; old: share of old ones; most: how many kept ones are shown later, at
    most; twice: share of old ones that are shown again; age, spread: mean and standard deviation of the ages of old
    ones; still: share of old ones that are among the first that came; newest: share of old ones that came into the pool
    last; in_turn: share of old ones whose age is a multiple of the pool's size.
    """

    unknown: float
    early: float
    new_first: bool
    old: float
    most: int
    twice: float
    age: float
    spread: float
    still: float
    newest: float
    in_turn: float


def seen(pictures: Tensor, shown: Tensor, size: int, always: bool = False) -> Seen:
    """What is shown of a stream; always: whether every new picture goes into the pool, or only in an exchange."""
    numbers = {tuple(row): n for n, row in enumerate(pictures.float().tolist())}
    source = torch.tensor([numbers.get(tuple(row), -1) for row in shown.float().tolist()])
    when = torch.arange(len(source))
    ages = when - source
    settled = (when > len(source) // 4) & (source >= 0)
    old = settled & (ages > 0)
    kept = [0] * (len(source) + 1)  # at each step: what came before it, and is shown after it, comes and goes
    last = {came: step for step, came in enumerate(source.tolist()) if 0 <= came < step}
    for came, gone in last.items():
        kept[came] += 1
        kept[gone] -= 1
    entered = torch.where((ages != 0) | (when < size) | always, when, -1).cummax(dim=0).values
    of_old, count = ages[old].double(), max(1, int(old.sum()))
    shown_old = source[(ages > 0) & (source >= size)]
    return Seen(
        unknown=float((source < 0).float().mean()),
        early=float((ages < 0).float().mean()),
        new_first=bool((ages[:size] == 0).all()),
        old=float(old.sum() / max(1, int(settled.sum()))),
        most=max(accumulate(kept)),
        twice=1 - len(shown_old.unique()) / max(1, len(shown_old)),
        age=float(of_old.sum() / count),
        spread=float(of_old.std()) if count > 1 else 0.0,
        still=float((source[old] < size).sum() / count),
        newest=float((source == entered.roll(1))[old].sum() / count),
        in_turn=float((ages[old] % size == 0).sum() / count),
    )


def expected(c: Convention, size: int) -> tuple[float, float]:
    """Mean and standard deviation of the ages of old ones."""
    if c.leaves == "oldest":  # so many exchanges later
        return size / c.old, math.sqrt(size * (1 - c.old)) / c.old
    h = 1 / size if c.leaves == "always" else c.old / size  # geometric
    return 1 / h, math.sqrt(1 - h) / h


UNKNOWN = "something is shown that never came in: a pool gives back what it was given, and does not mix or change it. "
UNKNOWN += "At every call it begins empty."
EARLY = "pictures are shown before they came in. If yours lie in one tensor, what you take out of it changes when its "
EARLY += "place is filled again."
NEW_FIRST = "while there is room, every new picture is kept, and shown as it is."
NEVER = "only new pictures are shown. If one is kept, it was overwritten before it was shown, or one coin was thrown "
NEVER += "for all pictures."
ALWAYS_OLD = "once the pool is full, no new picture is shown: the coin is missing, or one was thrown for all pictures."
STILL = "the pool keeps its first pictures for ever: new ones never get in."
STAYS = "an old picture that was shown is shown again: it has left the pool."
HALF = "an old picture is shown with chance ½. In this hand-out the chance is another."
OTHER_SIDE = "the coin falls the other way round: the chance of the table is that of an old picture."
SHARE = "an old picture is shown with another chance than agreed."
LARGE = "more pictures are kept than the size of the pool allows."
SMALL = "fewer pictures are kept than the size of the pool allows."
OTHER_RULE = {
    "random": "the ages are those of a pool from which a random picture leaves, in an exchange with the new one.",
    "oldest": "the ages are those of a pool from which the oldest picture leaves.",
    "always": "the ages are those of a pool into which every new picture goes, shown or not.",
}
IN_TURN = "every age is a multiple of the pool's size: places are filled in turn, and another rule was agreed on."
LATEST = "the picture that leaves is the newest of those that are kept, always."
NOT_LAST = "the newest of the kept pictures never leaves: does your draw reach the last place?"
AGES = "old pictures are of other ages than this hand-out's rule makes them."
AGREED = " Another rule was agreed on."


@dataclass(frozen=True)
class Pool(Question):
    """Judged by how it behaves, whatever random numbers it draws."""

    convention: Convention = BASE

    def compared(self, caller: Caller) -> Verdict:
        held, text, always = {*self.criteria}, "", self.convention.leaves == "always"
        for pictures, size in self.shown.cases:
            try:
                said, found = caller.call(self.name, fresh((pictures, size)))
            except Crashed as crash:
                return Verdict("✗", 0, f"{crash}.")
            if said.get("error"):
                fault = f"on a stream that the example lacks, {self.failed(said, shown=False).text}"
                return Verdict("✗", 0, text or fault, bool(text))
            if fault := self.unlike(found, {"your answer": pictures}):
                return Verdict("✗", 0, fault)
            lost, told = self.lost(seen(pictures, found["your answer"], size, always), size)
            held, text = held - lost, text or told
        return Verdict("✗", self.merit(held), text, True) if text else Verdict("✓", self.marks, "right.")

    def lost(self, now: Seen, size: int) -> tuple[set[str], str]:
        """The criteria that do not hold, and the loudest reason."""
        c = self.convention
        if now.unknown or now.early:
            return {*self.criteria}, UNKNOWN if now.unknown else EARLY
        if now.old == 0:
            return {*self.criteria}, NEVER  # there is no pool
        if now.old == 1:
            return {*self.criteria} - {"honest"}, ALWAYS_OLD
        if now.still > 0.5:
            return {"size", "ages"}, STILL
        if now.newest > 0.9:
            return {"size", "ages"}, LATEST
        age, spread = expected(replace(c, old=now.old), size)  # a wrong share is marked once
        aged = off(now.age, age) > 0.1 or off(now.spread, spread) > 0.25
        large, small = now.most > size, now.most < size
        if c.leaves == "always":  # only those that are shown can be counted: the ages tell the rest
            geometric = off(now.spread, math.sqrt(max(0.0, now.age**2 - now.age))) < 0.15
            large = large or (geometric and now.age > 1.1 * size)
            small = now.most <= size // 2 or (geometric and now.age < 0.9 * size)
        other = self.other_rule(now, size) if aged else ""
        never_last = c.leaves != "oldest" and now.newest < 0.3 / size
        signs = [
            (LARGE, "size", now.most > size),
            (STAYS, "ages", now.twice > 0.02),
            (IN_TURN, "ages", now.in_turn > 0.6),
            (other, "ages", bool(other)),
            (SMALL, "size", small and not other),
            (NEW_FIRST, "honest", not now.new_first),
            (self.of_share(now), "share", abs(now.old - c.old) > 0.04),
            (LARGE, "size", large and not other),
            (NOT_LAST, "ages", never_last),
            (AGES, "ages", aged),
        ]
        lost = {criterion for _, criterion, wrong in signs if wrong}
        return lost, next((text for text, _, wrong in signs if wrong), "")

    def of_share(self, now: Seen) -> str:
        if abs(now.old - 0.5) < 0.04:
            return HALF
        return OTHER_SIDE if abs(now.old + self.convention.old - 1) < 0.04 else SHARE

    def other_rule(self, now: Seen, size: int) -> str:
        """What is said of a rule that makes ages such as these, if there is one."""
        for leaves, text in OTHER_RULE.items():
            age, spread = expected(Convention(leaves=leaves, old=now.old), size)
            if leaves != self.convention.leaves and off(now.age, age) < 0.15 and off(now.spread, spread) < 0.2:
                return text + AGREED
        return ""


def off(a: float, b: float) -> float:
    """By what share a is more or less than b; where b is 0, which only wrong ages make it, any a is far off."""
    return abs(a / b - 1) if b else math.inf


def question(c: Convention, seed: str) -> Pool:
    draw, shown, pick = drawing(f"{seed}/pooled"), drawing("example/pooled"), choices(f"{seed}/pooled")
    size = pick([8, 9, 10, 11])
    return Pool(
        name="pooled",
        title="A pool of old pictures",
        read="chapter 08, section 11",
        holds="each picture that is shown came in, now or before, and at most `size` are kept",
        task="`pooled(pictures, size)` sends a stream of pictures `[T, P]` through a pool, one by one, and returns "
        "what the discriminator is shown, `[T, P]`. At every call the pool is empty at first. While it keeps fewer "
        f"than `size` pictures, each new one is kept, and shown. Once it is full: {rule(c)}. Draw with `torch.rand`, "
        "`torch.randint` or as you like: the grader looks at how the pool behaves.",
        stub='def pooled(pictures, size):\n    """What D is shown of a stream of pictures [T, P], [T, P]."""',
        reference=lambda *a: pooled(c, *a),
        example=(shown(4, 2), 5),
        criteria={
            "honest": Criterion(3, [(draw(LENGTH, 2), size), (draw(LENGTH, 3), pick([5, 6, 7]))]),
            "share": Criterion(3, []),
            "size": Criterion(3, []),
            "ages": Criterion(3, []),
        },
        wrong=wrong(c),
        convention=c,
    )


def wrong(c: Convention) -> dict[str, list[Function]]:
    """Pools that go wrong, each under what is said of it."""

    def other(**how: object) -> Callable[[Tensor, int], Tensor]:
        return lambda pictures, size: pooled(Convention(**({"old": c.old, "leaves": c.leaves} | how)), pictures, size)  # type: ignore[arg-type]

    def stays(pictures: Tensor, size: int) -> Tensor:
        """Old ones are shown and kept; new ones take another's place."""
        places, coins = randint(size, (len(pictures), 2)).tolist(), (rand(len(pictures)) < c.old).tolist()
        shown = [*range(min(size, len(pictures)))]
        kept = [*shown]
        for new in range(size, len(pictures)):
            shown.append(kept[places[new][0]] if coins[new] else new)
            kept[places[new][1]] = new
        return pictures[shown]

    def first_ones(pictures: Tensor, size: int) -> Tensor:
        size = min(size, len(pictures))
        old = (rand(len(pictures), 1) < c.old) & (torch.arange(len(pictures))[:, None] >= size)
        return torch.where(old, pictures[randint(size, (len(pictures),))], pictures)

    def at_once(pictures: Tensor, size: int) -> Tensor:
        """Old ones while there is room, too."""
        shown = pooled(c, pictures, size)
        shown[1:size] = pictures[0]
        return shown

    def queue(leaving: Callable[[int], int]) -> Callable[[Tensor, int], Tensor]:
        """Pictures stand in the order in which they came; leaving(now) says which one goes."""

        def function(pictures: Tensor, size: int) -> Tensor:
            coins = (rand(len(pictures)) < c.old).tolist()
            kept: list[int] = []
            shown = [*range(len(pictures))]
            for new, old in enumerate(coins):
                if len(kept) < size:
                    kept.append(new)
                elif old or c.leaves == "always":
                    left = kept.pop(leaving(size))
                    kept.append(new)
                    shown[new] = left if old else new
            return pictures[shown]

        return function

    def in_turn(pictures: Tensor, size: int) -> Tensor:
        """Place after place is filled, whether its picture is shown or stays."""
        coins, shown = (rand(len(pictures)) < c.old).tolist(), [*range(len(pictures))]
        kept = shown[:size]
        for new in range(size, len(pictures)):
            if coins[new]:
                shown[new] = kept[new % size]
            if coins[new] or c.leaves == "always":
                kept[new % size] = new
        return pictures[shown]

    return {
        UNKNOWN: [
            lambda pictures, size: (pictures + pictures.roll(1, 0)) / 2 if len(pictures) > size else pictures,
            lambda pictures, size: torch.cat([pictures[:size], 0 * pictures[size:]]),
        ],
        EARLY: [lambda pictures, size: torch.cat([pictures[:size], pictures[size:].roll(-1, 0)])],
        NEW_FIRST: [lambda pictures, size: pictures if len(pictures) < size else at_once(pictures, size)],
        NEVER: [lambda pictures, size: pictures],
        ALWAYS_OLD: [other(old=1.0)],
        STILL: [first_ones],
        STAYS: [stays],
        HALF: [other(old=0.5)],
        OTHER_SIDE: [other(old=1 - c.old)],
        SHARE: [other(old=0.9), other(old=0.1)],
        LARGE: [
            lambda pictures, size: pooled(c, pictures, size + 1),
            lambda pictures, size: pooled(c, pictures, 2 * size),
        ],
        SMALL: [lambda pictures, size: pooled(c, pictures, size // 2)],
        IN_TURN: [in_turn],
        LATEST: [queue(lambda size: -1)],
        NOT_LAST: [queue(lambda size: int(randint(size - 1, ())))] * (c.leaves != "oldest"),
    } | {text + AGREED: [other(leaves=leaves)] for leaves, text in OTHER_RULE.items() if leaves != c.leaves}

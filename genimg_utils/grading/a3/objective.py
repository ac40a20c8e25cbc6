"""Questions 3 and 4: what is compared with pictures."""

from dataclasses import replace
from typing import Any

from torch import Tensor, cat

from genimg_utils.check import Function
from genimg_utils.check.common import NO_GRADIENT
from genimg_utils.grading.a3 import convention as of
from genimg_utils.grading.a3.convention import Convention
from genimg_utils.grading.a3.norms import Far, faults
from genimg_utils.grading.a3.summed import Summed
from genimg_utils.grading.question import Criterion
from genimg_utils.grading.seeds import Draw, drawing
from genimg_utils.grading.wire import mlp


def players(draw: Draw, P: int, *outputs: int, linear: bool = False) -> Any:
    """A network from [B, P] to [B, n] for each n: two layers, or one in examples, which show every weight."""

    def network(n: int) -> Any:
        return mlp([draw(n, P), draw(n)] if linear else [draw(4, P), draw(4), draw(n, 4) / 2, draw(n) / 2])

    return [network(n) for n in outputs]


def cycle(c: Convention, seed: str) -> Summed:
    draw, shown = drawing(f"{seed}/cycle"), drawing("example/cycle")

    def case(B: int, M: int, P: int, draw: Draw = draw) -> tuple:
        return draw(B, P), draw(M, P), *players(draw, P, P, P, linear=draw is shown)

    def weighed(*weights: Any) -> Function:
        return lambda *a: of.cycle(replace(c, cycle=weights), *a)

    def by(first: Function, second: Function) -> Function:
        """The norms of two functions of x, y, G and F, which give what is compared."""

        def function(x: Tensor, y: Tensor, *two: Any) -> Any:
            given = x, y, *c.pair(two)
            return sum(w * of.apart(c, c.norm, *f(*given)) for w, f in zip(c.cycle, (first, second), strict=True))

        return function

    def made(far: Far) -> Function:
        def function(x: Tensor, y: Tensor, *two: Any) -> Tensor:
            G, F = c.pair(two)
            return c.cycle[0] * far(F(G(x)), x) + c.cycle[1] * far(G(F(y)), y)

        return function

    def heap(weight: float) -> Function:
        """One mean over the pictures of both domains."""

        def function(x: Tensor, y: Tensor, *two: Any) -> Tensor:
            G, F = c.pair(two)
            return weight * of.apart(c, c.norm, cat([F(G(x)), G(F(y))]), cat([x, y]))

        return function

    cut = by(lambda x, y, G, F: (F(G(x).detach()), x), lambda x, y, G, F: (G(F(y).detach()), y))
    there = by(lambda x, y, G, F: (F(G(x)), x), lambda x, y, G, F: (G(F(y)), y))
    for_x, for_y = c.cycle
    missing = "one direction is missing: nothing asks {} to bring back what it is given from the other domain."
    wrong: dict[str, list[Function]] = {
        missing.format("G"): [weighed(for_x, 0.0)],
        missing.format("F"): [weighed(0.0, for_y)],
        "the two directions have each other's weight.": [weighed(for_y, for_x)],
        "both directions have the same weight, and two were agreed on.": [
            weighed(for_x, for_x), weighed(for_y, for_y), weighed(10.0, 10.0),
            weighed((for_x + for_y) / 2, (for_x + for_y) / 2),
        ],
        "pictures of both domains are thrown together: each direction has a mean of its own.": [
            heap(for_x + for_y), heap((for_x + for_y) / 2), heap(1.0), heap(2.0),
        ],
        "the weights are left out.": [weighed(1.0, 1.0)],
        "the two directions are averaged, and they are to be added.": [weighed(for_x / 2, for_y / 2)],
        "G and F are exchanged: G takes X to Y, and F takes Y to X. Look at the order of the arguments.": [
            lambda x, y, *two: of.cycle(c, x, y, *two[::-1])
        ],
        "what came back is compared with a picture of the other domain. x and y are no pairs: they never meet.": [
            by(lambda x, y, G, F: (F(G(x)), y), lambda x, y, G, F: (G(F(y)), x)),
        ],
        "that compares a translation with the other domain's picture, as if these were pairs.": [
            by(lambda x, y, G, F: (G(x), y), lambda x, y, G, F: (F(y), x)),
        ],
        "nothing comes back: a translation is compared with the picture that it was made of.": [
            by(lambda x, y, G, F: (G(x), x), lambda x, y, G, F: (F(y), y)),
        ],
        "what came back is compared with the translation: it should be the picture that went out.": [
            by(lambda x, y, G, F: (F(G(x)), G(x)), lambda x, y, G, F: (G(F(y)), F(y))),
        ],
        "one generator goes both ways: the way back is the other one's.": [
            by(lambda x, y, G, F: (G(G(x)), x), lambda x, y, G, F: (F(F(y)), y)),
        ],
        "the number is right, and the way there gets no slope: each round trip was cut off in the middle.": [cut],
        NO_GRADIENT: [lambda *a: there(*a).detach()],
    } | faults(c, c.norm, made)  # fmt: skip
    return Summed(
        name="cycle",
        title="There and back",
        read="chapter 08, sections 2 and 8",
        holds="0 where every picture comes back as it was, with slopes for both generators",
        task=f"`cycle(x, y, {c.two()})` returns the cycle loss, one number, with the norm and the two weights of the "
        "table. `x` `[B, P]` and `y` `[M, P]` are pictures of X and Y in P numbers and no pairs; `G` takes X to Y, "
        "`F` takes Y to X.",
        stub=f'def cycle(x, y, {c.two()}):\n    """The weighted cycle loss, a number; x [B, P], y [M, P]."""',
        reference=lambda *a: of.cycle(c, *a),
        example=case(2, 2, 2, shown),
        criteria={
            "values": Criterion(6, [case(3, 3, 3), case(1, 2, 4), case(3, 5, 2)]),
            "slopes": Criterion(4, [case(3, 2, 3)], slopes=(2, 3), hint=NO_GRADIENT),
        },
        wrong=wrong,
        modules=True,
        terms={"the way from X and back": weighed(for_x, 0.0), "the way from Y and back": weighed(0.0, for_y)},
    )


def identity(c: Convention, seed: str) -> Summed:
    draw, shown = drawing(f"{seed}/identity"), drawing("example/identity")

    def case(B: int, M: int, P: int, draw: Draw = draw) -> tuple:
        return draw(B, P), draw(M, P), *players(draw, P, P, P, linear=draw is shown)

    def by(first: Function, second: Function, weight: float = c.keep) -> Function:
        def function(x: Tensor, y: Tensor, *two: Any) -> Any:
            given = x, y, *c.pair(two)
            return weight * sum(of.apart(c, c.keep_norm, *f(*given)) for f in (first, second))

        return function

    def made(far: Far, of_G: float = c.keep, of_F: float = c.keep) -> Function:
        def function(x: Tensor, y: Tensor, *two: Any) -> Tensor:
            G, F = c.pair(two)
            return of_G * far(G(y), y) + of_F * far(F(x), x)

        return function

    def weighed(of_G: float, of_F: float) -> Function:
        return made(lambda a, b: of.apart(c, c.keep_norm, a, b), of_G, of_F)

    def heap(weight: float) -> Function:
        """One mean over the pictures of both domains."""

        def function(x: Tensor, y: Tensor, *two: Any) -> Tensor:
            G, F = c.pair(two)
            return weight * of.apart(c, c.keep_norm, cat([G(y), F(x)]), cat([y, x]))

        return function

    for_x, for_y = c.cycle
    none = lambda x, y, G, F: (x, x)  # noqa: E731
    of_G, of_F = lambda x, y, G, F: (G(y), y), lambda x, y, G, F: (F(x), x)
    wrong: dict[str, list[Function]] = {
        "that asks both to leave alone what they should translate: G is asked to keep y, which is in Y already.": [
            by(lambda x, y, G, F: (G(x), x), lambda x, y, G, F: (F(y), y)),
        ],
        "G's part is missing: it should leave y as it is.": [by(none, of_F)],
        "F's part is missing: it should leave x as it is.": [by(of_G, none)],
        "the weight is left out.": [by(of_G, of_F, 1.0)],
        "the weights are those of the cycle: the identity loss has one of its own.": [
            weighed(for_x, for_x), weighed(for_y, for_y), weighed(10.0, 10.0), weighed(for_x, for_y),
            weighed(for_y, for_x),
        ],
        "the cycle's weights are in it, too: the identity loss has its own alone.": [
            weighed(c.keep * u, c.keep * v)
            for u, v in ((for_x, for_y), (for_y, for_x), (for_x, for_x), (for_y, for_y))
            if (u, v) != (2.0, 2.0)  # which may be a half that is missing
        ],
        "the weight is half of the cycle's, as in the paper: here one of its own was agreed on.": [
            by(of_G, of_F, w / 2) for w in c.cycle if w / 2 not in (c.keep, 1.0, *c.cycle)
        ] + [by(of_G, of_F, 5.0)] * (5.0 not in c.cycle),
        "the two parts are averaged, and they are to be added.": [by(of_G, of_F, c.keep / 2)],
        "the two parts are subtracted, and they are to be added.": [weighed(c.keep, -c.keep), weighed(-c.keep, c.keep)],
        "pictures of both domains are thrown together: each part has a mean of its own.": [
            heap(c.keep), heap(2 * c.keep)
        ],
        "one generator is asked to keep pictures of both domains: each has its target domain.": [
            by(of_F, lambda x, y, G, F: (F(y), y)), by(of_G, lambda x, y, G, F: (G(x), x)),
        ],
        "both generators are asked to keep pictures of both domains: each leaves alone its target domain's.": [
            lambda *a: weighed(c.keep, c.keep)(*a) + weighed(c.keep, c.keep)(a[1], a[0], *a[2:])
        ],
        "each is compared with a picture of the other domain, as if x and y were pairs.": [
            by(lambda x, y, G, F: (G(y), x), lambda x, y, G, F: (F(x), y)),
            by(lambda x, y, G, F: (G(x), y), lambda x, y, G, F: (F(y), x)),
        ],
        "that is a round trip, the cycle loss: here nothing is translated back.": [
            by(lambda x, y, G, F: (F(G(x)), x), lambda x, y, G, F: (G(F(y)), y)),
        ],
        NO_GRADIENT: [lambda *a: of.identity(c, *a).detach()],
    } | faults(c, c.keep_norm, made)  # fmt: skip
    return Summed(
        name="identity",
        title="What should stay",
        read="chapter 08, section 6",
        holds="0 where G leaves every y and F every x as it is, with slopes for both",
        task=f"`identity(x, y, {c.two()})` returns the identity loss, one number, with its own norm and weight from "
        "the table: each generator leaves alone what is in its target domain already. Shapes as in part 3.",
        stub=f'def identity(x, y, {c.two()}):\n    """The weighted identity loss, a number; x [B, P], y [M, P]."""',
        reference=lambda *a: of.identity(c, *a),
        example=case(2, 2, 2, shown),
        criteria={
            "values": Criterion(5, [case(3, 3, 3), case(1, 2, 4), case(3, 5, 2)]),
            "slopes": Criterion(3, [case(3, 2, 3)], slopes=(2, 3), hint=NO_GRADIENT),
        },
        wrong=wrong,
        modules=True,
        terms={"G's part": by(none, of_G), "F's part": by(none, of_F)},
    )

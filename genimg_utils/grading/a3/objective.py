"""Questions 3 to 5: what is compared with pictures, and all that the generators minimise."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from torch import Tensor

from genimg_utils.check import Function
from genimg_utils.check.common import NO_GRADIENT
from genimg_utils.grading.a3 import convention as of
from genimg_utils.grading.a3.convention import NORMS, Convention
from genimg_utils.grading.question import Criterion, Question
from genimg_utils.grading.seeds import Draw, drawing
from genimg_utils.grading.wire import mlp


def other_norms(c: Convention, kind: str, function: Callable[..., Tensor], field: str) -> dict[str, list[Function]]:
    """Another norm than the agreed one, another mean, another width of the norm's bend."""

    def changed(**how: Any) -> list[Function]:
        return [lambda *a: function(replace(c, **how), *a)]

    over = "added up" if c.added else "averaged"
    found = {
        f"that is the norm {name}, and another was agreed on: look at the table.": changed(**{field: name})
        for name in NORMS
        if name != kind
    } | {
        f"the numbers of a picture are {'averaged' if c.added else 'added up'}; in this hand-out they are "
        f"{over}.": changed(added=not c.added),
    }
    if kind in ("Huber", "soft"):
        found["the norm is right but for the number in it."] = changed(bend=1.0) + changed(bend=c.bend**2)
    if kind == "Huber":
        found["the half of the norm's square is missing, or that of its straight part."] = [
            lambda *a: 2 * function(c, *a),
            lambda *a: function(c, *a) / c.bend,
        ]
    return found


def players(draw: Draw, P: int, *outputs: int, linear: bool = False) -> Any:
    """A network from [B, P] to [B, n] for each n: two layers, or one in examples, which show every weight."""

    def network(n: int) -> Any:
        return mlp([draw(n, P), draw(n)] if linear else [draw(4, P), draw(4), draw(n, 4) / 2, draw(n) / 2])

    return [network(n) for n in outputs]


def cycle(c: Convention, seed: str) -> Question:
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
        "one generator goes both ways: the way back is the other one's.": [
            by(lambda x, y, G, F: (G(G(x)), x), lambda x, y, G, F: (F(F(y)), y)),
        ],
        "the number is right, and the way there gets no slope: each round trip was cut off in the middle.": [cut],
        NO_GRADIENT: [lambda *a: there(*a).detach()],
    } | other_norms(c, c.norm, of.cycle, "norm")  # fmt: skip
    return Question(
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
    )


def identity(c: Convention, seed: str) -> Question:
    draw, shown = drawing(f"{seed}/identity"), drawing("example/identity")

    def case(B: int, M: int, P: int, draw: Draw = draw) -> tuple:
        return draw(B, P), draw(M, P), *players(draw, P, P, P, linear=draw is shown)

    def by(first: Function, second: Function, weight: float = c.keep) -> Function:
        def function(x: Tensor, y: Tensor, *two: Any) -> Any:
            given = x, y, *c.pair(two)
            return weight * sum(of.apart(c, c.keep_norm, *f(*given)) for f in (first, second))

        return function

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
            by(of_G, of_F, c.cycle[0]), by(of_G, of_F, c.cycle[1]), by(of_G, of_F, 10.0),
        ],
        "the weight is half of the cycle's, as in the paper: here one of its own was agreed on.": [
            by(of_G, of_F, w / 2) for w in c.cycle if w / 2 not in (c.keep, 1.0)
        ] + [by(of_G, of_F, 5.0)] * (5.0 not in c.cycle),
        "the two parts are averaged, and they are to be added.": [by(of_G, of_F, c.keep / 2)],
        "each is compared with a picture of the other domain.": [
            by(lambda x, y, G, F: (G(y), x), lambda x, y, G, F: (F(x), y)),
        ],
        "that is a round trip, the cycle loss: here nothing is translated back.": [
            by(lambda x, y, G, F: (F(G(x)), x), lambda x, y, G, F: (G(F(y)), y)),
        ],
        NO_GRADIENT: [lambda *a: of.identity(c, *a).detach()],
    } | other_norms(c, c.keep_norm, of.identity, "keep_norm")  # fmt: skip
    return Question(
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
    )


def total(c: Convention, seed: str) -> Question:
    draw, shown = drawing(f"{seed}/total"), drawing("example/total")

    def case(B: int, M: int, P: int, K: int, draw: Draw = draw) -> tuple:
        return draw(B, P), draw(M, P), *players(draw, P, P, P, K, K, linear=draw is shown)

    def by(
        fool: Function = lambda G, D, x, other: D(G(x)),
        of_G: float = 1.0, of_F: float = 1.0, to_and_fro: float = 1.0, keep: float = 1.0,
        loss: Function = lambda said: of.loss_G(c, said),
    ) -> Function:  # fmt: skip
        def function(x: Tensor, y: Tensor, *every: Any) -> Tensor:
            *two, D_X, D_Y = every
            G, F = c.pair(two)
            fooled = of_G * loss(fool(G, D_Y, x, y)) + of_F * loss(fool(F, D_X, y, x))
            return fooled + to_and_fro * of.cycle(c, x, y, *two) + keep * of.identity(c, x, y, *two)

        return function

    generated, real_label, _ = c.labels
    cut = "the number is right, and no slope of {} reaches the generators: something was cut off on the way."

    def quiet_cycle(x: Tensor, y: Tensor, *every: Any) -> Tensor:
        right = of.total(c, x, y, *every)
        rest = of.cycle(c, x, y, *every[:2])
        return right - rest + rest.detach()

    def with_D(x: Tensor, y: Tensor, *every: Any) -> Tensor:
        *two, D_X, D_Y = every
        G, F = c.pair(two)
        pairs = [(D_X(x), D_X(F(y))), (D_Y(y), D_Y(G(x)))]
        return of.total(c, x, y, *every) + sum(of.loss_D(replace(c, real_first=True), *pair) for pair in pairs)

    wrong: dict[str, list[Function]] = {
        "the cycle loss is missing: nothing would tie a translation to its picture.": [by(to_and_fro=0.0)],
        "the identity loss is missing.": [by(keep=0.0)],
        "only G has a discriminator to fool: F's term is missing.": [by(of_F=0.0)],
        "only F has a discriminator to fool: G's term is missing.": [by(of_G=0.0)],
        "no discriminator is fooled: two generators that do nothing would be at their best.": [by(of_G=0.0, of_F=0.0)],
        "each translation is shown to the discriminator of the domain that it comes from.": [
            lambda x, y, *every: of.total(c, x, y, *every[:2], *every[:1:-1])
        ],
        "the discriminators are shown real pictures, and no translation.": [by(lambda G, D, x, other: D(other))],
        "the discriminators are shown pictures that nobody translated, of the other domain.": [
            by(lambda G, D, x, other: D(x))
        ],
        "the discriminators are shown round trips or kept pictures: the translations are to fool them.": [
            by(lambda G, D, x, other: D(G(other)))
        ],
        "generated pictures are pulled to the label of real ones: generators aim elsewhere.": [
            by(loss=lambda said: of.toward(c, said, real_label))
        ],
        "generated pictures are pulled to the label that D gives them: the generators would help it.": [
            by(loss=lambda said: of.toward(c, said, generated))
        ],
        "the adversarial terms have the wrong sign.": [by(of_G=-1.0, of_F=-1.0)],
        "the adversarial terms are averaged, and they are to be added.": [by(of_G=0.5, of_F=0.5)],
        "the cycle's weights are in it twice: part 3 has them already.": [
            lambda *a: of.total(replace(c, cycle=(c.cycle[0] ** 2, c.cycle[1] ** 2)), *a),
            by(to_and_fro=10.0), by(to_and_fro=c.cycle[0]), by(to_and_fro=c.cycle[1]),
        ],
        "the weight of the identity loss is in it twice: part 4 has it already.": [by(keep=c.keep)],
        "the discriminators' loss is in it: it is theirs, and pulls the other way.": [with_D],
        "G and F are exchanged: G takes X to Y, and F takes Y to X. Look at the order of the arguments.": [
            lambda x, y, first, second, *D: of.total(c, x, y, second, first, *D)
        ],
        cut.format("the adversarial terms"): [by(lambda G, D, x, other: D(G(x).detach()))],
        cut.format("the cycle"): [quiet_cycle],
        NO_GRADIENT: [lambda *a: of.total(c, *a).detach()],
    }  # fmt: skip
    return Question(
        name="total",
        title="All that the generators minimise",
        read="chapter 08, section 2",
        holds="the sum of two adversarial terms, the cycle and the identity loss, with slopes for both generators",
        task=f"`total(x, y, {c.two()}, D_X, D_Y)` returns what both generators minimise together, one number: for "
        "each what fools its discriminator, as in part 2, the cycle and the identity loss, all added. `D_X` and "
        "`D_Y` take pictures `[B, P]` to `[B, K]`; `D_Y` judges what should lie in Y.",
        stub=f'def total(x, y, {c.two()}, D_X, D_Y):\n    """All that G and F minimise, a number."""',
        reference=lambda *a: of.total(c, *a),
        example=case(2, 2, 2, 2, shown),
        criteria={
            "values": Criterion(6, [case(3, 3, 3, 2), case(1, 2, 4, 3), case(3, 5, 2, 1)]),
            "slopes": Criterion(4, [case(3, 2, 3, 2)], slopes=(2, 3), hint=NO_GRADIENT),
        },
        wrong=wrong,
        modules=True,
    )

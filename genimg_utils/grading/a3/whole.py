"""Question 5: all that the generators minimise."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from torch import Tensor, cat

from genimg_utils.check import Function
from genimg_utils.check.common import NO_GRADIENT
from genimg_utils.grading.a3 import convention as of
from genimg_utils.grading.a3.convention import Convention
from genimg_utils.grading.a3.objective import players
from genimg_utils.grading.a3.summed import Summed
from genimg_utils.grading.question import Criterion
from genimg_utils.grading.seeds import Draw, drawing


def total(c: Convention, seed: str) -> Summed:
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

    def turned(cycle: bool, exchange: Callable[..., tuple]) -> Function:
        """One of parts 3 and 4 called with arguments in the wrong order."""

        def function(x: Tensor, y: Tensor, *every: Any) -> Tensor:
            given, part = (x, y, *every[:2]), of.cycle if cycle else of.identity
            return of.total(c, x, y, *every) - part(c, *given) + part(c, *exchange(*given))

        return function

    pictures, generators = lambda x, y, A, B: (y, x, A, B), lambda x, y, A, B: (x, y, B, A)

    def judges(sign: float) -> Function:
        """The discriminators' loss in place of what fools them."""
        without = by(of_G=0.0, of_F=0.0)
        return lambda *a: without(*a) + sign * (with_D(*a) - of.total(c, *a))

    def together(x: Tensor, y: Tensor, *every: Any) -> Tensor:
        *two, D_X, D_Y = every
        G, F = c.pair(two)
        return of.loss_G(c, cat([D_Y(G(x)), D_X(F(y))])) + by(of_G=0.0, of_F=0.0)(x, y, *every)

    def round_trips(x: Tensor, y: Tensor, *every: Any) -> Tensor:
        *two, D_X, D_Y = every
        G, F = c.pair(two)
        return of.loss_G(c, D_X(F(G(x)))) + of.loss_G(c, D_Y(G(F(y)))) + by(of_G=0.0, of_F=0.0)(x, y, *every)

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
        "one discriminator judges both domains' translations: each domain has its own.": [
            lambda x, y, *every: of.total(c, x, y, *every[:3], every[2]),
            lambda x, y, *every: of.total(c, x, y, *every[:2], every[3], every[3]),
        ],
        "the discriminators are shown real pictures, and no translation.": [by(lambda G, D, x, other: D(other))],
        "the discriminators are shown pictures that nobody translated, of the other domain.": [
            by(lambda G, D, x, other: D(x))
        ],
        "the discriminators are shown round trips or kept pictures: the translations are to fool them.": [
            by(lambda G, D, x, other: D(G(other))), round_trips,
        ],
        "generated pictures are pulled to the label of real ones: generators aim elsewhere.": [
            by(loss=lambda said: of.toward(c, said, real_label))
        ],
        "generated pictures are pulled to the label that D gives them: the generators would help it.": [
            by(loss=lambda said: of.toward(c, said, generated))
        ],
        "the adversarial terms have the wrong sign.": [by(of_G=-1.0, of_F=-1.0)],
        "the adversarial terms are averaged, and they are to be added.": [
            by(of_G=0.5, of_F=0.5), together,
        ],
        "the whole is halved: its terms are added, and no mean is taken of them.": [lambda *a: of.total(c, *a) / 2],
        "the cycle's weights are in it twice: part 3 has them already.": [
            lambda *a: of.total(replace(c, cycle=(c.cycle[0] ** 2, c.cycle[1] ** 2)), *a),
            by(to_and_fro=10.0), by(to_and_fro=c.cycle[0]), by(to_and_fro=c.cycle[1]),
        ],
        "the weight of the identity loss is in it twice: part 4 has it already.": [by(keep=c.keep)],
        "the discriminators' loss is in it: it is theirs, and pulls the other way.": [with_D, judges(1.0)],
        "the generators climb the discriminators' loss: agreed is what part 2 has them minimise.": [judges(-1.0)],
        "the cycle loss is called with arguments in the wrong order.": [
            turned(True, generators), turned(True, pictures),
        ],
        "the identity loss is called with arguments in the wrong order.": [
            turned(False, generators), turned(False, pictures),
        ],
        "G and F are exchanged: G takes X to Y, and F takes Y to X. Look at the order of the arguments.": [
            lambda x, y, first, second, *D: of.total(c, x, y, second, first, *D)
        ],
        cut.format("the adversarial terms"): [by(lambda G, D, x, other: D(G(x).detach()))],
        cut.format("the cycle"): [quiet_cycle],
        NO_GRADIENT: [lambda *a: of.total(c, *a).detach()],
    }  # fmt: skip
    return Summed(
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
        terms={
            "what G's discriminator says": by(of_F=0.0, to_and_fro=0.0, keep=0.0),
            "what F's discriminator says": by(of_G=0.0, to_and_fro=0.0, keep=0.0),
            "the cycle loss": by(of_G=0.0, of_F=0.0, keep=0.0),
            "the identity loss": by(of_G=0.0, of_F=0.0, to_and_fro=0.0),
        },
    )

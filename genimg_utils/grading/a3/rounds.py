"""Question 8: rounds of the game, in which no player's gradient may reach the other."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor, nn, zeros
from torch.optim import SGD, Adam

from genimg_utils.check import Function
from genimg_utils.grading.a3 import convention as of
from genimg_utils.grading.a3.convention import Convention
from genimg_utils.grading.a3.objective import players
from genimg_utils.grading.question import Criterion, Question
from genimg_utils.grading.seeds import Draw, drawing
from genimg_utils.grading.wire import Observation

ORDERS = {
    "old": "first both generators, then both discriminators, on the translations that were drawn before the "
    "generators moved",
    "new": "first both generators, then both discriminators, on translations that the moved generators draw anew",
    "D": "first both discriminators, then both generators, against the moved discriminators",
}


@dataclass(frozen=True)
class Rounds(Question):
    """Four networks, of which some may move as they should."""

    def difference(self, criterion: Criterion, yours: list[Observation], right: list[Observation]) -> str:
        """Which of them, in words."""
        parts = {part: self.named(part).rsplit(" of ")[-1] for part in right[0]}
        wrong = {
            parts[part]
            for mine, true in zip(yours, right, strict=True)
            for part in true
            if not self.close(mine[part], true[part])
        }
        off, held = (", ".join(n for n in dict.fromkeys(parts.values()) if (n in wrong) == w) for w in (True, False))
        return f"off: {off}; moved as agreed: {held or 'none'}. Expected: {self.holds}."


def weights(*networks: Any) -> list[nn.Parameter]:
    return [p for network in networks for p in network.parameters()] or [nn.Parameter(zeros(1))]


def of_discriminators(c: Convention, x: Tensor, y: Tensor, fake_x: Tensor, fake_y: Tensor, *D: Any) -> Tensor:
    """What both discriminators minimise together."""
    D_X, D_Y = D
    c = replace(c, real_first=True)
    return of.loss_D(c, D_X(x), D_X(fake_x)) + of.loss_D(c, D_Y(y), D_Y(fake_y))


def rounds(
    c: Convention,
    xs: Tensor,
    ys: Tensor,
    *every: Any,
    judge: Function = of_discriminators,
    aim: Function = of.total,
    clear_GF: bool = True,
    clear_D: bool = True,
    attached: bool = False,
    trained: tuple[int, ...] = (0, 1, 2, 3),
    optimiser: Callable[..., Any] = SGD,
    crossed: bool = False,
    apart: bool = False,
) -> None:
    """The game, in place; the switches plant faults.

    clear: whether a player's gradients are cleared before its step; attached: whether D's loss reaches the generators;
    trained: which of G, F, D_X, D_Y; crossed: whether each D is shown the other's translations; apart: whether F moves
    after G, against the moved G.
    """
    *two, D_X, D_Y = every
    G, F = c.pair(two)
    one = [n for i, n in enumerate((G, F)) if i in trained]
    other = [n for i, n in enumerate((D_X, D_Y), 2) if i in trained]
    opt_GF, opt_D = optimiser(weights(*one), lr=c.rates[0]), optimiser(weights(*other), lr=c.rates[1])

    def generators(x: Tensor, y: Tensor) -> None:
        for moved in (G, F) if apart else (None,):
            clear(opt_GF, clear_GF)
            aim(c, x, y, *every).backward()
            for still in (G, F):
                if apart and still is not moved:
                    still.zero_grad()
            opt_GF.step()

    def discriminators(x: Tensor, y: Tensor, fake_x: Tensor, fake_y: Tensor) -> None:
        clear(opt_D, clear_D)
        pair = (fake_y, fake_x) if crossed else (fake_x, fake_y)
        judge(c, x, y, *(fake if attached else fake.detach() for fake in pair), D_X, D_Y).backward()
        opt_D.step()

    for x, y in zip(xs, ys, strict=True):
        if c.order == "D":
            discriminators(x, y, F(y), G(x))
            generators(x, y)
        else:
            if c.order == "old":
                fake_x, fake_y = F(y), G(x)
                if not attached:
                    fake_x, fake_y = fake_x.detach(), fake_y.detach()
            generators(x, y)
            if c.order == "new" or attached:
                fake_x, fake_y = F(y), G(x)
            discriminators(x, y, fake_x, fake_y)


def clear(optimiser: Any, really: bool) -> None:
    if really:
        optimiser.zero_grad()


def all_at_once(c: Convention, xs: Tensor, ys: Tensor, *every: Any, signs: tuple[float, float] = (1.0, 1.0)) -> None:
    """One optimiser for all four, on the sum of both losses."""
    *two, D_X, D_Y = every
    G, F = c.pair(two)
    optimiser = SGD([{"params": weights(G, F), "lr": c.rates[0]}, {"params": weights(D_X, D_Y), "lr": c.rates[1]}])
    for x, y in zip(xs, ys, strict=True):
        judged = of_discriminators(c, x, y, F(y).detach(), G(x).detach(), D_X, D_Y)
        optimiser.zero_grad()
        (signs[0] * of.total(c, x, y, *every) + signs[1] * judged).backward()
        optimiser.step()


def leaking(c: Convention, xs: Tensor, ys: Tensor, *every: Any, all_of_it: bool = False) -> None:
    """Both players go back before one moves, through translations that are not detached.

    all_of_it: whether the discriminators keep what the generators' loss left in them, too.
    """
    *two, D_X, D_Y = every
    G, F = c.pair(two)
    opt_GF, opt_D = SGD(weights(G, F), lr=c.rates[0]), SGD(weights(D_X, D_Y), lr=c.rates[1])
    for x, y in zip(xs, ys, strict=True):
        opt_GF.zero_grad()
        opt_D.zero_grad()
        of.total(c, x, y, *every).backward()
        clear(opt_D, not all_of_it)
        of_discriminators(c, x, y, F(y), G(x), D_X, D_Y).backward()
        opt_GF.step()
        opt_D.step()


def play(c: Convention, seed: str) -> Rounds:
    draw, shown = drawing(f"{seed}/play"), drawing("example/play")

    def case(T: int, B: int, M: int, P: int, K: int, draw: Draw = draw) -> tuple:
        return draw(T, B, P), draw(T, M, P), *players(draw, P, P, P, K, K, linear=draw is shown)

    def varied(c: Convention = c, **how: Any) -> list[Function]:
        return [lambda *a: rounds(c, *a, **how)]

    def without(**how: Any) -> Function:
        """The generators' loss under a changed convention."""
        return lambda c, *a: of.total(replace(c, **how), *a)

    def minimax(c: Convention, x: Tensor, y: Tensor, *every: Any) -> Tensor:
        *two, D_X, D_Y = every
        G, F = c.pair(two)
        rest = of.cycle(c, x, y, *two) + of.identity(c, x, y, *two)
        return rest - of_discriminators(c, x, y, F(y), G(x), D_X, D_Y)

    def exchanged(c: Convention, x: Tensor, y: Tensor, fake_x: Tensor, fake_y: Tensor, *D: Any) -> Tensor:
        return of_discriminators(c, fake_x, fake_y, x, y, *D)

    def other_reals(c: Convention, x: Tensor, y: Tensor, *rest: Any) -> Tensor:
        return of_discriminators(c, y, x, *rest)

    def other_domains(c: Convention, x: Tensor, y: Tensor, fake_x: Tensor, fake_y: Tensor, *D: Any) -> Tensor:
        return of_discriminators(c, x, y, fake_x, fake_y, *D[::-1])

    def merged(times: bool) -> Function:
        """All batches as one; times: whether its step is as long as theirs together."""

        def function(xs: Tensor, ys: Tensor, *every: Any) -> None:
            rates = (c.rates[0] * len(xs), c.rates[1] * len(xs)) if times else c.rates
            rounds(replace(c, rates=rates), xs.flatten(0, 1)[None], ys.flatten(0, 1)[None], *every)

        return function

    others = {
        "old": "the discriminators move second, on translations drawn before the generators moved. Another order was "
        "agreed on.",
        "new": "the discriminators move second, on translations drawn anew. Another order was agreed on.",
        "D": "the discriminators move first. Another order was agreed on.",
    }
    names = {0: "G does", 1: "F does", 2: "D_X does", 3: "D_Y does"}
    rate_GF, rate_D = c.rates
    wrong: dict[str, list[Function]] = {
        others[order]: varied(replace(c, order=order)) for order in ORDERS if order != c.order
    }
    wrong |= {
        "the discriminators' step also goes along what the generators' loss left in them: their gradients are not "
        "cleared before it.": varied(clear_D=False),
        "the generators' step also goes along gradients of rounds before: they are not cleared before it.": varied(
            clear_GF=False
        ),
        "the discriminators' loss reaches the generators, which learn to be seen through: detach what they drew, and "
        "clear gradients.": [
            *(varied(clear_GF=False, attached=True) if c.order != "old" else []),  # there PyTorch itself objects
            lambda *a: leaking(c, *a),
            lambda *a: leaking(c, *a, all_of_it=True),
        ],
        "all four move at once, along one loss: each player has a step of its own, against the other as it is then.": [
            lambda *a: all_at_once(c, *a)
        ] * (c.order != "old"),  # there it is that the discriminators' gradients are not cleared
        "the generators climb the discriminators' loss, and have a loss of their own.": varied(aim=minimax),
        "the discriminators climb their loss, and are to descend.": varied(judge=lambda *a: -of_discriminators(*a)),
        "the generators climb their loss, and are to descend.": varied(aim=lambda *a: -of.total(*a)),
        "both players have each other's rate.": varied(replace(c, rates=(rate_D, rate_GF))),
        "both players have the generators' rate.": varied(replace(c, rates=(rate_GF, rate_GF))),
        "both players have the discriminators' rate.": varied(replace(c, rates=(rate_D, rate_D))),
        "the discriminators' slopes are half or twice what they should be: part 1 has their loss.": [
            *varied(judge=lambda *a: of_discriminators(*a) / 2), *varied(judge=lambda *a: 2 * of_discriminators(*a)),
        ],
        "each discriminator is shown the translations that the other should judge.": varied(crossed=True),
        "each discriminator is shown the other domain's real pictures.": varied(judge=other_reals),
        "each discriminator has the other's part: D_X judges what lies in X, or should.": varied(judge=other_domains),
        "real pictures and translations have each other's label. Look at the order of loss_D's arguments.": varied(
            judge=exchanged
        ),
        "F moves after G, against the moved G: both generators move together.": varied(apart=True),
        "that is not plain gradient descent: it was agreed on, so that weights can be compared.": varied(
            optimiser=Adam
        ) + varied(optimiser=lambda w, lr: SGD(w, lr=lr, momentum=0.9)),
        "only the first batch is used.": [
            lambda xs, ys, *every: rounds(c, xs[:1].expand_as(xs), ys[:1].expand_as(ys), *every)
        ],
        "all batches are used as one: each has a round of its own.": [merged(False), merged(True)],
        "only the first round is played.": [lambda xs, ys, *every: rounds(c, xs[:1], ys[:1], *every)],
        "the generators' loss lacks the cycle.": varied(aim=without(cycle=(0.0, 0.0))),
        "the generators' loss lacks the identity loss.": varied(aim=without(keep=0.0)),
        "the generators' loss lacks the cycle and the identity loss.": varied(
            aim=without(cycle=(0.0, 0.0), keep=0.0)
        ),
        "the cycle is there in one direction only.": varied(aim=without(cycle=(c.cycle[0], 0.0)))
        + varied(aim=without(cycle=(0.0, c.cycle[1]))),
        "no network has moved: change the four that are handed over, and no copies of them.": varied(trained=()),
        "the generators do not move.": varied(trained=(2, 3)),
        "the discriminators do not move.": varied(trained=(0, 1)),
    }  # fmt: skip
    for still, name in names.items():
        others_move = tuple(n for n in names if n != still)
        wrong[f"{name} not move."] = varied(trained=others_move)
    return Rounds(
        name="play",
        title="Rounds of the game",
        read="chapter 08, section 5",
        holds="after every round, each network has moved along its own player's loss alone",
        task=f"`play(x, y, {c.two()}, D_X, D_Y)` plays T rounds of the game in place, one with each batch of `x` "
        f"`[T, B, P]` and `y` `[T, M, P]`, and returns nothing. In a round: {ORDERS[c.order]}. Both generators move "
        f"together, down `total`, at a rate of {rate_GF:g}; each discriminator down its `loss_D`, of real pictures "
        f"and translations, at a rate of {rate_D:g}. All by plain gradient descent, as `torch.optim.SGD` has it.",
        stub=f'def play(x, y, {c.two()}, D_X, D_Y):\n    """T rounds in place, one a batch of x [T, B, P] and '
        'y [T, M, P]."""',
        reference=lambda *a: rounds(c, *a),
        example=case(1, 2, 2, 2, 1, shown),
        criteria={
            "one": Criterion(7, [case(1, 3, 3, 3, 2), case(1, 2, 4, 2, 1)], left=(2, 3, 4, 5)),
            "several": Criterion(6, [case(3, 3, 2, 3, 2)], left=(2, 3, 4, 5)),
        },
        wrong=wrong,
        modules=True,
    )

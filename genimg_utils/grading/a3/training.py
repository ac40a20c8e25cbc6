"""Question 9: a CycleGAN on points of the plane, trained to a gate against the truth, which the grader knows.

X lies on two arcs of different size and weight, so that no symmetry of it is near. Y is X of another draw, turned,
bent, stretched and moved. Both generators begin close to doing nothing: of the maps without loss, the near one is the
truth.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, cdist, eye, nn, rand, randn, zeros

from genimg_utils.grading.a3.convention import BASE, Convention
from genimg_utils.grading.question import Caller, Criterion, Question, Verdict
from genimg_utils.grading.seeds import choices, generator
from genimg_utils.grading.training import IN_PLACE, handed_back, untouched
from genimg_utils.grading.wire import mlp

POINTS, STEPS, WIDTH, NEAR = 2000, 1500, 12, 0.15
# Over 5 seeds the reference ends at 0.10 to 0.20 from the truth, and round trips at 0.005 to 0.010; after half of its
# steps these are at 0.04 to 0.09, and without the cycle at 0.15 and more. Doing nothing is 0.7 to 1.1 from the truth.
GATE, HALFWAY, RETURN, LOST = 0.3, 0.5, 0.05, 0.12


class Domains(NamedTuple):
    """Unpaired points to train on, and held-out points with their true translations; [N, 2] each."""

    x: Tensor
    y: Tensor
    held_out: Tensor
    true: Tensor


def arcs(words: str, draw: str) -> Tensor:
    """Points of X on two arcs that reach into each other."""
    pick, source = choices(f"{words}/arcs"), generator(f"{words}/{draw}")
    share, small = pick([0.6, 0.65, 0.7]), pick([0.6, 0.7, 0.8])
    angle, which = math.pi * rand(POINTS, generator=source), rand(POINTS, 1, generator=source) < share
    large_arc = torch.stack([1.3 * angle.cos() - 0.5, 1.3 * angle.sin() - 0.3], dim=1)
    small_arc = torch.stack([0.5 + small * angle.cos(), 0.3 - small * angle.sin()], dim=1)
    return torch.where(which, large_arc, small_arc) + 0.07 * randn(POINTS, 2, generator=source)


def truth(words: str) -> Callable[[Tensor], Tensor]:
    """The map from X to Y that this seed draws."""
    pick = choices(f"{words}/truth")
    angle, bend = pick([-1, 1]) * pick([0.6, 0.7, 0.8, 0.9]), pick([-0.25, 0.25])
    wide, high = pick([0.8, 0.9, 1.2, 1.3]), pick([0.8, 0.9, 1.2, 1.3])
    moved = torch.tensor([pick([-0.6, 0.6]), pick([-0.6, 0.6])])
    turn = torch.tensor([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]])

    def to_Y(x: Tensor) -> Tensor:
        a, b = (x @ turn).unbind(dim=1)
        return torch.stack([wide * a, high * (b + bend * a**2)], dim=1) + moved

    return to_Y


def domains(words: str) -> Domains:
    to_Y, held_out = truth(words), arcs(words, "held out")
    return Domains(arcs(words, "x"), to_Y(arcs(words, "y")), held_out, to_Y(held_out))


def near_nothing(words: str) -> nn.Sequential:
    """A network close to the identity: tanh is nearly straight for small numbers; what else it has adds nothing yet.

    It is small, so that no map that slides points along the arcs is as easy as the truth.
    """
    source = generator(words)
    first, bias = randn(WIDTH, 2, generator=source) / 2**0.5, randn(WIDTH, generator=source) / 2
    last = zeros(2, WIDTH)
    first[:2], bias[:2], last[:, :2] = NEAR * eye(2), 0, eye(2) / NEAR
    return mlp([first, bias, last, zeros(2)])


class Measured(NamedTuple):
    """Mean distances as shares of the width of the domain in which they are.

    error: of G(x) from the truth, or of F(y), whichever is larger; cycle: what does not come back; moved: how far G
    moves x; exchanged: the error if G and F had each other's place; spread: width of G(x); look: the energy distance
    of G(x) from Y, 0 where they are alike; idle: that of x.
    """

    error: float
    cycle: float
    moved: float
    exchanged: float
    spread: float
    look: float
    idle: float


def measured(G: nn.Module, F: nn.Module, of_points: Domains) -> Measured:
    x, y = of_points.held_out, of_points.true
    wide_x, wide_y = x.std(dim=0).norm(), y.std(dim=0).norm()

    def far(a: Tensor, b: Tensor, wide: Tensor) -> Tensor:
        return (a - b).norm(dim=1).mean() / wide

    with torch.no_grad():
        to_y, to_x, back = G(x), F(y), F(G(x))
        values = (
            torch.maximum(far(to_y, y, wide_y), far(to_x, x, wide_x)),  # no number where one is none
            far(back, x, wide_x),
            far(to_y, x, wide_x),
            torch.maximum(far(G(y), x, wide_x), far(F(x), y, wide_y)),
            to_y.std(dim=0).norm() / wide_y,
            energy(to_y[:1000], y[1000:]) / wide_y,
            energy(x[:1000], y[1000:]) / wide_y,
        )
    return Measured(*(float(v) for v in values))


def energy(a: Tensor, b: Tensor) -> Tensor:
    return 2 * cdist(a, b).mean() - cdist(a, a).mean() - cdist(b, b).mean()


@dataclass(frozen=True)
class Training(Question):
    """Judged by how far both generators are from the truth, whatever way they were trained."""

    convention: Convention = BASE
    seed: str = ""

    def tried(self, caller: Caller) -> Verdict | None:
        return None  # it has no example: one training is enough

    def compared(self, caller: Caller) -> Verdict:
        points, before = domains(self.seed), [near_nothing(f"{self.seed}/{name}") for name in "GF"]
        handed = before if self.convention.G_first else before[::-1]
        after = handed_back(self, caller, [points.x, points.y], handed)
        if isinstance(after, Verdict):
            return after
        G, F = self.convention.pair(after)
        return untouched("GF", before, (G, F), IN_PLACE) or self.worth(measured(G, F, points))

    def worth(self, now: Measured) -> Verdict:
        if now.error < GATE and now.cycle < RETURN:
            return Verdict("✓", self.marks, f"right: {now.error:.2f} from the truth, as a share of the domain's width.")
        error, cycle = (f"{far:.3g}" if far < 1e3 else "1,000 or more" for far in (now.error, now.cycle))
        text = (
            f"{self.symptom(now)} The error is {error} of the domain's width, and that of round trips {cycle}; less "
            f"than {GATE} and {RETURN} are wanted."
        )
        return Verdict("✗", 4 if now.error < HALFWAY else 0, text, True)

    def symptom(self, now: Measured) -> str:
        """What the points give away, the loudest first."""
        signs = {
            GONE: not now.error < 10,
            EXCHANGED: now.exchanged < HALFWAY,
            SPOT: now.spread < 0.4,
            NOTHING: now.moved < 0.2,
            AWAY: now.look > now.idle,
            NO_RETURN: now.cycle > LOST,
            UNLIKE: now.look > 0.02,
            OTHER_MAP: now.error > HALFWAY,
            LOOSE: now.error < GATE,
        }
        return next((text for text, seen in signs.items() if seen), SHORT)


GONE = "The points have left the plane that you see: is a sign turned, or a rate too large?"
EXCHANGED = "G and F have each other's task: look at the order of the arguments."
SPOT = "G draws everything to one place: nothing spreads it out. Points at the same place of x and y are no pairs."
NOTHING = (
    "G still does next to nothing: does the other domain's discriminator pull at it, is that one trained itself, or "
)
NOTHING += "does an identity loss hold G?"
AWAY = "G(x) looks less like Y than x does: is it pulled to the label of real points, and by the discriminator of Y?"
NO_RETURN = "Round trips do not come back: is the cycle in your loss, in both directions?"
UNLIKE = (
    "Translations do not look like the other domain yet: more steps, or a better discriminator, trained beside them."
)
OTHER_MAP = "Translations look right and come back, and are wrong: another map without loss, far from doing nothing."
LOOSE = (
    "G and F are near the truth, and round trips are not yet close enough: give the cycle more weight, or end at small "
)
LOOSE += "rates."
SHORT = (
    "Nearly: more steps, rates that fall to 0 at the end, or a loss that sees more of Y than mean and spread may do."
)


def train(c: Convention, seed: str) -> Training:
    return Training(
        name="train",
        title="Training against a truth",
        read="chapter 08, sections 5 and 6",
        holds="",
        task=f"`train(x, y, {c.two()})` trains both generators in place on unpaired points `x` and `y`, `[N, 2]`, and "
        "returns nothing. Both begin close to doing nothing. Discriminators are yours to make, and any loss may be "
        f"used. Distances are means over held-out points, as shares of the width of the domain in which they are: the "
        "root of the sum of its two variances. The gate: G and F are both less than "
        f"{GATE} from the truth, and round trips come back to within {RETURN}. Halfway is less than {HALFWAY} from the "
        f"truth. The reference takes {STEPS:,} steps of 64 points and a few seconds; the grader waits for 60.",
        stub=f'def train(x, y, {c.two()}):\n    """Trains both generators in place on unpaired points [N, 2]."""',
        reference=lambda *_: None,
        example=(),
        criteria={"gate": Criterion(13, [])},
        convention=c,
        seed=f"{seed}/train",
    )

"""Questions 1 and 2: what each player minimises in the game."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from genimg_utils.check import Function
from genimg_utils.check.common import NO_GRADIENT
from genimg_utils.grading.a3 import convention as of
from genimg_utils.grading.a3.convention import Convention
from genimg_utils.grading.a3.norms import OVER_BATCH
from genimg_utils.grading.a3.summed import Summed
from genimg_utils.grading.question import Criterion, Question
from genimg_utils.grading.seeds import drawing

PATCHES = "the patches of a picture are {}; in this hand-out they are {}."
SQUASHED = "D's numbers were squashed first: least squares takes them as they are."
LOGISTIC = "that is the logistic loss, of probabilities. Least squares is a regression of the label."
NO_SQUARE = "a square is missing: that is the absolute distance from the label."
MEAN_FIRST = "the mean was taken before the square: patches that are wrong in opposite ways cancel."
A_ROOT = "a root was taken: least squares are the squares themselves."
WASSERSTEIN = "that is a Wasserstein critic's loss, without labels. Least squares is a regression of the label."
HINGE = "that is the hinge loss. Least squares goes on pulling at what is past its label, too."
SIGN = "a label has the wrong sign: the loss is 0 where D says the label."


def patches(c: Convention) -> str:
    return "added up" if c.summed else "averaged"


def squares(c: Convention, function: Callable[..., Tensor], loss: Function) -> dict[str, list[Function]]:
    """What goes wrong in a squared distance from a label, whoever's it is; loss(toward) makes the loss of another."""

    def over(said: Tensor) -> Tensor:
        return (said.sum(dim=1) if c.summed else said.mean(dim=1)).mean()

    def by(change: Callable[[Tensor, float], Tensor]) -> list[Function]:
        return [lambda *a: loss(change, *a)]

    other = replace(c, summed=not c.summed)
    size = lambda said: said.shape[1] if c.summed else 1  # noqa: E731
    return {
        PATCHES.format(patches(other), patches(c)): [lambda *a: function(other, *a)],
        NO_SQUARE: by(lambda said, label: over((said - label).abs())),
        SQUASHED: by(lambda said, label: of.toward(c, said.sigmoid(), label)),
        MEAN_FIRST: by(lambda said, label: size(said) * (said.mean() - label).square())
        + by(lambda said, label: size(said) * (said.mean(dim=1) - label).square().mean())
        + by(lambda said, label: (said - label).sum(dim=1).square().mean())
        + by(lambda said, label: (said.mean() - label).square()) * c.summed
        + by(lambda said, label: (over(said) - label).square()) * c.summed
        + by(lambda said, label: (said.sum(dim=1) - label).square().mean()) * c.summed,
        OVER_BATCH: by(lambda said, label: of.toward(c, said, label) * len(said))
        + by(lambda said, label: of.toward(other, said, label) * len(said)),
        A_ROOT: by(lambda said, label: (said - label).norm(dim=1).mean())
        + by(lambda said, label: of.toward(c, said, label).sqrt())
        + by(lambda said, label: (said - label).square().mean(dim=1).sqrt().mean()),
        SIGN: by(lambda said, label: of.toward(c, said, -label)),
    }


def loss_D(c: Convention, seed: str) -> Summed:
    draw, shown = drawing(f"{seed}/loss_D"), drawing("example/loss_D")
    generated, real_label, aim = c.labels

    def ordered(*two: Tensor) -> tuple[Tensor, ...]:
        return two if c.real_first else two[::-1]

    def made(toward: Callable[[Tensor, float], Tensor], *two: Tensor) -> Tensor:
        real, fake = ordered(*two)
        return (toward(real, real_label) + toward(fake, generated)) * (0.5 if c.half else 1)

    def labelled(*labels: Any) -> list[Function]:
        return [lambda *a: of.loss_D(replace(c, labels=labels), *a)]

    def together(*two: Tensor) -> Tensor:
        real, fake = ordered(*two)
        every = torch.cat([(real - real_label).square(), (fake - generated).square()])
        return (every.sum(dim=1) if c.summed else every.mean(dim=1)).mean()

    def terms_of(of_real: Function, of_fake: Function) -> list[Function]:
        """Two terms of another kind: patches averaged or added up, the terms added or averaged."""

        def added(over: Function, times: float) -> Function:
            def function(*two: Tensor) -> Tensor:
                real, fake = ordered(*two)
                return (over(of_real(real)) + over(of_fake(fake))) * times

            return function

        return [added(over, times) for over in (Tensor.mean, lambda v: v.sum(dim=1).mean()) for times in (1.0, 0.5)]

    def hinge(sign: float) -> list[Function]:
        return terms_of(lambda real: (1 - sign * real).relu(), lambda fake: (1 + sign * fake).relu())

    def subtracted(sign: float) -> list[Function]:
        return terms_of(lambda real: sign * (real - real_label) ** 2, lambda fake: -sign * (fake - generated) ** 2)

    def one(which: int) -> Function:
        pull = (generated, real_label)[which]
        return lambda *a: of.toward(c, ordered(*a)[1 - which], pull) * (0.5 if c.half else 1)

    wrong: dict[str, list[Function]] = {
        "the labels of this hand-out are others than 0 and 1.": [
            *labelled(0.0, 1.0, 1.0),
            *labelled(0.0, real_label, aim),
            *([] if abs(real_label) == 1.0 else labelled(generated, 1.0, aim)),
        ],
        "real and generated pictures have each other's label. Look again at the order of the arguments.": labelled(
            real_label, generated, aim
        ),
        "generated ones are pulled to where the generators aim: D is to tell them apart, not to be fooled.": labelled(
            aim, real_label, aim
        ),
        "real ones are pulled to where the generators aim, and not to the label of real ones.": labelled(
            generated, aim, aim
        ),
        "twice too large: in this hand-out the discriminator's two terms are halved."
        if c.half
        else "half of what it should be: in this hand-out the two terms are added, and not averaged.": [
            lambda *a: of.loss_D(replace(c, half=not c.half), *a)
        ],
        "the term of generated pictures is missing: D would call everything real.": [one(1)],
        "the term of real pictures is missing: D would call everything generated.": [one(0)],
        "real and generated pictures are thrown together: each pile has a mean of its own.": [
            together, lambda *a: 2 * together(*a)
        ],
        "the two terms are subtracted: D is to come near both labels.": subtracted(1.0) + subtracted(-1.0),
        "the sign is flipped: D minimises its distance from the labels.": [lambda *a: -of.loss_D(c, *a)],
        LOGISTIC: terms_of(lambda real: -logsigmoid(real), lambda fake: -logsigmoid(-fake)),
        WASSERSTEIN: terms_of(lambda real: -real, lambda fake: fake),
        HINGE: hinge(1.0) + hinge(-1.0),
    } | squares(c, of.loss_D, made)  # fmt: skip
    wrong[SIGN] = labelled(-generated, real_label, aim) + labelled(generated, -real_label, aim)
    if generated != -real_label:  # else both signs exchange the labels
        wrong[SIGN] += labelled(-generated, -real_label, aim)
    names = ", ".join(ordered_names(c))

    def case(B: int, M: int, K: int, draw: Callable[..., Tensor] = draw) -> tuple[Tensor, ...]:
        return ordered(draw(B, K), draw(M, K))

    return Summed(
        name="loss_D",
        title="What a discriminator minimises",
        read="chapter 08, section 3",
        holds="0 where every patch has its label, and growing with the square of the distance from it",
        task=f"`loss_D({names})` returns what a discriminator minimises, one number. `real` `[B, K]` and `fake` "
        f"`[M, K]` are what it says of a batch of each: a number for each of K patches. Real ones have the label "
        f"{real_label:g}, generated ones {generated:g}; {terms(c)}.",
        stub=f'def loss_D({names}):\n    """What D minimises, a number; real [B, K], fake [M, K]."""',
        reference=lambda *a: of.loss_D(c, *a),
        example=case(3, 2, 2, shown),
        criteria={
            "values": Criterion(5, [case(4, 3, 3), case(1, 2, 5), case(3, 3, 2)]),
            "slopes": Criterion(3, [case(2, 3, 2)], slopes=(0, 1), hint=NO_GRADIENT),
        },
        wrong=wrong,
        terms={"the term of real pictures": one(1), "the term of generated pictures": one(0)},
    )


def ordered_names(c: Convention) -> tuple[str, str]:
    return ("real", "fake") if c.real_first else ("fake", "real")


def terms(c: Convention) -> str:
    """How squares become one number, in words."""
    return (
        f"squares are {patches(c)} over the patches of a picture and averaged over pictures, and the two terms are "
        f"{'averaged' if c.half else 'added'}"
    )


def loss_G(c: Convention, seed: str) -> Question:
    draw, shown = drawing(f"{seed}/loss_G"), drawing("example/loss_G")
    generated, real_label, aim = c.labels

    def pulled(label: float) -> list[Function]:
        return [lambda fake: of.toward(c, fake, label)]

    wrong: dict[str, list[Function]] = {
        "generated pictures are pulled to the label of real ones: in this hand-out generators aim elsewhere.": pulled(
            real_label
        ),
        "generated pictures are pulled to the label that D gives them: the generator would help it.": pulled(generated),
        "the generator aims at 1, and another aim was agreed on.": pulled(1.0) * (1.0 not in c.labels),
        "the generator aims at 0, and another aim was agreed on.": pulled(0.0),
        "the discriminator's loss with the sign flipped has no lower end: agreed is the distance from the aim.": [
            lambda fake: -of.toward(c, fake, generated),
            lambda fake: -of.toward(c, fake, aim),
        ],
        "halved: only the discriminator has two terms.": [lambda fake: of.toward(c, fake, aim) / 2],
        LOGISTIC: [
            lambda fake: -logsigmoid(fake).mean(),
            lambda fake: -logsigmoid(fake).sum(dim=1).mean(),
            lambda fake: -logsigmoid(-fake).mean(),
        ],
        WASSERSTEIN: [lambda fake: -fake.mean(), lambda fake: -fake.sum(dim=1).mean()],
    } | squares(c, of.loss_G, lambda toward, fake: toward(fake, aim))
    return Question(
        name="loss_G",
        title="What fools a discriminator",
        read="chapter 08, section 3",
        holds="0 where every patch is where the generators aim, and growing with the square of the distance from it",
        task=f"`loss_G(fake)` returns what a generator minimises to fool its discriminator, which said `fake` `[B, K]` "
        f"of a batch. Generators aim at {aim:g}; squares are {patches(c)} over the patches of a picture and averaged "
        "over pictures.",
        stub='def loss_G(fake):\n    """What fools D, a number; fake [B, K]."""',
        reference=lambda *a: of.loss_G(c, *a),
        example=(shown(3, 2),),
        criteria={
            "values": Criterion(4, [(draw(4, 3),), (draw(1, 5),), (draw(3, 2),)]),
            "slopes": Criterion(2, [(draw(2, 3),)], slopes=(0,), hint=NO_GRADIENT),
        },
        wrong=wrong,
    )

"""Assignment 3, write a CycleGAN: its parts under a convention that the seed draws, and a question in words."""

from genimg_utils.grading.a3 import adversarial, objective, patches, pool, rounds, training, whole
from genimg_utils.grading.a3.convention import BASE, NORMS, Convention, drawn
from genimg_utils.grading.question import Question

NAME, TITLE, NOTEBOOK = "a3", "Write a CycleGAN", "a3_write_a_cyclegan"
TEXT_MARKS = 10  # of the question in words, given by hand

MAKERS = (
    adversarial.loss_D, adversarial.loss_G, objective.cycle, objective.identity, whole.total,
    patches.field, pool.question, rounds.play, training.train,
)  # fmt: skip

__all__ = ["BASE", "NAME", "NOTEBOOK", "TEXT_MARKS", "TITLE", "Convention", "agreed", "drawn", "questions"]


def questions(c: Convention, seed: str) -> list[Question]:
    """The questions of a hand-out, with hidden inputs of this seed."""
    return [make(c, f"{seed}/{NAME}") for make in MAKERS]


def norm(c: Convention, kind: str) -> str:
    return NORMS[kind].format(c.bend, c.bend / 2)


def agreed(c: Convention) -> str:
    """The convention in words, as the hand-out states it."""
    generated, real, aim = c.labels
    over = "added up over the numbers of a picture" if c.added else "averaged over the numbers of a picture"
    return (
        f"| agreed | in this hand-out |\n|:---|:---|\n"
        f"| labels | {real:g} of real pictures, {generated:g} of generated ones; generators aim at {aim:g} |\n"
        f"| squares | {adversarial.patches(c)} over the patches of a picture, then averaged over pictures |\n"
        f"| a discriminator's two terms | {'averaged' if c.half else 'added'} |\n"
        f"| the cycle's norm, for each difference r | {norm(c, c.norm)} |\n"
        f"| the identity loss's norm | {norm(c, c.keep_norm)} |\n"
        f"| both norms | {over}, then averaged over pictures |\n"
        f"| weight of the cycle | {c.cycle[0]:g} from X and back, {c.cycle[1]:g} from Y and back |\n"
        f"| weight of the identity loss | {c.keep:g} |\n"
        f"| order of arguments | `{', '.join(adversarial.ordered_names(c))}`, and `{c.two()}` |"
    )

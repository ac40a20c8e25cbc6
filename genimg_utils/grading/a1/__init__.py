"""Assignment 1, repair the GAN: a program in ten parts with faults that the seed draws, and a question in words."""

from dataclasses import replace

from genimg_utils.grading.a1 import parts, training
from genimg_utils.grading.a1.convention import BASE, Convention, agreed_by, planted
from genimg_utils.grading.a1.repair import PROGRAMS
from genimg_utils.grading.question import Question

NAME, TITLE, NOTEBOOK = "a1", "Repair the GAN", "a1_repair_the_gan"
TEXT_MARKS = 10  # of the question in words, given by hand

MAKERS = (*parts.MAKERS, training.train)

__all__ = ["BASE", "NAME", "NOTEBOOK", "TEXT_MARKS", "TITLE", "Convention", "agreed", "drawn", "questions"]


def drawn(seed: str) -> Convention:
    """What is agreed on, and what is broken, under this seed."""
    c = agreed_by(seed)
    return replace(c, planted=planted(seed, {name: make(c) for name, make in PROGRAMS.items()}))


def questions(c: Convention, seed: str) -> list[Question]:
    """The questions of a hand-out, with hidden inputs of this seed."""
    return [make(c, f"{seed}/{NAME}") for make in MAKERS]


def settings(c: Convention) -> str:
    """The same as code, for the notebook's own measurements."""
    lines = [f"low, high = {c.low:g}, {c.high:g}", f"channels_last = {c.channels_last}", f"unit = {c.unit:g}"]
    return "\n".join(lines)


def agreed(c: Convention) -> str:
    """The convention in words, as the hand-out states it."""
    layout = "[N, S, S, C]" if c.channels_last else "[N, C, S, S]"
    losses, faults = parts.formula(c), sum(len(numbers) for _, numbers in c.planted)
    told = f"{faults}, at least one in each part" if faults else "none: this is the repaired program"
    return (
        f"| agreed | in this hand-out |\n|:---|:---|\n"
        f"| faults planted | {told} |\n"
        f"| range of pictures | {c.low:g} to {c.high:g} |\n"
        f"| bytes | `{layout}` |\n"
        f"| end of a pass | {parts.EPOCHS[c.epochs]} |\n"
        f"| activation | leaky ReLU, slope {c.slope:g} below 0 |\n"
        f"| $D$ minimises | {losses['D']} |\n"
        f"| $G$ minimises | {losses['G']} |\n"
        f"| penalty | {parts.WHERE[c.where]} {c.gamma:g} |\n"
        f"| unit of the ring | {c.unit:g} |"
    )

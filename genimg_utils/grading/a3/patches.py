"""Question 6: which pixels an output of a discriminator sees, from the sizes of its layers."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from genimg_utils.check import Function, close
from genimg_utils.grading.a3.convention import Convention
from genimg_utils.grading.question import Criterion, Question
from genimg_utils.grading.seeds import choices
from genimg_utils.grading.wire import Observation

MARKS = {
    "start": "the place of the first pixel that output 0 sees",
    "end": "the place of the last pixel that output 0 sees",
    "middle": "the middle of the pixels that output 0 sees",
}
NAMES = ("the side", "the step", "the place", "the outputs a side")
Layers = list[tuple[int, int, int]]  # kernel, stride, padding, from the picture on


def layers_of(c: Convention, kernels: Tensor, strides: Tensor, paddings: Tensor) -> Layers:
    layers = [*zip(kernels.tolist(), strides.tolist(), paddings.tolist(), strict=True)]
    return layers if c.layers == "picture" else layers[::-1]


def numbers(c: Convention, side: float, step: float, start: float, count: float) -> Tensor:
    place = {"start": start, "end": start + side - 1, "middle": start + (side - 1) / 2}[c.mark]
    return torch.tensor([float(side), float(step), float(place), float(count)])


def looked(layers: Layers, size: int) -> tuple[int, int, int, int]:
    """Side of a patch, step to the next, first pixel of output 0, and how many outputs a side."""
    side, step, start, count = 1, 1, 0, size
    for kernel, stride, padding in layers:
        side, start = side + (kernel - 1) * step, start - padding * step
        step, count = step * stride, (count + 2 * padding - kernel) // stride + 1
    return side, step, start, count


HANGING = "the number of outputs leaves the kernels out: the last patches would hang over the border."
COUNTS: dict[str, Callable[[int, int, int, int], int]] = {  # of n numbers a side: kernel, stride and padding of a layer
    "each layer has padding on both sides of the picture: there are more outputs.": lambda n, k, s, p: (
        (n + p - k) // s + 1
    ),
    "the number of outputs leaves the padding out.": lambda n, k, s, p: (n - k) // s + 1,
    "the first output of each layer was not counted: there is one more than there are steps.": (
        lambda n, k, s, p: (n + 2 * p - k) // s
    ),
    "a window that would hang over the border is left out: outputs are rounded down.": (
        lambda n, k, s, p: -(-(n + 2 * p - k) // s) + 1
    ),
    HANGING: lambda n, k, s, p: -(-n // s),
}


def right(n: int, k: int, s: int, p: int) -> int:
    return (n + 2 * p - k) // s + 1


def counted(layers: Layers, size: int, rule: Callable[[int, int, int, int], int]) -> int:
    """Outputs a side, by a rule for one layer."""
    for layer in layers:
        size = rule(size, *layer)
    return size


@dataclass(frozen=True)
class Field(Question):
    """Four numbers, of which each can go wrong by itself."""

    def known(self, criterion: Criterion, yours: list[Observation]) -> str:
        """The hint of the wrong answer that gives the same four, or one of those that are off."""
        return super().known(criterion, yours) or self.of_one(criterion, yours)

    def of_one(self, criterion: Criterion, yours: list[Observation]) -> str:
        mine, right = four(yours), four(self.calls(self.reference, criterion))
        if mine.shape != right.shape:
            return ""
        off = [
            i for i in (1, 0, 2, 3) if not close(mine[:, i], right[:, i], self.tolerance)
        ]  # the side follows the step
        for i in off:
            for hint, functions in self.wrong.items():
                for function in functions:
                    theirs = four(self.calls(function, criterion))
                    if close(theirs[:, i], mine[:, i], self.tolerance):
                        return hint
        return ""

    def difference(self, criterion: Criterion, yours: list[Observation], right: list[Observation]) -> str:
        mine, true = four(yours), four(right)
        fine = [close(mine[:, i], true[:, i], self.tolerance) for i in range(4)]
        off, held = (", ".join(n for n, f in zip(NAMES, fine, strict=True) if f == wanted) for wanted in (False, True))
        return f"off: {off}; right: {held or 'none of the four'}. Expected: {self.holds}."


def four(found: list[Observation]) -> Tensor:
    """The numbers of several answers, [cases, 4]; of another shape where one of them has none."""
    rows = [f["your answer"].double().flatten() for f in found if "your answer" in f]
    return torch.stack(rows) if len({len(row) for row in rows}) == 1 else torch.zeros(0)


def field(c: Convention, seed: str) -> Question:
    pick, shown = choices(f"{seed}/field"), choices("example/field")

    def case(
        L: int, pick: Callable[[list[int]], int] = pick, padded: bool = True, strided: bool = True, odd: int = -1
    ) -> tuple:
        """So many layers, whose kernels and strides read otherwise from the other end; odd: 0 or 1, of the side."""
        while True:
            kernels, strides = [pick([2, 3, 4, 5, 7]) for _ in range(L)], [pick([1, 2, 3]) for _ in range(L)]
            paddings = [pick([0, 1, 2]) if padded else 0 for _ in range(L)]
            listed = (*(torch.tensor(v) for v in (kernels, strides if strided else [1] * L, paddings)),)
            layers = layers_of(c, *listed)
            r = looked(layers, 200)[0]
            uneven = (r != looked(layers[::-1], 200)[0] or L == 1 or not strided) and odd in (-1, r % 2)
            spread = not strided or math.prod(s for _, s, _ in layers) > 1
            if uneven and spread and (not padded or layers[-1][2]):
                size = r + pick([13, 18, 23, 29])
                counts = {counted(layers, size, rule) for rule in (right, *COUNTS.values())}
                if odd == -1 or len(counts) > len(COUNTS):
                    return *listed, size

    def by(change: Callable[..., Any]) -> Function:
        """Another way from layers and size to the four numbers."""
        return lambda k, s, p, size: numbers(c, *change(layers_of(c, k, s, p), size))

    def but(place: int, value: Callable[[Layers, int, list[int]], Any]) -> list[Function]:
        """All right but for one of the four."""

        def change(layers: Layers, size: int) -> list[int]:
            found = [*looked(layers, size)]
            found[place] = value(layers, size, [*looked(layers, size)])
            return found

        return [by(change)]

    def side(of: Callable[[Layers], int]) -> list[Function]:
        """A wrong side; where the first patch starts may follow it."""
        return but(0, lambda layers, size, right: of(layers))

    def early(layers: Layers) -> int:
        r, step = 1, 1
        for kernel, stride, _ in layers:
            step *= stride
            r += (kernel - 1) * step
        return r

    def all_steps(layers: Layers) -> int:
        r = 1
        for kernel, stride, _ in reversed(layers):
            r = r * stride + kernel - 1
        return r

    def outputs(rule: Callable[[int, int, int, int], int]) -> list[Function]:
        return but(3, lambda layers, size, right: counted(layers, size, rule))

    def placed(start: Callable[[Layers, int], int]) -> list[Function]:
        return but(2, lambda layers, size, right: start(layers, right[2]))

    def tall(own: Callable[[int, int], int]) -> list[Function]:
        """A side that is a sum over the layers, of what a kernel adds when its numbers are so many pixels apart."""

        def added(layers: Layers, first: int = 1) -> int:
            r, step = first, 1
            for kernel, stride, _ in layers:
                r, step = r + own(kernel, step), step * stride
            return r

        return side(added) + side(lambda layers: added(layers, first=0))

    def moved(layers: Layers) -> int:
        step, start = 1, 0
        for _, stride, padding in layers:
            step *= stride
            start -= padding * step
        return start

    def marked(mark: str) -> Function:
        return lambda k, s, p, size: numbers(Convention(mark=mark), *looked(layers_of(c, k, s, p), size))

    wrong: dict[str, list[Function]] = {
        "you went through the layers from the wrong end. Look where this hand-out's lists begin.": [
            lambda k, s, p, size: numbers(c, *looked(layers_of(c, k, s, p)[::-1], size))
        ],
        "the padding was counted in the side: it moves a patch over the border, and makes it no larger.": side(
            lambda layers: looked(layers, 0)[0] + 2 * looked(layers, 0)[2]
        ) + side(lambda layers: looked(layers, 0)[0] - 2 * sum(p for *_, p in layers)),
        "a layer's own stride does not spread its own kernel: it counts for the layers after it.": side(early),
        "the strides have no say in your side: after a layer of stride 2 neighbours are two pixels apart.": side(
            lambda layers: 1 + sum(k - 1 for k, *_ in layers)
        ),
        "r numbers side by side have r − 1 steps between them.": side(all_steps),
        "kernels add up in your side as they are: neighbours share all but one of their numbers, or all but a step."
        : side(lambda layers: sum(k for k, *_ in layers))
        + tall(lambda kernel, step: kernel * step)
        + tall(lambda kernel, step: kernel * step - 1),
        "the side of the square is asked for, and not how many pixels it holds.": side(
            lambda layers: looked(layers, 0)[0] ** 2
        ),
        "places on the padding are seen, too: the side counts them.": side(
            lambda layers: looked(layers, 0)[0] + looked(layers, 0)[2]
        ),
        "the steps of all layers multiply; yours add up, or are that of one layer.": but(
            1, lambda layers, size, right: sum(s for _, s, _ in layers)
        )
        + but(1, lambda layers, size, right: 1 + sum(s for _, s, _ in layers))
        + but(1, lambda layers, size, right: 1 + sum(s - 1 for _, s, _ in layers))
        + but(1, lambda layers, size, right: layers[0][1] if layers[0][1] != right[1] else right[1] + 1),
        "outputs are counted along one side.": but(3, lambda layers, size, right: right[3] ** 2),
        "the place of the first patch leaves the padding out.": placed(lambda layers, start: 0),
        "padding moves the first patch to the left, over the border: places there are below 0.": placed(
            lambda layers, start: -start
        ),
        "a layer's padding is as many of its own numbers, and these are as far apart as the strides below it say."
        : placed(lambda layers, start: -sum(p for *_, p in layers)) + placed(lambda layers, start: moved(layers)),
        "the first patch is moved by the padding of one side, and yours by that of both.": placed(
            lambda layers, start: 2 * start
        ),
        "that is the place of the last output's patch: output 0 is asked for.": but(
            2, lambda layers, size, right: right[2] + (right[3] - 1) * right[1]
        ),
        "places are counted from 0.": placed(lambda layers, start: start + 1),
    }  # fmt: skip
    for hint, rule in COUNTS.items():
        wrong[hint] = outputs(rule)
    wrong[HANGING] += but(3, lambda layers, size, right: size // right[1])
    wrong |= {
        f"that is {MARKS[mark]}, and {MARKS[c.mark]} is wanted.": [marked(mark)] for mark in MARKS if mark != c.mark
    }
    if c.mark == "middle":
        wrong["the middle of 3 pixels is the second of them, and that of 4 lies between the second and the third."] = [
            by(
                lambda layers, size: (*looked(layers, size)[:2], looked(layers, size)[2] + 0.5, looked(layers, size)[3])
            ),
            *but(2, lambda layers, size, right: right[2] + 0.5 * (right[0] % 2 == 0)),
            *but(2, lambda layers, size, right: right[2] - 0.5 * (right[0] % 2 == 0)),
        ]
    else:
        last = lambda right: right[0] - 1 if c.mark == "end" else 0  # noqa: E731
        wrong[f"that is {MARKS['middle']}, and {MARKS[c.mark]} is wanted."] += [
            *but(2, lambda layers, size, right: right[2] + right[0] / 2 - last(right)),
            *but(2, lambda layers, size, right: right[2] + right[0] // 2 - last(right)),
        ]
    first = "the layer that meets the picture" if c.layers == "picture" else "the layer that gives the output"
    return Field(
        name="field",
        title="What a patch discriminator sees",
        read="chapter 08, section 9",
        holds="four whole or half numbers: side 1 and step 1 without a layer, the kernel's side with one",
        task="`field(kernels, strides, paddings, size)` returns four numbers, `[4]`, about L convolutions. `kernels`, "
        f"`strides` and `paddings`, `[L]` each, begin with {first}. Wanted are the side of the square of pixels that "
        f"one output sees; how many pixels further the next output's square lies; {MARKS[c.mark]}, along one side, "
        "where the picture's pixels are 0, 1, 2, … and places on the padding are below 0; and how many outputs a side "
        "there are for a picture of `size` pixels a side. Padding counts as pixels that are seen.",
        stub="def field(kernels, strides, paddings, size):\n"
        '    """Side, step, place of output 0, outputs a side, [4]; the lists are [L]."""',
        reference=lambda k, s, p, size: numbers(c, *looked(layers_of(c, k, s, p), size)),
        example=case(3, shown),
        criteria={
            "values": Criterion(6, [case(4, odd=0), case(3, odd=1), case(5), case(2)]),
            "unpadded": Criterion(2, [case(3, padded=False), case(1, padded=False)]),
            "even": Criterion(2, [case(4, strided=False), case(1, strided=False)]),
        },
        wrong=wrong,
    )

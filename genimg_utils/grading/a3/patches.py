"""Question 6: which pixels an output of a discriminator sees, from the sizes of its layers."""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from genimg_utils.check import Function
from genimg_utils.grading.a3.convention import Convention
from genimg_utils.grading.question import Criterion, Question
from genimg_utils.grading.seeds import choices

MARKS = {
    "start": "the place of the first pixel that output 0 sees",
    "end": "the place of the last pixel that output 0 sees",
    "middle": "the middle of the pixels that output 0 sees",
}
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


def field(c: Convention, seed: str) -> Question:
    pick, shown = choices(f"{seed}/field"), choices("example/field")

    def case(L: int, pick: Callable[[list[int]], int] = pick, padded: bool = True, strided: bool = True) -> tuple:
        """So many layers, whose kernels and strides read otherwise from the other end."""
        while True:
            kernels, strides = [pick([2, 3, 4, 5, 7]) for _ in range(L)], [pick([1, 2, 3]) for _ in range(L)]
            paddings = [pick([0, 1, 2]) if padded else 0 for _ in range(L)]
            strides = strides if strided else [1] * L
            layers = [*zip(kernels, strides, paddings, strict=True)]
            uneven = [looked(layers, 200)[0]] != [looked(layers[::-1], 200)[0]] or L == 1 or not strided
            if uneven and (not strided or math.prod(strides) > 1) and (not padded or min(sum(paddings), paddings[-1])):
                break
        size = looked(layers, 200)[0] + pick([13, 18, 23, 29])
        return *(torch.tensor(v) for v in (kernels, strides, paddings)), size

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
        def count(layers: Layers, size: int, right: list[int]) -> int:
            for kernel, stride, padding in layers:
                size = rule(size, kernel, stride, padding)
            return size

        return but(3, count)

    def placed(start: Callable[[Layers, int], int]) -> list[Function]:
        return but(2, lambda layers, size, right: start(layers, right[2]))

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
        : side(lambda layers: sum(k for k, *_ in layers)),
        "the steps of all layers multiply; yours add up, or are that of one layer.": but(
            1, lambda layers, size, right: sum(s for _, s, _ in layers)
        ) + but(1, lambda layers, size, right: layers[0][1] if layers[0][1] != right[1] else right[1] + 1),
        "each layer has padding on both sides of the picture: there are more outputs.": outputs(
            lambda n, k, s, p: (n + p - k) // s + 1
        ),
        "the number of outputs leaves the padding out.": outputs(lambda n, k, s, p: (n - k) // s + 1),
        "the first output of each layer was not counted: there is one more than there are steps.": outputs(
            lambda n, k, s, p: (n + 2 * p - k) // s
        ),
        "the number of outputs leaves the kernels out: the last patches would hang over the border.": outputs(
            lambda n, k, s, p: -(-n // s)
        ),
        "the place of the first patch leaves the padding out.": placed(lambda layers, start: 0),
        "padding moves the first patch to the left, over the border: places there are below 0.": placed(
            lambda layers, start: -start
        ),
        "a layer's padding is as many of its own numbers, and these are as far apart as the strides below it say."
        : placed(lambda layers, start: -sum(p for *_, p in layers)),
        "places are counted from 0.": placed(lambda layers, start: start + 1),
    }  # fmt: skip
    wrong |= {
        f"that is {MARKS[mark]}, and {MARKS[c.mark]} is wanted.": [marked(mark)] for mark in MARKS if mark != c.mark
    }
    first = "the layer that meets the picture" if c.layers == "picture" else "the layer that gives the output"
    return Question(
        name="field",
        title="What a patch discriminator sees",
        read="chapter 08, section 9",
        holds="four whole or half numbers: side 1 and step 1 without a layer, the kernel's side with one",
        task="`field(kernels, strides, paddings, size)` returns four numbers, `[4]`, about convolutions of these "
        f"sizes, `[L]` each, listed from {first} on: the side of the square of pixels that one output sees; how "
        f"many pixels further the next output's square lies; {MARKS[c.mark]}, along one side, where the picture's "
        "pixels are 0, 1, 2, … and places on the padding are below 0; and how many outputs a side there are for a "
        "picture of `size` pixels a side. Padding counts as pixels that are seen.",
        stub="def field(kernels, strides, paddings, size):\n"
        '    """Side, step, place of output 0, outputs a side, [4]; the sizes are [L]."""',
        reference=lambda k, s, p, size: numbers(c, *looked(layers_of(c, k, s, p), size)),
        example=case(3, shown),
        criteria={
            "values": Criterion(6, [case(4), case(3), case(5), case(2)]),
            "unpadded": Criterion(2, [case(3, padded=False), case(1, padded=False)]),
            "even": Criterion(2, [case(4, strided=False), case(1, strided=False)]),
        },
        wrong=wrong,
    )

"""Exercises of the opening chapter."""

from collections.abc import Callable

import torch
from torch import Generator, Tensor, rand, randint, tensor, uint8

from genimg_utils.check import Exercise

Map = Callable[[Tensor], Tensor]


def _pictures() -> Tensor:
    """Pictures in [−1, 1] whose grey levels lie near whole numbers, so that rounding is never a tie."""
    generator = Generator().manual_seed(0)
    levels = randint(5, 250, (2, 1, 4, 4), generator=generator)
    return (levels + 0.8 * rand(levels.shape, generator=generator) - 0.4) / 127.5 - 1  # [2, 1, 4, 4]


def _to_uint8(x: Tensor) -> Tensor:
    return ((x + 1) * 127.5).round().clamp(0, 255).to(uint8)


def _endings(scale: Map) -> list[Map]:
    """The ways in which a scaled picture is commonly turned into bytes."""
    return [
        lambda x: scale(x).to(uint8),
        lambda x: scale(x).round().to(uint8),
        lambda x: scale(x).clamp(0, 255).to(uint8),
        lambda x: scale(x).round().clamp(0, 255).to(uint8),
    ]


def _stretched_by_picture(x: Tensor) -> Tensor:
    low, high = x.amin((1, 2, 3), keepdim=True), x.amax((1, 2, 3), keepdim=True)  # [N, 1, 1, 1]
    return 255 * (x - low) / (high - low)


def _stretched_together(x: Tensor) -> Tensor:
    return 255 * (x - x.min()) / (x.max() - x.min())


to_uint8 = Exercise(
    name="to_uint8",
    confirms="−1 becomes 0 and 1 becomes 255, values between are rounded, values beyond stay at the ends.",
    property="the straight line through −1 → 0 and 1 → 255, to the nearest whole number",
    reference=_to_uint8,
    inputs=[(_pictures(),), (tensor([-0.999, -0.25, 0.3, 0.999]).reshape(1, 1, 2, 2),)],
    dtype=torch.uint8,
    tolerance=0.0,
    wrong={
        "what does your function make of −1, the black of a picture? It should become 0.": _endings(lambda x: x * 255),
        "what does your function make of 0, the middle grey? It should become about 128.": _endings(
            lambda x: (x + 1) * 255
        ),
        "with 128 the white of a picture lands on 256, which a byte cannot hold.": [
            lambda x: ((x + 1) * 128).round().to(uint8),
            lambda x: ((x + 1) * 128).round().clamp(0, 255).to(uint8),
        ],
        "these are 256 equal bins, each value cut down to the foot of its bin, and the grey levels shift. "
        "From black to white there are 255 steps; take the nearest level.": [
            lambda x: ((x + 1) * 128).to(uint8),
            lambda x: ((x + 1) * 128).clamp(0, 255).to(uint8),
        ],
        "converting to uint8 cuts the decimals off (99.9 becomes 99), or your line is half a level too low. "
        "Take the nearest whole number.": [
            lambda x: ((x + 1) * 127.5).to(uint8),
            lambda x: ((x + 1) * 127.5).clamp(0, 255).to(uint8),
        ],
        "you stretch the contrast: your scale depends on the pixels of the picture. "
        "The same grey must give the same byte in every picture.": [
            *_endings(_stretched_by_picture),
            *_endings(_stretched_together),
        ],
    },
    edges={
        "values slightly outside [−1, 1] wrap around: a byte counts 254, 255, 0. Limit them first.": [
            (tensor([-1.5, -1.02, -1.0, 1.0, 1.02, 1.5]).reshape(1, 1, 2, 3),)
        ]
    },
)

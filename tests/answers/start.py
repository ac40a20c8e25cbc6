"""Answers to the exercises of chapter 00."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from answers.styles import Module, every_other
from genimg_utils import check


def bytes_in_numpy(x: Tensor) -> np.ndarray:
    return np.rint(np.clip((x.numpy() + 1) / 2 * 255, 0, 255)).astype(np.uint8)


# Right answers, none of them written as the check's own.
RIGHT: dict[str, list[Callable[..., Any]]] = {
    "to_uint8": [
        bytes_in_numpy,
        lambda image: (image * 127.5 + 128).clamp(0, 255).to(torch.uint8),
        Module(lambda x: every_other(((x.double() + 1) / 2).clamp(0, 1).mul(255).round().byte())),
    ],
}

# What none of the texts before the ✓ may say.
SOLUTIONS = {
    "to_uint8": ["127.5", "255 / 2", "clamp", "round("],
}


# As a learner would write them, without knowledge of the registry: the exercise, the answer, words of the hint.
AS_WRITTEN: list[tuple[Any, Callable[..., Any], str]] = [
    (check.start.to_uint8, lambda x: ((x + 1) * 127.5).round().to(torch.uint8), "wrap around"),
    (
        check.start.to_uint8,
        lambda x: (x * 127.5 + 127).round().clamp(0, 255).to(torch.uint8),
        "half a level too low",
    ),
    (
        check.start.to_uint8,
        lambda x: ((x / 2 + 0.5) * 256).floor().clamp(0, 255).to(torch.uint8),
        "256 equal bins",
    ),
    (check.start.to_uint8, lambda x: ((x + 1) * 128).round().clamp(0, 255).byte(), "lands on 256"),
    (check.start.to_uint8, lambda x: (x * 255).round().clamp(0, 255).byte(), "make of −1"),
    (
        check.start.to_uint8,
        lambda x: ((x + 1) * 127.5).round().clamp(0, 255),
        "of type float32; it should be uint8",
    ),
    (
        check.start.to_uint8,
        lambda x: x.add_(1).mul_(127.5).round_().clamp_(0, 255).byte(),
        "argument 1 after",
    ),
]

"""What the exercises of several chapters share: inputs of a seed of their own, gradients, a frequent hint."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Generator, Tensor, randn, zeros_like

from genimg_utils.check import Function, Observation


def numbers(seed: int) -> Callable[..., Tensor]:
    """draw(*size), which gives normal numbers [size] from a generator of its own."""
    generator = Generator().manual_seed(seed)
    return lambda *size: randn(size, generator=generator)


NO_GRADIENT = (
    "the number is right, and no gradient comes back from it: nothing could be trained. Keep to tensors, without "
    "item(), detach or no_grad."
)


def with_gradients(function: Function, *logits: Tensor) -> Observation:
    """The value of a loss, and the gradient that it sends back to each of its logits."""
    logits = tuple(d.requires_grad_() for d in logits)
    value = function(*logits)
    return {"your answer": value, "the gradient": torch.cat([g.flatten() for g in gradients(value, *logits)])}


def gradients(value: Any, *inputs: Tensor) -> list[Tensor]:
    """What a scalar sends back to each of the inputs; zeros where nothing can come."""
    slopes: Sequence[Tensor | None] = [None] * len(inputs)
    if isinstance(value, Tensor) and value.requires_grad and value.numel() == 1:
        slopes = torch.autograd.grad(value.sum(), inputs, allow_unused=True)
    return [zeros_like(x) if slope is None else slope for x, slope in zip(inputs, slopes, strict=True)]

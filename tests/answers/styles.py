"""Other styles in which a right answer comes."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn


class Module(nn.Module):
    """A function dressed as a module."""

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__()
        self.function = function

    def forward(self, *arguments: Any) -> Any:
        return self.function(*arguments)


def every_other(vector: Tensor) -> Tensor:
    """The same numbers, not contiguous."""
    return torch.stack([vector, vector], -1)[..., 0]

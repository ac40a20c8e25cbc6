"""The pool of pictures that a CycleGAN's discriminators are shown."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor


class ImagePool:
    """Pictures that a generator drew before, half of which take the place of new ones. Zhu et al. 2017, section 4.

    pool(new [B, …]) gives [B, …]: while there is room all are kept and given back; then each new one, with chance ½,
    changes places with a random kept one. `size` 0 keeps none. Draws from a generator of its own.
    """

    def __init__(self, size: int = 50, seed: int = 0):
        self.size = size
        self.kept: Tensor | None = None  # [at most size, …]
        self.generator = torch.Generator().manual_seed(seed)

    def __call__(self, new: Tensor) -> Tensor:
        new = new.detach()
        if self.size == 0:
            return new
        if self.size < len(new):
            raise ValueError(f"A pool of {self.size} cannot serve a batch of {len(new)}: make it larger.")
        kept = new[:0] if self.kept is None else self.kept
        room = self.size - len(kept)
        self.kept, late = torch.cat([kept, new[:room]]), new[room:]  # [K, …], [L, …]
        if len(late) == 0:
            return new
        swapped = torch.rand(len(late), generator=self.generator) < 0.5
        place = torch.randperm(self.size, generator=self.generator)[: len(late)]  # no kept one is given twice
        late, old = late.clone(), self.kept[place]
        self.kept[place[swapped]] = late[swapped]
        late[swapped] = old[swapped]
        return torch.cat([new[:room], late])

    def state_dict(self) -> dict[str, Any]:
        return {"kept": self.kept, "generator": self.generator.get_state()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.kept = None if state["kept"] is None else state["kept"].clone()
        self.generator.set_state(state["generator"].cpu())

"""Answers that are a sum of terms, of which one may count too often, too little or with the wrong sign."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from genimg_utils.check import Function
from genimg_utils.grading.question import Criterion, Question
from genimg_utils.grading.wire import Observation


@dataclass(frozen=True)
class Summed(Question):
    """terms: each with its name, as large as it should be."""

    terms: Mapping[str, Function] = field(default_factory=dict)

    def known(self, criterion: Criterion, yours: list[Observation]) -> str:
        """The hint of the wrong answer that gives the same, or the one term that counts otherwise than it should."""
        return super().known(criterion, yours) or self.counted(criterion, yours)

    def counted(self, criterion: Criterion, yours: list[Observation]) -> str:
        if criterion.slopes or len(yours) < 2 or any(self.unlike(a, {"your answer": torch.zeros(())}) for a in yours):
            return ""
        off = values(yours) - values(self.calls(self.reference, criterion))
        for name, term in {**self.terms, "the whole": self.reference}.items():
            times = 1 + off / values(self.calls(term, criterion))
            if bool(((times - times[0]).abs() < 1e-3 * times[0].abs().clamp(min=1)).all()):
                return f"{name} counts {times[0]:.3g} times what it should, and all else is right."
        return ""


def values(found: list[Observation]) -> Tensor:
    return torch.stack([a["your answer"].double().reshape(()) for a in found])

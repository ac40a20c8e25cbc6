"""Exercises on judging what was generated, one file a chapter."""

from genimg_utils.check.judging.images import (
    at_infinity,
    copying,
    coverage,
    diagnose_perfect,
    frechet,
    kernel_distance,
    trials_needed,
    void_comparison,
)

__all__ = [
    "at_infinity",
    "copying",
    "coverage",
    "diagnose_perfect",
    "frechet",
    "kernel_distance",
    "trials_needed",
    "void_comparison",
]

"""Exercises on speed and size."""

from genimg_utils.check.speed.faster_and_bigger import (
    at_least,
    averaged,
    bytes_a_process,
    conv_flops,
    step_time,
    survives,
    whole_factor,
)

__all__ = [
    "at_least",
    "averaged",
    "bytes_a_process",
    "conv_flops",
    "step_time",
    "survives",
    "whole_factor",
]

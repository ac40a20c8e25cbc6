"""Answers to the exercises of chapter 13."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from answers.styles import Module
from genimg_utils import check


def step_by_walking(count: int, launch: float, kernel: float, reads: int) -> float:
    """The queue itself, 13.1."""
    host = free = 0.0
    for i in range(count):
        host += launch
        free = max(free, host) + kernel
        if (i + 1) % (count // reads) == 0:
            host = free
    return free


def step_by_cases(count: int, launch: float, kernel: float, reads: int) -> float:
    if launch > kernel:
        return count * launch + reads * kernel
    return count * kernel + reads * launch


def step_by_numpy(count: int, launch: float, kernel: float, reads: int) -> np.ndarray:
    return np.asarray(reads * (min(launch, kernel) + count / reads * max(launch, kernel)))


def flops_by_weights(batch: int, inputs: int, outputs: int, kernel: int, height: int, width: int) -> int:
    weight = torch.empty(outputs, inputs, kernel, kernel, device="meta")
    return 2 * weight.numel() * batch * height * width


def flops_by_products(batch: int, inputs: int, outputs: int, kernel: int, height: int, width: int) -> float:
    outs = float(batch * outputs * height * width)
    return outs * (inputs * kernel * kernel + inputs * kernel * kernel)


def flops_by_tensors(batch: int, inputs: int, outputs: int, kernel: int, height: int, width: int) -> Tensor:
    return 2 * torch.tensor([batch, inputs, outputs, kernel, kernel, height, width], dtype=torch.float64).prod()


def roof_by_rate(flops: float, moved: float, peak: float, bandwidth: float) -> float:
    return flops / min(peak, bandwidth * flops / moved)


def roof_by_cases(flops: float, moved: float, peak: float, bandwidth: float) -> float:
    return flops / peak if flops / moved > peak / bandwidth else moved / bandwidth


def roof_by_tensors(flops: float, moved: float, peak: float, bandwidth: float) -> Tensor:
    return torch.tensor([flops / peak, moved / bandwidth]).max()


def amdahl_by_arrays(shares: list[float], factors: list[float]) -> np.ndarray:
    p, s = np.array(shares), np.array(factors)
    return 1 / (1 - p.sum() + (p / s).sum())


def amdahl_by_savings(shares: list[float], factors: list[float]) -> float:
    left = 1.0
    for p, s in zip(shares, factors, strict=True):
        left -= p * (1 - 1 / s)
    return 1 / left


def amdahl_by_times(shares: list[float], factors: list[float]) -> Tensor:
    old = torch.tensor([*shares, 1 - sum(shares)], dtype=torch.float64)
    return old.sum() / (old / torch.tensor([*factors, 1.0])).sum()


def survives_by_types(gradient: Tensor, scale: float) -> Tensor:
    small = gradient.mul(scale).to(torch.float16)
    if torch.isinf(small).any() or torch.isnan(small).any():
        return gradient * 0
    return small.to(torch.float32).div(scale)


def survives_by_numpy(gradient: Tensor, scale: float) -> np.ndarray:
    with np.errstate(over="ignore"):
        small = (gradient.numpy() * np.float32(scale)).astype(np.float16).astype(np.float32)
    return small / np.float32(scale) if np.isfinite(small).all() else np.zeros_like(small)


def survives_in_double(gradient: Tensor, scale: float) -> Tensor:
    back = (gradient * scale).half().double() / scale
    return back.float() if back.abs().max() < torch.inf else torch.zeros_like(gradient)


def averaged_by_weights(gradients: list[Tensor], counts: list[int]) -> Tensor:
    n = torch.tensor(counts, dtype=torch.float64)
    return torch.einsum("r,rp->p", n / n.sum(), torch.stack([*gradients]).double())


def averaged_by_repeating(gradients: list[Tensor], counts: list[int]) -> Tensor:
    return torch.cat([g.repeat(n, 1) for g, n in zip(gradients, counts, strict=True)]).mean(dim=0)


def averaged_by_numpy(gradients: list[Tensor], counts: list[int]) -> np.ndarray:
    return np.average(np.stack([g.numpy() for g in gradients]), axis=0, weights=counts)


def bytes_by_parts(parameters: int, processes: int, sharded: bool) -> float:
    weights = gradients = first = second = 4 * parameters
    everything = weights + gradients + first + second
    return everything / processes if sharded else everything


def bytes_by_types(parameters: int, processes: int, sharded: bool) -> float:
    held = parameters / processes if sharded else parameters
    return held * 4 * torch.empty((), dtype=torch.float32).element_size()


def bytes_rounded_up(parameters: int, processes: int, sharded: bool) -> int:
    shards = processes if sharded else 1
    return 16 * -(-parameters // shards)


RIGHT: dict[str, list[Callable[..., Any]]] = {
    "step_time": [step_by_walking, step_by_cases, step_by_numpy, Module(step_by_walking)],
    "conv_flops": [flops_by_weights, flops_by_products, flops_by_tensors],
    "at_least": [roof_by_rate, roof_by_cases, roof_by_tensors],
    "whole_factor": [amdahl_by_arrays, amdahl_by_savings, amdahl_by_times],
    "survives": [survives_by_types, survives_by_numpy, survives_in_double],
    "averaged": [averaged_by_weights, averaged_by_repeating, averaged_by_numpy],
    "bytes_a_process": [bytes_by_parts, bytes_by_types, bytes_rounded_up],
}

SOLUTIONS = {
    "step_time": ["max(launch", "count // reads"],
    "conv_flops": ["kernel**2", "2 * batch"],
    "at_least": ["max(", "flops / peak, moved"],
    "whole_factor": ["zip(", "p / s"],
    "survives": ["half()", "isfinite()"],
    "averaged": ["n * g", "sum(counts)"],
    "bytes_a_process": ["16 * parameters", "/ processes"],
}


def read_never(count: int, launch: float, kernel: float, reads: int) -> float:
    host = free = 0.0
    for _ in range(count):
        host += launch
        free = max(free, host) + kernel
    return free


def with_bias(batch: int, inputs: int, outputs: int, kernel: int, height: int, width: int) -> int:
    return batch * outputs * height * width * (2 * inputs * kernel**2 + 1)


def one_channel(batch: int, inputs: int, outputs: int, kernel: int, height: int, width: int) -> int:
    return 2 * batch * outputs * height * width * kernel * kernel


def one_at_a_time(shares: list[float], factors: list[float]) -> float:
    whole = 1.0
    for p, s in zip(shares, factors, strict=True):
        whole *= 1 / ((1 - p) + p / s)
    return whole


def loses_the_small(gradient: Tensor, scale: float) -> Tensor:
    small = gradient.to(torch.float16)
    return (small * scale).to(torch.float32) / scale


def zeroes_the_large(gradient: Tensor, scale: float) -> Tensor:
    return torch.nan_to_num((gradient * scale).half().float() / scale, posinf=0, neginf=0)


def launch_once_a_part(count: int, launch: float, kernel: float, reads: int) -> float:
    per_part = count // reads
    return reads * (launch + per_part * max(launch, kernel))


def divided_too_late(gradient: Tensor, scale: float) -> Tensor:
    g16 = (gradient * scale).to(torch.float16)
    if not torch.isfinite(g16).all():
        return torch.zeros_like(gradient)
    return (g16 / scale).to(torch.float32)


def never_divided(gradient: Tensor, scale: float) -> Tensor:
    g16 = (gradient * scale).to(torch.float16)
    return g16.float() if torch.isfinite(g16).all() else torch.zeros(len(gradient))


def tries_half_the_scale(gradient: Tensor, scale: float) -> Tensor:
    g16 = (gradient * scale).half()
    if g16.isinf().any():
        scale = scale / 2
        g16 = (gradient * scale).half()
    return g16.float() / scale


AS_WRITTEN: list[tuple[Any, Callable[..., Any], str]] = [
    (check.speed.step_time, read_never, "reads are missing"),
    (check.speed.step_time, lambda count, launch, kernel, reads: (launch + kernel) * count, "one after the other"),
    (check.speed.step_time, lambda *_: 7.0, "reads times as long"),
    (check.speed.step_time, launch_once_a_part, "right where kernels are slower"),
    (check.speed.step_time, lambda c, t, k, r: c * t + r * k, "they set the pace"),
    (check.speed.step_time, lambda c, t, k, r: c * max(t, k) + r * k, "right where launches are slower"),
    (check.speed.step_time, lambda c, t, k, r: c // r * (t + k + (r - 1) * max(t, k)), "other way round"),
    (check.speed.step_time, lambda c, t, k, r: t + k + (c // r - 1) * max(t, k), "one part"),
    (check.speed.conv_flops, with_bias, "twice the batch"),
    (check.speed.conv_flops, lambda b, i, o, k, h, w: b * 2 * i * o * k * 2 * h * w, "side counts twice"),
    (check.speed.conv_flops, lambda b, i, o, k, h, w: b * 2 * i * o * k * k * (h + w), "as many pixels"),
    (
        check.speed.conv_flops,
        lambda b, i, o, k, h, w: b * 2 * i * o * k * k * (h - k + 1) * (w - k + 1),
        "takes nothing",
    ),
    (check.speed.conv_flops, one_channel, "both numbers multiply"),
    (check.speed.at_least, lambda f, m, p, w: f / p + m / w, "at best both overlap"),
    (check.speed.at_least, lambda f, m, p, w: min(p, w * (f / m)), "a rate"),
    (check.speed.at_least, lambda f, m, p, w: max(f / w, m / p), "crosswise"),
    (check.speed.at_least, lambda f, m, p, w: max(f * p, m * w), "upside down"),
    (check.speed.at_least, lambda f, m, p, w: f / m, "intensity"),
    (check.speed.at_least, lambda f, m, p, w: max(f / p, m * 4 / w), "bytes already"),
    (check.speed.at_least, lambda f, m, p, w: 0.5 * (f / p + m / w), "their mean"),
    (check.speed.whole_factor, lambda p, s: 1 / (1 - sum(p) + sum(p) / np.mean(s)), "a mean of factors"),
    (check.speed.whole_factor, lambda p, s: 1 + sum(a * (1 - 1 / b) for a, b in zip(p, s, strict=True)), "is saved"),
    (check.speed.whole_factor, lambda p, s: 1 / (1 - sum(p) + sum(p) / np.prod(s)), "its own factor"),
    (check.speed.whole_factor, one_at_a_time, "no longer these"),
    (check.speed.whole_factor, lambda shares, factors: np.prod(factors), "multiplied"),
    (check.speed.whole_factor, lambda shares, factors: sum(factors), "shares = [0.5, 0.2], factors = [2.0, 4.0]"),
    (check.speed.survives, loses_the_small, "Scale first"),
    (check.speed.survives, zeroes_the_large, "only the infinite entries"),
    (check.speed.survives, lambda gradient, scale: gradient.half(), "rounded before"),
    (check.speed.survives, divided_too_late, "float32 first"),
    (check.speed.survives, never_divided, "scale is still in it"),
    (check.speed.survives, tries_half_the_scale, "less scaled"),
    (check.speed.survives, lambda gradient, scale: (gradient / scale).half().float() * scale, "divided first"),
    (check.speed.survives, lambda g, s: torch.nan_to_num((g * s).half().float() / s), "largest number there is"),
    (check.speed.averaged, lambda gradients, counts: torch.stack([*gradients]).mean(0), "mean over processes"),
    (check.speed.averaged, lambda gradients, counts: sum(gradients) / sum(counts), "a mean already"),
    (check.speed.averaged, lambda g, n: sum(a * b for a, b in zip(g, n, strict=True)) * len(n) / sum(n), "too long"),
    (check.speed.averaged, lambda gradients, counts: torch.stack([*gradients]).sum(0), "as long as"),
    (check.speed.bytes_a_process, lambda parameters, processes, sharded: 16 * parameters, "its part alone"),
    (check.speed.bytes_a_process, lambda parameters, processes, sharded: 12 * parameters, "bytes for one parameter"),
    (check.speed.bytes_a_process, lambda p, n, sharded: 16 * p if sharded else 16 * p / n, "wrong way round"),
    (check.speed.bytes_a_process, lambda p, n, sharded: 16 * p * n, "of all processes"),
    (check.speed.bytes_a_process, lambda p, n, sharded: 4 * p + 12 * p / (n if sharded else 1), "weights were left"),
    (check.speed.bytes_a_process, lambda p, n, sharded: 16 * p / (n if sharded else 1) / 1e6, "millions"),
]

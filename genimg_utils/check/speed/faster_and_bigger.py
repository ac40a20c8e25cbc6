"""Exercises of chapter 13: a queue of kernels, counted work, the roof, Amdahl's law, scaled gradients, processes."""

from collections.abc import Sequence
from math import prod

import torch
from torch import Tensor, tensor

from genimg_utils.check import Exercise
from genimg_utils.check.common import numbers

draw = numbers(seed=13)

# A queue of equal kernels


def _step_time(count: int, launch: float, kernel: float, reads: int) -> float:
    each = count // reads
    return reads * (launch + kernel + (each - 1) * max(launch, kernel))


step_time = Exercise(
    name="step_time",
    confirms="the slower of the two sets the pace, and every read empties the queue.",
    property="launch + kernel where there is one of them, and reads times as long as the part between two reads",
    reference=_step_time,
    inputs=[(12, 5.0, 2.0, 3), (12, 2.0, 7.0, 4), (10, 3.0, 4.0, 1), (6, 1.0, 1.5, 6)],
    wrong={
        "launches and kernels one after the other: that is a read after every kernel. Between reads they overlap.": [
            lambda count, launch, kernel, reads: count * (launch + kernel),
        ],
        "the reads are missing: after each, the device has nothing to do until the next launch is done.": [
            lambda count, launch, kernel, reads: _step_time(count, launch, kernel, 1),
        ],
        "the slower of both sums. The first kernel waits for its launch, and after the last launch comes a kernel.": [
            lambda count, launch, kernel, reads: max(count * launch, count * kernel),
        ],
        "the kernels alone. Where launching is slower than computing, the device waits for the host.": [
            lambda count, launch, kernel, reads: reads * launch + count * kernel,
            lambda count, launch, kernel, reads: count * kernel,
            lambda count, launch, kernel, reads: launch + count * kernel,
        ],
        "the faster of the two sets the pace here. One cannot start what is not launched, nor launch and be done.": [
            lambda count, launch, kernel, reads: reads * (launch + kernel + (count // reads - 1) * min(launch, kernel)),
        ],
        "each part holds count / reads kernels, so count / reads − 1 follow the first one.": [
            lambda count, launch, kernel, reads: reads * (launch + kernel + (count // reads) * max(launch, kernel)),
            lambda count, launch, kernel, reads: reads * (launch + kernel + (count - 1) * max(launch, kernel)),
        ],
        "right where kernels are slower. Where launches are, 5 against 2: which of the two comes once a part?": [
            lambda count, launch, kernel, reads: reads * launch + count * max(launch, kernel),
        ],
        "right where launches are slower. Where kernels are, 2 against 7: which of the two comes once a part?": [
            lambda count, launch, kernel, reads: reads * kernel + count * max(launch, kernel),
        ],
        "the launches, and a kernel at the end. Where kernels take longer than launches, they set the pace.": [
            lambda count, launch, kernel, reads: reads * kernel + count * launch,
            lambda count, launch, kernel, reads: kernel + count * launch,
        ],
        "parts of `reads` kernels each. It is the other way round: `reads` parts, of count / reads kernels.": [
            lambda count, launch, kernel, reads: count // reads * _step_time(reads, launch, kernel, 1),
        ],
        "that is one part, up to its read. There are as many as reads.": [
            lambda count, launch, kernel, reads: _step_time(count // reads, launch, kernel, 1),
        ],
    },
)

# Counted work


def _conv_flops(batch: int, inputs: int, outputs: int, kernel: int, height: int, width: int) -> int:
    return 2 * batch * inputs * outputs * kernel**2 * height * width


conv_flops = Exercise(
    name="conv_flops",
    confirms="a multiplication and an addition for each weight, output pixel and picture.",
    property="twice as much for twice the batch, and four times as much for twice the side of the kernel",
    reference=_conv_flops,
    inputs=[(32, 16, 24, 4, 14, 12), (1, 3, 5, 1, 7, 9), (2, 8, 1, 3, 28, 20)],
    wrong={
        "that counts multiplications. A multiplication and an addition are two.": [
            lambda batch, inputs, outputs, kernel, height, width: batch * inputs * outputs * kernel**2 * height * width,
        ],
        "the work of one picture: the batch is missing.": [
            lambda batch, inputs, outputs, kernel, height, width: 2 * inputs * outputs * kernel**2 * height * width,
        ],
        "a kernel is a square: its side counts twice.": [
            lambda batch, inputs, outputs, kernel, height, width: (
                2 * batch * inputs * outputs * kernel * height * width
            ),
            lambda batch, inputs, outputs, kernel, height, width: (
                2 * batch * inputs * outputs * (kernel * 2) * height * width
            ),
        ],
        "one side of the picture, or their sum. It has as many pixels as one times the other.": [
            lambda batch, inputs, outputs, kernel, height, width: 2 * batch * inputs * outputs * kernel**2 * height,
            lambda batch, inputs, outputs, kernel, height, width: 2 * batch * inputs * outputs * kernel**2 * width,
            lambda batch, inputs, outputs, kernel, height, width: (
                2 * batch * inputs * outputs * kernel**2 * (height + width)
            ),
        ],
        "height and width are those of what it makes already: the kernel takes nothing off them.": [
            lambda batch, inputs, outputs, kernel, height, width: _conv_flops(
                batch, inputs, outputs, kernel, height - kernel + 1, width - kernel + 1
            ),
        ],
        "each output sees all input channels, and each kernel makes one of the outputs: both numbers multiply.": [
            lambda batch, inputs, outputs, kernel, height, width: 2 * batch * outputs * kernel**2 * height * width,
            lambda batch, inputs, outputs, kernel, height, width: 2 * batch * inputs * kernel**2 * height * width,
            lambda batch, inputs, outputs, kernel, height, width: (
                2 * batch * (inputs + outputs) * kernel**2 * height * width
            ),
        ],
        "that is the number of weights, once more for multiply and add. Each is used at every output pixel.": [
            lambda batch, inputs, outputs, kernel, height, width: 2 * batch * inputs * outputs * kernel**2,
            lambda batch, inputs, outputs, kernel, height, width: 2 * inputs * outputs * kernel**2,
            lambda batch, inputs, outputs, kernel, height, width: inputs * outputs * kernel**2,
        ],
    },
    tolerance=1e-6,
)

# The roof


def _at_least(flops: float, moved: float, peak: float, bandwidth: float) -> float:
    return max(flops / peak, moved / bandwidth)


at_least = Exercise(
    name="at_least",
    confirms="arithmetic and memory work at the same time, so the slower one counts.",
    property="flops / peak where hardly anything is moved, moved / bandwidth where hardly anything is computed",
    reference=_at_least,
    inputs=[(3.0, 2.0, 1.5, 4.0), (2.0, 9.0, 4.0, 3.0), (6e9, 1e8, 2e11, 1e10), (1e9, 6e8, 1e11, 2e10)],
    wrong={
        "one after the other. While one layer's numbers are computed, the next ones travel: at best both overlap.": [
            lambda flops, moved, peak, bandwidth: flops / peak + moved / bandwidth,
        ],
        "the faster of the two. Both must be finished, so the slower one counts.": [
            lambda flops, moved, peak, bandwidth: min(flops / peak, moved / bandwidth),
        ],
        "the arithmetic alone: a layer that moves much is held up by the memory.": [
            lambda flops, moved, peak, bandwidth: flops / peak,
        ],
        "the memory alone: a layer that computes much is held up by the arithmetic.": [
            lambda flops, moved, peak, bandwidth: moved / bandwidth,
        ],
        "that is a rate, the roof itself in FLOP a second. Seconds are asked.": [
            lambda flops, moved, peak, bandwidth: min(peak, bandwidth * flops / moved),
        ],
        "upside down: seconds are work divided by work a second.": [
            lambda flops, moved, peak, bandwidth: max(peak / flops, bandwidth / moved),
            lambda flops, moved, peak, bandwidth: min(peak / flops, bandwidth / moved),
            lambda flops, moved, peak, bandwidth: max(flops * peak, moved * bandwidth),
        ],
        "crosswise: the peak is about operations, the bandwidth about bytes.": [
            lambda flops, moved, peak, bandwidth: max(flops / bandwidth, moved / peak),
        ],
        "that is between the two times. The slower one cannot be beaten by their mean.": [
            lambda flops, moved, peak, bandwidth: (flops / peak + moved / bandwidth) / 2,
            lambda flops, moved, peak, bandwidth: (flops + moved) / (peak + bandwidth),
        ],
        "that is the intensity, or the rate it leads to, not the time.": [
            lambda flops, moved, peak, bandwidth: flops / moved,
            lambda flops, moved, peak, bandwidth: max(peak, bandwidth * flops / moved),
        ],
        "moved counts bytes already; that counted them four times.": [
            lambda flops, moved, peak, bandwidth: max(flops / peak, 4 * moved / bandwidth),
        ],
    },
    tolerance=1e-6,
)

# Amdahl's law


def _whole(shares: Sequence[float], factors: Sequence[float]) -> float:
    return 1 / (1 - sum(shares) + sum(p / s for p, s in zip(shares, factors, strict=True)))


whole_factor = Exercise(
    name="whole_factor",
    confirms="what stays slow sets the limit: 1 / (1 − Σ shares), however large the factors.",
    property="1 where all factors are 1, and below 1 / (1 − Σ shares) for any factors",
    reference=_whole,
    inputs=[([0.5, 0.2], [2.0, 4.0]), ([0.8], [10.0]), ([0.3, 0.1, 0.2], [1.5, 1.0, 8.0]), ([0.4], [0.5])],
    wrong={
        "the factors multiplied, as if each change made the whole step faster.": [
            lambda shares, factors: prod(factors),
            lambda shares, factors: max(factors),
        ],
        "a mean of factors. Times add, factors do not: sum the new times, then divide.": [
            lambda shares, factors: 1 - sum(shares) + sum(p * s for p, s in zip(shares, factors, strict=True)),
            lambda shares, factors: sum(p * s for p, s in zip(shares, factors, strict=True)) / sum(shares),
            lambda shares, factors: sum(factors) / len(factors),
            lambda shares, factors: 1 / (1 - sum(shares) + sum(shares) / (sum(factors) / len(factors))),
        ],
        "the rest of the step is missing: what nobody changed still takes its time.": [
            lambda shares, factors: 1 / sum(p / s for p, s in zip(shares, factors, strict=True)),
        ],
        "that is the new time, as a share of the old one. The factor is the old time divided by the new one.": [
            lambda shares, factors: 1 / _whole(shares, factors),
        ],
        "that is the limit for infinite factors.": [lambda shares, factors: 1 / (1 - sum(shares))],
        "each change by itself, then multiplied: after the first, the shares of the others are no longer these.": [
            lambda shares, factors: prod(1 / (1 - p + p / s) for p, s in zip(shares, factors, strict=True)),
        ],
        "each share of the time has its own factor: all of them over all factors together is another step.": [
            lambda shares, factors: 1 / (1 - sum(shares) + sum(shares) / sum(factors)),
            lambda shares, factors: 1 / (1 - sum(shares) + sum(shares) / prod(factors)),
        ],
        "the share that is saved, alone or added to 1. Who saves half the time is twice as fast, not 1.5 times.": [
            lambda shares, factors: 1 - 1 / _whole(shares, factors),
            lambda shares, factors: 2 - 1 / _whole(shares, factors),
        ],
        "the first change alone: go through all shares, each with its factor.": [
            lambda shares, factors: 1 / (1 - shares[0] + shares[0] / factors[0]),
        ],
    },
)

# A gradient through half precision


def _survives(gradient: Tensor, scale: float) -> Tensor:
    passed = (gradient * scale).half().float() / scale
    return passed if passed.isfinite().all() else torch.zeros_like(gradient)


def _without_skip(gradient: Tensor, scale: float) -> Tensor:
    return (gradient * scale).half().float() / scale


def _all_or_none(passed: Tensor) -> Tensor:
    return passed if passed.isfinite().all() else torch.zeros_like(passed)


def _entry_by_entry(gradient: Tensor, scale: float) -> Tensor:
    passed = (gradient * scale).half().float() / scale
    return torch.where(passed.isfinite(), passed, 0.0)


def _clamped(gradient: Tensor, scale: float) -> Tensor:
    return (gradient * scale).clamp(-65504, 65504).half().float() / scale


survives = Exercise(
    name="survives",
    confirms="small gradients come through, and a step with an infinite one is left out.",
    property="near the gradient where times scale it fits float16, and all zeros where one entry does not",
    reference=_survives,
    inputs=[
        (tensor([3.1e-8, -2.2e-9, 1e-3, 0.5]), 2.0**14),
        (tensor([3.1e-8, -2.2e-9, 1e-3, 0.5]), 1.0),
        (tensor([1.0, 30.0, -2e-3]), 2.0**12),
        (draw(5), 7.0),
    ],
    wrong={
        "the scale is still in it: the step would be that much too long. Divide before the optimiser sees it.": [
            lambda gradient, scale: (gradient * scale).half().float(),
            lambda gradient, scale: _all_or_none((gradient * scale).half().float()),
        ],
        "rounded before it was scaled: what is 0 by then stays 0. Scale first.": [
            lambda gradient, scale: (gradient.half() * scale).float() / scale,
            lambda gradient, scale: gradient.half().float(),
            lambda gradient, scale: _all_or_none((gradient.half() * scale).float() / scale),
        ],
        "divided while still in float16, where small gradients vanish a second time. Go to float32 first.": [
            lambda gradient, scale: ((gradient * scale).half() / scale).float(),
            lambda gradient, scale: (gradient * scale).half() / scale,
            lambda gradient, scale: _all_or_none(((gradient * scale).half() / scale).float()),
        ],
        "an infinite gradient came through and would ruin every weight: where one is not finite, all are left out.": [
            _without_skip,
        ],
        "only the infinite entries were left out. The others are of the same step: leave out all.": [_entry_by_entry],
        "an infinite entry was replaced by the largest number there is. That is no gradient: leave out the step.": [
            lambda gradient, scale: _without_skip(gradient, scale).nan_to_num(),
        ],
        "where it overflowed, the gradient came by another way, unscaled or less scaled. That step is left out.": [
            lambda gradient, scale: (
                gradient if _without_skip(gradient, scale).isinf().any() else _without_skip(gradient, scale)
            ),
            lambda gradient, scale: _without_skip(
                gradient, scale / 2 if _without_skip(gradient, scale).isinf().any() else scale
            ),
        ],
        "left out the wrong way round: zeros where all fits, and a gradient where it does not.": [
            lambda gradient, scale: (
                _without_skip(gradient, scale)
                if _without_skip(gradient, scale).isinf().any()
                else torch.zeros_like(gradient)
            ),
        ],
        "divided first and multiplied afterwards. Small gradients become smaller still: scale up on the way in.": [
            lambda gradient, scale: (gradient / scale).half().float() * scale,
            lambda gradient, scale: _all_or_none((gradient / scale).half().float() * scale),
        ],
        "bfloat16 was asked of nobody: it has the range of float32 and needs no scale, but fewer digits.": [
            lambda gradient, scale: (gradient * scale).bfloat16().float() / scale,
        ],
        "cut to the largest float16, a gradient points elsewhere. Leave the step out: all zeros.": [_clamped],
        "nothing was rounded: in between, the gradient is a float16.": [
            lambda gradient, scale: gradient,
            lambda gradient, scale: gradient * ((gradient * scale).abs().max() < 65504),
        ],
    },
    tolerance=1e-10,
)

# Several processes


def _averaged(gradients: Sequence[Tensor], counts: Sequence[int]) -> Tensor:
    return sum(n * g for g, n in zip(gradients, counts, strict=True)) / sum(counts)  # type: ignore[return-value]


_parts = [draw(3) for _ in range(3)]

averaged = Exercise(
    name="averaged",
    confirms="every picture counts the same, wherever it was computed.",
    property="the plain mean where all counts are equal, and the first gradient where the other counts are 0",
    reference=_averaged,
    inputs=[(_parts, [8, 8, 2]), (_parts[:2], [1, 5]), ([draw(2), draw(2)], [4, 0])],
    wrong={
        "the mean over processes: a picture in a small part counts more than one in a large part.": [
            lambda gradients, counts: sum(gradients) / len(gradients),
        ],
        "the sum over processes, as long as there are processes: the step is that much too long. Divide.": [
            lambda gradients, counts: sum(gradients),
        ],
        "weighted, but not divided by the number of all pictures.": [
            lambda gradients, counts: sum(n * g for g, n in zip(gradients, counts, strict=True)),
        ],
        "divided by the number of pictures, but never weighted by it: a part's gradient is a mean already.": [
            lambda gradients, counts: sum(gradients) / sum(counts),
            lambda gradients, counts: sum(g / max(n, 1) for g, n in zip(gradients, counts, strict=True)),
            lambda gradients, counts: (
                sum(g / max(n, 1) for g, n in zip(gradients, counts, strict=True)) / len(gradients)
            ),
        ],
        "the small part was dropped. Its pictures count too, only less together.": [
            lambda gradients, counts: (
                sum(g for g, n in zip(gradients, counts, strict=True) if n == max(counts)) / counts.count(max(counts))
            ),
        ],
        "as many times too long as there are processes: a sum of weighted gradients needs no factor more.": [
            lambda gradients, counts: len(counts) * _averaged(gradients, counts),
        ],
        "weighted by the number of pictures, then divided by the number of processes.": [
            lambda gradients, counts: sum(n * g for g, n in zip(gradients, counts, strict=True)) / len(gradients),
        ],
        "upside down: a part with more pictures counts more.": [
            lambda gradients, counts: (
                sum(g / max(n, 1) for g, n in zip(gradients, counts, strict=True)) / sum(1 / max(n, 1) for n in counts)
            ),
        ],
        "that is the gradient of one process; it has not seen the others' pictures.": [
            lambda gradients, counts: gradients[0],
            lambda gradients, counts: gradients[-1],
        ],
    },
)

# Memory


def _bytes_a_process(parameters: int, processes: int, sharded: bool) -> float:
    return 16 * parameters / (processes if sharded else 1)


bytes_a_process = Exercise(
    name="bytes_a_process",
    confirms="sixteen bytes a parameter, and only sharding divides them.",
    property="the same for any number of processes unless sharded, and 16 bytes for one parameter",
    reference=_bytes_a_process,
    inputs=[(1_000_000, 4, False), (1_000_000, 4, True), (11_378_179, 1, True), (48_000_000, 8, True)],
    wrong={
        "the weights alone. A gradient and Adam's two averages are as large as they are.": [
            lambda parameters, processes, sharded: 4 * parameters / (processes if sharded else 1),
        ],
        "twelve bytes a parameter leave something out: weight, gradient, and Adam's two averages are four numbers.": [
            lambda parameters, processes, sharded: 12 * parameters / (processes if sharded else 1),
        ],
        "without sharding each process holds everything. More processes do not make a model smaller.": [
            lambda parameters, processes, sharded: 16 * parameters / processes,
        ],
        "sharded, each process holds its part alone.": [
            lambda parameters, processes, sharded: 16 * parameters,
        ],
        "only the optimiser's state was shared out. Fully sharded, so are weights and gradients.": [
            lambda parameters, processes, sharded: 8 * parameters + 8 * parameters / (processes if sharded else 1),
        ],
        "the weights were left whole. Fully sharded, each process keeps only a part of them too.": [
            lambda parameters, processes, sharded: 4 * parameters + 12 * parameters / (processes if sharded else 1),
            lambda parameters, processes, sharded: (
                4 * parameters * sharded + _bytes_a_process(parameters, processes, sharded)
            ),
        ],
        "the wrong way round: what is sharded is shared out, and what is not is whole.": [
            lambda parameters, processes, sharded: _bytes_a_process(parameters, processes, not sharded),
        ],
        "the bytes of all processes together. One of them is asked for.": [
            lambda parameters, processes, sharded: 16 * parameters * processes,
            lambda parameters, processes, sharded: _bytes_a_process(parameters, processes, sharded) * processes,
        ],
        "millions of bytes; bytes are asked.": [
            lambda parameters, processes, sharded: _bytes_a_process(parameters, processes, sharded) / 1e6,
            lambda parameters, processes, sharded: _bytes_a_process(parameters, processes, sharded) / 2**20,
        ],
        "eight bytes a parameter are two numbers. Count again what training keeps beside the weight.": [
            lambda parameters, processes, sharded: 8 * parameters / (processes if sharded else 1),
        ],
        "that counts parameters: each is four numbers of four bytes.": [
            lambda parameters, processes, sharded: parameters / (processes if sharded else 1),
        ],
    },
    tolerance=1e-6,
)

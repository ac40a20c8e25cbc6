"""Answers to the exercises of chapter 08."""

import math
from collections import Counter
from collections.abc import Callable
from itertools import permutations
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import l1_loss, mse_loss

from answers.styles import Module
from genimg_utils import check
from genimg_utils.losses import cyclegan, least_squares


def cycle_by_modules(x: Tensor, y: Tensor, G: Any, F: Any) -> Tensor:
    return nn.L1Loss()(F(G(x)), x) + nn.L1Loss()(G(F(y)), y)


def cycle_by_package(x: Tensor, y: Tensor, G: Any, F: Any) -> Tensor:
    return cyclegan.cycle(x, F(G(x))) + cyclegan.cycle(y, G(F(y)))


def cycle_picture_by_picture(x: Tensor, y: Tensor, G: Any, F: Any) -> Tensor:
    there = [(F(G(one[None]))[0] - one).abs().mean() for one in x]
    back = [(G(F(one[None]))[0] - one).abs().mean() for one in y]
    return sum(there) / len(x) + torch.stack(back).mean()


def identity_in_one_go(x: Tensor, y: Tensor, G: Any, F: Any) -> Tensor:
    return torch.cat([F(x) - x, G(y) - y]).abs().mean() * 2


def generators_glued(x: Tensor, y: Tensor, G: Any, F: Any, D_X: Any, D_Y: Any, weight: float) -> Tensor:
    """Three calls of the generators, as in chapter 09."""
    fake_x = F(y)
    fake_y, there = G(torch.cat([x, fake_x])).split([len(x), len(y)])
    fool = mse_loss(D_Y(fake_y), torch.ones_like(D_Y(fake_y))) + ((1 - D_X(fake_x)) ** 2).mean()
    return fool + weight * (l1_loss(F(fake_y), x) + l1_loss(there, y))


def generators_by_objective(x: Tensor, y: Tensor, G: Any, F: Any, D_X: Any, D_Y: Any, weight: float) -> Tensor:
    fool = [least_squares.generator(d, d) for d in (D_Y(G(x)), D_X(F(y)))]
    return torch.stack([*fool, weight * cycle_by_package(x, y, G, F)]).sum()


def generators_in_double(x: Tensor, y: Tensor, G: Any, F: Any, D_X: Any, D_Y: Any, weight: float) -> Tensor:
    a, b = D_Y(G(x)).double(), D_X(F(y)).double()
    fool = (a * a - 2 * a + 1).mean() + (b * b - 2 * b + 1).mean()
    return fool + weight * cycle_by_modules(x, y, G, F).double()


def discriminators_without_grad(x: Tensor, y: Tensor, G: Any, F: Any, D_X: Any, D_Y: Any) -> Tensor:
    with torch.no_grad():
        fake_x, fake_y = F(y), G(x)
    return least_squares.discriminator(D_X(x), D_X(fake_x)) + least_squares.discriminator(D_Y(y), D_Y(fake_y))


def discriminators_in_one_pass(x: Tensor, y: Tensor, G: Any, F: Any, D_X: Any, D_Y: Any) -> Tensor:
    total = torch.zeros(())
    for D, real, fake in ((D_X, x, F(y)), (D_Y, y, G(x))):
        of_real, of_fake = D(torch.cat([real, fake.detach()])).chunk(2)
        total = total + mse_loss(of_real, torch.ones_like(of_real)) + of_fake.pow(2).mean()
    return total


def discriminators_by_labels(x: Tensor, y: Tensor, G: Any, F: Any, D_X: Any, D_Y: Any) -> Tensor:
    shown = [(D_Y, y, 1.0), (D_Y, G(x).detach(), 0.0), (D_X, x, 1.0), (D_X, F(y).detach(), 0.0)]
    return sum((D(picture) - label).square().mean() for D, picture, label in shown)


def maps_by_trying(p: Tensor) -> int:
    return sum(all(p[i] == p[j] for i, j in enumerate(pi)) for pi in permutations(range(len(p))))


def maps_by_counter(p: Tensor) -> int:
    found = 1
    for count in Counter(p.tolist()).values():
        found *= math.factorial(count)
    return found


def side_forwards(layers: list[tuple[int, int, int]]) -> int:
    side, jump = 1, 1
    for kernel, stride, _ in layers:
        side, jump = side + (kernel - 1) * jump, jump * stride
    return side


def side_by_gradient(layers: list[tuple[int, int, int]]) -> int:
    x = torch.zeros(1, 1, 1200, requires_grad=True)
    out = x
    for kernel, stride, padding in layers:
        out = nn.functional.conv1d(out, torch.ones(1, 1, kernel) / kernel, stride=stride, padding=padding)
    out[0, 0, out.shape[2] // 2].backward()
    return int((x.grad > 0).sum())


def side_by_recursion(layers: list[tuple[int, int, int]]) -> int:
    if not layers:
        return 1
    (kernel, stride, _), *deeper = layers
    return kernel + stride * (side_by_recursion(deeper) - 1)


def pool_by_where(kept: Tensor, new: Tensor, swap: Tensor, place: Tensor) -> tuple[Tensor, Tensor]:
    coin = swap.view(-1, *[1] * (new.ndim - 1))
    shown = torch.where(coin, kept[place], new)
    return shown, kept.index_copy(0, place, torch.where(coin, new, kept[place]))


def pool_in_a_loop(kept: Tensor, new: Tensor, swap: Tensor, place: Tensor) -> list[Tensor]:
    after, shown = list(kept), []
    for picture, change, i in zip(new, swap.tolist(), place.tolist(), strict=True):
        shown.append(after[i] if change else picture)
        if change:
            after[i] = picture
    return [torch.stack(shown), torch.stack(after)]


def pool_by_index_put(kept: Tensor, new: Tensor, swap: Tensor, place: Tensor) -> tuple[Tensor, Tensor]:
    at = place[swap]
    return new.index_put((swap.nonzero()[:, 0],), kept[at]), kept.index_put((at,), new[swap])


def older_by_sum(size: int, batch: int, age: int) -> float:
    h = batch / (2 * size)
    return 0.5 - sum(0.5 * h * (1 - h) ** (k - 1) for k in range(1, age + 1))


def older_by_logs(size: int, batch: int, age: int) -> Tensor:
    return torch.tensor(age * math.log1p(-batch / (2 * size)) - math.log(2)).exp()


# Right answers, none of them written as the check's own.
RIGHT: dict[str, list[Callable[..., Any]]] = {
    "cycle_loss": [cycle_by_modules, cycle_by_package, cycle_picture_by_picture, Module(cycle_by_modules)],
    "identity_loss": [
        identity_in_one_go,
        lambda x, y, G, F: cyclegan.identity(y, G(y)) + cyclegan.identity(x, F(x)),
        lambda x, y, G, F: l1_loss(G(y), y) + torch.einsum("bchw->", (F(x) - x).abs()) / x.numel(),
        Module(identity_in_one_go),
    ],
    "generators_loss": [
        generators_glued,
        generators_by_objective,
        generators_in_double,
        Module(generators_by_objective),
    ],
    "discriminators_loss": [
        discriminators_without_grad,
        discriminators_in_one_pass,
        discriminators_by_labels,
        Module(discriminators_by_labels),
    ],
    "zero_loss_maps": [
        maps_by_trying,
        maps_by_counter,
        lambda p: torch.unique(p, return_counts=True)[1].add(1).double().lgamma().exp().prod(),
        Module(maps_by_counter),
    ],
    "patch_side": [side_forwards, side_by_gradient, side_by_recursion, Module(side_forwards)],
    "through_pool": [pool_by_where, pool_in_a_loop, pool_by_index_put, Module(pool_by_where)],
    "share_older": [older_by_sum, older_by_logs, lambda K, B, a: (2 * K - B) ** a / (2 * K) ** a / 2],
}

# What none of the texts before the ✓ may say.
SOLUTIONS = {
    "cycle_loss": ["G(F(y))", "F(G(x)) - x", "abs()", "l1_loss"],
    "identity_loss": ["G(y)", "F(x)", "abs()"],
    "generators_loss": ["D_Y(G(x))", "- 1", "weight *"],
    "discriminators_loss": ["detach()", "no_grad", "D_Y(y)"],
    "zero_loss_maps": ["factorial", "unique", "k!"],
    "patch_side": ["reversed", "+ k", "* s", "(r − 1) s"],
    "through_pool": ["clone", "place[swap]"],
    "share_older": ["** age", "B/(2K)", "(1 − h)"],
}


def cycle_against_the_other(x: Tensor, y: Tensor, G: Any, F: Any) -> Tensor:
    return nn.L1Loss()(F(G(x)), y) + nn.L1Loss()(G(F(y)), x)


def discriminators_attached(x: Tensor, y: Tensor, G: Any, F: Any, D_X: Any, D_Y: Any) -> Tensor:
    return least_squares.discriminator(D_X(x), D_X(F(y))) + least_squares.discriminator(D_Y(y), D_Y(G(x)))


def generators_with_half_the_cycle(x: Tensor, y: Tensor, G: Any, F: Any, D_X: Any, D_Y: Any, weight: float) -> Tensor:
    fool = ((D_Y(G(x)) - 1) ** 2).mean() + ((D_X(F(y)) - 1) ** 2).mean()
    return fool + weight * l1_loss(F(G(x)), x)


def generators_with_sigmoid(x: Tensor, y: Tensor, G: Any, F: Any, D_X: Any, D_Y: Any, weight: float) -> Tensor:
    a, b = torch.sigmoid(D_Y(G(x))), torch.sigmoid(D_X(F(y)))
    return mse_loss(a, torch.ones_like(a)) + mse_loss(b, torch.ones_like(b)) + weight * cycle_by_modules(x, y, G, F)


def side_with_padding(layers: list[tuple[int, int, int]]) -> int:
    side = 1
    for kernel, stride, padding in layers[::-1]:
        side = (side - 1) * stride + kernel - 2 * padding
    return side


def pool_of_copies(kept: Tensor, new: Tensor, swap: Tensor, place: Tensor) -> tuple[Tensor, Tensor]:
    shown = new.clone()
    for i in range(len(new)):
        if swap[i]:
            shown[i] = kept[place[i]]
    return shown, kept


# As a learner would write them, without knowledge of the registry: the exercise, the answer, words of the hint.
AS_WRITTEN: list[tuple[Any, Callable[..., Any], str]] = [
    (check.cyclegan.cycle_loss, cycle_against_the_other, "no pair"),
    (check.cyclegan.cycle_loss, lambda x, y, G, F: mse_loss(F(G(x)), x) + mse_loss(G(F(y)), y), "L1"),
    (check.cyclegan.cycle_loss, lambda x, y, G, F: l1_loss(F(G(x)), x), "one direction is missing"),
    (check.cyclegan.cycle_loss, lambda x, y, G, F: l1_loss(G(G(x)), x) + l1_loss(G(G(y)), y), "weights of its own"),
    (check.cyclegan.cycle_loss, lambda x, y, G, F: (F(G(x)) - x).norm(p=1) + (G(F(y)) - y).norm(p=1), "added up"),
    (check.cyclegan.cycle_loss, lambda x, y, G, F: (F(G(x)) - x).abs() + (G(F(y)) - y).abs(), "single number"),
    (check.cyclegan.identity_loss, lambda x, y, G, F: l1_loss(G(x), x) + l1_loss(F(y), y), "wrong domain"),
    (check.cyclegan.identity_loss, lambda x, y, G, F: l1_loss(G(y), y), "F is missing"),
    (check.cyclegan.generators_loss, generators_with_half_the_cycle, "one direction only"),
    (check.cyclegan.generators_loss, generators_with_sigmoid, "flatten"),
    (
        check.cyclegan.generators_loss,
        lambda x, y, G, F, D_X, D_Y, w: generators_by_objective(x, y, G, F, D_Y, D_X, w),
        "exchanged",
    ),
    (check.cyclegan.discriminators_loss, discriminators_attached, "gradient into G or F"),
    (
        check.cyclegan.discriminators_loss,
        lambda x, y, G, F, D_X, D_Y: discriminators_by_labels(x, y, G, F, D_X, D_Y) / 2,
        "half of what it should be",
    ),
    (
        check.cyclegan.discriminators_loss,
        lambda x, y, G, F, D_X, D_Y: discriminators_by_labels(y, x, F, G, D_X, D_Y),
        "exchanged",
    ),
    (check.cyclegan.zero_loss_maps, lambda p: math.factorial(len(p)), "all bijections"),
    (check.cyclegan.zero_loss_maps, lambda p: maps_by_trying(p) - 1, "counts"),
    (
        check.cyclegan.zero_loss_maps,
        lambda p: math.prod(math.factorial(k) for k in torch.unique_consecutive(p, return_counts=True)[1].tolist()),
        "side by side",
    ),
    (check.cyclegan.patch_side, side_with_padding, "padding was counted"),
    (check.cyclegan.patch_side, lambda layers: side_forwards(layers[::-1]), "wrong end"),
    (check.cyclegan.through_pool, pool_of_copies, "shown again"),
    (check.cyclegan.through_pool, lambda k, n, s, p: pool_by_where(k, n, ~s, p), "turned around"),
    (check.cyclegan.through_pool, lambda k, n, s, p: pool_by_where(k, n, s, p)[0], "return 3 values"),
    (check.cyclegan.share_older, lambda K, B, a: 0.5 * (1 - B / K) ** a, "coin is missing"),
    (check.cyclegan.share_older, lambda K, B, a: 0.5 * (1 - 1 / (2 * K)) ** a, "batch is missing"),
]

"""Exercises of chapter 08: the terms of the objective, what they leave open, patches, the pool."""

import copy
import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn, tensor

from genimg_utils.check import Exercise, Observation
from genimg_utils.check.common import NO_GRADIENT, gradients, numbers

draw = numbers(seed=8)

Loss = Callable[..., Tensor]


class _Map(nn.Module):
    """tanh of mixed channels, of pictures [B, 2, S, S]: as a generator to 2 channels, as a discriminator to 1."""

    def __init__(self, outputs: int):
        super().__init__()
        self.weight = nn.Parameter(draw(outputs, 2))
        self.bias = nn.Parameter(draw(outputs, 1, 1) / 2)

    def forward(self, x: Tensor) -> Tensor:
        mixed = torch.einsum("oc,bchw->bohw", self.weight, x) + self.bias
        return mixed.tanh() if len(self.weight) > 1 else mixed


def _players(generators: int = 2, discriminators: int = 0) -> tuple[_Map, ...]:
    return *(_Map(2) for _ in range(generators)), *(_Map(1) for _ in range(discriminators))


def _seen(function: Loss, x: Tensor, y: Tensor, *rest: Any) -> Observation:
    """The value of a loss, and what it sends back to each network."""
    players = [part for part in rest if isinstance(part, _Map)]
    value = function(x, y, *rest)
    slopes = gradients(value, *(player.weight for player in players))
    names = ("G", "F", "D_X", "D_Y")
    found = {f"the gradient of {name}": slope for name, slope in zip(names, slopes, strict=False)}
    return {"your answer": value, **found}


def _off(a: Tensor, b: Tensor) -> Tensor:
    return (a - b).abs().mean()


def _squared(a: Tensor, b: Tensor) -> Tensor:
    return (a - b).square().mean()


def _summed(a: Tensor, b: Tensor) -> Tensor:
    """The paper's norm of each picture, and the mean over pictures."""
    return (a - b).abs().flatten(1).sum(dim=1).mean()


def _batches() -> tuple[Tensor, Tensor]:
    return draw(3, 2, 4, 4).tanh(), draw(3, 2, 4, 4).tanh()


# There and back


def _cycle(x: Tensor, y: Tensor, G: Any, F: Any, off: Loss = _off) -> Tensor:
    return off(F(G(x)), x) + off(G(F(y)), y)


L2_FOR_L1 = "that is the squared difference. The absolute one is asked: L1."
SUMMED = "the numbers of a picture are added up. This course means them, as the text says below 8.1."
HALVED = "half of what it should be: the two directions are added, not averaged."
X_ONLY = "one direction is missing: nothing asks {} to bring back what it is given from the other domain."

cycle_loss = Exercise(
    name="cycle_loss",
    confirms="both directions, each picture compared with itself, and both generators learn from both terms.",
    property="a scalar, 0 where each generator undoes the other, the same for any order within a batch",
    reference=_cycle,
    inputs=[(*_batches(), *_players()), (*(b[:1] for b in _batches()), *_players())],
    observe=_seen,
    wrong={
        NO_GRADIENT: [torch.no_grad()(_cycle)],
        "F(G(x)) was compared with y. x and y are no pair: the way back leads to x.": [
            lambda x, y, G, F: _off(F(G(x)), y) + _off(G(F(y)), x),
            lambda x, y, G, F: _off(F(G(x)), y) + _off(G(F(y)), y),
        ],
        "G(x) was compared with y. That is the paired loss, and there are no pairs.": [
            lambda x, y, G, F: _off(G(x), y) + _off(F(y), x),
        ],
        L2_FOR_L1: [lambda x, y, G, F: _cycle(x, y, G, F, _squared)],
        SUMMED: [
            lambda x, y, G, F: _cycle(x, y, G, F, _summed),
            lambda x, y, G, F: _cycle(x, y, G, F, lambda a, b: (a - b).abs().sum()),
        ],
        X_ONLY.format("G"): [lambda x, y, G, F: _off(F(G(x)), x)],
        X_ONLY.format("F"): [lambda x, y, G, F: _off(G(F(y)), y)],
        HALVED: [lambda x, y, G, F: _cycle(x, y, G, F) / 2],
        "one network goes both ways. F has weights of its own; G and F are two networks.": [
            lambda x, y, G, F: _off(G(G(x)), x) + _off(G(G(y)), y),
            lambda x, y, G, F: _off(G(G(x)), x) + _off(F(F(y)), y),
        ],
        "each generator was run on the wrong domain: G takes pictures of X, F those of Y.": [
            lambda x, y, G, F: _off(G(F(x)), x) + _off(F(G(y)), y),
        ],
        "the value is right, and the first half of each journey gets no gradient: it was cut off in the middle.": [
            lambda x, y, G, F: _off(F(G(x).detach()), x) + _off(G(F(y).detach()), y),
        ],
    },
)

# Leave alone


def _identity(x: Tensor, y: Tensor, G: Any, F: Any, off: Loss = _off) -> Tensor:
    return off(G(y), y) + off(F(x), x)


identity_loss = Exercise(
    name="identity_loss",
    confirms="each generator is asked to leave its own target domain alone.",
    property="a scalar, 0 where G changes no picture of Y and F none of X",
    reference=_identity,
    inputs=[(*_batches(), *_players()), (*(b[:1] for b in _batches()), *_players())],
    observe=_seen,
    wrong={
        NO_GRADIENT: [torch.no_grad()(_identity)],
        "that is the wrong domain: to ask for G(x) = x is to forbid the translation. What is G's target?": [
            lambda x, y, G, F: _off(G(x), x) + _off(F(y), y),
        ],
        L2_FOR_L1: [lambda x, y, G, F: _identity(x, y, G, F, _squared)],
        SUMMED: [
            lambda x, y, G, F: _identity(x, y, G, F, _summed),
            lambda x, y, G, F: _identity(x, y, G, F, lambda a, b: (a - b).abs().sum()),
        ],
        "F is missing: it, too, has a target domain.": [lambda x, y, G, F: _off(G(y), y)],
        "G is missing: it, too, has a target domain.": [lambda x, y, G, F: _off(F(x), x)],
        HALVED: [lambda x, y, G, F: _identity(x, y, G, F) / 2],
        "x and y were compared with each other: they are no pair. What should a picture of Y become under G?": [
            lambda x, y, G, F: _off(G(x), y) + _off(F(y), x),
            lambda x, y, G, F: _off(G(y), x) + _off(F(x), y),
        ],
        "that is the cycle loss: here each picture is mapped once.": [_cycle],
    },
)

# The two players' losses


def _to(logits: Tensor, label: float) -> Tensor:
    return (logits - label).square().mean()


def _sigmoid_to(logits: Tensor, label: float) -> Tensor:
    return _to(logits.sigmoid(), label)


def _fool(
    x: Tensor, y: Tensor, G: Any, F: Any, D_X: Any, D_Y: Any, weight: float, to: Loss = _to, label: float = 1
) -> Tensor:
    return to(D_Y(G(x)), label) + to(D_X(F(y)), label)


def _of_generators(fool: Loss = _fool, cycle: Loss = _cycle, weigh: Callable[[float], float] = lambda w: w) -> Loss:
    def loss(x: Tensor, y: Tensor, G: Any, F: Any, D_X: Any, D_Y: Any, weight: float) -> Tensor:
        return fool(x, y, G, F, D_X, D_Y, weight) + weigh(weight) * cycle(x, y, G, F)

    return loss


def _one_sided(x: Tensor, y: Tensor, G: Any, F: Any, D_X: Any, D_Y: Any, weight: float) -> Tensor:
    return _fool(x, y, G, F, D_X, D_Y, weight) + weight * _off(F(G(x)), x) + _off(G(F(y)), y)


def _one_sided_too(x: Tensor, y: Tensor, G: Any, F: Any, D_X: Any, D_Y: Any, weight: float) -> Tensor:
    return _fool(x, y, G, F, D_X, D_Y, weight) + _off(F(G(x)), x) + weight * _off(G(F(y)), y)


CUT_OFF = (
    "the number is right, and no gradient reaches G and F through the discriminators: the generated pictures were "
    "detached. That belongs into the other player's step."
)

generators_loss = Exercise(
    name="generators_loss",
    confirms="two adversarial terms, two cycle terms, λ on both of them, and both generators learn from all.",
    property="a scalar that grows by the same amount whenever λ grows by 1",
    reference=_of_generators(),
    inputs=[(*_batches(), *_players(2, 2), 10.0), (*(b[:1] for b in _batches()), *_players(2, 2), 0.5)],
    observe=_seen,
    wrong={
        NO_GRADIENT: [torch.no_grad()(_of_generators())],
        CUT_OFF: [
            _of_generators(lambda x, y, G, F, D_X, D_Y, w: _to(D_Y(G(x).detach()), 1) + _to(D_X(F(y).detach()), 1)),
        ],
        "the value is right, and the cycle is cut off in the middle: half of each journey gets no gradient.": [
            _of_generators(cycle=lambda x, y, G, F: _off(F(G(x).detach()), x) + _off(G(F(y).detach()), y)),
        ],
        "the identity loss is in it: that is no part of this equation, and comes in section 6.": [
            _of_generators(cycle=lambda x, y, G, F: _cycle(x, y, G, F) + _identity(x, y, G, F)),
            lambda x, y, G, F, D_X, D_Y, w: _of_generators()(x, y, G, F, D_X, D_Y, w) + _identity(x, y, G, F),
        ],
        "those are the scores themselves, as of a Wasserstein critic; here squares are asked.": [
            _of_generators(lambda x, y, G, F, D_X, D_Y, w: -D_Y(G(x)).mean() - D_X(F(y)).mean()),
        ],
        "λ weighs one direction of the cycle only: both belong under it.": [_one_sided, _one_sided_too],
        "λ is missing.": [_of_generators(weigh=lambda w: 1.0)],
        "λ weighs the adversarial terms: it belongs to the cycle.": [
            lambda x, y, G, F, D_X, D_Y, w: w * _fool(x, y, G, F, D_X, D_Y, w) + _cycle(x, y, G, F),
        ],
        "the cycle has one direction only.": [
            _of_generators(cycle=lambda x, y, G, F: _off(F(G(x)), x)),
            _of_generators(cycle=lambda x, y, G, F: _off(G(F(y)), y)),
        ],
        "there is a σ in it: with least squares D is the network's output itself, and a σ would flatten the slope.": [
            _of_generators(partial(_fool, to=_sigmoid_to)),
        ],
        "the discriminators are exchanged: D_Y judges pictures of Y, and those come from G.": [
            _of_generators(lambda x, y, G, F, D_X, D_Y, w: _fool(x, y, G, F, D_Y, D_X, w)),
        ],
        "the label is the discriminator's for generated pictures. What do the generators want to hear?": [
            _of_generators(partial(_fool, label=0)),
        ],
        "the adversarial terms have a hidden ½.": [_of_generators(lambda *a: _fool(*a) / 2)],
        "one generator's adversarial term is missing.": [
            _of_generators(lambda x, y, G, F, D_X, D_Y, w: _to(D_Y(G(x)), 1)),
            _of_generators(lambda x, y, G, F, D_X, D_Y, w: _to(D_X(F(y)), 1)),
        ],
        "L2 for L1: in the cycle the absolute difference is asked.": [
            _of_generators(cycle=lambda x, y, G, F: _cycle(x, y, G, F, _squared)),
        ],
        "F(G(x)) was compared with y. The way back leads to x.": [
            _of_generators(cycle=lambda x, y, G, F: _off(F(G(x)), y) + _off(G(F(y)), x)),
        ],
        "that is the cross-entropy of chapter 02; here least squares are asked.": [
            _of_generators(
                lambda x, y, G, F, D_X, D_Y, w: sum(
                    (nn.functional.softplus(-d).mean() for d in (D_Y(G(x)), D_X(F(y)))), tensor(0.0)
                )
            ),
        ],
    },
)


def _judge(
    x: Tensor, y: Tensor, G: Any, F: Any, D_X: Any, D_Y: Any, to: Loss = _to, real: float = 1, fake: float = 0
) -> Tensor:
    terms = [to(D(shown), real) + to(D(drawn.detach()), fake) for D, shown, drawn in ((D_Y, y, G(x)), (D_X, x, F(y)))]
    return terms[0] + terms[1]


def _attached(x: Tensor, y: Tensor, G: Any, F: Any, D_X: Any, D_Y: Any) -> Tensor:
    return _to(D_Y(y), 1) + _to(D_Y(G(x)), 0) + _to(D_X(x), 1) + _to(D_X(F(y)), 0)


def _crossed(x: Tensor, y: Tensor, G: Any, F: Any, D_X: Any, D_Y: Any) -> Tensor:
    fake_y, fake_x = G(x).detach(), F(y).detach()
    return _to(D_Y(y), 1) + _to(D_Y(fake_x), 0) + _to(D_X(x), 1) + _to(D_X(fake_y), 0)


def _untranslated(x: Tensor, y: Tensor, G: Any, F: Any, D_X: Any, D_Y: Any) -> Tensor:
    return _to(D_Y(y), 1) + _to(D_Y(x), 0) + _to(D_X(x), 1) + _to(D_X(y), 0)


discriminators_loss = Exercise(
    name="discriminators_loss",
    confirms="four terms, and the generators get no gradient from a loss that is not theirs.",
    property="a scalar, 1 where both discriminators answer ½ everywhere",
    reference=_judge,
    inputs=[(*_batches(), *_players(2, 2)), (*(b[:1] for b in _batches()), *_players(2, 2))],
    observe=_seen,
    wrong={
        "the number is right, and it sends a gradient into G or F, which would learn to be seen through.": [
            _attached,
            lambda x, y, G, F, D_X, D_Y: _attached(x, y, lambda v: G(v).detach(), F, D_X, D_Y),
            lambda x, y, G, F, D_X, D_Y: _attached(x, y, G, lambda v: F(v).detach(), D_X, D_Y),
        ],
        "the number is right, and the discriminators get no gradient: only the generated pictures are cut off.": [
            torch.no_grad()(_judge),
        ],
        "each discriminator was shown the other domain's generated pictures: G(x) is to look like Y.": [_crossed],
        "x was shown as a generated picture of Y. It is real, of X; what is generated is G(x).": [_untranslated],
        "the labels are exchanged: real pictures are to get 1.": [partial(_judge, real=0, fake=1)],
        "those are Mao's labels, 1 and −1; here they are 1 and 0.": [partial(_judge, fake=-1)],
        "generated pictures got the label that the generators want.": [partial(_judge, fake=1)],
        "there is a σ in it: with least squares D is the network's output itself.": [partial(_judge, to=_sigmoid_to)],
        "half of what it should be: all four terms are added.": [lambda *a: _judge(*a) / 2],
        "one of the two discriminators is missing.": [
            lambda x, y, G, F, D_X, D_Y: _to(D_Y(y), 1) + _to(D_Y(G(x).detach()), 0),
            lambda x, y, G, F, D_X, D_Y: _to(D_X(x), 1) + _to(D_X(F(y).detach()), 0),
        ],
        "the real pictures are missing: to answer 0 to all would be best.": [
            lambda x, y, G, F, D_X, D_Y: _to(D_Y(G(x).detach()), 0) + _to(D_X(F(y).detach()), 0),
        ],
        "the discriminators are exchanged: D_Y judges pictures of Y.": [
            lambda x, y, G, F, D_X, D_Y: _judge(x, y, G, F, D_Y, D_X),
        ],
    },
)

# What is left open


def _multiplicities(p: Tensor) -> list[int]:
    return torch.unique(p, return_counts=True)[1].tolist()


zero_loss_maps = Exercise(
    name="zero_loss_maps",
    confirms="within each group of equally likely pictures all arrangements, and no others; the truth is among them.",
    property="a whole number: 1 where all probabilities differ, n! where all are equal",
    reference=lambda p: math.prod(math.factorial(k) for k in _multiplicities(p)),
    inputs=[
        (tensor([0.3, 0.3, 0.1, 0.1, 0.1, 0.1]),),
        (tensor([0.4, 0.2, 0.2, 0.1, 0.1]),),
        (tensor([0.1, 0.2, 0.3, 0.4]),),
        (tensor([0.25] * 4),),
        (tensor([0.1, 0.3, 0.1, 0.3, 0.2]),),
    ],
    wrong={
        "equal probabilities need not stand side by side: count each value over the whole of p.": [
            lambda p: math.prod(math.factorial(k) for k in torch.unique_consecutive(p, return_counts=True)[1].tolist()),
        ],
        "that is the truth alone. Exchange two pictures that are equally likely: which loss would notice?": [
            lambda p: 1,
        ],
        "those are all bijections. The adversarial terms forbid those that give a rare picture too often.": [
            lambda p: math.factorial(len(p)),
        ],
        "a group of k equal probabilities can be rearranged in more than k ways.": [
            lambda p: math.prod(_multiplicities(p)),
        ],
        "the groups are rearranged independently: their numbers multiply.": [
            lambda p: sum(math.factorial(k) for k in _multiplicities(p)),
        ],
        "those are the wrong ones. The truth has no loss either, and counts.": [
            lambda p: math.prod(math.factorial(k) for k in _multiplicities(p)) - 1,
        ],
        "a bijection uses each picture once; in a group of k, after the first choice k − 1 are left.": [
            lambda p: math.prod(k**k for k in _multiplicities(p)),
        ],
        "the groups cannot change places with each other: their probabilities differ.": [
            lambda p: (
                math.prod(math.factorial(k) for k in _multiplicities(p)) * math.factorial(len(_multiplicities(p)))
            ),
            lambda p: math.factorial(len(_multiplicities(p))),
        ],
        "that is how many groups there are. In how many ways can each be arranged?": [
            lambda p: len(_multiplicities(p)),
        ],
        "only the largest group was counted.": [lambda p: math.factorial(max(_multiplicities(p)))],
    },
)

# Patches

Layers = Sequence[tuple[int, int, int]]


def _side(layers: Layers, start: int = 1) -> int:
    for kernel, stride, _ in reversed(layers):
        start = (start - 1) * stride + kernel
    return start


def _from_the_other_end(layers: Layers) -> int:
    return _side([*layers][::-1])


def _with_padding(sign: int, both: int) -> Callable[[Layers], int]:
    return lambda layers: _side([(k + sign * both * p, s, p) for k, s, p in layers])


def _strides_too_early(layers: Layers) -> int:
    side, jump = 1, 1
    for kernel, stride, _ in layers:
        jump *= stride
        side += (kernel - 1) * jump
    return side


patch_side = Exercise(
    name="patch_side",
    confirms="right for 16, 34, 70, 94 and 286, and for kernels and strides that differ from layer to layer.",
    property="a side in pixels: 1 for no layer, the kernel for one, and untouched by padding",
    reference=_side,
    inputs=[
        (((4, 2, 1), (4, 1, 1), (4, 1, 1)),),  # tuples: a message shows them in full
        (((4, 2, 1),) * 3 + ((4, 1, 1),) * 2,),
        (((4, 2, 1),) * 4 + ((4, 1, 1),),),
        (((4, 2, 1),) * 5 + ((4, 1, 1),) * 2,),
        (((7, 1, 3), (3, 2, 1), (5, 3, 0)),),
    ],
    wrong={
        "you went through the layers from the wrong end: begin at the output.": [_from_the_other_end],
        "the padding was counted: it moves a patch over the border, and makes it no larger.": [
            _with_padding(1, 2),
            _with_padding(1, 1),
            _with_padding(-1, 2),
            _with_padding(-1, 1),
            lambda layers: _side(layers) - 2 * sum(p for _, _, p in layers),
            lambda layers: _side(layers) + 2 * sum(p for _, _, p in layers),
        ],
        "a layer's own stride does not spread its own kernel: it counts for the layers after it.": [_strides_too_early],
        "the strides have no say in yours: after a layer of stride 2 neighbours are two pixels apart.": [
            lambda layers: 1 + sum(k - 1 for k, _, _ in layers),
        ],
        "r numbers side by side have r − 1 steps between them.": [
            lambda layers: _with_all_steps(layers),
        ],
        "that is how far apart the patches of neighbouring outputs lie, not how large they are.": [
            lambda layers: math.prod(s for _, s, _ in layers),
        ],
        "begin with one number at the output.": [lambda layers: _side(layers, 0), lambda layers: _side(layers, 2)],
        "kernels add up, but neighbours share all but one of their numbers, or all but a stride.": [
            lambda layers: sum(k for k, _, _ in layers),
        ],
        "kernels add up, they do not multiply.": [lambda layers: math.prod(k for k, _, _ in layers)],
    },
)


def _with_all_steps(layers: Layers) -> int:
    side = 1
    for kernel, stride, _ in reversed(layers):
        side = side * stride + kernel - 1
    return side


# The pool

Pool = Callable[[Tensor, Tensor, Tensor, Tensor], tuple[Tensor, Tensor]]


def _swapped(kept: Tensor, new: Tensor, swap: Tensor, place: Tensor) -> tuple[Tensor, Tensor]:
    shown, after = new.clone(), kept.clone()
    shown[swap] = kept[place[swap]]
    after[place[swap]] = new[swap]
    return shown, after


def _pooled(function: Pool, kept: Tensor, new: Tensor, swap: Tensor, place: Tensor) -> Observation:
    """What is shown and kept, and what the call did to the tensors that it was given."""
    was = copy.deepcopy((kept, new))
    value = function(kept, new, swap, place)
    if not isinstance(value, tuple | list) or len(value) != 2:
        return {"your answer": value}
    shown, after = value
    changed = tensor([not torch.equal(a, b) for a, b in zip((kept, new), was, strict=True)])
    return {"what is shown": shown, "what is kept": after, "whether `kept` or `new` was changed": changed}


def _in_place(kept: Tensor, new: Tensor, swap: Tensor, place: Tensor) -> tuple[Tensor, Tensor]:
    shown = new.clone()
    shown[swap] = kept[place[swap]]
    kept[place[swap]] = new[swap]
    return shown, kept


def _lost(kept: Tensor, new: Tensor, swap: Tensor, place: Tensor) -> tuple[Tensor, Tensor]:
    """The new picture is stored first, and what is taken out is itself."""
    after = kept.clone()
    after[place[swap]] = new[swap]
    shown = new.clone()
    shown[swap] = after[place[swap]]
    return shown, after


def _pool_case(K: int, B: int, swap: list[bool], seed: int, shape: tuple[int, ...] = (1, 2, 2)) -> tuple[Tensor, ...]:
    place = torch.randperm(K, generator=torch.Generator().manual_seed(seed))[:B]
    return draw(K, *shape), draw(B, *shape), tensor(swap), place


through_pool = Exercise(
    name="through_pool",
    confirms="each old picture is shown once and leaves, each new one is shown or kept, and none is lost.",
    property="two tensors that hold together each picture of `kept` and of `new` exactly once",
    reference=_swapped,
    inputs=[
        _pool_case(6, 4, [True, False, True, False], seed=0),
        _pool_case(5, 5, [False, True, True, True, False], seed=1),
        _pool_case(3, 1, [True], seed=2),
    ],
    observe=_pooled,
    wrong={
        "an old picture was shown and stayed: it will be shown again. It changes places with the new one.": [
            lambda k, n, s, p: (_swapped(k, n, s, p)[0], k.clone()),
        ],
        "what is kept is right, and the old pictures are lost: D was shown the new ones only.": [
            lambda k, n, s, p: (n.clone(), _swapped(k, n, s, p)[1]),
            _lost,
        ],
        "you changed `kept` itself. Return a new tensor.": [_in_place],
        "the coin is turned around: where `swap` is true, places are changed.": [
            lambda k, n, s, p: _swapped(k, n, ~s, p),
        ],
        "every new picture changed places, whatever the coin said: D would never see a new one.": [
            lambda k, n, s, p: _swapped(k, n, torch.ones_like(s), p),
        ],
        "nothing changed places.": [lambda k, n, s, p: (n.clone(), k.clone())],
        "the places are not used: picture i met place i.": [
            lambda k, n, s, p: _swapped(k, n, s, torch.arange(len(p))),
        ],
        "the new pictures are kept in other places than those that became free.": [
            lambda k, n, s, p: (_swapped(k, n, s, p)[0], _swapped(k, n, s, p.flip(0))[1]),
        ],
    },
    edges={
        "with a batch in which no coin says swap, everything stays.": [_pool_case(4, 2, [False, False], seed=3)],
        "pictures may have any shape.": [_pool_case(4, 2, [True, False], seed=4, shape=(3,))],
    },
)

share_older = Exercise(
    name="share_older",
    confirms="half at age 0, and a geometric tail whose mean is K/B steps.",
    property="a share that begins at ½ for age 0 and falls by the same factor with every step",
    reference=lambda size, batch, age: 0.5 * (1 - batch / (2 * size)) ** age,
    inputs=[(50, 1, 0), (50, 1, 30), (50, 8, 5), (10, 10, 3), (4, 1, 1)],
    wrong={
        "the half that is shown at once, at age 0, is missing: yours begins at 1.": [
            lambda K, B, a: (1 - B / (2 * K)) ** a,
        ],
        "that is the share of one age, not of all that are older.": [
            lambda K, B, a: 0.5 * B / (2 * K) * (1 - B / (2 * K)) ** max(a - 1, 0),
            lambda K, B, a: 0.5 * B / (2 * K) * (1 - B / (2 * K)) ** a,
        ],
        "that is the share that is *at most* so old.": [lambda K, B, a: 1 - 0.5 * (1 - B / (2 * K)) ** a],
        "the coin is missing in h: a kept picture that is offered leaves in half of the cases.": [
            lambda K, B, a: 0.5 * (1 - B / K) ** a,
        ],
        "the batch is missing in h: a step offers B places, not one.": [lambda K, B, a: 0.5 * (1 - 1 / (2 * K)) ** a],
        "a step too many: what is older than 0 steps is all that comes from the pool.": [
            lambda K, B, a: 0.5 * (1 - B / (2 * K)) ** (a + 1),
        ],
        "a step too few: a picture of exactly this age is not older.": [
            lambda K, B, a: 0.5 * (1 - B / (2 * K)) ** (a - 1),
        ],
        "what leaves in a step is a share of those still there, not of all that came: it is no straight line.": [
            lambda K, B, a: 0.5 * (1 - a * B / (2 * K)),
            lambda K, B, a: max(0.5 * (1 - a * B / (2 * K)), 0.0),
        ],
        "an exponential is its limit for a large pool. Steps are whole: take the power.": [
            lambda K, B, a: 0.5 * math.exp(-a * B / (2 * K)),
        ],
    },
)

"""Exercises of chapter 07: active units, free bits, the β of a loss, straight-through, perplexity, diagnoses."""

import torch
from torch import Tensor, tensor

from genimg_utils.check import Choice, Exercise, Function, Observation
from genimg_utils.check.common import NO_GRADIENT, gradients, numbers, with_gradients

draw = numbers(seed=7)

# Means [N, Z] that vary little, much, along the wrong axis, or around a mean far from 0

_flat = 0.02 * draw(40, 5) + 3 * draw(5)
_mixed = draw(30, 6) * tensor([1.0, 0.11, 0.09, 0.02, 0.5, 0.001]) + 2
_small = draw(12, 3) * tensor([0.12, 0.3, 0.01])
_wide = torch.linspace(-1.5, 1.5, 51)[:, None] * torch.logspace(-2, 0.5, 60)  # counts that no two measures share

count_active = Exercise(
    name="count_active",
    confirms="it counts what answers to the picture, wherever its mean lies.",
    property="0 where every picture gets the same means, and never more than the number of latents",
    reference=lambda means, threshold=0.01: (means.var(dim=0) > threshold).sum(),
    inputs=[(_flat, 0.01), (_mixed, 0.01), (_mixed, 0.0001), (_small, 0.01), (_mixed[:, :2], 0.01), (_wide, 0.01)],
    wrong={
        "you vary over the units of each picture. A unit is active when it varies from picture to picture.": [
            lambda means, threshold: (means.var(dim=1) > threshold).sum()
        ],
        "you compare the standard deviation with the threshold, which is meant for the variance.": [
            lambda means, threshold: (means.std(dim=0) > threshold).sum()
        ],
        "you measure how far the means lie from 0, not how much they vary: a constant answers to nothing.": [
            lambda means, threshold: (means.square().mean(dim=0) > threshold).sum(),
            lambda means, threshold: (means.abs().mean(dim=0) > threshold).sum(),
            lambda means, threshold: (means.mean(dim=0).abs() > threshold).sum(),
        ],
        "you measure how far the means spread, but not by their variance.": [
            lambda means, threshold: (means.amax(dim=0) - means.amin(dim=0) > threshold).sum(),
            lambda means, threshold: ((means - means.mean(dim=0)).abs().mean(dim=0) > threshold).sum(),
        ],
        "you added the squares up where a variance takes their mean: more pictures would wake a unit.": [
            lambda means, threshold: ((means - means.mean(dim=0)).square().sum(dim=0) > threshold).sum()
        ],
        "that is the share of units, not their number.": [
            lambda means, threshold: (means.var(dim=0) > threshold).double().mean()
        ],
        "you count the units that are not active.": [lambda means, threshold: (means.var(dim=0) <= threshold).sum()],
        "your threshold is fixed: use the one that is handed over.": [
            lambda means, threshold: (means.var(dim=0) > 0.01).sum()
        ],
    },
)


def _kl(*size: int) -> Tensor:
    return draw(*size).square()


free_bits = Exercise(
    name="free_bits",
    confirms="a unit below the floor is charged the floor, and no gradient pushes it further down.",
    property="the plain KL where every unit lies above the floor, Z times the floor where all lie below it",
    reference=lambda kl, floor: kl.mean(dim=0).clamp(min=floor).sum(),
    inputs=[
        (_kl(8, 5) * tensor([0.1, 1.0, 0.3, 2.0, 0.01]), 0.3),
        (_kl(4, 3) + 1, 0.5),
        (0.1 * _kl(6, 2), 5.0),
        (_kl(1, 4), 0.5),
    ],
    observe=lambda function, kl, floor: with_gradients(lambda kl: function(kl, floor), kl),
    wrong={
        NO_GRADIENT: [lambda kl, floor: kl.detach().mean(dim=0).clamp(min=floor).sum()],
        "your floor holds for each picture. In 7.6 the mean over the batch stands inside the maximum.": [
            lambda kl, floor: kl.clamp(min=floor).mean(dim=0).sum()
        ],
        "your floor holds for all units together: one may speak for the rest then. Each has its own.": [
            lambda kl, floor: kl.mean(dim=0).sum().clamp(min=floor),
            lambda kl, floor: kl.sum(dim=1).mean().clamp(min=floor),
        ],
        "you subtract the floor: the gradient is right, and what is charged is less than 7.6 says.": [
            lambda kl, floor: (kl.mean(dim=0) - floor).relu().sum()
        ],
        "you averaged the units. They are added, or you have a β that you did not choose.": [
            lambda kl, floor: kl.mean(dim=0).clamp(min=floor).mean(),
            lambda kl, floor: kl.clamp(min=floor).mean(),
        ],
        "you averaged over the units of each picture. The mean in 7.6 is over the pictures of the batch.": [
            lambda kl, floor: kl.mean(dim=1).clamp(min=floor).sum(),
            lambda kl, floor: kl.mean(dim=1).clamp(min=floor).mean(),
        ],
        "yours charges nothing for a unit below the floor: where a unit crosses it, the loss would jump.": [
            lambda kl, floor: torch.where(kl.mean(dim=0) > floor, kl.mean(dim=0), 0.0).sum()
        ],
        "that is a ceiling: units that say much go free. It should be the quiet ones.": [
            lambda kl, floor: kl.mean(dim=0).clamp(max=floor).sum()
        ],
        "you added the pictures of the batch up. The charge does not grow with the batch.": [
            lambda kl, floor: kl.sum(dim=0).clamp(min=floor).sum(),
            lambda kl, floor: kl.clamp(min=floor).sum(),
        ],
        "there is no floor in yours: a unit can still save by going silent.": [lambda kl, floor: kl.mean(dim=0).sum()],
    },
)


def _beta(power_pixels: int = 1, power_latents: int = -1, weight_power: int = 1) -> Function:
    """weight · P^a · Z^b, where each counts only if it was averaged."""

    def beta(pixels: int, latents: int, weight: float, pixels_by: str, latents_by: str) -> float:
        P = pixels if pixels_by == "mean" else 1
        Z = latents if latents_by == "mean" else 1
        return weight**weight_power * float(P) ** power_pixels * float(Z) ** power_latents

    return beta


effective_beta = Exercise(
    name="effective_beta",
    confirms="784 pixels and 200 latents, both averaged: 3.92, and nobody chose it.",
    property="the weight itself where both are summed, and larger the more a reconstruction was averaged",
    reference=_beta(),
    inputs=[
        (784, 200, 1.0, "mean", "mean"),
        (784, 20, 1.0, "mean", "sum"),
        (64, 16, 1.0, "sum", "mean"),
        (64, 16, 0.5, "sum", "sum"),
        (3072, 128, 0.01, "mean", "mean"),
    ],
    wrong={
        "upside down: averaging the pixels makes the reconstruction small, so the KL weighs more.": [_beta(-1, 1)],
        "averaging the KL makes it weigh less, not more.": [_beta(1, 1)],
        "averaging the pixels makes the KL weigh more, not less.": [_beta(-1, -1)],
        "the pixels have no say in yours.": [_beta(0, -1)],
        "the latents have no say in yours.": [_beta(1, 0)],
        "neither word has a say in yours: divide only by what was averaged.": [
            lambda pixels, latents, weight, pixels_by, latents_by: weight * pixels / latents,
            lambda pixels, latents, weight, pixels_by, latents_by: weight,
        ],
        "you divide where it says sum, and leave alone where it says mean.": [
            lambda pixels, latents, weight, pixels_by, latents_by: _beta()(
                pixels, latents, weight, *("mean" if w == "sum" else "sum" for w in (pixels_by, latents_by))
            )
        ],
        "the weight has no say in yours.": [_beta(1, -1, 0)],
        "the weight stands before the KL, so it multiplies.": [_beta(1, -1, -1)],
    },
)


def _through(function: Function, e: Tensor, q: Tensor) -> Observation:
    """The value, and what comes back to e and to q from a sum with known weights."""
    e, q = e.requires_grad_(), q.requires_grad_()
    value = function(e, q)
    weights = torch.arange(1, e.numel() + 1).view_as(e).to(e.dtype)
    usable = isinstance(value, Tensor) and value.shape == e.shape
    back = gradients((weights * value).sum() if usable else None, e, q)
    return {"your answer": value, "the gradient in e": back[0], "the gradient in q": back[1]}


straight_through = Exercise(
    name="straight_through",
    confirms="forwards the code, backwards the identity.",
    property="the code in value, the arriving gradient unchanged in e, and no gradient in q",
    reference=lambda e, q: e + (q - e).detach(),
    inputs=[(draw(3, 4), draw(3, 4)), (draw(2, 3, 2, 2), draw(2, 3, 2, 2)), (draw(1, 5), draw(1, 5))],
    observe=_through,
    wrong={
        "the value is the encoder's vector: the decoder would never see a code.": [
            lambda e, q: e,
            lambda e, q: e + 0 * q.detach(),
        ],
        "the code, and no gradient for the encoder: it could not learn.": [
            lambda e, q: q.detach() + 0 * e,
            lambda e, q: q.detach(),
        ],
        "the gradient goes to the code. It should arrive at the encoder's vector.": [
            lambda e, q: q,
            lambda e, q: q + (e - e.detach()) * 0,
        ],
        "the value is right, and the gradient goes to both. The loss of the codes moves them, not this.": [
            lambda e, q: q + (e - e.detach())
        ],
        "the value is right, and the gradient comes back with the wrong sign.": [lambda e, q: (q + e).detach() - e],
        "the difference has the wrong sign: the value is neither the code nor the vector.": [
            lambda e, q: e + (e - q).detach(),
            lambda e, q: q - (e - q).detach(),
        ],
        "e and q are swapped: this shows the vector and trains the code.": [lambda e, q: q + (e - q).detach()],
    },
)


def _shares(index: Tensor, K: int) -> Tensor:
    return torch.bincount(index.flatten(), minlength=K) / index.numel()


def _entropy(index: Tensor, K: int) -> Tensor:
    return -torch.special.xlogy(_shares(index, K), _shares(index, K)).sum()


def _places(*size: int) -> Tensor:
    return (draw(*size).abs() * 3).long().clamp(max=7)


perplexity = Exercise(
    name="perplexity",
    confirms="all codes alike give K, a single one gives 1, and unused ones do no harm.",
    property="1 where one code does everything, K where all are chosen equally often",
    reference=lambda index, K: _entropy(index, K).exp(),
    inputs=[
        (torch.arange(8).repeat(3), 8),
        (_places(4, 7, 7), 8),
        (_places(50), 12),
        (torch.zeros(9, dtype=torch.long), 4),
        (torch.arange(3).view(1, 3), 3),
    ],
    wrong={
        "that is the entropy: how many codes is that?": [_entropy],
        "that is 1 over the perplexity: look at the sign of the entropy.": [
            lambda index, K: (-_entropy(index, K)).exp()
        ],
        "the exponential and the logarithm are of different bases.": [
            lambda index, K: 2 ** _entropy(index, K),
            lambda index, K: (_entropy(index, K) / torch.tensor(2.0).log()).exp(),
        ],
        "you count the codes that occur, however rarely.": [lambda index, K: tensor(float(len(index.unique())))],
        "a code that nobody chose makes it NaN: what is 0 times the logarithm of 0?": [
            lambda index, K: (-(_shares(index, K) * _shares(index, K).log()).sum()).exp()
        ],
        "your shares do not add up to 1: divide by how many indices there are, along all axes.": [
            lambda index, K: (
                -torch.special.xlogy(*2 * (torch.bincount(index.flatten(), minlength=K) / K,)).sum()
            ).exp(),
            lambda index, K: (
                -torch.special.xlogy(*2 * (torch.bincount(index.flatten(), minlength=K) / len(index),)).sum()
            ).exp(),
        ],
        "you averaged over the codes where 7.12 adds.": [lambda index, K: (_entropy(index, K) / K).exp()],
        "that is 1 over the sum of squared shares, another count of the same kind, and not 7.12.": [
            lambda index, K: 1 / _shares(index, K).square().sum()
        ],
    },
)

choose_vae_repair = Choice(
    name="choose_vae_repair",
    right="second-stage prior",
    confirms="encoder and decoder do their work; only the place where z is drawn is wrong.",
    hints={
        "KL warm-up": "it makes silent units speak. All of them speak here. Where do the bad samples get their z from?",
        "free bits": "they keep units alive, and all are alive here. Where do the bad samples get their z from?",
        "more latents": "encoded pictures are sharp: z says enough. What differs between them and the samples?",
        "longer training": "encoded pictures are sharp already. What differs between them and the samples?",
    },
)

diagnose_collapse = Choice(
    name="diagnose_collapse",
    right="pixels averaged",
    confirms="0.4 nats can only be those of one pixel, and then β is 12,288.",
    hints={
        "strong decoder": "a decoder that sees nothing but z cannot do without it. Look at the size of the loss.",
        "latents averaged": "that makes the KL weigh less, and units would be alive. Look at the size of the loss.",
        "log-variance as sigma": "that costs nats, and units stay alive. How large should a loss of 12,288 pixels be?",
        "holes in the prior": "they spoil samples, not reconstructions. How large should a loss of 12,288 pixels be?",
    },
)

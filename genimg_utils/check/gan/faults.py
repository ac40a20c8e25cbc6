"""Exercises of chapter 03 on faulty runs: two to diagnose, one step to repair."""

from collections.abc import Callable
from itertools import product
from typing import Any

import torch
from torch import Tensor, nn, no_grad, randn
from torch.nn.functional import softplus
from torch.nn.utils import parameters_to_vector
from torch.optim import SGD, Adam

from genimg_utils import networks
from genimg_utils.check import Choice, Exercise, Observation
from genimg_utils.check.gan.common import draw
from genimg_utils.losses import non_saturating
from genimg_utils.steps import gan_step, update

Step = Callable[..., Any]


def faulty_run(fault: str, real: Tensor, steps: int) -> tuple[Tensor, dict[str, float]]:
    """Train a GAN with fault "A" or "B" on pictures [N, C, S, S] in [−1, 1]; 16 of its own, and numbers to ask."""
    _, channels, size, _ = real.shape
    G, D = networks.Generator(size, channels).to(real.device), networks.Discriminator(size, channels).to(real.device)
    start = parameters_to_vector(G.parameters()).detach().clone()
    owner = D if fault == "A" else G
    opt_G, opt_D = (Adam(n.parameters(), lr=2e-3, betas=(0.0, 0.99)) for n in (owner, D))
    for _ in range(steps):
        x = real[torch.randint(len(real), (32,))]
        x = x / 2 + 0.5 if fault == "B" else x
        G.zero_grad()
        seen = gan_step(x, randn(32, 64, device=real.device), G, D, opt_G, opt_D)
    fake = G(randn(16, 64, device=real.device)).detach()
    slope = torch.cat([p.grad.flatten() for p in G.parameters() if p.grad is not None])
    moved = parameters_to_vector(G.parameters()).detach() - start
    numbers = seen | {"way that G's weights went": moved.norm(), "gradient of G, norm": slope.norm()}
    for name, pictures in {"real": x, "generated": fake}.items():
        numbers |= {
            f"{name}, smallest pixel": pictures.min(),
            f"{name}, mean pixel": pictures.mean(),
            f"{name}, largest pixel": pictures.max(),
        }
    return fake, {name: value.item() for name, value in numbers.items()}


diagnose_a = Choice(
    name="diagnose_a",
    right="optimisers",
    confirms="G's optimiser holds D's parameters, so gradients reach G and nobody applies them.",
    hints={
        "detach": "a detach too many would stop the gradient before G. Is G's gradient zero in this run?",
        "loss sign": "with the wrong sign G would walk the wrong way. How far have its weights walked?",
        "learning rate": "a bad rate moves weights too little or too much, but it moves. Have G's moved?",
        "data range": "G would move even towards pictures in a wrong range. How far have its weights moved?",
    },
)

diagnose_b = Choice(
    name="diagnose_b",
    right="data range",
    confirms="the data lies in [0, 1] and tanh in [−1, 1]: one negative pixel gives a fake away.",
    hints={
        "detach": "a detach too many would leave G's weights where they began, and here they move. "
        "Look for a number by which D can tell every fake at once.",
        "labels": "with swapped labels D would give real pictures the lower logits. Which get them here, "
        "and by what does D know them so soon?",
        "noise": "noise reaches the generated pictures only. Compare real pixels and generated ones: "
        "what is the smallest value of each?",
        "batch norm": "print the networks: is there a BatchNorm layer? Then compare what black is in a real "
        "picture and in a generated one.",
    },
)

# Repairing a step


def _layer(n_in: int, n_out: int) -> nn.Linear:
    """A linear layer with weights of its own seed: making it leaves torch's global generator alone."""
    layer = nn.utils.skip_init(nn.Linear, n_in, n_out, dtype=torch.float64)
    with no_grad():
        for parameter in layer.parameters():
            parameter.copy_(draw(*parameter.shape))
    return layer


def _weights(network: nn.Module) -> Tensor:
    return torch.cat([p.detach().flatten() for p in network.parameters()])


def _two_steps(function: Step, real: Tensor, z: Tensor, G: nn.Module, D: nn.Module) -> Observation:
    """The weights after each of two calls on one batch: the second shows gradients that were left behind."""
    opt_G, opt_D = SGD(G.parameters(), lr=0.5), SGD(D.parameters(), lr=0.5)
    seen: Observation = {}
    for call in ("first", "second"):
        function(real, z, G, D, opt_G, opt_D)
        seen |= {
            f"weights of D after the {call} call": _weights(D),
            f"weights of G after the {call} call": _weights(G),
        }
    return seen


def _right_D(real: Tensor, fake: Tensor) -> Tensor:
    return softplus(-real).mean() + softplus(fake).mean()


def _right_G(fake: Tensor) -> Tensor:
    return softplus(-fake).mean()


def _step(
    loss_D: Callable[[Tensor, Tensor], Tensor] = _right_D,
    loss_G: Callable[[Tensor], Tensor] = _right_G,
    detach: bool = True,
    zero_G: str = "late",
    zero_D: bool = True,
    cut: bool = False,
) -> Step:
    """A step with the faults that learners leave in it; only `late` zeroes G's gradients in time."""

    def step(real: Tensor, z: Tensor, G: nn.Module, D: nn.Module, opt_G: SGD, opt_D: SGD) -> None:
        fake = G(z)
        if zero_D:
            opt_D.zero_grad()
        if zero_G == "early":
            opt_G.zero_grad()
        loss_D(D(real), D(fake.detach() if detach else fake)).backward(retain_graph=True)
        opt_D.step()
        if zero_G == "late":
            opt_G.zero_grad()
        loss_G(D(fake.detach() if cut else fake)).backward()
        opt_G.step()

    return step


def _one_backward(detach: bool) -> Step:
    """Both losses are differentiated before either network moves."""

    def step(real: Tensor, z: Tensor, G: nn.Module, D: nn.Module, opt_G: SGD, opt_D: SGD) -> None:
        fake = G(z)
        opt_D.zero_grad()
        opt_G.zero_grad()
        (_right_D(D(real), D(fake.detach() if detach else fake)) + _right_G(D(fake))).backward()
        opt_D.step()
        opt_G.step()

    return step


def _half_repaired(fault: str) -> list[Step]:
    """The states between the broken step and the repaired one whose first fault is `fault`."""
    states = []
    for swapped, flipped, detach, zero_G in product((0, 1), (0, 1), (True, False), ("late", "early", "never")):
        leak = not detach and zero_G != "late"
        faults = {"swapped": swapped, "leak": leak, "stale": zero_G == "never", "flipped": flipped}
        if next((name for name, there in faults.items() if there), None) == fault:
            loss_D = (lambda r, f: _right_D(f, r)) if swapped else _right_D
            states.append(_step(loss_D, (lambda d: _right_G(-d)) if flipped else _right_G, detach, zero_G))
    return states


def _simultaneous(real: Tensor, z: Tensor, G: nn.Module, D: nn.Module, opt_G: SGD, opt_D: SGD) -> None:
    fake = G(z)
    losses = {
        D: non_saturating.discriminator(D(real), D(fake.detach())),
        G: non_saturating.generator(real, D(fake)),
    }
    for network, loss in losses.items():
        parameters = list(network.parameters())
        for parameter, gradient in zip(parameters, torch.autograd.grad(loss, parameters), strict=True):
            parameter.grad = gradient
    opt_D.step()
    opt_G.step()


def _generator_first(real: Tensor, z: Tensor, G: nn.Module, D: nn.Module, opt_G: SGD, opt_D: SGD) -> None:
    update(non_saturating.generator(real, D(G(z))), opt_G)
    update(non_saturating.discriminator(D(real), D(G(z).detach())), opt_D)


repaired_step = Exercise(
    name="repaired_step",
    confirms="each network moved by the gradient of its own loss and nothing else, twice in a row.",
    property="a move of D along the gradient of its own loss alone, then one of G along its own alone",
    reference=gan_step,
    inputs=[(draw(4, 2).double(), draw(4, 3).double(), _layer(3, 2), _layer(2, 1))],
    observe=_two_steps,
    tolerance=1e-6,
    wrong={
        "look at the discriminator's step alone: it raises the logits of the fakes and lowers those of the "
        "real pictures. Which of them should it call real?": _half_repaired("swapped"),
        "D moves rightly, but G moves by more than the gradient of its own loss: something of D's backward "
        "pass is still in G's gradients when G steps.": _half_repaired("leak"),
        "G still carries older gradients: only its first step is its own.": _half_repaired("stale"),
        "D moves rightly, but G's step makes its pictures easier to find out: it lowers their logits. "
        "Which label does G want for them?": _half_repaired("flipped"),
        "D's first step is right and its second is not: D still carries older gradients, those of G's "
        "backward pass among them.": [_step(zero_D=False)],
        "G's weights did not move: its loss cannot reach G, or its gradient was erased or never applied.": [
            _step(cut=True)
        ],
        "D's gradient holds the generator's loss as well: its own step must see its own loss alone.": [
            _one_backward(detach=True),
            _one_backward(detach=False),
        ],
        "D's step has the right direction and half the length: its loss holds a hidden ½.": [
            _step(lambda r, f: _right_D(r, f) / 2)
        ],
        "G moves the right way, but by the saturating gradient, small where D is sure.": [
            _step(loss_G=lambda d: -softplus(d).mean())
        ],
    },
    variants={
        "a published variant: both step at once, G against the old D. Here D goes first.": _simultaneous,
        "a variant: G goes first, and D sees the new G's fakes. Here D goes first.": _generator_first,
    },
)

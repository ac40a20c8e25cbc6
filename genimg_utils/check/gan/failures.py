"""Exercises of chapter 04: rates of the two-number game, penalties, power iteration, diagnoses."""

from collections.abc import Callable

import torch
from torch import Tensor, nn, tensor
from torch.nn.functional import relu, softplus

from genimg_utils.check import Choice, Exercise, Function, Observation
from genimg_utils.check.common import NO_GRADIENT, gradients, with_gradients
from genimg_utils.check.gan.common import draw
from genimg_utils.losses import gradient_penalty, hinge
from genimg_utils.losses.gan import squared_gradient

Critic = Callable[[Tensor], Tensor]

wasserstein_rate = Exercise(
    name="wasserstein_rate",
    confirms="without a penalty it exceeds 1 at every step size, and a penalty larger than the step brings it below.",
    property="above 1 without a penalty, below 1 where the penalty outweighs the step, exactly 1 where both balance",
    reference=lambda h, gamma: (1 - h * gamma + h**2) ** 0.5,
    inputs=[(0.1, 0.0), (0.3, 0.2), (0.4, 1.2), (0.2, 0.2)],
    tolerance=1e-6,
    wrong={
        "that is the square of the modulus.": [lambda h, gamma: 1 - h * gamma + h**2],
        "that is the rate of the non-saturating game, where the slope at 0 is ½. Here it is 1.": [
            lambda h, gamma: (1 - h * gamma + h**2 / 4) ** 0.5
        ],
        "that is the rate of alternating steps: the generator answers the old critic here.": [
            lambda h, gamma: (1 - h * gamma) ** 0.5
        ],
        "that is the rate of infinitely small steps. A step of finite size adds something that points outwards.": [
            lambda h, gamma: torch.tensor(-h * gamma / 2).exp(),
            lambda h, gamma: 1 - h * gamma / 2,
        ],
        "the slope enters with the wrong power: how often does the off-diagonal entry appear in a determinant?": [
            lambda h, gamma: (1 - h * gamma + h) ** 0.5
        ],
        "only one of the two ½ has become 1: both players have the slope 1 at 0.": [
            lambda h, gamma: (1 - h * gamma + h**2 / 2) ** 0.5
        ],
        "the square of h has the wrong sign: the off-diagonal entries differ in sign; what does a determinant do?": [
            lambda h, gamma: max(1 - h * gamma - h**2, 0.0) ** 0.5
        ],
        "γ enters twice. In 4.8 it stands once, beside h.": [lambda h, gamma: abs(1 - 2 * h * gamma + h**2) ** 0.5],
        "the penalty has no say in yours.": [lambda h, gamma: (1 + h**2) ** 0.5],
        "the penalty makes things worse in yours: look at its sign.": [lambda h, gamma: (1 + h * gamma + h**2) ** 0.5],
    },
)

# The gradient penalty, by its behaviour


def _slope_of(D: Critic, x: Tensor) -> Tensor:
    return squared_gradient(D, x).clamp(min=1e-12).sqrt()


def _pixel_slopes(D: Critic, x: Tensor) -> Tensor:
    x = x.detach().requires_grad_()
    (gradient,) = torch.autograd.grad(D(x).sum(), x, create_graph=True)
    return gradient.norm(dim=1)


def _mixed(real: Tensor, fake: Tensor, draw_epsilon: Function = torch.rand, each: bool = True) -> Tensor:
    count = len(real) if each else 1
    epsilon = draw_epsilon(count, *[1] * (real.dim() - 1), dtype=real.dtype)
    return epsilon * real + (1 - epsilon) * fake


def _penalty_from(
    where: Callable[[Tensor, Tensor], Tensor] = _mixed, cost: Callable[[Tensor], Tensor] = lambda n: (n - 1).square()
) -> Function:
    """A penalty of weight 10 on the norm of the slope at the points that `where` chooses."""
    return lambda D, real, fake: 10 * cost(_slope_of(D, where(real, fake))).mean()


class _Judge(nn.Module):
    """A critic whose slope is known, w times |f|'s; `about` says so."""

    def __init__(self, about: str, f: Critic):
        super().__init__()
        self.about, self.f, self.w = about, f, nn.Parameter(tensor(1.0))

    def forward(self, x: Tensor) -> Tensor:
        if x.shape[1:] != (1, 2, 1):
            raise ValueError(
                f"the critic got pictures of shape {list(x.shape[1:])}, not [1, 2, 1]: does your factor fit them?"
            )
        return self.w * self.f(x.flatten(1))


def _cost_and_gradient(function: Function, D: _Judge, real: Tensor, fake: Tensor) -> Observation:
    """What a penalty costs on one critic, from random draws of its own seed, and whether it can train it."""
    with torch.random.fork_rng():
        torch.manual_seed(2)
        cost = function(D, real, fake)
    (slope,) = gradients(cost, D.w)
    return {f"the penalty of {D.about}": cost, "its gradient": slope}


_few, _many = torch.zeros(8, 1, 2, 1), torch.zeros(200_000, 1, 2, 1)
_critics: list[tuple] = [
    (_Judge("a critic without slope", lambda x: 0 * x[:, 0]), _few + 1, _few),
    (_Judge("a critic with slope 2", lambda x: 2 * x[:, 0]), _few + 1, _few),
    (_Judge("a critic with slope ½", lambda x: x[:, 0] / 2), _few + 1, _few),
    # The slope of a bowl at x is |x|: it tells where the penalty looked, 4 to 18 on the way from (3, 3) to (13, 13).
    (_Judge("a bowl", lambda x: x.square().sum(dim=1) / 2), _many + 13, _many + 3),
    # Its slope is |x|²: there a mean of slopes is not the slope of the mean.
    (_Judge("a steep bowl", lambda x: x.norm(dim=1) ** 3 / 3), _many + 3, _many + 0.2),
    # No slope where both coordinates are equal, as they are on that way.
    (_Judge("a valley", lambda x: (x[:, 0] - x[:, 1]).square() / 2), _many + 10, _many),
]


def _no_slope_back(D: Critic, real: Tensor, fake: Tensor) -> Tensor:
    return gradient_penalty(D, real, fake).detach()


my_penalty = Exercise(
    name="my_penalty",
    confirms="slope 1 is free, no slope costs λ, and you look between the pictures of each pair.",
    property="λ for a critic without slope, 0 for slope 1, one norm a picture, and it can train the critic",
    reference=gradient_penalty,
    inputs=_critics,
    observe=_cost_and_gradient,
    tolerance=0.01,
    wrong={
        "the number is right, and no gradient comes back from it: nothing could be trained. Does the gradient in x "
        "keep its graph? It is dropped unless you ask for it.": [_no_slope_back],
        "you look at the real pictures only. The slope is asked to be 1 between real and generated ones.": [
            _penalty_from(where=lambda real, fake: real)
        ],
        "you look at the generated pictures only. The slope is asked to be 1 between real and generated ones.": [
            _penalty_from(where=lambda real, fake: fake)
        ],
        "you always look half-way. The place between the two is drawn anew for each pair.": [
            _penalty_from(where=lambda real, fake: (real + fake) / 2)
        ],
        "you averaged the slopes before you compared with 1: each picture is asked for slope 1, the mean comes last.": [
            lambda D, real, fake: 10 * (_slope_of(D, _mixed(real, fake)).mean() - 1).square()
        ],
        "your mixing factor is normal: a third of it falls between 0 and 1. Which distribution stays there?": [
            _penalty_from(where=lambda real, fake: _mixed(real, fake, torch.randn))
        ],
        "each pixel has a factor of its own in yours, so the mixture leaves the line between the two pictures.": [
            _penalty_from(where=lambda real, fake: fake + torch.rand_like(real) * (real - fake))
        ],
        "one factor mixes all pairs in yours. Each pair draws its own.": [
            _penalty_from(where=lambda real, fake: _mixed(real, fake, each=False))
        ],
        "one norm runs over the whole batch in yours. Each picture has a slope of its own.": [
            lambda D, real, fake: 10 * (squared_gradient(D, _mixed(real, fake)).sum().sqrt() - 1).square(),
            lambda D, real, fake: (
                10 * (squared_gradient(D, _mixed(real, fake)).sum().clamp(min=1e-12).sqrt() - 1).square()
            ),
        ],
        "one norm runs over each pixel in yours. A picture has one slope, of all its pixels together.": [
            lambda D, real, fake: 10 * (_pixel_slopes(D, _mixed(real, fake)) - 1).square().mean()
        ],
        "each slope is divided by the size of the batch: you took the mean over pictures before the derivative.": [
            lambda D, real, fake: 10 * (_slope_of(D, _mixed(real, fake)) / len(real) - 1).square().mean()
        ],
        "you added the pictures up: the penalty is a mean over them.": [
            lambda D, real, fake: 10 * (_slope_of(D, _mixed(real, fake)) - 1).square().sum()
        ],
        "right wherever the critic has a slope. Where it has none your gradient is NaN: a root has none at 0. "
        "Clamp what stands under it to a small number.": [
            lambda D, real, fake: 10 * (squared_gradient(D, _mixed(real, fake)).sqrt() - 1).square().mean()
        ],
        "this asks for slope 0, as R1 does. A critic without slope should cost λ.": [
            _penalty_from(cost=lambda n: n.square()),
            _penalty_from(cost=lambda n: n.square() / 2),
        ],
        "the square is missing around the norm's distance from 1.": [_penalty_from(cost=lambda n: (n - 1).abs())],
        "the square root is missing: you compare the squared norm with 1.": [
            _penalty_from(cost=lambda n: (n.square() - 1).square())
        ],
        "the factor λ = 10 is missing.": [lambda D, real, fake: gradient_penalty(D, real, fake, weight=1.0)],
    },
    variants={
        "the one-sided variant, which lets slopes below 1 pass. Gulrajani et al. mention it, 4.5 is two-sided.": (
            _penalty_from(cost=lambda n: (n - 1).relu().square())
        ),
    },
)

# Power iteration


def _iterated(W: Tensor, u: Tensor, rounds: int) -> tuple[Tensor, Tensor]:
    v = u
    for _ in range(rounds):
        v = W.T @ u / (W.T @ u).norm()
        u = W @ v / (W @ v).norm()
    return u, v


def _stretch(W: Tensor, u: Tensor, rounds: int) -> Tensor:
    u, v = _iterated(W, u, rounds)
    return u @ W @ v


largest_singular_value = Exercise(
    name="largest_singular_value",
    confirms="right after one round and after many, where it is torch's own singular value.",
    property="never above the largest singular value, and equal to it after many rounds",
    reference=_stretch,
    inputs=[
        (draw(6, 4).double(), draw(6).double(), 1),
        (draw(3, 5).double(), draw(3).double(), 2),
        (draw(4, 4).double(), draw(4).double(), 200),
    ],
    wrong={
        "exact, and not what one round gives: power iteration spares you the decomposition.": [
            lambda W, u, rounds: torch.linalg.matrix_norm(W, 2)
        ],
        "this is the Frobenius norm, the root of the sum of all squares: an upper bound.": [
            lambda W, u, rounds: W.norm()
        ],
        "this is the square of the singular value.": [lambda W, u, rounds: _stretch(W, u, rounds) ** 2],
        "one round too many.": [lambda W, u, rounds: _stretch(W, u, rounds + 1)],
        "half a round too many: after the last u comes no further v.": [
            lambda W, u, rounds: (W.T @ _iterated(W, u, rounds)[0]).norm()
        ],
        "one round too few.": [lambda W, u, rounds: _stretch(W, u, rounds - 1) if rounds > 1 else u.norm()],
        "v has not the length 1: what it is stretched by counts twice then.": [
            lambda W, u, rounds: _long_v(W, u, rounds)
        ],
        "this is the length of Wᵀu: one half of the round is missing.": [
            lambda W, u, rounds: (W.T @ (_iterated(W, u, rounds - 1)[0] if rounds > 1 else u)).norm()
        ],
        "the vectors are not scaled back to length 1 after the last round.": [
            lambda W, u, rounds: _unscaled(W, u, rounds)
        ],
    },
)


def _unscaled(W: Tensor, u: Tensor, rounds: int) -> Tensor:
    u, _ = _iterated(W, u, rounds - 1)
    v = W.T @ u
    return (W @ v) @ W @ v


def _long_v(W: Tensor, u: Tensor, rounds: int) -> Tensor:
    u, _ = _iterated(W, u, rounds - 1)
    v = W.T @ u
    u = W @ v / (W @ v).norm()
    return u @ W @ v


hinge_discriminator = Exercise(
    name="hinge_discriminator",
    confirms="nothing is left to gain beyond ±1, and at logits of 0 it is 2.",
    property="2 where all logits are 0, and 0 where every logit lies beyond 1 on its own side",
    reference=hinge.discriminator,
    inputs=[
        (draw(9) + 3, draw(9) - 3),
        (2 * draw(9), 2 * draw(9)),
        (2 * draw(5, 1), 2 * draw(5, 1)),
        (2 * draw(2, 1, 3, 3), draw(2, 1, 3, 3)),
    ],
    observe=with_gradients,
    wrong={
        NO_GRADIENT: [lambda r, f: relu(1 - r.detach()).mean() + relu(1 + f.detach()).mean()],
        "the two sides are swapped: yours is smallest where real logits are low.": [
            lambda r, f: relu(1 + r).mean() + relu(1 - f).mean()
        ],
        "no margin: yours stops as soon as the sign is right.": [lambda r, f: relu(-r).mean() + relu(f).mean()],
        "half of what it should be: the two terms are added, not averaged.": [
            lambda r, f: (relu(1 - r).mean() + relu(1 + f).mean()) / 2
        ],
        "the hinge is missing: yours goes on rewarding what is right already.": [
            lambda r, f: (1 - r).mean() + (1 + f).mean(),
            lambda r, f: f.mean() - r.mean(),
        ],
        "the sign of the generated term is that of the real one.": [
            lambda r, f: relu(1 - r).mean() + relu(1 - f).mean()
        ],
        "you added the pictures up. A loss that does not grow with the batch averages each term.": [
            lambda r, f: relu(1 - r).sum() + relu(1 + f).sum()
        ],
        "the hinge stands outside the mean: each picture has its own.": [
            lambda r, f: relu(1 - r.mean()) + relu(1 + f.mean())
        ],
        "that is smooth: softplus never comes to 0, a hinge does.": [
            lambda r, f: softplus(1 - r).mean() + softplus(1 + f).mean()
        ],
    },
)

diagnose_penalty = Choice(
    name="diagnose_penalty",
    right="after the sigmoid",
    confirms="where the logits are large the sigmoid is flat, and so is everything computed after it.",
    hints={
        "normal factor": "R1 mixes no pictures: it is taken at real ones. What else can make a slope vanish?",
        "no interpolation": "R1 is taken at real pictures, and should be. What else can make a slope vanish?",
        "norm over batch": "a norm of the whole batch is larger than that of a picture, not 400 times smaller.",
        "scaled gradients": "a scale makes the penalty larger by its square. Here it is far too small.",
        "lazy without factor": "a missing factor leaves an eighth of the penalty. Here a 175,000th part is left.",
    },
)

choose_repair = Choice(
    name="choose_repair",
    right="momentum",
    confirms="a spot that wanders is what section 1 shows, and its table says what does most about it.",
    hints={
        "learning rate": "gradients are healthy. Which failure gives samples that are alike and change together, and "
        "what did most about it in section 1?",
        "batch size": "every batch holds all ten classes. What did most about lost modes in section 1?",
        "more steps": "in section 1 the spot had 2,000 steps to spread out. What did most about it?",
        "saturating loss": "it takes gradients away, and gradients are healthy here. What did most about lost modes?",
    },
)

"""Parts 1 to 9 of the broken program, each with the inputs that tell a repair from a fault."""

import torch
from torch import Tensor, randint, randperm

from genimg_utils.check.common import NO_GRADIENT
from genimg_utils.grading.a1.convention import Convention
from genimg_utils.grading.a1.repair import Repair, repair
from genimg_utils.grading.question import Criterion
from genimg_utils.grading.seeds import Draw, drawing, generator
from genimg_utils.grading.wire import mlp

OVERFLOW = "right, except for large logits: something overflows or underflows."


def prepare(c: Convention, seed: str) -> Repair:
    def images(words: str, N: int, C: int, S: int) -> Tensor:
        size = (N, S, S, C) if c.channels_last else (N, C, S, S)
        return randint(3, 251, size, generator=generator(words), dtype=torch.uint8)

    cases = [(images(f"{seed}/prepare/{n}", *size),) for n, size in enumerate([(3, 2, 4), (1, 1, 6), (2, 3, 3)])]
    layout = "[N, S, S, C]" if c.channels_last else "[N, C, S, S]"
    return repair(
        c, "prepare",
        title="The data and their range",
        read="chapter 03, section 1",
        holds="byte 0 at the lower end of the agreed range, 255 at its upper end, the axes [N, C, S, S]",
        task=f"`prepare(images)` takes bytes `{layout}`, uint8, and returns pictures `[N, C, S, S]`: byte 0 becomes "
        f"{c.low:g}, and 255 becomes {c.high:g}. The bytes stay as they are.",
        example=(images("example/prepare", 1, 1, 2),),
        criteria={
            "values": Criterion(6, cases),
            "data": Criterion(1, cases[:1], hint="the bytes are changed by it: they are needed again.", left=(0,)),
        },
    )  # fmt: skip


EPOCHS = {
    "wrap": "a batch that begins near the end of the order takes the rest from its beginning",
    "drop": "rows that are left over after the last full batch are skipped, and the order begins again",
    "short": "the last batch of a pass has what is left over, and may be smaller; then the order begins again",
}


def batch(c: Convention, seed: str) -> Repair:
    draw = drawing(f"{seed}/batch")
    source, shown = generator(f"{seed}/batch/order"), generator("example/batch/order")

    def case(N: int, size: int, step: int) -> tuple:
        return draw(N, 2), randperm(N, generator=source), step, size

    return repair(
        c, "batch",
        title="A batch in every step",
        read="chapter 03, section 9",
        holds="`size` rows that follow the order, the next ones in the next step",
        task="`batch(x, order, step, size)` returns the rows of `x` that a step takes, `[size, …]`: step 0 the first "
        f"`size` of the permutation `order`, step 1 the next, and so on. At the end of a pass, {EPOCHS[c.epochs]}.",
        example=(drawing("example/batch")(5, 1), randperm(5, generator=shown), 1, 2),
        criteria={
            "values": Criterion(3, [case(11, 3, 1), case(11, 3, 2), case(9, 4, 0), case(13, 5, 1), case(11, 4, 5)]),
            "end": Criterion(3, [case(11, 3, 3), case(11, 3, 4), case(13, 5, 7), case(10, 4, 2), case(10, 4, 3)]),
        },
    )  # fmt: skip


def generate(c: Convention, seed: str) -> Repair:
    draw, shown = drawing(f"{seed}/generate"), drawing("example/generate")

    def case(B: int, Z: int, H: int, A: int, side: int, C: int, draw: Draw = draw, scale: float = 1.0) -> tuple:
        places = A * side**2
        dense = draw(B, Z), draw(H, Z), draw(H), draw(places, H) / 2, draw(places)
        return *dense, scale * draw(C, A, 3, 3) / 2, draw(C) / 2

    cases = [case(3, 3, 5, 2, 2, 1), case(1, 2, 4, 3, 3, 2), case(2, 3, 4, 2, 2, 3, scale=4)]
    return repair(
        c, "generate",
        title="The generator",
        read="chapter 03, section 2",
        holds="pictures of twice the side of the features, between the ends of the range, not linear in the noise",
        task="`generate(z, W, b, V, c, K, k)` makes pictures `[B, C, S, S]` from noise `[B, Z]`: a dense layer `W`, "
        "`b`, the "
        "activation, a dense layer `V`, `c`, the activation; its numbers are A maps of side S/2, map by map; each "
        "map is "
        "enlarged to S by repeating its pixels; a 3 × 3 convolution `K`, `k` that keeps the side; and tanh, stretched "
        f"to the range {c.low:g} to {c.high:g}.",
        example=case(1, 1, 2, 1, 1, 1, shown),
        criteria={
            "values": Criterion(7, cases),
            "slopes": Criterion(3, [case(2, 2, 3, 2, 2, 1)], slopes=(0, 1), hint=NO_GRADIENT),
        },
    )  # fmt: skip


def discriminate(c: Convention, seed: str) -> Repair:
    draw, shown = drawing(f"{seed}/discriminate"), drawing("example/discriminate")

    def case(B: int, C: int, S: int, H: int, draw: Draw = draw) -> tuple:
        return draw(B, C, S, S), draw(H, C * S * S) / 2, draw(H), draw(1, H), draw(1)

    return repair(
        c, "discriminate",
        title="The discriminator",
        read="chapter 03, section 3",
        holds="one logit a picture, of any size, which depends on no other picture",
        task="`discriminate(x, W, b, V, c)` returns one logit a picture, `[B]`: all pixels of a picture in one row, "
        "a dense "
        "layer `W`, `b`, the activation, and a dense layer `V`, `c` with one output.",
        example=case(2, 1, 2, 2, shown),
        criteria={
            "values": Criterion(5, [case(4, 1, 3, 5), case(3, 2, 2, 4), case(1, 1, 4, 3)]),
            "slopes": Criterion(4, [case(3, 1, 2, 4)], slopes=(0, 1), hint=NO_GRADIENT),
        },
    )  # fmt: skip


def loss(c: Convention, seed: str, name: str, player: str, marks: int, read: str, holds: str) -> Repair:
    draw, shown = drawing(f"{seed}/{name}"), drawing(f"example/{name}")
    right = formula(c)[player]
    return repair(
        c, name,
        title=f"The {'discriminator' if player == 'D' else 'generator'}'s loss",
        read=read,
        holds=holds,
        task=f"`{name}(real, fake)` returns what {player} minimises, one number: {right}. `real` and `fake` are "
        f"$d(x)$ and "
        "$d(G(z))$, `[B]`.",
        example=(shown(2), shown(2)),
        criteria={
            "values": Criterion(marks, [(2 * draw(6), 2 * draw(6)), (draw(3), draw(3)), (draw(1), draw(1))]),
            "slopes": Criterion(2, [(draw(4), draw(4))], slopes=(0, 1), hint=NO_GRADIENT),
            "extremes": Criterion(2, [(torch.tensor([s]), torch.tensor([-s])) for s in (900.0, -800.0)], hint=OVERFLOW),
        },
    )  # fmt: skip


def formula(c: Convention) -> dict[str, str]:
    """Both losses as the hand-out states them."""
    T = "" if c.temperature == 1 else f" / {c.temperature:g}"
    a, b, g = c.targets
    return {
        "logistic": {
            "D": rf"$-\mathbb{{E}}\log \sigma(d(x){T}) - \mathbb{{E}}\log(1 - \sigma(d(G(z)){T}))$",
            "G": rf"$-\mathbb{{E}}\log \sigma(d(G(z)){T})$",
        },
        "relativistic": {
            "D": rf"$-\mathbb{{E}}\log \sigma((d(x) - d(G(z))){T})$ over pairs",
            "G": rf"$-\mathbb{{E}}\log \sigma((d(G(z)) - d(x)){T})$ over pairs",
        },
        "squares": {
            "D": rf"$\mathbb{{E}}(d(x) - t)^2 + \mathbb{{E}}(d(G(z)) - s)^2$ with $t = {b:g}$, $s = {a:g}$",
            "G": rf"$\mathbb{{E}}(d(G(z)) - r)^2$ with $r = {g:g}$",
        },
    }[c.objective]


def loss_D(c: Convention, seed: str) -> Repair:
    holds = "lowest where D is right about both kinds, the mean over a batch"
    return loss(c, seed, "loss_D", "D", 5, "chapter 03, section 5", holds)


def loss_G(c: Convention, seed: str) -> Repair:
    holds = "low where D takes generated pictures for real, with a slope where it does not"
    return loss(c, seed, "loss_G", "G", 4, "chapter 02, section 4", holds)


WHERE = {
    "real": "the squared length of the slope of the critic's output in its input, at the real points: half its mean "
    "over the "
    "batch, times",
    "fake": "the squared length of the slope of the critic's output in its input, at the generated points: half its "
    "mean over "
    "the batch, times",
    "between": "(the length of the slope of the critic's output in its input, minus 1)², at the points mix · real + "
    "(1 − mix) · "
    "fake: its mean over the batch, times",
}


def penalty(c: Convention, seed: str) -> Repair:
    draw, shown = drawing(f"{seed}/penalty"), drawing("example/penalty")

    def case(B: int, P: int) -> tuple:
        critic = mlp([draw(4, P), draw(4), draw(1, 4), draw(1)])
        mix = torch.rand(B, 1, generator=generator(f"{seed}/penalty/{B}/{P}"))
        return critic, draw(B, P), draw(B, P), mix

    example = (
        mlp([shown(2, 2), shown(2), shown(1, 2), shown(1)]),
        shown(2, 2),
        shown(2, 2),
        torch.tensor([[0.3], [0.6]]),
    )
    return repair(
        c, "penalty",
        title="The penalty",
        read="chapter 04, section 8",
        holds="one number that does not change when every point is handed in twice, or a constant is added to all "
        "logits",
        task=f"`penalty(critic, real, fake, mix)` returns one number: {WHERE[c.where]} {c.gamma:g}. `critic` maps "
        f"`[B, P]` to "
        f"`[B, 1]`{'' if c.where == 'between' else '; `mix` is not used in this hand-out'}. It trains the critic.",
        example=example,
        criteria={
            "values": Criterion(6, [case(4, 3), case(3, 2), case(1, 4)]),
            "slopes": Criterion(4, [case(3, 3)], slopes=(0,), hint=NO_GRADIENT),
        },
    )  # fmt: skip


def play(c: Convention, seed: str) -> Repair:
    draw, shown = drawing(f"{seed}/play"), drawing("example/play")

    def case(rounds: int, rate_G: float, rate_D: float, B: int = 4, P: int = 3, Z: int = 2) -> tuple:
        G, D = mlp([draw(4, Z), draw(4), draw(P, 4), draw(P)]), mlp([draw(4, P), draw(4), draw(1, 4), draw(1)])
        return draw(rounds, B, P), draw(rounds, B, Z), G, D, rate_G, rate_D

    players = mlp([shown(2, 1), shown(2)]), mlp([shown(1, 2), shown(1)])
    return repair(
        c, "play",
        title="The rounds of the game",
        read="chapter 03, section 6",
        holds="each player moves along the gradient of its own loss by its own rate, while the other stands still",
        task="`play(real, z, G, D, rate_G, rate_D)` plays one round a batch, in place, and returns nothing: first "
        "one step of "
        "plain gradient descent of `D` on `loss_D` with `rate_D`, then one of `G` on `loss_G` with `rate_G`, "
        "against the "
        "discriminator that has just moved, with the same batch and noise. `real` is `[R, B, P]`, `z` is `[R, B, "
        "Z]`, `D` "
        "maps `[B, P]` to `[B, 1]`. It builds on your `loss_D` and `loss_G`. The data stay as they are.",
        example=(shown(2, 2, 2), shown(2, 2, 1), *players, 0.2, 0.3),
        criteria={
            "D's half": Criterion(4, [case(1, 0.0, 0.2), case(1, 0.0, 0.1, B=3, P=2)], left=(2, 3)),
            "G's half": Criterion(4, [case(1, 0.3, 0.0), case(1, 0.1, 0.0, B=2, Z=3)], left=(2, 3)),
            "rounds": Criterion(2, [case(3, 0.1, 0.05)], left=(2, 3)),
            "data": Criterion(1, [case(1, 0.1, 0.2)], hint="the data are changed by it.", left=(0, 1, 2, 3)),
        },
    )  # fmt: skip


def snapshot(c: Convention, seed: str) -> Repair:
    def case(words: str, N: int, side: int, dropout: float) -> tuple:
        """A generator that permutes its noise, and noise that ends a third of a byte around whole ones."""
        source, P = generator(words), side * side
        order = torch.eye(P)[randperm(P, generator=source)]
        v = randint(-60, 316, (N, P), generator=source) + 0.6 * torch.rand(N, P, generator=source) - 0.3
        return mlp([order, torch.zeros(P)], dropout), c.low + c.span * v / 255

    def shown() -> tuple:
        """Four numbers of two digits, none of them near the middle between two bytes."""
        every = (100 * (c.low + c.span * torch.arange(-20, 121, 7) / 100)).round() / 100
        v = 255 * (every - c.low) / c.span
        clear = every[(v - v.round()).abs() < 0.35]
        return mlp([torch.eye(4), torch.zeros(4)]), clear[[0, len(clear) // 3, 2 * len(clear) // 3, -1]][None]

    words = f"{seed}/snapshot"
    return repair(
        c, "snapshot",
        title="Pictures to look at",
        read="chapter 03, section 1",
        holds=f"whole numbers from 0 for {c.low:g} to 255 for {c.high:g}, the nearest one each",
        task="`snapshot(G, z)` returns what `G` draws from `z` as bytes to look at, uint8 `[N, S, S]`: `G` gives "
        f"`[N, S · S]`, row by row, {c.low:g} becomes 0, {c.high:g} becomes 255, what lies outside is cut off, and "
        f"numbers "
        "are rounded to the nearest. `G` is used in evaluation mode and left in the mode in which it came.",
        example=shown(),
        criteria={
            "values": Criterion(4, [case(f"{words}/{n}", 2, 3 + n, 0.0) for n in range(2)]),
            "samples": Criterion(2, [case(f"{words}/mode", 3, 4, 0.5)]),
            "mode": Criterion(1, [case(f"{words}/left", 2, 2, 0.3)], left=(0,),
                              hint="the generator is left in another mode than it came in, or changed."),
        },
    )  # fmt: skip


MAKERS = (prepare, batch, generate, discriminate, loss_D, loss_G, penalty, play, snapshot)

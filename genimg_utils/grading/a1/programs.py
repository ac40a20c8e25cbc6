"""The program of assignment 1: each part's right source under a convention, and the faults that can stand in it.

The hand-out is made of these sources and the grader runs the very same, so that what was planted is what is recognised.
"""

from genimg_utils.grading.a1.convention import Convention, Program

BEGIN = "import math\n\nimport torch\nfrom torch import nn\nfrom torch.nn import functional\n"


def affine(c: Convention, x: str) -> str:
    """low + span · x."""
    return f"{c.low:g} + {c.span:g} * {x}"


def prepare(c: Convention) -> Program:
    layout = "[N, S, S, C]" if c.channels_last else "[N, C, S, S]"
    moved = "x = x.permute(0, 3, 1, 2)" if c.channels_last else "x = x.contiguous()"
    other = "x = x.reshape(len(x), x.shape[3], *x.shape[1:3])" if c.channels_last else "x = x.transpose(2, 3)"
    back = f"return {affine(c, 'x')}"
    faults = {
        "the bytes are multiplied while they are bytes, and wrap around above 255. Compare the histograms before and "
        "after.": ("images.float() / 255", "(images * 2).float() / 510"),
        "the range is scaled by the brightest pixel of the batch: the same picture comes out differently in another "
        "batch.": ("images.float() / 255", "images.float() / images.max()"),
        "each batch is normalised by its own mean and width. Measure smallest and largest of two different batches.": (
            "x = images.float() / 255", "x = images.float()\n    x = (x - x.mean()) / x.std()"
        ),
        "the axes are wrong: rows, columns or channels are mixed up. Look at one picture before and after.": (
            moved, other
        ),
        "whole numbers were divided as whole numbers: only black and white are left. Count the different values.": (
            "images.float() / 255", "(images // 255).float()"
        ),
        "black and white are exchanged. Look at the mean before and after.": (back, f"return {affine(c, '(1 - x)')}"),
    }  # fmt: skip
    wrong = "return x" if c.low == -1 and c.high == 1 else "return 2 * x - 1"
    faults["pictures are in another range than the one agreed on. Measure smallest and largest."] = (back, wrong)
    return Program(
        f'def prepare(images):\n    """Bytes, uint8 {layout}, as pictures, [N, C, S, S] in the agreed range."""\n'
        f"    x = images.float() / 255\n    {moved}\n    {back}",
        faults,
    )


def batch(c: Convention) -> Program:
    rule = {
        "wrap": "    places = (step * size + torch.arange(size)) % len(order)\n    return x[order[places]]",
        "drop": "    step = step % (len(order) // size)\n    return x[order[step * size : (step + 1) * size]]",
        "short": "    step = step % math.ceil(len(order) / size)\n    return x[order[step * size : (step + 1) * size]]",
    }
    end, name = rule[c.epochs].rsplit("\n", 1)[1], rule[c.epochs].split("\n")[0]
    taken = "order[places]" if c.epochs == "wrap" else "order[step * size : (step + 1) * size]"
    start = "step * size + torch" if c.epochs == "wrap" else "step * size :"
    limit = {
        "wrap": ("% len(order)", "% (len(order) // size * size)"),
        "drop": ("len(order) // size", "math.ceil(len(order) / size)"),
        "short": ("math.ceil(len(order) / size)", "(len(order) // size)"),
    }[c.epochs]
    shifted = {
        "wrap": ("step * size + torch", "step + torch"),
        "drop": ("step * size : (step + 1) * size", "step : step + size"),
        "short": ("step * size : (step + 1) * size", "step : step + size"),
    }[c.epochs]
    faults = {
        "the end of a pass is not what was agreed on. Ask for the batch after the last full one.": limit,
        "that is the whole data set, in every step. Print the shape of a batch.": (end, "    return x[order]"),
        "every step gets the same batch. Compare the batches of two steps.": (
            name, "    step = 0\n" + name if c.epochs == "wrap" else "    step = 0"
        ),
        "the order is not followed: the rows come as they stand in the data.": (
            taken, taken.removeprefix("order[").removesuffix("]")
        ),
        "batches overlap: a step moves on by one row, and should by a whole batch.": shifted,
        "the rows come in the reverse order.": (end, end.replace("x[order[", "x[order.flip(0)[")),
        "the first batch is left out: steps are counted from 0.": (
            start, start.replace("step * size", "(step + 1) * size")
        ) if c.epochs == "wrap" else (name, name.replace("step %", "(step + 1) %")),
    }  # fmt: skip
    return Program(
        'def batch(x, order, step, size):\n    """The rows of x that step 0, 1, … takes, [size, …]; order [N] is a '
        f'permutation."""\n{rule[c.epochs]}',
        faults,
    )


def generate(c: Convention) -> Program:
    act = f"functional.leaky_relu({{}}, {c.slope:g})"
    first, second = f"h = {act.format('z @ W.T + b')}", f"h = {act.format('h @ V.T + c')}"
    out = f"return {c.middle:g} + {c.half:g} * x.tanh()"
    ranged = f"{c.middle:g} + {c.half:g} * x.tanh()"
    return Program(
        'def generate(z, W, b, V, c, K, k):\n    """Pictures [B, C, S, S] from noise [B, Z]; K is [C, A, 3, 3]."""'
        f"\n    {first}\n    {second}\n    A = K.shape[1]\n"
        "    side = math.isqrt(h.shape[1] // A)\n    h = h.view(-1, A, side, side)\n"
        "    h = functional.interpolate(h, scale_factor=2)\n    x = functional.conv2d(h, K, k, padding=1)\n"
        f"    {out}",
        {
            "no activation follows the first layer: two linear layers are one. Test whether noise added is pictures "
            "added.": (first, "h = z @ W.T + b"),
            "no activation follows the second layer.": (second, "h = h @ V.T + c"),
            "nothing is enlarged: the pictures have half the side that the discriminator looks at. Print their "
            "shape.": (
                "    h = functional.interpolate(h, scale_factor=2)\n", ""
            ),
            "the convolution adds a border: the pictures are larger than agreed. Print their shape.": (
                "padding=1", "padding=2"
            ),
            "the output is brought into its range a second time. Measure smallest and largest for large weights.": (
                out, f"x = {ranged}\n    return {c.middle + c.half / 4:g} + {c.half / 2:g} * x"
            ),
            "the output has no bound: pictures leave their range. Measure smallest and largest for large weights.": (
                out, f"return {c.middle:g} + {c.half:g} * x"
            ),
            "the output covers half of its range alone. Measure smallest and largest for large weights.": (
                out, f"return {c.middle:g} + {c.half:g} * x.sigmoid()"
            ),
            "the features are laid out in the wrong order: numbers that belong to one place are torn apart.": (
                "h.view(-1, A, side, side)", "h.view(-1, side, side, A).permute(0, 3, 1, 2)"
            ),
            "the generator runs outside of what is differentiated: no gradient reaches its weights. Measure their "
            "gradient.": (first, f"with torch.no_grad():\n        {first}"),
        },
    )  # fmt: skip


def discriminate(c: Convention) -> Program:
    act = f"h = functional.leaky_relu(x.flatten(1) @ W.T + b, {c.slope:g})"
    out = "return (h @ V.T + c).squeeze(1)"
    return Program(
        'def discriminate(x, W, b, V, c):\n    """Logits [B] of pictures x [B, C, S, S]; weights W, V."""'
        f"\n    {act}\n    {out}",
        {
            "that is a probability: the losses take logits, and would squash it again. Measure smallest and largest.": (
                out, "return (h @ V.T + c).squeeze(1).sigmoid()"
            ),
            "a column [B, 1] beside a row [B] makes B × B differences in a loss. Print the shape of the logits.": (
                out, "return h @ V.T + c"
            ),
            "a softmax over one number is 1, whatever the picture.": (
                out, "return (h @ V.T + c).softmax(dim=1).squeeze(1)"
            ),
            "a picture's logit depends on the others of its batch. Exchange the other half, and see whether it "
            "moves.": (act, act + "\n    h = h - h.mean(dim=0)"),
            "there is no activation: the discriminator is linear. Judge the mean of two pictures, too.": (
                act, "h = x.flatten(1) @ W.T + b"
            ),
            "the slope below 0 is not the agreed one: half of the hidden units are dead. Count the zeros.": (
                act, "h = functional.relu(x.flatten(1) @ W.T + b)"
            ),
            "the gradient stops inside the discriminator. Measure it at the pictures.": (
                "return (h @", "return (h.detach() @"
            ),
        },
    )  # fmt: skip


SUMMED = "you summed over the batch: the loss grows with its size. Hand every logit in twice."
HOT = "the temperature is left out."
SQUASHED = "the logits are squashed first: what comes in are logits, and the formula has its own function."
CUT = "the number is right, and no gradient reaches {}. Measure it."


def costs(c: Convention) -> tuple[str, str]:
    """The losses of both players."""
    T = f" / {c.temperature:g}"
    a, b, g = (f"{t:g}" for t in c.targets)
    return {
        "logistic": (
            f"functional.softplus(-real{T}).mean() + functional.softplus(fake{T}).mean()",
            f"functional.softplus(-fake{T}).mean()",
        ),
        "relativistic": (
            f"functional.softplus((fake - real){T}).mean()", f"functional.softplus((real - fake){T}).mean()",
        ),
        "squares": (
            f"(real - {b}).square().mean() + (fake - {a}).square().mean()".replace("- -", "+ "),
            f"(fake - {g}).square().mean()".replace("- -", "+ "),
        ),
    }[c.objective]  # fmt: skip


def loss_D(c: Convention) -> Program:
    right, a, b = f"return {costs(c)[0]}", c.targets[0], c.targets[1]
    T = f"{c.temperature:g}"
    faults = {
        "raw scores are averaged: that has no lower bound, and is no loss of this hand-out.": (
            right, "return fake.mean() - real.mean()"
        ),
        SUMMED: (right, right.replace(".mean()", ".sum()")),
        SQUASHED: ('"""\n    return', '"""\n    real, fake = real.sigmoid(), fake.sigmoid()\n    return'),
        CUT.format("the logits of generated pictures"): ('"""\n', '"""\n    fake = fake.detach()\n'),
        "a factor ½ is there that was not agreed on.": (right, f"return ({right[7:]}) / 2"),
    }  # fmt: skip
    if c.objective == "squares":
        faults["the targets of real and of generated pictures are exchanged."] = (
            right, right.replace("real", "x").replace("fake", "real").replace("x", "fake")
        )  # fmt: skip
        faults["the generated pictures get the target of the real ones: both terms pull the same way."] = (
            right, f"return (real - {b:g}).square().mean() + (fake - {b:g}).square().mean()"
        )  # fmt: skip
        if (a, b) != (0, 1):
            faults["the targets are 0 and 1, and others were agreed on."] = (
                right, "return (real - 1).square().mean() + fake.square().mean()"
            )  # fmt: skip
        return Program(f"{HEADS['loss_D']}\n    {right}", faults)
    swapped = right.replace("real", "x").replace("fake", "real").replace("x", "fake")
    if c.objective == "logistic":
        faults["both players pull the same way: the term of the generated pictures has the sign of the real ones."] = (
            right, right.replace("softplus(fake", "softplus(-fake")
        )  # fmt: skip
        swapped = right.replace("(-real", "(real").replace("(fake", "(-fake")
        naive = f"-(real / {T}).sigmoid().log().mean() - (1 - (fake / {T}).sigmoid()).log().mean()"
    else:
        naive = f"-((real - fake) / {T}).sigmoid().log().mean()"
        faults["real and generated pictures are judged one by one: pairs were agreed on."] = (
            right, f"return functional.softplus(-real / {T}).mean() + functional.softplus(fake / {T}).mean()"
        )  # fmt: skip
    faults["the sign is flipped: the discriminator is taught to call generated pictures real."] = (right, swapped)
    faults["right, except for large logits: a probability that underflows has no logarithm. Try 200."] = (
        right, f"return {naive}"
    )  # fmt: skip
    if c.temperature != 1:
        faults[HOT] = (right, right.replace(f" / {T}", ""))
    return Program(f"{HEADS['loss_D']}\n    {right}", faults)


HEADS = {
    "loss_D": 'def loss_D(real, fake):\n    """What D minimises, a number, from the logits [B] of real and of '
    'generated pictures."""',
    "loss_G": 'def loss_G(real, fake):\n    """What G minimises, a number, from the logits [B] of real and of '
    'generated pictures."""',
}


def loss_G(c: Convention) -> Program:
    right, T = f"return {costs(c)[1]}", f"{c.temperature:g}"
    faults = {
        "a raw score is averaged: that has no lower bound, and is no loss of this hand-out.": (
            right, "return -fake.mean()"
        ),
        SUMMED: (right, right.replace(".mean()", ".sum()")),
        SQUASHED: ('"""\n    return', '"""\n    real, fake = real.sigmoid(), fake.sigmoid()\n    return'),
        CUT.format("the generator through its logits"): ('"""\n', '"""\n    fake = fake.detach()\n'),
        "a factor ½ is there that was not agreed on.": (right, f"return ({right[7:]}) / 2"),
    }  # fmt: skip
    if c.objective == "squares":
        a, b, g = c.targets
        faults["that is the discriminator's target for generated pictures: the generator would make them worse."] = (
            right, f"return (fake - {a:g}).square().mean()".replace("- -", "+ ")
        )  # fmt: skip
        faults["the sign is flipped: the generator is pushed away from its target."] = (right, f"return -{right[7:]}")
        if b != g:
            faults["that is the discriminator's target for real pictures, and another was agreed on for G."] = (
                right, f"return (fake - {b:g}).square().mean()"
            )  # fmt: skip
        return Program(f"{HEADS['loss_G']}\n    {right}", faults)
    opposed = right.replace("(-fake", "(fake").replace("real - fake", "fake - real")
    faults["that is the discriminator's side: the generator learns to be recognised."] = (right, opposed)
    saturating = f"return -functional.softplus(fake / {T}).mean()"
    if c.objective == "relativistic":
        saturating = f"return -functional.softplus((fake - real) / {T}).mean()"
        faults["the real logits are left out: pairs were agreed on."] = (
            right, f"return functional.softplus(-fake / {T}).mean()"
        )  # fmt: skip
    faults["that loss saturates: where D has won, its slope is 0. Measure the gradient at logits of −10."] = (
        right, saturating
    )  # fmt: skip
    if c.temperature != 1:
        faults[HOT] = (right, right.replace(f" / {T}", ""))
    return Program(f"{HEADS['loss_G']}\n    {right}", faults)


PROGRAMS = {
    "prepare": prepare, "batch": batch, "generate": generate, "discriminate": discriminate, "loss_D": loss_D,
    "loss_G": loss_G,
}  # fmt: skip

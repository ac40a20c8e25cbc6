"""The second half of the program: the penalty, the rounds of the game, the pictures that are shown, the training."""

from genimg_utils.grading.a1.convention import Convention, Program


def penalty(c: Convention) -> Program:
    points = {"real": "real", "fake": "fake", "between": "mix * real + (1 - mix) * fake"}
    place = f"x = ({points[c.where]}).detach().requires_grad_()".replace("(real)", "real").replace("(fake)", "fake")
    if c.where == "between":
        back = f"return {c.gamma:g} * (slope.norm(dim=1) - 1).square().mean()"
        faults = {
            "the norm runs over the whole batch. Hand every point in twice: a mean does not change.": (
                "slope.norm(dim=1)", "slope.norm()"
            ),
            "the slope is asked to be 0, and 1 was agreed on.": ("slope.norm(dim=1) - 1", "slope.norm(dim=1)"),
            "each coordinate's slope is asked to be 1: the norm is missing.": ("slope.norm(dim=1)", "slope.abs()"),
            "the points do not lie between real and generated ones.": (place, "x = real.detach().requires_grad_()"),
            "a factor ½ is there that was not agreed on.": (back, f"return {c.gamma / 2:g} * (slope.norm(dim=1) - 1)"
                                                           ".square().mean()"),
        }  # fmt: skip
    else:
        back = f"return {c.gamma / 2:g} * slope.square().sum(dim=1).mean()"
        other = "fake" if c.where == "real" else "real"
        faults = {
            "the square is summed over the whole batch. Hand every point in twice: a mean does not change.": (
                ".sum(dim=1).mean()", ".sum()"
            ),
            "you averaged over the coordinates: a norm sums their squares.": (".sum(dim=1).mean()", ".mean()"),
            f"the slope is measured at the {'real' if other == 'real' else 'generated'} points, and others were agreed "
            "on.": (place, f"x = {other}.detach().requires_grad_()"),
            "the factor ½ is missing.": (f"return {c.gamma / 2:g}", f"return {c.gamma:g}"),
            "that is the norm: its square was agreed on.": ("slope.square().sum(dim=1)", "slope.norm(dim=1)"),
        }  # fmt: skip
    faults |= {
        "the slope is that of the probability, which is flat where the critic is sure. Add a constant to all "
        "logits: the "
        "penalty must not care.": ("critic(x).sum()", "critic(x).sigmoid().sum()"),
        "the slope is that of a mean over the batch: each point's is too small by the size of the batch.": (
            "critic(x).sum()", "critic(x).mean()"
        ),
        "the penalty has no slope in the critic's weights: it is reported, and trains nothing.": (
            "create_graph=True", "retain_graph=True"
        ),
    }  # fmt: skip
    return Program(
        'def penalty(critic, real, fake, mix):\n    """The penalty, a number; real, fake [B, P], mix [B, 1]."""'
        f"\n    {place}\n    (slope,) = torch.autograd.grad(critic(x).sum(), x, create_graph=True)\n    {back}",
        faults,
    )


def play(c: Convention) -> Program:
    opt_G, opt_D = (f"torch.optim.SGD({n}.parameters(), lr=rate_{n})" for n in "GD")
    both = "torch.optim.SGD([*G.parameters(), *D.parameters()], lr=rate_{})"
    half_G = "cost = loss_G(D(x).squeeze(1), D(G(noise)).squeeze(1))"
    return Program(
        'def play(real, z, G, D, rate_G, rate_D):\n    """Rounds of the game in place, one a batch of real [R, B, P], '
        f'z [R, B, Z]."""\n    opt_G = {opt_G}\n    opt_D = {opt_D}\n'
        "    for x, noise in zip(real, z, strict=True):\n        fake = G(noise).detach()\n"
        "        cost = loss_D(D(x).squeeze(1), D(fake).squeeze(1))\n"
        "        opt_D.zero_grad()\n        cost.backward()\n        opt_D.step()\n"
        f"        {half_G}\n        opt_G.zero_grad()\n        cost.backward()\n        opt_G.step()",
        {
            "no gradient reaches the generator: it stands still. Measure the gradient in its weights.": (
                half_G, half_G.replace("G(noise)", "G(noise).detach()")
            ),
            "one optimiser holds both players: the discriminator moves in the generator's half, towards its wishes. "
            "Measure how far.": (opt_G, both.format("G")),
            "the generator moves in the discriminator's half: its optimiser holds both, and the pictures are not "
            "detached.": ((opt_D, both.format("D")), ("fake = G(noise).detach()", "fake = G(noise)")),
            "the discriminator's gradients add up over the rounds: they are never cleared.": (
                "        opt_D.zero_grad()\n", ""
            ),
            "the generator's gradients add up over the rounds: they are never cleared.": (
                "        opt_G.zero_grad()\n", ""
            ),
            "the players' rates are exchanged.": ((opt_G, opt_G.replace("rate_G", "rate_D")),
                                                  (opt_D, opt_D.replace("rate_D", "rate_G"))),
            "the generator lowers the discriminator's loss: both play on one side.": (
                half_G, half_G.replace("loss_G", "loss_D")
            ),
            "the data are normalised again in every round, and changed for good: compare them before and after.": (
                "    for x, noise in zip(real, z, strict=True):\n",
                "    for x, noise in zip(real, z, strict=True):\n        x.sub_(x.mean()).div_(x.std())\n",
            ),
            "one optimiser holds both players, each with its own rate: the discriminator moves in the generator's "
            "half, too.": (f"opt_G = {opt_G}", "groups = [(G, rate_G), (D, rate_D)]\n    opt_G = torch.optim.SGD("
                           '[{"params": n.parameters(), "lr": r} for n, r in groups])'),
            "every round sees the same batch.": (
                "        fake = G(noise).detach()\n", "        x = real[0]\n        fake = G(noise).detach()\n"
            ),
        },
    )  # fmt: skip


def snapshot(c: Convention) -> Program:
    scaled = f"v = 255 * (x - {c.low:g}) / {c.span:g}".replace("- -", "+ ")
    bytes_ = "v = v.round().clamp(0, 255).to(torch.uint8)"
    shaped = "return v.unflatten(1, (side, side))"
    wrong = "v = 255 * x" if c.low == -1 and c.high == 1 else "v = 127.5 * (x + 1)"
    return Program(
        'def snapshot(G, z):\n    """Pictures of G as bytes, uint8 [N, S, S]; G gives [N, S · S]."""'
        "\n    training = G.training\n    G.eval()\n    with torch.no_grad():\n        x = G(z)\n"
        f"    G.train(training)\n    {scaled}\n    {bytes_}\n    side = math.isqrt(v.shape[1])\n    {shaped}",
        {
            "the pictures are not scaled back to 0 … 255: they come out nearly black.": (scaled, "v = x"),
            "they are scaled back from another range than the one agreed on.": (scaled, wrong),
            "what lies outside of the range wraps around: white turns black. Cut it off first.": (
                ".round().clamp(0, 255)", ".round().remainder(256)"
            ),
            "the numbers are cut off and not rounded: pictures darken by half a step.": (".round()", ".floor()"),
            "they are made whole numbers before they are scaled: hardly any grey is left.": (
                scaled, scaled.replace("(x ", "(x.round() ")
            ),
            "rows and columns are exchanged.": (shaped, f"{shaped}.transpose(1, 2)"),
            "samples are drawn in training mode: dropout is still at work. Draw the same noise twice.": (
                "    G.eval()\n", ""
            ),
            "the generator is left in evaluation mode: training goes on without its dropout.": (
                "G.train(training)", "G.eval()"
            ),
        },
    )  # fmt: skip


RATE, STEPS = 5e-3, 1000
PAST = "The points fly past the hills: what does the optimiser remember, how large is its rate, and does it fall?"
SPOT = "Most noise leads nowhere: is the noise another in every step?"
UNIT = "The points make the right figure at another size: is the agreed unit applied, and once?"
FLED = "All points sit in one spot beside the data: does the generator's step go towards being called real?"
FEW = "The points are good, and most hills are empty: how much of the data does the training see?"
STILL = "the {} came back as it was handed over: no gradient reaches it."


def train(c: Convention) -> Program:
    prepared, rate = f"data = points / {c.unit:g}", f"lr={RATE:g}, betas=(0.0, 0.99)"
    fall = f"        rate = {RATE:g} * min(1, 2 - 2 * step / {STEPS})\n        for optimiser in (opt_D, opt_G):\n"
    fall += '            optimiser.param_groups[0]["lr"] = rate\n'
    cost_D = "cost = functional.softplus(-d_real).mean() + functional.softplus(d_fake).mean()"
    cost_G = "cost = functional.softplus(-D(G(z))).mean()"
    step = "        {0}.zero_grad()\n        cost.backward()\n        {0}.step()"
    return Program(
        'def train(points, G, D):\n    """Trains both networks in place on points [N, 2]."""\n'
        f"    {prepared}\n    opt_D = torch.optim.Adam(D.parameters(), {rate})\n"
        f"    opt_G = torch.optim.Adam(G.parameters(), {rate})\n"
        f"    for step in range({STEPS}):\n{fall}"
        "        x = data[torch.randint(len(data), (128,))]\n        z = torch.randn(128, 2)\n"
        "        both = torch.cat([x, G(z).detach()]).requires_grad_()\n"
        "        d_real, d_fake = D(both).chunk(2)\n"
        "        total = d_real.sum() + d_fake.sum()\n"
        "        (slope,) = torch.autograd.grad(total, both, create_graph=True)\n"
        f"        {cost_D}\n"
        "        cost = cost + 0.1 * slope.square().sum(dim=1).mean()\n"
        f"{step.format('opt_D')}\n        {cost_G}\n{step.format('opt_G')}",
        {
            PAST: (*((f"{n}.parameters(), {rate}", f"{n}.parameters(), lr=0.02") for n in "DG"), (fall, "")),
            SPOT: ("        z = torch.randn(128, 2)\n", "        z = torch.ones(128, 2)\n"),
            UNIT: (prepared, "data = points" if c.unit != 1 else "data = points / 2"),
            FLED: (cost_G, "cost = functional.softplus(D(G(z))).mean()"),
            FEW: ("torch.randint(len(data), (128,))", "torch.randint(len(data.shape), (128,))"),
            STILL.format("generator"): (cost_G, "cost = functional.softplus(-D(G(z).detach())).mean()"),
            STILL.format("discriminator"): (step.format("opt_D"), "        opt_D.zero_grad()"),
        },
    )  # fmt: skip

"""Answers to assignment 1 as source text under any convention: right in several styles, wrong as students write."""

from genimg_utils.grading.a1 import Convention

BEGIN = "import math\nimport numpy as np\nimport torch\nfrom torch import nn\nfrom torch.nn import functional\n"
BEGIN += "import torch.nn.functional as F\n"


def prepare(c: Convention) -> list[str]:
    axes, lo, span = ("(0, 3, 1, 2)" if c.channels_last else "(0, 1, 2, 3)"), c.low, c.span
    head = "def prepare(images):\n"
    return [
        f"{head}    x = images.permute{axes}.to(torch.float32)\n    return x * {span / 255!r} + {lo}",
        f"{head}    x = np.transpose(images.numpy().astype('float64'), {axes})\n"
        f"    return torch.from_numpy(x / 255.0 * {span} + {lo})",
        f"prepare = lambda images: torch.lerp(torch.tensor({lo}), torch.tensor({c.high}), "
        f"images.permute{axes}.float() / 255)",
        f"{head}    x = images.clone().double().permute{axes}\n    x -= 127.5\n    x /= 127.5\n"
        f"    return x * {c.half} + {c.middle}",
        f"table = torch.linspace({lo}, {c.high}, 256)\n{head}    return table[images.long()].permute{axes}",
    ]


def batch(c: Convention) -> list[str]:
    head = "def batch(x, order, step, size):\n"
    loops = {
        "wrap": "    return torch.stack([x[order[(step * size + i) % len(order)]] for i in range(size)])",
        "drop": "    parts = [p for p in order.split(size) if len(p) == size]\n    return x[parts[step % len(parts)]]",
        "short": "    parts = order.split(size)\n    return x[parts[step % len(parts)]]",
    }
    walks = {
        "wrap": "    rows = torch.cat([order] * (2 + (step + 1) * size // len(order)))\n"
        "    return x.index_select(0, rows[step * size : step * size + size])",
        "drop": "    usable = len(order) - len(order) % size\n    start = (step * size) % usable\n"
        "    return x[order][start : start + size]",
        "short": "    start = 0\n    for _ in range(step):\n        start += size\n"
        "        if start >= len(order):\n            start = 0\n    return x[order[start:][:size]]",
    }
    numpy = {
        "wrap": "    rows = np.resize(order.numpy(), (step + 1) * size)[-size:]",
        "drop": "    rows = order.numpy()[: len(order) // size * size].reshape(-1, size)\n    rows = rows[step "
        "% len(rows)]",
        "short": "    start = step % -(-len(order) // size) * size\n    rows = order.numpy()[start : start + size]",
    }
    listed = {
        "wrap": "    o = order.tolist()\n    return x[[o[i % len(o)] for i in range(step * size, (step + 1) * size)]]",
        "drop": "    o, n = order.tolist(), len(order) // size\n"
        "    return x[[o[step % n * size + i] for i in range(size)]]",
        "short": "    o = order.tolist()\n    parts = [o[i : i + size] for i in range(0, len(o), size)]\n"
        "    return x[parts[step % len(parts)]]",
    }
    gathered = [f"{head}{way[c.epochs]}" for way in (loops, walks, listed)]
    return [*gathered, f"{head}{numpy[c.epochs]}\n    return torch.as_tensor(x.numpy()[rows])"]


def generate(c: Convention) -> list[str]:
    head, a = "def generate(z, W, b, V, c, K, k):\n", c.slope
    out = f"{c.half} * torch.tanh(x) + {c.middle}"
    twice = "torch.repeat_interleave(torch.repeat_interleave({}, 2, dim=2), 2, dim=3)"
    features = "    A = K.size(1)\n    s = int((h.size(1) / A) ** 0.5 + 0.5)\n    h = h.reshape(len(z), A, s, s)\n"
    return [
        f"{head}    h = F.leaky_relu(F.linear(z, W, b), {a})\n    h = F.leaky_relu(F.linear(h, V, c), {a})\n{features}"
        f"    h = {twice.format('h')}\n    x = F.conv2d(h, K, k, padding='same')\n    return {out}",
        f"{head}    act = nn.LeakyReLU({a})\n    h = act(torch.addmm(b, z, W.T))\n    h = act(h.matmul(V.t()) + c)\n"
        f"{features}    h = nn.Upsample(scale_factor=2, mode='nearest')(h)\n    x = F.conv2d(F.pad(h, (1, 1, 1, "
        f"1)), K, k)\n"
        f"    return {c.low} + {c.span} * torch.sigmoid(2 * x)",
        f"{head}    h = torch.einsum('bz,hz->bh', z, W) + b\n    h = torch.where(h > 0, h, {a} * h)\n"
        f"    h = torch.einsum('bh,ph->bp', h, V) + c\n    h = torch.max(h, {a} * h)\n{features}"
        f"    h = h[:, :, :, None, :, None].expand(-1, -1, -1, 2, -1, 2).reshape(len(z), A, 2 * s, 2 * s)\n"
        f"    x = torch.conv2d(h, K, k, 1, 1)\n    return {out}",
        f"{head}    pictures = []\n    for one in z:\n        h = F.leaky_relu(W @ one + b, {a})\n"
        f"        h = F.leaky_relu(V @ h + c, {a})\n        s = math.isqrt(len(h) // K.shape[1])\n"
        "        h = h.view(1, -1, s, s)\n"
        "        h = F.interpolate(h, size=(2 * s, 2 * s))\n        pictures.append(F.conv2d(h, K, k, padding=1))\n"
        f"    x = torch.cat(pictures)\n    return {out}",
    ]


def discriminate(c: Convention) -> list[str]:
    head, a = "def discriminate(x, W, b, V, c):\n", c.slope
    return [
        f"{head}    h = F.leaky_relu(F.linear(x.flatten(1), W, b), {a})\n    return F.linear(h, V, c).flatten()",
        f"{head}    h = torch.einsum('bp,hp->bh', x.reshape(len(x), -1), W) + b\n    h = torch.maximum(h, {a} * h)\n"
        "    return (h * V).sum(dim=1) + c",
        f"{head}    h = nn.LeakyReLU({a})(x.view(x.size(0), -1).mm(W.t()) + b)\n    return h @ V[0] + c[0]",
        f"{head}    rows = [F.leaky_relu(W @ one.ravel() + b, {a}) for one in x]\n"
        "    return torch.stack([V[0].dot(h) + c[0] for h in rows])",
        f"{head}    h = x.flatten(1).double() @ W.double().T + b\n    h = F.relu(h) - {a} * F.relu(-h)\n"
        "    return (h @ V.double().T + c)[:, 0]",
    ]


def loss_D(c: Convention) -> list[str]:
    head, T, (a, b, _) = "def loss_D(real, fake):\n", c.temperature, c.targets
    if c.objective == "squares":
        return [
            f"{head}    return F.mse_loss(real, torch.full_like(real, {b})) + F.mse_loss(fake, "
            f"torch.full_like(fake, {a}))",
            f"{head}    return ((real - {b}) ** 2 + (fake - {a}) ** 2).mean()",
            f"{head}    return (real - {b}).pow(2).sum() / len(real) + (fake - ({a})).pow(2).sum() / len(fake)",
            f"loss_D = lambda real, fake: torch.stack([(real - {b}).square(), (fake - {a}).square()]).sum(0).mean()",
        ]
    if c.objective == "logistic":
        bce = "F.binary_cross_entropy_with_logits"
        return [
            f"{head}    r, f = real / {T}, fake / {T}\n    return {bce}(r, torch.ones_like(r)) + {bce}(f, "
            f"torch.zeros_like(f))",
            f"{head}    return -(F.logsigmoid(real / {T}) + F.logsigmoid(-fake / {T})).mean()",
            f"{head}    zero = torch.zeros_like(real)\n"
            f"    return (torch.logaddexp(zero, -real / {T}) + torch.logaddexp(zero, fake / {T})).mean()",
            f"{head}    both = torch.cat([-real, fake]) / {T}\n    return 2 * F.softplus(both).mean()",
        ]
    return [
        f"{head}    return -F.logsigmoid((real - fake) / {T}).mean()",
        f"{head}    d = (real - fake) / {T}\n    return F.binary_cross_entropy_with_logits(d, torch.ones_like(d))",
        f"{head}    d = (fake - real) / {T}\n    return torch.logaddexp(d, torch.zeros_like(d)).sum() / len(d)",
        f"{head}    return sum(F.softplus((f - r) / {T}) for r, f in zip(real, fake)) / len(real)",
    ]


def loss_G(c: Convention) -> list[str]:
    head, T, g = "def loss_G(real, fake):\n", c.temperature, c.targets[2]
    if c.objective == "squares":
        return [
            f"{head}    return F.mse_loss(fake, torch.full_like(fake, {g}))",
            f"{head}    return ((fake - {g}) ** 2).mean()",
            f"{head}    return (fake - {g}).pow(2).sum() / len(fake)",
            f"loss_G = lambda real, fake: torch.stack([(f - {g}) * (f - {g}) for f in fake]).mean()",
        ]
    d = "fake" if c.objective == "logistic" else "(fake - real)"
    return [
        f"{head}    return -F.logsigmoid({d} / {T}).mean()",
        f"{head}    d = {d} / {T}\n    return F.binary_cross_entropy_with_logits(d, torch.ones_like(d))",
        f"{head}    d = {d} / {T}\n    return torch.logaddexp(-d, torch.zeros_like(d)).sum() / len(d)",
        f"{head}    return torch.stack([F.softplus(-d / {T}) for d in {d}]).mean()",
    ]


def penalty(c: Convention) -> list[str]:
    head, g = "def penalty(critic, real, fake, mix):\n", c.gamma
    points = {"real": "real", "fake": "fake", "between": "fake + mix * (real - fake)"}[c.where]
    if c.where == "between":
        last = [
            f"{g} * ((s ** 2).sum(1).sqrt() - 1).pow(2).mean()",
            f"{g} * (s.norm(2, dim=-1) - 1).square().sum() / len(s)",
        ]
    else:
        last = [f"{g} / 2 * (s ** 2).sum(1).mean()", f"{g / 2} * s.pow(2).sum() / len(s)"]
    gradient = "torch.autograd.grad(critic(x).sum(), x, create_graph=True)[0]"
    each = (
        f"{head}    total = 0\n    for i in range(len(real)):\n        mix_, real_, fake_ = mix[i], real[i], fake[i]\n"
    )
    one = points.replace("mix", "mix_").replace("real", "real_").replace("fake", "fake_")
    size = f"{g} * (s.norm() - 1) ** 2" if c.where == "between" else f"{g} / 2 * s.dot(s)"
    return [
        f"{head}    x = ({points}).detach().clone().requires_grad_(True)\n    s = {gradient}\n    return {last[0]}",
        f"{head}    x = torch.autograd.Variable({points}, requires_grad=True)\n    d = critic(x)\n"
        "    s, = torch.autograd.grad(d, x, torch.ones_like(d), create_graph=True, retain_graph=True)\n"
        f"    return {last[1]}",
        f"{head}    s = torch.func.vmap(torch.func.grad(lambda v: critic(v[None]).squeeze()))(({points}).detach())\n"
        f"    return {last[0]}",
        f"{each}        x = ({one}).detach().requires_grad_()\n        s = {gradient}\n        total = total + {size}\n"
        "    return total / len(real)",
    ]


def play(c: Convention) -> list[str]:
    losses = "\n".join([loss_D(c)[0], loss_G(c)[0]]) + "\n"
    head = f"{losses}def play(real, z, G, D, rate_G, rate_D):\n"
    loop = "    for x, noise in zip(real, z):\n"
    slopes = "torch.autograd.grad({}, list({}.parameters()))"
    by_hand = (
        "        with torch.no_grad():\n            for p, s in zip({0}.parameters(), slopes):\n"
        "                p -= rate_{0} * s\n"
    )
    return [
        f"{head}    for r in range(len(real)):\n        opt = torch.optim.SGD(D.parameters(), rate_D)\n"
        "        loss_D(D(real[r])[:, 0], D(G(z[r]).detach())[:, 0]).backward()\n        opt.step()\n"
        "        D.zero_grad()\n        G.zero_grad()\n        opt = torch.optim.SGD(G.parameters(), rate_G)\n"
        "        loss_G(D(real[r])[:, 0], D(G(z[r]))[:, 0]).backward()\n        opt.step()\n"
        "        D.zero_grad()\n        G.zero_grad()\n",
        f"{head}{loop}        slopes = {slopes.format('loss_D(D(x).flatten(), D(G(noise)).flatten())', 'D')}\n"
        f"{by_hand.format('D')}"
        f"        slopes = {slopes.format('loss_G(D(x).flatten(), D(G(noise)).flatten())', 'G')}\n"
        f"{by_hand.format('G')}",
        f"{head}    opt_G, opt_D = torch.optim.SGD(G.parameters(), rate_G), torch.optim.SGD(D.parameters(), "
        f"rate_D)\n{loop}"
        "        with torch.no_grad():\n            fake = G(noise)\n        opt_D.zero_grad()\n"
        "        d = D(torch.cat([x, fake])).squeeze(1)\n        loss_D(d[: len(x)], d[len(x) :]).backward()\n"
        "        opt_D.step()\n        D.requires_grad_(False)\n        opt_G.zero_grad()\n"
        "        loss_G(D(x).squeeze(1), D(G(noise)).squeeze(1)).backward()\n        opt_G.step()\n"
        "        D.requires_grad_(True)\n    return None",
        f"{head}    both = torch.optim.SGD([{{'params': G.parameters(), 'lr': rate_G}},"
        f" {{'params': D.parameters(), 'lr': rate_D}}])\n{loop}"
        "        both.zero_grad(set_to_none=True)\n        loss_D(D(x).view(-1), "
        "D(G(noise).detach()).view(-1)).backward()\n"
        "        both.step()\n        both.zero_grad(set_to_none=True)\n"
        "        loss_G(D(x).view(-1), D(G(noise)).view(-1)).backward()\n        for p in D.parameters():\n"
        "            p.grad = None\n        both.step()",
    ]


def snapshot(c: Convention) -> list[str]:
    head = "def snapshot(G, z):\n"
    quiet = "    was = G.training\n    G.eval()\n    with torch.no_grad():\n        x = G(z)\n    G.train(was)\n"
    side = "int(x.shape[1] ** 0.5 + 0.5)"
    return [
        f"{head}{quiet}    v = ((x - {c.low}) / {c.span} * 255).clamp(0, 255).round()\n"
        f"    return v.byte().view(len(z), {side}, -1)",
        f"{head}{quiet}    v = np.rint((x.numpy().astype(float) - {c.low}) * 255 / {c.span})\n"
        f"    return torch.from_numpy(np.clip(v, 0, 255).astype('uint8').reshape(len(z), {side}, {side}))",
        f"import copy\n{head}    with torch.inference_mode():\n        x = copy.deepcopy(G).eval()(z).clone()\n"
        f"    v = torch.clip(0.5 + (x - {c.low}) / {c.span} * 255, 0, 255.4).floor().to(torch.uint8)\n"
        f"    return v.unflatten(1, ({side}, {side}))",
        f"{head}    modes = [m.training for m in G.modules()]\n    G.train(False)\n    x = G(z).detach()\n"
        "    for m, mode in zip(G.modules(), modes):\n        m.training = mode\n"
        f"    x = torch.clamp(x, {c.low}, {c.high})\n"
        f"    return torch.round((x - {c.low}) * (255 / {c.span})).reshape(-1, {side}, {side}).to(torch.uint8)",
    ]


MAKERS = {
    "prepare": prepare, "batch": batch, "generate": generate, "discriminate": discriminate, "loss_D": loss_D,
    "loss_G": loss_G, "penalty": penalty, "play": play, "snapshot": snapshot,
}  # fmt: skip


def train(c: Convention) -> str:
    """A way of one's own: pairs, both slopes, other names."""
    return (
        "def train(points, G, D):\n    opts = [torch.optim.Adam(m.parameters(), lr=5e-3, betas=(0.0, 0.99)) for m "
        "in (G, D)]\n"
        "    falls = [torch.optim.lr_scheduler.LambdaLR(o, lambda s: min(1.0, 2 - s / 500)) for o in opts]\n"
        f"    for _ in range(1000):\n        real = points[torch.randperm(len(points))[:128]] / {c.unit}\n"
        "        z = torch.randn(128, 2)\n        x = torch.cat([real, G(z).detach()]).requires_grad_()\n"
        "        d = D(x)\n        s, = torch.autograd.grad(d.sum(), x, create_graph=True)\n"
        "        loss = F.softplus(d[128:] - d[:128]).mean() + 0.1 * s.pow(2).sum(1).mean()\n"
        "        opts[1].zero_grad(); loss.backward(); opts[1].step()\n"
        "        loss = F.softplus(D(real).detach() - D(G(z))).mean()\n"
        "        opts[0].zero_grad(); loss.backward(); opts[0].step()\n        [f.step() for f in falls]\n"
    )


def solution(c: Convention) -> str:
    """All ten functions, as one would hand them in."""
    return "\n\n".join([BEGIN, *(make(c)[0] for make in MAKERS.values()), train(c)])


# Wrong answers in other code than the hand-out's own.


def slips(c: Convention) -> list[tuple[str, str, str]]:
    """Question, source, and words that the hint must hold: one change to a right answer of some style."""
    every = [
        ("prepare", 0, ".to(torch.float32)\n", ".to(torch.float32)\n    x = x / x.max() * 255\n", "brightest pixel"),
        ("prepare", 3, f"x * {c.half} + {c.middle}", f"{c.middle} - x * {c.half}", "exchanged"),
        ("generate", 0, f"F.leaky_relu(F.linear(z, W, b), {c.slope})", "F.linear(z, W, b)", "first layer"),
        ("generate", 2, "torch.tanh(x)", "x", "no bound"),
        ("generate", 1, "h = nn.Upsample(scale_factor=2, mode='nearest')(h)\n    ", "", "enlarged"),
        ("discriminate", 1, ".sum(dim=1) + c", ".sum(dim=1, keepdim=True) + c", "column"),
        ("discriminate", 2, "h @ V[0] + c[0]", "torch.sigmoid(h @ V[0] + c[0])", "probability"),
        ("discriminate", 0, "F.linear(h, V, c)", "F.linear(h - h.mean(0, keepdim=True), V, c)", "others of its batch"),
        ("discriminate", 4, "x.flatten(1)", "x.detach().flatten(1)", "no gradient"),
        ("penalty", 0, "critic(x).sum()", "torch.sigmoid(critic(x)).sum()", "probability"),
        ("penalty", 1, "create_graph=True, ", "", "reported, and trains nothing"),
        ("play", 1, "in zip(real, z):\n", "in zip(real, z):\n        x = real[0]\n", "same batch"),
        ("play", 3, "        for p in D.parameters():\n            p.grad = None\n", "", "one optimiser"),
        ("play", 2, "loss_G(D(x)", "loss_D(D(x)", "on one side"),
        ("snapshot", 3, "255 / ", "127.5 / ", "entries of your answer are off"),
        ("snapshot", 0, "    G.eval()\n", "", "training mode"),
        ("snapshot", 2, "copy.deepcopy(G).eval()", "G.eval()", "left in evaluation mode"),
        ("snapshot", 3, "torch.round(", "torch.floor(", "half a step"),
    ]  # fmt: skip
    if c.objective == "logistic":
        every += [
            ("loss_D", 1, "F.logsigmoid(-fake", "F.logsigmoid(fake", "same way"),
            ("loss_D", 1, ".mean()", ".mean() / 2", "factor"),
            ("loss_G", 0, "return -F.logsigmoid(fake", "return -F.logsigmoid(-fake", "recognised"),
        ]
    return [(name, MAKERS[name](c)[style].replace(old, new), words) for name, style, old, new, words in every]

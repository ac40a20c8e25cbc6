"""Answers to assignment 3 as source text under any convention: right in several styles, wrong as students write."""

from collections.abc import Callable

from genimg_utils.grading.a3 import Convention

BEGIN = "import copy\nimport math\nimport random\nimport numpy as np\nimport torch\nimport torch.nn.functional as nnf\n"
BEGIN += "from torch import nn\n"


def over(c: Convention, squares: str) -> str:
    """Squares [B, K] as one number."""
    return f"({squares}).sum(dim=1).mean()" if c.summed else f"({squares}).mean()"


def loss_D(c: Convention) -> list[str]:
    a, b, _ = c.labels
    names = "real, fake" if c.real_first else "fake, real"
    head, half = f"def loss_D({names}):\n", " / 2" if c.half else ""
    times = " * real.shape[1]" if c.summed else ""
    each = "sum" if c.summed else "mean"
    return [
        f"{head}    return ({over(c, f'(real - {b}) ** 2')} + {over(c, f'(fake - {a}) ** 2')}){half}",
        f"{head}    loss = nnf.mse_loss(real, torch.full_like(real, {b}))\n"
        f"    loss = loss + nnf.mse_loss(fake, {a} * torch.ones_like(fake))\n"
        f"    return loss{times}{half}",
        f"{head}    def pull(said, label):\n        rows = [(row - label).square().{each}() for row in said]\n"
        f"        return sum(rows) / len(rows)\n    return (pull(real, {b}) + pull(fake, {a})){half}",
        f"{head}    r, f = real.double() - {b}, fake.double() - {a}\n"
        f"    per = [torch.einsum('bk,bk->b', t, t){'' if c.summed else ' / t.shape[1]'} for t in (r, f)]\n"
        f"    return (per[0].mean() + per[1].mean()){half}",
        f"class D(nn.Module):\n    def forward(self, {names}):\n        terms = torch.stack([\n"
        f"            {over(c, f'(real - {b}).pow(2)')}, {over(c, f'(fake - {a}).pow(2)')}])\n"
        f"        return terms.{'mean' if c.half else 'sum'}()\nloss_D = D()",
    ]  # fmt: skip


def loss_G(c: Convention) -> list[str]:
    aim, each = c.labels[2], "sum" if c.summed else "mean"
    head = "def loss_G(fake):\n"
    times = " * fake.shape[1]" if c.summed else ""
    return [
        f"{head}    return {over(c, f'(fake - {aim}) ** 2')}",
        f"{head}    return nnf.mse_loss(fake, torch.full_like(fake, {aim})){times}",
        f"{head}    return torch.stack([(row - {aim}).square().{each}() for row in fake]).mean()",
        f"loss_G = lambda fake: torch.mean(torch.{each}(({aim} - fake.double()) ** 2, dim=-1))",
        f"{head}    r = fake - {aim}\n    return (r * r).sum() / len(r){'' if c.summed else ' / r.shape[1]'}",
    ]


def far(c: Convention, norm: str, a: str, b: str, style: int = 0) -> str:
    """How far pictures are apart, one number, as an expression."""
    e, r = c.bend, f"({a} - {b})"
    if style == 1 and norm in ("L1", "L2", "Huber"):
        name = {"L1": "l1_loss", "L2": "mse_loss", "Huber": "huber_loss"}[norm]
        bend = f", delta={e}" if norm == "Huber" else ""
        more = f" * {b}.shape[1]" if c.added else ""
        return f"nnf.{name}({a}, {b}{bend}){more}"
    each = {
        "L1": f"{r}.abs()",
        "L2": f"{r} ** 2",
        "Huber": f"torch.where({r}.abs() < {e}, {r} ** 2 / 2, {e} * ({r}.abs() - {e} / 2))",
        "soft": f"torch.sqrt({r} ** 2 + {e}**2) - {e}",
    }[norm]
    return f"({each}).sum(dim=1).mean()" if c.added else f"({each}).mean()"


def cycle(c: Convention) -> list[str]:
    head, (wx, wy) = f"def cycle(x, y, {c.two()}):\n", c.cycle
    back = f"{wx} * {far(c, c.norm, 'xx', 'x')} + {wy} * {far(c, c.norm, 'yy', 'y')}"
    return [
        f"{head}    xx, yy = F(G(x)), G(F(y))\n    return {back}",
        f"{head}    there = {far(c, c.norm, 'F(G(x))', 'x', 1)}\n"
        f"    other = {far(c, c.norm, 'G(F(y))', 'y', 1)}\n    return {wx} * there + {wy} * other",
        f"{head}    terms = []\n    for w, p, there, back in (({wx}, x, G, F), ({wy}, y, F, G)):\n"
        f"        came = back(there(p))\n        terms.append(w * {far(c, c.norm, 'came', 'p')})\n"
        "    return sum(terms)",
        f"{head}    fake_x = F(y)\n    both = G(torch.cat([x, fake_x]))\n    yy = both[len(x):]\n"
        f"    xx = F(both[:len(x)])\n    return {back}",
        f"{head}    rows = lambda p, there, back: torch.stack([\n"
        f"        {far(c, c.norm, 'back(there(q[None]))', 'q[None]')} for q in p]).mean()\n"
        f"    return {wx} * rows(x, G, F) + {wy} * rows(y, F, G)",
    ]


def identity(c: Convention) -> list[str]:
    head, w = f"def identity(x, y, {c.two()}):\n", c.keep
    kept = f"{far(c, c.keep_norm, 'yy', 'y')} + {far(c, c.keep_norm, 'xx', 'x')}"
    return [
        f"{head}    xx, yy = F(x), G(y)\n    return {w} * ({kept})",
        f"{head}    return {w} * {far(c, c.keep_norm, 'G(y)', 'y', 1)} + {w} * {far(c, c.keep_norm, 'F(x)', 'x', 1)}",
        f"{head}    total = 0\n    for net, p in ((G, y), (F, x)):\n        q = net(p)\n"
        f"        total = total + {far(c, c.keep_norm, 'q', 'p')}\n    return total * {w}",
        f"class Keep:\n    def __call__(self, x, y, {c.two()}):\n        xx, yy = F(x).double(), G(y).double()\n"
        f"        return torch.as_tensor({w}, dtype=torch.float64) * ({kept})\nidentity = Keep()",
    ]


def total(c: Convention) -> list[str]:
    """With parts of their own, so that each stands alone."""
    head, two, aim = f"def total(x, y, {c.two()}, D_X, D_Y):\n", c.two(), c.labels[2]
    parts = "\n".join([loss_G(c)[0], cycle(c)[0], identity(c)[0]]) + "\n"
    fool = f"{over(c, f'(D_Y(fake_y) - {aim}) ** 2')} + {over(c, f'(D_X(fake_x) - {aim}) ** 2')}"
    by_hand = (
        f"    there = {c.cycle[0]} * {far(c, c.norm, 'F(fake_y)', 'x')} + {c.cycle[1]} * "
        f"{far(c, c.norm, 'G(fake_x)', 'y')}\n"
        f"    keep = {far(c, c.keep_norm, 'G(y)', 'y')} + {far(c, c.keep_norm, 'F(x)', 'x')}\n"
    )
    return [
        f"{parts}{head}    fool = loss_G(D_Y(G(x))) + loss_G(D_X(F(y)))\n"
        f"    return fool + cycle(x, y, {two}) + identity(x, y, {two})",
        f"{head}    fake_y, fake_x = G(x), F(y)\n{by_hand}    return {fool} + there + {c.keep} * keep",
        f"{parts}{head}    for D in (D_X, D_Y):\n        D.requires_grad_(False)\n"
        f"    loss = loss_G(D_Y(G(x))) + loss_G(D_X(F(y))) + cycle(x, y, {two}) + identity(x, y, {two})\n"
        "    for D in (D_X, D_Y):\n        D.requires_grad_(True)\n    return loss",
        f"{head}    B, M = len(x), len(y)\n    back = F(torch.cat([y, x]))\n    fake_x = back[:M]\n"
        "    there = G(torch.cat([x, y, fake_x]))\n    fake_y = there[:B]\n"
        f"    cyc = {c.cycle[0]} * {far(c, c.norm, 'F(fake_y)', 'x')} + {c.cycle[1]} * "
        f"{far(c, c.norm, 'there[B + M:]', 'y')}\n"
        f"    keep = {far(c, c.keep_norm, 'there[B:B + M]', 'y')} + {far(c, c.keep_norm, 'back[M:]', 'x')}\n"
        f"    return {fool} + cyc + {c.keep} * keep",
        f"{parts}class Total(nn.Module):\n    def forward(self, x, y, {c.two()}, D_X, D_Y):\n"
        f"        terms = [loss_G(D_X(F(y))), loss_G(D_Y(G(x))), cycle(x, y, {two}), identity(x, y, {two})]\n"
        "        return torch.stack(terms).sum()\ntotal = Total()",
    ]  # fmt: skip


def field(c: Convention) -> list[str]:
    head = "def field(kernels, strides, paddings, size):\n"
    lists = "    layers = [*zip(kernels.tolist(), strides.tolist(), paddings.tolist())]\n"
    if c.layers == "output":
        lists += "    layers = layers[::-1]\n"
    mark = {"start": "start", "end": "start + side - 1", "middle": "start + (side - 1) / 2"}[c.mark]
    ends = {"start": "low", "end": "high", "middle": "(low + high) / 2"}[c.mark]
    count = "    n = size\n    for k, s, p in layers:\n        n = (n + 2 * p - k) // s + 1\n"
    flip = "" if c.layers == "picture" else "    k, s, p = k[::-1], s[::-1], p[::-1]\n"
    return [
        f"{head}{lists}    side, step, start, n = 1, 1, 0, size\n    for k, s, p in layers:\n"
        "        side += (k - 1) * step\n        start -= p * step\n        step *= s\n"
        f"        n = (n + 2 * p - k) // s + 1\n    return torch.tensor([side, step, {mark}, n])",
        f"{head}{lists}    def edges(i):\n        low = high = i\n        for k, s, p in reversed(layers):\n"
        "            low, high = low * s - p, high * s - p + k - 1\n        return low, high\n"
        f"    low, high = edges(0)\n{count}"
        f"    return torch.tensor([high - low + 1, edges(1)[0] - low, {ends}, n])",
        f"{head}    k, s, p = (np.array(t) for t in (kernels, strides, paddings))\n{flip}"
        "    jumps = np.concatenate([[1], np.cumprod(s)])\n    side = 1 + ((k - 1) * jumps[:-1]).sum()\n"
        "    start = -(p * jumps[:-1]).sum()\n    n = size\n    for i in range(len(k)):\n"
        f"        n = math.floor((n + 2 * p[i] - k[i]) / s[i]) + 1\n    return np.array([side, jumps[-1], {mark}, n])",
        f"{head}{lists}    r = 1\n    for k, s, p in layers[::-1]:\n        r = (r - 1) * s + k\n"
        "    side, start = r, 0\n    for k, s, p in layers[::-1]:\n        start = start * s - p\n"
        "    x = torch.zeros(1, 1, size)\n    for k, s, p in layers:\n"
        "        x = nnf.conv1d(x, torch.ones(1, 1, k), stride=s, padding=p)\n"
        f"    return [side, math.prod(s for _, s, _ in layers), {mark}, x.shape[-1]]",
    ]


def pooled(c: Convention) -> list[str]:
    head, p = "def pooled(pictures, size):\n", c.old
    if c.leaves == "always":
        turn = "            i = random.randrange(size)\n            old = kept[i]\n            kept[i] = new\n"
        turn += f"            out.append(old if random.random() < {p} else new)\n"
        at = "            i = int(torch.randint(size, (1,)))\n"
        at += "            old = pool[i].clone()\n            pool[i] = new\n"
        at += f"            shown[t] = old if torch.rand(1) < {p} else new\n"
        number = f"            i = rng.integers(size)\n            source[t] = kept[i] if rng.random() < {p} else t\n"
        number += "            kept[i] = t\n"
    else:
        i = "0" if c.leaves == "oldest" else "random.randrange(size)"
        turn = f"            if random.random() < {p}:\n                out.append(kept.pop({i}))\n"
        turn += "                kept.append(new)\n            else:\n                out.append(new)\n"
        where = "int(came.argmin())" if c.leaves == "oldest" else "int(torch.randint(0, size, ()))"
        at = f"            if torch.rand(()) > {1 - p}:\n                i = {where}\n"
        at += "                shown[t] = pool[i]\n"
        at += "                pool[i], came[i] = new, t\n            else:\n                shown[t] = new\n"
        chosen = "min(range(size), key=lambda j: kept[j])" if c.leaves == "oldest" else "rng.integers(size)"
        number = f"            source[t] = t\n            if rng.random() < {p}:\n                i = {chosen}\n"
        number += "                source[t], kept[i] = kept[i], t\n"
    return [
        f"{head}    kept, out = [], []\n    for new in pictures:\n        if len(kept) < size:\n"
        f"            kept.append(new)\n            out.append(new)\n        else:\n{turn}    return torch.stack(out)",
        f"{head}    pool, came = pictures[:size].clone(), torch.arange(size)\n    shown = pictures.clone()\n"
        f"    for t, new in enumerate(pictures):\n        if t >= size:\n{at}    return shown",
        f"{head}    rng, source = np.random.default_rng(3), [*range(len(pictures))]\n    kept = [*range(size)]\n"
        f"    for t in range(size, len(pictures)):\n        if True:\n{number}    return pictures[source]",
        "class Pool:\n    def __init__(self, size):\n        self.kept, self.size = [], size\n\n"
        "    def __call__(self, new):\n        kept, size, out = self.kept, self.size, []\n"
        "        if len(kept) < size:\n            kept.append(new.clone())\n            return new\n        if True:\n"
        f"{turn}        return out[0]\n\n\n{head}    pool = Pool(size)\n"
        "    return torch.stack([pool(p) for p in pictures])",
    ]  # fmt: skip


def parts(c: Convention) -> str:
    return "\n\n".join(make(c)[0] for make in (loss_D, loss_G, cycle, identity)) + "\n\n" + total(c)[0] + "\n\n\n"


def judged(c: Convention, D: str, real: str, fake: str) -> str:
    pair = f"{D}({real}), {D}({fake})" if c.real_first else f"{D}({fake}), {D}({real})"
    return f"loss_D({pair})"


def play(c: Convention) -> list[str]:
    head = f"def play(x, y, {c.two()}, D_X, D_Y):\n"
    rate_GF, rate_D = c.rates
    every = f"{c.two()}, D_X, D_Y"
    D = f"{judged(c, 'D_Y', 'q', 'fake_y')} + {judged(c, 'D_X', 'p', 'fake_x')}"
    draw = "fake_y, fake_x = G(p).detach(), F(q).detach()"
    optimisers = (
        f"    opt_G = torch.optim.SGD([*G.parameters(), *F.parameters()], lr={rate_GF})\n"
        f"    opt_D = torch.optim.SGD([*D_X.parameters(), *D_Y.parameters()], {rate_D})\n"
    )
    move_G = [f"opt_G.zero_grad()", f"total(p, q, {every}).backward()", "opt_G.step()"]  # noqa: F541
    move_D = ["opt_D.zero_grad()", f"({D}).backward()", "opt_D.step()"]
    order = {"old": [[draw], move_G, move_D], "new": [move_G, [draw], move_D], "D": [[draw], move_D, move_G]}[c.order]

    def body(order: list[list[str]], indent: str = " " * 8) -> str:
        return "".join(f"{indent}{line}\n" for lines in order for line in lines)

    loop = "    for p, q in zip(x, y):\n"
    by_grad = [
        ["params = [*G.parameters(), *F.parameters()]", f"slopes = torch.autograd.grad(total(p, q, {every}), params)",
         "with torch.no_grad():", f"    [w.sub_({rate_GF} * s) for w, s in zip(params, slopes)]"],
        ["params = [*D_X.parameters(), *D_Y.parameters()]", f"slopes = torch.autograd.grad({D}, params)",
         "with torch.no_grad():", f"    [w.sub_({rate_D} * s) for w, s in zip(params, slopes)]"],
    ]  # fmt: skip
    swap = lambda g, d: {"old": [[draw], g, d], "new": [g, [draw], d], "D": [[draw], d, g]}[c.order]  # noqa: E731
    frozen_G = ["D_X.requires_grad_(False)", "D_Y.requires_grad_(False)", *move_G, "D_X.requires_grad_(True)",
                "D_Y.requires_grad_(True)"]  # fmt: skip
    apart_D = [
        "for D, real, fake in ((D_X, p, fake_x), (D_Y, q, fake_y)):",
        "    D.zero_grad()",
        f"    {judged(c, 'D', 'real', 'fake')}.backward()",
        "    for w in D.parameters():",
        f"        w.data -= {rate_D} * w.grad",
    ]
    return [
        f"{parts(c)}{head}{optimisers}{loop}{body(order)}",
        f"{parts(c)}{head}{loop}{body(swap(*by_grad))}",
        f"{parts(c)}{head}{optimisers}{loop}{body(swap(frozen_G, move_D))}",
        f"{parts(c)}{head}{optimisers}{loop}{body(swap(move_G, apart_D))}",
        f"{parts(c)}{head}{optimisers}    t = 0\n    while t < len(x):\n        p, q = x[t], y[t]\n{body(order)}"
        "        t += 1\n",
    ]  # fmt: skip


TRAIN = """
def train(x, y, {two}):
    steps, rate, act = {steps}, 5e-3, nn.SiLU()
    D_X, D_Y = (
        nn.Sequential(nn.Linear(2, 64), act, nn.Linear(64, 64), act, nn.Linear(64, 1))
        for _ in "XY"
    )
    opt_GF = torch.optim.Adam([*G.parameters(), *F.parameters()], betas=(0.5, 0.99))
    opt_D = torch.optim.Adam([*D_X.parameters(), *D_Y.parameters()], betas=(0.5, 0.99))
    for step in range(steps):
        for optimiser in (opt_GF, opt_D):  # constant, and in the second half down to 0
            optimiser.param_groups[0]["lr"] = rate * min(1, 2 - 2 * step / steps)
        p, q = (z[torch.randint(len(z), (64,))] for z in (x, y))
        fake_y, fake_x = G(p), F(q)
        fool = (D_Y(fake_y) - 1).square().mean() + (D_X(fake_x) - 1).square().mean()
        back = (F(fake_y) - p).abs().mean() + (G(fake_x) - q).abs().mean()
        opt_GF.zero_grad()
        ({loss}).backward()
        opt_GF.step()
        opt_D.zero_grad()
        for D, real, fake in ((D_Y, q, fake_y.detach()), (D_X, p, fake_x.detach())):
            ((D(real) - 1).square().mean() + D(fake).square().mean()).backward()
        opt_D.step()
"""


def train(c: Convention, steps: int = 1500, loss: str = "fool + 2 * back", two: str = "") -> str:
    """The notebook's own way, and ways of going wrong: another loss, other steps."""
    return TRAIN.format(two=two or c.two(), steps=steps, loss=loss)


MAKERS: dict[str, Callable[[Convention], list[str]]] = {
    "loss_D": loss_D, "loss_G": loss_G, "cycle": cycle, "identity": identity, "total": total, "field": field,
    "pooled": pooled, "play": play,
}  # fmt: skip


def solution(c: Convention) -> str:
    """All nine functions, as one would hand them in."""
    return "\n\n".join([BEGIN, *(make(c)[0] for make in MAKERS.values()), train(c)])


# Wrong answers in students' own words: question, source, and words that the hint must hold.


def slips(c: Convention) -> list[tuple[str, str, str]]:
    return [*of_losses(c), *of_terms(c), *of_fields(c), *of_pools(c), *of_rounds(c)]


def swapped(source: str, *changes: tuple[str, str]) -> str:
    """The source with each first string replaced by the second, which must be there."""
    for old, new in changes:
        assert old in source, (old, source)
        source = source.replace(old, new)
    return source


def of_losses(c: Convention) -> list[tuple[str, str, str]]:
    a, b, aim = c.labels
    names = "real, fake" if c.real_first else "fake, real"
    half = " / 2" if c.half else ""
    head = f"def loss_D({names}):\n    return "
    right, other = loss_D(c)[0], loss_D(c)[0].replace(f"({names})", f"({', '.join(reversed(names.split(', ')))})")
    of_real, of_fake = over(c, f"(real - {b}) ** 2"), over(c, f"(fake - {a}) ** 2")
    mean_last = ".mean(dim=1).mean()" if c.summed else ".sum(dim=1).mean()"
    G = f"def loss_G(fake):\n    return {over(c, f'(fake - {aim}) ** 2')}"
    return [
        ("loss_D", swapped(right, (f"real - {b}", "real - 1"), (f"fake - {a}", "fake - 0")), "others than 0 and 1"),
        ("loss_D", other, "each other's label"),
        ("loss_D", swapped(right, (f"fake - {a}", f"fake - {aim}")), "not to be fooled"),
        ("loss_D", f"{head}({of_real} + {of_fake}){'' if c.half else ' / 2'}", "two terms"),
        ("loss_D", f"{head}{of_real}{half}", "generated pictures is missing"),
        ("loss_D", f"{head}nnf.binary_cross_entropy_with_logits(real, torch.ones_like(real)){half} + "
         f"nnf.binary_cross_entropy_with_logits(fake, torch.zeros_like(fake)){half}", "logistic"),
        ("loss_D", f"{head}({over(c, f'(torch.sigmoid(real) - {b}) ** 2')} + "
         f"{over(c, f'(torch.sigmoid(fake) - {a}) ** 2')}){half}", "squashed"),
        ("loss_D", f"{head}(((real - {b}) ** 2){mean_last} + ((fake - {a}) ** 2){mean_last}){half}", "patches"),
        ("loss_D", f"{head}({over(c, f'(real - {b}).abs()')} + {over(c, f'(fake - {a}).abs()')}){half}", "square"),
        ("loss_D", swapped(right, ("(real - ", "(real.detach() - "), ("(fake - ", "(fake.detach() - ")),
         "no gradient"),
        ("loss_D", f"{head}({of_real} + 5 * {of_fake}){half}", "generated pictures counts 5 times"),
        ("loss_D", f"{head}fake.mean() - real.mean()", "Wasserstein"),
        ("loss_D", f"{head}torch.relu(1 - real).mean() + torch.relu(1 + fake).mean()", "hinge"),
        ("loss_D", f"{head}((real - {b}).norm(dim=1).mean() + (fake - {a}).norm(dim=1).mean()){half}",
         "root was taken"),
        ("loss_D", f"{head}{over(c, f'torch.cat([(real - {b}) ** 2, (fake - {a}) ** 2])')}", "thrown together"),
        ("loss_D", f"{head}({of_real} - {of_fake}){half}", "subtracted"),
        ("loss_D", f"{head}(((real - {b}) ** 2).sum() + ((fake - {a}) ** 2).sum()){half}", "mean over the batch"),
        ("loss_G", G.replace(f"- {aim}", f"+ {aim}"), "wrong sign"),
        ("loss_G", "def loss_G(fake):\n    return -fake.mean()", "Wasserstein"),
        ("loss_G", f"def loss_G(fake):\n    return {over(c, f'(fake - {aim}) ** 2')} ** 0.5", "root was taken"),
        ("loss_G", f"def loss_G(fake):\n    return ((fake - {aim}) ** 2).sum()", "mean over the batch"),
        ("loss_G", f"def loss_G(fake):\n    return (fake.mean() - {aim}) ** 2", "before the square"),
        ("loss_G", G.replace(f"- {aim}", f"- {b}"), "label of real ones"),
        ("loss_G", G.replace(f"- {aim}", f"- {a}"), "help it"),
        ("loss_G", f"def loss_G(fake):\n    return -{over(c, f'(fake - {a}) ** 2')}", "no lower end"),
        ("loss_G", f"{G} / 2", "only the discriminator"),
        ("loss_G", "def loss_G(fake):\n    return nnf.softplus(-fake).mean()", "logistic"),
        ("loss_G", f"def loss_G(fake):\n    return ((fake - {aim}) ** 2){mean_last}", "patches"),
        ("loss_G", f"def loss_G(fake):\n    return {over(c, f'(fake.sigmoid() - {aim}) ** 2')}", "squashed"),
        ("loss_G", f"def loss_G(fake):\n    return {over(c, f'(fake - {aim}).abs()')}", "square"),
        ("loss_G", swapped(G, ("fake - ", "fake.data - ")), "no gradient"),
    ]  # fmt: skip


def of_terms(c: Convention) -> list[tuple[str, str, str]]:
    (wx, wy), two = c.cycle, c.two()
    turned = f"{', '.join(reversed(two.split(', ')))}"
    cyc, keep, every = cycle(c)[0], identity(c)[0], total(c)[0]
    head, kept = f"def cycle(x, y, {two}):\n", f"def identity(x, y, {two}):\n"
    x_way, y_way = f"{wx} * {far(c, c.norm, 'xx', 'x')}", f"{wy} * {far(c, c.norm, 'yy', 'y')}"
    back = f"{head}    xx, yy = F(G(x)), G(F(y))\n    return "
    other_mean = Convention(**{**vars(c), "added": not c.added})
    l1 = Convention(**{**vars(c), "norm": "L1", "keep_norm": "L1"})
    fool = "loss_G(D_Y(G(x))) + loss_G(D_X(F(y)))"
    judge = f"{judged(c, 'D_Y', 'y', 'G(x)')} + {judged(c, 'D_X', 'x', 'F(y)')}"
    cycled, kept_too = f"cycle(x, y, {two})", f"identity(x, y, {two})"
    by_critics = loss_D(c)[0] + "\n" + every
    to_x, to_y = f"{c.keep} * {far(c, c.keep_norm, 'F(x)', 'x')}", f"{c.keep} * {far(c, c.keep_norm, 'G(y)', 'y')}"
    return [
        ("cycle", f"{back}{(wx + wy) / 2} * ({far(c, c.norm, 'xx', 'x')} + {far(c, c.norm, 'yy', 'y')})",
         "same weight"),
        ("cycle", f"{head}    a, b = torch.cat([F(G(x)), G(F(y))]), torch.cat([x, y])\n"
         f"    return {wx + wy} * {far(c, c.norm, 'a', 'b')}", "thrown together"),
        ("cycle", f"{back}{wx} * {far(c, c.norm, 'xx', 'G(x)')} + {wy} * {far(c, c.norm, 'yy', 'F(y)')}",
         "the picture that went out"),
        ("cycle", f"{back}{wx} * (xx - x).norm(dim=1).mean() + {wy} * (yy - y).norm(dim=1).mean()", "root was taken"),
        ("cycle", f"{back}{x_way} * len(x) + {y_way} * len(y)", "mean over the batch"),
        ("identity", f"{kept}    xx, yy = F(y), G(x)\n"
         f"    return {c.keep} * ({far(c, c.keep_norm, 'yy', 'y')} + {far(c, c.keep_norm, 'xx', 'x')})", "pairs"),
        ("identity", f"{kept}    a, b = torch.cat([G(y), F(x)]), torch.cat([y, x])\n"
         f"    return {2 * c.keep} * {far(c, c.keep_norm, 'a', 'b')}", "thrown together"),
        ("identity", f"{kept}    return {wx} * {to_x} + {wy} * {to_y}", "own alone"),
        ("identity", f"{kept}    return {to_x} - {to_y}", "subtracted"),
        ("total", swapped(every, (f"+ {cycled}", f"+ 3 * {cycled}")), "counts 3 times"),
        ("total", swapped(every, (f"+ {kept_too}", f"- {kept_too}")), "counts -1 times"),
        ("total", swapped(every, ("D_X(F(y))", "D_Y(F(y))")), "judges both"),
        ("cycle", f"{back}{x_way} + 5 * {y_way}", "Y and back counts 5 times"),
        ("identity", f"{kept}    return 4 * {to_x} + {to_y}", "F's part counts 4 times"),
        ("total", swapped(by_critics, (fool, judge)), "discriminators' loss is in it"),
        ("total", swapped(by_critics, (fool, f"-({judge})")), "climb"),
        ("total", swapped(every, (fool, "loss_G(D_X(F(G(x)))) + loss_G(D_Y(G(F(y))))")), "round trips"),
        ("total", swapped(every, ("return fool + ", "return 0.5 * (fool + "), (f"+ {kept_too}", f"+ {kept_too})")),
         "whole is halved"),
        ("total", swapped(every, (f"+ {cycled}", f"+ cycle(x, y, {turned})")), "wrong order"),
        ("total", swapped(every, (f"+ {kept_too}", f"+ identity(y, x, {two})")), "wrong order"),
        ("total", swapped(every, (fool, "loss_G(torch.cat([D_Y(G(x)), D_X(F(y))]))")), "averaged"),
        ("cycle", f"{back}{x_way}", "nothing asks G"),
        ("cycle", f"{back}{y_way}", "nothing asks F"),
        ("cycle", f"{back}{wy} * {far(c, c.norm, 'xx', 'x')} + {wx} * {far(c, c.norm, 'yy', 'y')}",
         "each other's weight"),
        ("cycle", f"{back}{far(c, c.norm, 'xx', 'x')} + {far(c, c.norm, 'yy', 'y')}", "left out"),
        ("cycle", cyc.replace(f"y, {two})", f"y, {turned})"), "exchanged"),
        ("cycle", cycle(l1)[0], "norm L1"),
        ("cycle", cycle(other_mean)[0], "numbers of a picture"),
        ("cycle", swapped(cyc, ("F(G(x)), G(F(y))", "F(G(x).detach()), G(F(y).detach())")), "cut off in the middle"),
        ("cycle", swapped(cyc, ("F(G(x)), G(F(y))", "G(x), F(y)")), "nothing comes back"),
        ("cycle", swapped(cyc, ("F(G(x)), G(F(y))", "G(G(x)), F(F(y))")), "goes both ways"),
        ("cycle", f"{back}({x_way} + {y_way}) / 2", "averaged"),
        ("identity", swapped(keep, ("F(x), G(y)", "G(x), F(y)")), "should translate"),
        ("identity", f"{kept}    return {c.keep} * {far(c, c.keep_norm, 'G(y)', 'y')}", "F's part"),
        ("identity", f"{kept}    return {c.keep} * {far(c, c.keep_norm, 'F(x)', 'x')}", "G's part"),
        ("identity", swapped(keep, (f"return {c.keep} * ", "return ")), "weight is left out"),
        ("identity", swapped(keep, (f"return {c.keep} * ", f"return {wx} * ")), "those of the cycle"),
        ("identity", identity(l1)[0], "norm L1"),
        ("identity", identity(other_mean)[0], "numbers of a picture"),
        ("identity", swapped(keep, ("F(x), G(y)", "F(G(x)), G(F(y))")), "round trip"),
        ("identity", f"@torch.no_grad()\n{keep}", "no gradient"),
        ("total", swapped(every, (f" + cycle(x, y, {two})", "")), "cycle loss is missing"),
        ("total", swapped(every, (f" + identity(x, y, {two})", "")), "identity loss is missing"),
        ("total", swapped(every, (fool, "loss_G(D_Y(G(x)))")), "F's term"),
        ("total", swapped(every, (fool, "loss_G(D_X(G(x))) + loss_G(D_Y(F(y)))")), "comes from"),
        ("total", swapped(every, (fool, "loss_G(D_Y(y)) + loss_G(D_X(x))")), "no translation"),
        ("total", swapped(every, (f"+ cycle(x, y, {two})", f"+ 10 * cycle(x, y, {two})")), "in it twice"),
        ("total", swapped(every, (fool, "loss_G(D_Y(G(x).detach())) + loss_G(D_X(F(y).detach()))")),
         "no slope of the adversarial"),
        ("total", swapped(every, (f"def total(x, y, {two}", f"def total(x, y, {turned}")), "exchanged"),
        ("total", swapped(every, ("return fool", "return -fool")), "wrong sign"),
    ]  # fmt: skip


def of_fields(c: Convention) -> list[tuple[str, str, str]]:
    forward, backward = field(c)[0], field(c)[3]
    turned = (
        forward.replace("    layers = layers[::-1]\n", "")
        if c.layers == "output"
        else forward.replace("    side, step, start", "    layers = layers[::-1]\n    side, step, start")
    )
    early = "        step *= s\n        side += (k - 1) * step\n        start -= p * step // s\n"
    late = "        side += (k - 1) * step\n        start -= p * step\n        step *= s\n"
    mark = {"start": "start", "end": "start + side - 1", "middle": "start + (side - 1) / 2"}[c.mark]
    place = f"[side, step, {mark}, n]"
    count = "n + 2 * p - k) // s + 1"
    return [
        ("field", swapped(forward, ("step *= s", "step += s")), "multiply"),
        ("field", swapped(forward, ("start -= p * step", "start -= 2 * p * step")), "padding of one side"),
        ("field", swapped(forward, ("start -= p * step\n        step *= s", "step *= s\n        start -= p * step")),
         "as far apart as"),
        ("field", swapped(forward, ("(n + 2 * p - k) // s", "-(-(n + 2 * p - k) // s)")),
         "rounded down"),
        ("field", swapped(forward, (place, f"[side, step, {mark}, n * n]")), "one side"),
        ("field", swapped(forward, (place, f"[side, step, {mark}, size // step]")), "leaves the kernels out"),
        ("field", swapped(forward, (place, f"[side**2, step, {mark}, n]")), "how many pixels it holds"),
        ("field", swapped(forward, (place, f"[side + start, step, {mark}, n]")), "seen, too"),
        ("field", swapped(forward, (place, f"[side, step, {mark} + (n - 1) * step, n]")), "last output's"),
        ("field", swapped(forward, ("(k - 1) * step", "k * step"), (f"({count}", "(n + p - k) // s + 1")), "add up"),
        ("field", turned, "wrong end"),
        ("field", swapped(forward, (late, early)), "spread its own kernel"),
        ("field", swapped(forward, ("    return", "    side = 1 + int((kernels - 1).sum())\n    return")),
         "strides have no say"),
        ("field", swapped(forward, ("    return", "    side -= 2 * int(paddings.sum())\n    return")),
         "padding was counted"),
        ("field", swapped(backward, ("math.prod(s for", "sum(s for")), "multiply"),
        ("field", swapped(forward, ("// s + 1", "// s")), "one more"),
        ("field", swapped(forward, ("n + 2 * p - k", "n + p - k")), "both sides"),
        ("field", swapped(forward, ("start -= p * step", "start += p * step")), "below 0"),
        ("field", swapped(forward, (place, "[side, step, start, n]")), "is wanted"),
        ("field", swapped(forward, (place, f"[side, step, {mark} + 1, n]")), "counted from 0"),
    ]  # fmt: skip


def of_pools(c: Convention) -> list[tuple[str, str, str]]:
    right, p = pooled(c)[0], c.old
    head = "def pooled(pictures, size):\n"
    buffer = "    pool = pictures[:size].clone()\n    shown = pictures.clone()\n"
    loop = f"    for t in range(size, len(pictures)):\n        if random.random() < {p}:\n"
    i = "            i = random.randrange(size)\n"

    def leaves(chosen: str, place: str = "") -> str:
        """A pool in which this one of those that are kept leaves, its place taken or closed up."""
        turn = (
            f"        i = {chosen}\n        show = new\n        if random.random() < {p}:\n            show = kept[i]\n"
        )
        gone = "kept[i] = new" if place else "kept = kept[:i] + kept[i:][1:] + [new]"
        turn += f"        {gone}\n" if c.leaves == "always" else f"            {gone}\n"
        begin = "    kept, out = [], []\n    for t, new in enumerate(pictures):\n        if len(kept) < size:\n"
        begin += "            kept.append(new)\n            out.append(new)\n            continue\n"
        return f"{head}{begin}{turn}        out.append(show)\n    return torch.stack(out)"

    return [
        ("pooled", leaves("size - 1"), "newest of those that are kept"),
        ("pooled", leaves("t % size", "its own"), "filled in turn"),
        ("pooled", leaves("random.randrange(size - 1)"), "reach the last place" if c.leaves != "oldest" else "Another"),
        ("pooled", f"KEPT = []\n{swapped(right, ('kept, out = [], []', 'kept, out = KEPT, []'))}", "begins empty"),
        ("pooled", f"{head}{buffer}    rows = [*pictures[:size]]\n    for t in range(size, len(pictures)):\n"
         f"        i = random.randrange(size)\n        rows.append(pool[i] if random.random() < {p} else pictures[t])\n"
         "        pool[i] = pictures[t]\n    return torch.stack(rows)", "one tensor"),
        ("pooled", f"{head}    return pictures", "only new pictures"),
        ("pooled", f"{head}{buffer}{loop}{i}            pool[i] = pictures[t]\n            shown[t] = pool[i]\n"
         "    return shown", "overwritten"),
        ("pooled", f"{head}{buffer}{loop}{i}            shown[t] = pool[i]\n    return shown", "for ever"),
        ("pooled", swapped(right, (f"random.random() < {p}", "random.random() < 0.5")), "chance ½"),
        ("pooled", swapped(right, (f"random.random() < {p}", f"random.random() > {p}")), "other way round"),
        ("pooled", swapped(right, ("len(kept) < size", "len(kept) <= size"), ("randrange(size)", "randrange(size + 1)"))
         if "randrange" in right else swapped(right, ("len(kept) < size", "len(kept) <= size")), "more pictures"),
        ("pooled", f"{head}    out = []\n    for t, new in enumerate(pictures):\n"
         f"        old = t >= size and random.random() < {p}\n"
         "        out.append(pictures[random.randrange(t)] if old else new)\n    return torch.stack(out)",
         "more pictures"),
        ("pooled", f"{head}    shown = pictures.clone()\n    for t in range(size, len(pictures)):\n"
         f"        if random.random() < {p}:\n            shown[t] = pictures[random.randrange(t - size, t)]\n"
         "    return shown", "shown again"),
        ("pooled", f"{head}    pool = pictures[:size].mean(0)\n    shown = pictures.clone()\n"
         f"    for t in range(size, len(pictures)):\n        pool = 0.9 * pool + 0.1 * pictures[t]\n"
         f"        if random.random() < {p}:\n            shown[t] = pool\n    return shown", "never came in"),
        ("pooled", pooled(Convention(**{**vars(c), "leaves": "oldest" if c.leaves != "oldest" else "random"}))[0],
         "Another rule"),
    ]  # fmt: skip


def of_rounds(c: Convention) -> list[tuple[str, str, str]]:
    right, by_grad = play(c)[0], play(c)[1]
    rate_GF, rate_D = c.rates
    draw = "fake_y, fake_x = G(p).detach(), F(q).detach()"
    every_player = f"{c.two()}, D_X, D_Y"
    D = f"{judged(c, 'D_Y', 'q', 'fake_y')} + {judged(c, 'D_X', 'p', 'fake_x')}"
    other_labels = f"{judged(c, 'D_Y', 'fake_y', 'q')} + {judged(c, 'D_X', 'fake_x', 'p')}"
    other_reals = f"{judged(c, 'D_Y', 'p', 'fake_y')} + {judged(c, 'D_X', 'q', 'fake_x')}"
    every = [
        ("play", swapped(right, ("        opt_D.zero_grad()\n", "")), "not cleared before"),
        ("play", swapped(right, (f"lr={rate_GF}", f"lr={rate_D}")), "discriminators' rate"),
        ("play", swapped(right, (f"{rate_D})", f"lr={rate_GF})")), "generators' rate"),
        ("play", swapped(right, (draw, "fake_x, fake_y = G(p).detach(), F(q).detach()")), "the other should judge"),
        ("play", swapped(right, ("*G.parameters(), *F", "*F")), "G does not move"),
        ("play", swapped(right, ("*D_X.parameters(), ", "")), "D_X does not move"),
        ("play", swapped(right, ("        opt_G.step()\n", "")), "generators do not move"),
        ("play", swapped(right, ("torch.optim.SGD", "torch.optim.Adam"), (f", {rate_D})", f", lr={rate_D})")),
         "plain gradient descent"),
        ("play", swapped(right, ("zip(x, y)", "zip(x[:1], y[:1])")), "first round"),
        ("play", swapped(by_grad, (f"w.sub_({rate_D}", f"w.add_({rate_D}")), "discriminators climb"),
    ]  # fmt: skip
    every += [
        ("play", swapped(right, (f"({D}).backward()", f"(({D}) / 2).backward()")), "half or twice"),
        ("play", swapped(right, (D, other_labels)), "each other's label"),
        ("play", swapped(right, ("    opt_G = ", f"    {c.two()}, D_X, D_Y = map(copy.deepcopy, ({every_player}))\n"
                                 "    opt_G = ")), "no copies"),
        ("play", swapped(right, ("zip(x, y)", "[(x.flatten(0, 1), y.flatten(0, 1))]")), "used as one"),
        ("play", swapped(right, ("return fool + ", "return fool + 0 * ("), (f"identity(x, y, {c.two()})\n\n\n",
                         f"identity(x, y, {c.two()}))\n\n\n")), "the cycle and the identity loss"),
        ("play", swapped(right, (D, other_reals)), "other domain's real"),
    ]  # fmt: skip
    every += [
        ("play", play(Convention(**{**vars(c), "order": order}))[0], "Another order")
        for order in ("old", "new", "D")
        if order != c.order
    ]
    return every

"""Answers to assignment 2 as source text under any convention: right in several styles, wrong as students write."""

from genimg_utils.grading.a2 import Convention

SIGMA = {
    "log σ²": "(width / 2).exp()",
    "log σ": "width.exp()",
    "log 1/σ²": "(-width / 2).exp()",
    "softplus⁻¹ σ": "torch.nn.functional.softplus(width)",
}
LOG_SIGMA = {
    "log σ²": "width / 2",
    "log σ": "width",
    "log 1/σ²": "-width / 2",
    "softplus⁻¹ σ": "torch.nn.functional.softplus(width).log()",
}
BEGIN = "import math\nimport numpy as np\nimport torch\nfrom torch import distributions as td\n"


def kl(c: Convention) -> list[str]:
    s, log_s, m0, s0 = SIGMA[c.width], LOG_SIGMA[c.width], c.prior_mean, c.prior_sigma
    square = f"({s} ** 2 + (mean - {m0}) ** 2) / {s0}**2 - 1"
    return [
        f"def kl({c.two()}):\n    terms = {square} - 2 * ({log_s}) + 2 * math.log({s0})\n    return terms.sum(1) / 2",
        f"def kl({c.two()}):\n    q, p = td.Normal(mean, {s}), td.Normal({m0}, {s0})\n"
        "    return td.kl_divergence(q, p).sum(dim=-1)",
        f"def kl({c.two()}):\n    total = 0\n    for z in range(mean.shape[1]):\n"
        f"        t = ({square} - 2 * ({log_s}))[:, z]\n        total = total + t / 2 + math.log({s0})\n"
        "    return total",
        f"kl = lambda {c.two()}: torch.einsum('bz->b', (({square}).double() - 2 * ({log_s}))"
        f" / 2 + np.log({s0}))",
        f"class KL(torch.nn.Module):\n    def forward(self, {c.two()}):\n"
        f"        half = ({square}) / 2\n        return (half - ({log_s}) + math.log({s0})).sum(-1)\nkl = KL()",
    ]  # fmt: skip


def sample(c: Convention) -> list[str]:
    s = SIGMA[c.width]
    head = f"def sample({c.two()}, noise):\n"
    return [
        f"{head}    return mean + {s} * noise",
        f"{head}    return torch.stack([mean + {s} * e for e in noise])",
        f"{head}    return torch.addcmul(mean.expand_as(noise), ({s}).expand_as(noise), noise)",
        f"{head}    return torch.einsum('bz,kbz->kbz', {s}.double(), noise.double()) + mean",
        f"class Sampler:\n    def __call__(self, {c.two()}, noise):\n        sigma = {s}\n"
        "        return sigma[None] * noise + mean[None]\nsample = Sampler()",
    ]  # fmt: skip


def log_likelihood(c: Convention) -> list[str]:
    head, a = "def log_likelihood(output, x):\n", c.scale
    if c.noise == "Gaussian":
        constant, power = f"math.log(2 * math.pi * {a}**2) / 2", f"((x - output) / {a}) ** 2 / 2"
        kind = "Normal"
    else:
        constant, power, kind = f"math.log(2 * {a})", f"(x - output).abs() / {a}", "Laplace"
    return [
        f"{head}    return -({constant} + {power}).sum(dim=-1)",
        f"{head}    return td.{kind}(output, {a}).log_prob(x).sum(-1)",
        f"{head}    return -x.shape[-1] * ({constant}) - torch.sum({power}, -1)",
        f"{head}    return td.Independent(td.{kind}(output.double(), torch.tensor({a})), 1).log_prob(x)",
        f"log_p = torch.distributions.{kind}\nlog_likelihood = lambda output, x: sum(\n"
        f"    log_p(output[..., i], {a}).log_prob(x[..., i]) for i in range(x.shape[-1]))",
    ]  # fmt: skip


def elbo(c: Convention) -> list[str]:
    """With parts of their own, so that each stands alone."""
    sign, s, kind = ("-" if c.loss else ""), SIGMA[c.width], "Normal" if c.noise == "Gaussian" else "Laplace"
    head = f"def elbo(x, {c.two()}, noise, decoder):\n"
    parts = "\n".join([kl(c)[0], sample(c)[0], log_likelihood(c)[0]]) + "\n"
    given = c.two()
    long = (
        f"    q, p = td.Normal(mean, {s}), td.Normal({c.prior_mean}, {c.prior_sigma})\n"
        f"    log_p = td.{kind}(decoder(mean + q.scale * noise), {c.scale}).log_prob(x).sum(1)\n"
    )
    bound = f"{sign}(log_likelihood(decoder(sample({given}, noise)), x) - kl({given}))"
    several = f"decoder(sample({given}, noise[None]))[0]"
    return [
        f"{parts}{head}    return {bound}",
        f"{head}{long}    return {sign}(log_p - td.kl_divergence(q, p).sum(1))",
        f"{parts}{head}    log_p = log_likelihood({several}, x)\n    return {sign}(log_p - kl({given}))",
        f"{parts}{head}    return torch.cat([{sign}(log_likelihood(decoder(z[None]), y[None]) - k)\n"
        f"        for z, y, k in zip(sample({given}, noise), x, kl({given}))])",
        f"{parts}{head}    z = torch.distributions.Normal(mean, {s}).mean + {s} * noise\n"
        f"    loss = kl({given}) - log_likelihood(decoder(z), x)\n    return {'' if c.loss else '-'}loss",
    ]  # fmt: skip


def iwae(c: Convention) -> list[str]:
    s, sign, axis = SIGMA[c.width], "-" if c.loss else "", 0 if c.samples_first else 1
    head = f"def iwae(log_p, z, {c.two()}):\n"
    lift = "" if c.samples_first else ".unsqueeze(1)"
    terms = (
        f"    q, p = td.Normal(mean{lift}, ({s}){lift}), td.Normal({c.prior_mean}, {c.prior_sigma})\n"
        "    log_w = log_p + p.log_prob(z).sum(-1) - q.log_prob(z).sum(-1)\n"
    )
    log_2pi = "math.log(2 * math.pi)"
    by_hand = (
        f"    sigma, log_sigma, m = ({s}){lift}, ({LOG_SIGMA[c.width]}){lift}, mean{lift}\n"
        f"    log_q = -({log_2pi} / 2 + log_sigma + ((z - m) / sigma) ** 2 / 2).sum(-1)\n"
        f"    log_prior = -({log_2pi} / 2 + math.log({c.prior_sigma})"
        f" + ((z - {c.prior_mean}) / {c.prior_sigma}) ** 2 / 2).sum(-1)\n    log_w = log_p + log_prior - log_q\n"
    )
    largest = f"    top = log_w.amax({axis}, keepdim=True)\n"
    mean = f"    bound = (log_w - top).exp().mean({axis}).log() + top.squeeze({axis})\n"
    moved = "" if c.samples_first else ".T"
    return [
        f"{head}{terms}    return {sign}(log_w.logsumexp({axis}) - math.log(log_w.shape[{axis}]))",
        f"{head}{by_hand}    return {sign}(torch.logsumexp(log_w, {axis}) - math.log(z.shape[{axis}]))",
        f"{head}{terms}{largest}{mean}    return {sign}bound",
        f"{head}{by_hand}    columns = log_w{moved}.double().T\n"
        f"    return {sign}torch.stack([torch.logsumexp(w, 0) - np.log(len(w)) for w in columns])",
    ]  # fmt: skip


def exact_evidence(c: Convention) -> list[str]:
    head = "def exact_evidence(x, W, b):\n"
    middle = f"    mean = W @ torch.full((W.shape[1],), {c.prior_mean}) + b\n"
    cov = f"    cov = {c.prior_sigma}**2 * W @ W.T + {c.scale}**2 * torch.eye(len(W))\n"
    r = "    r = x - mean\n"
    return [
        f"{head}{middle}{cov}    return td.MultivariateNormal(mean, cov).log_prob(x)",
        f"{head}{middle}{cov}{r}    square = torch.einsum('np,pq,nq->n', r, cov.inverse(), r)\n"
        "    return -(square + torch.linalg.slogdet(cov)[1] + len(b) * math.log(2 * math.pi)) / 2",
        f"{head}    cov_factor = {c.prior_sigma} * W\n{middle}"
        f"    return td.LowRankMultivariateNormal(mean, cov_factor, torch.full((len(W),), {c.scale}**2)).log_prob(x)",
        f"{head}{middle}{cov}    L = torch.linalg.cholesky(cov.double())\n"
        "    u = torch.linalg.solve_triangular(L, (x - mean).double().T, upper=False)\n"
        "    return -(u ** 2).sum(0) / 2 - L.diagonal().log().sum() - len(W) / 2 * math.log(2 * math.pi)",
        "from scipy.stats import multivariate_normal\n"
        f"def exact_evidence(x, W, b):\n{middle}{cov}"
        "    out = multivariate_normal(mean.numpy().astype(float), cov.numpy().astype(float)).logpdf(x.numpy())\n"
        "    return np.atleast_1d(out)",
    ]  # fmt: skip


def evidence(c: Convention) -> list[str]:
    head = "def evidence(x, W, b, z, log_q):\n"
    p = f"td.Normal({c.prior_mean}, {c.prior_sigma}).log_prob(z).sum(-1)"
    log_p = f"td.Normal(z @ W.T + b, {c.scale}).log_prob(x).sum(-1)"
    by_hand = (
        f"    log_p = -(((x - z @ W.T - b) / {c.scale}) ** 2 / 2 + math.log({c.scale})"
        " + math.log(2 * math.pi) / 2).sum(2)\n"
        f"    prior = -(((z - {c.prior_mean}) / {c.prior_sigma}) ** 2 / 2 + math.log({c.prior_sigma})"
        " + math.log(2 * math.pi) / 2).sum(2)\n"
    )
    return [
        f"{head}    return torch.logsumexp({log_p} + {p} - log_q, dim=0) - math.log(len(z))",
        f"{head}{by_hand}    log_w = log_p + prior - log_q\n"
        "    return log_w.logsumexp(0) - torch.tensor(len(z)).log()",
        f"{head}    log_w = ({log_p} + {p} - log_q).double()\n    top = log_w.max(0).values\n"
        "    return top + (log_w - top).exp().mean(0).log()",
        f"{head}{by_hand}    total = log_p[0] + prior[0] - log_q[0]\n    for i in range(1, len(z)):\n"
        "        total = torch.logaddexp(total, log_p[i] + prior[i] - log_q[i])\n    return total - np.log(len(z))",
    ]  # fmt: skip


TRAIN = """
def train(points, encoder, decoder):
    steps, weights = {steps}, [*encoder.parameters(), *decoder.parameters()]
    optimiser = torch.optim.Adam(weights, lr=4e-3, betas=(0.9, 0.99))
    for step in range(steps):
        optimiser.param_groups[0]["lr"] = 4e-3 * min(1, 2 - 2 * step / steps)
        x = points[torch.randint(len(points), (128,))]
        {two} = encoder(x).chunk(2, dim=1)
        loss = {loss}
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
"""


def train(c: Convention, steps: int = 2500, loss: str = "") -> str:
    """The notebook's own way, and ways of going wrong: another loss, other steps."""
    bound = f"elbo(x, {c.two()}, torch.randn_like(mean), decoder).mean()"
    return TRAIN.format(steps=steps, two=c.two(), loss=loss or (bound if c.loss else f"-{bound}"))


MAKERS = {
    "kl": kl, "sample": sample, "log_likelihood": log_likelihood, "elbo": elbo,
    "iwae": iwae, "exact_evidence": exact_evidence, "evidence": evidence,
}  # fmt: skip


def solution(c: Convention) -> str:
    """All eight functions, as one would hand them in."""
    return "\n\n".join([BEGIN, *(make(c)[0] for name, make in MAKERS.items()), train(c)])


# Wrong answers in students' own words: name, what replaces what in a right answer, and a word of the hint.


def slips(c: Convention) -> list[tuple[str, str, str]]:
    """Question, source, and words that the hint must hold."""
    s, log_s, m0, s0, a = SIGMA[c.width], LOG_SIGMA[c.width], c.prior_mean, c.prior_sigma, c.scale
    good = {name: make(c)[0] for name, make in MAKERS.items()}
    kind = "Normal" if c.noise == "Gaussian" else "Laplace"
    other = "Laplace" if c.noise == "Gaussian" else "Normal"
    q, p = f"td.Normal(mean, {s})", f"td.Normal({m0}, {s0})"
    head = f"def kl({c.two()}):\n    "
    likelihood = "def log_likelihood(output, x):\n    return "
    minus = "" if c.loss else "-"
    bound = f"def elbo(x, {c.two()}, noise, decoder):\n    z = {q}.loc + {s} * noise\n"
    log_p, k = f"td.{kind}(decoder(z), {a}).log_prob(x).sum(1)", f"td.kl_divergence({q}, {p}).sum(1)"
    sign = "-" if c.loss else ""
    linear = "def exact_evidence(x, W, b):\n    "
    mvn = "return td.MultivariateNormal({}, {}).log_prob(x)"
    mean = f"{m0} * W.sum(1) + b"
    cov = f"{s0}**2 * W @ W.T + {a}**2 * torch.eye(len(W))"
    return [
        ("kl", f"{head}return td.kl_divergence({q}, {p}).mean(1)", "averaged over the latents"),
        ("kl", f"{head}return td.kl_divergence({q}, {p}).sum(1).mean().repeat(len(mean))", "whole batch"),
        ("kl", f"{head}return td.kl_divergence({p}, {q}).sum(1)", "other way round"),
        ("kl", f"{head}return td.kl_divergence({q}, td.Normal(0.0, 1.0)).sum(1)", "prior N(0, I)"),
        ("kl", f"{head}return td.kl_divergence({q}, td.Normal({m0}, 1.0)).sum(1)", "width is left out"),
        ("kl", f"{head}return td.kl_divergence({q}, td.Normal({m0}, {s0}**0.5)).sum(1)", "for its variance"),
        ("kl", f"{head}return -td.kl_divergence({q}, {p}).sum(1)", "sign is flipped"),
        ("kl", f"{head}return td.kl_divergence(td.Normal(mean.detach(), {s}), {p}).sum(1)", "gradient"),
        ("kl", f"{head}return (-({log_s}) + ({s}**2 + (mean - {m0})**2) / {s0}**2 / 2 + math.log({s0})).sum(1)",
         "constant is missing"),
        ("sample", good["sample"].replace("+", "+ 0 *"), "noise is missing"),
        ("sample", good["sample"].replace(f"{s} * noise", "width * noise"), "stands where σ belongs"),
        ("sample", good["sample"].replace(f"{s} * noise", "noise"), "unscaled"),
        ("sample", good["sample"].replace(f"{s} * noise", f"{s}**2 * noise"), "by the variance"),
        ("sample", good["sample"].replace("noise)", "noise)").replace("* noise", "* noise[0].expand_as(noise)"),
         "are the same"),
        ("sample", good["sample"].replace(f"{s} *", f"({s}).detach() *"), "never learn"),
        ("log_likelihood", f"{likelihood}td.{kind}(output, {a}).log_prob(x).mean(-1)", "averaged over the coordinates"),
        ("log_likelihood", f"{likelihood}td.{other}(output, {a}).log_prob(x).sum(-1)", "That is".lower()),
        ("log_likelihood", f"{likelihood}-td.{kind}(output, {a}).log_prob(x).sum(-1)", "sign is flipped"),
        ("log_likelihood", f"{likelihood}td.{kind}(output, {a}**2).log_prob(x).sum(-1)", "its square, or its root"),
        ("log_likelihood", f"{likelihood}td.{kind}(output, 1.0).log_prob(x).sum(-1)", "you used 1"),
        ("log_likelihood", f"{likelihood}-((output - x) ** 2).sum(-1)", "squared or absolute error"),
        ("elbo", f"{bound}    return {minus}({log_p} - {k})", "sign is flipped"),
        ("elbo", f"{bound}    return {sign}{log_p}", "KL is missing"),
        ("elbo", f"{bound}    return {sign}({log_p} + {k})", "KL has the wrong sign"),
        ("elbo", f"{bound}    return {sign}({log_p} - {k} / mean.shape[1])", "averaged over the latents"),
        ("elbo", f"{bound}    return {sign}({log_p} / x.shape[1] - {k})", "hidden β"),
        ("elbo", f"{bound}    z = mean\n    return {sign}({log_p} - {k})", "run on the mean"),
        ("elbo", f"{bound}    z = z.detach()\n    return {sign}({log_p} - {k})", "something else, or nothing"),
        ("iwae", good["iwae"].replace("logsumexp", "mean").replace(" - math.log(log_w.shape[0])", "")
         .replace(" - math.log(log_w.shape[1])", ""), "ELBO again"),
        ("iwae", good["iwae"].replace(" - math.log(log_w.shape[0])", "").replace(" - math.log(log_w.shape[1])", ""),
         "number of samples is missing"),
        ("iwae", good["iwae"].replace("- q.log_prob", "- 0 * q.log_prob"), "come from is missing"),
        ("iwae", good["iwae"].replace("- q.log_prob", "+ q.log_prob"), "wrong side"),
        ("iwae", good["iwae"].replace("+ p.log_prob", "+ 0 * p.log_prob"), "prior is missing"),
        ("iwae", good["iwae"].replace(f"td.Normal({m0}, {s0})", "td.Normal(0.0, 1.0)"), "prior N(0, I)"),
        ("iwae", good["iwae"].replace(".logsumexp", ".exp().mean").replace(" - math.log(log_w.shape[0]))", ".log())")
         .replace(" - math.log(log_w.shape[1]))", ".log())"), "underflows"),
        ("exact_evidence", linear + mvn.format(mean, cov.replace(f"{a}**2", f"{a}")), "taken for its variance"),
        ("exact_evidence", linear + mvn.format("b", cov), "mean is left out"),
        ("exact_evidence", linear + mvn.format(mean, cov.replace(f"{s0}**2 *", "")), "width is left out"),
        ("exact_evidence", linear + mvn.format(mean, f"{a}**2 * torch.eye(len(W))"), "Let them vary"),
        ("exact_evidence", linear + "-" .join(mvn.format(mean, cov).split(" ", 1)).replace("return-", "return -"),
         "sign is flipped"),
        ("exact_evidence", linear + mvn.format(mean.replace(" + b", ""), cov), "b is missing"),
        ("evidence", good["evidence"].replace("torch.logsumexp", "torch.mean").replace(" - math.log(len(z))", ""),
         "ELBO again"),
        ("evidence", good["evidence"].replace(" - math.log(len(z))", ""), "number of samples is missing"),
        ("evidence", good["evidence"].replace(" - log_q", " + log_q"), "wrong side"),
        ("evidence", good["evidence"].replace(" - log_q", ""), "come from is missing"),
        ("evidence", good["evidence"].replace(f"{p}.log_prob(z)", f"0 * {p}.log_prob(z)"), "prior is missing"),
        ("evidence", good["evidence"].replace(f"W.T + b, {a}", f"W.T + b, {a}**2"), "not that of this hand-out"),
        ("evidence", good["evidence"].replace("W.T + b", "W.T"), "b is missing"),
    ]  # fmt: skip

"""Exercises of chapter 06: likelihoods with their constants, estimates from several samples, faulty runs."""

import math
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus
from torch.optim import Adam

from genimg_utils import networks
from genimg_utils.check import Choice, Exercise, Observation
from genimg_utils.check.common import NO_GRADIENT, gradients, numbers
from genimg_utils.losses import bernoulli, gaussian_kl, log_normal, reparameterise
from genimg_utils.losses.vae import log_normaliser
from genimg_utils.steps import update

draw = numbers(6)

# The likelihood of zeros and ones


def _dots(*size: int) -> Tensor:
    return (draw(*size) > 0).float()


def _picture_likelihood(function: Callable[..., Any], logits: Tensor, x: Tensor) -> Observation:
    """The value, and the gradient that its sum sends back to the logits."""
    logits = logits.requires_grad_()
    value = function(logits, x)
    total = value.sum() if isinstance(value, Tensor) else value
    return {"your answer": value, "the gradient": gradients(total, logits)[0]}


log_p_of_dots = Exercise(
    name="log_p_of_dots",
    confirms="one number in nats for each picture, and it survives logits of ±200.",
    property="the logarithm of a probability, so never positive, summed over the pixels of each picture",
    reference=bernoulli,
    inputs=[
        (2 * draw(3, 1, 4, 4), _dots(3, 1, 4, 4)),
        (draw(2, 3, 5, 5), _dots(2, 3, 5, 5)),
        (draw(1, 1, 6, 6), _dots(1, 1, 6, 6)),
    ],
    observe=_picture_likelihood,
    wrong={
        "the sign is flipped: that is the loss, and this is the log-probability.": [
            lambda l, x: -bernoulli(l, x),
        ],
        "you averaged over the pixels: the KL is a sum over latents, so a mean here weighs it 784 times.": [
            lambda l, x: bernoulli(l, x) / x[0].numel(),
        ],
        "one number for the whole batch: each picture has a log-probability of its own, [B].": [
            lambda l, x: (bernoulli(l, x).sum() / len(x)).expand(len(x)),
            lambda l, x: bernoulli(l, x).sum().expand(len(x)),
        ],
        "only the pixels that are 1 count here. What does a pixel that is 0 tell?": [
            lambda l, x: -(x * softplus(-l)).flatten(1).sum(dim=1),
        ],
        "zeros and ones are swapped: where x is 1, a large logit should be rewarded.": [
            lambda l, x: bernoulli(l, 1 - x),
            lambda l, x: bernoulli(-l, x),
        ],
        "the logits were squashed twice: what comes in is no probability yet.": [
            lambda l, x: bernoulli(l.sigmoid(), x),
        ],
        "that is a squared error: it has no constant that makes it a probability.": [
            lambda l, x: -(l.sigmoid() - x).square().flatten(1).sum(dim=1),
            lambda l, x: -(l - x).square().flatten(1).sum(dim=1),
        ],
        NO_GRADIENT: [lambda l, x: bernoulli(l.detach(), x)],
    },
    edges={
        "a logit of ±200 must not give infinity, nor a pixel that is certain a NaN.": [
            (torch.tensor([[[[200.0, -200.0]]]]), torch.tensor([[[[0.0, 1.0]]]])),
            (torch.tensor([[[[200.0, -200.0]]]]), torch.tensor([[[[1.0, 0.0]]]])),
        ],
    },
)

# A sample of the posterior


def _sampled(function: Callable[..., Any], mean: Tensor, log_variance: Tensor, noise: Tensor) -> Observation:
    """z, and what the sum of its squares sends back to the encoder's two outputs."""
    mean, log_variance = mean.requires_grad_(), log_variance.requires_grad_()
    z = function(mean, log_variance, noise)
    square = z.square().sum() if isinstance(z, Tensor) else z
    slopes = gradients(square, mean, log_variance)
    return {"your answer": z, "the gradient in the mean": slopes[0], "the gradient in the log-variance": slopes[1]}


sample_posterior = Exercise(
    name="sample_posterior",
    confirms="mean and width are right, and both receive a gradient.",
    property="a sample with the given mean and variance, moved by the noise that was handed in",
    reference=reparameterise,
    inputs=[(draw(4, 3), draw(4, 3) - 1, draw(4, 3)), (draw(1, 2), draw(1, 2), draw(1, 2))],
    observe=_sampled,
    wrong={
        "the log-variance stands where σ belongs: it can be negative, and a width cannot.": [
            lambda m, v, e: m + v * e,
            lambda m, v, e: m + v.abs() * e,
        ],
        "that multiplies by the variance. Which power of it is a width?": [lambda m, v, e: m + v.exp() * e],
        "the noise is missing: that is the mean, and the decoder would never see how wide q is.": [
            lambda m, v, e: m + 0 * v,
            lambda m, v, e: m + 0 * v * e,
        ],
        "the noise is added unscaled: every picture would get a posterior as wide as the prior.": [
            lambda m, v, e: m + e + 0 * v,
        ],
        "the width is turned around: a large log-variance should give a wide sample.": [
            lambda m, v, e: m + (-v / 2).exp() * e,
        ],
        "the root of the log-variance is no width: the logarithm is still in it.": [
            lambda m, v, e: m + v.abs().sqrt() * e,
        ],
        "the sample is right, but no gradient reaches the log-variance: σ would never be learned.": [
            lambda m, v, e: reparameterise(m, v.detach(), e),
        ],
    },
)

# Several samples


def _mean_of_logs(log_w: Tensor) -> Tensor:
    return log_w.mean(dim=0)


log_evidence = Exercise(
    name="log_evidence",
    confirms="the logarithm of the mean weight, also where every weight underflows.",
    property="one number a picture, between the mean and the largest of its log-weights",
    reference=lambda log_w: log_w.logsumexp(dim=0) - math.log(len(log_w)),
    inputs=[(draw(5, 3),), (3 * draw(4, 2) - 5,), (draw(7, 1),)],
    wrong={
        "the mean of the logarithms is the ELBO again. Average the weights, then take the logarithm.": [_mean_of_logs],
        "the number of samples is missing: with twice as many samples the estimate must not grow.": [
            lambda w: w.logsumexp(dim=0),
        ],
        "the best sample alone: its weight still has to be shared among all that were drawn.": [
            lambda w: w.max(dim=0).values,
        ],
        "that is the mean weight: its logarithm is asked.": [lambda w: w.exp().mean(dim=0)],
        "the sign is flipped.": [lambda w: math.log(len(w)) - w.logsumexp(dim=0)],
    },
    edges={
        "log-weights near −1000 or 1000 must not underflow or overflow.": [
            (torch.tensor([[-1000.0], [-1001.0]]),),
            (torch.tensor([[1000.0], [999.0]]),),
        ],
        "each picture needs its own largest log-weight: one picture's makes another's underflow.": [
            (torch.tensor([[-1000.0, -90.0], [-1001.0, -91.0]]),),
        ],
    },
)

# Units

bits_per_dimension = Exercise(
    name="bits_per_dimension",
    confirms="784 pixels at ½ bit each are 272 nats a picture, there and back.",
    property="nats a picture, in the unit of a coin toss and for one pixel of one channel",
    reference=lambda nats, shape: nats / (math.prod(shape) * math.log(2)),
    inputs=[(272.0, (1, 28, 28)), (96.8, (1, 28, 28)), (1500.0, (3, 20, 24)), (-500.0, (1, 28, 28))],
    wrong={
        "that is in nats: how many bits is a nat?": [lambda n, s: n / math.prod(s)],
        "a nat is more than a bit, so bits are the larger number: divide by log 2.": [
            lambda n, s: n * math.log(2) / math.prod(s),
        ],
        "that is in bits a picture, not a dimension.": [lambda n, s: n / math.log(2)],
        "the channels are missing: a dimension is one number of the picture.": [
            lambda n, s: n / (s[1] * s[2] * math.log(2)),
        ],
        "the sign is flipped: what comes in is a negative log-likelihood already.": [
            lambda n, s: -n / (math.prod(s) * math.log(2)),
        ],
        "a dimension is a pixel, not the side of the picture.": [lambda n, s: n / (s[1] * math.log(2))],
        "a picture need not be square: take its height and its width.": [
            lambda n, s: n / (s[0] * s[1] ** 2 * math.log(2)),
            lambda n, s: n / (s[0] * s[2] ** 2 * math.log(2)),
        ],
    },
)

# The constant of the continuous Bernoulli


def _naive(logits: Tensor) -> Tensor:
    return (logits / (logits / 2).tanh()).log()


def _constant(function: Callable[..., Any], logits: Tensor, trained: bool = False) -> Observation:
    """The value, and where it is to be trained the gradient of its sum."""
    if not trained:
        return {"your answer": function(logits)}
    return _picture_likelihood(lambda l, _: function(l), logits, logits)


cb_normaliser = Exercise(
    name="cb_normaliser",
    confirms="the density has area 1 for every logit, and at 0 the constant is log 2.",
    property="the logarithm of what makes the area under the density 1: symmetric, least at 0",
    reference=log_normaliser,
    inputs=[
        (torch.tensor([-8.0, -2.0, -0.7, 0.7, 2.0, 8.0]),),
        (torch.tensor([[0.3, 5.0], [-3.0, 6.0]]),),
    ],
    observe=_constant,
    tolerance=1e-4,
    wrong={
        "that is κ, and its logarithm is asked.": [lambda l: _naive(l).exp()],
        "the sign is flipped: that is the logarithm of the area before it was divided away.": [
            lambda l: -_naive(l),
        ],
        "you put the logit where the formula has π: first π is the logistic function of the logit.": [
            lambda l: (2 * torch.atanh((1 - 2 * l).clamp(-0.999, 0.999)) / (1 - 2 * l)).log(),
        ],
        "a factor of 2 is missing: at π = ½ the area under the curve is ½, so κ is 2.": [
            lambda l: _naive(l) - math.log(2),
        ],
        "only near ½ is the constant log 2; elsewhere it depends on π.": [
            lambda l: torch.full_like(l, math.log(2)),
        ],
        "that is a series around ½: right there, and far off for a logit of 8.": [
            lambda l: math.log(2) + l**2 / 12 - 7 * l**4 / 1440,
            lambda l: math.log(2) + l**2 / 12,
        ],
    },
    edges={
        "at a logit of 0 the formula is 0/0: the limit is log 2. Take the series there.": [
            (torch.tensor([0.0, 1.0]),),
            (torch.tensor([1e-4, -1e-4, 1e-3]),),
        ],
        "near 0 the constant is not flat: the series has further terms.": [(torch.tensor([0.09, -0.09, 0.05]),)],
        "a logit of 60 must not give infinity: there π rounds to 1.": [(torch.tensor([60.0, -60.0]),)],
        NO_GRADIENT: [(torch.tensor([0.7, -2.0]), True)],
        "the value at a logit of 0 is right, its gradient is not: the branch that is not taken is differentiated "
        "too, and there it is 0/0. Give it a logit that does no harm.": [(torch.tensor([0.0, 1.0]), True)],
        "the values are right, and the gradient at a logit of 60 is not a number.": [
            (torch.tensor([60.0, -60.0]), True),
        ],
    },
)

# With a label


def _layer(n_in: int, n_out: int) -> nn.Linear:
    """A linear layer with weights of its own seed: making it leaves torch's global generator alone."""
    layer = nn.utils.skip_init(nn.Linear, n_in, n_out)
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.copy_(draw(*parameter.shape) / 2)
    return layer


class _Told(nn.Module):
    """A layer on its input and a vector of the class; the encoder's gives two halves."""

    def __init__(self, n_in: int, n_out: int, pair: bool):
        super().__init__()
        self.layer, self.table, self.pair = _layer(n_in + 2, n_out), draw(3, 2), pair

    def forward(self, x: Tensor, labels: Tensor) -> Any:
        flat = self.layer(torch.cat([x.flatten(1), self.table[labels]], dim=1))
        return flat.chunk(2, dim=1) if self.pair else flat.view(len(x), 1, 2, 2)


def _conditional(
    kl: Callable[[Tensor, Tensor], Tensor] = gaussian_kl,
    sign: float = 1.0,
    sample: Callable[[Tensor, Tensor, Tensor], Tensor] = reparameterise,
    decoded: Callable[[Tensor], Tensor] = lambda y: y,
    encoded: Callable[[Tensor], Tensor] = lambda y: y,
    extra: float = 0.0,
) -> Callable[..., Tensor]:
    def minus_elbo(x: Tensor, y: Tensor, noise: Tensor, encoder: Any, decoder: Any) -> Tensor:
        mean, log_variance = encoder(x, encoded(y))
        logits = decoder(sample(mean, log_variance, noise), decoded(y))
        return sign * (kl(mean, log_variance) - bernoulli(logits, x)) + extra

    return minus_elbo


def _bound(function: Callable[..., Any], x: Tensor, y: Tensor, noise: Tensor, *pair: Any) -> Observation:
    """The bound, and what its sum sends back to the layers of both networks."""
    value = function(x, y, noise, *pair)
    total = value.sum() if isinstance(value, Tensor) else value
    slopes = gradients(total, *(network.layer.weight for network in pair))
    return {"your answer": value, "the encoder's gradient": slopes[0], "the decoder's gradient": slopes[1]}


def _sampled_kl(x: Tensor, y: Tensor, noise: Tensor, encoder: Any, decoder: Any) -> Tensor:
    mean, log_variance = encoder(x, y)
    z = reparameterise(mean, log_variance, noise)
    return log_normal(z, mean, log_variance) - log_normal(z) - bernoulli(decoder(z, y), x)


def _told_pair(B: int) -> tuple[Any, ...]:
    y = torch.arange(B) % 3
    return _dots(B, 1, 2, 2), y, draw(B, 2), _Told(4, 4, pair=True), _Told(2, 4, pair=False)


conditional_minus_elbo = Exercise(
    name="conditional_minus_elbo",
    confirms="both networks are told the class, and both terms are there once.",
    property="a bound on −log p(x∣y), [B], from one sample of a posterior that knows the class",
    reference=_conditional(),
    inputs=[_told_pair(5), _told_pair(1)],
    observe=_bound,
    wrong={
        NO_GRADIENT: [torch.no_grad()(_conditional())],
        "the KL is estimated from the sample: right on average, but its closed form, which has no noise, is asked.": [
            _sampled_kl,
        ],
        "the value is right, and the pixels send nothing back to the encoder: the sample was cut off from it.": [
            _conditional(sample=lambda m, v, e: reparameterise(m, v, e).detach()),
        ],
        "the sign is flipped: that is the ELBO, which is raised; the loss is its negative.": [_conditional(sign=-1.0)],
        "the KL is missing: nothing would keep the posterior near the prior that you will sample from.": [
            _conditional(kl=lambda m, v: torch.zeros(len(m))),
        ],
        "the KL was averaged over the latents while the pixels are summed: a hidden β of 1/Z.": [
            _conditional(kl=lambda m, v: gaussian_kl(m, v) / m.shape[1]),
        ],
        "the KL has the wrong sign: it is a price, and it is paid.": [_conditional(kl=lambda m, v: -gaussian_kl(m, v))],
        "the decoder was run on the mean: that is no sample of q.": [_conditional(sample=lambda m, v, e: m)],
        "the log-variance was used as a width.": [_conditional(sample=lambda m, v, e: m + v * e)],
        "the prior of the class is added: p(x∣y) is asked, and y is given.": [
            _conditional(extra=math.log(10)),
            _conditional(extra=math.log(3)),
        ],
        "one of the networks was told another class than the other.": [
            _conditional(decoded=torch.zeros_like),
            _conditional(encoded=torch.zeros_like),
        ],
    },
)

# Faulty runs

FAULTS: dict[str, Callable[[Tensor, Tensor, Tensor], tuple[Tensor, Tensor]]] = {
    "A": lambda m, v, e: (reparameterise(m, v, e), gaussian_kl(m, v) / m.shape[1]),
    "B": lambda m, v, e: (m, gaussian_kl(m, v)),
    "C": lambda m, v, e: (m + v * e, gaussian_kl(m, v)),
    "": lambda m, v, e: (reparameterise(m, v, e), gaussian_kl(m, v)),
}


def faulty_vae(fault: str, real: Tensor, steps: int, seed: int = 0) -> SimpleNamespace:
    """A small VAE trained with fault "A", "B", "C", or "" for none, on pictures [N, C, S, S] in [−1, 1].

    Gives its networks, `numbers` to ask, sixteen mean pictures from the prior, and what the step called z − μ.
    """
    _, channels, size, _ = real.shape
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        encoder = networks.Encoder(size, channels, latent=16, width=32).to(real.device)
        decoder = networks.Decoder(size, channels, latent=16, width=32).to(real.device)
        optimiser = Adam([*encoder.parameters(), *decoder.parameters()], lr=3e-3, betas=(0.9, 0.99))
        first = torch.tensor(math.nan)
        for step in range(steps):
            x = torch.bernoulli((real[torch.randint(len(real), (64,), device=real.device)] + 1) / 2)
            mean, log_variance = encoder(x)
            z, kl = FAULTS[fault](mean, log_variance, torch.randn_like(mean))
            reconstruction = -bernoulli(decoder(z), x)
            update((reconstruction + kl).mean(), optimiser)
            if step == 0:
                first = (reconstruction + kl).mean()
        drawn = 2 * decoder(torch.randn(16, 16, device=real.device)).sigmoid().detach() - 1
        honest = (gaussian_kl(mean, log_variance) - bernoulli(decoder(reparameterise(mean, log_variance,
                  torch.randn_like(mean))), x)).mean()  # fmt: skip
    sigma = (log_variance / 2).exp()
    found = {
        "loss that it reports at first": first,
        "loss that it reports": (reconstruction + kl).mean(),
        "−ELBO by another's code": honest,
        "KL that it reports": kl.mean(),
        "KL by another's code": gaussian_kl(mean, log_variance).mean(),
        "σ, mean over units": sigma.mean(),
        "spread of z − μ": (z - mean).std(),
    }
    return SimpleNamespace(
        encoder=encoder, decoder=decoder, drawn=drawn, numbers={name: value.item() for name, value in found.items()}
    )


# What each fault would show, said of a run that has another.
NO_NOISE = "then z − μ would be nothing at all. Is it?"
KL_AVERAGED = "then the KL that it reports would be a part of the other. Compare both."
PIXELS_AVERAGED = "then the loss that it reports would be a few nats: a mean over 784 pixels. Is it?"
DATA_RANGE = "the likelihood refuses pictures outside [0, 1]: the run would not have begun."

diagnose_vae_a = Choice(
    name="diagnose_vae_a",
    right="KL averaged",
    confirms="the KL that it reports is a sixteenth of the KL that it pays: a hidden β of 1/Z.",
    hints={
        "no noise": NO_NOISE,
        "log-variance as width": "then z − μ would not spread as far as σ says. Compare the two numbers.",
        "pixels averaged": "then the KL would weigh 784 times as much, and every σ would be the prior's, 1. Is it?",
        "data range": DATA_RANGE,
    },
)

diagnose_vae_b = Choice(
    name="diagnose_vae_b",
    right="no noise",
    confirms="z is μ: the reported loss is no bound, for no sample of q was ever decoded.",
    hints={
        "log-variance as width": "then z − μ would have some spread wherever the log-variance is not zero. Has it any?",
        "KL averaged": KL_AVERAGED,
        "pixels averaged": PIXELS_AVERAGED,
        "data range": DATA_RANGE,
    },
)

diagnose_vae_c = Choice(
    name="diagnose_vae_c",
    right="log-variance as width",
    confirms="z − μ spreads less than σ says, and not by zero: it is scaled by log σ², which the KL pulls to 0.",
    hints={
        "no noise": NO_NOISE,
        "KL averaged": KL_AVERAGED,
        "pixels averaged": PIXELS_AVERAGED,
        "data range": DATA_RANGE,
    },
)

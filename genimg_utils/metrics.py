"""How good are the pictures? Distances between sets of features, coverage, and the ruler FD-64."""

import math
import warnings
from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy
import torch
from numpy.typing import NDArray
from scipy.linalg import eigh
from torch import Tensor

from genimg_utils.losses.vae import Likelihood, log_weights, reparameterise
from genimg_utils.networks import Classifier, load

# N, M pictures, d feature dimensions (64 for FD-64)


class Moments(NamedTuple):
    """Mean [d] and covariance [d, d] of the features of N pictures, in float64."""

    mean: NDArray[numpy.float64]
    covariance: NDArray[numpy.float64]
    N: int


def moments(features: Tensor) -> Moments:
    """Mean and unbiased covariance of features [N, d], N ≥ 2; warns where N ≤ d leaves the covariance singular."""
    if features.ndim != 2 or len(features) < 2:
        raise ValueError(f"Features must be [N, d] with N ≥ 2; got {tuple(features.shape)}.")
    x = features.detach().cpu().double().numpy()
    if not numpy.isfinite(x).all():
        raise ValueError("Some features are NaN or infinite: look at the pictures before you measure them.")
    if x.shape[0] <= x.shape[1]:
        warnings.warn(
            f"{x.shape[0]} pictures in {x.shape[1]} dimensions: the covariance is singular and the distance mostly "
            f"bias. Use many more than {x.shape[1]} pictures.",
            stacklevel=3,
        )
    return Moments(x.mean(axis=0), numpy.cov(x, rowvar=False).reshape(x.shape[1], x.shape[1]), len(x))


def frechet(real_features: Tensor | Moments, fake_features: Tensor | Moments) -> float:
    """‖μ₁ − μ₂‖² + tr(Σ₁ + Σ₂ − 2 (Σ₁ Σ₂)^½), the squared Fréchet distance of two Gaussians, in float64.

    Features [N, d] and [M, d], or their moments. Dowson & Landau 1982. The root's trace is taken as
    tr (Σ₁^½ Σ₂ Σ₁^½)^½, which is symmetric and therefore survives singular covariances.
    """
    p, q = (f if isinstance(f, Moments) else moments(f) for f in (real_features, fake_features))
    if p.mean.shape != q.mean.shape:
        raise ValueError(f"Features of {p.mean.size} and of {q.mean.size} dimensions cannot be compared.")
    values, vectors = eigh(p.covariance)
    root = (vectors * numpy.sqrt(values.clip(0))) @ vectors.T  # Σ₁^½, [d, d]
    trace_root = numpy.sqrt(eigh(root @ q.covariance @ root, eigvals_only=True).clip(0)).sum()
    distance = ((p.mean - q.mean) ** 2).sum() + numpy.trace(p.covariance) + numpy.trace(q.covariance) - 2 * trace_root
    return max(float(distance), 0.0)


def kernel_distance(real_features: Tensor, fake_features: Tensor) -> float:
    """Unbiased estimate of the squared kernel distance under (a·b/d + 1)³; Bińkowski et al. 2018.

    Features [N, d] and [M, d], at least two of each. It may come out below 0 where the two are alike. In float64, in
    bounded memory.
    """
    if min(len(real_features), len(fake_features)) < 2 or real_features.shape[1:] != fake_features.shape[1:]:
        shapes = f"{tuple(real_features.shape)} and {tuple(fake_features.shape)}"
        raise ValueError(f"Features must be [N, d] and [M, d] with N, M ≥ 2; got {shapes}.")
    x, y = (f.detach().cpu().double() / f.shape[1] ** 0.5 for f in (real_features, fake_features))

    def total(a: Tensor, b: Tensor) -> float:
        """The sum of the kernel over all pairs."""
        blocks = ((rows @ b.T).add_(1).flatten() for rows in a.split(500))
        return sum(torch.dot(k, k.square()).item() for k in blocks)

    def among(a: Tensor) -> float:
        """Its mean over pairs of different pictures; each pair of blocks is taken once, and counts twice."""
        blocks = a.split(1000)
        apart = sum(2 * total(rows, a[1000 * (i + 1) :]) for i, rows in enumerate(blocks))
        within = sum(total(rows, rows) for rows in blocks)
        itself = (a.square().sum(dim=1) + 1).pow(3).sum().item()
        return (apart + within - itself) / (len(a) * (len(a) - 1))

    return among(x) + among(y) - 2 * total(x, y) / (len(x) * len(y))


def precision_recall(real_features: Tensor, fake_features: Tensor, k: int = 3) -> tuple[float, float]:
    """Share of fakes inside the real manifold, and of reals inside the fake one. Kynkäänniemi et al. 2019.

    Features [N, d] and [M, d], N and M > k. A manifold is the union of balls that reach to the k-th neighbour.
    """
    real, fake = real_features.double(), fake_features.double()
    if min(len(real), len(fake)) <= k:
        raise ValueError(f"Both sets need more than k = {k} pictures; got {len(real)} and {len(fake)}.")
    return inside(fake, real, k), inside(real, fake, k)


def inside(points: Tensor, manifold: Tensor, k: int, chunk: int = 1000) -> float:
    """Share of `points` [N, d] within some ball around `manifold` [M, d] that reaches to its k-th neighbour."""
    radius = reach(manifold, k, chunk)  # [M]
    hits = [(torch.cdist(c, manifold) <= radius).any(dim=1) for c in points.split(chunk)]
    return torch.cat(hits).double().mean().item()


def reach(manifold: Tensor, k: int, chunk: int = 1000) -> Tensor:
    """How far the k-th neighbour of each point of `manifold` [M, d] lies, [M]."""
    return torch.cat([torch.cdist(c, manifold).kthvalue(k + 1, dim=1).values for c in manifold.split(chunk)])


def density_coverage(
    real_features: Tensor, fake_features: Tensor, k: int = 5, chunk: int = 1000
) -> tuple[float, float]:
    """How many balls around real pictures hold a fake, over k, and the share of balls that hold one. Naeem et al. 2020.

    Features [N, d] and [M, d], N > k. A ball reaches to the k-th real neighbour; density is 1 where real meets real,
    and may exceed 1.
    """
    real, fake = real_features.double(), fake_features.double()
    if len(real) <= k or len(fake) == 0:
        raise ValueError(f"More than k = {k} real pictures and one fake are needed; got {len(real)} and {len(fake)}.")
    radius = reach(real, k, chunk)[:, None]  # [N, 1]
    held = torch.cat(
        [(torch.cdist(r, fake) < d).sum(dim=1) for r, d in zip(real.split(chunk), radius.split(chunk), strict=True)]
    )
    return held.sum().item() / (k * len(fake)), (held > 0).double().mean().item()


class Coverage(NamedTuple):
    """Modes that hold at least one good sample; KL of the samples' histogram over modes from the even one, in nats;
    share of good samples."""

    modes: int
    kl: float
    good: float


def mode_coverage(samples: Tensor, centres: Tensor, std: float, within: float = 4.0) -> Coverage:
    """How samples [N, d] cover equal hills around centres [K, d]; a good one lies within `within` · std of the nearest.

    Counted as Srivastava et al. 2017, section 5.1, count, who take 3 standard deviations.
    """
    distance, mode = torch.cdist(samples, centres).min(dim=1)  # [N], [N]
    good = distance <= within * std
    K = len(centres)
    reached = len(mode[good].unique())
    kl = kl_from_even(torch.bincount(mode, minlength=K))
    return Coverage(reached, kl, good.double().mean().item())


def kl_from_even(counts: Tensor) -> float:
    """KL of the shares that counts [K] stand for from the even distribution over K modes, in nats; log K at worst."""
    if counts.sum() == 0:
        raise ValueError("There is no sample to count.")
    p = counts.double() / counts.sum()
    return (torch.special.xlogy(p, p).sum() + math.log(len(counts))).item()


def class_histogram(logits: Tensor) -> Tensor:
    """Share of pictures that the classifier's logits [N, K] put into each class, [K], summing to 1."""
    return torch.bincount(logits.argmax(dim=1), minlength=logits.shape[1]).double() / len(logits)


def confident_share(logits: Tensor, above: float = 0.9) -> float:
    """Share of pictures for which the classifier's largest probability, from logits [N, K], exceeds `above`."""
    return (logits.softmax(dim=1).amax(dim=1) > above).double().mean().item()


def nearer_to_training(fake: Tensor, training: Tensor, held_out: Tensor) -> tuple[float, float]:
    """Share of fakes [N, …] whose nearest real picture is in `training` [M, …], not in `held_out` [H, …]; a margin.

    A generator that memorised nothing has M / (M + H) ± margin in 95 % of all ways to call M of the real pictures
    training pictures (normal approximation). Compare Meehan et al. 2020, who rank distances instead.
    """
    M, H = len(training), len(held_out)
    if M == 0 or H == 0:
        raise ValueError(f"Both training and held-out pictures are needed; got {M} and {H}.")
    real = torch.cat([training, held_out]).flatten(1).float()  # [M + H, pixels]
    nearest = torch.cat([torch.cdist(f, real).argmin(dim=1) for f in fake.flatten(1).float().split(1000)])  # [N]
    hits = torch.bincount(nearest, minlength=M + H).double()  # fakes for which a real picture is the nearest, [M + H]
    deviation = (M * H / (M + H) * hits.var()).sqrt() / len(fake)  # of a sum over M drawn without replacement
    return (hits[:M].sum() / len(fake)).item(), 1.96 * deviation.item()


@torch.no_grad()
def in_chunks(function: Callable[[Tensor], Tensor], x: Tensor, chunk: int = 500) -> Tensor:
    """`function` over x [N, …] in chunks, joined: bounded memory for any N."""
    return torch.cat([function(c) for c in x.split(chunk)])


class LogLikelihood(NamedTuple):
    """An importance-sampled estimate of log p(x), [N], its standard error, [N], and the ELBO of the same samples, [N].

    The estimate is a lower bound on average, and the error that of its logarithm by the delta method.
    """

    log_p: Tensor
    error: Tensor
    elbo: Tensor


@torch.no_grad()
def importance_log_likelihood(
    x: Tensor,
    encoder: Callable[..., tuple[Tensor, Tensor]],
    decoder: Callable[..., Tensor],
    likelihood: Likelihood,
    k: int = 5000,
    labels: Tensor | None = None,
    generator: torch.Generator | None = None,
    chunk: int = 2000,
) -> LogLikelihood:
    """log (1/k Σ p(x∣z) p(z) / q(z∣x)) over k samples of q(z∣x), for pictures x [N, …]. Burda et al. 2016, eq. 8.

    At most `chunk` samples are decoded at once, so that memory does not grow with N or k. Noise comes from
    `generator`, or torch's own. In float64 from the log-weights on.
    """
    if k < 1:
        raise ValueError(f"k is {k}: at least one sample a picture is needed.")
    if len(x) == 0:
        raise ValueError("There is no picture to judge: x is empty.")
    parts = []
    for start in range(0, len(x), 100):
        some = x[start : start + 100]  # [B, …]
        given = () if labels is None else (labels[start : start + 100],)
        mean, log_variance = encoder(some, *given)  # [B, Z]
        logs = []  # of log-weights [m, B]
        for m in torch.arange(k).split(max(chunk // len(some), 1)):
            shape = (len(m), *mean.shape)  # [m, B, Z]
            noise = torch.randn(shape, generator=generator, device=mean.device, dtype=mean.dtype)
            z = reparameterise(mean, log_variance, noise)
            output = decoder(z.flatten(0, 1), *(label.repeat(len(m)) for label in given))  # [m B, …]
            log_likelihood = likelihood(output, some.repeat(len(m), *[1] * (some.ndim - 1))).view(len(m), -1)
            logs.append(log_weights(log_likelihood, z, mean, log_variance))
        parts.append(evidence(torch.cat(logs).double()))
    return LogLikelihood(*(torch.cat(column) for column in zip(*parts, strict=True)))


def evidence(log_weights: Tensor) -> LogLikelihood:
    """What log-weights [k, B] of independent samples say about log p(x); see `LogLikelihood`."""
    k = len(log_weights)
    log_p = log_weights.logsumexp(dim=0) - math.log(k)  # [B]
    relative = (log_weights - log_p).exp()  # w / mean w, [k, B]
    error = relative.std(dim=0) / math.sqrt(k) if k > 1 else torch.full_like(log_p, math.nan)
    return LogLikelihood(log_p, error, log_weights.mean(dim=0))


def active_units(means: Tensor, threshold: float = 0.01) -> Tensor:
    """Which latent units answer to the picture, [Z] bool: those whose posterior mean varies by more than `threshold`.

    means [N, Z] over N ≥ 2 pictures. Burda et al. 2016, section 5.
    """
    if means.ndim != 2 or len(means) < 2:
        raise ValueError(f"Posterior means must be [N, Z] with N ≥ 2; got {list(means.shape)}.")
    return means.var(dim=0) > threshold


def l1_by_object(mapped: Tensor, truth: Tensor, masks: Mapping[str, NDArray[numpy.bool_]]) -> dict[str, float]:
    """Mean absolute error of pictures [N, C, S, S] in [−1, 1] as a part of their range, in [0, 1].

    Over all pixels ("all"), and over those that show each object of `masks`, [N, S, S] each.
    """
    error = (mapped - truth).abs().mean(dim=1) / 2  # [N, S, S]
    return {"all": error.mean().item()} | {n: error[torch.from_numpy(mask)].mean().item() for n, mask in masks.items()}


def ssim(a: Tensor, b: Tensor) -> float:
    """Mean structural similarity of pictures [N, C, S, S] in [−1, 1], S ≥ 6: 1 where they are equal.

    Wang et al. 2004, eq. 13: local means, variances and covariance under a Gaussian of σ 1.5 in windows of 11 × 11,
    around every pixel: beyond its border a picture is mirrored. Means are brightnesses there, so black counts as 0.
    """
    offsets = torch.arange(11.0, device=a.device) - 5
    weights = (-(offsets**2) / (2 * 1.5**2)).exp()
    weights /= weights.sum()
    window = torch.outer(weights, weights)[None, None]  # [1, 1, 11, 11]

    def local(values: Tensor) -> Tensor:
        single = values.flatten(0, 1)[:, None]  # [N C, 1, S, S]
        return torch.nn.functional.conv2d(torch.nn.functional.pad(single, (5, 5, 5, 5), mode="reflect"), window)

    mean_a, mean_b = local(a), local(b)
    variances = local(a * a) + local(b * b) - mean_a**2 - mean_b**2
    covariance = local(a * b) - mean_a * mean_b
    C1, C2 = (0.01 * 2) ** 2, (0.03 * 2) ** 2  # 2: the range of the pictures
    mean_a, mean_b = mean_a + 1, mean_b + 1
    luminance = (2 * mean_a * mean_b + C1) / (mean_a**2 + mean_b**2 + C1)
    return (luminance * (2 * covariance + C2) / (variances + C2)).mean().item()


def colour_map(x: Tensor, y: Tensor, levels: int = 16) -> Callable[[Tensor], Tensor]:
    """The best map of single colours from x to y, told their true pairs: what recolouring can reach at most.

    x, y uint8 [N, 3, S, S]. Colours fall into `levels`³ cells; a cell's answer is the median of the true colours, as L1
    asks for. The map takes uint8 [M, 3, S, S] and gives floats in [−1, 1]; colours never seen stay.
    """
    cell = cells(x, levels)  # [N S²]
    true = y.float().movedim(1, -1).reshape(-1, 3)  # [N S², 3]
    table = (torch.cartesian_prod(*[torch.arange(levels)] * 3) + 0.5) * 256 / levels  # [levels³, 3]
    order = cell.argsort()
    for number, group in zip(*grouped(cell[order], true[order]), strict=True):
        table[number] = group.median(dim=0).values
    table = table / 127.5 - 1
    return lambda pictures: (
        table[cells(pictures, levels)].view(len(pictures), *pictures.shape[2:], 3).movedim(-1, 1).clamp(-1, 1)
    )


def cells(pictures: Tensor, levels: int) -> Tensor:
    """The cell of each pixel's colour, [N S²], for pictures uint8 [N, 3, S, S]."""
    red, green, blue = (pictures.long() * levels // 256).movedim(1, -1).reshape(-1, 3).T
    return (red * levels + green) * levels + blue


def grouped(keys: Tensor, values: Tensor) -> tuple[Tensor, tuple[Tensor, ...]]:
    """The distinct ones of sorted keys [N], and the values [N, …] of each."""
    distinct, counts = keys.unique_consecutive(return_counts=True)
    return distinct, values.split(counts.tolist())


class Ruler(NamedTuple):
    """FD-64 of one data set: its frozen classifier, and the moments of the real test pictures' features."""

    classifier: Classifier
    reference: Moments

    def features(self, images: Tensor) -> Tensor:
        """The 64 activations before the last layer, [N, 64] float32, of pictures [N, C, 28, 28] (see `prepared`)."""
        return in_chunks(lambda x: self.classifier.features(self.prepared(x)), images)

    def logits(self, images: Tensor) -> Tensor:
        """The classifier's logits, [N, K], of pictures [N, C, 28, 28], uint8 or in [−1, 1]."""
        return in_chunks(lambda x: self.classifier(self.prepared(x)), images)

    def distance(self, images: Tensor) -> float:
        """FD-64 between pictures [N, C, 28, 28], uint8 or in [−1, 1], and the real test pictures."""
        return frechet(self.reference, self.features(images))

    def prepared(self, images: Tensor) -> Tensor:
        """Pictures as the classifier takes them: on its device, float32 in [−1, 1], bytes converted."""
        floats = images.float() / 127.5 - 1 if images.dtype == torch.uint8 else images.float()
        if floats.abs().max() > 1.001:
            raise ValueError("Pictures must be uint8, or floats in [−1, 1].")
        return floats.to(self.classifier.mean.device)


def ruler(dataset: str, device: torch.device | str = "cpu") -> Ruler:
    """The ruler that ships for a data set: mnist (also for mnist-5k) or fashion-mnist. ValueError for others."""
    name = {"mnist": "mnist", "mnist-5k": "mnist", "fashion-mnist": "fashion-mnist"}.get(dataset)
    if name is None:
        raise ValueError(f"There is no ruler for {dataset!r}, only for mnist, mnist-5k and fashion-mnist.")
    classifier = load(f"classifier-{name}", device)
    assert isinstance(classifier, Classifier)
    mean, covariance = classifier.mean.cpu().numpy(), classifier.covariance.cpu().numpy()
    return Ruler(classifier, Moments(mean, covariance, int(classifier.count)))

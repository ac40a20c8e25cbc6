"""The networks that later chapters use again. Each keeps its constructor's arguments in `config`."""

import json
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Literal, cast

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state, vmap

from genimg_utils.layers import PixelNorm, down, initialise, up

MODELS = Path(__file__).resolve().parents[1] / "data" / "models"

# B batch, C channels, S side of the picture, K classes, W width (channels at 4 × 4), Z latent dimensions


class Generator(nn.Module):
    """From noise to pictures: 4 × 4, then enlarged three times, to 7, 14, 28 or to 8, 16, 32.

    z [B, Z] float, labels [B] int64 where `classes` > 0; gives pictures [B, C, S, S] in [−1, 1]. In place of a label,
    the largest of z's first `kinds` values names the vector that is added to z. After Gurumurthy et al. 2017.
    """

    def __init__(
        self, size: int = 28, channels: int = 1, latent: int = 64, width: int = 64, classes: int = 0, kinds: int = 0
    ):
        super().__init__()
        self.config = dict(size=size, channels=channels, latent=latent, width=width, classes=classes, kinds=kinds)
        self.embed = nn.Embedding(classes or kinds, latent) if classes or kinds else None
        self.body = nn.Sequential(
            nn.Linear(latent, 16 * width),  # [B, 16 W]
            nn.Unflatten(1, (width, 4, 4)),  # [B, W, 4, 4]
            PixelNorm(),
            nn.LeakyReLU(0.2),
            up(width, width // 2, kernel_at_4(size)),  # [B, W/2, S/4, S/4]
            up(width // 2, width // 4),  # [B, W/4, S/2, S/2]
            nn.Conv2d(width // 4, 4 * channels, 3, padding=1),  # [B, 4 C, S/2, S/2]
            nn.PixelShuffle(2),  # [B, C, S, S]
            nn.Tanh(),
        )
        initialise(self.body)

    def forward(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        labels = z[:, :K].argmax(dim=1) if (K := self.config["kinds"]) else labels  # [B]
        z = z if self.embed is None else z + self.embed(labels)
        return self.body(z)


class Discriminator(nn.Module):
    """From pictures to logits: an estimate of the log-odds that a picture came from the data.

    x [B, C, S, S] in [−1, 1], labels [B] int64 where `classes` > 0; gives logits [B]. Labels enter by projection:
    the logit gains ⟨e(label), φ(x)⟩. Miyato & Koyama 2018.
    """

    def __init__(self, size: int = 28, channels: int = 1, width: int = 64, classes: int = 0):
        super().__init__()
        self.config = dict(size=size, channels=channels, width=width, classes=classes)
        self.features = nn.Sequential(
            nn.PixelUnshuffle(2),  # [B, 4 C, S/2, S/2]
            nn.Conv2d(4 * channels, width // 4, 3, padding=1),  # [B, W/4, S/2, S/2]
            nn.LeakyReLU(0.2),
            down(width // 4, width // 2),  # [B, W/2, S/4, S/4]
            down(width // 2, width, kernel_at_4(size)),  # [B, W, 4, 4]
            nn.Flatten(),
            nn.Linear(16 * width, width),
            nn.LeakyReLU(0.2),  # φ(x), [B, W]
        )
        self.head = nn.Linear(width, 1)
        self.embed = nn.Embedding(classes, width) if classes else None
        initialise(self)

    def forward(self, x: Tensor, labels: Tensor | None = None) -> Tensor:
        features = self.features(x)  # [B, W]
        logits = self.head(features).squeeze(1)  # [B]
        if self.embed is not None:
            logits = logits + (self.embed(labels) * features).sum(dim=1)
        return logits


class Encoder(nn.Module):
    """From pictures to the posterior q(z∣x): x [B, C, S, S] to its mean and its log-variance, both [B, Z].

    labels [B] int64 where `classes` > 0: a learned picture of the class is laid beside x as one more channel.
    """

    def __init__(self, size: int = 28, channels: int = 1, latent: int = 32, width: int = 64, classes: int = 0):
        super().__init__()
        self.config = dict(size=size, channels=channels, latent=latent, width=width, classes=classes)
        self.embed = nn.Embedding(classes, size * size) if classes else None
        self.body = nn.Sequential(
            nn.Conv2d(channels + bool(classes), width // 4, 4, stride=2, padding=1),  # [B, W/4, S/2, S/2]
            nn.SiLU(),
            nn.Conv2d(width // 4, width // 2, 4, stride=2, padding=1),  # [B, W/2, S/4, S/4]
            nn.SiLU(),
            nn.Conv2d(width // 2, width, kernel_at_4(size), stride=2, padding=1),  # [B, W, 4, 4]
            nn.SiLU(),
            nn.Flatten(),
            nn.Linear(16 * width, 2 * latent),
        )

    def forward(self, x: Tensor, labels: Tensor | None = None) -> tuple[Tensor, Tensor]:
        if self.embed is not None:
            x = torch.cat([x, self.embed(labels).view(len(x), 1, *x.shape[2:])], dim=1)
        mean, log_variance = self.body(x).chunk(2, dim=1)
        return mean, log_variance


class Decoder(nn.Module):
    """From latents to p(x∣z): z [B, Z] to [B, C, S, S], logits or means, as the likelihood takes them.

    labels [B] int64 where `classes` > 0: a learned vector of the class is joined to z.
    """

    def __init__(self, size: int = 28, channels: int = 1, latent: int = 32, width: int = 64, classes: int = 0):
        super().__init__()
        self.config = dict(size=size, channels=channels, latent=latent, width=width, classes=classes)
        self.embed = nn.Embedding(classes, latent) if classes else None
        self.body = nn.Sequential(
            nn.Linear(latent * (1 + bool(classes)), 16 * width),
            nn.SiLU(),
            nn.Unflatten(1, (width, 4, 4)),  # [B, W, 4, 4]
            nn.ConvTranspose2d(width, width // 2, kernel_at_4(size), stride=2, padding=1),  # [B, W/2, S/4, S/4]
            nn.SiLU(),
            nn.ConvTranspose2d(width // 2, width // 4, 4, stride=2, padding=1),  # [B, W/4, S/2, S/2]
            nn.SiLU(),
            nn.Conv2d(width // 4, 4 * channels, 3, padding=1),  # [B, 4 C, S/2, S/2]
            nn.PixelShuffle(2),  # [B, C, S, S]
        )

    def forward(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        if z.ndim != 2 or z.shape[1] != self.config["latent"]:
            raise ValueError(f"Latents must be [B, {self.config['latent']}] for this decoder; got {list(z.shape)}.")
        if self.embed is not None:
            z = torch.cat([z, self.embed(labels)], dim=1)
        return self.body(z)


class Translator(nn.Module):
    """A small generator for CycleGAN: pictures x [B, C, S, S] of one domain to pictures of the other, both in [−1, 1].

    S is even. What the network finds is added to x before the tanh, so that it starts near x.
    """

    def __init__(self, channels: int = 3, width: int = 24, blocks: int = 3):
        super().__init__()
        self.config = dict(channels=channels, width=width, blocks=blocks)
        self.body = nn.Sequential(
            nn.PixelUnshuffle(2),  # [B, 4 C, S/2, S/2]
            nn.Conv2d(4 * channels, width, 3, padding=1),  # [B, W, S/2, S/2]
            nn.ReLU(),
            *[Residual(width) for _ in range(blocks)],
            nn.ReLU(),
            nn.Conv2d(width, 32, 3, padding=1),
            nn.PixelShuffle(2),  # [B, 8, S, S]
            nn.ReLU(),
            nn.Conv2d(8, channels, 3, padding=1),  # [B, C, S, S]
        )

    def forward(self, x: Tensor) -> Tensor:
        return (self.body(x) + x).tanh()


class ResNetTranslator(nn.Module):
    """CycleGAN's generator as published: x [B, C, S, S] to pictures of the other domain, both in [−1, 1].

    Down twice, nine residual blocks, up twice, instance normalisation throughout. Zhu et al. 2017, appendix.
    """

    def __init__(self, channels: int = 3, width: int = 64, blocks: int = 9):
        super().__init__()
        self.config = dict(channels=channels, width=width, blocks=blocks)
        W = width
        self.body = nn.Sequential(
            *normed(nn.Conv2d(channels, W, 7, padding=3, padding_mode="reflect")),  # [B, W, S, S]
            *normed(nn.Conv2d(W, 2 * W, 3, stride=2, padding=1)),  # [B, 2 W, S/2, S/2]
            *normed(nn.Conv2d(2 * W, 4 * W, 3, stride=2, padding=1)),  # [B, 4 W, S/4, S/4]
            *[Residual(4 * W, norm=True) for _ in range(blocks)],
            *normed(nn.ConvTranspose2d(4 * W, 2 * W, 3, stride=2, padding=1, output_padding=1)),
            *normed(nn.ConvTranspose2d(2 * W, W, 3, stride=2, padding=1, output_padding=1)),
            nn.Conv2d(W, channels, 7, padding=3, padding_mode="reflect"),  # [B, C, S, S]
            nn.Tanh(),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.body(x)


class PatchDiscriminator(nn.Module):
    """From pictures x [B, C, S, S] to a map of logits [B, h, w], one for each patch that it looks at.

    `layers` of stride 2 and two of stride 1, all 4 × 4: three see 70 pixels, Isola et al. 2017; one sees 16.
    """

    def __init__(self, channels: int = 3, width: int = 64, layers: int = 3, norm: bool = True):
        super().__init__()
        self.config = dict(channels=channels, width=width, layers=layers, norm=norm)
        widths = [width * min(2**i, 8) for i in range(layers + 1)]
        parts: list[nn.Module] = [nn.Conv2d(channels, width, 4, stride=2, padding=1), nn.LeakyReLU(0.2)]
        for i, (inputs, outputs) in enumerate(pairwise(widths), 1):
            parts.append(nn.Conv2d(inputs, outputs, 4, stride=2 if i < layers else 1, padding=1))
            parts += [nn.InstanceNorm2d(outputs)] * norm + [nn.LeakyReLU(0.2)]
        self.body = nn.Sequential(*parts, nn.Conv2d(widths[-1], 1, 4, padding=1))

    def forward(self, x: Tensor) -> Tensor:
        return self.body(x).squeeze(1)


class LocalDiscriminator(nn.Module):
    """A small one of the same kind: pictures x [B, C, S, S] to logits [B, S/4, S/4], S a multiple of 4.

    Each logit sees 28 pixels.
    """

    def __init__(self, channels: int = 3, width: int = 32):
        super().__init__()
        self.config = dict(channels=channels, width=width)
        self.body = nn.Sequential(
            nn.PixelUnshuffle(2),  # [B, 4 C, S/2, S/2]
            nn.Conv2d(4 * channels, width, 3, padding=1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(width, 2 * width, 4, stride=2, padding=1),  # [B, 2 W, S/4, S/4]
            nn.LeakyReLU(0.2),
            nn.Conv2d(2 * width, 2 * width, 3, padding=1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(2 * width, 1, 3, padding=1),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.body(x).squeeze(1)


class Residual(nn.Module):
    """x + f(x), f two 3 × 3 convolutions of W channels.

    With `norm` it is the block of Zhu et al. 2017, appendix, after Johnson et al. 2016: normalised, borders reflected.
    """

    def __init__(self, width: int, norm: bool = False):
        super().__init__()
        borders: Literal["reflect", "zeros"] = "reflect" if norm else "zeros"
        first, second = (nn.Conv2d(width, width, 3, padding=1, padding_mode=borders) for _ in range(2))
        if norm:
            self.body = nn.Sequential(*normed(first), second, nn.InstanceNorm2d(width))
        else:
            self.body = nn.Sequential(first, nn.ReLU(), second)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.body(x)


def normed(layer: nn.Conv2d | nn.ConvTranspose2d) -> list[nn.Module]:
    """The layer, instance normalisation, ReLU."""
    return [layer, nn.InstanceNorm2d(layer.out_channels), nn.ReLU()]


class Seeds(nn.Module):
    """Several networks of one kind, trained at once as if each were alone: row i of a batch belongs to network i % S.

    So a batch [n · S, …] gives [n · S, …], and steps, losses and penalties need not know: their means over all rows
    are means over the networks. Adam, which does not see the scale of a gradient, moves each as it would alone.
    """

    def __init__(self, networks: Sequence[nn.Module]):
        super().__init__()
        self.count = len(networks)
        weights, buffers = stack_module_state(list(networks))
        self.weights = nn.ParameterDict({slashed(name): nn.Parameter(w) for name, w in weights.items()})
        for name, buffer in buffers.items():
            self.register_buffer(slashed(name), buffer)
        self.one = [networks[0]]  # in a list: it lends its code, its own weights are not ours

    def forward(self, x: Tensor) -> Tensor:
        state = {**self.weights, **dict(self.named_buffers())}

        def single(state: dict[str, Tensor], x: Tensor) -> Tensor:
            return functional_call(self.one[0], {dotted(name): w for name, w in state.items()}, x)

        rows = x.unflatten(0, (-1, self.count))  # [n, S, …]
        return vmap(single, in_dims=(0, 1), out_dims=1)(state, rows).flatten(0, 1)


def slashed(name: str) -> str:
    """A parameter's name as a key, in which torch allows no dot."""
    return name.replace(".", "/")


def dotted(key: str) -> str:
    return key.replace("/", ".")


class Classifier(nn.Module):
    """The frozen judge behind FD-64: pictures [B, C, 28, 28] in [−1, 1] to class logits [B, K].

    `features` gives the 64 activations before the last layer, [B, 64]. The buffers `mean` [64], `covariance` [64, 64]
    and `count` are those of the real test pictures' features, in float64, filled in once it is trained.
    """

    mean: Tensor
    covariance: Tensor
    count: Tensor

    def __init__(self, channels: int = 1, classes: int = 10):
        super().__init__()
        self.config = dict(channels=channels, classes=classes)
        self.body = nn.Sequential(
            *halve(channels, 16),  # [B, 16, 14, 14]
            *halve(16, 32),  # [B, 32, 7, 7]
            *halve(32, 64),  # [B, 64, 4, 4]
            nn.Flatten(),  # [B, 1024]
            nn.Dropout(0.3),
            nn.Linear(1024, 64),
            nn.ReLU(),  # [B, 64]
        )
        self.head = nn.Linear(64, classes)
        self.register_buffer("mean", torch.zeros(64, dtype=torch.float64))
        self.register_buffer("covariance", torch.zeros(64, 64, dtype=torch.float64))
        self.register_buffer("count", torch.tensor(0))

    def features(self, x: Tensor) -> Tensor:
        return self.body(x)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.body(x))


class RandomFeatures(nn.Module):
    """Features [B, 128] of pictures x [B, C, S, S] that no data chose: convolutions with the random weights of `seed`.

    Mean and standard deviation, over the picture, of 64 channels. S is a multiple of 4.
    """

    def __init__(self, channels: int = 3, seed: int = 0):
        super().__init__()
        self.config = dict(channels=channels, seed=seed)
        self.body = nn.Sequential(
            nn.Conv2d(channels, 32, 4, stride=2, padding=1, padding_mode="reflect"),  # [B, 32, S/2, S/2]
            nn.LeakyReLU(0.2),
            nn.Conv2d(32, 64, 4, stride=2, padding=1, padding_mode="reflect"),  # [B, 64, S/4, S/4]
            nn.LeakyReLU(0.2),
        )
        generator = torch.Generator().manual_seed(seed)
        for layer in self.body:
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, a=0.2, generator=generator)
                nn.init.constant_(cast(Tensor, layer.bias), 0.0)
        self.requires_grad_(False)

    def forward(self, x: Tensor) -> Tensor:
        h = self.body(x).flatten(2)  # [B, 64, S²/16]
        return torch.cat([h.mean(dim=2), h.std(dim=2)], dim=1)


def halve(inputs: int, outputs: int) -> list[nn.Module]:
    """Two 3 × 3 convolutions with batch normalisation, the second with stride 2."""
    return [
        nn.Conv2d(inputs, outputs, 3, padding=1, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(),
        nn.Conv2d(outputs, outputs, 3, stride=2, padding=1, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(),
    ]


def kernel_at_4(size: int) -> int:
    """The kernel of the stride-2 layer next to 4 × 4: 3 for pictures of 28 pixels (4 ↔ 7), 4 for 32 (4 ↔ 8)."""
    if size not in (28, 32):
        raise ValueError(
            f"size is {size}: these networks draw pictures of 28 or 32 pixels. Take a data "
            "set of such pictures, for example mnist-5k."
        )
    return {28: 3, 32: 4}[size]


KINDS = (
    Generator,
    Discriminator,
    Encoder,
    Decoder,
    Translator,
    ResNetTranslator,
    LocalDiscriminator,
    PatchDiscriminator,
    Classifier,
)


def load(source: str | Path, device: torch.device | str = "cpu") -> nn.Module:
    """A network in eval mode from shipped weights (by name) or exported ones (by path to a .safetensors file).

    Raises FileNotFoundError or ValueError with one sentence where there is no such file, or it is none of ours.
    """
    path = Path(source) if str(source).endswith(".safetensors") else MODELS / f"{source}.safetensors"
    if not path.is_file():
        shipped = ", ".join(sorted(p.stem for p in MODELS.glob("*.safetensors")))
        raise FileNotFoundError(f"There are no weights at {path}. Shipped with the course: {shipped}.")
    try:
        with safe_open(path, framework="pt", device=str(device)) as file:
            about = file.metadata() or {}
            weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118, no mapping
        kind = {c.__name__: c for c in KINDS}[about["class"]]
        network = kind(**json.loads(about["config"]))
        network.load_state_dict(weights)
    except (SafetensorError, KeyError, TypeError, RuntimeError) as error:
        raise ValueError(
            f"{path} holds no weights of this course ({error}): export them anew with run.export."
        ) from error
    return network.to(device).eval()

"""The layers that several networks share, and their initialisation."""

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize, one_hot
from torch.nn.utils.parametrize import register_parametrization


class PixelNorm(nn.Module):
    """Scale the channels of each pixel to unit mean square: x / √(mean_c x² + ε). Karras et al. 2018, section 4.2."""

    def forward(self, x: Tensor) -> Tensor:
        return x * (x.square().mean(dim=1, keepdim=True) + 1e-8).rsqrt()


def up(inputs: int, outputs: int, kernel: int = 4) -> nn.Sequential:
    """Double the side by a transposed convolution (kernel 4: n to 2n; kernel 3: n to 2n − 1), LeakyReLU."""
    stamp = nn.ConvTranspose2d(inputs, outputs, kernel, stride=2, padding=1)
    return nn.Sequential(stamp, nn.LeakyReLU(0.2))


def down(inputs: int, outputs: int, kernel: int = 4) -> nn.Sequential:
    """Halve the side by a convolution (kernel 4: 2n to n; kernel 3: 2n − 1 to n), LeakyReLU; no norm."""
    conv = nn.Conv2d(inputs, outputs, kernel, stride=2, padding=1)
    return nn.Sequential(conv, nn.LeakyReLU(0.2))


@torch.no_grad()
def initialise(network: nn.Module) -> None:
    """Draw weights from N(0, 2 / ((1 + 0.2²) n)), n the inputs that reach one output; biases start at 0,
    the vectors of an embedding with length 1.

    Through LeakyReLU(0.2), activations then keep their mean square. He et al. 2015, section 2.2.
    """
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
            std = math.sqrt(2 / (1 + 0.2**2) / fan_in(layer))
            nn.init.normal_(layer.weight, std=std)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
        elif isinstance(layer, nn.Embedding):
            nn.init.normal_(layer.weight, std=layer.embedding_dim**-0.5)


def fan_in(layer: nn.Conv2d | nn.ConvTranspose2d | nn.Linear) -> float:
    """Inputs that reach one output; of a transposed convolution with stride s, k² / s² a channel on average."""
    if isinstance(layer, nn.Linear):
        return layer.in_features
    n = layer.in_channels * math.prod(layer.kernel_size)
    return n / math.prod(layer.stride) if isinstance(layer, nn.ConvTranspose2d) else n


class SpectralNorm(nn.Module):
    """A weight divided by its largest singular value, which power iteration estimates, a step a pass in training.

    Of a convolution it is that of the matrix [outputs, the rest], which does not bound the map itself. Miyato et al.
    2018, algorithm 1.
    """

    u: Tensor

    def __init__(self, weight: Tensor):
        super().__init__()
        self.register_buffer("u", normalize(torch.randn(len(weight)), dim=0))

    def forward(self, weight: Tensor) -> Tensor:
        W = weight.flatten(1)  # [outputs, inputs]
        with torch.no_grad():
            v = normalize(W.T @ self.u, dim=0)  # [inputs]
            if self.training:
                self.u.copy_(normalize(W @ v, dim=0))
            u = self.u.clone()  # the next pass may change the buffer before this one's backward
        return weight / (u @ W @ v)


def spectral_norm(network: nn.Module) -> nn.Module:
    """Puts `SpectralNorm` on the weight of every linear layer and convolution, in place; returns the network."""
    for layer in list(network.modules()):
        if isinstance(layer, nn.Conv2d | nn.Linear):
            register_parametrization(layer, "weight", SpectralNorm(layer.weight))
    return network


class Quantiser(nn.Module):
    """The nearest of K codes [K, d] for each vector of e [B, d, H, W], and its index [B, H, W]; no gradient passes.

    In training the codes follow their vectors: each is a moving average of those it stands for. The first batch places
    them, and a code that stands for less than one vector a batch is put on a random one. van den Oord et al. 2017,
    appendix A.1; the last is practice, compare Dhariwal et al. 2020.
    """

    codes: Tensor
    count: Tensor
    total: Tensor

    def __init__(self, codes: int, dimensions: int, decay: float = 0.99):
        super().__init__()
        self.decay = decay
        self.register_buffer("codes", torch.zeros(codes, dimensions))
        self.register_buffer("count", torch.zeros(codes))
        self.register_buffer("total", torch.zeros(codes, dimensions))

    def forward(self, e: Tensor) -> tuple[Tensor, Tensor]:
        rows = e.detach().movedim(1, -1).flatten(0, 2)  # [B H W, d]
        if self.training:
            self.wake(rows)
        index = torch.cdist(rows, self.codes).argmin(dim=1).view(len(e), *e.shape[2:])
        q = self.codes[index].movedim(-1, 1)
        if self.training:
            chose = one_hot(index.flatten(), len(self.codes)).to(rows.dtype)
            self.count.lerp_(chose.sum(dim=0), 1 - self.decay)
            self.total.lerp_(chose.T @ rows, 1 - self.decay)
            self.codes.copy_(self.total / self.count[:, None])
        return q, index

    def wake(self, rows: Tensor) -> None:
        """Put the codes that stand for less than one vector a batch on random ones of rows [N, d]."""
        dead = self.count < 1  # at the start all of them
        self.total[dead] = rows[torch.randint(len(rows), (len(dead),))][dead]
        self.codes[dead], self.count[dead] = self.total[dead], 1.0

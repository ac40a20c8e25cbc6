"""The first picture of chapter 06, a map of two latents: `python benchmarks/vae_map.py`, some minutes on one thread.

Trains chapter 06's networks with Z = 2 on mnist-5k, seed 0, and writes results/vae_map.png.
"""

from pathlib import Path

import torch
from torch.optim import Adam

from genimg_utils import data, plotting, recipes, runtime
from genimg_utils.recipes import VAE
from genimg_utils.steps import vae_step
from genimg_utils.training import anneal

PICTURE = Path(__file__).resolve().parent / "results" / "vae_map.png"
SIDE, LATENT = 20, 2


def main(steps: int = 6_000) -> None:
    device = recipes.begin(seed=0)
    encoder = runtime.place(recipes.Encoder(latent=LATENT), device)
    decoder = runtime.place(recipes.Decoder(latent=LATENT), device)
    parameters = [*encoder.parameters(), *decoder.parameters()]
    optimiser = Adam(parameters, lr=VAE["learning_rate"], betas=(0.9, 0.99), fused=True)
    batches = data.Batches(data.load("mnist-5k").images, VAE["batch"], device, seed=0)
    for step in range(steps):
        anneal([optimiser], step, steps)
        grey = next(batches)
        assert isinstance(grey, torch.Tensor)  # no labels came along
        x = torch.bernoulli((grey + 1) / 2)
        vae_step(x, torch.randn(len(x), LATENT, device=device), encoder, decoder, optimiser)
    places = torch.special.ndtri(torch.linspace(0.02, 0.98, SIDE))
    across, down = torch.meshgrid(places, places.flip(0), indexing="xy")
    with torch.no_grad():
        pictures = 2 * decoder(torch.stack([across, down], dim=-1).view(-1, 2).to(device)).sigmoid() - 1
    plotting.save_images(pictures, PICTURE, rows=SIDE)


if __name__ == "__main__":
    main()

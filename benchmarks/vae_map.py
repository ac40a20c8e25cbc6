"""The first picture of chapter 06, a map of two latents: `python benchmarks/vae_map.py`, some minutes on one thread.

Trains chapter 06's networks with Z = 2 on mnist-5k, seed 0, and writes results/vae_map.png.
"""

from pathlib import Path

import torch
from vae_failures import fit_vae

from genimg_utils import plotting

PICTURE = Path(__file__).resolve().parent / "results" / "vae_map.png"
SIDE = 20


@torch.no_grad()
def main(steps: int = 6_000) -> None:
    torch.set_num_threads(1)
    with torch.enable_grad():
        _, decoder = fit_vae(steps, seed=0, latent=2)
    places = torch.special.ndtri(torch.linspace(0.02, 0.98, SIDE))
    across, down = torch.meshgrid(places, places.flip(0), indexing="xy")
    pictures = 2 * decoder(torch.stack([across, down], dim=-1).view(-1, 2)).sigmoid() - 1
    plotting.save_images(pictures, PICTURE, rows=SIDE)


if __name__ == "__main__":
    main()

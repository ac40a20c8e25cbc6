"""Answers to every exercise, one file a chapter: right in other styles, wrong as learners write them."""

from answers import (
    cyclegan_failures,
    cyclegan_maths,
    cyclegan_training,
    faster_and_bigger,
    gan_failures,
    gan_maths,
    gan_training,
    gan_what_a_loss_says,
    judging_images,
    outlook_next,
    start,
    vae_failures,
    vae_maths,
    vae_training,
)

CHAPTERS = [
    start,
    gan_what_a_loss_says,
    gan_training,
    gan_maths,
    gan_failures,
    vae_maths,
    vae_training,
    vae_failures,
    cyclegan_maths,
    cyclegan_training,
    cyclegan_failures,
    judging_images,
    outlook_next,
    faster_and_bigger,
]

"""Assignment 2, write a VAE: eight functions under a convention that the seed draws, and a question in words."""

from genimg_utils.grading.a2 import closed, evidence, training
from genimg_utils.grading.a2.convention import BASE, IN_WORDS, Convention, drawn
from genimg_utils.grading.question import Question

NAME, TITLE, NOTEBOOK = "a2", "Write a VAE", "a2_write_a_vae"
TEXT_MARKS = 10  # of the question in words, given by hand

MAKERS = (
    closed.kl, closed.sample, closed.log_likelihood, closed.elbo,
    evidence.iwae, evidence.exact_evidence, evidence.evidence, training.train,
)  # fmt: skip

__all__ = ["BASE", "NAME", "NOTEBOOK", "TEXT_MARKS", "TITLE", "Convention", "agreed", "drawn", "questions"]


def questions(c: Convention, seed: str) -> list[Question]:
    """The questions of a hand-out, with hidden inputs of this seed."""
    return [make(c, f"{seed}/{NAME}") for make in MAKERS]


def agreed(c: Convention) -> str:
    """The convention in words, as the hand-out states it."""
    noise = {"Gaussian": "standard deviation τ", "Laplace": "scale b, density exp(−∣x − output∣ / b) / 2b"}[c.noise]
    order = "mean first" if c.mean_first else "width first"
    return (
        f"| agreed | in this hand-out |\n|:---|:---|\n"
        f"| the encoder's two outputs | `mean` and `width`, {order}; `width` is {IN_WORDS[c.width]} |\n"
        f"| prior p(z), for each latent | normal, mean {c.prior_mean:g}, standard deviation {c.prior_sigma:g} |\n"
        f"| noise of p(x∣z), for each coordinate | {c.noise}, {noise}, which is {c.scale:g} |\n"
        f"| several samples | on the {'first' if c.samples_first else 'second'} axis where a question says so |\n"
        f"| bounds are returned as | {'losses, which are lowered' if c.loss else 'bounds, which are raised'} |"
    )

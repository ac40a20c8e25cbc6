"""Exercises on variational autoencoders, one file a chapter."""

from genimg_utils.check.vae.failures import (
    choose_vae_repair,
    count_active,
    diagnose_collapse,
    effective_beta,
    free_bits,
    perplexity,
    straight_through,
)
from genimg_utils.check.vae.maths import (
    gaussian_kl,
    linear_elbo,
    path_factors,
    posterior_of,
    score_slope,
    two_gaps,
)
from genimg_utils.check.vae.training import (
    bits_per_dimension,
    cb_normaliser,
    conditional_minus_elbo,
    diagnose_vae_a,
    diagnose_vae_b,
    diagnose_vae_c,
    faulty_vae,
    log_evidence,
    log_p_of_dots,
    sample_posterior,
)

__all__ = [
    "bits_per_dimension",
    "cb_normaliser",
    "choose_vae_repair",
    "conditional_minus_elbo",
    "count_active",
    "diagnose_collapse",
    "diagnose_vae_a",
    "diagnose_vae_b",
    "diagnose_vae_c",
    "effective_beta",
    "faulty_vae",
    "free_bits",
    "gaussian_kl",
    "linear_elbo",
    "log_evidence",
    "log_p_of_dots",
    "path_factors",
    "perplexity",
    "posterior_of",
    "sample_posterior",
    "score_slope",
    "straight_through",
    "two_gaps",
]

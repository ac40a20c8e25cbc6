"""Exercises on variational autoencoders, one file a chapter."""

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
    "conditional_minus_elbo",
    "diagnose_vae_a",
    "diagnose_vae_b",
    "diagnose_vae_c",
    "faulty_vae",
    "log_evidence",
    "log_p_of_dots",
    "sample_posterior",
]

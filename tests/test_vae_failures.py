"""What chapter 07 says of its longer runs is what was measured."""

import json

from genimg_utils import runtime

BENCH = json.loads((runtime.REPOSITORY / "benchmarks/results/vae_failures.json").read_text(encoding="utf-8"))
NOTEBOOK = (runtime.REPOSITORY / "notebooks/07_vae_failures.ipynb").read_text(encoding="utf-8")
PICTURES = {row["what"]: row for row in BENCH["pictures"]}


def test_each_averaging_has_the_beta_of_the_chapter_and_only_one_bound_is_good():
    right, quiet, both, dead = BENCH["averages"]
    assert [row["β"] for row in BENCH["averages"]] == [1, 1 / 200, 784 / 200, 784]
    assert all(row["what"] in NOTEBOOK for row in BENCH["averages"])
    assert right["−ELBO"] < min(row["−ELBO"] for row in (quiet, both, dead)) - 5
    assert dead["active"] == 0
    assert min(row["active"] for row in (right, quiet, both)) > 180


def test_a_prior_of_its_own_helps_both_kinds_of_latents():
    plain, mixed = PICTURES["VAE, prior N(0, I)"], PICTURES["VAE, mixture of 50"]
    assert mixed["FD-64"] < 0.4 * plain["FD-64"]
    discrete = [row for name, row in PICTURES.items() if name.startswith("VQ-VAE")]
    assert len(discrete) == 2
    assert all(row["short waves"] > plain["short waves"] for row in discrete)
    assert all(row["nats"] > plain["nats"] for row in discrete)
    assert all(row["FD-64"] > mixed["FD-64"] for row in discrete)

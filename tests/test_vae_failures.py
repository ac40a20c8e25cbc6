"""What chapter 07 says of its longer runs is what was measured."""

import json

from genimg_utils import runtime

BENCH = json.loads((runtime.REPOSITORY / "benchmarks/results/vae_failures.json").read_text(encoding="utf-8"))
NOTEBOOK = (runtime.REPOSITORY / "notebooks/07_vae_failures.ipynb").read_text(encoding="utf-8")
CODEBOOK = ("from N(0, I)", "from the first batch", "from N(0, I), revival", "from the first batch, revival")
PICTURES = {row["what"]: row for row in BENCH["pictures"] + BENCH["codes"]}


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
    assert abs(mixed["nats"] - plain["nats"]) < 1  # what the FD gains the bound does not see
    discrete = [row for name, row in PICTURES.items() if name.startswith("VQ-VAE")]
    assert len(discrete) == 2
    assert all(row["short waves"] > plain["short waves"] for row in discrete)
    assert all(row["nats"] > plain["nats"] for row in discrete)
    assert all(row["FD-64"] > mixed["FD-64"] for row in discrete)


def test_with_two_latents_the_blur_does_not_come_from_the_kl_and_with_32_it_does():
    waves = {(row["latents"], row["β"]): row["short waves"] for row in BENCH["blur"]}
    assert max(waves[2, 0], waves[2, 1]) < 0.1
    assert waves[32, 1] < 0.7 * waves[32, 0] < 0.7


def test_moving_averages_alone_leave_codes_unchosen_and_revival_makes_the_start_unimportant():
    starts = {name: [row for row in BENCH["codebook"] if row["what"] == name] for name in CODEBOOK}
    assert {row["what"] for row in BENCH["codebook"]} == {*starts}
    cold, first, *revived = starts.values()
    assert max(row["chosen"] for row in cold) < 16 < min(row["chosen"] for row in first)
    assert all(row["chosen"] == 32 and row["perplexity"] > 15 for rows in revived for row in rows)
    means = [sum(row["distortion"] for row in rows) / len(rows) for rows in (cold, first, *revived)]
    assert means == sorted(means, reverse=True)

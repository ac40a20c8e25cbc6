"""Importance sampling in bounded memory, at the size that papers state: minutes, so in the full tests alone."""

import subprocess
import sys

import pytest

PROGRAM = """
import resource, sys, torch
from genimg_utils import metrics
from genimg_utils.losses import bernoulli
from genimg_utils.networks import Decoder, Encoder

torch.manual_seed(0)
encoder, decoder = Encoder(), Decoder()
x = (torch.rand(1_000, 1, 28, 28) < 0.2).float()
found = metrics.importance_log_likelihood(x, encoder, decoder, bernoulli, k=int(sys.argv[1]))
assert found.log_p.shape == (1_000,) and found.log_p.isfinite().all()
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def peak(k: int) -> float:
    """GiB that a process of its own held at most."""
    run = subprocess.run([sys.executable, "-c", PROGRAM, str(k)], capture_output=True, text=True, check=True)
    return int(run.stdout) / (2**30 if sys.platform == "darwin" else 2**20)  # bytes there, KiB on Linux


@pytest.mark.full
@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no resource module")
def test_five_thousand_samples_of_a_thousand_pictures_fit_in_a_gibibyte() -> None:
    assert peak(5_000) < 1.0

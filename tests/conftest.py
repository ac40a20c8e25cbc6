"""What every test shares: fresh roots for data and runs, the smoke tier, and no window."""

import os
import shutil
import tempfile
from pathlib import Path

import matplotlib
import pytest

matplotlib.use("agg")
pytest.register_assert_rewrite("assigned")
REPOSITORY = Path(__file__).resolve().parents[1]


def pytest_configure(config: pytest.Config) -> None:
    """Fresh roots for the whole run, for workers and kernels too: the user's caches stay untouched."""
    os.environ.setdefault("GENIMG_TIER", "smoke")
    if hasattr(config, "workerinput"):
        return
    root = tempfile.mkdtemp(prefix="genimg-tests-")
    os.environ |= {"GENIMG_DATA": os.path.join(root, "data"), "GENIMG_RUNS": os.path.join(root, "runs")}
    config.add_cleanup(lambda: shutil.rmtree(root, ignore_errors=True))


@pytest.fixture
def repository() -> Path:
    return REPOSITORY

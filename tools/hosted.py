"""Runs every chapter's smoke tier on a hosted service's stack, in an environment of its own.

That is Colab's ipywidgets 7, IPython 7, numpy and matplotlib. Its torch 2.11 is used where it can be had as
a CPU build (macOS); elsewhere the course's own torch is, and that is said.
"""

import os
import subprocess
import sys
import venv

from chapters import NOTEBOOKS, REPOSITORY, chapters, project

STACK = [
    "ipykernel==6.17.1",
    "ipython==7.34.0",
    "ipywidgets==7.7.1",
    "matplotlib==3.10.0",
    "mlxtend==0.23.4",
    "nbval==0.11.0",
    "numpy==2.1.3",
    "pooch==1.9.0",
    "scikit-learn==1.6.1",
    "setuptools<81",  # IPython 7 imports pkg_resources
]


def main() -> int:
    home = REPOSITORY / "build" / "hosted"
    python = home / "bin" / "python"
    torch = "torch==2.11.0" if sys.platform == "darwin" else torch_of_the_course()
    if not python.exists():
        venv.create(home, with_pip=True)
    taken = {requirement.split("==")[0] for requirement in STACK}
    rest = [r for r in project()["project"]["dependencies"] if r.split(">=")[0] not in taken | {"torch"}]
    subprocess.run([python, "-m", "pip", "install", "-q", *STACK, torch, *rest], check=True)
    if "2.11" not in torch:
        print(f"Colab's torch 2.11 has no CPU build here: untested; this run has {torch}.")
    options = "-p tests.nbval_guards -p no:cacheprovider --nbval-lax --nbval-current-env --nbval-cell-timeout=300"
    environment = os.environ | {
        "GENIMG_RUNS": str(home / "runs"),
        "GENIMG_TIER": "smoke",
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": str(REPOSITORY),  # as on Colab: the package is found, not installed
    }
    command = [str(python), "-m", "pytest", *options.split(), str(NOTEBOOKS)]
    return subprocess.call(command, cwd=REPOSITORY, env=environment) if chapters() else 0


def torch_of_the_course() -> str:
    lines = (REPOSITORY / "constraints.txt").read_text(encoding="utf-8").splitlines()
    return next(line for line in lines if line.startswith("torch=="))


if __name__ == "__main__":
    sys.exit(main())

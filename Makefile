# The course's commands. `make` lists them; each makes .venv by itself, and again only when its list of packages changed.
# PYTHON=python3.12 make learn   chooses the Python that .venv is made with.

PYTHON ?= python3
BIN    := .venv/bin
# One thread a process while tests run: two workers with two threads each would fight for the cores.
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadscope -p tests.nbval_guards
NBVAL  := --nbval-lax --nbval-current-env
LINTED := genimg_utils tools tests notebooks $(wildcard benchmarks)

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help learn run test test-full lint models assignments bench clean

help:  ## list the commands
	@awk 'BEGIN { FS = ":.*## " } /^[a-z-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' Makefile

learn: .venv/lab  ## open JupyterLab on your own copy of the chapters, in work/
	@$(BIN)/python tools/learn.py

run: .venv/lab  ## run one chapter without a browser (CHAPTER=03); notebook and page land in build/
	@$(BIN)/python tools/run.py "$(CHAPTER)"

test: lint  ## lint, test the package, and run every chapter in its smoke tier
	$(PYTEST) $(NBVAL) --nbval-cell-timeout=300 tests notebooks

test-full: lint  ## the same with the long tests: every chapter on the cpu tier, the hosted stack, a browser
	$(PYTEST) -m "full or not full" $(NBVAL) --nbval-cell-timeout=300 tests notebooks
	$(BIN)/python tools/hosted.py
	rm -rf build/runs
	GENIMG_TIER=cpu GENIMG_RUNS=$(CURDIR)/build/runs $(BIN)/python -m pytest -p tests.nbval_guards $(NBVAL) --nbval-cell-timeout=1800 notebooks

lint: .venv/dev  ## check style and types
	$(BIN)/ruff check $(LINTED)
	$(BIN)/ruff format --check $(LINTED)
	$(BIN)/mypy

models: .venv/dev  ## train the small models in data/models/ again
	$(BIN)/python tools/models.py

assignments: .venv/lab  ## make the students' notebooks in build/assignments/ (SEED=@FILE with the grader's secret)
	@$(BIN)/python tools/assignments.py $(if $(SEED),--seed "$(SEED)")

bench: .venv/dev  ## measure again what stands in benchmarks/results/
	for name in $(filter-out %/measuring.py,$(wildcard benchmarks/*.py)); do $(BIN)/python "$$name" || exit 1; done

clean:  ## remove what was built, .venv included; never work/, data or runs
	rm -rf .venv build .ruff_cache .mypy_cache .pytest_cache genimg_course.egg-info
	find genimg_utils tools tests -name __pycache__ -type d -prune -exec rm -rf {} +

# --- environments: .venv/lab is what a reader needs, .venv/dev what the tests need ---

.venv/bin/python:
	@command -v "$(PYTHON)" >/dev/null || { echo "There is no $(PYTHON) here: install Python 3.11 or newer, or name one with PYTHON=." >&2; exit 1; }
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "The course needs Python 3.11 or newer, and $(PYTHON) is older: name a newer one, such as make learn PYTHON=python3.12." >&2; exit 1; }
	"$(PYTHON)" -m venv .venv

.venv/lab: pyproject.toml constraints.txt | .venv/bin/python
	$(BIN)/python -m pip install --quiet --no-compile --constraint constraints.txt --editable ".[lab]"
	@touch $@

.venv/dev: pyproject.toml constraints.txt | .venv/bin/python
	$(BIN)/python -m pip install --quiet --no-compile --constraint constraints.txt --editable ".[dev]"
	@touch $@

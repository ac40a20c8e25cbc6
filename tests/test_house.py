"""The house: lists of packages agree, commands behave, rooms keep to their floors, files are clean."""

import ast
import hashlib
import importlib.metadata
import io
import os
import re
import shutil
import subprocess
import sys
import time
import tokenize
from pathlib import Path

import chapters
import matplotlib
import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import genimg_utils

REPOSITORY = chapters.REPOSITORY
PACKAGE = REPOSITORY / "genimg_utils"
PROJECT = chapters.project()["project"]
needs_make = pytest.mark.skipif(shutil.which("make") is None, reason="make is not here (Windows): use pip, see README")


def constraints() -> dict[str, str]:
    lines = (REPOSITORY / "constraints.txt").read_text(encoding="utf-8").split()
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+==[0-9][0-9A-Za-z.]*", line) for line in lines)  # exact, no local build
    pairs = [line.split("==") for line in lines]
    names = [canonicalize_name(name) for name, _ in pairs]
    assert len(set(names)) == len(names)
    return dict(zip(names, (version for _, version in pairs), strict=True))


# --- packages ---


def requirements() -> list[Requirement]:
    extras = [line for lines in PROJECT["optional-dependencies"].values() for line in lines]
    every = [Requirement(line) for line in [*PROJECT["dependencies"], *extras]]
    return [r for r in every if r.name != PROJECT["name"]]


@pytest.mark.parametrize("requirement", requirements(), ids=str)
def test_each_requirement_has_an_exact_version_that_fits(requirement: Requirement) -> None:
    version = constraints()[canonicalize_name(requirement.name)]
    assert requirement.specifier.contains(version)


@pytest.mark.skipif(sys.platform != "linux", reason="constraints.txt was frozen on Linux")
def test_constraints_hold_all_that_is_installed_on_the_way() -> None:
    """Every package that a requirement brings along has its line, or a fresh machine gets what is newest."""
    seen: set[str] = set()
    queue = [(canonicalize_name(PROJECT["name"]), frozenset({"dev"}))]
    while queue:
        name, extras = queue.pop()
        for line in importlib.metadata.requires(name) or []:
            requirement = Requirement(line)
            markers = [{"extra": extra} for extra in extras or {""}]
            if requirement.marker and not any(requirement.marker.evaluate(m) for m in markers):
                continue
            next_name = canonicalize_name(requirement.name)
            if next_name not in seen or requirement.extras:
                seen.add(next_name)
                queue.append((next_name, frozenset(requirement.extras)))
    of_torch = {name for name in seen if name.startswith(("nvidia-", "cuda-", "triton"))}  # torch pins them itself
    assert seen - of_torch - constraints().keys() <= {canonicalize_name(PROJECT["name"])}


def test_conda_users_get_the_same() -> None:
    environment = yaml.safe_load((REPOSITORY / "environment.yml").read_text(encoding="utf-8"))
    *conda, pip = environment["dependencies"]
    assert conda == [f"python{PROJECT['requires-python']}", "pip"]
    assert pip == {"pip": ["--constraint constraints.txt", "--editable .[lab]"]}


def test_ranges_leave_a_hosted_stack_untouched() -> None:
    hosted = {
        "torch": "2.11.0",
        "numpy": "2.1.3",
        "matplotlib": "3.10.0",
        "ipywidgets": "7.7.1",
        "pooch": "1.9.0",
    }
    hosted |= {"scikit-learn": "1.6.1", "mlxtend": "0.23.4"}
    ranges = {r.name: r.specifier for r in map(Requirement, PROJECT["dependencies"])}
    assert [name for name, version in hosted.items() if not ranges[name].contains(version)] == []


def test_one_version_everywhere() -> None:
    assert f"\nversion: {genimg_utils.__version__}\n" in (REPOSITORY / "CITATION.cff").read_text(encoding="utf-8")
    assert f"\n## {genimg_utils.__version__}" in (REPOSITORY / "CHANGELOG.md").read_text(encoding="utf-8")
    assert importlib.metadata.version(PROJECT["name"]) == genimg_utils.__version__


# --- commands ---


def make(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    clean = {k: v for k, v in os.environ.items() if k not in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS", "PYTHON")}
    return subprocess.run(["make", *words], cwd=folder, capture_output=True, text=True, env=clean, check=False)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A folder with what the Makefile reads, and no .venv."""
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        shutil.copy(REPOSITORY / name, tmp_path)
    return tmp_path


def script(path: Path, body: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return path


@needs_make
def test_make_alone_lists_every_command(checkout: Path) -> None:
    listed = re.findall(r"^  make ([a-z-]+) ", make(checkout).stdout, re.MULTILINE)
    phony = re.search(r"^\.PHONY: (.+)$", (checkout / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    assert phony
    assert {*listed} == {*phony[1].split()}
    assert not (checkout / ".venv").exists()


@needs_make
@pytest.mark.parametrize("command", ["learn", "run", "test", "test-full", "lint", "models", "bench"])
def test_an_old_python_is_refused_with_a_sentence(command: str, checkout: Path) -> None:
    pretend = "import sys; sys.version_info = (3, 10, 14); exec(sys.argv[2])"
    old = script(checkout / "python3.10", f"exec {sys.executable} -c '{pretend}' \"$@\"")
    answer = make(checkout, command, f"PYTHON={old}")
    assert answer.returncode != 0
    assert f"needs Python 3.11 or newer, and {old} is older" in answer.stderr
    assert not (checkout / ".venv").exists()


@needs_make
def test_a_missing_python_is_refused_with_a_sentence(checkout: Path) -> None:
    answer = make(checkout, "learn", "PYTHON=python-of-nobody")
    assert answer.returncode != 0
    assert "There is no python-of-nobody here: install Python 3.11 or newer" in answer.stderr


@needs_make
def test_packages_are_installed_once_and_again_when_their_list_changed(checkout: Path) -> None:
    log = checkout / "log"
    script(checkout / ".venv/bin/python", f'echo "$*" >> {log}')

    def calls() -> list[str]:
        log.write_text("")
        assert make(checkout, "learn").returncode == 0
        return log.read_text().splitlines()

    first = calls()
    assert "--constraint constraints.txt --editable .[lab]" in first[0]
    assert first[-1] == "tools/learn.py"
    assert calls() == ["tools/learn.py"]
    later = time.time()
    for name in ("pyproject.toml", "constraints.txt"):
        later += 10
        os.utime(checkout / name, times=(later, later))
        assert calls() == first
        os.utime(checkout / ".venv/lab", times=(later, later))
    assert calls() == ["tools/learn.py"]


@needs_make
def test_clean_keeps_the_readers_work(checkout: Path) -> None:
    for name in ("work", ".venv", "build", "genimg_utils/__pycache__", "tools", "tests"):
        (checkout / name).mkdir(parents=True)
    assert make(checkout, "clean").returncode == 0
    assert (checkout / "work").exists()
    assert not any((checkout / name).exists() for name in (".venv", "build", "genimg_utils/__pycache__"))


def contents(folder: Path) -> dict[str, str]:
    files = (p for p in folder.rglob("*") if p.is_file() and "__pycache__" not in p.parts)
    return {str(p): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


@pytest.mark.parametrize("tool", ["generate.py --check", "stamp.py --check", "hygiene.py"])
def test_checking_tools_run_from_anywhere_and_write_nothing(tool: str, tmp_path: Path) -> None:
    course, elsewhere = tmp_path / "course", tmp_path / "elsewhere"
    elsewhere.mkdir()
    for name in ("tools", "genimg_utils", "notebooks"):
        shutil.copytree(REPOSITORY / name, course / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "constraints.txt"):
        shutil.copy(REPOSITORY / name, course)
    stale = "<!-- course map -->\nstale\n<!-- end of course map -->\n"  # so that there is something to mend
    (course / "README.md").write_text(stale, encoding="utf-8")
    folders = [course, *(p for p in course.rglob("*") if p.is_dir())]
    before = contents(course)
    for path in folders:
        path.chmod(0o555)
    name, *options = tool.split()
    command = [sys.executable, course / "tools" / name, *options]
    answer = subprocess.run(command, cwd=elsewhere, capture_output=True, text=True, check=False)
    for path in folders:
        path.chmod(0o755)
    assert answer.stderr == ""
    assert answer.returncode in (0, 1)  # 1: it found something, which the chapters' own tests report
    assert contents(course) == before
    assert [*elsewhere.iterdir()] == []


# --- rooms ---

ALGORITHMS = {"layers", "losses", "networks", "steps", "metrics"}
MAY_IMPORT: dict[str, set[str]] = {
    "layers": set(),
    "losses": set(),
    "networks": {"layers"},
    "steps": {"losses"},
    "metrics": {"losses", "networks"},
    "runtime": set(),
    "points": set(),
    "pool": set(),
    "seasons": set(),
    "data": {"runtime", "seasons"},
    "unpaired": {"runtime", "seasons", "data"},
    "checkpoint": {"runtime"},
    "training": {"runtime", "checkpoint"},
    "recipes": ALGORITHMS | {"runtime", "data", "unpaired", "pool", "training", "fast"},
    "fast": {"runtime"},
    "plotting": set(),
    "figures": {"plotting"},
    "widgets": {"plotting", "figures"},
    "check": ALGORITHMS | {"points", "pool", "seasons", "training"},
    "grading": {"check", "metrics"},
}
FLOORS = [
    "layers",
    "losses",
    "networks",
    "steps",
    "metrics",
    "runtime",
    "points",
    "pool",
    "seasons",
    "data",
    "unpaired",
    "checkpoint",
    "training",
]
FLOORS += ["fast"]


def room(path: Path) -> str:
    """The room that a file belongs to: the first name below the package."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported_rooms(source: str) -> set[str]:
    """The rooms that this source imports, at the top or inside a function."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "rooms import each other by their full names"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        found |= {name.split(".")[1] for name in names if name.startswith("genimg_utils.")}
    return found - {"__version__"}


def code_lines(source: str) -> int:
    """Lines that hold code: no docstrings, comments or blank lines."""
    skip = {
        tokenize.COMMENT,
        tokenize.NL,
        tokenize.NEWLINE,
        tokenize.INDENT,
        tokenize.DEDENT,
        tokenize.ENDMARKER,
    }
    lines: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type not in skip:
            lines |= {*range(token.start[0], token.end[0] + 1)}
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            lines -= {*range(node.lineno, (node.end_lineno or node.lineno) + 1)}
    return len(lines)


SOURCES = {path: path.read_text(encoding="utf-8") for path in sorted(PACKAGE.rglob("*.py"))}


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_rooms_import_what_their_floor_allows(path: Path) -> None:
    name = room(path)
    if name in ("__init__", "__main__"):
        assert name == "__main__" or not imported_rooms(SOURCES[path])
        return
    assert name in MAY_IMPORT, "a new room: give it its line in the table"
    assert imported_rooms(SOURCES[path]) <= MAY_IMPORT[name] | {name}


def test_the_package_stays_small() -> None:
    sizes = {path: code_lines(source) for path, source in SOURCES.items()}
    assert sum(size for path, size in sizes.items() if room(path) in FLOORS) < 2_300
    rooms = {path: size for path, size in sizes.items() if "check" not in path.parts}  # its files are data
    assert {path.name: size for path, size in rooms.items() if size > 280} == {}


def test_imports_and_lines_are_counted_as_meant() -> None:
    source = '"""Doc."""\nfrom genimg_utils import data\n\n\ndef f():\n    """Doc."""\n    # why\n'
    source += '    import genimg_utils.losses.gan\n    return """\n    text"""\n'
    assert imported_rooms(source) == {"data", "losses"}
    assert code_lines(source) == 5


LOOK = """
import importlib, os, random, sys
import matplotlib, numpy, torch

def state():
    generators = random.getstate(), str(numpy.random.get_state()), torch.get_rng_state().tolist()
    settings = torch.get_num_threads(), torch.get_default_dtype(), torch.is_grad_enabled()
    return *generators, *settings, dict(os.environ), str(matplotlib.rcParams), os.getcwd()

random.seed(1), numpy.random.seed(2), torch.manual_seed(3)
import IPython, ipywidgets, mlxtend.data, pooch, scipy.linalg, sklearn.datasets, tqdm.auto
before = state()
for name in sys.argv[1:]:
    importlib.import_module(name)
assert state() == before, [now for then, now in zip(before, state()) if then != now]
"""


def test_nothing_happens_on_import(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    names = [".".join(path.relative_to(REPOSITORY).with_suffix("").parts) for path in SOURCES]
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("GENIMG_", "XDG_"))}
    environment |= {"HOME": str(home), "USERPROFILE": str(home), "IPYTHONDIR": str(tmp_path / "ipython")}
    environment["MPLCONFIGDIR"] = matplotlib.get_cachedir()  # its cache of fonts takes seconds to build
    environment["PYTHONPATH"] = str(REPOSITORY)
    answer = subprocess.run(
        [sys.executable, "-W", "error::UserWarning:genimg_utils", "-c", LOOK, *names],
        cwd=home, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (answer.returncode, answer.stdout, answer.stderr) == (0, "", "")
    assert [*home.rglob("*")] == []


# --- what the files say ---

# Spelled in pieces, so that this file does not hold what it looks for.
FORBIDDEN = {
    "a path of one machine": r"(?<![\w.$~])/(?:wo" r"rk|ro" r"ot)/",
    "a package index's host": r"(?:py" r"pi|pythonhos" r"ted|load\.pytorch|npm" r"js|conda)\.(?:org|com)",
    "an unfinished mark": r"\b(?:TO" r"DO|FIX" r"ME|X" r"XX)\b",
}  # fmt: skip


def tracked() -> list[Path]:
    git = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    if shutil.which("git") is None or not (REPOSITORY / ".git").exists():
        pytest.skip("not a git checkout, so there is no list of the project's own files")
    names = subprocess.run(git, cwd=REPOSITORY, capture_output=True, text=True, check=True).stdout.split("\0")
    return [REPOSITORY / name for name in names if name and (REPOSITORY / name).is_file()]


@pytest.mark.parametrize("what", FORBIDDEN)
def test_no_file_holds(what: str) -> None:
    found = []
    for path in tracked():
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue  # a picture or weights
        found += [f"{path.relative_to(REPOSITORY)}: {hit[0]}" for hit in re.finditer(FORBIDDEN[what], text)]
    assert found == []


def test_every_link_of_the_readme_leads_somewhere() -> None:
    for page in ("README.md", "CONTRIBUTING.md"):
        text = (REPOSITORY / page).read_text(encoding="utf-8")
        links = re.findall(r"\]\(((?!https?:|#)[^)]+)\)", text)
        assert [link for link in links if not (REPOSITORY / link.split("#")[0]).exists()] == []

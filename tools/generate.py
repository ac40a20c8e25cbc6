"""Writes what no hand should: navigation bars, badges, set-up cells, and the README's course map.

`python tools/generate.py` writes; with --check it writes nothing and names what differs.
"""

import re
import sys
from pathlib import Path

from chapters import (
    NOTEBOOKS,
    REPOSITORY,
    Cell,
    Notebook,
    chapters,
    has_tag,
    project,
    read,
    stamp,
    text,
    title,
)

README = REPOSITORY / "README.md"
MAP = re.compile(r"(<!-- course map -->\n).*?(<!-- end of course map -->)", re.DOTALL)

# What a hosted notebook service has of its own, in versions that nobody should replace there.
HOSTED = {"ipywidgets", "matplotlib", "numpy", "pillow", "psutil", "scikit-learn", "scipy", "torch"}

SETUP = """\
# Set-up, written by tools/generate.py: finds the package, changes nothing at home.
import importlib.util
import subprocess
import sys
from pathlib import Path

if "google.colab" in sys.modules:
{fetch}    wanted = [{wanted}]
    missing = [name for name in wanted if importlib.util.find_spec(name) is None]
    if missing:  # --no-deps: the service keeps its own torch and numpy
        pip = [sys.executable, "-m", "pip", "install", "-q", "--no-deps"]
        subprocess.run([*pip, *missing], check=True)
if importlib.util.find_spec("genimg_utils") is None:
    raise ModuleNotFoundError(
        "genimg_utils is not here: put the course's folders genimg_utils and data into "
        f"{{Path.cwd()}}, or run 'pip install -e .' in the course's folder."
    )"""

FETCH = """\
    course, home = "{url}", "/content/genimg"
    if not Path(home).exists():
        clone = ["git", "clone", "-q", "--depth", "1", "--branch", "v{version}"]
        subprocess.run([*clone, course, home], check=True)
    sys.path.insert(0, home)
"""


def setup_source(url: str, version: str, requirements: list[str]) -> str:
    """The set-up cell's code; without an address it fetches nothing and says where to put the folder."""
    names = [re.split(r"[<>=!~ ]", requirement)[0] for requirement in requirements]
    wanted = ", ".join(f'"{name}"' for name in names if name not in HOSTED)
    fetch = FETCH.format(url=url, version=version) if url else ""
    return SETUP.format(fetch=fetch, wanted=wanted)


def badge(name: str, url: str) -> str:
    """A link that opens the chapter on Colab, which knows notebooks on GitHub alone; empty elsewhere."""
    found = re.match(r"https://github\.com/([^/]+/[^/]+?)(?:\.git)?/?$", url)
    if not found:
        return ""
    colab = f"https://colab.research.google.com/github/{found[1]}/blob/main/notebooks/{name}"
    return f"[![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)]({colab})"


def navigation_bar(names: dict[str, str], name: str, url: str) -> str:
    """Previous, next, notation and badge for the chapter `name`; `names` maps files to titles, in order."""
    order = [*names]
    here = order.index(name)
    parts = [f"[← {names[n]}]({n})" for n in order[max(0, here - 1) : here]]
    parts.append("[Symbols and terms](notation.md)")
    parts += [f"[{names[n]} →]({n})" for n in order[here + 1 : here + 2]]
    return " · ".join([*parts, *filter(None, [badge(name, url)])])


def bar(names: dict[str, str], name: str, url: str, notebook: Notebook) -> str:
    """The navigation bar, and under it the time that the chapter took where it was measured."""
    where = {"cpu": "on two CPU cores", "gpu": "on a GPU"}
    times = [f"{measured(notebook, tier)} {place}" for tier, place in where.items()]
    known = [time for time in times if not time.startswith("–")]
    links = navigation_bar(names, name, url)
    return f"{links}\n\nTo run it all: {', '.join(known)}." if known else links


def with_generated(notebook: Notebook, bar: str, setup: str) -> Notebook:
    """The notebook with its two bars and its set-up cell as they should be, every other cell untouched."""
    cells = [cell for cell in notebook["cells"] if not has_tag(cell, "navigation", "setup")]
    old = next((cell for cell in notebook["cells"] if has_tag(cell, "setup")), None)
    code = next((i for i, cell in enumerate(cells) if cell["cell_type"] == "code"), len(cells))
    cells.insert(code, setup_cell(setup, old))
    return notebook | {"cells": [bar_cell("navigation-top", bar), *cells, bar_cell("navigation-end", bar)]}


def bar_cell(name: str, bar: str) -> Cell:
    return {"cell_type": "markdown", "id": name, "metadata": {"tags": ["navigation"]}, "source": bar}


def setup_cell(source: str, old: Cell | None) -> Cell:
    """A set-up cell, with the count of the one that it replaces."""
    count = old["execution_count"] if old else None
    metadata = {"tags": ["setup"], "jupyter": {"source_hidden": True}}
    return {
        "cell_type": "code",
        "id": "setup",
        "metadata": metadata,
        "source": source,
        "execution_count": count,
        "outputs": [],
    }


def course_map(notebooks: dict[str, Notebook], url: str) -> str:
    """The README's table: chapter, what one learns, measured minutes a tier, badge."""
    badges = any(badge(name, url) for name in notebooks)
    rows = ["| chapter | what you learn | without a GPU | with a GPU |", "|---|---|---|---|"]
    if badges:
        rows = [rows[0] + " |", rows[1] + "---|"]
    for name, notebook in notebooks.items():
        heading, learn = title(notebook)
        times = [measured(notebook, tier) for tier in ("cpu", "gpu")]
        row = [f"[{heading}](notebooks/{name})", learn, *times, *([badge(name, url)] if badges else [])]
        rows.append("| " + " | ".join(row) + " |")
    return "\n".join(rows) + "\n"


def measured(notebook: Notebook, tier: str) -> str:
    run = stamp(notebook).get("runs", {}).get(tier)
    if not run:
        return "–"
    seconds = run["seconds"]
    return f"{seconds} s" if seconds < 90 else f"{seconds / 60:.0f} min"


def wanted(folder: Path = NOTEBOOKS, readme: Path = README) -> dict[Path, str]:
    """Each generated file's path and the text that it should have."""
    import genimg_utils

    about = project()
    url = about["tool"]["genimg"]["url"]
    setup = setup_source(url, genimg_utils.__version__, about["project"]["dependencies"])
    notebooks = {path.name: read(path) for path in chapters(folder)}
    names = {name: title(notebook)[0] for name, notebook in notebooks.items()}
    files = {
        folder / name: text(with_generated(notebook, bar(names, name, url, notebook), setup))
        for name, notebook in notebooks.items()
    }
    table = course_map(notebooks, url)
    files[readme], times = MAP.subn(lambda m: m[1] + table + m[2], readme.read_text(encoding="utf-8"))
    if times != 1:
        raise ValueError(f"{readme.name} has {times} course maps: one is wanted, between comment lines")
    return files


def main(arguments: list[str]) -> int:
    check = "--check" in arguments
    differing = {p: new for p, new in wanted().items() if p.read_text(encoding="utf-8") != new}
    for path, new in differing.items():
        if check:
            print(f"{path.name} differs from what it should be; run: python tools/generate.py")
        else:
            path.write_text(new, encoding="utf-8", newline="\n")
            print(f"{path.name}: written")
    return int(check and bool(differing))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

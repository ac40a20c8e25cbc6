"""The chapters as files: house rules, generated parts, stamps, solutions; and the tests of those rules."""

import ast
import base64
import copy
import importlib.util
import io
import os
import re
import subprocess
import sys
import textwrap
import warnings
from collections.abc import Callable
from pathlib import Path

import chapters
import exercises
import formulas
import generate
import hygiene
import learn
import nbformat
import numpy as np
import pytest
import run
import stamp
from PIL import Image

ALL = chapters.chapters()
each_chapter = pytest.mark.parametrize("path", ALL, ids=lambda path: path.stem)
PACKAGE = hygiene.package_definitions()


@each_chapter
def test_links_between_chapters_lead_to_a_heading_that_is_there(path: Path) -> None:
    text = "\n".join(cell["source"] for cell in chapters.read(path)["cells"] if cell["cell_type"] == "markdown")
    for name, anchor in re.findall(r"\]\(([^()#\s]*\.ipynb)?#([^()\s]+)\)", text):
        there = chapters.read(path.with_name(name) if name else path)["cells"]
        told = "\n".join(cell["source"] for cell in there if cell["cell_type"] == "markdown")
        headings = re.findall(r"^#+ (.+)$", told, re.MULTILINE)
        assert anchor in [heading.strip().replace(" ", "-") for heading in headings], (name, anchor)


# --- small notebooks to try the rules on ---


def png(value: int | None = None) -> str:
    ramp = np.arange(64, dtype=np.uint8).reshape(8, 8)
    pixels = ramp if value is None else np.full_like(ramp, value)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "png")
    return base64.b64encode(buffer.getvalue()).decode()


def code(source: str, *outputs: dict, tags: tuple[str, ...] = (), **genimg: object) -> dict:
    metadata = {"tags": [*tags]} | ({"genimg": genimg} if genimg else {})
    return {"cell_type": "code", "source": source, "metadata": metadata, "outputs": [*outputs]}


def prose(source: str, **genimg: object) -> dict:
    return {"cell_type": "markdown", "source": source, "metadata": {"genimg": genimg} if genimg else {}}


def stream(text: str) -> dict:
    return {"output_type": "stream", "name": "stdout", "text": text}


def picture(image: str, **metadata: object) -> dict:
    return {"output_type": "display_data", "data": {"image/png": image}, "metadata": {"image/png": metadata}}


def notebook(*cells: dict) -> dict:
    """A notebook as if it had just been run."""
    cells = copy.deepcopy(cells)
    count = 0
    for number, cell in enumerate(cells):
        cell["id"] = f"c{number}"
        if cell["cell_type"] == "code":
            count += 1
            cell["execution_count"] = count
    return {"cells": [*cells], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}


STUB = 'def double(x):\n    """Twice x."""\n    ...\n\n\nprint("✓" if double(2) == 4 else "○")'
ANSWER = "<details><summary>Answer</summary>\n\n```python\ndef double(x):\n    return 2 * x\n```\n</details>"


def good() -> dict:
    """A chapter that breaks no rule, with one of everything that the rules look at."""
    return notebook(
        prose("# 07 · A chapter\n\nOne learns this.\n\nText with $a + b$."),
        code("import math"),
        code("draw();", picture(png(), alt="a ramp from black to white")),
        code(STUB, stream("○\n"), tags=("exercise",), exercise="double"),
        prose(ANSWER, exercise="double"),
    )


# --- the rules: a notebook that keeps them all, and one planted violation each ---


def widen(nb: dict) -> None:
    nb["cells"][1]["source"] = "x = " + "1" * 89


PLANTED: dict[str, Callable[[dict], object]] = {
    "share the id": lambda nb: nb["cells"][1].update(id="c0"),
    "execution counts": lambda nb: nb["cells"][1].update(execution_count=None),
    "execution counts [2": lambda nb: [c.update(execution_count=2) for c in nb["cells"][1:2]],
    "an error output": lambda nb: nb["cells"][1]["outputs"].append({"output_type": "error", "ename": "E"}),
    "metadata.widgets": lambda nb: nb["metadata"].update(widgets={}),
    "a widget's view": lambda nb: nb["cells"][1]["outputs"].append(
        {"output_type": "display_data", "data": {"application/vnd.jupyter.widget-view+json": {}}}
    ),
    "a path of this machine, /home/ann": lambda nb: nb["cells"][1]["outputs"].append(stream("/home/ann/x")),
    "a path of this machine, /tmp/x": lambda nb: nb["cells"][1].update(source="open('/tmp/x')"),
    "without alt text": lambda nb: nb["cells"][2]["outputs"][0].update(metadata={}),
    "a blank picture": lambda nb: nb["cells"][2]["outputs"].append(picture(png(255), alt="white")),
    "26 lines": lambda nb: nb["cells"][1].update(source="\n".join("x" * 26)),
    "93 columns": widen,
    "the middle code cell": lambda nb: [c.update(source="\n" * 9) for c in nb["cells"][1:3]],
    "refused": lambda nb: nb["cells"][0].update(source=r"$\operatorname{KL}$"),
    "has 0 folded": lambda nb: nb["cells"].pop(4),
    "has 2 folded": lambda nb: nb["cells"].append(nb["cells"][4] | {"id": "c5"}),
    "has no name": lambda nb: nb["cells"][3]["metadata"].pop("genimg"),
    "not the tag": lambda nb: nb["cells"][3]["metadata"].pop("tags"),
    "nothing in it is left blank": lambda nb: nb["cells"][3].update(source="def double(x): return 2 * x"),
    "blank answers ○": lambda nb: nb["cells"][3]["outputs"].clear(),
    "does not fit": lambda nb: nb["cells"][4].update(source=ANSWER.replace("double(x)", "double(y)")),
    "belongs to no exercise": lambda nb: nb["cells"].append(
        nb["cells"][4] | {"id": "c5", "metadata": {"genimg": {"exercise": "other"}}}
    ),
}


def test_a_good_chapter_breaks_no_rule() -> None:
    assert hygiene.problems(good(), PACKAGE) == []


@pytest.mark.parametrize("sentence", PLANTED)
def test_a_planted_violation_is_named(sentence: str) -> None:
    nb = good()
    PLANTED[sentence](nb)
    assert any(sentence in found for found in hygiene.problems(nb, PACKAGE))


GARBLED = [
    r"$\mbox{a}$", r"$\phantom{a}$", "$x^*$", r"$\{x\}$", r"$a\,=b$", "$[a](b)$", "$a<b$", "a$x$", "2-$x$",
    "$a +\nb$", "\\begin{align} a \\end{align}", "$$\\begin{align}a\\\\b\\\\c\\\\d\\end{align}$$",
    "<details>\n$x$\n</details>", "[the $x$](other.md)", r"$$\operatorname{KL}$$",
]  # fmt: skip

FINE = [
    r"$\mathrm{KL}(q \Vert p)$", r"$x^\ast$", r"$a \lt b$", "($x$)", "`$x$a$`", r"costs \$5, or \$6",
    "```python\na$b = '$x^*$'\n```", "$$\na + b\n$$", r"$$\begin{align}a\\b\\c\end{align}$$",
    "$[a, b]$ (here)",
]  # fmt: skip


@pytest.mark.parametrize("bad", GARBLED)
def test_formulas_that_github_garbles_are_found(bad: str) -> None:
    assert formulas.formulas(f"Text.\n\n{bad}\n\nMore.") != []


@pytest.mark.parametrize("fine", FINE)
def test_formulas_that_github_sets_are_left_alone(fine: str) -> None:
    assert formulas.formulas(f"Text.\n\n{fine}\n\nMore.") == []


def test_shared_cells_are_held_to_the_package() -> None:
    source = "def area(r: float) -> float:\n    return 3 * r"
    package = {"area": [hygiene.bare_tree(hygiene.definitions(source)["area"])]}

    def found(text: str, *tags: str) -> list[str]:
        return hygiene.shared_with(package, notebook(code(text, tags=tags)))

    documented = source.replace(":\n", ':\n    """Other words."""\n    # and a comment\n')
    bare = "def area(r):\n    return 3 * r"
    assert found(source, "shared") == found(documented, "shared") == found(bare, "shared") == []
    assert "differs" in found("def area(r=1):\n    return 3 * r", "shared")[0]
    assert "differs" in found(source.replace("3", "4"), "shared")[0]
    assert "no such name" in found(source.replace("area", "volume"), "shared")[0]
    assert "import it" in found(source)[0]
    assert found(source, "exercise") == found(source, "fault") == []


def test_the_package_has_definitions_to_be_held_to() -> None:
    assert {"gan_step", "r1", "Generator"} <= PACKAGE.keys()


# --- the chapters themselves ---


@each_chapter
def test_chapter_keeps_the_house_rules(path: Path) -> None:
    assert hygiene.problems(chapters.read(path), PACKAGE) == []
    nbformat.validate(nbformat.read(path, as_version=4))


@each_chapter
def test_chapter_is_small_enough_to_preview(path: Path) -> None:
    size = path.stat().st_size
    assert size <= hygiene.TOO_LARGE
    if size > hygiene.LARGE:
        warnings.warn(f"{path.name}: {size // 1000} kB, aim at {hygiene.LARGE // 1000}", stacklevel=1)


@each_chapter
def test_chapter_was_stamped_with_the_code_that_it_holds(path: Path) -> None:
    nb = chapters.read(path)
    assert not stamp.stale(nb), f"run: python tools/stamp.py {path.name[:2]}"
    assert chapters.stamp(nb)["runs"]["cpu"].keys() == {"dataset", "device", "torch", "seconds"}


def test_generated_parts_are_up_to_date() -> None:
    old = [p.name for p, new in generate.wanted().items() if p.read_text(encoding="utf-8") != new]
    assert not old, "run: python tools/generate.py"


@pytest.mark.parametrize("path", [p for p in ALL if b'"exercise"' in p.read_bytes()], ids=lambda p: p.stem)
def test_every_solution_passes_its_check(path: Path, tmp_path: Path) -> None:
    nb = chapters.read(path)
    assert solved_run(nb, tmp_path / path.name) == []


def solved_run(nb: dict, target: Path) -> list[str]:
    """Runs the notebook with its solutions in; what is wrong with the answers that it prints."""
    stubs = [cell for cell in nb["cells"] if chapters.has_tag(cell, "exercise")]
    chapters.write(target, exercises.with_solutions(nb))
    executed, _ = chapters.run(target, lambda *_: None)
    said = "".join(out.get("text", "") + str(out.get("data", "")) for _, out in chapters.outputs(executed))
    found = ["still ○"] * said.count("○")
    return found + ([] if said.count("✓") >= len(stubs) else [f"{len(stubs)} exercises, {said.count('✓')} ✓"])


def test_a_wrong_or_missing_solution_is_noticed(tmp_path: Path) -> None:
    nb = good()
    nb["cells"][2]["source"] = "pass"
    assert solved_run(nb, tmp_path / "right.ipynb") == []
    nb["cells"][4]["source"] = ANSWER.replace("2 * x", "3 * x")
    assert solved_run(nb, tmp_path / "wrong.ipynb") == ["still ○", "1 exercises, 0 ✓"]


def test_a_solution_fills_blanks_and_leaves_the_rest() -> None:
    stub = "import math\n\nanswer = ...\n\n\ndef f(x):\n    ...\n\n\ncheck(answer, f)"
    solved = exercises.solved(stub, "def f(x):\n    return math.exp(x)\n\nanswer = 'b'\n\ncheck(answer, f)")
    assert solved == stub.replace("answer = ...", "answer = 'b'").replace("    ...", "    return math.exp(x)")
    with pytest.raises(KeyError, match="stub does not: g"):
        exercises.solved(stub, "def f(x):\n    return 1\n\nanswer = 1\n\ng = 2")


# --- the tools ---


def write_chapters(folder: Path) -> list[Path]:
    paths = []
    for name in ("00_one.ipynb", "01_two.ipynb", "02_three.ipynb"):
        nb = good()
        nb["cells"][0]["source"] = f"# {name[:2]} · Chapter {name[3:-6]}\n\nOne\nlearns.\n\nMore."
        nb["metadata"]["genimg"] = {"runs": {"cpu": {"seconds": 130}}}
        chapters.write(folder / name, nb)
        paths.append(folder / name)
    return paths


def generated(folder: Path, monkeypatch: pytest.MonkeyPatch, url: str = "") -> None:
    about = chapters.project()
    about["tool"]["genimg"]["url"] = url
    monkeypatch.setattr(generate, "project", lambda: about)
    for path, text in generate.wanted(folder, folder / "README.md").items():
        path.write_text(text, encoding="utf-8")


def test_generated_parts_come_once_and_follow_their_neighbours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second, third = write_chapters(tmp_path)
    (tmp_path / "README.md").write_text("# x\n<!-- course map -->\nold\n<!-- end of course map -->\ny\n")
    generated(tmp_path, monkeypatch)
    texts = [p.read_text() for p in tmp_path.iterdir()]
    generated(tmp_path, monkeypatch)
    assert [p.read_text() for p in tmp_path.iterdir()] == texts  # idempotent

    nb = chapters.read(second)
    bars = [cell["source"] for cell in nb["cells"] if chapters.has_tag(cell, "navigation")]
    assert bars == [nb["cells"][0]["source"], nb["cells"][-1]["source"]]
    assert "[← 00 · Chapter one](00_one.ipynb)" in bars[0]
    assert "[02 · Chapter three →](02_three.ipynb)" in bars[0]
    assert "←" not in chapters.read(first)["cells"][0]["source"]
    assert "→" not in chapters.read(third)["cells"][0]["source"]
    assert chapters.source_hash(nb) == chapters.source_hash(good())  # the set-up cell does not count
    nbformat.validate(nbformat.read(second, as_version=4))

    readme = (tmp_path / "README.md").read_text()
    assert "| [00 · Chapter one](notebooks/00_one.ipynb) | One learns. | 2 min | – |\n" in readme
    assert readme.startswith("# x\n")
    assert readme.endswith("\ny\n")
    assert "old" not in readme
    assert "colab" not in readme.lower()
    second.unlink()
    generated(tmp_path, monkeypatch)
    assert "[02 · Chapter three →]" in chapters.read(first)["cells"][0]["source"]


def test_the_address_gives_badges_and_a_clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, *_ = write_chapters(tmp_path)
    (tmp_path / "README.md").write_text("<!-- course map -->\n<!-- end of course map -->\n")
    generated(tmp_path, monkeypatch, "https://github.com/some/course")
    opens = "https://colab.research.google.com/github/some/course/blob/main/notebooks/00_one.ipynb"
    assert opens in (tmp_path / "README.md").read_text()
    nb = chapters.read(first)
    assert opens in nb["cells"][0]["source"]
    setup = next(cell for cell in nb["cells"] if chapters.has_tag(cell, "setup"))
    assert 'course, home = "https://github.com/some/course", "/content/genimg"' in setup["source"]
    listed = re.search(r"wanted = (.+)", setup["source"])
    assert listed
    assert all(importlib.util.find_spec(name) for name in ast.literal_eval(listed[1]))  # names that import
    assert hygiene.sizes_of_code(notebook(setup)) == []


@pytest.mark.parametrize("url", ["", "https://github.com/some/course"])
def test_setup_cell_changes_nothing_at_home_and_says_what_to_do(url: str, tmp_path: Path) -> None:
    source = generate.setup_source(url, "1.0", chapters.project()["project"]["dependencies"])
    home = [sys.executable, "-c", "import subprocess; subprocess.run = None\n" + source]
    assert subprocess.run(home, capture_output=True, text=True, cwd=tmp_path, check=True).stdout == ""
    bare = [sys.executable, "-S", "-c", source]  # without site-packages there is no package
    answer = subprocess.run(bare, capture_output=True, text=True, cwd=tmp_path, check=False).stderr
    assert f"put the course's folders genimg_utils and data into {tmp_path}" in answer.splitlines()[-1]


def test_setup_cell_on_a_hosted_service_clones_once_and_installs_what_is_missing() -> None:
    source = generate.setup_source("https://x.org/y", "1.0", ["mlxtend>=0.23", "not_there>=1", "torch"])
    stage = """
        import subprocess, sys, types
        sys.modules["google.colab"] = types.ModuleType("google.colab")
        subprocess.run = lambda command, check: print(command)
    """
    program = textwrap.dedent(stage) + source + "\nprint(sys.path[0])"
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    clone, install, first = said.splitlines()
    assert " ".join(ast.literal_eval(clone)).startswith("git clone -q --depth 1 --branch v1.0 https://x.org/y")
    assert install.endswith("'install', '-q', '--no-deps', 'not_there']")
    assert first == "/content/genimg"


def test_a_stamp_outlives_prose_and_outputs_and_no_change_of_code() -> None:
    nb = notebook(prose("# Title"), code("a = 1"), code("b = 2"), code("c = 3"))
    nb["metadata"]["genimg"] = {"source_hash": chapters.source_hash(nb)}
    nb["cells"][0]["source"], nb["cells"][1]["outputs"] = "# Another title", [stream("1")]
    assert not stamp.stale(nb)
    for number in (1, 2, 3):
        changed = copy.deepcopy(nb)
        changed["cells"][number]["source"] = f"{'abc'[number - 1]} = 7"
        assert stamp.stale(changed)
    nb["cells"][2:] = nb["cells"][:1:-1]
    assert stamp.stale(nb)


def test_check_names_the_chapters_whose_stamp_no_longer_fits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path, nb = tmp_path / "07_x.ipynb", notebook(code("a = 1"))
    monkeypatch.setattr(stamp, "chapters", lambda: [path])
    nb["metadata"]["genimg"] = {"source_hash": chapters.source_hash(nb)}
    chapters.write(path, nb)
    assert stamp.main(["--check"]) == 0
    nb["cells"][0]["source"] = "a = 2"
    chapters.write(path, nb)
    assert stamp.main(["--check"]) == 1
    assert capsys.readouterr().out.startswith("07_x.ipynb: its code changed")


def test_stamping_runs_cleans_and_stamps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GENIMG_TIER", "GENIMG_RUNS"):
        monkeypatch.setenv(name, os.environ[name])
    monkeypatch.setenv("GENIMG_DATASET", "digits")
    nb = notebook(
        code("import os\ndataset = 'mnist-5k'\nprint(os.environ['GENIMG_RUNS'], os.environ['GENIMG_TIER'])"),
        code("from IPython.display import Image, display\n"
             "display(Image('ramp.png'))", alt="a ramp"),
        code("import ipywidgets\nipywidgets.IntSlider()"),
        code("class Own(ipywidgets.IntSlider):\n    __repr__ = lambda self: '(needs a kernel)'\nOwn()"),
        code("from tqdm.auto import tqdm\nfor _ in tqdm(range(3), desc='toy'):\n    pass\nprint('toy: 3 steps')"),
        code("for _ in tqdm(range(3)):\n    pass"),
    )  # fmt: skip
    path = tmp_path / "07_x.ipynb"
    (tmp_path / "ramp.png").write_bytes(base64.b64decode(png()))
    chapters.write(path, nb)
    assert stamp.stale(nb)
    stamp.stamp_chapter(path)
    done = chapters.read(path)
    assert not stamp.stale(done)
    assert hygiene.problems(done, PACKAGE) == []
    assert "".join(done["cells"][0]["outputs"][0]["text"]) == "$GENIMG_RUNS cpu\n"
    assert done["cells"][2]["outputs"] == []
    assert done["cells"][3]["outputs"][0]["data"] == {"text/plain": ["(needs a kernel)"]}
    assert [out["text"] for out in done["cells"][4]["outputs"]] == [["toy: 3 steps\n"]]  # a bar's empty beginning
    assert done["cells"][5]["outputs"] == []
    run = done["metadata"]["genimg"]["runs"]["cpu"]
    assert (run["dataset"], run["device"]) == ("mnist-5k", "cpu")
    done["cells"][2]["source"] += "  # changed"
    assert stamp.stale(done)


def test_readers_answers_are_never_overwritten(tmp_path: Path) -> None:
    course, work = tmp_path / "course", tmp_path / "work"
    (course / "images").mkdir(parents=True)
    for name in ("a", "b", "images/p"):
        (course / name).write_text("first")
    (course / ".ipynb_checkpoints").mkdir()
    (course / ".ipynb_checkpoints/a").write_text("not for readers")
    assert learn.hand_out(course, work) == []
    assert {path.name for path in work.iterdir()} == {"a", "b", "images", ".shipped.json"}
    assert (work / "images/p").read_text() == "first"
    (work / "a").write_text("my answer")
    (course / "c").write_text("a new chapter")
    assert learn.hand_out(course, work) == []  # nothing newer is held back
    for name in ("a", "b"):
        (course / name).write_text("second")
    assert learn.hand_out(course, work) == learn.hand_out(course, work) == ["a"]
    assert [(work / n).read_text() for n in "abc"] == ["my answer", "second", "a new chapter"]
    (work / "a").unlink()
    assert learn.hand_out(course, work) == []
    assert (work / "a").read_text() == "second"


@pytest.mark.parametrize(("display", "options"), [("", ["--no-browser"]), (":0", [])])
def test_learn_opens_the_copy_and_says_when_no_browser_will(
    display: str,
    options: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    calls: list[list[str]] = []
    monkeypatch.setattr(learn, "WORK", tmp_path)
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setenv("DISPLAY", display)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    monkeypatch.setattr(subprocess, "call", lambda command, cwd: calls.append([*command, str(cwd)]) or 0)
    assert learn.main() == 0
    assert [word for word in calls[0] if word == "--no-browser"] == options
    assert calls[0][-2:] == ["00_start_here.ipynb", str(tmp_path)]
    assert ("open the address" in capsys.readouterr().out) == bool(options)


def test_run_leaves_notebook_and_page_even_when_a_cell_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    course, build = tmp_path / "notebooks", tmp_path / "build"
    course.mkdir()
    monkeypatch.setattr(run, "find", lambda number: chapters.find(number, course))
    chapters.write(course / "01_good.ipynb", notebook(code("print('it ran')"), code("2 + 2")))
    chapters.write(course / "02_bad.ipynb", notebook(code("print('so far')"), code("1 / 0")))
    assert run.main("01", build) == 0
    assert "01_good: cell 2/2" in capsys.readouterr().out
    assert run.main("2", build) == 1
    assert "02_bad.ipynb stopped at a cell: ZeroDivisionError" in capsys.readouterr().err
    assert "it ran" in (build / "01_good.html").read_text(encoding="utf-8")
    assert "so far" in (build / "02_bad.ipynb").read_text(encoding="utf-8")
    with pytest.raises(SystemExit, match=r"no chapter '9': name one by its number.*01, 02"):
        run.main("9", build)


# --- nbval's guards ---


def nbval(folder: Path, *sources: str, seconds: int = 60) -> str:
    nb = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in sources])
    nbformat.write(nb, folder / "x.ipynb")
    options = "-p tests.nbval_guards -p no:cacheprovider -q -rs --nbval-lax --nbval-current-env"
    command = [sys.executable, "-m", "pytest", *options.split(), f"--nbval-cell-timeout={seconds}", folder]
    return subprocess.run(
        command, capture_output=True, text=True, cwd=chapters.REPOSITORY, timeout=100, check=False
    ).stdout


def test_a_dying_kernel_ends_its_notebook_in_seconds(tmp_path: Path) -> None:
    said = nbval(tmp_path, "x = 1", "import os, time; os._exit(1)", "x", seconds=90)
    assert "the kernel died while this cell ran" in said
    assert "1 failed, 1 passed, 1 skipped" in said
    assert float(said.rsplit(" in ", 1)[1].split("s")[0]) < 60  # nbval alone would wait for the whole timeout


def test_after_a_failure_the_rest_of_the_notebook_is_skipped(tmp_path: Path) -> None:
    said = nbval(tmp_path, "x = 1", "y", "x", "z")
    assert "1 failed, 1 passed, 2 skipped" in said
    assert "Cell 1 of this notebook failed before it" in said


def test_a_timeout_fails_and_hides_nothing(tmp_path: Path) -> None:
    said = nbval(tmp_path, "import time; time.sleep(20)", "undefined", seconds=1)
    assert "1 failed, 1 skipped" in said
    assert "xfailed" not in said


def test_outputs_that_come_late_do_not_fail(tmp_path: Path) -> None:
    late = """
        import threading, time
        from IPython import get_ipython
        kernel = get_ipython().kernel
        plain = kernel._publish_status
        def late(status, *rest, **more):
            if status == "idle": time.sleep(6)
            plain(status, *rest, **more)
        kernel._publish_status = late
    """
    assert "1 passed" in nbval(tmp_path, textwrap.dedent(late))

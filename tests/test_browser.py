"""A real browser: JupyterLab opens chapter 00, runs it, and a dragged slider changes the picture."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import chapters
import learn
import nbformat
import pytest

pytestmark = pytest.mark.full
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
QUIET = "--no-sandbox --disable-gpu --disable-quic --disable-background-networking --disable-component-update"
APP = "window.jupyterapp"
PICTURE = ".jp-OutputArea .jupyter-widgets img"
HANDLE = ".jp-OutputArea .jupyter-widgets .noUi-handle"


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[str]:
    """JupyterLab on a fresh copy of the chapters; its address with its token."""
    work, runtime = tmp_path / "work", tmp_path / "runtime"
    learn.hand_out(chapters.NOTEBOOKS, work)
    environment = os.environ | {
        "JUPYTER_RUNTIME_DIR": str(runtime),
        "JUPYTER_CONFIG_DIR": str(tmp_path / "config"),
        "JUPYTERLAB_SETTINGS_DIR": str(tmp_path / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(tmp_path / "workspaces"),
    }
    options = ["--no-browser", "--allow-root", "--LabApp.expose_app_in_browser=True"]
    server = subprocess.Popen(
        [sys.executable, "-m", "jupyter", "lab", *options],
        cwd=work, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        yield address(runtime, server)
    finally:
        server.terminate()
        server.wait(30)


def address(runtime: Path, server: subprocess.Popen[bytes], seconds: float = 180) -> str:
    """What the server writes down about itself once it listens."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        assert server.poll() is None, "JupyterLab ended by itself"
        for path in runtime.glob("jpserver-*.json"):
            facts = json.loads(path.read_text())
            return f"{facts['url']}lab/tree/{{}}?token={facts['token']}"
        time.sleep(0.2)
    raise TimeoutError("JupyterLab did not start to listen")


def drag_changes_picture(where: str, chapter: str) -> bool:
    """Opens the chapter, runs all its cells, drags the first slider; whether the picture below it changed."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=QUIET.split())
        page = browser.new_page(viewport={"width": 1200, "height": 900})
        page.set_default_timeout(120_000)
        page.goto(where.format(chapter))
        page.wait_for_selector(".jp-Notebook .jp-Cell")
        page.wait_for_function("() => window.jupyterapp?.shell.currentWidget?.sessionContext?.session?.kernel")
        page.evaluate(f"() => {APP}.commands.execute('notebook:run-all-cells')")
        handle = page.locator(HANDLE).first
        handle.scroll_into_view_if_needed()
        before = page.locator(PICTURE).first.get_attribute("src")
        place = handle.bounding_box()
        assert place
        x, y = place["x"] + place["width"] / 2, place["y"] + place["height"] / 2
        page.mouse.move(x, y)
        page.mouse.down()
        page.mouse.move(x + 80, y, steps=8)
        page.mouse.up()
        end = time.monotonic() + 15
        while time.monotonic() < end and page.locator(PICTURE).first.get_attribute("src") == before:
            page.wait_for_timeout(200)
        changed = page.locator(PICTURE).first.get_attribute("src") != before
        browser.close()
    return changed


needs_browser = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here: install chromium to run this test")


@needs_browser
def test_the_slider_of_chapter_00_moves_its_picture(lab: str) -> None:
    pytest.importorskip("playwright", reason="playwright is not installed")
    assert drag_changes_picture(lab, "00_start_here.ipynb")


@needs_browser
def test_a_slider_that_moves_nothing_is_noticed(lab: str, tmp_path: Path) -> None:
    pytest.importorskip("playwright", reason="playwright is not installed")
    dead = (
        "import ipywidgets, io\nfrom PIL import Image\nbuffer = io.BytesIO()\n"
        "Image.new('RGB', (64, 64), 'red').save(buffer, 'png')\n"
        "ipywidgets.VBox([ipywidgets.IntSlider(), ipywidgets.Image(value=buffer.getvalue())])"
    )
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(dead)])
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(notebook, tmp_path / "work" / "dead.ipynb")
    assert not drag_changes_picture(lab, "dead.ipynb")

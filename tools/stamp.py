"""Runs chapters on the cpu tier and writes their outputs and stamps: `python tools/stamp.py 03`.

Without a number: every chapter. With --check: runs nothing, names the chapters whose stamp no longer fits.
A chapter's settings cell names its data `dataset`; the stamp records it.
"""

import json
import os
import re
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from chapters import REPOSITORY, Notebook, chapters, find, read, run, show_progress, source_hash, stamp, write

# Run last in the chapter's own kernel.
ASK = """
import json as _json, torch as _torch
from genimg_utils import runtime as _runtime
print(_json.dumps({
    "tier": _runtime.tier().name, "dataset": globals().get("dataset"),
    "device": str(_runtime.device()), "torch": _torch.__version__,
}))
"""


def stale(notebook: Notebook) -> bool:
    """Whether the chapter's code is not the code that its stamp was made with."""
    return stamp(notebook).get("source_hash") != source_hash(notebook)


def clean(notebook: Notebook, places: dict[str, str]) -> None:
    """Leaves out what only a live kernel can show, puts names for places, and adds the cells' alt texts."""
    notebook["metadata"].pop("widgets", None)
    notebook["metadata"]["kernelspec"] = {
        "display_name": "Python 3 (ipykernel)",
        "language": "python",
        "name": "python3",
    }
    notebook["metadata"]["language_info"] = {"name": "python", "pygments_lexer": "ipython3"}
    for cell in notebook["cells"]:
        if cell["cell_type"] != "code":
            continue
        cell["outputs"] = [renamed(out, places) for out in cell["outputs"] if lasts(out)]
        images = [out for out in cell["outputs"] if "image/png" in out.get("data", {})]
        alts = cell["metadata"].get("genimg", {}).get("alt", [])
        for out, alt in zip(images, [alts] if isinstance(alts, str) else alts, strict=False):
            out["metadata"].setdefault("image/png", {})["alt"] = alt


def lasts(output: dict[str, Any]) -> bool:
    """Takes a widget's view away; False when what remains is a constructor's call or an empty bar."""
    view = output.get("data", {}).pop("application/vnd.jupyter.widget-view+json", None)
    said = "".join(output.get("data", {}).get("text/plain", "x("))
    return view is None or not re.match(r"\w+\(|([^:|]+:)?\s*\d+%\|", said)


def renamed(output: dict[str, Any], places: dict[str, str]) -> dict[str, Any]:
    """The output with each machine's path given its name; pictures hold no paths."""
    said = json.dumps(output)
    for path, name in places.items():
        said = said.replace(json.dumps(path)[1:-1], name)
    result: dict[str, Any] = json.loads(said)
    for mime in result.get("data", {}):
        if mime.startswith("image/"):  # base64 may spell anything
            result["data"][mime] = output["data"][mime]
    return result


def stamp_chapter(path: Path) -> None:
    """Runs the chapter, and writes its outputs and its stamp into it."""
    import nbformat

    with tempfile.TemporaryDirectory(prefix="genimg-stamp-") as root:
        os.environ |= {"GENIMG_TIER": "cpu", "GENIMG_RUNS": root}
        os.environ.pop("GENIMG_DATASET", None)
        start = time.monotonic()
        executed, said = run(path, show_progress(path.stem), ASK)
        seconds = round(time.monotonic() - start)
    facts = json.loads(said)
    tier = facts.pop("tier")
    notebook = json.loads(nbformat.writes(executed))
    for cell in notebook["cells"]:
        cell["source"] = "".join(cell["source"])
    places = {root: "$GENIMG_RUNS", str(REPOSITORY): "genimg", str(Path.home()) + os.sep: "~/"}
    clean(notebook, places)
    runs = stamp(notebook).get("runs", {}) if not stale(notebook) else {}
    runs[tier] = facts | {"seconds": seconds}
    notebook["metadata"]["genimg"] = {"source_hash": source_hash(notebook), "runs": runs}
    write(path, notebook)
    print(f"\n{path.name}: stamped, {runs[tier]}")


def main(arguments: list[str]) -> int:
    numbers = [a for a in arguments if a != "--check"]
    paths = [find(n) for n in numbers] or chapters()
    if "--check" in arguments:
        old = [p.name for p in paths if stale(read(p))]
        for name in old:
            print(f"{name}: its code changed after it was run; run: python tools/stamp.py {name[:2]}")
        return int(bool(old))
    for path in paths:
        stamp_chapter(path)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

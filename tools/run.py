"""`make run CHAPTER=03`: one chapter without a browser; the notebook and its page land in build/."""

import sys
import warnings
from pathlib import Path

from chapters import REPOSITORY, find, run, show_progress


def main(number: str, build: Path = REPOSITORY / "build") -> int:
    import nbformat
    from nbclient.exceptions import CellExecutionError, DeadKernelError
    from nbconvert import HTMLExporter

    chapter = find(number)
    failure = ""
    try:
        notebook, _ = run(chapter, show_progress(chapter.stem))
    except CellExecutionError as error:
        notebook, failure = error.notebook, f"{chapter.name} stopped at a cell: {error.ename}: {error.evalue}"  # type: ignore[attr-defined]
    except DeadKernelError:
        sys.exit(f"{chapter.name}: the kernel died; most often the machine had too little memory.")
    build.mkdir(exist_ok=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # nbconvert asks for alt text on every live picture
        page, _ = HTMLExporter(embed_images=True).from_notebook_node(notebook)
    nbformat.write(notebook, build / chapter.name)
    (build / chapter.with_suffix(".html").name).write_text(page, encoding="utf-8")
    print(f"\nNotebook and page: {build / chapter.stem}.ipynb and .html")
    if failure:
        print(failure, file=sys.stderr)
    return int(bool(failure))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1] if len(sys.argv) > 1 else ""))

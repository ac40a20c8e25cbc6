"""`make learn`: JupyterLab on the reader's own copy of the chapters, in work/.

A file that is not in work/ yet is copied there. One that the reader never changed follows the course; a
changed one is kept as it is, and when the course has a newer version, that is said.
"""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

from chapters import NOTEBOOKS, REPOSITORY

WORK = REPOSITORY / "work"
SHIPPED = ".shipped.json"  # hash of each file as it was handed out


def fingerprint(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def hand_out(source: Path, work: Path) -> list[str]:
    """Copies what is new or unchanged by the reader; returns the names whose newer version was held back."""
    record = work / SHIPPED
    shipped: dict[str, str] = json.loads(record.read_text(encoding="utf-8")) if record.exists() else {}
    held_back = []
    for path in sorted(p for p in source.rglob("*") if p.is_file()):
        name, target = path.relative_to(source).as_posix(), work / path.relative_to(source)
        if any(part.startswith(".") for part in name.split("/")) or name.startswith("assignments/"):
            continue  # what Jupyter and ruff keep beside the chapters; sources of assignments hold their solutions
        if not target.exists() or fingerprint(target) == shipped.get(name):
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(path.read_bytes())
            shipped[name] = fingerprint(path)
        elif fingerprint(path) not in (shipped.get(name), fingerprint(target)):
            held_back.append(name)
    record.parent.mkdir(exist_ok=True)
    record.write_text(json.dumps(shipped, indent=1), encoding="utf-8")
    return held_back


def browser_opens() -> bool:
    """Whether a window can open here: always on macOS and Windows, elsewhere where there is a display."""
    return sys.platform in ("darwin", "win32") or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def main() -> int:
    for name in hand_out(NOTEBOOKS, WORK):
        print(f"{name} has changed in the course; yours is kept. Rename work/{name} to get the new one.")
    options = []
    if not browser_opens():
        print("No display here, so no browser opens: open the address that JupyterLab prints below.")
        print("From another computer, first: ssh -L 8888:localhost:8888 THIS_MACHINE")
        options.append("--no-browser")
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        options.append("--allow-root")  # in a container one is often root; it listens to this machine alone
    lab = [sys.executable, "-m", "jupyter", "lab", *options, "00_start_here.ipynb"]
    try:
        return subprocess.call(lab, cwd=WORK)
    except KeyboardInterrupt:
        return 0


if __name__ == "__main__":
    sys.exit(main())

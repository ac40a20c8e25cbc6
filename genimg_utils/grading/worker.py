"""The process that runs student code: it runs the cells that it is sent, and calls functions on given inputs.

Started by `sandbox` as a script. It holds no reference, no seed and no mark; what it says is only compared.
"""

import ast
import linecache
import os
import random
import re
import socket
import struct
import sys
import traceback
import types
from pathlib import Path
from typing import Any

LINE = re.compile(r"^\s*[%!].*$", re.MULTILINE)  # what IPython knows and Python does not


def main(descriptor: int, package: str, scratch: str, gibibytes: float) -> None:
    sys.path.insert(0, package)
    import numpy  # before the walls close: they hide where libraries look at the machine
    import torch

    from genimg_utils.grading import confine, wire

    torch.set_num_threads(1)
    walls = confine.confine(Path(package) / "genimg_utils", Path(scratch), gibibytes)
    for name in [n for n in sys.modules if n.startswith("genimg_utils.grading")]:
        del sys.modules[name]
    sys.modules["genimg_utils.grading"] = None  # type: ignore[assignment]
    channel = socket.socket(fileno=descriptor).makefile("rwb")
    notebook = types.ModuleType("__main__")
    notebook.__dict__["display"] = lambda *_, **__: None  # Jupyter has it without an import
    sys.modules["__main__"] = notebook
    channel.write(wire.packed({"walls": walls}))
    channel.flush()
    while True:
        try:
            words, tensors = wire.unpacked(channel.read)
        except (OSError, struct.error, wire.Garbled):
            os._exit(0)  # the grader has closed
        random.seed(words["seed"])
        numpy.random.seed(words["seed"])
        torch.manual_seed(words["seed"])
        answer: dict[str, Any] = {}
        found: dict[str, Any] = {}
        try:
            if "cell" in words:
                run(words["source"], words["cell"], notebook)
            else:
                function = getattr(notebook, words["call"], None)
                if function is None or function is ...:
                    raise NotImplementedError
                arguments = wire.received(words["arguments"], tensors)
                found = wire.observed(function, arguments, tuple(words["slopes"]), tuple(words["left"]))
            message = wire.packed(answer, found)
        except BaseException as error:
            message = wire.packed({"error": described(error)})
        channel.write(message)
        channel.flush()


def run(source: str, number: int, notebook: types.ModuleType) -> None:
    """Runs a cell as Jupyter would, lines for the shell aside."""
    name = f"<cell {number}>"
    try:
        tree = ast.parse(source, name)
    except SyntaxError:
        source = LINE.sub("", source)
        tree = ast.parse(source, name)
    linecache.cache[name] = (len(source), None, source.splitlines(True), name)
    exec(compile(tree, name, "exec"), notebook.__dict__)


def described(error: BaseException) -> dict[str, str]:
    """An exception in words: its type, the student's line, what it says."""
    try:
        frames = traceback.extract_tb(error.__traceback__)
        lines = [f"{f.filename[1:-1]}, line {f.lineno}" for f in frames if f.filename.startswith("<cell ")]
        return {"type": type(error).__name__[:80], "where": (lines or [""])[-1][:80], "says": str(error)[:300]}
    except BaseException:
        return {"type": "an exception that cannot be shown", "where": "", "says": ""}


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], sys.argv[3], float(sys.argv[4]))

"""What every benchmark here does alike: seeds beside each other, a gate from them, results that stay between runs."""

import json
import os
import statistics
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import torch

FOLDER = Path(__file__).resolve().parent / "results"


def machine() -> str:
    """What times depend on."""
    return f"{os.cpu_count()} cores, {torch.backends.cpu.get_cpu_capability()}, torch {torch.__version__}"


def earlier(path: Path) -> dict[str, Any]:
    """What an earlier run left in `path`; of a part that is measured again, it is replaced."""
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def keep(path: Path, results: dict[str, Any]) -> None:
    """Writes the results, one number a line, so that a later run shows what changed."""
    path.write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def beside_each_other(
    measure: Callable[[Any], dict[str, Any]], tasks: Sequence[Any], workers: int | None = None
) -> Iterator[dict[str, Any]]:
    """What `measure` finds for each task, printed and given as it comes: as many at once as there are cores."""
    with ProcessPoolExecutor(workers or os.cpu_count(), mp_context=get_context("spawn")) as pool:
        for row in pool.map(measure, tasks):
            print(row, flush=True)
            yield row


def gate(values: Sequence[float]) -> float:
    """Mean + 4 standard deviations."""
    return statistics.mean(values) + 4 * statistics.stdev(values)

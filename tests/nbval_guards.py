"""Guards for nbval 0.11.0, loaded with `-p tests.nbval_guards`.

Without them a kernel that dies is noticed only after the whole cell timeout, a cell whose outputs come five
seconds after its reply fails, and the cells after a failure fail too, or are excused and hide what they saw.
"""

import time
from queue import Empty
from typing import Any

import pytest
from nbval.kernel import RunningKernel
from nbval.plugin import IPyNbCell, IPyNbFile

POLL = 1.0  # seconds between two looks at whether the kernel still lives
OUTPUT_TIMEOUT = 60  # seconds that a cell's outputs may take after its reply

plain_get_message = RunningKernel.get_message


def get_message(self: RunningKernel, stream: str, timeout: float | None = None) -> Any:
    """nbval's own wait, cut into slices between which the kernel's pulse is felt."""
    end = time.monotonic() + (float("inf") if timeout is None else timeout)
    while True:
        try:
            return plain_get_message(self, stream, timeout=max(0.0, min(POLL, end - time.monotonic())))
        except Empty:
            if not self.is_alive():
                raise RuntimeError("the kernel died while this cell ran") from None
            if time.monotonic() >= end:
                raise


def pytest_configure(config: pytest.Config) -> None:
    RunningKernel.get_message = get_message


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if isinstance(item, IPyNbCell):
            item.output_timeout = OUTPUT_TIMEOUT


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    if isinstance(item, IPyNbCell) and getattr(item.parent, "broken_by", None):
        pytest.skip(f"{item.parent.broken_by} of this notebook failed before it")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Any:
    report = yield
    if report.failed and isinstance(item, IPyNbCell) and isinstance(item.parent, IPyNbFile):
        item.parent.broken_by = item.name
    return report

"""Where the course runs: folders, tier, device, precision, seeds, threads, and the environment report."""

import functools
import importlib.metadata
import importlib.util
import os
import platform
import random
import shutil
import socket
import sys
import types
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy
import platformdirs
import psutil
import torch

REPOSITORY = Path(__file__).resolve().parents[1]
TIERS = ("smoke", "cpu", "gpu")
Network = TypeVar("Network", bound=torch.nn.Module)


def folder(kind: str) -> Path:
    """The folder for `kind` ("data" or "runs"): `$GENIMG_DATA` or `$GENIMG_RUNS`, else one in the user's cache."""
    name = f"GENIMG_{kind.upper()}"
    path = Path(os.environ.get(name) or platformdirs.user_cache_path("genimg") / kind)
    try:
        path.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise ValueError(f"{name} is {path}, and a file is in that place: set it to a folder, or unset it.") from None
    return path


@dataclass(frozen=True)
class Tier:
    """How much to compute: smoke (seconds, for tests), cpu (a laptop) or gpu."""

    name: str

    def pick(self, *, smoke: Any, cpu: Any, gpu: Any) -> Any:
        """The value meant for this tier."""
        return {"smoke": smoke, "cpu": cpu, "gpu": gpu}[self.name]


def tier() -> Tier:
    """The machine's tier: gpu with a CUDA device, else cpu; `$GENIMG_TIER` overrides. Never smoke by itself."""
    name = os.environ.get("GENIMG_TIER") or ("gpu" if torch.cuda.is_available() else "cpu")
    if name not in TIERS:
        raise ValueError(f"GENIMG_TIER is {name!r}: set it to one of {', '.join(TIERS)}, or unset it.")
    return Tier(name)


def device() -> torch.device:
    """CUDA where there is one, else the CPU; `$GENIMG_DEVICE` (cpu, cuda or mps, the last untested) overrides."""
    name = os.environ.get("GENIMG_DEVICE") or ("cuda" if torch.cuda.is_available() else "cpu")
    if name not in ("cpu", "cuda", "mps"):
        raise ValueError(f"GENIMG_DEVICE is {name!r}: set it to cpu, cuda or mps, or unset it.")
    if not {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}[name]:
        raise ValueError(
            f"GENIMG_DEVICE is {name!r}, but torch {torch.__version__} finds no such device here: unset it."
        )
    return torch.device(name)


def precision(device: torch.device) -> torch.dtype:
    """The dtype in which networks run on `device`, from what its units can do, never from a timing.

    CUDA: bfloat16 from capability 8.0, float16 before (`is_bf16_supported` answers True on a T4, by slow
    emulation). CPU: bfloat16 only with AVX512-BF16 or AMX. Elsewhere float32.
    """
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.get_device_capability(device) >= (8, 0) else torch.float16
    if device.type == "cpu" and (torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()):
        return torch.bfloat16
    return torch.float32


def place(network: Network, device: torch.device) -> Network:
    """Move `network` to `device`, channels-last, and run its forward in `precision(device)`; outputs stay float32."""
    network.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    dtype = precision(device)
    if dtype is torch.float32:
        return network
    forward = type(network).forward

    @functools.wraps(forward)
    def autocast_forward(self: Network, *args: Any, **kwargs: Any) -> Any:
        with torch.autocast(device.type, dtype):
            output = forward(self, *args, **kwargs)
        return output.float() if isinstance(output, torch.Tensor) else tuple(o.float() for o in output)

    network.forward = types.MethodType(autocast_forward, network)  # a method, so that deepcopy binds it anew
    return network


def seed(number: int) -> None:
    """Seed Python's, NumPy's and torch's generators; chapters do, in their settings and before runs they compare."""
    random.seed(number)
    numpy.random.seed(number)
    torch.manual_seed(number)


def rank() -> int:
    """Which this is of the processes that train together (`fast.processes`): 0 for the first, or the only one."""
    return torch.distributed.get_rank() if torch.distributed.is_initialized() else 0


def threads() -> int:
    """Set torch's threads, and give their number: `$GENIMG_THREADS`, `$OMP_NUM_THREADS`, or half the cores, at most 4.

    Small networks gain little from more, and threads that wait for a busy core can slow a step thirtyfold.
    """
    asked = os.environ.get("GENIMG_THREADS") or os.environ.get("OMP_NUM_THREADS") or ""
    if asked and not (asked.isdecimal() and int(asked) > 0):
        raise ValueError(
            f"GENIMG_THREADS or OMP_NUM_THREADS is {asked!r}: set it to a whole number from 1, or unset it."
        )
    number = int(asked) if asked else min(max((os.cpu_count() or 1) // 2, 1), 4)
    torch.set_num_threads(number)
    return number


class Line(NamedTuple):
    """One line of the environment report: OK, – (absent and not needed) or FAIL (with what to do)."""

    status: str
    text: str

    def __str__(self) -> str:
        return f"[{self.status}]".ljust(7) + self.text


def report(datasets: Mapping[str, bool] | None = None) -> list[Line]:
    """What this machine offers the course, a line each; `datasets` says which are at hand (`data.available()`)."""
    return [*software(), *hardware(), *jupyter(), *storage(), *at_hand(datasets or {})]


def software() -> Iterator[Line]:
    yield Line("OK", f"Python {platform.python_version()}")
    missing = [
        name
        for name in ("matplotlib", "PIL", "scipy", "sklearn", "mlxtend", "pooch", "safetensors", "tqdm")
        if not found(name)
    ]
    if missing:
        yield Line(
            "FAIL",
            f"missing: {', '.join(missing)}. Run `make learn`, or `pip install -e .` in the course's folder.",
        )
    else:
        yield Line("OK", f"torch {torch.__version__}, numpy {numpy.__version__}, and all that the package imports")


def hardware() -> Iterator[Line]:
    if torch.cuda.is_available():
        major, minor = torch.cuda.get_device_capability()
        free, total = (b / 2**30 for b in torch.cuda.mem_get_info())
        name = torch.cuda.get_device_name()
        yield Line("OK", f"GPU {name}, capability {major}.{minor}, {free:.0f} of {total:.0f} GiB free")
    else:
        yield Line("–", "no CUDA GPU: every chapter has a cpu tier")
    where, dtype = device(), str(precision(device())).removeprefix("torch.")
    here = f"tier {tier().name}, device {where.type}, networks run in {dtype}"
    if tier().name == "gpu" and where.type == "cpu":
        yield Line("FAIL", f"{here}: its budgets are for a GPU and take hours without: unset GENIMG_TIER.")
    else:
        yield Line("OK", here)
    yield Line("OK", f"torch uses {threads()} of {os.cpu_count()} cores; GENIMG_THREADS changes that")
    free = psutil.virtual_memory().available / 2**30
    yield (
        Line("OK", f"{free:.0f} GiB of memory free")
        if free >= 2
        else Line("FAIL", f"only {free:.1f} GiB of memory free, chapters need 2: close other programs.")
    )


def jupyter() -> Iterator[Line]:
    if not found("ipykernel"):
        yield Line(
            "–",
            "no Jupyter in this Python: fine for scripts; for the notebooks run `make learn`",
        )
        return
    yield Line("OK", "running in a Jupyter kernel" if hasattr(shell(), "kernel") else "Jupyter is installed")
    widgets = version("ipywidgets")
    if widgets is None:
        yield Line("FAIL", "no ipywidgets, so no sliders: `pip install ipywidgets`, then restart the kernel.")
    elif found("jupyterlab") and version("jupyterlab_widgets") is None:
        yield Line("FAIL", "JupyterLab cannot draw widgets: `pip install jupyterlab_widgets`, then reload the page.")
    else:
        yield Line("OK", f"ipywidgets {widgets}")


def storage() -> Iterator[Line]:
    for kind in ("data", "runs"):
        try:
            path = folder(kind)
        except ValueError as error:
            yield Line("FAIL", str(error))
            continue
        shown = str(path).replace(str(Path.home()), "~", 1)
        free = shutil.disk_usage(path).free / 2**30
        if not os.access(path, os.W_OK) and kind == "runs":
            yield Line("FAIL", f"{shown} cannot be written: set GENIMG_{kind.upper()} to a folder of yours.")
        elif free < 1:
            yield Line(
                "FAIL",
                f"only {free:.1f} GiB free for {kind} in {shown}: free some, or set GENIMG_{kind.upper()}.",
            )
        else:
            yield Line("OK", f"{kind} in {shown}, {free:.0f} GiB free")


def at_hand(datasets: Mapping[str, bool]) -> Iterator[Line]:
    for name, here in datasets.items():
        yield (
            Line("OK", f"data {name}")
            if here
            else Line("–", f"data {name}: downloaded when a chapter first asks for it")
        )
    if os.environ.get("GENIMG_OFFLINE") == "1":
        yield Line("–", "GENIMG_OFFLINE=1: nothing is downloaded")
        return
    try:
        socket.create_connection(("raw.githubusercontent.com", 443), timeout=2).close()
        yield Line("OK", "network: downloads are possible")
    except OSError:
        yield Line("–", "no network: the cpu tier's data are embedded, nothing needs to be downloaded")


def shell() -> Any:
    """IPython's shell, or None outside it; in a Jupyter kernel, which can draw widgets, it has a `kernel`."""
    ipython = sys.modules.get("IPython")
    return ipython.get_ipython() if ipython else None


def found(module: str) -> bool:
    return importlib.util.find_spec(module) is not None


def version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None

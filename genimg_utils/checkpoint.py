"""What a run keeps: on disk its last checkpoint and a lock, in this kernel the states it began with."""

import errno
import hashlib
import json
import pickle
import random
import weakref
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import date
from io import BytesIO
from os import fsync, replace
from pathlib import Path
from tempfile import gettempdir
from typing import Any, Protocol

import numpy as np
import torch
import torch.distributed as dist
from filelock import FileLock, Timeout
from safetensors.torch import save_file
from torch import nn
from torch.optim import Optimizer

from genimg_utils import runtime


class RunError(RuntimeError):
    """A run that cannot start, go on or be saved; its one sentence says what happened and what to do."""

    def _render_traceback_(self) -> list[str]:  # Jupyter shows this instead of a traceback
        return [f"RunError: {self}"]


class Part(Protocol):
    """Anything whose state a checkpoint holds: tensors and plain values in dicts, lists and tuples."""

    def state_dict(self) -> Any: ...
    def load_state_dict(self, state: Any, /) -> Any: ...


class Generators:
    """The global random generators of Python, NumPy, torch and every CUDA device, as one part."""

    def state_dict(self) -> dict[str, Any]:
        version, numbers, gauss = random.getstate()
        kind, words, *rest = np.random.get_state()
        return {  # as tensors: one by one, so many numbers would cost more than the weights
            "python": (version, torch.tensor(numbers), gauss),
            "numpy": (kind, torch.from_numpy(np.asarray(words).astype(np.int64)), *rest),
            "torch": torch.get_rng_state(),
            "cuda": torch.cuda.get_rng_state_all(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        version, numbers, gauss = state["python"]
        random.setstate((version, tuple(numbers.tolist()), gauss))
        kind, words, *rest = state["numpy"]
        np.random.set_state((kind, words.numpy().astype(np.uint32), *rest))
        torch.set_rng_state(state["torch"])
        for device, cuda in zip(range(torch.cuda.device_count()), state["cuda"], strict=False):
            torch.cuda.set_rng_state(cuda, device)


class Store:
    """What is kept of one run: `path` holds its checkpoint, and this object the states that it began with."""

    def __init__(self, folder: Path):
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / "checkpoint.pt"
        self.finished = False  # in this kernel, so that the next call starts afresh
        self.unwritten: bytes | None = None  # a checkpoint that the disk did not take
        self._initial: dict[str, tuple[weakref.ref[Part], bytes]] = {}
        # not beside the checkpoint: a mounted drive has no locks, or keeps that of a machine that is gone
        local = hashlib.sha256(f"{Path.home()} {folder.resolve()}".encode()).hexdigest()[:16]
        self._lock = FileLock(Path(gettempdir(), f"genimg-{local}.lock"), thread_local=False)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other kernels out. The system itself frees the lock of a killed one.

        Of processes that train together, the first keeps the run for all.
        """
        if runtime.rank():
            yield
            return
        try:
            self._lock.acquire(timeout=0)
        except Timeout:
            name = self.path.parent.name
            raise RunError(f"Another kernel trains {name}: stop it there, or rename this run.") from None
        try:
            yield
        finally:
            self._lock.release()

    def knows(self, label: str, part: Part) -> bool:
        """Whether `part` is the very object whose initial state is kept under `label`."""
        return label in self._initial and self._initial[label][0]() is part

    def remember(self, parts: Mapping[str, Part]) -> None:
        """Keep the states in which these parts are now, but of a part that is known, its first one."""
        new_network = any(key.startswith("network") and not self.knows(key, part) for key, part in parts.items())
        if new_network:  # begins where it is, and so does all around it
            self._initial.clear()
        for label, part in parts.items():
            if not self.knows(label, part):
                state = checked(label, part)
                self._initial[label] = (weakref.ref(part), state)

    def load(self) -> dict[str, Any]:
        """The last checkpoint, or else the beginning. RunError if the checkpoint is damaged or holds code.

        Processes that train together all get what the first one has.
        """
        box: list[Any] = [None if runtime.rank() else self._load()]
        if dist.is_initialized():
            dist.broadcast_object_list(box)
        return box[0]

    def _load(self) -> dict[str, Any]:
        if self.unwritten:
            self.save(self.unwritten)
        if self.path.exists():
            return read(self.path)
        return {"step": 0, "history": {}, "parts": {name: unpack(state) for name, (_, state) in self._initial.items()}}

    def save(self, data: bytes) -> None:
        """Write a checkpoint. RunError if the disk does not take it; the next load() then tries again.

        Of processes that train together, the first one writes.
        """
        if runtime.rank():
            return
        if self.unwritten is None:
            self._lock.acquire()  # until it is written: nobody may go on from an older one
        self.unwritten = data
        try:
            write(self.path, data)
        except OSError as error:
            full = error.errno in (errno.ENOSPC, errno.EDQUOT)
            remedy = "free space there" if full else "it must be a folder that can be written. See to that"
            raise RunError(
                f"No checkpoint could be written to {self.path.parent} ({error.strerror}): {remedy}, "
                "then run the cell again. Nothing is lost as long as this kernel lives."
            ) from error
        self.unwritten = None
        self._lock.release()

    def forget(self) -> None:
        """Delete the checkpoint, so that the next load() is the beginning."""
        if self.unwritten:
            self._lock.release()
        if not runtime.rank():
            self.path.unlink(missing_ok=True)
        self.finished, self.unwritten = False, None


_stores: dict[Path, Store] = {}


def store(folder: Path) -> Store:
    """This kernel's one store for `folder`."""
    if folder not in _stores:
        _stores[folder] = Store(folder)
    return _stores[folder]


def digest(
    settings: Mapping[str, Any],
    networks: Mapping[str, nn.Module],
    optimisers: Mapping[str, Optimizer],
    parts: list[str],
) -> str:
    """What tells runs apart, as a short hash. ValueError if the settings hold more than plain values."""
    shapes = [{k: [str(v.dtype), *v.shape] for k, v in each.state_dict().items()} for each in networks.values()]
    numbers = [  # not the switches, of which a newer torch may have more
        {k: v for k, v in each.defaults.items() if type(v) in (int, float, tuple)} for each in optimisers.values()
    ]
    try:
        text = json.dumps([settings, shapes, numbers, parts], sort_keys=True)
    except TypeError as error:
        raise ValueError(f"config holds more than plain values ({error}): give names and numbers.") from None
    return hashlib.sha256(text.encode()).hexdigest()[:10]


def pack(state: Any) -> bytes:
    buffer = BytesIO()
    torch.save(state, buffer)
    return buffer.getvalue()


def unpack(data: bytes) -> Any:
    return torch.load(BytesIO(data), map_location="cpu", weights_only=True)


def checked(label: str, part: Part) -> bytes:
    """The packed state of `part`. ValueError if it has none, or one that could not be read again."""
    if not hasattr(part, "state_dict") or not hasattr(part, "load_state_dict"):
        kind = type(part).__name__
        raise ValueError(f"The run cannot keep {label}, a {kind}: it needs state_dict and load_state_dict.")
    data = pack(part.state_dict())
    try:
        unpack(data)
    except pickle.UnpicklingError:
        message = f"The run cannot keep {label}: its state_dict holds more than tensors and plain values."
        raise ValueError(message) from None
    return data


def read(path: Path) -> dict[str, Any]:
    """The checkpoint at `path`. RunError if it is damaged, or holds code, which is not run."""
    data = path.read_bytes()
    try:
        if zipfile.ZipFile(BytesIO(data)).testzip():  # torch does not look at the checksums
            raise zipfile.BadZipFile
        return unpack(data)
    except pickle.UnpicklingError:
        raise RunError(f"{path} holds code and was not loaded: delete it, unless you know what it is.") from None
    except Exception as error:  # a damaged file sets off nearly any
        raise RunError(f"The checkpoint {path} is damaged: Run(…, fresh=True) starts again without it.") from error


def write(path: Path, data: bytes) -> None:
    """Put `data` at `path` whole or not at all, whenever the process or the machine stops."""
    temporary = path.with_suffix(".tmp")
    path.parent.mkdir(parents=True, exist_ok=True)  # it may be gone since the last time
    try:
        with open(temporary, "wb") as file:
            file.write(data)
            file.flush()
            fsync(file.fileno())
        replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def export(network: nn.Module, path: Path, card: Mapping[str, Any]) -> Path:
    """Write weights as safetensors, with `card` and more as metadata, and the same in words beside them."""
    if not isinstance(getattr(network, "config", None), dict):
        raise ValueError(f"{type(network).__name__} needs `config`, its constructor's arguments, as a dict.")
    made = {"date": date.today().isoformat(), "torch": torch.__version__}
    facts = {"class": type(network).__name__, "config": network.config, **card, **made}
    words = {key: value if isinstance(value, str) else json.dumps(value) for key, value in facts.items()}
    weights = {key: value.detach().cpu().contiguous() for key, value in network.state_dict().items()}
    path = path.with_suffix(".safetensors")
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(weights, path, metadata=words)
    lines = [f"# {path.stem}", "", *(f"- {key}: {value}" for key, value in words.items()), ""]
    path.with_suffix(".md").write_text("\n".join(lines), encoding="utf-8")
    return path

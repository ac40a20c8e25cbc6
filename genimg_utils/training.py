"""What a training loop needs around it: progress, log, preview, checkpoints (`Run`), an average (`EMA`)."""

import math
import re
import signal
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from copy import deepcopy
from io import BytesIO
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from tqdm.auto import tqdm

from genimg_utils import runtime
from genimg_utils.checkpoint import Generators, Part, RunError, digest, export, pack, store

FIRST_SAVE = 10.0  # seconds of training before the first checkpoint
SAVE_EVERY = 30.0  # seconds between checkpoints, or longer, so that they take at most
SAVE_SHARE = 0.02  # of the time
PREVIEW_EVERY = 3.0  # seconds between previews, or longer, so that they take at most
PREVIEW_SHARE = 0.05  # of the time
FLUSH_STEPS = 100  # steps between transfers of the losses,
FLUSH_EVERY = 10.0  # or seconds, where steps are so slow that the bar would never show a loss
GENERATORS = Generators()


class EMA:
    """An exponential moving average of a network's parameters; buffers are copied.

    `network` is the average, frozen and in eval mode. `update()`, once a step, moves it towards the trained
    weights, by 1 − `decay` of the way.
    """

    def __init__(self, network: nn.Module, decay: float = 0.995):
        self.source, self.decay = network, decay
        self.network = deepcopy(network).eval().requires_grad_(False)

    @torch.no_grad()
    def update(self) -> None:
        """Let the trained network's present weights into the average."""
        averages: list[Tensor] = [*self.network.parameters()]
        torch._foreach_lerp_(averages, [*self.source.parameters()], 1 - self.decay)
        for average, buffer in zip(self.network.buffers(), self.source.buffers(), strict=True):
            average.copy_(buffer)

    def state_dict(self) -> dict[str, Any]:
        return self.network.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.network.load_state_dict(state)


class Album(dict[int, Any]):
    """What a run keeps by step, such as pictures from fixed noise; given to `Run` as extra, it survives with it."""

    def state_dict(self) -> dict[int, Any]:
        return dict(self)

    def load_state_dict(self, state: Mapping[int, Any]) -> None:
        self.clear()
        self.update(state)


def anneal(optimisers: Iterable[Optimizer], step: int, total: int, warm_up: int = 100, last: float = 0.05) -> None:
    """Set the learning rates for `step`: up over `warm_up` steps, level, then down to `last` of the initial rate.

    The descent is linear over the second half of `total` steps. The initial rate is the one in `defaults`.
    """
    rise = min(1.0, (step + 1) / warm_up)
    fall = min(1.0, last + (1 - last) * 2 * (total - step) / total)
    for optimiser in optimisers:
        for group in optimiser.param_groups:
            group["lr"] = optimiser.defaults["lr"] * rise * fall


class Run:
    """A training run that shows its progress, and goes on bit by bit after interrupts and killed processes.

    `networks`, `optimisers` and `extra` are dicts by name; what is in `extra` (pool, scaler, …) has
    `state_dict` and `load_state_dict`. `config` tells this run from others (data set, seed, settings), in
    plain values.

    Its files lie in `$GENIMG_RUNS/name-key`. The key hashes config, tier, the weights' shapes and dtypes,
    and the optimisers' numbers: other settings, another run. An interrupted run goes on, in this kernel or
    a new one, and `fresh=True` starts it again. A run that this kernel finished starts again from the same
    initial weights; one that another kernel finished is shown, not repeated. RunError while another kernel
    trains it, or if its checkpoint is damaged or holds code.
    """

    def __init__(
        self,
        name: str,
        networks: Mapping[str, nn.Module],
        optimisers: Mapping[str, Optimizer],
        ema: EMA | None = None,
        extra: Mapping[str, Part] | None = None,
        config: Mapping[str, Any] | None = None,
        fresh: bool = False,
    ):
        if not re.fullmatch(r"[\w-]+", name):
            raise ValueError(f"A run cannot be called {name!r}: use letters, digits, - and _.")
        self.name, self.networks, self.ema, self.config = name, networks, ema, dict(config or {})
        self._parts: dict[str, Part] = {f"network {key}": network for key, network in networks.items()}
        self._parts |= {f"optimiser {key}": optimiser for key, optimiser in optimisers.items()}
        self._parts |= {f"extra {key}": part for key, part in (extra or {}).items()}
        self._parts |= {"ema": ema} if ema else {}
        settings = {"config": self.config, "tier": runtime.tier().name, "decay": ema and ema.decay}
        self.key = digest(settings, networks, optimisers, sorted(self._parts))
        self._draw: Callable[[], Any] | None = None
        self._display: Any = None
        self._next_preview = 0.0
        self._store = store(runtime.folder("runs") / f"{name}-{self.key}")
        self.path = self._store.path
        with self._store.locked():
            self._store.remember(self._parts)
            if fresh:
                self._store.forget()
            self._load(self._parts)

    # ---- what the loop calls

    def steps(self, *batches: Any, total: int) -> Iterator[Any]:
        """The next item of `batches`, or a tuple with one item of each, until `total` steps are complete.

        A step is complete when the loop comes back for the next. The first interrupt (Ctrl-C, or Jupyter's
        stop button) waits for that and saves. A second one, `break` and errors leave at once, and the next
        call goes on from the last checkpoint. RunError if losses or weights are not finite, or the disk or
        the GPU is full.
        """
        with self._store.locked():
            if not self._begin(batches, total):
                return
            bar = tqdm(total=total, initial=self.step, desc=self.name, unit="step", disable=runtime.rank() > 0)
            try:
                with bar, self._delayed_interrupt():
                    while self.step < total:
                        items = tuple(next(each) for each in batches)
                        yield from self._one_step(items)
                        self._between_steps(bar, total)
            except torch.OutOfMemoryError as error:
                raise RunError(self._memory_is_full()) from error
            self._store.finished = True
            if self._draw is not None and self._drawn < self.step - 1:
                self._show()
            losses = [f"{k} {v}" for k, v in self._last().items() if k.startswith("loss")]
            say(", ".join([f"{self.name}: {self.step:,} steps", *losses]))  # stays where no kernel runs

    def log(self, **values: Tensor | float) -> None:
        """Note this step's losses, 0-d tensors; they stay on the device and cross over once in 100 steps."""
        for name, value in values.items():
            if isinstance(value, Tensor) and value.ndim:
                raise ValueError(f"{name} has shape {list(value.shape)}: log one number, such as its mean().")
        device = next((value.device for value in values.values() if isinstance(value, Tensor)), None)
        row = [torch.as_tensor(value, dtype=torch.float32, device=device).detach() for value in values.values()]
        if row:  # copied by stacking: a captured step writes its next losses over these
            self._rows.append((self.step, tuple(values), torch.stack(row)))

    def preview(self, draw: Callable[[], Any]) -> None:
        """Show the Figure that `draw()` makes in one place, every few seconds and at the end; then close it.

        Outside Jupyter nothing is drawn, except in the smoke tier, which is there to see errors.
        """
        self._draw = draw
        if perf_counter() >= self._next_preview:
            self._show()

    @property
    def history(self) -> dict[str, np.ndarray]:
        """What was logged: "step" int64, from 0, and each loss float32, NaN where a step did not log it."""
        self._flush()
        return {k: np.array(v, np.int64 if k == "step" else np.float32) for k, v in self._history.items()}

    def export(self, path: str | Path, network: str | None = None) -> Path:
        """Write a network's weights (safetensors) and a card in words beside them; gives the weights' path.

        It is the moving average, or without one the first network, or the one that is named. Where several networks
        are averaged, in a ModuleDict, it is always the average of the one that is named, or of the first. The metadata
        hold its class and `config`, the constructor's arguments, from which `sample` builds it again.
        """
        name = network or next(iter(self.networks))
        if name not in self.networks:
            raise ValueError(f"This run has no network {network!r}, only {', '.join(self.networks)}.")
        average = self._average_of(network)
        card = {
            "weights": f"moving average, decay {self.ema.decay}" if self.ema and average else "as trained",
            "run": f"{self.name}-{self.key}",
            "step": self.step,
            "dataset": self.config.get("dataset", "not named"),
            "settings": self.config,
            "tier": runtime.tier().name,
        }
        return export(average or self.networks[name], Path(path), card)

    def _average_of(self, network: str | None) -> nn.Module | None:
        """The moving average that stands for `network`, or for the first where none is named; None without one."""
        average = self.ema.network if self.ema else None
        if isinstance(average, nn.ModuleDict):
            return dict(average.items()).get(network or next(iter(self.networks)))
        return average if network is None else None

    # ---- beginning, and between steps

    def _load(self, parts: Mapping[str, Part]) -> None:
        """Put `parts`, step and history where the checkpoint has them, or else to the beginning."""
        self._as_loaded = False
        saved = self._store.load()
        for label, part in parts.items():
            if label not in saved["parts"]:
                raise RunError(f"The checkpoint {self.path} has no {label}: Run(…, fresh=True) starts again.")
            part.load_state_dict(saved["parts"][label])
        self.step: int = saved["step"]  # completed steps
        self._saved_step = self.step
        self._history: dict[str, list[float]] = {k: v.tolist() for k, v in saved["history"].items()}
        self._rows: list[tuple[int, tuple[str, ...], Tensor]] = []
        self._as_loaded = True

    def _begin(self, batches: tuple[Any, ...], total: int) -> bool:
        """Bring everything to where the run goes on, and say where that is; whether steps are left."""
        late: dict[str, Part] = {f"batches {i}": each for i, each in enumerate(batches)}
        late["generators"] = GENERATORS
        self._store.remember(late)
        # without a checkpoint, what the reader did to the weights since Run(…) stays
        untouched = self._as_loaded and not self.path.exists()
        self._parts = {k: v for k, v in self._parts.items() if not k.startswith("batches")} | late
        self._load(late if untouched else self._parts)
        if self.step >= total and self._store.finished:
            self._store.forget()
            self._load(self._parts)
        if self.step >= total:
            since = "What was changed in the code since then is not in it"
            say(f"{self.name} is finished and loaded: {self.step} steps. {since}: Run(…, fresh=True) starts again.")
        elif self.step:
            say(f"{self.name} goes on from step {self.step} of {total}. Run(…, fresh=True) starts again.")
        self._started = self._last_flush = self._next_preview = perf_counter()
        self._next_save, self._save_seconds = self._started + FIRST_SAVE, 0.0
        self._draw, self._drawn, self._display = None, -1, None
        self._explain_in_notebook()
        return self.step < total

    def _one_step(self, items: tuple[Any, ...]) -> Iterator[Any]:
        self._as_loaded = False
        try:
            yield items[0] if len(items) == 1 else items
        except GeneratorExit:
            print(f"Left in the middle of step {self.step}. {self._next_call()}")
            raise
        self.step += 1

    def _between_steps(self, bar: Any, total: int) -> None:
        """Update the bar, and save where it is time."""
        bar.update()
        now = perf_counter()
        save = now >= self._next_save or self._interrupted or self.step == total
        if save or len(self._rows) >= FLUSH_STEPS or now >= self._last_flush + FLUSH_EVERY:
            self._flush()
            bar.set_postfix(self._last(), refresh=False)
        if save:
            self._save()
        if self._interrupted:
            print(f"Saved at step {self.step} of {total}: run the cell again to go on.")
            raise KeyboardInterrupt

    def _last(self) -> dict[str, str]:
        """What was logged last, as a reader likes to see it."""
        return {k: f"{v[-1]:.3g}" for k, v in self._history.items() if k != "step" and v}

    def _flush(self) -> None:
        """Bring the losses over in one transfer. RunError if one is not finite."""
        rows, self._rows, self._last_flush = self._rows, [], perf_counter()
        values = iter(torch.cat([row for *_, row in rows]).tolist() if rows else ())
        steps = self._history.setdefault("step", [])
        for step, names, _ in rows:
            if steps[-1:] != [step]:  # a step may log twice
                for column in self._history.values():
                    column.append(math.nan)
                steps[-1] = step
            for name in names:
                value = next(values)
                self._history.setdefault(name, [math.nan] * len(steps))[-1] = value
                if not math.isfinite(value):
                    raise RunError(f"{name} is {value} in step {step}. {self._last_good()}")

    def _save(self) -> None:
        """Write a checkpoint between two steps, after _flush() found all losses finite."""
        start = perf_counter()
        for name, network in self.networks.items():
            if not all(bool(weight.isfinite().all()) for weight in network.parameters()):
                raise RunError(f"Weights of {name} are not finite after step {self.step - 1}. {self._last_good()}")
        history = {k: torch.tensor(v, dtype=torch.float64) for k, v in self._history.items()}
        states = {label: part.state_dict() for label, part in self._parts.items()}
        self._store.save(pack({"step": self.step, "history": history, "parts": states}))
        self._saved_step, end = self.step, perf_counter()
        self._save_seconds += end - start
        with_next = self._save_seconds + end - start
        self._next_save = max(end + SAVE_EVERY, self._started + with_next / SAVE_SHARE)

    def _show(self) -> None:
        """Draw the preview once, and set the time of the next by what it cost."""
        start, shell = perf_counter(), runtime.shell()
        self._next_preview, self._drawn = math.inf, self.step
        if self._draw is None or (shell is None and runtime.tier().name != "smoke"):
            return
        from matplotlib import pyplot  # not at the top: it is slow, and not needed where nothing is drawn

        before = GENERATORS.state_dict()
        with torch.no_grad():
            figure = self._draw()
        GENERATORS.load_state_dict(before)  # the clock says when to draw; it must not change the training
        picture = BytesIO()
        figure.savefig(picture, format="png", bbox_inches="tight")
        pyplot.close(figure)
        if shell is not None:
            self._display = show_png(picture.getvalue(), self._display)
        end = perf_counter()
        self._next_preview = end + max(PREVIEW_EVERY, (end - start) / PREVIEW_SHARE)

    # ---- interrupts, and sentences

    @contextmanager
    def _delayed_interrupt(self) -> Iterator[None]:
        """Let the first interrupt wait for the end of the step: half a step is no state to save."""
        self._interrupted = False
        before = signal.getsignal(signal.SIGINT)
        if not callable(before) or threading.current_thread() is not threading.main_thread():
            yield
            return

        def wait(number: int, frame: Any) -> None:
            self._interrupted = True
            signal.signal(signal.SIGINT, before)

        signal.signal(signal.SIGINT, wait)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, before)

    def _explain_in_notebook(self) -> None:
        """Let Jupyter explain a full memory: errors in the loop's body do not pass through steps()."""
        shell = runtime.shell()
        if shell is None:
            return

        def explain(result: Any) -> None:
            shell.events.unregister("post_run_cell", explain)
            if isinstance(result.error_in_exec, torch.OutOfMemoryError):
                print(self._memory_is_full())

        shell.events.register("post_run_cell", explain)

    def _memory_is_full(self) -> str:
        remedy = "take a smaller batch or network, or restart the kernel, which frees what other cells hold"
        return f"The GPU's memory is full in step {self.step}: {remedy}. {self._next_call()}"

    def _next_call(self) -> str:
        return f"The next call goes on from step {self._saved_step}." if self._saved_step else "Nothing was saved yet."

    def _last_good(self) -> str:
        kept = f"the last good checkpoint, of step {self._saved_step}, is {self.path}"
        return f"The run stops; {kept if self._saved_step else 'it had no checkpoint yet'}."


def say(sentence: str) -> None:
    """Print it, once where several processes train together."""
    if not runtime.rank():
        print(sentence)


def show_png(picture: bytes, display: Any) -> Any:
    """Show the picture in place of what `display` shows, or anew if that is None; gives the display."""
    from IPython.display import Image
    from IPython.display import display as show

    if display is None:
        return show(Image(picture), display_id=True)
    display.update(Image(picture))
    return display

"""What chapter 13 explains: a step as one graph, scaled updates, penalties of compiled networks, processes."""

import os
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from torch.optim import Optimizer

from genimg_utils import runtime

Step = Callable[..., dict[str, Tensor]]
Record = Callable[[Callable[[], dict[str, Tensor]]], tuple[dict[str, Tensor], Callable[[], None]]]

WARM_UP = 3  # calls of each kind that run as they are, before one is recorded
STOPPED = (
    "One of the processes that train together is gone, or was told to stop, so all stop: "
    "the same command goes on from the last checkpoint."
)


# ---- one process


def captured(step: Step, record: Record | None = None) -> Step:
    """`step` with the same signature, its kernels recorded once as a CUDA graph and then started by one call.

    On a CPU it returns `step` itself, unchanged: there, no kernels are launched one by one from afar.

    The first calls run as they are, then one is recorded: a graph for each kind of arguments, and a lazy penalty makes
    two kinds. Tensors are copied to where the graph reads them, and so are the optimisers' learning rates. All else is
    decided once, when it is recorded: no pool, no `.item()`. The next call overwrites the returned losses. `record`
    takes the place of CUDA's recorder in tests.
    """
    if record is None and runtime.device().type != "cuda":
        return step
    calls: Counter[tuple[Any, ...]] = Counter()
    rates: dict[tuple[int, int], Tensor] = {}
    graphs: dict[tuple[Any, ...], tuple[list[Tensor], dict[str, Tensor], Callable[[], None]]] = {}

    def replayed(*arguments: Any, **named: Any) -> dict[str, Tensor]:
        given = [*arguments, *named.values()]
        tensors = [each for each in given if isinstance(each, Tensor)]
        kind = (*named, *map(kind_of, given))
        calls[kind] += 1
        with rates_on_the_device([each for each in given if isinstance(each, Optimizer)], rates):
            if calls[kind] <= WARM_UP:
                return beside(lambda: step(*arguments, **named))
            if kind not in graphs:
                inputs = [each.clone() for each in tensors]
                places = iter(inputs)
                fixed = [next(places) if isinstance(each, Tensor) else each for each in given]
                positional, rest = fixed[: len(arguments)], dict(zip(named, fixed[len(arguments) :], strict=True))
                graphs[kind] = (inputs, *(record or recorded)(lambda: step(*positional, **rest)))
        inputs, outputs, replay = graphs[kind]
        for place, tensor in zip(inputs, tensors, strict=True):
            place.copy_(tensor)
        replay()
        return outputs

    return replayed


def kind_of(argument: Any) -> Any:
    """What may not change under a graph: a tensor's shape and dtype, a function's code, any other thing itself."""
    if isinstance(argument, Tensor):
        return tuple(argument.shape), argument.dtype
    return getattr(argument, "__code__", argument)


@contextmanager
def rates_on_the_device(optimisers: list[Optimizer], kept: dict[tuple[int, int], Tensor]) -> Iterator[None]:
    """While it is open, learning rates are tensors that stay in one place, where a graph reads them anew each time."""
    groups = [(id(optimiser), i, g) for optimiser in optimisers for i, g in enumerate(optimiser.param_groups)]
    before = [dict(group) for *_, group in groups]
    for *key, group in groups:
        new = torch.zeros((), device=group["params"][0].device)
        group["lr"] = kept.setdefault((key[0], key[1]), new).fill_(float(group["lr"]))
        group |= {"capturable": True} if "capturable" in group and new.is_cuda else {}
    try:
        yield
    finally:
        for (*_, group), old in zip(groups, before, strict=True):
            group.update(old)


def beside(run: Callable[[], dict[str, Tensor]]) -> dict[str, Tensor]:
    """Runs on a stream beside the present one, as CUDA wants it before a recording."""
    if not torch.cuda.is_available():
        return run()
    here, stream = torch.cuda.current_stream(), torch.cuda.Stream()
    stream.wait_stream(here)
    with torch.cuda.stream(stream):
        outputs = run()
    here.wait_stream(stream)
    return outputs


def recorded(run: Callable[[], dict[str, Tensor]]) -> tuple[dict[str, Tensor], Callable[[], None]]:
    """What `run` will have written, and what starts its kernels; recording does not execute them."""
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        outputs = run()
    return outputs, graph.replay


def scaled(scaler: torch.amp.GradScaler) -> Callable[[Tensor, Optimizer], None]:
    """An `update` for float16: scales the whole loss, so that no gradient vanishes, and unscales before the step.

    A step whose gradients are not finite is left out, and the scale halved. A penalty sees logits, which nobody scaled.
    """

    def update(loss: Tensor, optimiser: Optimizer) -> None:
        optimiser.zero_grad(set_to_none=True)
        scaler.scale(loss).backward()
        scaler.step(optimiser)
        scaler.update()

    return update


def eager(penalty: Callable[..., Tensor] | None) -> Callable[..., Tensor] | None:
    """`penalty`, within which networks run as they are written, also after `network.compile()`; None stays None.

    No second derivative goes through a compiled network: torch raises.
    """
    if penalty is None:
        return None

    def uncompiled(*arguments: Any) -> Tensor:
        with torch.compiler.set_stance("force_eager"):
            return penalty(*arguments)

    return uncompiled


# ---- several processes


@contextmanager
def processes() -> Iterator[None]:
    """While it is open, this process trains together with all that torchrun started; without torchrun, by itself.

    RuntimeError with one sentence when another one is gone.
    """
    if not dist.is_torchelastic_launched():
        yield
        return

    import torch.distributed.nn  # before the group opens: later it would keep it, with threads that abort Python's end

    def stop(*_: Any) -> None:
        raise RuntimeError(STOPPED)

    if cuda := runtime.device().type == "cuda":
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    dist.init_process_group("nccl" if cuda else "gloo")
    signal.signal(signal.SIGTERM, stop)  # so torchrun ends those that are left
    try:
        yield
    except RuntimeError as error:
        if isinstance(error, dist.DistError) or "gloo" in str(error):
            raise RuntimeError(STOPPED) from error
        raise
    finally:
        dist.destroy_process_group()


def world() -> int:
    """How many processes train together."""
    return dist.get_world_size() if dist.is_initialized() else 1


class Parallel(DistributedDataParallel):
    """Averages gradients over the processes during backward, by DistributedDataParallel.

    A network that is frozen, as D is in G's half of a step, only lets gradients pass and has none to average.
    """

    def forward(self, *inputs: Any, **named: Any) -> Any:
        if any(parameter.requires_grad for parameter in self.module.parameters()):
            return super().forward(*inputs, **named)
        return self.module(*inputs, **named)


def parallel(network: nn.Module) -> nn.Module:
    """What a step is given in place of `network`: the same weights, those of the first process; alone, `network`."""
    return Parallel(network) if world() > 1 else network


def part(*batches: Tensor | None) -> tuple[Any, ...]:
    """This process's part of each batch [B, …], of which all hold the same; None stays None. Alone, all of it.

    ValueError where B cannot be shared evenly: the mean of means would not be the mean.
    """
    for batch in batches:
        if batch is not None and len(batch) % world():
            raise ValueError(f"A batch of {len(batch)} cannot be shared by {world()} processes: start another number.")
    return tuple(None if batch is None else batch.chunk(world())[runtime.rank()] for batch in batches)


def mean(logged: dict[str, Tensor]) -> dict[str, Tensor]:
    """The mean over the processes of each 0-d tensor, the same for all of them; alone, `logged` itself."""
    if world() == 1:
        return logged
    row = torch.stack([*logged.values()])
    dist.all_reduce(row)
    return dict(zip(logged, row / world(), strict=True))

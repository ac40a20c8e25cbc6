"""A training run of milliseconds that uses every generator, and new kernels for it: forked processes."""

import hashlib
import multiprocessing
import os
import random
import signal
import traceback
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from genimg_utils import training
from genimg_utils.training import EMA, Run

FORK = multiprocessing.get_context("fork") if hasattr(os, "fork") else None


class ToyBatches:
    """Endless batches [4, 3] with a generator of their own and a pseudo-epoch, as the state to keep."""

    def __init__(self, seed: int = 0):
        self.generator, self.count = torch.Generator().manual_seed(seed), 0

    def __iter__(self) -> Iterator[Tensor]:
        return self

    def __next__(self) -> Tensor:
        self.count += 1
        return torch.randn(4, 3, generator=self.generator) + self.count % 7

    def state_dict(self) -> dict[str, Any]:
        return {"generator": self.generator.get_state(), "count": self.count}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.generator.set_state(state["generator"])
        self.count = state["count"]


class Pool:
    """Something for `extra`."""

    def __init__(self) -> None:
        self.kept = torch.zeros(3)

    def state_dict(self) -> dict[str, Any]:
        return {"kept": self.kept}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.kept = state["kept"].clone()


class Toy:
    """Two networks, their optimisers, average and pool, seeded as in a chapter, and the loop over them."""

    def __init__(self, seed: int = 0, learning_rate: float = 0.01):
        random.seed(seed)
        np.random.seed(seed)
        torch.manual_seed(seed)
        self.G, self.D = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3)), nn.Linear(3, 1)
        self.G.config = {"seed": seed}
        self.opt_G = torch.optim.Adam(self.G.parameters(), lr=learning_rate, betas=(0.0, 0.99))
        self.opt_D = torch.optim.Adam(self.D.parameters(), lr=learning_rate)
        self.ema, self.pool, self.batches = EMA(self.G, 0.9), Pool(), ToyBatches(seed)
        self.config = {"dataset": "toy", "seed": seed}

    def run(self, name: str = "toy", **arguments: Any) -> Run:
        arguments = {"config": self.config, "extra": {"pool": self.pool}, **arguments}
        networks, optimisers = {"G": self.G, "D": self.D}, {"G": self.opt_G, "D": self.opt_D}
        return Run(name, networks=networks, optimisers=optimisers, ema=self.ema, **arguments)

    def step(self, run: Run, real: Tensor, halfway: Callable[[], Any] = lambda: None) -> None:
        """One step that depends on everything a checkpoint has to hold."""
        noise = torch.randn(4, 2) * (1 + random.random()) + float(np.random.rand())
        loss_D = self.D(real).square().mean() - self.D(self.G(noise).detach()).mean() + self.pool.kept.mean()
        self.opt_D.zero_grad()
        loss_D.backward()
        self.opt_D.step()
        halfway()
        loss_G = self.D(self.G(noise)).square().mean()
        self.opt_G.zero_grad()
        loss_G.backward()
        self.opt_G.step()
        self.pool.kept = 0.5 * self.pool.kept + 0.5 * real.mean(0)
        self.opt_G.param_groups[0]["lr"] = 0.01 / (1 + 0.01 * run.step)
        self.ema.update()
        run.log(loss_D=loss_D, loss_G=loss_G)
        if run.step % 5 == 0:
            run.log(penalty=self.pool.kept.sum())

    def train(self, run: Run, total: int, act: Callable[[int], Any] = lambda step: None) -> Run:
        """The loop; `act` is called with run.step in the middle of each step, between the two updates."""
        for real in run.steps(self.batches, total=total):
            self.step(run, real, lambda: act(run.step))
        return run

    def state(self, run: Run) -> dict[str, Any]:
        """Everything that has to be equal, and what comes next from the batches and each generator."""
        parts = (self.G, self.D, self.opt_G, self.opt_D, self.ema, self.pool, self.batches)
        states = [part.state_dict() for part in parts]
        coming = [torch.rand(3), random.random(), float(np.random.rand()), next(self.batches)]
        return {"parts": states, "history": run.history, "step": run.step, "coming": coming}


def trained(total: int, name: str = "toy", seed: int = 0) -> str:
    """The fingerprint of a run, from wherever it stands to `total`."""
    toy = Toy(seed)
    return fingerprint(toy.state(toy.train(toy.run(name), total)))


def fingerprint(state: Any) -> str:
    """A hash of nested states, bit by bit."""
    return hashlib.sha256("\n".join(spell(state)).encode()).hexdigest()


def spell(state: Any) -> Iterator[str]:
    if isinstance(state, Tensor):
        state = state.detach().cpu().contiguous().numpy()
    if isinstance(state, np.ndarray):
        yield f"{state.dtype}{state.shape}{state.tobytes().hex()}"
    elif isinstance(state, dict):
        for key in state:
            yield repr(key)
            yield from spell(state[key])
    elif isinstance(state, (list, tuple)):
        for each in state:
            yield from spell(each)
    else:
        yield repr(state)


def save_at_every_step() -> None:
    training.FIRST_SAVE, training.SAVE_EVERY, training.SAVE_SHARE = 0.0, 0.0, float("inf")


def in_new_kernel(work: Callable[..., Any], *arguments: Any) -> Any:
    """What `work` returns in a process of its own, or None if that was killed."""
    ours, theirs = FORK.Pipe(duplex=False)
    kernel = FORK.Process(target=answer, args=(theirs, work, *arguments))
    kernel.start()
    theirs.close()
    try:
        good, result = ours.recv()
    except EOFError:
        kernel.join()
        assert kernel.exitcode == -signal.SIGKILL, f"the kernel ended with {kernel.exitcode}"
        return None
    kernel.join()
    assert good, result
    return result


def answer(pipe: Any, work: Callable[..., Any], *arguments: Any) -> None:
    torch.set_num_threads(1)
    try:
        pipe.send((True, work(*arguments)))
    except BaseException:
        pipe.send((False, traceback.format_exc()))


def kill_me(*_: Any) -> None:
    os.kill(os.getpid(), signal.SIGKILL)

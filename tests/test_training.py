"""Run and EMA: what a reader's kernel, disk and fingers can do to a training run, and what must come out."""

import errno
import json
import os
import random
import re
import shutil
import signal
import sys
import time
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from matplotlib import pyplot
from safetensors import safe_open
from torch import nn
from training_toy import (
    FORK,
    Toy,
    ToyBatches,
    answer,
    fingerprint,
    in_new_kernel,
    kill_me,
    save_at_every_step,
    trained,
)

from genimg_utils import checkpoint, runtime, training
from genimg_utils.checkpoint import RunError
from genimg_utils.training import EMA, Run

forks = pytest.mark.skipif(sys.platform != "linux", reason="a process that holds torch forks safely on Linux only")
TOTAL = 24


@pytest.fixture(scope="module", autouse=True)
def warm() -> None:
    """The first optimiser step imports for seconds: once here, not again in every forked kernel."""
    optimiser = torch.optim.Adam([nn.Parameter(torch.zeros(1))])
    optimiser.zero_grad()
    optimiser.step()


@pytest.fixture(autouse=True)
def fresh_kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A root of its own, a memory without runs, interrupts as in a kernel, and no waiting for the disk."""
    monkeypatch.setattr(checkpoint, "fsync", lambda file: None)  # guards against power cuts, which no test makes
    monkeypatch.setenv("GENIMG_RUNS", str(tmp_path / "runs"))
    monkeypatch.setattr(checkpoint, "_stores", {})
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def saves_always(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"FIRST_SAVE": 0.0, "SAVE_EVERY": 0.0, "SAVE_SHARE": float("inf")}.items():
        monkeypatch.setattr(training, name, value)


def new_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forget in this process what a kernel remembers; tests that need a real one fork."""
    monkeypatch.setattr(checkpoint, "_stores", {})


def finish(name: str = "toy") -> str:
    toy = Toy()
    return fingerprint(toy.state(toy.train(toy.run(name), TOTAL)))


def expected() -> str:
    """The fingerprint of a run that nobody disturbed."""
    return finish("undisturbed")


# ---- the loop


def test_one_stream_gives_items_and_two_give_pairs() -> None:
    toy = Toy()
    items = list(toy.run("one").steps(toy.batches, total=2))
    pairs = list(toy.run("two").steps(ToyBatches(1), ToyBatches(2), total=2))
    assert [item.shape for item in items] == [(4, 3)] * 2
    assert [[each.shape for each in pair] for pair in pairs] == [[(4, 3)] * 2] * 2
    assert torch.equal(pairs[0][1], next(ToyBatches(2)))


def test_history_holds_what_was_logged_and_nan_where_a_step_did_not() -> None:
    toy = Toy()
    run = toy.run()
    for _ in run.steps(toy.batches, total=7):
        run.log(a=torch.tensor(run.step / 8), b=2.5)
        if run.step in (2, 5):
            run.log(late=torch.tensor(float(run.step)))
        assert len(run.history["step"]) == run.step + 1  # also in the middle
    assert run.history["step"].tolist() == list(range(7))
    assert run.history["step"].dtype == np.int64
    assert run.history["a"].dtype == np.float32
    np.testing.assert_array_equal(run.history["a"], np.arange(7) / 8)
    np.testing.assert_array_equal(run.history["b"], 2.5)
    nan = np.nan
    np.testing.assert_array_equal(run.history["late"], [nan, nan, 2, nan, nan, 5, nan])


def test_losses_cross_over_once_in_100_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    toy, transfers = Toy(), []
    run, loss, tolist = toy.run(), torch.tensor(1.0), torch.Tensor.tolist
    monkeypatch.setattr(torch.Tensor, "tolist", lambda self: transfers.append(len(self)) or tolist(self))
    for _ in run.steps(toy.batches, total=250):
        with monkeypatch.context() as watch:
            for name in ("item", "cpu", "numpy", "tolist", "__float__"):
                watch.setattr(torch.Tensor, name, lambda *_: pytest.fail("a loss crossed over on its own"))
            run.log(a=loss, b=loss)
    assert transfers[-3:] == [200, 200, 100]  # before them, the generators' states


def test_log_copies_since_a_captured_step_writes_over_its_losses() -> None:
    toy = Toy()
    run, loss = toy.run(), torch.zeros(())
    for _ in run.steps(toy.batches, total=3):
        run.log(a=loss.fill_(run.step))
    assert run.history["a"].tolist() == [0, 1, 2]


def test_log_refuses_what_is_no_number() -> None:
    toy = Toy()
    run = toy.run()
    with pytest.raises(ValueError, match=r"a has shape \[4\]: log one number"):
        run.log(a=torch.zeros(4))


def test_the_bar_shows_losses_and_steps(capfd: pytest.CaptureFixture[str]) -> None:
    toy = Toy()
    toy.train(toy.run(), 3)
    assert re.search(r"toy: 100%.*3/3 .*loss_G=", capfd.readouterr().err)


def test_a_finished_run_says_its_last_losses_in_a_line_that_stays(capsys: pytest.CaptureFixture[str]) -> None:
    """A page without a kernel shows this in place of the bar."""
    toy = Toy()
    run = toy.run()
    for _ in run.steps(toy.batches, total=1200):
        run.log(loss_D=run.step / 1000, d_real=3.0, loss_G=0.25)
    assert capsys.readouterr().out == "toy: 1,200 steps, loss_D 1.2, loss_G 0.25\n"
    assert not list(Run("bare", {"D": toy.D}, {}).steps(toy.batches, total=0))
    for _ in Run("bare", {"D": toy.D}, {}).steps(toy.batches, total=1):
        pass
    assert capsys.readouterr().out.endswith("bare: 1 steps\n")


# ---- the average


def test_ema_is_the_recursion_over_parameters_and_copies_buffers() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2)).double()
    ema = EMA(network, decay=0.9)
    average = [weight.detach().clone() for weight in network.parameters()]
    for _ in range(5):
        network(torch.randn(8, 3).double())
        for weight in network.parameters():
            weight.data += torch.randn_like(weight)
        ema.update()
        average = [0.9 * a + 0.1 * w.detach() for a, w in zip(average, network.parameters(), strict=True)]
    for a, b in zip(average, ema.network.parameters(), strict=True):
        torch.testing.assert_close(a, b.data, rtol=1e-12, atol=1e-12)
    assert torch.equal(ema.network[1].running_mean, network[1].running_mean)
    assert ema.network[1].num_batches_tracked == 5
    assert not ema.network.training
    assert network.training
    assert not any(weight.requires_grad for weight in ema.network.parameters())


def test_ema_of_a_placed_network_computes_with_its_own_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtime, "precision", lambda device: torch.bfloat16)
    network = runtime.place(nn.Sequential(nn.Linear(3, 2)), torch.device("cpu"))
    ema = EMA(network)
    with torch.no_grad():
        before = network(torch.ones(1, 3))
        network[0].weight.add_(1.0)
        assert torch.equal(ema.network(torch.ones(1, 3)), before)


# ---- killed, interrupted, broken off


def killed_somewhere(plan: str, seed: int, total: int, step: int) -> str:
    """A kernel that goes on with the run, and is killed by `plan` at its own `step`-th step or write."""
    training.FIRST_SAVE = training.SAVE_EVERY = random.Random(step * 1000 + seed).choice([0.0, 0.003])
    training.SAVE_SHARE = float("inf")
    countdown = iter(range(step, -1, -1))
    when_it_is_time = lambda: next(countdown, 0) == 0 and kill_me()  # noqa: E731
    if plan == "half a write":

        class HalfWritten:
            def __init__(self, path: Path, mode: str):
                self.file = open(path, mode)  # noqa: SIM115

            def __enter__(self) -> Any:
                return self

            def __exit__(self, *_: Any) -> None:
                self.file.close()

            def write(self, data: bytes) -> None:
                self.file.write(data[: len(data) // 2])
                self.file.flush()
                when_it_is_time()
                self.file.write(data[len(data) // 2 :])

            def __getattr__(self, name: str) -> Any:
                return getattr(self.file, name)

        checkpoint.open = HalfWritten
    elif plan in ("before the rename", "after the rename"):
        replace = checkpoint.replace

        def rename(*paths: Any) -> None:
            if plan == "after the rename":
                replace(*paths)
            when_it_is_time()
            if plan == "before the rename":
                replace(*paths)

        checkpoint.replace = rename
    toy = Toy(seed)
    run = toy.run("killed")
    toy.train(run, total, lambda _: plan == "half a step" and when_it_is_time())
    return fingerprint(toy.state(run))


def fingerprints_by_step(seed: int, total: int) -> tuple[dict[int, str], str]:
    """What the checkpoint after each step must be, and the end, from a run that nobody kills."""
    save_at_every_step()
    toy = Toy(seed)
    run = toy.run("unharmed")
    found: dict[int, str] = {}
    toy.train(run, total, lambda step: step and found.update({step: fingerprint(checkpoint.read(run.path))}))
    found[total] = fingerprint(checkpoint.read(run.path))
    return found, fingerprint(toy.state(run))


def kill_often(kills: int, seed: int, total: int = 150) -> int:
    """One run, killed again and again and compared with one that was not; how many kills hit it."""
    unharmed, end = in_new_kernel(fingerprints_by_step, seed, total)
    chance, hits, result = random.Random(seed), 0, None
    plans = ["any time", "half a step", "half a write", "before the rename", "after the rename"]
    path = Path(os.environ["GENIMG_RUNS"]) / "unharmed"
    while result is None and hits < kills:
        plan = plans[hits % len(plans)]
        arguments = (plan, seed, total, chance.randrange(1, 10))
        if plan == "any time":
            ours, theirs = FORK.Pipe(duplex=False)
            kernel = FORK.Process(target=answer, args=(theirs, killed_somewhere, *arguments))
            kernel.start()
            time.sleep(chance.uniform(0.005, 0.06))
            kernel.kill()
            kernel.join()
            result = ours.recv()[1] if kernel.exitcode == 0 else None
        else:
            result = in_new_kernel(killed_somewhere, *arguments)
        hits += result is None
        path = next(Path(os.environ["GENIMG_RUNS"]).glob("killed-*/checkpoint.pt"), path)
        if path.is_file():
            saved = checkpoint.read(path)
            assert fingerprint(saved) == unharmed[saved["step"]], (plan, saved["step"])
    result = result or in_new_kernel(killed_somewhere, "nothing", seed, total, 0)
    assert result == end
    return hits


@forks
@pytest.mark.parametrize("kills", [20, pytest.param(200, marks=pytest.mark.full)])
def test_a_killed_run_goes_on_bit_by_bit(kills: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hits, seed = 0, 0
    while hits < kills:
        monkeypatch.setenv("GENIMG_RUNS", str(tmp_path / str(seed)))
        hits += kill_often(kills - hits, seed)
        seed += 1


@forks
def test_the_lost_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A hosted notebook lost its machine: only $GENIMG_RUNS is left, and comes back in another place."""

    def lost() -> None:
        save_at_every_step()
        os.chdir(tmp_path / "machine")
        toy = Toy()
        toy.train(toy.run(), TOTAL, lambda step: step == 17 and kill_me())

    machine = tmp_path / "machine"
    for variable, place in {
        "HOME": "home",
        "GENIMG_DATA": "data",
        "TMPDIR": "tmp",
        "GENIMG_RUNS": "drive",
    }.items():
        (machine / place).mkdir(parents=True)
        monkeypatch.setenv(variable, str(machine / place))
    in_new_kernel(lost)
    shutil.move(machine / "drive", tmp_path / "drive again")
    shutil.rmtree(machine)
    monkeypatch.setenv("GENIMG_RUNS", str(tmp_path / "drive again"))
    for variable in ("HOME", "GENIMG_DATA", "TMPDIR"):
        monkeypatch.setenv(variable, str(tmp_path))
    went_on = in_new_kernel(trained, TOTAL)
    assert went_on == in_new_kernel(trained, TOTAL, "undisturbed")
    assert json.loads(json.dumps(went_on))


def test_an_interrupt_waits_for_the_step_and_saves(capsys: pytest.CaptureFixture[str]) -> None:
    toy = Toy()
    run = toy.run()
    with pytest.raises(KeyboardInterrupt):
        toy.train(run, TOTAL, lambda step: step == 11 and os.kill(os.getpid(), signal.SIGINT))
    assert run.step == 12
    assert len(run.history["step"]) == 12
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert "Saved at step 12 of 24: run the cell again to go on." in capsys.readouterr().out
    toy.train(run, TOTAL)
    assert "toy goes on from step 12 of 24. Run(…, fresh=True) starts again." in capsys.readouterr().out
    assert fingerprint(toy.state(run)) == expected()


def test_an_interrupted_cell_runs_again_with_new_objects() -> None:
    toy = Toy()
    with pytest.raises(KeyboardInterrupt):
        toy.train(toy.run(), TOTAL, lambda step: step == 11 and os.kill(os.getpid(), signal.SIGINT))
    assert finish() == expected()


@pytest.mark.usefixtures("saves_always")
def test_a_second_interrupt_leaves_at_once() -> None:
    def twice(step: int) -> None:
        if step == 11:
            os.kill(os.getpid(), signal.SIGINT)
            os.kill(os.getpid(), signal.SIGINT)
            pytest.fail("the second interrupt was not obeyed")

    toy = Toy()
    run = toy.run()
    with pytest.raises(KeyboardInterrupt):
        toy.train(run, TOTAL, twice)
    assert run.step == 11
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    toy.train(run, TOTAL)
    assert fingerprint(toy.state(run)) == expected()


@pytest.mark.parametrize("saved", [True, False])
@pytest.mark.parametrize("leave", ["break", "error"])
def test_what_leaves_the_loop_goes_on_from_a_whole_step(
    leave: str, saved: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    if saved:
        monkeypatch.setattr(training, "FIRST_SAVE", 0.0)  # after the first step, then not for 30 s
    toy = Toy()
    run = toy.run()

    def loop() -> None:
        for real in run.steps(toy.batches, total=TOTAL):
            toy.step(run, real)
            if run.step == 11 and leave == "break":
                break
            if run.step == 11:
                raise ZeroDivisionError

    with nullcontext() if leave == "break" else pytest.raises(ZeroDivisionError):
        loop()
    assert "Left in the middle of step 11." in capsys.readouterr().out
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    toy.train(run, TOTAL)
    assert ("goes on from step 1 of" in capsys.readouterr().out) == saved
    assert fingerprint(toy.state(run)) == expected()


# ---- run again


def test_a_finished_run_starts_afresh_in_the_same_kernel() -> None:
    toy = Toy()
    first = fingerprint(toy.state(toy.train(toy.run(), TOTAL)))
    run = toy.run()  # only the cell with Run runs again: the networks are the trained ones
    assert run.step == TOTAL
    assert len(list(run.steps(toy.batches, total=TOTAL))) == TOTAL
    again = fingerprint(toy.state(toy.train(run, TOTAL)))
    assert again == first
    toy.train(run, TOTAL)  # only the loop runs again
    assert fingerprint(toy.state(run)) == first


def test_new_networks_begin_where_they_are() -> None:
    toy = Toy()
    toy.train(toy.run(), TOTAL)
    other = Toy()
    with torch.no_grad():
        other.G[0].weight.fill_(0.5)  # the reader changed the initialisation, then ran everything again
    begun = other.run()
    torch.manual_seed(5)
    first = torch.rand(3)
    torch.manual_seed(5)
    for _ in begun.steps(other.batches, total=TOTAL):
        assert torch.equal(other.G[0].weight, torch.full((3, 2), 0.5))
        assert torch.equal(torch.rand(3), first)  # and so do the generators
        break


def test_weights_that_change_between_run_and_loop_stay() -> None:
    toy = Toy()
    run = toy.run()
    torch.nn.init.constant_(toy.G[0].weight, 0.25)
    for _ in run.steps(toy.batches, total=1):
        assert torch.equal(toy.G[0].weight, torch.full((3, 2), 0.25))


@forks
def test_a_run_that_another_kernel_finished_is_shown_not_repeated(capsys: pytest.CaptureFixture[str]) -> None:
    end = in_new_kernel(trained, TOTAL)
    toy = Toy()
    run = toy.run()
    for _ in range(2):
        assert not list(run.steps(toy.batches, total=TOTAL))
        said = capsys.readouterr().out
        assert "toy is finished and loaded: 24 steps. What was changed in the code since then is not in it" in said
        assert "Run(…, fresh=True) starts" in said
    assert fingerprint(toy.state(run)) == end


def test_a_larger_total_goes_on() -> None:
    toy = Toy()
    run, steps = toy.train(toy.run(), 15), []
    toy.train(run, TOTAL, steps.append)
    assert steps == list(range(15, TOTAL))
    assert fingerprint(toy.state(run)) == expected()


@pytest.mark.parametrize("same_objects", [True, False])
def test_fresh_starts_again(same_objects: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    toy = Toy()
    with pytest.raises(KeyboardInterrupt):
        toy.train(toy.run(), TOTAL, lambda step: step == 11 and os.kill(os.getpid(), signal.SIGINT))
    if not same_objects:
        new_kernel(monkeypatch)
        toy = Toy()
    run = toy.run(fresh=True)
    assert run.step == 0
    toy.train(run, TOTAL)
    assert fingerprint(toy.state(run)) == expected()


@forks
def test_a_second_kernel_is_refused_until_the_first_is_gone() -> None:
    ours, theirs = FORK.Pipe()

    def first() -> None:
        save_at_every_step()
        toy = Toy()
        toy.train(toy.run(), TOTAL, lambda step: step == 5 and (theirs.send("training"), theirs.recv()))

    kernel = FORK.Process(target=first)
    kernel.start()
    assert ours.recv() == "training"
    with pytest.raises(RunError, match=r"Another kernel trains toy-\w+: stop it there, or rename this run"):
        Toy().run()
    kernel.kill()
    kernel.join()
    assert Toy().run().step == 5


@pytest.mark.usefixtures("saves_always")
def test_a_run_made_before_another_went_on_does_not_mix_the_two() -> None:
    toy, other = Toy(), Toy()
    early = toy.run()
    with pytest.raises(KeyboardInterrupt):
        other.train(other.run(), TOTAL, lambda step: step == 11 and os.kill(os.getpid(), signal.SIGINT))
    toy.train(early, TOTAL)
    assert fingerprint(toy.state(early)) == expected()


# ---- what tells runs apart


def test_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    path = Toy().run().path
    assert Toy().run().path == path
    assert path.parent.name.startswith("toy-")
    toy = Toy()
    toy.opt_G.param_groups[0]["lr"] = 1e-5  # a schedule's doing
    others = [Toy(1).run(), Toy(learning_rate=0.02).run(), Toy().run(config={}), Toy().run(extra={})]
    toy.G.double()
    others.append(toy.run())
    toy = Toy()
    toy.D = nn.Linear(3, 1, bias=False)
    others.append(toy.run())
    toy = Toy()
    toy.ema.decay = 0.99
    others.append(toy.run())
    monkeypatch.setenv("GENIMG_TIER", "cpu")
    others.append(Toy().run())
    assert len({run.path for run in others} | {path}) == 9


def test_a_schedule_does_not_change_the_key() -> None:
    toy = Toy()
    run = toy.train(toy.run(), 3)
    assert toy.opt_G.param_groups[0]["lr"] != 0.01
    assert toy.run().path == run.path


def test_what_cannot_be_kept_is_refused_at_once() -> None:
    toy = Toy()
    with pytest.raises(ValueError, match="config holds more than plain values"):
        toy.run(config={"loss": nn.Linear})
    with pytest.raises(ValueError, match="cannot keep extra pool, a list: it needs state_dict"):
        toy.run(extra={"pool": []})
    toy.pool.kept = np.zeros(3)
    with pytest.raises(ValueError, match="cannot keep extra pool: its state_dict holds more than tensors"):
        toy.run()
    with pytest.raises(ValueError, match="cannot be called 'a/b'"):
        Toy().run("a/b")
    with pytest.raises(ValueError, match="cannot keep batches 0, a list_iterator"):
        next(Toy().run().steps(iter([1, 2]), total=2))


# ---- losses and weights that are not finite


@pytest.mark.usefixtures("saves_always")
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_loss_that_is_not_finite_stops_the_run_before_it_is_saved(value: float) -> None:
    toy = Toy()
    run = toy.run()
    with pytest.raises(RunError) as caught:
        toy.train(run, TOTAL, lambda step: run.log(loss_X=torch.tensor(value if step == 7 else 1.0)))
    assert f"loss_X is {value} in step 7. The run stops; the last good checkpoint, of step 7, is" in str(caught.value)
    assert str(run.path) in str(caught.value)
    assert checkpoint.read(run.path)["step"] == 7
    toy.train(run, TOTAL)  # mended
    assert np.isfinite(run.history["loss_G"]).all()
    assert run.step == TOTAL


def test_a_loss_that_is_not_finite_stops_the_run_within_100_steps() -> None:
    toy = Toy()
    run = toy.run()

    def loop() -> None:
        for _ in run.steps(toy.batches, total=1000):
            run.log(loss=torch.tensor(float("nan") if run.step == 3 else 1.0))

    with pytest.raises(RunError, match=r"loss is nan in step 3\. The run stops; it had no checkpoint yet"):
        loop()
    assert run.step == 100
    assert not run.path.exists()


@pytest.mark.usefixtures("saves_always")
def test_weights_that_are_not_finite_are_never_saved() -> None:
    toy = Toy()
    run = toy.run()

    def loop() -> None:
        for real in run.steps(toy.batches, total=TOTAL):
            toy.step(run, real)
            if run.step == 7:
                toy.D.weight.data[0, 0] = float("nan")

    with pytest.raises(RunError, match=r"Weights of D are not finite after step 7\..* of step 7, is"):
        loop()
    assert checkpoint.read(run.path)["step"] == 7


# ---- disk and memory


@forks
def test_a_full_disk_loses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def interrupt(step: int) -> None:
        if step == 11:
            os.kill(os.getpid(), signal.SIGINT)

    toy = Toy()
    run = toy.run()
    with monkeypatch.context() as disk:
        disk.setattr(checkpoint, "fsync", full)
        with pytest.raises(RunError, match=r"No checkpoint could be written to .*No space left.*free space there"):
            toy.train(run, TOTAL, interrupt)
        with pytest.raises(RunError, match="No space left"):
            toy.train(run, TOTAL)
    assert not list(run.path.parent.glob("checkpoint*"))
    assert "Another kernel trains" in in_new_kernel(refusal)
    toy = Toy()
    run = toy.run()
    assert run.step == 12
    toy.train(run, TOTAL)
    assert fingerprint(toy.state(run)) == expected()
    assert in_new_kernel(refusal) == ""


def test_a_folder_that_vanishes_while_the_kernel_lives_is_made_again() -> None:
    toy = Toy()
    run = toy.run()
    with pytest.raises(KeyboardInterrupt):
        toy.train(run, TOTAL, lambda step: step == 7 and os.kill(os.getpid(), signal.SIGINT))
    shutil.rmtree(run.path.parent)
    toy.train(toy.run(), TOTAL)  # from the beginning: nothing is left of the rest
    assert checkpoint.read(run.path)["step"] == TOTAL
    shutil.rmtree(Path(os.environ["GENIMG_RUNS"]))
    toy.train(toy.run(), TOTAL, lambda step: step == 3 and shutil.rmtree(run.path.parent, ignore_errors=True))
    assert checkpoint.read(run.path)["step"] == TOTAL


def test_only_a_full_disk_is_told_to_be_freed(monkeypatch: pytest.MonkeyPatch) -> None:
    toy = Toy()
    run = toy.run()
    with monkeypatch.context() as disk:
        disk.setattr(checkpoint, "fsync", lambda _: (_ for _ in ()).throw(OSError(errno.EROFS, "read-only")))
        with pytest.raises(RunError, match=r"read-only.*must be a folder that can be written") as caught:
            toy.train(run, TOTAL)
    assert "free space" not in str(caught.value)
    assert not list(run.steps(toy.batches, total=TOTAL))  # written now


def refusal() -> str:
    checkpoint._stores.clear()
    try:
        Toy().run()
    except RunError as error:
        return str(error)
    return ""


def test_a_full_disk_at_the_end_is_written_later(monkeypatch: pytest.MonkeyPatch) -> None:
    toy = Toy()
    run = toy.run()
    with monkeypatch.context() as disk:
        disk.setattr(checkpoint, "replace", lambda *_: (_ for _ in ()).throw(OSError(errno.ENOSPC, "full")))
        with pytest.raises(RunError):
            toy.train(run, TOTAL)
    assert not list(run.steps(toy.batches, total=TOTAL))
    assert checkpoint.read(run.path)["step"] == TOTAL


@forks
def test_jupyter_shows_sentences(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In IPython itself: the memory's sentence below the error, once, and RunError without a traceback."""
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))
    full, other, ours = in_new_kernel(cells)
    assert full.count("The GPU's memory is full in step 3: take a smaller batch") == 1
    assert full.index("CUDA out of memory") < full.index("memory is full in step 3")
    assert "The next call goes on from step 3." in full
    assert "elsewhere" in other
    assert "memory is full" not in other
    assert ours.strip() == "RunError: one sentence."


def cells() -> list[str]:
    from IPython.core.interactiveshell import InteractiveShell
    from IPython.utils.capture import capture_output

    def fill(step: int) -> None:
        if step == 3:
            raise torch.OutOfMemoryError("CUDA out of memory.")

    save_at_every_step()
    shell, toy = InteractiveShell.instance(colors="NoColor"), Toy()
    shell.push({"toy": toy, "fill": fill, "RunError": RunError, "torch": torch})
    outputs = []
    for cell in (
        "toy.train(toy.run(), 24, fill)",
        "raise torch.OutOfMemoryError('elsewhere')",
        "raise RunError('one sentence.')",
    ):
        with capture_output() as captured:
            shell.run_cell(cell)
        outputs.append(captured.stdout)
    return outputs


def test_a_full_memory_outside_the_body_is_a_sentence() -> None:
    class Greedy(ToyBatches):
        def __next__(self) -> Any:
            if self.count == 2:
                raise torch.OutOfMemoryError("CUDA out of memory.")
            return super().__next__()

    with pytest.raises(RunError, match=r"memory is full in step 2: take a smaller batch.*Nothing was saved yet"):
        list(Toy().run().steps(Greedy(), total=5))


# ---- checkpoints that must not be read


class Code:
    def __reduce__(self) -> Any:
        return os.mkdir, (os.environ["GENIMG_RUNS"] + "/was run",)


def test_a_checkpoint_that_holds_code_is_refused_and_kept() -> None:
    toy = Toy()
    run = toy.train(toy.run(), 3)
    state = checkpoint.read(run.path)
    torch.save(state | {"history": Code()}, run.path)
    data = run.path.read_bytes()
    with pytest.raises(RunError, match=r"checkpoint\.pt holds code and was not loaded: delete it"):
        toy.run()
    assert run.path.read_bytes() == data
    assert not Path(os.environ["GENIMG_RUNS"], "was run").exists()


def test_a_damaged_checkpoint_is_refused() -> None:
    toy = Toy()
    run = toy.train(toy.run(), 3)
    whole, chance = run.path.read_bytes(), random.Random(0)
    state = fingerprint(checkpoint.read(run.path))
    damaged = [b"", b"<html>not found</html>", whole[:10], whole[: len(whole) // 2], whole[:-1]]
    for data in damaged:
        run.path.write_bytes(data)
        with pytest.raises(RunError, match=r"damaged: Run\(…, fresh=True\) starts again"):
            toy.run()
    for _ in range(150):  # a flipped byte is refused, or one that means nothing
        place = chance.randrange(len(whole))
        run.path.write_bytes(whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :])
        with suppress(RunError):
            assert fingerprint(checkpoint.read(run.path)) == state
    assert toy.run(fresh=True).step == 0


def test_a_checkpoint_of_other_batches_is_refused() -> None:
    toy = Toy()
    run = toy.run()
    with pytest.raises(KeyboardInterrupt):
        toy.train(run, TOTAL, lambda step: step == 3 and os.kill(os.getpid(), signal.SIGINT))
    with pytest.raises(RunError, match="has no batches 1"):
        next(run.steps(toy.batches, ToyBatches(), total=TOTAL))


# ---- what checkpoints cost


def test_checkpoints_take_two_percent_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    """By a clock that runs 0.1 s a step and 3 s a checkpoint."""
    clock = [0.0]
    saves = []
    monkeypatch.setattr(training, "perf_counter", lambda: clock[0])

    def write(path: Path, data: bytes) -> None:
        clock[0] += 3.0
        saves.append(clock[0])

    monkeypatch.setattr(checkpoint, "write", write)
    toy = Toy()
    for _ in toy.run().steps(toy.batches, total=20_000):
        clock[0] += 0.1
    assert saves[0] == pytest.approx(10.0 + 3.0, abs=0.2)
    for number, end in enumerate(saves[1:-1], 2):  # the last one, at the end, has to be
        assert 0.01 < 3.0 * number / end <= 0.0201


def test_a_checkpoint_is_on_the_disk_before_it_takes_the_place_of_the_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a power cut between the two leaves an empty file under the checkpoint's name."""
    path, seen = tmp_path / "checkpoint.pt", []
    monkeypatch.setattr(checkpoint, "fsync", lambda file: seen.append(os.fstat(file).st_size))
    monkeypatch.setattr(checkpoint, "replace", lambda *paths: seen.append(paths) or os.replace(*paths))
    checkpoint.write(path, b"1234")
    assert seen == [4, (tmp_path / "checkpoint.tmp", path)]
    assert path.read_bytes() == b"1234"


# ---- the preview


def draw(toy: Toy, calls: list[int], run: Run) -> Any:
    calls.append(run.step)
    torch.rand(3), random.random(), np.random.rand()
    figure, axes = pyplot.subplots(figsize=(1, 1))
    axes.plot([0, 1])
    return figure


@pytest.mark.parametrize(("tier", "times"), [("smoke", 2), ("cpu", 0)])
def test_the_preview_runs_in_smoke_and_changes_nothing(tier: str, times: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GENIMG_TIER", tier)
    toy, calls = Toy(), []
    run = toy.run()
    for real in run.steps(toy.batches, total=TOTAL):
        toy.step(run, real)
        run.preview(lambda: draw(toy, calls, run))
    assert calls == [0, TOTAL][:times]
    assert not pyplot.get_fignums()
    assert fingerprint(toy.state(run)) == expected()


def test_an_error_in_the_preview_shows_and_the_end_is_saved() -> None:
    toy = Toy()
    run = toy.run()
    figure = lambda: 1 / 0 if run.step == TOTAL else pyplot.figure()  # noqa: E731
    with pytest.raises(ZeroDivisionError):
        toy.train(run, TOTAL, lambda _: run.preview(figure))
    assert checkpoint.read(run.path)["step"] == TOTAL


def test_previews_take_five_percent_at_most_and_one_place(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, calls, shown = [0.0], [], []
    monkeypatch.setattr(training, "perf_counter", lambda: clock[0])
    monkeypatch.setattr(runtime, "shell", lambda: type("Shell", (), {"events": Events()}))
    monkeypatch.setattr(training, "show_png", lambda png, place: shown.append((png[:4], place)) or "the place")

    def slow(run: Run) -> Any:
        calls.append(run.step)
        clock[0] += 0.5
        return pyplot.figure(figsize=(1, 1))

    toy = Toy()
    run = toy.run()
    for _ in run.steps(toy.batches, total=1000):
        clock[0] += 0.1
        run.preview(lambda: slow(run))
    assert 0.03 < 0.5 * len(calls) / clock[0] <= 0.06  # with the first and the last
    assert calls[0] == 0
    assert calls[-1] == 1000
    assert shown == [(b"\x89PNG", None)] + [(b"\x89PNG", "the place")] * (len(calls) - 1)


class Events:
    def register(self, *_: Any) -> None: ...


# ---- export


@pytest.mark.parametrize(("network", "what"), [(None, "moving average, decay 0.9"), ("G", "as trained")])
def test_export_round_trip(network: str | None, what: str, tmp_path: Path) -> None:
    toy = Toy()
    run = toy.train(toy.run(), 5)
    path = run.export(tmp_path / "models" / "toy", network)
    with safe_open(path, "pt") as file:
        metadata = file.metadata()
        weights = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    assert path == tmp_path / "models" / "toy.safetensors"
    rebuilt = Toy(**json.loads(metadata["config"])).G
    rebuilt.load_state_dict(weights)
    source = toy.G if network else toy.ema.network
    assert fingerprint(rebuilt.state_dict()) == fingerprint(source.state_dict())
    assert fingerprint(toy.G.state_dict()) != fingerprint(toy.ema.network.state_dict())
    facts = {"class": "Sequential", "weights": what, "step": "5", "dataset": "toy", "tier": "smoke"}
    assert metadata.items() >= facts.items()
    card = path.with_suffix(".md").read_text(encoding="utf-8")
    assert all(f"- {key}: {value}" in card for key, value in facts.items())


def test_export_of_one_among_several_averages(tmp_path: Path) -> None:
    several = nn.ModuleDict({"G": nn.Linear(2, 2), "F": nn.Linear(2, 2)})
    for network in several.values():
        network.config = {"in_features": 2, "out_features": 2}
    D = nn.Linear(2, 1)
    D.config = {"in_features": 2, "out_features": 1}
    ema = EMA(several, decay=0.5)
    run = Run("several", {**several, "D": D}, {}, ema=ema)
    with torch.no_grad():
        several["F"].weight.zero_()
    for name, source, what in (
        (None, ema.network["G"], "moving average, decay 0.5"),
        ("F", ema.network["F"], "moving average, decay 0.5"),
        ("D", D, "as trained"),
    ):
        with safe_open(run.export(tmp_path / str(name), name), "pt") as file:
            assert file.metadata()["weights"] == what
            assert file.metadata()["class"] == "Linear"
            assert torch.equal(file.get_tensor("weight"), source.weight)


def test_export_of_a_placed_network(tmp_path: Path) -> None:
    network = nn.Conv2d(3, 4, 3)
    network.config = {}
    runtime.place(network, torch.device("cpu"))  # channels-last, which safetensors refuse
    run = Run("placed", {"G": network}, {})
    with safe_open(run.export(tmp_path / "placed"), "pt") as file:
        assert torch.equal(file.get_tensor("weight"), network.weight)


def test_export_refuses_what_it_cannot_write(tmp_path: Path) -> None:
    run = Toy().run()
    with pytest.raises(ValueError, match="has no network 'F', only G, D"):
        run.export(tmp_path / "a", "F")
    with pytest.raises(ValueError, match="Linear needs `config`"):
        run.export(tmp_path / "a", "D")


# ---- with the rest of the package


@forks
def test_a_real_gan_goes_on_bit_by_bit() -> None:
    """Batches, networks in their precision, channels-last and fused Adam, killed at step 5 of 9."""
    end = in_new_kernel(real_gan, 9, "undisturbed", None)
    assert in_new_kernel(real_gan, 9, "killed", 5) is None
    assert in_new_kernel(real_gan, 9, "killed", None) == end


def real_gan(total: int, name: str, kill: int | None) -> str:
    from genimg_utils import data, networks, steps

    save_at_every_step()
    device = torch.device("cpu")
    runtime.seed(0)
    images = torch.randint(0, 256, (40, 1, 28, 28), dtype=torch.uint8)
    batches = data.Batches(images, 8, device, seed=0, labels=torch.arange(40) % 10, flip=True)
    G = runtime.place(networks.Generator(width=16, classes=10), device)
    D = runtime.place(networks.Discriminator(width=16, classes=10), device)
    adam = lambda network: torch.optim.Adam(network.parameters(), 2e-3, (0.0, 0.99), fused=True)  # noqa: E731
    opt_G, opt_D, ema = adam(G), adam(D), EMA(G)
    run = Run(name, {"G": G, "D": D}, {"G": opt_G, "D": opt_D}, ema, config={"seed": 0})
    for real, labels in run.steps(batches, total=total):
        run.log(**steps.gan_step(real, torch.randn(8, 64), G, D, opt_G, opt_D, labels=labels))
        ema.update()
        if run.step == kill:
            kill_me()
    states = [part.state_dict() for part in (G, D, opt_G, opt_D, ema, batches)]
    return fingerprint([states, run.history, next(batches), torch.rand(3)])

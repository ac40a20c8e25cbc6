"""The fast paths leave a step what it is: recorded, scaled, compiled, or shared by two processes."""

import copy
import json
import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest
import torch
from torch import nn

from genimg_utils import fast, runtime
from genimg_utils.losses import lazy, r1
from genimg_utils.networks import Discriminator, Generator
from genimg_utils.steps import gan_step

ROOT = Path(__file__).resolve().parents[1]
needs_gloo = pytest.mark.skipif(
    not torch.distributed.is_available() or not torch.distributed.is_gloo_available() or sys.platform == "win32",
    reason="this torch trains in one process only (no gloo)",
)


@pytest.fixture
def players():
    torch.manual_seed(0)
    return Generator(latent=8, width=8), Discriminator(width=8)


def batches(count, size=4):
    g = torch.Generator().manual_seed(1)
    for _ in range(count):
        yield torch.rand(size, 1, 28, 28, generator=g) * 2 - 1, torch.randn(size, 8, generator=g)


def sgd(network, lr=0.1):
    return torch.optim.SGD(network.parameters(), lr=lr)


def pretend(run):
    """A recorder that keeps a graph's promises on a CPU: nothing at once, then everything at each replay."""
    outputs = {}
    return outputs, lambda: outputs.update(run())


def trained(step, players, steps=12, **changes):
    """Weights and losses after steps with a falling rate and a lazy penalty."""
    G, D = copy.deepcopy(players)
    opt_G, opt_D, losses = sgd(G), sgd(D), []
    for number, (x, z) in enumerate(batches(steps)):
        for optimiser in (opt_G, opt_D):
            optimiser.param_groups[0]["lr"] = 0.1 * 0.9**number
        logged = step(x, z, G, D, opt_G, opt_D, penalty=changes.get("wrap", lambda p: p)(lazy(r1, number, 2)))
        losses.append({name: value.item() for name, value in logged.items()})
    weights = torch.cat([p.detach().flatten() for n in (G, D) for p in n.parameters()])
    return weights, losses, opt_G


# ---- recorded


def test_on_a_cpu_a_captured_step_is_the_step(monkeypatch):
    monkeypatch.setenv("GENIMG_DEVICE", "cpu")
    assert fast.captured(gan_step) is gan_step


def test_a_replayed_step_sees_new_batches_and_rates_and_both_kinds_of_penalty(players):
    weights, losses, _ = trained(gan_step, players)
    again, same, optimiser = trained(fast.captured(gan_step, record=pretend), players)
    torch.testing.assert_close(again, weights)
    assert same == losses
    assert optimiser.param_groups[0]["lr"] == pytest.approx(0.1 * 0.9**11)  # a number, as the schedule left it
    assert isinstance(optimiser.param_groups[0]["lr"], float)


def test_each_kind_of_step_is_recorded_once_after_its_warm_up(players):
    recordings = []

    def counted(run):
        recordings.append(run)
        return pretend(run)

    trained(fast.captured(gan_step, record=counted), players)  # six steps with the penalty, six without
    assert len(recordings) == 2


def test_nothing_is_recorded_in_the_first_three_calls(players):
    def refuse(run):
        raise AssertionError("recorded too early")

    trained(fast.captured(gan_step, record=refuse), players, steps=2 * fast.WARM_UP)
    with pytest.raises(AssertionError, match="too early"):
        trained(fast.captured(gan_step, record=refuse), players, steps=2 * fast.WARM_UP + 1)


def test_a_step_that_fails_leaves_the_rates_numbers(players):
    G, D = players
    opt_G, opt_D = sgd(G), sgd(D)

    def broken(*_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fast.captured(broken, record=pretend)(G, D, opt_G, opt_D)
    assert opt_G.param_groups[0]["lr"] == opt_D.param_groups[0]["lr"] == 0.1


@pytest.mark.skipif(not torch.cuda.is_available(), reason="graphs need a CUDA GPU")
def test_a_graph_equals_the_step_on_a_gpu(players):
    def adams(step):
        G, D = (copy.deepcopy(n).cuda() for n in players)
        optimisers = [torch.optim.Adam(n.parameters(), lr=1e-3, fused=True) for n in (G, D)]
        for number, (x, z) in enumerate(batches(20)):
            for optimiser in optimisers:
                optimiser.param_groups[0]["lr"] = 1e-3 * 0.9**number
            step(x.cuda(), z.cuda(), G, D, *optimisers, penalty=lazy(r1, number, 4))
        return torch.cat([p.detach().flatten() for n in (G, D) for p in n.parameters()])

    torch.testing.assert_close(adams(fast.captured(gan_step)), adams(gan_step), rtol=1e-4, atol=1e-5)


# ---- scaled


def test_a_scaled_update_is_the_update_also_with_a_penalty(players):
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**10)
    weights, losses, _ = trained(gan_step, players)
    again, same, _ = trained(partial(gan_step, update=fast.scaled(scaler)), players)
    torch.testing.assert_close(again, weights, rtol=1e-4, atol=1e-6)
    assert [row["loss_D"] for row in same] == pytest.approx([row["loss_D"] for row in losses], rel=1e-4)


def test_gradients_that_overflow_change_no_weight_and_halve_the_scale():
    weight = nn.Parameter(torch.ones(3))
    scaler = torch.amp.GradScaler("cpu", init_scale=4.0)
    optimiser = torch.optim.SGD([weight], lr=1.0)
    fast.scaled(scaler)((weight * torch.inf).sum(), optimiser)
    assert weight.tolist() == [1, 1, 1]
    assert scaler.get_scale() == 2.0
    fast.scaled(scaler)((2 * weight).sum(), optimiser)
    assert weight.tolist() == [-1, -1, -1]


# ---- compiled


def penalised(D, x, wrap=lambda p: p):
    """The gradient that logits and penalty together leave in D's weights."""
    D.zero_grad()
    (D(x).mean() + wrap(r1)(D, x, x)).backward()
    return torch.cat([p.grad.flatten().clone() for p in D.parameters() if p.grad is not None])


BACKENDS = ["aot_eager", pytest.param("inductor", marks=pytest.mark.full)]


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_penalty_through_a_compiled_network_raises_or_equals_eager(players, backend):
    x, (_, D) = next(batches(1))[0], players
    expected = penalised(D, x)
    D.compile(backend=backend)
    refused = False
    try:
        found = penalised(D, x)
    except RuntimeError as error:
        refused = "double backward" in str(error)
    assert refused or torch.allclose(found, expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("backend", BACKENDS)
def test_eager_takes_the_penalty_around_a_compiled_network(players, backend):
    x, (_, D) = next(batches(1))[0], players
    expected, names = penalised(D, x), list(D.state_dict())
    D.compile(backend=backend)
    torch.testing.assert_close(penalised(D, x, fast.eager), expected, rtol=1e-4, atol=1e-6)
    assert list(D.state_dict()) == names
    assert fast.eager(None) is None


# ---- alone


def test_alone_nothing_is_shared_or_averaged(players):
    G, _ = players
    x = torch.arange(4)
    logged = {"loss": torch.tensor(1.0)}
    with fast.processes():
        assert not torch.distributed.is_initialized()
        assert fast.parallel(G) is G
        assert torch.equal(fast.part(x, None)[0], x)
        assert fast.part(x, None)[1] is None
        assert fast.mean(logged) is logged
        assert (fast.world(), runtime.rank()) == (1, 0)


# ---- two processes

WORKER = """
import glob, json, sys
from pathlib import Path
import torch
from genimg_utils import fast, runtime
from genimg_utils.losses import lazy, r1
from genimg_utils.networks import Decoder, Discriminator, Encoder, Generator, LocalDiscriminator, Translator
from genimg_utils.steps import cyclegan_step, gan_step, vae_step
from genimg_utils.training import EMA

def gan(x, z, number, G, D, opt_G, opt_D):
    return gan_step(x, z, G, D, opt_G, opt_D, penalty=lazy(r1, number, 4))

def vae(x, z, number, encoder, decoder, opt):
    return vae_step((x + 1) / 2, z, encoder, decoder, opt)

def cyclegan(x, z, number, G, F, D_X, D_Y, opt_GF, opt_D):
    return cyclegan_step(x, z, G, F, D_X, D_Y, opt_GF, opt_D, identity=2.0)

def train(model, dtype, steps):
    torch.manual_seed(0)
    torch.set_default_dtype(dtype)
    if model == "gan":
        networks, owners = [Generator(latent=8, width=8), Discriminator(width=8)], [[0], [1]]
        shapes, step = ((1, 28, 28), (8,)), gan
    elif model == "vae":
        networks, owners = [Encoder(latent=4, width=8), Decoder(latent=4, width=8)], [[0, 1]]
        shapes, step = ((1, 28, 28), (4,)), vae
    else:
        networks = [Translator(width=8, blocks=1), Translator(width=8, blocks=1)]
        networks += [LocalDiscriminator(), LocalDiscriminator()]
        owners, shapes, step = [[0, 1], [2, 3]], ((3, 16, 16), (3, 16, 16)), cyclegan
    optimisers = [torch.optim.Adam([p for i in own for p in networks[i].parameters()], lr=1e-3) for own in owners]
    ema, shared, losses = EMA(networks[0], 0.9), [fast.parallel(n) for n in networks], []
    numbers = torch.Generator().manual_seed(1)
    for number in range(steps):
        x = torch.rand(8, *shapes[0], generator=numbers) * 2 - 1
        z = torch.randn(8, *shapes[1], generator=numbers)
        x, z = fast.part(x, z.tanh() if model == "cyclegan" else z)
        losses.append({k: v.item() for k, v in fast.mean(step(x, z, number, *shared, *optimisers)).items()})
        ema.update()
    average = torch.cat([p.flatten() for p in ema.network.parameters()])
    return {"losses": losses, "average": [average.sum().item(), average.square().sum().item()], "rows": len(x)}

with fast.processes():
    steps = {"float64": 50, "float32": 3}
    found = {f"{m} {d}": train(m, getattr(torch, d), n) for m in ("gan", "vae", "cyclegan") for d, n in steps.items()}
    rank = runtime.rank()
found["threads"] = [Path(p).read_text().strip() for p in glob.glob("/proc/self/task/*/comm")]
Path(f"{sys.argv[1]}-{rank}.json").write_text(json.dumps(found))
"""


def command(count):
    """Python as one process, or as `count` that torchrun starts."""
    run = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(count)] if count > 1 else []
    return [sys.executable, *run]


def environment(**more):
    clean = {k: v for k, v in os.environ.items() if not k.startswith("TORCHELASTIC")}
    return clean | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT), "GENIMG_DEVICE": "cpu"} | more


@pytest.fixture(scope="module")
def one_and_two(tmp_path_factory):
    folder = tmp_path_factory.mktemp("processes")
    script = folder / "worker.py"
    script.write_text(WORKER)
    for name, count in (("one", 1), ("two", 2)):
        subprocess.run([*command(count), script, folder / name], env=environment(), check=True, timeout=300)
    return [json.loads((folder / f"{name}.json").read_text()) for name in ("one-0", "two-0", "two-1")]


@needs_gloo
@pytest.mark.parametrize("model", ["gan", "vae", "cyclegan"])
def test_two_processes_give_the_losses_of_one_with_the_whole_batch(one_and_two, model):
    one, two, _ = (found[f"{model} float64"] for found in one_and_two)
    assert (one["rows"], two["rows"]) == (8, 4)
    assert len(one["losses"]) == 50
    for mine, theirs in zip(one["losses"], two["losses"], strict=True):
        assert theirs == pytest.approx(mine, rel=0, abs=1e-6)
    one, two, _ = (found[f"{model} float32"] for found in one_and_two)
    assert two["losses"][0] == pytest.approx(one["losses"][0], rel=0, abs=1e-5 * max(1, *one["losses"][0].values()))


@needs_gloo
@pytest.mark.parametrize("model", ["gan", "vae", "cyclegan"])
def test_all_processes_hold_the_same_average_and_log_the_same(one_and_two, model):
    _, first, second = one_and_two
    for dtype in ("float64", "float32"):
        assert first[f"{model} {dtype}"] == second[f"{model} {dtype}"]  # to the last bit


@needs_gloo
@pytest.mark.skipif(sys.platform != "linux", reason="reads the threads' names")
def test_no_thread_of_the_group_outlives_it(one_and_two):
    for found in one_and_two:
        assert found["threads"]
        assert not [name for name in found["threads"] if "gloo" in name]


BEGIN = """
import sys
from genimg_utils import __main__, recipes, runtime, training
training.FIRST_SAVE = training.SAVE_EVERY = 0.0
training.SAVE_SHARE = 0.5
runtime.precision = lambda device: __import__("torch").float32
sys.exit(__main__.main(sys.argv[1:]))
"""


def test_a_batch_that_cannot_be_shared_is_refused_with_a_sentence(monkeypatch):
    monkeypatch.setattr(fast, "world", lambda: 3)
    with pytest.raises(ValueError, match="A batch of 4 cannot be shared by 3 processes"):
        fast.part(torch.zeros(6), torch.zeros(4))


def children(parent):
    listed = subprocess.run(["ps", "-o", "pid=", "--ppid", str(parent)], capture_output=True, text=True, check=False)
    return [int(word) for word in listed.stdout.split()]


@needs_gloo
@pytest.mark.skipif(sys.platform != "linux", reason="reads the processes with ps")
@pytest.mark.parametrize("victim", [pytest.param(0, marks=pytest.mark.full), 1])
def test_when_one_is_killed_all_stop_with_a_sentence_and_go_on_later(tmp_path, victim):
    script = tmp_path / "door.py"
    script.write_text(BEGIN)
    env = environment(GENIMG_RUNS=str(tmp_path / "runs"))
    door = [script, "train", "cyclegan", "--steps", "80", "--out", str(tmp_path / "mine")]
    train = [*command(2), *door]
    running = subprocess.Popen(train, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 120
    while not [*(tmp_path / "runs").rglob("checkpoint.pt")] and time.monotonic() < deadline:
        time.sleep(0.05)
    os.kill(sorted(children(running.pid))[victim], signal.SIGKILL)
    said, _ = running.communicate(timeout=60)
    assert running.returncode != 0
    assert said.count("[FAIL] One of the processes that train together is gone") == 1
    again = subprocess.run(train, env=env, capture_output=True, text=True, timeout=300)
    assert again.returncode == 0, again.stdout + again.stderr
    assert "cyclegan goes on from step" in again.stdout
    assert again.stdout.count("cyclegan: 80 steps") == again.stdout.count("Weights and card:") == 1
    assert len([*(tmp_path / "runs").iterdir()]) == 1
    assert (tmp_path / "mine-F.safetensors").exists()
    alone = subprocess.run([*command(1), *door], env=env, capture_output=True, text=True, timeout=300)
    assert "cyclegan is finished and loaded: 80 steps" in alone.stdout  # a run is what it is, by however many

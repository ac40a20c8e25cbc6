"""Tier, device, precision, threads, folders, and the report that a machine in need gets."""

import copy
import os
import subprocess
import sys
import types

import pytest
import torch
from torch import nn

from genimg_utils import runtime


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch):
    for name in ("GENIMG_TIER", "GENIMG_DEVICE", "GENIMG_THREADS", "OMP_NUM_THREADS"):
        monkeypatch.delenv(name, raising=False)
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


def test_the_tier_follows_the_machine_and_is_never_smoke_by_itself(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert runtime.tier().name == "cpu"
    assert runtime.tier().pick(smoke=1, cpu=2, gpu=3) == 2
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert runtime.tier().name == "gpu"
    assert runtime.tier().pick(smoke=1, cpu=2, gpu=3) == 3
    monkeypatch.setenv("GENIMG_TIER", "smoke")
    assert runtime.tier().pick(smoke=1, cpu=2, gpu=3) == 1


def test_the_device_follows_the_machine_unless_one_is_named(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert runtime.device() == torch.device("cpu")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert runtime.device() == torch.device("cuda")
    monkeypatch.setenv("GENIMG_DEVICE", "cpu")
    assert runtime.device() == torch.device("cpu")


@pytest.mark.parametrize(
    ("name", "value", "call"),
    [
        ("GENIMG_TIER", "fast", runtime.tier),
        ("GENIMG_DEVICE", "tpu", runtime.device),
        ("GENIMG_DEVICE", "cuda", runtime.device),
        ("GENIMG_DEVICE", "mps", runtime.device),
        ("GENIMG_THREADS", "0", runtime.threads),
        ("GENIMG_THREADS", "many", runtime.threads),
    ],
)
def test_a_wrong_setting_gets_a_sentence(monkeypatch, name, value, call):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    monkeypatch.setenv(name, value)
    with pytest.raises(ValueError, match=f"{name}.*{value}.*unset it"):
        call()


@pytest.mark.parametrize(
    ("capability", "dtype"),
    [((7, 5), torch.float16), ((8, 0), torch.bfloat16), ((9, 0), torch.bfloat16), ((6, 1), torch.float16)],
)
def test_a_t4_gets_float16_whatever_it_says_of_bfloat16(monkeypatch, capability, dtype):
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda *_: capability)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda *_: True)
    assert runtime.precision(torch.device("cuda")) is dtype


@pytest.mark.parametrize(("avx", "amx"), [(True, False), (False, True), (False, False)])
def test_a_cpu_gets_bfloat16_only_with_units_for_it(monkeypatch, avx, amx):
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: avx)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: amx)
    expected = torch.bfloat16 if avx or amx else torch.float32
    assert runtime.precision(torch.device("cpu")) is expected
    assert runtime.precision(torch.device("mps")) is torch.float32


def test_a_placed_network_computes_low_and_answers_in_float32(monkeypatch):
    monkeypatch.setattr(runtime, "precision", lambda device: torch.bfloat16)
    seen = []
    network = nn.Sequential(nn.Conv2d(2, 2, 3), nn.Flatten(), nn.Linear(8, 1))
    network[2].register_forward_hook(lambda module, given, out: seen.append(out.dtype))
    x = torch.randn(2, 2, 4, 4)
    before = network(x)
    placed = runtime.place(network, torch.device("cpu"))
    out = placed(x)
    assert seen[-1] is torch.bfloat16
    assert out.dtype is torch.float32
    torch.testing.assert_close(out, before, rtol=0.05, atol=0.05)
    assert placed[0].weight.is_contiguous(memory_format=torch.channels_last)


class TwoHeads(nn.Linear):
    def forward(self, x):
        y = super().forward(x)
        return y, y.exp()


def test_each_output_of_a_placed_network_is_float32(monkeypatch):
    monkeypatch.setattr(runtime, "precision", lambda device: torch.bfloat16)
    outputs = runtime.place(TwoHeads(3, 1), torch.device("cpu"))(torch.ones(2, 3))
    assert [out.dtype for out in outputs] == [torch.float32] * 2


def test_a_copy_of_a_placed_network_uses_its_own_weights(monkeypatch):
    """The average of a generator is such a copy."""
    monkeypatch.setattr(runtime, "precision", lambda device: torch.bfloat16)
    network = runtime.place(nn.Linear(3, 1), torch.device("cpu"))
    average = copy.deepcopy(network)
    with torch.no_grad():
        network.weight.zero_()
        network.bias.zero_()
    x = torch.ones(1, 3)
    assert network(x).item() == 0
    assert average(x).item() != 0


def test_threads_leave_room_on_a_busy_machine(monkeypatch):
    for cores, threads in [(1, 1), (2, 1), (4, 2), (64, 4)]:
        monkeypatch.setattr(os, "cpu_count", lambda n=cores: n)
        assert runtime.threads() == threads == torch.get_num_threads()
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    assert runtime.threads() == 2 == torch.get_num_threads()
    monkeypatch.setenv("GENIMG_THREADS", "3")
    assert runtime.threads() == 3 == torch.get_num_threads()


def test_seed_repeats_all_generators():
    import random

    import numpy

    draws = []
    for number in (7, 7, 8):
        runtime.seed(number)
        draws.append((random.random(), numpy.random.rand(), torch.rand(1).item()))
    assert draws[0] == draws[1]
    assert all(a != b for a, b in zip(draws[1], draws[2], strict=True))


def test_folders_follow_the_environment(monkeypatch, tmp_path):
    for kind in ("data", "runs"):
        monkeypatch.setenv(f"GENIMG_{kind.upper()}", str(tmp_path / "deep" / kind))
    for kind in ("data", "runs"):
        assert runtime.folder(kind) == tmp_path / "deep" / kind
        assert runtime.folder(kind).is_dir()


def status(lines, word):
    return next(line for line in lines if word in line.text)


def test_the_report_says_what_is_absent_and_what_to_do(monkeypatch, tmp_path):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(runtime, "found", lambda module: module not in ("ipykernel", "scipy"))
    monkeypatch.setattr(runtime.socket, "create_connection", refuse)
    monkeypatch.setattr(runtime.psutil, "virtual_memory", lambda: types.SimpleNamespace(available=2**29))
    monkeypatch.setattr(runtime.shutil, "disk_usage", lambda path: types.SimpleNamespace(free=2**28))
    monkeypatch.delenv("GENIMG_OFFLINE", raising=False)
    lines = runtime.report({"mnist-5k": True, "mnist": False})
    assert status(lines, "missing: scipy").status == "FAIL"
    assert status(lines, "no CUDA GPU").status == "–"
    assert status(lines, "no Jupyter").status == "–"
    assert status(lines, "0.5 GiB of memory").status == "FAIL"
    assert status(lines, "GENIMG_RUNS").status == "FAIL"
    assert status(lines, "data mnist-5k").status == "OK"
    assert status(lines, "data mnist:").status == "–"
    assert status(lines, "no network").status == "–"
    assert all("\n" not in str(line) for line in lines)


def refuse(*_, **__):
    raise OSError("no route")


def test_the_report_asks_no_network_when_offline(monkeypatch):
    monkeypatch.setattr(runtime.socket, "create_connection", refuse)
    monkeypatch.setenv("GENIMG_OFFLINE", "1")
    assert [line.text for line in runtime.at_hand({})] == ["GENIMG_OFFLINE=1: nothing is downloaded"]


def test_the_report_of_a_gpu_names_its_capability(monkeypatch):
    cuda = {
        "is_available": lambda: True,
        "get_device_capability": lambda *_: (7, 5),
        "get_device_name": lambda *_: "T4",
    }
    for name, answer in (cuda | {"mem_get_info": lambda *_: (14 * 2**30, 15 * 2**30)}).items():
        monkeypatch.setattr(torch.cuda, name, answer)
    lines = runtime.report()
    assert status(lines, "T4").text == "GPU T4, capability 7.5, 14 of 15 GiB free"
    assert "float16" in status(lines, "tier gpu").text


@pytest.mark.parametrize(("tier", "status"), [("gpu", "FAIL"), ("cpu", "OK"), (None, "OK")])
def test_the_gpu_tier_without_a_gpu_fails_with_the_remedy(monkeypatch, tier, status):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    if tier:
        monkeypatch.setenv("GENIMG_TIER", tier)
    line = next(line for line in runtime.hardware() if "device cpu" in line.text)
    assert line.status == status
    assert ("unset GENIMG_TIER" in line.text) == (status == "FAIL")


@pytest.mark.parametrize("below", ["", "deeper"])
def test_a_folder_that_is_a_file_gets_a_sentence(monkeypatch, tmp_path, below):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("GENIMG_RUNS", str(tmp_path / "file" / below))
    with pytest.raises(ValueError, match=r"GENIMG_RUNS is .*file.*set it to a folder"):
        runtime.folder("runs")
    assert status(runtime.storage(), "GENIMG_RUNS is").status == "FAIL"


def test_widgets_that_cannot_be_drawn_are_named(monkeypatch):
    monkeypatch.setattr(runtime, "found", lambda module: True)
    monkeypatch.setattr(runtime, "version", lambda package: None)
    assert status(runtime.report(), "no ipywidgets").status == "FAIL"
    monkeypatch.setattr(runtime, "version", lambda package: "8.1" if package == "ipywidgets" else None)
    assert status(runtime.report(), "jupyterlab_widgets").status == "FAIL"


def test_a_shown_path_names_no_home(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("GENIMG_RUNS", str(tmp_path / "runs"))
    assert not any(str(tmp_path) in line.text for line in runtime.report())


@pytest.mark.parametrize("missing", ["torch", "numpy", "psutil"])
def test_the_door_names_a_missing_library_in_one_line(missing):
    """As on a machine where the package lies and nothing was installed."""
    code = f"import sys; sys.modules[{missing!r}] = None; from genimg_utils.__main__ import main; "
    code += "sys.exit(main(['report']))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stdout.count("\n") == 1
    assert f"[FAIL] {missing} is missing" in done.stdout

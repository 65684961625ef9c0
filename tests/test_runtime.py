"""Device, seeds and the record of a run, whatever devices this machine has."""

import hashlib
import json
import os

import numpy as np
import pytest
import torch

from stages import runtime
from tests.tiny import ROOT


@pytest.fixture(autouse=True)
def restored(monkeypatch):
    """What `prepare` changes in the process is undone."""
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", "as before")
    deterministic = torch.are_deterministic_algorithms_enabled()
    fill = torch.utils.deterministic.fill_uninitialized_memory
    benchmark = torch.backends.cudnn.benchmark
    with torch.random.fork_rng():
        yield
    torch.use_deterministic_algorithms(deterministic)
    torch.utils.deterministic.fill_uninitialized_memory = fill
    torch.backends.cudnn.benchmark = benchmark


@pytest.fixture
def two_gpus(monkeypatch):
    """As far as anyone asks."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "manual_seed_all", lambda seed: None)


@pytest.fixture
def no_gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)


@pytest.mark.parametrize("name", ["auto", "cpu"])
def test_names_without_a_gpu(no_gpu, name):
    assert runtime.prepare(name, seed=0) == torch.device("cpu")


@pytest.mark.parametrize(
    ("name", "device"),
    [("auto", "cuda"), ("cpu", "cpu"), ("cuda", "cuda"), ("cuda:0", "cuda:0"), ("cuda:1", "cuda:1")],
)
def test_names_with_two_gpus(two_gpus, name, device):
    assert runtime.prepare(name, seed=0) == torch.device(device)


def refusal(name):
    with pytest.raises(SystemExit) as error:
        runtime.prepare(name, seed=0)
    message = error.value.code
    assert isinstance(message, str)  # so the exit status is 1 and the line goes to stderr
    assert "\n" not in message
    return message


def test_a_device_that_no_machine_has_ends_with_one_line():
    message = refusal("cuda:99")
    assert "device = 'cuda:99'" in message
    assert "use auto or cpu" in message


@pytest.mark.parametrize("name", ["cuda", "cuda:0"])
def test_a_gpu_is_refused_where_there_is_none(no_gpu, name):
    assert "0 CUDA devices found" in refusal(name)


def test_one_gpu_too_many_is_refused(two_gpus):
    assert "2 CUDA devices found" in refusal("cuda:2")


def test_prepare_seeds_torch_and_numpy():
    def draws(seed):
        runtime.prepare("cpu", seed)
        return torch.rand(3).tolist(), np.random.rand(3).tolist()

    first, again, other = draws(1), draws(1), draws(2)
    assert first == again
    assert first[0] != other[0]
    assert first[1] != other[1]


def test_prepare_switches_deterministic_algorithms_on():
    torch.use_deterministic_algorithms(False)
    runtime.prepare("cpu", seed=0)
    assert torch.are_deterministic_algorithms_enabled()


@pytest.fixture
def record(monkeypatch):
    """Of a run of eight seconds that saw 1000 items."""
    monkeypatch.setattr(runtime.time, "monotonic", iter([100.0, 108.0]).__next__)
    return runtime.Record(torch.device("cpu"), seed=3).finish(items=1000)


def test_record_says_what_was_run_and_what_it_cost(record):
    assert set(record) == {
        *("seed", "device", "threads", "platform", "versions", "code_sha256"),
        *("seconds", "items_per_second", "peak_memory_mb", "peak_device_memory_mb"),
    }
    assert record["seed"] == 3
    assert record["device"] == "cpu"
    assert record["seconds"] == 8
    assert record["items_per_second"] == 125
    assert record["threads"] == torch.get_num_threads()
    assert record["peak_device_memory_mb"] is None


def test_record_is_json(record):
    assert json.loads(json.dumps(record, allow_nan=False)) == record


def test_record_hashes_the_code_that_ran(record):
    assert (
        record["code_sha256"]["stages/runtime.py"]
        == hashlib.sha256((ROOT / "stages/runtime.py").read_bytes()).hexdigest()
    )
    assert "stages/plot.py" not in record["code_sha256"]


def test_record_has_the_versions_of_the_numeric_core(record):
    assert record["versions"]["torch"] == torch.__version__.split("+")[0]  # less the build
    assert record["versions"].keys() == {"python", *runtime.RECORDED_PACKAGES}


def test_peak_memory_is_in_mib():
    """More than one tensor that is held, less than the machine has."""
    held = torch.ones(256 * 2**20 // 4)
    machine = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**20
    assert held.nbytes / 2**20 < runtime.peak_memory_mb() < machine

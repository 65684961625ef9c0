"""Device, seeds and the record of a run, for any devices of this machine."""

import hashlib
import json
import os
import platform
from pathlib import Path

import numpy as np
import pytest
import torch

from stages import runtime
from stages.command import Failure
from tests import tiny


@pytest.fixture(autouse=True)
def restored(monkeypatch):
    """Undo what `prepare` changes in the process."""
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", "as before")
    deterministic = torch.are_deterministic_algorithms_enabled()
    fill = torch.utils.deterministic.fill_uninitialized_memory
    benchmark, threads = torch.backends.cudnn.benchmark, torch.get_num_threads()
    parts = torch.backends.cuda.matmul, torch.backends.cudnn.conv
    precisions = [part.fp32_precision for part in parts]
    with torch.random.fork_rng():
        yield
    torch.use_deterministic_algorithms(deterministic)
    torch.utils.deterministic.fill_uninitialized_memory = fill
    torch.backends.cudnn.benchmark = benchmark
    torch.set_num_threads(threads)
    for part, precision in zip(parts, precisions, strict=True):
        part.fp32_precision = precision


def prepare(seed=0, **changes):
    """With one thread, and settings that differ from the committed ones."""
    return runtime.prepare(tiny.settings().model_copy(update=changes), seed)


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
    assert prepare(device=name) == torch.device("cpu")


@pytest.mark.parametrize(
    ("name", "device"),
    [("auto", "cuda"), ("cpu", "cpu"), ("cuda", "cuda"), ("cuda:0", "cuda:0"), ("cuda:1", "cuda:1")],
)
def test_names_with_two_gpus(two_gpus, name, device):
    assert prepare(device=name) == torch.device(device)


def refusal(name):
    with pytest.raises(Failure) as error:
        prepare(device=name)
    message = str(error.value)
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
        prepare(seed, device="cpu")
        return torch.rand(3).tolist(), np.random.rand(3).tolist()

    first, again, other = draws(1), draws(1), draws(2)
    assert first == again
    assert first[0] != other[0]
    assert first[1] != other[1]


def test_prepare_switches_deterministic_algorithms_on():
    torch.use_deterministic_algorithms(False)
    prepare(device="cpu")
    assert torch.are_deterministic_algorithms_enabled()


@pytest.mark.parametrize(("asked", "set_to"), [("float32", "ieee"), ("tf32", "tf32")])
def test_prepare_sets_the_precision_of_gpus(asked, set_to):
    """PyTorch's own default is TF32 for convolutions alone."""
    prepare(device="cpu", matmul_precision=asked)
    assert torch.backends.cuda.matmul.fp32_precision == set_to
    assert torch.backends.cudnn.conv.fp32_precision == set_to


@pytest.mark.parametrize(
    ("threads", "cores", "said"),
    [
        (1, 1, ""),
        (2, 2, ""),
        (1, 8, ""),
        (2, 1, "threads = 2 on 1 core: "),
        (5, 4, "threads = 5 on 4 cores: "),
    ],
)
def test_prepare_sets_as_many_threads_as_asked_and_says_so_where_there_are_fewer_cores(
    threads, cores, said, monkeypatch, capsys
):
    monkeypatch.setattr(runtime, "usable_cores", lambda: cores)
    prepare(device="cpu", threads=threads)
    assert torch.get_num_threads() == threads
    out = capsys.readouterr().out
    assert out.startswith(said) and out.count("\n") == bool(said)


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="no such call here")
def test_usable_cores_are_those_that_the_process_may_run_on():
    """A container or a batch system may allow fewer cores than the machine has."""
    cores = os.sched_getaffinity(0)
    assert runtime.usable_cores() == len(cores)
    try:
        os.sched_setaffinity(0, {min(cores)})
        assert runtime.usable_cores() == 1
    finally:
        os.sched_setaffinity(0, cores)


@pytest.fixture
def costs(monkeypatch):
    """costs(...): of eight seconds."""
    monkeypatch.setattr(runtime.time, "monotonic", iter([100.0, 108.0]).__next__)
    return runtime.Costs(torch.device("cpu")).finish


def test_costs(costs):
    found = costs(items=1000)
    assert set(found) == {
        *("machine", "seconds", "items_per_second", "peak_memory_mb", "peak_device_memory_mb"),
    }
    assert found["machine"] == {
        "platform": platform.platform(),
        "cpu": runtime.cpu(),
        "cores": runtime.usable_cores(),
    }
    assert found["seconds"] == 8
    assert found["items_per_second"] == 125
    assert found["peak_device_memory_mb"] is None
    assert json.loads(json.dumps(found, allow_nan=False)) == found


def test_costs_count_what_processes_before_have_spent_on_the_same(costs):
    found = costs(items=1000, earlier=12.0)
    assert found["seconds"] == 20
    assert found["items_per_second"] == 50


@pytest.mark.skipif(
    platform.machine() != "x86_64" or platform.system() != "Linux", reason="only Linux has this file"
)
def test_processor_is_called_by_its_name():
    assert f": {runtime.cpu()}\n" in Path("/proc/cpuinfo").read_text()
    assert runtime.cpu().strip()


def test_device_memory_is_that_of_the_device_that_was_used(two_gpus, monkeypatch):
    used = {None: 2**20, torch.device("cuda:1"): 5 * 2**20}  # None: the current device
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda device=None: used[device])
    costs = runtime.Costs(torch.device("cuda:1")).finish(items=1)
    assert costs["peak_device_memory_mb"] == 5


@pytest.fixture
def identity(tmp_path):
    """identity(text, **params): of a run that reads a folder with that text in a file, two levels down."""
    file = tmp_path / "folder/deep/file"
    file.parent.mkdir(parents=True)

    def make(text="data", **params):
        file.write_text(text)
        return runtime.identity(torch.device("cpu"), 3, params, [tmp_path / "folder"])

    return make


def test_identity_says_what_was_run(identity, tmp_path):
    found = identity(bnn={"steps": 1})
    assert set(found) == {
        *("seed", "device", "matmul_precision", "threads", "cpu_capability", "versions", "compiler"),
        *("params", "data_sha256", "code_sha256"),
    }
    assert found["seed"] == 3
    assert found["device"] == "cpu"
    assert found["threads"] == torch.get_num_threads()
    assert found["cpu_capability"] == torch.backends.cpu.get_cpu_capability()
    assert found["params"] == {"bnn": {"steps": 1}}
    assert found["data_sha256"] == {str(tmp_path / "folder/deep/file"): hashlib.sha256(b"data").hexdigest()}
    assert found["versions"]["torch"] == torch.__version__.split("+")[0]  # without the build
    assert found["versions"].keys() == {"python", *runtime.RECORDED_PACKAGES}
    assert json.loads(json.dumps(found, allow_nan=False)) == found


def test_identity_names_the_compiler(identity, monkeypatch, tmp_path):
    """Compilers differ in the bytes that they give, so a checkpoint belongs to one compiler."""
    fake = tmp_path / "c++"
    fake.write_text("#!/bin/sh\necho 'c++ 99.1'\necho more\n")
    fake.chmod(0o755)
    monkeypatch.setenv("CXX", str(fake))
    assert identity()["compiler"] == "c++ 99.1"
    monkeypatch.setenv("CXX", str(tmp_path / "none"))
    assert identity()["compiler"] is None


def test_identity_changes_with_params_and_data(identity):
    assert identity(bnn={"steps": 1}) == identity(bnn={"steps": 1})
    assert identity(bnn={"steps": 1}) != identity(bnn={"steps": 2})
    assert identity("data") != identity("other data")


def test_identity_hashes_the_code_that_runs(identity):
    code = identity()["code_sha256"]
    assert code["stages/runtime.py"] == hashlib.sha256((tiny.ROOT / "stages/runtime.py").read_bytes()).hexdigest()
    assert "stages/plot.py" not in code


@pytest.fixture
def repository(tmp_path, monkeypatch):
    """A repository with the running package, and a folder outside any repository."""
    monkeypatch.setattr(runtime, "PACKAGE", tmp_path / "repository/stages")
    for folder in ("repository/stages", "repository/studies/one/runs/two", "elsewhere"):
        (tmp_path / folder).mkdir(parents=True)
    return tmp_path / "repository"


@pytest.mark.parametrize(
    ("cwd", "folder", "path"),
    [
        (".", "posteriors/blr/0", ".runs/posteriors/blr/0/run.json"),
        (
            "studies/one/runs/two",
            "posteriors/bnn/3",
            ".runs/studies/one/runs/two/posteriors/bnn/3/run.json",
        ),
        ("../elsewhere", "posteriors/blr/0", "../elsewhere/.runs/posteriors/blr/0/run.json"),
    ],
    ids=["repository", "study", "elsewhere"],
)
def test_record_lies_below_the_repository_or_where_the_run_is(repository, monkeypatch, cwd, folder, path):
    """Next to the outputs it would become one of them, and change with every run."""
    monkeypatch.chdir(repository / cwd)
    assert runtime.recorded(folder) == {}
    runtime.record(folder, {"seconds": 3.5})
    assert json.loads((repository / path).read_text()) == {"seconds": 3.5}
    assert runtime.recorded(folder) == {"seconds": 3.5} == runtime.recorded(Path(folder).absolute())
    assert runtime.recorded(f"{folder}0") == {}
    assert not Path(folder).exists()


def test_peak_memory_is_in_mib():
    """More than one tensor that is kept, less than the memory of the machine."""
    held = torch.ones(256 * 2**20 // 4)
    machine = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**20
    assert held.nbytes / 2**20 < runtime.peak_memory_mb() < machine

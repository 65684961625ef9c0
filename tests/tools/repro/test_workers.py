"""What workers give to stages, and what is refused."""

import itertools
from unittest.mock import Mock

import pytest
import yaml

from stages.command import Failure
from tests.tools.repro.conftest import pipeline, processes, stage

pytestmark = pytest.mark.slow
IMPATIENT = {"DASK_DISTRIBUTED__SCHEDULER__NO_WORKERS_TIMEOUT": "2s"}
GPU = {"meta": {"dask": {"GPU": 1}}}


def test_a_gpu_holds_one_stage_at_a_time(project, tmp_path):
    """Three workers and two GPUs."""
    project.environment |= {"CUDA_VISIBLE_DEVICES": "3,5", "STARTS": str(tmp_path / "starts")}
    trainings = {f"train-{seed}": stage(f"train-{seed}", seconds=1.0, **GPU) for seed in range(5)}
    others = {f"other-{number}": stage(f"other-{number}", seconds=0.5) for number in range(2)}
    project.write(trainings | others)
    project.repro("--jobs", "3")
    starts = [start for start in project.starts() if start.out.startswith("train")]
    assert {start.device for start in starts} == {"3", "5"}
    for one, other in itertools.combinations(starts, 2):
        assert one.device != other.device or one.end <= other.begin or other.end <= one.begin
    assert len(project.starts()) == 7


def test_no_worker_waits_beside_one_with_a_queue(project, tmp_path):
    """Left to itself, Dask hands stages to the worker that made what they read."""
    project.environment["STARTS"] = str(tmp_path / "starts")
    seconds = {"long": 20.0, "second": 2.0, "third": 2.0, "fourth": 0.1}
    trainings = {f"train-{name}": stage(f"train-{name}", "data", seconds=seconds[name]) for name in seconds}
    readers = {"read": stage("read", "train-long"), "summary": stage("summary", "read")}
    project.write({"data": stage("data")} | trainings | readers)
    project.repro("--jobs", "2")
    starts = {start.out: start for start in project.starts()}
    long, *others = (starts[name] for name in trainings)
    assert sum(other.begin < long.begin for other in others) <= 1  # most stages wait for it
    assert all(other.end < long.end for other in others)


def test_the_longest_chain_starts_first_wherever_it_stands(project, tmp_path):
    project.environment["STARTS"] = str(tmp_path / "starts")
    short = {f"short-{number}": stage(f"short-{number}", seconds=1.0) for number in range(3)}
    long = {"train": stage("train"), "read": stage("read", "train"), "summary": stage("summary", "read")}
    project.write(short | long)
    project.repro("--jobs", "1")
    assert [start.out for start in project.starts()][:2] == ["train", "read"]


def test_without_gpus_a_stage_that_could_use_one_runs_all_the_same(project):
    project.environment["CUDA_VISIBLE_DEVICES"] = ""
    project.write({"train": stage("train", **GPU)})
    assert "1 ran" in project.repro("--jobs", "1")


def test_a_resource_that_no_worker_has_ends_with_one_line(project, tmp_path):
    project.environment |= IMPATIENT
    needy = stage("needy", meta={"dask": {"TPU": 2}})
    project.write(pipeline(seeds=1) | {"needy": needy, "reader": stage("reader", "needy")})
    printed = project.repro("--jobs", "1", status=1)
    (line,) = (line for line in printed.splitlines() if "FAILED" in line)
    assert "needy: FAILED: no worker has TPU=2 (no-workers-timeout: 2s): start one with `dask worker" in line
    assert "reader: not run" in printed and "4 ran" in printed


def test_threads_are_those_of_the_user_and_not_those_of_dask(project):
    words = "python -c \"import os; open('threads', 'w').write(os.environ.get('OMP_NUM_THREADS', 'none'))\""
    project.write({"count": {"cmd": words, "deps": ["make.py"], "outs": ["threads"]}})
    (project.folder / "params.yaml").write_text(yaml.safe_dump({"threads": 100}))
    project.environment["OMP_NUM_THREADS"] = "7"
    printed = project.repro("--jobs", "2")
    assert (project.folder / "threads").read_text() == "7"
    assert "2 jobs with `threads: 100` of params.yaml ask for 200 threads on" in printed


def test_workers_with_another_version_are_refused(project, tmp_path):
    project.run("dvc", "remote", "add", "--quiet", "--default", "store", str(tmp_path / "store"))
    fake = tmp_path / "fake/dvc-0.1.dist-info"
    fake.mkdir(parents=True)
    (fake / "METADATA").write_text("Metadata-Version: 2.1\nName: dvc\nVersion: 0.1\n")
    with processes(tmp_path / "cluster", {}, {"PYTHONPATH": str(fake.parent)}) as cluster:
        printed = project.repro("--scheduler", cluster.address, status=1)
    assert "has dvc 0.1, but this run needs 3." in printed.splitlines()[-1] and "Traceback" not in printed
    assert not project.locks()


def test_workers_with_another_python_are_refused_before_they_are_sent_any_code():
    """They cannot run the bytecode of this one, and may die of it."""
    from tools.repro import driver  # imports Dask, which `make test` does not install

    client = Mock()
    client.get_versions.return_value = {"workers": {"tcp://w": {"host": {"python": "3.9.18.final.0"}}}}
    run = driver.Run(Mock(), driver.workshop(".", b"", {}, {}))
    with pytest.raises(Failure, match=r"worker tcp://w has Python 3\.9, but this run needs 3\.1"):
        run.on(client)
    assert not client.run.called and not client.register_plugin.called


def test_what_cannot_begin_says_so_in_one_line(project, tmp_path):
    def refused(*words: str) -> str:
        printed = project.repro(*words, status=1)
        assert "Traceback" not in printed and not project.locks()
        return printed.splitlines()[-1]

    project.environment |= IMPATIENT
    assert "a cluster exchanges data through a DVC remote" in refused("--scheduler", "tcp://127.0.0.1:1")
    (tmp_path / "file").write_text("")
    project.run("dvc", "remote", "add", "--quiet", "--default", "store", str(tmp_path / "file/store"))
    assert "the remote `store` cannot be written" in refused("--jobs", "1")
    project.run("dvc", "remote", "modify", "--quiet", "store", "url", str(tmp_path / "store"))
    assert "the scheduler tcp://127.0.0.1:1 does not answer" in refused("--scheduler", "tcp://127.0.0.1:1")
    assert "the scheduler nonsense://x does not answer" in refused("--scheduler", "nonsense://x")
    with processes(tmp_path / "cluster") as cluster:
        assert "there is no worker (no-workers-timeout: 2s)" in refused("--scheduler", cluster.address)

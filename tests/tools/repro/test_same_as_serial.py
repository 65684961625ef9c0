"""Lock files, metrics and data are those of `dvc repro`: two workers with folders and caches of their own."""

import pytest

from tests.tools.repro.conftest import pipeline, stage

pytestmark = pytest.mark.slow
NOT_MADE = {".git", ".dvc", ".gitignore"}  # DVC undoes its additions to .gitignore when a stage fails


@pytest.fixture
def pair(project, tmp_path):
    """pair(): the project as it is, for `dvc repro`, and a copy of it with a remote, for workers."""

    def make():
        project.commit()
        return project, project.copy(tmp_path / "parallel", tmp_path / "store")

    return make


def compare(serial, parallel) -> None:
    """Lock files, metrics and data are the same; nothing is left to do, for DVC and for the tool."""
    assert parallel.locks() == serial.locks() != {}
    for path in serial.folder.rglob("*"):
        if path.is_file() and path.suffix in ("", ".json", ".bin") and not NOT_MADE & set(path.parts):
            same = parallel.folder / path.relative_to(serial.folder)
            assert same.read_bytes() == path.read_bytes(), path


def nothing_to_do(project, *targets: str) -> None:
    """DVC and the tool agree."""
    assert "Data and pipelines are up to date" in project.run("dvc", "status", *targets)
    assert "Running" not in project.run("dvc", "repro", *targets)
    assert project.repro("--jobs", "2", *targets).startswith("0 of ")


def test_from_nothing_and_after_changes(pair, cluster):
    serial, parallel = pair()
    serial.run("dvc", "repro")
    printed = parallel.repro("--scheduler", cluster.address)
    assert "6 of 6 stages to run" in printed and "6 ran, 0 known, 0 unchanged" in printed
    compare(serial, parallel)
    nothing_to_do(parallel)

    for project in (serial, parallel):  # one stage gives something else, another one the same as before
        project.write(pipeline() | {"train-1": stage("train-1.bin", "data", seconds=0.2)})
    serial.run("dvc", "repro")
    printed = parallel.repro("--scheduler", cluster.address)
    assert "1 ran, 0 known, 2 unchanged" in printed
    compare(serial, parallel)
    nothing_to_do(parallel)


def test_targets_and_a_second_dvc_yaml_with_wdir(pair, cluster, project):
    project.write(
        {
            "sum": stage("studies/one/sum", "evaluate-0", "evaluate-1", wdir="../.."),
            "here": {"cmd": "cp sum here", "deps": ["sum"], "outs": ["here"]},
        },
        "studies/one/dvc.yaml",
    )
    serial, parallel = pair()
    for targets in (["evaluate-1"], ["studies/one/dvc.yaml"], ["dvc.yaml", "studies/one/dvc.yaml"]):
        serial.run("dvc", "repro", *targets)
        parallel.repro("--scheduler", cluster.address, *targets)
        compare(serial, parallel)
    nothing_to_do(parallel, "dvc.yaml", "studies/one/dvc.yaml")


def test_after_a_failure_it_is_that_of_keep_going(pair, cluster, project):
    broken = {"cmd": "echo the reason; exit 3", "deps": ["data"], "outs": ["train-1.bin", "train-1.bin.json"]}
    project.write(pipeline() | {"train-1": broken})
    serial, parallel = pair()
    serial.run("dvc", "repro", "--keep-going", status=255)
    printed = parallel.repro("--scheduler", cluster.address, status=1)
    assert "train-1: FAILED: exit status" in printed and "Traceback" not in printed
    assert printed.count("\nthe reason\nfailed to reproduce 'train-1'\n") == 1
    assert "evaluate-1: not run" in printed and "summary: not run" in printed
    assert "3 ran, 0 known, 0 unchanged, 3 failed or not run" in printed
    compare(serial, parallel)

    for mended in (serial, parallel):
        mended.write(pipeline())
    serial.run("dvc", "repro")
    assert "3 ran, 0 known" in parallel.repro("--scheduler", cluster.address)
    compare(serial, parallel)


def test_without_a_remote_on_one_machine(project, tmp_path):
    parallel = project.copy(tmp_path / "parallel")
    project.run("dvc", "repro")
    printed = parallel.repro("--jobs", "2")
    assert "6 ran" in printed and "dashboard: http://127.0.0.1:" in printed
    compare(project, parallel)
    nothing_to_do(parallel)


def test_a_fresh_clone_with_the_remote_runs_nothing_and_one_more_seed_only_its_own(pair, cluster, tmp_path):
    _, parallel = pair()
    parallel.repro("--scheduler", cluster.address)
    parallel.commit()
    parallel.run("git", "clone", "--quiet", ".", str(tmp_path / "clone"))
    clone = type(parallel)(tmp_path / "clone")
    assert clone.repro("--scheduler", cluster.address).startswith("0 of 6 stages to run")
    compare(parallel, clone)
    clone.write(pipeline(seeds=3))
    dry = clone.repro("--dry").splitlines()[1:]
    assert dry == ["train-2", "evaluate-2", "summary"]
    printed = clone.repro("--scheduler", cluster.address)
    assert "3 of 8 stages to run" in printed and "3 ran" in printed


def test_runs_that_another_machine_made_are_known(pair, cluster, tmp_path):
    """The lock files are lost, the remote is not."""
    serial, parallel = pair()
    parallel.repro("--scheduler", cluster.address)
    other = serial.copy(tmp_path / "other")
    other.run("dvc", "remote", "add", "--quiet", "--default", "store", str(tmp_path / "store"))
    assert "0 ran, 6 known" in other.repro("--scheduler", cluster.address)
    compare(parallel, other)


def test_data_of_dvc_add_reach_the_workers(pair, cluster, project):
    (project.folder / "mine").write_text("data")
    project.run("dvc", "add", "--quiet", "mine")
    project.write({"reader": stage("reader", "mine")})
    serial, parallel = pair()
    serial.run("dvc", "repro")
    parallel.repro("--scheduler", cluster.address)
    compare(serial, parallel)

"""What is stale, in DVC's order, and what workers cannot have."""

import pytest

from stages.command import Failure
from tests.tools.repro.conftest import pipeline, stage
from tools.repro import dvc_api, plan, snapshot

# of a package that DVC uses
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore:_NoneStep.value:DeprecationWarning")]


@pytest.fixture
def planned(project, monkeypatch):
    """planned(*targets): the plan of the project as it is."""
    monkeypatch.chdir(project.folder)

    def make(*targets, **options):
        repo = dvc_api.Repo()
        with dvc_api.lock_repo(repo):
            made = plan.made(repo, targets, **options)
            plan.check_reach(repo, made, set(snapshot.files(project.folder)))
        return made

    return make


def test_a_pipeline_over_its_life(project, planned):
    """Never run; run; a parameter of one stage changed; an output lost."""
    first = planned()
    assert set(first.tasks) == set(pipeline()) and not first.fresh
    assert all(
        set(task.needs) <= set(list(first.tasks)[:place]) for place, task in enumerate(first.tasks.values())
    )
    assert list(planned("evaluate-1").tasks) == ["data", "train-1", "evaluate-1"]

    wait = {"data": 3, "train-0": 2, "train-1": 2, "evaluate-0": 1, "evaluate-1": 1, "summary": 0}
    assert first.depths() == wait

    project.run("dvc", "repro", "--quiet")
    assert not planned().tasks
    stages = pipeline() | {"train-1": stage("train-1.bin", "data", seconds=0.2)}
    project.write(stages)
    after = planned()
    assert list(after.tasks) == ["train-1", "evaluate-1", "summary"]
    assert set(after.fresh) == {"data", "evaluate-0"}
    assert after.depths() == {"train-1": 2, "evaluate-1": 1, "summary": 0}
    assert [entry.name for entry in after.perhaps] == ["evaluate-1", "summary"]

    project.write(pipeline())
    (project.folder / "train-1.bin").unlink()
    assert [entry.name for entry in planned().absent] == ["train-1"]  # it is in the cache
    project.run("rm", "-rf", ".dvc/cache")
    assert list(planned().tasks) == ["train-1", "evaluate-1", "summary"]
    assert not planned(allow_missing=True).tasks
    (project.folder / "train-1.bin").write_text("of another run")  # not what the lock file says
    assert list(planned().tasks) == ["train-1", "evaluate-1", "summary"]


def test_data_outside_of_git_and_dvc_is_refused_by_name(project, planned):
    (project.folder / "mine").write_text("data")
    with (project.folder / ".gitignore").open("a") as ignored:
        ignored.write("/mine\n")
    project.write(pipeline() | {"reader": stage("reader", "mine")})
    with pytest.raises(Failure, match=r"reader reads mine, which Git ignores.*dvc add mine"):
        planned()
    project.run("dvc", "add", "--quiet", "mine")
    assert "mine.dvc" in planned().tasks["reader"].needs


def test_changed_data_and_imports_are_refused(project, planned, tmp_path):
    (project.folder / "mine").write_text("data")
    project.run("dvc", "add", "--quiet", "mine")
    project.write({"reader": stage("reader", "mine")})
    (project.folder / "mine").write_text("other data")
    with pytest.raises(Failure, match=r"mine.dvc has changed: run `dvc commit mine.dvc`"):
        planned()
    (tmp_path / "elsewhere").write_text("data")
    project.run("dvc", "import-url", "--quiet", str(tmp_path / "elsewhere"), "imported")
    project.write({"reader": stage("reader", "imported")})
    with pytest.raises(Failure, match=r"imported.dvc: workers cannot import data: use `dvc repro`"):
        planned()


def test_a_folder_outside_of_git_is_refused(tmp_path):
    (tmp_path / "dvc.yaml").write_text("stages: {}")
    with pytest.raises(Failure, match="run `git init`"):
        snapshot.files(tmp_path)


def test_the_archive_has_what_git_would_track_without_lock_files(project, tmp_path):
    project.run("dvc", "repro", "--quiet")
    (project.folder / "new.py").write_text("new")
    (project.folder / "link.py").symlink_to("new.py")
    (project.folder / "make.py").chmod(0o755)
    project.run("git", "rm", "--quiet", "--cached", "dvc.yaml")  # tracked or not, it is no ignored file
    names = snapshot.files(project.folder)
    assert {"new.py", "link.py", "make.py", "dvc.yaml", ".dvc/config"} <= set(names)
    assert not {"dvc.lock", "train-0.bin"} & set(names)
    from tools.repro import worker  # needs tools/repro/requirements.txt

    worker.unpack(snapshot.packed(project.folder, names), tmp_path / "unpacked")
    unpacked = tmp_path / "unpacked"
    assert (unpacked / "link.py").is_symlink() and (unpacked / "link.py").read_text() == "new"
    assert (unpacked / "make.py").stat().st_mode & 0o100

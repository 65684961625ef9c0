"""Stub pipelines are what DVC would have made of them, and results are added to those of other benchmarks."""

import json
import subprocess

import pytest
from dvc.repo import Repo

from benchmarks import rows, scale
from benchmarks.stubs import Stubs
from stages import runtime
from tools import quick

pytestmark = pytest.mark.filterwarnings("ignore:_NoneStep.value:DeprecationWarning")  # DVC's use of pygtrie


@pytest.fixture(autouse=True)
def without_distributed(monkeypatch):
    """As in an environment that lacks tools/repro/requirements.txt."""
    monkeypatch.setattr(scale, "PACKAGES", ("dvc",))


def stub_pipeline(folder, stages=3, **options):
    made = Stubs(folder, stages, **options)
    made.write()
    return made


@pytest.mark.parametrize("stages", [1, 2, 3, 60, 1000])
def test_as_many_stages_as_asked_for(tmp_path, stages):
    seeds = Stubs(tmp_path, stages).seeds()
    assert sum(map(len, seeds.values())) == stages
    assert all(len(seeds["train"]) >= len(later) for later in seeds.values())  # so each finds what it reads


def test_dvc_sees_the_stages_and_their_order(tmp_path):
    stub_pipeline(tmp_path / "stubs", 5)
    graph = Repo(tmp_path / "stubs").index.graph
    edges = {(after.addressing.split(":")[-1], before.addressing.split(":")[-1]) for after, before in graph.edges}
    assert edges == {
        ("evaluate@0", "train@0"),
        ("evaluate@1", "train@1"),
        ("plot@0", "evaluate@0"),
    }


def test_stages_that_sleep_read_from_none(tmp_path):
    stub_pipeline(tmp_path / "stubs", 8, seconds=20, chained=False)
    index = Repo(tmp_path / "stubs").index
    assert len(index.stages) == 8 and not index.graph.edges
    assert all(stage.cmd.startswith("sleep 20 && ") for stage in index.stages)


def test_a_finished_one_is_as_dvc_repro_leaves_it(tmp_path):
    pretended, real = stub_pipeline(tmp_path / "pretended"), stub_pipeline(tmp_path / "real")
    pretended.finish()
    subprocess.run(["dvc", "repro"], cwd=real.folder, env=quick.environment(), check=True, capture_output=True)

    def made(stubs):
        paths = ("dvc.lock", "posteriors/0", "metrics/0", "plots/0")
        objects = (stubs.folder / ".dvc/cache/files").rglob("*")
        cached = {path.name: path.read_bytes() for path in objects if path.is_file()}
        return [(stubs.folder / path).read_bytes() for path in paths], cached

    (files, objects), (real_files, real_objects) = made(pretended), made(real)
    assert files == real_files
    assert real_objects.items() <= objects.items()  # and what is `cache: false` there, which workers commit


def test_results_are_added(tmp_path):
    path = tmp_path / "results.json"
    path.write_text(json.dumps({"svi_step": {"row": 1}, "scale": {"jobs": {"stages": 8}, "noop_60_seconds": 9}}))
    scale.write(path, {"noop_60_seconds": 3})
    results = json.loads(path.read_text())
    assert results["svi_step"] == {"row": 1}
    assert results["scale"].pop("machine")["versions"]["dvc"]
    assert results["scale"] == {"jobs": {"stages": 8}, "noop_60_seconds": 3}


def test_other_benchmarks_keep_them(tmp_path, monkeypatch):
    path = tmp_path / "results.json"
    path.write_text(json.dumps({"old": {"row": 1}, "scale": {"noop_60_seconds": 3}}))
    monkeypatch.setattr("sys.argv", ["benchmarks", "--rows", "row", "--out", str(path)])
    monkeypatch.setattr(runtime, "prepare", lambda *_: None)
    monkeypatch.setattr(rows, "ROWS", {"row": lambda *_: {"ratio": 2}})
    rows.measure(None)
    results = json.loads(path.read_text())
    assert results.keys() == {"machine", "row", "scale"}
    assert results["scale"] == {"noop_60_seconds": 3}


def test_measurements_are_chosen_by_name(tmp_path, monkeypatch, capsys):
    path = tmp_path / "results.json"
    monkeypatch.setitem(scale.MEASUREMENTS, "noop", lambda folder, args: {f"noop_{args.stages}_seconds": 1})
    monkeypatch.setattr("sys.argv", ["scale", "noop", "--stages", "7", "--out", str(path)])
    scale.main()
    assert json.loads(path.read_text())["scale"]["noop_7_seconds"] == 1
    monkeypatch.setattr("sys.argv", ["scale", "nothing"])
    with pytest.raises(SystemExit):
        scale.main()
    assert "nothing: choose from jobs, noop, driver" in capsys.readouterr().err

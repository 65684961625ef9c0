"""A run of a study: a folder with changed params and the same data."""

import subprocess
import sys
from importlib import import_module

import pytest
import yaml

from stages import params
from stages.command import Failure
from studies import run


@pytest.fixture
def root(tmp_path, monkeypatch):
    (tmp_path / "params.yaml").write_text("bnn: {steps: 10, width: 1}\nseeds: [0]\nthreads: 2\n")
    for name in ("mnist", "fashion_mnist"):
        (tmp_path / "data/images" / name).mkdir(parents=True)
        (tmp_path / "data/images" / name / "digits").write_text(f"seven of {name}")
    (tmp_path / "data/regression.csv").write_text("x,y")
    (tmp_path / "data/labels").mkdir()
    for name, common in (("one", "common: {threads: 1, bnn: {width: 4}}\n"), ("bare", "")):
        (tmp_path / "studies" / name).mkdir(parents=True)
        runs = "runs: {long: {bnn: {steps: 99}}, narrow: {bnn: {width: 2}}, plain: {}}\n"
        (tmp_path / "studies" / name / "study.yaml").write_text(f"seeds: [4, 2]\n{common}{runs}")
    monkeypatch.setattr(run, "ROOT", tmp_path)
    return tmp_path


def test_folder_has_the_changed_params_and_the_data(root):
    for _ in range(2):  # the second time with existing files
        folder = run.prepare("one", "long")
    assert folder == root / "studies/one/runs/long"
    assert yaml.safe_load((folder / "params.yaml").read_text()) == {
        "bnn": {"steps": 99, "width": 4},
        "seeds": [4, 2],
        "threads": 1,
    }
    for name in ("mnist", "fashion_mnist"):
        assert (folder / "data/images" / name / "digits").read_text() == f"seven of {name}"
    assert (folder / "data/regression.csv").read_text() == "x,y"
    assert {path.name for path in folder.iterdir()} == {"params.yaml", "data"}
    before = {"bnn": {"steps": 10, "width": 1}, "seeds": [0], "threads": 2}
    assert yaml.safe_load((root / "params.yaml").read_text()) == before


def test_what_a_run_changes_goes_before_what_all_change(root):
    params = yaml.safe_load((run.prepare("one", "narrow") / "params.yaml").read_text())
    assert params == {"bnn": {"steps": 10, "width": 2}, "seeds": [4, 2], "threads": 1}


def test_nothing_but_the_seeds_need_be_changed(root):
    params = yaml.safe_load((run.prepare("bare", "plain") / "params.yaml").read_text())
    assert params == {"bnn": {"steps": 10, "width": 1}, "seeds": [4, 2], "threads": 2}


def test_data_are_links_in_a_folder_of_the_runs_own(root):
    """A run that drops labels leaves those of the root pipeline alone; links work wherever the repository is."""
    data = run.prepare("one", "long") / "data"
    assert data.is_dir() and not data.is_symlink()
    assert {path.name for path in data.iterdir()} == {"images", "regression.csv"}
    for link in data.iterdir():
        assert link.is_symlink() and not link.readlink().is_absolute()
    (data / "labels").mkdir()
    (data / "labels/4.csv").write_text("index,label")
    assert list((root / "data/labels").iterdir()) == []
    run.prepare("one", "long")
    assert (data / "labels/4.csv").read_text() == "index,label"


@pytest.mark.parametrize(("study", "name", "said"), [("two", "long", "no study `two`"), ("one", "short", "long")])
def test_what_is_not_known_is_named(root, study, name, said):
    with pytest.raises(Failure, match=said):
        run.prepare(study, name)
    assert not (root / "studies" / study / "runs").exists()


def test_a_stage_is_asked_for():
    command = [sys.executable, "-m", "studies.run", "bnn_families", "map"]
    result = subprocess.run(command, capture_output=True, text=True, cwd=run.ROOT)
    assert result.returncode == 2 and "which stage?" in result.stderr


INDEPENDENT = {  # studies that do not depend on the default model, and the model that they train
    "bnn_families": "bnn",
    "bnn_tuning": "bnn",
    "more_data": "bnn",
    "reference": "bnn",
    "vae_likelihood": "vae",
}


@pytest.mark.parametrize("study", INDEPENDENT)
def test_runs_set_every_field_where_the_study_does_not_depend_on_the_default(study):
    """Otherwise another default would change its results, and DVC would not know."""
    model = INDEPENDENT[study]
    folder, default = run.ROOT / "studies" / study, params.read(run.ROOT / "params.yaml")[model]
    stages = yaml.safe_load((folder / "dvc.yaml").read_text())["stages"].values()
    assert not any(model in stage.get("params", []) for stage in stages)
    settings = yaml.safe_load((folder / "study.yaml").read_text())
    for changes in settings["runs"].values():
        section = {
            key: dict.fromkeys(value) if isinstance(value, dict) else None for key, value in default.items()
        }
        for part in (settings["common"], changes):
            section = params.merged(section, part[model])
        import_module(f"stages.models.{model}").Params(**section)

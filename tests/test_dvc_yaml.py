"""dvc.yaml is correct: every stage depends on exactly the code that it runs."""

from importlib import import_module
from pathlib import Path

import pytest
import yaml

from stages.params import TRAINED
from tools import closure

DVC_YAML = yaml.safe_load((closure.ROOT / "dvc.yaml").read_text())
STAGES = {name: stage.get("do", stage) for name, stage in DVC_YAML["stages"].items()}
ALWAYS = ("device", "instructions", "matmul_precision", "threads")  # what every training stage depends on


STUDIES = {
    f"{path.parent.name}:{name}": stage.get("do", stage)
    for path in sorted((closure.ROOT / "studies").glob("*/dvc.yaml"))
    for name, stage in yaml.safe_load(path.read_text())["stages"].items()
}
ALL = STAGES | STUDIES


def code(deps: list[str]) -> set[str]:
    """The code files in a stage's deps, with folders expanded, including deleted ones."""
    files = set()
    for dep in deps:
        path = closure.ROOT / dep
        if dep.endswith(".py") or dep.startswith(("stages", "tools")):
            files |= set(path.rglob("*.py")) if path.is_dir() else {path}
    return {str(path.relative_to(closure.ROOT)) for path in files if not path.exists() or closure.has_code(path)}


@pytest.mark.parametrize("name", ALL)
def test_deps_are_the_import_closure_of_the_command(name):
    stage = ALL[name]
    named, imported = code(stage["deps"]), closure.of_command(stage["cmd"])
    differences = f"missing {sorted(imported - named)}, superfluous {sorted(named - imported)}"
    assert named == imported, f"deps of {name}: {differences}; remedy: {closure.REMEDY}"


@pytest.mark.parametrize("name", ALL)
def test_stage_is_documented_and_receives_signals(name):
    assert ALL[name]["desc"]
    assert ALL[name]["cmd"].startswith(("exec python -m stages.", "exec python -m studies."))


@pytest.mark.parametrize("name", ALL)
def test_stages_that_use_the_device_ask_for_a_gpu_on_a_cluster(name):
    asked = {"dask": {"GPU": 1}} if "device" in ALL[name].get("params", []) else None
    assert ALL[name].get("meta") == asked


@pytest.mark.parametrize("model", TRAINED)
def test_training_declares_what_its_posterior_depends_on(model):
    """Checkpoints are keyed by it."""
    stage, inference = STAGES[f"train_{model}"], import_module(f"stages.inference.{model}")
    assert {dep for dep in stage["deps"] if dep.startswith("data/")} == {
        path.replace("{seed}", "${item.seed}").replace("{settings.", "${") for path in inference.DATA
    }
    assert set(stage["params"]) == {*inference.PARAMS, *ALWAYS}


@pytest.mark.parametrize("name", STUDIES)
def test_what_a_study_computes_depends_on_the_machine_settings(name):
    """Unless the study sets them itself: they change how sums are rounded."""
    study = yaml.safe_load((closure.ROOT / "studies" / name.partition(":")[0] / "study.yaml").read_text())
    named = STUDIES[name].get("params", [])
    if "device" in named:
        assert {key for key in ALWAYS if key not in named} <= {*study.get("common", {})}


def test_every_dep_file_exists():
    named = {dep for stage in STAGES.values() for dep in stage["deps"] if dep.startswith(("stages", "req"))}
    assert all(Path(closure.ROOT / dep).exists() for dep in named)


def test_lock_has_no_stage_that_is_gone():
    """DVC keeps the entries of removed stages there."""
    lock = yaml.safe_load((closure.ROOT / "dvc.lock").read_text())["stages"]
    without_items = {"convert"}  # data_sets.local is empty
    assert {name.partition("@")[0] for name in lock} == set(STAGES) - without_items

"""dvc.yaml says the truth: every stage depends on the code it runs, and on no other."""

from importlib import import_module
from pathlib import Path

import pytest
import yaml

from stages.params import TRAINED
from tests import import_closure

DVC_YAML = yaml.safe_load((import_closure.ROOT / "dvc.yaml").read_text())
STAGES = {name: stage.get("do", stage) for name, stage in DVC_YAML["stages"].items()}


STUDIES = {
    f"{path.parent.name}:{name}": stage
    for path in sorted((import_closure.ROOT / "studies").glob("*/dvc.yaml"))
    for name, stage in yaml.safe_load(path.read_text())["stages"].items()
}
ALL = STAGES | STUDIES


def code(deps: list[str]) -> set[str]:
    """The files with code in them that a stage's deps name, folders unfolded."""
    files = set()
    for dep in deps:
        path = import_closure.ROOT / dep
        if dep.endswith(".py") or dep.startswith("stages"):
            files |= set(path.rglob("*.py")) if path.is_dir() else {path}
    return {str(path.relative_to(import_closure.ROOT)) for path in files if import_closure.has_code(path)}


@pytest.mark.parametrize("name", ALL)
def test_deps_are_the_import_closure_of_the_command(name):
    stage = ALL[name]
    assert code(stage["deps"]) == import_closure.of_command(stage["cmd"])


@pytest.mark.parametrize("name", ALL)
def test_stage_is_documented_and_receives_signals(name):
    assert ALL[name]["desc"]
    assert ALL[name]["cmd"].startswith(("exec python -m stages.", "exec python -m studies."))


@pytest.mark.parametrize("model", TRAINED)
def test_training_declares_what_its_posterior_depends_on(model):
    """It is what checkpoints are keyed by."""
    stage, inference = STAGES[f"train_{model}"], import_module(f"stages.inference.{model}")
    assert {dep for dep in stage["deps"] if dep.startswith("data/")} == {
        path.replace("{seed}", "${item.seed}") for path in inference.DATA
    }
    assert set(stage["params"]) == {*inference.PARAMS, "device", "matmul_precision"}


def test_every_dep_file_exists():
    named = {dep for stage in STAGES.values() for dep in stage["deps"] if dep.startswith(("stages", "req"))}
    assert all(Path(import_closure.ROOT / dep).exists() for dep in named)


def test_closure_sees_an_import(tmp_path, monkeypatch):
    """The measure itself: an import added to a module appears in the closure of those that use it."""
    (tmp_path / "stages").mkdir()
    for name, text in {"a": "from stages import b", "b": "from stages.c import x", "c": "x = 1"}.items():
        (tmp_path / "stages" / f"{name}.py").write_text(text)
    monkeypatch.setattr(import_closure, "ROOT", tmp_path)
    assert import_closure.of_command("exec python -m stages.a") == {"stages/a.py", "stages/b.py", "stages/c.py"}

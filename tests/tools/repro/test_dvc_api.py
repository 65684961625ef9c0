"""The private parts of DVC and Dask that tools/repro needs: a failure names what a new version changed."""

import inspect
from importlib import import_module

import dvc.fs
import pytest
from dvc.dvcfile import Lockfile
from dvc.output import Output
from dvc.repo import Repo
from dvc.stage import PipelineStage
from dvc.stage.cache import StageCache
from dvc_data.hashfile.db import HashFileDB

# of a package that DVC uses
pytestmark = pytest.mark.filterwarnings("ignore:_NoneStep.value:DeprecationWarning")
NEEDED = {
    "dvc.repo": {"lock_repo": ["repo"]},
    "dvc.repo.reproduce": {
        "collect_stages": ["repo", "targets"],
        "get_active_graph": ["graph"],
        "plan_repro": ["graph", "stages"],
    },
    "dvc.stage.cache": {"_can_hash": ["stage"], "_get_stage_hash": ["stage"]},
    "dvc.stage.exceptions": {"MissingDataSource": ["missing_files"]},
    "dvc.utils.serialize": {"dumps_yaml": ["d"], "load_yaml": ["path"], "modify_yaml": ["path"]},
    "dvc_objects.fs.generic": {"copy": ["from_fs", "from_path", "to_fs", "to_path"]},
    "dvc.logger": {"setup": []},
    "dask._task_spec": {"Task": ["key", "func", "_data_producer"], "parse_input": ["obj"]},
}
METHODS = [
    (Lockfile, "_load", []),
    (Repo, "reproduce", ["targets", "single_item"]),
    (Repo, "__init__", ["root_dir", "config", "_wait_for_lock"]),
    (PipelineStage, "changed", ["allow_missing"]),
    (PipelineStage, "changed_outs", ["allow_missing"]),
    (PipelineStage, "save_deps", []),
    (PipelineStage, "ignore_outs", []),
    (PipelineStage, "checkout", []),
    (PipelineStage, "get_used_objs", []),
    (Output, "commit", ["relink"]),
    (Output, "changed_cache", []),
    (Output, "get_used_objs", []),
    (StageCache, "save", ["stage"]),
    (StageCache, "restore", ["stage"]),
    (StageCache, "push", ["remote"]),
    (StageCache, "get_used_objs", ["used_run_cache"]),
    (StageCache, "_get_cache_path", ["key", "value"]),
    (StageCache, "_create_stage", ["cache", "wdir"]),
    (HashFileDB, "oids_exist", ["oids"]),
]


# Dask's are for `make test-slow`: the setup of `make test` has no Dask
FUNCTIONS = [
    pytest.param(module, name, marks=[pytest.mark.slow] if module.startswith("dask") else [])
    for module in NEEDED
    for name in NEEDED[module]
]


@pytest.mark.parametrize(("module", "name"), FUNCTIONS)
def test_function_takes_these_arguments(module, name):
    function = getattr(import_module(module), name)
    assert takes(function, NEEDED[module][name]), f"{module}.{name}{inspect.signature(function)}"


@pytest.mark.parametrize(("owner", "name", "arguments"), METHODS)
def test_method_takes_these_arguments(owner, name, arguments):
    method = getattr(owner, name)
    assert takes(method, arguments), f"{owner.__name__}.{name}{inspect.signature(method)}"


def takes(function, arguments: list[str]) -> bool:
    """Whether it can be called with these arguments by name."""
    parameters = inspect.signature(function).parameters
    anything = any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values())
    return anything or set(arguments) <= set(parameters)


def test_objects_of_a_repository(project, monkeypatch):
    monkeypatch.chdir(project.folder)
    project.run("dvc", "repro", "--quiet", "train-0")
    repo = Repo()
    (stage,) = repo.stage.collect("dvc.yaml:train-0")
    cache = repo.stage_cache
    assert set(inspect.signature(cache._create_stage).parameters) >= {"cache", "wdir"}
    assert set(inspect.signature(cache.restore).parameters) >= {"stage"}
    assert cache._get_cache_path("ab12", "value").startswith(repo.cache.legacy.path)
    assert stage.dvcfile._lockfile.path == str(project.folder / "dvc.lock")
    assert stage.addressing == "train-0" and not stage.is_import and not stage.is_data_source
    assert set(repo.index.graph) >= {stage}
    assert dvc.fs.generic is import_module("dvc_objects.fs.generic")
    for function in (repo.cloud.push, repo.cloud.pull):
        assert "objs" in inspect.signature(function).parameters
    assert set(inspect.signature(repo.cloud.get_remote_odb).parameters) >= {"name", "command", "hash_name"}

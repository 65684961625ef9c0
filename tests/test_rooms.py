"""The rooms (folders) of stages/ follow the data flow: none imports from a later one."""

from pathlib import Path

import pytest

from tools import closure

ROOMS = ("models", "inference", "predictive", "evaluation", "figures")  # in the order of the data flow
NETWORKS = ("torch", "pyro")
FILES = [path for room in ROOMS for path in sorted((closure.ROOT / "stages" / room).rglob("*.py"))]


def room(module: str) -> str:
    """The room of a module; the ground floor has no name."""
    parts = module.split(".")
    return parts[1] if parts[0] == "stages" and len(parts) > 1 and parts[1] in ROOMS else ""


def upwards(path: Path, own: str) -> list[str]:
    """What a file of a room imports from later ones."""
    later = ROOMS[ROOMS.index(own) + 1 :]
    return [module for module in closure.imports(path) if room(module) in later]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(closure.ROOT)))
def test_no_room_imports_from_a_later_one(path):
    assert upwards(path, path.relative_to(closure.ROOT / "stages").parts[0]) == []


@pytest.mark.parametrize("name", ["evaluation", "figures"])
def test_metrics_and_figures_need_no_network(name):
    """Metrics are computed from predictions with NumPy alone."""
    modules = {
        module for path in (closure.ROOT / "stages" / name).glob("*.py") for module in closure.imports(path)
    }
    assert not {module for module in modules if module.split(".")[0] in NETWORKS}
    assert not {room(module) for module in modules} & {"models", "inference", "predictive"}


def test_an_import_from_a_later_room_is_seen(tmp_path, monkeypatch):
    monkeypatch.setattr(closure, "ROOT", tmp_path)
    path = tmp_path / "stages/models/a.py"
    path.parent.mkdir(parents=True)
    path.write_text("from stages.evaluation import ood\n")
    assert upwards(path, "models") == ["stages.evaluation", "stages.evaluation.ood"]

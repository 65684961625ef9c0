"""The imports of a command are read from the source and written to the deps of every dvc.yaml, and only there."""

import random
import subprocess
import sys

import pytest

from stages.artifacts import NotWrittenError
from stages.command import Failure
from stages.params import MODELS
from tests.tiny import ROOT
from tools import closure

SOURCES = ("dvc.yaml", "stages/**/*.py", "studies/*/dvc.yaml", "studies/**/*.py")


def plant(root, sources):
    for name, text in sources.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)


@pytest.fixture
def project(tmp_path, monkeypatch):
    """An empty project."""
    monkeypatch.setattr(closure, "ROOT", tmp_path)
    return tmp_path


@pytest.fixture
def copy(project):
    """A copy of the code and the pipelines of this project."""
    paths = (path for pattern in SOURCES for path in ROOT.glob(pattern))
    plant(project, {path.relative_to(ROOT): path.read_text() for path in paths})
    return project


@pytest.fixture
def call(monkeypatch, capsys):
    """`python -m tools.closure`: its exit status and the lines that it printed."""

    def called(*options):
        monkeypatch.setattr(sys, "argv", ["closure", *options])
        try:
            closure.main()
        except SystemExit as end:
            return end.code, capsys.readouterr().out.splitlines()
        return 0, capsys.readouterr().out.splitlines()

    return called


def contents(root):
    return {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in root.rglob("*") if path.is_file()}


def texts(root):
    return {path: content for path, (content, _) in contents(root).items()}


def imported(module, options=""):
    return closure.of_command(f"exec python -m {module} {options}")


# the measure


def test_imports_are_followed(project):
    plant(
        project,
        {
            "stages/a.py": "from stages import b\nimport json, os.path\nimport elsewhere.c",
            "stages/b.py": "def f():\n    from stages.c import x\n    import tools.d",
            "stages/c.py": "x = 1",
            "stages/not_imported.py": "x = 1",
            "tools/d.py": "from .e import f\nfrom . import g",
            "tools/e.py": "import studies.one.h",
            "tools/g.py": "x = 1",
            "studies/one/h.py": "from ..two import *\nfrom stages import a",
            "studies/two/__init__.py": "x = 1",
            "elsewhere/c.py": "x = 1",
        },
    )
    modules = {"stages/a.py", "stages/b.py", "stages/c.py", "tools/d.py", "tools/e.py", "tools/g.py"}
    assert imported("stages.a") == modules | {"studies/one/h.py", "studies/two/__init__.py"}
    plant(project, {"stages/c.py": "import stages.not_imported"})
    assert "stages/not_imported.py" in imported("stages.a")


def test_packages_around_a_module_count_if_there_is_code_in_them(project):
    plant(
        project,
        {
            "stages/__init__.py": '"""Documented."""',
            "stages/models/__init__.py": "import stages.shared",
            "stages/models/deep/__init__.py": "",
            "stages/models/deep/a.py": "x = 1",
            "stages/shared.py": "x = 1",
        },
    )
    found = {"stages/models/deep/a.py", "stages/models/__init__.py", "stages/shared.py"}
    assert imported("stages.models.deep.a") == found


def test_what_only_type_checkers_import_is_not_imported(project):
    plant(
        project,
        {
            "stages/a.py": "import typing\nfrom typing import TYPE_CHECKING\n"
            "if TYPE_CHECKING:\n    from stages import types\n    if x:\n        import stages.types\n"
            "else:\n    from stages import b\n"
            "if typing.TYPE_CHECKING:\n    from stages import types\nelif x:\n    from stages import c\n"
            "if not TYPE_CHECKING:\n    from stages import d\n",
            **{f"stages/{name}.py": "x = 1" for name in ("types", "b", "c", "d")},
        },
    )
    assert imported("stages.a") == {"stages/a.py", "stages/b.py", "stages/c.py", "stages/d.py"}


@pytest.mark.parametrize("validator", ["params", "settings"])
def test_validators_and_what_they_import_do_not_count(project, validator):
    plant(
        project,
        {
            "stages/a.py": f"from stages import {validator}\nfrom stages.{validator} import load",
            f"stages/{validator}.py": "from stages import b",
            "stages/b.py": "x = 1",
        },
    )
    assert imported("stages.a") == {"stages/a.py"}


BY_NAME = """
import importlib
from importlib import import_module
def main():
    inference = import_module(f"stages.inference.{args.model}")
    figures = importlib.import_module(f"studies.{args.model}.figures")
    other = import_module(args.model), import_module("json"), import_module(*names), import_module(name=2)
"""


@pytest.mark.parametrize(
    ("options", "models"),
    [
        ("--model bnn --seed ${item.seed}", ["bnn"]),
        ("--seed 0 --model=vae", ["vae"]),
        ("--model 'blr'", ["blr"]),
        ("--seed 0", MODELS),
        ("--model ${item.model} --seed 0", MODELS),
        ("--model ${item}", MODELS),
        ("--model=${key}", MODELS),
    ],
)
def test_imports_by_name_are_those_of_the_model(project, options, models):
    named = {f"stages/inference/{name}.py": f"import stages.of_{name}" for name in (*MODELS, "labels_only")}
    plant(project, named | {f"studies/{name}/figures.py": "x = 1" for name in MODELS})
    plant(project, {f"stages/of_{name}.py": "x = 1" for name in MODELS} | {"stages/train.py": BY_NAME})
    assert imported("stages.train", options) == {
        "stages/train.py",
        *(f"stages/inference/{name}.py" for name in models),
        *(f"stages/of_{name}.py" for name in models),
        *(f"studies/{name}/figures.py" for name in models),
    }


def test_imports_by_name_count_in_the_modules_that_a_command_runs(project):
    """A module that is imported for a function of its own does not run its main."""
    plant(
        project,
        {
            "stages/train.py": BY_NAME,
            "stages/inference/bnn.py": "x = 1",
            "stages/table.py": "from stages.train import x",
            "studies/run.py": "import runpy",
        },
    )
    assert imported("stages.table") == {"stages/table.py", "stages/train.py"}
    trained = {"stages/train.py", "stages/inference/bnn.py"}
    assert imported("studies.run", "families ${item.run} train --model bnn") == {"studies/run.py", *trained}


@pytest.mark.parametrize("command", ["python -m stages.gone", "python -m json.tool", "python -m", "dvc pull"])
def test_command_of_no_module_here_is_named(project, command):
    with pytest.raises(Failure, match=f"`{command}` runs no module in stages, studies, tools"):
        closure.of_command(command)


def test_stage_of_a_study_must_exist(project):
    plant(project, {"studies/run.py": "x = 1"})
    with pytest.raises(Failure, match="runs no module"):
        imported("studies.run", "families mean_field gone")


# the lists


def test_current_lists_stay_as_they_are(copy, call):
    before = contents(copy)
    status, lines = call("--write")
    assert (status, lines[-1]) == (0, "All deps match the imports")
    assert contents(copy) == before
    assert call() == (0, lines)


def code_lines(lines):
    return [number for number, line in enumerate(lines) if line.startswith("      - st") and line.endswith(".py")]


def without_some(lines, chance):
    gone = {number for number in code_lines(lines) if chance.random() < 0.3}
    return [line for number, line in enumerate(lines) if number not in gone]


def without_any(lines, chance):
    return [line for number, line in enumerate(lines) if number not in code_lines(lines)]


def with_superfluous(lines, chance):
    """At the start of every list and in other places; no stage imports these files, and some do not exist."""
    for number in reversed(range(len(lines))):
        if lines[number].strip() == "deps:":
            indent = lines[number].index("d") * " "
            superfluous = ("stages/verify.py", "stages/__init__.py", "stages/gone", "'tests/test_dvc_yaml.py'")
            lines[number + 1 : number + 1] = [f"{indent}  - {entry}" for entry in superfluous]
        elif number in code_lines(lines) and chance.random() < 0.1:
            lines.insert(number + chance.choice([0, 1]), f"      - stages/gone/{number}.py  # why?")
    return lines


def with_both(lines, chance):
    return with_superfluous(without_some(lines, chance), chance)


@pytest.mark.parametrize("damage", [without_some, without_any, with_superfluous, with_both])
def test_write_restores_a_damaged_list(copy, call, damage):
    before = texts(copy)
    chance = random.Random(0)
    for path in (copy / "dvc.yaml", *copy.glob("studies/*/dvc.yaml")):
        path.write_text("\n".join(damage(path.read_text().split("\n"), chance)))
        assert path.read_bytes() != before[path]
    damaged = contents(copy)

    status, lines = call()
    assert status == 1
    assert lines[-1].startswith("The deps in dvc.yaml, studies/")
    assert lines[-1].endswith(" differ from the imports: run `python -m tools.closure --write`")
    assert contents(copy) == damaged

    status, lines = call("--write")
    assert status == 0 and lines[-1].startswith("Corrected: dvc.yaml, studies/")
    assert texts(copy) == before
    assert call()[0] == 0


def test_planted_import_appears(copy, call):
    (copy / "stages/planted.py").write_text("x = 1\n")
    simulate = copy / "stages/simulate.py"
    simulate.write_text(f"{simulate.read_text()}\nimport stages.planted\n")
    before = (copy / "dvc.yaml").read_text()
    status, lines = call()
    assert status == 1 and [line for line in lines if line[3:4] in ("+", "-")] == ["   + stages/planted.py"]
    assert call("--write")[0] == 0
    at = before.index("      - stages/simulate.py\n")
    assert (copy / "dvc.yaml").read_text() == f"{before[:at]}      - stages/planted.py\n{before[at:]}"


LAID_OUT = """\
# A pipeline. é
stages:
    table:   # odd widths
        desc: "deps: - stages/gone.py"
        deps:
        # what it reads
        - data/images/mnist   # images
        # what it runs
        - 'stages/a.py'   # quoted
        - stages/c.py  # no longer imported
        - stages/data.json
        # the rest
        - "stages/sub"
        - studies/one/metrics
        - studies/one/runs/${item}/c.py.json
        cmd: >-
          exec python -m stages.a
          --seed ${item}
        params: [a,   b]

    each:
        foreach: {x: 1}
        do:
            cmd: exec python -m stages.b --name ${key}
            deps:   # none yet
            outs:
                - data/${item}
    last:
        cmd: exec python -m stages.b
        deps:
            - data/images/mnist"""


def test_only_code_changes_whatever_the_layout(project, call):
    plant(
        project,
        {
            "dvc.yaml": LAID_OUT,
            "stages/a.py": "from stages import b\nfrom stages.sub import m",
            "stages/b.py": "x = 1",
            "stages/c.py": "x = 1",
            "stages/data.json": "{}",
            "stages/sub/__init__.py": "",
            "stages/sub/m.py": "x = 1",
        },
    )
    status, lines = call()
    assert status == 1
    assert lines == [
        "dvc.yaml",
        "  table",
        "     stages/a.py",
        "   + stages/b.py",
        "   - stages/c.py",
        "     stages/sub",
        "  each",
        "   + stages/b.py",
        "  last",
        "   + stages/b.py",
        f"The deps in dvc.yaml differ from the imports: run `{closure.REMEDY}`",
    ]
    assert call("--write")[0] == 0
    expected = LAID_OUT
    for old, new in (
        ("        - stages/c.py  # no longer imported\n", "        - stages/b.py\n"),
        ("   # none yet\n", "   # none yet\n              - stages/b.py\n"),
        ("            - data/images/mnist", "            - data/images/mnist\n            - stages/b.py"),
    ):
        expected = expected.replace(old, new)
    assert (project / "dvc.yaml").read_text() == expected

    # a folder represents its files if all of them are imported
    plant(project, {"stages/sub/n.py": "x = 1"})
    assert call("--write")[0] == 0
    json, folder = "        - stages/data.json\n", '        - "stages/sub"\n'
    expected = expected.replace(folder, "").replace(json, f"{json}        - stages/sub/m.py\n")
    assert (project / "dvc.yaml").read_text() == expected
    plant(project, {"stages/a.py": "x = 1"})
    assert call("--write")[0] == 0
    assert "sub" not in (project / "dvc.yaml").read_text()


@pytest.mark.parametrize(
    ("stage", "said"),
    [
        ("{cmd: python -m stages.a, deps: [stages/a.py]}", "dvc.yaml: x must have one `cmd`, and `deps`"),
        ("{cmd: python -m stages.a}", "dvc.yaml: x must have one `cmd`"),
        ("{cmd: python -m stages.a, deps: none}", "dvc.yaml: x must have one `cmd`"),
        ("\n    cmd: [python -m stages.a]\n    deps:", "dvc.yaml: x must have one `cmd`"),
        ("\n    deps:", "dvc.yaml: x must have one `cmd`"),
        (
            "{cmd: python -m stages.a, wdir: stages}",
            "dvc.yaml: x must run in the repository's root: set its `wdir`",
        ),
    ],
)
def test_stage_that_it_cannot_edit_is_named(project, call, stage, said):
    plant(project, {"dvc.yaml": f"stages:\n  x: {stage}\n", "stages/a.py": "x = 1"})
    before = contents(project)
    with pytest.raises(Failure, match=said):
        call("--write")
    assert contents(project) == before


def test_failing_write_leaves_what_was_there(project, call, monkeypatch):
    plant(project, {"dvc.yaml": "stages:\n  x:\n    cmd: python -m stages.a\n    deps:\n", "stages/a.py": "x = 1"})
    before = contents(project)

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.replace", full)
    with pytest.raises(NotWrittenError, match="No space left"):
        call("--write")
    assert contents(project) == before


def test_command():
    """As typed on the command line, without --write, on this project itself."""
    result = subprocess.run([sys.executable, "-m", "tools.closure"], cwd=ROOT, capture_output=True, text=True)
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.startswith("dvc.yaml\n  download\n     stages/artifacts.py\n")

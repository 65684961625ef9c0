"""pyproject.toml, CITATION.cff and CHANGELOG.md agree, and the pins resolve where pyproject.toml says so."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

from tests.pipeline.conftest import recipe

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
CITATION = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
PYTHONS = [name.rpartition(" ")[2] for name in PROJECT["classifiers"] if " :: Python :: " in name]
UV = Path(sys.executable).with_name("uv")


def resolve(python, *sources):
    """Ask the package registry whether all pins have a wheel for this version of Python."""
    command = [UV, "pip", "compile", "--quiet", "--python-version", python, *sources]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)


def test_citation_and_project_agree():
    assert CITATION["version"] == PROJECT["version"]
    assert CITATION["license"] == PROJECT["license"] == "Apache-2.0"
    assert CITATION["title"].lower().replace(" ", "-") == PROJECT["name"]
    assert "Apache License" in (ROOT / PROJECT["license-files"][0]).read_text(encoding="utf-8")


def test_changelog_has_the_sections_of_its_format():
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    first, *_ = re.findall(r"^## (.*)", text, re.MULTILINE)
    assert first == "[Unreleased]"
    kinds = {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}
    assert set(re.findall(r"^### (.*)", text, re.MULTILINE)) <= kinds


def test_classifiers_are_the_required_versions():
    assert PROJECT["requires-python"] == ">=3.11,<3.14"
    assert PYTHONS == ["3.11", "3.12", "3.13"]


@pytest.mark.slow
@pytest.mark.parametrize("python", PYTHONS)
def test_pins_resolve(python):
    result = resolve(python, "requirements.txt", "docs/requirements.txt")
    assert result.returncode == 0, result.stderr


@pytest.mark.slow
def test_an_older_python_does_not():
    result = resolve("3.10", "requirements.txt")
    assert result.returncode != 0
    assert "3.11" in result.stderr


@pytest.mark.slow
@pytest.mark.parametrize("fault", [False, True])
def test_citation_is_valid(tmp_path, fault):
    """By cffconvert, in an environment of its own, which `make citation` names."""
    text = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    (tmp_path / "CITATION.cff").write_text(text.replace("authors:", "writers:") if fault else text)
    command = [UV, *recipe("citation").split()[1:]]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert (result.returncode != 0) is fault, result.stderr

"""`make verify` on a small pipeline: a clean rerun gives the same numbers, and a planted change is detected."""

import shutil
import subprocess
import sys

import pytest

from tests.pipeline.conftest import Clone, tiny_clone
from tests.tiny import ROOT
from tools import quick

pytestmark = [pytest.mark.pipeline, pytest.mark.slow]


@pytest.fixture(scope="module")
def reproduced(tmp_path_factory) -> Clone:
    """The linear regression."""
    clone = tiny_clone(tmp_path_factory.mktemp("reproduced"))
    shutil.copy(ROOT / "tolerances.yaml", clone.folder)
    clone.run("dvc", "repro", "evaluate_blr@0", "calibrate_blr")
    return clone


@pytest.fixture
def committed(reproduced, tmp_path) -> Clone:
    """A copy of it."""
    folder = tmp_path / "committed"
    shutil.copytree(reproduced.folder, folder, ignore=shutil.ignore_patterns("cache", "__pycache__"))
    return Clone(folder)


def verify(clone: Clone) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "tools.verify", "--model", "blr"]
    return subprocess.run(
        command, cwd=clone.folder, env=quick.environment(), capture_output=True, text=True, timeout=500
    )


def test_rerun_finds_the_same_numbers(committed):
    result = verify(committed)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "posteriors/blr/0/weights.safetensors: the same bytes" in result.stdout
    assert "<--" not in result.stdout


def test_one_changed_constant_is_found_out(committed):
    """The 90% interval becomes one of 70%."""
    path = committed.folder / "stages/evaluation/blr.py"
    assert path.read_text().count("0.05") == 1
    path.write_text(path.read_text().replace("0.05", "0.25"))
    result = verify(committed)
    assert result.returncode == 1
    [line] = [line for line in result.stdout.splitlines() if "<--" in line]
    assert line.startswith("blr/0.coverage_90 ")
    assert result.stderr.splitlines()[-1].startswith("1 of ")

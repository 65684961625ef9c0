"""Reproducing a fresh clone changes no committed byte, and its lock can be restored."""

import pytest

from tests.pipeline.conftest import Clone

pytestmark = [pytest.mark.pipeline, pytest.mark.slow]


@pytest.fixture(scope="module")
def fresh(clone, tmp_path_factory) -> Clone:
    """A Git clone of the reproduced pipeline in which everything is run again."""
    folder = tmp_path_factory.mktemp("fresh")
    clone.run("git", "clone", "--quiet", str(clone.folder), str(folder / "clone"))
    made = Clone(folder / "clone")
    made.run("dvc", "repro", "--force")
    return made


def test_no_committed_byte_changes(fresh):
    """Lock, metrics and plots depend only on code, params and data, not on the time or the folder."""
    assert fresh.run("git", "status", "--porcelain") == ""


def test_committed_lock_fits_what_was_made(fresh):
    fresh.run("git", "checkout", "--", "dvc.lock")
    assert fresh.repro() == set()


def test_records_of_the_runs_lie_beside(fresh):
    assert (fresh.folder / ".runs/posteriors/bnn/0/run.json").exists()

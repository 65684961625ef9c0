"""A fresh clone that is reproduced: no committed byte changes, and its lock can be put back."""

import pytest

from tests.pipeline.conftest import Clone

pytestmark = [pytest.mark.pipeline, pytest.mark.slow]


@pytest.fixture(scope="module")
def fresh(clone, tmp_path_factory) -> Clone:
    """A Git clone of the reproduced pipeline, everything in it made anew."""
    folder = tmp_path_factory.mktemp("fresh")
    clone.run("git", "clone", "--quiet", str(clone.folder), str(folder / "clone"))
    made = Clone(folder / "clone")
    made.run("dvc", "repro", "--force")
    return made


def test_no_committed_byte_changes(fresh):
    """Lock, metrics and plots are a function of code, params and data: neither time nor place is in them."""
    assert fresh.run("git", "status", "--porcelain") == ""


def test_committed_lock_fits_what_was_made(fresh):
    fresh.run("git", "checkout", "--", "dvc.lock")
    assert fresh.repro() == set()


def test_records_of_the_runs_lie_beside(fresh):
    assert (fresh.folder / ".runs/posteriors/bnn/0/run.json").exists()

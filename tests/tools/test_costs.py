"""The costs of runs, collected from the records of this machine."""

import sys

import pytest

from stages import artifacts
from stages.command import Failure
from tools import costs


@pytest.fixture
def root(tmp_path, monkeypatch):
    """A repository without records and without the file."""
    monkeypatch.setattr(costs, "ROOT", tmp_path)
    monkeypatch.setattr(costs, "COSTS", tmp_path / "benchmarks/costs.json")
    monkeypatch.setattr(sys, "argv", ["costs"])
    return tmp_path


def note(root, folder, **content):
    artifacts.write_json(root / ".runs" / folder / "run.json", content)


def test_notes_are_found_by_folder_with_the_costs_alone(root):
    """The identity of a run is not copied; a record may lack some costs."""
    machine = {"platform": "Linux", "cpu": "some", "cores": 2}
    whole = {
        **{"seconds": 4.5, "items_per_second": 10.0, "peak_memory_mb": 300.0, "peak_device_memory_mb": None},
        **{"device": "cpu", "threads": 2, "machine": machine},
    }
    note(root, "posteriors/blr/0", seed=0, params={"steps": 1}, resumed_at_step=3, **whole)
    note(root, "studies/one/runs/two/predictions/0", seconds=1.0, more="nothing")
    artifacts.write_json(root / ".runs/posteriors/blr/0/other.json", {"seconds": 7})
    assert costs.gathered(root / ".runs") == {
        "posteriors/blr/0": whole,
        "studies/one/runs/two/predictions/0": {"seconds": 1.0},
    }


def test_no_notes_are_no_costs(root):
    assert costs.gathered(root / ".runs") == {}
    assert costs.read() == {}


def test_command_replaces_its_own_runs_and_leaves_those_of_others(root, capsys):
    runs = {"posteriors/vae/0": {"seconds": 9.0}, "posteriors/blr/0": {"seconds": 8.0, "device": "of another"}}
    artifacts.write_json(costs.COSTS, {"runs": runs})
    note(root, "posteriors/blr/0", seconds=2.0)
    note(root, "posteriors/blr/1", seconds=3.0)
    costs.main()
    assert costs.read() == {
        "posteriors/blr/0": {"seconds": 2.0},
        "posteriors/blr/1": {"seconds": 3.0},
        "posteriors/vae/0": {"seconds": 9.0},
    }
    assert list(costs.read()) == sorted(costs.read())
    assert capsys.readouterr().out == "2 of 3 runs in benchmarks/costs.json were made here\n"


def test_command_makes_the_file(root):
    note(root, "posteriors/blr/0", seconds=2.0)
    costs.main()
    assert costs.read() == {"posteriors/blr/0": {"seconds": 2.0}}


def test_command_without_notes_says_what_to_do_and_leaves_the_file(root):
    artifacts.write_json(costs.COSTS, {"runs": {"posteriors/vae/0": {"seconds": 9.0}}})
    before = costs.COSTS.read_bytes()
    with pytest.raises(Failure, match=r"^\.runs/ has no record of a run: [^\n]*make repro[^\n]*$"):
        costs.main()
    assert costs.COSTS.read_bytes() == before


def test_mean_seconds_are_those_of_the_runs_whose_folder_matches(root):
    seconds = {"posteriors/blr/0": 2.0, "posteriors/blr/1": 3.0, "posteriors/bnn/0": 100.0, "blr": 1000.0}
    artifacts.write_json(costs.COSTS, {"runs": {folder: {"seconds": value} for folder, value in seconds.items()}})
    assert costs.mean_seconds("posteriors/blr/*") == 2.5
    assert costs.mean_seconds("posteriors/bnn/0") == 100
    assert costs.mean_seconds("posteriors/b*/0") == 51
    assert costs.mean_seconds("posteriors/vae/*") is None


def test_committed_file_has_costs_of_runs():
    """Tables read it: each run has its costs and its machine."""
    runs = costs.read()
    assert runs
    for folder, run in runs.items():
        assert run["seconds"] > 0, folder
        assert run.keys() <= set(costs.KEYS), folder

"""A command of tools/, called in this process."""

import sys

import pytest
import torch

from stages.command import Failure


@pytest.fixture
def command(tmp_path, monkeypatch, capsys):
    """command(main, *words): its exit status, what it printed, and what it complained of; run in `tmp_path`."""
    monkeypatch.chdir(tmp_path)
    threads = torch.get_num_threads()

    def call(main, *words):
        monkeypatch.setattr(sys, "argv", ["command", *map(str, words)])
        try:
            main()
            status, failure = 0, ""
        except Failure as error:
            status, failure = 1, str(error)
        except SystemExit as error:
            status, failure = error.code, ""
        said = capsys.readouterr()
        return status, said.out, said.err + failure

    yield call
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(False)

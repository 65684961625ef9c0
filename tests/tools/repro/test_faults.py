"""Killed workers, killed drivers, Ctrl-C."""

import os
import re
import signal
from collections import Counter

import pytest

from tests.tools.repro.conftest import alive, pipeline, until

pytestmark = pytest.mark.slow
SECONDS = 5.0  # that a training takes: enough to be killed in


@pytest.fixture
def pair(project, tmp_path):
    """The project as `dvc repro` leaves it, and one with a remote and slow trainings, not run yet."""
    project.write(pipeline(seconds=SECONDS))
    project.commit()
    parallel = project.copy(tmp_path / "parallel", tmp_path / "store")
    parallel.environment["STARTS"] = str(tmp_path / "starts")
    return project, parallel


def test_a_lost_worker_costs_what_it_was_running(pair, cluster):
    """It holds the result of `data`, which is not made again."""
    serial, parallel = pair
    driver = parallel.start("python", "-m", "tools.repro", "--scheduler", cluster.address)
    until(lambda: len(parallel.starts("train-0.bin") + parallel.starts("train-1.bin")) == 2)
    address = re.search(r"data: ran, [\d.]+ s, (\S+)", parallel.said.read_text())[1]
    (lost,) = (worker for worker in cluster.workers if address in worker.log.read_text())
    running = re.search(rf"(train-\d): started on {address}", parallel.said.read_text())[1]
    (killed,) = parallel.starts(f"{running}.bin")
    lost.process.kill()
    until(lambda: not alive(killed.pid), seconds=10)
    parallel.end(driver)
    expected = Counter(start.out for start in parallel.starts())
    assert expected.pop(f"{running}.bin") == 2 and set(expected.values()) == {1}
    serial.run("dvc", "repro")
    assert parallel.locks() == serial.locks()


@pytest.mark.parametrize("where", ["here", "cluster"])
def test_a_killed_driver_leaves_the_lock_and_repeats_no_finished_training(pair, request, where):
    serial, parallel = pair
    parallel.write(pipeline() | {"train-1": pipeline(seconds=SECONDS)["train-1"]})
    serial.write(pipeline() | {"train-1": pipeline(seconds=SECONDS)["train-1"]})
    words = ["--jobs", "2"] if where == "here" else ["--scheduler", request.getfixturevalue("cluster").address]
    driver = parallel.start("python", "-m", "tools.repro", *words)
    until(lambda: parallel.starts("train-1.bin") and "train-0: ran" in parallel.said.read_text())
    driver.kill()
    driver.wait()
    assert not parallel.locks()
    if where == "here":
        (killed,) = parallel.starts("train-1.bin")
        until(lambda: not alive(killed.pid), seconds=10)
    parallel.repro(*words)
    assert len(parallel.starts("data")) == len(parallel.starts("train-0.bin")) == 1
    serial.run("dvc", "repro")
    assert parallel.locks() == serial.locks()


def test_ctrl_c_ends_all_stages_and_keeps_what_was_finished(pair):
    serial, parallel = pair
    for project in pair:
        project.write(pipeline() | {"train-1": pipeline(seconds=30)["train-1"]})
    driver = parallel.start("python", "-m", "tools.repro", "--jobs", "2")
    until(lambda: parallel.starts("train-1.bin") and "evaluate-0: ran" in parallel.said.read_text())
    os.killpg(driver.pid, signal.SIGINT)  # as a terminal does
    printed = parallel.end(driver, status=130)
    assert "3 ran, 0 known, 0 unchanged, 3 failed or not run" in printed and "Traceback" not in printed
    (killed,) = parallel.starts("train-1.bin")
    assert not alive(killed.pid)
    serial.run("dvc", "repro", "--quiet", "evaluate-0")
    assert parallel.locks() == serial.locks()
    assert parallel.repro("--dry").splitlines()[1:] == ["train-1", "evaluate-1", "summary"]

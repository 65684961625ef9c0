"""Killed workers, killed drivers, Ctrl-C."""

import os
import random
import re
import signal
import time
from collections import Counter

import pytest
import yaml

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


def test_a_lost_scheduler_ends_the_run_and_keeps_what_was_finished(pair, cluster):
    _, parallel = pair
    parallel.write(pipeline() | {"train-1": pipeline(seconds=60.0)["train-1"]})
    driver = parallel.start("python", "-m", "tools.repro", "--scheduler", cluster.address)
    until(lambda: parallel.starts("train-1.bin") and "evaluate-0: ran" in parallel.said.read_text())
    cluster.scheduler.process.kill()
    printed = parallel.end(driver, status=1)
    assert "train-1: FAILED" in printed and "Client lost the connection to the scheduler" in printed
    assert "3 ran" in printed and "3 failed or not run" in printed and "Traceback" not in printed
    (lock,) = parallel.locks().values()
    assert {*yaml.safe_load(lock)["stages"]} == {"data", "train-0", "evaluate-0"}


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


def pytest_generate_tests(metafunc):
    """Half as many kills as `--kills` says."""
    if "moment" in metafunc.fixturenames:
        metafunc.parametrize("moment", range(metafunc.config.getoption("kills") // 2))


def test_killed_at_a_random_moment(project, cluster, tmp_path, moment):
    """A worker and the driver in turn: what was finished is not made again; the lock is that of `dvc repro`."""
    project.write(pipeline(seconds=2.0))
    project.commit()
    parallel = project.copy(tmp_path / "parallel", tmp_path / "store")
    parallel.environment["STARTS"] = str(tmp_path / "starts")
    words = ("python", "-m", "tools.repro", "--scheduler", cluster.address)
    driver = parallel.start(*words)
    chance = random.Random(moment)
    time.sleep(chance.uniform(1, 15))
    finished = re.findall(r"(\S+): ran", parallel.said.read_text())
    if moment % 2:
        chance.choice(cluster.workers).process.kill()
        parallel.end(driver)
        twice = [out for out, count in Counter(start.out for start in parallel.starts()).items() if count > 1]
        assert len(twice) <= 1
    else:
        driver.kill()
        driver.wait()
        assert parallel.locks() == {} or len(finished) == len(pipeline())
        parallel.run(*words)
    project.run("dvc", "repro")
    assert parallel.locks() == project.locks()
    outs = {f"{name}.bin" if name.startswith("train") else name for name in finished}
    assert all(len(parallel.starts(out)) == 1 for out in outs)

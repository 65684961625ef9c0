"""Commands end with their parent, tidy up at SIGTERM, and say in one line what a user can mend."""

import os
import resource
import signal
import subprocess
import sys
import time

import pytest

from tests.tiny import ROOT

SLEEP = "import time; print('up', flush=True); time.sleep(60)"
TIDY = f"try: {SLEEP}\n    finally: print('tidied', flush=True)"


def python(code, **options):
    """A process that runs `code` as a stage's main."""
    text = f"import time\nfrom stages import command\ndef main():\n    {code}\ncommand.run(main)"
    environment = os.environ | {"PYTHONPATH": str(ROOT)} | options.pop("env", {})
    return subprocess.Popen(
        [sys.executable, "-c", text],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )


def test_failure_is_one_line():
    with python("raise command.Failure('steps = 0: must be more')") as process:
        assert process.communicate() == ("", "steps = 0: must be more\n")
    assert process.returncode == 1


def little_room():
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))


def test_stage_that_cannot_write_says_how_to_get_its_outputs_back(tmp_path):
    (tmp_path / "params.yaml").write_text((ROOT / "params.yaml").read_text())
    result = subprocess.run(
        [sys.executable, "-m", "stages.simulate"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"},
        preexec_fn=little_room,
        capture_output=True,
        text=True,
    )
    assert result.returncode == 1
    assert result.stderr.startswith("data/regression.csv could not be written: File too large")
    assert "`git restore metrics plots`" in result.stderr and result.stderr.count("\n") == 1
    assert list((tmp_path / "data").iterdir()) == []


def test_bug_keeps_its_traceback():
    with python("1 / 0") as process:
        assert "ZeroDivisionError" in process.communicate()[1]


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_signals_let_it_tidy_up(number, status):
    def as_in_a_terminal():  # a shell has commands in the background ignore SIGINT, and so do all that they start
        signal.signal(number, signal.SIG_DFL)

    ready = python(TIDY, preexec_fn=as_in_a_terminal)
    with ready as process:
        assert process.stdout.readline() == "up\n"
        process.send_signal(number)
        assert process.communicate(timeout=20) == ("tidied\n", "")
    assert process.returncode == status


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel tells a child on Linux alone")
@pytest.mark.parametrize(("variable", "dies"), [({"DVC_STAGE": "train_bnn@0"}, True), ({}, False)])
def test_a_stage_of_dvc_ends_when_dvc_is_killed(variable, dies, tmp_path):
    """The parent is killed, as nothing can survive, and its child notices, or not when DVC did not start it."""
    child = f"import time\nfrom stages import command\ndef main():\n    {SLEEP}\ncommand.run(main)"
    parent = f"import subprocess, sys; p = subprocess.Popen([sys.executable, '-c', {child!r}]); "
    parent += "print(p.pid, flush=True); p.wait()"
    clean = {name: value for name, value in os.environ.items() if name != "DVC_STAGE"}
    with subprocess.Popen(
        [sys.executable, "-c", parent],
        env=clean | variable | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        pid = int(process.stdout.readline())
        assert process.stdout.readline() == "up\n"
        process.kill()
    try:
        deadline = time.monotonic() + (20 if dies else 1)
        while running(pid) and time.monotonic() < deadline:
            time.sleep(0.02)
        assert running(pid) != dies
    finally:
        if running(pid):
            os.kill(pid, signal.SIGKILL)


def running(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False

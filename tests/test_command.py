"""Commands set up the processor, end with their parent, clean up at SIGTERM, and report errors in one line."""

import os
import platform
import resource
import signal
import subprocess
import sys
import time

import pytest

from stages import command
from stages.command import Failure
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


# --- the start -------------------------------------------------------------------------------------------

AVX2 = {"ATEN_CPU_CAPABILITY": "avx2", "MKL_CBWR": "AVX2", "ONEDNN_MAX_CPU_ISA": "AVX2"}
NUMPY = "NPY_DISABLE_CPU_FEATURES"
OF_USER = {"OMP_NUM_THREADS": "7", "MKL_NUM_THREADS": "8", "MKL_DYNAMIC": "TRUE"}


@pytest.fixture
def processor(monkeypatch):
    """processor(threads, instructions, machine, flags): what is set for it, whatever the user has set."""

    def made(threads, instructions, machine="x86_64", flags=()):
        monkeypatch.setattr(platform, "machine", lambda: machine)
        monkeypatch.setattr(command, "_cpu_flags", lambda: {"fpu", "avx2", *flags})
        os.environ.update(OF_USER | dict.fromkeys(AVX2, "default") | {NUMPY: "AVX2", "UNTOUCHED": "yes"})
        command.set_up_processor(threads, instructions)
        assert os.environ["UNTOUCHED"] == "yes"
        return {name: os.environ[name] for name in (*OF_USER, *AVX2, NUMPY) if name in os.environ}

    return made


THREADS = {"OMP_NUM_THREADS": "3", "MKL_NUM_THREADS": "3", "MKL_DYNAMIC": "FALSE"}


@pytest.mark.parametrize(
    ("instructions", "machine", "flags", "wanted"),
    [
        ("avx2", "x86_64", (), AVX2 | {NUMPY: ""}),
        ("avx2", "AMD64", (), AVX2 | {NUMPY: ""}),
        ("avx2", "x86_64", ("avx512f", "avx512_vbmi2"), AVX2 | {NUMPY: "X86_V4 AVX512_ICL"}),
        (
            "avx2",
            "x86_64",
            ("avx512f", "avx512_vbmi2", "avx512_fp16"),
            AVX2 | {NUMPY: "X86_V4 AVX512_ICL AVX512_SPR"},
        ),
        ("avx2", "aarch64", (), {}),
        ("avx2", "arm64", (), {}),
        ("native", "x86_64", ("avx512f",), {}),
        ("native", "aarch64", (), {}),
        (None, "x86_64", (), {}),
        (["avx2"], "x86_64", (), {}),
    ],
    ids=lambda value: (
        " ".join(value) if isinstance(value, tuple) else "" if isinstance(value, dict) else str(value)
    ),
)
def test_instructions_are_those_asked_for_whatever_the_user_has_set(
    processor, instructions, machine, flags, wanted
):
    assert processor(3, instructions, machine, flags) == THREADS | wanted


@pytest.mark.parametrize("threads", [1, 256])
def test_threads_are_those_asked_for_whatever_the_user_has_set(processor, threads):
    found = processor(threads, "native")
    assert found == {"OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads), "MKL_DYNAMIC": "FALSE"}


@pytest.mark.parametrize("threads", [None, "many", 1.5, [2], True, 0, -1, 10**30])
def test_nonsense_threads_leave_the_variables_alone(processor, threads):
    """A library would complain about them before params.yaml is validated, which would add a line."""
    assert processor(threads, "native") == OF_USER | {"MKL_DYNAMIC": "FALSE"}


LIBRARIES = """
import warnings
from stages import command
command.set_up_processor(2, "avx2")
warnings.simplefilter("error")
import numpy, torch
from numpy._core._multiarray_umath import __cpu_dispatch__ as kernels, __cpu_features__ as features
print(torch.backends.cpu.get_cpu_capability(), torch.get_num_threads())
print([name for name in kernels if features[name]])
"""


@pytest.mark.skipif(platform.machine() != "x86_64" or sys.platform != "linux", reason="no such instructions")
def test_libraries_do_as_they_are_asked():
    """The libraries recognise these names: for PyTorch's kernels, and for NumPy's.

    NumPy names what the processor can do apart from what it has kernels for (X86_V3 is AVX2): the latter counts.
    """
    words = [sys.executable, "-c", LIBRARIES]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", NUMPY: ""}
    result = subprocess.run(words, env=environment, capture_output=True, text=True)
    assert (result.stdout, result.stderr) == ("AVX2 2\n['X86_V3']\n", "")


def test_flags_are_those_of_linux(monkeypatch, tmp_path):
    class Information(type(tmp_path)):
        def read_text(self):
            return "processor\t: 0\nmodel name\t: a b\nflags\t\t: fpu avx2 avx512f\nbugs\t: none\nflags\t: x\n"

    monkeypatch.setattr(command, "Path", Information)
    assert command._cpu_flags() == {"fpu", "avx2", "avx512f"}

    def missing(self):
        raise FileNotFoundError

    monkeypatch.setattr(Information, "read_text", missing)
    assert command._cpu_flags() == set()


@pytest.fixture
def called(tmp_path, monkeypatch):
    """called("--seed", "3", ...): the result of parsing if params.yaml has the seeds 3 and 5."""
    text = (ROOT / "params.yaml").read_text()
    (tmp_path / "params.yaml").write_text(text.replace("seeds: [0]", "seeds: [3, 5]"))
    monkeypatch.chdir(tmp_path)

    def made(*arguments, **options):
        monkeypatch.setattr(sys, "argv", ["stage", *arguments])
        return command.opened("What it does.", **options)

    return made


def test_call_has_settings_and_arguments(called):
    call = called("--model", "vae", "--seed", "5", models=("bnn", "vae"), seed=True)
    assert (call.model, call.seed, call.settings.seeds) == ("vae", 5, [3, 5])
    assert os.environ["OMP_NUM_THREADS"] == str(call.settings.threads)
    call = called()
    assert (call.model, call.seed, call.settings.seeds) == ("", 0, [3, 5])


@pytest.mark.parametrize(
    ("arguments", "options", "said"),
    [
        ((), {"models": ("bnn", "vae")}, "--model"),
        (("--model", "blr"), {"models": ("bnn", "vae")}, "choose from"),
        ((), {"seed": True}, "--seed"),
        (("--seed", "first"), {"seed": True}, "invalid int"),
        (("--model", "bnn"), {}, "unrecognized"),
        (("--seed", "3"), {}, "unrecognized"),
    ],
)
def test_wrong_arguments_end_with_their_usage(called, arguments, options, said, capsys):
    with pytest.raises(SystemExit) as ended:
        called(*arguments, **options)
    assert ended.value.code == 2
    assert said in capsys.readouterr().err


def test_seed_that_is_not_declared(called):
    with pytest.raises(Failure, match=r"^--seed 7: params.yaml has seeds = \[3, 5\]: [^\n]*$"):
        called("--seed", "7", seed=True)


def test_nothing_is_trained_for_a_seed_that_is_not_declared(tmp_path):
    (tmp_path / "params.yaml").write_text((ROOT / "params.yaml").read_text())
    result = subprocess.run(
        [sys.executable, "-m", "stages.train", "--model", "blr", "--seed", "7"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr.startswith("--seed 7: params.yaml has seeds = [0]: ") and result.stderr.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["params.yaml"]


# --- the end ---------------------------------------------------------------------------------------------


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
    def as_in_a_terminal():  # a shell makes background commands ignore SIGINT, and their children inherit this
        signal.signal(number, signal.SIG_DFL)

    ready = python(TIDY, preexec_fn=as_in_a_terminal)
    with ready as process:
        assert process.stdout.readline() == "up\n"
        process.send_signal(number)
        assert process.communicate(timeout=20) == ("tidied\n", "")
    assert process.returncode == status


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux notifies the child")
@pytest.mark.parametrize(("variable", "dies"), [({"DVC_STAGE": "train_bnn@0"}, True), ({}, False)])
def test_a_stage_of_dvc_ends_when_dvc_is_killed(variable, dies, tmp_path):
    """The parent is killed by SIGKILL; its child ends too, unless it was not started by DVC."""
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

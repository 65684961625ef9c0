"""What the commands of all stages share: how they start and how they end.

A command reads its arguments, sets up the processor as params.yaml asks, and reads params.yaml. It stops when DVC
stops, and it reports errors that the user can fix in one line.
"""

from __future__ import annotations

import argparse
import ctypes
import os
import platform
import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from stages.settings import Settings

PR_SET_PDEATHSIG = 1  # from prctl(2)
# settings that keep each library from using instructions newer than AVX2, which would round differently
AVX2 = {
    "ATEN_CPU_CAPABILITY": "avx2",  # PyTorch's own kernels
    "MKL_CBWR": "AVX2",  # matrix products
    "ONEDNN_MAX_CPU_ISA": "AVX2",  # convolutions
}
AFTER_AVX2 = {"avx512f": "X86_V4", "avx512_vbmi2": "AVX512_ICL", "avx512_fp16": "AVX512_SPR"}  # NumPy's names


class Failure(Exception):
    """An error that the user can fix: the message says in one line what is wrong and what to do."""


@dataclass(frozen=True)
class Call:
    """What a stage was called with."""

    settings: Settings
    model: str = ""
    seed: int = 0


def opened(description: str | None, models: Sequence[str] = (), seed: bool = False) -> Call:
    """Start a stage: parse arguments, set up the processor, read params.yaml.

    Import torch, and anything that imports NumPy, only after this call.

    Args:
        description: of the command, for `--help`.
        models: choices of `--model`; empty if the command has no such argument.
        seed: whether the command has the argument `--seed`.

    Raises:
        Failure: if params.yaml cannot be used, or does not declare the seed.
    """
    spec = sys.modules["__main__"].__spec__
    parser = argparse.ArgumentParser(prog=f"python -m {spec.name}" if spec else None, description=description)
    if models:
        parser.add_argument("--model", choices=models, required=True)
    if seed:
        parser.add_argument("--seed", type=int, required=True, help="one of `seeds` in params.yaml")
    args = parser.parse_args()
    settings = settings_of("params.yaml")
    if seed and args.seed not in settings.seeds:
        raise Failure(f"--seed {args.seed}: params.yaml has seeds = {settings.seeds}: use one of them or add it")
    return Call(settings, **vars(args))


def settings_of(path: str | Path) -> Settings:
    """Set up the processor as params.yaml asks, and return its validated settings.

    Import torch, and anything that imports NumPy, only after this call.
    """
    from stages import params

    document = params.read(path)
    set_up_processor(document.get("threads"), document.get("instructions"))
    return params.validated(document, path)


def set_up_processor(threads: Any, instructions: Any) -> None:
    """Set the number of threads and the instruction set of all libraries, before they are loaded.

    Both affect how sums are rounded, and so the trained weights. They override the user's environment variables.

    Args:
        threads: as in params.yaml, possibly not validated yet.
        instructions: `avx2` or `native`, as in params.yaml; ignored on processors other than x86-64.
    """
    if type(threads) is int and 1 <= threads <= 256:
        os.environ |= dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS"), str(threads))
    os.environ["MKL_DYNAMIC"] = "FALSE"  # use the requested number of threads even if there are fewer cores
    for name in (*AVX2, "NPY_DISABLE_CPU_FEATURES"):
        os.environ.pop(name, None)
    if instructions == "avx2" and platform.machine() in ("x86_64", "AMD64"):
        os.environ |= AVX2
        newer = [feature for flag, feature in AFTER_AVX2.items() if flag in _cpu_flags()]
        os.environ["NPY_DISABLE_CPU_FEATURES"] = " ".join(newer)


def _cpu_flags() -> set[str]:
    """The processor's feature flags as reported by Linux; empty on other systems."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except FileNotFoundError:
        return set()
    return set(next((line.partition(":")[2] for line in lines if line.startswith("flags")), "").split())


def run(main: Callable[[], None]) -> None:
    """Run a stage's `main`: a `Failure` ends it with a one-line message and status 1, without a traceback."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # the default would not clean up
    if "DVC_STAGE" in os.environ:  # set by DVC for the commands that it runs
        end_with_parent()
    try:
        main()
    except Failure as failure:
        raise SystemExit(str(failure)) from None
    except KeyboardInterrupt:
        raise SystemExit(128 + signal.SIGINT) from None


def end_with_parent() -> None:
    """Have the kernel send SIGTERM to this process when its parent dies, for whatever reason (Linux only)."""
    if sys.platform != "linux":
        return
    parent = os.getppid()
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if parent == 1 or os.getppid() != parent:  # the parent died before prctl was called
        sys.exit(128 + signal.SIGTERM)

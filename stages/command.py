"""What the commands of all stages share: how they start, and how they end.

A command reads its arguments, sets the processor up as params.yaml asks, and reads params.yaml. It ends with DVC,
and what a user can mend is said in one line.
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

PR_SET_PDEATHSIG = 1  # of prctl(2)
# what keeps each library from using instructions that came after AVX2: other instructions round differently
AVX2 = {
    "ATEN_CPU_CAPABILITY": "avx2",  # PyTorch's own kernels
    "MKL_CBWR": "AVX2",  # matrix products
    "ONEDNN_MAX_CPU_ISA": "AVX2",  # convolutions
}
AFTER_AVX2 = {"avx512f": "X86_V4", "avx512_vbmi2": "AVX512_ICL", "avx512_fp16": "AVX512_SPR"}  # NumPy's names


class Failure(Exception):
    """Something that a user can mend: the message is one line that says what is wrong and what to do."""


@dataclass(frozen=True)
class Call:
    """What a stage was called with."""

    settings: Settings
    model: str = ""
    seed: int = 0


def opened(description: str | None, models: Sequence[str] = (), seed: bool = False) -> Call:
    """Start a stage: its arguments, the processor, params.yaml. Import torch and NumPy's users after this.

    Args:
        description: of the command, for `--help`.
        models: choices of `--model`; none: the command has no such argument.
        seed: whether it has the argument `--seed`.

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
        raise Failure(f"--seed {args.seed}: params.yaml has seeds = {settings.seeds}: take one, or add it there")
    return Call(settings, **vars(args))


def settings_of(path: str | Path) -> Settings:
    """params.yaml, validated, with the processor set up for it. Import torch and NumPy's users after this."""
    from stages import params

    document = params.read(path)
    set_up_processor(document.get("threads"), document.get("instructions"))
    return params.validated(document, path)


def set_up_processor(threads: Any, instructions: Any) -> None:
    """Ask all libraries for so many threads and such instructions, before they are loaded.

    Both change how sums are rounded, and so a training's weights. What the user's environment says is overruled.

    Args:
        threads: as in params.yaml, perhaps not validated yet.
        instructions: `avx2` or `native`, as in params.yaml; no matter on other processors than x86-64.
    """
    if type(threads) is int and 1 <= threads <= 256:
        os.environ |= dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS"), str(threads))
    os.environ["MKL_DYNAMIC"] = "FALSE"  # as many threads as were asked for, even if there are fewer cores
    for name in (*AVX2, "NPY_DISABLE_CPU_FEATURES"):
        os.environ.pop(name, None)
    if instructions == "avx2" and platform.machine() in ("x86_64", "AMD64"):
        os.environ |= AVX2
        newer = [feature for flag, feature in AFTER_AVX2.items() if flag in _cpu_flags()]
        os.environ["NPY_DISABLE_CPU_FEATURES"] = " ".join(newer)


def _cpu_flags() -> set[str]:
    """What the processor says it can, where Linux tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except FileNotFoundError:
        return set()
    return set(next((line.partition(":")[2] for line in lines if line.startswith("flags")), "").split())


def run(main: Callable[[], None]) -> None:
    """Run a stage's `main`: a `Failure` ends it with its one line, status 1 and no traceback."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # cleans up, unlike the default
    if "DVC_STAGE" in os.environ:  # DVC says so to the commands that it runs
        end_with_parent()
    try:
        main()
    except Failure as failure:
        raise SystemExit(str(failure)) from None
    except KeyboardInterrupt:
        raise SystemExit(128 + signal.SIGINT) from None


def end_with_parent() -> None:
    """Have the kernel send SIGTERM to this process when its parent dies, however it dies (Linux alone)."""
    if sys.platform != "linux":
        return
    parent = os.getppid()
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if parent == 1 or os.getppid() != parent:  # it was dead before the kernel knew
        sys.exit(128 + signal.SIGTERM)

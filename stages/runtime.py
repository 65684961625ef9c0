"""Device, threads, seeds, determinism, and the record of a run."""

from __future__ import annotations

import hashlib
import os
import platform
import resource
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from tqdm import tqdm

from stages import artifacts
from stages.command import Failure

if TYPE_CHECKING:
    from stages.settings import Settings

PACKAGE = Path(__file__).resolve().parent
RECORDS = ".runs"  # costs of runs, not tracked by Git or DVC, since no result depends on them
RECORDED_PACKAGES = ("torch", "pyro-ppl", "numpy", "safetensors")


def prepare(settings: Settings, seed: int) -> torch.device:
    """Resolve the device, set the threads, switch deterministic algorithms on and seed every global generator.

    Args:
        settings: of which device, threads, instructions and matmul_precision matter here.
        seed: for the generators.

    Raises:
        Failure: if the device is not available.
    """
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # required for deterministic cuBLAS
    resolved = _resolve(settings.device)
    _set_threads(settings.threads)
    torch.use_deterministic_algorithms(True)
    torch.utils.deterministic.fill_uninitialized_memory = False  # only a debugging aid, and costs 4% of a step
    torch.backends.cudnn.benchmark = False
    precision = "tf32" if settings.matmul_precision == "tf32" else "ieee"
    torch.backends.cuda.matmul.fp32_precision = precision
    torch.backends.cudnn.conv.fp32_precision = precision  # TF32 by default
    torch.manual_seed(seed)  # Pyro uses torch's global generators
    np.random.seed(seed)
    return resolved


def _set_threads(threads: int) -> None:
    torch.set_num_threads(threads)
    if threads > (cores := usable_cores()):
        tqdm.write(
            f"threads = {threads} on {cores} {'core' if cores == 1 else 'cores'}: the results are the same as "
            "elsewhere, but slower. A smaller `threads` in params.yaml would be faster here but give other weights"
        )


def usable_cores() -> int:
    """Number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _resolve(device: str) -> torch.device:
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    resolved = torch.device(device)
    if resolved.type == "cuda" and (resolved.index or 0) >= torch.cuda.device_count():
        found = torch.cuda.device_count()
        raise Failure(f"params.yaml: device = {device!r}: {found} CUDA devices found; use auto or cpu")
    return resolved


def identity(
    device: torch.device, seed: int, params: Mapping[str, Any], data: Iterable[str | Path]
) -> dict[str, Any]:
    """Everything that the result of a run depends on, as JSON types: equal identities give equal bytes.

    Args:
        device: as `prepare` returned it.
        seed: as given to `prepare`.
        params: sections of params.yaml.
        data: files and folders that the run reads.
    """
    return {
        "seed": seed,
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu",
        "matmul_precision": torch.backends.cuda.matmul.fp32_precision if device.type == "cuda" else "ieee",
        "threads": torch.get_num_threads(),
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
        "versions": {"python": platform.python_version(), **_versions()},
        "compiler": _compiler(),
        "params": dict(params),
        "data_sha256": _sha256(file for path in map(Path, data) for file in _files(path)),
        "code_sha256": _code(),
    }


def record(folder: str | Path, content: Mapping[str, Any]) -> None:
    """Record how the outputs in `folder` were made, in .runs/<folder>/run.json.

    Args:
        folder: of a posterior or of predictions.
        content: JSON types.
    """
    artifacts.write_json(_record_path(folder), content)


def recorded(folder: str | Path) -> dict[str, Any]:
    """What `record` wrote about the outputs in `folder`; empty if they were not made here."""
    path = _record_path(folder)
    return artifacts.read_json(path) if path.exists() else {}


def _record_path(folder: str | Path) -> Path:
    root, place = PACKAGE.parent, Path(folder).absolute()
    if not place.is_relative_to(root):
        root = Path.cwd()
    return root / RECORDS / place.relative_to(root) / "run.json"


class Costs:
    """Measures the time and memory that a run takes, from now on."""

    def __init__(self, device: torch.device):
        self.device = device
        self.start = time.monotonic()

    def finish(self, items: int = 0, earlier: float = 0.0) -> dict[str, Any]:
        """The costs up to now, as JSON types.

        Args:
            items: number of data used in gradient steps.
            earlier: seconds that earlier, interrupted processes spent on the same run.
        """
        seconds = time.monotonic() - self.start + earlier
        on_gpu = torch.cuda.max_memory_allocated(self.device) if self.device.type == "cuda" else None
        return {
            "machine": {"platform": platform.platform(), "cpu": cpu(), "cores": usable_cores()},
            "seconds": round(seconds, 2),
            "items_per_second": round(items / seconds, 1),
            "peak_memory_mb": round(peak_memory_mb(), 1),
            "peak_device_memory_mb": on_gpu and round(on_gpu / 2**20, 1),
        }


def cpu() -> str:
    """The name of the processor, as reported by Linux or the platform."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except FileNotFoundError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")


def peak_memory_mb() -> float:
    """Peak resident memory of this process so far, in MiB."""
    try:  # on Linux, `ru_maxrss` may be the size of the parent process before the fork
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 2**10
    except (FileNotFoundError, StopIteration):
        pass
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # kilobytes on Linux, bytes on macOS
    return peak / (2**20 if sys.platform == "darwin" else 2**10)


def _versions() -> dict[str, str]:
    return {name: metadata.version(name) for name in RECORDED_PACKAGES}


def _compiler() -> str | None:
    """The version line of the C++ compiler that compiles traced steps; None if there is no compiler."""
    try:
        found = subprocess.run([os.environ.get("CXX", "g++"), "--version"], capture_output=True, text=True)
    except OSError:
        return None
    return found.stdout.partition("\n")[0]


def _code() -> dict[str, str]:
    """SHA-256 of every file of this package that the process has imported, including the main module."""
    modules = [module for name, module in sys.modules.items() if name == "__main__" or name.startswith("stages.")]
    files = {Path(module.__file__).resolve() for module in modules if getattr(module, "__file__", None)}
    return _sha256(sorted(file for file in files if file.parent.is_relative_to(PACKAGE)))


def _files(path: Path) -> list[Path]:
    return sorted(file for file in path.rglob("*") if file.is_file()) if path.is_dir() else [path]


def _sha256(files: Iterable[Path]) -> dict[str, str]:
    """SHA-256 by path; paths inside the repository are relative to it."""
    hashes = {}
    for file in files:
        path = file.resolve()
        name = path.relative_to(PACKAGE.parent) if path.is_relative_to(PACKAGE.parent) else file
        hashes[str(name)] = hashlib.sha256(path.read_bytes()).hexdigest()
    return hashes

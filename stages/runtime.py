"""Device, seeds, determinism, and the record of a run."""

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
from typing import Any

import numpy as np
import torch

from stages.command import Failure

PACKAGE = Path(__file__).resolve().parent
RECORDED_PACKAGES = ("torch", "pyro-ppl", "numpy", "safetensors")


def prepare(device: str, seed: int, matmul_precision: str = "float32") -> torch.device:
    """Resolve the device, switch deterministic algorithms on and seed every global generator.

    Args:
        device: as in params.yaml.
        seed: of the generators.
        matmul_precision: `float32` or `tf32`, of matrix products and convolutions on a GPU.

    Raises:
        Failure: if the device is not there.
    """
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # cuBLAS is deterministic only with this
    resolved = _resolve(device)
    torch.use_deterministic_algorithms(True)
    torch.utils.deterministic.fill_uninitialized_memory = False  # a debugging aid, 4% of a step
    torch.backends.cudnn.benchmark = False
    precision = "tf32" if matmul_precision == "tf32" else "ieee"
    torch.backends.cuda.matmul.fp32_precision = precision
    torch.backends.cudnn.conv.fp32_precision = precision  # TF32 by default
    torch.manual_seed(seed)  # Pyro draws from torch's global generators
    np.random.seed(seed)
    return resolved


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
    """All that the result of a run depends on, as JSON types: the same here, the same bytes there.

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
        "versions": {"python": platform.python_version(), **_versions()},
        "compiler": _compiler(),
        "params": dict(params),
        "data_sha256": _sha256(file for path in map(Path, data) for file in _files(path)),
        "code_sha256": _code(),
    }


class Costs:
    """What a run took, for run.json."""

    def __init__(self, device: torch.device):
        self.device = device
        self.start = time.monotonic()

    def finish(self, items: int) -> dict[str, Any]:
        """The costs since this object was made, as JSON types.

        Args:
            items: data seen in the gradient steps since then.
        """
        seconds = time.monotonic() - self.start
        on_gpu = torch.cuda.max_memory_allocated(self.device) if self.device.type == "cuda" else None
        return {
            "platform": platform.platform(),
            "seconds": round(seconds, 2),
            "items_per_second": round(items / seconds, 1),
            "peak_memory_mb": round(peak_memory_mb(), 1),
            "peak_device_memory_mb": on_gpu and round(on_gpu / 2**20, 1),
        }


def peak_memory_mb() -> float:
    """Largest resident size of this program so far, in MiB."""
    try:  # what `ru_maxrss` says on Linux may be the size of the parent that the process was forked from
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 2**10
    except (FileNotFoundError, StopIteration):
        pass
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # kilobytes on Linux, bytes on macOS
    return peak / (2**20 if sys.platform == "darwin" else 2**10)


def _versions() -> dict[str, str]:
    return {name: metadata.version(name) for name in RECORDED_PACKAGES}


def _compiler() -> str | None:
    """The C++ compiler of traced steps, in its own words; None if there is none."""
    try:
        found = subprocess.run([os.environ.get("CXX", "g++"), "--version"], capture_output=True, text=True)
    except OSError:
        return None
    return found.stdout.partition("\n")[0]


def _code() -> dict[str, str]:
    """SHA-256 of every file of this package that the process has imported, the one that it runs included."""
    modules = [module for name, module in sys.modules.items() if name == "__main__" or name.startswith("stages.")]
    files = {Path(module.__file__).resolve() for module in modules if getattr(module, "__file__", None)}
    return _sha256(sorted(file for file in files if file.parent.is_relative_to(PACKAGE)))


def _files(path: Path) -> list[Path]:
    return sorted(file for file in path.rglob("*") if file.is_file()) if path.is_dir() else [path]


def _sha256(files: Iterable[Path]) -> dict[str, str]:
    """By path, relative to the repository where it is in there."""
    hashes = {}
    for file in files:
        path = file.resolve()
        name = path.relative_to(PACKAGE.parent) if path.is_relative_to(PACKAGE.parent) else file
        hashes[str(name)] = hashlib.sha256(path.read_bytes()).hexdigest()
    return hashes

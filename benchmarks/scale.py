"""How far `python -m tools.repro` goes: real processes, into benchmarks/results.json under `scale`.

jobs        stages that sleep: `dvc repro` against two jobs
noop        stages with nothing to do
driver      what the driver itself takes for 1,000 stages, whose processes only pretend
throughput  stub stages for real
parts       what docs/scale.md reckons with
pipeline    this pipeline: two jobs of one thread against one after the other; most of an hour

The machine should do nothing else meanwhile. Needs tools/repro/requirements.txt.
"""

from __future__ import annotations

import argparse
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from importlib import metadata
from pathlib import Path
from typing import Any

import yaml

from benchmarks.stubs import Stubs
from stages import artifacts, command, runtime
from stages.command import Failure
from tools import quick

ROOT = Path(__file__).parent.parent
RESULTS = Path(__file__).parent / "results.json"
PACKAGES = ("dvc", "distributed", "ruamel.yaml")
JOBS = 2


def main() -> None:
    """Measure, and write what was measured."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale", description=__doc__)
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help=f"{', '.join(MEASUREMENTS)} (default: the first five)"
    )
    parser.add_argument(
        "--stages", type=int, help="instead of 8 (jobs), 60 (noop), 1000 (driver), 100 (throughput)"
    )
    parser.add_argument("--seconds", type=float, default=20, help="that the stages of `jobs` sleep")
    parser.add_argument("--params", type=Path, help="overrides of params.yaml, for `pipeline`")
    parser.add_argument("--targets", nargs="+", default=[], help="stages for `pipeline`; default: all")
    parser.add_argument("--serial", type=int, nargs="+", default=[2], help="numbers of threads of the serial runs")
    parser.add_argument("--out", type=Path, default=RESULTS, help="default: %(default)s")
    args = parser.parse_args()
    if unknown := sorted(set(args.names) - set(MEASUREMENTS)):
        parser.error(f"{unknown[0]}: choose from {', '.join(MEASUREMENTS)}")
    for name in args.names or [name for name in MEASUREMENTS if name != "pipeline"]:
        print(f"\n{name}", flush=True)
        with tempfile.TemporaryDirectory(prefix="scale-") as folder:
            row = MEASUREMENTS[name](Path(folder, name), args)
        write(args.out, row)
        for key, value in row.items():
            print(f"  {key:28}{value}", flush=True)
    print(f"\nwritten to {args.out}")


def write(path: Path, row: Mapping[str, Any]) -> None:
    """Put a measurement into the results; all else in the file stays as it is."""
    results = artifacts.read_json(path) if path.exists() else {}
    results["scale"] = results.get("scale", {}) | {"machine": machine()} | dict(row)
    artifacts.write_json(path, results)


def machine() -> dict[str, Any]:
    """The machine and the versions that were measured."""
    return {
        "platform": platform.platform(),
        "cpu": runtime.cpu(),
        "cores": len(os.sched_getaffinity(0)),
        "python": platform.python_version(),
        "versions": {name: metadata.version(name) for name in PACKAGES},
    }


def jobs(folder: Path, args: argparse.Namespace) -> dict[str, Any]:
    """Stages that sleep: seconds of `dvc repro` over those of two jobs."""
    count, seconds = args.stages or 8, {}
    for name, words in (("dvc_repro", ["dvc", "repro"]), ("jobs_2", repro("--jobs", JOBS))):
        stubs = Stubs(folder / name, count, args.seconds, chained=False)
        stubs.write()
        seconds[name] = timed(words, stubs.folder)
    ratio = seconds["dvc_repro"] / seconds["jobs_2"]
    return {
        "serial_over_parallel": round(ratio, 3),
        "jobs": {"stages": count, "sleep_seconds": args.seconds} | rounded(seconds),
    }


def noop(folder: Path, args: argparse.Namespace) -> dict[str, Any]:
    """Stages with nothing to do: seconds of `tools.repro`, and of `dvc repro`."""
    count = args.stages or 60
    stubs = Stubs(folder, count)
    stubs.write()
    stubs.finish()
    timed(repro(), folder)  # the first run computes hashes, which DVC keeps
    seconds = {"tools_repro": timed(repro(), folder), "dvc_repro": timed(["dvc", "repro"], folder)}
    return {f"noop_{count}_seconds": round(seconds["tools_repro"], 2), f"noop_{count}": rounded(seconds)}


def driver(folder: Path, args: argparse.Namespace) -> dict[str, Any]:
    """CPU seconds of the driver, the scheduler in it included, by phase; processes of stages only pretend."""
    count = args.stages or 1000
    stubs = Stubs(folder, count)
    stubs.write()
    stubs.pretend()
    took, wall = driven(folder)
    check(folder, count)
    work = took["total"] - took["following"]
    return {
        f"driver_{count}_seconds": round(work, 2),
        f"driver_{count}": {"cpu_" + phase: round(value, 2) for phase, value in took.items()}
        | {"wall_seconds": round(wall, 1)},
    }


def throughput(folder: Path, args: argparse.Namespace) -> dict[str, Any]:
    """Stub stages for real, by two workers: how long each takes, with the start of Python and DVC."""
    count = args.stages or 100
    stubs = Stubs(folder, count)
    stubs.write()
    before = children()
    took, wall = driven(folder)
    cpu = children() - before
    check(folder, count)
    return {
        f"throughput_{count}": {
            "stages_per_minute": round(60 * count / wall, 1),
            "wall_seconds": round(wall, 1),
            "cpu_seconds_per_stage": round((cpu - took["total"]) / count, 2),
            "cpu_driver": round(took["total"], 2),
        }
    }


def parts(folder: Path, args: argparse.Namespace) -> dict[str, Any]:
    """CPU seconds and bytes of the steps of a run, for two numbers of stages."""
    import cloudpickle
    from dvc.utils.serialize import load_yaml, modify_yaml

    from tools.repro import cluster, dvc_api, snapshot

    rows = {}
    for count in (args.stages // 4, args.stages) if args.stages else (100, 400):
        stubs = Stubs(folder / str(count), count)
        stubs.write()
        stubs.finish()
        lock, took = stubs.folder / "dvc.lock", {}
        took["dvc_lock_parse"] = cpu_seconds(lambda lock=lock: load_yaml(lock))
        with_one = dvc_api.Entry("dvc.lock", "train@0", ".", stubs.entry("train", 0))

        def by_dvc(lock: Path = lock, entry: dvc_api.Entry = with_one) -> None:
            with modify_yaml(lock) as document:
                document["stages"][entry.name] = entry.content

        took["dvc_lock_update_of_one"] = cpu_seconds(by_dvc)
        took["lock_update_of_one"] = cpu_seconds(
            lambda top=stubs.folder, one=with_one: dvc_api.write_locks(top, [one])
        )
        everything = [dvc_api.Entry("dvc.lock", name, ".", entry) for name, entry in stubs.entries().items()]
        took["lock_update_of_all"] = cpu_seconds(
            lambda top=stubs.folder, every=everything: dvc_api.write_locks(top, every)
        )
        archive = snapshot.packed(stubs.folder, snapshot.files(stubs.folder))
        sizes = {
            "archive": len(archive),
            "lock": lock.stat().st_size,
            "entry": len(cloudpickle.dumps(asdict(with_one))),
        }
        rows[str(count)] = {"cpu_seconds": rounded(took), "bytes": sizes}
    tasks = 2000
    with cluster.on_this_machine(JOBS, str(folder), str(folder)) as client:
        client.gather(client.map(abs, range(10)))
        start, cpu = time.monotonic(), time.process_time()
        client.gather(client.map(abs, range(1000, 1000 + tasks), pure=False))
        rows["scheduler"] = {  # the scheduler and its client are in this process
            "tasks_per_second": round(tasks / (time.monotonic() - start)),
            "cpu_ms_per_task": round(1000 * (time.process_time() - cpu) / tasks, 2),
        }
    rows["cpu_start"] = rounded({"python": started("pass"), "dvc": started("import tools.repro.dvc_api")})
    return {"parts": rows}


def pipeline(folder: Path, args: argparse.Namespace) -> dict[str, Any]:
    """This pipeline, in fresh folders without cache: two jobs of one thread over the faster serial run."""
    overrides = yaml.safe_load(args.params.read_text()) if args.params else {}
    seconds = {}
    for name, threads in (*((f"serial_threads_{threads}", threads) for threads in args.serial), ("jobs_2", 1)):
        clone(folder / name, overrides | {"threads": threads})
        words = repro("--jobs", JOBS) if name == "jobs_2" else ["dvc", "repro"]
        seconds[name] = timed([*words, *args.targets], folder / name)
    fastest = min(value for name, value in seconds.items() if name != "jobs_2")
    return {"repro_jobs2_over_serial": round(seconds["jobs_2"] / fastest, 3), "pipeline": rounded(seconds)}


def clone(folder: Path, overrides: Mapping[str, Any]) -> None:
    """The pipeline with changed params, in a Git repository; nothing has run."""
    quick.copy(folder, dict(overrides))
    (folder / ".dvc/config.local").unlink()  # it says that there is no Git repository
    subprocess.run(["git", "init", "--quiet"], cwd=folder, check=True)


MEASUREMENTS: dict[str, Callable[[Path, argparse.Namespace], dict[str, Any]]] = {
    "jobs": jobs,
    "noop": noop,
    "driver": driver,
    "throughput": throughput,
    "parts": parts,
    "pipeline": pipeline,
}


def repro(*options: Any) -> list[str]:
    """The command `python -m tools.repro`."""
    return [sys.executable, "-m", "tools.repro", *map(str, options)]


def timed(words: list[str], folder: Path) -> float:
    """Wall seconds of a command.

    Raises:
        Failure: if it fails.
    """
    start = time.monotonic()
    result = subprocess.run(words, cwd=folder, env=environment(), capture_output=True, text=True)
    if result.returncode:
        raise Failure(f"{' '.join(words)} failed: {(result.stdout + result.stderr)[-2000:]}")
    return time.monotonic() - start


def driven(folder: Path) -> tuple[dict[str, float], float]:
    """Run all stages by two jobs: CPU seconds of the driver by phase, and wall seconds."""
    times = folder.with_suffix(".json")
    script = str(ROOT / "benchmarks/driver_times.py")
    wall = timed([sys.executable, script, str(times), "--jobs", str(JOBS)], folder)
    return artifacts.read_json(times), wall


def check(folder: Path, count: int) -> None:
    """Check that the lock file has an entry for each stage.

    Raises:
        Failure: if not.
    """
    from tools.repro import dvc_api

    if len(dvc_api.entry_texts((folder / "dvc.lock").read_text()) or ()) != count:
        raise Failure(f"{folder}: the lock file has not {count} entries")


def environment() -> dict[str, str]:
    """For commands: this code on Python's path, and the environment's programs first."""
    return quick.environment() | {"PYTHONPATH": str(ROOT)}


def started(statement: str) -> float:
    """CPU seconds of a new Python that runs a statement."""
    before = children()
    subprocess.run([sys.executable, "-c", statement], env=environment(), check=True)
    return children() - before


def children() -> float:
    """CPU seconds of all processes that this one has started and that have ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def cpu_seconds(function: Callable[[], Any]) -> float:
    """CPU seconds that a call takes."""
    start = time.process_time()
    function()
    return time.process_time() - start


def rounded(seconds: Mapping[str, float]) -> dict[str, float]:
    """To hundredths."""
    return {name: round(value, 2) for name, value in seconds.items()}


if __name__ == "__main__":
    command.run(main)

"""Pipelines of as many stages as one likes that do next to nothing: for benchmarks/scale.py.

They have the shape of this one: `train` for each seed, `evaluate` of what it made, `plot` of that; about as many
dependencies and params per stage as dvc.yaml has, and outputs of which every other one is `cache: false`.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

CODE = 12  # files of code that each stage depends on: dvc.yaml has 14 dependencies per stage
PARAMS = 5  # per stage; dvc.yaml has 6
STEPS = {  # name: folder of what it reads, folder of what it makes
    "train": (None, "posteriors"),
    "evaluate": ("posteriors", "metrics"),
    "plot": ("metrics", "plots"),
}
UNCACHED = ("metrics",)
PRETENDED = """
import json, sys
job = json.load(open(sys.argv[1]))
entry = job["entry"]
entry["content"] = json.load(open("entries.json"))[entry["name"]]
json.dump({"entry": entry, "how": "ran", "records": {}}, open(sys.argv[1], "w"))
"""


@dataclass(frozen=True)
class Stubs:
    """Such a pipeline, in a Git repository of its own.

    Args:
        folder: of the repository.
        stages: how many in all.
        seconds: that each stage sleeps.
        chained: whether stages read from one another; if not, there is only `train`.
    """

    folder: Path
    stages: int
    seconds: float = 0.0
    chained: bool = True

    def seeds(self) -> dict[str, range]:
        """The seeds of each step."""
        steps = list(STEPS) if self.chained else ["train"]
        counts = [len(range(number, self.stages, len(steps))) for number in range(len(steps))]
        return {step: range(count) for step, count in zip(steps, counts, strict=True) if count}

    def command(self, step: str, seed: int | str) -> str:
        """What a stage runs."""
        made = f"{STEPS[step][1]}/{seed}"
        pause = f"sleep {self.seconds:g} && " if self.seconds else ""
        return f"{pause}mkdir -p {STEPS[step][1]} && echo {step} {seed} > {made}"

    def made(self, step: str, seed: int) -> bytes:
        """What it writes."""
        return f"{step} {seed}\n".encode()

    def write(self) -> None:
        """Write the repository; no stage has been run."""
        self.folder.mkdir(parents=True)
        code = self._code()
        for name, content in code.items():
            path = self.folder / name
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(content)
        stages = {}
        for step, seeds in self.seeds().items():
            read, made = STEPS[step]
            out = f"{made}/${{item.seed}}"
            stages[step] = {
                "matrix": {"seed": list(seeds)},
                "cmd": self.command(step, "${item.seed}"),
                "deps": [*code, *([f"{read}/${{item.seed}}"] if read else [])],
                "params": list(_params()),
                "outs": [{out: {"cache": False}} if made in UNCACHED else out],
            }
        (self.folder / "dvc.yaml").write_text(yaml.safe_dump({"stages": stages}, sort_keys=False))
        (self.folder / "params.yaml").write_text(yaml.safe_dump(_params()))
        ignored = [f"/{made}/" for _, made in STEPS.values() if made not in UNCACHED]
        (self.folder / ".gitignore").write_text("\n".join([*ignored, ""]))
        for words in (["git", "init", "--quiet"], ["dvc", "init", "--quiet"]):
            subprocess.run(words, cwd=self.folder, check=True)
        (self.folder / ".dvc/config").write_text("[core]\n    analytics = false\n    autostage = false\n")

    def entry(self, step: str, seed: int) -> dict[str, Any]:
        """A stage's entry in the lock file once it has run."""
        read, made = STEPS[step]
        files = self._code()
        if read:
            before = next(name for name, (_, folder) in STEPS.items() if folder == read)
            files[f"{read}/{seed}"] = self.made(before, seed)
        return {
            "cmd": self.command(step, seed),
            "deps": [_tracked(name, files[name]) for name in sorted(files)],
            "params": {"params.yaml": _params()},
            "outs": [_tracked(f"{made}/{seed}", self.made(step, seed))],
        }

    def finish(self) -> None:
        """Write outputs, cache and lock file as if all had run; `dvc repro` takes hours for 1,000."""
        from dvc.utils.serialize import dump_yaml

        for step, seeds in self.seeds().items():
            (self.folder / STEPS[step][1]).mkdir(exist_ok=True)
            for seed in seeds:
                (self.folder / STEPS[step][1] / str(seed)).write_bytes(self.made(step, seed))
        self.fill_cache()
        dump_yaml(self.folder / "dvc.lock", {"schema": "2.0", "stages": self.entries()})

    def pretend(self) -> None:
        """Put in place of the process of a stage one that says at once that the stage ran; fill the cache."""
        (self.folder / "entries.json").write_text(json.dumps(self.entries()))
        package = self.folder / "tools/repro"
        package.mkdir(parents=True)
        (package / "__init__.py").touch()
        (package.parent / "__init__.py").touch()
        (package / "job.py").write_text(PRETENDED)
        self.fill_cache()

    def entries(self) -> dict[str, dict[str, Any]]:
        """The entries of all stages."""
        return {f"{step}@{seed}": self.entry(step, seed) for step, seeds in self.seeds().items() for seed in seeds}

    def fill_cache(self) -> None:
        """Put what all stages make into the cache."""
        for step, seeds in self.seeds().items():
            for seed in seeds:
                content = self.made(step, seed)
                digest = hashlib.md5(content).hexdigest()
                path = self.folder / ".dvc/cache/files/md5" / digest[:2] / digest[2:]
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)

    def _code(self) -> dict[str, bytes]:
        return {f"code/module_{number}.py": f"NUMBER = {number}\n".encode() for number in range(CODE)}


def _params() -> dict[str, Any]:
    return {f"param_{number}": {"rate": 0.001, "steps": number} for number in range(PARAMS)}


def _tracked(name: str, content: bytes) -> dict[str, Any]:
    return {"path": name, "hash": "md5", "md5": hashlib.md5(content).hexdigest(), "size": len(content)}

"""Where the results come from, and how to make them again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from stages import artifacts, runtime
from stages.params import MODELS
from tools.report.headline import title
from tools.report.sources import Run, git

NAMES = {
    "python": "Python",
    "torch": "PyTorch",
    "pyro-ppl": "Pyro",
    "numpy": "NumPy",
    "safetensors": "safetensors",
}


def section(run: Run) -> dict[str, Any]:
    """Commit, settings, and what was recorded of the trainings, where they were made here."""
    settings = run.settings
    commit = git("rev-parse", "HEAD")
    changed = git("status", "--porcelain", "--untracked-files=no") if commit else ""
    facts = {
        "Commit": commit[:12] + (" and uncommitted changes" if changed else ""),
        "Seeds": ", ".join(map(str, settings.seeds)),
        "Images": f"{settings.images.train:,} to train, {settings.images.validation:,} to choose, "
        f"{settings.images.test:,} to test",
        "Reported on": f"the {settings.evaluate.split} split",
        "Network": f"{settings.bnn.network}, {settings.bnn.inference.replace('_', ' ')}",
    }
    records = {model: record for model in MODELS if (record := recorded(model, run.seed))}
    if records:
        first = next(iter(records.values()))
        facts["Versions"] = ", ".join(
            f"{NAMES.get(name, name)} {version}" for name, version in first["versions"].items()
        )
        machine = first["machine"]
        facts["Trained on"] = f"{machine['cpu']}, {machine['cores']} cores"
        facts["Training took"] = ", ".join(
            f"{record['seconds']:,.0f} s ({title(model)})" for model, record in records.items()
        )
    return {"facts": {name: fact for name, fact in facts.items() if fact}, "commit": commit}


def recorded(model: str, seed: int) -> dict[str, Any]:
    """What .runs/ holds of a training; empty if it was not made here."""
    path = Path(runtime.RECORDS, "posteriors", model, str(seed), "run.json")
    record = artifacts.read_json(path) if path.exists() else {}
    return record if {"versions", "machine", "seconds"} <= record.keys() else {}

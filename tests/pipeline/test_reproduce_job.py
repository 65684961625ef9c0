"""The steps of the workflow `Reproduce`, run as GitHub runs them: in a fresh clone, each by `bash -e`.

The base for the comparison has this repository's params and committed results; the clone has tiny params.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.expressions import evaluate
from tests.pipeline.conftest import TINY, Clone
from tools import quick

ROOT = Path(__file__).parent.parent.parent
WORKFLOW = ROOT / ".github/workflows/reproduce.yml"
STEPS = yaml.safe_load(WORKFLOW.read_text())["jobs"]["reproduce"]["steps"]
UPLOADS = [step for step in STEPS if step.get("uses", "").startswith("actions/upload-artifact@")]
BESIDES = ("Makefile", "requirements.txt", "dvc.lock", "metrics", "plots", "studies")  # the pipeline: of a base
OF_A_STUDY = "metrics/bnn_families.json"
STARTED_BY_HAND = {"inputs": {"base": "main"}}


def step_of(text: str) -> dict[str, Any]:
    """The step whose commands contain this text."""
    (step,) = (step for step in STEPS if text in step.get("run", ""))
    return step


@dataclass
class Job:
    """A run of the job in a checkout; each step adds to GitHub's contexts."""

    folder: Path
    scratch: Path
    contexts: dict[str, Any]
    printed: dict[str, str] = field(default_factory=dict)  # output by name of the step
    succeeded: list[str] = field(default_factory=list)

    @property
    def summary(self) -> str:
        """The summary page of the run."""
        return (self.scratch / "summary").read_text(encoding="utf-8")

    def run_all(self) -> None:
        """Run every step that has commands, up to the first that fails."""
        for step in STEPS:
            if "run" in step and not self.run(step):
                break

    def run(self, step: dict[str, Any]) -> bool:
        """Run a step as GitHub does if no shell is named, and return whether it succeeded."""
        assert "if" not in step and "shell" not in step
        script, output = self.scratch / "step.sh", self.scratch / "output"
        script.write_text(step["run"], encoding="utf-8")
        output.write_text("", encoding="utf-8")
        env = {name: str(evaluate(value, self.contexts)) for name, value in step.get("env", {}).items()}
        files = {"GITHUB_OUTPUT": str(output), "GITHUB_STEP_SUMMARY": str(self.scratch / "summary")}
        result = subprocess.run(
            ["bash", "-e", script],
            cwd=self.folder,
            env=environment() | files | env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=1000,
        )
        self.printed[step["name"]] = result.stdout
        if "id" in step:
            lines = output.read_text(encoding="utf-8").splitlines()
            outputs = dict(line.split("=", 1) for line in lines)
            outcome = "failure" if result.returncode else "success"
            self.contexts.setdefault("steps", {})[step["id"]] = {"outputs": outputs, "outcome": outcome}
        if result.returncode == 0:
            self.succeeded.append(step["name"])
        return result.returncode == 0


def environment() -> dict[str, str]:
    """Of a fresh machine: PATH does not lead to the environment, no GPU is seen, pip fetches nothing."""
    ours = Path(sys.executable).parent.resolve()
    folders = [folder for folder in os.environ["PATH"].split(os.pathsep) if Path(folder).resolve() != ours]
    fresh = {"PATH": os.pathsep.join(folders), "CUDA_VISIBLE_DEVICES": "", "PIP_NO_INDEX": "1"}
    return quick.environment() | fresh


def lend_environment(folder: Path) -> None:
    """A .venv of links to this environment, with the mark of `make setup` that it is complete."""
    (folder / ".venv").mkdir()
    for path in Path(sys.prefix).iterdir():
        if path.name != ".installed":
            (folder / ".venv" / path.name).symlink_to(path)
    (folder / ".venv/.installed").touch()


def put(source: Path, target: Path) -> None:
    """Copy a file, or a folder without what Git ignores in it."""
    if source.is_dir():
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("runs", "__pycache__"))
    else:
        shutil.copy(source, target)


@pytest.fixture(scope="module")
def repository(tmp_path_factory) -> Path:
    """A repository with a base, `main`, and a branch of tiny params."""
    made = Clone(tmp_path_factory.mktemp("repository"))
    quick.copy(made.folder, {})
    (made.folder / ".dvc/config.local").unlink()  # a Git repository, unlike the folder of `make quick`
    for name in BESIDES:
        put(ROOT / name, made.folder / name)
    made.run("git", "init", "--quiet", "--initial-branch", "main")
    made.commit()
    made.run("git", "switch", "--quiet", "--create", "tiny")
    made.change(**TINY)
    made.commit()
    return made.folder


@pytest.fixture(scope="module")
def check_out(repository, tmp_path_factory):
    """Start the job in a new clone of the repository."""

    def start(**contexts) -> Job:
        scratch = tmp_path_factory.mktemp("job")
        Clone(scratch).run("git", "clone", "--quiet", str(repository), "checkout")
        lend_environment(scratch / "checkout")
        return Job(scratch / "checkout", scratch, contexts)

    return start


def uploaded(step: dict[str, Any], folder: Path) -> dict[str, set[str]]:
    """The files that a step uploads, by the path that it names."""
    found = {}
    for pattern in step["with"]["path"].split():
        paths = {file for path in folder.glob(pattern) for file in (path, *path.rglob("*")) if file.is_file()}
        found[pattern] = {str(path.relative_to(folder)) for path in paths}
    return found


def rows(summary: str, section: str) -> Iterator[str]:
    """The lines of a section's table."""
    text = summary.partition(f"### {section}\n")[2].partition("### ")[0]
    return (line for line in text.splitlines() if line.startswith("|"))


def mentions(summary: str, section: str, name: str) -> bool:
    """Whether the section's table has this file."""
    return any(name in row for row in rows(summary, section))


# Runners that should have a GPU


def test_the_job_stops_before_training_where_the_gpu_runner_has_no_gpu(check_out):
    job = check_out(**STARTED_BY_HAND, vars={"GPU_RUNNER": "gpu"})
    job.run_all()
    assert job.succeeded == ["Find the base", "Set up"]
    (line,) = (line for line in job.printed["Find the GPU"].splitlines() if line.startswith("::error::"))
    assert "NVIDIA driver" in line and "delete the repository variable GPU_RUNNER" in line
    assert "repro" not in job.contexts["steps"]
    assert not any(evaluate(step["if"], job.contexts) for step in UPLOADS)


def test_without_a_gpu_runner_no_gpu_is_asked_for(check_out):
    job = check_out()
    assert job.run(step_of("cuda"))
    assert "::error::" not in job.printed["Find the GPU"]


def test_with_a_gpu_the_job_goes_on(check_out):
    """A GPU is simulated by a `python` that accepts every program."""
    job = check_out(vars={"GPU_RUNNER": "gpu"})
    (job.folder / ".venv/bin").unlink()
    (job.folder / ".venv/bin").mkdir()
    (job.folder / ".venv/bin/python").symlink_to("/bin/true")
    assert job.run(step_of("cuda"))


# What `Reproduce every stage` runs and removes, in a pipeline of one stage

ONE_STAGE = """
stages:
  count:
    cmd: cat metrics/study.json > kept && echo run >> log && echo '{"a":1}' > metrics/own.json
    deps: [input]
    outs: [kept]
    metrics: [metrics/own.json: {cache: false}]
"""


@pytest.fixture
def one_stage(tmp_path) -> Job:
    """Run once, so that only the run-cache knows the stage. Metrics of a study are next to its own."""
    made = Clone(tmp_path / "one_stage")
    (made.folder / "metrics").mkdir(parents=True)
    (made.folder / "dvc.yaml").write_text(ONE_STAGE)
    (made.folder / "input").write_text("the same")
    (made.folder / "metrics/study.json").write_text('{"b":2}')
    made.run("dvc", "init", "--no-scm", "--quiet")
    made.run("dvc", "repro", "--quiet")
    (made.folder / "dvc.lock").unlink()
    lend_environment(made.folder)
    return Job(made.folder, tmp_path, {})


def runs_and_keeps(job: Job, old: str = "", new: str = "") -> tuple[bool, bool]:
    """Whether the step, with `old` replaced by `new`, reruns the stage and keeps the study's metrics."""
    step = step_of("dvc repro")
    assert old in step["run"]
    before = (job.folder / "log").read_text()
    job.run(step | {"run": step["run"].replace(old, new)})
    study = job.folder / "metrics/study.json"
    return (job.folder / "log").read_text() != before, study.exists()


def test_a_stage_that_the_run_cache_knows_is_run(one_stage):
    assert runs_and_keeps(one_stage) == (True, True)
    assert runs_and_keeps(one_stage) == (True, True)  # and one that dvc.lock knows
    assert (one_stage.folder / "metrics/own.json").exists()


@pytest.mark.parametrize(
    ("old", "new", "found"),
    [(" --force", "", (False, True)), ("dvc repro", "rm -rf metrics; dvc repro", (False, False))],
)
def test_a_step_that_skips_or_deletes_is_found(one_stage, old, new, found):
    assert runs_and_keeps(one_stage, old, new) == found


# The whole job


@pytest.fixture(scope="module")
def job(check_out) -> Job:
    """The finished job."""
    made = check_out(**STARTED_BY_HAND)
    made.run_all()
    return made


@pytest.mark.slow
@pytest.mark.pipeline
@pytest.mark.timeout(1200)
class TestWholeJob:
    """The last test changes the clone."""

    def test_every_step_succeeds(self, job):
        printed = "\n".join(f"{name}:\n{text}" for name, text in job.printed.items())
        assert job.succeeded == [step["name"] for step in STEPS if "run" in step], printed
        assert (job.folder / "dvc_plots/index.html").exists()

    def test_every_stage_has_run(self, job):
        lines = job.printed["Reproduce every stage"].splitlines()
        ran = {line.split("'")[1] for line in lines if line.startswith("Running stage")}
        assert ran == yaml.safe_load((job.folder / "dvc.lock").read_text())["stages"].keys()

    def test_summary_compares_with_the_base(self, job):
        titles = [line for line in job.summary.splitlines() if line.startswith("#")]
        base = job.contexts["steps"]["base"]["outputs"]["rev"]
        assert titles == [f"## Reproduced, compared with `{base}`", "### Params", "### Metrics", "### Plots"]
        assert mentions(job.summary, "Params", "images.train")
        assert mentions(job.summary, "Metrics", "metrics/bnn/0.json")

    def test_metrics_of_a_study_stay_as_they_are(self, job):
        assert (job.folder / OF_A_STUDY).read_bytes() == (ROOT / OF_A_STUDY).read_bytes()
        assert not mentions(job.summary, "Metrics", OF_A_STUDY)

    def test_artifacts_have_all_results(self, job):
        assert all(evaluate(step["if"], job.contexts) for step in UPLOADS)
        found = {path: files for step in UPLOADS for path, files in uploaded(step, job.folder).items()}
        assert all(found.values())
        files = set().union(*found.values())
        assert {"dvc.lock", "dvc_plots/index.html", "metrics/summary.json", "plots/bnn/elbo.csv"} <= files
        trained = [path.name for path in (job.folder / "posteriors").iterdir()]
        assert trained and {f"posteriors/{model}/0/weights.safetensors" for model in trained} <= files

    def test_lost_metrics_and_files_would_be_found(self, job):
        (job.folder / OF_A_STUDY).unlink()
        again = Job(job.folder, job.scratch, job.contexts)
        (job.scratch / "summary").unlink()
        assert again.run(step_of("metrics diff"))
        assert mentions(again.summary, "Metrics", OF_A_STUDY)
        shutil.rmtree(job.folder / "posteriors")
        assert not all(files for step in UPLOADS for files in uploaded(step, job.folder).values())

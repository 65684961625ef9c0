"""A fifth model takes its own files, three stages, a line in the registry and its params: nothing else."""

import re
import shutil
from pathlib import Path

import pytest

from stages import artifacts
from tests.pipeline.conftest import Clone, tiny_clone
from tests.tiny import ROOT

pytestmark = pytest.mark.pipeline
FILES = Path(__file__).with_name("fifth_model")
SECTION = """
toy:
  steps: 200                # gradient steps
  learning_rate: 0.1        # Adam's, at its peak
  schedule: cosine          # constant | cosine | one_cycle
  validate_every: 50        # steps between two rows of elbo.csv
  execution: eager          # eager | traced | compiled
"""


@pytest.fixture(scope="module")
def clone(tmp_path_factory) -> Clone:
    """The pipeline with the model of fifth_model/, reproduced."""
    made = tiny_clone(tmp_path_factory.mktemp("fifth"))
    shutil.copytree(FILES / "stages", made.folder / "stages", dirs_exist_ok=True)
    add(made.folder / "dvc.yaml", r"\n  summarize:", "\n" + (FILES / "stages.yaml").read_text() + "  summarize:")
    add(made.folder / "stages/params.py", r'    "ssvae",\n', '    "ssvae",\n    "toy",\n')
    settings = made.folder / "stages/settings.py"
    add(settings, "    ssvae: ssvae.Params", "    toy: toy.Params\n    ssvae: ssvae.Params")
    add(settings, "labels_only, ssvae, vae", "labels_only, ssvae, toy, vae")
    with (made.folder / "params.yaml").open("a") as params:
        params.write(SECTION)
    made.run("python", "-m", "tools.closure", "--write")
    made.run("dvc", "repro", "plot_toy")
    made.run("dvc", "repro", "--single-item", "summarize", "headline")
    return made


def add(path: Path, place: str, text: str) -> None:
    """Put `text` in the one place where the pattern matches."""
    changed, count = re.subn(place, text.replace("\\", r"\\"), path.read_text())
    assert count == 1, f"{path.name}: {place!r} stands there {count} times"
    path.write_text(changed)


def test_its_metrics_are_in_the_summary(clone):
    summary = artifacts.read_json(clone.folder / "metrics/summary.json")
    metrics = artifacts.read_json(clone.folder / "metrics/toy/0.json")
    assert summary["toy"]["rmse"]["mean"] == metrics["rmse"]
    assert summary["toy"]["rmse"]["ci95_test"] > 0


def test_its_headline_appears(clone):
    metrics = artifacts.read_json(clone.folder / "metrics/toy/0.json")
    assert artifacts.read_json(clone.folder / "metrics/headline.json") == {"toy": {"rmse": metrics["rmse"]}}
    assert "stages/evaluation/toy.py" in (clone.folder / "dvc.yaml").read_text().partition("  headline:")[2]


def test_its_plots_are_there(clone):
    assert {path.name for path in (clone.folder / "plots/toy").iterdir()} == {"elbo.csv", "elbo.png"}


def test_its_deps_were_found(clone):
    text = (clone.folder / "dvc.yaml").read_text()
    stage = text[text.index("  train_toy:") : text.index("  evaluate_toy:")]
    assert "- stages/inference/toy.py" in stage and "- stages/models/toy.py" in stage
    assert "bnn" not in stage


def test_readme_tables_show_it(clone):
    no_data = shutil.ignore_patterns("*.yaml", "*.lock", "metrics", "plots", "runs")
    shutil.copytree(ROOT / "studies", clone.folder / "studies", ignore=no_data)  # some tables are of studies
    summary = {"toy": {"rmse": {"mean": 1.5, "ci95_test": 0.25}}}
    code = f"from tools import readme; print(readme.headline_table({summary}, {{}}))"
    assert "| toy | root mean squared error | 1.50 ± 0.25 |" in clone.run("python", "-c", code)


def test_verify_compares_it(clone):
    shutil.copy(ROOT / "tolerances.yaml", clone.folder)
    code = "from tools import verify; t = verify.read_tolerances(verify.ROOT); print(t.of('toy', 'rmse', 2.0))"
    assert float(clone.run("python", "-c", code)) > 0

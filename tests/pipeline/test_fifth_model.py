"""A fifth model, by the files, the edits, the stages and the params that docs/extending.md shows: nothing else."""

import shutil
from pathlib import Path

import pytest

from stages import artifacts
from tests.pipeline.conftest import Clone, tiny_clone
from tests.tiny import ROOT

pytestmark = pytest.mark.pipeline
FILES = Path(__file__).with_name("fifth_model")


@pytest.fixture(scope="module")
def clone(tmp_path_factory) -> Clone:
    """The pipeline with the model of fifth_model/, reproduced."""
    made = tiny_clone(tmp_path_factory.mktemp("fifth"))
    shutil.copytree(FILES / "stages", made.folder / "stages", dirs_exist_ok=True)
    made.run("git", "apply", str(FILES / "edits.patch"))
    stages = made.folder / "dvc.yaml"
    before, after = stages.read_text().split("\n  summarize:")
    stages.write_text(before + "\n" + (FILES / "stages.yaml").read_text() + "  summarize:" + after)
    with (made.folder / "params.yaml").open("a") as params:
        params.write((FILES / "params.yaml").read_text())
    made.run("python", "-m", "tools.closure", "--write")
    made.run("dvc", "repro", "plot_toy")
    made.run("dvc", "repro", "--single-item", "summarize", "headline")
    return made


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
    shutil.copytree(ROOT / "studies", clone.folder / "studies", ignore=no_data)  # some tables belong to studies
    summary = {"toy": {"rmse": {"mean": 1.5, "ci95_test": 0.25}}}
    code = f"from tools import readme; print(readme.headline_table({summary}, {{}}))"
    assert "| toy | root mean squared error | 1.50 ± 0.25 |" in clone.run("python", "-c", code)


def test_verify_compares_it(clone):
    shutil.copy(ROOT / "tolerances.yaml", clone.folder)
    code = "from tools import verify; t = verify.read_tolerances(verify.ROOT); print(t.of('toy', 'rmse', 2.0))"
    assert float(clone.run("python", "-c", code)) > 0

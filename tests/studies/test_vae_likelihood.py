"""The study of likelihoods: what it measures, and the row that it chooses."""

import json

import numpy as np
import pytest
import yaml

from stages import params
from studies import run
from studies.vae_likelihood import measure, summarize

STUDY = yaml.safe_load((run.ROOT / "studies/vae_likelihood/study.yaml").read_text())
TWO = {"seeds": [0, 1, 2], "rows": ["a", "b"], "repeated": ["b"], "other_seeds": [1, 2]}


@pytest.fixture
def folder(tmp_path):
    """Row a is better on the test set, row b on validation images."""
    for name, seed, test, validation in (("a", 0, 1, 9), ("b", 0, 3, 8), ("b", 1, 4, None), ("b", 2, 8, None)):
        made = {"iwae_500": test, "parameters": 10, "by_samples": {"1": 2.0}}
        if seed == 0:
            made |= {"iwae_5000": test - 0.5, "validation": {"iwae_500": validation}}
        (tmp_path / name).mkdir(exist_ok=True)
        (tmp_path / name / f"{seed}.json").write_text(json.dumps(made))
    return tmp_path


def test_validation_images_choose_the_row(folder):
    assert summarize.table(folder, TWO)["chosen"] == "b"


def test_each_figure_is_summarized_over_the_seeds_that_have_it(folder):
    rows = summarize.table(folder, TWO)["rows"]
    assert rows["a"]["iwae_500"] == {"mean": 1, "n": 1, "ci95_seeds": None}
    # sd of (3, 4, 8) is 2.64575; t of 2 degrees of freedom is 4.30265
    assert rows["b"]["iwae_500"] == {
        "mean": 5,
        "n": 3,
        "ci95_seeds": pytest.approx(4.30265 * 2.64575 / 3**0.5, rel=1e-4),
    }
    assert rows["b"]["iwae_5000"] == {"mean": 2.5, "n": 1, "ci95_seeds": None}
    assert set(rows["b"]) == {"iwae_500", "iwae_5000", "parameters"}


def test_metrics_are_positive_costs():
    cases = {
        "iwae_by_samples": np.array([[-5.0, -3.0, -2.0], [-7.0, -5.0, -3.0]], dtype=np.float32),
        "samples": np.array([1, 500, 5000]),
        "rate": np.array([1.0, 2.0]),
        "distortion": np.array([3.0, 6.0]),
        "latent_mean": np.array([[0.0, 1.0], [2.0, 1.0]]),
    }
    found = measure.metrics(cases)
    assert found["iwae_500"] == 4 and found["iwae_5000"] == 2.5
    assert (found["elbo"], found["rate"], found["distortion"], found["active_units"]) == (6, 1.5, 4.5, 1)
    assert found["by_samples"] == {"1": 6, "500": 4, "5000": 2.5}


@pytest.mark.parametrize("name", STUDY["runs"])
def test_every_run_is_a_valid_change_of_params(name):
    document = params.read(run.ROOT / "params.yaml")
    for changes in ({"seeds": STUDY["seeds"]}, STUDY["common"], STUDY["runs"][name]):
        document = params.merged(document, changes)
    expected = STUDY["common"]["vae"] | STUDY["runs"][name]["vae"]
    assert params.validated(document, "params.yaml").vae.model_dump(include=set(expected)) == expected


def test_rows_are_runs_and_seeds_are_split_between_the_stages():
    assert set(STUDY["rows"]) == set(STUDY["runs"]) >= set(STUDY["repeated"])
    assert STUDY["other_seeds"] == STUDY["seeds"][1:]

"""The study of labels: its runs, its table, and its paired differences."""

import numpy as np
import pytest
import yaml

from stages import params
from stages.evaluation import ssvae
from studies import run
from studies.labels import COMPARED, measure, plot, summarize

STUDY = yaml.safe_load((run.ROOT / "studies/labels/study.yaml").read_text())


@pytest.mark.parametrize("name", STUDY["runs"])
def test_every_run_is_a_valid_change_of_params_with_its_number_of_labels(name):
    document = params.read(run.ROOT / "params.yaml")
    for changes in ({"seeds": STUDY["seeds"]}, STUDY["common"], STUDY["runs"][name]):
        document = params.merged(document, changes)
    settings = params.validated(document, "params.yaml")
    assert settings.drop_labels.kept == int(name.rpartition("_")[2])
    assert settings.drop_labels.scheme == (
        "random" if name in ("default_random_3000", "all_labels_50000") else "balanced"
    )


def of(name):
    """What a run gives the stages, all changes applied."""
    document = params.read(run.ROOT / "params.yaml")
    for changes in (STUDY["common"], STUDY["runs"][name]):
        document = params.merged(document, changes)
    return params.validated(document, "params.yaml")


@pytest.mark.parametrize("labels", [100, 1000, 3000])
@pytest.mark.parametrize(
    ("model", "twin"), [("default", "labels_only"), ("best", "labels_only_best"), ("best", "consistency_only")]
)
def test_twins_share_network_views_and_labelled_steps(model, twin, labels):
    ours, theirs = of(f"{model}_{labels}"), of(f"{twin}_{labels}")
    for key in ("network", "width", "dropout", "augment"):
        assert getattr(ours.ssvae, key) == getattr(theirs.ssvae, key), key
    if twin == "consistency_only":
        assert theirs.ssvae == ours.ssvae.model_copy(update={"elbo_weight": 0.0})
    else:
        assert theirs.labels_only.steps == ours.ssvae.steps
        assert theirs.labels_only.batch_size == ours.ssvae.labelled_batch_size
        for key in ("learning_rate", "schedule", "average_steps"):
            assert getattr(theirs.labels_only, key) == getattr(ours.ssvae, key), key


def test_without_consistency_all_else_is_that_of_the_default():
    assert of("no_consistency_1000").ssvae == of("default_1000").ssvae.model_copy(update={"consistency": 0.0})


def test_all_labels_has_the_network_and_the_steps_of_the_default():
    ours, theirs = of("default_3000"), of("all_labels_50000")
    assert theirs.ssvae == ours.ssvae and theirs.labels_only == ours.labels_only
    assert theirs.labels_only.steps == ours.ssvae.steps
    assert theirs.drop_labels.kept == theirs.images.train


def test_every_run_is_in_one_list_of_stages():
    assert sorted(STUDY["ssvae"] + STUDY["labels_only"]) == sorted(STUDY["runs"]) == sorted(STUDY["every"])
    names = {name.rpartition("_")[0] for name in STUDY["runs"]}
    assert {name for pair in STUDY["compared"] for name in pair} <= names
    assert set(plot.SHOWN) <= names


def metrics(error, nll, resampled=(0.0, 0.0)):
    resamples = {key: list(resampled) for key in COMPARED}
    return dict.fromkeys(COMPARED, 0.0) | {"error_percent": error, "nll": nll, "resampled": resamples}


MEASURED = {
    "a_100": [metrics(4, 0.1, (1, 2)), metrics(6, 0.3, (3, 4))],
    "b_100": [metrics(8, 0.2, (1, 3)), metrics(10, 0.5, (1, 5))],
    "b_1000": [metrics(0, 0.2), metrics(0, 0.4)],
}


def test_table_has_mean_and_interval_of_every_model():
    drawn = {"a_100": {"metrics": {"spread_percent": 88.0}, "ci95_test": {"spread_percent": 1.5}}}
    models = summarize.table(MEASURED, drawn, [])["models"]
    assert set(models) == {"a", "b"} and set(models["b"]) == {"100", "1000"}
    # sd of (4, 6) is sqrt(2), t of 1 degree of freedom 12.7062
    assert models["a"]["100"]["error_percent"] == {
        "mean": 5,
        "n": 2,
        "ci95_seeds": pytest.approx(12.7062 * 2**0.5 / 2**0.5, rel=1e-4),
    }
    assert "resampled" not in models["a"]["100"]
    assert models["a"]["100"]["spread_percent"] == {"mean": 88, "n": 1, "ci95_seeds": None, "ci95_test": 1.5}
    assert "spread_percent" not in models["b"]["100"]


def test_differences_are_paired():
    paired = summarize.table(MEASURED, {}, [["a", "b"]])["paired"]
    assert set(paired) == {"a - b"} and set(paired["a - b"]) == {"100"}
    found = paired["a - b"]["100"]
    assert found["error_percent"]["mean"] == pytest.approx(-4)  # of -4 and -4
    assert found["error_percent"]["ci95_seeds"] == pytest.approx(0, abs=1e-9)
    assert found["nll"]["mean"] == pytest.approx(-0.15)
    # resamples of the mean difference: (0 + 2) / 2 and (-1 - 1) / 2, with an sd of 1
    assert [of["ci95_test"] for of in found.values()] == [pytest.approx(1.96)] * len(COMPARED)


def test_resamples_have_the_spread_of_a_mean_over_images():
    """The same for all models: twins that agree on every image do not differ on any resample."""
    right = np.random.default_rng(3).random(400) < 0.9
    p = np.where(right[:, None], [0.9, 0.1], [0.2, 0.8])
    cases = {"probabilities": p, "labels": np.zeros(400, int), "temperature": np.full(400, 2.0)}
    found = measure.resampled(cases)
    assert {*found} == {*COMPARED}
    for key, per_image in (("error_percent", 100 * (1 - right)), ("nll", -np.log(p[:, 0]))):
        assert np.mean(found[key]) == pytest.approx(per_image.mean(), abs=0.3 * per_image.std() / 20)
        assert np.std(found[key]) == pytest.approx(per_image.std() / 20, rel=0.2)
    assert measure.resampled(cases) == found
    # a resample as a whole, after the temperature
    index = np.random.default_rng(0).integers(400, size=400)
    first = ssvae.classified({name: values[index] for name, values in cases.items()}, "")
    assert found["nll_temperature"][0] == pytest.approx(first["nll_temperature"])

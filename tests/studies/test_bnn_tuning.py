"""The trials by which each inference family was tuned: as many for each, with settings of their own."""

import pytest
import yaml

from stages import artifacts
from studies import run
from studies.bnn_tuning import summarize

STUDY = yaml.safe_load((run.ROOT / "studies/bnn_tuning/study.yaml").read_text())


def test_families_have_as_many_trials_each():
    assert STUDY["trained"] == [trial for trials in STUDY["families"].values() for trial in trials]
    assert {*STUDY["trained"]} == {*STUDY["runs"]}
    assert {len(trials) for trials in STUDY["families"].values()} == {3}


@pytest.mark.parametrize("name", STUDY["trained"])
def test_trials_are_of_their_family(name):
    changes, family = STUDY["runs"][name]["bnn"], name.rpartition("_")[0]
    kind = family.removeprefix("reverse_").removeprefix("tempered_")
    ensemble = kind.endswith("_ensemble")
    assert changes["inference"] == ("ensemble" if ensemble else kind)
    assert changes.get("member") == (kind.removesuffix("_ensemble") if ensemble else None)
    assert (changes.get("dataset") == "fashion_mnist") == family.startswith("reverse")
    assert ("kl_weight" in changes) == family.startswith("tempered")


def test_the_trial_with_the_best_likelihood_is_chosen(tmp_path):
    for name, nll, error in (("one", 0.03, 0.5), ("two", 0.02, 0.9), ("three", 0.025, 0.4)):
        artifacts.write_json(tmp_path / name / "0.json", {"nll": nll, "error_percent": error})
    found = summarize.tuned(tmp_path, ["one", "two", "three"], 0)
    assert found["chosen"] == "two" and found["trials"]["three"] == {"nll": 0.025, "error_percent": 0.4}

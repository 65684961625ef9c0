"""The study of more data: its runs differ in the digits that they see, and its table is of them."""

import pytest
import yaml

from stages import artifacts, params
from studies import run
from studies.more_data import summarize

STUDY = yaml.safe_load((run.ROOT / "studies/more_data/study.yaml").read_text())


def test_runs_differ_in_the_number_of_digits_and_the_family():
    document = params.merged(params.read(run.ROOT / "params.yaml"), STUDY["common"])
    assert STUDY["trained"] == [f"{family}_{digits}" for family in STUDY["families"] for digits in STUDY["digits"]]
    assert {*STUDY["trained"]} == {*STUDY["runs"]}
    sections = {}
    for name in STUDY["trained"]:
        settings = params.validated(params.merged(document, STUDY["runs"][name]), "study.yaml")
        family, _, digits = name.rpartition("_")
        assert settings.bnn.inference == family and settings.images.train == int(digits)
        sections.setdefault(family, []).append(settings.bnn)
    assert all(section == of[0] for of in sections.values() for section in of)
    priors = [of[0].prior for of in sections.values()]
    assert priors[0] == priors[1] and priors[0].scale != "learned"  # the same model, whatever the data


def test_table_and_figure(tmp_path):
    for name in ("mean_field_500", "mean_field_2000"):
        for seed in (0, 1):
            metrics = {key: 0.1 * (1 + seed) / len(name) for key in summarize.SHOWN}
            artifacts.write_json(tmp_path / f"metrics/{name}/{seed}.json", metrics)
    found = summarize.table(tmp_path / "metrics", ["mean_field"], [500, 2000], [0, 1])
    assert list(found["mean_field"]) == ["500", "2000"]
    assert found["mean_field"]["500"]["mutual_information"]["mean"] == pytest.approx(0.15 / 14)
    summarize.draw(tmp_path / "picture.png", found)
    assert (tmp_path / "picture.png").stat().st_size > 5000

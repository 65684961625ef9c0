"""The study of images that a VAE has not learned: its table, and that its models learn what it says."""

import json

import yaml

from stages import ood_data, params
from studies import run
from studies.vae_ood import summarize

STUDY = yaml.safe_load((run.ROOT / "studies/vae_ood/study.yaml").read_text())


def test_table_names_pairs_and_the_headline_score(tmp_path):
    pairs = {
        "a": {"learned": "x", "others": ["y", "z"]},
        "b": {"learned": "y", "others": ["x"]},
        "c": {"learned": "x", "others": ["y"], "scores": ["t"]},
    }
    found = {"y": {"s": {"auroc": 0.5}}, "z": {"s": {"auroc": 0.6}}, "unused": {}}
    (tmp_path / "c.json").write_text(json.dumps({"y": {"s": {"auroc": 0.1}, "t": {"auroc": 0.2}}}))
    (tmp_path / "a.json").write_text(json.dumps(found))
    (tmp_path / "b.json").write_text(json.dumps({"x": {"s": {"auroc": 0.7}}}))
    table = summarize.table(tmp_path, pairs, "s")
    areas = {name: scores["s"]["auroc"] for name, scores in table["pairs"].items()}
    assert table["chosen"] == "s" and areas == {"x_vs_y": 0.5, "x_vs_z": 0.6, "y_vs_x": 0.7}
    assert table["pairs"]["x_vs_y"]["t"] == {"auroc": 0.2}


def test_models_learn_what_the_pairs_say_and_all_images_are_known():
    document = params.read(run.ROOT / "params.yaml")
    for name, pair in STUDY["pairs"].items():
        changed = params.merged(params.merged(document, STUDY["common"]), STUDY["runs"][name])
        settings = params.validated(changed, "params.yaml")
        assert settings.vae.dataset == pair["learned"]
        assert "likelihood_ratio" not in pair.get("scores", []) or settings.vae.levels == 2
        assert settings.ood.vae == pair["others"][0]
        assert set(pair["others"]) <= {*ood_data.MADE, *settings.data_sets.all()} - {pair["learned"]}

"""The study of inference families: its table, and the family that it chooses."""

import shutil
from contextlib import nullcontext
from types import SimpleNamespace
from unittest.mock import Mock

import numpy as np
import pytest
import yaml
from sklearn.metrics import roc_auc_score
from torch import nn

from stages import artifacts, params, temperature
from stages.command import Failure
from stages.evaluation import classification, ood
from stages.models import bnn
from studies import run
from studies.bnn_families import compared, plot, summarize
from tests import tiny

STUDY, TUNING = (
    yaml.safe_load((run.ROOT / "studies" / name / "study.yaml").read_text())
    for name in ("bnn_families", "bnn_tuning")
)
BUDGETS = {  # seconds, of each run of each study
    "bnn_families": {name: STUDY["budget"][rows] for rows in ("families", "once") for name in STUDY[rows]},
    "bnn_tuning": dict.fromkeys(TUNING["runs"], STUDY["budget"]["families"]),
}


def family(nll, auroc, parameters=100.0, noise=1e-4, seeds=(0, 1, 2), networks=20.0):
    """Metrics of one family by seed; those of the test set are the opposite, and must not matter."""
    found = []
    for seed in seeds:
        generator = np.random.default_rng([seed, int(1e6 * nll), int(1e6 * auroc)])
        validation = {"nll": nll, "auroc_entropy": auroc, "auroc_mutual_information": auroc - 0.1}
        test = {"nll": 1 - nll, "auroc_entropy": 1 - auroc, "auroc_mutual_information": 1.1 - auroc}
        test |= {"error_percent": 100 * (1 - nll)}
        resampled = {
            split: {key: list(value + noise * generator.normal(size=200)) for key, value in of.items()}
            for split, of in (("validation", validation), ("test", test))
        }
        more = {"fpr95_entropy": 0.1, "fpr95_mutual_information": 0.2}
        more |= {"parameters": parameters, "networks": networks}
        found.append(test | more | {"validation": validation, "resampled": resampled})
    return found


@pytest.mark.parametrize(
    ("families", "winner"),
    [
        ({"a": family(0.02, 0.9), "b": family(0.03, 0.99)}, "a"),  # the likelihood comes first
        ({"a": family(0.0201, 0.8, noise=1e-3), "b": family(0.02, 0.9, noise=1e-3)}, "b"),  # level: separation
        ({"a": family(0.0201, 0.9, noise=1e-3), "b": family(0.02, 0.9001, 200.0, noise=1e-3)}, "a"),  # parameters
        (
            {"a": family(0.0201, 0.9, noise=1e-3), "b": family(0.02, 0.9, networks=5.0, noise=1e-3)},
            "b",
        ),  # networks
        ({"a": family(0.021, 0.99), "b": family(0.02, 0.8), "c": family(0.02, 0.9)}, "c"),
    ],
)
def test_rule(families, winner):
    assert summarize.chosen(families)[0] == winner


def test_reasons_are_differences_to_the_best():
    """That of the second step, where the first leaves a family out, is not made."""
    _, reasons = summarize.chosen({"a": family(0.021, 0.99), "b": family(0.02, 0.8), "c": family(0.02, 0.9)})
    assert reasons["a"] == {"nll": {"mean": pytest.approx(0.001), "ci95": pytest.approx(0.0003, abs=0.0002)}}
    assert reasons["b"]["auroc_entropy"]["mean"] == pytest.approx(-0.1)
    assert reasons["c"]["auroc_entropy"] == {"mean": 0, "ci95": 0}


def test_paired_interval_is_over_seeds_and_over_cases():
    """What both families share cancels; the two variances add up."""
    generator = np.random.default_rng(0)
    shared, own = generator.normal(size=(3, 200)), generator.normal(size=200)
    offsets = np.array([0.1, 0.2, 0.6])

    def of(values, plain):
        return [
            {"nll": one, "resampled": {"test": {"nll": list(row)}}} for one, row in zip(plain, values, strict=True)
        ]

    over_seeds = 4.30265 * offsets.std(ddof=1) / 3**0.5
    found = summarize.paired(of(shared + offsets[:, None], offsets), of(shared, np.zeros(3)), "test", "nll")
    assert found == {"mean": pytest.approx(0.3), "ci95": pytest.approx(over_seeds, rel=1e-4)}
    found = summarize.paired(of(shared + own, np.ones(3)), of(shared, np.zeros(3)), "test", "nll")
    assert found == {"mean": 1.0, "ci95": pytest.approx(1.96 * own.std())}
    found = summarize.paired(of(shared + own + offsets[:, None], offsets), of(shared, np.zeros(3)), "test", "nll")
    assert found["ci95"] == pytest.approx(np.hypot(over_seeds, 1.96 * own.std()), rel=1e-4)


def test_table(tmp_path, monkeypatch):
    """The family that is better on the test set, and worse on validation digits, is not chosen."""
    monkeypatch.setattr(summarize, "ROOT", tmp_path)
    monkeypatch.setattr("sys.argv", ["summarize"])
    study = tmp_path / "studies/bnn_families"
    for name, nll, seeds in (
        ("a", 0.1, 3),
        ("b", 0.2, 3),
        ("c", 0.01, 3),
        ("a_other_start", 0.105, 3),
        ("a_long", 0.08, 1),
        ("b_long", 0.05, 1),
        ("reverse_a", 0.3, 1),
    ):
        for seed, metrics in enumerate(family(nll, 0.9, seeds=range(seeds))):
            if name == "reverse_a":  # another score is the best there
                metrics["validation"]["auroc_mutual_information"] = 0.95
            artifacts.write_json(study / f"metrics/{name}/{seed}.json", metrics)
    text = "{seeds: [0, 1, 2], families: [a, b, c, a_other_start], candidates: [a, b], "
    text += "other_starts: [a_other_start], long: [%s], reverse: [%s]}"
    artifacts.write_json(study / "metrics/reverse_b/0.json", family(0.3, 0.9)[0])
    for long, reverse, missing in (
        ("b_long", "reverse_a", "long: has no a_long"),
        ("a_long, b_long", "reverse_b", "reverse: has no reverse_a"),
    ):
        (study / "study.yaml").write_text(text % (long, reverse))
        with pytest.raises(Failure, match=f"{missing}, but a is chosen: add it"):
            summarize.main()
    (study / "study.yaml").write_text(text % ("a_long, b_long", "reverse_a"))
    summarize.main()
    families, reverse = (
        artifacts.read_json(tmp_path / f"metrics/bnn_{of}.json") for of in ("families", "reverse")
    )
    assert families["chosen"] == reverse["chosen"] == "a"
    assert families["unrestricted"]["chosen"] == "c" and {*families["unrestricted"]["choice"]} == {"a", "b", "c"}
    assert (families["headline"], reverse["headline"]) == ("entropy", "mutual_information")
    assert families["families"]["b"]["nll"] == {"mean": pytest.approx(0.8), "n": 3, "ci95_seeds": pytest.approx(0)}
    assert families["families"]["b"]["auroc_headline"] == families["families"]["b"]["auroc_entropy"]
    assert families["families"]["b"]["fpr95_headline"]["mean"] == pytest.approx(0.1)
    assert families["validation"]["b"]["nll"]["mean"] == pytest.approx(0.2)
    assert families["starts"]["a_other_start"]["nll"]["mean"] == pytest.approx(-0.005, abs=1e-4)
    assert {*families["paired"]} == {"a_other_start", "a_long", "b", "b_long", "c"} and not reverse["paired"]
    # test figures are 1 - nll: those with the larger budget are compared with each other
    assert families["paired"]["a_long"]["nll"]["mean"] == pytest.approx(0.02)
    assert families["paired"]["b_long"]["nll"]["mean"] == pytest.approx(0.03)
    assert {*families["choice"]} == {"a", "b"} and not {"choice", "unrestricted"} & {*reverse}
    assert families["choice"]["b"]["nll"]["mean"] == pytest.approx(0.1)
    assert families["families"]["b_long"]["nll"] == {"mean": pytest.approx(0.95), "n": 1, "ci95_seeds": None}
    assert families["paired"]["b"]["nll"]["mean"] == pytest.approx(-0.1)
    assert {*reverse["families"]} == {*reverse["validation"]} == {"a"}
    assert not {"validation", "resampled"} & set(families["families"]["a"])


def predictions(seed, count=60):
    generator = np.random.default_rng(seed)
    p = generator.dirichlet(np.ones(10), size=count).astype(np.float32)
    found = {"probabilities": p, "labels": np.arange(count) % 10, "expected_entropy": np.zeros(count)}
    return found | {f"score_{name}": generator.normal(size=count) + seed for name in ood.CLASSIFIER_SCORES}


@pytest.mark.parametrize(
    ("inference", "prior", "numbers"),
    [
        ("map", "fan_in", 12),
        ("mean_field", "fan_in", 24),
        ("mean_field", "learned", 36),
        ("last_layer_full", "fan_in", 12 + 21),  # six weights and biases in the last layer
        ("laplace", "fan_in", 12 + 21),
    ],
)
def test_parameters_are_the_numbers_that_were_learned(inference, prior, numbers):
    settings = tiny.settings(bnn={"inference": inference}).bnn
    settings = settings.model_copy(update={"prior": settings.prior.model_copy(update={"scale": prior})})
    made = bnn.build(settings, lambda: nn.Sequential(nn.Linear(2, 2), nn.ReLU(), nn.Linear(2, 2)))
    assert compared.parameters(*made) == numbers


def test_metrics_of_a_family(monkeypatch):
    monkeypatch.setattr(compared, "RESAMPLES", 7)
    made = {
        "test": {"mnist": predictions(0), "fashion_mnist": predictions(1)},
        "validation": {"mnist": predictions(0), "noise": predictions(1), "strokes": predictions(3)},
    }
    found = compared.metrics(made, "mnist", "fashion_mnist")
    own = made["test"]["mnist"]
    plain = classification.metrics(own["probabilities"], own["labels"])
    assert {key: found[key] for key in plain} == plain
    assert found["temperature"] == temperature.fitted(own["probabilities"][::2], own["labels"][::2])
    areas = [
        roc_auc_score([0] * 60 + [1] * 60, [*own["score_entropy"], *made["validation"][name]["score_entropy"]])
        for name in ("noise", "strokes")
    ]
    assert found["auroc_entropy"] == pytest.approx(areas[0])
    assert found["validation"]["auroc_entropy"] == pytest.approx(np.mean(areas))
    for split, of in found["resampled"].items():
        assert all(len(values) == 7 for values in of.values()), split
        assert np.mean(of["nll"]) == pytest.approx(plain["nll"], rel=0.2)
    # the same cases in every family: what is added to the likelihood of each is added to that of each resample
    better = {split: {name: dict(cases) for name, cases in of.items()} for split, of in made.items()}
    p = own["probabilities"]
    sharper = p / p[np.arange(60), own["labels"]][:, None] * 0.5
    better["test"]["mnist"]["probabilities"] = sharper / sharper.sum(axis=1, keepdims=True)
    generator = np.random.default_rng(0)
    _, first = (generator.integers(60, size=60) for _ in ("fashion_mnist", "mnist"))
    q = better["test"]["mnist"]["probabilities"]
    wanted = -np.log(q[first, own["labels"][first]].astype(float)).mean()
    assert compared.resampled(better["test"], "mnist")["nll"][0] == pytest.approx(wanted, rel=1e-5)


@pytest.fixture
def settings(tmp_path, monkeypatch):
    """settings("map"): the settings of that run."""
    for name in ("params.yaml", "studies/bnn_families/study.yaml"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(run.ROOT / name, tmp_path / name)
    monkeypatch.setattr(run, "ROOT", tmp_path)
    return lambda name: params.load(run.prepare("bnn_families", name) / "params.yaml")


def test_runs_differ_from_the_pipeline_in_their_network_the_seeds_and_what_all_change(settings):
    committed = params.load(run.ROOT / "params.yaml")
    common = STUDY.get("common", {})
    for name in STUDY["runs"]:
        found = settings(name)
        assert found.seeds == STUDY["seeds"]
        assert all(getattr(found, key) == value for key, value in common.items() if not isinstance(value, dict))
        changed = {key for key, value in found if value != getattr(committed, key)}
        assert changed <= {"bnn", "ood", "seeds", *common}


def test_every_run_is_made_and_shown(settings):
    assert all(settings(name) for name in STUDY["runs"])
    assert [*STUDY["long"], *STUDY["reverse"]] == STUDY["once"]
    assert {*STUDY["families"], *STUDY["once"]} == {*STUDY["runs"]}
    assert {name.removesuffix("_long") for name in STUDY["long"]} < {*STUDY["families"]}


def test_long_and_reversed_runs_are_of_the_same_family(settings):
    """With another budget; those on clothes with settings of their own."""
    for name in STUDY["once"]:
        found, same = settings(name), settings(name.removeprefix("reverse_").removesuffix("_long"))
        if name in STUDY["long"]:
            budget = {"steps": found.bnn.steps, "kl_warmup_steps": found.bnn.kl_warmup_steps}
            assert found.bnn == same.bnn.model_copy(update=budget)
        else:
            assert (found.bnn.dataset, found.ood.bnn) == ("fashion_mnist", "mnist")
            kinds = ("inference", "member", "network", "width", "kl_weight")
            assert all(getattr(found.bnn, key) == getattr(same.bnn, key) for key in kinds)


def milliseconds(settings):
    if settings.inference == "ensemble":
        return STUDY["milliseconds_of_a_member"][settings.member] * settings.members
    return STUDY["milliseconds"][settings.inference]


@pytest.mark.parametrize(("study", "name"), [(of, name) for of in BUDGETS for name in BUDGETS[of]])
def test_trainings_take_their_budget(study, name):
    document = params.read(run.ROOT / "params.yaml")
    folder = run.ROOT / "studies" / study
    of = yaml.safe_load((folder / "study.yaml").read_text())
    for changes in (of["common"], of["runs"][name]):
        document = params.merged(document, changes)
    settings = params.validated(document, "params.yaml").bnn
    assert settings.steps * milliseconds(settings) / 1000 == pytest.approx(BUDGETS[study][name], rel=0.04)


@pytest.mark.parametrize(
    ("family", "text"),
    [
        ("map", "MAP"),
        ("mc_dropout_ensemble", "MC dropout ensemble"),
        ("laplace", "Laplace"),
        ("mean_field", "mean field"),
    ],
)
def test_families_are_called_by_their_names(family, text):
    assert plot.label(family) == text


def test_layers_stand_in_the_order_of_the_network(tmp_path, monkeypatch):
    axes = [SimpleNamespace(hist=Mock(), axvline=Mock(), set=Mock()) for _ in range(3)]
    monkeypatch.setattr(plot, "figure", lambda *_, **__: nullcontext(axes))
    sizes = {"network.1": 4, "network.10": 2, "network.4": 3}
    ratios = {f"{site}.{kind}": np.ones(size) for site, size in sizes.items() for kind in ("weight", "bias")}
    plot.signal_to_noise(tmp_path / "picture.png", ratios)
    assert [axis.set.call_args.kwargs["title"] for axis in axes] == [
        "layer 1: 4 weights",
        "layer 2: 3 weights",
        "layer 3: 2 weights",
    ]


def test_chosen_family_is_among_the_reversed():
    found = artifacts.read_json(run.ROOT / "metrics/bnn_families.json")
    assert f"reverse_{found['chosen']}" in STUDY["reverse"]


def test_settings_are_those_that_the_trials_chose():
    """Other than the kind of start, and of rows with another budget the steps."""
    tuned = artifacts.read_json(run.ROOT / "metrics/bnn_tuning.json")["families"]
    committed = params.read(run.ROOT / "params.yaml")["bnn"]
    for name in {*STUDY["families"], *STUDY["reverse"]} - {"mean_field_other_start"}:
        of_row = STUDY["runs"][name]["bnn"]
        of_trial = TUNING["runs"][tuned[name]["chosen"]]["bnn"]
        if name in STUDY["reverse"]:
            of_trial = of_trial | {key: of_row[key] for key in ("steps", "kl_warmup_steps") if key in of_row}
        both = [
            params.merged(params.merged(committed, of["common"]["bnn"]), row)
            for of, row in ((STUDY, of_row), (TUNING, of_trial))
        ]
        assert both[0] == both[1], name


def test_long_rows_are_of_the_families_with_the_best_likelihood():
    """And of mean-field, whose goal needs more steps than the others."""
    validation = artifacts.read_json(run.ROOT / "metrics/bnn_families.json")["validation"]
    families = {*STUDY["families"]} - {*STUDY["other_starts"]}
    best = sorted(families, key=lambda name: validation[name]["nll"]["mean"])[:3]
    assert {name.removesuffix("_long") for name in STUDY["long"]} == {*best, "mean_field"}

"""The kept labels: the requested number, of the right classes, chosen at random, and written to the file."""

import math
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from stages import artifacts, datasets, drop_labels
from stages.command import Failure
from tests.idx import write_labels

ROOT = Path(__file__).parent.parent
COUNTS = [50, 80, 30, 60, 90, 40, 70, 55, 65, 60]  # images of each class: 600
LABELS = np.random.default_rng(0).permutation(np.repeat(np.arange(10), COUNTS))


def kept(scheme="balanced", number=100, seed=0):
    table = drop_labels.drop_labels(LABELS, number, scheme, seed)
    return table.dropna()


@pytest.mark.parametrize("scheme", ["balanced", "random"])
@pytest.mark.parametrize("number", [10, 300])
def test_as_many_stay_as_asked_and_the_others_are_empty(scheme, number):
    table = drop_labels.drop_labels(LABELS, number, scheme, seed=0)
    assert table["index"].tolist() == list(range(600))
    stay = table["label"].notna().to_numpy()
    assert stay.sum() == number
    np.testing.assert_array_equal(table["label"][stay].astype(int), LABELS[stay])


def test_balanced_keeps_the_same_number_of_each_class():
    assert kept()["label"].value_counts().to_dict() == dict.fromkeys(range(10), 10)


def test_random_keeps_classes_in_proportion_but_not_balanced():
    seeds = 200
    counts = np.array(
        [np.bincount(kept("random", 60, seed)["label"].astype(int), minlength=10) for seed in range(seeds)]
    )
    share = np.array(COUNTS) / 600
    variance = 60 * share * (1 - share) * (600 - 60) / (600 - 1)  # hypergeometric
    assert (np.abs(counts.mean(axis=0) - 60 * share) < 5 * np.sqrt(variance / seeds)).all()
    assert np.abs(counts.var(axis=0) / variance - 1).max() < 5 * math.sqrt(2 / seeds)


def test_balanced_draws_every_image_of_a_class_alike():
    seeds = 300
    times = sum(np.bincount(kept(seed=seed)["index"], minlength=600) for seed in range(seeds))
    share = 10 / np.array(COUNTS)[LABELS]
    assert (np.abs(times - seeds * share) < 5 * np.sqrt(seeds * share * (1 - share))).all()


@pytest.mark.parametrize("scheme", ["balanced", "random"])
def test_the_seed_decides(scheme):
    assert kept(scheme, seed=3).equals(kept(scheme, seed=3))
    assert set(kept(scheme, seed=3)["index"]) != set(kept(scheme, seed=4)["index"])


@pytest.mark.parametrize(("scheme", "number"), [("balanced", 310), ("random", 601)])
def test_too_few_labels(scheme, number):
    with pytest.raises(Failure, match=rf"^params.yaml: drop_labels.kept = {number}: .*600 images"):
        drop_labels.drop_labels(LABELS, number, scheme, seed=0)


@pytest.mark.parametrize(("scheme", "number"), [("balanced", 300), ("random", 600)])
def test_just_enough_labels(scheme, number):
    assert len(kept(scheme, number)) == number


def test_kept_labels_reads_what_was_written(tmp_path):
    table = drop_labels.drop_labels(LABELS, 100, "random", seed=5)
    artifacts.write_csv(tmp_path / "labels/5.csv", table)
    index, labels = datasets.kept_labels(5, tmp_path)
    assert index.tolist() == table.dropna()["index"].tolist()
    np.testing.assert_array_equal(labels, LABELS[index])


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A repository with 600 labelled images, of which 300 labels are to be kept."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["drop_labels", "--seed", "3"])
    validation = np.zeros(len(LABELS) // 5)  # a sixth of all
    write_labels(tmp_path / "data/images/mnist/train-labels-idx1-ubyte", np.append(LABELS, validation))
    (tmp_path / "data/images/mnist/train-images-idx3-ubyte").write_bytes(bytes(16 + 720 * 784))
    write_params(tmp_path, kept=300, scheme="balanced")
    return tmp_path


def write_params(folder, **drop_labels):
    params = yaml.safe_load((ROOT / "params.yaml").read_text())
    images = {"train": 600, "validation": 100, "test": 100}
    params |= {"seeds": [0, 3], "drop_labels": drop_labels, "images": images}
    (folder / "params.yaml").write_text(yaml.safe_dump(params))


def test_command_writes_the_table(folder):
    drop_labels.main()
    written = pd.read_csv(folder / "data/labels/3.csv")
    expected = drop_labels.drop_labels(LABELS, 300, "balanced", seed=3)
    assert written["index"].equals(expected["index"])
    assert written["label"].astype("Int64").equals(expected["label"])


@pytest.mark.parametrize(("scheme", "kept"), [("balanced", 590), ("random", 601)])
def test_command_that_cannot_keep_so_many_ends_with_one_line(scheme, kept, folder):
    """A class has too few images, or there are fewer images than that; all of them, at random, can be kept."""
    write_params(folder, kept=kept, scheme=scheme)
    with pytest.raises(Failure, match=rf"^params.yaml: drop_labels.kept = {kept}: [^\n]*$"):
        drop_labels.main()
    assert not (folder / "data/labels").exists()

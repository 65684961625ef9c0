"""README.md and docs/ say what is so: figures, pictures, links, the tree, the picture of the pipeline."""

import json
import re

import pytest

from stages.command import Failure
from tools import readme, study_tables

LINKS = [
    (document, link)
    for document in readme.DOCUMENTS
    for link in re.findall(r"\]\((?!https?:|#)([^)#\s]+)", document.read_text())
]


@pytest.mark.parametrize("document", readme.DOCUMENTS, ids=lambda path: path.name)
def test_tables_and_flowchart_are_current(document):
    """After a change of results: `python -m tools.readme`."""
    text = document.read_text()
    assert readme.updated(text) == text


def test_every_part_stands_somewhere():
    assert all(any(f"<!-- {part}: " in path.read_text() for path in readme.DOCUMENTS) for part in readme.PARTS)


@pytest.mark.parametrize("name", ["README.md", "docs/results.md"])
def test_a_wrong_figure_would_be_seen(name):
    text = (readme.ROOT / name).read_text()
    figure = re.search(r"\| BNN \| error \(%\) \| (\d+\.\d+)", text)[1]
    changed = text.replace(figure, f"{float(figure) + 0.01:.2f}")
    assert changed != text
    assert readme.updated(changed) != changed


def test_a_table_is_written_wherever_its_marks_stand(monkeypatch):
    monkeypatch.setattr(readme, "PARTS", {"one": lambda: "| 1 |", "two": lambda: "| 2 |"})
    text = "a\n<!-- two: x -->\nold\n<!-- end of two -->\nb\n<!-- one: y -->\n<!-- end of one -->\n"
    wanted = text.replace("old", "| 2 |").replace("y -->\n", "y -->\n| 1 |\n")
    assert readme.updated(text) == readme.updated(wanted) == wanted


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("<!-- three: x -->\n<!-- end of three -->\n", "three"),
        ("<!-- one: x -->\n", "one"),
        ("<!-- end of one -->\n", "one"),
        ("<!-- one: x -->\n<!-- two: x -->\n<!-- end of one -->\n<!-- end of two -->\n", "one, two, one, two"),
    ],
)
def test_marks_that_fit_nothing_are_said_in_one_line(monkeypatch, text, message):
    monkeypatch.setattr(readme, "PARTS", {"one": lambda: "", "two": lambda: ""})
    with pytest.raises(Failure, match=rf"^[^\n]*{message}[^\n]*$"):
        readme.updated(text)


def test_headlines_have_the_spread_over_seeds_where_there_is_one():
    summary = {
        "bnn": {"nll": {"mean": 0.5, "ci95_test": 0.25}, "ece": {"mean": 0.125, "ci95_test": None}},
        "ood/bnn": {"fashion_mnist": {"entropy": {"auroc": {"mean": 0.75, "ci95_test": 0.0625}}}},
    }
    table = readme.headline_table(summary, {"bnn": {"nll": {"mean": 0.625, "ci95_seeds": 0.5}}})
    assert table.splitlines()[2:] == [
        "| BNN | negative log likelihood (nats) | 0.5000 ± 0.2500 | 0.6250 ± 0.5000 |",
        "| BNN | expected calibration error | 0.1250 | – |",
        "| BNN | AUROC against Fashion-MNIST, entropy | 0.7500 ± 0.0625 | – |",
    ]


@pytest.mark.parametrize(("document", "link"), LINKS, ids=lambda value: getattr(value, "name", value))
def test_linked_files_exist(document, link):
    assert (document.parent / link).exists()


def test_tree_names_existing_files():
    tree = re.search(r"```\n(dvc\.yaml.*?)```", (readme.ROOT / "docs/structure.md").read_text(), flags=re.S)[1]
    folders = []  # those above the line, by depth
    for indent, name in (re.match(r"( *)(\S+)", line).groups() for line in tree.splitlines()):
        folders[len(indent) // 2 :] = [name]
        assert readme.ROOT.joinpath(*folders).exists(), name


def test_scores_of_foreign_images_stand_beside_their_baselines(tmp_path, monkeypatch):
    monkeypatch.setattr(study_tables, "ROOT", tmp_path)
    (tmp_path / "metrics").mkdir()
    assert study_tables.pairs() == ""  # the study has not been run
    auroc = {"likelihood": 0.25, "combined": 0.5, "grey_entropy": 0.75}
    scores = {name: {"auroc": value, "aupr": 0.1, "fpr95": 0.1} for name, value in auroc.items()}
    without = {name: values for name, values in scores.items() if name != "combined"}
    pairs = {"mnist_vs_fashion_mnist": scores, "mnist_vs_white_noise": without}
    pairs |= {"fashion_mnist_vs_flipped_vertically": without}
    found = {"chosen": "combined", "pairs": pairs}
    (tmp_path / "metrics/vae_ood.json").write_text(json.dumps(found))
    assert study_tables.pairs().split("\n") == [
        "| AUROC, trained on MNIST | Fashion-MNIST | white noise |",
        "|---|---|---|",
        "| likelihood | 0.2500 | 0.2500 |",
        "| **combined** | 0.5000 | – |",
        "| no model: entropy of the grey image | 0.7500 | 0.7500 |",
        "",
        "| AUROC, trained on Fashion-MNIST | upside down |",
        "|---|---|",
        "| likelihood | 0.2500 |",
        "| no model: entropy of the grey image | 0.7500 |",
    ]


def test_models_of_the_study_of_labels_stand_by_their_number(tmp_path, monkeypatch):
    monkeypatch.setattr(study_tables, "ROOT", tmp_path)
    (tmp_path / "metrics").mkdir()
    assert study_tables.labels() == study_tables.label_pairs() == study_tables.NOT_RUN

    def row(mean, ci95):
        return {
            key: {"mean": mean, "n": 3, "ci95_seeds": ci95, "ci95_test": 0.25} for key, _, _ in study_tables.LABELS
        }

    models = {"default": {"1000": row(2.0, 0.5), "100": row(3.0, 0.5)}, "all_labels": {"50000": row(0.5, None)}}
    found = {"models": models, "paired": {"default - labels_only": {"100": row(-1.5, 0.5)}}}
    (tmp_path / "metrics/ssvae_labels.json").write_text(json.dumps(found))
    header = "| | labels | error % | NLL | Brier | ECE | NLL, with temperature | ECE, with temperature |"
    three, two = "3.000 ± 0.500", "2.000 ± 0.500"
    assert study_tables.labels().split("\n") == [
        header,
        "|---" * 8 + "|",
        f"| `default` | 100 | 3.00 ± 0.50 | {three} | 3.0000 ± 0.5000 | {three} | {three} | {three} |",
        f"| `default` | 1,000 | 2.00 ± 0.50 | {two} | 2.0000 ± 0.5000 | {two} | {two} | {two} |",
        "| `all_labels` | 50,000 | 0.50 | 0.500 | 0.5000 | 0.500 | 0.500 | 0.500 |",
    ]
    first, other = study_tables.label_pairs().split("\n")[2].split(" | ")[:3], "−1.50 ± 0.50, ± 0.25"
    assert first == ["| `default` − `labels_only`", "100", other]


def test_only_models_that_draw_digits_are_in_their_table(tmp_path, monkeypatch):
    monkeypatch.setattr(study_tables, "ROOT", tmp_path)
    (tmp_path / "metrics").mkdir()
    assert study_tables.label_drawn() == study_tables.NOT_RUN
    row = {
        key: {"mean": 90.0, "n": 1, "ci95_seeds": None, "ci95_test": 0.25 if key != "nearest_distance" else None}
        for key, _, _ in study_tables.DRAWN
    }
    found = {"models": {"best": {"3000": row, "100": {}}, "labels_only": {"3000": {}}}, "paired": {}}
    (tmp_path / "metrics/ssvae_labels.json").write_text(json.dumps(found))
    _, _, only = study_tables.label_drawn().split("\n")
    percent = "90.0 ± 0.2"
    assert only == f"| `best` | 3,000 |{f' {percent} |' * 6} 90.00 ± 0.00 | 90.00 ± 0.25 |"

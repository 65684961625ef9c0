"""README.md says what is so: its figures, its pictures, its tree, its picture of the pipeline."""

import re

import pytest

from tools import readme

TEXT = readme.README.read_text()


@pytest.mark.parametrize("document", readme.DOCUMENTS, ids=lambda path: path.name)
def test_results_and_flowchart_are_current(document):
    """After a change of results: `python -m tools.readme`."""
    text = document.read_text()
    assert readme.updated(text) == text


def test_a_wrong_figure_would_be_seen():
    figure = re.search(r"\| BNN \| error \(%\) \| (\d+\.\d+)", TEXT)[1]
    changed = TEXT.replace(figure, f"{float(figure) + 0.01:.2f}")
    assert changed != TEXT
    assert readme.updated(changed) != changed


@pytest.mark.parametrize("link", re.findall(r"\]\(([^)h#][^)]*)\)", TEXT))
def test_linked_files_exist(link):
    assert (readme.ROOT / link).exists()


def test_tree_names_existing_files():
    tree = re.search(r"```\n(dvc\.yaml.*?)```", TEXT, flags=re.S)[1]
    folders = []  # those above the line, by depth
    for indent, name in (re.match(r"( *)(\S+)", line).groups() for line in tree.splitlines()):
        folders[len(indent) // 2 :] = [name]
        assert readme.ROOT.joinpath(*folders).exists(), name
